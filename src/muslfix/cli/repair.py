"""``muslfix repair``."""

from __future__ import annotations

import argparse
import os
from itertools import count
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_dry_run_option,
    add_limit_options,
    add_load_options,
    add_output_options,
    add_scheduler_option,
    executor_for,
    find_limits,
    library_options,
    paths_for,
)
from muslfix.cli.output import Output
from muslfix.cli.targets import add_target_options, find_targets
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.report.report import ProjectReport

_EPILOG = """\
examples:
  muslfix repair --python /opt/app/bin/python dist/*.whl -w wheelhouse
  muslfix repair --target-file alpine.json --target-file uv.json --mode copy \\
      dist/*.whl -w wheelhouse
  muslfix repair --target-file alpine.json wheelhouse/*.whl --in-place
  muslfix repair --python .venv/bin/python --retag dist/*.whl -w wheelhouse
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "repair [options] WHEEL... (-w DIR | --in-place)",
        "write wheels that need no fixing, for a wheelhouse or an index",
        "Write wheels whose extension modules have the names that the targets import. Everything else is"
        " carried over byte for byte. A wheel that cannot be repaired does not stop the others; the exit"
        " status is then 1.",
        _EPILOG,
    )
    parser.add_argument("wheels", metavar="WHEEL", nargs="+", help="path of a wheel file")
    add_target_options(parser, several=True)
    where = parser.add_argument_group("where to", "One of these is needed.")
    where.add_argument(
        "-w", "--wheel-dir", metavar="DIR", help="the directory for new wheels; created if needed"
    )
    where.add_argument("--in-place", action="store_true", help="replace each wheel by the new one")
    parser.add_argument(
        "--force", action="store_true", help="replace another file that has the name of a new wheel"
    )
    parser.add_argument(
        "--copy-unchanged", action="store_true", help="also write the wheels that need no change"
    )
    parser.add_argument(
        "--mode",
        choices=[Mode.RENAME.value, Mode.COPY.value],
        default=Mode.RENAME.value,
        help="rename misnamed modules, or give a copy of them the right name, so that the wheel serves"
        " several targets; a wheel cannot hold links (default: %(default)s)",
    )
    parser.add_argument(
        "--retag",
        action="store_true",
        help="give wheels for musl the musllinux tag that their files deserve: of an older musl if these can"
        " load there too, of a newer one if they need it",
    )
    parser.add_argument("--build-tag", metavar="TAG", help="give new wheels this build tag")
    add_load_options(parser)
    add_dry_run_option(parser)
    add_limit_options(parser)
    add_scheduler_option(parser)
    add_output_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Repair wheels, and report what was done.

    :return: the exit status
    """
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.repair import RepairOptions, check_repair_options, repair

    directory = options.wheel_dir
    if directory and options.scheduler:  # whose workers have another working directory
        directory = os.path.abspath(directory)
    repairing = library_options(RepairOptions, options, folder=directory, limits=find_limits(options))
    check_repair_options(repairing)
    targets, wheels = find_targets(options), paths_for(options.scheduler, options.wheels)
    finished = count(1)
    with executor_for(options.scheduler) as executor, show_progress(output) as progress:

        def tell(_: ProjectReport) -> None:
            progress("repairing wheels", next(finished), len(wheels))

        report = repair(wheels, targets, repairing, executor=executor, on_finished=tell)
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1
