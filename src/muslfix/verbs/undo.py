"""``muslfix undo``: put names and RECORD of installed projects back to what they were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from muslfix.errors import spelling_errors
from muslfix.progress import Progress, silent
from muslfix.projects.ownership import Owners
from muslfix.projects.project import InstalledProject
from muslfix.projects.trace import Change
from muslfix.projects.way_back import find_way_back, undo_in_place
from muslfix.report.report import FileReport, ProjectReport, Report
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.reports import report_installed
from muslfix.verbs.selection import Selection
from muslfix.verbs.site import Findings
from muslfix.verbs.subjects import convert_options, projects_named
from muslfix.verdicts import Mode


@dataclass(frozen=True)
class UndoOptions:
    """How to undo.

    :param paths: directories with ``.dist-info`` directories; none: those of the target's own environment
    :param break_system_packages: change also what another tool owns
    :param dry_run: only report what would be done
    :param progress: called for each step
    """

    paths: tuple[str, ...] = ()
    break_system_packages: bool = False
    dry_run: bool = False
    progress: Progress = silent

    def __post_init__(self) -> None:
        convert_options(self)


@spelling_errors()
def undo(projects: Sequence[str], target: Target, options: UndoOptions | None = None) -> Report:
    """Take back what muslfix has changed, as recorded in the ``muslfix.json`` of each project.

    Names and RECORD are byte for byte what they were. A project whose files have changed since is left as
    it is, and reported.

    :param projects: names of projects; none: all projects
    :param target: the Python whose environment it is
    :param options: how
    :raises EnvironmentRefused: if another tool manages the environment
    :raises MuslfixError: if the directories cannot be worked on
    """
    options = options or UndoOptions()
    projects = projects_named("undo", projects)
    selection = Selection(
        projects,
        target,
        options.paths,
        may_change=not options.dry_run,
        break_system_packages=options.break_system_packages,
        mention_passed_over=bool(projects),
        progress=options.progress,
    )

    findings = Findings(find_way_back)
    owners = Owners()

    def look(project: InstalledProject) -> ProjectReport | None:
        back = findings.first(project)
        if back.changes and not options.dry_run:
            return None
        back.check_alone(project, owners)
        return _report(project, back.changes, dry_run=True)

    def change(project: InstalledProject, transaction: Transaction) -> ProjectReport:
        back = findings.again(project)
        undo_in_place(project, back, owners, transaction)
        return _report(project, back.changes, dry_run=False)

    for site in selection.sites():
        changed = site.look("reading changes", look)
        site.change("putting back projects", changed, change)
    return selection.report("undo", dry_run=options.dry_run)


def _report(project: InstalledProject, changes: Sequence[Change], *, dry_run: bool) -> ProjectReport:
    files = [
        FileReport(change.old, "put-back", _renamed(change, dry_run=dry_run))
        if change.mode is Mode.RENAME
        else FileReport(change.new, "removed", _second_name(change, dry_run=dry_run))
        for change in changes
    ]
    return replace(report_installed(project, "undone" if changes else "unchanged"), files=tuple(files))


def _renamed(change: Change, *, dry_run: bool) -> str:
    new = os.path.basename(change.new)
    return f"{new} would get this name back" if dry_run else f"it was renamed to {new}"


def _second_name(change: Change, *, dry_run: bool) -> str:
    relation = "of" if change.mode is Mode.COPY else "to"
    name = f"a {change.mode} {relation} {os.path.basename(change.old)}"
    return f"it is {name}, which would stay" if dry_run else f"it was {name}"
