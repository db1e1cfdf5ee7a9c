"""The options that several commands have, each defined once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from muslfix.errors import UsageError
from muslfix.limits import DEFAULT_LIMITS, Limits
from muslfix.plan import Mode
from muslfix.target import Target

if TYPE_CHECKING:
    from concurrent.futures import Executor


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    description: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """A command with a description that is wrapped, and an epilog that is printed as it stands.

    :param summary: one line, for the list of commands
    :param epilog: examples
    """
    import textwrap

    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, width=80),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``-v`` and ``-q``."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    volume = group.add_mutually_exclusive_group()
    volume.add_argument(
        "-v", "--verbose", action="store_true", help="also name the files of which there is nothing to say"
    )
    volume.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def add_target_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Which Python will import: one that runs here, or the facts of one that cannot.

    :param several: whether there may be more than one, see :func:`find_targets`
    """
    group = parser.add_argument_group(
        "target",
        "Without these: the interpreter of the active virtual environment, else the one that runs muslfix.",
    )
    one = group if several else group.add_mutually_exclusive_group()
    again, action = ("; repeatable", "append") if several else ("", "store")
    one.add_argument(
        "--python",
        metavar="EXECUTABLE",
        action=action,
        help="the interpreter, its name, or its virtual environment" + again,
    )
    one.add_argument(
        "--target-file",
        metavar="FILE",
        action=action,
        help="its facts, as written by 'muslfix interpreter --json'" + again,
    )
    one.add_argument(
        "--target-root",
        metavar="DIR",
        action=action,
        help="a root file system or a prefix that holds it" + again,
    )
    one.add_argument(
        "--target-spec",
        metavar="SPEC",
        action=action,
        help="a word for it, such as cp310-musl-x86_64 or alpine-3.14-armv7l" + again,
    )
    group.add_argument(
        "--target-python",
        metavar="VERSION|PATH",
        help="which Python in --target-root: 3.11, or its program as the target sees it",
    )
    group.add_argument(
        "--target-fact",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a fact that --target-root or --target-spec does not tell, as libc_version=1.2.5; repeatable",
    )


def add_mode_option(parser: argparse.ArgumentParser) -> None:
    """``--mode``: how a module gets its new name."""
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        default=Mode.SYMLINK.value,
        help="how a misnamed module gets its new name (default: %(default)s)",
    )


def add_projects(parser: argparse.ArgumentParser) -> None:
    """The names of installed projects."""
    parser.add_argument(
        "projects", metavar="PROJECT", nargs="*", help="name of an installed project (default: all)"
    )


