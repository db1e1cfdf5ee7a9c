"""``muslfix run``: look at the places where a command may install, run it, fix what it has changed."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_common_options
from muslfix.cli.output import Output
from muslfix.cli.targets import names_foreign_target, working_directory
from muslfix.errors import UsageError
from muslfix.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from muslfix.cli.install_places import Place

_EPILOG = """\
What the command has changed is found by looking before and after: at every
environment, interpreter and directory that it names or that tools would choose,
the user's own site directory, and where pipx, uv tool, tox, nox, Poetry and PDM
keep environments. --python and --path name the place instead.

exit status: that of COMMAND if it fails (128 + the number of the signal that
ended it, 127 if it was not found); otherwise 1 if something could not be fixed,
or if muslfix cannot tell where the command has installed; else 0.

examples:
  python -m muslfix run -- pip install -r requirements.txt
  muslfix run -- uv sync
  muslfix run -- make install
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "run [options] -- COMMAND...",
        "run an installer, then fix what it installed",
        "Run a command, and if it succeeds, fix the environments that it has changed. With --dry-run the"
        " command is not run; muslfix prints the command and the places that it would look at.",
        _EPILOG,
    )
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="the installer")
    add_common_options(parser, mode=True, changes=True)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the command, and if it succeeds, fix the places that it has changed.

    :return: the exit status
    """
    from muslfix.cli.fix_places import INTERRUPTED, FixPlaces
    from muslfix.cli.install_places import find_places
    from muslfix.cli.runner import run_command
    from muslfix.cli.snapshots import take_snapshot

    command = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not command:
        raise UsageError(
            None, "no command is given", tip="put it after two hyphens: muslfix run -- pip install X"
        )
    places = find_places(command, os.environ, working_directory())
    if options.dry_run:
        return _say_what_would_be_run(command, places, options, output)
    before = take_snapshot(places)
    ended = run_command(command)
    if ended.problem is not None:
        output.diagnostic(ended.problem, head="error:", kind="bad")
    options.dry_run = ended.status != 0  # of a command that failed muslfix only says what it has changed
    work = FixPlaces(options, output, places)
    work.fix(before, take_snapshot(places), is_interrupted=ended.is_interrupted)
    status = work.finish()
    if options.json and ended.status and not output.has_data:
        from muslfix.report.report import Failure, Report

        reason = ended.problem or f"the command ended with exit status {ended.status}"
        failure = (
            Failure("Interrupted", None, INTERRUPTED)
            if ended.is_interrupted
            else Failure("CommandFailed", None, reason)
        )
        output.data(Report("run", dry_run=False, projects=(), error=failure).to_json())
    return ended.status or status


def _say_what_would_be_run(
    command: Sequence[str], places: Sequence[Place], options: argparse.Namespace, output: Output
) -> int:
    """Print it, and change nothing. The places need not exist yet: the command may create them."""
    from muslfix.cli.install_places import Tie
    from muslfix.cli.snapshots import take_snapshot
    from muslfix.report.report import Report
    from muslfix.targets.choice import choose_python

    target = names_foreign_target(options)
    if options.python or options.path or target:
        target = target or choose_python(options.python, os.environ, working_directory()).python
        where = f"would fix: {' '.join(options.path) or 'the environment'} of {target}"
    else:
        sites = take_snapshot(places).sites.values()
        near = dict.fromkeys(str(site.place) for site in sites if site.tie is not Tie.WATCHED)
        where = f"would fix what it changes{', first of all in ' if near else ''}{', '.join(near)}"
    lines = [f"would run: {shlex.join(command)}", where]
    if options.json:
        for line in lines:
            output.diagnostic(line)
        output.data(Report("run", dry_run=True, projects=()).to_json())
    else:
        output.tell(Line(line, whole=True) for line in lines)
    return 0
