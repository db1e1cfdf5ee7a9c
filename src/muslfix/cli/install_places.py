"""The places that a command may install into, as far as its words, its variables and the disk tell.

Nobody has to be sure here: each place is looked at before and after the command
(:mod:`muslfix.cli.snapshots`), and only those that have changed are worked on. A place need not exist, since
the command may make it. What is :attr:`~Place.tied` to the command decides what it means that nothing has
changed: that there was nothing to install, or that muslfix does not know where to look.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from muslfix.cli.command_words import Named, is_pip, is_python, read_command
from muslfix.files.access import open_regular, read_regular
from muslfix.targets.environments import and_above, is_environment

# The tools that keep environments in a directory of their own: the words of the command that tell of them,
# the variable that names the directory, where it is otherwise, and what in it are environments.
_KEEPERS = (
    ("pipx", "PIPX_HOME", "{data}/pipx", "venvs/*"),
    ("pipx", "PIPX_HOME", "{home}/.local/pipx", "venvs/*"),
    ("pipx", "PIPX_GLOBAL_HOME", "/opt/pipx", "venvs/*"),
    ("uv tool", "UV_TOOL_DIR", "{data}/uv/tools", "*"),
    ("uv", "UV_PYTHON_INSTALL_DIR", "{data}/uv/python", "*"),
    ("poetry", "POETRY_VIRTUALENVS_PATH", "{cache}/pypoetry/virtualenvs", "*"),
    ("poetry", "POETRY_CACHE_DIR", "", "virtualenvs/*"),
    ("pdm", "PDM_VENV_LOCATION", "{data}/pdm/venvs", "*"),
    ("pipenv", "WORKON_HOME", "{data}/virtualenvs", "*"),
    ("hatch", "HATCH_DATA_DIR", "{data}/hatch", "env/virtual/*/*/*"),
    ("tox", "TOX_WORK_DIR", "", "*"),
    ("nox", "NOX_ENVDIR", "", "*"),
    ("pyenv", "PYENV_ROOT", "{home}/.pyenv", "versions/*"),
)

# The same below the directory of a project.
_BESIDE = (("tox", ".tox", "*"), ("nox", ".nox", "*"), ("pdm", "__pypackages__", "*"))

# Tools that do not install for the Python that runs them, so that this one tells nothing.
_WORK_ELSEWHERE = frozenset({"poetry", "pdm", "pipx", "pipenv", "hatch", "tox", "nox"})

# Variables that name the environment that tools choose.
_ACTIVE = ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "CONDA_PREFIX")

# A path in an environment tells its prefix.
_WITHIN = re.compile(r"(.*?)(?:/local)?/lib(?:64)?/python3[^/]*/(?:site|dist)-packages(?:/.*)?")

# How many directories above another are looked at, and how many links in a row.
_ABOVE, _LINKS = 40, 20


class Tie(IntEnum):
    """How near a place is to the command."""

    WATCHED = 0  # it may be
    CHOSEN = 1  # a tool would choose it
    RUN = 2  # it runs the command
    NAMED = 3  # the command names it


class Place(NamedTuple):
    """Where a command may install.

    :param path: absolute path of the prefix of an environment, or of a directory of modules
    :param tie: how near to the command
    :param below: the environments in it, a pattern such as ``venvs/*``; empty: the place itself
    """

    path: str
    tie: Tie
    below: str = ""

    def __str__(self) -> str:
        return os.path.join(self.path, self.below) if self.below else self.path


def find_places(command: Sequence[str], environ: Mapping[str, str], directory: str) -> tuple[Place, ...]:
    """The places that a command may install into, the nearest first, each once.

    :param command: its words; the first is the program
    :param environ: its environment variables
    :param directory: the working directory
    """
    named = read_command(command, environ)
    found: dict[tuple[str, str], Place] = {}
    for place in sorted(_all(named, directory), key=lambda place: -place.tie):
        found.setdefault((place.path, place.below), place)
    return tuple(found.values())


def _all(named: Named, directory: str) -> Iterator[Place]:
    prefixes = []
    for place in (*_run(named, directory), *_named(named, directory)):
        prefixes += [place.path] if _is_prefix(place.path) else []
        yield place
    directories = {
        os.path.normpath(os.path.join(directory, value)): given for value, given in named.values.items()
    }
    for path in (path for path, is_given in directories.items() if is_given):
        for prefix in (*prefixes, "/usr", "/usr/local"):  # --root DIR, DESTDIR=DIR
            yield Place(path + prefix, Tie.NAMED)
    yield from _of_projects([directory, *filter(os.path.isdir, directories)], named)
    for tool, path, below in _keepers(named.environ):
        yield Place(path, _tie(tool, named), below)
    home = named.environ.get("HOME", "/nonexistent")
    user = named.environ.get("PYTHONUSERBASE") or os.path.join(home, ".local")
    # A virtual environment does not import from the user's own directory.
    yield Place(user, Tie.WATCHED if all(map(is_environment, prefixes)) else Tie.CHOSEN)
    for name in ("pip", "pip3", "python", "python3"):
        yield from (Place(path, Tie.WATCHED) for path in _prefixes_of(name, directory, named.environ))
    yield Place(sys.prefix, Tie.WATCHED)


# -- what the command names -------------------------------------------------------------------------


def _run(named: Named, directory: str) -> Iterator[Place]:
    """The environments of the interpreters that run the command, or one of the commands in it."""
    elsewhere = not _WORK_ELSEWHERE.isdisjoint(named.names)
    for program in named.programs:
        tie = Tie.RUN if not elsewhere and (is_python(program) or is_pip(program)) else Tie.WATCHED
        if named.values.get(program) and is_python(program):
            tie = Tie.NAMED
        yield from (Place(path, tie) for path in _prefixes_of(program, directory, named.environ))
        if os.sep not in program and _is_shim(program, named.environ):
            yield from (Place(path, tie, below) for _, path, below in _keepers(named.environ, "pyenv"))


def _named(named: Named, directory: str) -> Iterator[Place]:
    """The paths among the words and the variables, whether they exist or not."""
    for value in named.values:
        path = os.path.normpath(os.path.join(directory, value))
        within = _WITHIN.fullmatch(path)
        if not value or "\0" in value:
            continue
        if os.path.isfile(path):  # some program; what is known to run the command is in the programs
            prefixes = _prefixes_of(path, directory, named.environ)
            yield from (Place(prefix, Tie.WATCHED) for prefix in prefixes)
        elif within is not None:
            yield Place(within[1] or os.sep, Tie.NAMED)
        elif os.path.basename(os.path.dirname(path)) == "bin" and not os.path.lexists(path):
            yield Place(os.path.dirname(os.path.dirname(path)), Tie.NAMED)  # it may be made: .venv/bin/pip
        else:
            yield Place(path, Tie.NAMED)


def _prefixes_of(program: str, directory: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The prefixes that an interpreter may have, or that of the one in the first line of a script."""
    if os.sep in program:
        path = os.path.join(directory, program)
    else:
        path = shutil.which(program, path=environ.get("PATH", os.defpath)) or ""
    if not path or not os.path.isfile(path):
        return
    if not is_python(path):
        yield from _prefixes_by_first_line(path, directory, environ)
        return
    for _ in range(_LINKS):
        prefix = os.path.dirname(os.path.realpath(os.path.dirname(path)))
        if _is_prefix(prefix):
            yield prefix
        if is_environment(prefix) or not os.path.islink(path):
            return
        path = os.path.join(os.path.dirname(path), os.readlink(path))


def _prefixes_by_first_line(path: str, directory: str, environ: Mapping[str, str]) -> Iterator[str]:
    try:
        with open_regular(path) as file:
            first = os.fsdecode(file.read(4096)).split("\n")
    except OSError:
        return
    if not first[0].startswith("#!"):
        return
    words = first[0][2:].split()
    if words[:1] == ["/bin/sh"] and len(first) > 1:  # a path too long or with a space: '''exec' PYTHON
        words = re.findall(r"^'''exec' \"?([^\"]+?)\"? \"\$0\"", first[1])
    for word in words:
        if is_python(word) and word != path:
            yield from _prefixes_of(word, directory, environ)


def _is_prefix(path: str) -> bool:
    """Whether a directory is a prefix: of an environment, or of an installed Python."""
    if is_environment(path):
        return True
    with suppress(OSError):
        return any(name.startswith("python3") for name in os.listdir(os.path.join(path, "lib")))
    return False


def _is_shim(program: str, environ: Mapping[str, str]) -> bool:
    """Whether a program is one of pyenv's shims, which run a Python that only pyenv knows."""
    path = shutil.which(program, path=environ.get("PATH", os.defpath))
    return path is not None and os.path.basename(os.path.dirname(path)) == "shims"


# -- what tools choose ------------------------------------------------------------------------------


def _of_projects(bases: Iterable[str], named: Named) -> Iterator[Place]:
    """The environments of the projects in directories and above them."""
    active = [named.environ[name] for name in _ACTIVE if named.environ.get(name)]
    for directory in dict.fromkeys(above for base in bases for above in islice(and_above(base), _ABOVE)):
        for name in (*active, ".venv"):  # uv takes a relative one from the project's directory
            yield Place(os.path.normpath(os.path.join(directory, name)), Tie.CHOSEN)
        for tool, name, below in _BESIDE:
            yield Place(os.path.join(directory, name), _tie(tool, named), below)
        try:
            noted = read_regular(os.path.join(directory, ".pdm-python"), 1).partition(b"\n")[0]
            path = noted.decode().strip()
        except (OSError, ValueError):
            continue
        yield from (Place(prefix, _tie("pdm", named)) for prefix in _prefixes_of(path, directory, {}))


def _keepers(environ: Mapping[str, str], only: str | None = None) -> Iterator[tuple[str, str, str]]:
    home = environ.get("HOME", "/nonexistent")
    places = {
        "home": home,
        "data": environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"),
        "cache": environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"),
    }
    for tool, variable, default, below in _KEEPERS:
        path = environ.get(variable) or default.format(**places)
        if path and only in (None, tool):
            yield tool, os.path.abspath(path), below


def _tie(tool: str, named: Named) -> Tie:
    return Tie.CHOSEN if named.names.issuperset(tool.split()) else Tie.WATCHED
