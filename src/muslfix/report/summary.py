"""The summary of a report: what was looked at, found and done, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from muslfix.report.lines import Line
from muslfix.report.places import count, size
from muslfix.report.report import ACTIONS, ModuleReport, ProjectReport, Report, module_of
from muslfix.verdicts import LOADER_VERDICTS, Verdict

# Refused modules with one of these have a count of their own.
_COUNTED_APART = (Verdict.MISSING, Verdict.MISNAMED)

# What modules are counted for, by the words behind their number.
_COUNTED: dict[str, Callable[[ModuleReport], bool]] = {
    "refused": lambda m: m.refused and m.verdict not in _COUNTED_APART,
    "missing": lambda m: m.verdict is Verdict.MISSING,
    "misnamed in source trees": lambda m: m.refused and m.verdict is Verdict.MISNAMED,
    "missing a library or symbol": lambda m: m.verdict in LOADER_VERDICTS and not m.refused,
    "without an init function": lambda m: m.verdict is Verdict.NO_INIT,
    "for an ABI that the target cannot load": lambda m: m.verdict is Verdict.OTHER_ABI and m.is_doubtful,
}

# How modules are described in whose place Python imports a .py: of wheels or not, in a dry run or not.
_FALLS_BACK = {
    (False, True): "falling back",
    (False, False): "had been falling back",
    (True, True): "would fall back",
    (True, False): "would have fallen back",
}


def summarize(report: Report) -> Line:
    """What was looked at, found and done, in one sentence."""
    found = [project for project in report.projects if project.is_found]
    lost = len(report.projects) - len(found)
    if not found and (lost or report.doubts) and report.command != "shim":
        return Line(head="No project was found.", kind="bad" if lost else "odd")
    if report.command == "shim":
        line = _summary_of_shim(found, report)
    elif report.command in ("undo", "verify"):
        line = _summary_of_projects(found, report)
    elif any(project.musl is not None and project.output is None for project in found):
        line = _summary_of_floors(found)
    else:
        line = _summary_of_modules(found, report)
    aside = f", {count(lost, 'project')} not found." if lost else "."
    return line._replace(head=line.head + aside, kind="bad" if lost else line.kind)


def _summary_of_modules(projects: Sequence[ProjectReport], report: Report) -> Line:
    """The same for the commands that look at modules. What follows is said of what was looked at alone."""
    noun = "wheel" if report.command == "repair" else "project"
    actions = Counter(project.action for project in projects)
    parts = what_was_found(projects, report)
    for action, words in (("failed", "failed"), ("skipped", "not looked at"), ("left-alone", "left alone")):
        parts += [f"{count(actions[action], noun)} {words}"] if actions[action] else []
    unwelcome = sum(project.action == "checked" and project.problem is not None for project in projects)
    parts += [f"{count(unwelcome, noun)} would be refused"] if unwelcome else []
    written = sum(project.output is not None for project in projects)
    if written:
        parts.append(f"{count(written, 'wheel')} {'would be ' if report.dry_run else ''}written")
    refused = any(module.refused for project in projects for module in project.modules)
    kind = (
        "bad"
        if refused or actions["failed"] or unwelcome
        else "odd"
        if report.doubts or (parts and report.dry_run)
        else "good"
    )
    where = size(len(projects), modules_and_libraries(projects), noun)
    if len(parts) == 1 and parts[0].startswith(f"{where} "):  # of all of them
        return Line(head=parts[0], kind=kind)
    return Line(head=f"{where}: {', '.join(parts) or 'nothing to fix'}", kind=kind)


def what_was_found(projects: Sequence[ProjectReport], report: Report) -> list[str]:
    """How many modules were or would be fixed, how many cannot be, and of how many that is not known."""
    modules = [module for project in projects for module in project.modules]
    named = [module for module in modules if module.new_path is not None]
    slow = sum(module.was_slow for module in named)
    parts = []
    if named:
        are_wheels = all((project.source or "").endswith(".whl") for project in projects)
        falls_back = _FALLS_BACK[are_wheels, report.dry_run]
        aside = f" ({slow} {falls_back} to slower pure Python)" if slow else ""
        parts.append(f"{len(named)} {'misnamed' if report.dry_run else 'fixed'}{aside}")
    for words, is_counted in _COUNTED.items():
        number = _modules_where(projects, is_counted)
        parts += [f"{number} {words}"] if number else []
    unknown = _modules_where(projects, lambda module: bool(module.not_known))
    if unknown:
        found = [] if parts else ["nothing to fix"]
        parts = [*parts, *found, f"{unknown} could not be checked for loading"]
    return parts


def _summary_of_projects(projects: Sequence[ProjectReport], report: Report) -> Line:
    """The same for the commands that compare whole projects."""
    actions = Counter(project.action for project in projects)
    lost = actions["failed"] + actions["skipped"]
    looked_at = len(projects) - lost - actions["left-alone"]
    is_undo = report.command == "undo"
    if is_undo:
        deed = "would be put back" if report.dry_run else "put back"
        parts = [f"{actions['undone']} {deed}"] if actions["undone"] else []
        nothing, in_some = "nothing to put back", f"nothing to put back in {looked_at}"
    else:
        parts = [f"{actions['differs']} not as RECORD says"] if actions["differs"] else []
        nothing, in_some = "all files are as RECORD says", f"{looked_at} as RECORD says"
        nothing = nothing if projects else "no files to compare"
    if not parts and (looked_at or not projects):
        parts = [nothing if looked_at == len(projects) else in_some]
    failed = "failed" if is_undo else "could not be checked"
    parts += [] if is_undo else what_was_found(projects, report)
    parts += [f"{lost} {failed}"] if lost else []
    parts += [f"{actions['left-alone']} left alone"] if actions["left-alone"] else []
    total = count(len(projects), "project")
    if lost == len(projects) > 0 == len(parts) - 1:
        return Line(head=f"{total} {failed}", kind="bad")
    is_well = all(project.is_well for project in projects)
    return Line(head=f"{total}: {', '.join(parts)}", kind="good" if is_well and not report.doubts else "bad")


def _summary_of_shim(projects: Sequence[ProjectReport], report: Report) -> Line:
    """The same for the one project that ``shim`` is about."""
    deeds = [ACTIONS[project.action].format(project.previous) for project in projects]
    if any(project.action == "checked" for project in projects):
        deeds = ["not active" if report.doubts else "active"]
    elif report.dry_run and deeds:
        deeds = [f"would be {deeds[0]}"]
    kind = "odd" if report.doubts else "good"
    if not deeds:
        return Line(
            head=f"muslfix-shim: {'not installed' if report.doubts else 'nothing to remove'}", kind=kind
        )
    return Line(head=f"{count(len(projects), 'project')}: {deeds[0]}", kind=kind)


def _summary_of_floors(projects: Sequence[ProjectReport]) -> Line:
    """The same where each wheel was asked for the lowest musl."""
    total = count(len(projects), "wheel")
    broken = sum(project.musl is not None and not project.musl.keeps for project in projects)
    failed = sum(project.action == "failed" for project in projects)
    failed += sum(project.musl is not None and bool(project.musl.not_known) for project in projects)
    said = f"the tags of {broken} promise too much" if broken else "no tag promises too much"
    said += f", {failed} could not be checked" if failed else ""
    return Line(head=f"{total}: {said}", kind="bad" if broken or failed else "good")


def _modules_where(projects: Iterable[ProjectReport], is_counted: Callable[[ModuleReport], bool]) -> int:
    """Count modules, not files: a module can have several files."""
    return sum(
        len({module_of(module.path) for module in project.modules if is_counted(module)})
        for project in projects
    )


def modules_and_libraries(projects: Iterable[ProjectReport]) -> str:
    """How many there are; empty if there are none."""
    projects = list(projects)
    modules = _modules_where(projects, lambda module: not module.is_library)
    libraries = sum(module.is_library for project in projects for module in project.modules)
    parts = [count(modules, "extension module")] if modules else []
    if libraries:
        parts.append("1 shared library" if libraries == 1 else f"{libraries} shared libraries")
    return " and ".join(parts)
