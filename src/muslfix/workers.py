"""A few threads that work through a list.

Not :class:`concurrent.futures.ThreadPoolExecutor`: its import, and a future for each of some thousand small
files, cost more than the work that they stand for; the thread that waits could work; and where several jobs
fail it is chance which one is named.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

#: How many threads are worth while: more only wait for the disk and for each other.
THREADS = min(4, len(os.sched_getaffinity(0)))

Job = Callable[[], object]
_Result = TypeVar("_Result")


class _Stopped(Exception):
    """The work is not wanted any more."""


class Workers:
    """Threads that do jobs in the order in which these are added.

    Leave them by :meth:`finish` or by :meth:`stop`: after either no thread works any more.

    :param threads: how many, with the one that calls :meth:`finish`
    """

    def __init__(self, threads: int = THREADS) -> None:
        self._queue: SimpleQueue[tuple[int, Job] | None] = SimpleQueue()
        self._failures: dict[int, Exception] = {}
        self._end = float("inf")
        self._threads: list[threading.Thread] = []
        self._missing = threads - 1

    def add(self, rank: int, job: Job) -> None:
        """Let a thread do something.

        :param rank: a number of its own; where several jobs fail, the one with the lowest counts
        """
        self._queue.put((rank, job))
        if self._missing:
            self._missing -= 1
            thread = threading.Thread(target=self._work, args=(self._queue.get,), daemon=True)
            with suppress(RuntimeError):  # no more threads may be started: then there are fewer
                thread.start()
                self._threads.append(thread)

    def finish(self) -> None:
        """Work along until all is done.

        :raises Exception: what the failed job of the lowest rank has raised
        """
        self._work(self._queue.get_nowait)
        self._join()
        if self._failures:
            raise self._failures[min(self._failures)]

    def stop(self) -> None:
        """Give up what has not been done."""
        self._end = float("-inf")
        self._join()

    def check(self) -> None:
        """Let a long job end early.

        :raises _Stopped: if it is not wanted any more
        """
        if self._end == float("-inf"):
            raise _Stopped

    def _join(self) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _work(self, take: Callable[[], tuple[int, Job] | None]) -> None:
        while True:
            try:
                entry = take()
            except Empty:
                return
            if entry is None:
                return
            rank, job = entry
            if rank < self._end:  # else one that comes before it has failed
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - raised again by finish
                    self._failures[rank] = error
                    self._end = min(self._end, rank)


class Meanwhile(Generic[_Result]):
    """A job that a thread does while its maker does something else; called, it gives what that has returned.

    :param job: what to do
    """

    def __init__(self, job: Callable[[], _Result]) -> None:
        self._job = job
        self._results: list[_Result] = []
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._is_started = False
        with suppress(RuntimeError):  # no more threads may be started: then it is done when it is called
            self._thread.start()
            self._is_started = True

    def _work(self) -> None:
        try:
            self._results.append(self._job())
        except Exception as error:  # noqa: BLE001 - raised again when it is called
            self._failure = error

    def wait(self) -> None:
        """Return when the thread does nothing any more."""
        if self._is_started:
            self._thread.join()

    def __call__(self) -> _Result:
        """What the job returns.

        :raises Exception: what it has raised
        """
        if not self._is_started:
            return self._job()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._results[0]
