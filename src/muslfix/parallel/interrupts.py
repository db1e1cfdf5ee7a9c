"""Signals that end the program: each comes once, and waits while a change must not be left half done.

Python runs a handler between two instructions of the main thread, whichever thread the system has chosen for
the signal. So they are held back by a handler: masking them works in one thread only, and another one that is
alive takes them.

The command line lets them raise :exc:`KeyboardInterrupt`, but only the first one: what comes after it would
only stop what tidies up. As a library muslfix leaves the handlers alone, but for the moments in which nothing
may be interrupted.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found,unused-ignore]  # the module signal takes longer

TYPE_CHECKING = False  # importing typing takes a tenth of the time that 'fix' needs where nothing is to do
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

#: Ctrl-C last: where handlers are put back, it alone may raise.
SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


#: The directories in which a change was completed since :func:`take_over`.
CHANGED: list[str] = []


class _State:
    """What has come: of the process, like the handlers.

    :param is_ours: whether the handlers are those of :func:`take_over`
    :param held: how many blocks are open that may not be interrupted
    :param waits: whether a signal has come in one of these
    :param came: whether :exc:`KeyboardInterrupt` was raised, or may not be raised any more
    """

    is_ours = False
    held = 0
    waits = False
    came = False


def take_over() -> dict[int, Any]:
    """Let the first of the signals that comes raise :exc:`KeyboardInterrupt`; one that is ignored stays so.

    :return: the handlers until now, for :func:`give_back`; none if this is not the main thread
    """
    _State.held, _State.waits, _State.came = 0, False, False
    CHANGED.clear()
    return _replace(_interrupt)


def give_back(before: dict[int, Any]) -> None:
    """Let no signal raise any more, and put handlers back.

    :param before: what :func:`take_over` has returned; empty at the end of a process
    """
    _State.came = True
    for number, handler in before.items():
        signal.signal(number, handler)
    _State.is_ours = _State.is_ours and not before


def _replace(handler: Any) -> dict[int, Any]:
    """Use a handler for those that are not ignored."""
    before: dict[int, Any] = {}
    for number in SIGNALS:
        present = signal.getsignal(number)
        if present is not None and present != signal.SIG_IGN:
            try:
                before[number] = signal.signal(number, handler)
            except ValueError:  # only the main thread may, and only there are handlers run
                return {}
    _State.is_ours = handler is _interrupt
    return before


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if _State.came:
        return
    if _State.held:
        _State.waits = True
        return
    _State.came = True
    raise KeyboardInterrupt


class uninterrupted:  # noqa: N801 - used like a function; a generator could itself be interrupted
    """A block in which the signals wait. An error in it goes first: what it says must not be lost."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._arrived: dict[int, None] = {}

    def __enter__(self) -> None:
        _State.held += 1
        if not _State.is_ours:
            self._before = _replace(self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._arrived[number] = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _State.held -= 1
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for number in self._arrived:
            signal.raise_signal(number)
        if _State.waits and not _State.held and not _State.came and error is None:
            _State.came = True
            raise KeyboardInterrupt
