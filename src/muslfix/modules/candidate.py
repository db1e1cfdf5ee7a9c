"""A file that may be an extension module, and what it is to a target by itself.

File names and ELF bytes decide. Whether an import happens to work does not, because musl's loader accepts
some glibc modules that crash later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from muslfix.elf.facts import ElfFacts
from muslfix.loader.facts import LoadResult
from muslfix.suffix import ExtensionFilename
from muslfix.targets.target import Target
from muslfix.verdicts import Verdict

#: The target cannot load a file with one of these, whatever library is added later.
HOPELESS = (Verdict.CRASHES, Verdict.FOREIGN_LIBRARY)

# Libraries of the system that have no init function.
_WITHOUT_MODULES = re.compile(
    r"lib(?:c|m|dl|rt|util|pthread|gcc_s|stdc\+\+)(?:-[0-9a-f]{8})?\.(?:so|musl)|ld-(?:linux|musl)|ld(?:64)?\.so"
)

# The CPython that first starts a module by PyModExport_m: https://peps.python.org/pep-0793/
_FIRST_WITH_EXPORTS = (3, 15)


@dataclass(frozen=True)
class Candidate:
    """A file that may be an extension module.

    :param path: relative to the root of its tree, with ``/`` as separator
    :param name: the base name, taken apart
    :param elf: its ELF facts; a sentence if it is not a readable ELF file; ``None`` if it was not read
    :param has_source: whether a ``.py`` of the same module is beside it
    :param load: what the target's loader will do with it; ``None`` if that was not checked
    :param is_library: whether it is no module but a shared library, which a program loads by its path
    :param is_missing: whether it was to be read and does not exist
    """

    path: str
    name: ExtensionFilename
    elf: ElfFacts | str | None = None
    has_source: bool = False
    load: LoadResult | None = None
    is_library: bool = False
    is_missing: bool = False

    @property
    def directory(self) -> str:
        """The directory with a trailing ``/``; empty at the root of the tree."""
        return self.path[: len(self.path) - len(str(self.name))]

    @property
    def module(self) -> str:
        """The directory and the name of the module, which identify it for an import."""
        return self.directory + self.name.module


def verdict_alone(candidate: Candidate, target: Target) -> Verdict:
    """What a file is to the target by itself, without the other files of its module."""
    if not abi_fits(candidate, target):
        return Verdict.OTHER_ABI
    if candidate.is_missing:
        return Verdict.MISSING
    foreign = None if candidate.elf is None else foreign_verdict(candidate.elf, target)
    if foreign is not None:
        return foreign
    trouble = trouble_of(candidate)
    if trouble in HOPELESS or (trouble is not None and candidate.load is not None and candidate.load.strict):
        return trouble
    if _lacks_init_function(candidate, target):
        return Verdict.NO_INIT
    return Verdict.IMPORTABLE if name_fits(candidate, target) else Verdict.MISNAMED


def abi_fits(candidate: Candidate, target: Target) -> bool:
    """Whether the ABI part of the name is one of the target's, so that the bytes of the file can matter."""
    return candidate.name.is_for_linux and target.suffix_for(candidate.name.abi) is not None


def name_fits(candidate: Candidate, target: Target) -> bool:
    """Whether the target imports a file of this name."""
    return candidate.name.suffix in target.extension_suffixes


def foreign_verdict(elf: ElfFacts | str, target: Target) -> Verdict | None:
    """What is wrong with the file itself."""
    if isinstance(elf, str) or elf.kind != "shared object":
        return Verdict.NOT_ELF
    if elf.machine != target.machine:
        return Verdict.OTHER_MACHINE
    return None if elf.libcs <= {target.libc} else Verdict.OTHER_LIBC


def trouble_of(candidate: Candidate) -> Verdict | None:
    """The worst problem that the load check has found."""
    if candidate.load is None or not candidate.load.problems:
        return None
    return candidate.load.problems[0].trouble


def is_plain_library(candidate: Candidate) -> bool:
    """Whether ``m.so`` is a shared library that is only named like a module: it has no init function."""
    if candidate.name.abi or candidate.elf is None or candidate.is_missing:
        return False
    return isinstance(candidate.elf, str) or not candidate.elf.init_functions


def init_functions(name: ExtensionFilename, target: Target) -> tuple[str, ...]:
    """The functions of which a target calls one to start a module of this name."""
    older, newer = name.init_functions
    return (newer, older) if target.version_info >= _FIRST_WITH_EXPORTS else (older,)


def _lacks_init_function(candidate: Candidate, target: Target) -> bool:
    """Whether an import ends in an :exc:`ImportError` because there is no function that starts the module.

    It is looked for as ``dlsym`` does, which takes it from a library of the module too.
    """
    if not isinstance(candidate.elf, ElfFacts):
        return False
    load = candidate.load or LoadResult()
    read = {path.rpartition("/")[2] for path in load.files}
    for library in candidate.elf.needed:
        if library.rpartition("/")[2] not in read and not _WITHOUT_MODULES.match(library):
            return False  # it could define the function
    found = load.init_functions.union(candidate.elf.init_functions)
    return found.isdisjoint(init_functions(candidate.name, target))
