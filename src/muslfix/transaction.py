"""All or nothing on a tree: stage beside it, then move by renames that a journal can take back.

A transaction belongs to one folder, its *anchor* (the ``site-packages`` of an environment). New files are
made in a staging folder below the anchor, so on the same file system; the commit is a series of renames. Each
one is written to the journal in the staging folder before it happens, and each is its own inverse, so
whatever interrupts the commit (an error, a signal, a kill) the tree can be put back: by
:meth:`Transaction.__exit__`, or by the next transaction on the same anchor.

While it runs the transaction holds a lock on the anchor folder itself: a lock file would be left behind.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from muslfix.errors import DestinationError
from muslfix.layout import STAGING_PREFIX

if TYPE_CHECKING:
    from typing_extensions import Self

_JOURNAL = "journal"
_TAKEN_BACK = "taken-back"

# One line of the journal: ["mkdir", path], ["rename", source, target], ["rmdir", path, mode],
# ["replace", source, target, backup], ["elsewhere", staging folder on another file system], ["done"].
_Step = list[Any]

# How long to wait for another muslfix on the same anchor, in seconds.
_PATIENCE = 60.0


class Transaction:
    """A set of changes below a folder that happens as a whole or not at all.

    Use it as a context manager: leaving it without :meth:`commit` undoes everything.

    :param anchor: the folder it belongs to; made, with its parents, where it does not exist
    :raises DestinationError: if the folder cannot be made, locked or written to
    """

    def __init__(self, anchor: str) -> None:
        self.anchor = os.path.abspath(anchor)
        self._steps: list[_Step] = []
        self._staging: dict[int, str] = {}
        self._counter = 0

    def __enter__(self) -> Self:
        with told_as_sentences(self.anchor), ExitStack() as undo:
            made: list[str] = []
            undo.callback(_remove_folders, made)
            self._lock, self.recovered = _enter(self.anchor, made)
            undo.callback(os.close, self._lock)
            self._main = os.path.join(self.anchor, STAGING_PREFIX + os.urandom(4).hex())
            undo.callback(_discard, self._main)
            os.mkdir(self._main, 0o700)
            # Without a buffer: what could not be written for want of space must not come up again.
            self._journal = open(os.path.join(self._main, _JOURNAL), "wb", buffering=0)
            self._staging[os.stat(self.anchor).st_dev] = self._main
            for folder in made:
                self._write(["mkdir", folder])
            undo.pop_all()
        return self

    def staging_folder(self, destination: str) -> str:
        """A new empty folder on the file system where ``destination`` is or will be.

        :param destination: absolute path of a file or folder
        :raises DestinationError: if it cannot be made
        """
        with told_as_sentences(destination):
            home = _existing(destination)
            device = os.stat(home).st_dev
            if device not in self._staging:
                folder = os.path.join(home, os.path.basename(self._main))
                self._write(["elsewhere", folder])
                os.mkdir(folder, 0o700)
                self._staging[device] = folder
            self._counter += 1
            folder = os.path.join(self._staging[device], str(self._counter))
            os.mkdir(folder)
            return folder

    def move_out(self, path: str) -> None:
        """Take a file, link or folder out of the tree, until the commit is final."""
        self._move(path, os.path.join(self.staging_folder(os.path.dirname(path)), "out"))

    def _move(self, path: str, aside: str) -> None:
        try:
            self.rename(path, aside)
        except DestinationError as error:
            cause, is_folder = error.__cause__, os.path.isdir(path) and not os.path.islink(path)
            if not (isinstance(cause, OSError) and cause.errno == errno.EXDEV and is_folder):
                raise
            # overlayfs does not move the folders of a lower layer, which is where an image has them
            with told_as_sentences(path):
                os.mkdir(aside)
                names = sorted(os.listdir(path))
            for name in names:
                self._move(os.path.join(path, name), os.path.join(aside, name))
            self.remove_folder(path)

    def rename(self, source: str, target: str) -> None:
        """Move a file, link or folder to a path that does not exist.

        :raises DestinationError: if that fails, or the path exists
        """
        with told_as_sentences(target):
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            self._write(["rename", source, target])
            os.rename(source, target)

    def replace(self, source: str, target: str) -> None:
        """Put a file in the place of another at once: whoever opens the target sees one or the other.

        :param source: a file or link in a staging folder
        :param target: a file or link that exists
        """
        backup = os.path.join(self.staging_folder(os.path.dirname(target)), "replaced")
        with told_as_sentences(target):
            self._write(["replace", source, target, backup])
            try:
                os.link(target, backup, follow_symlinks=False)
            except OSError:  # not every file system has hard links; then there is none for a moment
                os.rename(target, backup)
            os.rename(source, target)

    @contextmanager
    def part(self) -> Iterator[None]:
        """Some steps that happen as a whole or not at all, while those before them stay."""
        first = len(self._steps)
        try:
            yield
        except BaseException:
            for step in reversed(self._steps[first:]):
                _take_back(step)
            raise

    def make_folders(self, path: str) -> None:
        """Make a folder and its parents, as far as they are missing."""
        with told_as_sentences(path):
            for folder in _missing_folders(path):
                self._write(["mkdir", folder])
                os.mkdir(folder)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; say whether it was."""
        with told_as_sentences(path):
            if os.listdir(path):
                return False
            self._write(["rmdir", path, os.stat(path).st_mode & 0o7777])
            os.rmdir(path)
            return True

    def commit(self) -> None:
        """Make the changes final. After this nothing is taken back."""
        with told_as_sentences(self.anchor), _uninterrupted():
            self._write(["done"])
            os.fsync(self._journal.fileno())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _uninterrupted():
            try:
                self._journal.close()
                with told_as_sentences(self.anchor):
                    _finish(self._steps, self._main)
            finally:
                os.close(self._lock)

    def _write(self, step: _Step) -> None:
        line, start = json.dumps(step).encode() + b"\n", self._journal.tell()
        try:
            while line:
                line = line[self._journal.write(line) :]
        except BaseException:
            self._journal.seek(start)
            self._journal.truncate()
            raise
        self._steps.append(step)


