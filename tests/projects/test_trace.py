"""``muslfix.json`` as text, and what its changes make of a RECORD, there and back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from misnamed import BARE, MODES, RIGHT, WRONG, running

from muslfix import __version__
from muslfix.errors import InvalidProject, InvalidRecord
from muslfix.projects.trace import (
    Change,
    apply_changes,
    changed_rows,
    changes_from_json,
    take_back_changes,
    trace_to_json,
)
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record, RecordRow
from muslfix.verdicts import Mode

OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"
SYMLINK, RENAME = Change(OLD, NEW, Mode.SYMLINK), Change(OLD, NEW, Mode.RENAME, f"{OLD},,\n")
SUFFIXES = (WRONG, RIGHT, BARE, ".abi3.so", ".so")


def facts(*changes: Any, **more: Any) -> str:
    return json.dumps({"format": 1, "changes": list(changes), **more})


def refused(text: str) -> InvalidProject:
    with pytest.raises(InvalidProject) as caught:
        changes_from_json(text)
    assert caught.value.path is None
    return caught.value


# -- the text ---------------------------------------------------------------------------------------


def test_what_is_written() -> None:
    target = replace(running(), extension_suffixes=(RIGHT, ".so"))
    assert json.loads(trace_to_json([SYMLINK, RENAME], target)) == {
        "format": 1,
        "muslfix": __version__,
        "target": {
            "extension_suffixes": [RIGHT, ".so"],
            "libc": str(target.libc),
            "machine": json.loads(target.to_json())["machine"],
        },
        "changes": [
            {"old": OLD, "new": NEW, "mode": "symlink", "row": None},
            {"old": OLD, "new": NEW, "mode": "rename", "row": f"{OLD},,\n"},
        ],
    }
    assert trace_to_json([], target).endswith("}\n")


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Change,
            st.just(OLD),
            st.sampled_from([f"demo/_speed{suffix}" for suffix in SUFFIXES if suffix != WRONG]),
            st.sampled_from(Mode),
            st.none() | st.text(),
        )
    )
)
def test_what_is_written_is_read(changes: list[Change]) -> None:
    try:
        "".join(change.row or "" for change in changes).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        refused(trace_to_json(changes, running()))
    else:
        assert changes_from_json(trace_to_json(changes, running())) == tuple(changes)


def test_names_that_are_not_utf8_are_written_and_read() -> None:
    change = Change(f"d\udcff/m{WRONG}", f"d\udcff/m{RIGHT}", Mode.RENAME, f"d\udcff/m{WRONG},,\r\n")
    text = trace_to_json([change], running())
    assert text.isascii()
    assert changes_from_json(text) == (change,)


def test_what_later_versions_may_add_is_passed_over() -> None:
    change = {"old": OLD, "new": NEW, "mode": "copy", "why": "new"}
    assert changes_from_json(facts(change, future=[1])) == (Change(OLD, NEW, Mode.COPY),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"old": f"/m{WRONG}", "new": f"/m{RIGHT}"},
            f"names '/m{WRONG}', which leaves the directory of the project",
        ),
        ({"new": f"../m{RIGHT}"}, f"names '../m{RIGHT}', which leaves the directory of the project"),
        ({"new": "a\0"}, "names 'a\\x00', which leaves the directory of the project"),
        ({"new": f"m{RIGHT}"}, f"names 'm{RIGHT}' as another name of {OLD!r}"),
        ({"new": f"demo/m{RIGHT}"}, f"names 'demo/m{RIGHT}' as another name of {OLD!r}"),
        ({"new": f"demo/_speed{RIGHT}.1"}, f"names 'demo/_speed{RIGHT}.1' as another name of {OLD!r}"),
        ({"new": OLD}, f"names {OLD!r} as another name of {OLD!r}"),
        ({"old": "a.py", "new": "a.py"}, "names 'a.py' as another name of 'a.py'"),
        ({"row": 1}, "was not written by muslfix: changes.0.row is 1, which is not text"),
        ({"row": ""}, None),
        ({"mode": "none"}, "was not written by muslfix: 'none' is not a valid Mode"),
        ({"mode": None}, "was not written by muslfix: changes.0.mode is None, which is not text"),
        ({"row": "\ud800"}, "was not written by muslfix: is not JSON"),
    ],
)
def test_changes_that_are_refused(change: dict[str, Any], reason: str | None) -> None:
    text = facts({"old": OLD, "new": NEW, "mode": "rename", **change})
    if reason is None:
        assert changes_from_json(text)
    else:
        assert refused(text).reason.startswith(reason)


def test_a_long_name_is_cut() -> None:
    assert len(refused(facts({"old": "/" + "x" * 9999, "new": NEW, "mode": "copy"})).reason) < 200


@pytest.mark.parametrize("value", [2, 0, "1", None, [1], {}, 1.5])
def test_another_format_is_refused(value: Any) -> None:
    error = refused(json.dumps({"format": value, "changes": []}))
    assert error.reason == f"has format {value!r:.40}, but this muslfix reads format 1"
    assert error.tip == "use the muslfix that wrote it"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=8,
)
PATH = st.sampled_from(
    [OLD, NEW, "", "/", "..", "a\0", f"../x{RIGHT}", f"/x{RIGHT}", f"demo/x{RIGHT}", "a.py"]
)
ALMOST = st.fixed_dictionaries(
    {
        "format": st.just(1) | JSON,
        "changes": JSON
        | st.lists(
            JSON
            | st.fixed_dictionaries(
                {"old": PATH | JSON, "new": PATH | JSON, "mode": st.sampled_from(MODES) | JSON},
                optional={"row": JSON},
            ),
            max_size=3,
        ),
    }
)


@settings(deadline=None)
@given(JSON | ALMOST)
def test_whatever_it_says_the_paths_stay_in_the_folder_of_the_project(value: Any) -> None:
    try:
        changes = changes_from_json(json.dumps(value))
    except InvalidProject as error:
        assert (error.path, len(error.reason) < 300) == (None, True)  # noqa: PT017
    else:
        for change in changes:
            assert change.old != change.new
            for path in (change.old, change.new):
                assert path.endswith(".so")
                assert not path.startswith("/")
                assert not {"..", ""} & set(path.split("/"))
                path.encode("utf-8", "surrogateescape")


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refused(text).reason


# -- rows -------------------------------------------------------------------------------------------


def test_rows_of_a_record_that_is_being_made() -> None:
    rows = [RecordRow("a.py", "h", "1"), RecordRow(OLD, "hash", "2"), RecordRow("b.py", "", "")]
    new = RecordRow(NEW, "hash", "2")
    assert list(changed_rows(rows, [])) == rows
    assert list(changed_rows(rows, [SYMLINK])) == [*rows[:2], new, rows[2]]
    assert list(changed_rows(rows, [RENAME])) == [rows[0], new, rows[2]]
    assert list(changed_rows(rows, [Change("absent.so", NEW, Mode.COPY)])) == rows


def record_after(record: Record, changes: list[Change]) -> Record:
    edit = RecordEdit(record)
    apply_changes(edit, changes)
    return edit.finish()


def record_before(record: Record, changes: list[Change]) -> Record:
    edit = RecordEdit(record)
    take_back_changes(edit, changes)
    return edit.finish()


def added(record: Record, row: RecordRow) -> Record:
    edit = RecordEdit(record)
    edit.add(row)
    return edit.finish()


def removed(record: Record, row: RecordRow) -> Record:
    edit = RecordEdit(record)
    edit.remove(row.path)
    return edit.finish()


@pytest.mark.parametrize("mode", Mode)
def test_a_record_without_the_file_cannot_be_changed(mode: Mode) -> None:
    record = Record.parse("a,,\n")
    with pytest.raises(InvalidRecord, match=f"has no row for {OLD}"):
        record_after(record, [Change(OLD, NEW, mode)])
    with pytest.raises(InvalidRecord, match=f"has no row for {NEW}"):
        record_before(record, [Change(OLD, NEW, mode)])


@pytest.mark.parametrize("row", ["other,,\n", f"{OLD},,\n{OLD},,\n", "", "\n", '"', f"{OLD},\n", "a\0,,\n"])
def test_a_row_that_is_not_that_of_the_file_is_refused(row: str) -> None:
    record = Record.parse(f"a,,\n{NEW},,\n")
    with pytest.raises(InvalidRecord):
        record_before(record, [Change(OLD, NEW, Mode.RENAME, row)])


def test_a_renamed_file_without_its_old_row_gets_one_of_todays_spelling() -> None:
    """So for what ``install`` has renamed: RECORD never had another row."""
    record = Record.parse(f'a,,\r\n"{NEW}",h,1\r\nb,,')
    assert record_before(record, [Change(OLD, NEW, Mode.RENAME)]).text == f"a,,\r\n{OLD},h,1\r\nb,,"


# -- there and back ---------------------------------------------------------------------------------

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
OTHER_PATHS = st.text(
    st.sampled_from(list("ab/. \"',\r\n\udcff\u2028é")) | st.characters(exclude_characters="\0"),
    min_size=1,
    max_size=6,
).filter(lambda path: not path.endswith(".so") and _encodes(path))
FIELDS = st.sampled_from(["", "sha256=YWI", 'a"b', "1"])


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@st.composite
def records(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A RECORD of any form, and the paths of its modules."""
    modules = [f"demo/_m{n}{WRONG}" for n in range(draw(st.integers(1, 3)))]
    others = draw(st.lists(OTHER_PATHS, max_size=4)) + ["demo-1.0.dist-info/RECORD"] * draw(st.integers(0, 1))
    lines = []
    for path in draw(st.permutations([*modules, *others])):
        text = io.StringIO()
        dialect = "unix" if draw(st.booleans()) else "excel"  # which quotes all, or what it must
        csv.writer(text, dialect, lineterminator="\r\n").writerow([path, draw(FIELDS), draw(FIELDS)])
        lines.append(text.getvalue()[:-2] + draw(ENDS))
        lines += draw(st.lists(ENDS, max_size=1))  # blank lines
    text_ = "".join(lines)
    return (text_.rstrip("\r\n") if draw(st.booleans()) else text_), modules


