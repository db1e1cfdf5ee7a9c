"""From the arguments of the command line to an exit status.

0: done, or nothing to do. 1: refused or failed, or something was found. 2: usage error.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from muslfix._version import __version__
from muslfix.cli.output import Output
from muslfix.cli.parser import CommandParser, Parser
from muslfix.errors import MuslfixError, RefusedModules, UsageError, spelling_error

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
    "explain",
    "completion",
)

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


def run_command(words: Sequence[str]) -> int:
    """Run one command.

    :param words: the arguments, without the name of the program
    :return: the exit status
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the very end
    parser = _parser(words)
    return _run(_parse(parser, words), parser) if words else _help(parser)


def _help(parser: Parser) -> int:
    """Print the help. pip exits with 0 then, uv with 2: a script should not go on."""
    for line in parser.format_help().rstrip().split("\n"):
        Output().diagnostic(line)
    return _USAGE


def _run(options: argparse.Namespace, parser: Parser) -> int:
    """Run the command, and turn whatever ends it into an exit status.

    :param parser: of the whole command line, which completion describes
    """
    options.parser = parser
    output = Output(verbose=options.verbose, quiet=options.quiet)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.run(options, output)
        output.flush()
    except UsageError as error:
        output.error(error)
        return _USAGE
    except MuslfixError as error:
        for line in error.lines if isinstance(error, RefusedModules) else ():
            output.diagnostic(line)
        output.error(error)
        return _FAILED
    except UnicodeEncodeError as error:  # the locale is not UTF-8, and a name is
        output.error(spelling_error(error))
        return _FAILED
    except KeyboardInterrupt:
        _end_what_is_open()
        output.diagnostic("interrupted: nothing is left half done")
        return _INTERRUPTED
    except BrokenPipeError:
        return _FAILED
    finally:
        signal.signal(signal.SIGTERM, previous)
    return status


def _end_what_is_open() -> None:
    """Roll back a change that was interrupted; most commands have not begun one."""
    if "muslfix.transaction.transaction" in sys.modules:
        import_module("muslfix.transaction.transaction").Transaction.end_all()


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM like Ctrl-C, so that what is half done is rolled back on the way out."""
    raise KeyboardInterrupt


def _parser(words: Sequence[str]) -> Parser:
    """The parser. If the first word is a command, it has only that one: each takes time to define."""
    parser = Parser(prog="muslfix")
    parser.add_argument("-V", "--version", action="version", version=f"muslfix {__version__}")
    each: type[argparse.ArgumentParser] = CommandParser
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=each)
    named = [name for name in _COMMANDS if words[:1] == [name]]
    needs_all = named in ([], ["completion"]) and words not in (["-V"], ["--version"])
    for name in _COMMANDS if needs_all else named:  # completion tells about all
        import_module(f"muslfix.cli.{name}").add_parser(commands)
    parser.commands = commands
    return parser


def _parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words. Options may be between the names of files, as with pip.

    ``argparse`` supports that only for one command at a time, and not after ``--``.
    """
    command = parser.command(words[0])
    if command is None or words[0] == "run" or "--" in words:
        return parser.parse_args(words)
    return command.parse_intermixed_args(words[1:])
