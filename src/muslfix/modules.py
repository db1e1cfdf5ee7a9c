"""The extension modules of one project on disk: judging them, and giving them new names.

What ``install`` has staged and what another installer left in ``site-packages`` is the same thing here: a
list of paths as RECORD spells them, and a way to find each on disk.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from muslfix.elf import ElfFacts, read_elf
from muslfix.errors import InvalidElf
from muslfix.files import hash_file, open_regular
from muslfix.plan import Candidate, Decision, Mode, Plan, is_judged, plan, undecided
from muslfix.suffix import ExtensionFilename
from muslfix.target import Target
from muslfix.trace import Change

#: From a path as RECORD spells it to where the file is now.
Locate = Callable[[str], str]


def scan_candidates(
    paths: Iterable[str], locate: Locate, target: Target, *, thorough: bool
) -> list[Candidate]:
    """Find the files that may be extension modules, and read what the planner must know of them.

    :param paths: the paths of a project's files, as RECORD spells them
    :param locate: from such a path to where the file is now
    :param target: decides which files must be read
    :param thorough: read those with a right name too, to find foreign ones among them
    """
    listed = set(paths)
    named = [(path, ExtensionFilename.parse(path)) for path in sorted(listed)]
    candidates = [Candidate(path, name) for path, name in named if name is not None]
    if not thorough:
        candidates = _without_lost(candidates, locate)
    unread = undecided(candidates, target)
    return [
        replace(
            candidate,
            has_source=candidate.module + ".py" in listed,
            elf=examine(locate(candidate.path))
            if candidate in unread or (thorough and is_judged(candidate, target))
            else None,
        )
        for candidate in candidates
    ]


def _without_lost(candidates: list[Candidate], locate: Locate) -> list[Candidate]:
    """Drop files that are not there, so that they do not pass for what serves the others of their module.

    Only these are looked for: a file that is alone stays, whether it is there or not.
    """
    files = Counter(candidate.module for candidate in candidates)
    return [c for c in candidates if files[c.module] == 1 or os.path.exists(locate(c.path))]


def examine(path: str) -> ElfFacts | str:
    """The ELF facts of a file, or the reason why there are none.

    :param path: where the file is
    """
    try:
        with open_regular(path) as stream:
            return read_elf(stream)
    except InvalidElf as error:
        return error.reason
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def plan_files(paths: Iterable[str], locate: Locate, target: Target, mode: Mode, *, thorough: bool) -> Plan:
    """Plan for the files of one project, from what they are on disk.

    :param paths: as for :func:`scan_candidates`, and so the others
    """
    listed = list(paths)
    candidates = scan_candidates(listed, locate, target, thorough=thorough)
    if not candidates:
        return Plan()
    # Only a file that was read can get a new name, which may be taken.
    taken = _names_beside([c for c in candidates if c.elf is not None], locate)
    needed = _needed_names(listed, locate) if mode is Mode.RENAME else frozenset()
    twins = _twins(candidates, taken.difference(listed), locate, target)
    return plan([*candidates, *twins], target, mode, taken=taken, needed=needed)


def _twins(
    candidates: Iterable[Candidate], unlisted: Collection[str], locate: Locate, target: Target
) -> list[Candidate]:
    """Files that somebody has made under the right name, with the very content of the one that lacks it.

    A link that was set by hand, or what another project lists too: the target imports it, so all is well.
    """
    found = []
    for candidate in candidates:
        path = candidate.module + (target.suffix_for(candidate.name.abi) or "")
        name = ExtensionFilename.parse(path)
        if path in unlisted and name is not None and _have_one_content(locate(candidate.path), locate(path)):
            found.append(replace(candidate, path=path, name=name))
    return found


def _have_one_content(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other) or hash_file(one) == hash_file(other)
    except OSError:
        return False


def _names_beside(candidates: Iterable[Candidate], locate: Locate) -> frozenset[str]:
    """All names in the folders of the candidates, whoever they belong to."""
    folders = {candidate.folder: os.path.dirname(locate(candidate.path)) for candidate in candidates}
    names: set[str] = set()
    for folder, place in folders.items():
        with suppress(OSError):  # then its files cannot be read either, or a name turns out to be taken
            names.update(folder + name for name in os.listdir(place))
    return frozenset(names)


def _needed_names(paths: Iterable[str], locate: Locate) -> frozenset[str]:
    """Base names in ``DT_NEEDED`` of all shared objects of the project, and where its links lead to."""
    needed: set[str] = set()
    for path in paths:
        if path.endswith(".so") or ".so." in os.path.basename(path):
            with suppress(OSError):
                needed.add(os.readlink(locate(path)))  # no base name where it leads to another folder
            facts = examine(locate(path))
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
