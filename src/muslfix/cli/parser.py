"""What ``muslfix`` and ``muslfix --help`` show: what it is for, the commands in groups, three examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NoReturn

from muslfix.cli.output import Output
from muslfix.errors import UsageError

_HEAD = """\
muslfix makes extension modules importable whose file name keeps Python from
finding them: wheels for musl (Alpine) name them -gnu or -musl, and which of the
two a Python looks for depends on its version and on who built it.

usage: muslfix COMMAND [options]
"""

_GROUPS = {
    "make it right": ("fix", "install", "run", "repair", "undo"),
    "find out": ("check", "verify", "interpreter", "explain"),
    "more": (),  # and whatever has no group
}

_EXAMPLES = """\
examples:
  muslfix check                                     what does this Python not find, and why?
  muslfix fix                                       make it right
  muslfix run -- pip install -r requirements.txt    install, and make it right

'muslfix COMMAND --help' tells all about a command. Exit status: 0 done, or nothing
to do; 1 refused or failed, or something was found; 2 the command line makes no sense.
"""


class CommandParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence, without the list of all options above it."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end."""
        tip = f"'{self.prog} --help' shows how it is called"
        if message.startswith("ambiguous option: --target could match"):
            tip = "a folder that 'pip install --target' has made is named by --path"
        Output().error(UsageError(None, message, tip))
        sys.exit(2)


class Parser(CommandParser):
    """The parser of the whole command line; :attr:`commands` holds those of the commands."""

    commands: argparse._SubParsersAction[argparse.ArgumentParser] | None = None

    def command(self, name: str) -> argparse.ArgumentParser | None:
        """The parser of a command, or ``None`` if there is no such command."""
        return None if self.commands is None else self.commands.choices.get(name)

    def format_help(self) -> str:
        """The commands in groups, and examples."""
        return "\n".join([_HEAD, *self._groups(), _EXAMPLES])

    def _groups(self) -> Iterator[str]:
        summaries = dict(self.summaries())
        grouped = {name for names in _GROUPS.values() for name in names}
        for title, names in _GROUPS.items():
            members = names or [name for name in summaries if name not in grouped]
            lines = [f"  {name:12} {summaries[name]}\n" for name in members if name in summaries]
            if lines:
                yield f"{title}:\n{''.join(lines)}"

    def summaries(self) -> Iterator[tuple[str, str]]:
        """The commands, each with one line about it."""
        for action in self.commands._choices_actions if self.commands else ():  # noqa: SLF001 - no other way
            yield str(action.dest), str(action.help)
