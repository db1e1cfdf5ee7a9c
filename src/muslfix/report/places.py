"""What was looked at, in words.

This module loads next to nothing: a ``fix`` that finds nothing to do says it too
(:mod:`muslfix.verbs.nothing_to_fix`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BY_NAME = "--python"

# These are given the files to work on. Which Python that is for must be said unless the user has named it.
_LOOK_AT_FILES = frozenset({"install", "repair"})


def places(
    command: str,
    directories: Sequence[str],
    interpreter: str | None,
    chosen_by: str | None,
    passed_over: Sequence[str],
) -> tuple[str, str]:
    """Where a command has worked, for which Python, and why for that one.

    :param directories: the site directories
    :param interpreter: path of the target's interpreter, if it has one
    :param chosen_by: why it was chosen
    :param passed_over: other environments that could have been meant
    :return: the label, and what it says; that is empty if there is nothing to say
    """
    aside = [chosen_by] if chosen_by else []
    aside += [f"passed over: {', '.join(passed_over)}"] if passed_over else []
    python = " ".join(filter(None, [interpreter, f"({'; '.join(aside)})" if aside else ""]))
    if command in _LOOK_AT_FILES or not directories:
        return "target:", "" if chosen_by in (None, _BY_NAME) else python
    return "looked at:", f"{', '.join(directories)}{' for ' if python else ''}{python}"


def count(number: int, words: str, several: str = "") -> str:
    """``1 project``, ``2 projects``.

    :param several: the words for several, where these do not just end in an ``s``
    """
    return f"{number} {words if number == 1 else several or words + 's'}"


def size(projects: int, found: str, noun: str = "project") -> str:
    """``12 extension modules in 3 projects``.

    :param found: what was found in them; may be empty
    """
    return f"{found} in {count(projects, noun)}" if found else count(projects, noun)
