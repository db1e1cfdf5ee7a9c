"""Planning for the installed projects of one run.

What judges modules is loaded for the first project that has some: most environments that ``fix``, ``check``
and ``run`` look at have few projects with modules, and many have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from muslfix.projects.project import InstalledProject
from muslfix.record.rows import Record
from muslfix.report.report import ProjectReport
from muslfix.targets.target import Target
from muslfix.verbs.reports import report_installed, with_sources
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.loader.check import LoadCheck
    from muslfix.modules.plan import Plan


class Judging(NamedTuple):
    """How modules are judged.

    :param target: the Python that will import
    :param mode: how misnamed modules get their new name
    :param load_check: find out what the target's loader will do with them
    :param strict: refuse one that needs a library or symbol that is missing
    """

    target: Target
    mode: Mode
    load_check: bool
    strict: bool

    def make_check(self, directories: Sequence[str] = ()) -> LoadCheck | None:
        """The load check of a run, if there is to be one.

        :param directories: those in which it may look for libraries, whatever the target is
        """
        if not self.load_check:
            return None
        from muslfix.loader.check import LoadCheck

        return LoadCheck(self.target, directories=directories, strict=self.strict)


class Planner:
    """Plans for installed projects, and says in reports what is planned.

    :param judging: how their modules are judged
    :param directories: the site directories
    :param thorough: read also the ELF files of modules with a right name
    """

    def __init__(self, judging: Judging, directories: Sequence[str], *, thorough: bool = False) -> None:
        self._judging = judging
        self._directories = directories
        self._thorough = thorough

    @cached_property
    def _load_check(self) -> LoadCheck | None:
        return self._judging.make_check(self._directories)

    def plan(self, project: InstalledProject) -> tuple[Record, Plan]:
        """The RECORD of a project that may have modules, and the plan for its files.

        :raises InvalidProject: if RECORD is missing or damaged
        """
        from muslfix.projects.plan import plan_project

        target, mode, *_ = self._judging
        return plan_project(project, target, mode, self._load_check, thorough=self._thorough)

    def report(
        self,
        project: InstalledProject,
        action: str,
        plan: Plan | None = None,
        done: Mapping[str, Mode] | None = None,
        *,
        dry_run: bool = False,
    ) -> ProjectReport:
        """The report on a project with its modules.

        :param action: one of :data:`~muslfix.report.report.ACTIONS`
        :param plan: what is planned; ``None``: it has no modules
        :param done: how each file that was given a name was given it, by its path
        :param dry_run: whether the plan is not carried out
        """
        report = report_installed(project, action)
        if plan is None:
            return report
        from muslfix.report.modules import about_foreign, report_module, with_times

        target, made = self._judging.target, done or {}
        modules = (
            report_module(decision, target, made.get(decision.candidate.path), dry_run=dry_run)
            for decision in plan.decisions
        )
        report = replace(report, modules=tuple(modules))
        if not self._thorough:
            return report
        report = replace(report, warnings=(*report.warnings, *about_foreign(plan, target)))
        return with_times(report, plan.decisions)

    def with_sources(self, report: ProjectReport, project: InstalledProject) -> ProjectReport:
        """The report with the modules in the source tree of an editable install.

        :raises InvalidProject: if a file of the project that tells where they are cannot be read
        """
        target = self._judging.target
        return with_sources(report, project, target, lambda: self._load_check, thorough=self._thorough)
