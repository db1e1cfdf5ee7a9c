"""``muslfix undo``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects, library_options
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target

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
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.undo import UndoOptions, undo

    target = find_target(options)
    with show_progress(output) as progress:
        undoing = library_options(UndoOptions, options, paths=options.path, progress=progress)
        report = undo(options.projects, target, undoing)
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1
