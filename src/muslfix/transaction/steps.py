"""The steps that change a tree, and how each is taken back.

They move files, and create or remove directories; none writes to a file of the tree. The tree shows whether a
step has happened, so taking it back can be repeated, and does nothing if it has not happened.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

#: The kinds of steps, and how many paths each has.
KINDS = {"rename": 2, "replace": 3, "mkdir": 1, "rmdir": 1, "elsewhere": 1, "done": 0}


class Step(NamedTuple):
    """One step, as the journal has it.

    :param kind: ``rename`` (source, target), ``replace`` (source, target, backup of the target), ``mkdir``,
        ``rmdir``, ``elsewhere`` (a staging directory on another file system), ``done``
    :param paths: absolute paths, as many as :data:`KINDS` says
    :param mode: permissions of a directory that is removed
    """

    kind: str
    paths: tuple[str, ...] = ()
    mode: int = 0

    @property
    def target(self) -> str:
        """The path to name in an error."""
        return self.paths[1] if len(self.paths) > 1 else self.paths[0]


DONE = Step("done")


def do(step: Step) -> None:
    """Do a step.

    :raises OSError: if that fails; then it may be half done
    """
    if step.kind == "rename":
        source, target = step.paths
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(source, target)
    elif step.kind == "replace":
        source, target, backup = step.paths
        try:
            os.link(target, backup, follow_symlinks=False)
        except OSError:  # without hard links there is no file for a moment
            os.rename(target, backup)
        os.rename(source, target)
    elif step.kind == "mkdir":
        os.mkdir(step.paths[0])
    elif step.kind == "rmdir":
        os.rmdir(step.paths[0])


def take_back(step: Step) -> None:
    """Take back a step, if it has happened.

    :raises OSError: if that fails
    """
    if step.kind == "rename":
        source, target = step.paths
        if os.path.lexists(target) and not os.path.lexists(source):
            # A power cut may have lost the note that all is done, but not the removal of staging directories.
            os.makedirs(os.path.dirname(source), exist_ok=True)
            os.rename(target, source)
    elif step.kind == "replace":
        source, target, backup = step.paths
        if os.path.lexists(backup) and not (os.path.lexists(source) and os.path.lexists(target)):
            os.rename(backup, target)
    elif step.kind == "mkdir":
        remove_folders(step.paths)  # before what was in its place is restored; the anchor goes later
    elif step.kind == "rmdir":
        (path,) = step.paths
        if not os.path.lexists(path):
            os.mkdir(path)
        if not os.path.islink(path):  # which may lead anywhere
            os.chmod(path, step.mode)


def piece_by_piece(source: str, target: str) -> Iterator[Step]:
    """The steps that move a directory file by file; the new directories are created at once.

    For file systems that cannot move it whole: overlayfs does not move directories of a lower layer, where
    a container image has them.

    :raises OSError: if a directory cannot be created
    """
    emptied = []
    for folder, folders, files in os.walk(source):
        aside = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.mkdir(aside)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted(files + links):
            yield Step("rename", (os.path.join(folder, name), os.path.join(aside, name)))
        emptied.append(Step("rmdir", (folder,), os.stat(folder).st_mode & 0o7777))
    yield from reversed(emptied)


def cannot_move_whole(step: Step, error: OSError) -> bool:
    """Whether a step has failed because a directory must be moved piece by piece."""
    path = step.paths[0]
    return error.errno == errno.EXDEV and step.kind == "rename" and is_folder(path)


def is_folder(path: str) -> bool:
    """Whether there is a directory, and not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def existing_folder(path: str) -> str:
    """The path itself if it is a directory, or else the nearest existing directory above it."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def missing_folders(path: str) -> list[str]:
    """The directories to create for a path to exist, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def make_folders(path: str, made: list[str]) -> None:
    """Create a directory and its missing parents.

    :param made: gets those that were created
    :raises OSError: if that fails
    """
    for folder in missing_folders(path):
        _make_folder(folder, made)


def _make_folder(folder: str, made: list[str]) -> None:
    """Create a directory, unless another process has just created it."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
    else:
        made.append(folder)


def remove_folders(made: Iterable[str]) -> None:
    """Remove those directories that are empty, the last first."""
    for folder in reversed(list(made)):
        with suppress(OSError):
            os.rmdir(folder)


def discard(path: str) -> None:
    """Remove what is no longer needed, as far as possible: an error here is no reason to fail."""
    with suppress(OSError):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):  # it has read-only directories
        for folder, names, _ in os.walk(path):
            for name in [folder, *(os.path.join(folder, name) for name in names)]:
                with suppress(OSError):
                    if not os.path.islink(name):  # which may lead anywhere
                        os.chmod(name, 0o700)
        shutil.rmtree(path, ignore_errors=True)
