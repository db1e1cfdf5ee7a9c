"""The programs that a wheel brings, by file or by entry point, judged by the names they will have.

Specification: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from installer.utils import parse_entrypoints

from muslfix.archive import Archive, read_text
from muslfix.errors import InvalidWheel

#: The programs of the environment itself; a wheel that brings one of these takes it over.
INTERPRETER_NAME = re.compile(r"(python|pythonw|pypy)[0-9.]*t?", re.IGNORECASE)

_LONGEST_NAME = 255  # bytes, of a file


def judge_scripts(archive: Archive, dist_info: str, data: str) -> frozenset[str]:
    """Judge the names under which programs will be installed.

    :param dist_info: name of the ``.dist-info`` folder
    :param data: name of the ``.data`` folder
    :return: the files that are not to be installed, for an entry point makes that script: setuptools once put
        the scripts that it had made for entry points into wheels as well (so ``wheel`` 0.22 itself), and pip
        leaves them out (``is_entrypoint_wrapper`` in its ``operations/install/wheel.py``)
    :raises InvalidWheel: if two have one name, or a name is none or that of the interpreter
    """
    made: dict[str, str] = {}
    for name in _entry_points(archive, f"{dist_info}/entry_points.txt"):
        if name.casefold() in made:
            raise InvalidWheel(archive.path, f"has two entry points for a script of the name {name!r:.200}")
        made[name.casefold()] = name
    scripts = f"{data}/scripts/"
    files = {name[len(scripts) :]: name for name in archive.members if name.startswith(scripts)}
    programs = f"{data}/data/bin/"
    others = [name[len(programs) :] for name in archive.members if name.startswith(programs)]
    for name in (*made.values(), *files, *others):
        if INTERPRETER_NAME.fullmatch(name):
            raise InvalidWheel(archive.path, f"has a script {name!r}, which would replace the interpreter")
    if f"{data}/data/pyvenv.cfg" in archive.members:
        raise InvalidWheel(archive.path, "has a 'pyvenv.cfg', which would make its environment another one")
    return frozenset(files[name] for name in made.values() if name in files)


def _entry_points(archive: Archive, member: str) -> Iterator[str]:
    """The names of the scripts that entry points ask for."""
    if member not in archive.members:
        return
    text = read_text(archive, member)
    try:
        found = [(name, f"{module}.{function}") for name, module, function, _ in parse_entrypoints(text)]
    except Exception as error:  # installer lets out configparser's errors and AssertionError
        reason = " ".join(str(error).split()) or "an entry is not of the form name = module:function"
        raise InvalidWheel(archive.path, f"has a damaged entry_points.txt: {reason:.300}") from error
    for name, function in found:
        if not _is_file_name(name):
            raise InvalidWheel(archive.path, f"has an entry point with a bad name: {name!r:.200}")
        if not all(part.isidentifier() for part in function.split(".")):
            raise InvalidWheel(archive.path, f"has an entry point for what is no function: {name!r:.200}")
        yield name


def _is_file_name(name: str) -> bool:
    return (
        name not in ("", ".", "..")
        and not {"/", "\\"} & set(name)
        and name.isprintable()
        and len(name.encode()) <= _LONGEST_NAME
    )
