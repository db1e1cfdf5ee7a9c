"""Projects that ``install`` finds there in the version that it was given, whole or broken by another tool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from muslfix.errors import InvalidProject
from muslfix.loader.check import LoadCheck
from muslfix.modules.plan import Plan
from muslfix.projects.in_place import check_in_place, fix_in_place
from muslfix.projects.plan import plan_project
from muslfix.projects.project import InstalledProject
from muslfix.record.rows import Record
from muslfix.report.modules import report_module
from muslfix.report.report import ModuleReport
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode


class Misnamed(NamedTuple):
    """A project that is kept, and whose misnamed modules get their names.

    :param project: the project
    :param record: its RECORD
    :param plan: for its files
    """

    project: InstalledProject
    record: Record
    plan: Plan

    def fix(self, target: Target, transaction: Transaction, *, dry_run: bool) -> tuple[ModuleReport, ...]:
        """Give the modules their names.

        :param target: the Python that will import
        :param transaction: on the project's directory; not committed here
        :param dry_run: change nothing
        :raises DestinationError: if something cannot be written
        """
        done = {}
        if not dry_run:
            changes = fix_in_place(self.project, self.record, self.plan, target, transaction)
            done = {change.old: change.mode for change in changes}
        return tuple(
            report_module(decision, target, done.get(decision.candidate.path), dry_run=dry_run)
            for decision in self.plan.decisions
        )


class Kept(NamedTuple):
    """What is wrong with projects that are there already, by their normalised names.

    :param misnamed: those whose misnamed modules get their names, and are kept
    :param broken: the names, as users know them, of those that have to be installed again: a module is
        missing, damaged or foreign
    :param unknown: why a project could not be looked at
    """

    misnamed: dict[str, Misnamed]
    broken: dict[str, str]
    unknown: dict[str, InvalidProject]

    @property
    def notes(self) -> tuple[str, ...]:
        """Why projects are replaced that are there already."""
        return tuple(
            f"{title} was there in this version, with extension modules that the target cannot load"
            for _, title in sorted(self.broken.items())
        )

    def fix(
        self, target: Target, transaction: Transaction, *, dry_run: bool
    ) -> dict[str, tuple[ModuleReport, ...]]:
        """Give misnamed modules their names, see :meth:`Misnamed.fix`."""
        return {key: one.fix(target, transaction, dry_run=dry_run) for key, one in self.misnamed.items()}


def judge_kept(
    projects: Iterable[InstalledProject], target: Target, mode: Mode, check: LoadCheck | None
) -> Kept:
    """Judge projects by their extension modules, as ``check`` and ``fix`` would.

    :param target: the Python that will import
    :param mode: how misnamed modules get their new name
    :param check: the load check; ``None``: there is none
    """
    kept = Kept({}, {}, {})
    for project in projects:
        try:
            misnamed = _judge(project, target, mode, check)
        except InvalidProject as error:
            kept.unknown[project.key] = error
            continue
        if misnamed is None:
            kept.broken[project.key] = project.title
        elif misnamed.plan.changes:
            kept.misnamed[project.key] = misnamed
    return kept


def _judge(project: InstalledProject, target: Target, mode: Mode, check: LoadCheck | None) -> Misnamed | None:
    """The changes that a project needs; ``None`` if names do not help."""
    _, found = plan_project(project, target, mode, thorough=True)
    if not found.changes and not found.refusals:
        return Misnamed(project, Record(), found)
    record, plan = plan_project(project, target, mode, check)
    if found.refusals or plan.refusals:
        return None
    try:
        check_in_place(project, record, plan)
    except InvalidProject:  # a file is not the one that RECORD lists
        return None
    return Misnamed(project, record, plan)
