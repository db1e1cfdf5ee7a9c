"""Threads that share the work with their caller.

For what waits for the disk, or hashes: that needs no interpreter. What does, such as inflating small files,
is for processes (:mod:`muslfix.wheels.head_start`).

Not :class:`concurrent.futures.ThreadPoolExecutor`: importing it, and a future for each of some thousand small
files, cost more than the work they stand for; the thread that waits could work; and where several items fail,
chance decides which one is named.
"""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

#: How many seconds a thread has to begin before its caller does the job; one that lacks memory never begins.
_PATIENCE = 5.0

#: Told what is being done, how many items are done, and how many there are.
Tell = Callable[[str, int, int], object]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Thread:
    """A thread that ends early or late, but never keeps the one that waits for it forever.

    :meth:`threading.Thread.start` waits until the new thread says that it runs, which one that lacks memory
    never does: https://github.com/python/cpython/issues/140746. And up to Python 3.12 an interrupted
    :meth:`threading.Thread.join` marks the thread as ended, and later calls believe that:
    https://github.com/python/cpython/issues/90882.

    :param job: what to do
    """

    def __init__(self, job: Callable[[], object]) -> None:
        self._job = job
        self._claims: dict[str, str] = {}  # who came first, by one operation that nothing can interrupt
        self._has_begun, self._is_running = threading.Lock(), threading.Lock()
        self._has_begun.acquire()
        self._is_running.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except RuntimeError:  # no more threads may be started
            self._has_begun.release()

    def _run(self) -> None:
        try:
            if self._claims.setdefault("first", "thread") == "thread":
                self._has_begun.release()
                self._job()
        finally:
            self._is_running.release()

    def wait(self, patience: float = 0) -> bool:
        """Return when it has ended; if it has not begun by now it never will.

        :param patience: how many seconds it has to begin
        :return: whether it has done the job
        """
        if "first" not in self._claims and self._has_begun.acquire(timeout=patience):
            self._has_begun.release()
        if self._claims.setdefault("first", "caller") == "caller":
            return False
        with self._is_running:
            return True


class Pool:
    """Threads that apply a function to many items.

    :param threads: how many, including the one that calls :meth:`map`
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def map(
        self,
        work: Callable[[_Item], _Result],
        items: Sequence[_Item],
        what: str = "",
        progress: Tell | None = None,
    ) -> list[_Result]:
        """Apply a function to each item.

        No thread is left when this returns or raises.

        :param what: the name of the work, for the progress
        :param progress: called by one thread at a time
        :return: the results, in the order of the items
        :raises Exception: what the first of the items that failed has raised; items after a failed one may
            not have been tried
        """
        turn = _Turn(work, items, what, progress)
        started: list[_Thread] = []
        try:
            started += (_Thread(turn.work_off) for _ in range(min(self._threads, len(items)) - 1))
            turn.work_off()
            for thread in started:
                thread.wait()
        except BaseException:
            turn.todo.clear()
            raise
        finally:
            for thread in started:
                thread.wait()
        return turn.results()


class _Turn(Generic[_Item, _Result]):
    """One call of :meth:`Pool.map`; for the parameters see there."""

    def __init__(
        self,
        work: Callable[[_Item], _Result],
        items: Sequence[_Item],
        what: str,
        progress: Tell | None,
    ) -> None:
        #: Numbers of the items that no thread has taken yet.
        self.todo = deque(range(len(items)))
        self._work = work
        self._items = items
        self._done: dict[int, _Result] = {}
        self._failures: dict[int, Exception] = {}
        self._what, self._progress = what, progress
        self._lock = threading.Lock()
        if items:
            self._tell()

    def work_off(self) -> None:
        """Take items until none is left; run by each thread."""
        while self.todo:
            try:
                number = self.todo.popleft()
            except IndexError:  # another thread was faster
                return
            if self._failures and number > min(self._failures):
                continue
            try:
                result = self._work(self._items[number])
                with self._lock:
                    self._done[number] = result
                    self._tell()
            except Exception as error:  # noqa: BLE001 - raised again by results
                with self._lock:
                    self._failures = {**self._failures, number: error}

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._what, len(self._done), len(self._items))

    def results(self) -> list[_Result]:
        """See :meth:`Pool.map`."""
        if self._failures:
            raise self._failures[min(self._failures)]
        return [self._done[number] for number in range(len(self._items))]


class Background(Generic[_Result]):
    """A job that a thread does while its caller does something else.

    :param job: what to do
    """

    def __init__(self, job: Callable[[], _Result]) -> None:
        self._job = job
        self._results: list[_Result] = []
        self._failure: Exception | None = None
        self._thread = _Thread(self._work)

    def _work(self) -> None:
        try:
            self._results.append(self._job())
        except Exception as error:  # noqa: BLE001 - raised again by result
            self._failure = error

    def wait(self) -> None:
        """Return when the thread has ended, and let it not begin if it has not yet."""
        self._thread.wait()

    def result(self) -> _Result:
        """Wait for what the job returns; do it here if the thread has not begun.

        :raises Exception: what it has raised
        """
        if not self._thread.wait(_PATIENCE):
            return self._job()
        if self._failure is not None:
            raise self._failure
        return self._results[0]
