"""The help of ``muslfix`` itself: what it is for, the commands in groups, and examples."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NoReturn

from muslfix.errors import UsageError

_HEAD = """\
muslfix makes extension modules importable that Python does not find because of
their file names: wheels for musl (Alpine) name them -gnu or -musl, and which of
the two a Python looks for depends on its version and on who built it.

usage: muslfix COMMAND [options]
"""

_GROUPS = {
    "fix": ("fix", "install", "run", "repair", "undo"),
    "look": ("check", "verify", "interpreter", "explain"),
    "more": (),  # every command without a group
}

_EXAMPLES = """\
examples:
  muslfix check                                     what does Python not find, and why?
  muslfix fix                                       fix it
  muslfix run -- pip install -r requirements.txt    install, and fix it

'muslfix COMMAND --help' describes a command. Exit status: 0 done, or nothing to
do; 1 refused or failed, or something was found; 2 usage error.
"""


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a tip, without the list of options."""

    def error(self, message: str) -> NoReturn:
        """Raise the error, which is printed like any other.

        :raises UsageError: always
        """
        tip = f"see '{self.prog} --help'"
        if message.startswith("ambiguous option: --target could match"):
            tip = "use --path for a directory made by 'pip install --target'"
        raise UsageError(None, message, tip)


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
