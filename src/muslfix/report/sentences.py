"""A report in words: the summary first, then the projects, and the files where something needs attention.

This and :mod:`muslfix.report.summary` put reports into words, nothing else does. They make
:class:`~muslfix.report.lines.Line` values; the command line renders them for a terminal or a pipe
(:mod:`muslfix.cli.terminal`), and the hooks print the two short forms, :func:`fixed_in_one_line` and
:func:`problems_in`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muslfix.report.lines import Line
from muslfix.report.places import count, places
from muslfix.report.report import ACTIONS, FileReport, ModuleReport, ProjectReport, Report
from muslfix.report.summary import modules_and_libraries, summarize, what_was_found
from muslfix.verdicts import Verdict

# Facts from these sources are shown unasked: nobody has seen them yet.
_PUT_TOGETHER = ("build-details", "root", "spec")

# How many projects that need no attention are named, and how many files of one kind in a project.
_PROJECTS, _FILES = 5, 3

# Of these files one is enough: all are alike.
_ALIKE = frozenset({"misnamed", "removed", "put-back", "link-outside"})

# How many projects or modules a hook names.
_IN_ONE_LINE = 3

# What has changed something, so that a dry run says "would be".
_DEEDS = frozenset({"installed", "replaced", "fixed", "undone", "repaired", "removed", "made"})

# A project with one of these, and nothing else to say of it, is only counted.
_UNEVENTFUL = frozenset({"unchanged", "verified", "checked"})

# The labels of files in a dry run, where nothing was done to them.
_WOULD = {"removed": "would be removed", "put-back": "would be put back"}

# The label of a file that has been given a name. Its verdict is what it was before.
_FIXED = "fixed"

_KINDS = {
    _FIXED: "good",
    "importable": "good",
    "served": "good",
    "library": "good",
    "other-abi": "",
    "misnamed": "odd",
    "no-init": "odd",
    "removed": "good",
    "put-back": "good",
    "unlisted": "odd",
    "link-outside": "odd",
    "not-its-own": "odd",
}


def kind_of(word: str) -> str:
    """What a verdict or a finding means: a kind of :class:`~muslfix.report.lines.Line`."""
    return _KINDS.get(word, "bad")


def tell(report: Report, *, verbose: bool = False, quiet: bool = False) -> Iterator[Line]:
    """Put a report into words.

    :param report: the result of a command
    :param verbose: name every project and file
    :param quiet: say nothing unless something needs attention, and only that
    """
    if quiet and not needs_attention(report):
        return
    yield summarize(report)
    yield from _places(report)
    if not quiet and report.source is not None and report.source.kind in _PUT_TOGETHER:
        yield Line(report.source.sentence, head="target:", kind="strong")
    urgent = [project for project in report.projects if _is_urgent(project)]
    others = [project for project in report.projects if not _is_urgent(project) and _is_news(project)]
    if quiet:  # what check finds is to do, what other commands have fixed is done
        others = [project for project in others if project.changes and _is_only_found(report)]
    shown = list(report.projects) if verbose else [*urgent, *others[:_PROJECTS]]
    for project in shown:
        yield Line(_describe(project, report), head=f"{project.label}:", kind="strong")
        yield from _files(project, report, verbose=verbose)
        yield from (Line(tip, head="tip:", kind="tip", indent=2) for tip in _tips(project))
    if others[_PROJECTS:] and not verbose:
        yield Line(f"and {count(len(others) - _PROJECTS, 'more project')} (-v names all)")
    if not quiet:
        yield from (Line(note, head="note:", kind="tip") for note in report.notes)


def needs_attention(report: Report) -> bool:
    """Whether the user should look at the result, and must hear of it with ``-q`` too."""
    return not report.is_well or report.has_problems or (_is_only_found(report) and report.changes > 0)


def _is_only_found(report: Report) -> bool:
    """Whether what is misnamed is still to be fixed, and was not asked for as a dry run."""
    return report.command == "check" or (report.command == "run" and report.dry_run)


def _is_urgent(project: ProjectReport) -> bool:
    return not project.is_well or any(module.is_doubtful for module in project.modules)


def _is_news(project: ProjectReport) -> bool:
    return project.action not in _UNEVENTFUL or project.changes > 0 or project.musl is not None


def _places(report: Report) -> Iterator[Line]:
    """Where that was, and for which Python; why that one."""
    seen = report.looked_at
    if seen is None:
        return
    head, words = places(
        report.command or "", seen.directories, seen.interpreter, seen.chosen_by, seen.passed_over
    )
    if words:
        yield Line(words, head=head, kind="strong")


# -- projects and files -----------------------------------------------------------------------------


def _describe(project: ProjectReport, report: Report) -> str:
    """What was done with a project."""
    would = "would be " if report.dry_run and project.action in _DEEDS else ""
    words = [would + ACTIONS[project.action].format(project.previous)]
    if project.output is not None:
        words.append(f"{'would be ' if report.dry_run else ''}written to {project.output}")
    if project.problem is not None and project.action == "checked":
        return project.problem
    if project.problem is not None:  # that of a wheel begins with its path, which the line may have already
        return f"{', '.join(words)}: {project.problem.removeprefix(f'{project.label}: ')}"
    if project.musl is not None and project.output is None:
        return str(project.musl)
    if project.modules:
        if project.action in ("checked", "fixed", "unchanged"):
            del words[0]  # the count of modules says it
        found = ", ".join(what_was_found([project], report)) or "nothing to fix"
        words.append(f"{modules_and_libraries([project])}: {found}")
    return ", ".join(words) + (f"; it {project.musl}" if project.musl else "")  # with its new tag


def _files(project: ProjectReport, report: Report, *, verbose: bool) -> Iterator[Line]:
    """The files of a project, those that need attention first."""
    groups: dict[str, list[ModuleReport | FileReport]] = {}
    for module in sorted(project.modules, key=lambda module: not module.refused):
        label = _label(module, report)
        if verbose or module.refused or module.is_doubtful or label == Verdict.MISNAMED.value:
            groups.setdefault(label, []).append(module)
    for file in project.files:
        if verbose or report.dry_run or kind_of(file.finding) != "good":
            groups.setdefault(file.finding, []).append(file)
    for label, files in groups.items():
        yield from _group(label, files, report, verbose=verbose)


def _label(module: ModuleReport, report: Report) -> str:
    """The verdict; after a fix what was done."""
    done = module.verdict is Verdict.MISNAMED and module.new_path is not None and not report.dry_run
    return _FIXED if done else module.verdict.value


def _group(
    label: str, files: Sequence[ModuleReport | FileReport], report: Report, *, verbose: bool
) -> Iterator[Line]:
    most = 1 if label in _ALIKE else _FILES
    shown = files if verbose or len(files) <= most + 1 else files[:most]
    head = _WOULD.get(label, label) if report.dry_run else label
    for file in shown:
        yield Line(file.path, head=head, kind=kind_of(label), indent=2, detail=file.sentence)
        if verbose and isinstance(file, ModuleReport):
            yield from (Line(sentence, head="not known:", indent=6) for sentence in file.not_known)
    if len(shown) < len(files):
        yield Line(f"and {len(files) - len(shown)} more {head} (-v names all)", indent=2)


def _tips(project: ProjectReport) -> list[str]:
    """Each tip once."""
    tips = [project.tip, *(module.tip for module in project.modules)]
    return list(dict.fromkeys(tip for tip in tips if tip))


# -- for the hooks, which are guests in the output of another tool -----------------------------------


def fixed_in_one_line(report: Report) -> str:
    """All that was fixed; empty if nothing was.

    >>> fixed_in_one_line(Report("fix", False, ()))
    ''
    """
    fixed = [project.label for project in report.projects if project.action == "fixed"]
    if not fixed:
        return ""
    return f"fixed {_and_more(fixed, 'projects')} ({count(report.changes, 'extension module')})"


def problems_in(report: Report) -> Iterator[str]:
    """What needs attention, one sentence for each project.

    What cannot be changed (editable installations, what a distribution owns) is left out here: every run of
    the other tool would repeat it.
    """
    yield from report.warnings
    for project in report.projects:
        if project.action == "failed":
            yield f"{project.label}: {project.problem}" + (f" (tip: {project.tip})" if project.tip else "")
        refused = [str(module) for module in project.modules if module.refused]
        if refused:
            yield f"{project.label}: {_and_more(refused, 'modules')}"


def _and_more(words: list[str], noun: str) -> str:
    few = len(words) <= _IN_ONE_LINE + 1
    shown = words if few else [*words[:_IN_ONE_LINE], f"{len(words) - _IN_ONE_LINE} more {noun}"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
