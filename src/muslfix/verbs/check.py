"""``muslfix check``: report what would be done, and which binaries are foreign. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import InvalidProject, spelling_errors
from muslfix.files.access import words_of
from muslfix.progress import Progress, silent
from muslfix.projects.project import InstalledProject, normalize_name, scan_all, scan_legacy
from muslfix.record.rows import Record
from muslfix.report.report import ProjectReport, Report
from muslfix.targets.target import Target
from muslfix.targets.with_shim import about_shim
from muslfix.verbs.check_paths import Contents, doubts_about, is_shared_object, look_into, notes_on
from muslfix.verbs.planning import Judging, Planner
from muslfix.verbs.reports import notes_on_editable, notes_on_other_pythons, report_missing, report_owned
from muslfix.verbs.selection import Selection, site_directories
from muslfix.verbs.subjects import convert_options, is_interpreter, projects_named, what_it_is
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from muslfix.modules.plan import Plan

_TIP = "name wheels, shared libraries, directories, or installed projects"


@dataclass(frozen=True)
class CheckOptions:
    """What to check.

    :param mode: how misnamed modules would get their new name
    :param paths: directories with ``.dist-info`` directories; none: those of the target's own environment
    :param limits: how large a wheel may become
    :param progress: called for each step
    :param load_check: find out what the target's loader will do with each module
    :param strict: refuse a module that needs a library or symbol that is missing
    """

    mode: Mode = Mode.SYMLINK
    paths: tuple[str, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    progress: Progress = field(default=silent, compare=False, repr=False)
    load_check: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        convert_options(self)


@spelling_errors()
def check(
    subjects: Sequence[str | os.PathLike[str]],
    target: Target,
    options: CheckOptions | None = None,
    *,
    executor: Executor | None = None,
) -> Report:
    """Report on each extension module whether the target can import it, reading its ELF file.

    :param subjects: wheel files, directories, shared libraries, or names of installed projects; none: all
        installed projects. Of a directory of wheels, the wheels are checked
    :param target: the Python that will import
    :param options: what to check
    :param executor: checks the wheels, given their paths; ``None``: one process for each processor
    :raises MuslfixError: if the directories cannot be read
    """
    options = options or CheckOptions()
    judging = Judging(target, options.mode, options.load_check, options.strict)
    words = words_of(subjects, "subjects")
    shadowed = _projects_rather_than_paths(words, target, options)
    wheels, directories, files, names, lost = _sort(words, shadowed)
    reports: list[ProjectReport] = []
    if wheels or directories or files:
        from muslfix.verbs.check_named import check_directory, check_file, check_wheels

        reports += check_wheels(wheels, judging, options.limits, executor, options.progress)
        full = (found for found in directories if found[1].is_tree)
        reports += (check_directory(path, contents, judging) for path, contents in full)
        reports += (check_file(path, judging) for path in files)
    doubts = [doubt for path, contents in directories for doubt in doubts_about(path, contents)]
    installed = Report("check", dry_run=True, projects=())
    if names or not subjects:
        installed = _check_installed(projects_named("check", names), judging, options)
    reports = [*_without(reports, installed.projects), *installed.projects]
    reports += [report_missing(path, f"it {what_it_is(path)}", _TIP) for path in lost]
    return Report(
        "check",
        dry_run=True,
        projects=tuple(reports),
        notes=(
            *_notes(target, options, reports),
            *(note for path, contents in directories for note in notes_on(path, contents)),
            *(f"{word} is here a path too: to check that, say ./{word}" for word in shadowed),
        ),
        source=target.source,
        directories=installed.directories,
        doubts=(*doubts, *installed.doubts),
    )


def _notes(target: Target, options: CheckOptions, reports: Sequence[ProjectReport]) -> Iterator[str]:
    yield from notes_on_editable(reports)
    yield from notes_on_other_pythons(reports, target)
    if target.externally_managed and not options.paths and any(report.changes for report in reports):
        yield (
            f"{target.externally_managed} says that another tool manages the environment: fix and install"
            " change it with --break-system-packages only"
        )
    shim = about_shim(target)
    if shim:  # the verdicts do not count on it
        yield f"{shim}; what is misnamed still gets a name by 'muslfix fix'"


def _without(reports: Sequence[ProjectReport], installed: Sequence[ProjectReport]) -> Iterator[ProjectReport]:
    """The reports on directories and files, without the modules that other reports are about."""
    known = {path for report in installed for path in _paths_of(report)}
    for report in reports:
        paths = zip(report.modules, _paths_of(report)) if report.source == report.location else ()
        twice = [module for module, path in paths if path in known]
        yield replace(report, modules=tuple(m for m in report.modules if m not in twice)) if twice else report


def _paths_of(report: ProjectReport) -> list[str]:
    """The paths of its modules on disk."""
    root = os.path.realpath(report.location or "")
    return [os.path.join(root, module.path) for module in report.modules]


class _Subjects(NamedTuple):
    """What was given, by kind; a directory of wheels stands for these."""

    wheels: list[str]
    directories: list[tuple[str, Contents]]
    files: list[str]
    names: list[str]
    lost: list[str]


def _projects_rather_than_paths(words: Sequence[str], target: Target, options: CheckOptions) -> list[str]:
    """The words that are names of installed projects, although there is a file or directory of that name.

    In a project of flat layout the directory ``ujson`` holds the sources, and the word means the project
    for every other command.
    """
    paths = [word for word in dict.fromkeys(words) if os.sep not in word and os.path.lexists(word)]
    if not paths or not (options.paths or target.runs_here or target.tree is not None):
        return []
    sites = site_directories(target, options.paths, break_system_packages=True)
    installed = {project.key for project in scan_all(sites)} | set(scan_legacy(sites))
    return [word for word in paths if normalize_name(word) in installed]


def _sort(subjects: Sequence[str], names: Collection[str]) -> _Subjects:
    """Sort what was given.

    :param names: those that are names of projects, whatever else there is of that name
    """
    sorted_ = _Subjects([], [], [], [], [])
    for subject in subjects:
        if subject in names:
            sorted_.names.append(subject)
        elif os.path.isdir(subject):
            contents = look_into(subject)
            sorted_.wheels.extend(os.path.join(subject, wheel) for wheel in contents.wheels)
            sorted_.directories.append((subject, contents))
        elif subject.endswith(".whl") and "://" not in subject:
            sorted_.wheels.append(subject)
        elif os.path.isfile(subject):
            is_checked = is_shared_object(subject) and not is_interpreter(subject)
            (sorted_.files if is_checked else sorted_.lost).append(subject)
        else:
            is_path = os.sep in subject or is_shared_object(subject)
            (sorted_.lost if is_path else sorted_.names).append(subject)
    return sorted_


def _check_installed(names: Sequence[str], judging: Judging, options: CheckOptions) -> Report:
    selection = Selection(
        names, judging.target, options.paths, look_for_strays=True, progress=options.progress
    )
    planner = Planner(judging, selection.directories, thorough=True)

    def look(project: InstalledProject) -> ProjectReport:
        if not project.may_have_modules:
            return planner.with_sources(planner.report(project, "checked"), project)
        record, plan = planner.plan(project)
        report = planner.report(project, "checked", plan, dry_run=True)
        if plan.changes:
            report = _with_refusal(report, project, record, plan)
        return planner.with_sources(report, project)

    for site in selection.sites():
        site.look("reading modules", look)
    return selection.report("check")


def _with_refusal(
    report: ProjectReport, project: InstalledProject, record: Record, plan: Plan
) -> ProjectReport:
    """The report on a project in which there is something to fix, with the reason why ``fix`` would not."""
    from muslfix.projects.in_place import check_in_place

    owner = project.package_manager
    if owner is not None:
        owned = report_owned(project, owner)
        return replace(report, problem=f"fix would leave it alone: {owned.problem}", tip=owned.tip)
    try:
        check_in_place(project, record, plan)
    except InvalidProject as error:
        return replace(report, problem=f"fix would refuse it: {error}", tip=error.tip)
    return report
