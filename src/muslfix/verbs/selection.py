"""The installed projects of an environment that muslfix may change, and why not the others."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from muslfix.errors import InvalidProject, MuslfixError, UsageError
from muslfix.projects.environment import check_not_managed
from muslfix.projects.project import InstalledProject, normalize_name, scan_legacy, scan_projects
from muslfix.report.report import ProjectReport
from muslfix.targets.schemes import layout_of
from muslfix.targets.target import Target


def site_folders(
    target: Target, paths: Sequence[str], *, break_system_packages: bool = False
) -> tuple[str, ...]:
    """The folders of modules to work on.

    :param paths: folders that were named; if none, those of the target's own environment
    :param break_system_packages: take the environment even if another tool manages it
    :raises UsageError: if a named folder is none, or none is named and the target cannot be run here
    :raises EnvironmentRefused: if another tool manages the environment (:pep:`668`)
    """
    for path in paths:
        if not os.path.isdir(path):
            raise UsageError(path, "is no folder")
    if paths:
        return _each_once(paths)
    if not target.runs_here and target.tree is None:
        raise UsageError(
            None,
            "the target cannot be run here, so its directories are not those of this machine",
            tip="name the folders to work on with --path",
        )
    check_not_managed(target, break_system_packages=break_system_packages)
    return _each_once(layout_of(target).site_folders)


def _each_once(folders: Sequence[str]) -> tuple[str, ...]:
    """The same folders, absolute, without other paths of the same: ``lib64`` can be a link to ``lib``."""
    found: dict[str, str] = {}
    for folder in folders:
        found.setdefault(os.path.realpath(folder), os.path.abspath(folder))
    return tuple(found.values())


def choose(
    folder: str, keys: Collection[str], *, break_system_packages: bool
) -> tuple[list[InstalledProject], list[ProjectReport]]:
    """Sort the projects of a folder into those to work on and those to pass over.

    :param folder: holds ``.dist-info`` folders
    :param keys: normalised names; none: all
    :return: the first, and a report for each of the others
    """
    chosen, passed_over = [], []
    found = scan_projects([folder])
    for project in found.values():
        if keys and project.key not in keys:
            continue
        try:
            reason = _reason_to_pass_over(project, break_system_packages=break_system_packages)
        except InvalidProject as error:
            reason = report_failed(project, error)
        if reason is None:
            chosen.append(project)
        else:
            passed_over.append(reason)
    for key, path in scan_legacy([folder]).items():
        if key not in found and (not keys or key in keys):
            passed_over.append(_legacy(key, path))
    return chosen, passed_over


def report_installed(
    project: InstalledProject, action: str, problem: str | None = None, tip: str | None = None
) -> ProjectReport:
    """A report on an installed project without its modules.

    :param action: one of :data:`~muslfix.report.report.ACTIONS`
    """
    return ProjectReport(
        name=project.name,
        version=project.version,
        source=os.path.join(project.root, project.dist_info),
        location=project.root,
        action=action,
        previous=None,
        problem=problem,
        tip=tip,
    )


def report_failed(project: InstalledProject, error: MuslfixError) -> ProjectReport:
    """A report on an installed project that could not be worked on."""
    return report_installed(project, "failed", str(error), error.tip)


def reports_on_missing(keys: Collection[str], reports: Iterable[ProjectReport]) -> list[ProjectReport]:
    """Reports on those that were named and are in no other report.

    :param keys: normalised names
    :param reports: on what was found
    """
    found = {normalize_name(report.name) for report in reports}
    return [report_missing(key) for key in sorted(set(keys) - found)]


def report_missing(key: str) -> ProjectReport:
    """A report on a project that was named and is not there."""
    return ProjectReport(key, "?", "", "", "failed", None, problem="it is not installed")


def _reason_to_pass_over(project: InstalledProject, *, break_system_packages: bool) -> ProjectReport | None:
    owner = None if break_system_packages else project.package_manager
    if owner is not None:
        return report_installed(
            project,
            "left-alone",
            f"it belongs to the package manager {owner}",
            "change it by that, or use --break-system-packages if you know what you risk",
        )
    if project.is_editable:
        return report_installed(
            project,
            "skipped",
            "it is an editable installation, whose modules RECORD does not list",
            "build its extension modules with the target interpreter; that names them right",
        )
    return None


def _legacy(key: str, path: str) -> ProjectReport:
    return ProjectReport(
        name=key,
        version="?",
        source=path,
        location=os.path.dirname(path),
        action="skipped",
        previous=None,
        problem=f"{path} has no RECORD, so it is not known which files belong to it",
        tip="install the project again with pip or uv",
    )
