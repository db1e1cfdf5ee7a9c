"""Reading the files of a target that lie in a tree on this machine, without trusting the tree.

A file is opened by walking down from the top without following any link; :mod:`muslfix.targets.paths` has
resolved them. Nothing is written, and only regular files are read: a pipe would keep the reader for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from muslfix.errors import InvalidTarget
from muslfix.targets.paths import PathMap
from muslfix.targets.target import TargetTree

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class RootFiles(PathMap):
    """The files of a tree, by the paths under which the target sees them.

    :param tree: where the tree is, and what the target takes its top for
    :raises InvalidTarget: if there is no such directory
    """

    def __init__(self, tree: TargetTree) -> None:
        super().__init__(tree)
        if not os.path.isdir(self._top):
            raise InvalidTarget(
                tree.directory, "is not a directory", "name a root file system, or the prefix of a Python"
            )

    def is_file(self, path: str) -> bool:
        """Whether there is a plain file, perhaps by way of links."""
        mode = self._mode(path)
        return mode is not None and stat.S_ISREG(mode)

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory, perhaps by way of links."""
        mode = self._mode(path)
        return mode is not None and stat.S_ISDIR(mode)

    def is_one_file(self, one: str, other: str) -> bool:
        """Whether two paths are names of one file: links of either kind."""
        try:
            return os.path.samestat(os.lstat(self.locate(one)), os.lstat(self.locate(other)))
        except (OSError, ValueError, InvalidTarget):
            return False

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted; empty if it cannot be read."""
        try:
            return sorted(os.listdir(self.locate(path)))
        except (OSError, InvalidTarget):
            return []

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a plain file for reading.

        :raises OSError: if it cannot be, or is something else
        :raises InvalidTarget: as :meth:`locate`
        """
        parts = self._resolve(path)
        if not parts:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        with os.fdopen(self._walk(parts), "rb") as file:
            yield file

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of a small file, or ``None`` if it cannot be read.

        :param limit: in bytes
        :raises InvalidTarget: if it is larger
        """
        if not self.is_file(path):
            return None
        try:
            with self.open(path) as file:
                content = file.read(limit + 1)
        except OSError:
            return None
        if len(content) > limit:
            raise InvalidTarget(
                self.locate(path), f"is larger than {limit // 1024} KiB, so it is not what it should be"
            )
        return content

    def _mode(self, path: str) -> int | None:
        try:
            return os.lstat(self.locate(path)).st_mode
        except (OSError, ValueError, InvalidTarget):
            return None

    def _walk(self, parts: list[str]) -> int:
        """A descriptor of a file, reached from the top without following a link."""
        directory = os.open(self._top, _DIRECTORY)
        try:
            for part in parts[:-1]:
                below = os.open(part, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            file = os.open(parts[-1], _FILE, dir_fd=directory)
        finally:
            os.close(directory)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file", parts[-1])
        return file
