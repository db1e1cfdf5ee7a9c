"""``muslfix.json``: what was changed in an installed project, and for which target.

``undo`` reads it. It is in the ``.dist-info`` directory and listed in RECORD, so any tool that uninstalls the
project removes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import NamedTuple

from muslfix._version import __version__
from muslfix.errors import InvalidJson, InvalidProject, InvalidRecord
from muslfix.files.untrusted_json import JsonObject, parse_json
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record, RecordRow
from muslfix.suffix import ExtensionFilename
from muslfix.targets.target import Target
from muslfix.verdicts import Mode

_FORMAT = 1


class Change(NamedTuple):
    """A new name that a module was given.

    :param old: path of the file in its wheel, as RECORD spells it
    :param new: the path that the target imports
    :param mode: how it was done; not as planned where a file system refuses links
    :param row: for a renamed file the text of its RECORD row, including the line end, if it had one
    """

    old: str
    new: str
    mode: Mode
    row: str | None = None


def trace_to_json(changes: Iterable[Change], target: Target, *more: Target) -> str:
    """The content of the file.

    :param changes: all changes to the project
    :param target: the Python they are for
    :param more: other Pythons they are for, in a wheel for several
    """
    facts = {
        "format": _FORMAT,
        "muslfix": __version__,
        "target": _facts_of(target),
        **({"more_targets": [_facts_of(other) for other in more]} if more else {}),
        "changes": [change._asdict() for change in changes],
    }
    return json.dumps(facts, indent=2) + "\n"


def _facts_of(target: Target) -> dict[str, object]:
    return {
        "extension_suffixes": list(target.extension_suffixes),
        "libc": target.libc,
        "machine": asdict(target.machine),
    }


def changes_from_json(text: str) -> tuple[Change, ...]:
    """Read what :func:`trace_to_json` wrote.

    :raises InvalidProject: if it is anything else, or names a path that leaves the project's directory
    """
    try:
        facts = JsonObject(parse_json(text))
        if facts.value("format") != _FORMAT:
            raise InvalidProject(
                None,
                f"has format {facts.value('format')!r:.40}, but this muslfix reads format {_FORMAT}",
                tip="use the muslfix that wrote it",
            )
        changes = tuple(
            Change(item.text("old"), item.text("new"), Mode(item.text("mode")), item.optional_text("row"))
            for item in facts.objects("changes")
        )
    except (InvalidJson, ValueError) as error:
        raise InvalidProject(None, f"was not written by muslfix: {error}") from error
    for change in changes:
        _check_change(change)
    return changes


def _check_change(change: Change) -> None:
    for path in (change.old, change.new):
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise InvalidProject(None, f"names {path!r:.80}, which leaves the directory of the project")
    if _module(change.old) is None or _module(change.old) != _module(change.new) or change.old == change.new:
        raise InvalidProject(None, f"names {change.new!r:.80} as another name of {change.old!r:.80}")


def _module(path: str) -> tuple[str, str] | None:
    """The directory and the module's own name, which no change touches; ``None`` for anything else."""
    name = ExtensionFilename.parse(path)
    return None if name is None else (path.rpartition("/")[0], name.module)


def changed_rows(rows: Iterable[RecordRow], changes: Iterable[Change]) -> Iterator[RecordRow]:
    """The rows of a new RECORD: a renamed file has its new path, a second name has its own row.

    :param rows: the rows without the changes
    """
    by_old = {change.old: change for change in changes}
    for row in rows:
        change = by_old.get(row.path)
        if change is None or change.mode is not Mode.RENAME:
            yield row
        if change is not None:
            yield RecordRow(change.new, row.hash, row.size)


def apply_changes(edit: RecordEdit, changes: Iterable[Change]) -> None:
    """Let a RECORD say what changes have made of the files; every other byte stays.

    :raises InvalidRecord: if it does not list a file that was changed
    """
    for change in changes:
        row = row_of(edit, change.old)
        new_row = RecordRow(change.new, row.hash, row.size)
        if change.mode is Mode.RENAME:
            edit.change(change.old, new_row)
        else:
            edit.add_after(change.old, new_row)


def take_back_changes(edit: RecordEdit, changes: Iterable[Change]) -> None:
    """Let a RECORD say what it said before :func:`apply_changes`.

    :raises InvalidRecord: if it does not list a file that was changed, or a saved row is of another file
    """
    for change in reversed(tuple(changes)):
        row = row_of(edit, change.new)
        if change.mode is not Mode.RENAME:
            edit.remove(change.new)
            continue
        edit.change(change.new, RecordRow(change.old, row.hash, row.size))
        if change.row is not None:
            edit.set_text(change.old, change.row)
            if edit.get(change.old) is None:
                raise InvalidRecord(None, f"cannot hold {change.row!r:.200} as the row of {change.old}")


def row_of(record: Record | RecordEdit, path: str) -> RecordRow:
    """The row of a file.

    :raises InvalidRecord: if it has none
    """
    row = record.get(path)
    if row is None:
        raise InvalidRecord(None, f"has no row for {path}")
    return row
