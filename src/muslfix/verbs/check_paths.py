"""What there is to check in a directory, whichever project it belongs to."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from muslfix.errors import MAY_READ, few, why
from muslfix.files.access import open_regular
from muslfix.report.places import count
from muslfix.targets.environments import environment_in, is_in

#: In the name of an extension module or a shared library.
SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$", re.ASCII)

# Of the directories that were not looked into.
_MOST_NAMED = 5


class Contents(NamedTuple):
    """The files in and below a directory that can be checked, relative to it.

    :param wheels: those directly in it; if it holds nothing else, all below it
    :param others: sources, extension modules and shared libraries
    :param sites: the directories that hold installed projects
    :param unlisted: why directories, it or those below it, could not be looked into
    :param outside: links to directories elsewhere, which were not looked into
    """

    wheels: tuple[str, ...]
    others: tuple[str, ...]
    sites: tuple[str, ...] = ()
    unlisted: tuple[OSError, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def is_tree(self) -> bool:
        """Whether it is looked at for more than its wheels."""
        return any(map(SHARED_OBJECT.search, self.others)) or bool(self.sites and not self.wheels)


def look_into(directory: str) -> Contents:
    """Find what can be checked in a directory, not where links lead out of it: that may be everywhere."""
    found: list[str] = []
    sites: list[str] = []
    outside: list[str] = []
    unlisted: list[OSError] = []
    for parent, directories, names in os.walk(directory, onerror=unlisted.append):
        if any(name.endswith(".dist-info") for name in directories):
            sites.append(parent)
        paths = [os.path.join(parent, name) for name in directories]
        outside += [path for path in paths if os.path.islink(path) and not is_in(path, directory)]
        found += [
            os.path.relpath(os.path.join(parent, name), directory)
            for name in names
            if name.endswith((".py", ".whl")) or SHARED_OBJECT.search(name)
        ]
    others = tuple(path for path in found if not path.endswith(".whl"))
    wheels = tuple(
        sorted(path for path in found if path.endswith(".whl") and (not others or "/" not in path))
    )
    return Contents(wheels, others, tuple(sites), tuple(unlisted), tuple(outside))


def is_shared_object(path: str) -> bool:
    """Whether a file is, or is named like, an extension module or a shared library."""
    if SHARED_OBJECT.search(path):
        return True
    try:
        with open_regular(path) as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def doubts_about(directory: str, contents: Contents) -> list[str]:
    """What is said of a directory that was not looked at, or not as a whole, or holds nothing to check."""
    if contents.unlisted:
        return [doubt_about_unlisted(directory, contents.unlisted)]
    return [] if contents.wheels or contents.is_tree else [_doubt_about_empty(directory)]


def notes_on(directory: str, contents: Contents) -> list[str]:
    """What is said of a directory from which links lead elsewhere."""
    if not contents.outside:
        return []
    number = count(len(contents.outside), "link to a directory elsewhere", "links to directories elsewhere")
    listed = few(contents.outside, _MOST_NAMED, "directories")
    return [f"{directory}: {number} not followed: {listed}"]


def doubt_about_unlisted(directory: str, errors: Sequence[OSError]) -> str:
    """What is said of a directory if it cannot be listed, or some of those below it."""
    advice = f"; {MAY_READ}" if any(isinstance(error, PermissionError) for error in errors) else ""
    paths = [os.fsdecode(error.filename) for error in errors]
    if paths == [directory]:
        return f"{directory}: cannot be listed ({why(errors[0])}), so nothing was checked there{advice}"
    number = count(len(paths), "directory below it", "directories below it")
    named = [f"{path} ({why(error)})" for path, error in zip(paths, errors)]
    listed = few(named, _MOST_NAMED, "directories")
    return f"{directory}: {number} cannot be listed, so nothing was checked there: {listed}{advice}"


def _doubt_about_empty(directory: str) -> str:
    """Perhaps another one is meant."""
    reason = "holds no wheel, no extension module and no shared library, so nothing was checked there"
    meant = environment_in(directory)
    return f"{directory}: {reason}" + (f"; did you mean --python {shlex.quote(meant)}?" if meant else "")
