"""The exceptions of muslfix, and how other errors become one of them.

Every exception that leaves the library is a :class:`MuslfixError`. Verdicts about single files are data
(:mod:`muslfix.verdicts`); an exception means that the work cannot go on.

:func:`destination_errors`
    turns errors of the operating system into sentences
:func:`last_resort`
    turns whatever else there is into one
:func:`spelling_errors`
    turns file names that the locale cannot encode into sentences
:func:`few`
    names the first of many
:func:`harmless`
    makes a line safe to print on a terminal
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# -- the exceptions ---------------------------------------------------------------------------------


class MuslfixError(Exception):
    """What stops the work, as one sentence.

    :param path: the file, directory or program that it is about; ``None`` if it is about none
    :param reason: what is wrong, without the path and without a full stop
    :param tip: what the user can do, or ``None``
    """

    def __init__(self, path: str | None, reason: str, tip: str | None = None) -> None:
        # All three go to Exception.args, which makes the exception picklable.
        super().__init__(path, reason, tip)
        self.path = path
        self.reason = reason
        self.tip = tip

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"


class UsageError(MuslfixError):
    """The call is wrong: options that contradict each other, or one that is missing."""


class InvalidElf(MuslfixError):
    """The bytes are not a readable ELF file. The reader has only a stream, so :attr:`path` is ``None``."""


class InvalidJson(MuslfixError):
    """Text that is not JSON, or a value that is missing or of the wrong type; the reason names its place."""


class InvalidRecord(MuslfixError):
    """A RECORD that cannot be parsed, or that lacks the row asked for."""


class InvalidTarget(MuslfixError):
    """Facts of a target that are incomplete or contradict each other; the reason names the value."""


class InterpreterError(MuslfixError):
    """A target interpreter that is missing, is not a Python, does not answer, or is not supported."""


class InvalidWheel(MuslfixError):
    """A wheel that must not be installed: damaged, dishonest or against the specification."""


class IncompatibleWheel(MuslfixError):
    """A valid wheel that is not for this target, by its tags or its ``Requires-Python``.

    :param path: the wheel
    :param reason: the sentence
    :param tip: what the user can do, or ``None``
    :param is_certain: ``False`` where too little is known of the target; the tip says how to add that
    """

    def __init__(
        self, path: str | None, reason: str, tip: str | None = None, is_certain: bool = True
    ) -> None:
        super().__init__(path, reason, tip)
        self.args = (path, reason, tip, is_certain)
        self.is_certain = is_certain


class RefusedModules(MuslfixError):
    """Extension modules that the target cannot load, so the wheel is not installed.

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
    """An installed project that cannot be changed: its ``.dist-info`` is missing or damaged."""


class FileConflict(MuslfixError):
    """A file that is in the way and does not belong to what is being replaced."""


class EnvironmentRefused(MuslfixError):
    """An environment that another tool manages (:pep:`668`, a distribution's package manager)."""


class UnspellableName(MuslfixError):
    """A file name that the encoding of the locale lacks."""


class DestinationError(MuslfixError):
    """The destination cannot be written: read-only, full, not a directory, or locked by another run."""


# -- errors of the operating system -----------------------------------------------------------------

_REASONS = {
    errno.EROFS: "cannot be written: the file system is read-only",
    errno.ENOSPC: "cannot be written: the file system is full",
    errno.EDQUOT: "cannot be written: the quota is used up",
    errno.EACCES: "cannot be written: permission denied",
    errno.EPERM: "cannot be written: the operation is not permitted",
    errno.EEXIST: "is in the way: it exists already",
    errno.ENOTDIR: "cannot be created: a part of its path is not a directory",
}

_OTHER_USER = "run muslfix as a user who may write there, or choose another environment or directory"
#: The tip about what this user must not read.
MAY_READ = "run muslfix as a user who may read it, or change its permissions"

_FREE = "free some space there, and try again"

_TIPS = {
    errno.EROFS: "make it writable, or run muslfix where it is, such as when the image is built",
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EACCES: _OTHER_USER,
    errno.EPERM: _OTHER_USER,
}


