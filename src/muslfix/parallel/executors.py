"""The same work on many items, in several processes or on other machines.

The work is a function of one item, so any :class:`concurrent.futures.Executor` will do. An item that is lost
with its worker takes no other item with it: in processes of our own it is tried once more, alone.
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from muslfix.errors import DestinationError, UsageError

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

    :param work: the function; it, the items and the results can be pickled, and it may run twice for one item
    :param lost: makes a result from an item that has none and the reason
    :param executor: where the work is done; without one, in one process for each processor, or for a single
        item in this process
    :param on_finished: called with each result as soon as it is there
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
    """The item has no result.

    :param sentence: the reason
    """

    sentence: str


def _work_off(
    work: Callable[[Item], Result], items: Mapping[int, Item], executor: Executor | None
) -> Iterator[tuple[int, Result | _Lost]]:
    if executor is not None:
        yield from _results(executor, work, items)
        return
    if len(items) < 2 or not _may_start_threads():
        yield from ((number, work(item)) for number, item in items.items())
        return
    again = {}
    with _processes(len(items)) as own:
        for number, result in _results(own, work, items):
            if isinstance(result, _Lost):
                again[number] = items[number]
            else:
                yield number, result
    for number, item in again.items():  # one of them broke the pool for all: each gets a process of its own
        with _processes(1) as own:
            yield from _results(own, work, {number: item})


def _may_start_threads() -> bool:
    """Whether a pool of processes can be had, which needs a thread to watch them."""
    try:
        _thread.start_new_thread(int, ())
    except RuntimeError:
        return False
    return True


def _results(
    executor: Executor, work: Callable[[Item], Result], items: Mapping[int, Item]
) -> Iterator[tuple[int, Result | _Lost]]:
    """Submit the work, and yield each result as soon as it is there."""
    futures = {_submit(executor, work, item): number for number, item in items.items()}
    for future in as_completed(futures):
        yield futures[future], _outcome(future)


def _submit(executor: Executor, work: Callable[[Item], Result], item: Item) -> Future[Result]:
    try:
        return executor.submit(work, item)
    except BrokenExecutor as error:  # an earlier item broke it
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
    """Leave Ctrl-C and SIGHUP, which every process of a terminal gets, to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster.

    Source: https://distributed.dask.org/en/stable/api.html#distributed.Client.get_executor

    :param address: of its scheduler: ``tcp://10.0.0.1:8786``
    :raises UsageError: if ``distributed`` is not there
    :raises DestinationError: if the scheduler does not answer
    """
    for name in ("distributed", "tornado"):  # lost workers are reported with each item
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
