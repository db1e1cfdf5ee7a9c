"""Waiting until what was written is on the disk.

Before the first step of a transaction that is all that is staged, and the journal, which notes the steps.
Before what has left the tree is deleted, that is the directories that were changed; then the note that all is
done.

Each file and directory is synced on its own: ``syncfs`` waits for what anybody has written to that file
system, such as a build that has just left gigabytes. A few at a time, since the disk then serves them
together: ``tests/benchmarks/syncs.py``. For very many files one ``syncfs`` is the shorter wait.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable, Sequence

from muslfix.files.access import sync_file, sync_file_system
from muslfix.transaction.directories import leads_to_directory
from muslfix.transaction.steps import Step

# How many files and directories are synced one by one, at most.
_MANY = 1000

# How many at a time; for a handful, starting threads would take longer.
_AT_ONCE, _HANDFUL = 8, 8

# Answers of file systems that cannot sync a directory, and of files that their owner must not read.
_NOT_ALONE = frozenset({errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP})


def sync_staged(staging: Collection[str], *, are_many: bool) -> None:
    """Return when all that is staged is on its disk, with the journal.

    :param staging: the staging directories, one on each file system
    :param are_many: whether it is known that there are many files
    :raises OSError: if it cannot be brought there
    """
    found = None if are_many else _new_in(staging)
    if found is None:
        sync_file_systems(staging)
    else:
        _sync([*found, *{os.path.dirname(directory) for directory in staging}], staging)


def sync_changed(steps: Iterable[Step], staging: Collection[str]) -> None:
    """Return when the directories in which steps were done are on their disk as they are now.

    :param staging: the staging directories, one on each file system
    :raises OSError: if they cannot be brought there
    """
    parents = dict.fromkeys(os.path.dirname(path) for step in steps for path in step.paths)
    _sync([path for path in parents if leads_to_directory(path)], staging)


def sync_file_systems(directories: Iterable[str]) -> None:
    """Return when all that was written to the file systems of some directories is on their disks.

    :raises OSError: if it cannot be brought there
    """
    for directory in directories:
        sync_file_system(directory)


def _new_in(directories: Iterable[str]) -> list[str] | None:
    """Directories and all that is new in them; ``None`` if that is much.

    A file with more names than are found is a link to one that was there before.
    """
    found = list(directories)
    names: dict[tuple[int, int], list[str]] = {}
    links: dict[tuple[int, int], int] = {}
    for directory in found:  # which grows
        for entry in os.scandir(directory):
            state = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                found.append(entry.path)
            elif stat.S_ISREG(state.st_mode):
                file = state.st_dev, state.st_ino
                names.setdefault(file, []).append(entry.path)
                links[file] = state.st_nlink
        if len(found) + len(names) > _MANY:
            return None
    return found + [paths[0] for file, paths in names.items() if links[file] == len(paths)]


def _sync(paths: Sequence[str], staging: Iterable[str]) -> None:
    """Sync each path, or the file systems where that is not possible or takes longer."""
    try:
        if len(paths) <= _MANY:
            sync_each(paths)
            return
    except OSError as error:
        if error.errno not in _NOT_ALONE:
            raise
    sync_file_systems(staging)


def sync_each(paths: Sequence[str]) -> None:
    """Return when files and directories are on their disk.

    :param paths: absolute; no links
    :raises OSError: if one cannot be brought there
    """
    if len(paths) <= _HANDFUL:
        for path in paths:
            _sync_one(path)
        return
    from muslfix.parallel.threads import Pool  # a small installation needs none

    Pool(_AT_ONCE).map(_sync_one, paths)


def _sync_one(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)
