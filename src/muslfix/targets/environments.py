"""Which environments there are beside the one that runs muslfix, and which of them is meant.

The order is that of uv, whose projects have their environment in ``.venv`` and need not activate it:
https://docs.astral.sh/uv/pip/environments/#discovery-of-python-environments. What was chosen, and what was
passed over for it, is part of every answer: an all-clear about another environment than the broken one is
worse than none.

This module loads next to nothing: a ``fix`` that finds nothing to do needs it too
(:mod:`muslfix.verbs.nothing_to_fix`).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Why the Python that runs muslfix was chosen.
RUNNING = "the Python that runs muslfix"

_TIP = "create it again, or name the environment with --python"


def select_environment(
    environ: Mapping[str, str], directory: str
) -> tuple[str | None, str, tuple[str, ...], tuple[str, ...]]:
    """Choose the environment that is worked on when none is named.

    In this order: ``UV_PROJECT_ENVIRONMENT``, ``VIRTUAL_ENV``, a ``.venv`` in the directory or the nearest
    one above it, the Python that runs muslfix.

    :param environ: the environment variables
    :param directory: the working directory
    :return: its prefix, ``None`` for that of the Python that runs muslfix; why it was chosen; which others
        were passed over, each a path and the reason in brackets; and sentences on each ``.venv`` that would
        have been chosen, but cannot be used
    """
    found = list(named_environments(environ, directory))
    prefix, reason = found[0] if found else (sys.prefix, RUNNING)
    unusable = list(_unusable_beside(directory))
    found += [(path, f".venv, which {why}") for path, why in unusable]
    if reason == RUNNING and environ.get("CONDA_PREFIX"):
        found.append((os.path.join(directory, environ["CONDA_PREFIX"]), "CONDA_PREFIX"))
    others = (f"{other} ({why})" for other, why in found if not _is_same(other, prefix))
    doubts = (f"{path} {why}, so it was passed over; {_TIP}" for path, why in unusable)
    return (
        None if _is_same(prefix, sys.prefix) else prefix,
        reason,
        tuple(dict.fromkeys(others)),
        tuple(doubts) if reason in (RUNNING, ".venv") else (),
    )


def is_in(path: str, directory: str) -> bool:
    """Whether a path leads to a directory or into it, all links followed."""
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(directory), ""))


def each_once(directories: Iterable[str]) -> tuple[str, ...]:
    """The same directories, absolute, each under its first path: ``lib64`` can be a link to ``lib``."""
    found: dict[str, str] = {}
    for directory in directories:
        found.setdefault(os.path.realpath(directory), os.path.abspath(directory))
    return tuple(found.values())


def named_environments(environ: Mapping[str, str], directory: str) -> Iterator[tuple[str, str]]:
    """The prefixes of environments that are named by a variable, or lie beside the project; and why."""
    project = environ.get("UV_PROJECT_ENVIRONMENT")
    if project:
        pyproject = find_pyproject(directory)
        base = directory if pyproject is None else os.path.dirname(pyproject)
        yield os.path.join(base, project), "UV_PROJECT_ENVIRONMENT"
    active = environ.get("VIRTUAL_ENV")
    if active:
        yield os.path.join(directory, active), "VIRTUAL_ENV"
    beside = next(filter(is_environment, _upward(directory, ".venv")), None)
    if beside is not None:
        yield beside, ".venv"


def is_environment(prefix: str) -> bool:
    """Whether a directory is a virtual environment, also one whose base Python is gone."""
    return os.path.isfile(os.path.join(prefix, "pyvenv.cfg"))


def environment_in(directory: str) -> str | None:
    """The environment that a directory is or has as ``.venv``, or ``None``."""
    for place in (directory, os.path.join(directory, ".venv")):
        if is_environment(place) or os.path.exists(os.path.join(place, "bin", "python")):
            return place
    return None


def _unusable_beside(directory: str) -> Iterator[tuple[str, str]]:
    """Each ``.venv`` nearer than the first that can be used, and why it cannot be."""
    for path in _upward(directory, ".venv"):
        if is_environment(path):
            return
        if os.path.isdir(path):
            is_readable = os.access(path, os.R_OK | os.X_OK)
            yield path, "has no pyvenv.cfg" if is_readable else "cannot be read by this user"
        elif os.path.lexists(path):
            yield path, "is not a directory" if os.path.exists(path) else "is a link to nothing"


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def find_pyproject(directory: str) -> str | None:
    """The ``pyproject.toml`` in a directory or the nearest one above it, or ``None``."""
    return next(filter(os.path.isfile, _upward(directory, "pyproject.toml")), None)


def and_above(directory: str) -> Iterator[str]:
    """A directory and those above it, the nearest first."""
    below = None
    while directory != below:
        yield directory
        directory, below = os.path.dirname(directory), directory


def _upward(directory: str, name: str) -> Iterator[str]:
    """Paths of that name in a directory and in those above it."""
    return (os.path.join(place, name) for place in and_above(directory))
