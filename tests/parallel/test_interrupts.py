"""Signals that wait, come once, or are left to whoever else handles them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from muslfix.parallel.interrupts import SIGNALS, give_back, take_over, uninterrupted

each_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def send(number: int) -> None:
    """Send a signal to this process, into another thread of it, which lives on."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    signal.pthread_kill(thread.ident or 0, number)
    end.set()
    thread.join()


@each_signal
def test_the_first_raises_and_no_other(number: int) -> None:
    before = take_over()
    with pytest.raises(KeyboardInterrupt):
        send(number)
    for other in SIGNALS:
        send(other)
    give_back(before)


@each_signal
def test_it_waits_for_the_end_of_the_outermost_block(number: int) -> None:
    seen = []

    def work() -> None:
        with uninterrupted():
            send(number)
            with uninterrupted():
                send(number)
                seen.append("inner")
            seen.append("outer")

    before = take_over()
    with pytest.raises(KeyboardInterrupt):
        work()
    send(number)
    give_back(before)
    assert seen == ["inner", "outer"]


def test_an_error_in_the_block_goes_first() -> None:
    def work() -> None:
        with uninterrupted():
            send(signal.SIGINT)
            raise OSError("full")

    before = take_over()
    with pytest.raises(OSError, match="full"):
        work()
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        pass
    give_back(before)


def test_at_the_end_nothing_raises_any_more() -> None:
    before = take_over()
    give_back({})
    for number in SIGNALS:
        send(number)
    give_back(before)


@each_signal
def test_what_is_ignored_stays_ignored(number: int) -> None:
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        before = take_over()
        send(number)
        with uninterrupted():
            send(number)
        give_back(before)
        with uninterrupted():
            send(number)
    finally:
        signal.signal(number, previous)


@each_signal
def test_in_a_program_of_others_their_handlers_are_called_afterwards(number: int) -> None:
    seen: list[object] = []
    previous = signal.signal(number, lambda number, _: seen.append(number))
    try:
        with uninterrupted():
            with uninterrupted():
                send(number)
                send(number)
            seen.append("done")
        assert seen == ["done", number]
    finally:
        signal.signal(number, previous)


def test_in_another_thread_nothing_is_changed() -> None:
    seen: list[object] = []

    def work() -> None:
        seen.append(take_over())
        with uninterrupted():
            seen.append([signal.getsignal(number) for number in SIGNALS])

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [{}, before]


def test_a_signal_that_ends_a_process_does_so_after_the_block() -> None:
    child = os.fork()
    if not child:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(1, b"")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


_COUNT_THREADS = """
import os, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "muslfix.verbs.install":
            print(len(os.listdir("/proc/self/task")))

sys.meta_path.insert(0, Finder())
from muslfix.cli import main
main(sys.argv[1:])
"""


def test_install_imports_in_one_thread_only(environment: Path) -> None:
    # A signal that comes while two threads import can leave one with the lock of all imports.
    words = ["install", "nothing.whl", "--python", str(environment / "bin/python")]
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_THREADS, *words], check=False, capture_output=True, text=True
    )
    assert done.stdout == "1\n", done.stderr
