"""``muslfix undo``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects, run_on_projects
from muslfix.cli.output import Output

_EPILOG = """\
example:
  muslfix undo --python /opt/app/bin/python numpy
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "undo [options] [PROJECT...]",
        "restore the original names and RECORD",
        "Undo what muslfix has changed in installed projects: names and RECORD are restored."
        " A project whose files have changed since is left as it is.",
        _EPILOG,
    )
    add_projects(parser)
    add_common_options(parser, changes=True)


def run(options: argparse.Namespace, output: Output) -> int:
    """Undo, and report what was done.

    :return: the exit status
    """
    from muslfix.verbs.undo import UndoOptions, undo

    return run_on_projects(undo, UndoOptions, options, output)
