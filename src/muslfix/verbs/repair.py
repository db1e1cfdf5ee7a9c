"""``muslfix repair``: write wheels that need no fixing, for a wheelhouse or an index."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from muslfix.errors import IncompatibleWheel, MuslfixError, UsageError, destination_errors, spelling_errors
from muslfix.loader.check import LoadCheck
from muslfix.modules.plan import Plan
from muslfix.parallel.executors import for_each
from muslfix.report.modules import report_module
from muslfix.report.report import ModuleReport, ProjectReport, Report
from muslfix.rewheel.musl_tags import NewTags, find_new_tags
from muslfix.rewheel.new_wheel import NewWheel, copy_wheel, dropped_signatures, file_name, write_wheel
from muslfix.rewheel.wheel_plan import plan_for_targets
from muslfix.targets.compatibility import check_requires_python, check_tags
from muslfix.targets.target import Target
from muslfix.transaction.directories import make_directories, remove_directories
from muslfix.verbs.reports import report_lost_wheel
from muslfix.verbs.subjects import convert_options, wheels_to_repair
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.wheel import Wheel, open_wheel

_MUSL_VERSION = re.compile(r"musllinux_\d+_\d+_")
_BUILD_TAG = re.compile(r"[0-9][0-9A-Za-z_.]*")

# The interpreter tags of CPython 3, and the minor version that first puts a triplet behind "abi3".
_INTERPRETER = re.compile(r"cp3([0-9]+)")
_FIRST_WITH_TRIPLET = 15


@dataclass(frozen=True)
class RepairOptions:
    """How to repair.

    :param folder: the directory for new wheels; it is made if need be
    :param in_place: replace each old wheel by the new one instead
    :param mode: ``RENAME`` or ``COPY``
    :param force: replace other files that have the name of a new wheel
    :param copy_unchanged: also write the wheels that need no change, so that the directory has them all
    :param build_tag: a build tag for the new wheels, instead of the one they may have
    :param retag: give wheels for musl the tag of the oldest musl on which their files can load
    :param dry_run: only report what would be done
    :param limits: how large a wheel may become
    :param load_check: ask what the loader of each target will do with a module before it gets a name
    :param strict: repair no wheel with a module that needs a missing library or symbol
    """

    folder: str | None = None
    in_place: bool = False
    mode: Mode = Mode.RENAME
    force: bool = False
    copy_unchanged: bool = False
    build_tag: str | None = None
    retag: bool = False
    dry_run: bool = False
    limits: Limits = DEFAULT_LIMITS
    load_check: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        convert_options(self)

    def output_for(self, path: str, build_tag: str | None, tags: NewTags | None = None) -> str:
        """Where the new wheel for an old one goes."""
        if self.folder is None:
            return os.path.realpath(path)
        return os.path.join(self.folder, file_name(path, build_tag, tags))


@spelling_errors()
def repair(
    wheels: Sequence[str | os.PathLike[str]],
    targets: Sequence[Target],
    options: RepairOptions,
    *,
    executor: Executor | None = None,
    on_finished: Callable[[ProjectReport], object] | None = None,
) -> Report:
    """Write wheels whose extension modules have the names that the targets import.

    A wheel that cannot be repaired does not stop the others. Everything else is carried over byte for byte,
    and the same wheel gives the same bytes.

    :param wheels: paths of wheel files
    :param targets: the Pythons that will import; a wheel is repaired for those that its tags fit
    :param options: how
    :param executor: does the work, wheel by wheel, on the paths given; by default one process per processor
    :param on_finished: is called with the report on each wheel as soon as it is available
    :raises UsageError: if the options contradict each other
    :raises DestinationError: if the directory cannot be made
    """
    check_repair_options(options)
    given = wheels_to_repair(wheels)
    if isinstance(targets, Target):
        raise UsageError(None, "targets is a single target, but must be a list", "write [target]")
    if not targets:
        raise UsageError(None, "there is no target to repair wheels for")
    paths = list(dict.fromkeys(given))
    reports = _report_twins(paths, options)
    todo = [path for path in paths if path not in reports]
    with _output_directory(options):
        done = for_each(
            partial(repair_wheel, targets=tuple(targets), options=options),
            todo,
            report_lost_wheel,
            executor=executor,
            on_finished=on_finished,
        )
    reports.update(zip(todo, done))
    return Report("repair", options.dry_run, tuple(reports[path] for path in paths))


def check_repair_options(options: RepairOptions) -> None:
    """Refuse options that contradict each other.

    :raises UsageError: for the first contradiction
    """
    if options.mode in (Mode.SYMLINK, Mode.HARDLINK):
        raise UsageError(
            None,
            f"a wheel cannot hold links, so --mode {options.mode} is not for repair",
            tip="use --mode rename or --mode copy",
        )
    if options.in_place == (options.folder is not None):
        raise UsageError(None, "say where new wheels shall go: either --wheel-dir DIR or --in-place")
    if options.folder is not None and not options.folder.strip():
        raise UsageError(None, "--wheel-dir is empty")
    if options.build_tag is not None and _BUILD_TAG.fullmatch(options.build_tag) is None:
        raise UsageError(
            None,
            f"{options.build_tag!r} is not a build tag",
            tip="a build tag begins with a digit and has no '-': 1musl",
        )
    if options.in_place and (options.build_tag is not None or options.retag):
        raise UsageError(
            None,
            "another tag changes a wheel's name, so the wheel cannot be repaired in place",
            tip="name a directory for the new wheels with --wheel-dir instead of --in-place",
        )


def _report_twins(paths: Sequence[str], options: RepairOptions) -> dict[str, ProjectReport]:
    """Reports on wheels whose new one would be written over that of an earlier wheel of the same name.

    Those whose names differ only in the version of musl can get the same name.
    """
    outputs = {path: options.output_for(path, options.build_tag) for path in paths}
    if options.retag:
        outputs = {path: _MUSL_VERSION.sub("musllinux_", output.lower()) for path, output in outputs.items()}
    first = {outputs[path]: path for path in reversed(paths)}
    return {
        path: report_lost_wheel(path, f"{path}: another wheel of this name is given: {first[output]}")
        for path, output in outputs.items()
        if path != first[output]
    }


@contextmanager
def _output_directory(options: RepairOptions) -> Iterator[None]:
    """The directory for new wheels; if it was made for them and stays empty, it is removed again."""
    if options.folder is None or options.dry_run:
        yield
        return
    made: list[str] = []
    try:
        with destination_errors(options.folder):
            make_directories(os.path.abspath(options.folder), made)
        yield
    finally:
        remove_directories(made)


def repair_wheel(path: str, targets: Sequence[Target], options: RepairOptions) -> ProjectReport:
    """Repair one wheel; whatever is wrong with it is in the report.

    :param path: of the wheel
    """
    try:
        with spelling_errors(), open_wheel(path, options.limits) as wheel:
            return _repair(wheel, targets, options)
    except MuslfixError as error:
        return report_lost_wheel(path, str(error), error.tip)


def _repair(wheel: Wheel, targets: Sequence[Target], options: RepairOptions) -> ProjectReport:
    """Choose the targets, plan for all of them, refuse, and write."""
    facts = wheel.facts
    report = ProjectReport(
        facts.name, str(facts.version), facts.path, None, "unchanged", warnings=facts.warnings
    )
    tags = find_new_tags(wheel) if options.retag else NewTags()
    if tags.warning is not None:
        report = replace(report, warnings=(*report.warnings, tags.warning))
    misfits = [_misfit(wheel, target, tags) for target in targets]
    fitting = [target for target, misfit in zip(targets, misfits) if misfit is None or not misfit.is_certain]
    if not fitting:
        problem = misfits[0].reason if misfits[0] else None
        return _pass_on(wheel, replace(report, action="left-alone", problem=problem), options)
    checks = [LoadCheck(t, strict=options.strict) if options.load_check else None for t in fitting]
    promised = [_as_promised(wheel, target) for target in fitting]
    plans = plan_for_targets(wheel, promised, options.mode, checks)
    report = replace(report, modules=_report_modules(plans, promised, options))
    refused = sum(module.refused for module in report.modules)
    unsure = next((misfit for misfit in misfits if misfit and not misfit.is_certain), None)
    if unsure is not None and (refused or any(plan.changes for plan in plans)):
        problem = f"{unsure.reason}; so it is not known whether the wheel is for it and must be repaired"
        return replace(report, action="failed", modules=(), problem=problem, tip=unsure.tip)
    if refused:
        problem = f"the target cannot load {refused} of its extension module files, so it is not repaired"
        return replace(report, action="failed", problem=problem)
    if not any(plan.changes for plan in plans) and not tags.platforms:
        return _pass_on(wheel, report, options)
    new = NewWheel(tuple(plans), tuple(fitting), options.build_tag, tags)
    return _write(wheel, new, replace(report, musl=tags.floor), options)


def _as_promised(wheel: Wheel, target: Target) -> Target:
    """A target that imports no more names of the stable ABI than every Python that the wheel is tagged for.

    ``.abi3-<triplet>.so`` is what builds on CPython 3.15 write, and what upstream's older versions do not
    import. A wheel that is tagged for these needs ``.abi3.so``, which all import.

    Source: https://github.com/python/cpython/issues/122931
    """
    tags = (_INTERPRETER.fullmatch(tag.interpreter) for tag in wheel.facts.tags if tag.abi == "abi3")
    oldest = min((int(match[1]) for match in tags if match), default=_FIRST_WITH_TRIPLET)
    if oldest >= _FIRST_WITH_TRIPLET:
        return target
    plain = (suffix for suffix in target.extension_suffixes if not suffix.startswith(".abi3-"))
    return replace(target, extension_suffixes=tuple(plain))


def _misfit(wheel: Wheel, target: Target, tags: NewTags) -> IncompatibleWheel | None:
    """Why a wheel is not for a target with the tags that it will have, or ``None``."""
    try:
        check_tags(wheel.facts.path, tags.all_of(wheel.facts.tags), target)
        check_requires_python(wheel.facts.path, wheel.facts.requires_python, target)
    except IncompatibleWheel as error:
        reason = f"it {error.reason}" + (", once it has the right tag" if tags.platforms else "")
        return IncompatibleWheel(None, reason, error.tip, error.is_certain)
    return None


def _report_modules(
    plans: Sequence[Plan], targets: Sequence[Target], options: RepairOptions
) -> tuple[ModuleReport, ...]:
    """The report on each module, once if it is the same for several targets."""
    reports = (
        report_module(decision, target, dry_run=options.dry_run)
        for plan, target in zip(plans, targets)
        for decision in plan.decisions
    )
    return tuple(sorted(dict.fromkeys(reports), key=lambda module: module.path))


def _pass_on(wheel: Wheel, report: ProjectReport, options: RepairOptions) -> ProjectReport:
    """Leave a wheel as it is: copy it if that is wanted."""
    if not options.copy_unchanged or options.in_place:
        return report
    output = options.output_for(wheel.facts.path, None)
    if not options.dry_run:
        copy_wheel(wheel, output, overwrite=options.force)
    return replace(report, output=output)


def _write(wheel: Wheel, new: NewWheel, report: ProjectReport, options: RepairOptions) -> ProjectReport:
    """Write the new wheel."""
    output = options.output_for(wheel.facts.path, options.build_tag, new.tags)
    if not options.dry_run:
        overwrite = options.force or options.in_place
        write_wheel(wheel, new, output, overwrite=overwrite, in_place=options.in_place)
    leaves = "would leave out" if options.dry_run else "leaves out"
    dropped = (f"{leaves} {name}, which signed the old RECORD" for name in dropped_signatures(wheel))
    return replace(report, action="repaired", output=output, warnings=(*report.warnings, *dropped))
