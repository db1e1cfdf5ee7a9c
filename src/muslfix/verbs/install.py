"""``muslfix install``: unpack into a staging tree, fix the staged tree, move it in."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import EnvironmentRefused, InvalidWheel, destination_errors, spelling_errors
from muslfix.progress import Progress, silent
from muslfix.projects.environment import check_not_managed, versions_beside
from muslfix.projects.project import InstalledProject, scan_all, scan_legacy, scan_projects
from muslfix.report.report import ModuleReport, ProjectReport, Report
from muslfix.staging.conflicts import find_conflicts
from muslfix.staging.place import move_out, place
from muslfix.staging.replaced import leaving_files
from muslfix.staging.tree import StagedWheel, write_record
from muslfix.staging.unpack import unpack
from muslfix.targets.compatibility import check_requires_python, check_tags, unmet_requirements
from muslfix.targets.schemes import Layout, layout_of
from muslfix.targets.target import Target
from muslfix.transaction.leftovers import about_remaining
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.subjects import convert_options, wheels_to_install
from muslfix.verdicts import Mode
from muslfix.wheels.head_start import HeadStart
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.wheel import Wheel, open_wheels

if TYPE_CHECKING:  # most installations find nothing there
    from muslfix.verbs.kept import Kept


@dataclass(frozen=True)
class InstallOptions:
    """How to install.

    :param mode: how misnamed modules get their new name
    :param folder: pip's ``--target``: one flat directory
    :param prefix: another prefix
    :param root: a directory that the target will see as ``/``
    :param force_reinstall: install although the same version is there
    :param compile: let the target compile bytecode, where it runs here
    :param break_system_packages: install although another tool owns the environment (:pep:`668`)
    :param dry_run: only report what would be done
    :param limits: how large a wheel may become
    :param ignore_record: install wheels even if RECORD does not match their files; the installed RECORD does
    :param progress: is told of each step
    :param load_check: ask what the target's loader will do with each module
    :param strict: refuse a module that needs a missing library or symbol
    :param note_origin: say in ``direct_url.json`` where the wheels were; not of those that will be gone
    """

    mode: Mode = Mode.SYMLINK
    folder: str | None = None
    prefix: str | None = None
    root: str | None = None
    force_reinstall: bool = False
    compile: bool = True
    break_system_packages: bool = False
    dry_run: bool = False
    limits: Limits = DEFAULT_LIMITS
    ignore_record: bool = False
    progress: Progress = field(default=silent, compare=False, repr=False)
    load_check: bool = True
    strict: bool = False
    note_origin: bool = True

    def __post_init__(self) -> None:
        convert_options(self)


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
            judged = _judge(opened, layout, target, options)
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


class _Judged(NamedTuple):
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


def _judge(opened: Sequence[Wheel], layout: Layout, target: Target, options: InstallOptions) -> _Judged:
    """Compare wheels with what is installed."""
    installed = scan_projects(layout.site_directories)
    there = {w.facts.key for w in opened if not options.force_reinstall and _is_there(w, installed)}
    kept = _judge_kept([installed[key] for key in sorted(there)], layout, target, options)
    misnamed, broken = (kept.misnamed.keys(), kept.broken) if kept else (set(), set())
    coming = [wheel for wheel in opened if wheel.facts.key not in there or wheel.facts.key in broken]
    _check_legacy(coming, installed, layout)
    _check_owners([*coming, *(w for w in opened if w.facts.key in misnamed)], installed, options)
    keys = {wheel.facts.key for wheel in coming}
    everything = scan_all(layout.site_directories)
    replaced = [project for project in everything if project.key in keys]
    staying = [project for project in everything if project.key not in keys]
    return _Judged(opened, coming, installed, leaving_files(replaced, staying, layout), kept)


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


def _unpack(  # noqa: PLR0913 - all that the wheels come together with
    judged: _Judged,
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
    wheels: list[StagedWheel], judged: _Judged, target: Target, options: InstallOptions
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
    if not any(wheel.has_sources for wheel in wheels):
        return wheels
    from muslfix.staging.bytecode import compile_wheels

    return compile_wheels(wheels, target.executable, options.progress)


def _report(  # noqa: PLR0913 - all that is known at the end
    judged: _Judged,
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
    if _wants_bytecode(options) and not target.runs_here and any(wheel.has_sources for wheel in complete):
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
        location=staged.destination(staged.root_scheme) if staged else there,
        action="kept" if staged is None else "replaced" if previous else "installed",
        previous=previous.version if previous else None,
        modules=staged.modules if staged else (),
        warnings=(*warnings, *staged.warnings) if staged else warnings,
    )
