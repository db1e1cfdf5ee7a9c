"""``muslfix explain``: what a verdict or a finding means.

The texts are in ``verdicts.md`` in the package. The manual's page on verdicts is made from the same file.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from importlib.resources import files

from muslfix.cli.options import add_command, add_output_options
from muslfix.cli.output import Output
from muslfix.cli.parser import did_you_mean
from muslfix.errors import UsageError
from muslfix.report.lines import Line
from muslfix.report.report import FORMAT, WORDS
from muslfix.report.sentences import kind_of

# The heading of a section: the word, set as code. The section goes on to the next heading.
_SECTION = re.compile(r"^### `([a-z-]+)`\n+(.*?)(?=^#{1,3} |\Z)", re.MULTILINE | re.DOTALL)

_EPILOG = """\
examples:
  muslfix explain
  muslfix explain other-libc
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "explain [VERDICT]",
        "say what a verdict means and what to do about it",
        "Explain a word that muslfix uses for files (misnamed, other-libc, link-outside, ...): when it is"
        " used, the common cause, and what to do. Without a word, list them all.",
        _EPILOG,
    )
    parser.add_argument("word", metavar="VERDICT", nargs="?", help=f"one of {', '.join(sorted(WORDS))}")
    add_output_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Print one section, or the first sentence of each.

    It was asked for, so ``-q`` leaves nothing of it out; with ``-v`` each section is printed as a whole.

    :return: the exit status
    :raises UsageError: if there is no section on the word
    """
    output.quiet = False
    sections = dict(_SECTION.findall(_texts()))
    if options.word is not None and options.word not in sections:
        known = f"use one of {', '.join(sections)}"
        tip = did_you_mean(options.word, sections, "muslfix explain ") or known
        raise UsageError(None, f"{options.word!r:.60} is not a verdict", tip)
    if options.json:
        words = [options.word] if options.word else list(sections)
        texts = {word: list(map(_plain, _paragraphs(sections[word]))) for word in words}
        output.data(json.dumps({"format": FORMAT, "command": "explain", "words": texts}, indent=2) + "\n")
    elif options.word is not None:
        output.tell(_lines(options.word, sections[options.word]))
    else:
        for word, text in sections.items():
            when = _plain(_paragraphs(text)[0]).partition("When: ")[2]
            first = Line(when, head=f"{word}:", kind=kind_of(word))
            output.tell([*_lines(word, text), Line()] if options.verbose else [first])
    return 0


def _lines(word: str, section: str) -> Iterator[Line]:
    yield Line(head=word, kind=kind_of(word))
    for paragraph in _paragraphs(section):
        yield Line()
        yield Line(_plain(paragraph), indent=2)


def _paragraphs(section: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", section.strip())]


def _plain(text: str) -> str:
    """Text without Markdown markup; of a link, the text."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"\*{1,2}([^*]+)\*{1,2}", r"\1", text).replace("`", "")


def _texts() -> str:
    """All sections, as Markdown."""
    return (files("muslfix") / "verdicts.md").read_text(encoding="utf-8")
