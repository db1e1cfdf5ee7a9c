"""What a stream can show: whether a person looks at it, its width, its colours. Decided in this one place.

The rules for colours: https://no-color.org/, https://force-color.org/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TextIO

# ECMA-48, "Select Graphic Rendition": the eight colours that every terminal has and its user has chosen.
_CODES = {"good": "32", "odd": "33", "bad": "1;31", "tip": "36", "strong": "1"}

# Longer lines are hard to read, shorter ones cannot hold a file name.
_WIDTHS = range(40, 111)


class Line(NamedTuple):
    """A line for a person; where it is too long it goes on below itself.

    :param text: what it says
    :param head: what it begins with, in a colour; may be empty
    :param kind: the colour, by what it means: ``good``, ``odd``, ``bad``, ``tip``, ``strong``; empty for none
    :param indent: columns of space before it
    :param whole: whether it stays one line however long it is: a command, to be copied
    """

    text: str = ""
    head: str = ""
    kind: str = ""
    indent: int = 0
    whole: bool = False


class Terminal(NamedTuple):
    """What one stream can show.

    :param is_terminal: whether a person looks at it
    :param colours: whether it shows colours
    :param width: columns
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
        """Colour a text that is harmless already.

        :param kind: as in :class:`Line`
        """
        return f"\x1b[{_CODES[kind]}m{text}\x1b[0m" if kind and text and self.colours else text

    def fit(self, line: Line) -> Iterator[str]:
        """The rows that show a line, wrapped and in colour.

        :param line: with printable characters only
        """
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
