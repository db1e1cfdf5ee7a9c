"""Who works on a folder: one transaction at a time, which nothing interrupts where that would do harm.

A lock is on the folder itself, for a lock file would be left behind, and ends with its process.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from muslfix.errors import DestinationError
from muslfix.transaction.recovery import recover
from muslfix.transaction.steps import make_folders

# How long to wait for another muslfix on the same anchor, in seconds.
_PATIENCE = 60.0


def lock_and_recover(
    anchor: str, beside: Sequence[str], roots: Sequence[str], made: list[str]
) -> tuple[ExitStack, int]:
    """Lock folders, and put right what transactions that were killed have left in them.

    :param anchor: made where it is missing
    :param made: gets the folders that were made
    :return: what releases the locks, and how many transactions were taken back or tidied up
    """
    give_up = time.monotonic() + _PATIENCE
    count = 0
    while True:
        with uninterrupted():
            make_folders(anchor, made)
        with ExitStack() as locks:
            folders = _open_each((anchor, *beside), locks)
            for folder, descriptor in folders.items():
                _lock(folder, descriptor, give_up)
            # Whoever had one before us may have taken it back, and somebody may have made another.
            if anchor in folders and _are_there(folders):
                for folder in sorted(folders, key=lambda folder: folder != anchor):
                    count += recover(folder, roots) if os.path.isdir(folder) else 0
                if _are_there(folders):  # that may have removed one too
                    return locks.pop_all(), count


def _open_each(paths: Sequence[str], opened: ExitStack) -> dict[str, int]:
    """Open the folders that are there, each once under its first path.

    Their order depends on the folders alone: two who lock the same ones never wait for each other.
    """
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(os.close, descriptor)
            state = os.fstat(descriptor)
            found.setdefault((state.st_dev, state.st_ino), (path, descriptor))
    return dict(found[identity] for identity in sorted(found))


def _are_there(folders: Mapping[str, int]) -> bool:
    """Whether open folders are still those of their paths."""
    with suppress(FileNotFoundError):
        return all(os.path.samestat(os.fstat(folders[path]), os.stat(path)) for path in folders)
    return False


def _lock(folder: str, descriptor: int, give_up: float) -> None:
    """Lock an open folder, and wait while another muslfix has it; the lock ends with its process.

    :param give_up: when to wait no longer, by the monotonic clock
    """
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > give_up:
            raise DestinationError(
                folder, "is being changed by another muslfix", tip="try again when that has ended"
            )
        time.sleep(0.05)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals that end the program wait until what is done here is complete."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
