"""``muslfix undo``: put names and RECORD of installed projects back to what they were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from muslfix.errors import MuslfixError, spelled_names
from muslfix.progress import Progress, counted, silent
from muslfix.projects.environment import recover_folder
from muslfix.projects.in_place import find_way_back, undo_in_place
from muslfix.projects.project import InstalledProject, normalize_name
from muslfix.projects.trace import Change
from muslfix.report.report import FileReport, ProjectReport, Report
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.selection import choose, report_failed, report_installed, reports_on_missing, site_folders
from muslfix.verdicts import Mode


@dataclass(frozen=True)
class UndoOptions:
    """How to undo.

    :param paths: folders with ``.dist-info`` folders; if none, those of the target's own environment
    :param break_system_packages: change also what another tool owns
    :param dry_run: only say what would be done
    :param progress: is told of each step
    """

    paths: tuple[str, ...] = ()
    break_system_packages: bool = False
    dry_run: bool = False
    progress: Progress = silent


@spelled_names()
def undo(projects: Sequence[str], target: Target, options: UndoOptions | None = None) -> Report:
    """Take back what muslfix has changed, by the ``muslfix.json`` of each project.

    Names and RECORD are byte for byte what they were. A project whose files have changed since is left as
    it is, and said so.

    :param projects: names of projects; none: all of them
    :param target: whose environment it is
    :param options: how
    :raises EnvironmentRefused: if another tool manages the environment
    :raises MuslfixError: if the folders cannot be worked on
    """
    options = options or UndoOptions()
    keys = {normalize_name(name) for name in projects}
    reports: list[ProjectReport] = []
    warnings: list[str] = []
    for folder in site_folders(target, options.paths, break_system_packages=options.break_system_packages):
        warnings += [] if options.dry_run else recover_folder(folder)
        found, passed_over = choose(folder, keys, break_system_packages=options.break_system_packages)
        reports += passed_over if keys else []
        reports += _undo_folder(folder, found, options)
    reports += reports_on_missing(keys, reports)
    return Report("undo", options.dry_run, tuple(reports), tuple(warnings), source=target.source)


def _undo_folder(
    folder: str, projects: Sequence[InstalledProject], options: UndoOptions
) -> list[ProjectReport]:
    reports, changed = [], []
    for project in projects:
        try:
            changes = find_way_back(project).changes
        except MuslfixError as error:
            reports.append(report_failed(project, error))
            continue
        if changes and not options.dry_run:
            changed.append(project)
        else:
            reports.append(_report(project, changes))
    if changed:
        with Transaction(folder) as transaction:
            told = counted(changed, len(changed), "putting back projects", options.progress)
            reports += [_undo_project(project, transaction) for project in told]
            transaction.commit()
    return sorted(reports, key=lambda report: report.name.lower())


def _undo_project(project: InstalledProject, transaction: Transaction) -> ProjectReport:
    try:
        with transaction.part():
            changes = undo_in_place(project, transaction)
    except MuslfixError as error:
        return report_failed(project, error)
    return _report(project, changes)


def _report(project: InstalledProject, changes: tuple[Change, ...]) -> ProjectReport:
    files = [
        FileReport(change.old, "put-back", f"it was renamed to {os.path.basename(change.new)}")
        if change.mode is Mode.RENAME
        else FileReport(change.new, "removed", f"it was a {change.mode} of {os.path.basename(change.old)}")
        for change in changes
    ]
    return replace(report_installed(project, "undone" if changes else "unchanged"), files=tuple(files))
