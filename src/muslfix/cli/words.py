"""A report for a person at a terminal: the sum first, then the files by project.

Programs get :func:`muslfix.report.text.to_text` or JSON instead, which name every file in a line of its own.
"""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from muslfix.cli.terminal import Line
from muslfix.report.report import FINDINGS
from muslfix.report.text import PUT_TOGETHER, describe, is_worth_telling
from muslfix.verdicts import Verdict

if TYPE_CHECKING:
    from muslfix.report.modules import ModuleReport
    from muslfix.report.report import FileReport, ProjectReport, Report

# How many files of one kind a project names: one is enough where all are alike.
_FILES, _ALIKE = 3, frozenset({"misnamed", "removed", "put-back", "link-outside"})

# How many projects name files that need nobody.
_PROJECTS = 8

_KINDS = {
    "importable": "good",
    "served": "good",
    "other-abi": "",
    "misnamed": "odd",
    "removed": "good",
    "put-back": "good",
    "unlisted": "odd",
    "link-outside": "odd",
}

# What is said of modules in whose place Python imports a .py: of wheels or not, today or before.
_RAN = {
    (False, True): "running",
    (False, False): "had been running",
    (True, True): "would run",
    (True, False): "would have run",
}

#: The words that a line can have between its path and its sentence.
WORDS = frozenset({*(verdict.value for verdict in Verdict), *FINDINGS})


def kind_of(word: str) -> str:
    """The colour of a verdict or a finding; those that nothing was said of here are bad news."""
    return _KINDS.get(word, "bad")


def tell(report: Report, *, verbose: bool = False) -> Iterator[Line]:
    """The lines for a person.

    :param report: the result
    :param verbose: name everything, also that of which there is nothing to say
    """
    yield _sum(report)
    told = [project for project in report.projects if verbose or _is_news(project)]
    brief = len(told) > _PROJECTS and not verbose
    for project in told:
        yield Line()
        yield _heading(project, report)
        yield from _files(project, verbose=verbose, brief=brief, dry_run=report.dry_run)
        for tip in _tips(project):
            yield Line(tip, head="tip:", kind="tip", indent=2)
    if brief:
        yield Line()
        yield Line("-v names all files")
    notes = [Line(note, head="note:", kind="tip") for note in report.notes]
    if report.source is not None and report.source.kind in PUT_TOGETHER:
        notes.insert(0, Line(report.source.sentence, head="target:", kind="strong"))
    yield from [Line(), *notes] if notes else ()


def _is_news(project: ProjectReport) -> bool:
    """Whether a person wants to hear of a project: not where its modules merely are as they should be."""
    well = project.action in ("unchanged", "checked") and project.is_well
    changed = any(module.new_path is not None for module in project.modules)
    troubled = project.musl is not None or any(module.problems for module in project.modules)
    return is_worth_telling(project) and (changed or troubled or not well)


def _sum(report: Report) -> Line:
    """What was found and done, in one sentence."""
    if report.command in ("undo", "verify"):
        return _sum_of_projects(report)
    if any(project.musl is not None for project in report.projects):
        return _sum_of_floors(report)
    count = sum(_modules(project.modules) for project in report.projects)
    amiss = Counter(project.action for project in report.projects)
    parts = _parts(report.projects, report)
    for action, words in (("failed", "failed"), ("skipped", "not looked at"), ("left-alone", "left alone")):
        parts += [f"{_count(amiss[action], 'project')} {words}"] if amiss[action] else []
    written = sum(project.output is not None for project in report.projects)
    if written:
        parts.append(f"{_count(written, 'wheel')} {'would be ' if report.dry_run else ''}written")
    refused = any(module.refused for project in report.projects for module in project.modules)
    kind = "bad" if refused or amiss["failed"] else "odd" if parts and report.dry_run else "good"
    where = _count(len(report.projects), "project")
    if count:
        where = f"{_count(count, 'extension module')} in {where}"
    return Line(head=f"{where}: {', '.join(parts) or 'nothing to fix'}.", kind=kind)


