"""What interrupted transactions have left in a directory.

Apart from :mod:`muslfix.transaction.recovery`, so that a command that finds none does not load what takes
steps back.
"""

from __future__ import annotations

import os

from muslfix.errors import destination_errors
from muslfix.files import STAGING_PREFIX


def recover_leftovers(directory: str) -> bool:
    """Recover a directory from interrupted transactions, and wait for one that still runs.

    :return: whether a transaction had been interrupted there
    :raises DestinationError: if the directory cannot be locked, or a journal cannot be trusted
    """
    if not _has_leftovers(directory):
        return False
    from muslfix.transaction.directories import remove_directories
    from muslfix.transaction.recovery import lock_and_recover

    made: list[str] = []
    with destination_errors(directory):
        try:
            locks, count = lock_and_recover(os.path.realpath(directory), (), (), made)
            locks.close()
        finally:
            remove_directories(made)  # recovery may remove the directory, which is created again to lock it
    return count > 0


def _has_leftovers(directory: str) -> bool:
    try:
        return any(name.startswith(STAGING_PREFIX) for name in os.listdir(directory))
    except OSError:  # the caller finds out
        return False
