"""The command line. The only part of muslfix that prints or chooses an exit status."""

from __future__ import annotations

import gc
import os
import sys

from muslfix.parallel.interrupts import give_back, take_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BEFORE_TOO = ("-q", "--quiet", "-v", "--verbose", "--json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :param arguments: the arguments, without the name of the program; by default those of the process
    :return: the exit status
    """
    before: dict[int, object] = {}
    try:
        try:
            before = take_over()
            return _main(arguments)
        finally:
            give_back({} if arguments is None else before)  # the process ends now
    except KeyboardInterrupt:  # while modules were loaded, or before
        _complain("interrupted: nothing is left half done")
        return 130
    except Exception as error:  # noqa: BLE001 - modules cannot be loaded, or its sentence cannot be printed
        _complain(f"error: {type(error).__name__}: {error}")
        return 1


def _complain(line: str) -> None:
    try:
        sys.stderr.write(" ".join(line.split()).encode("ascii", "backslashreplace").decode() + "\n")
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # no stderr, or a terminal that is gone
        return


def _main(arguments: Sequence[str] | None) -> int:
    words = _command_first(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["fix"]:
        from muslfix.verbs.nothing_to_fix import nothing_to_fix

        found = nothing_to_fix(words)
        if found is not None and ("-q" in words or _say(*found)):
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


def _say(summary: str, label: str, words: str) -> bool:
    """Print what a fix with nothing to do says.

    :return: whether that could be; if not, the full command finds out why, and says so
    """
    if sys.stdout is None:  # closed by the parent process
        return True
    try:
        if _is_plain(summary + label + words):
            sys.stdout.write(f"{summary}\n{label} {words}\n")
            sys.stdout.flush()
            return True
    except (OSError, ValueError):  # a full disk, a terminal or a reader that is gone
        return False
    from muslfix.cli.output import Output
    from muslfix.errors import MuslfixError
    from muslfix.report.lines import Line

    try:
        output = Output()
        output.tell([Line(head=summary, kind="good"), Line(words, head=label, kind="strong")])
        output.flush()
    except (BrokenPipeError, MuslfixError):
        return False
    return True


def _is_plain(text: str) -> bool:
    """Whether a text can be printed as it is: no terminal to wrap it for, no colours, nothing to escape."""
    coloured = sys.stdout.isatty() or os.environ.get("FORCE_COLOR")
    return not coloured and text.isascii() and text.isprintable()
