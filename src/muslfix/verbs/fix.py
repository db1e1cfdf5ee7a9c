"""``muslfix fix``: the step after pip, uv, Poetry or PDM; puts right what they have installed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from muslfix.errors import MuslfixError, spelled_names
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidates import plan_tree
from muslfix.modules.plan import Plan
from muslfix.modules.tree import DiskTree
from muslfix.progress import Progress, counted, silent
from muslfix.projects.environment import recover_folder
from muslfix.projects.project import InstalledProject, is_inside, normalize_name
from muslfix.projects.trace import Change
from muslfix.record import Record
from muslfix.report.modules import report_module
from muslfix.report.report import ProjectReport, Report
from muslfix.targets.target import Target
from muslfix.verbs.selection import choose, report_failed, report_installed, reports_on_missing, site_folders
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.transaction.transaction import Transaction


@dataclass(frozen=True)
class FixOptions:
    """How to fix.

    :param mode: how misnamed modules get their new name
    :param paths: folders with ``.dist-info`` folders; if none, those of the target's own environment
    :param break_system_packages: change also what another tool owns
    :param dry_run: only say what would be done
    :param load_check: ask what the target's loader will do with a module before it gets a name
    :param strict: give no name to a module that needs a library or symbol which is missing
    :param progress: is told of each step
    """

    mode: Mode = Mode.SYMLINK
    paths: tuple[str, ...] = ()
    break_system_packages: bool = False
    dry_run: bool = False
    load_check: bool = True
    strict: bool = False
    progress: Progress = silent


@spelled_names()
def fix(projects: Sequence[str], target: Target, options: FixOptions | None = None) -> Report:
    """Give the misnamed modules of installed projects names that the target imports.

    Each project is changed as a whole or not at all; one that cannot be changed does not stop the others.

    :param projects: names of projects; none: all of them
    :param target: the Python that will import
    :param options: how
    :raises EnvironmentRefused: if another tool manages the environment
    :raises MuslfixError: if the folders cannot be worked on
    """
    options = options or FixOptions()
    keys = {normalize_name(name) for name in projects}
    reports: list[ProjectReport] = []
    warnings: list[str] = []
    folders = site_folders(target, options.paths, break_system_packages=options.break_system_packages)
    check = LoadCheck(target, directories=folders, strict=options.strict) if options.load_check else None
    for folder in folders:
        warnings += [] if options.dry_run else recover_folder(folder)
        reports += _fix_folder(folder, keys, target, options, check)
    reports += reports_on_missing(keys, reports)
    return Report("fix", options.dry_run, tuple(reports), tuple(warnings), source=target.source)


def _fix_folder(
    folder: str, keys: Collection[str], target: Target, options: FixOptions, check: LoadCheck | None
) -> list[ProjectReport]:
    """Look at all projects first, which takes no lock; then change those that need it, under one."""
    projects, reports = choose(folder, keys, break_system_packages=options.break_system_packages)
    needy = []
    for project in counted(projects, len(projects), "reading modules", options.progress):
        try:
            record, plan = plan_project(project, target, options.mode, check)
            if plan.refusals and not options.dry_run:  # or another muslfix is half-way
                recover_folder(folder)
                record, plan = plan_project(project, target, options.mode, check)
            if plan.changes and options.dry_run:
                _check_project(project, record, plan)
        except MuslfixError as error:
            reports.append(report_failed(project, error))
            continue
        if plan.changes and not options.dry_run:
            needy.append(project)
        else:
            reports.append(_report(project, plan, (), target, dry_run=options.dry_run))
    if needy:
        from muslfix.transaction.transaction import Transaction

        with Transaction(folder) as transaction:
            told = counted(needy, len(needy), "fixing projects", options.progress)
            reports += [_fix_project(project, target, options.mode, transaction, check) for project in told]
            transaction.commit()
    return sorted(reports, key=lambda report: report.name.lower())


@spelled_names()
def plan_project(
    project: InstalledProject,
    target: Target,
    mode: Mode,
    check: LoadCheck | None = None,
    *,
    thorough: bool = False,
) -> tuple[Record, Plan]:
    """Plan for an installed project, from its RECORD and its files.

    :param check: asks the target's loader; ``None``: it is not asked
    :param thorough: read also the ELF files of modules with a right name
    :raises InvalidProject: if it has no RECORD, or a damaged one
    """
    content = project.record_bytes()
    if b".so" not in content:
        return Record(), Plan()
    record = project.parse_record(content)
    inside = [row.path for row in record.rows if is_inside(project.root, row.path)]
    tree = DiskTree(project.locate)
    if check is not None:
        tree = DiskTree(project.locate, check.images.examine, check.on_disk(project.locate))
    return record, plan_tree(inside, tree, target, mode, thorough=thorough)


def _check_project(project: InstalledProject, record: Record, plan: Plan) -> None:
    """Find out in a dry run what would make it fail."""
    from muslfix.projects.in_place import check_in_place

    check_in_place(project, record, plan)


def _fix_project(
    project: InstalledProject,
    target: Target,
    mode: Mode,
    transaction: Transaction,
    check: LoadCheck | None,
) -> ProjectReport:
    """Plan once more, now that nobody else changes the folder, and do it."""
    from muslfix.projects.in_place import fix_in_place

    try:
        with transaction.part():
            record, plan = plan_project(project, target, mode, check)
            changes = fix_in_place(project, record, plan, target, transaction) if plan.changes else ()
    except MuslfixError as error:
        return report_failed(project, error)
    return _report(project, plan, changes, target)


def _report(
    project: InstalledProject,
    plan: Plan,
    changes: tuple[Change, ...],
    target: Target,
    *,
    dry_run: bool = False,
) -> ProjectReport:
    done = {change.old: change.mode for change in changes}
    return replace(
        report_installed(project, "fixed" if plan.changes else "unchanged"),
        modules=tuple(
            report_module(decision, target, done.get(decision.candidate.path), dry_run=dry_run)
            for decision in plan.decisions
        ),
    )
