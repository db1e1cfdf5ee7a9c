"""The step of an installation that this is all about: the modules of staged wheels get the names they lack.

:mod:`muslfix.verbs.install` loads it, and with it all that reads ELF files and asks loaders, only where there
is a module: most wheels have none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from muslfix.errors import RefusedModules, told_as_sentences
from muslfix.modules.candidates import plan_tree
from muslfix.modules.tree import DiskTree
from muslfix.projects.names import apply_names
from muslfix.report.modules import ModuleReport, report_module

if TYPE_CHECKING:
    from muslfix.loader.check import LoadCheck
    from muslfix.modules.plan import Plan
    from muslfix.staging.tree import StagedWheel
    from muslfix.targets.target import Target
    from muslfix.verdicts import Mode


class Naming:
    """Gives the modules of wheels that are installed together their names.

    :param target: the Python that will import
    :param mode: how a name is given
    :param check: asks the target's loader; ``None``: it is not asked
    :param staged: all the wheels, since one may bring a library that another one needs
    :param leaving: see :meth:`LoadCheck.staged`
    """

    def __init__(
        self,
        target: Target,
        mode: Mode,
        check: LoadCheck | None,
        staged: Iterable[StagedWheel],
        leaving: Collection[str],
    ) -> None:
        self._target = target
        self._mode = mode
        self._check = check
        self._leaving = leaving
        # Where the files are now, by their path as the target will see it.
        self._coming = {
            os.path.normpath(os.path.join(_site(wheel), path)): wheel.locate(path)
            for wheel in staged
            for path in wheel.files
        }

    def name_modules(self, staged: StagedWheel, *, dry_run: bool) -> tuple[ModuleReport, ...]:
        """Fix a wheel where it is staged, and say what was done.

        :param dry_run: say what would be done
        :raises RefusedModules: if a module of it cannot be made importable
        :raises DestinationError: if a name cannot be made
        """
        loads = None
        if self._check is not None:
            loads = self._check.staged(_site(staged), self._coming, self._leaving)
        tree = DiskTree(staged.locate, self._check, loads)
        plan = plan_tree(staged.files, tree, self._target, self._mode, thorough=True)
        self._refuse(staged.facts.path, plan)
        with told_as_sentences(staged.layout.scheme.platlib):
            changes = apply_names(plan, staged.locate)
            staged.change(changes, self._target)
        done = {change.old: change.mode for change in changes}
        return tuple(
            report_module(decision, self._target, done.get(decision.candidate.path), dry_run=dry_run)
            for decision in plan.decisions
        )

    def _refuse(self, path: str, plan: Plan) -> None:
        refused = [report_module(decision, self._target) for decision in plan.refusals]
        if refused:
            count = "an extension module" if len(refused) == 1 else f"{len(refused)} extension modules"
            raise RefusedModules(
                path,
                f"has {count} that the target cannot load, so it is not installed",
                tip=refused[0].tip,
                lines=tuple(str(module) for module in refused),
            )


def _site(staged: StagedWheel) -> str:
    return str(getattr(staged.layout.seen, staged.root_scheme))
