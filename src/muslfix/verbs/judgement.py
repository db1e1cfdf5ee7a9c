"""What wheels meet where they will be installed: which are there already, what leaves, who owns it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import EnvironmentRefused
from muslfix.projects.project import InstalledProject, scan_all, scan_legacy, scan_projects
from muslfix.staging.replaced import leaving_files
from muslfix.targets.schemes import Layout
from muslfix.targets.target import Target
from muslfix.verbs.install_options import InstallOptions
from muslfix.wheels.wheel import Wheel

if TYPE_CHECKING:  # most installations find nothing there
    from muslfix.verbs.kept import Kept


class Judged(NamedTuple):
    """What will be done.

    :param opened: all the wheels
    :param coming: those that will be installed; the others are there already
    :param installed: the projects that are there, by normalised name
    :param leaving: the files that go first
    :param kept: what is wrong with those that are there already; ``None``: nothing
    """

    opened: Sequence[Wheel]
    coming: Sequence[Wheel]
    installed: dict[str, InstalledProject]
    leaving: Collection[str]
    kept: Kept | None


def judge(opened: Sequence[Wheel], layout: Layout, target: Target, options: InstallOptions) -> Judged:
    """Compare wheels with what is installed."""
    installed = scan_projects(layout.site_directories)
    there = {w.facts.key for w in opened if not options.force_reinstall and _is_there(w, installed)}
    kept = _judge_kept([installed[key] for key in sorted(there)], layout, target, options)
    misnamed, broken = (kept.misnamed.keys(), kept.broken.keys()) if kept else (set(), set())
    coming = [wheel for wheel in opened if wheel.facts.key not in there or wheel.facts.key in broken]
    _check_legacy(coming, installed, layout)
    _check_owners([*coming, *(w for w in opened if w.facts.key in misnamed)], installed, options)
    keys = {wheel.facts.key for wheel in coming}
    everything = scan_all(layout.site_directories)
    replaced = [project for project in everything if project.key in keys]
    staying = [project for project in everything if project.key not in keys]
    return Judged(opened, coming, installed, leaving_files(replaced, staying, layout), kept)


def _judge_kept(
    projects: Sequence[InstalledProject], layout: Layout, target: Target, options: InstallOptions
) -> Kept | None:
    """Judge the projects that are there by their extension modules; what does that is loaded if need be."""
    may_be_broken = [project for project in projects if project.may_have_modules]
    if not may_be_broken:
        return None
    from muslfix.loader.check import LoadCheck
    from muslfix.verbs.kept import judge_kept

    check = LoadCheck(target, options.root, layout.site_directories, strict=options.strict)
    return judge_kept(may_be_broken, target, options.mode, check if options.load_check else None)


def _is_there(wheel: Wheel, installed: dict[str, InstalledProject]) -> bool:
    project = installed.get(wheel.facts.key)
    return project is not None and project.is_whole and wheel.facts.has_version(project.version)


def _check_legacy(coming: Sequence[Wheel], installed: dict[str, InstalledProject], layout: Layout) -> None:
    legacy = scan_legacy(layout.site_directories)
    for wheel in coming:
        if wheel.facts.key in legacy and wheel.facts.key not in installed:
            raise EnvironmentRefused(
                legacy[wheel.facts.key],
                f"is an installation of {wheel.facts.name} without RECORD, so its files are not known",
                tip="remove it with the tool that installed it",
            )


def _check_owners(
    coming: Sequence[Wheel], installed: dict[str, InstalledProject], options: InstallOptions
) -> None:
    """Leave to a distribution's package manager what belongs to it."""
    for wheel in coming:
        previous = installed.get(wheel.facts.key)
        if previous is not None and previous.package_manager and not options.break_system_packages:
            raise EnvironmentRefused(
                os.path.join(previous.root, previous.dist_info),
                f"belongs to the package manager {previous.package_manager}",
                tip="change it with that, or use --break-system-packages if you accept the risk",
            )
