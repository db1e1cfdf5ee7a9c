"""Which files go with the installed projects that are replaced.

They are what the RECORD of the replaced project lists, as far as it lies in the directories of the layout and
no other project lists it too: a RECORD may lie.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple

from muslfix.errors import InvalidProject, destination_errors, why
from muslfix.files.access import configures_interpreter, is_there
from muslfix.projects.ownership import check_place
from muslfix.projects.project import InstalledProject
from muslfix.targets.schemes import Layout
from muslfix.transaction.directories import is_directory, leads_to_directory

# Patterns, compiled when something is replaced: most often nothing is.
_BYTECODE = r"(?P<stem>.+?)\.[^.]+-[0-9]+[^.]*(\.opt-[0-9])?\.pyc"
# The directory above these is the standard library.
_BELOW_THE_LIBRARY = ("/site-packages", "/dist-packages")


def leaving_files(
    projects: Iterable[InstalledProject], staying: Iterable[InstalledProject], layout: Layout
) -> list[str]:
    """The files that go with some installed projects: theirs, except those that another one lists too.

    :param projects: those that go
    :param staying: the others; one whose RECORD cannot be read has no say
    :param layout: whose directories count
    :raises InvalidProject: if the RECORD of one that goes is missing, damaged or somewhere else
    """
    projects = list(projects)
    for project in projects:
        check_place(project)
    going = dict.fromkeys(path for project in projects for path in owned_files(project, layout))
    names = {os.path.basename(path) for path in going}
    for project in staying if going else ():
        with suppress(InvalidProject):
            for row in project.record().rows:
                if os.path.basename(row.path) not in names:
                    continue
                path = _really(os.path.join(project.root, row.path))
                if path in going:
                    for shared in (path, *_bytecode_of(path)):
                        going.pop(shared, None)
    return list(going)


@destination_errors("what is replaced")
def owned_files(project: InstalledProject, layout: Layout) -> list[str]:
    """The files of an installed project that are there, its bytecode included; absolute, links not followed.

    Rows of RECORD that lead out of the layout's directories, or to the interpreter itself, are skipped.

    :param layout: whose directories count
    :raises InvalidProject: if its RECORD is missing or damaged
    :raises DestinationError: if it cannot be found out what is there
    """
    roots, is_interpreters = roots_of(layout), interpreter_files(layout)
    own_info = os.path.join(os.path.realpath(project.root), project.dist_info)
    found: dict[str, None] = {}
    for row in project.record().rows:
        path = _really(os.path.join(project.root, row.path))
        directory = os.path.dirname(path)
        if is_interpreters(path) or not is_below(path, roots):
            continue
        if directory.endswith((".dist-info", ".egg-info")) and directory != own_info:
            continue  # of another project, whose own RECORD may be missing
        if is_there(path) and not leads_to_directory(path):
            found[path] = None
            found.update(dict.fromkeys(_bytecode_of(path)))
    return list(found)


def interpreter_files(layout: Layout) -> Callable[[str], bool]:
    """Tells which paths belong to the interpreter of a layout: no project brings or removes them.

    :return: takes an absolute path with no link on the way, whether something is there or not
    """
    scripts, data = (os.path.realpath(path) + "/" for path in (layout.scheme.scripts, layout.scheme.data))
    sites = [os.path.realpath(site) for site in layout.site_directories]
    libraries = [os.path.dirname(site) for site in sites if site.endswith(_BELOW_THE_LIBRARY)]

    def belongs(path: str) -> bool:
        if path.startswith(scripts):
            return configures_interpreter("bin/" + path[len(scripts) :])
        below = path[len(data) :] if path.startswith(data) else ""
        if is_below(path, sites):  # which may be the directory of data itself
            return "/" not in below and configures_interpreter(below)
        return configures_interpreter(below) or is_below(path, libraries)

    return belongs


def roots_of(layout: Layout) -> tuple[str, ...]:
    """The directories of a layout, links followed, each once."""
    return tuple(dict.fromkeys(os.path.realpath(directory) for directory in astuple(layout.scheme)))


def is_below(path: str, roots: Iterable[str]) -> bool:
    """Whether a path is in one of some directories."""
    return any(path.startswith(root.rstrip("/") + "/") for root in roots)


def _really(path: str) -> str:
    """Where a path is, with no link on the way; the path itself is not followed.

    ``..`` behind a link leads to what is above its target, as for the system, and for ``verify``.
    """
    directory, name = os.path.split(path)
    return os.path.join(os.path.realpath(directory), name)


def _bytecode_of(path: str) -> Iterator[str]:
    """The bytecode of a module, whichever interpreter and optimisation level it is for."""
    directory, name = os.path.split(path)
    cache = os.path.join(directory, "__pycache__")
    if name.endswith(".py") and is_directory(cache):
        try:
            others = os.listdir(cache)
        except OSError as error:
            reason = f"cannot be read ({why(error)}), so the bytecode in it cannot be removed"
            raise InvalidProject(cache, reason, "remove it as its owner, or run muslfix as root") from error
        for other in others:
            match = re.fullmatch(_BYTECODE, other)
            if match is not None and match["stem"] == name[: -len(".py")]:
                yield os.path.join(cache, other)
