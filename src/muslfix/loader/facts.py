"""Values of the load check: the files that a loader opens, what a process already holds, what goes wrong.

:mod:`muslfix.loader.dlopen` works with them, and :mod:`muslfix.loader.files` finds them on disk.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from os.path import basename, normpath
from typing import NamedTuple, Protocol

from muslfix.elf.dynamic import DynamicFacts, Image
from muslfix.elf.facts import Machine
from muslfix.elf.symbols import Exports
from muslfix.loader.time_t import TimeT
from muslfix.suffix import Libc
from muslfix.verdicts import Verdict

# What a loader reads in a damaged file.
_NOTHING = DynamicFacts()


class Absence(Enum):
    """Why there is no file at a path."""

    NOT_THERE = "not there"  #: the loader looks in the next place
    BARRED = "barred"  #: opening it fails in a way that makes the loader look no further
    NOT_KNOWN = "not known"  #: the place cannot be looked at from here


class LoadedFile(NamedTuple):
    """A file that a loader has opened.

    :param path: as the loader spells it, links and ``..`` unresolved
    :param identity: equal for all paths of one file
    :param image: its content; the reason, a sentence, if it is not a readable ELF file
    """

    path: str
    identity: Hashable
    image: Image | str

    @property
    def dynamic(self) -> DynamicFacts:
        """What a loader reads in it; nothing if it is damaged."""
        if isinstance(self.image, str) or isinstance(self.image.dynamic, str):
            return _NOTHING
        return self.image.dynamic


class Files(Protocol):
    """The files that the target's loader can open: all that the load check knows of the machine."""

    def open(self, path: str) -> LoadedFile | Absence:
        """The file at an absolute path of the target."""


class Started:
    """What an interpreter has in its process before it loads a module.

    :param program: the program itself, or ``None`` if unknown
    :param libraries: what it has loaded with it, in the order of the loader; without the libc of musl
    :param libc: the libc of musl, which is its loader too; ``None`` if its file is unknown
    :param exports: further symbols that are known to be there, by the name of their file: from a target file
    """

    def __init__(
        self,
        program: LoadedFile | None = None,
        libraries: tuple[LoadedFile, ...] = (),
        libc: LoadedFile | None = None,
        exports: Mapping[str, Exports] | None = None,
    ) -> None:
        self.program = program
        self.libraries = libraries
        self.libc = libc
        self.exports = exports or {}
        self._known: dict[str, set[str]] = {}
        self._undefined: dict[tuple[str, frozenset[str]], frozenset[str]] = {}

    def undefined(self, names: frozenset[str], version: str) -> frozenset[str]:
        """The names among these that nothing here defines, by the rules of glibc.

        :param version: the version that references to them have, or empty
        """
        # Each module of a wheel asks about the libraries of the wheel again.
        if (version, names) not in self._undefined:
            self._undefined[version, names] = self._find_undefined(names, version)
        return self._undefined[version, names]

    def _find_undefined(self, names: frozenset[str], version: str) -> frozenset[str]:
        known = self._known.setdefault(version, set())  # modules of a wheel need much the same
        missing = left = names - known
        files = () if self.program is None else (self.program, *self.libraries)
        for exports in (*(file.dynamic.exports for file in files), *self.exports.values()) if left else ():
            left = left.difference(*exports.defining(version))
        known |= missing - left
        return left


class System(NamedTuple):
    """What decides how the loader of a target behaves.

    :param libc: whose loader it is
    :param version: of the libc: ``(1, 2, 5)``; ``None`` if unknown
    :param machine: the target's
    :param loader: path of the loader, or ``None`` if unknown
    :param directories: the default directories, searched last
    :param cache: paths by the name of a library: the ``ld.so.cache`` of glibc
    :param started: what the process has loaded already
    """

    libc: Libc
    version: tuple[int, ...] | None
    machine: Machine
    loader: str | None = None
    directories: tuple[str, ...] = ()
    cache: Mapping[str, tuple[str, ...]] = {}
    started: Started = Started()


@dataclass(frozen=True)
class Problem:
    """One reason why a module does not load.

    :param trouble: what kind it is, one of :data:`~muslfix.verdicts.LOADER_VERDICTS`
    :param subject: the library, symbol or file
    :param needed_by: path of the file that needs it; empty if it is the subject itself
    :param reason: what is wrong with the subject, a sentence that begins with its verb
    :param tip: what the user can do
    :param fatal: whether the process dies, instead of an :exc:`ImportError`
    """

    trouble: Verdict
    subject: str
    needed_by: str
    reason: str
    tip: str
    fatal: bool = False

    def __str__(self) -> str:
        subject = basename(normpath(self.subject)) if "/" in self.subject else self.subject
        if not self.needed_by:
            return f"{subject} {self.reason}"
        return f"{basename(normpath(self.needed_by))} needs {subject}, which {self.reason}"


class LoadResult(NamedTuple):
    """What a loader will do with one module.

    :param files: paths of what it would load, the module first
    :param problems: what goes wrong, the worst first
    :param unknown: what could not be found out, each a sentence
    :param strict: whether a module that needs what is missing is to be refused
    :param times: which of musl's two ``time_t`` it and what it would load use, by path
    :param init_functions: those that its libraries define
    """

    files: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    unknown: tuple[str, ...] = ()
    strict: bool = False
    times: tuple[tuple[str, TimeT], ...] = ()
    init_functions: frozenset[str] = frozenset()

    @property
    def loads(self) -> bool | None:
        """Whether the module loads; ``None`` if unknown."""
        if self.problems:
            return False
        return None if self.unknown else True

    @property
    def kills(self) -> bool:
        """Whether the process dies: a loader that also misses something reports that first."""
        return bool(self.problems) and all(problem.fatal for problem in self.problems)
