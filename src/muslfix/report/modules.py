"""A decision of the planner about one extension module, put into words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from os.path import basename

from muslfix.elf.facts import ElfFacts
from muslfix.errors import MAY_READ, few
from muslfix.loader.facts import LoadResult
from muslfix.loader.time_t import TimeT, sentence_about
from muslfix.modules.candidate import init_functions
from muslfix.modules.plan import Decision, Plan
from muslfix.report.report import ModuleReport, ProjectReport
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.target import Target
from muslfix.verdicts import Mode, Verdict

# What the name that the target looks for is now, and what it would be after a dry run.
_DEEDS = {
    Mode.SYMLINK: ("which now links to it", "which would link to it"),
    Mode.HARDLINK: ("which is now a hard link to it", "which would be a hard link to it"),
    Mode.COPY: ("which is now a copy of it", "which would be a copy of it"),
    Mode.RENAME: ("which is now its name", "which would be its name"),
}

# How many pieces of evidence a sentence names; more would add nothing.
_EVIDENCE = 3

# python/cpython#122931: builds on 3.15 take the first suffix of the stable ABI, which has a triplet there.
_SINCE_315 = "builds on Python 3.15 and later give this name, which older Pythons do not import"

_TIMES = {
    TimeT.NEW: "it uses musl's time_t of 64 bits",
    TimeT.OLD: "it uses musl's old time_t of 32 bits, which ends in 2038",
    TimeT.BOTH: "it uses both kinds of musl's time_t",
}

# These have a tip although they stop nothing.
_STOPS_NOTHING = (Verdict.NO_INIT, Verdict.OTHER_ABI)

_SLOW = "Python silently imports the .py of the same name, which is slower"


def report_module(
    decision: Decision, target: Target, done: Mode | None = None, *, dry_run: bool = False
) -> ModuleReport:
    """Put a decision into words.

    :param decision: of the planner
    :param target: for which it was made
    :param done: how the module got its name, where that differs from the plan
    :param dry_run: whether nothing is changed
    """
    mode = done or decision.mode
    is_named = decision.new_path is not None and mode is not None
    load = decision.candidate.load or LoadResult()
    sentence, tip = _SENTENCES[decision.verdict](decision, target)
    if mode is not None and is_named:
        sentence = f"{sentence}, {_deed(decision, mode, dry_run=dry_run)}"
    return ModuleReport(
        path=decision.candidate.path,
        verdict=decision.verdict,
        new_path=decision.new_path,
        mode=mode if is_named else None,
        refused=decision.refused,
        sentence=sentence,
        tip=tip if decision.refused or load.problems or decision.verdict in _STOPS_NOTHING else None,
        loads=None if decision.candidate.load is None else load.loads,
        problems=load.problems,
        not_known=load.unknown,
        was_slow=is_named and decision.candidate.has_source,
        is_library=decision.candidate.is_library,
        time_t=dict(load.times).get(load.files[0]) if load.files else None,
    )


def about_foreign(plan: Plan, target: Target) -> Iterator[str]:
    """What is to be said of shared libraries that no module needs, each a sentence."""
    for path, facts in plan.foreign:
        evidence = (*facts.glibc_evidence, *facts.musl_evidence)[0]
        libcs = " and ".join(sorted(facts.libcs))
        yield (
            f"{path} is a shared library linked to {libcs} ({evidence}), and the target uses {target.libc}:"
            " what loads it, with ctypes for example, fails or crashes"
        )


def with_times(report: ProjectReport, decisions: Iterable[Decision]) -> ProjectReport:
    """The report with what is to be said of the ``time_t`` of a project's files, its libraries among them.

    :param report: with the modules of these decisions
    """
    found: dict[str, TimeT] = {}
    for decision in decisions:
        load, path = decision.candidate.load, decision.candidate.path
        if load is not None and load.times:
            root = load.files[0][: -len(path)]
            found.update((file, kind) for file, kind in load.times if file.startswith(root))
    if not found:
        return report
    modules = tuple(
        replace(module, sentence=f"{module.sentence}; {_TIMES[module.time_t]}") if module.time_t else module
        for module in report.modules
    )
    sentence, mixes = sentence_about(found)
    warnings = (*report.warnings, sentence) if mixes else report.warnings
    return replace(report, modules=modules, warnings=warnings)


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


def _library(_decision: Decision, target: Target) -> tuple[str, None]:
    return f"it is a shared library and no extension module, for {target.machine} and {target.libc}", None


def _served(decision: Decision, _target: Target) -> tuple[str, None]:
    return f"for this module the target imports {basename(decision.other or '')}", None


def _misnamed(decision: Decision, target: Target) -> tuple[str, None]:
    name = decision.candidate.name
    wanted = f"{name.module}{target.suffix_for(name.abi)}"
    if name.triplet and wanted in (f"{name.module}.abi3.so", f"{name.module}.abi3t.so"):
        return f"{_SINCE_315}; all import {wanted}", None
    return f"the target looks for {wanted}", None


def _other_abi(decision: Decision, target: Target) -> tuple[str, str | None]:
    name = decision.candidate.name
    if not name.is_for_linux:
        return f"it is for another platform ({name.triplet})", None
    if decision.is_tried:
        return (
            f"it is for {name.abi}, which {target.kind} looks for and cannot load (the import ends in a"
            " SystemError)",
            "use a wheel that was built for the target's ABI, or a Python that is not free-threaded",
        )
    return f"it is for {name.abi}, but the target is {target.kind}", None


def abi_of(path: str) -> str | None:
    """The ABI that a module's name spells, such as ``cpython-39``; ``None`` if it is for no Linux at all."""
    name = ExtensionFilename.parse(path)
    return name.abi if name is not None and name.is_for_linux else None


