"""Ending a transaction, and recovering from one that was interrupted.

A transaction that runs ends itself (:func:`finish`). What a killed one has left is found by the next that
works on the same directory, and ended in the same way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from muslfix.errors import DestinationError
from muslfix.files.access import STAGING_PREFIX, is_there, sync_file_system
from muslfix.parallel.interrupts import uninterrupted
from muslfix.transaction.bounds import Bounds
from muslfix.transaction.directories import (
    discard,
    is_directory,
    leads_to_directory,
    make_directories,
    remove_directories,
)
from muslfix.transaction.journal import JOURNAL, TAKEN_BACK, read_journal
from muslfix.transaction.locking import PATIENCE, are_in_place, lock_each
from muslfix.transaction.steps import DONE, Step, take_back


def lock_and_recover(
    anchor: str, beside: Sequence[str], roots: Sequence[str], made: list[str]
) -> tuple[ExitStack, list[str]]:
    """Lock directories, and recover each from the transactions that were killed there.

    :param anchor: the directory of the transaction, with no link on the way; created if it does not exist
    :param beside: other such directories, locked if they exist
    :param roots: other directories that the steps of an interrupted transaction may lead to
    :param made: gets the directories that were created
    :return: what releases the locks, and the staging directories of the transactions that were ended
    :raises DestinationError: if a directory stays locked, or a journal cannot be trusted
    :raises OSError: if a directory cannot be created, or a step cannot be taken back
    """
    give_up = time.monotonic() + PATIENCE
    ended: list[str] = []
    while True:
        with uninterrupted():
            make_directories(anchor, made)
        with ExitStack() as locks:
            locked = lock_each((anchor, *beside), locks, give_up)
            # The previous holder of the lock may have removed the directory, and somebody created another.
            if anchor in locked and are_in_place(locked):
                for directory in sorted(locked, key=lambda directory: directory != anchor):
                    ended += _recover(directory, roots) if leads_to_directory(directory) else []
                if are_in_place(locked):  # recovering may have removed one too
                    return locks.pop_all(), ended


def _recover(anchor: str, roots: Sequence[str]) -> list[str]:
    """End the transactions that were killed in a locked directory; if one cannot be trusted, none is touched.

    :return: their staging directories
    :raises DestinationError: if a journal cannot be trusted
    """
    names = sorted(name for name in os.listdir(anchor) if name.startswith(STAGING_PREFIX))
    directories = [path for path in (os.path.join(anchor, name) for name in names) if is_directory(path)]
    bounds = Bounds(anchor, roots)
    left = [(read_journal(staging, anchor, bounds), staging) for staging in directories]
    for steps, staging in left:
        finish(steps, staging)
    return directories


def finish(steps: Sequence[Step], staging: str) -> None:
    """End a transaction: take its steps back unless they are final, then remove its staging directories.

    :param steps: as noted in its journal
    :param staging: its staging directory
    :raises OSError: if a step cannot be taken back; then the journal stays
    """
    is_final, journal = DONE in steps, os.path.join(staging, JOURNAL)
    elsewhere = [step.paths[0] for step in steps if step.kind == "elsewhere"]
    if not is_final and is_there(journal):
        _take_back(steps, staging, elsewhere)
        os.rename(journal, os.path.join(staging, TAKEN_BACK))
    for directory in elsewhere:
        discard(directory)
    # The journal goes last: until then the next transaction knows what to do.
    with suppress(OSError):
        for entry in list(os.scandir(staging)):
            if entry.name not in (JOURNAL, TAKEN_BACK):
                discard(entry.path)
    made = [step.paths[0] for step in steps if step.kind == "mkdir" and not is_final]
    remove_directories(made)  # those that held staging directories
    discard(staging)
    remove_directories(made)  # the anchor


def _take_back(steps: Sequence[Step], staging: str, elsewhere: Sequence[str]) -> None:
    take_back(steps)
    for directory in (staging, *elsewhere) if steps else ():
        with suppress(OSError):  # the disk may have failed before, and the directory may be gone
            sync_file_system(directory)


@contextmanager
def half_done(anchor: str) -> Iterator[None]:
    """Say what is left where a step cannot be taken back."""
    try:
        yield
    except Exception as error:
        path, reason = anchor, f"cannot be put back ({type(error).__name__})"
        if isinstance(error, DestinationError):
            path, reason = error.path or anchor, error.reason
        raise DestinationError(
            path,
            f"{reason}, so the change of {anchor} is half done",
            tip="when that is mended, run muslfix there again: it first takes back what was begun",
        ) from error
