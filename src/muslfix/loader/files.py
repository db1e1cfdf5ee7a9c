"""The shared libraries of a target, found where its loader would find them. Nothing is written or run.

A target can be this machine, or a tree below a directory (:mod:`muslfix.targets.paths`). If neither is at
hand, only the files of a project can be read, and what the others hold is not known.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import BinaryIO

from muslfix.elf.dynamic import Image, read_image
from muslfix.elf.facts import ElfFacts
from muslfix.errors import InvalidElf, why
from muslfix.files.access import open_regular
from muslfix.loader.facts import Absence, Files, LoadedFile

# Of the paths that were looked for; there are as many as a hostile file wants.
_MOST_REMEMBERED = 100_000
_MAX_CONFIGURATION = 4 * 1024 * 1024

# path_open in musl's ldso/dynlink.c: with these the loader looks in the next directory.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG})


class ElfImages:
    """The ELF files of a run, each read once, under any number of names."""

    def __init__(self) -> None:
        self._images: dict[tuple[int, int, int, int], Image | str] = {}

    def examine(self, path: str) -> ElfFacts | str:
        """The ELF facts of a file on disk, or the reason why it has none."""
        try:
            image = self.open(path)[1]
        except OSError as error:
            return f"cannot be read ({why(error)})"
        return image if isinstance(image, str) else image.facts

    def open(self, path: str) -> tuple[tuple[int, int], Image | str]:
        """The content of a file on disk, or the reason why it is not an ELF file, and its identity.

        :raises OSError: if it cannot be opened
        """
        state = os.stat(path)
        # An inode alone does not tell a file from one that came in its place.
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
        if key not in self._images:
            self._images[key] = _read(path, state.st_mode)
        return key[:2], self._images[key]


def _read(path: str, mode: int) -> Image | str:
    if not stat.S_ISREG(mode):
        return "cannot be read (not a regular file)"
    with open_regular(path) as file:
        return image_of(file)


def image_of(stream: BinaryIO) -> Image | str:
    """The content of an ELF file, or the reason why it is not one.

    :param stream: as for :func:`muslfix.elf.facts.read_elf`
    """
    try:
        return read_image(stream)
    except InvalidElf as error:
        return error.reason


class TargetFiles:
    """The :class:`~muslfix.loader.facts.Files` of a target.

    :param images: reads the files
    :param locate: from a path of the target to where it is on this machine, or ``None`` if it is not at
        hand
    """

    def __init__(self, images: ElfImages, locate: Callable[[str], str | None]) -> None:
        self._images = images
        self._locate = locate
        #: See :class:`~muslfix.loader.facts.Files`.
        self.open = lru_cache(_MOST_REMEMBERED)(self._open)

    def _open(self, path: str) -> LoadedFile | Absence:
        try:
            place = self._locate(path)
            if place is None:
                return Absence.NOT_KNOWN
            return LoadedFile(path, *self._images.open(place))
        except ValueError:  # a NUL in it
            return Absence.NOT_THERE
        except OSError as error:
            return Absence.NOT_THERE if error.errno in _NOT_THERE else Absence.BARRED

    def read(self, path: str) -> bytes | None:
        """A small file of the target, or ``None`` if it is not at hand.

        :raises OSError: if it is not there, or cannot be read
        """
        place = self._locate(path)
        if place is None:
            return None
        with open_regular(place) as file:
            return file.read(_MAX_CONFIGURATION)


class OverlaidFiles:
    """The files of a target with those of a wheel laid over them, which are in it or staged.

    :param below: the files of the target
    :param overlay: from a path of the target without ``..`` to the file of the wheel that will be there, or
        ``None`` for any other path
    :param is_leaving: whether the file below that a path leads to goes before the wheel comes
    """

    def __init__(
        self, below: Files, overlay: Callable[[str], LoadedFile | None], is_leaving: Callable[[str], bool]
    ) -> None:
        self._below = below
        self._overlay = overlay
        self._is_leaving = is_leaving
        #: See :class:`~muslfix.loader.facts.Files`.
        self.open = lru_cache(_MOST_REMEMBERED)(self._open)

    def _open(self, path: str) -> LoadedFile | Absence:
        found = self._overlay(os.path.normpath(path))
        if found is not None:
            return found._replace(path=path)
        return Absence.NOT_THERE if self._is_leaving(path) else self._below.open(path)