@settings(deadline=None)
@given(records(), st.data())
def test_back_is_the_way_there_whatever_record_looks_like(
    record: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = record
    now = Record.parse(text)
    changes: list[Change] = []
    for _ in range(data.draw(st.integers(1, 5))):
        old = data.draw(st.sampled_from(names))
        stem = old.partition(".")[0]
        free = [stem + suffix for suffix in SUFFIXES if stem + suffix not in names]
        if not free:
            continue
        new, mode = data.draw(st.sampled_from(free)), data.draw(st.sampled_from(Mode))
        change = Change(old, new, mode, now.text_of(old) if mode is Mode.RENAME else None)
        now = record_after(now, [change])
        names = [name for name in names if name != old or mode is not Mode.RENAME] + [new]
        changes.append(change)
    trace = RecordRow("demo-1.0.dist-info/muslfix.json", "sha256=YWI", "2")
    now = added(now, trace)

    assert {row.path for row in now.rows} >= {*names, trace.path}
    assert added(record_after(Record.parse(text), changes), trace).text == now.text
    reread = Record.parse(now.text)
    assert removed(record_before(reread, changes), trace).text == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_that_stand_there_twice_come_back_twice(end: str) -> None:
    text = f"{OLD},h,1{end}a,,{end}{OLD},h,1{end}"
    for mode in Mode:
        record = Record.parse(text)
        change = Change(OLD, NEW, mode, record.text_of(OLD) if mode is Mode.RENAME else None)
        after = record_after(record, [change])
        assert (after.get(OLD) is None) == (mode is Mode.RENAME)
        assert record_before(after, [change]).text == text