def _other_libc(decision: Decision, target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    facts = [*elf.glibc_evidence, *elf.musl_evidence] if isinstance(elf, ElfFacts) else []
    libcs = " and ".join(sorted(elf.libcs)) if isinstance(elf, ElfFacts) else "another libc"
    evidence = few(facts, _EVIDENCE)
    family = "musllinux" if target.libc is Libc.MUSL else "manylinux"
    return (
        f"it is linked to {libcs} ({evidence}), but the target uses {target.libc}",
        f"use a {family} wheel of this project, or build it from source on the target",
    )


def _other_machine(decision: Decision, target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    machine = elf.machine if isinstance(elf, ElfFacts) else "unknown"
    return (
        f"it is for {machine}, but the target is {target.machine}",
        "use the wheel for the target's CPU",
    )


def _occupied(decision: Decision, _target: Target) -> tuple[str, str]:
    wanted = basename(decision.other or "")
    return (
        f"the name it needs, {wanted}, is taken by another file",
        f"check what {wanted} is, and remove it if it does not belong there",
    )


def _missing(_decision: Decision, _target: Target) -> tuple[str, str]:
    return "it does not exist, or is a link to a file that does not", "install the project again"


def _not_elf(decision: Decision, _target: Target) -> tuple[str, str]:
    elf = decision.candidate.elf
    reason = elf if isinstance(elf, str) else "is a program, not a shared object"
    if "(Permission denied)" in reason:
        return f"it {reason}", MAY_READ
    if reason.startswith("cannot be read (") and "regular file" not in reason:
        return f"it {reason}", "see what is wrong with the disk or the system, and try again"
    if decision.candidate.is_library:
        return f"it {reason}", "take a library that was built for the target"
    return f"it {reason}", "the wheel is damaged or not for Linux; use another one"


def _no_init(decision: Decision, target: Target) -> tuple[str, str]:
    elf, name = decision.candidate.elf, decision.candidate.name
    wanted = " or ".join(init_functions(name, target))
    defined = elf.init_functions if isinstance(elf, ElfFacts) else ()
    if not defined:
        return (
            f"it has no function {wanted}, so it is a shared library and no import can load it",
            "nothing is to be done if a program loads it by its path, as with ctypes",
        )
    return (
        f"it has no function {wanted}, so no import of {name.module} can load it"
        f" (it has {few(defined, _EVIDENCE)})",
        "use another version of the wheel, unless a program loads the file by its path",
    )


def _not_loading(decision: Decision, target: Target) -> tuple[str, str]:
    """What goes wrong when the module is loaded, and what its name should be if it gets one all the same."""
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
    Verdict.LIBRARY: _library,
    Verdict.MISSING: _missing,
    Verdict.NOT_ELF: _not_elf,
    Verdict.NO_INIT: _no_init,
    Verdict.CRASHES: _not_loading,
    Verdict.FOREIGN_LIBRARY: _not_loading,
    Verdict.MISSING_LIBRARY: _not_loading,
    Verdict.MISSING_SYMBOL: _not_loading,
}
