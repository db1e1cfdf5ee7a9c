"""Changing an installed project in place, and changing it back.

New files are made in a staging directory and moved in: first the new names, then RECORD in one step, then old
names go. No file that another tool has made is written to: uv's are hard links into its cache.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muslfix.errors import InvalidProject, InvalidRecord, destination_errors, spelling_errors, why
from muslfix.files import TRACE, hash_file, is_there, kind_of, read_regular, write_new_file
from muslfix.projects.names import give_name, planned_name
from muslfix.projects.ownership import check_alone, check_place
from muslfix.projects.project import MAX_OTHER, InstalledProject, is_inside
from muslfix.projects.trace import Change, apply_changes, changes_from_json, take_back_changes, trace_to_json
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record, RecordRow
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode

if TYPE_CHECKING:  # undo needs no planner
    from muslfix.modules.plan import Decision, Plan

_REINSTALL = "install the project again"


@spelling_errors()
def fix_in_place(
    project: InstalledProject, record: Record, plan: Plan, target: Target, transaction: Transaction
) -> tuple[Change, ...]:
    """Give the modules of an installed project their planned names.

    :param project: the project
    :param record: its RECORD as it is now
    :param plan: for its files as they are now
    :param target: the Python for which it was planned
    :param transaction: on the project's directory; not committed here
    :return: what was done
    :raises InvalidProject: if a file is not the one that RECORD lists
    :raises DestinationError: if something cannot be written
    """
    before = check_in_place(project, record, plan)
    with transaction.together():
        changes = tuple(_give_name(project, record, decision, transaction) for decision in plan.changes)
        trace = trace_to_json((*_without_lost(before, changes), *changes), target).encode()
        edit = RecordEdit(record)
        apply_changes(edit, changes)
        edit.add(RecordRow.of(_trace_path(project), hashlib.sha256(trace).digest(), len(trace)))
        _put(project, TRACE, trace, transaction)
        _put(project, "RECORD", _encode(edit.finish()), transaction)
        for change in changes:
            if change.mode is Mode.RENAME:
                transaction.move_out(project.locate(change.old))
    return changes


def check_in_place(project: InstalledProject, record: Record, plan: Plan) -> tuple[Change, ...]:
    """Compare the files that will get new names with RECORD, since their new rows repeat what it says.

    :return: what muslfix has changed in the project before
    :raises InvalidProject: if a file is not the one that RECORD lists, RECORD lists the new name already, or
        the project does not have it for itself
    """
    check_place(project)
    before = read_changes(project)
    check_alone(project, [d.candidate.path for d in plan.changes if planned_name(d)[2] is Mode.RENAME])
    for decision in plan.changes:
        _check_listed(project, record, decision.candidate.path)
        new = decision.new_path or ""
        if record.get(new) is not None and new not in {change.new for change in before}:
            raise InvalidProject(
                project.locate(new), f"does not exist, but the RECORD of {project.name} lists it", _REINSTALL
            )
    return before


@dataclass(frozen=True)
class WayBack:
    """What turns a project back into what it was before muslfix.

    :param changes: what muslfix has changed
    :param coming: the names to restore, each with the present name of its file
    :param going: the names to remove
    :param record: the RECORD to restore
    """

    changes: tuple[Change, ...] = ()
    coming: tuple[tuple[str, str], ...] = ()
    going: tuple[str, ...] = ()
    record: Record = field(default_factory=Record)


def find_way_back(project: InstalledProject) -> WayBack:
    """Find out how to undo what muslfix has changed in an installed project.

    :raises InvalidProject: if files have been changed since, so that undoing would lose something
    """
    changes = read_changes(project)
    if not changes:
        return WayBack()
    check_place(project)
    record = project.record()
    try:
        _check_listed(project, record, _trace_path(project))
        coming, going = _retrace(project, record, changes)
        edit = RecordEdit(record)
        take_back_changes(edit, changes)
        edit.remove(_trace_path(project))
    except InvalidRecord as error:
        raise InvalidProject(project.record_path, error.reason, _REINSTALL) from error
    check_alone(project, [*going, *(present for _, present in coming)])
    return WayBack(changes, coming, going, edit.finish())


def undo_in_place(project: InstalledProject, transaction: Transaction) -> tuple[Change, ...]:
    """Put names and RECORD of an installed project back to what they were before muslfix.

    :param transaction: on the project's directory; not committed here
    :return: what was undone
    :raises InvalidProject: if files have been changed since
    :raises DestinationError: if something cannot be written
    """
    back = find_way_back(project)
    with transaction.together():
        for old, present in back.coming:
            staged, _ = _stage_name(project, present, old, Mode.HARDLINK, transaction)
            _place(staged, project.locate(old), transaction)
        if back.changes:
            _put(project, "RECORD", _encode(back.record), transaction)
            for path in (*back.going, _trace_path(project)):
                transaction.move_out(project.locate(path))
    return back.changes


def read_changes(project: InstalledProject) -> tuple[Change, ...]:
    """What muslfix has changed in a project, by its :data:`~muslfix.files.TRACE`.

    :raises InvalidProject: if the file is damaged
    """
    path = os.path.join(project.root, project.dist_info, TRACE)
    try:
        return changes_from_json(read_regular(path, MAX_OTHER).decode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InvalidProject(path, f"cannot be read ({why(error)})") from error
    except InvalidProject as error:
        raise InvalidProject(path, error.reason, error.tip) from error


def _give_name(
    project: InstalledProject, record: Record, decision: Decision, transaction: Transaction
) -> Change:
    old, new, mode = planned_name(decision)
    staged, done = _stage_name(project, old, new, Mode.HARDLINK if mode is Mode.RENAME else mode, transaction)
    transaction.rename(staged, project.locate(new))
    if mode is Mode.RENAME:
        return Change(old, new, mode, record.text_of(old))
    return Change(old, new, done)


def _stage_name(
    project: InstalledProject, old: str, new: str, mode: Mode, transaction: Transaction
) -> tuple[str, Mode]:
    """Make a second name in a staging directory, to be moved beside the first; return its path and how."""
    source, target = project.locate(old), project.locate(new)
    staged = os.path.join(transaction.staging_directory(os.path.dirname(target)), os.path.basename(target))
    with destination_errors(target):
        return staged, give_name(source, staged, mode)


def _put(project: InstalledProject, name: str, content: bytes, transaction: Transaction) -> None:
    """Create or replace a file of the ``.dist-info`` in one step."""
    path = os.path.join(project.root, project.dist_info, name)
    staged = os.path.join(transaction.staging_directory(os.path.dirname(path)), name)
    with destination_errors(path):
        write_new_file(staged, [content], executable=False)
        if is_there(path):
            os.chmod(staged, os.stat(path).st_mode & 0o777)
        _give_to_owner(staged, project.record_path)
    _place(staged, path, transaction)


def _give_to_owner(staged: str, record: str) -> None:
    """Let a new file belong to the owner of RECORD, as far as this user may give files away: root may."""
    state, own = os.stat(record), os.stat(staged)
    if (state.st_uid, state.st_gid) != (own.st_uid, own.st_gid):
        with suppress(PermissionError):
            os.chown(staged, state.st_uid, state.st_gid)


def _place(staged: str, path: str, transaction: Transaction) -> None:
    if is_there(path):
        transaction.replace(staged, path)
    else:
        transaction.rename(staged, path)


def _without_lost(before: Sequence[Change], changes: Sequence[Change]) -> Iterator[Change]:
    """The earlier changes, without those whose new name was removed since and is now made again."""
    made = {change.new for change in changes}
    renamed: set[str] = set()  # by a later change
    kept = []
    for change in reversed(before):
        if change.mode is Mode.RENAME or change.new in renamed or change.new not in made:
            kept.append(change)
        if change.mode is Mode.RENAME:
            renamed.add(change.old)
    yield from reversed(kept)


def _retrace(
    project: InstalledProject, record: Record, changes: Sequence[Change]
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Go back from the last change to the first; each may have renamed what an earlier one made.

    :return: the names to restore and those to remove, as in :class:`WayBack`
    :raises InvalidProject: if a file is missing, or not what it was
    """
    going: dict[str, None] = {}
    coming: dict[str, str] = {}

    def find(path: str) -> str:
        if path not in coming:
            _check_present(project, record, path, gone=path in going)
        return coming.get(path, path)

    for change in reversed(changes):
        present = find(change.new)
        if coming.pop(change.new, None) is None:
            going[present] = None
        if change.mode is Mode.RENAME:
            if change.old not in going and is_there(project.locate(change.old)):
                raise InvalidProject(
                    project.locate(change.old),
                    "was created after the rename, so the rename cannot be undone",
                    _REINSTALL,
                )
            coming[change.old] = present
        elif _hash_of(record, find(change.old)) != _hash_of(record, present):
            raise InvalidProject(
                project.locate(present),
                f"is no longer the same file as {change.old}, so it is kept",
                _REINSTALL,
            )
    return (
        tuple((path, present) for path, present in coming.items() if path != present),
        tuple(path for path in going if path not in coming),
    )


