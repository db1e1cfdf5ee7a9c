"""Changing an installed project back to what it was before muslfix."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from muslfix.errors import InvalidProject, InvalidRecord, destination_errors
from muslfix.files.access import is_there, kind_of
from muslfix.projects.in_place import (
    REINSTALL,
    check_listed,
    encode,
    place_staged,
    put_metadata,
    read_changes,
    stage_name,
    trace_path,
)
from muslfix.projects.ownership import Owners, check_place
from muslfix.projects.project import Inside, InstalledProject
from muslfix.projects.trace import Change, row_of, take_back_changes
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import Record
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode


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

    def check_alone(self, project: InstalledProject, owners: Owners) -> None:
        """Refuse it where it would take a file away that another project lists too.

        :raises InvalidProject: if it would
        """
        owners.check_alone(project, [*self.going, *(present for _, present in self.coming)])


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
        check_listed(project, record, trace_path(project))
        coming, going = _Retrace(project, record).all(changes)
        edit = RecordEdit(record)
        take_back_changes(edit, changes)
        edit.remove(trace_path(project))
    except InvalidRecord as error:
        raise InvalidProject(project.record_path, error.reason, REINSTALL) from error
    return WayBack(changes, coming, going, edit.finish())


def undo_in_place(project: InstalledProject, back: WayBack, owners: Owners, transaction: Transaction) -> None:
    """Put names and RECORD of an installed project back to what they were before muslfix.

    :param back: for its files as they are now
    :param owners: of the files in its directory
    :param transaction: on the project's directory; not committed here
    :raises InvalidProject: if another project lists one of its files too
    :raises DestinationError: if something cannot be written
    """
    back.check_alone(project, owners)
    with transaction.together():
        for old, present in back.coming:
            staged, _ = stage_name(project, present, old, Mode.HARDLINK, transaction)
            place_staged(staged, project.locate(old), transaction)
        if back.changes:
            put_metadata(project, "RECORD", encode(back.record), transaction)
            for path in (*back.going, trace_path(project)):
                transaction.move_out(project.locate(path))


class _Retrace:
    """The way back from the last change to the first; each may have renamed what an earlier one made.

    :param record: the project's RECORD as it is now
    """

    def __init__(self, project: InstalledProject, record: Record) -> None:
        self._project = project
        self._record = record
        self._inside = Inside(project.root)
        self._known: dict[tuple[int, int, str], bytes] = {}
        self._going: dict[str, None] = {}
        self._coming: dict[str, str] = {}

    def all(self, changes: Sequence[Change]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """The names to restore and those to remove, as in :class:`WayBack`.

        :raises InvalidProject: if a file is missing, or not what it was
        """
        for change in reversed(changes):
            self._one(change)
        return (
            tuple((path, present) for path, present in self._coming.items() if path != present),
            tuple(path for path in self._going if path not in self._coming),
        )

    def _one(self, change: Change) -> None:
        present = self._find(change.new)
        if self._coming.pop(change.new, None) is None:
            self._going[present] = None
        if change.mode is Mode.RENAME:
            if change.old not in self._going and is_there(self._project.locate(change.old)):
                raise InvalidProject(
                    self._project.locate(change.old),
                    "was created after the rename, so the rename cannot be undone",
                    REINSTALL,
                )
            self._coming[change.old] = present
        elif self._hash_of(self._find(change.old)) != self._hash_of(present):
            raise InvalidProject(
                self._project.locate(present),
                f"is no longer the same file as {change.old}, so it is kept",
                REINSTALL,
            )

    def _find(self, path: str) -> str:
        """Where the file is now that has, or had, this name."""
        if path not in self._coming:
            self._check_present(path)
        return self._coming.get(path, path)

    def _check_present(self, path: str) -> None:
        project = self._project
        place = project.locate(path)
        if not self._inside.holds(path):
            raise InvalidProject(place, f"leads out of the directory of {project.title}")
        if path in self._going or not _is_file(place):
            raise InvalidProject(place, "is missing, so the change cannot be undone", REINSTALL)
        check_listed(project, self._record, path, self._known)

    def _hash_of(self, path: str) -> str:
        return row_of(self._record, path).hash


def _is_file(path: str) -> bool:
    with destination_errors(path):
        return kind_of(path) == stat.S_IFREG
