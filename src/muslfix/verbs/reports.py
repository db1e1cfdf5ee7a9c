"""Reports on projects and wheels: what a command says of one before, or instead of, working on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING

from muslfix.errors import InvalidProject, MuslfixError, few
from muslfix.projects.project import InstalledProject, normalize_name, scan_projects
from muslfix.report.report import ProjectReport
from muslfix.targets.paths import paths_of
from muslfix.targets.target import Target
from muslfix.verdicts import Verdict

if TYPE_CHECKING:
    from muslfix.loader.check import LoadCheck
    from muslfix.projects.editable import Sources

# So many are named in a note; a project can have modules for more.
_MOST_ABIS = 5
_MOST_DIRECTORIES = 3

NOT_INSTALLED = "it is not installed"


def report_installed(
    project: InstalledProject, action: str, problem: str | None = None, tip: str | None = None
) -> ProjectReport:
    """A report on an installed project, without its modules.

    :param action: one of :data:`~muslfix.report.report.ACTIONS`
    :param problem: why nothing, or not all, was done
    :param tip: what the user can do about it
    """
    return ProjectReport(
        name=project.title,
        version=project.version,
        source=os.path.join(project.root, project.dist_info),
        location=project.root,
        action=action,
        problem=problem,
        tip=tip,
    )


def report_failed(project: InstalledProject, error: MuslfixError) -> ProjectReport:
    """A report on an installed project that could not be worked on."""
    return report_installed(project, "failed", str(error), error.tip)


def report_second(project: InstalledProject, first: InstalledProject) -> ProjectReport:
    """A report on a ``.dist-info`` of a project that has another one.

    :param first: the project by the other one
    """
    return report_installed(
        project,
        "failed",
        f"there are two .dist-info directories of {first.name}, {first.dist_info} and {project.dist_info}",
        "install the project again with muslfix, which replaces both, or remove the one that is out of date",
    )


def report_owned(project: InstalledProject, owner: str) -> ProjectReport:
    """A report on an installed project that belongs to a distribution's package manager.

    :param owner: name of the package manager
    """
    return report_installed(
        project,
        "left-alone",
        f"it belongs to the package manager {owner}",
        "change it with that, or use --break-system-packages if you accept the risk",
    )


def report_legacy(key: str, path: str, target: Target) -> ProjectReport:
    """A report on a project without a ``.dist-info``.

    :param key: its normalised name
    :param path: of its ``.egg-info`` or ``.egg-link``
    :param target: the Python that will import
    """
    report = ProjectReport(
        name=key,
        version=None,
        source=path,
        location=os.path.dirname(path),
        action="skipped",
        problem=f"{path} has no RECORD, so muslfix cannot tell which files belong to it",
        tip="install the project again with pip or uv",
    )
    if not path.endswith(".egg-link") or not os.path.isfile(path):
        return report
    from muslfix.projects.editable import find_linked_sources  # few projects are editable

    try:
        sources = find_linked_sources(path, paths_of(target))
    except InvalidProject as error:
        return replace(report, action="failed", problem=str(error))
    if sources.directory is None:
        return report
    problem = "it is an editable install without RECORD"
    left_alone = replace(report, action="left-alone", problem=problem, tip=None)
    return _with_sources(left_alone, sources, target, None, thorough=False)


def with_sources(
    report: ProjectReport,
    project: InstalledProject,
    target: Target,
    make_check: Callable[[], LoadCheck | None] = lambda: None,
    *,
    thorough: bool = False,
) -> ProjectReport:
    """The report on an installed project, with the modules in its source tree if the install is editable.

    These are only looked at: a build puts them there, and muslfix changes no source tree.

    :param target: the Python that will import
    :param make_check: returns the load check, if there is one; called only where it is needed
    :param thorough: read also modules with a right name
    :raises InvalidProject: if a file of the project that tells where they are cannot be read
    """
    if not project.is_editable:
        return report
    from muslfix.projects.editable import find_sources  # few projects are editable

    sources = find_sources(project, paths_of(target))
    return _with_sources(report, sources, target, make_check(), thorough=thorough)


def _with_sources(
    report: ProjectReport, sources: Sources, target: Target, check: LoadCheck | None, *, thorough: bool
) -> ProjectReport:
    directory = sources.directory
    if directory is None:
        return _in_doubt(report, "its source tree was not found", "install the project again")
    from muslfix.projects.plan import plan_sources  # verify and undo plan nothing else
    from muslfix.report.modules import report_module

    plan = plan_sources(sources.modules, target, check, thorough=thorough)
    build = "build it again with the target interpreter, for example: pip install --editable "
    found = (report_module(decision, target) for decision in plan.decisions)
    modules = (
        replace(module, tip=build + quote(directory))
        if module.refused and module.verdict is Verdict.MISNAMED
        else module
        for module in found
    )
    report = replace(report, modules=(*report.modules, *modules), editable=directory)
    if sources.problem is None:
        return report
    return _in_doubt(report, f"{directory} {sources.problem}", "look at its packages: muslfix check DIR")


def _in_doubt(report: ProjectReport, reason: str, tip: str) -> ProjectReport:
    return replace(report, action="skipped", problem=f"it is an editable install, and {reason}", tip=tip)


def notes_on_editable(reports: Iterable[ProjectReport]) -> tuple[str, ...]:
    """What is good to know about editable installs in which nothing is wrong."""
    well = [report for report in reports if report.editable is not None and report.is_well]
    if not well:
        return ()
    if len(well) == 1:
        (report,) = well
        return (
            f"{report.label} is an editable install: no extension module in {report.editable} is misnamed",
        )
    names = ", ".join(report.name for report in well)
    return (f"no extension module in the source trees of {len(well)} editable installs is misnamed: {names}",)


def notes_on_other_pythons(reports: Iterable[ProjectReport], target: Target) -> tuple[str, ...]:
    """What is good to know of projects that have modules, and none for the target.

    It stops nothing: a wheel may bring modules for some Pythons, and none for others. But more often another
    Python is meant, or the project was installed by another one.
    """
    lost = [report for report in reports if report.problem is None and _is_for_other_pythons(report)]
    if not lost:
        return ()
    from muslfix.report.modules import abi_of  # verify and undo plan nothing

    found = {abi_of(module.path) for report in lost for module in report.modules}
    abis = sorted(abi for abi in found if abi is not None)
    theirs = few(abis, _MOST_ABIS) or "another platform"
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return (
        f"no extension module of {lost[0].label}{more} is for {target.kind}: they are for {theirs}; if that"
        " Python is meant, name it with --python, otherwise install the project again",
    )


def _is_for_other_pythons(report: ProjectReport) -> bool:
    modules = [module for module in report.modules if not module.is_library]
    return bool(modules) and all(
        module.verdict is Verdict.OTHER_ABI and not module.is_doubtful for module in modules
    )


def report_missing(name: str, problem: str = NOT_INSTALLED, tip: str | None = None) -> ProjectReport:
    """A report on something that the user named and that was not found."""
    return ProjectReport(name, None, None, None, "failed", problem=problem, tip=tip)


def report_lost_wheel(path: str, reason: str, tip: str | None = None) -> ProjectReport:
    """A report on a wheel that could not be worked on.

    :param reason: a sentence
    """
    return ProjectReport(os.path.basename(path), None, path, None, "failed", problem=reason, tip=tip)


def reports_on_missing(
    names: Mapping[str, str],
    reports: Iterable[ProjectReport],
    directories: Sequence[str],
    *,
    may_be_path: bool,
) -> list[ProjectReport]:
    """Reports on the projects that the user named and that no other report is about.

    :param names: normalised names, and how the user has spelled each
    :param reports: on all projects that were found
    :param directories: where they were looked for
    :param may_be_path: whether the user could also have named files and directories
    """
    lost = sorted(names.keys() - {normalize_name(report.name) for report in reports})
    if not lost:
        return []
    from difflib import get_close_matches  # only a mistake needs it

    installed = scan_projects(directories)
    alike = {key: get_close_matches(key, installed, 1) for key in lost}
    problem = NOT_INSTALLED
    if may_be_path:
        where = few(directories, _MOST_DIRECTORIES)
        problem = f"no project of this name is installed in {where}, and no file or directory has it"
    return [
        report_missing(names[key], problem, f"did you mean {installed[near[0]].title}?" if near else None)
        for key, near in alike.items()
    ]
