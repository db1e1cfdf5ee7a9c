"""``muslfix install``: unpack into a staging tree, fix the staged tree, move it in."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import EnvironmentRefused, InvalidWheel, spelled_names, told_as_sentences
from muslfix.progress import Progress, silent
from muslfix.projects.environment import check_not_managed, versions_beside
from muslfix.projects.project import InstalledProject, scan_legacy, scan_projects
from muslfix.report.report import ProjectReport, Report
from muslfix.staging.place import check_conflicts, leaving_files, move_out, place
from muslfix.staging.tree import StagedWheel, direct_url
from muslfix.staging.unpack import stage_wheel
from muslfix.targets.compatibility import check_requires_python, check_tags, unmet_requirements
from muslfix.targets.schemes import Layout, layout_of
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.wheel import Wheel, open_wheels

if TYPE_CHECKING:
    from muslfix.report.modules import ModuleReport
    from muslfix.staging.rename import Naming

_INSTALLER = b"muslfix\n"


@dataclass(frozen=True)
class InstallOptions:
    """How to install.

    :param mode: how misnamed modules get their new name
    :param folder: pip's ``--target``: one flat folder
    :param prefix: another prefix
    :param root: a folder that the target will see as ``/``
    :param force_reinstall: install although the same version is there
    :param compile: let the target compile bytecode, where it runs here
    :param break_system_packages: install although another tool owns the environment (:pep:`668`)
    :param dry_run: only say what would be done
    :param limits: how large a wheel may become
    :param ignore_record: install wheels whose RECORD is not true of their files; the RECORD installed is
    :param progress: is told of each step
    :param load_check: ask what the target's loader will do with each module
    :param strict: refuse a module that needs a library or symbol which is missing
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


class _Work(NamedTuple):
    """A wheel in its staging folders, fixed and complete, and what there is to say of it."""

    staged: StagedWheel
    modules: tuple[ModuleReport, ...]


def install(wheels: Sequence[str], target: Target, options: InstallOptions | None = None) -> Report:
    """Install wheels, with the extension modules that the target would not find given a name that it does.

    All of them or none: after an exception the environment is what it was.

    :param wheels: paths of wheel files, of different projects
    :param target: the Python that will import
    :param options: how
    :raises InvalidWheel: if a wheel is damaged or dishonest
    :raises IncompatibleWheel: if its tags or ``Requires-Python`` are not the target's
    :raises RefusedModules: if a module in it cannot be made importable
    :raises MuslfixError: if the environment does not allow it
    """
    options = options or InstallOptions()
    with ExitStack() as stack:
        opened = open_wheels(wheels, options.limits, ignore_record=options.ignore_record)
        return install_opened(lambda: stack.enter_context(opened), target, options)


@spelled_names()
def install_opened(
    open_them: Callable[[], Sequence[Wheel]], target: Target, options: InstallOptions
) -> Report:
    """Do what :func:`install` does, with wheels that somebody else opens and closes.

    :param open_them: called once the target is known to allow it
    """
    layout = layout_of(target, folder=options.folder, prefix=options.prefix, root=options.root)
    if layout.is_environment:
        check_not_managed(target, break_system_packages=options.break_system_packages)
    opened = open_them()
    with ExitStack() as stack:
        _check_wheels(opened, target)
        transaction = stack.enter_context(_transaction(layout, options))
        installed = scan_projects(layout.site_folders)
        coming = [wheel for wheel in opened if options.force_reinstall or not _is_there(wheel, installed)]
        _check_legacy(coming, installed, layout)
        _check_owners(coming, installed, options)
        keys = {wheel.facts.key for wheel in coming}
        leaving = leaving_files(
            [project for key, project in installed.items() if key in keys],
            [project for key, project in installed.items() if key not in keys],
            layout,
        )
        staged = [_stage(wheel, layout, target, transaction, options) for wheel in coming]
        has_modules = any(path.endswith(".so") for one in staged for path in one.files)
        if has_modules and not options.dry_run:
            transaction.sync_early()  # judging them takes about as long
        enter_bytecode = stack.enter_context(_compilation(staged, target, options))
        naming = _naming(staged, leaving, target, options) if has_modules else None
        works = {one.facts.key: _fix(one, naming, options) for one in staged}
        enter_bytecode()
        for one in staged:
            _complete(one)
        check_conflicts([work.staged for work in works.values()], leaving, layout)
        if not options.dry_run:
            move_out(transaction, leaving, layout)
            place(transaction, [work.staged for work in works.values()])
            transaction.commit()
        versions = versions_beside(target) if layout.is_environment else {}
        versions.update((key, project.version) for key, project in installed.items())
        versions.update((wheel.facts.key, str(wheel.facts.version)) for wheel in opened)
        return Report(
            command="install",
            dry_run=options.dry_run,
            projects=tuple(
                _report(
                    wheel,
                    works.get(wheel.facts.key),
                    installed.get(wheel.facts.key),
                    (*wheel.facts.warnings, *unmet_requirements(wheel.facts.requirements, versions, target)),
                )
                for wheel in opened
            ),
            notes=_notes(works.values(), target, options),
            source=target.source,
        )


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


