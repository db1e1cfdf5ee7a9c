"""What the two loaders decide differently: how a library is found, and which definition a symbol binds to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from muslfix.elf.symbols import Exports, Reference
from muslfix.errors import few
from muslfix.loader.facts import Files, LoadedFile, Problem, System
from muslfix.suffix import Libc
from muslfix.verdicts import Verdict

# What an interpreter exports and no library does: https://docs.python.org/3/c-api/
OF_PYTHON = re.compile(r"_{0,2}Py")

#: What helps against most troubles.
REBUILD = "take another version of the wheel, or build it from source for the target"

#: The versions that brought relative relocations.
#: musl: https://git.musl-libc.org/cgit/musl/tree/WHATSNEW, 1.2.4; glibc:
#: https://sourceware.org/glibc/wiki/Release/2.36
RELR_SINCE = {Libc.MUSL: (1, 2, 4), Libc.GLIBC: (2, 36)}

_MOST_NAMED = 20
_ORIGIN = re.compile(r"\$(ORIGIN|\{ORIGIN\})")


class Object:
    """A file in a process.

    :param file: the file
    :param loader: the file that needs it; for the argument of ``dlopen``, the program
    :param names: the names under which it was requested
    """

    def __init__(self, file: LoadedFile, loader: Object | None, names: set[str]) -> None:
        self.file = file
        self.loader = loader
        self.names = names


class Finding(NamedTuple):
    """The answer to a needed name: a new file, or one that is already loaded.

    :param found: ``None`` if there is no such file
    :param problems: what went wrong
    :param unknown: what could not be found out
    """

    found: LoadedFile | Object | None = None
    problems: Sequence[Problem] = ()
    unknown: Sequence[str] = ()


class Rules:
    """What both loaders share.

    :param system: the loader and its settings
    :param files: what it can open
    """

    #: The identity of the libc that musl loads for all names reserved for it.
    libc_identity: object = None

    def __init__(self, system: System, files: Files) -> None:
        self.system = system
        self.files = files
        started = system.started
        loaded = [] if started.program is None else [started.program, *started.libraries]
        self.objects = [Object(file, None, {file.path.rpartition("/")[2]}) for file in loaded]
        #: The number of objects that are loaded before any module is.
        self.started_count = len(self.objects)
        #: Whether all definitions are known, so that a symbol without one is undefined.
        self.knows_all_symbols = started.program is not None or bool(started.exports)

    def breadth_first(self, first: int) -> Iterator[Object]:
        """The loaded objects from `first` on, including those appended during iteration."""
        while first < len(self.objects):
            yield self.objects[first]
            first += 1

    def not_found(
        self, name: str, needed_by: Object, looked: list[str], unseen: list[str], barred: str | None
    ) -> Finding:
        """The answer for a library that is in none of the directories searched.

        :param barred: the path at which the loader has given up
        """
        if unseen:
            where = _named(unseen)
            return Finding(
                unknown=[f"whether the target has {name} is not known ({where} cannot be looked at)"]
            )
        reason = f"is not in {_named(looked) or 'any directory'}"
        tip = f"install what provides {name} on the target"
        if barred is not None:
            reason = f"cannot be opened at {barred}, and the loader looks no further"
            tip = f"find out why {barred} cannot be opened on the target"
        problem = Problem(
            Verdict.MISSING_LIBRARY,
            name,
            needed_by.file.path,
            reason,
            tip,
        )
        return Finding(problems=[problem])

    def by_identity(self, file: LoadedFile) -> Object | None:
        """The loaded object that is the same file, under any name."""
        return next((item for item in self.objects if item.file.identity == file.identity), None)

    def find(self, name: str, needed_by: Object) -> Finding:
        """Find the file for a name in ``DT_NEEDED``."""
        raise NotImplementedError

    def provider(self, reference: Reference) -> Object | Exports | None:
        """The first definition of a symbol, in the order of the loader."""
        raise NotImplementedError

    def undefined(self, names: frozenset[str], version: str) -> frozenset[str]:
        """The names among these that no :meth:`provider` defines.

        :param version: the version that references to them have, or empty
        """
        raise NotImplementedError

    def lacks(self, reference: Reference) -> bool:  # noqa: ARG002
        """Whether a symbol that no :meth:`provider` defines is certainly undefined."""
        return self.knows_all_symbols

    def why_not_known(self, reference: Reference) -> str:  # noqa: ARG002
        """Why that is not certain."""
        return "its program cannot be looked at from here"

    def about_nobodys(self, reference: Reference) -> str:  # noqa: ARG002
        """What else is known of a symbol that nothing defines; empty if nothing is."""
        return ""

    def brought_by(self, reference: Reference) -> str | None:  # noqa: ARG002
        """The version of the libc that introduced a symbol, if it is newer than the target's."""
        return None

    def missing_versions(self, item: Object) -> list[Problem]:  # noqa: ARG002
        """The versions that a file needs and the libraries do not define."""
        return []

    def refuses_relative_relocations(self, item: Object) -> bool:  # noqa: ARG002
        """Whether the file itself tells older loaders to refuse it."""
        return False


def _named(directories: list[str]) -> str:
    """Directories in a sentence, each once; a file can name thousands."""
    return few(list(dict.fromkeys(directories)), _MOST_NAMED, "directories")


def with_origin(path: str, directory: str) -> str:
    """A search path with ``$ORIGIN`` replaced."""
    return _ORIGIN.sub(lambda _: directory, path)


def split_path(path: str) -> list[str]:
    """The directories of a search path; musl ignores an empty one."""
    return [directory for directory in re.split(r"[:\n]", path) if directory]
