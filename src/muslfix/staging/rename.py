"""The step that muslfix is about: the extension modules of staged wheels get the names they lack.

:mod:`muslfix.verbs.install` imports it, and with it all that reads ELF files and asks loaders, only where
there is a module: most wheels have none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace

from muslfix.errors import RefusedModules, destination_errors
from muslfix.files.access import TRACE
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidates import plan_tree
from muslfix.modules.plan import Plan
from muslfix.modules.tree import DiskTree
from muslfix.projects.names import apply_names
from muslfix.projects.trace import Change, changed_rows, trace_to_json
from muslfix.report.modules import report_module
from muslfix.staging.tree import StagedWheel
from muslfix.targets.target import Target
from muslfix.verdicts import Mode


def rename_modules(  # noqa: PLR0913 - one more for each thing that the plan depends on
    wheels: Sequence[StagedWheel],
    target: Target,
    mode: Mode,
    check: LoadCheck | None,
    leaving: Collection[str],
    *,
    dry_run: bool,
) -> list[StagedWheel]:
    """Give the modules of wheels that are installed together their names, where these are staged.

    :param wheels: all of them, since one may bring a library that another one needs
    :param target: the Python that will import
    :param mode: how a name is given
    :param check: asks the target's loader: about modules that get a name, those whose headers raise doubts,
        and if it is strict, all; ``None``: it is not asked
    :param leaving: see :meth:`LoadCheck.staged`
    :param dry_run: report what would be done
    :return: the wheels with the files that they have now, and with a report on their modules
    :raises RefusedModules: if a module cannot be made importable
    :raises DestinationError: if a name cannot be made
    """
    # Where the files are now, by their path as the target will see it.
    coming = {
        os.path.normpath(os.path.join(_site(wheel), path)): wheel.locate(path)
        for wheel in wheels
        for path in wheel.files
    }
    renamed = []
    for wheel in wheels:
        loads = None if check is None else check.staged(_site(wheel), coming, leaving)
        tree = DiskTree(wheel.locate, loads=loads)
        asks_all = check is not None and check.is_strict
        plan = plan_tree(wheel.files, tree, target, mode, thorough=True, asks_all=asks_all)
        _refuse(wheel.facts.path, plan, target)
        renamed.append(_apply(plan, wheel, target, dry_run=dry_run))
    return renamed


def _refuse(path: str, plan: Plan, target: Target) -> None:
    refused = [report_module(decision, target) for decision in plan.refusals]
    if refused:
        count = "an extension module" if len(refused) == 1 else f"{len(refused)} extension modules"
        raise RefusedModules(
            path,
            f"has {count} that the target cannot load, so it is not installed",
            tip=refused[0].tip,
            lines=tuple(str(module) for module in refused),
        )


def _apply(plan: Plan, wheel: StagedWheel, target: Target, *, dry_run: bool) -> StagedWheel:
    with destination_errors(wheel.layout.scheme.platlib):
        changes = apply_names(plan, wheel.locate)
        renamed = with_changes(wheel, changes, target) if changes else wheel
    done = {change.old: change.mode for change in changes}
    reports = (
        report_module(decision, target, done.get(decision.candidate.path), dry_run=dry_run)
        for decision in plan.decisions
    )
    return replace(renamed, modules=tuple(reports))


def with_changes(wheel: StagedWheel, changes: tuple[Change, ...], target: Target) -> StagedWheel:
    """The wheel after its modules were given names, with a trace of that in its ``.dist-info``.

    :param changes: what was done to its files
    """
    old_of = {change.new: change.old for change in changes}
    files = {
        row.path: wheel.files[old_of.get(row.path, row.path)].beside(os.path.basename(row.path), row)
        for row in changed_rows([file.row for file in wheel.files.values()], changes)
    }
    trace = trace_to_json(changes, target).encode()
    return replace(wheel, files=files).with_metadata(TRACE, trace)


def _site(wheel: StagedWheel) -> str:
    return str(getattr(wheel.layout.seen, wheel.facts.root_scheme))
