"""``muslfix run``."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_common_options
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target, names_foreign_target
from muslfix.errors import UsageError
from muslfix.report.lines import Line

if TYPE_CHECKING:
    from muslfix.cli.whereabouts import Whereabouts
    from muslfix.report.report import Report

_EPILOG = """\
Without --python, muslfix fixes the environment of the Python that runs pip; for
other tools the active virtual environment or the project's .venv; otherwise the
environment of the Python that runs muslfix.

exit status: that of COMMAND if it fails (128 + the number of the signal that
ended it, 127 if it was not found); otherwise 1 if something could not be fixed,
else 0.

examples:
  python -m muslfix run -- pip install -r requirements.txt
  muslfix run -- uv sync
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "run [options] -- COMMAND...",
        "run an installer, then fix what it installed",
        "Run a command, and if it succeeds, fix the environment that it installed into. With --dry-run the"
        " command is not run; muslfix prints the command and the environment that it would fix.",
        _EPILOG,
    )
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="the installer")
    add_common_options(parser, mode=True, changes=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the command; if it succeeds, fix its environment and print what was done.

    :return: the exit status
    """
    from muslfix.cli.runner import run_command

    command = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not command:
        raise UsageError(
            None, "no command is given", tip="put it after two hyphens: muslfix run -- pip install X"
        )
    if options.dry_run:
        return _say_what_would_be_run(command, options, output)
    ended = run_command(command)
    if ended.problem is not None:
        output.diagnostic(ended.problem, head="error:", kind="bad")
    if ended.status != 0:
        return ended.status
    report = _fix(_look_around(command, options, output), options, output)
    output.report(report, as_json=options.json)
    return 0 if _is_well(report) else 1


def _look_around(command: list[str], options: argparse.Namespace, output: Output) -> Whereabouts:
    """Which environment the command works in, unless the options name it."""
    from muslfix.cli.whereabouts import Whereabouts, find_whereabouts

    found = find_whereabouts(command, os.environ, os.getcwd())
    if found.doubt and not options.path and not (options.python or names_foreign_target(options)):
        output.doubt(found.doubt)
    return Whereabouts(options.python or found.python, tuple(options.path) or found.paths)


def _fix(place: Whereabouts, options: argparse.Namespace, output: Output) -> Report:
    from muslfix.cli.fix import fix_options
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.fix import fix

    options.python, options.path = place.python, place.paths
    target = find_target(options)
    with show_progress(output) as progress:
        return fix((), target, fix_options(options, progress))


def _is_well(report: Report) -> bool:
    """Whether the exit status may be 0. Projects that were not looked at are no failure of the command."""
    return all(project.is_well or project.action == "skipped" for project in report.projects)


def _say_what_would_be_run(command: list[str], options: argparse.Namespace, output: Output) -> int:
    """Print it, and change nothing. The environment need not exist yet: the command may create it."""
    from muslfix.report.report import Report
    from muslfix.targets.interpreter import find_interpreter

    place = _look_around(command, options, output)
    target = names_foreign_target(options) or find_interpreter(place.python, os.environ)
    lines = [
        f"would run: {shlex.join(command)}",
        f"would fix: {' '.join(place.paths) or 'the environment'} of {target}",
    ]
    if options.json:
        for line in lines:
            output.diagnostic(line)
        output.data(Report("fix", dry_run=True, projects=()).to_json())
    else:
        output.tell(Line(line, whole=True) for line in lines)
    return 0
