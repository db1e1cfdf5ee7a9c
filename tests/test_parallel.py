"""Threads that share a list of items: in which order, what happens when work fails, and that none is left."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from running_threads import count_threads, threads_left

from muslfix.parallel.threads import Background, Pool


def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", start)


# -- many items -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 30])
@pytest.mark.parametrize("items", [0, 1, 20])
def test_each_item_is_worked_on_once_and_has_its_result(count: int, items: int) -> None:
    before = count_threads()
    seen: list[int] = []

    def work(item: int) -> str:
        seen.append(item)
        return str(item)

    assert Pool(count).map(work, range(items)) == [str(item) for item in range(items)]
    assert sorted(seen) == list(range(items))
    assert threads_left(before) == 0


def test_where_no_thread_can_be_started_the_caller_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    without_threads(monkeypatch)
    caller = threading.get_ident()
    assert Pool(4).map(lambda _: threading.get_ident(), range(3)) == [caller] * 3


def test_one_thread_is_the_caller() -> None:
    caller = threading.get_ident()
    assert Pool(1).map(lambda _: threading.get_ident(), range(3)) == [caller] * 3


def test_several_threads_work_at_the_same_time() -> None:
    barrier = threading.Barrier(3)
    assert sorted(Pool(3).map(lambda _: barrier.wait(timeout=30), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 4])
def test_progress_counts_up(count: int) -> None:
    told: list[tuple[str, int, int]] = []
    Pool(count).map(str, range(9), what="doing", progress=lambda *step: told.append(step))
    assert told == [("doing", done, 9) for done in range(10)]
    told.clear()
    Pool(count).map(str, [], what="doing", progress=lambda *step: told.append(step))
    assert told == []


def test_a_failure_of_progress_is_one_of_the_work() -> None:
    def progress(_: str, done: int, __: int) -> None:
        if done == 2:
            raise BrokenPipeError

    before = count_threads()
    with pytest.raises(BrokenPipeError):
        Pool(2).map(str, range(9), progress=progress)
    assert threads_left(before) == 0


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_first_item_that_fails_is_named(count: int) -> None:
    before = count_threads()
    done: list[int] = []

    def work(item: int) -> None:
        if item in (7, 20, 33):
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match=r"^7$"):
        Pool(count).map(work, range(40))
    assert set(range(7)) <= set(done), "what comes before it may fail too, so it must be tried"
    assert threads_left(before) == 0


def test_what_comes_behind_a_failure_is_not_done() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 4:
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match=r"^4$"):
        Pool(1).map(work, range(9))
    assert done == [0, 1, 2, 3]


class Interrupt:
    """An interrupt of the main thread, wherever it is; it is sent again until it has been noticed."""

    def __init__(self) -> None:
        self._is_noticed = threading.Event()
        signal.signal(signal.SIGUSR1, self._notice)

    def _notice(self, *_: object) -> None:
        if not self._is_noticed.is_set():
            self._is_noticed.set()
            raise KeyboardInterrupt

    def send(self) -> None:
        while not self._is_noticed.is_set():
            os.kill(os.getpid(), signal.SIGUSR1)


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = signal.getsignal(signal.SIGUSR1)
    yield Interrupt()
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupt_of_the_one_that_waits_leaves_no_thread(interrupt: Interrupt) -> None:
    before, begun, is_done = count_threads(), threading.Event(), threading.Event()
    caller = threading.get_ident()

    def work(_: int) -> None:
        if threading.get_ident() == caller:
            assert begun.wait(timeout=30)
            is_done.set()
            return
        begun.set()
        assert is_done.wait(timeout=30)
        interrupt.send()

    with pytest.raises(KeyboardInterrupt):
        Pool(2).map(work, range(2))
    assert threads_left(before) == 0


# -- in the background ------------------------------------------------------------------------------


def test_what_is_done_in_the_background_is_done_by_another_thread() -> None:
    before, begun = count_threads(), threading.Event()

    def job() -> int:
        begun.set()
        return threading.get_ident()

    background = Background(job)
    assert begun.wait(timeout=30)
    assert background.result() == background.result() != threading.get_ident()
    assert threads_left(before) == 0


def test_its_failure_is_raised_with_the_result() -> None:
    before = count_threads()

    def job() -> None:
        raise ValueError("wrong")

    background = Background(job)
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            background.result()
    assert threads_left(before) == 0


def test_after_an_interrupt_it_can_still_be_waited_for(interrupt: Interrupt) -> None:
    before, has_begun, may_begin, may_end = (
        count_threads(),
        threading.Event(),
        threading.Event(),
        threading.Event(),
    )
    ended: list[bool] = []

    def job() -> None:
        has_begun.set()
        assert may_begin.wait(timeout=30)
        interrupt.send()
        assert may_end.wait(timeout=30)
        ended.append(True)

    background = Background(job)
    assert has_begun.wait(timeout=30)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it comes anywhere
        may_begin.set()
        background.result()
    may_end.set()
    background.wait()
    assert ended == [True]
    assert threads_left(before) == 0


def test_without_a_thread_it_is_done_for_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    without_threads(monkeypatch)
    background = Background(threading.get_ident)
    background.wait()
    assert background.result() == threading.get_ident()


def test_a_thread_that_dies_before_it_begins_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does for lack of memory."""
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: 0)
    monkeypatch.setattr("muslfix.parallel.threads._PATIENCE", 0.01)
    assert Background(threading.get_ident).result() == threading.get_ident()
    assert Pool(4).map(str, range(3)) == ["0", "1", "2"]


def test_a_thread_that_may_not_begin_any_more_is_given_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: 0)
    monkeypatch.setattr("muslfix.parallel.threads._PATIENCE", 3600.0)
    background = Background(threading.get_ident)
    background.wait()
    assert background.result() == threading.get_ident()
