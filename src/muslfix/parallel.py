"""A few threads that work through a list.

Not :class:`concurrent.futures.ThreadPoolExecutor`: its import, and a future for each of some thousand small
files, cost more than the work that they stand for; the thread that waits could work; and where several jobs
fail it is chance which one is named.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from muslfix.errors import DestinationError, UsageError

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


# MERGED farm: The same work on many items: in this process, in several, or on other machines.
#
# What is done is a function of one item, so any :class:`concurrent.futures.Executor` will do. An item that is
# lost with its worker takes no other one with it: in processes of our own it is worked on once more, alone.

Item = TypeVar("Item")
Result = TypeVar("Result")

_TIMEOUT = "10s"


def for_each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    lost: Callable[[Item, str], Result],
    *,
    executor: Executor | None = None,
    on_finished: Callable[[Result], object] | None = None,
) -> list[Result]:
    """The results of a function for each item, in the order of the items.

    :param work: can be pickled, as can items and results; may be done twice for one item
    :param lost: makes a result of an item and the reason why it has none
    :param executor: does the work; without one, a process for each processor does, and a single item's is
        done here
    :param on_finished: is called with each result as soon as it is there
    """
    results: dict[int, Result] = {}
    for number, result in _work_off(work, dict(enumerate(items)), executor):
        done = lost(items[number], result.sentence) if isinstance(result, _Lost) else result
        results[number] = done
        if on_finished is not None:
            on_finished(done)
    return [results[number] for number in range(len(items))]


@dataclass(frozen=True)
class _Lost:
    """What there is instead of a result.

    :param sentence: says why
    """

    sentence: str


def _work_off(
    work: Callable[[Item], Result], items: Mapping[int, Item], executor: Executor | None
) -> Iterator[tuple[int, Result | _Lost]]:
    if executor is not None:
        yield from _results(executor, work, items)
        return
    if len(items) < 2:
        yield from ((number, work(item)) for number, item in items.items())
        return
    again = {}
    with _processes(len(items)) as own:
        for number, result in _results(own, work, items):
            if isinstance(result, _Lost):
                again[number] = items[number]
            else:
                yield number, result
    for number, item in again.items():  # one has ended its process, and with it the others: each gets its own
        with _processes(1) as own:
            yield from _results(own, work, {number: item})


def _results(
    executor: Executor, work: Callable[[Item], Result], items: Mapping[int, Item]
) -> Iterator[tuple[int, Result | _Lost]]:
    """Hand out work, and give back what comes of it, as soon as it is there."""
    futures = {_submit(executor, work, item): number for number, item in items.items()}
    for future in as_completed(futures):
        yield futures[future], _outcome(future)


def _submit(executor: Executor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    try:
        return executor.submit(work, item)
    except BrokenExecutor as error:  # by an item before this one
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _outcome(future: Future[Any]) -> Any:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        return _Lost("the process that worked on it was killed, or lost")
    except Exception as error:  # noqa: BLE001 - whatever a worker can die of
        return _Lost(f"the work on it ended by {type(error).__name__}: {error}")


@contextmanager
def _processes(most: int) -> Iterator[Executor]:
    """Processes of our own, one for each processor; at the end, work that has not begun is given up."""
    import multiprocessing  # for many items only: the import takes its time
    from concurrent.futures import ProcessPoolExecutor

    # A process that has threads must not fork: a lock that another thread holds would stay locked for ever.
    method = "fork" if threading.active_count() == 1 else "spawn"
    executor = ProcessPoolExecutor(
        min(most, len(os.sched_getaffinity(0))),
        mp_context=multiprocessing.get_context(method),
        initializer=_begin,
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C, which every process of a terminal gets, to the one that hands out the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster.

    Source: https://distributed.dask.org/en/stable/api.html#distributed.Client.get_executor

    :param address: of its scheduler: ``tcp://10.0.0.1:8786``
    :raises UsageError: if ``distributed`` is not there
    :raises DestinationError: if the scheduler does not answer
    """
    import logging

    for name in ("distributed", "tornado"):  # what they have to tell of lost workers is told of each item
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            None, "for a scheduler Dask's 'distributed' is needed", tip="pip install 'muslfix[dask]'"
        ) from error
    try:
        client = Client(address, timeout=_TIMEOUT)
    except (OSError, ValueError, RuntimeError) as error:
        raise DestinationError(address, f"is no Dask scheduler that answers ({error})") from error
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
