"""The steps that change a tree, and how each is taken back.

They move files, and create or remove directories; none writes to a file of the tree. The tree shows whether a
step has happened, so taking it back can be repeated, and does nothing if it has not happened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from muslfix.files.access import is_there
from muslfix.transaction.directories import is_directory, remove_directories

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
        if is_there(target):
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


def take_back(steps: Sequence[Step]) -> None:
    """Take back steps as far as they have happened, the last first.

    :raises OSError: if that fails
    """
    for step in reversed(steps):
        _take_back(step)


def _take_back(step: Step) -> None:
    if step.kind == "rename":
        source, target = step.paths
        if is_there(target) and not is_there(source):
            # A power cut may have lost the note that all is done, but not the removal of staging directories.
            os.makedirs(os.path.dirname(source), exist_ok=True)
            os.rename(target, source)
    elif step.kind == "replace":
        source, target, backup = step.paths
        if is_there(backup) and not (is_there(source) and is_there(target)):
            os.rename(backup, target)
    elif step.kind == "mkdir":
        remove_directories(step.paths)  # before what was in its place is restored; the anchor goes later
    elif step.kind == "rmdir":
        (path,) = step.paths
        if not is_there(path):
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
    for directory, directories, files in os.walk(source):
        aside = os.path.normpath(os.path.join(target, os.path.relpath(directory, source)))
        os.mkdir(aside)
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in sorted(files + links):
            yield Step("rename", (os.path.join(directory, name), os.path.join(aside, name)))
        emptied.append(Step("rmdir", (directory,), os.stat(directory).st_mode & 0o7777))
    yield from reversed(emptied)


def cannot_move_whole(step: Step, error: OSError) -> bool:
    """Whether a step has failed because a directory must be moved piece by piece."""
    path = step.paths[0]
    return error.errno == errno.EXDEV and step.kind == "rename" and is_directory(path)
