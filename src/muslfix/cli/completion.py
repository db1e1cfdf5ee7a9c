"""``muslfix completion``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command
from muslfix.cli.output import Output
from muslfix.cli.parser import Parser
from muslfix.errors import UsageError
from muslfix.report.report import WORDS

#: The shells that are tested; shtab supports more.
SHELLS = ("bash", "zsh", "fish")

_EPILOG = """\
examples:
  muslfix completion bash > ~/.local/share/bash-completion/completions/muslfix
  muslfix completion zsh > ~/.zfunc/_muslfix      (a directory in fpath)
  muslfix completion fish > ~/.config/fish/completions/muslfix.fish
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "completion SHELL",
        "print a completion script for a shell",
        "Print a script that lets a shell complete commands, options and file names. This needs shtab, which"
        " the extra muslfix[completion] installs.",
        _EPILOG,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")
    parser.set_defaults(run=run, verbose=False, quiet=False)


def run(options: argparse.Namespace, output: Output) -> int:
    """Print the script.

    :return: the exit status
    :raises UsageError: if shtab is not installed
    """
    try:
        import shtab
    except ImportError:
        raise UsageError(
            None,
            "completion needs shtab, which is not installed",
            tip="install it with: pip install 'muslfix[completion]'",
        ) from None
    parser: Parser = options.parser
    _say_what_completes(parser, shtab.FILE, shtab.DIRECTORY)
    script = shtab.complete(parser, options.shell)
    output.data(script.rstrip("\n") + "\n")
    return 0


def _say_what_completes(parser: Parser, file: object, folder: object) -> None:
    """Tell shtab which arguments are files or directories, by their names in the help."""
    for name, summary in parser.summaries():
        command = parser.command(name)
        if command is None:
            continue
        command.description = summary  # shells would show the first line of a longer one
        for action in command._actions:  # noqa: SLF001 - as shtab does
            if action.dest == "word":
                action.choices = sorted(WORDS)
            elif action.metavar == "DIR":
                action.complete = folder  # type: ignore[attr-defined]
            elif isinstance(action.metavar, str) and action.metavar != "PROJECT":
                action.complete = file  # type: ignore[attr-defined]
