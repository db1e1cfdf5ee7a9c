"""The exceptions of muslfix: one family, one sentence each.

Every exception that the library lets out is a :class:`MuslfixError`. Verdicts about single files are
data (:mod:`muslfix.modules.plan`); an exception means that the work cannot go on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class MuslfixError(Exception):
    """Something that stops the work, told as one sentence.

    :param path: the file, folder or program it is about, or ``None`` where it is about no path
    :param reason: what is wrong, without the path and without a full stop
    :param tip: what the user can do, or ``None``
    """

    def __init__(self, path: str | None, reason: str, tip: str | None = None) -> None:
        # All three go to Exception.args: that is what makes the exception picklable.
        super().__init__(path, reason, tip)
        self.path = path
        self.reason = reason
        self.tip = tip

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class UsageError(MuslfixError):
    """The call itself does not make sense: options that contradict each other, a missing one."""


class InvalidElf(MuslfixError):
    """The bytes are no readable ELF file; :attr:`path` is ``None``, for the reader has a stream only."""


class InvalidJson(MuslfixError):
    """Text that is not JSON, or a value that is missing or of the wrong type; the reason names its place."""


class InvalidRecord(MuslfixError):
    """A RECORD that cannot be read as one, or that does not have the row asked for."""


class InvalidTarget(MuslfixError):
    """Facts of a target that are incomplete or contradict each other; the reason names the value."""


class InterpreterError(MuslfixError):
    """A target interpreter that is missing, is no Python, cannot be asked, or cannot be served."""


class InvalidWheel(MuslfixError):
    """A wheel that must not be installed: damaged, dishonest or outside the specification."""


class IncompatibleWheel(MuslfixError):
    """A sound wheel that is not for this target: its tags, or its ``Requires-Python``."""


class RefusedModules(MuslfixError):
    """Extension modules that cannot be made importable, so the wheel is not installed.

    :param path: the wheel
    :param reason: the sentence
    :param tip: what the user can do, or ``None``
    :param lines: one line for each refused file, ``path: verdict: sentence``
    """

    def __init__(
        self, path: str | None, reason: str, tip: str | None = None, lines: tuple[str, ...] = ()
    ) -> None:
        super().__init__(path, reason, tip)
        self.args = (path, reason, tip, lines)
        self.lines = lines


class InvalidProject(MuslfixError):
    """An installed project that cannot be worked on: its ``.dist-info`` is missing or damaged."""


class FileConflict(MuslfixError):
    """A file that is in the way and does not belong to what is being replaced."""


class EnvironmentRefused(MuslfixError):
    """An environment that another tool owns (:pep:`668`, a distribution's package manager)."""


class UnspellableName(MuslfixError):
    """A file name that cannot be written in the encoding of the locale."""


class DestinationError(MuslfixError):
    """The destination could not be written: read-only, full, not a folder, locked by another run."""


# MERGED sentences: Errors of the operating system, told as sentences.


@contextmanager
def told_as_sentences(path: str) -> Iterator[None]:
    """Tell errors of the operating system as sentences about the destination.

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


# MERGED spelling: File names that the locale cannot spell.
#
# Where ``LC_ALL=C`` or an old encoding rules, Python cannot give the operating system a name with other
# letters and raises :exc:`UnicodeEncodeError`: https://docs.python.org/3/library/os.html#utf8-mode.


@contextmanager
def spelled_names() -> Iterator[None]:
    """Tell as a sentence that a name cannot be spelled; also a decorator, for all that a user calls.

    :raises UnspellableName: instead of :exc:`UnicodeEncodeError`
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise unspellable(error) from error


def unspellable(error: UnicodeEncodeError) -> UnspellableName:
    """The sentence for an error; of a path, the name in it that cannot be spelled."""
    before, behind = error.object[: error.start], error.object[error.start :]
    name = ascii(before.rpartition("/")[2] + behind.partition("/")[0])[1:-1]
    return UnspellableName(
        None,
        f"the locale's encoding, {error.encoding}, cannot spell a file name: {name:.200}",
        "set the environment variable PYTHONUTF8=1",
    )


def harmless(line: str, encoding: str) -> str:
    r"""A line that does no more to a terminal than show itself: file names can hold escape sequences.

    :param encoding: of the terminal; what it cannot spell is escaped too

    >>> harmless("a\x1b[31m.so", "utf-8")
    'a\\x1b[31m.so'
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)