@contextmanager
def _transaction(layout: Layout, options: InstallOptions) -> Iterator[Transaction]:
    """A transaction on the main folder of the layout, or for a dry run on a temporary one."""
    if not options.dry_run:
        folders = layout.scheme.purelib, astuple(layout.scheme), layout.site_folders
        with Transaction(*folders) as transaction:
            yield transaction
    else:
        import tempfile

        with ExitStack() as stack:
            with told_as_sentences("the folder for temporary files"):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="muslfix-"))
            yield stack.enter_context(Transaction(folder))


def _is_there(wheel: Wheel, installed: dict[str, InstalledProject]) -> bool:
    project = installed.get(wheel.facts.key)
    return project is not None and project.is_whole and wheel.facts.has_version(project.version)


def _check_legacy(coming: Sequence[Wheel], installed: dict[str, InstalledProject], layout: Layout) -> None:
    legacy = scan_legacy(layout.site_folders)
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


def _stage(
    wheel: Wheel, layout: Layout, target: Target, transaction: Transaction, options: InstallOptions
) -> StagedWheel:
    """Unpack a wheel beside its destination."""

    def open_folder(destination: str) -> str:
        return transaction.staging_folder(transaction.anchor if options.dry_run else destination)

    def sync() -> None:
        if not options.dry_run:
            transaction.sync_early()  # what is written already, while the rest is inflated

    metadata = {"INSTALLER": _INSTALLER, "REQUESTED": b""}
    return stage_wheel(wheel, layout, target.executable, open_folder, metadata, options.progress, sync)


def _naming(
    staged: Sequence[StagedWheel], leaving: Collection[str], target: Target, options: InstallOptions
) -> Naming:
    """What names modules, loaded only where there may be one: most wheels have none."""
    from muslfix.loader.check import LoadCheck
    from muslfix.staging.rename import Naming

    check = LoadCheck(target, options.root, strict=options.strict) if options.load_check else None
    return Naming(target, options.mode, check, staged, leaving)


@contextmanager
def _compilation(
    staged: Sequence[StagedWheel], target: Target, options: InstallOptions
) -> Iterator[Callable[[], None]]:
    """Let the target compile modules; what is given out waits for it and notes the bytecode."""
    sources = [(one, source) for one in staged for source in one.sources()]
    is_wanted = options.compile and target.runs_here and not options.dry_run
    if not (sources and is_wanted and target.executable):
        yield lambda: None
        return
    from muslfix.staging.bytecode import Compilation

    with told_as_sentences(staged[0].layout.scheme.platlib):
        compilation = Compilation(target.executable, [(source.place, source.seen) for _, source in sources])

    def enter() -> None:
        options.progress("compiling " + ", ".join(one.facts.name for one in staged), 0, 0)
        for (one, source), path in zip(sources, compilation.finish()):
            if path is not None:
                one.enter_bytecode(source, path)

    with compilation:
        yield enter


def _fix(staged: StagedWheel, naming: Naming | None, options: InstallOptions) -> _Work:
    """Fix a wheel where it is staged."""
    modules = naming.name_modules(staged, dry_run=options.dry_run) if naming is not None else ()
    return _Work(staged, modules)


def _complete(staged: StagedWheel) -> None:
    """Complete a wheel up to RECORD."""
    with told_as_sentences(staged.layout.scheme.platlib):
        origin = direct_url(staged.facts.path, staged.sha256)
        staged.add(staged.root_scheme, f"{staged.facts.dist_info}/direct_url.json", origin)
        staged.write_record()


def _notes(works: Iterable[_Work], target: Target, options: InstallOptions) -> tuple[str, ...]:
    """What was left out, so that nobody waits for it."""
    if target.runs_here or options.dry_run or not options.compile:
        return ()
    if not any(work.staged.has_sources for work in works):
        return ()
    return ("bytecode is left out: only the target could compile it, and that cannot run here",)


def _report(
    wheel: Wheel, work: _Work | None, previous: InstalledProject | None, warnings: tuple[str, ...]
) -> ProjectReport:
    there = previous.root if previous else ""
    return ProjectReport(
        name=wheel.facts.name,
        version=str(wheel.facts.version),
        source=wheel.facts.path,
        location=work.staged.destination(work.staged.root_scheme) if work else there,
        action="kept" if work is None else "replaced" if previous else "installed",
        previous=previous.version if previous else None,
        modules=work.modules if work else (),
        warnings=warnings,
    )
