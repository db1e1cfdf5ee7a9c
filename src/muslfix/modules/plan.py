"""The planner: from the facts of files and of a target to the changes that are needed. It touches nothing.

Each file that is named like an extension module gets one :class:`~muslfix.verdicts.Verdict`: first each by
itself (:mod:`~muslfix.modules.candidate`), then with the other files of its module. The plan of a tree that
has been fixed is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from muslfix.elf.facts import ElfFacts
from muslfix.modules.candidate import (
    HOPELESS,
    Candidate,
    foreign_verdict,
    is_plain_library,
    name_fits,
    trouble_of,
    verdict_alone,
)
from muslfix.suffix import ExtensionFilename
from muslfix.targets.target import Target
from muslfix.verdicts import Mode, Verdict

# The target cannot load a file with one of these.
_FOREIGN = (Verdict.OTHER_LIBC, Verdict.OTHER_MACHINE, Verdict.NOT_ELF, *HOPELESS)
_MISSING = (Verdict.MISSING_LIBRARY, Verdict.MISSING_SYMBOL)


@dataclass(frozen=True)
class Decision:
    """The planner's decision about one candidate.

    :param candidate: the file
    :param verdict: what it is to the target
    :param new_path: the path that it will get, besides or instead of its own; ``None`` if nothing changes
    :param mode: how it gets that path; ``None`` if nothing changes
    :param other: path of the file that serves the module, or that has the name it needs
    :param refused: whether the target cannot load the module, so that an installation must stop
    :param is_tried: whether the target tries to load it all the same, because of its name
    :param needed_by_name: whether a rename became a link because another file needs the old name
    """

    candidate: Candidate
    verdict: Verdict
    new_path: str | None = None
    mode: Mode | None = None
    other: str | None = None
    refused: bool = False
    is_tried: bool = False
    needed_by_name: bool = False


@dataclass(frozen=True)
class Plan:
    """The decisions about one tree, in the order of their paths.

    :param decisions: about its modules
    :param foreign: its shared libraries that are no modules and are linked to another libc than the target's,
        where these were looked for; a program may load them by their path
    """

    decisions: tuple[Decision, ...] = ()
    foreign: tuple[tuple[str, ElfFacts], ...] = ()

    @property
    def changes(self) -> tuple[Decision, ...]:
        """The decisions that give a file a name."""
        return tuple(decision for decision in self.decisions if decision.new_path is not None)

    @property
    def refusals(self) -> tuple[Decision, ...]:
        """The decisions about modules that the target cannot load."""
        return tuple(decision for decision in self.decisions if decision.refused)


def plan(
    candidates: Iterable[Candidate],
    target: Target,
    mode: Mode = Mode.SYMLINK,
    *,
    taken: Collection[str] = (),
    needed: Collection[str] = (),
) -> Plan:
    """Decide what each file is to the target, and which names make the modules importable.

    :param candidates: the files of one tree
    :param target: the Python that will import
    :param mode: how modules get their names
    :param taken: paths that exist in the tree; it need not contain those of the candidates
    :param needed: names in ``DT_NEEDED`` of all ELF files of the tree; read for ``RENAME`` only
    :raises ValueError: if a file would get a name and was not read, which
        :func:`~muslfix.modules.candidates.undecided` prevents
    """
    modules: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.path):
        if not is_plain_library(candidate):
            modules.setdefault(candidate.module, []).append(candidate)
    occupied = {*taken, *(c.path for files in modules.values() for c in files if not c.is_missing)}
    decisions = []
    for files in modules.values():
        decisions += _plan_module(files, target, occupied)
    return Plan(
        tuple(
            _with_load(_with_mode(decision, mode, needed))
            for decision in sorted(decisions, key=lambda decision: decision.candidate.path)
        )
    )


def judge_library(library: Candidate, target: Target) -> Decision:
    """Decide what a shared library that is no module is to the target.

    :param library: with its ELF facts, and what the loader will do with it if that is known
    """
    foreign = None if library.elf is None else foreign_verdict(library.elf, target)
    verdict = foreign or trouble_of(library) or Verdict.LIBRARY
    is_strict = library.load is not None and library.load.strict
    return Decision(library, verdict, refused=verdict in _FOREIGN or (is_strict and verdict in _MISSING))


def _plan_module(files: list[Candidate], target: Target, occupied: Collection[str]) -> list[Decision]:
    """Judge the files of one module: first each by itself, then together."""
    verdicts = {candidate: verdict_alone(candidate, target) for candidate in files}
    importable = [c for c in files if verdicts[c] is Verdict.IMPORTABLE]
    misnamed = sorted(
        (c for c in files if verdicts[c] is Verdict.MISNAMED),
        key=lambda c: _preference(c, target),
    )
    decisions = {candidate: Decision(candidate, verdict) for candidate, verdict in verdicts.items()}
    server = min(importable, key=lambda c: _preference(c, target)) if importable else None
    for candidate in misnamed:
        new_path = candidate.module + (target.suffix_for(candidate.name.abi) or "")
        if server is not None:
            decisions[candidate] = Decision(candidate, Verdict.SERVED, other=server.path)
        elif new_path in occupied:
            decisions[candidate] = Decision(candidate, Verdict.OCCUPIED, other=new_path)
        elif candidate.elf is None:
            raise ValueError(f"the ELF facts of {candidate.path} are needed and were not read")
        else:
            decisions[candidate] = Decision(candidate, Verdict.MISNAMED, new_path=new_path)
            server = candidate
    for candidate, decision in decisions.items():
        if decision.verdict is Verdict.OTHER_ABI:
            decisions[candidate] = replace(decision, is_tried=_is_tried(candidate, server, target))
    if server is None:
        refusing = (*_FOREIGN, *_MISSING, Verdict.OCCUPIED, Verdict.MISSING)
        return [replace(d, refused=d.verdict in refusing) for d in decisions.values()]
    return [_unless_served(decision, server, target) for decision in decisions.values()]


def _is_tried(candidate: Candidate, server: Candidate | None, target: Target) -> bool:
    """Whether an import comes to a file with a name that the target looks for and can never load.

    :param server: the file that gives the target the module, or ``None``
    """
    if not name_fits(candidate, target):
        return False
    place = target.extension_suffixes.index(candidate.name.suffix)
    return server is None or place < _preference(server, target)[0]


def _unless_served(decision: Decision, server: Candidate, target: Target) -> Decision:
    """A file that the target cannot load does no harm if another one serves the module.

    It does if its own name is right, since the target then tries to load it, perhaps before the other.
    """
    if decision.verdict not in (*_FOREIGN, *_MISSING, Verdict.NO_INIT):
        return decision
    if name_fits(decision.candidate, target):
        return replace(decision, refused=decision.verdict is not Verdict.NO_INIT)
    return Decision(decision.candidate, Verdict.SERVED, other=server.path)


def _with_load(decision: Decision) -> Decision:
    """Replace the verdict of a file that is or becomes importable by its problem, if it has one."""
    trouble = trouble_of(decision.candidate)
    if trouble is None or decision.verdict not in (Verdict.IMPORTABLE, Verdict.MISNAMED):
        return decision
    return replace(decision, verdict=trouble)


def _preference(candidate: Candidate, target: Target) -> tuple[int, bool, str]:
    """Sort key: the order in which the target looks, then the CPU in the name, then the path."""
    wanted = target.suffix_for(candidate.name.abi) or ""
    exact = candidate.name.suffix if name_fits(candidate, target) else wanted
    own = ExtensionFilename.of_suffix(wanted)
    same_cpu = own is not None and _cpu(own.triplet) == _cpu(candidate.name.triplet)
    return target.extension_suffixes.index(exact), not same_cpu, candidate.path


def _cpu(triplet: str | None) -> str:
    return (triplet or "").partition("-linux-")[0]


def _with_mode(decision: Decision, mode: Mode, needed: Collection[str]) -> Decision:
    """Add how the name is given. A name that another file needs (``DT_NEEDED``) is kept."""
    if decision.new_path is None:
        return decision
    candidate = decision.candidate
    soname = candidate.elf.soname if isinstance(candidate.elf, ElfFacts) else None
    if mode is Mode.RENAME and (str(candidate.name) in needed or soname in needed):
        return replace(decision, mode=Mode.SYMLINK, needed_by_name=True)
    return replace(decision, mode=mode)
