"""The extension modules of one project on disk: judging them, and giving them new names.

What ``install`` has staged and what another installer left in ``site-packages`` is the same thing here: a
list of paths as RECORD spells them, and a way to find each on disk.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from muslfix._version import __version__
from muslfix.elf import ElfFacts, read_elf
from muslfix.errors import InvalidElf
from muslfix.plan import Candidate, Decision, Mode, Plan, is_judged, plan, undecided
from muslfix.record import RecordRow
from muslfix.suffix import ExtensionFilename
from muslfix.target import Target

#: Name of the file in the ``.dist-info`` that says what muslfix did; ``undo`` reads it.
TRACE = "muslfix.json"

_TRACE_FORMAT = 1

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
    unread = undecided(candidates, target)
    return [
        replace(
            candidate,
            has_source=candidate.module + ".py" in listed,
            elf=_examine(locate(candidate.path))
            if candidate in unread or (thorough and is_judged(candidate, target))
            else None,
        )
        for candidate in candidates
    ]


def _examine(path: str) -> ElfFacts | str:
    try:
        with open(path, "rb") as stream:
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
    taken = _names_beside(candidates, locate)
    needed = _needed_names(listed, locate) if mode is Mode.RENAME else frozenset()
    return plan(candidates, target, mode, taken=taken, needed=needed)


def _names_beside(candidates: Iterable[Candidate], locate: Locate) -> frozenset[str]:
    """All names in the folders of the candidates, whoever they belong to."""
    folders = {candidate.folder: os.path.dirname(locate(candidate.path)) for candidate in candidates}
    names: set[str] = set()
    for folder, place in folders.items():
        names.update(folder + name for name in os.listdir(place))
    return frozenset(names)


def _needed_names(paths: Iterable[str], locate: Locate) -> frozenset[str]:
    """Base names in ``DT_NEEDED`` of all shared objects of the project."""
    needed: set[str] = set()
    for path in paths:
        if path.endswith(".so") or ".so." in os.path.basename(path):
            facts = _examine(locate(path))
            if isinstance(facts, ElfFacts):
                needed.update(os.path.basename(name) for name in facts.needed)
    return frozenset(needed)


@dataclass(frozen=True)
class Change:
    """A new name that a module was given.

    :param old: path of the file as its wheel had it
    :param new: the path that the target imports
    :param mode: how it was done, which may be less than what was planned, where a file system refuses links
    """

    old: str
    new: str
    mode: Mode


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
    # Where a file system refuses a link, a hard link does, then a copy.
    order = [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY]
    for possible in order[order.index(mode) : -1]:
        with suppress(OSError):
            _give_name(source, target, possible)
            return Change(old, new, possible)
    _give_name(source, target, Mode.COPY)
    return Change(old, new, Mode.COPY)


def _give_name(source: str, target: str, mode: Mode) -> None:
    if mode is Mode.SYMLINK:
        os.symlink(os.path.basename(source), target)  # beside it: a relative link survives a copy of the tree
    elif mode is Mode.HARDLINK:
        os.link(source, target)
    else:
        try:
            shutil.copy2(source, target)
        except BaseException:
            if os.path.lexists(target):
                os.unlink(target)
            raise


def changed_rows(rows: Iterable[RecordRow], changes: Iterable[Change]) -> Iterator[RecordRow]:
    """The rows of RECORD after the changes: a renamed file's row has its new path, a second name its own.

    :param rows: the rows before
    :param changes: what was done
    """
    by_old = {change.old: change for change in changes}
    for row in rows:
        change = by_old.get(row.path)
        if change is None or change.mode is not Mode.RENAME:
            yield row
        if change is not None:
            yield RecordRow(change.new, row.hash, row.size)


def trace(changes: Iterable[Change], target: Target) -> bytes:
    """The content of :data:`TRACE`: what was done to the project, for which target.

    :param changes: what was done
    :param target: for which Python
    """
    facts = {
        "format": _TRACE_FORMAT,
        "muslfix": __version__,
        "target": {
            "extension_suffixes": list(target.extension_suffixes),
            "libc": target.libc,
            "machine": asdict(target.machine),
        },
        "changes": [asdict(change) for change in changes],
    }
    return (json.dumps(facts, indent=2) + "\n").encode()
