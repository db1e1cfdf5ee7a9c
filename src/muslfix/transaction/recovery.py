"""The end of a transaction, by itself or by the next one on the same folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from muslfix.files import STAGING_PREFIX, sync_file_system
from muslfix.transaction.journal import JOURNAL, TAKEN_BACK, read_journal
from muslfix.transaction.steps import DONE, Step, discard, is_folder, remove_folders, take_back


def recover(anchor: str, roots: Sequence[str]) -> int:
    """Put right what transactions have left in a folder that is locked now.

    :param anchor: the folder
    :param roots: other folders of the same environment
    :return: how many were taken back or tidied up
    :raises DestinationError: if one journal is not to be trusted; then nothing is touched
    """
    names = sorted(name for name in os.listdir(anchor) if name.startswith(STAGING_PREFIX))
    folders = [path for path in (os.path.join(anchor, name) for name in names) if is_folder(path)]
    left = [(read_journal(staging, anchor, roots), staging) for staging in folders]
    for steps, staging in left:
        finish(steps, staging)
    return len(left)


def finish(steps: Sequence[Step], staging: str) -> None:
    """Take the steps of a transaction back unless they are final, then remove its staging folders.

    :param steps: as noted in its journal
    :param staging: its staging folder
    :raises OSError: if a step cannot be taken back; then the journal stays
    """
    is_final, journal = DONE in steps, os.path.join(staging, JOURNAL)
    elsewhere = [step.paths[0] for step in steps if step.kind == "elsewhere"]
    if not is_final and os.path.lexists(journal):
        for step in reversed(steps):
            take_back(step)
        for folder in (staging, *elsewhere) if steps else ():
            with suppress(OSError):  # the disk may have failed before, and an elsewhere be gone
                sync_file_system(folder)
        os.rename(journal, os.path.join(staging, TAKEN_BACK))
    for folder in elsewhere:
        discard(folder)
    # The journal goes last: until then the next transaction knows what to do.
    with suppress(OSError):
        for entry in list(os.scandir(staging)):
            if entry.name not in (JOURNAL, TAKEN_BACK):
                discard(entry.path)
    made = [step.paths[0] for step in steps if step.kind == "mkdir" and not is_final]
    remove_folders(made)  # which held staging folders
    discard(staging)
    remove_folders(made)  # the anchor
