"""``muslfix fix``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects, library_options
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target

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


def run(options: argparse.Namespace, output: Output) -> int:
    """Fix, and report what was done.

    :return: the exit status
    """
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.fix import FixOptions, fix

    target = find_target(options)
    with show_progress(output) as progress:
        fixing = library_options(FixOptions, options, paths=options.path, progress=progress)
        report = fix(options.projects, target, fixing)
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1
