"""The plan for an installed project, and for the source tree of an editable one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from muslfix.errors import spelling_errors
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidates import plan_tree, with_foreign
from muslfix.modules.plan import Plan
from muslfix.modules.tree import DiskTree
from muslfix.projects.project import Inside, InstalledProject
from muslfix.record.rows import Record
from muslfix.targets.target import Target
from muslfix.verdicts import Mode


@spelling_errors()
def plan_project(
    project: InstalledProject,
    target: Target,
    mode: Mode,
    check: LoadCheck | None = None,
    *,
    thorough: bool = False,
) -> tuple[Record, Plan]:
    """The RECORD of an installed project, and the plan for its files.

    :param target: the Python that will import
    :param mode: how misnamed modules get their new name
    :param check: the load check; ``None``: there is none
    :param thorough: read also the ELF files of modules with a right name, and of shared libraries
    :return: both empty where RECORD lists no shared object
    :raises InvalidProject: if RECORD is missing or damaged
    """
    content = project.record_bytes()
    if b".so" not in content:
        return Record(), Plan()
    record = project.parse_record(content)
    own = Inside(project.root)
    inside = [path for path in record.paths if path is not None and own.holds(path)]
    tree = DiskTree(project.locate, check)
    planned = plan_tree(inside, tree, target, mode, thorough=thorough)
    return record, with_foreign(planned, inside, tree, target) if thorough else planned


@spelling_errors()
def plan_sources(
    modules: Sequence[str], target: Target, check: LoadCheck | None = None, *, thorough: bool = False
) -> Plan:
    """What the modules in a source tree are to the target. No name is planned: a misnamed one is refused.

    :param modules: absolute paths
    :param target: the Python that will import
    :param check: the load check; ``None``: there is none
    :param thorough: read also the ELF files of modules with a right name
    """
    found = plan_tree(modules, DiskTree(os.path.abspath, check), target, Mode.SYMLINK, thorough=thorough)
    return Plan(
        tuple(
            decision
            if decision.new_path is None
            else replace(decision, new_path=None, mode=None, refused=True)
            for decision in found.decisions
        )
    )
