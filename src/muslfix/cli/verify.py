"""``muslfix verify``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command, add_common_options, add_projects, run_on_projects
from muslfix.cli.output import Output

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
    from muslfix.verbs.verify import VerifyOptions, verify

    return run_on_projects(verify, VerifyOptions, options, output)
