"""``muslfix run``: an installer that has no hook, and the fix after it.

The command has our terminal: its standard streams are ours, and it is in our process group, so that Ctrl-C
reaches it as if muslfix were not there. We outlive it, whatever the signal, and tell how it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from muslfix.report.report import ProjectReport, Report
from muslfix.report.text import counted_modules

NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128
"""Exit statuses as shells have them; to the last one the number of the signal is added."""


@dataclass(frozen=True)
class Ended:
    """How a command has ended.

    :param status: its exit status, or what a shell would make of it
    :param problem: why it could not be started, a sentence; ``None`` where it was
    """

    status: int
    problem: str | None = None


def run_command(command: Sequence[str]) -> Ended:
    """Run a command to its end.

    :param command: the program, by path or by its name on ``PATH``, and its words
    """
    with _outlive() as relay:
        try:
            # Everything open is passed on, as by env or nice: a make above may have its job server there.
            process = subprocess.Popen(command, close_fds=False)
        except FileNotFoundError:
            return Ended(NOT_FOUND, f"{command[0]}: there is no such command")
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return Ended(NOT_EXECUTABLE, f"{command[0]}: cannot be run ({reason})")
        relay.attach(process)
        status = process.wait()
    return Ended(status if status >= 0 else KILLED - status)


@dataclass
class _Relay:
    """Passes signals on to a child, also those that came before there was one."""

    child: subprocess.Popen[bytes] | None = None
    waiting: list[int] = field(default_factory=list)

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        self.child = child
        for number in self.waiting:
            child.send_signal(number)

    def pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self.child is None:
            self.waiting.append(number)
        else:
            self.child.send_signal(number)

    def pass_on_unless_typed(self, number: int, frame: FrameType | None) -> None:
        """What was typed at the terminal has reached the child too; what another process sent has not."""
        if not _has_terminal():
            self.pass_on(number, frame)


def _has_terminal() -> bool:
    """Whether keys typed at the terminal make signals for us: whether we are in its foreground."""
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
    """Leave the signals that end a program to the child. One that is ignored stays so, here and there."""
    relay = _Relay()
    handlers = {
        signal.SIGINT: relay.pass_on_unless_typed,
        signal.SIGQUIT: relay.pass_on_unless_typed,
        signal.SIGTERM: relay.pass_on,
    }
    previous = {number: signal.getsignal(number) for number in handlers}
    changed = [number for number in handlers if previous[number] is not signal.SIG_IGN]
    try:
        for number in changed:
            signal.signal(number, handlers[number])
        yield relay
    finally:
        for number in changed:
            signal.signal(number, previous[number])


def is_well(report: Report) -> bool:
    """Whether the command may succeed: what was merely not looked at does not concern it."""
    return all(project.is_well or project.action == "skipped" for project in report.projects)


def lines_about(report: Report) -> Iterator[str]:
    """What a person is told: a line for each project that was fixed, or could not be."""
    for project in report.projects:
        about = f"{project.name} {project.version}"
        if project.action == "fixed":
            yield f"{about}: fixed, {counted_modules(project.changes)} given a name that the target imports"
        elif project.action == "failed":
            yield f"{about}: failed: {project.problem}"
            yield from _tips(project)
        for module in project.modules:
            if module.refused or module.problems:
                yield f"{about}: {module}"
                yield from (f"tip: {tip}" for tip in [module.tip] if tip)


def warnings_about(report: Report) -> Iterator[str]:
    """What a person is warned of: projects that were not looked at."""
    for project in report.projects:
        if project.action == "skipped":
            yield f"{project.name} {project.version}: not looked at: {project.problem}"


def _tips(project: ProjectReport) -> Iterator[str]:
    if project.tip:
        yield f"tip: {project.tip}"
