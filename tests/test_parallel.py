"""Threads that work through a list: in which order, what happens when jobs fail, and that none stays."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from muslfix.parallel import Meanwhile, Workers, _Stopped


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("count", [1, 2, 4, 30])
def test_all_jobs_are_done_once(count: int) -> None:
    before = threads()
    done: list[int] = []
    workers = Workers(count)
    for number in range(20):
        workers.add(number, partial(done.append, number))
    workers.finish()
    assert sorted(done) == list(range(20))
    assert threads() == before


def test_where_no_thread_can_be_started_the_one_that_waits_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    seen: list[threading.Thread] = []
    workers = Workers(4)
    for _ in range(3):
        workers.add(0, lambda: seen.append(threading.current_thread()))
    workers.finish()
    assert seen == [threading.current_thread()] * 3


def test_one_thread_is_the_one_that_waits() -> None:
    before = threads()
    seen: list[threading.Thread] = []
    workers = Workers(1)
    for number in range(3):
        workers.add(number, lambda: seen.append(threading.current_thread()))
    assert threads() == before
    assert not seen
    workers.finish()
    assert seen == [threading.current_thread()] * 3


def test_work_begins_while_jobs_are_added() -> None:
    begun = threading.Event()
    workers = Workers(2)
    workers.add(0, begun.set)
    assert begun.wait(timeout=30)
    workers.finish()


def fail(number: int) -> None:
    raise ValueError(number)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("ranks", [range(40), range(39, -1, -1)], ids=["rising", "falling"])
def test_the_failure_of_the_lowest_rank_counts(count: int, ranks: range) -> None:
    before = threads()
    done: list[int] = []
    workers = Workers(count)
    for rank in ranks:
        workers.add(rank, partial(fail if rank in (7, 20, 33) else done.append, rank))
    with pytest.raises(ValueError, match=r"^7$"):
        workers.finish()
    assert set(range(7)) <= set(done), "what comes before it may fail too, so it must be tried"
    assert threads() == before


def test_what_comes_behind_a_failure_is_not_done() -> None:
    done: list[int] = []
    workers = Workers(1)
    for rank in range(9):
        workers.add(rank, partial(fail if rank == 4 else done.append, rank))
    with pytest.raises(ValueError, match=r"^4$"):
        workers.finish()
    assert done == [0, 1, 2, 3]


def test_work_is_given_up_at_once() -> None:
    before, begun = threads(), threading.Event()
    ended: list[bool] = []
    done: list[int] = []
    workers = Workers(2)

    def long() -> None:
        begun.set()
        try:
            while True:
                workers.check()
        except _Stopped:
            ended.append(True)
            raise

    workers.add(0, long)
    for number in range(1, 9):
        workers.add(number, partial(done.append, number))
    assert begun.wait(timeout=30)
    workers.stop()
    assert ended == [True]
    assert done == []
    assert threads() == before


def test_an_interruption_is_no_failure_of_a_job() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    workers = Workers(1)
    workers.add(0, interrupt)
    with pytest.raises(KeyboardInterrupt):
        workers.finish()
    workers.stop()


# -- meanwhile --------------------------------------------------------------------------------------


def test_what_is_done_meanwhile_is_done_by_another_thread() -> None:
    before = threads()
    meanwhile = Meanwhile(threading.current_thread)
    assert meanwhile() is meanwhile() is not threading.current_thread()
    assert threads() == before


def test_what_it_has_met_meanwhile_is_raised_when_it_is_called() -> None:
    before = threads()

    def job() -> None:
        raise ValueError("wrong")

    meanwhile = Meanwhile(job)
    meanwhile.wait()
    assert threads() == before
    with pytest.raises(ValueError, match="wrong"):
        meanwhile()


def test_without_a_thread_it_is_done_when_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    meanwhile = Meanwhile(threading.current_thread)
    meanwhile.wait()
    assert meanwhile() is threading.current_thread()
