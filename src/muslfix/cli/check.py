"""``muslfix check``."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_common_options,
    add_limit_options,
    add_scheduler_option,
    executor_for,
    find_limits,
    library_options,
    mode_words,
    paths_for,
)
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target, target_words
from muslfix.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from muslfix.report.report import ProjectReport, Report
    from muslfix.targets.target import Target

_EPILOG = """\
examples:
  muslfix check
  muslfix check --target-file target.json wheelhouse/*.whl
  muslfix check --musl dist/*.whl
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "check [options] [WHEEL|PROJECT|DIR...]",
        "report what would be done, and which binaries are foreign; changes nothing",
        "Report for each extension module whether the target imports it, whether it would get a new name,"
        " and whether its ELF file is for another libc or CPU. The exit status is 1 if there is something"
        " to do.",
        _EPILOG,
    )
    parser.add_argument(
        "subjects",
        metavar="WHEEL|PROJECT|DIR",
        nargs="*",
        help="a wheel file, the name of an installed project, a shared library, or a directory of any of them"
        " (default: all installed projects)",
    )
    add_common_options(parser, mode=True)
    add_limit_options(parser)
    add_scheduler_option(parser)
    parser.add_argument(
        "--musl",
        action="store_true",
        help="report which musl each WHEEL needs, and whether its tags promise an older one; no target is"
        " probed",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Check, and report what was found.

    :return: the exit status
    """
    from muslfix.cli.progress import show_progress

    if options.musl:
        from muslfix.verbs.check_named import check_musl

        _check_musl_alone(options)
        floors = check_musl(_wheels(options.subjects), find_limits(options))
        output.report(floors, as_json=options.json)
        return 0 if floors.is_well else 1

    from muslfix.verbs.check import CheckOptions, check

    target, subjects = find_target(options), paths_for(options.scheduler, options.subjects)
    with executor_for(options.scheduler) as executor, show_progress(output) as progress:
        checking = library_options(
            CheckOptions, options, paths=options.path, limits=find_limits(options), progress=progress
        )
        report = check(subjects, target, checking, executor=executor)
    output.report(report, as_json=options.json, command=_remedy(report, options, target))
    return 0 if report.is_well and not report.changes and not report.has_problems else 1


def _remedy(report: Report, options: argparse.Namespace, target: Target) -> str | None:
    """The command that would fix what was found, to copy and run; ``None`` if there is none."""
    needy = [p for p in report.projects if p.changes and p.problem is None]
    if not needy:
        return None
    from packaging.utils import canonicalize_name

    whole = [p for p in needy if p.is_well and (p.source or "").endswith(".whl")]
    is_one_of_each = len({canonicalize_name(p.name) for p in whole}) == len(whole)  # install wants that
    wheels = [p.source for p in whole if p.source] if is_one_of_each else []
    directories = [p for p in needy if p.source and p.source == p.location]
    installed = [p for p in needy if p.source and p.source.endswith(".dist-info")]
    named = [p.name for p in installed] if options.subjects else []
    common = [*target_words(options), *mode_words(options)]
    accept = ["--break-system-packages"] if target.externally_managed and not options.path else []
    commands = []
    if wheels:
        where = accept if target.runs_here else ["--target", "DIR"]
        commands.append(["install", *common, *where, *wheels])
    if installed:
        paths = [word for path in options.path for word in ("--path", path)]
        commands.append(["fix", *common, *accept, *paths, *named])
    for project in directories:
        commands += [["fix", *words, *mode_words(options)] for words in _places_in(project, options)]
    return " && ".join(shlex.join(["muslfix", *words]) for words in commands) or None


def _places_in(project: ProjectReport, options: argparse.Namespace) -> Iterator[list[str]]:
    """The options that name an environment, or the site directories in a directory, to ``fix``."""
    from muslfix.targets.environments import is_environment
    from muslfix.verbs.check_paths import look_into

    root = project.source or "."
    if is_environment(root):
        yield ["--python", root]
        return
    needy = [os.path.join(root, module.path) for module in project.modules if module.new_path]
    for site in look_into(root).sites:
        if any(path.startswith(os.path.join(site, "")) for path in needy):
            yield [*target_words(options), "--path", site]


def _check_musl_alone(options: argparse.Namespace) -> None:
    """Refuse options that ``--musl`` would ignore.

    :raises UsageError: if there is such an option
    """
    idle = [name for name in ("path", "strict", "scheduler") if getattr(options, name)]
    words = [*target_words(options), *mode_words(options), *(f"--{name}" for name in idle)]
    words += [] if options.load_check else ["--no-load-check"]
    if words:
        raise UsageError(
            None,
            f"--musl checks wheels without a target, so {words[0]} has no effect",
            tip=f"leave out --musl or {words[0]}",
        )


def _wheels(subjects: list[str]) -> list[str]:
    """The subjects, which must be wheels.

    :raises UsageError: if one is not, or there are none
    """
    others = [subject for subject in subjects if not subject.endswith(".whl")]
    if others or not subjects:
        raise UsageError(others[0] if others else None, "--musl checks wheel files; name one")
    return subjects