def _parts(projects: Sequence[ProjectReport], report: Report) -> list[str]:
    """How many modules were or would be fixed, and how many cannot be."""
    named = [module for project in projects for module in project.modules if module.new_path is not None]
    slow = sum(module.was_slow for module in named)
    are_wheels = all(project.source.endswith(".whl") for project in projects)
    refused = sum(_modules(module for module in project.modules if module.refused) for project in projects)
    parts = []
    if named:
        ran = _RAN[are_wheels, report.dry_run]
        aside = f" ({slow} {ran} as slow Python)" if slow else ""
        parts.append(f"{len(named)} {'misnamed' if report.dry_run else 'fixed'}{aside}")
    lacking = sum(_is_lacking(module) for project in projects for module in project.modules)
    parts += [f"{refused} refused"] if refused else []
    return [*parts, *([f"{lacking} lacking what the loader needs"] if lacking else [])]


def _is_lacking(module: ModuleReport) -> bool:
    """Whether it is in the target's reach, and the loader stumbles over it."""
    return bool(module.problems) and not module.refused


def _sum_of_projects(report: Report) -> Line:
    """The same for the commands that are about projects."""
    total = _count(len(report.projects), "project")
    failed = sum(project.action in ("failed", "skipped") for project in report.projects)
    aside = f", {failed} could not be looked at" if failed else ""
    if report.command == "undo":
        done = sum(project.action == "undone" for project in report.projects)
        deed = "would be put back" if report.dry_run else "put back"
        said = f"{done} {deed}" if done else "nothing to put back"
        return Line(head=f"{total}: {said}{aside}.", kind="bad" if failed else "good")
    differ = sum(project.action == "differs" for project in report.projects)
    said = f"{differ} not as RECORD says" if differ else "all files are as RECORD says"
    return Line(head=f"{total}: {said}{aside}.", kind="bad" if differ or failed else "good")


def _sum_of_floors(report: Report) -> Line:
    """The same where each wheel was asked for the lowest musl."""
    broken = sum(project.musl is not None and not project.musl.keeps for project in report.projects)
    failed = sum(project.action == "failed" for project in report.projects)
    said = f"the tags of {broken} promise too much" if broken else "no tag promises too much"
    aside = f", {failed} could not be looked at" if failed else ""
    kind = "bad" if broken or failed else "good"
    return Line(head=f"{_count(len(report.projects), 'wheel')}: {said}{aside}.", kind=kind)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _modules(files: Iterable[ModuleReport]) -> int:
    """How many modules the files are: one can have several."""
    return len(
        {os.path.join(os.path.dirname(f.path), os.path.basename(f.path).partition(".")[0]) for f in files}
    )


def _heading(project: ProjectReport, report: Report) -> Line:
    sentence = describe(project, dry_run=report.dry_run)[len(project.label) + 2 :]
    if project.modules and project.problem is None:
        action = [] if project.action in ("checked", "fixed", "unchanged") else [sentence.partition(", ")[0]]
        count = _count(_modules(project.modules), "extension module")
        found = ", ".join(_parts([project], report)) or "nothing to fix"
        sentence = ", ".join([*action, f"{count}: {found}"])
    return Line(sentence, head=f"{project.label}:", kind="strong")


def _files(project: ProjectReport, *, verbose: bool, brief: bool, dry_run: bool) -> Iterator[Line]:
    """The files of a project, those that need a person first.

    :param brief: leave out those that are well again: there are many projects
    """
    groups: dict[str, list[ModuleReport | FileReport]] = {}
    modules = [m for m in project.modules if verbose or m.refused or m.new_path is not None or m.problems]
    for module in sorted(modules, key=lambda module: not module.refused):
        groups.setdefault(module.verdict.value, []).append(module)
    for file in project.files:
        groups.setdefault(file.finding, []).append(file)
    for word, files in groups.items():
        if brief and word == Verdict.MISNAMED.value:
            continue
        done = word == Verdict.MISNAMED.value and not dry_run
        kind = "good" if done else kind_of(word)
        yield from _group(word, files, verbose=verbose, kind=kind)


def _group(
    word: str, files: Sequence[ModuleReport | FileReport], *, verbose: bool, kind: str
) -> Iterator[Line]:
    most = 1 if word in _ALIKE else _FILES
    shown = files if verbose or len(files) <= most + 1 else files[:most]
    for file in shown:
        yield Line(file.path, head=word, kind=kind, indent=2)
        yield Line(file.sentence, indent=6)
    if len(shown) < len(files):
        yield Line(f"and {len(files) - len(shown)} more {word} (-v names all)", indent=2)


def _tips(project: ProjectReport) -> list[str]:
    """Each tip once."""
    tips = [project.tip, *(module.tip for module in project.modules)]
    return list(dict.fromkeys(tip for tip in tips if tip))
