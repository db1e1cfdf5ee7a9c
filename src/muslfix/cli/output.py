"""What the commands print: results on stdout, diagnostics on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from muslfix.errors import DestinationError, MuslfixError

if TYPE_CHECKING:
    from muslfix.report import Report


class Output:
    """Where lines go.

    :param verbose: whether to name everything
    :param quiet: whether to print errors only
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        self.quiet = quiet

    def result(self, lines: Iterable[str]) -> None:
        """Print lines of the result, unless quiet."""
        if not self.quiet:
            for line in lines:
                self.data(printable(line) + "\n")

    def report(self, report: Report, *, as_json: bool) -> None:
        """Print the result of a command: its warnings as such, the rest as text or JSON."""
        from muslfix.report import to_text

        for sentence in report.warnings:
            self.warning(sentence)
        for project in report.projects:
            for sentence in project.warnings:
                self.warning(f"{project.label}: {sentence}")
        if as_json:
            self.data(report.to_json())
        else:
            self.result(to_text(report, verbose=self.verbose))

    def data(self, text: str) -> None:
        """Print what was asked for as data, quiet or not.

        :raises DestinationError: if it cannot be written
        :raises BrokenPipeError: if whoever read it has enough
        """
        with _to_stdout():
            sys.stdout.write(text)

    def progress(self, line: str) -> None:
        """Say on a terminal how far long work has come; in a file or a log that would only be noise."""
        if not self.quiet and sys.stderr.isatty():
            self.diagnostic(line)

    def flush(self) -> None:
        """Let a closed pipe or a full disk be noticed now, and not at the end of Python."""
        with _to_stdout():
            sys.stdout.flush()

    def warning(self, sentence: str) -> None:
        """Print a warning, unless quiet."""
        if not self.quiet:
            self.diagnostic(f"warning: {sentence}")

    def error(self, error: MuslfixError) -> None:
        """Print an error as one sentence, and its tip."""
        self.diagnostic(f"error: {error}")
        if error.tip:
            self.diagnostic(f"tip: {error.tip}")

    def diagnostic(self, line: str) -> None:
        """Print a line on stderr; where that cannot be, there is nobody to tell."""
        with suppress(OSError):
            sys.stderr.write(printable(line) + "\n")
            sys.stderr.flush()


@contextmanager
def _to_stdout() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Python would try once more at its end, and complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise DestinationError("standard output", f"cannot be written ({error.strerror})") from error


def printable(line: str) -> str:
    r"""A line that does no more to a terminal than show itself: file names can hold escape sequences.

    >>> printable("a\x1b[31m.so")
    'a\\x1b[31m.so'
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in line
    )
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)
