"""The files of one project, on disk or in a wheel: what the planner asks of either is the same."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.errors import InvalidElf, why
from muslfix.files.access import hash_file, may_exist, open_regular
from muslfix.loader.check import LoadCheck, Loads, Locate
from muslfix.loader.facts import LoadResult


class Tree(Protocol):
    """The files of one project. Paths are those of an installed project, as RECORD spells them."""

    def exists(self, path: str) -> bool:
        """Whether a file exists; RECORD may list files that do not."""

    def examine(self, path: str) -> ElfFacts | str:
        """The ELF facts of a file, or the reason why there are none."""

    def load(self, path: str) -> LoadResult | None:
        """What the target's loader will do with a file; ``None`` if there is no load check."""

    def names_beside(self, path: str) -> Iterable[str]:
        """All names in the directory of a file, whichever project they belong to."""

    def link_of(self, path: str) -> str | None:
        """The target of a symbolic link, or ``None`` for any other file."""

    def have_one_content(self, one: str, other: str) -> bool:
        """Whether two files have the same bytes."""


def names_by_directory(paths: Iterable[str]) -> dict[str, list[str]]:
    """The names of files, grouped by directory.

    :param paths: with ``/`` between their parts

    >>> names_by_directory(["a/b.so", "a/c.so", "d.py"])
    {'a': ['b.so', 'c.so'], '': ['d.py']}
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        directory, name = posixpath.split(path)
        found.setdefault(directory, []).append(name)
    return found


def examine(path: str) -> ElfFacts | str:
    """The ELF facts of a file on disk, or the reason why there are none."""
    try:
        with open_regular(path) as stream:
            return read_elf(stream)
    except InvalidElf as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({why(error)})"


@dataclass(frozen=True)
class DiskTree:
    """A :class:`Tree` on disk.

    :param locate: maps a path as RECORD spells it to where the file is now
    :param check: the load check of files that are where the target imports them; ``None``: there is none
    :param loads: the same of files that are somewhere else
    """

    locate: Locate
    check: LoadCheck | None = None
    loads: Loads | None = None

    def exists(self, path: str) -> bool:
        """See :class:`Tree`."""
        return may_exist(self.locate(path))

    def examine(self, path: str) -> ElfFacts | str:
        """See :class:`Tree`."""
        # Of files that are somewhere else the loader is asked about few, so their headers are read alone.
        read = examine if self.check is None else self.check.images.examine
        return read(self.locate(path))

    def load(self, path: str) -> LoadResult | None:
        """See :class:`Tree`."""
        loads = self.loads if self.check is None else self.check.on_disk(self.locate)
        return None if loads is None else loads(path)

    def names_beside(self, path: str) -> Iterable[str]:
        """See :class:`Tree`."""
        with suppress(OSError):  # then its files cannot be read either, or making the name fails
            return os.listdir(os.path.dirname(self.locate(path)))
        return ()

    def link_of(self, path: str) -> str | None:
        """See :class:`Tree`."""
        with suppress(OSError):
            return os.readlink(self.locate(path))
        return None

    def have_one_content(self, one: str, other: str) -> bool:
        """See :class:`Tree`."""
        one, other = self.locate(one), self.locate(other)
        try:
            return os.path.samefile(one, other) or hash_file(one) == hash_file(other)
        except OSError:
            return False
