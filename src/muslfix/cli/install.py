"""``muslfix install``."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from muslfix.cli.options import (
    add_command,
    add_common_options,
    add_limit_options,
    find_limits,
    library_options,
)
from muslfix.cli.output import Output
from muslfix.cli.targets import Asked, check_paths, names_foreign_target, working_directory
from muslfix.targets.environments import select_environment

if TYPE_CHECKING:
    from muslfix.wheels.head_start import HeadStart

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
    layout.add_argument("--target", dest="folder", metavar="DIR", help="one flat directory, as with pip")
    layout.add_argument("--prefix", metavar="DIR", help="another prefix, laid out like the target's")
    layout.add_argument("--root", metavar="DIR", help="a directory that the target will see as /")
    parser.add_argument(
        "--force-reinstall", action="store_true", help="install even if the same version is there"
    )
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="do not compile bytecode")
    parser.add_argument(
        "--ignore-record",
        action="store_true",
        help="install even if RECORD does not match the files; the installed RECORD does",
    )
    add_limit_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Install, and report what was done.

    :return: the exit status
    """
    check_paths(target=options.folder, prefix=options.prefix, root=options.root)
    with _head_start(options) as head_start, closing(Asked(options)) as asked:
        # While these work. Not in another thread: a signal that comes while this one imports too can leave it
        # with the lock of all imports, and each would wait for the other for ever.
        from muslfix.cli.progress import show_progress
        from muslfix.verbs.install import install
        from muslfix.verbs.install_options import InstallOptions

        target = asked.target()
        with show_progress(output) as progress:
            installing = library_options(
                InstallOptions, options, limits=find_limits(options), progress=progress
            )
            report = install(options.wheels, target, installing, head_start=head_start)
    output.report(report, as_json=options.json)
    return int(any(project.action == "skipped" for project in report.projects))


def _head_start(options: argparse.Namespace) -> AbstractContextManager[HeadStart | None]:
    """Let others begin with the wheels, if it is clear enough where they will go."""
    destination = options.folder or _site_packages(options)
    if destination is None or options.root is not None or options.dry_run:
        return nullcontext()
    from muslfix.wheels.head_start import open_head_start

    return open_head_start(options.wheels, os.path.abspath(destination), find_limits(options))


def _site_packages(options: argparse.Namespace) -> str | None:
    """Where the interpreter that is meant probably imports from; a wrong guess only costs time."""
    if names_foreign_target(options):
        return None
    own = options.python
    if own is None:
        own = select_environment(os.environ, working_directory())[0] or sys.prefix
    elif not os.path.isdir(own):
        own = os.path.dirname(os.path.dirname(own))
    try:
        found = [name for name in os.listdir(os.path.join(own, "lib")) if name.startswith("python3.")]
    except OSError:
        return None
    prefix = options.prefix or own
    return os.path.join(prefix, "lib", found[0], "site-packages") if len(found) == 1 else None
