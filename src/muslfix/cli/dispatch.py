"""From the arguments of the command line to an exit status.

0: done, or nothing to do. 1: refused or failed, or something was found. 2: usage error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile

from muslfix._version import __version__
from muslfix.cli.output import Output
from muslfix.cli.parser import CommandParser, Parser, did_you_mean
from muslfix.errors import MuslfixError, RefusedModules, UsageError, last_resort, spelling_error
from muslfix.parallel.interrupts import CHANGED

# Each is a module, imported when it is needed.
_COMMANDS = (
    "install",
    "fix",
    "check",
    "undo",
    "verify",
    "repair",
    "interpreter",
    "run",
    "shim",
    "explain",
    "completion",
)

# Commands of pip that muslfix lacks, and what is there instead.
_FROM_PIP = {
    "list": "'muslfix check -v' names all projects",
    "uninstall": "'pip uninstall' also removes the names that muslfix gave, and 'muslfix undo' only these",
}

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130

_TRANSACTION = "muslfix.transaction.transaction"
_INTERRUPT = "interrupted: nothing is left half done"


def run_command(words: Sequence[str]) -> int:
    """Run one command.

    :param words: the arguments, without the name of the program
    :return: the exit status
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the very end
    words = _without_help(words)
    parser = _parser(words)
    if not words:
        return _help(parser)
    output = Output()
    status, error = _run(words, parser, output)
    if status and _wants_json(words) and not output.has_data:
        _print_failure(words, status, error, output)
    return status


def _without_help(words: Sequence[str]) -> Sequence[str]:
    """The words, with ``help COMMAND`` as ``COMMAND --help``."""
    return [*words[1:2], "--help"] if words[:1] == ["help"] else words


def _help(parser: Parser) -> int:
    """Print the help. pip exits with 0 then, uv with 2: a script should not go on."""
    for line in parser.format_help().rstrip().split("\n"):
        Output().diagnostic(line)
    return _USAGE


def _run(words: Sequence[str], parser: Parser, output: Output) -> tuple[int, MuslfixError | None]:
    """Run the command, and turn whatever ends it into an exit status.

    :param parser: of the whole command line, which completion describes
    :return: the status, and the error that was printed, if there was one
    """
    try:
        options = _parse(parser, words)
        options.parser = parser
        output.verbose, output.quiet = options.verbose, options.quiet
        from muslfix.cli.settings import complete_options  # --help and --version need none

        complete_options(options, output)
        status: int = options.run(options, output)
        output.flush()
    except MuslfixError as error:
        for line in error.lines if isinstance(error, RefusedModules) else ():
            output.diagnostic(line)
        output.error(error)
        return _USAGE if isinstance(error, UsageError) else _FAILED, error
    except UnicodeEncodeError as error:  # the locale is not UTF-8, and a name is
        unspellable = spelling_error(error)
        output.error(unspellable)
        return _FAILED, unspellable
    except KeyboardInterrupt:
        return _INTERRUPTED, _end_interrupted(output)
    except BrokenPipeError:
        return _FAILED, None
    except Exception as error:  # noqa: BLE001 - of the machine, or a bug: one sentence, no traceback
        unexpected = last_resort(error)
        output.error(unexpected)
        return _FAILED, unexpected
    return status, None


def _wants_json(words: Sequence[str]) -> bool:
    """Whether the words ask for JSON, also where they are no valid command line."""
    return "--json" in takewhile(lambda word: word != "--", words)


def _print_failure(words: Sequence[str], status: int, error: MuslfixError | None, output: Output) -> None:
    """Print the JSON document of a command that has no result; ``run`` has printed that of its command.

    :param status: its exit status
    :param error: what was printed about it
    """
    from muslfix.report.report import Failure, Report

    if error is not None:
        lines = error.lines if isinstance(error, RefusedModules) else ()
        failure = Failure(type(error).__name__, error.path, error.reason, error.tip, lines)
    elif status == _INTERRUPTED:
        failure = Failure("Interrupted", None, _what_is_left())
    else:  # nobody reads what it prints
        return
    command = next((word for word in words if word in _COMMANDS), None)
    dry_run = command == "check" or "--dry-run" in words
    report = Report(command, dry_run=dry_run, projects=(), error=failure)
    with suppress(MuslfixError, BrokenPipeError):  # the exit status says it too
        output.data(report.to_json())
        output.flush()


def _end_interrupted(output: Output) -> MuslfixError | None:
    """Roll back a change that was interrupted, and say what is left; most commands have not begun one.

    :return: why it cannot be rolled back
    """
    try:
        if _TRANSACTION in sys.modules:
            import_module(_TRANSACTION).Transaction.end_all()
    except MuslfixError as error:
        output.error(error)
        return error
    output.diagnostic(_what_is_left())
    return None


def _what_is_left() -> str:
    changed = ", ".join(dict.fromkeys(CHANGED))
    return f"{_INTERRUPT}; what was to change in {changed} is changed" if changed else _INTERRUPT


def _parser(words: Sequence[str]) -> Parser:
    """The parser. If the first word is a command, it has only that one: each takes time to define."""
    parser = Parser(prog="muslfix", allow_abbrev=False)
    parser.add_argument("-V", "--version", action="version", version=f"muslfix {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    named = [name for name in _COMMANDS if words[:1] == [name]]
    needs_all = named in ([], ["completion"]) and words not in (["-V"], ["--version"])
    for name in _COMMANDS if needs_all else named:  # completion tells about all
        module = import_module(f"muslfix.cli.{name}")
        module.add_parser(commands)
        commands.choices[name].set_defaults(run=module.run)
    parser.commands = commands
    return parser


def _parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words. Options may be between the names of files, as with pip.

    ``argparse`` supports that only for one command at a time, and not after ``--``.

    :raises UsageError: if they make no sense
    """
    _check_command(words)
    command = parser.command(words[0])
    if command is None or words[0] == "run" or "--" in words:
        return parser.parse_args(words)
    command.words = words[1:]
    return command.parse_intermixed_args(words[1:])


def _check_command(words: Sequence[str]) -> None:
    """Refuse a first word that is no command, and options that belong behind the command.

    :raises UsageError: with what is probably meant
    """
    first, *others = words
    command = next((word for word in others if word in _COMMANDS), None)
    if first.startswith("-") and command is not None:
        reason = f"options of a command go behind it, and {first} is before {command}"
        raise UsageError(None, reason, f"muslfix {command} {first} ...")
    if not first.startswith("-") and first not in _COMMANDS:
        tip = _FROM_PIP.get(first) or did_you_mean(first, _COMMANDS, "muslfix ")
        all_of_them = f"the commands are {', '.join(_COMMANDS)}"
        raise UsageError(None, f"{first!r:.60} is not a command of muslfix", tip or all_of_them)
