"""Where the paths of a target are on this machine, and back.

A target is this machine itself, or its files lie below a directory: a root file system, or a prefix. Such a
tree is not trusted. A symbolic link in it means a path as the target sees it, so an absolute link begins at
the top of the tree; if this machine followed it, it would lead into this machine's own files. Links in a tree
are therefore resolved here, name by name, as openat2(2) does with RESOLVE_IN_ROOT.
"""

from __future__ import annotations

import os

from muslfix.errors import InvalidTarget
from muslfix.targets.target import Target, TargetTree

# As many as the kernel follows: path_resolution(7).
_MAX_LINKS = 40


def paths_of(target: Target, root: str | None = None) -> PathMap:
    """The paths of a target.

    :param root: a directory that the target will see as ``/``; ``None``: the tree that it was read from
    """
    return PathMap(target.tree if root is None else TargetTree(os.path.abspath(root)))


class PathMap:
    """The paths of a target, and where they are on this machine.

    :param tree: the directory that holds the target's files; ``None`` where the target's paths are those of
        this machine, which is what ``is_here`` says
    """

    def __init__(self, tree: TargetTree | None = None) -> None:
        self.is_here = tree is None
        self.tree = tree or TargetTree("/")
        self._top = os.path.realpath(self.tree.directory)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathMap) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[bool, str, str]:
        return self.is_here, self._top, self.tree.seen

    def locate(self, seen: str) -> str:
        """The path on this machine; no part of it below the top of a tree is a link.

        :param seen: as the target sees it; its last parts need not exist
        :raises InvalidTarget: if it leads out of the tree, or links lead into a loop
        """
        return seen if self.is_here else _joined(self._top, self._resolve(seen))

    def seen(self, here: str) -> str | None:
        """The path by which the target sees a file of this machine; ``None`` where it is not in the tree.

        :param here: links on the way to the tree are followed, those in the tree are left as they are
        """
        if self.is_here:
            return here
        path = os.path.abspath(here)
        directory, name = os.path.split(path)
        for place in (path, os.path.join(os.path.realpath(directory), name)):
            for top in (self._top, self.tree.directory):
                if place == top or place.startswith(top.rstrip("/") + "/"):
                    return os.path.normpath(os.path.join(self.tree.seen, os.path.relpath(place, top)))
        return None

    def resolve(self, seen: str) -> str:
        """The path by which the target sees a file when no link is in it.

        :raises InvalidTarget: as :meth:`locate`
        """
        return os.path.realpath(seen) if self.is_here else _joined(self.tree.seen, self._resolve(seen))

    def follow(self, here: str) -> str:
        """The path on this machine with all links followed, those of a tree inside of it only.

        :raises InvalidTarget: as :meth:`locate`
        """
        seen = None if self.is_here else self.seen(here)
        return os.path.realpath(here) if seen is None else self.locate(seen)

    def holds(self, seen: str) -> bool:
        """Whether a path has a place on this machine: it lies below what the target takes the top for."""
        return self._below_top(seen) is not None

    def _below_top(self, seen: str) -> list[str] | None:
        """The parts of a path below the top of the tree, or ``None`` where it is not there."""
        parts, top = _parts(seen), _parts(self.tree.seen)
        return parts[len(top) :] if parts[: len(top)] == top else None

    def _resolve(self, seen: str) -> list[str]:
        """The parts of a path below the top, with all links followed."""
        left, done, links = self._enter(seen, seen), list[str](), 0
        while left:
            part = left.pop(0)
            if part == "..":
                if not done and self.tree.seen != "/":
                    raise self._leads_out(seen)
                done = done[:-1]
                continue
            link = _read_link(_joined(self._top, [*done, part]))
            if link is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise InvalidTarget(
                    self._here(seen), "leads into a loop of symbolic links", "see where its links lead"
                )
            if link.startswith("/"):
                left, done = self._enter(link, seen) + left, []
            else:
                left = _parts(link) + left
        return done

    def _enter(self, path: str, asked: str) -> list[str]:
        parts = self._below_top(path)
        if parts is None:
            raise self._leads_out(asked)
        return parts

    def _leads_out(self, seen: str) -> InvalidTarget:
        return InvalidTarget(
            self._here(seen),
            f"leads out of {self.tree.directory}",
            "name the root file system that holds all of it with --target-root",
        )

    def _here(self, seen: str) -> str:
        return os.path.join(self.tree.directory, *(self._below_top(seen) or [seen.lstrip("/")]))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _joined(top: str, parts: list[str]) -> str:
    return "/".join((top.rstrip("/"), *parts)) or "/"


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except (OSError, ValueError):  # it is no link, or not there: then nothing below it is
        return None
