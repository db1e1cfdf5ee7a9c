"""The files of a target that lie on this machine: a root file system, or a prefix.

What such a tree holds is somebody else's. A symbolic link in it means a path as the target sees it, so an
absolute one begins at the top of the tree; followed by this machine it would lead into this machine's own
files. Links are therefore resolved here, name by name, and a file is opened by walking down from the top
without following any, as openat2(2) does with RESOLVE_IN_ROOT. Nothing is written, and nothing but plain
files is read: a pipe would keep the reader for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from muslfix.errors import InvalidTarget
from muslfix.targets.target import TargetTree

# As many as the kernel follows: path_resolution(7).
_MAX_LINKS = 40

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class RootFiles:
    """The files of a tree, by the paths under which the target sees them.

    :param tree: where the tree is, and what the target takes its top for
    :raises InvalidTarget: if there is no such folder
    """

    def __init__(self, tree: TargetTree) -> None:
        self.tree = tree
        self._top = os.path.realpath(tree.folder)
        if not os.path.isdir(self._top):
            raise InvalidTarget(
                tree.folder, "is no folder", "name a root file system, or the prefix of a Python"
            )

    def locate(self, path: str) -> str:
        """The path on this machine; no part of it below the top of the tree is a link.

        :param path: as the target sees it; its last parts need not exist
        :raises InvalidTarget: if it leads out of the tree, or links lead round in a circle
        """
        return "/".join((self._top.rstrip("/"), *self._resolve(path))) or "/"

    def seen(self, path: str) -> str:
        """The path as the target sees it when no link is in it.

        :raises InvalidTarget: as :meth:`locate`
        """
        return "/".join((self.tree.seen.rstrip("/"), *self._resolve(path))) or "/"

    def holds(self, path: str) -> bool:
        """Whether the tree has a place for a path: it lies below what the target takes the top for."""
        return self._below_top(path) is not None

    def is_file(self, path: str) -> bool:
        """Whether there is a plain file, perhaps by way of links."""
        mode = self._mode(path)
        return mode is not None and stat.S_ISREG(mode)

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder, perhaps by way of links."""
        mode = self._mode(path)
        return mode is not None and stat.S_ISDIR(mode)

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted; none where there is no folder that can be read."""
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
        """The content of a small file, or ``None`` where there is none that can be read.

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
        folder = os.open(self._top, _FOLDER)
        try:
            for part in parts[:-1]:
                below = os.open(part, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            file = os.open(parts[-1], _FILE, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file", parts[-1])
        return file

    def _below_top(self, path: str) -> list[str] | None:
        """The parts of a path below the top of the tree, or ``None`` where it is not there."""
        parts, top = _parts(path), _parts(self.tree.seen)
        return parts[len(top) :] if parts[: len(top)] == top else None

    def _resolve(self, path: str) -> list[str]:
        """The parts of a path below the top, with all links followed."""
        left, done, links = self._enter(path, path), list[str](), 0
        while left:
            part = left.pop(0)
            if part == "..":
                if not done and self.tree.seen != "/":
                    raise self._leads_out(path)
                done = done[:-1]
                continue
            link = _read_link("/".join((self._top.rstrip("/"), *done, part)))
            if link is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise InvalidTarget(
                    self._here(path), "leads round in a circle of symbolic links", "look where its links lead"
                )
            if link.startswith("/"):
                left, done = self._enter(link, path) + left, []
            else:
                left = _parts(link) + left
        return done

    def _enter(self, path: str, asked: str) -> list[str]:
        parts = self._below_top(path)
        if parts is None:
            raise self._leads_out(asked)
        return parts

    def _leads_out(self, path: str) -> InvalidTarget:
        return InvalidTarget(
            self._here(path),
            f"leads out of {self.tree.folder}",
            "name the root file system that holds all of it with --target-root",
        )

    def _here(self, path: str) -> str:
        return os.path.join(self.tree.folder, *(self._below_top(path) or [path.lstrip("/")]))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except (OSError, ValueError):  # it is no link, or not there: then nothing below it is
        return None
