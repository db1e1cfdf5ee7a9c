"""How many threads run: also those that :mod:`threading` does not know."""

from __future__ import annotations

import _thread
import os
import time

# In seconds; a thread that has done its work may need a moment to go.
_PATIENCE = 30


def count_threads() -> int:
    """How many threads there are beside the main one."""
    return _thread._count()


def threads_left(before: int) -> int:
    """How many threads there are that were not there before, and do not go."""
    give_up = time.monotonic() + _PATIENCE
    while _thread._count() > before and time.monotonic() < give_up:
        os.sched_yield()
    return _thread._count() - before
