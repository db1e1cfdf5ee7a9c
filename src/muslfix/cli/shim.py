"""``muslfix shim``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_common_options, library_options
from muslfix.cli.output import Output
from muslfix.cli.targets import check_paths, find_target

if TYPE_CHECKING:
    from muslfix.report.report import Report

_EPILOG = """\
examples:
  muslfix shim --python /opt/app/bin/python
  muslfix shim --wheel wheelhouse
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "shim [options] [--status | --remove | --wheel DIR]",
        "let Python accept both spellings at import time",
        "Install a small project with which the target also imports extension modules whose names differ from"
        " its own in the platform alone, if their ELF file proves that it can load them. It is for files that"
        " nobody can change; where they can be changed, use 'muslfix fix'. MUSLFIX_SHIM=0 switches it off for"
        " a process.",
        _EPILOG,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="say whether it is active; if not, exit with 1")
    what.add_argument("--remove", action="store_true", help="remove it")
    what.add_argument(
        "--wheel", metavar="DIR", help="write it as a wheel into a directory, for an index or 'uvx --with'"
    )
    add_common_options(parser, path=False, changes=True)


def run(options: argparse.Namespace, output: Output) -> int:
    """Install, remove, describe or write the shim, and report what was done.

    :return: the exit status
    """
    check_paths(wheel=options.wheel)
    report = _report(options, output)
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1


def _report(options: argparse.Namespace, output: Output) -> Report:
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.shim import ShimOptions, install_shim, remove_shim, report_wheel, shim_status

    if options.wheel is not None:  # the same for every Python
        return report_wheel(options.wheel, dry_run=options.dry_run)
    target = find_target(options)
    if options.status:
        return shim_status(target)
    with show_progress(output) as progress:
        how = library_options(ShimOptions, options, progress=progress)
        return (remove_shim if options.remove else install_shim)(target, how)
