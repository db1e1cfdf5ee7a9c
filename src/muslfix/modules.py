"""The extension modules of one project on disk: judging them, and giving them new names.

What ``install`` has staged, what another installer left in ``site-packages`` and what a wheel holds is the
same thing here: a list of paths as RECORD spells them, and a tree to ask of each.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from muslfix.elf import ElfFacts
from muslfix.plan import Candidate, Decision, Plan, is_judged, is_loadable, plan, undecided
from muslfix.suffix import ExtensionFilename
from muslfix.target import Target
from muslfix.terms import Mode
from muslfix.trace import Change
from muslfix.tree import Locate, Tree


def scan_candidates(paths: Iterable[str], tree: Tree, target: Target, *, thorough: bool) -> list[Candidate]:
    """Find the files that may be extension modules, and read what the planner must know of them.

    :param paths: the paths of a project's files, as RECORD spells them
    :param tree: where they are
    :param target: decides which files must be read
    :param thorough: read those with a right name too, to find foreign ones among them
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
            if candidate in unread or (thorough and is_judged(candidate, target))
            else None,
        )
        for candidate in candidates
    ]
    return [replace(c, load=tree.load(c.path)) if is_loadable(c, target) else c for c in read]


def _without_lost(candidates: list[Candidate], tree: Tree) -> list[Candidate]:
    """Drop files that are not there, so that they do not pass for what serves the others of their module.

    Only these are looked for: a file that is alone stays, whether it is there or not.
    """
    files = Counter(candidate.module for candidate in candidates)
    return [c for c in candidates if files[c.module] == 1 or tree.exists(c.path)]


def plan_tree(paths: Iterable[str], tree: Tree, target: Target, mode: Mode, *, thorough: bool) -> Plan:
    """Plan for the files of one project, from what they are.

    :param paths: as for :func:`scan_candidates`, and so the others
    """
    listed = list(paths)
    candidates = scan_candidates(listed, tree, target, thorough=thorough)
    if not candidates:
        return Plan()
    # Only a file that was read can get a new name, which may be taken.
    taken = _names_beside([c for c in candidates if c.elf is not None], tree)
    candidates += _twins(candidates, taken.difference(listed), tree, target)
    planned = plan(candidates, target, mode, taken=taken)
    if mode is not Mode.RENAME or not planned.changes:
        return planned
    return plan(candidates, target, mode, taken=taken, needed=_needed_names(listed, tree))


def _twins(
    candidates: Iterable[Candidate], unlisted: Collection[str], tree: Tree, target: Target
) -> list[Candidate]:
    """Files that somebody has made under the right name, with the very content of the one that lacks it.

    A link that was set by hand, or what another project lists too: the target imports it, so all is well.
    """
    found = []
    for candidate in candidates:
        path = candidate.module + (target.suffix_for(candidate.name.abi) or "")
        name = ExtensionFilename.parse(path)
        if path in unlisted and name is not None and tree.have_one_content(candidate.path, path):
            found.append(replace(candidate, path=path, name=name))
    return found


def _names_beside(candidates: Iterable[Candidate], tree: Tree) -> frozenset[str]:
    """All names in the folders of the candidates, whoever they belong to."""
    folders = {candidate.folder: candidate.path for candidate in candidates}
    return frozenset(folder + name for folder, path in folders.items() for name in tree.names_beside(path))


def _needed_names(paths: Iterable[str], tree: Tree) -> frozenset[str]:
    """Base names in ``DT_NEEDED`` of all shared objects of the project, and where its links lead to."""
    needed: set[str] = set()
    for path in paths:
        if path.endswith(".so") or ".so." in os.path.basename(path):
            if link := tree.link_of(path):
                needed.add(link)  # no base name where it leads to another folder
            facts = tree.examine(path)
            if isinstance(facts, ElfFacts):
                needed.update(os.path.basename(name) for name in facts.needed)
    return frozenset(needed)


def apply_names(plan: Plan, locate: Locate) -> tuple[Change, ...]:
    """Give the planned new names to files. Nothing that exists is written to or replaced.

    :param plan: of the same files
    :param locate: from a path of the plan to where the file is now
    :raises OSError: if that fails; the names given until then are left to the caller
    """
    return tuple(_apply(decision, locate) for decision in plan.changes)


def _apply(decision: Decision, locate: Locate) -> Change:
    old, new, mode = decision.candidate.path, decision.new_path, decision.mode
    if new is None or mode is None:
        raise ValueError(f"nothing is planned for {old}")
    source, target = locate(old), locate(new)
    if mode is Mode.RENAME:
        os.rename(source, target)
        return Change(old, new, mode)
    return Change(old, new, give_name(source, target, mode))


def give_name(source: str, target: str, mode: Mode) -> Mode:
    """Make a second name for a file.

    :param source: the file
    :param target: the new name: in the same folder, or elsewhere if it is to be moved into that folder
    :param mode: ``SYMLINK``, ``HARDLINK`` or ``COPY``
    :return: how it was done: where a file system refuses a link, a hard link does, then a copy
    :raises OSError: if not even a copy can be made; then the new name is not there
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    order = [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY]
    for possible in order[order.index(mode) : -1]:
        with suppress(OSError):
            if possible is Mode.SYMLINK:
                os.symlink(os.path.basename(source), target)  # relative: it survives a copy of the tree
            else:
                os.link(source, target, follow_symlinks=False)
            return possible
    try:
        shutil.copy2(source, target)
    except BaseException:
        if os.path.lexists(target):
            os.unlink(target)
        raise
    return Mode.COPY
