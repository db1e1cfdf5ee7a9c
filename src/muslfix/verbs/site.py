"""The projects of one site directory: looked at one by one without a lock, then changed under one.

All that is changed is staged first and synced once, for all projects together. What :class:`Findings` has
found out about a project in the first step serves for the second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Optional, TypeVar

from muslfix.errors import MuslfixError
from muslfix.progress import Progress, counted
from muslfix.projects.project import InstalledProject
from muslfix.report.report import ProjectReport
from muslfix.transaction.leftovers import kept_still, traces_of_work
from muslfix.verbs.reports import report_failed

if TYPE_CHECKING:
    from muslfix.transaction.steps import Step
    from muslfix.transaction.transaction import Transaction

#: Returns the report on a project, or ``None`` if the project must be changed.
Look = Callable[[InstalledProject], Optional[ProjectReport]]

#: Stages what must be changed in a project, and returns the report on it.
Change = Callable[[InstalledProject, "Transaction"], ProjectReport]

_Found = TypeVar("_Found")


class Findings(Generic[_Found]):
    """What was found out about projects before their directory was locked, as long as it is true.

    :param find: finds it out
    """

    def __init__(self, find: Callable[[InstalledProject], _Found]) -> None:
        self._find = find
        self._known: dict[InstalledProject, tuple[object, _Found]] = {}

    def first(self, project: InstalledProject) -> _Found:
        """Find it out."""
        state = project.state  # before it is read: what changes from now on counts
        found = self._find(project)
        self._known[project] = state, found
        return found

    def again(self, project: InstalledProject) -> _Found:
        """The same once the directory is locked: found out again only if the project has changed since.

        What was found before serves once: after that the projects of the directory may have been changed.
        """
        state, found = self._known.pop(project, (None, None))
        return self._find(project) if found is None or state != project.state else found


class Site:
    """One site directory, its projects, and the reports on them so far.

    :param directory: absolute path
    :param projects: those to work on
    :param passed_over: reports on those that are not worked on
    :param progress: called for each step
    """

    def __init__(
        self,
        directory: str,
        projects: Sequence[InstalledProject],
        passed_over: Sequence[ProjectReport],
        progress: Progress,
    ) -> None:
        self.directory = directory
        self.projects = tuple(projects)
        self.passed_over = tuple(passed_over)
        self._progress = progress
        self._reports: list[ProjectReport] = []
        #: Staging directories that could not be removed.
        self.remaining: tuple[str, ...] = ()

    def look(self, what: str, look: Look, *, threads: int = 1) -> list[InstalledProject]:
        """Look at each project, which takes no lock. An error in one does not stop the others.

        Where another run was at work meanwhile, what is wrong may have been half-way only: it is looked at
        again when that run has ended.

        :param what: name of the work, for the progress
        :param look: returns the report on a project, or ``None`` if the project must be changed
        :param threads: how many projects to look at side by side
        :return: the projects to change
        :raises DestinationError: if another run does not end
        """

        def attempt(project: InstalledProject) -> ProjectReport | None:
            try:
                return look(project)
            except MuslfixError as error:
                return report_failed(project, error)

        before = traces_of_work(self.directory)
        if threads == 1:
            outcomes = map(attempt, self.projects)
            reports = list(counted(outcomes, len(self.projects), what, self._progress))
        else:
            from muslfix.parallel.threads import Pool  # only verify needs it

            reports = Pool(threads).map(attempt, self.projects, what=what, progress=self._progress)
        unsure = [n for n, report in enumerate(reports) if report is not None and not report.is_well]
        if unsure and traces_of_work(self.directory) != (before[0], False):
            with kept_still(self.directory):
                for number in unsure:
                    reports[number] = attempt(self.projects[number])
        self._reports += [report for report in reports if report is not None]
        return [project for project, report in zip(self.projects, reports) if report is None]

    def change(
        self,
        what: str,
        projects: Sequence[InstalledProject],
        change: Change,
    ) -> None:
        """Change projects under one lock, each as a whole or not at all.

        :param what: name of the work, for the progress
        :param change: stages a project and returns the report on it; it must look again if another run has
            changed the project before the directory was locked
        :raises DestinationError: if the directory cannot be locked or written to
        """
        if not projects:
            return
        from muslfix.transaction.transaction import Transaction  # most runs change nothing

        with Transaction(self.directory) as transaction:
            waiting = projects
            while waiting:
                waiting = self._change_at_once(what, waiting, change, transaction)
            transaction.commit()
        self.remaining = transaction.remaining

    def _change_at_once(
        self, what: str, projects: Sequence[InstalledProject], change: Change, transaction: Transaction
    ) -> list[InstalledProject]:
        """Stage all projects, sync once, and move in one after the other.

        :return: those whose turn comes after that: they have a module that another one has too
        """
        staged: list[tuple[InstalledProject, ProjectReport, list[Step]]] = []
        waiting: list[InstalledProject] = []
        modules: set[str] = set()
        for project in counted(projects, len(projects), what, self._progress):
            try:
                with transaction.collected() as steps:
                    report = change(project, transaction)
            except MuslfixError as error:
                self._reports.append(report_failed(project, error))
                continue
            own = {_module(path) for step in steps for path in step.paths}
            if own.isdisjoint(modules):
                modules |= own
                staged.append((project, report, steps))
            else:
                waiting.append(project)
        failures = transaction.do_each([steps for _, _, steps in staged])
        self._reports += [
            report if failure is None else report_failed(project, failure)
            for (project, report, _), failure in zip(staged, failures)
        ]
        return waiting

    def reports(self) -> list[ProjectReport]:
        """The reports on all its projects, by name."""
        return sorted((*self._reports, *self.passed_over), key=lambda report: report.name.lower())


def _module(path: str) -> str:
    """What all names of an extension module have in common; other paths only have to stay different."""
    directory, name = os.path.split(path)
    return os.path.join(directory, name.partition(".")[0])
