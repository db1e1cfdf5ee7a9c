"""What there is on a disk, and JSON from files that anybody may have written."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from faults import forked, heed_permissions
from hypothesis import given
from hypothesis import strategies as st

from muslfix.errors import InvalidJson
from muslfix.files.access import is_there, kind_of, may_exist
from muslfix.files.untrusted_json import JsonObject, parse_json

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9) | WORDS


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4)
    )
)
def test_what_is_honest_is_read_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.text())
def test_no_text_does_harm(content: str) -> None:
    with suppress(InvalidJson):
        parse_json(content)


def test_depth() -> None:
    assert parse_json("[" * 50 + "]" * 50)
    with pytest.raises(InvalidJson, match="nested more than 50 levels deep"):
        parse_json("[" * 51 + "]" * 51)


DOCUMENT = JsonObject(
    {
        "name": "x",
        "none": None,
        "number": 3,
        "yes": True,
        "list": ["a", {"b": 1}],
        "inner": {"list": ["c", 4]},
    }
)


def test_values_of_the_right_type() -> None:
    assert DOCUMENT.names == ["name", "none", "number", "yes", "list", "inner"]
    assert (DOCUMENT.text("name"), DOCUMENT.whole("number"), DOCUMENT.value("yes")) == ("x", 3, True)
    assert (DOCUMENT.text_or_none("none"), DOCUMENT.optional_text("none")) == (None, None)
    assert (DOCUMENT.text_or_none("name"), DOCUMENT.optional_text("gone")) == ("x", None)
    assert JsonObject({"texts": ["a", "b"]}).texts("texts") == ("a", "b")
    assert [item.whole("b") for item in JsonObject({"all": [{"b": 1}, {"b": 2}]}).objects("all")] == [1, 2]


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda d: d.text("gone"), "gone is missing"),
        (lambda d: d.text("number"), "number is 3, which is not text"),
        (lambda d: d.text("none"), "none is None, which is not text"),
        (lambda d: d.text_or_none("gone"), "gone is missing"),
        (lambda d: d.optional_text("number"), "number is 3, which is not text"),
        (lambda d: d.whole("yes"), "yes is True, which is not a whole number"),
        (lambda d: d.whole("name"), "name is 'x', which is not a whole number"),
        (lambda d: d.object("name"), "name is 'x', which is not an object"),
        (lambda d: d.object("inner").text("gone"), "inner.gone is missing"),
        (lambda d: d.object("inner").texts("list"), "inner.list.1 is 4, which is not text"),
        (lambda d: d.texts("name"), "name is 'x', which is not a list"),
        (lambda d: d.texts("list", 1), "list has 2 entries, which is too many"),
        (lambda d: d.objects("list"), "list.0 is 'a', which is not an object"),
        (lambda d: JsonObject([]), "the document is not a JSON object"),
        (lambda d: JsonObject(d.value("name"), "name."), "name is not a JSON object"),
    ],
)
def test_the_reason_names_the_place_of_the_bad_value(
    read: Callable[[JsonObject], object], reason: str
) -> None:
    with pytest.raises(InvalidJson) as caught:
        read(DOCUMENT)
    assert (caught.value.path, caught.value.reason) == (None, reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "is not JSON ('utf-8' codec can't decode byte 0xff"),
        ('{"a": 1, "a": 2}', "is not JSON ('a' occurs twice in one object)"),
        ("NaN", "is not JSON (NaN is not a number in JSON)"),
        ("1" * 21, "is not JSON (a number of 21 digits)"),
        ('"\\ud800"', "is not JSON ('utf-8' codec can't encode character"),
    ],
)
def test_what_other_parsers_let_pass(content: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(content)
    assert caught.value.reason.startswith(reason)


# -- what there is ----------------------------------------------------------------------------------


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    found = {
        name: (is_there(f"{tmp_path}/{name}"), kind_of(f"{tmp_path}/{name}"), may_exist(f"{tmp_path}/{name}"))
        for name in ("file", "", "link", "loop", "none", "file/below", "x" * 300, "\0")
    }
    nothing = (False, 0, False)
    assert found.pop("file") == (True, stat.S_IFREG, True)
    assert found.pop("") == (True, stat.S_IFDIR, True)
    assert found.pop("link") == found.pop("loop") == (True, 0, False)
    assert set(found.values()) == {nothing}


def test_an_error_is_no_answer(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)

    def work() -> None:
        heed_permissions()
        for ask in (is_there, kind_of):
            with pytest.raises(PermissionError):
                ask(str(closed / "name"))
        assert may_exist(str(closed / "name"))

    assert forked(work, tmp_path / "told") == 0, (tmp_path / "told").read_text()
