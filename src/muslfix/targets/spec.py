"""A target specification: ``cp310-musl-x86_64``.

=============================================== ==========================================================
specification                                   the target
=============================================== ==========================================================
``cp310-musl-x86_64``                           CPython 3.10 that imports ``-musl``, so it runs on musl
``cp311-gnu-x86_64-musl``                       CPython 3.11 that imports ``-gnu`` and runs on musl
``cp311-gnu-x86_64-glibc2.36``                  the same on glibc, of a known version
``cp39-none-aarch64-musl1.2.4``                 CPython 3.9 whose suffixes have no triplet, on musl 1.2.4
``cp37m-gnu-i686-musl``                         up to 3.7 the flag ``m`` belongs to the name
``cp313t-musl-armv7l``, ``cp314td-musl-s390x``  free-threaded; free-threaded debug build
``alpine-3.14-armv7l``, ``uv-3.10-musl-x86_64`` a known Python of :mod:`~muslfix.targets.known_pythons`
=============================================== ==========================================================

In order: the interpreter tag with the ABI flags; the libc that the names of its extension modules spell; the
CPU as in compatibility tags, or as Docker calls it (``amd64``, ``arm64``); the libc that it runs on. The last
part can be left out only if there is no choice: no Python on glibc says ``-musl``. Nothing is guessed: what
is needed later and is not in the specification must be given by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from muslfix.errors import InvalidTarget
from muslfix.files.access import path_of
from muslfix.suffix import Libc
from muslfix.targets.cpython import (
    ALIASES,
    CPUS,
    Cpu,
    cpu_named,
    directories_of,
    markers_of,
    scheme_at,
    soabi_of,
    suffixes_of,
)
from muslfix.targets.given_facts import check_given, found_or_given, version_of
from muslfix.targets.known_pythons import KNOWN, KnownPython, known_named
from muslfix.targets.target import OLDEST, OLDEST_VERSION, Source, Target
from muslfix.targets.untrusted_facts import check_target

_CPUS = "|".join([*(cpu.name for cpu in CPUS), *ALIASES])
_LIBC = r"(?:-(?P<libc>[a-z]+)(?P<libc_version>\d{1,3}(?:\.\d{1,3}){1,2})?)?"
_SPEC = re.compile(
    rf"cp3(?P<minor>\d{{1,3}})(?P<flags>[a-z]*)-(?P<spelling>gnu|musl|none)-(?P<cpu>{_CPUS}){_LIBC}", re.ASCII
)
_NAMED = re.compile(rf"(?P<name>[a-z0-9.-]+?)-(?P<cpu>{_CPUS}){_LIBC}", re.ASCII)

# The flags that a build can have, by version.
_FLAGS_WITH_M = ("m", "dm")
_FLAGS = ("", "d")
_FLAGS_WITH_T = ("", "d", "t", "td")

_NAMES_TIP = (
    "see 'muslfix interpreter --list', or write it as in cp310-musl-x86_64; a later release is not guessed"
)


def parse_target_spec(text: str, given: Mapping[str, str] | None = None) -> Target:
    """Make a target from a specification.

    :param text: as in the table above
    :param given: facts that it does not have, by the names of :data:`muslfix.targets.given_facts.FACTS`
    :raises InvalidTarget: if it is not one, lacks what it must say, or contradicts a given fact
    :raises UsageError: if a given fact is not one of these
    """
    text, given = path_of(text, "text"), given or {}
    check_given(given, ("version", "libc_version", "executable", "prefix"))
    match = _SPEC.fullmatch(text)
    if match is not None:
        return _of_parts(text, match, given)
    match = _NAMED.fullmatch(text)
    known = None if match is None else known_named(match["name"])
    if match is not None and known is not None:
        return _of_known(text, known, match, given)
    raise InvalidTarget(text, _what_is_wrong(text), _NAMES_TIP)


def _what_is_wrong(text: str) -> str:
    cpus = ", ".join(cpu.name for cpu in CPUS)
    if known_named(text) is not None or re.fullmatch(r"cp3\d+[a-z]*-(gnu|musl|none)", text):
        return f"does not tell the CPU, as {text}-x86_64 does; it is one of {cpus}"
    match = re.fullmatch(r"(?:cp3\d+[a-z]*-(?:gnu|musl|none)|(?P<name>.+?))-(?P<cpu>\w+)", text)
    if match is not None and (match["name"] is None or known_named(match["name"]) is not None):
        return f"names the CPU {match['cpu']!r}; known are {cpus}"
    release = re.match(r"(?P<builder>[a-z]+)-\d+\.\d+", text)
    builder = f"{release['builder']}-" if release is not None else ""
    known = [known.name for known in KNOWN if builder and known.name.startswith(builder)]
    if release is not None and known:
        return f"names {release[0]}, which is not known here; known are {known[0]} to {known[-1]}"
    return "is not a target specification"


def _of_parts(text: str, match: re.Match[str], given: Mapping[str, str]) -> Target:
    version, flags = (3, int(match["minor"])), match["flags"]
    if version < OLDEST_VERSION:
        raise InvalidTarget(text, f"is for Python 3.{version[1]}; {OLDEST}")
    _check_flags(text, version, flags)
    cpu = _cpu(match)
    spelled = {"gnu": (Libc.GLIBC,), "musl": (Libc.MUSL,), "none": ()}[match["spelling"]]
    triplets = tuple(cpu.triplet(libc, version) for libc in spelled)
    return _target(text, version, flags, triplets, cpu, _libc(text, match), match["libc_version"], given)


def _of_known(text: str, known: KnownPython, match: re.Match[str], given: Mapping[str, str]) -> Target:
    if match["libc"] not in (None, known.libc.value):
        raise InvalidTarget(text, f"names the libc {match['libc']}, and {known.name} runs on {known.libc}")
    libc_version = known.libc_version or match["libc_version"]
    if match["libc_version"] not in (None, libc_version):
        raise InvalidTarget(
            text, f"names musl {match['libc_version']}, and {known.name} has musl {libc_version}"
        )
    cpu = _cpu(match)
    return _target(
        text, known.version_info, known.abi_flags, known.triplets(cpu), cpu, known.libc, libc_version, given
    )


def _target(  # noqa: PLR0913 - the parts of a specification
    text: str,
    version: tuple[int, int],
    flags: str,
    triplets: tuple[str, ...],
    cpu: Cpu,
    libc: Libc,
    libc_version: str | None,
    given: Mapping[str, str],
) -> Target:
    try:
        suffixes = suffixes_of(version, flags, triplets)
    except InvalidTarget as error:
        raise InvalidTarget(text, error.reason, error.tip) from error
    prefix, relative = given.get("prefix"), directories_of(version, flags)
    full, platform = version_of(text, "{}.{}".format(*version), given), f"linux-{cpu.name}"
    return check_target(
        Target(
            implementation="cpython",
            version=full,
            abi_flags=flags,
            soabi=soabi_of(suffixes, version, flags),
            extension_suffixes=suffixes,
            platform=platform,
            libc=libc,
            libc_version=found_or_given(text, "libc_version", libc_version, given),
            machine=cpu.machine,
            loader=None,
            executable=given.get("executable"),
            prefix=prefix,
            scheme=None if prefix is None else scheme_at(prefix, relative),
            prefix_scheme=relative,
            environment="system",
            externally_managed=None,
            markers=markers_of(full, platform),
            source=Source("spec", f"the specification {text}"),
        )
    )


def _check_flags(text: str, version: tuple[int, int], flags: str) -> None:
    if version < (3, 8):
        if flags not in _FLAGS_WITH_M:
            short = f"cp3{version[1]}"
            raise InvalidTarget(
                text,
                f"leaves open whether its ABI has the flag m, or has others ({flags or 'none'})",
                tip=f"write {short}m, as nearly all builds are; for others give --target-file",
            )
        return
    allowed = _FLAGS_WITH_T if version >= (3, 13) else _FLAGS
    if flags not in allowed:
        names = ", ".join(flag for flag in allowed if flag)
        raise InvalidTarget(
            text, f"has the flags {flags!r}; CPython 3.{version[1]} can have {names}, or none"
        )


def _cpu(match: re.Match[str]) -> Cpu:
    cpu = cpu_named(ALIASES.get(match["cpu"], match["cpu"]))
    if cpu is None:
        raise InvalidTarget(match[0], f"names the CPU {match['cpu']!r}")
    return cpu


def _libc(text: str, match: re.Match[str]) -> Libc:
    named = match["libc"]
    if named is None:
        if match["spelling"] == "musl":
            return Libc.MUSL
        raise InvalidTarget(
            text,
            "does not tell the libc that it runs on, and a Python on musl can import such names too",
            tip=f"write {text}-musl or {text}-glibc",
        )
    if named not in ("musl", "glibc"):
        raise InvalidTarget(text, f"names the libc {named!r}; it can be glibc or musl")
    if match["spelling"] == "musl" and named == "glibc":
        raise InvalidTarget(text, "contradicts itself: no Python on glibc imports -musl")
    return Libc(named)
