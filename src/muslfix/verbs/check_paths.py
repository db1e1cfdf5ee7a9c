"""What ``muslfix check`` finds in a directory, or of a single file, whichever project it belongs to."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from muslfix.errors import MuslfixError
from muslfix.files import open_regular
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidates import is_other_library, plan_libraries, plan_tree
from muslfix.modules.plan import Decision
from muslfix.modules.tree import DiskTree
from muslfix.report.modules import report_module, with_times
from muslfix.report.report import ProjectReport
from muslfix.targets.environments import environment_in
from muslfix.targets.target import Target
from muslfix.verdicts import Mode

_SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$", re.ASCII)


class Contents(NamedTuple):
    """The files in and below a directory that can be checked, relative to it.

    :param wheels: those directly in it; if it holds nothing else, all below it
    :param others: sources, extension modules and shared libraries
    :param sites: the directories that hold installed projects
    """

    wheels: tuple[str, ...]
    others: tuple[str, ...]
    sites: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.wheels or self.shared_objects or self.sites)

    @property
    def shared_objects(self) -> bool:
        """Whether there are extension modules or shared libraries."""
        return any(_SHARED_OBJECT.search(path) for path in self.others)


def _refuse(error: OSError) -> None:
    raise MuslfixError(os.fsdecode(error.filename), f"cannot be listed ({error.strerror})") from error


def look_into(directory: str) -> Contents:
    """Find what can be checked in a directory.

    :raises MuslfixError: if one below it cannot be listed
    """
    found: list[str] = []
    sites: list[str] = []
    for parent, directories, names in os.walk(directory, onerror=_refuse):
        if any(name.endswith(".dist-info") for name in directories):
            sites.append(parent)
        found += [
            os.path.relpath(os.path.join(parent, name), directory)
            for name in names
            if name.endswith((".py", ".whl")) or _SHARED_OBJECT.search(name)
        ]
    others = tuple(path for path in found if not path.endswith(".whl"))
    wheels = tuple(
        sorted(path for path in found if path.endswith(".whl") and (not others or "/" not in path))
    )
    return Contents(wheels, others, tuple(sites))


def is_shared_object(path: str) -> bool:
    """Whether a file is, or is named like, an extension module or a shared library."""
    if _SHARED_OBJECT.search(path):
        return True
    try:
        with open_regular(path) as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def check_directory(
    directory: str, contents: Contents, target: Target, mode: Mode, load_check: LoadCheck | None
) -> ProjectReport:
    """Check a directory as a tree of extension modules and shared libraries.

    :param contents: what it holds
    :param load_check: may read the files of the directory
    """
    root = os.path.abspath(directory)
    tree = DiskTree(partial(os.path.join, root), load_check)
    decisions = _decisions(contents.others, tree, target, mode)
    return _report(directory, root, root, decisions, target)


def doubt_about_empty(directory: str) -> str:
    """What is said of a directory that holds nothing to check: perhaps another one is meant."""
    reason = "holds no wheel, no extension module and no shared library, so nothing was checked there"
    meant = environment_in(directory)
    return f"{directory}: {reason}" + (f"; did you mean --python {shlex.quote(meant)}?" if meant else "")


def check_file(path: str, target: Target, mode: Mode, load_check: LoadCheck | None) -> ProjectReport:
    """Check one extension module, as one of the files in its directory, or one shared library.

    :param load_check: may read the files of its directory
    """
    directory, name = os.path.split(os.path.abspath(path))
    tree = DiskTree(partial(os.path.join, directory), load_check)
    beside = [file for file in os.listdir(directory) if file.partition(".")[0] == name.partition(".")[0]]
    decisions = _decisions(beside if _SHARED_OBJECT.search(name) else [], tree, target, mode)
    itself = [decision for decision in decisions if decision.candidate.path == name]
    itself = itself or plan_libraries([name], tree, target)
    return _report(path, os.path.join(directory, name), directory, itself, target)


def _report(
    name: str, source: str, location: str, decisions: Sequence[Decision], target: Target
) -> ProjectReport:
    modules = tuple(report_module(decision, target, dry_run=True) for decision in decisions)
    report = ProjectReport(name, None, source, location, "checked", None, modules=modules)
    return with_times(report, decisions)


def _decisions(files: Sequence[str], tree: DiskTree, target: Target, mode: Mode) -> list[Decision]:
    """The decisions on the modules, and on shared libraries that are none, among some files."""
    modules = plan_tree(files, tree, target, mode, thorough=True).decisions
    judged = {decision.candidate.path for decision in modules}
    others = [path for path in files if path not in judged]
    libraries = plan_libraries([path for path in others if is_other_library(path)], tree, target)
    return [*modules, *libraries]