def _enter(anchor: str, made: list[str]) -> tuple[int, int]:
    """Lock a folder, made where it is missing, and put right what transactions that were killed have left.

    :param made: gets the folders that were made
    :return: the descriptor that holds the lock, and how many transactions were taken back or tidied up
    """
    give_up = time.monotonic() + _PATIENCE
    count = 0
    while True:
        with _uninterrupted():
            _make_folders(anchor, made)
        with suppress(FileNotFoundError):  # whoever had it before us may have taken the folder back
            lock = _lock(anchor, give_up)
            try:
                count += _recover(anchor)
                # That may have removed it too, and somebody may have made another.
                if os.path.samestat(os.fstat(lock), os.stat(anchor)):
                    return lock, count
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)


def _recover(anchor: str) -> int:
    found = [entry for entry in os.scandir(anchor) if entry.name.startswith(STAGING_PREFIX)]
    folders = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
    for staging in folders:
        _finish(_read_journal(staging), staging)
    return len(folders)


def _read_journal(staging: str) -> list[_Step]:
    for name in (_JOURNAL, _TAKEN_BACK):
        path = os.path.join(staging, name)
        try:
            with open(path, "rb") as journal:
                # The last line is empty, or half written: then its step did not happen.
                return [json.loads(line) for line in journal.read().split(b"\n")[:-1]]
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise DestinationError(
                path,
                "is damaged, so what an interrupted muslfix has done cannot be taken back",
                tip=f"remove {staging} when you have seen that all is well",
            ) from error
    return []


