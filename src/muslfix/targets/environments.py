"""Which environment is meant: the one that is chosen where none is named, and what a name means.

The order is that of uv, whose projects have their environment in ``.venv`` and need not activate it:
https://docs.astral.sh/uv/pip/environments/#discovery-of-python-environments. What was chosen, and what was
passed over for it, is part of every answer: an all-clear about another environment than the broken one is
worse than none.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from muslfix.errors import InterpreterError, MuslfixError
from muslfix.targets.interpreter import probe_interpreter

_PROGRAMS = ("python", "python3")
_TIP = "name an interpreter, a version, or the directory of a virtual environment"

# As uv takes them: 3, 3.12, 3.12.1, 3.13t, cp312, python3.12, cpython@3.12.
_VERSION = re.compile(
    r"(?:cpython|python)?[@-]?(?P<numbers>3(?:\.\d{1,3}){0,2})(?P<t>t?)|cp3(?P<minor>\d{1,3})(?P<cpt>t?)"
)


class Choice(NamedTuple):
    """The environment that is meant where none is named.

    :param python: absolute path of its interpreter; it need not be there
    :param reason: why it was chosen: ``VIRTUAL_ENV``, ``.venv``, ...
    :param passed_over: other environments that could have been meant: path, and the reason in brackets
    """

    python: str
    reason: str
    passed_over: tuple[str, ...] = ()


def choose_environment(environ: Mapping[str, str], directory: str) -> Choice:
    """Choose the environment that is worked on when none is named.

    In this order: ``UV_PROJECT_ENVIRONMENT``, ``VIRTUAL_ENV``, a ``.venv`` in the directory or the nearest
    one above it, the Python that runs muslfix.

    :param environ: the environment variables
    :param directory: the working directory
    :raises InterpreterError: if a variable names a directory that is no environment, or there is none
    """
    found = list(_environments(environ, directory))
    for prefix, reason in found:
        others = tuple(f"{other} ({why})" for other, why in found if not _is_same(other, prefix))
        return Choice(interpreter_in(prefix, reason), reason, tuple(dict.fromkeys(others)))
    if not sys.executable:
        raise InterpreterError(None, "it is not known which Python runs muslfix", "name one with --python")
    return Choice(sys.executable, "it runs muslfix")


def candidate_environments(environ: Mapping[str, str], directory: str) -> tuple[str, ...]:
    """The prefixes of all environments that could be meant, each once; of those that are there."""
    found: dict[str, str] = {}
    for prefix, _ in [*_environments(environ, directory), (sys.prefix, "")]:
        if os.path.isdir(prefix):
            found.setdefault(os.path.realpath(prefix), prefix)
    return tuple(found.values())


def _environments(environ: Mapping[str, str], directory: str) -> Iterator[tuple[str, str]]:
    """The prefixes of environments that are named by a variable, or lie beside the project; and why."""
    project = environ.get("UV_PROJECT_ENVIRONMENT")
    if project:
        yield os.path.join(_project_above(directory), project), "UV_PROJECT_ENVIRONMENT"
    active = environ.get("VIRTUAL_ENV")
    if active:
        yield os.path.join(directory, active), "VIRTUAL_ENV"
    beside = next((path for path in _upward(directory, ".venv") if _is_environment(path)), None)
    if beside is not None:
        yield beside, ".venv"


def _is_environment(prefix: str) -> bool:
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


def interpreter_in(prefix: str, variable: str | None = None) -> str:
    """The interpreter of a virtual environment, or of any other prefix.

    :param prefix: its directory
    :param variable: the environment variable that names it, for the message
    :raises InterpreterError: if there is none
    """
    prefix = os.path.abspath(prefix)
    for name in _PROGRAMS:
        path = os.path.join(prefix, "bin", name)
        if os.path.lexists(path):
            return path
    if not os.path.isdir(prefix):
        reason = "is not a directory, so it holds no environment"
    elif os.path.isfile(os.path.join(prefix, ".venv", "pyvenv.cfg")):
        raise InterpreterError(prefix, "has no bin/python", f"did you mean {os.path.join(prefix, '.venv')}?")
    else:
        reason = "has no bin/python"
    if variable is None:
        raise InterpreterError(prefix, reason, _TIP)
    raise InterpreterError(
        prefix, f"{reason}; {variable} names it", f"unset {variable}, or name an interpreter with --python"
    )


def find_python(name: str, environ: Mapping[str, str], directory: str) -> str:
    """The interpreter that a user means by a name, as uv takes it.

    :param name: a path, the directory of an environment, a program on ``PATH``, or a version such as ``3.12``
    :param environ: the environment variables
    :param directory: the working directory
    :return: an absolute path
    :raises InterpreterError: if there is none
    """
    path = os.path.join(directory, name)
    if os.path.isdir(path):
        return interpreter_in(path)
    if os.sep in name:
        return os.path.abspath(path)
    wanted = _VERSION.fullmatch(name)
    if wanted is not None:
        return _find_version(name, _version_of(wanted), environ, directory)
    program = shutil.which(name, path=environ.get("PATH", os.defpath))
    if program is not None:
        return os.path.abspath(program)
    if os.path.lexists(path):
        return path
    raise InterpreterError(None, f"{name!r} was not found on PATH", _TIP)


class _Version(NamedTuple):
    numbers: tuple[str, ...]
    free_threaded: bool

    def matches(self, version: str, soabi: str | None) -> bool:
        """Whether a Python is one of that version."""
        digits = re.match(r"\d+\.\d+\.\d+", version)
        given = tuple(digits[0].split(".")) if digits else ()
        is_free_threaded = re.match(r"cpython-\d+d?t", soabi or "") is not None
        return given[: len(self.numbers)] == self.numbers and is_free_threaded is self.free_threaded


def _version_of(match: re.Match[str]) -> _Version:
    if match["minor"] is not None:
        return _Version(("3", match["minor"]), bool(match["cpt"]))
    return _Version(tuple(match["numbers"].split(".")), bool(match["t"]))


def _find_version(name: str, wanted: _Version, environ: Mapping[str, str], directory: str) -> str:
    """The first of a version: of the environment that is meant anyway, on PATH, kept by uv or pyenv."""
    tried = []
    for path in dict.fromkeys(_pythons(wanted, environ, directory)):
        try:
            target = probe_interpreter(path)
        except MuslfixError:  # a shim of pyenv whose version is not selected, a broken link, a PyPy
            tried.append(path)
            continue
        if wanted.matches(target.version, target.soabi):
            return path
        tried.append(f"{path} ({target.version})")
    looked = f"; looked at {', '.join(tried)}" if tried else ""
    raise InterpreterError(None, f"there is no Python {name}{looked}", "give the path of an interpreter")


def _pythons(wanted: _Version, environ: Mapping[str, str], directory: str) -> Iterator[str]:
    for prefix, _ in _environments(environ, directory):
        yield from _programs_in(os.path.join(prefix, "bin"), _PROGRAMS)
    short = ".".join(wanted.numbers[:2]) + ("t" if wanted.free_threaded else "")
    names = (f"python{short}", *_PROGRAMS)
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if entry:
            yield from _programs_in(os.path.abspath(os.path.join(directory, entry)), names)
    home = environ.get("HOME", "/nonexistent")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    for kept in (
        environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python"),
        os.path.join(environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv"), "versions"),
    ):
        for prefix in _newest_first(kept):
            yield from _programs_in(os.path.join(kept, prefix, "bin"), names)


def _programs_in(directory: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            yield path


def _newest_first(directory: str) -> list[str]:
    """The names in a directory, those with the highest version first."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], reverse=True)
