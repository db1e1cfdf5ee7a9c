"""What ``muslfix check`` finds in the wheels, directories and files that it is called for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from itertools import count

from muslfix.errors import IncompatibleWheel, InvalidWheel, MuslfixError, spelling_errors
from muslfix.modules.candidates import is_other_library, plan_libraries, plan_tree
from muslfix.modules.plan import Decision
from muslfix.modules.tree import DiskTree
from muslfix.parallel.executors import for_each
from muslfix.progress import Progress, silent
from muslfix.report.modules import about_foreign, report_module, with_times
from muslfix.report.report import ProjectReport, Report
from muslfix.rewheel.wheel_plan import find_musl_floor, plan_wheel
from muslfix.targets.compatibility import check_requires_python, check_tags
from muslfix.targets.target import Target
from muslfix.verbs.check_paths import SHARED_OBJECT, Contents
from muslfix.verbs.planning import Judging
from muslfix.verbs.reports import report_lost_wheel
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.wheel import Wheel, open_wheel


@spelling_errors()
def check_musl(wheels: Sequence[str], limits: Limits = DEFAULT_LIMITS) -> Report:
    """Report which musl the modules of wheels need, and whether the tags of the wheels promise less.

    :param wheels: paths of wheel files
    :param limits: how large a wheel may become
    """
    return Report("check", dry_run=True, projects=tuple(_check_musl(path, limits) for path in wheels))


def _check_musl(path: str, limits: Limits) -> ProjectReport:
    try:
        with spelling_errors(), open_wheel(path, limits) as wheel:
            facts, floor = wheel.facts, find_musl_floor(wheel)
    except MuslfixError as error:
        return report_lost_wheel(path, str(error), error.tip)
    warnings = (floor.time_t,) if floor.time_t and floor.mixes else ()
    return ProjectReport(facts.name, str(facts.version), path, None, "checked", musl=floor, warnings=warnings)


def check_wheels(
    wheels: Sequence[str],
    judging: Judging,
    limits: Limits,
    executor: Executor | None,
    progress: Progress = silent,
) -> list[ProjectReport]:
    """Check several wheels, side by side.

    :param wheels: paths of wheel files
    :param judging: how their modules are judged
    :param limits: how large a wheel may become
    :param executor: checks them, given their paths; ``None``: one process for each processor
    :param progress: called for each wheel
    """
    work = partial(check_wheel, judging=judging, limits=limits)
    done = count(1)

    def tell(_: ProjectReport) -> None:
        progress("reading wheels", next(done), len(wheels))

    return for_each(work, wheels, report_lost_wheel, executor=executor, on_finished=tell)


def check_wheel(path: str, judging: Judging, limits: Limits) -> ProjectReport:
    """Check one wheel. An error is part of the report.

    :param path: of the wheel
    """
    target = judging.target
    try:
        with spelling_errors(), open_wheel(path, limits) as wheel:
            plan = plan_wheel(wheel, target, judging.mode, judging.make_check())
            facts, refusal = wheel.facts, _refusal_of(wheel, target)
    except MuslfixError as error:
        return report_lost_wheel(path, str(error), error.tip)
    report = ProjectReport(facts.name, str(facts.version), path, None, "checked", warnings=facts.warnings)
    if refusal is not None:
        report = replace(report, problem=f"install would refuse it: it {refusal.reason}", tip=refusal.tip)
    report = replace(report, warnings=(*report.warnings, *about_foreign(plan, target)))
    return _with_modules(report, plan.decisions, target)


def _refusal_of(wheel: Wheel, target: Target) -> MuslfixError | None:
    """Why ``install`` would refuse a wheel, apart from its modules; ``None``: it would not."""
    try:
        check_tags(wheel.facts.path, wheel.facts.tags, target)
        check_requires_python(wheel.facts.path, wheel.facts.requires_python, target)
        wheel.verify()
    except (IncompatibleWheel, InvalidWheel) as error:
        return error
    return None


def check_directory(directory: str, contents: Contents, judging: Judging) -> ProjectReport:
    """Check a directory as a tree of extension modules and shared libraries.

    :param contents: what it holds
    """
    root = os.path.abspath(directory)
    tree = DiskTree(partial(os.path.join, root), judging.make_check([directory]))
    report = ProjectReport(directory, None, root, root, "checked")
    return _with_modules(report, _decisions(contents.others, tree, judging), judging.target)


def check_file(path: str, judging: Judging) -> ProjectReport:
    """Check one extension module, as one of the files in its directory, or one shared library."""
    directory, name = os.path.split(os.path.abspath(path))
    tree = DiskTree(partial(os.path.join, directory), judging.make_check([directory]))
    names = {name, *tree.names_beside(name)}  # the directory itself may not be readable
    beside = sorted(file for file in names if file.partition(".")[0] == name.partition(".")[0])
    decisions = _decisions(beside if SHARED_OBJECT.search(name) else [], tree, judging)
    itself = [decision for decision in decisions if decision.candidate.path == name]
    itself = itself or plan_libraries([name], tree, judging.target)
    report = ProjectReport(path, None, os.path.join(directory, name), directory, "checked")
    return _with_modules(report, itself, judging.target)


def _decisions(files: Sequence[str], tree: DiskTree, judging: Judging) -> list[Decision]:
    """The decisions on the modules, and on shared libraries that are none, among some files."""
    target = judging.target
    modules = plan_tree(files, tree, target, judging.mode, thorough=True).decisions
    judged = {decision.candidate.path for decision in modules}
    others = [path for path in files if path not in judged]
    libraries = plan_libraries([path for path in others if is_other_library(path)], tree, target)
    return [*modules, *libraries]


def _with_modules(report: ProjectReport, decisions: Sequence[Decision], target: Target) -> ProjectReport:
    modules = (report_module(decision, target, dry_run=True) for decision in decisions)
    return with_times(replace(report, modules=tuple(modules)), decisions)
