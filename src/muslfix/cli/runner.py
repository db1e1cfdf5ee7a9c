"""Run another program to its end, as a shell would.

The program shares our standard streams and our process group, so that Ctrl-C reaches it as if muslfix were
not there. Whatever the signal, muslfix outlives the program and returns its exit status.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128
"""Exit statuses as in shells; the number of the signal is added to the last one."""

# What a user or a machine ends a program with.
_INTERRUPTS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    :param status: its exit status, or the one that a shell would return
    :param problem: why it could not be started, a sentence; ``None`` if it was
    :param is_interrupted: whether it failed when somebody wanted it to end
    """

    status: int
    problem: str | None = None
    is_interrupted: bool = False


def run_command(command: Sequence[str]) -> Ended:
    """Run a command to its end.

    :param command: the program, by its path or its name on ``PATH``, and its arguments
    """
    with _outlive() as relay:
        try:
            # Open descriptors are passed on, as by env or nice: make's job server may be among them.
            process = subprocess.Popen(command, close_fds=False)
        except FileNotFoundError:
            where = "does not exist" if os.sep in command[0] else "was not found on PATH"
            return Ended(NOT_FOUND, f"{command[0]!r} {where}")
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return Ended(NOT_EXECUTABLE, f"{command[0]}: cannot be run ({reason})")
        relay.attach(process)
        status = process.wait()
    status = status if status >= 0 else KILLED - status
    wanted = relay.is_interrupted or status - KILLED in _INTERRUPTS
    return Ended(status, is_interrupted=status != 0 and wanted)


@dataclass
class _Relay:
    """Passes signals on to a child, including those that arrive before it is started."""

    child: subprocess.Popen[bytes] | None = None
    waiting: list[int] = field(default_factory=list)
    is_interrupted: bool = False

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        self.child = child
        for number in self.waiting:
            child.send_signal(number)

    def pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.is_interrupted = True
        if self.child is None:
            self.waiting.append(number)
        else:
            self.child.send_signal(number)

    def pass_on_unless_typed(self, number: int, frame: FrameType | None) -> None:
        """A key typed at the terminal signals the child too; a signal sent by another process does not."""
        self.is_interrupted = True
        if not _has_terminal():
            self.pass_on(number, frame)


def _has_terminal() -> bool:
    """Whether keys typed at the terminal signal this process: whether it is in the foreground."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextmanager
def _outlive() -> Iterator[_Relay]:
    """Leave the signals that end a program to the child. A signal that is ignored stays ignored in both."""
    relay = _Relay()
    typed = (signal.SIGINT, signal.SIGQUIT)
    previous = {number: signal.getsignal(number) for number in _INTERRUPTS}
    changed = [number for number in _INTERRUPTS if previous[number] is not signal.SIG_IGN]
    try:
        for number in changed:
            signal.signal(number, relay.pass_on_unless_typed if number in typed else relay.pass_on)
        yield relay
    finally:
        for number in changed:
            signal.signal(number, previous[number])
