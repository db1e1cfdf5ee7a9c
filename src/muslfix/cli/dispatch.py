"""From the words on the command line to an exit status.

0: done, or nothing to do. 1: refused or failed, or something was found. 2: the command line makes no sense.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from muslfix._version import __version__
from muslfix.cli import check, fix, install, interpreter, repair, run, undo, verify
from muslfix.cli.output import Output, printable
from muslfix.errors import MuslfixError, RefusedModules, UsageError

_COMMANDS = (install, fix, check, undo, verify, repair, interpreter, run)

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


def run_command(words: Sequence[str]) -> int:
    """Run one command.

    :param words: those behind the program's name
    :return: the exit status
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the very end
    parser = _parser(words)
    options = parser.parse_args(words)
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
    except UnicodeEncodeError as error:  # a locale of the user's that is not UTF-8, and a name that is
        output.error(
            MuslfixError(
                None,
                f"the locale's encoding, {error.encoding}, cannot spell a file name",
                tip="set the environment variable PYTHONUTF8=1",
            )
        )
        return _FAILED
    except KeyboardInterrupt:
        output.diagnostic("interrupted: nothing is left half done")
        return _INTERRUPTED
    except BrokenPipeError:
        return _FAILED
    finally:
        signal.signal(signal.SIGTERM, previous)
    return status


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End by SIGTERM as by Ctrl-C: what is half done is taken back on the way out."""
    raise KeyboardInterrupt


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints quote what was given without passing it to the terminal as it is."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; where the first word is a command, with that one alone: the others take their time."""
    parser = _Parser(
        prog="muslfix",
        description="Make misnamed extension modules importable on musl and glibc Pythons.",
        epilog="Exit status: 0 done, or nothing to do; 1 refused or failed; 2 usage.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"muslfix {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = [command for command in _COMMANDS if words[:1] == [command.__name__.rpartition(".")[2]]]
    for command in named or _COMMANDS:
        command.add_parser(commands)
    return parser
