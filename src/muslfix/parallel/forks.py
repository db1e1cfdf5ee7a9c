"""A copy of this process that does one thing and ends."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found,unused-ignore]  # the module signal takes longer
import os
from collections.abc import Callable

from muslfix.parallel.interrupts import SIGNALS, uninterrupted


def fork(job: Callable[[], object]) -> int:
    """Do a job in another process, which shares nothing with this one but open files.

    :return: its number; whoever forks waits for it
    :raises OSError: if there can be none, or if this one has threads: a lock that another one of them holds
        would stay locked there for ever
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError("a process with threads does not fork")
    with uninterrupted():
        child = os.fork()
        if child == 0:
            try:
                for number in SIGNALS:  # the parent gets them too
                    signal.signal(number, signal.SIG_IGN)
                job()
            finally:  # not back to what the parent does
                os._exit(0)
    return child
