"""Which Python is meant: the one that is chosen where none is named, and what a name means.

A name is what uv takes for ``--python``: a path, the directory of an environment, a program on ``PATH``, or a
version: https://docs.astral.sh/uv/concepts/python-versions/#requesting-a-version.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from muslfix.errors import InterpreterError, MuslfixError, spelling_errors
from muslfix.files.access import path_of
from muslfix.targets.environments import named_environments, select_environment
from muslfix.targets.interpreter import Probe, probe_interpreter
from muslfix.targets.target import OLDEST, OLDEST_VERSION, Choice, Target

_PROGRAMS = ("python", "python3")
_TIP = "name an interpreter, a version, or the directory of a virtual environment"

# As uv takes them: 3, 3.12, 3.12.1, 3.13t, cp312, python3.12, cpython@3.12.
_VERSION = re.compile(
    r"(?:cpython|python)?[@-]?(?P<numbers>3(?:\.\d{1,3}){0,2})(?P<t>t?)|cp3(?P<minor>\d{1,3})(?P<cpt>t?)"
)
_PYTHON_2 = re.compile(r"(?:(?:cpython|python)[@-]?)?2(?:\.\d{1,3}){0,2}|cp2\d{0,3}")


@spelling_errors()
def choose_python(name: str | None, environ: Mapping[str, str], directory: str) -> Choice:
    """Choose the Python to work for.

    :param name: what the user asked for, see :func:`find_python`; ``None``: that of the environment that
        :func:`~muslfix.targets.environments.select_environment` chooses
    :param environ: the environment variables
    :param directory: the working directory
    :raises InterpreterError: if there is no such Python, or a variable names a directory that is no
        environment
    """
    if name is not None:
        return Choice(find_python(name, environ, directory), "--python")
    prefix, reason, passed_over, doubts = select_environment(environ, directory)
    if prefix is not None:
        return Choice(interpreter_in(prefix, reason), reason, passed_over, doubts)
    if not sys.executable:
        raise InterpreterError(None, "it is not known which Python runs muslfix", "name one with --python")
    return Choice(sys.executable, reason, passed_over, doubts)


def interpreter_in(prefix: str, reason: str | None = None) -> str:
    """The interpreter of a virtual environment, or of any other prefix.

    :param prefix: its directory
    :param reason: why it was chosen, such as the environment variable that names it, for the message
    :raises InterpreterError: if there is none
    """
    prefix = os.path.abspath(prefix)
    program = _program_of(prefix)
    if program is not None:
        return program
    if not os.path.isdir(prefix):
        why = "is not a directory, so it holds no environment"
    elif os.path.isfile(os.path.join(prefix, ".venv", "pyvenv.cfg")):
        raise InterpreterError(prefix, "has no bin/python", f"did you mean {os.path.join(prefix, '.venv')}?")
    else:
        why = "has no bin/python"
    if reason is None:
        raise InterpreterError(prefix, why, _TIP)
    if reason.startswith("."):
        raise InterpreterError(prefix, why, "create it again, or name an interpreter with --python")
    raise InterpreterError(
        prefix, f"{why}; {reason} names it", f"unset {reason}, or name an interpreter with --python"
    )


def _program_of(prefix: str) -> str | None:
    paths = (os.path.join(prefix, "bin", name) for name in _PROGRAMS)
    return next((path for path in paths if os.path.lexists(path)), None)


def probe(python: str | os.PathLike[str], *, timeout: float = 30) -> Target:
    """Run an interpreter, and make a target of its answer and its ELF file.

    :param python: its path, the directory of its environment, its name on ``PATH``, or a version such as
        ``3.12``
    :param timeout: how long it may take to answer, in seconds
    :raises InterpreterError: if it is missing, is not a Python, does not answer, or is not supported
    """
    name = path_of(python, "python")
    try:
        directory = os.getcwd()
    except OSError as error:
        raise InterpreterError(name, "cannot be found: the working directory is gone") from error
    with closing(Asked(name, os.environ, directory, timeout=timeout)) as asked:
        return asked.target()


class Asked(Probe):
    """A Python that a user means, which answers while its caller does something else.

    Whoever asks closes it. Parameters and errors are those of :func:`choose_python`.

    :param timeout: how long it may take to answer, in seconds
    """

    def __init__(
        self, name: str | None, environ: Mapping[str, str], directory: str, *, timeout: float = 30
    ) -> None:
        #: Which one it is.
        self.choice = choose_python(name, environ, directory)
        self._named = None if name is None else os.path.join(directory, name)
        super().__init__(self.choice.python, timeout=timeout)

    @spelling_errors()
    def target(self) -> Target:
        """A target of its answer.

        :raises InterpreterError: if it does not answer, is not supported, or is not that of the directory
            that was named
        """
        target = super().target()
        if self._named is not None:
            _check_directory(self._named, target)
        return target


def _check_directory(path: str, target: Target) -> None:
    """Refuse a directory whose Python is at home elsewhere: an environment that has lost its ``pyvenv.cfg``.

    :param path: what was named; where it is no directory, it was no environment that was meant
    :param target: the Python that was found there
    :raises InterpreterError: if what the Python imports is not in that directory
    """
    if not os.path.isdir(path) or target.executable is None or target.prefix is None:
        return
    is_inside = target.executable.startswith(os.path.join(os.path.abspath(path), ""))
    if is_inside and os.path.realpath(target.prefix) != os.path.realpath(path):
        raise InterpreterError(
            path,
            f"is no environment: the Python in it imports from {target.prefix}",
            "create it again, or name the directory that is meant",
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
    is_directory = os.path.isdir(path)
    if is_directory and (os.sep in name or _program_of(path) is not None):
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
        return interpreter_in(path) if is_directory else path
    if _PYTHON_2.fullmatch(name):
        raise _unsupported(name)
    raise InterpreterError(None, f"{name!r} was not found on PATH", _TIP)


class _Version(NamedTuple):
    numbers: tuple[str, ...]
    free_threaded: bool

    def is_that_of(self, target: Target) -> bool:
        """Whether a Python is one of that version."""
        numbers = tuple(re.findall(r"\d+", target.version)[: len(self.numbers)])
        return numbers == self.numbers and ("t" in target.abi_flags) is self.free_threaded


def _version_of(match: re.Match[str]) -> _Version:
    if match["minor"] is not None:
        return _Version(("3", match["minor"]), bool(match["cpt"]))
    return _Version(tuple(match["numbers"].split(".")), bool(match["t"]))


def _unsupported(name: str) -> InterpreterError:
    return InterpreterError(None, f"{name!r} is a version that muslfix does not support", OLDEST)


def _find_version(name: str, wanted: _Version, environ: Mapping[str, str], directory: str) -> str:
    """The first of a version: of the environment that is meant anyway, on PATH, kept by uv or pyenv."""
    if len(wanted.numbers) > 1 and tuple(map(int, wanted.numbers[:2])) < OLDEST_VERSION:
        raise _unsupported(name)
    tried: dict[tuple[str, str], str] = {}  # python and python3 beside it are named once
    for path in dict.fromkeys(_pythons(wanted, environ, directory)):
        try:
            target = probe_interpreter(path)
        except MuslfixError:  # a shim of pyenv whose version is not selected, a broken link, a PyPy
            tried[path, ""] = path
            continue
        if wanted.is_that_of(target):
            return path
        tried.setdefault((os.path.dirname(path), target.version), f"{path} ({target.version})")
    looked = f"; looked at {', '.join(tried.values())}" if tried else ""
    raise InterpreterError(None, f"there is no Python {name}{looked}", "give the path of an interpreter")


def _pythons(wanted: _Version, environ: Mapping[str, str], directory: str) -> Iterator[str]:
    for prefix, _ in named_environments(environ, directory):
        yield from programs_in(os.path.join(prefix, "bin"), _PROGRAMS)
    short = ".".join(wanted.numbers[:2]) + ("t" if wanted.free_threaded else "")
    names = (f"python{short}", *_PROGRAMS)
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        if entry:
            yield from programs_in(os.path.abspath(os.path.join(directory, entry)), names)
    home = environ.get("HOME", "/nonexistent")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    for kept in (
        environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python"),
        os.path.join(environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv"), "versions"),
    ):
        for prefix in _newest_first(kept):
            yield from programs_in(os.path.join(kept, prefix, "bin"), names)


def programs_in(directory: str, names: Iterable[str]) -> Iterator[str]:
    """The programs of some names in a directory."""
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
