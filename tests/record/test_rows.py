"""RECORD as text: what is read, what is refused, and that an edit leaves every other byte alone."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import within_limits

from muslfix.errors import InvalidRecord
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record, RecordRow

#: One in pip's spelling, with what is rare: quotes, a blank line, a row without hash, another folder.
PIP = (
    "../../../bin/tool,sha256=YWI,2\r\n"
    "pkg/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n"
    '"pkg/a,b ""c"".py",sha256=YWI,2\r\n'
    "\r\n"
    "pkg/__pycache__/a.cpython-39.pyc,,\r\n"
    "pkg-1.0.dist-info/RECORD,,\r\n"
)
NEW = RecordRow("pkg/new.so", "sha256=bmV3", "3")


def read(text: str) -> list[tuple[str, str, str]]:
    return [(row.path, row.hash, row.size) for row in Record.parse(text).rows]


def edited(record: Record, verb: str, *words: str | RecordRow) -> Record:
    """Another RECORD, by one edit."""
    edit = RecordEdit(record)
    getattr(edit, verb)(*words)
    return edit.finish()


def assert_holds_new(record: Record, expected: str) -> None:
    """An edited RECORD is as expected and holds the new row."""
    assert record.text == expected.replace("NEW", "pkg/new.so,sha256=bmV3,3")
    assert record.get(NEW.path) == NEW
    assert Record.parse(record.text).rows == record.rows


def error_of(text: str) -> str:
    with pytest.raises(InvalidRecord) as caught:
        Record.parse(text)
    assert caught.value.path is None
    return caught.value.reason


def test_rows_of_a_file() -> None:
    record = Record.parse(PIP)
    assert record.text == PIP
    assert record.rows == (
        RecordRow("../../../bin/tool", "sha256=YWI", "2"),
        RecordRow("pkg/__init__.py", "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0"),
        RecordRow('pkg/a,b "c".py', "sha256=YWI", "2"),
        RecordRow("pkg/__pycache__/a.cpython-39.pyc", "", ""),
        RecordRow("pkg-1.0.dist-info/RECORD", "", ""),
    )
    for row in record.rows:
        assert record.get(row.path) == row
    assert record.get("pkg") is None
    assert record.get('"pkg/a,b ""c"".py"') is None
    assert record.get("") is None


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("\n", [], id="blank"),
        pytest.param("\r\n\n\r\r\n", [], id="blank lines"),
        pytest.param("a,b,c", [("a", "b", "c")], id="no line end"),
        pytest.param("a,b,c\n", [("a", "b", "c")], id="LF"),
        pytest.param("a,b,c\r\n", [("a", "b", "c")], id="CRLF"),
        pytest.param("a,,\rb,,\r", [("a", "", ""), ("b", "", "")], id="CR"),
        pytest.param("a,,\r\r\nb,,\n\r", [("a", "", ""), ("b", "", "")], id="mixed"),
        pytest.param("\n\na,,\n\nb,,\n\n", [("a", "", ""), ("b", "", "")], id="blank lines between"),
        pytest.param("a,,\na,,1\n", [("a", "", ""), ("a", "", "1")], id="one path twice"),
        pytest.param('"a","b","c"\n', [("a", "b", "c")], id="all quoted"),
        pytest.param('"a,b",,\n', [("a,b", "", "")], id="comma"),
        pytest.param('"a""b",,\n', [('a"b', "", "")], id="quote"),
        pytest.param('"a\nb",,\r\nc,,\n', [("a\nb", "", ""), ("c", "", "")], id="line end in quotes"),
        pytest.param('"a\r\nb\r",,\n', [("a\r\nb\r", "", "")], id="other line ends in quotes"),
        pytest.param('a"b"c,,\n', [('a"b"c', "", "")], id="quote that opens nothing"),
        pytest.param(' a , "b",c \n', [(" a ", ' "b"', "c ")], id="spaces"),
        pytest.param("a\\b,,\n", [("a\\b", "", "")], id="backslash"),
        pytest.param("\ufeffa,,\n", [("\ufeffa", "", "")], id="byte order mark"),
        pytest.param("a\udcff,,\n", [("a\udcff", "", "")], id="byte that is not UTF-8"),
        pytest.param(
            "a\v\f\x1c\x1d\x1e\x85\u2028\u2029b,,\n",
            [("a\v\f\x1c\x1d\x1e\x85\u2028\u2029b", "", "")],
            id="where splitlines splits",
        ),
    ],
)
def test_what_is_read(text: str, rows: list[tuple[str, str, str]]) -> None:
    assert read(text) == rows
    assert Record.parse(text).text == text
    for path, hash_, size in reversed(rows):
        assert Record.parse(text).get(path) is not None
        first = next(row for row in rows if row[0] == path)
        assert (Record.parse(text).get(path) == RecordRow(path, hash_, size)) is (
            first == (path, hash_, size)
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a\n", "has 1 fields instead of 3 in line 1"),
        ("a,,\nb,c\n", "has 2 fields instead of 3 in line 2"),
        ("a,,\r\n\r\nb,c,d,e", "has 4 fields instead of 3 in line 3"),
        ("a,,\rb,c,d,\r", "has 4 fields instead of 3 in line 2"),
        ('"a\n\nb",,\nc\n', "has 1 fields instead of 3 in line 4"),
        (" \n", "has 1 fields instead of 3 in line 1"),
        ("a,,\n,,\n", "has a row without a path in line 2"),
        ('"",sha256=x,1\n', "has a row without a path in line 1"),
        ('a,,\n"b,,\nc,,\n', "is no valid CSV in line 2 (unexpected end of data)"),
        ('"', "is no valid CSV in line 1 (unexpected end of data)"),
        ('"a\nb" ,,\n', "is no valid CSV in line 1 (',' expected after '\"')"),
        (
            "a,,\n" + "b" * 131_073 + ",,\n",
            "is no valid CSV in line 2 (field larger than field limit (131072))",
        ),
        ("\0", "has a NUL in line 1"),
        ("a,,\nb,\0,\n", "has a NUL in line 2"),
        ('a,,\r\n"b\r\n\0",,\r\n', "has a NUL in line 3"),
        ("a,,\n\0", "has a NUL in line 2"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_refused(text: str, reason: str) -> None:
    assert error_of(text) == reason


def test_no_record_at_all() -> None:
    assert Record() == Record.parse("")
    assert Record().text == ""
    assert edited(Record(), "add", NEW).text == "pkg/new.so,sha256=bmV3,3\n"


# Rows and their hashes.


def test_row_of_a_file() -> None:
    content = b"\xff" * 1000
    row = RecordRow.of("pkg/m.so", hashlib.sha256(content).digest(), len(content))
    assert row == RecordRow("pkg/m.so", "sha256=tPc9_wRkALdnKKsyYZ49ieABMmU3JfZgxiq5_Kl1s3I", "1000")
    assert row.algorithm == "sha256"
    assert row.digest == hashlib.sha256(content).digest()


def test_row_without_hash() -> None:
    row = RecordRow.listed("pkg-1.dist-info/RECORD")
    assert row == RecordRow("pkg-1.dist-info/RECORD", "", "")
    assert row.algorithm is None
    assert row.digest is None


@pytest.mark.parametrize(
    ("hash_", "algorithm", "digest"),
    [
        ("sha256=", "sha256", None),
        ("sha256=YQ", "sha256", b"a"),
        ("sha256=YQ=", "sha256", b"a"),
        ("sha256=YQ==", "sha256", b"a"),
        ("sha256=YWI=", "sha256", b"ab"),
        ("sha256=YWJj", "sha256", b"abc"),
        ("SHA256=YWJj", "sha256", b"abc"),
        ("md5=-_-_", "md5", b"\xfb\xff\xbf"),
        ("sha256=+/+/", "sha256", None),
        ("sha256=YQ===", "sha256", None),
        ("sha256==YQ", "sha256", None),
        ("sha256=YWJjZ", "sha256", None),
        ("sha256=Y Q", "sha256", None),
        ("sha256=YQ\n", "sha256", None),
        ("sha256=é", "sha256", None),
        ("sha256", "sha256", None),
        ("=YWJj", None, None),
    ],
)
def test_hashes(hash_: str, algorithm: str | None, digest: bytes | None) -> None:
    row = RecordRow("pkg/m.so", hash_, "")
    assert row.algorithm == algorithm
    if digest is not None:
        assert row.digest == digest
        return
    with pytest.raises(InvalidRecord) as caught:
        row.digest  # noqa: B018
    assert caught.value.reason == f"has {hash_!r} for pkg/m.so, which is no hash"


@pytest.mark.parametrize(
    ("hash_", "has_hash"),
    [("", False), ("sha256=", False), ("md5=", False), ("sha256", True), ("=", True), ("sha256=YQ", True)],
)
def test_rows_with_something_to_compare(hash_: str, has_hash: bool) -> None:
    assert RecordRow("pkg/m.so", hash_, "").has_hash is has_hash


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_hashes_are_written_as_the_specification_says(digest: bytes) -> None:
    row = RecordRow.of("m", digest, 0)
    assert row.hash == "sha256=" + base64.urlsafe_b64encode(digest).decode().replace("=", "")
    if digest:
        assert row.digest == digest
        assert RecordRow("m", f"sha256={base64.urlsafe_b64encode(digest).decode()}", "").digest == digest


# Edits. In the expected text "NEW" stands for the new row's text.


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        pytest.param("a,,\nb,,\n", "a", "NEW\nb,,\n", id="first"),
        pytest.param("a,,\nb,,\n", "b", "a,,\nNEW\n", id="last"),
        pytest.param("a,,\nb,,", "b", "a,,\nNEW", id="last, no line end"),
        pytest.param("a,,\r\nb,,\nc,,\r", "b", "a,,\r\nNEW\nc,,\r", id="its own line end"),
        pytest.param("a,,\r\nb,,\nc,,\r", "c", "a,,\r\nb,,\nNEW\r", id="its own line end, a lone CR"),
        pytest.param('a,,\n"b\n,\r\n",,\r\nc,,\n', "b\n,\r\n", "a,,\nNEW\r\nc,,\n", id="over several lines"),
        pytest.param("a,,\n\n\nb,,\n\n", "b", "a,,\n\n\nNEW\n\n", id="blank lines stay"),
        pytest.param("b,,\na,,\nb,,1\r\n", "b", "NEW\na,,\nNEW\r\n", id="each of several"),
        pytest.param("a,,\npkg/new.so,,\r\nb,,\n", "a", "NEW\nb,,\n", id="the new path's other row goes"),
        pytest.param("a,,\npkg/new.so,,\r\nb,,\n", "pkg/new.so", "a,,\nNEW\r\nb,,\n", id="the same path"),
        pytest.param("pkg/new.so,,\nb,,\npkg/new.so,,1\n", "b", "NEW\n", id="the new path's other rows go"),
    ],
)
def test_row_changed(text: str, path: str, expected: str) -> None:
    record = edited(Record.parse(text), "change", path, NEW)
    assert_holds_new(record, expected)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        pytest.param("a,,\nb,,\n", "a", "a,,\nNEW\nb,,\n", id="first"),
        pytest.param("a,,\nb,,\n", "b", "a,,\nb,,\nNEW\n", id="last"),
        pytest.param("a,,\nb,,", "a", "a,,\nNEW\nb,,", id="first, no line end"),
        pytest.param("a,,\nb,,", "b", "a,,\nb,,\nNEW", id="last, no line end"),
        pytest.param("a,,\r\nb,,", "b", "a,,\r\nb,,\r\nNEW", id="last, no line end, CRLF"),
        pytest.param("a,,", "a", "a,,\nNEW", id="only one, no line end"),
        pytest.param("a,,\r\nb,,\nc,,\r", "a", "a,,\r\nNEW\r\nb,,\nc,,\r", id="line end CRLF"),
        pytest.param("a,,\r\nb,,\nc,,\r", "b", "a,,\r\nb,,\nNEW\nc,,\r", id="line end LF"),
        pytest.param("a,,\r\nb,,\nc,,\r", "c", "a,,\r\nb,,\nc,,\rNEW\r", id="line end CR"),
        pytest.param("a,,\n\nb,,\n", "a", "a,,\nNEW\n\nb,,\n", id="before a blank line"),
        pytest.param('"b\n",,\r\nc,,\n', "b\n", '"b\n",,\r\nNEW\r\nc,,\n', id="over several lines"),
        pytest.param("b,,\na,,\nb,,1\n", "b", "b,,\nNEW\na,,\nb,,1\n", id="behind the first of several"),
        pytest.param("a,,\nb,,\npkg/new.so,,\r\n", "a", "a,,\nb,,\nNEW\r\n", id="already there"),
    ],
)
def test_row_after(text: str, path: str, expected: str) -> None:
    record = edited(Record.parse(text), "add_after", path, NEW)
    assert_holds_new(record, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "NEW\n", id="empty"),
        pytest.param("\r\n", "NEW\r\n\r\n", id="blank line"),
        pytest.param("a,,\r\n", "a,,\r\nNEW\r\n", id="CRLF"),
        pytest.param("a,,\nb,,\r\n", "a,,\nb,,\r\nNEW\r\n", id="the last row's line end"),
        pytest.param("a,,", "a,,\nNEW", id="no line end"),
        pytest.param("a,,\r\nb,,", "a,,\r\nb,,\r\nNEW", id="no line end, CRLF"),
        pytest.param("a,,\n\n\n", "a,,\nNEW\n\n\n", id="blank lines at the end"),
        pytest.param("a,,\nx.dist-info/RECORD,,\n", "a,,\nNEW\nx.dist-info/RECORD,,\n", id="RECORD is last"),
        pytest.param(
            "a,,\r\nx.dist-info/RECORD,,", "a,,\r\nNEW\r\nx.dist-info/RECORD,,", id="RECORD, no end"
        ),
        pytest.param(
            "a,,\nx.dist-info/RECORD,,\n\n", "a,,\nNEW\nx.dist-info/RECORD,,\n\n", id="RECORD, blank"
        ),
        pytest.param("x.dist-info/RECORD,,\r\n", "NEW\r\nx.dist-info/RECORD,,\r\n", id="only RECORD"),
        pytest.param("x.dist-info/RECORD,,", "NEW\nx.dist-info/RECORD,,", id="only RECORD, no line end"),
        pytest.param("x.dist-info/RECORD,,\na,,\n", "x.dist-info/RECORD,,\na,,\nNEW\n", id="RECORD is first"),
        pytest.param("a,,\npkg/RECORD,,\n", "a,,\npkg/RECORD,,\nNEW\n", id="another RECORD is last"),
        pytest.param("pkg/new.so,,1\r\na,,\n", "NEW\r\na,,\n", id="already there"),
    ],
)
def test_row_added(text: str, expected: str) -> None:
    record = edited(Record.parse(text), "add", NEW)
    assert_holds_new(record, expected)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        pytest.param("a,,\nb,,\r\n", "a", "b,,\r\n", id="first"),
        pytest.param("a,,\nb,,\r\n", "b", "a,,\n", id="last"),
        pytest.param("a,,\r\nb,,", "b", "a,,", id="last, no line end"),
        pytest.param("a,,\nb,,", "a", "b,,", id="first, no line end at the end"),
        pytest.param("a,,\n\nb,,", "b", "a,,\n", id="blank line before it"),
        pytest.param("a,,", "a", "", id="only one"),
        pytest.param("\na,,\n\n", "a", "\n\n", id="blank lines stay"),
        pytest.param("a,,\nb,,\na,,1\n", "a", "b,,\n", id="each of several"),
        pytest.param('a,,\n"b\n",,\r\nc,,\n', "b\n", "a,,\nc,,\n", id="over several lines"),
    ],
)
def test_row_removed(text: str, path: str, expected: str) -> None:
    record = edited(Record.parse(text), "remove", path)
    assert record.text == expected
    assert record.get(path) is None
    assert Record.parse(record.text).rows == record.rows


@pytest.mark.parametrize(
    ("text", "path", "new_text", "expected"),
    [
        pytest.param("a,,\nb,,\n", "a", '"c",x,1\r\n', '"c",x,1\r\nb,,\n', id="first"),
        pytest.param("a,,\nb,,\n", "b", "c,,\r", "a,,\nc,,\r", id="last"),
        pytest.param("a,,\nb,,\n", "b", "c,,", "a,,\nc,,", id="last, no line end"),
        pytest.param("a,,\r\nb,,\n", "a", "c,,", "c,,\r\nb,,\n", id="no line end, not last"),
        pytest.param("a,,\nb,,\n", "a", '"c\n\n",,\n', '"c\n\n",,\nb,,\n', id="over several lines"),
    ],
)
def test_text_of_a_row(text: str, path: str, new_text: str, expected: str) -> None:
    record = Record.parse(text)
    changed = edited(record, "set_text", path, new_text)
    assert changed.text == expected
    assert Record.parse(changed.text).rows == changed.rows
    (new_row,) = Record.parse(new_text).rows
    assert changed.get(new_row.path) == new_row
    assert edited(changed, "set_text", new_row.path, record.text_of(path)).text == text


@pytest.mark.parametrize("text", ["", "\n", "a,,\nb,,\n", "a,,\n\n", "\na,,\n", "a,,\n\r"], ids=ascii)
def test_text_that_is_not_one_row(text: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        edited(Record.parse("a,,\n"), "set_text", "a", text)
    assert caught.value.reason == f"cannot hold {text!r} as the row of a"


def test_text_that_is_no_row() -> None:
    with pytest.raises(InvalidRecord) as caught:
        edited(Record.parse("a,,\n"), "set_text", "a", "a\n")
    assert caught.value.reason == "has 1 fields instead of 3 in line 1"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda record: edited(record, "change", "pkg/m.so", NEW), id="changed"),
        pytest.param(lambda record: edited(record, "add_after", "pkg/m.so", NEW), id="after"),
        pytest.param(lambda record: edited(record, "remove", "pkg/m.so"), id="removed"),
        pytest.param(lambda record: record.text_of("pkg/m.so"), id="text"),
        pytest.param(lambda record: edited(record, "set_text", "pkg/m.so", "a,,\n"), id="with text"),
    ],
)
def test_rows_that_are_not_there(edit: Callable[[Record], object]) -> None:
    with pytest.raises(InvalidRecord) as caught:
        edit(Record.parse(PIP))
    assert caught.value.reason == "has no row for pkg/m.so"
    assert caught.value.path is None


@pytest.mark.parametrize(
    "row",
    [RecordRow("", "", ""), RecordRow("a\0", "", ""), RecordRow("a", "\0", ""), RecordRow("a", "", "\0")],
)
def test_rows_that_cannot_be_written(row: RecordRow) -> None:
    record = Record.parse(PIP)
    edits = [
        partial(edited, record, "change", "pkg/__init__.py"),
        partial(edited, record, "add_after", "pkg/__init__.py"),
        partial(edited, record, "add"),
    ]
    for edit in edits:
        with pytest.raises(InvalidRecord) as caught:
            edit(row)
        assert caught.value.reason == f"cannot hold a row for the path {row.path!r}"
    assert record.text == PIP


# What holds of any RECORD.

FIELDS = st.text(
    st.one_of(st.sampled_from('a,"\n\r \\/'), st.characters(exclude_characters="\0")), max_size=8
)
ROWS = st.builds(RecordRow, FIELDS.filter(bool), FIELDS, FIELDS)


@st.composite
def records(draw: st.DrawFn) -> str:
    """The text of a RECORD, with mixed line ends and quoting; the last line may have no end."""
    text = ""
    for row in draw(st.lists(ROWS, max_size=6)):
        out = io.StringIO()
        dialect = draw(st.sampled_from(["excel", "unix"]))  # quotes where it must, quotes all
        csv.writer(out, dialect, lineterminator="\r\n").writerow((row.path, row.hash, row.size))
        text += out.getvalue()[:-2] + draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\n\n"]))
    return text[:-1] if text.endswith("\n") and draw(st.booleans()) else text


@settings(deadline=None)
@given(st.one_of(st.text('ab,"\n\r\0 '), st.text(), records()))
def test_what_is_parsed_is_given_back(text: str) -> None:
    """And read as the csv module reads a file, which is what other installers do."""
    try:
        record = Record.parse(text)
    except InvalidRecord:
        return
    assert record.text == text
    fields = [(row.path, row.hash, row.size) for row in record.rows]
    assert fields == [tuple(row) for row in csv.reader(io.StringIO(text, newline="")) if row]


@settings(deadline=None)
@given(records(), ROWS, st.data())
def test_edits_change_one_row_and_no_other_byte(text: str, row: RecordRow, data: st.DataObject) -> None:
    record = Record.parse(text)
    added = edited(record, "add", row)
    assert added.get(row.path) == row
    assert Record.parse(added.text).rows == added.rows
    if not record.rows:
        return
    path = data.draw(st.sampled_from([row.path for row in record.rows]))
    if record.get(row.path) is None:
        others = [other for other in record.rows if other.path != row.path]
        for longer in (added, edited(record, "add_after", path, row)):
            assert [other for other in longer.rows if other != row] == others
            assert len(longer.text) > len(text)
            assert edited(longer, "remove", row.path).text == text
    changed = edited(record, "change", path, row)
    assert Record.parse(changed.text).rows == changed.rows
    assert changed.get(row.path) == row
    kept = [other for other in record.rows if other.path not in (path, row.path)]
    assert [other for other in changed.rows if other.path != row.path] == kept
    assert all(other == row for other in changed.rows if other.path == row.path)
    assert list(edited(record, "remove", path).rows) == [other for other in record.rows if other.path != path]
    assert record.text == text


@settings(deadline=None)
@given(st.binary())
def test_every_byte_survives_with_surrogate_escapes(data: bytes) -> None:
    """The way in which callers decode and encode."""
    path = data.replace(b"\0", b"x").decode("utf-8", "surrogateescape") or "x"
    record = edited(Record(), "add", RecordRow.listed(path))
    text = record.text.encode("utf-8", "surrogateescape")
    assert Record.parse(text.decode("utf-8", "surrogateescape")).rows == (RecordRow.listed(path),)


def test_many_edits_of_a_large_record_take_no_more_time_than_reading_it() -> None:
    """Each edit was a copy of all rows: 800 modules took 43 s."""

    def work() -> int:
        record = Record.parse("".join(f"pkg/m{n}.py,sha256={'x' * 43},{n}\r\n" for n in range(100_000)))
        edit = RecordEdit(record)
        for number in range(2000):
            edit.change(f"pkg/m{number}.py", RecordRow(f"pkg/n{number}.py", "", ""))
            edit.add_after(f"pkg/n{number}.py", RecordRow(f"pkg/o{number}.py", "", ""))
            edit.add(RecordRow(f"pkg/p{number}.py", "", ""))
            edit.remove(f"pkg/m{99_999 - number}.py")
            edit.set_text(f"pkg/p{number}.py", f"pkg/p{number}.py,x,\r\n")
            assert record.text_of(f"pkg/m{number}.py")
        return len(edit.finish().rows)

    assert within_limits(work, megabytes=300, seconds=10) == "102000"


def test_a_file_of_nothing_but_rows_does_not_take_gigabytes() -> None:
    assert within_limits(lambda: error_of("a,,\n" * 4_000_000)) == "has more than 1000000 line ends"
