"""``muslfix shim``: let a Python accept both spellings when it imports, where the files cannot be changed.

The shim is an ordinary project of the files in :mod:`muslfix.targets.shim`. It is made as a wheel, installed
as one, and removed by its RECORD.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import astuple, dataclass, field, replace

from muslfix._version import __version__
from muslfix.errors import EnvironmentRefused, UsageError, destination_errors, spelling_errors
from muslfix.progress import Progress, silent
from muslfix.projects.environment import check_not_managed
from muslfix.projects.project import InstalledProject, normalize_name, scan_all
from muslfix.report.report import ProjectReport, Report
from muslfix.rewheel.new_file import write_whole_file
from muslfix.staging.place import move_out
from muslfix.staging.replaced import leaving_files
from muslfix.targets.interpreter import loaded_shim
from muslfix.targets.schemes import Layout, layout_of
from muslfix.targets.target import Target
from muslfix.targets.with_shim import PROJECT, SWITCH, about_shim, examples, names_added
from muslfix.transaction.leftovers import about_remaining
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.reports import report_installed
from muslfix.verbs.shim_wheel import INFO, WHEEL_NAME, check_own, shim_wheel


@dataclass(frozen=True)
class ShimOptions:
    """How to install or remove the shim.

    :param break_system_packages: change an environment that another tool owns (:pep:`668`)
    :param dry_run: only report what would be done
    :param progress: is told of each step
    """

    break_system_packages: bool = False
    dry_run: bool = False
    progress: Progress = field(default=silent, compare=False, repr=False)


@spelling_errors()
def write_shim_wheel(folder: str | os.PathLike[str]) -> str:
    """Write the wheel of the shim, for an index, a lock file or ``uvx --with``.

    :param folder: the directory for it, which is made if need be
    :return: its path
    :raises DestinationError: if it cannot be written, or another file has the name
    """
    path = os.path.join(os.fspath(folder), WHEEL_NAME)
    with destination_errors(os.fspath(folder)):
        os.makedirs(folder, exist_ok=True)
    write_whole_file(path, [shim_wheel()], overwrite=False)
    return path


def report_wheel(folder: str, *, dry_run: bool = False) -> Report:
    """Write the wheel of the shim as :func:`write_shim_wheel` does, and report it."""
    path = os.path.join(folder, WHEEL_NAME) if dry_run else write_shim_wheel(folder)
    project = ProjectReport(PROJECT, __version__, path, None, "made", output=path)
    return Report("shim", dry_run, (project,))


@spelling_errors()
def install_shim(target: Target, options: ShimOptions | None = None) -> Report:
    """Install the shim into the target's own environment.

    :param target: the Python that will import
    :param options: how
    :raises UsageError: if there is nothing that the shim could add
    :raises InvalidProject: if another project has its name there
    :raises MuslfixError: as :func:`muslfix.install`
    """
    options = options or ShimOptions()
    for project in _sort(_layout(target))[0]:
        check_own(project)
    if not names_added(target):
        raise UsageError(None, f"the shim has no names to add for {target.kind} on {target.machine}")
    installing = InstallOptions(
        break_system_packages=options.break_system_packages,
        dry_run=options.dry_run,
        progress=options.progress,
        note_origin=False,
    )
    with tempfile.TemporaryDirectory(prefix="muslfix-") as directory:
        report = install([write_shim_wheel(directory)], target, installing)
    projects = tuple(
        replace(project, source=os.path.join(project.location or "", INFO)) for project in report.projects
    )
    would = "would also look" if options.dry_run else "also looks, from its next start on,"
    note = (
        f"for 'import demo', this Python {would} for {examples(target)}, behind its own names and where the"
        f" ELF file fits; {SWITCH}=0 switches that off for a process, 'muslfix shim --remove' for good"
    )
    return replace(report, command="shim", projects=projects, notes=(*report.notes, note))


@spelling_errors()
def remove_shim(target: Target, options: ShimOptions | None = None) -> Report:
    """Remove the shim from the target's own environment, by its RECORD.

    :param target: the Python that has it
    :param options: how
    :raises InvalidProject: if another project has its name, or the RECORD is missing or damaged
    :raises MuslfixError: if the environment does not allow it
    """
    options = options or ShimOptions()
    layout = _layout(target)
    check_not_managed(target, break_system_packages=options.break_system_packages)
    with Transaction(layout.scheme.purelib, astuple(layout.scheme), layout.site_directories) as transaction:
        going, staying = _sort(layout)
        if not options.break_system_packages:
            _check_owners(going)
        for project in going:
            check_own(project)
        leaving = leaving_files(going, staying, layout)
        if not options.dry_run:
            move_out(transaction, leaving, layout)
            transaction.commit()
    warnings = (about_remaining(transaction.remaining),) if transaction.remaining else ()
    reports = tuple(report_installed(project, "removed") for project in going)
    notes = () if going else (_not_there(layout),)
    sites = layout.site_directories
    return Report("shim", options.dry_run, reports, warnings, notes, target.source, directories=sites)


@spelling_errors()
def shim_status(target: Target) -> Report:
    """Report whether the target starts the shim; it is started to find out, where it can be.

    :param target: the Python in question
    :return: with a doubt if the shim is not active
    :raises InvalidProject: if another project has its name there
    """
    layout = _layout(target)
    there, _ = _sort(layout)
    for project in there:
        check_own(project)
    if target.runs_here and target.executable is not None:
        file, suffixes = loaded_shim(target.executable)
        names = ", ".join(f"demo{suffix}" for suffix in suffixes)
        looks = f"for 'import demo', this Python also looks for {names}, behind its own names"
        note = f"active, from {file}: {looks}" if suffixes else None
        doubt = _why_not(layout, there)
    else:
        note, doubt = about_shim(target), _not_there(layout)
    return Report(
        "shim",
        dry_run=False,
        projects=tuple(report_installed(project, "checked") for project in there),
        notes=(note,) if note else (),
        source=target.source,
        directories=layout.site_directories,
        doubts=() if note else (doubt,),
    )


def _layout(target: Target) -> Layout:
    """The directories of the target's own environment.

    :raises UsageError: if they are not on this machine
    """
    if not target.runs_here and target.tree is None:
        raise UsageError(
            None,
            "the target cannot be run here, so its directories are not those of this machine",
            "name it with --python, or its files with --target-root, or write a wheel with --wheel",
        )
    return layout_of(target)


def _why_not(layout: Layout, there: list[InstalledProject]) -> str:
    if not there:
        return _not_there(layout)
    if os.environ.get(SWITCH) == "0":
        return f"{PROJECT} is not active: {SWITCH}=0 switches it off"
    return (
        f"{PROJECT} is installed, and this Python does not start it: 'python -v -c pass' shows what it does"
    )


def _not_there(layout: Layout) -> str:
    return f"{PROJECT} is not installed in {', '.join(layout.site_directories)}"


def _sort(layout: Layout) -> tuple[list[InstalledProject], list[InstalledProject]]:
    """The shim, as it is installed, and all other projects."""
    everything = scan_all(layout.site_directories)
    going = [project for project in everything if project.key == normalize_name(PROJECT)]
    return going, [project for project in everything if project not in going]


def _check_owners(going: list[InstalledProject]) -> None:
    for project in going:
        if project.package_manager:
            raise EnvironmentRefused(
                os.path.join(project.root, project.dist_info),
                f"belongs to the package manager {project.package_manager}",
                tip="remove it with that, or use --break-system-packages if you accept the risk",
            )
