"""The exceptions of muslfix: one family, one sentence each.

Every exception that the library lets out is a :class:`MuslfixError`. Verdicts about single files are
data (:mod:`muslfix.plan`); an exception means that the work cannot go on.
"""

from __future__ import annotations


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