def add_path_option(parser: argparse.ArgumentParser) -> None:
    """``--path``: folders of modules other than the target's own."""
    parser.add_argument(
        "--path",
        metavar="DIR",
        action="append",
        default=[],
        help="a folder of installed projects, such as one made by 'pip install --target'; repeatable"
        " (default: the target's own environment)",
    )


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """``--strict`` and ``--no-load-check``: what the target's loader has to say."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--strict",
        action="store_true",
        help="refuse also a module that needs a library or symbol which is missing",
    )
    one.add_argument(
        "--no-load-check",
        action="store_true",
        help="do not ask what the target's loader will do with a module",
    )


def add_break_option(parser: argparse.ArgumentParser) -> None:
    """``--break-system-packages``."""
    parser.add_argument(
        "--break-system-packages",
        action="store_true",
        help="go on although another tool manages the environment",
    )


def add_common_options(
    parser: argparse.ArgumentParser, *, path: bool = True, mode: bool = False, changes: bool = False
) -> None:
    """What most commands have: the target, and how much is said; and what is asked for.

    :param path: folders of modules other than the target's own
    :param mode: how a module gets its new name
    :param changes: what those have that change an environment
    """
    add_target_options(parser)
    if path:
        add_path_option(parser)
    if mode:
        add_mode_option(parser)
        add_load_options(parser)
    if changes:
        add_dry_run_option(parser)
        add_break_option(parser)
    add_output_options(parser)


def add_limit_options(parser: argparse.ArgumentParser) -> None:
    """``--max-size``, ``--max-ratio`` and ``--max-entries``: how large a wheel may become."""
    group = parser.add_argument_group("limits", "A wheel that exceeds one of these is refused.")
    for name, unit, limit in (
        ("size", "bytes that it unpacks to", DEFAULT_LIMITS.size),
        ("ratio", "times its own size", DEFAULT_LIMITS.ratio),
        ("entries", "files and folders in it", DEFAULT_LIMITS.entries),
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
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text[:19])


def find_limits(options: argparse.Namespace) -> Limits:
    """The limits that the options name."""
    return Limits(size=options.max_size, ratio=options.max_ratio, entries=options.max_entries)


def find_target(options: argparse.Namespace) -> Target:
    """The target that the options name.

    :raises UsageError: if they contradict each other
    :raises InterpreterError: if the interpreter cannot be asked
    :raises InvalidTarget: if the target file, the tree or the specification cannot be used
    """
    check_folders(**{"target-root": options.target_root})
    given = _given_facts(options)
    if options.target_root is not None:
        from muslfix.static.target import read_target_root

        return read_target_root(options.target_root, options.target_python, given)
    if options.target_python is not None:
        raise UsageError(None, "--target-python says which Python in a root, and there is no --target-root")
    if options.target_spec is not None:
        from muslfix.target_spec import parse_target_spec

        return parse_target_spec(options.target_spec, given)
    if given:
        raise UsageError(None, "--target-fact adds to --target-root or --target-spec, and neither is there")
    from muslfix.interpreter import find_interpreter, probe_interpreter, read_target_file

    if options.target_file is not None:
        return read_target_file(options.target_file)
    return probe_interpreter(find_interpreter(options.python, os.environ))


def target_words(options: argparse.Namespace) -> list[str]:
    """The words that say on another command line which target was meant."""
    words: list[str] = []
    for name, given in vars(options).items():
        if name == "python" or name.startswith("target_"):
            values = given if isinstance(given, list) else [] if given is None else [given]
            words += [word for value in values for word in (f"--{name.replace('_', '-')}", str(value))]
    return words


def mode_words(options: argparse.Namespace) -> list[str]:
    """The same for the mode, where it is not the default."""
    return [] if options.mode == Mode.SYMLINK.value else ["--mode", options.mode]


def names_foreign_target(options: argparse.Namespace) -> str | None:
    """What the options name as a target that need not run here, or ``None``."""
    for name in (options.target_file, options.target_root, options.target_spec):
        if name is not None:
            return str(name)
    return None


def _given_facts(options: argparse.Namespace) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in options.target_fact:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                None, f"--target-fact {text!r:.80} is no NAME=VALUE", "as in --target-fact libc_version=1.2.5"
            )
        if given.setdefault(name, value) != value:
            raise UsageError(None, f"--target-fact gives {name!r:.60} twice, and not the same")
    return given


def find_targets(options: argparse.Namespace) -> list[Target]:
    """All targets that the options name, each once.

    :raises MuslfixError: as :func:`find_target`
    """
    alone = dict.fromkeys(("python", "target_file", "target_root", "target_spec"))
    named = [{**alone, name: value} for name in alone for value in getattr(options, name) or ()]
    detail = {"target_python": options.target_python, "target_fact": options.target_fact}
    targets = [find_target(argparse.Namespace(**one, **detail)) for one in named or [alone]]
    return list(dict.fromkeys(targets))


def add_scheduler_option(parser: argparse.ArgumentParser) -> None:
    """``--scheduler``: which machines do the work."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of a Dask cluster, which see the same files, do the work (needs muslfix[dask])",
    )


def paths_for(scheduler: str | None, paths: Iterable[str]) -> list[str]:
    """Paths as workers know them, which have a working folder of their own; names of no file stay."""
    return [os.path.abspath(path) if scheduler and os.path.exists(path) else path for path in paths]


@contextmanager
def executor_for(scheduler: str | None) -> Iterator[Executor | None]:
    """What does the work on many wheels: a cluster, or ``None`` for this machine."""
    if scheduler is None:
        yield None
        return
    from muslfix.farm import dask_executor

    with dask_executor(scheduler) as executor:
        yield executor


def check_folders(**folders: str | None) -> None:
    """Refuse an empty folder name, which a shell makes of a variable that is not set.

    :param folders: what was given, by the name of its option
    :raises UsageError: if one is empty
    """
    for name, folder in folders.items():
        if folder is not None and not folder.strip():
            raise UsageError(None, f"--{name} is empty")
