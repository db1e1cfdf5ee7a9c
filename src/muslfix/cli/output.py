"""What the commands print: results on stdout, diagnostics on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from muslfix.cli.terminal import Line, Terminal
from muslfix.errors import DestinationError, MuslfixError, harmless

if TYPE_CHECKING:
    from muslfix.report.report import Report


class Output:
    """Where lines go.

    :param verbose: whether to name everything
    :param quiet: whether to print errors only
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self.verbose = verbose
        self.quiet = quiet
        self.out = Terminal.of(sys.stdout, os.environ)
        self.err = Terminal.of(sys.stderr, os.environ)

    def result(self, lines: Iterable[str]) -> None:
        """Print lines of the result, unless quiet."""
        if not self.quiet:
            for line in lines:
                self.data(_paint(printable(line), self.out) + "\n")

    def tell(self, lines: Iterable[Line]) -> None:
        """Print lines for a person, unless quiet."""
        if not self.quiet:
            for line in lines:
                safe = line._replace(head=printable(line.head), text=printable(line.text))
                self.data("".join(f"{row}\n" for row in self.out.fit(safe)))

    def report(self, report: Report, *, as_json: bool, command: str | None = None) -> None:
        """Print the result of a command: its warnings as such, the rest as text or JSON.

        :param command: the one to go on with, for a person to copy
        """
        from muslfix.report.text import to_text

        if as_json or not self.out.is_terminal:
            self._warnings(report)
            if as_json:
                self.data(report.to_json())
            else:
                self.result(to_text(report, verbose=self.verbose))
            return
        from muslfix.cli.words import tell

        self.tell(tell(report, verbose=self.verbose))
        self.flush()
        self._warnings(report)
        if command is not None:
            self.tell([Line(), Line(command, head="To fix it:", kind="strong", whole=True)])

    def _warnings(self, report: Report) -> None:
        for sentence in report.warnings:
            self.warning(sentence)
        for project in report.projects:
            for sentence in project.warnings:
                self.warning(f"{project.label}: {sentence}")

    def data(self, text: str) -> None:
        """Print what was asked for as data, quiet or not.

        :raises DestinationError: if it cannot be written
        :raises BrokenPipeError: if whoever read it has enough
        """
        with _to_stdout():
            sys.stdout.write(text)

    def flush(self) -> None:
        """Let a closed pipe or a full disk be noticed now, and not at the end of Python."""
        with _to_stdout():
            sys.stdout.flush()

    def warning(self, sentence: str) -> None:
        """Print a warning, unless quiet."""
        if not self.quiet:
            self.diagnostic(sentence, head="warning:", kind="odd")

    def error(self, error: MuslfixError) -> None:
        """Print an error as one sentence, and its tip."""
        self.diagnostic(str(error), head="error:", kind="bad")
        if error.tip:
            self.diagnostic(error.tip, head="tip:", kind="tip")

    def diagnostic(self, line: str, *, head: str = "", kind: str = "") -> None:
        """Print a line on stderr; where that cannot be, there is nobody to tell.

        :param head: what it begins with
        :param kind: the colour of that, see :class:`~muslfix.cli.terminal.Line`
        """
        shown = printable(line)
        painted = f"{self.err.paint(head, kind)} {shown}" if head else _paint(shown, self.err)
        with suppress(OSError):
            sys.stderr.write(painted + "\n")
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


def _paint(line: str, terminal: Terminal) -> str:
    """A line of the form ``path: verdict: sentence`` or ``tip: sentence``, with the word in colour."""
    if not terminal.colours:
        return line
    from muslfix.cli.words import WORDS, kind_of

    head, colon, rest = line.partition(": ")
    if head == "tip":
        return terminal.paint("tip:", "tip") + line[len("tip:") :]
    word, other_colon, sentence = rest.partition(": ")
    if not other_colon or word not in WORDS:
        return line
    return head + colon + terminal.paint(word, kind_of(word)) + other_colon + sentence


def printable(line: str) -> str:
    """A line that does no more to a terminal than show itself, in the encoding of stdout."""
    return harmless(line, sys.stdout.encoding or "utf-8")
