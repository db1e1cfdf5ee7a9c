"""``muslfix fix``: the step after pip, uv, Poetry or PDM, which fixes what they have installed."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muslfix.errors import DestinationError, spelling_errors
from muslfix.progress import Progress, silent
from muslfix.projects.ownership import Owners
from muslfix.projects.project import InstalledProject
from muslfix.report.report import ProjectReport, Report
from muslfix.targets.target import Target
from muslfix.verbs.planning import Judging, Planner
from muslfix.verbs.selection import Selection
from muslfix.verbs.site import Findings
from muslfix.verbs.subjects import convert_options, projects_named
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.modules.plan import Plan
    from muslfix.transaction.transaction import Transaction


@dataclass(frozen=True)
class FixOptions:
    """How to fix.

    :param mode: how misnamed modules get their new name
    :param paths: directories with ``.dist-info`` directories; none: those of the target's own environment
    :param break_system_packages: change also what another tool owns
    :param dry_run: only report what would be done
    :param load_check: find out what the target's loader will do with a module before it gets a name
    :param strict: give no name to a module that needs a library or symbol that is missing
    :param progress: called for each step
    """

    mode: Mode = Mode.SYMLINK
    paths: tuple[str, ...] = ()
    break_system_packages: bool = False
    dry_run: bool = False
    load_check: bool = True
    strict: bool = False
    progress: Progress = silent

    def __post_init__(self) -> None:
        convert_options(self)


@spelling_errors()
def fix(projects: Sequence[str], target: Target, options: FixOptions | None = None) -> Report:
    """Give the misnamed modules of installed projects names that the target imports.

    Each project is changed as a whole or not at all; one that cannot be changed does not stop the others.

    :param projects: names of projects; none: all projects
    :param target: the Python that will import
    :param options: how
    :raises EnvironmentRefused: if another tool manages the environment
    :raises MuslfixError: if the directories cannot be worked on
    """
    options = options or FixOptions()
    projects = projects_named("fix", projects)
    selection = Selection(
        projects,
        target,
        options.paths,
        may_change=not options.dry_run,
        break_system_packages=options.break_system_packages,
        look_for_strays=True,
        progress=options.progress,
    )
    work = _Fix(target, options, selection.directories)
    for site in selection.sites():
        needy = site.look("reading modules", work.look)
        try:
            site.change("fixing projects", needy, work.change)
        except DestinationError as error:
            raise _with_shim(error) from error
    return selection.report("fix", dry_run=options.dry_run)


def _with_shim(error: DestinationError) -> DestinationError:
    """The error with what helps where the file system is read-only and stays so."""
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno != errno.EROFS:
        return error
    way = "'muslfix shim --wheel DIR' writes a wheel with which Python imports the modules as they are"
    return DestinationError(error.path, error.reason, f"{error.tip}; if it must stay read-only, {way}")


class _Fix:
    """What is done with each project.

    :param directories: the site directories, in which the load check may look for libraries
    """

    def __init__(self, target: Target, options: FixOptions, directories: Sequence[str]) -> None:
        self._target = target
        self._dry_run = options.dry_run
        judging = Judging(target, options.mode, options.load_check, options.strict)
        self._planner = Planner(judging, directories)
        self._plans = Findings(self._planner.plan)
        self._owners = Owners()

    def look(self, project: InstalledProject) -> ProjectReport | None:
        """The report on a project, or ``None`` if it must be changed."""
        if not project.may_have_modules:
            return self._report(project, None)
        record, plan = self._plans.first(project)
        if plan.changes and not self._dry_run:
            return None
        if plan.changes:
            from muslfix.projects.in_place import check_in_place  # only where there is something to change

            check_in_place(project, record, plan, self._owners)
        return self._report(project, plan)

    def change(self, project: InstalledProject, transaction: Transaction) -> ProjectReport:
        """Stage what is planned, now that nobody else changes the directory."""
        from muslfix.projects.in_place import fix_in_place  # only where there is something to change

        record, plan = self._plans.again(project)
        done: dict[str, Mode] = {}
        if plan.changes:
            changes = fix_in_place(project, record, plan, self._target, transaction, self._owners)
            done = {change.old: change.mode for change in changes}
        return self._report(project, plan, done)

    def _report(
        self, project: InstalledProject, plan: Plan | None, done: Mapping[str, Mode] | None = None
    ) -> ProjectReport:
        action = "fixed" if plan is not None and plan.changes else "unchanged"
        report = self._planner.report(project, action, plan, done, dry_run=self._dry_run)
        return self._planner.with_sources(report, project)
