"""``muslfix explain``: every word that a report uses has a text, and the texts are in the package."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from commands import Cli

from muslfix.report.report import WORDS

TEXTS = (files("muslfix") / "verdicts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_explained(cli: Cli, word: str) -> None:
    result = cli("explain", word)
    assert (result.status, result.err) == (0, "")
    first, empty, when, *rest = result.out.split("\n")
    assert (first, empty) == (word, "")
    assert when.startswith("  When: ")
    assert any(line.startswith("  What to do: ") for line in rest)
    assert not re.search(r"[`*]|^#|\]\(", result.out, re.MULTILINE)
    section = TEXTS.partition(f"### `{word}`\n")[2].partition("\n#")[0]
    assert result.out.split()[1:] == re.sub(r"[*`]", "", section).split()


def test_no_text_is_left_over() -> None:
    assert sorted(re.findall(r"^### `(.+)`$", TEXTS, re.MULTILINE)) == sorted(WORDS)


def test_without_a_word_it_lists_them_all(cli: Cli) -> None:
    result = cli("explain")
    assert (result.status, result.err) == (0, "")
    heads = [line.partition(":")[0] for line in result.out.split("\n")[:-1] if line[0] != " "]
    assert sorted(heads) == sorted(WORDS)


def test_how_much_is_said(cli: Cli) -> None:
    """It was asked for, so quiet or not; before the command as behind it."""
    for words in (("explain", "misnamed"), ("explain",)):
        assert cli("-q", *words) == cli(*words, "-q") == cli(*words)
    every = cli("-v", "explain")
    assert (every.status, every.err) == (0, "")
    assert all(cli("explain", word).out in every.out for word in ("misnamed", "other-libc"))


def test_an_unknown_word(cli: Cli) -> None:
    wrong = cli("explain", "hope")
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.startswith("error: 'hope' is not a verdict\ntip: use one of importable, served, ")
    near = cli("explain", "misnmed")
    assert near.err.endswith("tip: did you mean 'muslfix explain misnamed'?\n")


def test_as_json(cli: Cli) -> None:
    every = json.loads(cli("explain", "--json").out)
    assert (every["format"], every["command"]) == (1, "explain")
    assert sorted(every["words"]) == sorted(WORDS)
    one = json.loads(cli("explain", "--json", "misnamed").out)
    assert one["words"] == {"misnamed": every["words"]["misnamed"]}
