"""A target of which nothing is at hand but its ``build-details.json`` (:pep:`739`).

That file tells names and platform. The machine follows from these; the libc does not where the names spell
``-gnu``, which a Python on musl can import too: it is asked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from muslfix.cpus import ALSO_RUN, CPUS, cpu_named
from muslfix.cpython import FewFacts, folders_of, own_suffixes, scheme_at, target_of
from muslfix.elf import Machine
from muslfix.errors import InvalidTarget
from muslfix.given import check_given, found_or_given
from muslfix.static.build_details import BuildDetails, parse_build_details
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.target import Source, Target
from muslfix.untrusted import parse_json

#: The facts that the file does not tell, and that can be given.
NOT_TOLD = ("libc", "libc_version", "executable", "prefix")

_ELSEWHERE = "give its root with --target-root, or what 'muslfix interpreter --json' writes where it runs"


def is_build_details(content: bytes) -> bool:
    """Whether JSON text is meant as build details: a target file has a format and no schema version."""
    if b"schema_version" not in content:
        return False
    try:
        data = parse_json(content.decode())
    except ValueError:
        return False
    return isinstance(data, dict) and "schema_version" in data and "format" not in data


def target_of_build_details(content: bytes, path: str, given: Mapping[str, str]) -> Target:
    """Make a target of build details.

    :param content: of the file
    :param path: of the file, for a person
    :param given: facts that it does not tell, by their names in :data:`NOT_TOLD`
    :raises InvalidTarget: if they are damaged, contradict themselves or a given fact, or leave open what must
        be known
    :raises UsageError: if what is given is no such fact
    """
    check_given(given, NOT_TOLD)
    details = parse_build_details(content)
    numbers = details.version.split(".")
    version = int(numbers[0]), int(numbers[1])
    own = own_suffixes(details.extension_suffixes, version, details.abi_flags)
    names = [name for name in map(ExtensionFilename.of_suffix, own) if name is not None]
    if not names:
        raise InvalidTarget(None, "has no suffix of its own ABI in suffixes.extensions", _ELSEWHERE)
    prefix, relative = given.get("prefix"), folders_of(version, details.abi_flags)
    interpreter = details.base_interpreter or ""
    told = ", ".join(fact for fact in NOT_TOLD if fact in given)
    return target_of(
        FewFacts(
            version=details.version,
            abi_flags=details.abi_flags,
            extension_suffixes=details.extension_suffixes,
            platform=details.platform,
            libc=_libc(names, given),
            libc_version=given.get("libc_version"),
            machine=_machine(details, names[0], version),
            executable=given.get("executable", interpreter if interpreter.startswith("/") else None),
            prefix=prefix,
            scheme=None if prefix is None else scheme_at(prefix, relative),
            prefix_scheme=relative,
            source=Source("build-details", f"the build details {path}" + (told and f", {told} as given")),
        )
    )


def _libc(names: Iterable[ExtensionFilename], given: Mapping[str, str]) -> Libc:
    """The libc: no Python on glibc imports ``-musl``."""
    found = "musl" if any(name.spelled_libc is Libc.MUSL for name in names) else None
    text = found_or_given(None, "libc", found, given)
    if text not in ("musl", "glibc"):
        raise InvalidTarget(
            None,
            f"has no libc {text!r:.40}"
            if text
            else "does not tell the libc, and a Python on either can import such names",
            "give it with --target-fact libc=musl or --target-fact libc=glibc",
        )
    return Libc(text)


def _machine(details: BuildDetails, name: ExtensionFilename, version: tuple[int, int]) -> Machine:
    """The machine that the triplet names, since a 64-bit kernel tells its own CPU to 32-bit programs too."""
    named = cpu_named(details.platform.partition("-")[2])
    spelled = [cpu for cpu in CPUS for libc in Libc if cpu.triplet(libc, version) == name.triplet]
    machines = list(dict.fromkeys(cpu.machine for cpu in (spelled or ([named] if named else []))))
    if len(machines) != 1:
        raise InvalidTarget(None, f"does not tell a machine that is known: {details.platform}", _ELSEWHERE)
    pair = None if named is None else (named.machine.name, machines[0].name)
    if named is not None and named.machine != machines[0] and pair not in ALSO_RUN:
        raise InvalidTarget(
            None,
            f"contradicts itself: its platform is {details.platform}, and its modules end in {name.suffix}",
        )
    return machines[0]