def _check_present(project: InstalledProject, record: Record, path: str, *, gone: bool) -> None:
    if not is_inside(project.root, path):
        raise InvalidProject(project.locate(path), f"leads out of the directory of {project.name}")
    if gone or not _is_file(project.locate(path)):
        raise InvalidProject(project.locate(path), "is missing, so the change cannot be undone", _REINSTALL)
    _check_listed(project, record, path)


def _is_file(path: str) -> bool:
    with destination_errors(path):
        return kind_of(path) == stat.S_IFREG


def _check_listed(project: InstalledProject, record: Record, path: str) -> None:
    """Compare a file with its row, if that has a hash; it need not have one."""
    row = _row_of(record, path)
    if not row.has_hash:
        return
    try:
        with destination_errors(project.locate(path)):
            actual = hash_file(project.locate(path), row.algorithm or "")
        digest = row.digest
    except (InvalidRecord, ValueError) as error:
        raise InvalidProject(project.record_path, f"has no usable hash for {path}", _REINSTALL) from error
    if digest != actual:
        raise InvalidProject(
            project.locate(path),
            f"is not the file that the RECORD of {project.name} lists: its hash differs",
            _REINSTALL,
        )


def _hash_of(record: Record, path: str) -> str:
    return _row_of(record, path).hash


def _row_of(record: Record, path: str) -> RecordRow:
    row = record.get(path)
    if row is None:
        raise InvalidRecord(None, f"has no row for {path}")
    return row


def _trace_path(project: InstalledProject) -> str:
    return f"{project.dist_info}/{TRACE}"


def _encode(record: Record) -> bytes:
    return os.fsencode(record.text)
