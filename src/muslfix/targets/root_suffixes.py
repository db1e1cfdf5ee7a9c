"""Which names a Python imports, from what its files show, without running it.

Each piece of evidence shows a part, and they must agree. The suffixes compiled into the interpreter decide
imports; the names in ``lib-dynload`` are those that its own modules were built with; the name of the
``_sysconfigdata_*`` file is what ``sysconfig`` believes, which cross-building tools can change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from muslfix.errors import InvalidTarget
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.build_details import BUILD_DETAILS, BuildDetails
from muslfix.targets.cpython import abi_part, own_suffixes, suffixes_of
from muslfix.targets.target import TARGET_FILE_TIP

_SYSCONFIGDATA = re.compile(r"_sysconfigdata_(?P<flags>[a-z]*)_linux_(?P<triplet>[\w-]*)\.pyc?", re.ASCII)


@dataclass(frozen=True)
class NamesEvidence:
    """What the files of one Python show about the names that it imports.

    :param version: major and minor, from the directory of its standard library
    :param details: its ``build-details.json``, or ``None``
    :param compiled: the suffixes in the bytes of the interpreter or its libpython
    :param dynload: the file names in ``lib-dynload``
    :param library: the file names in the directory of the standard library
    """

    version: tuple[int, int]
    details: BuildDetails | None = None
    compiled: frozenset[str] = frozenset()
    dynload: tuple[str, ...] = ()
    library: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """What follows from the evidence.

    :param abi_flags: ``sys.abiflags``
    :param suffixes: ``EXTENSION_SUFFIXES``
    :param origin: the evidence that decided, in words
    """

    abi_flags: str
    suffixes: tuple[str, ...]
    origin: str


def decide_names(evidence: NamesEvidence) -> Names:
    """Decide which names it imports, by the best evidence available.

    :raises InvalidTarget: if there is none, or pieces of it contradict each other
    """
    compiled = _of_version(evidence.compiled, evidence.version)
    dynload = _of_version(_suffixes_of_files(evidence.dynload), evidence.version)
    if compiled and dynload and compiled.isdisjoint(dynload):
        raise InvalidTarget(
            None,
            f"contradicts itself: the interpreter imports {_words(compiled)}, and in lib-dynload are names"
            f" that end in {_words(dynload)}",
            TARGET_FILE_TIP,
        )
    if evidence.details is not None and evidence.details.extension_suffixes:
        return _of_details(evidence, evidence.details, compiled or dynload)
    if compiled:
        return _of_compiled(evidence, compiled)
    if dynload:
        return _of_files(evidence, dynload)
    return _of_sysconfigdata(evidence)


def _of_details(evidence: NamesEvidence, details: BuildDetails, seen: frozenset[str]) -> Names:
    """What ``build-details.json`` says, unless it is that of the Python which cross-built this one."""
    listed = details.extension_suffixes
    own = own_suffixes(listed, evidence.version, details.abi_flags)
    if not own or (seen and seen.isdisjoint(listed)):
        what = (
            f"the files show {_words(seen)}"
            if seen
            else f"it is in the directory of Python {_dotted(evidence)}"
        )
        raise InvalidTarget(
            None, f"contradicts itself: {BUILD_DETAILS} says {' '.join(listed)}, and {what}", TARGET_FILE_TIP
        )
    return Names(details.abi_flags, listed, BUILD_DETAILS)


def _of_compiled(evidence: NamesEvidence, compiled: frozenset[str]) -> Names:
    flags = _flags_of(compiled)
    triplets = _triplets_of(compiled, evidence.version, flags)
    expected = suffixes_of(evidence.version, flags, triplets)
    stable = {suffix for suffix in evidence.compiled if suffix.startswith(".abi")}
    suffixes = [suffix for suffix in expected if suffix in compiled | stable | {".so"}]
    # Debian lets 3.13 import the names of the stable ABI with a triplet too, right behind those without.
    for suffix in sorted(stable - set(expected), reverse=True):
        plain = f".{suffix[1:].partition('-')[0]}.so"
        if plain not in suffixes:
            raise InvalidTarget(
                None, f"has {suffix} compiled in, whose place among the others is not known", TARGET_FILE_TIP
            )
        suffixes.insert(suffixes.index(plain) + 1, suffix)
    return Names(flags, tuple(suffixes), "the suffixes compiled in")


def _of_files(evidence: NamesEvidence, dynload: frozenset[str]) -> Names:
    flags = _flags_of(dynload)
    triplets = _triplets_of(dynload, evidence.version, flags)
    if len(triplets) > 1:
        raise InvalidTarget(
            None,
            f"contradicts itself: in lib-dynload are names that end in {_words(dynload)}",
            TARGET_FILE_TIP,
        )
    return Names(flags, suffixes_of(evidence.version, flags, triplets), "the names in lib-dynload")


def _of_sysconfigdata(evidence: NamesEvidence) -> Names:
    matches = [_SYSCONFIGDATA.fullmatch(name) for name in evidence.library]
    found = {(match["flags"], match["triplet"]) for match in matches if match is not None}
    if len(found) != 1:
        reason = "has several _sysconfigdata files" if found else "has no _sysconfigdata file"
        raise InvalidTarget(
            None,
            f"does not tell which names Python {_dotted(evidence)} imports: it has no module in lib-dynload,"
            f" and {reason}",
            TARGET_FILE_TIP,
        )
    ((flags, triplet),) = found
    return Names(
        flags,
        suffixes_of(evidence.version, flags, (triplet,) if triplet else ()),
        "the name of its _sysconfigdata file",
    )


def _suffixes_of_files(names: Iterable[str]) -> frozenset[str]:
    parsed = (ExtensionFilename.parse(name) for name in names)
    return frozenset(name.suffix for name in parsed if name is not None)


def _of_version(suffixes: Iterable[str], version: tuple[int, int]) -> frozenset[str]:
    """Those with an ABI part of this version, with any flags."""
    own = re.compile(re.escape("." + abi_part(version, "")) + r"[a-z]*[-.].*")
    return frozenset(suffix for suffix in suffixes if own.fullmatch(suffix))


def _flags_of(suffixes: frozenset[str]) -> str:
    """The flags in them; a debug build also imports what is for a normal one."""
    names = [ExtensionFilename.of_suffix(suffix) for suffix in suffixes]
    found = {name.abi.removeprefix("cpython-").lstrip("0123456789") for name in names if name is not None}
    longest = max(found, key=len)
    if not found <= {longest, longest.replace("d", "")}:
        raise InvalidTarget(
            None, f"contradicts itself: it shows names that end in {_words(suffixes)}", TARGET_FILE_TIP
        )
    return longest


def _triplets_of(suffixes: frozenset[str], version: tuple[int, int], flags: str) -> tuple[str, ...]:
    """The triplets in its own suffixes; of two, as on Alpine, that of musl comes first."""
    parsed = [ExtensionFilename.of_suffix(suffix) for suffix in own_suffixes(suffixes, version, flags)]
    found = [name for name in parsed if name is not None and name.triplet is not None]
    found.sort(key=lambda name: (name.spelled_libc is not Libc.MUSL, name.triplet))
    return tuple(name.triplet for name in found if name.triplet is not None)


def _words(suffixes: Iterable[str]) -> str:
    return " and ".join(sorted(suffixes))


def _dotted(evidence: NamesEvidence) -> str:
    return "{}.{}".format(*evidence.version)
