"""Where the files of one project are: on disk, or in a wheel. What the planner asks of either is the same."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.errors import InvalidElf
from muslfix.files import hash_file, open_regular
from muslfix.loader.facts import LoadResult

#: From a path as RECORD spells it to where the file is now.
Locate = Callable[[str], str]


class Tree(Protocol):
    """The files of one project. Paths are those of an installed project, as RECORD spells them."""

    def exists(self, path: str) -> bool:
        """Whether a file is there; one that is listed may not be."""

    def examine(self, path: str) -> ElfFacts | str:
        """The ELF facts of a file, or the reason why there are none."""

    def load(self, path: str) -> LoadResult | None:
        """What the target's loader will do with a file; ``None`` where it is not to be asked."""

    def names_beside(self, path: str) -> Iterable[str]:
        """All names in the folder of a file, whoever they belong to."""

    def link_of(self, path: str) -> str | None:
        """Where a symbolic link leads to, or ``None`` for any other file."""

    def have_one_content(self, one: str, other: str) -> bool:
        """Whether two files have the same bytes."""


def names_by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    """The names of files by the folder that they are in: of all folders in one pass.

    :param paths: with ``/`` between their parts

    >>> names_by_folder(["a/b.so", "a/c.so", "d.py"])
    {'a': ['b.so', 'c.so'], '': ['d.py']}
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        found.setdefault(folder, []).append(name)
    return found


def examine(path: str) -> ElfFacts | str:
    """The ELF facts of a file, or the reason why there are none.

    :param path: where the file is
    """
    try:
        with open_regular(path) as stream:
            return read_elf(stream)
    except InvalidElf as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror})"


@dataclass(frozen=True)
class DiskTree:
    """A :class:`Tree` on disk.

    :param locate: from a path as RECORD spells it to where the file is now
    :param read: reads an ELF file on disk, as :func:`examine`
    :param loads: asks the target's loader about a file, by its path as RECORD spells it
    """

    locate: Locate
    read: Callable[[str], ElfFacts | str] = examine
    loads: Callable[[str], LoadResult | None] = lambda _: None

    def exists(self, path: str) -> bool:
        """See :class:`Tree`."""
        return os.path.exists(self.locate(path))

    def examine(self, path: str) -> ElfFacts | str:
        """See :class:`Tree`."""
        return self.read(self.locate(path))

    def load(self, path: str) -> LoadResult | None:
        """See :class:`Tree`."""
        return self.loads(path)

    def names_beside(self, path: str) -> Iterable[str]:
        """See :class:`Tree`."""
        with suppress(OSError):  # then its files cannot be read either, or a name turns out to be taken
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
