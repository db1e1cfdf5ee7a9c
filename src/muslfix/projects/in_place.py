"""Changing an installed project in place.

New files are made in a staging directory and moved in: first the new names, then RECORD in one step, then old
names go. No file that another tool has made is written to: uv's are hard links into its cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from muslfix.errors import InvalidProject, InvalidRecord, destination_errors, spelling_errors, why
from muslfix.files.access import TRACE, hash_file, is_there, read_regular, write_new_file
from muslfix.projects.names import give_name, planned_name
from muslfix.projects.ownership import Owners, check_place
from muslfix.projects.project import MAX_OTHER, InstalledProject, tip_about
from muslfix.projects.trace import Change, apply_changes, changes_from_json, row_of, trace_to_json
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record, RecordRow
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode

if TYPE_CHECKING:  # undo needs no planner
    from muslfix.modules.plan import Decision, Plan

REINSTALL = "install the project again"


@spelling_errors()
def fix_in_place(  # noqa: PLR0913 - what is known, and where it goes
    project: InstalledProject,
    record: Record,
    plan: Plan,
    target: Target,
    transaction: Transaction,
    owners: Owners | None = None,
) -> tuple[Change, ...]:
    """Give the modules of an installed project their planned names.

    :param project: the project
    :param record: its RECORD as it is now
    :param plan: for its files as they are now
    :param target: the Python for which it was planned
    :param transaction: on the project's directory; not committed here
    :param owners: of the files in that directory, where several projects are fixed
    :return: what was done
    :raises InvalidProject: if a file is not the one that RECORD lists
    :raises DestinationError: if something cannot be written
    """
    before = check_in_place(project, record, plan, owners)
    with transaction.together():
        changes = tuple(_give_name(project, record, decision, transaction) for decision in plan.changes)
        trace = trace_to_json((*_without_lost(before, changes), *changes), target).encode()
        edit = RecordEdit(record)
        apply_changes(edit, changes)
        edit.add(RecordRow.of(trace_path(project), hashlib.sha256(trace).digest(), len(trace)))
        put_metadata(project, TRACE, trace, transaction)
        put_metadata(project, "RECORD", encode(edit.finish()), transaction)
        for change in changes:
            if change.mode is Mode.RENAME:
                transaction.move_out(project.locate(change.old))
    return changes


def check_in_place(
    project: InstalledProject, record: Record, plan: Plan, owners: Owners | None = None
) -> tuple[Change, ...]:
    """Compare the files that will get new names with RECORD, since their new rows repeat what it says.

    :param owners: see :func:`fix_in_place`
    :return: what muslfix has changed in the project before
    :raises InvalidProject: if a file is not the one that RECORD lists, RECORD lists the new name already, or
        the project does not have it for itself
    """
    check_place(project)
    before = read_changes(project)
    leaving = [d.candidate.path for d in plan.changes if planned_name(d)[2] is Mode.RENAME]
    (owners or Owners()).check_alone(project, leaving)
    for decision in plan.changes:
        check_listed(project, record, decision.candidate.path)
        new = decision.new_path or ""
        if record.get(new) is not None and new not in {change.new for change in before}:
            raise InvalidProject(
                project.locate(new), f"does not exist, but the RECORD of {project.title} lists it", REINSTALL
            )
    return before


def read_changes(project: InstalledProject) -> tuple[Change, ...]:
    """What muslfix has changed in a project, by its :data:`~muslfix.files.access.TRACE`.

    :raises InvalidProject: if the file is damaged
    """
    path = project.locate(trace_path(project))
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
    staged, done = stage_name(project, old, new, Mode.HARDLINK if mode is Mode.RENAME else mode, transaction)
    transaction.rename(staged, project.locate(new))
    if mode is Mode.RENAME:
        return Change(old, new, mode, record.text_of(old))
    return Change(old, new, done)


def stage_name(
    project: InstalledProject, old: str, new: str, mode: Mode, transaction: Transaction
) -> tuple[str, Mode]:
    """Make a second name in a staging directory, to be moved beside the first; return its path and how."""
    source, target = project.locate(old), project.locate(new)
    staged = transaction.staging_place(os.path.dirname(target))
    with destination_errors(target):
        return staged, give_name(source, staged, mode)


def put_metadata(project: InstalledProject, name: str, content: bytes, transaction: Transaction) -> None:
    """Create or replace a file of the ``.dist-info`` in one step."""
    path = os.path.join(project.root, project.dist_info, name)
    staged = transaction.staging_place(os.path.dirname(path))
    with destination_errors(path):
        write_new_file(staged, [content], executable=False)
        if is_there(path):
            os.chmod(staged, os.stat(path).st_mode & 0o777)
        _give_to_owner(staged, project.record_path)
    place_staged(staged, path, transaction)


def _give_to_owner(staged: str, record: str) -> None:
    """Let a new file belong to the owner of RECORD, as far as this user may give files away: root may."""
    state, own = os.stat(record), os.stat(staged)
    if (state.st_uid, state.st_gid) != (own.st_uid, own.st_gid):
        with suppress(PermissionError):
            os.chown(staged, state.st_uid, state.st_gid)


def place_staged(staged: str, path: str, transaction: Transaction) -> None:
    """Move a staged file to where it belongs, over what is there."""
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


def check_listed(
    project: InstalledProject,
    record: Record,
    path: str,
    known: dict[tuple[int, int, str], bytes] | None = None,
) -> None:
    """Compare a file with its row, if that has a hash; it need not have one.

    :param known: digests of files that were read before, by device, inode number and algorithm
    :raises InvalidProject: if it is another file
    """
    row = row_of(record, path)
    if not row.has_hash:
        return
    try:
        actual = _digest(project.locate(path), row.algorithm or "", {} if known is None else known)
        digest = row.digest
    except OSError as error:
        reason = f"cannot be compared with RECORD ({why(error)})"
        raise InvalidProject(project.locate(path), reason, tip_about(error)) from error
    except (InvalidRecord, ValueError) as error:
        raise InvalidProject(project.record_path, f"has no usable hash for {path}", REINSTALL) from error
    if digest != actual:
        raise InvalidProject(
            project.locate(path),
            f"is not the file that the RECORD of {project.title} lists: its hash differs",
            REINSTALL,
        )


def _digest(path: str, algorithm: str, known: dict[tuple[int, int, str], bytes]) -> bytes:
    state = os.stat(path)
    file = state.st_dev, state.st_ino, algorithm
    if file not in known:
        known[file] = hash_file(path, algorithm)
    return known[file]


def trace_path(project: InstalledProject) -> str:
    """Where what was changed is noted, as RECORD spells it."""
    return f"{project.dist_info}/{TRACE}"


def encode(record: Record) -> bytes:
    """A RECORD as it is on disk."""
    return os.fsencode(record.text)
