"""The two renderers of a line: wrapped to a terminal's width, and on one row for a pipe.

Colours are decided here too, by the rules of https://no-color.org/ and https://force-color.org/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TextIO

from muslfix.report.lines import Line

# ECMA-48, "Select Graphic Rendition": the colours that every terminal has, as its user has set them.
_CODES = {"good": "32", "odd": "33", "bad": "1;31", "tip": "36", "strong": "1"}

# Longer lines are hard to read, shorter ones cannot hold a file name.
_WIDTHS = range(40, 111)


class Terminal(NamedTuple):
    """What one stream can show.

    :param is_terminal: whether it is a terminal
    :param colours: whether it shows colours
    :param width: of the terminal, in columns
    """

    is_terminal: bool
    colours: bool
    width: int = 80

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str]) -> Terminal:
        """What a stream can show.

        :param environ: the environment variables
        """
        try:
            is_terminal = stream.isatty()
        except ValueError:  # closed
            is_terminal = False
        if environ.get("NO_COLOR"):
            colours = False
        elif environ.get("FORCE_COLOR"):
            colours = True
        else:
            colours = is_terminal and environ.get("TERM") != "dumb"
        return cls(is_terminal, colours, _width() if is_terminal else 80)

    def paint(self, text: str, kind: str) -> str:
        """Colour a text of printable characters.

        :param kind: as in :class:`~muslfix.report.lines.Line`
        """
        return f"\x1b[{_CODES[kind]}m{text}\x1b[0m" if kind and text and self.colours else text

    def rows(self, line: Line) -> Iterator[str]:
        """Render a line.

        :param line: of printable characters
        """
        if not self.is_terminal:
            yield self._in_one_row(line)
            return
        yield from self._wrapped(line)
        if line.detail:
            yield from self._wrapped(Line(line.detail, indent=line.indent + 4))

    def _in_one_row(self, line: Line) -> str:
        """For pipes: ``head text``, and a file as ``path: verdict: sentence``, as compilers print it."""
        head = self.paint(line.head, line.kind)
        parts = [f"{line.text}:", f"{head}:", line.detail] if line.detail else [head, line.text]
        return (" " * line.indent + " ".join(filter(None, parts))).rstrip()

    def _wrapped(self, line: Line) -> Iterator[str]:
        """Where a line is too long it goes on in the next row, below itself."""
        space = " " * line.indent
        words = f"{line.head} {line.text}".strip() if line.head else line.text
        rows = [words] if line.whole else self._wrap(words, line.indent)
        left = len(line.head)  # a head can be longer than a row
        for number, row in enumerate(rows or [""]):
            hang = "  " * bool(line.head and number)
            yield (space + hang + self.paint(row[:left], line.kind) + row[left:]).rstrip()
            left = max(0, left - len(row) - 1)

    def _wrap(self, text: str, indent: int) -> list[str]:
        import textwrap

        return textwrap.wrap(text, self.width - indent - 2, break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    import shutil

    return max(_WIDTHS[0], min(_WIDTHS[-1], shutil.get_terminal_size().columns))
