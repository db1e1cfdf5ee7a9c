"""``muslfix fix``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects, run_on_projects
from muslfix.cli.output import Output

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
    from muslfix.verbs.fix import FixOptions, fix

    return run_on_projects(fix, FixOptions, options, output)
