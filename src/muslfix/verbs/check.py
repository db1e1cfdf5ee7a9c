"""``muslfix check``: say what would be done, and which binaries are foreign. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

from muslfix.errors import IncompatibleWheel, MuslfixError, spelled_names
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidates import plan_tree
from muslfix.modules.plan import Plan
from muslfix.modules.tree import DiskTree
from muslfix.parallel import for_each
from muslfix.progress import Progress, counted, silent
from muslfix.projects.project import InstalledProject, normalize_name
from muslfix.report.modules import report_module
from muslfix.report.report import ProjectReport, Report, report_lost_wheel
from muslfix.rewheel.wheel_plan import find_musl_floor, plan_wheel
from muslfix.targets.compatibility import check_requires_python, check_tags
from muslfix.targets.target import Target
from muslfix.verbs.fix import plan_project
from muslfix.verbs.selection import choose, report_failed, report_installed, report_missing, site_folders
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.wheel import open_wheel


@dataclass(frozen=True)
class CheckOptions:
    """What to check.

    :param mode: how misnamed modules would get their new name
    :param paths: folders with ``.dist-info`` folders; if none, those of the target's own environment
    :param limits: how large a wheel may become
    :param progress: is told of each step
    :param load_check: ask what the target's loader will do with each module
    :param strict: count a module that needs a library or symbol which is missing as out of reach
    """

    mode: Mode = Mode.SYMLINK
    paths: tuple[str, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    progress: Progress = field(default=silent, compare=False, repr=False)
    load_check: bool = True
    strict: bool = False


@spelled_names()
def check(
    subjects: Sequence[str],
    target: Target,
    options: CheckOptions | None = None,
    *,
    executor: Executor | None = None,
) -> Report:
    """Say of each extension module what it is to the target, reading the ELF file of each.

    :param subjects: wheel files, folders, or names of installed projects; none: all installed projects
    :param target: the Python that will import
    :param options: what
    :param executor: looks at wheels, one by one, by the paths given; without one, a process for each
        processor
    :raises MuslfixError: if the folders cannot be read
    """
    options = options or CheckOptions()
    wheels = [subject for subject in subjects if _is_wheel(subject)]
    folders = [subject for subject in subjects if not _is_wheel(subject) and os.path.isdir(subject)]
    names = [subject for subject in subjects if subject not in wheels and subject not in folders]
    # The workers are other processes: they get the options without the function.
    work = partial(check_wheel, target=target, options=replace(options, progress=silent))
    done = count(1)

    def tell(_: ProjectReport) -> None:
        options.progress("reading wheels", next(done), len(wheels))

    reports = for_each(work, wheels, report_lost_wheel, executor=executor, on_finished=tell)
    reports += [_check_folder(path, target, options) for path in folders]
    if names or not subjects:
        reports += _check_installed({normalize_name(name) for name in names}, target, options)
    return Report("check", dry_run=True, projects=tuple(reports), source=target.source)


@spelled_names()
def check_musl(wheels: Sequence[str], limits: Limits = DEFAULT_LIMITS) -> Report:
    """Say of wheels on which musl they can load, and whether their tags promise more than that.

    :param wheels: paths of wheel files
    :param limits: how large they may become
    """
    return Report("check", dry_run=True, projects=tuple(_check_musl(path, limits) for path in wheels))


def _check_musl(path: str, limits: Limits) -> ProjectReport:
    try:
        with spelled_names(), open_wheel(path, limits) as wheel:
            facts, floor = wheel.facts, find_musl_floor(wheel)
    except MuslfixError as error:
        return report_lost_wheel(path, str(error), error.tip)
    return ProjectReport(facts.name, str(facts.version), path, "", "checked", None, musl=floor)


def _is_wheel(subject: str) -> bool:
    return subject.endswith(".whl") or os.path.isfile(subject)


def _load_check(target: Target, options: CheckOptions, folders: Sequence[str] = ()) -> LoadCheck | None:
    return LoadCheck(target, directories=folders, strict=options.strict) if options.load_check else None


def check_wheel(path: str, target: Target, options: CheckOptions) -> ProjectReport:
    """Say the same of one wheel; whatever is wrong with it is in the report.

    :param path: of the wheel
    """
    try:
        with spelled_names(), open_wheel(path, options.limits) as wheel:
            plan = plan_wheel(wheel, target, options.mode, _load_check(target, options))
            facts = wheel.facts
    except MuslfixError as error:
        return report_lost_wheel(path, str(error), error.tip)
    report = ProjectReport(facts.name, str(facts.version), path, "", "checked", None)
    warnings = []
    try:
        check_tags(path, facts.tags, target)
        check_requires_python(path, facts.requires_python, target)
    except IncompatibleWheel as error:
        warnings.append(error.reason)
    return replace(_with_modules(report, plan, target), warnings=(*facts.warnings, *warnings))


def _check_folder(folder: str, target: Target, options: CheckOptions) -> ProjectReport:
    """A folder is taken as a tree of modules, whoever they belong to."""
    root = os.path.abspath(folder)
    paths = list(_files_below(root))
    check = _load_check(target, options, [root])

    def locate(path: str) -> str:
        return os.path.join(root, path)

    tree = (
        DiskTree(locate) if check is None else DiskTree(locate, check.images.examine, check.on_disk(locate))
    )
    plan = plan_tree(paths, tree, target, options.mode, thorough=True)
    return _with_modules(ProjectReport(folder, "-", root, root, "checked", None), plan, target)


def _files_below(root: str) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".py", ".so")):
                yield os.path.relpath(os.path.join(folder, name), root)


def _check_installed(keys: set[str], target: Target, options: CheckOptions) -> list[ProjectReport]:
    reports: list[ProjectReport] = []
    folders = site_folders(target, options.paths, break_system_packages=True)
    check = _load_check(target, options, folders)
    for folder in folders:
        projects, passed_over = choose(folder, keys, break_system_packages=True)
        reports += passed_over
        told = counted(projects, len(projects), "reading modules", options.progress)
        reports += [_check_project(project, target, options.mode, check) for project in told]
    known = {normalize_name(report.name) for report in reports}
    reports += [_report_missing(key) for key in sorted(keys - known)]
    return sorted(reports, key=lambda report: report.name.lower())


def _report_missing(key: str) -> ProjectReport:
    if os.sep not in key:
        return report_missing(key)
    problem = "it is neither a wheel, nor a folder, nor the name of an installed project"
    return replace(report_missing(key), problem=problem)


def _check_project(
    project: InstalledProject, target: Target, mode: Mode, check: LoadCheck | None
) -> ProjectReport:
    try:
        _, plan = plan_project(project, target, mode, check, thorough=True)
    except MuslfixError as error:
        return report_failed(project, error)
    return _with_modules(report_installed(project, "checked"), plan, target)


def _with_modules(report: ProjectReport, plan: Plan, target: Target) -> ProjectReport:
    modules = (report_module(decision, target, dry_run=True) for decision in plan.decisions)
    return replace(report, modules=tuple(modules))
