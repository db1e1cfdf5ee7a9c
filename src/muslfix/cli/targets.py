"""The options that name a target, and the targets that they name.

What makes targets is imported when one is needed: parsing the command line comes before that, and all
commands do it.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from muslfix.errors import UsageError

if TYPE_CHECKING:
    from muslfix.targets import choice
    from muslfix.targets.target import Target


#: The options of which each names a target, and one of them is enough: what it takes, and the help.
TARGETS = {
    "python": (
        "EXECUTABLE",
        "the interpreter: its path, its name, a version such as 3.12, or a virtual environment",
    ),
    "target_file": (
        "FILE",
        "a file with its facts, from 'muslfix interpreter --json', or its build-details.json",
    ),
    "target_root": ("DIR", "a root file system, or the prefix of an installation, that contains it"),
    "target_spec": ("SPEC", "its specification, such as cp310-musl-x86_64 or alpine-3.14-armv7l"),
}


def add_target_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Which Python will import: one that runs here, or one that is only described.

    :param several: whether there may be more than one, see :func:`find_targets`
    """
    group = parser.add_argument_group(
        "target",
        "Default: the interpreter of UV_PROJECT_ENVIRONMENT or of the active virtual environment, of a .venv"
        " in this directory or above it, or else the one that runs muslfix.",
    )
    one = group if several else group.add_mutually_exclusive_group()
    again, action = ("; repeatable", "append") if several else ("", "store")
    for name, (metavar, words) in TARGETS.items():
        one.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, action=action, help=words + again)
    group.add_argument(
        "--target-python",
        metavar="VERSION|PATH",
        help="the Python in --target-root: a version such as 3.11, or the path of its program in it",
    )
    group.add_argument(
        "--target-fact",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a fact that the source of the target leaves open, such as libc_version=1.2.5; repeatable",
    )


def find_target(options: argparse.Namespace) -> Target:
    """The target that the options name.

    :raises UsageError: if they contradict each other
    :raises InterpreterError: if the interpreter cannot be asked
    :raises InvalidTarget: if the target file, the tree or the specification cannot be used
    """
    with closing(Asked(options)) as asked:
        return asked.target()


class Asked:
    """The target that the options name; an interpreter answers while its caller does something else.

    Whoever asks closes it.

    :raises UsageError: if the options contradict each other
    :raises InterpreterError: if the interpreter cannot be asked
    """

    def __init__(self, options: argparse.Namespace) -> None:
        check_paths(**{name.replace("_", "-"): getattr(options, name) for name in TARGETS})
        for path in getattr(options, "path", ()):
            check_paths(path=path)
        self._options = options
        self._given = _given_facts(options)
        self._python: choice.Asked | None = None
        if options.target_python is None and names_foreign_target(options) is None and not self._given:
            from muslfix.targets.choice import Asked as AskedPython

            self._python = AskedPython(options.python, os.environ, working_directory())

    def close(self) -> None:
        """Stop the interpreter, if it has not ended."""
        if self._python is not None:
            self._python.close()

    def target(self) -> Target:
        """The target.

        :raises MuslfixError: as :func:`find_target`
        """
        if self._python is None:
            return _described_target(self._options, self._given)
        target = self._python.target()
        return replace(target, source=target.source and replace(target.source, choice=self._python.choice))


def _described_target(options: argparse.Namespace, given: dict[str, str]) -> Target:
    if options.target_root is not None:
        from muslfix.targets.root import read_target_root

        return read_target_root(options.target_root, options.target_python, given)
    if options.target_python is not None:
        raise UsageError(None, "--target-python selects a Python in --target-root, which is missing")
    if options.target_spec is not None:
        from muslfix.targets.spec import parse_target_spec

        return parse_target_spec(options.target_spec, given)
    if options.target_file is not None:
        from muslfix.targets.interpreter import read_target_file

        return read_target_file(options.target_file, given)
    raise UsageError(
        None, "--target-fact needs --target-root, --target-spec or the build details of --target-file"
    )


def working_directory() -> str:
    """The working directory, or the root directory where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep


def find_targets(options: argparse.Namespace) -> list[Target]:
    """All targets that the options name, each once.

    :raises MuslfixError: as :func:`find_target`
    """
    alone = dict.fromkeys(TARGETS)
    named = [{**alone, name: value} for name in alone for value in getattr(options, name) or ()]
    detail = {"target_python": options.target_python, "target_fact": options.target_fact}
    targets = [find_target(argparse.Namespace(**one, **detail)) for one in named or [alone]]
    return list(dict.fromkeys(targets))


def names_foreign_target(options: argparse.Namespace) -> str | None:
    """The target file, root or specification that the options name, or ``None``."""
    for name in (options.target_file, options.target_root, options.target_spec):
        if name is not None:
            return str(name)
    return None


def target_words(options: argparse.Namespace) -> list[str]:
    """The options that select the same target on another command line."""
    words: list[str] = []
    for name, given in vars(options).items():
        if name == "python" or name.startswith("target_"):
            values = given if isinstance(given, list) else [] if given is None else [given]
            words += [word for value in values for word in (f"--{name.replace('_', '-')}", str(value))]
    return words


def _given_facts(options: argparse.Namespace) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in options.target_fact:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                None,
                f"--target-fact {text!r:.80} is not NAME=VALUE",
                "as in --target-fact libc_version=1.2.5",
            )
        if given.setdefault(name, value) != value:
            raise UsageError(None, f"--target-fact gives {name!r:.60} twice, with different values")
    return given


def check_paths(**directories: str | None) -> None:
    """Refuse an empty path, which a shell makes of a variable that is not set.

    :param directories: what was given, by the name of its option
    :raises UsageError: if one is empty
    """
    for name, directory in directories.items():
        if directory is not None and not directory.strip():
            raise UsageError(None, f"--{name} is empty")
