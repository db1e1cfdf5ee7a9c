"""The end of the command's process: not by sys.exit, and yet as by that for all who wait for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commands import run

import muslfix

HERE = Path(muslfix.__file__).parents[1]
PROGRAM = """
import atexit, sys, threading
sys.path.insert(0, sys.argv[1])
from muslfix.__main__ import run
sys.argv = ["muslfix", *sys.argv[2:]]
go = threading.Event()
def fail(): raise LookupError("of somebody else")
def speak(): go.wait(); print("a thread")
atexit.register(print, "at exit")
atexit.register(fail)
if %s:
    threading.Thread(target=speak).start()
    threading._register_atexit(go.set) if hasattr(threading, "_register_atexit") else go.set()
run()
"""


@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize(("words", "status"), [(["--version"], 0), (["check", "--nonsense"], 2)])
def test_functions_and_threads_of_others_run_and_the_status_stays(
    threads: bool, words: list[str], status: int
) -> None:
    ended = run([sys.executable, "-c", PROGRAM % threads, str(HERE), *words])
    assert ended.status == status, ended.err
    assert ended.out.endswith("a thread\nat exit\n" if threads else "at exit\n")
    assert ended.out.startswith("muslfix ") or status
    assert "of somebody else" in ended.err