def _finish(steps: list[_Step], staging: str) -> None:
    """Take the steps back unless they are final, then remove the staging folders."""
    is_final, journal = ["done"] in steps, os.path.join(staging, _JOURNAL)
    if not is_final and os.path.lexists(journal):
        for step in reversed(steps):
            _take_back(step)
        os.rename(journal, os.path.join(staging, _TAKEN_BACK))
    for step in steps:
        if step[0] == "elsewhere":
            _discard(step[1])
    # The journal goes last: until then the next transaction knows what to do.
    with suppress(OSError):
        for entry in list(os.scandir(staging)):
            if entry.name not in (_JOURNAL, _TAKEN_BACK):
                _discard(entry.path)
    made = [step[1] for step in steps if step[0] == "mkdir" and not is_final]
    _remove_folders(made)  # which held staging folders
    _discard(staging)
    _remove_folders(made)  # the anchor


def _take_back(step: _Step) -> None:
    """Undo one step, if it happened: the tree itself shows whether it did."""
    kind, path = step[0], step[1]
    if kind == "rename" and os.path.lexists(step[2]) and not os.path.lexists(path):
        os.rename(step[2], path)
    elif kind == "replace" and os.path.lexists(step[3]) and not all(map(os.path.lexists, step[1:3])):
        os.rename(step[3], step[2])
    elif kind == "mkdir":
        _remove_folders([path])  # before what was in its place comes back; the anchor goes later
    elif kind == "rmdir":
        if not os.path.lexists(path):
            os.mkdir(path)
        os.chmod(path, step[2])


def _discard(path: str) -> None:
    """Remove what nobody needs any more, as far as that is possible: it is no reason to fail."""
    with suppress(OSError):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):  # folders that their owner has made read-only
        for folder, names, _ in os.walk(path):
            for name in [folder, *(os.path.join(folder, name) for name in names)]:
                with suppress(OSError):
                    if not os.path.islink(name):  # which may lead anywhere
                        os.chmod(name, 0o700)
        shutil.rmtree(path, ignore_errors=True)


def _lock(folder: str, give_up: float) -> int:
    """Lock a folder, and wait while another muslfix has it; the lock ends with its process.

    :param give_up: when to wait no longer, by the monotonic clock
    :return: the descriptor that holds the lock
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            if time.monotonic() > give_up:
                raise DestinationError(
                    folder, "is being changed by another muslfix", tip="try again when that has ended"
                )
            time.sleep(0.05)
    except BaseException:
        os.close(descriptor)
        raise


def _existing(path: str) -> str:
    """The nearest folder above a path that exists, or the path itself."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _missing_folders(path: str) -> list[str]:
    """The folders that must be made for a path to exist, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def _make_folders(path: str, made: list[str]) -> None:
    for folder in _missing_folders(path):
        os.mkdir(folder)
        made.append(folder)


def _remove_folders(made: list[str]) -> None:
    for folder in reversed(made):
        with suppress(OSError):
            os.rmdir(folder)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let signals that end the program wait until what is done here is complete."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def told_as_sentences(path: str) -> Iterator[None]:
    """Turn the operating system's errors into sentences about the destination.

    :param path: what to name where the error names nothing
    :raises DestinationError: instead of any :class:`OSError`
    """
    try:
        yield
    except OSError as error:
        named = error.filename2 or error.filename or path
        reasons = {
            errno.EROFS: "cannot be written: the file system is read-only",
            errno.ENOSPC: "cannot be written: the file system is full",
            errno.EDQUOT: "cannot be written: the quota is used up",
            errno.EACCES: "cannot be written: permission denied",
            errno.EPERM: "cannot be written: the operation is not permitted",
            errno.EEXIST: "is in the way: it exists already",
            errno.ENOTDIR: "cannot be made: a part of its path is no folder",
        }
        reason = reasons.get(error.errno or 0, f"cannot be written ({error.strerror or error})")
        raise DestinationError(os.fsdecode(named), reason) from error
