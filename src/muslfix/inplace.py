"""Changing an installed project where it is, and changing it back.

What is new is made in a staging folder and moved in: first the new names, then RECORD in one step, then old
names go. No file that another tool has made is written to: uv's are hard links into its cache.
"""

from __future__ import annotations

import hashlib
import os

from muslfix.errors import InvalidProject, InvalidRecord
from muslfix.files import hash_file, write_new_file
from muslfix.modules import give_name
from muslfix.plan import Decision, Mode, Plan
from muslfix.project import InstalledProject
from muslfix.record import Record, RecordRow
from muslfix.target import Target
from muslfix.trace import TRACE, Change, changes_from_json, record_after, record_before, trace_to_json
from muslfix.transaction import Transaction, told_as_sentences


def fix_in_place(
    project: InstalledProject, record: Record, plan: Plan, target: Target, transaction: Transaction
) -> tuple[Change, ...]:
    """Give the modules of an installed project the names that are planned.

    :param project: the project
    :param record: its RECORD as it is now
    :param plan: for its files as they are now
    :param target: for which it was planned
    :param transaction: on the project's folder; not committed here
    :raises InvalidProject: if a file is not the one that RECORD lists
    :raises DestinationError: if something cannot be written
    """
    before = read_changes(project)
    changes = tuple(_give_name(project, record, decision, transaction) for decision in plan.changes)
    # A name that is made again (somebody has removed it) takes the place of its first mention.
    kept = tuple(change for change in before if change.new not in {c.new for c in changes})
    trace = trace_to_json((*kept, *changes), target).encode()
    new_record = record_after(record, changes).with_row_added(
        RecordRow.of(_trace_path(project), hashlib.sha256(trace).digest(), len(trace))
    )
    _put(project, TRACE, trace, transaction)
    _put(project, "RECORD", _encode(new_record), transaction)
    for change in changes:
        if change.mode is Mode.RENAME:
            transaction.move_out(project.locate(change.old))
    return changes


def undo_in_place(project: InstalledProject, transaction: Transaction) -> tuple[Change, ...]:
    """Put names and RECORD of an installed project back to what they were before muslfix.

    :param transaction: on the project's folder; not committed here
    :raises InvalidProject: if files have been changed since, so that going back would lose something
    :raises DestinationError: if something cannot be written
    """
    changes, record = read_changes(project), project.record()
    try:
        for change in changes:
            _check_unchanged(project, record, change)
        before = record_before(record, changes).without_row(_trace_path(project))
    except InvalidRecord as error:
        raise InvalidProject(project.record_path, error.reason, tip="install the project again") from error
    for change in changes:
        if change.mode is Mode.RENAME:
            _move_in(project, change.new, change.old, Mode.HARDLINK, transaction)
    _put(project, "RECORD", _encode(before), transaction)
    for change in changes:
        transaction.move_out(project.locate(change.new))
    transaction.move_out(os.path.join(project.root, project.dist_info, TRACE))
    return changes


def read_changes(project: InstalledProject) -> tuple[Change, ...]:
    """What muslfix has changed in a project, by its :data:`~muslfix.trace.TRACE`; nothing if there is none.

    :raises InvalidProject: if the file is damaged
    """
    path = os.path.join(project.root, project.dist_info, TRACE)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return changes_from_json(file.read())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InvalidProject(path, f"cannot be read ({error.strerror})") from error
    except InvalidProject as error:
        raise InvalidProject(path, error.reason, error.tip) from error


def _give_name(
    project: InstalledProject, record: Record, decision: Decision, transaction: Transaction
) -> Change:
    old, new, mode = decision.candidate.path, decision.new_path, decision.mode
    if new is None or mode is None:
        raise ValueError(f"nothing is planned for {old}")
    _check_listed(project, record, old)
    done = _move_in(project, old, new, Mode.HARDLINK if mode is Mode.RENAME else mode, transaction)
    if mode is Mode.RENAME:
        return Change(old, new, mode, record.text_of(old))
    return Change(old, new, done)


def _move_in(project: InstalledProject, old: str, new: str, mode: Mode, transaction: Transaction) -> Mode:
    """Make a second name in a staging folder and move it beside the first."""
    source, target = project.locate(old), project.locate(new)
    staged = os.path.join(transaction.staging_folder(os.path.dirname(target)), os.path.basename(target))
    with told_as_sentences(target):
        done = give_name(source, staged, mode)
    transaction.rename(staged, target)
    return done


def _put(project: InstalledProject, name: str, content: bytes, transaction: Transaction) -> None:
    """Write a file of the ``.dist-info`` in one step, whether it exists or not."""
    path = os.path.join(project.root, project.dist_info, name)
    staged = os.path.join(transaction.staging_folder(os.path.dirname(path)), name)
    with told_as_sentences(path):
        write_new_file(staged, [content], executable=False)
        if os.path.lexists(path):
            os.chmod(staged, os.stat(path).st_mode & 0o777)
    if os.path.lexists(path):
        transaction.replace(staged, path)
    else:
        transaction.rename(staged, path)


def _check_listed(project: InstalledProject, record: Record, path: str) -> None:
    """Hold a file against its row: a row for a new name must not repeat something untrue."""
    row = record.get(path)
    try:
        digest, algorithm = (row.digest, row.algorithm) if row is not None else (None, None)
        with told_as_sentences(project.locate(path)):
            actual = hash_file(project.locate(path), algorithm) if algorithm else None
    except (InvalidRecord, ValueError) as error:
        raise InvalidProject(project.record_path, f"has no usable hash for {path}") from error
    if digest != actual:
        raise InvalidProject(
            project.locate(path),
            f"is not the file that RECORD of {project.name} lists: its hash differs",
            tip="install the project again",
        )


def _check_unchanged(project: InstalledProject, record: Record, change: Change) -> None:
    for path in (change.new,) if change.mode is Mode.RENAME else (change.old, change.new):
        if not os.path.isfile(project.locate(path)):
            raise InvalidProject(
                project.locate(path), "is gone, so it cannot be undone", tip="install the project again"
            )
        _check_listed(project, record, path)
    if change.mode is Mode.RENAME and os.path.lexists(project.locate(change.old)):
        raise InvalidProject(
            project.locate(change.old),
            "has come since it was renamed, so that cannot be undone",
            tip="install the project again",
        )


def _trace_path(project: InstalledProject) -> str:
    return f"{project.dist_info}/{TRACE}"


def _encode(record: Record) -> bytes:
    return record.text.encode("utf-8", "surrogateescape")
