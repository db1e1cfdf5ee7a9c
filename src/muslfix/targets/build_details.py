"""``build-details.json``: what an installation of Python 3.14 and later says about itself.

Specification: :pep:`739`, https://packaging.python.org/en/latest/specifications/build-details/. It tells
names and platform, but no libc, no ELF machine and nothing about environments. The machine follows from the
names. The libc does not if they spell ``-gnu``, which a Python on musl can import too: then it must be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidTarget
from muslfix.files.untrusted_json import JsonObject
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.cpython import (
    CPUS,
    cpu_named,
    directories_of,
    markers_of,
    may_be_on,
    own_suffixes,
    scheme_at,
    soabi_of,
)
from muslfix.targets.given_facts import check_given, found_or_given
from muslfix.targets.target import Source, Target
from muslfix.targets.untrusted_facts import check_target

#: Name of the file, in the directory of the standard library.
BUILD_DETAILS = "build-details.json"

#: More than any has, in bytes.
MAX_SIZE = 256 * 1024

_LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}


#: The facts that the file does not tell, and that can be given.
NOT_TOLD = ("libc", "libc_version", "executable", "prefix")

_ELSEWHERE = "give its root with --target-root, or what 'muslfix interpreter --json' writes where it runs"


@dataclass(frozen=True)
class BuildDetails:
    """What matters of it.

    :param version: in full: ``3.14.0``, ``3.15.0a1``
    :param abi_flags: ``sys.abiflags``
    :param platform: ``sysconfig.get_platform()``
    :param extension_suffixes: ``EXTENSION_SUFFIXES``; empty where the file does not have them, for they are
        optional
    :param base_interpreter: as the file has it, or ``None``
    """

    version: str
    abi_flags: str
    platform: str
    extension_suffixes: tuple[str, ...]
    base_interpreter: str | None


def parse_build_details(data: JsonObject) -> BuildDetails:
    """Read the parsed file.

    :raises InvalidTarget: if it is of another format, or a value is none that it can be
    :raises InvalidJson: if a value is missing or of the wrong type
    """
    schema = data.text("schema_version")
    if schema.partition(".")[0] != "1":
        raise InvalidTarget(
            None,
            f"has schema version {schema!r:.40}, and this muslfix reads version 1",
            "use a newer muslfix",
        )
    name = data.object("implementation").text("name")
    if name != "cpython":
        raise InvalidTarget(None, f"is of {name!r:.40}; muslfix serves CPython only")
    platform = data.text("platform")
    if re.fullmatch(r"[A-Za-z0-9_.-]+", platform) is None:
        raise InvalidTarget(None, f"has platform {platform!r:.80}, which is not one")
    suffixes = _texts(data, "suffixes", "extensions")
    for suffix in suffixes:
        if ExtensionFilename.of_suffix(suffix) is None:
            raise InvalidTarget(None, f"has {suffix!r:.80} in suffixes.extensions, which is not a suffix")
    return BuildDetails(
        version=_version(data.object("language").object("version_info")),
        abi_flags="".join(_texts(data, "abi", "flags")),
        platform=platform,
        extension_suffixes=suffixes,
        base_interpreter=data.optional_text("base_interpreter"),
    )


def _version(info: JsonObject) -> str:
    numbers = [info.whole(part) for part in ("major", "minor", "micro")]
    level, serial = info.text("releaselevel"), info.whole("serial")
    if min(numbers) < 0 or max(numbers) > 999 or (level != "final" and level not in _LEVELS):
        raise InvalidTarget(None, f"has {info.path[:-1]} that is not a version")
    version = ".".join(map(str, numbers))
    return version if level == "final" else f"{version}{_LEVELS[level]}{serial}"


def _texts(data: JsonObject, name: str, inner: str) -> tuple[str, ...]:
    """A list that need not be there."""
    if name not in data or inner not in data.object(name):
        return ()
    return data.object(name).texts(inner)


def target_of_build_details(data: JsonObject, path: str, given: Mapping[str, str]) -> Target:
    """Make a target of build details.

    :param data: the parsed file
    :param path: of the file, for a person
    :param given: facts that it does not have, by their names in :data:`NOT_TOLD`
    :raises InvalidTarget: if they are damaged, contradict themselves or a given fact, or leave open what must
        be known
    :raises InvalidJson: as :func:`parse_build_details`
    :raises UsageError: if a given fact is not one of these
    """
    check_given(given, NOT_TOLD)
    details = parse_build_details(data)
    numbers = details.version.split(".")
    version = int(numbers[0]), int(numbers[1])
    own = own_suffixes(details.extension_suffixes, version, details.abi_flags)
    names = [name for name in map(ExtensionFilename.of_suffix, own) if name is not None]
    if not names:
        raise InvalidTarget(None, "has no suffix of its own ABI in suffixes.extensions", _ELSEWHERE)
    prefix, relative = given.get("prefix"), directories_of(version, details.abi_flags)
    interpreter = details.base_interpreter or ""
    told = ", ".join(fact for fact in NOT_TOLD if fact in given)
    return check_target(
        Target(
            implementation="cpython",
            version=details.version,
            abi_flags=details.abi_flags,
            soabi=soabi_of(details.extension_suffixes, version, details.abi_flags),
            extension_suffixes=details.extension_suffixes,
            platform=details.platform,
            libc=_libc(names, given),
            libc_version=given.get("libc_version"),
            machine=_machine(details, names[0], version),
            loader=None,
            executable=given.get("executable", interpreter if interpreter.startswith("/") else None),
            prefix=prefix,
            scheme=None if prefix is None else scheme_at(prefix, relative),
            prefix_scheme=relative,
            environment="system",
            externally_managed=None,
            markers=markers_of(details.version, details.platform),
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
    if not may_be_on(details.platform, machines[0]):
        raise InvalidTarget(
            None,
            f"contradicts itself: its platform is {details.platform}, and its modules end in {name.suffix}",
        )
    return machines[0]
