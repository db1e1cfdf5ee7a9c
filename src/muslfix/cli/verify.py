"""``muslfix verify``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects
from muslfix.cli.output import Output
from muslfix.cli.targets import find_target

_EPILOG = """\
example:
  muslfix verify --path build/lib
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "verify [options] [PROJECT...]",
        "compare the files with RECORD",
        "Report files of installed projects that are missing, changed, or not listed in RECORD, and"
        " links that are broken or lead out of the environment.",
        _EPILOG,
    )
    add_projects(parser)
    add_common_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Verify, and report what was found.

    :return: the exit status
    """
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.verify import VerifyOptions, verify

    target = find_target(options)
    with show_progress(output) as progress:
        report = verify(options.projects, target, VerifyOptions(tuple(options.path), progress))
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1
