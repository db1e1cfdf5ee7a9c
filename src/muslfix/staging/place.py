"""Moving what is replaced out of the tree, and staged wheels in, by as few renames as the tree allows."""

from __future__ import annotations

import os
from collections.abc import Iterable

from muslfix.errors import destination_errors
from muslfix.files.access import is_there
from muslfix.staging.replaced import roots_of
from muslfix.staging.tree import StagedWheel
from muslfix.targets.schemes import Layout
from muslfix.transaction.directories import is_directory, leads_to_directory, missing_directories
from muslfix.transaction.transaction import Transaction


def move_out(transaction: Transaction, files: Iterable[str], layout: Layout) -> None:
    """Take files out of the tree, whole directories where nothing else is in them.

    :param files: absolute paths
    :raises DestinationError: if that fails
    """
    with destination_errors("what is replaced"), transaction.together():
        for path in _coarsest(files, roots_of(layout)):
            transaction.move_out(path)


def _coarsest(files: Iterable[str], roots: Iterable[str]) -> list[str]:
    """The same files, named by whole directories where all that is in a directory is among them."""
    names: dict[str, set[str]] = {}
    for path in files:
        names.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for directory in sorted(names, key=lambda directory: directory.count("/"), reverse=True):
        _fold(directory, names, roots)
    return [os.path.join(directory, name) for directory in sorted(names) for name in sorted(names[directory])]


def _fold(directory: str, names: dict[str, set[str]], roots: Iterable[str]) -> None:
    """Replace a directory's names by the directory itself, and go on with its parent."""
    while directory in names and directory not in roots and _goes(directory, names[directory]):
        del names[directory]
        parent, name = os.path.split(directory)
        names.setdefault(parent, set()).add(name)
        directory = parent


def _goes(directory: str, names: set[str]) -> bool:
    """Whether nothing would be left of a directory but an empty place for bytecode.

    Python would take a directory with that for a package without code.
    """
    rest = set(os.listdir(directory)) - names
    cache = os.path.join(directory, "__pycache__")
    return not rest or (rest == {"__pycache__"} and is_directory(cache) and not os.listdir(cache))


def place(transaction: Transaction, wheels: Iterable[StagedWheel]) -> None:
    """Move staged wheels to their destinations.

    :raises DestinationError: if that fails
    """
    with destination_errors("the destination"), transaction.together():
        coming = _Coming()
        for wheel in wheels:
            left_out = {wheel.locate(path) for path in wheel.left_out}
            for destination, staging in wheel.directories.items():
                real = os.path.realpath(destination)
                for missing in missing_directories(real):
                    if not coming.has_directory(missing):
                        coming.note(missing, "")
                        transaction.make_directory(missing)
                _place_directory(transaction, staging, real, left_out, coming)


def _place_directory(
    transaction: Transaction, source: str, destination: str, left_out: set[str], coming: _Coming
) -> None:
    """Move what is in a staged directory.

    :param left_out: the staged files that stay where they are
    :param coming: what is about to be there
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        target = os.path.join(destination, entry.name)
        if entry.is_dir(follow_symlinks=False):
            if leads_to_directory(target) or coming.has_directory(target):
                _place_directory(transaction, entry.path, os.path.realpath(target), left_out, coming)
                continue
        elif entry.path in left_out:
            continue
        elif target.endswith(".pyc"):
            if coming.source_of(target) is not None:
                continue  # of a module that two wheels bring
            if is_there(target):
                transaction.move_out(target)
        coming.note(target, entry.path)
        transaction.rename(entry.path, target)


class _Coming:
    """The files and directories that are about to be moved in: they are still in the staged tree."""

    def __init__(self) -> None:
        self._sources: dict[str, str] = {}

    def note(self, path: str, source: str) -> None:
        """Note that something will be there.

        :param source: where it is; empty for a new directory
        """
        self._sources[path] = source

    def has_directory(self, path: str) -> bool:
        """Whether a directory will be there."""
        source = self.source_of(path)
        return source is not None and (not source or leads_to_directory(source))

    def source_of(self, path: str) -> str | None:
        """Where something is that will be at a path, or ``None`` where nothing will."""
        above = path
        while above not in self._sources and above != "/":
            above = os.path.dirname(above)
        source = self._sources.get(above)
        if above == path or not source:
            return source if above == path else None
        place = os.path.join(source, os.path.relpath(path, above))
        return place if is_there(place) else None
