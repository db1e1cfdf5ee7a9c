"""Which environment an installer works in, as far as its command line and its environment variables tell.

The rules differ by tool: pip installs for the interpreter that runs it, whatever is active; ``uv pip`` and
Poetry prefer the active virtual environment, and uv's project commands that of the project.

https://docs.astral.sh/uv/pip/environments/, https://docs.astral.sh/uv/concepts/projects/config/,
https://python-poetry.org/docs/managing-environments/, https://pdm-project.org/en/stable/usage/venv/
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from muslfix.files import open_regular, read_regular

_PIP = re.compile(r"pip(?P<version>[0-9.]*)")
_PYTHON = re.compile(r"python[0-9.]*t?|pypy[0-9.]*")

# The option that makes Python run a module, alone or after other flags: -m, -Im, -mpip.
_MODULE = re.compile(r"-[bBdEiIOPqRsSuvx]*m(?P<module>.*)")
_TAKES_A_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})

# pip's options that install to places other than the environment.
_ELSEWHERE = ("--user", "--prefix", "--root")

# Options that name the directory of the project.
_FOLDER = {
    "uv": ("--directory", "--project"),
    "poetry": ("--directory", "-C", "--project", "-P"),
    "pdm": ("--project", "-p"),
}
_UV_COMMANDS = frozenset({"add", "pip", "remove", "run", "sync", "tool"})
_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})

# Tools with environments of their own, which cannot be found from outside.
_HAVE_THEIR_OWN = frozenset({"conda", "hatch", "mamba", "micromamba", "nox", "pipenv", "pipx", "tox", "uvx"})


@dataclass(frozen=True)
class Whereabouts:
    """Where to look for what a command has installed.

    :param python: an interpreter, or the directory of a virtual environment; ``None``: as without a command
    :param paths: directories that the command names as its destination
    :param doubt: why this may be the wrong place, a sentence, or ``None``
    """

    python: str | None = None
    paths: tuple[str, ...] = ()
    doubt: str | None = None


def find_whereabouts(command: Sequence[str], environ: Mapping[str, str], folder: str) -> Whereabouts:
    """Find out which environment a command works in.

    :param command: its words; the first is the program
    :param environ: its environment variables
    :param folder: the working directory
    """
    tool = os.path.basename(command[0])
    runs_module = _PYTHON.fullmatch(tool) is not None
    if runs_module:
        tool = _module_run(command) or tool
    program = shutil.which(command[0], path=environ.get("PATH"))
    python = os.path.abspath(program) if program is not None and runs_module else None
    active = environ.get("VIRTUAL_ENV") or None
    home = os.path.join(folder, _option(command, *_FOLDER.get(tool, ())) or "")
    if _PIP.fullmatch(tool):
        python = _option(command, "--python") or python or _python_of_pip(program) or active
        return _heed_destination(command, python)
    if tool == "uv":
        return _of_uv(command, environ, home, python)
    if tool == "poetry":
        return _or_doubt(tool, active or _upward(home, ".venv"))
    if tool == "pdm":
        return _or_doubt(tool, _saved_by_pdm(home) or active or _upward(home, ".venv"))
    if tool in _HAVE_THEIR_OWN:
        return _or_doubt(tool, None)
    # A Python that was called by its path most likely installs for itself.
    return Whereabouts(python if os.sep in command[0] and python else active)


def _or_doubt(tool: str, python: str | None) -> Whereabouts:
    if python is not None:
        return Whereabouts(python)
    return Whereabouts(
        doubt=f"muslfix cannot tell which environment {tool} has used; name it with --python if it is"
        " neither the active virtual environment nor that of the Python that runs muslfix"
    )


def _of_uv(
    command: Sequence[str], environ: Mapping[str, str], folder: str, parent: str | None
) -> Whereabouts:
    """The environment of uv.

    :param parent: the interpreter that runs it, as ``python -m uv``
    """
    kind = next((word for word in command[1:] if word in _UV_COMMANDS), "")
    active = environ.get("VIRTUAL_ENV") or None
    if kind == "tool":
        return _or_doubt("uv tool", None)
    if kind != "pip":
        chosen = _upward(folder, environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
        return _or_doubt("uv", active if "--active" in command and active else chosen or active)
    asked = _option(command, "--python", "-p") or environ.get("UV_PYTHON") or None
    if asked is not None:
        if os.sep in asked or shutil.which(asked, path=environ.get("PATH")):
            return _heed_destination(command, asked)
        return _or_doubt("uv pip", None)  # such as a version, which uv finds by rules of its own
    if "--system" in command or environ.get("UV_SYSTEM_PYTHON", "").lower() in _TRUE:
        found = (shutil.which(name, path=environ.get("PATH")) for name in ("python3", "python"))
        return _heed_destination(command, next(filter(None, found), None))
    return _heed_destination(command, parent or active or _upward(folder, ".venv"))


def _heed_destination(command: Sequence[str], python: str | None) -> Whereabouts:
    """Add what the options of pip and ``uv pip`` say about other destinations."""
    target = _option(command, "--target", "-t")
    other = next((word.partition("=")[0] for word in command if word.partition("=")[0] in _ELSEWHERE), None)
    doubt = None
    if other is not None:
        doubt = (
            f"with {other} the command installs to a place that muslfix does not look at;"
            " name the directory of its modules with --path"
        )
    return Whereabouts(python, (target,) if target else (), doubt)


def _option(command: Sequence[str], *names: str) -> str | None:
    """The value of an option, or ``None``.

    :param names: each is ``--name VALUE`` and ``--name=VALUE``, or for ``-n VALUE`` and ``-nVALUE``
    """
    for word, following in zip(command[1:], [*command[2:], ""]):
        for name in names:
            if word == name:
                return following or None
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1 :] or None
            if not name.startswith("--") and not word.startswith("--") and word.startswith(name):
                return word[len(name) :]
    return None


def _module_run(command: Sequence[str]) -> str | None:
    """The module that a command of Python runs: ``python -X utf8 -Im pip install`` runs ``pip``."""
    words = iter(command[1:])
    for word in words:
        match = _MODULE.fullmatch(word)
        if match is not None:
            return match["module"] or next(words, None)
        if word in _TAKES_A_VALUE:
            next(words, None)
        elif not word.startswith("-") or word.startswith("-c"):
            return None
    return None


def _python_of_pip(program: str | None) -> str | None:
    """The interpreter that runs a script of pip: the one in its first line, or else the one beside it."""
    if program is None:
        return None
    program = os.path.abspath(program)
    match = _PIP.fullmatch(os.path.basename(program))
    beside = (f"python{match['version'] if match else ''}", "python", "python3")
    paths = [_named_by_script(program), *(os.path.join(os.path.dirname(program), name) for name in beside)]
    return next((path for path in paths if path is not None and os.path.exists(path)), None)


def _named_by_script(program: str) -> str | None:
    """The interpreter in the first line of a script."""
    try:
        with open_regular(program) as file:
            first = file.readline(4096)
    except OSError:
        return None
    words = os.fsdecode(first[2:]).split() if first.startswith(b"#!") else []
    if words and os.path.isabs(words[0]) and _PYTHON.fullmatch(os.path.basename(words[0])):
        return words[0]
    return None


def _upward(folder: str, name: str) -> str | None:
    """A virtual environment of that name in a directory or the nearest one above it."""
    paths = (os.path.join(parent, name) for parent in _parents(folder))
    return next((path for path in paths if os.path.lexists(os.path.join(path, "bin", "python"))), None)


def _saved_by_pdm(folder: str) -> str | None:
    """The interpreter that PDM has saved for the project."""
    for parent in _parents(folder):
        try:
            content = read_regular(os.path.join(parent, ".pdm-python"), 1)
            path = content.partition(b"\n")[0].decode().strip()
        except (OSError, ValueError):
            continue
        return path if os.path.lexists(path) else None
    return None


def _parents(folder: str) -> Iterator[str]:
    folder = os.path.abspath(folder)
    yield folder
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        yield folder
