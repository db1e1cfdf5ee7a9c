"""``muslfix install``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_common_options,
    add_limit_options,
    find_limits,
)
from muslfix.cli.output import Output
from muslfix.cli.targets import check_paths, find_target
from muslfix.verdicts import Mode

if TYPE_CHECKING:
    from muslfix.report.report import Report
    from muslfix.targets.target import Target

_EPILOG = """\
examples:
  muslfix install psycopg_binary-3.0.4-cp39-cp39-musllinux_1_1_x86_64.whl
  muslfix install --python /opt/app/bin/python wheelhouse/*.whl
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "install [options] WHEEL...",
        "install wheels, with misnamed modules fixed",
        "Install wheels. Misnamed extension modules get a name that the target imports, if their ELF file"
        " proves that it can load them. Either all wheels are installed or none.",
        _EPILOG,
    )
    parser.add_argument("wheels", metavar="WHEEL", nargs="+", help="path of a wheel file")
    add_common_options(parser, path=False, mode=True, changes=True)
    layout = parser.add_argument_group("where to", "Without these: the target's own environment.")
    layout.add_argument("--target", metavar="DIR", help="one flat directory, as with pip")
    layout.add_argument("--prefix", metavar="DIR", help="another prefix, laid out like the target's")
    layout.add_argument("--root", metavar="DIR", help="a directory that the target will see as /")
    parser.add_argument(
        "--force-reinstall", action="store_true", help="install even if the same version is there"
    )
    parser.add_argument("--no-compile", action="store_true", help="do not compile bytecode")
    parser.add_argument(
        "--ignore-record",
        action="store_true",
        help="install even if RECORD does not match the files; the installed RECORD does",
    )
    add_limit_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Install, and report what was done.

    :return: the exit status
    """
    check_paths(target=options.target, prefix=options.prefix, root=options.root)
    target = find_target(options)
    report = _install(target, options, output)
    output.report(report, as_json=options.json)
    return int(any(project.action == "skipped" for project in report.projects))


def _install(target: Target, options: argparse.Namespace, output: Output) -> Report:
    # Not in another thread while the interpreter answers: a signal that comes while this thread imports too
    # can leave it with the lock of all imports, and each would wait for the other for ever.
    from muslfix.cli.progress import show_progress
    from muslfix.verbs.install import InstallOptions, install

    with show_progress(output) as progress:
        return install(
            options.wheels,
            target,
            InstallOptions(
                mode=Mode(options.mode),
                folder=options.target,
                prefix=options.prefix,
                root=options.root,
                force_reinstall=options.force_reinstall,
                compile=not options.no_compile,
                break_system_packages=options.break_system_packages,
                dry_run=options.dry_run,
                limits=find_limits(options),
                ignore_record=options.ignore_record,
                progress=progress,
                load_check=options.load_check,
                strict=options.strict,
            ),
        )
