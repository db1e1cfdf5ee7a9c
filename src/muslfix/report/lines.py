"""A line of text before it is rendered: what it says, apart from how a terminal or a pipe shows it."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line for a person to read.

    :param text: what it says
    :param head: the word or label that it begins with; may be empty
    :param kind: what the head means: ``good``, ``odd``, ``bad``, ``tip``, ``strong``; empty: nothing special
    :param indent: columns of space before it
    :param detail: a sentence about the text, where that is the name of a file
    :param whole: whether it stays on one row however long it is, such as a command to copy
    """

    text: str = ""
    head: str = ""
    kind: str = ""
    indent: int = 0
    detail: str = ""
    whole: bool = False
