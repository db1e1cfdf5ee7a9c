"""``muslfix completion``."""

from __future__ import annotations

import argparse

from muslfix.cli.options import add_command
from muslfix.cli.output import Output
from muslfix.cli.parser import Parser
from muslfix.errors import UsageError
from muslfix.report.report import WORDS
from muslfix.targets.known_pythons import KNOWN

#: The shells that are tested; shtab supports more.
SHELLS = ("bash", "zsh", "fish")

# The functions of shells that complete wheels (and directories on the way to them), and programs.
_WHEELS = {"bash": "_muslfix_wheels", "zsh": "_files -g '*.whl'", "fish": "(__fish_complete_suffix .whl)"}
_PROGRAMS = {"bash": "_muslfix_programs", "zsh": "_command_names -e", "fish": "(__fish_complete_command)"}
_IN_BASH = """\
_muslfix_wheels() {
  compgen -d -S / -- "$1"
  compgen -f -X '!*.whl' -- "$1"
}
_muslfix_programs() {
  compgen -c -- "$1"
}
"""

# Of specifications, those with the CPUs that most people have are offered.
_CPUS = ("x86_64", "aarch64")

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
    for short, long in (("-q", "--quiet"), ("-v", "--verbose")):  # each command takes them
        parser.add_argument(short, long, action="store_true", help=argparse.SUPPRESS)


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
    script = shtab.complete(parser, options.shell, preamble={"bash": _IN_BASH})
    output.data(script.rstrip("\n") + "\n")
    return 0


def _say_what_completes(parser: Parser, file: object, folder: object) -> None:
    """Tell shtab which arguments are what, by their names in the help."""
    by_name = {"DIR": folder, "PROJECT": None, "WHEEL": _WHEELS, "COMMAND": _PROGRAMS}
    for name, summary in parser.summaries():
        command = parser.command(name)
        if command is None:
            continue
        command.description = summary  # shells would show the first line of a longer one
        for action in command._actions:  # noqa: SLF001 - as shtab does
            if action.dest == "word":
                action.choices = sorted(WORDS)
            elif action.dest == "target_spec":
                action.choices = [f"{known.name}-{cpu}" for known in KNOWN for cpu in _CPUS]
            elif isinstance(action.metavar, str) and by_name.get(action.metavar, file) is not None:
                action.complete = by_name.get(action.metavar, file)  # type: ignore[attr-defined]
