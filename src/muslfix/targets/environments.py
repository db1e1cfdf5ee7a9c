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


def select_environment(environ: Mapping[str, str], directory: str) -> tuple[str | None, str, tuple[str, ...]]:
    """Choose the environment that is worked on when none is named.

    In this order: ``UV_PROJECT_ENVIRONMENT``, ``VIRTUAL_ENV``, a ``.venv`` in the directory or the nearest
    one above it, the Python that runs muslfix.

    :param environ: the environment variables
    :param directory: the working directory
    :return: its prefix, ``None`` for that of the Python that runs muslfix; why it was chosen; and which
        others were passed over, each a path and the reason in brackets
    """
    found = list(named_environments(environ, directory))
    if not found:
        return None, RUNNING, ()
    prefix, reason = found[0]
    others = (f"{other} ({why})" for other, why in found if not _is_same(other, prefix))
    return (None if _is_same(prefix, sys.prefix) else prefix), reason, tuple(dict.fromkeys(others))


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
        yield os.path.join(_project_above(directory), project), "UV_PROJECT_ENVIRONMENT"
    active = environ.get("VIRTUAL_ENV")
    if active:
        yield os.path.join(directory, active), "VIRTUAL_ENV"
    beside = next((path for path in _upward(directory, ".venv") if is_environment(path)), None)
    if beside is not None:
        yield beside, ".venv"


def is_environment(prefix: str) -> bool:
    """Whether a directory is a virtual environment, also one whose base Python is gone."""
    return os.path.isfile(os.path.join(prefix, "pyvenv.cfg"))


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _project_above(directory: str) -> str:
    """The nearest directory with a ``pyproject.toml``, else the directory itself."""
    found = next((path for path in _upward(directory, "pyproject.toml") if os.path.isfile(path)), None)
    return directory if found is None else os.path.dirname(found)


def _upward(directory: str, name: str) -> Iterator[str]:
    """Paths of that name in a directory and in those above it."""
    yield os.path.join(directory, name)
    above = os.path.dirname(directory)
    if above != directory:
        yield from _upward(above, name)
