"""What befalls processes: kills, signals, errors of the operating system, power cuts; at any of their steps.

Nothing is faked. The work runs in a process of its own, in which an audit hook (:func:`sys.addaudithook`) is
told of each step on the file system before it happens, and a profile function of each call that no audit
event tells of. There the strike comes: the process ends, or the call fails with an error of the system.

The verbs share it: a test names the work, :func:`struck` or :func:`struck_in_calls` lets it be struck at its
k-th step, and the test visits all k until the work is done without a strike::

    for number in itertools.count(1):
        tree = lay(folder / str(number))
        status = forked(struck(lambda: repair(tree), number, kill))
        ...
        if status == 0:
            break
"""

from __future__ import annotations

import ctypes
import errno
import io
import itertools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

KILLED = 77
#: The errors that are struck with, in turns.
ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS", "EMFILE")

#: The audit events that tell of a change to a tree, before it happens; besides ``open`` for writing.
STEPS = frozenset(
    {
        "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
        "os.setxattr", "os.symlink", "os.truncate", "os.utime",
    }
)  # fmt: skip
READS = frozenset({"os.listdir", "os.scandir"})
#: What changes a tree by a file that is open already, of which no audit event tells.
CALLS = frozenset({"write", "fsync", "truncate", "ftruncate", "sendfile", "copy_file_range"})
#: The functions of muslfix that wait for the disk; the last may do so in threads that are not profiled.
SYNCS = frozenset({"sync_file", "sync_file_system", "sync_each"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

Work = Callable[[], Any]


def start(work: Work, output: Path | None = None) -> int:
    """Do something in a process of its own; return its number."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            if output is not None:
                descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(descriptor, 1)
                os.dup2(descriptor, 2)
                sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            status = work() or 0
        except BaseException:  # noqa: BLE001 - the end of this process, not of the test
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return process


def end(process: int) -> int:
    """Wait for the end of a process; return its exit status, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def forked(work: Work, output: Path | None = None) -> int:
    """Do something in a process of its own.

    :param output: for what it prints
    :return: its exit status, negative if a signal ended it
    """
    return end(start(work, output))


def kill() -> None:
    """The end of a process, without a word."""
    os._exit(KILLED)


def fail(number: int) -> Callable[[], None]:
    """A strike that is an error of the operating system.

    :param number: counts through :data:`ERRORS`
    """
    code = getattr(errno, ERRORS[number % len(ERRORS)])

    def strike() -> None:
        raise OSError(code, os.strerror(code))

    return strike


def struck(
    work: Work,
    number: int,
    strike: Callable[[], None],
    *,
    reading: Path | None = None,
    for_good: bool = False,
) -> Work:
    """The same work, with a strike right before its step of this number.

    :param reading: count the steps that read what is below this folder, and not those that change a tree
    :param for_good: strike also before all steps behind it
    """

    def counts(event: str, arguments: tuple[Any, ...]) -> bool:
        if reading is not None:
            path = arguments[0] if event == "open" or event in READS else None
            return isinstance(path, str) and path.startswith(str(reading)) and not _is_writing(arguments)
        return is_step(event, arguments)

    def work_until_struck() -> Any:
        steps = itertools.count(1)

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if counts(event, arguments):
                step = next(steps)
                if step == number or (for_good and step > number):
                    strike()

        sys.addaudithook(hook)
        return work()

    return work_until_struck


def struck_in_calls(work: Work, number: int, strike: Callable[[], None]) -> Work:
    """The same work, with a strike right before its call of this number of :data:`CALLS` or :data:`SYNCS`."""
    return profiled(work, number, strike, is_call)


def is_step(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event tells of a change to a tree."""
    return event in STEPS or (event == "open" and _is_writing(arguments))


def is_call(frame: FrameType, event: str, function: Any) -> bool:
    """Whether a profile event tells of a change by an open file, or of a sync."""
    if event == "c_call":
        in_memory = isinstance(function.__self__, (io.TextIOBase, io.BytesIO))
        return function.__name__ in CALLS and not in_memory
    return event == "call" and frame.f_code.co_name in SYNCS


def profiled(
    work: Work, number: int, strike: Callable[[], None], counts: Callable[[FrameType, str, Any], bool]
) -> Work:
    """The same work, with a strike at the event of this number of those that count.

    :param counts: gets what a function for :func:`sys.setprofile` gets
    """

    def work_until_struck() -> Any:
        seen = itertools.count(1)

        def profile(frame: FrameType, event: str, function: Any) -> None:
            if counts(frame, event, function) and next(seen) == number:
                strike()

        sys.setprofile(profile)
        try:
            return work()
        finally:
            sys.setprofile(None)

    return work_until_struck


def refuse(*events: str) -> None:
    """Let this process live on a file system that refuses these."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), arguments[0])

    sys.addaudithook(hook)


def _is_writing(arguments: tuple[Any, ...]) -> bool:
    """Whether the audit event ``open`` tells of a file that is written."""
    return len(arguments) > 2 and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)


# -- power cuts -------------------------------------------------------------------------------------


def powerless(work: Work, number: int, root: Path) -> Work:
    """The same work, with the power cut right before its step of this number.

    What was written and not synced is lost; names are not, which is what file systems do that write content
    later than folders. A file that has never been synced is empty afterwards, another has its synced length.

    :param root: the folder on which the work is done
    """

    def cut_off() -> Any:
        on_disk = {state.st_ino: state.st_size for _, state in _files(root)}

        def profile(frame: FrameType, event: str, value: Any) -> None:
            name = frame.f_code.co_name
            if event == "return" and name in SYNCS and value is None:
                if name == "sync_file":
                    state = os.fstat(frame.f_locals["descriptor"])
                    on_disk[state.st_ino] = state.st_size
                elif name == "sync_each":
                    states = map(os.lstat, frame.f_locals["paths"])
                    on_disk.update((state.st_ino, state.st_size) for state in states)
                else:
                    on_disk.update((state.st_ino, state.st_size) for _, state in _files(root))

        def cut() -> None:
            sys.setprofile(None)
            for path, state in _files(root):
                if state.st_size > on_disk.get(state.st_ino, 0):
                    os.truncate(path, on_disk.get(state.st_ino, 0))
            kill()

        sys.setprofile(profile)
        try:
            return struck(work, number, cut)()
        finally:
            sys.setprofile(None)

    return cut_off


def _files(root: Path) -> list[tuple[str, os.stat_result]]:
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                found.append((path, os.stat(path)))
    return found


def heed_permissions() -> None:
    """From now on, may what the modes of files allow, as any user; for a process of its own.

    Root gives up ``CAP_DAC_OVERRIDE`` and ``CAP_DAC_READ_SEARCH``.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the higher bits
    if libc.capget(header, sets) == 0:
        sets[0] &= ~0b110
        sets[1] &= ~0b110
        libc.capset(header, sets)
