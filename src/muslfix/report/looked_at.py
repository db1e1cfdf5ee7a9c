"""Where a command has looked, as values of its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlaceReport:
    """A place that ``muslfix run`` has looked at after the command.

    :param state: ``changed`` or ``removed`` by the command; ``unchanged``, where it has changed nothing at
        all; ``named`` by the options
    :param directories: the directories of installed projects
    :param interpreter: path of the interpreter that imports from them, if one was asked
    :param problem: why it could not be fixed, or ``None``
    :param tip: what the user can do about that, or ``None``
    """

    state: str
    directories: tuple[str, ...]
    interpreter: str | None = None
    problem: str | None = None
    tip: str | None = None


@dataclass(frozen=True)
class LookedAt:
    """What a command has looked at: an all-clear is worth nothing about the wrong place.

    :param interpreter: path of the target's interpreter; ``None`` if it is only described
    :param chosen_by: why it was chosen: ``--python``, ``VIRTUAL_ENV``, ``.venv``, ...; ``None`` if the caller
        named it
    :param passed_over: other environments that could have been meant
    :param directories: the site directories
    :param projects: how many projects, or wheels
    :param modules: how many extension modules in them; ``None`` if the command counts none
    """

    interpreter: str | None
    chosen_by: str | None
    passed_over: tuple[str, ...]
    directories: tuple[str, ...]
    projects: int
    modules: int | None
