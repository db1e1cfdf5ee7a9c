"""What is said of one extension module: a decision of the planner, put into words."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muslfix.elf.facts import ElfFacts
from muslfix.loader.facts import LoadResult
from muslfix.suffix import Libc
from muslfix.verdicts import Mode, Verdict

if TYPE_CHECKING:
    from muslfix.loader.facts import Problem
    from muslfix.modules.plan import Decision
    from muslfix.targets.target import Target

# What became of the name that the target looks for: done, and in a dry run.
_DEEDS = {
    Mode.SYMLINK: ("which now links to it", "which would link to it"),
    Mode.HARDLINK: ("which is now a hard link to it", "which would be a hard link to it"),
    Mode.COPY: ("which is now a copy of it", "which would be a copy of it"),
    Mode.RENAME: ("which is now its name", "which would be its name"),
}

# How many pieces of evidence a sentence names; the rest says nothing new.
_EVIDENCE = 3

# python/cpython#122931: builds on 3.15 take the first suffix of the stable ABI, which has a triplet there.
_SINCE_315 = "builds on Python 3.15 and later give this name, which older Pythons do not import"

_SLOW = "Python silently imports the .py of the same name, which is slower"


@dataclass(frozen=True)
class ModuleReport:
    """What is said of one file.

    :param path: as RECORD spells it
    :param verdict: the word for what it is to the target
    :param new_path: the path that the target imports, where it was given one
    :param mode: how it was given that path
    :param refused: whether the module stays out of reach
    :param sentence: what was wrong and what was done, for a person
    :param tip: what the user can do, or ``None``
    :param loads: whether the target's loader can load it; ``None`` where that is not known or was not asked
    :param problems: what the loader stumbles over, the worst first
    :param not_known: what could not be found out about that, each a sentence
    """

    path: str
    verdict: Verdict
    new_path: str | None
    mode: Mode | None
    refused: bool
    sentence: str
    tip: str | None
    loads: bool | None = None
    problems: tuple[Problem, ...] = ()
    not_known: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: {self.verdict}: {self.sentence}"

    @property
    def was_slow(self) -> bool:
        """Whether Python imports a ``.py`` in the module's place as long as it has no other name."""
        return self.sentence.endswith(_SLOW)


def report_module(
    decision: Decision, target: Target, done: Mode | None = None, *, dry_run: bool = False
) -> ModuleReport:
    """Put a decision into words.

    :param decision: the planner's
    :param target: for which it was made
    :param done: how the name was given, where that differs from the plan
    :param dry_run: whether it is only what would be done
    """
    mode = done or decision.mode
    load = decision.candidate.load or LoadResult()
    sentence, tip = _SENTENCES[decision.verdict](decision, target)
    if decision.new_path is not None and mode is not None:
        sentence = f"{sentence}, {_deed(decision, mode, dry_run=dry_run)}"
    return ModuleReport(
        path=decision.candidate.path,
        verdict=decision.verdict,
        new_path=decision.new_path,
        mode=mode if decision.new_path is not None else None,
        refused=decision.refused,
        sentence=sentence,
        tip=tip if decision.refused or load.problems else None,
        loads=None if decision.candidate.load is None else load.loads,
        problems=load.problems,
        not_known=load.unknown,
    )


def _deed(decision: Decision, mode: Mode, *, dry_run: bool) -> str:
    deed = _DEEDS[mode][dry_run]
    if decision.needed_by_name:
        deed += " (another file of the project needs the old name)"
    if decision.mode is not mode:
        deed += f" (the file system refuses a {decision.mode})"
    if decision.candidate.has_source:
        when = "today" if dry_run else "without it"
        deed += f"; {when} {_SLOW}"
    return deed


def _importable(decision: Decision, _target: Target) -> tuple[str, None]:
    return f"the target imports names that end in {decision.candidate.name.suffix}", None


def _served(decision: Decision, _target: Target) -> tuple[str, None]:
    return f"for this module the target imports {os.path.basename(decision.other or '')}", None


def _misnamed(decision: Decision, target: Target) -> tuple[str, None]:
    name = decision.candidate.name
    wanted = f"{name.module}{target.suffix_for(name.abi)}"
    if name.triplet and wanted in (f"{name.module}.abi3.so", f"{name.module}.abi3t.so"):
        return f"{_SINCE_315}; all import {wanted}", None
    return f"the target looks for {wanted}", None


def _other_abi(decision: Decision, target: Target) -> tuple[str, None]:
    name = decision.candidate.name
    if not name.is_for_linux:
        return f"it is for another platform ({name.triplet})", None
    return f"it is for {name.abi}, and the target is {target.kind}", None


def _other_libc(decision: Decision, target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    facts = [*elf.glibc_evidence, *elf.musl_evidence] if isinstance(elf, ElfFacts) else []
    libcs = " and ".join(sorted(elf.libcs)) if isinstance(elf, ElfFacts) else "another libc"
    more = ", …" if len(facts) > _EVIDENCE else ""
    evidence = ", ".join(facts[:_EVIDENCE]) + more
    family = "musllinux" if target.libc is Libc.MUSL else "manylinux"
    return (
        f"it is linked to {libcs} ({evidence}), and the target uses {target.libc}",
        f"take a {family} wheel of this project, or build it from source for the target",
    )


def _other_machine(decision: Decision, target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    machine = elf.machine if isinstance(elf, ElfFacts) else "unknown"
    return (
        f"it is for {machine}, and the target is {target.machine}",
        "take the wheel for the target's CPU",
    )


def _occupied(decision: Decision, _target: Target) -> tuple[str, str]:
    wanted = os.path.basename(decision.other or "")
    return (
        f"the target imports {wanted}, a name that another file has",
        f"see what {wanted} is, and remove it if it is not wanted",
    )


def _not_elf(decision: Decision, _target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    reason = elf if isinstance(elf, str) else "is a program, not a shared object"
    return f"it {reason}", "the wheel is damaged or not for Linux; take another one"


def _not_loading(decision: Decision, target: Target) -> tuple[str, str]:
    """What the loader stumbles over; a module that gets a name all the same needs that sentence too."""
    problems = (decision.candidate.load or LoadResult()).problems
    several = list({problem.reason: problem for problem in reversed(problems)}.values())[::-1]
    sentence = "; ".join(map(str, several[:_EVIDENCE]))
    if len(problems) > len(several[:_EVIDENCE]):
        sentence += f"; and {len(problems) - len(several[:_EVIDENCE])} more"
    if decision.new_path is not None:
        sentence += f"; {_misnamed(decision, target)[0]}"
    return sentence, problems[0].tip


_SENTENCES = {
    Verdict.IMPORTABLE: _importable,
    Verdict.SERVED: _served,
    Verdict.MISNAMED: _misnamed,
    Verdict.OTHER_ABI: _other_abi,
    Verdict.OTHER_LIBC: _other_libc,
    Verdict.OTHER_MACHINE: _other_machine,
    Verdict.OCCUPIED: _occupied,
    Verdict.NOT_ELF: _not_elf,
    Verdict.CRASHES: _not_loading,
    Verdict.FOREIGN_LIBRARY: _not_loading,
    Verdict.MISSING_LIBRARY: _not_loading,
    Verdict.MISSING_SYMBOL: _not_loading,
}
