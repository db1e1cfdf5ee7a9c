"""From the files of one project to the plan for its extension modules.

A staged wheel, an installed project and a wheel file are the same thing here: a list of paths as RECORD
spells them, and a :class:`~muslfix.modules.tree.Tree` to read them from.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from muslfix.elf.facts import ElfFacts
from muslfix.loader.facts import LoadResult, Problem
from muslfix.modules.candidate import Candidate, abi_fits, foreign_verdict, is_plain_library, name_fits
from muslfix.modules.plan import Decision, Plan, judge_library, plan
from muslfix.modules.tree import Tree
from muslfix.suffix import ExtensionFilename
from muslfix.targets.target import Target
from muslfix.verdicts import Mode, Verdict

_SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$", re.ASCII)


def scan_candidates(
    paths: Iterable[str], tree: Tree, target: Target, *, thorough: bool, asks_all: bool = True
) -> list[Candidate]:
    """Find the files that may be extension modules, and read what the planner must know about them.

    :param paths: the paths of a project's files, as RECORD spells them
    :param tree: the files
    :param target: decides which files must be read
    :param thorough: read also those with a right name, to find foreign ones among them
    :param asks_all: do the load check for all that are read, and not only for those that have no right name
        yet, or whose headers raise doubts
    """
    listed = set(paths)
    named = [(path, ExtensionFilename.parse(path)) for path in sorted(listed)]
    candidates = [Candidate(path, name) for path, name in named if name is not None]
    if not thorough:
        candidates = _without_lost(candidates, tree)
    unread = undecided(candidates, target)
    read = [
        replace(
            candidate,
            has_source=candidate.module + ".py" in listed,
            elf=tree.examine(candidate.path)
            if candidate in unread or (thorough and abi_fits(candidate, target))
            else None,
        )
        for candidate in candidates
    ]
    return [_completed(candidate, tree, target, listed, asks_all=asks_all) for candidate in read]


def undecided(candidates: Iterable[Candidate], target: Target) -> frozenset[Candidate]:
    """The candidates whose verdict depends on their bytes, which must be read before :func:`plan`.

    The others can be read too, and are then judged by their bytes: a file with the right name may be foreign.

    :param candidates: the files of one tree
    """
    by_module: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if abi_fits(candidate, target):
            by_module.setdefault(candidate.module, []).append(candidate)
    # Beside another file m.so may be a shared library and no module. Only its bytes tell.
    return frozenset(
        candidate
        for files in by_module.values()
        if not any(name_fits(file, target) and (file.name.abi or len(files) == 1) for file in files)
        for candidate in files
    )


def _completed(
    candidate: Candidate, tree: Tree, target: Target, listed: Collection[str], *, asks_all: bool
) -> Candidate:
    """A candidate that was read, with what else is to be known: the load check, or that there is no file."""
    if is_loadable(candidate, target) and (asks_all or _must_be_asked_about(candidate, target)):
        return replace(candidate, load=_with_places(tree.load(candidate.path), listed))
    if isinstance(candidate.elf, str) and not tree.exists(candidate.path):
        return replace(candidate, is_missing=True)
    return candidate


def is_loadable(candidate: Candidate, target: Target) -> bool:
    """Whether the load check applies: the file is for the target's libc and machine.

    :param candidate: with its ELF facts
    """
    elf = candidate.elf
    return (
        isinstance(elf, ElfFacts)
        and not is_plain_library(candidate)
        and abi_fits(candidate, target)
        and not candidate.is_missing
        and foreign_verdict(elf, target) is None
    )


def _must_be_asked_about(candidate: Candidate, target: Target) -> bool:
    """Whether the load check cannot be left out: the file has no right name yet, or its headers raise doubts.

    :param candidate: one that :func:`is_loadable`
    """
    elf = candidate.elf
    is_plain = isinstance(elf, ElfFacts) and elf.init_functions and not elf.is_delicate
    return not (is_plain and name_fits(candidate, target))


def _with_places(load: LoadResult | None, listed: Collection[str]) -> LoadResult | None:
    """The same where a library that is not found is a file of the project, in a place nobody looks at."""
    if load is None or all(problem.trouble is not Verdict.MISSING_LIBRARY for problem in load.problems):
        return load
    return load._replace(problems=tuple(_with_place(problem, listed) for problem in load.problems))


def _with_place(problem: Problem, listed: Collection[str]) -> Problem:
    there = sorted(path for path in listed if os.path.basename(path) == problem.subject)
    users = [path for path in listed if f"/{problem.needed_by}".endswith(f"/{path}")]
    if problem.trouble is not Verdict.MISSING_LIBRARY or not there or not users:
        return problem
    place, user = os.path.dirname(there[0]) or ".", max(users, key=len)
    way = os.path.relpath(place, os.path.dirname(user) or ".")
    command = f"patchelf --set-rpath '$ORIGIN/{way}' {os.path.basename(user)}"
    return replace(
        problem,
        reason=f"{problem.reason}; the project has it in {place}, where the run path does not lead",
        tip=f"take a version of the wheel that is built right, or correct the file: {command}",
    )


def _without_lost(candidates: list[Candidate], tree: Tree) -> list[Candidate]:
    """Drop files that do not exist, so that none of them counts as the importable file of its module.

    A file that is the only one of its module is not looked for and stays.
    """
    files = Counter(candidate.module for candidate in candidates)
    return [c for c in candidates if files[c.module] == 1 or tree.exists(c.path)]


def plan_tree(  # noqa: PLR0913 - it passes on what two functions need
    paths: Iterable[str], tree: Tree, target: Target, mode: Mode, *, thorough: bool, asks_all: bool = True
) -> Plan:
    """Scan the files of one project, and plan what to do with them.

    For the parameters see :func:`scan_candidates` and :func:`~muslfix.modules.plan.plan`.
    """
    listed = list(paths)
    candidates = scan_candidates(listed, tree, target, thorough=thorough, asks_all=asks_all)
    if not candidates:
        return Plan()
    # Only a file that was read can get a new name, and only then does it matter which names are taken.
    taken = _names_beside([c for c in candidates if c.elf is not None], tree)
    candidates += _twins(candidates, taken.difference(listed), tree, target)
    planned = plan(candidates, target, mode, taken=taken)
    if mode is not Mode.RENAME or not planned.changes:
        return planned
    return plan(candidates, target, mode, taken=taken, needed=_needed_names(listed, tree))


def is_other_library(path: str) -> bool:
    """Whether a file is named like a shared library, and not in ``*.libs/``, which modules lead to."""
    return _SHARED_OBJECT.search(path) is not None and ".libs/" not in path


def with_foreign(planned: Plan, paths: Iterable[str], tree: Tree, target: Target) -> Plan:
    """The plan with the shared libraries that are for the target's machine and another libc.

    :param planned: for the modules among the paths
    """
    judged = {decision.candidate.path for decision in planned.decisions}
    libraries = [path for path in sorted(paths) if path not in judged and is_other_library(path)]
    read = [(path, facts) for path in libraries if isinstance(facts := tree.examine(path), ElfFacts)]
    foreign = [(path, f) for path, f in read if f.machine == target.machine and f.libcs - {target.libc}]
    return replace(planned, foreign=tuple(foreign))


def plan_libraries(paths: Collection[str], tree: Tree, target: Target) -> list[Decision]:
    """Judge shared libraries that are no modules, such as those that a program loads with ``ctypes``."""
    decisions = []
    for path in sorted(paths):
        name = ExtensionFilename(os.path.basename(path), "")
        library = Candidate(path, name, tree.examine(path), is_library=True)
        decision = judge_library(library, target)
        if decision.verdict is Verdict.LIBRARY:
            load = _with_places(tree.load(path), paths)
            decision = judge_library(replace(library, load=load), target)
        decisions.append(decision)
    return decisions


def _twins(
    candidates: Iterable[Candidate], unlisted: Collection[str], tree: Tree, target: Target
) -> list[Candidate]:
    """Unlisted files that have the right name and the content of a candidate that lacks that name.

    For example a link made by hand, or a file that another project lists: the target imports it, so there is
    nothing to do.
    """
    found = []
    for candidate in candidates:
        path = candidate.module + (target.suffix_for(candidate.name.abi) or "")
        name = ExtensionFilename.parse(path)
        if path in unlisted and name is not None and tree.have_one_content(candidate.path, path):
            found.append(replace(candidate, path=path, name=name))
    return found


def _names_beside(candidates: Iterable[Candidate], tree: Tree) -> frozenset[str]:
    """All paths in the directories of the candidates, whichever project they belong to."""
    directories = {candidate.directory: candidate.path for candidate in candidates}
    return frozenset(top + name for top, path in directories.items() for name in tree.names_beside(path))


def _needed_names(paths: Iterable[str], tree: Tree) -> frozenset[str]:
    """Base names in ``DT_NEEDED`` of all shared objects of the project, and the targets of its links."""
    needed: set[str] = set()
    for path in paths:
        if path.endswith(".so") or ".so." in os.path.basename(path):
            if link := tree.link_of(path):
                needed.add(link)  # not a base name if it leads to another directory
            facts = tree.examine(path)
            if isinstance(facts, ElfFacts):
                needed.update(os.path.basename(name) for name in facts.needed)
    return frozenset(needed)
