"""The command line. The only part of muslfix that prints or chooses an exit status."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BEFORE_TOO = ("-q", "--quiet", "-v", "--verbose", "--json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :param arguments: the arguments, without the name of the program; by default those of the process
    :return: the exit status
    """
    words = _command_first(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["fix"]:
        from muslfix.verbs.nothing_to_fix import has_nothing_to_fix

        if has_nothing_to_fix(words):
            _say_nothing_to_fix(words)
            return 0
    if arguments is None and words[:1] == ["install"]:
        # The process ends soon, and what it makes has next to no cycles. Looking for some takes a twentieth
        # of the time of a small installation.
        gc.disable()
    from muslfix.cli.dispatch import run_command

    return run_command(words)


def _command_first(words: Sequence[str]) -> Sequence[str]:
    """The words, with ``-q``, ``-v`` and ``--json`` behind the command, where each command has them."""
    before = 0
    while words[before : before + 1] and words[before] in _BEFORE_TOO:
        before += 1
    rest = words[before:]
    return [rest[0], *words[:before], *rest[1:]] if before and rest else words


def _say_nothing_to_fix(words: Sequence[str]) -> None:
    try:
        if "-q" not in words:
            sys.stdout.write("nothing to fix\n")
            sys.stdout.flush()
    except (AttributeError, OSError, ValueError):  # no stdout, or a terminal that is gone
        return
