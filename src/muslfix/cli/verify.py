"""``muslfix verify``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_output_options,
    add_path_option,
    add_projects,
    add_target_options,
    find_target,
)

if TYPE_CHECKING:
    from muslfix.cli.output import Output

_EPILOG = """\
example:
  muslfix verify --path build/lib
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "verify",
        "compare the files with RECORD",
        "Say which files of installed projects are missing, changed, or not listed in RECORD, and"
        " which links lead nowhere or out of the environment.",
        _EPILOG,
    )
    add_projects(parser)
    add_target_options(parser)
    add_path_option(parser)
    add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Verify, and say what was found.

    :return: the exit status
    """
    from muslfix.verbs.verify import VerifyOptions, verify

    report = verify(options.projects, find_target(options), VerifyOptions(paths=tuple(options.path)))
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1
