"""The help of ``muslfix`` itself: what it is for, the commands in groups, and examples."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from muslfix.cli.output import Output
from muslfix.errors import MuslfixError, UsageError

_HEAD = """\
muslfix makes extension modules importable that Python does not find because of
their file names: wheels for musl (Alpine) name them -gnu or -musl, and which of
the two a Python looks for depends on its version and on who built it.

usage: muslfix COMMAND [options]
"""

_GROUPS = {
    "fix": ("fix", "install", "run", "repair", "undo", "shim"),
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


# Options of 'pip install' that 'muslfix install' lacks, because it downloads nothing.
_OF_PIP = frozenset(
    {
        "-c", "--constraint", "-e", "--editable", "-f", "--find-links", "-i", "--index-url",
        "--extra-index-url", "--no-index", "-r", "--requirement", "-U", "--upgrade", "--user",
        "--pre", "--no-deps", "--no-binary",
        "--only-binary", "--no-cache-dir", "--no-build-isolation", "--require-hashes",
    }
)  # fmt: skip

# Options that both have.
_OF_BOTH = frozenset(
    {"--target", "--prefix", "--root", "--dry-run", "--force-reinstall", "--no-compile"}
    | {"--break-system-packages", "-q", "--quiet", "-v", "--verbose"}
)


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and a tip, without the list of options."""

    #: The words that it parses, without the name of the command.
    words: Sequence[str] = ()

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002 - argparse passes it
        """Print the help or the version. ``argparse`` says nothing where that fails.

        :raises MuslfixError: if stdout cannot be written
        """
        output = Output()
        output.data(message)
        output.flush()

    def error(self, message: str) -> NoReturn:
        """Raise the error, which is printed like any other.

        :raises UsageError: always
        """
        raise self._error(message)

    def _error(self, message: str) -> UsageError:
        see = f"see '{self.prog} --help'"
        of_pip = self._option_of_pip()
        if of_pip is not None:
            reason = f"{of_pip} is an option of pip, and muslfix downloads nothing"
            return UsageError(None, reason, self._for_pip())
        about, _, unknown = message.partition(": ")
        if about != "unrecognized arguments":
            return UsageError(None, message, see)
        option = unknown.split()[0].partition("=")[0]
        if option == "--target":
            return UsageError(None, message, "use --path for a directory made by 'pip install --target'")
        begun = [name for name in self._option_string_actions if name.startswith(option) and len(option) > 2]
        if begun:  # argparse would take it for the only one
            return UsageError(None, message, f"did you mean {' or '.join(map(repr, begun))}?")
        return UsageError(None, message, did_you_mean(option, self._option_string_actions) or see)

    def _option_of_pip(self) -> str | None:
        """The first word that is an option of ``pip install`` alone; ``None`` for other commands."""
        words = self.words if self.prog == "muslfix install" else ()
        options = (word.partition("=")[0] if word.startswith("--") else word[:2] for word in words)
        return next((option for option in options if option in _OF_PIP), None)

    def _for_pip(self) -> str:
        """The tip to let pip install the same into the same environment."""
        from muslfix.cli.targets import TARGETS, find_target
        from muslfix.verbs.subjects import let_pip_install

        for_pip: list[str] = []
        given: dict[str, object] = dict.fromkeys(TARGETS)
        words = iter(self.words)
        for word in words:
            option, equals, value = word.partition("=")
            action = self._option_string_actions.get(option)
            if action is None or option in _OF_BOTH:
                for_pip.append(word)
            elif action.nargs != 0:
                given[action.dest] = value if equals else next(words, None)
        given.update(target_python=given.get("target_python"), target_fact=[])
        try:
            return let_pip_install(for_pip, find_target(argparse.Namespace(**given)))
        except MuslfixError as error:
            return f"say which Python is meant: {error}"


def did_you_mean(word: str, words: Iterable[str], before: str = "") -> str | None:
    """The tip about a misspelled word, or ``None`` where none is like it.

    :param words: those that are known
    :param before: what is typed before it
    """
    from difflib import get_close_matches  # only a mistake needs it

    found = get_close_matches(word, list(words), 1)
    return f"did you mean '{before}{found[0]}'?" if found else None


class Parser(CommandParser):
    """The parser of the whole command line; :attr:`commands` holds those of the commands."""

    commands: argparse._SubParsersAction[CommandParser] | None = None

    def command(self, name: str) -> CommandParser | None:
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
