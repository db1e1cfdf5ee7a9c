"""What interrupted transactions have left in a directory.

Apart from :mod:`muslfix.transaction.recovery`, so that a command that finds none does not load what takes
steps back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from muslfix.errors import destination_errors
from muslfix.files.access import STAGING_PREFIX


def recover_leftovers(directory: str) -> str:
    """Recover a directory from interrupted transactions, and wait for one that still runs.

    :return: a sentence on what was found there; empty if nothing was
    :raises DestinationError: if the directory cannot be locked, or a journal cannot be trusted
    """
    if not _has_leftovers(directory):
        return ""
    from muslfix.transaction.directories import remove_directories
    from muslfix.transaction.recovery import lock_and_recover

    made: list[str] = []
    with destination_errors(directory):
        try:
            locks, ended = lock_and_recover(os.path.realpath(directory), (), (), made)
            locks.close()
        finally:
            remove_directories(made)  # recovery may remove the directory, which is created again to lock it
    remaining = [staging for staging in ended if os.path.lexists(staging)]
    if remaining:
        return about_remaining(remaining)
    return f"{directory}: cleaned up after an interrupted muslfix" if ended else ""


def traces_of_work(directory: str) -> tuple[int, bool]:
    """What differs, or is true, where a transaction has been at work since this was asked for the last time.

    :return: when a name in the directory has changed last, and whether a transaction is there now
    """
    try:
        return os.stat(directory).st_mtime_ns, _has_leftovers(directory)
    except OSError:  # the caller finds out
        return 0, False


@contextmanager
def kept_still(directory: str) -> Iterator[None]:
    """Wait for a transaction that still runs in a directory, and let none begin there meanwhile.

    :raises DestinationError: if the directory stays locked, or cannot be locked
    """
    from muslfix.transaction.locking import lock_each  # hardly ever needed

    with ExitStack() as locks:
        with destination_errors(directory):
            lock_each((os.path.realpath(directory),), locks)
        yield


def about_remaining(directories: Iterable[str]) -> str:
    """A sentence on staging directories that cannot be removed."""
    return (
        f"{', '.join(directories)}: is no longer needed and cannot be removed;"
        " nothing else is left half done, so remove it as the owner of its files"
    )


def _has_leftovers(directory: str) -> bool:
    try:
        return any(name.startswith(STAGING_PREFIX) for name in os.listdir(directory))
    except OSError:  # the caller finds out
        return False
