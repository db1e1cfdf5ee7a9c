"""A report as text for files and pipes: each file in a line of its own, for programs as well.

A person at a terminal gets that of :mod:`muslfix.cli.words` instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from muslfix.report.report import ACTIONS

if TYPE_CHECKING:
    from muslfix.report.report import ProjectReport, Report

#: Facts from these are told unasked: nobody has seen them yet.
PUT_TOGETHER = ("build-details", "root", "spec")

# How many links out of the environment a project names; where one leads out, most do.
_LINKS_OUTSIDE = 3


def to_text(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """The lines that tell a person what was done.

    :param report: the result
    :param verbose: also the files and projects of which there is nothing to say
    """
    if report.source is not None and report.source.kind in PUT_TOGETHER:
        yield f"target: {report.source.sentence}"
    for project in report.projects:
        for module in project.modules:
            if verbose or module.refused or module.new_path is not None or module.problems:
                yield str(module)
                if module.tip:
                    yield f"tip: {module.tip}"
                if verbose:
                    yield from (f"{module.path}: not known: {sentence}" for sentence in module.not_known)
        yield from _file_lines(project, verbose=verbose)
        if verbose or is_worth_telling(project):
            yield describe(project, dry_run=report.dry_run)
            if project.tip:
                yield f"tip: {project.tip}"
    yield from (f"note: {note}" for note in report.notes)
    if report.command == "repair" and len(report.projects) > 1:
        yield _totals(report)


def _totals(report: Report) -> str:
    counts = Counter(project.action for project in report.projects)
    parts = [f"{count} {ACTIONS[action]}" for action, count in counts.items()]
    written = sum(project.output is not None for project in report.projects)
    would = "would be " if report.dry_run else ""
    return f"{len(report.projects)} wheels: {', '.join(parts)}; {written} {would}written"


def is_worth_telling(project: ProjectReport) -> bool:
    """Whether there is more to say of a project than that it was looked at."""
    return bool(project.modules or project.musl) or project.action not in ("unchanged", "verified", "checked")


def _file_lines(project: ProjectReport, *, verbose: bool) -> Iterator[str]:
    """A line for each file; one for all where an installer has made links of the whole project."""
    outside = [file for file in project.files if file.finding == "link-outside"]
    fold = not verbose and len(outside) > _LINKS_OUTSIDE
    for file in project.files:
        if not fold or file.finding != "link-outside":
            yield str(file)
        elif file is outside[0]:
            yield f"{file}; so are {len(outside) - 1} more files of the project"


def describe(project: ProjectReport, *, dry_run: bool) -> str:
    """What was done with a project, in one line that begins with its label.

    :param dry_run: whether it is only what would be done
    """
    would = "would be " if dry_run else ""
    done = project.action in ("installed", "replaced", "fixed", "undone", "repaired")
    action = ACTIONS[project.action].format(project.previous)
    line = f"{project.label}: {would if done else ''}{action}"
    if project.output is not None:
        line += f", {would}written to {project.output}"
    if project.problem is not None:
        return f"{line}: {project.problem}"
    if project.musl is not None:
        return f"{project.label}: {project.musl}"
    if not project.modules:
        return line
    count = len(project.modules)
    parts = [line, f"{count} extension module file{'' if count == 1 else 's'}"]
    fixed = sum(module.new_path is not None for module in project.modules)
    refused = sum(module.refused for module in project.modules)
    if fixed:
        parts.append(f"{fixed} {would}given a new name")
    if refused:
        parts.append(f"{refused} out of the target's reach")
    lacking = sum(bool(module.problems) and not module.refused for module in project.modules)
    unknown = sum(bool(module.not_known) for module in project.modules)
    if lacking:
        parts.append(f"{lacking} lacking what the loader needs")
    if not fixed and not refused and not lacking and project.action != "unchanged":
        parts.append("nothing to fix")
    if unknown:
        parts.append(f"not known whether the loader can load {unknown}")
    return ", ".join(parts)


def counted_modules(count: int) -> str:
    """A number of modules in words: ``1 extension module``."""
    return "1 extension module" if count == 1 else f"{count} extension modules"
