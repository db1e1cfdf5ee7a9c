"""``muslfix fix``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_common_options, add_projects
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.progress import Progress
    from muslfix.verbs.fix import FixOptions

_EPILOG = """\
examples:
  pip install psycopg[binary] && muslfix fix
  uv sync && uv run --no-sync muslfix fix
  muslfix fix --python /opt/app/bin/python numpy
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "fix [options] [PROJECT...]",
        "fix what pip, uv, Poetry or PDM has installed",
        "Give misnamed extension modules of installed projects the names that the target imports."
        " Each project is changed as a whole or not at all; running fix again changes nothing.",
        _EPILOG,
    )
    add_projects(parser)
    add_common_options(parser, mode=True, changes=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Fix, and report what was done.

    :return: the exit status
    """
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.fix import fix

    target = find_target(options)
    with show_progress(output) as progress:
        report = fix(options.projects, target, fix_options(options, progress))
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1


def fix_options(options: argparse.Namespace, progress: Progress) -> FixOptions:
    """The options of the library, from those of the command line."""
    from muslfix.verbs.fix import FixOptions

    return FixOptions(
        mode=Mode(options.mode),
        paths=tuple(options.path),
        break_system_packages=options.break_system_packages,
        dry_run=options.dry_run,
        load_check=options.load_check,
        strict=options.strict,
        progress=progress,
    )
