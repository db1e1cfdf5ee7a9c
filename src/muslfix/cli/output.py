"""Where the commands print: results on stdout, diagnostics on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from muslfix.cli.terminal import Terminal
from muslfix.errors import DestinationError, MuslfixError, harmless, why
from muslfix.report.lines import Line

if TYPE_CHECKING:
    from muslfix.report.report import Report


class Output:
    """The two streams, and how much to print."""

    def __init__(self) -> None:
        #: Whether to name every project and file.
        self.verbose = False
        #: Whether to print only what needs attention.
        self.quiet = False
        #: Whether data was printed, such as a JSON document.
        self.has_data = False
        #: Warnings about the settings, which were printed already: for the JSON document.
        self.about_settings: list[str] = []
        self.out = Terminal.of(sys.stdout, os.environ)
        self.err = Terminal.of(sys.stderr, os.environ)

    def tell(self, lines: Iterable[Line]) -> None:
        """Print lines on stdout, unless quiet."""
        if not self.quiet:
            self._print(lines)

    def report(self, report: Report, *, as_json: bool, command: str | None = None) -> None:
        """Print the result of a command as text or JSON, and its warnings on stderr.

        :param command: the command that fixes what was found, for the user to copy
        """
        if as_json:
            from dataclasses import replace  # not for --version; a report has loaded it

            warnings = (*self.about_settings, *report.warnings)
            self.data(replace(report, warnings=warnings).to_json())
        else:
            from muslfix.report.sentences import tell  # not for --json, nor for commands without a report

            self._print(tell(report, verbose=self.verbose, quiet=self.quiet))
        self.flush()
        if self.quiet and not report.doubts:  # else it is in the summary
            for environment in report.looked_at.passed_over if report.looked_at else ():
                self.diagnostic(f"passed over: {environment}", head="note:", kind="tip")
        for sentence in report.doubts:
            self.doubt(sentence)
        for sentence in report.warnings:
            self.warning(sentence)
        for project in report.projects:
            for sentence in project.warnings:
                self.warning(f"{project.label}: {sentence}")
        if command is not None and not as_json:
            lines = [] if self.quiet else [Line()]
            self._print([*lines, Line(command, head="To fix it:", kind="strong", whole=True)])

    def _print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            safe = line._replace(
                head=printable(line.head), text=printable(line.text), detail=printable(line.detail)
            )
            self.data("".join(f"{row}\n" for row in self.out.rows(safe)))

    def data(self, text: str) -> None:
        """Print text on stdout, quiet or not.

        :raises DestinationError: if it cannot be written
        :raises BrokenPipeError: if the reader has closed the pipe
        """
        self.has_data = True
        with _to_stdout():
            sys.stdout.write(text)

    def flush(self) -> None:
        """Flush stdout, so that a closed pipe or a full disk is noticed before Python exits."""
        with _to_stdout():
            sys.stdout.flush()

    def warning(self, sentence: str) -> None:
        """Print a warning, unless quiet."""
        if not self.quiet:
            self.doubt(sentence)

    def doubt(self, sentence: str) -> None:
        """Print a warning that must not be missed, quiet or not: perhaps the wrong place was looked at."""
        self.diagnostic(sentence, head="warning:", kind="odd")

    def error(self, error: MuslfixError) -> None:
        """Print an error and its tip."""
        self.diagnostic(str(error), head="error:", kind="bad")
        if error.tip:
            self.diagnostic(error.tip, head="tip:", kind="tip")

    def diagnostic(self, line: str, *, head: str = "", kind: str = "") -> None:
        """Print a line on stderr. If stderr cannot be written, there is nowhere else to print to.

        :param head: the word that it begins with
        :param kind: what that means, see :class:`~muslfix.report.lines.Line`
        """
        shown = f"{self.err.paint(head, kind)} {printable(line)}" if head else printable(line)
        with suppress(OSError):
            sys.stderr.write(shown + "\n")
            sys.stderr.flush()


@contextmanager
def _to_stdout() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Python would try again when it exits, and complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise DestinationError("standard output", f"cannot be written ({why(error)})") from error


def printable(line: str) -> str:
    """A line without control characters, in the encoding of stdout."""
    return harmless(line, sys.stdout.encoding or "utf-8")
