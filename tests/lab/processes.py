"""Run commands: their output goes to a log, their failure becomes a sentence, and none survives the lab."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on; the text is the sentence for the user."""


_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()
_guard = threading.Lock()


def run(command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end.

    :param log: the file that gets the command, what it prints, how it ended
    :raises LabError: if it cannot be started, or its exit status is not 0
    """
    shown = shlex.join(command)
    with log.open("ab", buffering=0) as output:
        output.write(f"$ {shown}\n".encode())
        started = time.monotonic()
        process = _start(command, cwd=cwd, env=env, output=output.fileno())
        status = process.wait()
        _running.discard(process)
        output.write(f"# exit status {status} after {time.monotonic() - started:.1f} s\n".encode())
    if status:
        raise LabError(f"`{shown}` failed with exit status {status}; its log is {log}")


def _start(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None, output: int
) -> subprocess.Popen[bytes]:
    with _guard:
        if _stopped.is_set():
            raise LabError("stopped")
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # its own group of processes: see stop_all()
            )
        except OSError as error:
            raise LabError(f"`{shlex.join(command)}` cannot be started: {error.strerror}") from error
        _running.add(process)
    return process


def stop_all() -> None:
    """End every command that is running, with all that it started; none starts any more."""
    with _guard:
        _stopped.set()
        for process in tuple(_running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def output_of(command: Sequence[str]) -> str:
    """What a short command prints.

    :raises LabError: if it cannot be started, or its exit status is not 0
    """
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise LabError(f"`{shlex.join(command)}` failed: {error}") from error
