"""The installed projects that a command works on, and the loop over them that all commands share.

A command takes the site directories of its :class:`Selection` one by one, looks at the projects of each, and
changes those that need it::

    selection = Selection(names, target, paths, may_change=True)
    for site in selection.sites():
        needy = site.look("reading modules", look)
        site.change("fixing projects", needy, change)
    return selection.report("fix")
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence

from muslfix.errors import InvalidProject, MuslfixError, UsageError, why
from muslfix.files.access import kind_of
from muslfix.progress import Progress, silent
from muslfix.projects.environment import check_not_managed
from muslfix.projects.project import InstalledProject, normalize_name, scan_all, scan_legacy
from muslfix.report.report import ProjectReport, Report
from muslfix.targets.environments import each_once, environment_in
from muslfix.targets.schemes import layout_of
from muslfix.targets.target import Target
from muslfix.transaction.leftovers import about_remaining, recover_leftovers
from muslfix.verbs.reports import (
    notes_on_editable,
    notes_on_other_pythons,
    report_failed,
    report_legacy,
    report_owned,
    report_second,
    reports_on_missing,
)
from muslfix.verbs.site import Site
from muslfix.verbs.strays import doubt_about_strays

_MEANT = "name the directory that holds the .dist-info directories"


class Selection:
    """The installed projects that a command was called for, and what it has found out about them.

    :param names: of projects; none: all projects
    :param target: the Python whose environment it is
    :param paths: site directories; none: those of the target's own environment
    :param may_change: recover each directory from an interrupted run first
    :param break_system_packages: take environments and projects that another tool owns
    :param mention_passed_over: report also on projects that are not worked on
    :param look_for_strays: doubt an all-clear for all projects if there are misnamed modules of none
    :param progress: called for each step
    :raises EnvironmentRefused: if another tool manages the environment
    :raises UsageError: if there are no directories to work on
    """

    def __init__(  # noqa: PLR0913 - one more for each thing that commands differ in
        self,
        names: Sequence[str],
        target: Target,
        paths: Sequence[str],
        *,
        may_change: bool = False,
        break_system_packages: bool = True,
        mention_passed_over: bool = True,
        look_for_strays: bool = False,
        progress: Progress = silent,
    ) -> None:
        self._target = target
        self._keys = {normalize_name(name): name for name in reversed(names)}
        self._may_change = may_change
        self._break_system_packages = break_system_packages
        self._mention_passed_over = mention_passed_over
        self._look_for_strays = look_for_strays and not names
        self._progress = progress
        #: The site directories, in the order in which they are worked on.
        self.directories = site_directories(target, paths, break_system_packages=break_system_packages)
        self._are_named = bool(paths)
        self._sites: list[Site] = []
        self._warnings: list[str] = []
        self._doubts: list[str] = []

    def sites(self) -> Iterator[Site]:
        """Each site directory with its projects, recovered first if it may be changed.

        :raises MuslfixError: if a directory cannot be read or recovered
        """
        for directory in self.directories:
            if self._may_change and (sentence := recover_leftovers(directory)):
                self._warnings.append(sentence)
            chosen, passed_over = choose(
                directory, self._keys, self._target, break_system_packages=self._break_system_packages
            )
            if self._are_named and not (chosen or passed_over):
                self._doubts += doubt_about(directory)
            elif self._look_for_strays:
                self._doubts += doubt_about_strays(directory, self._target)
            if not self._mention_passed_over:
                passed_over = [report for report in passed_over if report.action == "failed"]
            site = Site(directory, chosen, passed_over, self._progress)
            self._sites.append(site)
            yield site

    def report(self, command: str, *, dry_run: bool = False) -> Report:
        """The report on all projects, including those that were named and not found.

        :param command: its name
        :param dry_run: whether nothing was changed
        """
        reports = [report for site in self._sites for report in site.reports()]
        reports += reports_on_missing(self._keys, reports, self.directories, may_be_path=command == "check")
        others = notes_on_other_pythons(reports, self._target) if command == "fix" else ()
        return Report(
            command,
            dry_run,
            tuple(reports),
            (*self._warnings, *(about_remaining(site.remaining) for site in self._sites if site.remaining)),
            (*notes_on_editable(reports), *others),
            source=self._target.source,
            directories=self.directories,
            doubts=tuple(self._doubts),
        )


def site_directories(
    target: Target, paths: Sequence[str], *, break_system_packages: bool = False
) -> tuple[str, ...]:
    """The site directories to work on, absolute, each once.

    :param paths: directories that the user named; none: those of the target's own environment, and the
        user's own directory where the target imports from it
    :param break_system_packages: take the environment even if another tool manages it
    :raises UsageError: if a path is not a directory, or none is given and the target cannot run here
    :raises EnvironmentRefused: if another tool manages the environment (:pep:`668`)
    :raises MuslfixError: if a path cannot be looked at
    """
    for path in paths:
        _check_directory(path)
    if paths:
        return each_once(paths)
    if not target.runs_here and target.tree is None:
        raise UsageError(
            None,
            "the target cannot be run here, so its directories are not those of this machine",
            tip="name the directories to work on with --path",
        )
    check_not_managed(target, break_system_packages=break_system_packages)
    own = layout_of(target).site_directories
    user = target.user_site if target.runs_here else None
    return each_once([*own, user] if user and os.path.isdir(user) else own)


def _check_directory(path: str) -> None:
    try:
        kind = kind_of(path)
    except OSError as error:
        raise MuslfixError(path, f"cannot be read ({why(error)})") from error
    if kind != stat.S_IFDIR:
        raise UsageError(path, "is not a directory")


def doubt_about(directory: str) -> list[str]:
    """What is said of a directory that the user named and that holds no project at all."""
    if scan_all([directory]) or scan_legacy([directory]):
        return []
    place = environment_in(directory)
    meant = f"did you mean --python {place}?" if place else _MEANT
    return [f"{directory}: holds no installed project, so nothing was looked at there; {meant}"]


def choose(
    directory: str, keys: Collection[str], target: Target, *, break_system_packages: bool
) -> tuple[list[InstalledProject], list[ProjectReport]]:
    """Sort the projects of a site directory into those to work on and those to pass over.

    :param directory: holds ``.dist-info`` directories
    :param keys: normalised names; none: all projects
    :param target: the Python whose environment it is
    :param break_system_packages: take projects that a package manager owns
    :return: the first, and a report on each of the others
    :raises InvalidProject: if the directory cannot be read
    """
    chosen, passed_over = [], []
    found: dict[str, InstalledProject] = {}
    for project in scan_all([directory]):
        first = found.setdefault(project.key, project)
        if keys and project.key not in keys:
            continue
        report = (
            _pass_over(project, break_system_packages=break_system_packages)
            if first is project
            else report_second(project, first)
        )
        if report is None:
            chosen.append(project)
        else:
            passed_over.append(report)
    for key, path in scan_legacy([directory]).items():
        if key not in found and (not keys or key in keys):
            passed_over.append(report_legacy(key, path, target))
    return chosen, passed_over


def _pass_over(project: InstalledProject, *, break_system_packages: bool) -> ProjectReport | None:
    """The report on a project that is not to be worked on, or ``None``."""
    try:
        owner = None if break_system_packages else project.package_manager
    except InvalidProject as error:
        return report_failed(project, error)
    return None if owner is None else report_owned(project, owner)