def why(error: Exception) -> str:
    """What an error says, in a few words: for one of the operating system without its number and its path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def few(names: Sequence[str], most: int, more: str = "") -> str:
    """The first of some names, and that there are more.

    :param most: how many
    :param more: what they are, to say how many there are

    >>> few("abc", 3), few("abc", 2), few("abc", 1, "files")
    ('a, b, c', 'a, b, …', 'a and 2 more files')
    """
    rest = len(names) - most
    end = "" if rest <= 0 else f" and {rest} more {more}" if more else ", …"
    return ", ".join(names[:most]) + end


# In the names of what muslfix makes for the time of its work, which mean nothing to the user.
_TEMPORARY = ".muslfix-"


@contextmanager
def destination_errors(path: str) -> Iterator[None]:
    """Raise errors of the operating system as sentences about the destination, with the way out.

    Of a temporary file the sentence names the directory that it would be in.

    :param path: what to name if the error names no file
    :raises DestinationError: instead of any :class:`OSError`
    """
    try:
        yield
    except OSError as error:
        named = os.fsdecode(error.filename2 or error.filename or path)
        known, temporary, _ = named.partition(_TEMPORARY)
        unknown = f"cannot be written ({why(error)})"
        reason = _REASONS.get(error.errno or 0, unknown)
        tip = _TIPS.get(error.errno or 0)
        raise DestinationError(os.path.dirname(known) if temporary else named, reason, tip) from error


def last_resort(error: Exception) -> MuslfixError:
    """The sentence for an error that nobody expected: of the machine, or a bug.

    :param error: anything but an error of muslfix
    """
    if isinstance(error, MemoryError):
        return MuslfixError(
            None, "there is not enough memory", "give it more, or work on fewer files at once"
        )
    if isinstance(error, RecursionError):
        return MuslfixError(None, "something that was read is nested too deeply")
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, ImportError):
        return MuslfixError(None, f"a module of Python cannot be loaded ({error})", "install muslfix again")
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace is not None else ""
    reason = f"this is a bug of muslfix: {type(error).__name__}{where}: {error!s:.500}"
    return MuslfixError(None, " ".join(reason.split()), "please report it, with the command")


def _of_the_system(error: OSError) -> MuslfixError:
    path = error.filename2 or error.filename
    named = None if path is None or isinstance(path, int) else os.fsdecode(path)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return MuslfixError(named, "too many files are open", "raise the limit: ulimit -n 1024")
    if error.errno == errno.ENOENT and not _has_current_directory():
        return MuslfixError(None, "the current directory does not exist any more", "go to another one: cd /")
    return MuslfixError(named, f"cannot be used ({why(error)})")


def _has_current_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


# -- file names that the locale cannot encode -------------------------------------------------------


@contextmanager
def spelling_errors() -> Iterator[None]:
    """Raise the encoding error of a file name as a sentence; as a decorator, for what users call.

    Under ``LC_ALL=C`` or an old encoding Python cannot pass all names to the operating system and raises
    :exc:`UnicodeEncodeError`: https://docs.python.org/3/library/os.html#utf8-mode.

    :raises UnspellableName: instead of :exc:`UnicodeEncodeError`
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise spelling_error(error) from error


def spelling_error(error: UnicodeEncodeError) -> UnspellableName:
    """The sentence for such an error. Of a path it names only the part that cannot be encoded."""
    before, behind = error.object[: error.start], error.object[error.start :]
    part = before.rpartition("/")[2] + behind.partition("/")[0]
    name = ascii(part)[1:-1]
    if any("\udc80" <= character <= "\udcff" for character in part):  # no encoding has these bytes
        return UnspellableName(
            None, f"a file name is not valid {error.encoding}: {name:.200}", "give the file another name"
        )
    return UnspellableName(
        None,
        f"the locale's encoding, {error.encoding}, cannot spell a file name: {name:.200}",
        "set the environment variable PYTHONUTF8=1",
    )


# -- lines that are printed -------------------------------------------------------------------------


def harmless(line: str, encoding: str) -> str:
    r"""A line without control characters: file names can hold escape sequences for terminals.

    :param encoding: of the terminal; characters that it lacks are escaped too

    >>> harmless("a\x1b[31m.so", "utf-8")
    'a\\x1b[31m.so'
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)
