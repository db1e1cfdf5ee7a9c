"""``muslfix install``: unpack into a staging tree, fix the staged tree, move it in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, replace

from muslfix.errors import InvalidWheel, destination_errors, spelling_errors
from muslfix.projects.environment import check_not_managed, versions_beside
from muslfix.projects.project import InstalledProject
from muslfix.report.report import ModuleReport, ProjectReport, Report
from muslfix.staging.conflicts import find_conflicts
from muslfix.staging.place import move_out, place
from muslfix.staging.tree import StagedWheel, write_record
from muslfix.staging.unpack import unpack
from muslfix.targets.compatibility import check_requires_python, check_tags, unmet_requirements
from muslfix.targets.schemes import Layout, layout_of
from muslfix.targets.target import Target
from muslfix.transaction.leftovers import about_remaining
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.judgement import Judged, judge
from muslfix.verbs.subjects import wheels_to_install
from muslfix.wheels.head_start import HeadStart
from muslfix.wheels.wheel import Wheel, open_wheels


@spelling_errors()
def install(
    wheels: Sequence[str | os.PathLike[str]],
    target: Target,
    options: InstallOptions | None = None,
    *,
    head_start: HeadStart | None = None,
) -> Report:
    """Install wheels; extension modules that the target would not find get a name that it finds.

    All of them or none: after an exception the environment is what it was.

    :param wheels: paths of wheel files, of different projects
    :param target: the Python that will import
    :param options: how
    :param head_start: what the command line has begun with these wheels
    :raises InvalidWheel: if a wheel is damaged or dishonest
    :raises IncompatibleWheel: if its tags or ``Requires-Python`` are not the target's
    :raises RefusedModules: if a module in it cannot be made importable
    :raises MuslfixError: if the environment does not allow it
    """
    options = options or InstallOptions()
    paths = wheels_to_install(wheels, target, options.folder)
    layout = _layout(target, options)
    archives = head_start.archives if head_start else {}
    with open_wheels(paths, options.limits, archives, ignore_record=options.ignore_record) as opened:
        _check_wheels(opened, target)
        with _transaction(layout, options) as transaction:
            judged = judge(opened, layout, target, options)
            unpacked = _unpack(judged, layout, target, transaction, options, head_start)
            renamed = _rename(unpacked, judged, target, options)
            checked = find_conflicts(renamed, judged.leaving, layout, compiles=_compiles(target, options))
            compiled = _compile(checked, target, options)
            complete = [write_record(wheel) for wheel in compiled]
            if not options.dry_run:
                move_out(transaction, judged.leaving, layout)
                place(transaction, complete)
            fixed = judged.kept.fix(target, transaction, dry_run=options.dry_run) if judged.kept else {}
            if not options.dry_run:
                transaction.commit()
            report = _report(judged, complete, fixed, layout, target, options)
    if transaction.remaining:
        return replace(report, warnings=(*report.warnings, about_remaining(transaction.remaining)))
    return report


def _layout(target: Target, options: InstallOptions) -> Layout:
    """Where the files will go, if that is allowed."""
    layout = layout_of(target, folder=options.folder, prefix=options.prefix, root=options.root)
    if layout.is_environment:
        check_not_managed(target, break_system_packages=options.break_system_packages)
    return layout


def _check_wheels(wheels: Sequence[Wheel], target: Target) -> None:
    seen: dict[str, str] = {}
    for wheel in wheels:
        if wheel.facts.key in seen:
            raise InvalidWheel(
                wheel.facts.path, f"is of the same project as {seen[wheel.facts.key]}", tip="name one of them"
            )
        seen[wheel.facts.key] = wheel.facts.path
        check_tags(wheel.facts.path, wheel.facts.tags, target)
        check_requires_python(wheel.facts.path, wheel.facts.requires_python, target)


class _Rehearsal(Transaction):
    """A transaction on a temporary directory: everything is staged there, and nothing is moved in."""

    def staging_directory(self, _: str) -> str:
        """A new empty directory below the temporary one, wherever its files would go."""
        return super().staging_directory(self.anchor)


@contextmanager
def _transaction(layout: Layout, options: InstallOptions) -> Iterator[Transaction]:
    """A transaction on the main directory of the layout, or for a dry run on a temporary one."""
    if not options.dry_run:
        with Transaction(
            layout.scheme.purelib, astuple(layout.scheme), layout.site_directories
        ) as transaction:
            yield transaction
        return
    import tempfile

    with ExitStack() as stack:
        with destination_errors("the directory for temporary files"):
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="muslfix-"))
        yield stack.enter_context(_Rehearsal(directory))


def _unpack(  # noqa: PLR0913 - all that the wheels come together with
    judged: Judged,
    layout: Layout,
    target: Target,
    transaction: Transaction,
    options: InstallOptions,
    head_start: HeadStart | None,
) -> list[StagedWheel]:
    """Unpack wheels beside their destination."""
    staged = unpack(
        judged.coming,
        layout,
        target.executable,
        transaction,
        options.progress,
        note_origin=options.note_origin,
        head_start=head_start,
    )
    if not options.dry_run and not all(wheel.is_small for wheel in judged.coming):
        transaction.sync_early()  # the steps until they are moved take about as long
    return staged


def _rename(
    wheels: list[StagedWheel], judged: Judged, target: Target, options: InstallOptions
) -> list[StagedWheel]:
    """Give extension modules their names; what judges them is loaded only where there may be one."""
    if not any(path.endswith(".so") for wheel in wheels for path in wheel.files):
        return wheels
    from muslfix.loader.check import LoadCheck
    from muslfix.staging.rename import rename_modules

    check = LoadCheck(target, options.root, strict=options.strict) if options.load_check else None
    return rename_modules(wheels, target, options.mode, check, judged.leaving, dry_run=options.dry_run)


def _wants_bytecode(options: InstallOptions) -> bool:
    return options.compile and not options.dry_run


def _compiles(target: Target, options: InstallOptions) -> bool:
    """Whether bytecode comes with the wheels: only the target can compile it."""
    return _wants_bytecode(options) and target.runs_here and target.executable is not None


def _compile(wheels: list[StagedWheel], target: Target, options: InstallOptions) -> list[StagedWheel]:
    """Let the target compile modules; what does that is loaded only where there are some."""
    if target.executable is None or not _compiles(target, options):
        return wheels
    if not any(wheel.sources() for wheel in wheels):
        return wheels
    from muslfix.staging.bytecode import compile_wheels

    return compile_wheels(wheels, target.executable, options.progress)


def _report(  # noqa: PLR0913 - all that is known at the end
    judged: Judged,
    complete: Sequence[StagedWheel],
    fixed: Mapping[str, tuple[ModuleReport, ...]],
    layout: Layout,
    target: Target,
    options: InstallOptions,
) -> Report:
    versions = versions_beside(target) if layout.is_environment else {}
    versions.update((key, project.version) for key, project in judged.installed.items())
    versions.update((wheel.facts.key, str(wheel.facts.version)) for wheel in judged.opened)
    staged = {wheel.facts.key: wheel for wheel in complete}
    unknown = judged.kept.unknown if judged.kept else {}
    projects = []
    for wheel in judged.opened:
        key, requirements = wheel.facts.key, wheel.facts.requirements
        warnings = (*wheel.facts.warnings, *unmet_requirements(requirements, versions, target))
        report = _report_project(wheel, staged.get(key), judged.installed.get(key), warnings)
        if key in fixed:
            report = replace(report, action="fixed", modules=fixed[key])
        if key in unknown:
            problem = f"it is there already, and {unknown[key]}"
            report = replace(report, action="skipped", problem=problem, tip=unknown[key].tip)
        projects.append(report)
    notes = judged.kept.notes if judged.kept else ()
    if _wants_bytecode(options) and not target.runs_here and any(wheel.sources() for wheel in complete):
        notes += ("bytecode is left out: only the target could compile it, and that cannot run here",)
    return Report(
        "install",
        options.dry_run,
        tuple(projects),
        notes=notes,
        source=target.source,
        directories=layout.site_directories,
    )


def _report_project(
    wheel: Wheel,
    staged: StagedWheel | None,
    previous: InstalledProject | None,
    warnings: tuple[str, ...],
) -> ProjectReport:
    there = previous.root if previous else None
    return ProjectReport(
        name=wheel.facts.name,
        version=str(wheel.facts.version),
        source=wheel.facts.path,
        location=staged.destination(wheel.facts.root_scheme) if staged else there,
        action="kept" if staged is None else "replaced" if previous else "installed",
        previous=previous.version if previous else None,
        modules=staged.modules if staged else (),
        warnings=(*warnings, *staged.warnings) if staged else warnings,
    )
