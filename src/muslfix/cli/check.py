"""``muslfix check``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_limit_options,
    add_mode_option,
    add_output_options,
    add_path_option,
    add_scheduler_option,
    add_target_options,
    executor_for,
    find_limits,
    find_target,
    paths_for,
)
from muslfix.plan import Mode

if TYPE_CHECKING:
    from muslfix.cli.output import Output

_EPILOG = """\
examples:
  muslfix check
  muslfix check --target-file target.json wheelhouse/*.whl
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "check",
        "say what would be done, and which binaries are foreign; changes nothing",
        "Say of each extension module whether the target imports it, whether it would be given a"
        " new name, and whether its ELF file is for another libc or CPU. Exit status 1 if there is something"
        " to do.",
        _EPILOG,
    )
    parser.add_argument(
        "subjects",
        metavar="WHEEL|PROJECT|DIR",
        nargs="*",
        help="a wheel file, the name of an installed project, or a folder of modules"
        " (default: all installed projects)",
    )
    add_target_options(parser)
    add_path_option(parser)
    add_mode_option(parser)
    add_limit_options(parser)
    add_scheduler_option(parser)
    add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Check, and say what was found.

    :return: the exit status
    """
    from muslfix.verbs.check import CheckOptions, check

    checked = CheckOptions(mode=Mode(options.mode), paths=tuple(options.path), limits=find_limits(options))
    target, subjects = find_target(options), paths_for(options.scheduler, options.subjects)
    with executor_for(options.scheduler) as executor:
        report = check(subjects, target, checked, executor=executor)
    output.report(report, as_json=options.json)
    return 0 if report.is_well and not report.changes else 1
