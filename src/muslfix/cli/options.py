"""The options that several commands share, each defined once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from muslfix.cli.output import Output
from muslfix.cli.targets import add_target_options, find_target
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from muslfix.report.report import Report
    from muslfix.targets.target import Target

# A class of options of the library.
Options = TypeVar("Options")


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    synopsis: str,
    summary: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """A command whose help is wrapped, except for the epilog.

    :param synopsis: its name and arguments
    :param summary: one line, for the list of commands
    :param epilog: examples
    """
    return commands.add_parser(
        synopsis.partition(" ")[0],
        usage=f"muslfix {synopsis}",
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=_Help,
        allow_abbrev=False,  # what is typed today would be ambiguous with an option of tomorrow
    )


class _Help(argparse.HelpFormatter):
    """Wraps text that has no line breaks of its own, and never at hyphens."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            text.rstrip("\n").split("\n") if "\n" in text else self._split_lines(text, width - len(indent))
        )
        return "\n".join(indent + line for line in lines)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``-v`` and ``-q``."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    volume = group.add_mutually_exclusive_group()
    volume.add_argument("-v", "--verbose", action="store_true", help="name every project and file")
    volume.add_argument("-q", "--quiet", action="store_true", help="print only what needs attention")


def add_projects(parser: argparse.ArgumentParser) -> None:
    """The names of installed projects."""
    parser.add_argument(
        "projects", metavar="PROJECT", nargs="*", help="name of an installed project (default: all)"
    )


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="only print what would be done")


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """``--strict`` and ``--load-check``: whether modules can be loaded."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        help="also refuse modules that need a missing library or symbol (default: no)",
    )
    one.add_argument(
        "--load-check",
        action=argparse.BooleanOptionalAction,
        help="check whether the target's loader can load a module (default: yes)",
    )


def add_common_options(
    parser: argparse.ArgumentParser, *, path: bool = True, mode: bool = False, changes: bool = False
) -> None:
    """What most commands have: the target and the output, and what else is asked for.

    :param path: directories other than the target's own
    :param mode: how a module gets its new name, and the load check
    :param changes: what commands have that change an environment
    """
    add_target_options(parser)
    if path:
        parser.add_argument(
            "--path",
            metavar="DIR",
            action="append",
            default=[],
            help="a directory of installed projects, such as one made by 'pip install --target'; repeatable"
            " (default: the target's own environment)",
        )
    if mode:
        parser.add_argument(
            "--mode",
            choices=[mode.value for mode in Mode],
            help=f"how a misnamed module gets its new name (default: {Mode.SYMLINK})",
        )
        add_load_options(parser)
    if changes:
        add_dry_run_option(parser)
        parser.add_argument(
            "--break-system-packages",
            action=argparse.BooleanOptionalAction,
            help="change an environment or project that another tool manages (default: no)",
        )
    add_output_options(parser)


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """``--max-size``, ``--max-ratio`` and ``--max-entries``: how large a wheel may become."""
    group = parser.add_argument_group("limits", "A wheel that exceeds one of these is refused.")
    for name, unit, limit in (
        ("size", "bytes after unpacking", DEFAULT_LIMITS.size),
        ("ratio", "times its own size after unpacking", DEFAULT_LIMITS.ratio),
        ("entries", "files and directories in it", DEFAULT_LIMITS.entries),
    ):
        group.add_argument(
            f"--max-{name}",
            metavar="N",
            type=_natural_number,
            default=limit,
            help=f"{unit} (default: %(default)s)",
        )


def _natural_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text[:19])


def library_options(kind: type[Options], options: argparse.Namespace, **others: object) -> Options:
    """The options of a function of the library: those of the command line that have the same names.

    :param kind: their class
    :param others: those that have not
    """
    given = vars(options)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type] # all are dataclasses
    same = {name: given[name] for name in names if name in given}
    return kind(**{**same, **others})


def run_on_projects(
    verb: Callable[[Sequence[str], Target, Options], Report],
    kind: type[Options],
    options: argparse.Namespace,
    output: Output,
) -> int:
    """Run a command that takes names of installed projects, and report what was found or done.

    :param verb: the function of the library
    :param kind: the class of its options
    :return: the exit status
    """
    from muslfix.cli.progress import show_progress

    target = find_target(options)
    with show_progress(output) as progress:
        wanted = library_options(kind, options, paths=options.path, progress=progress)
        report = verb(options.projects, target, wanted)
    output.report(report, as_json=options.json)
    return 0 if report.is_well else 1


def find_limits(options: argparse.Namespace) -> Limits:
    """The limits that the options name."""
    return Limits(size=options.max_size, ratio=options.max_ratio, entries=options.max_entries)


def mode_words(options: argparse.Namespace) -> list[str]:
    """The options that select the same mode on another command line; none for the default."""
    return [] if options.mode == Mode.SYMLINK.value else ["--mode", options.mode]


def add_scheduler_option(parser: argparse.ArgumentParser) -> None:
    """``--scheduler``: which machines do the work."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="use the workers of a Dask cluster that sees the same files (needs muslfix[dask])",
    )


def paths_for(scheduler: str | None, paths: Iterable[str]) -> list[str]:
    """Absolute paths for workers, which have another working directory. Other names stay as they are."""
    return [os.path.abspath(path) if scheduler and os.path.exists(path) else path for path in paths]


@contextmanager
def executor_for(scheduler: str | None) -> Iterator[Executor | None]:
    """The executor for many wheels: a cluster, or ``None`` for this machine."""
    if scheduler is None:
        yield None
        return
    from muslfix.parallel.executors import dask_executor

    with dask_executor(scheduler) as executor:
        yield executor
