"""Progress on stderr: for slow work, and only at a terminal.

A bar if rich is installed (the extra ``muslfix[rich]``), otherwise a line now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from muslfix.cli.output import Output, printable
from muslfix.cli.terminal import Terminal
from muslfix.progress import Progress, silent

# In seconds: how long work takes before progress is shown, and how often a line is printed.
_BLINK, _LINE_EVERY = 0.4, 2.0


@contextmanager
def show_progress(output: Output) -> Iterator[Progress]:
    """The :data:`~muslfix.progress.Progress` to pass to a function of the library."""
    if output.quiet or not output.err.is_terminal:
        yield silent
        return
    shown = Shown(lambda: _Bar(output.err) if _has_rich() else Lines(output.diagnostic))
    try:
        yield shown
    finally:
        shown.close()


class Shown:
    """Shows nothing until the work has taken a moment, and imports the display only then.

    :param make: makes the display
    :param clock: seconds
    """

    def __init__(self, make: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._clock = clock
        self._since: float | None = None
        self._display: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note a step. The first one begins the work; what was imported before is no part of it."""
        if self._display is None:
            if self._since is None:
                self._since = self._clock()
            if self._clock() - self._since < _BLINK:
                return
            self._display = self._make()
        self._display.show(what, done, total)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._display is not None:
            self._display.close()


class Lines:
    """A display that prints a line now and then.

    :param say: prints one
    :param clock: seconds
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._next = clock()
        self._last = ""

    def show(self, what: str, done: int, total: int) -> None:
        """Print a line if it is time, or if other work begins."""
        now = self._clock()
        if what == self._last and now < self._next:
            return
        self._next, self._last = now + _LINE_EVERY, what
        self._say(f"{what}: {done} of {total}" if total else f"{what} ...")

    def close(self) -> None:
        """There is nothing to clear."""


class _Bar:
    """A bar that disappears when the work is done.

    :param terminal: where it is shown
    """

    def __init__(self, terminal: Terminal) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True, force_terminal=True, no_color=not terminal.colours),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def show(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=printable(what), completed=done, total=total or None)

    def close(self) -> None:
        self._bar.stop()


def _has_rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None
