"""Reports on installed projects: what a command says of one before, or instead of, working on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from muslfix.errors import MuslfixError
from muslfix.projects.project import InstalledProject, normalize_name
from muslfix.report.report import ProjectReport


def report_installed(
    project: InstalledProject, action: str, problem: str | None = None, tip: str | None = None
) -> ProjectReport:
    """A report on an installed project, without its modules.

    :param action: one of :data:`~muslfix.report.report.ACTIONS`
    :param problem: why nothing, or not all, was done
    :param tip: what the user can do about it
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


def report_editable(project: InstalledProject) -> ProjectReport:
    """A report on a project that is installed in editable mode."""
    return report_installed(
        project,
        "skipped",
        "it is an editable install, so RECORD does not list its modules",
        "build its extension modules with the target interpreter, which gives them the right names",
    )


def report_legacy(key: str, path: str) -> ProjectReport:
    """A report on a project without a ``.dist-info``.

    :param key: its normalised name
    :param path: of its ``.egg-info`` or ``.egg-link``
    """
    return ProjectReport(
        name=key,
        version=None,
        source=path,
        location=os.path.dirname(path),
        action="skipped",
        previous=None,
        problem=f"{path} has no RECORD, so muslfix cannot tell which files belong to it",
        tip="install the project again with pip or uv",
    )


def report_missing(name: str, problem: str = "it is not installed", tip: str | None = None) -> ProjectReport:
    """A report on something that the user named and that was not found."""
    return ProjectReport(name, None, None, None, "failed", None, problem=problem, tip=tip)


def reports_on_missing(names: Mapping[str, str], reports: Iterable[ProjectReport]) -> list[ProjectReport]:
    """Reports on the projects that the user named and that no other report is about.

    :param names: normalised names, and how the user has spelled each
    :param reports: on all projects that were found
    """
    found = {normalize_name(report.name) for report in reports}
    return [report_missing(names[key]) for key in sorted(names.keys() - found)]
