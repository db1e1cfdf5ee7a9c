"""Locks on directories.

A lock is on the directory itself, since a lock file would be left behind. It ends with its process.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress

from muslfix.errors import DestinationError

#: How long to wait for another muslfix that works on the same directory, in seconds.
PATIENCE = 60.0


def lock_each(paths: Sequence[str], locks: ExitStack, give_up: float | None = None) -> dict[str, int]:
    """Lock the directories that exist, each once, and wait while another muslfix holds one.

    They are locked in an order that depends on the directories alone, so that two processes that lock the
    same ones never wait for each other.

    :param locks: gets what releases the locks
    :param give_up: when to stop waiting, by the monotonic clock; by default in :data:`PATIENCE` seconds
    :return: the first path of each, with its file descriptor
    :raises DestinationError: if another muslfix still holds one then
    """
    give_up = time.monotonic() + PATIENCE if give_up is None else give_up
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            locks.callback(_close, descriptor)
            state = os.fstat(descriptor)
            found.setdefault((state.st_dev, state.st_ino), (path, descriptor))
    for _, (path, descriptor) in sorted(found.items()):
        _lock(path, descriptor, give_up)
    return dict(found.values())


def _close(descriptor: int) -> None:
    """Release a lock, after which there is nothing left that could fail."""
    with suppress(OSError):
        os.close(descriptor)


def _lock(path: str, descriptor: int, give_up: float) -> None:
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > give_up:
            raise DestinationError(
                path, "is being changed by another muslfix", tip="try again when it has finished"
            )
        time.sleep(0.05)


def are_in_place(locked: Mapping[str, int]) -> bool:
    """Whether paths still lead to the directories that were locked.

    :param locked: as :func:`lock_each` returns it
    """
    with suppress(FileNotFoundError):
        return all(os.path.samestat(os.fstat(locked[path]), os.stat(path)) for path in locked)
    return False
