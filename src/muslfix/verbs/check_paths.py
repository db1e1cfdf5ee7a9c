"""What there is to check in a directory, whichever project it belongs to."""

from __future__ import annotations

import os
import re
import shlex
from typing import NamedTuple

from muslfix.errors import MuslfixError, why
from muslfix.files import open_regular
from muslfix.targets.environments import environment_in

#: In the name of an extension module or a shared library.
SHARED_OBJECT = re.compile(r"\.so(?:\.\d+)*$", re.ASCII)


class Contents(NamedTuple):
    """The files in and below a directory that can be checked, relative to it.

    :param wheels: those directly in it; if it holds nothing else, all below it
    :param others: sources, extension modules and shared libraries
    :param sites: the directories that hold installed projects
    """

    wheels: tuple[str, ...]
    others: tuple[str, ...]
    sites: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self.wheels or self.shared_objects or self.sites)

    @property
    def shared_objects(self) -> bool:
        """Whether there are extension modules or shared libraries."""
        return any(SHARED_OBJECT.search(path) for path in self.others)


def _refuse(error: OSError) -> None:
    raise MuslfixError(os.fsdecode(error.filename), f"cannot be listed ({why(error)})") from error


def look_into(directory: str) -> Contents:
    """Find what can be checked in a directory.

    :raises MuslfixError: if one below it cannot be listed
    """
    found: list[str] = []
    sites: list[str] = []
    for parent, directories, names in os.walk(directory, onerror=_refuse):
        if any(name.endswith(".dist-info") for name in directories):
            sites.append(parent)
        found += [
            os.path.relpath(os.path.join(parent, name), directory)
            for name in names
            if name.endswith((".py", ".whl")) or SHARED_OBJECT.search(name)
        ]
    others = tuple(path for path in found if not path.endswith(".whl"))
    wheels = tuple(
        sorted(path for path in found if path.endswith(".whl") and (not others or "/" not in path))
    )
    return Contents(wheels, others, tuple(sites))


def is_shared_object(path: str) -> bool:
    """Whether a file is, or is named like, an extension module or a shared library."""
    if SHARED_OBJECT.search(path):
        return True
    try:
        with open_regular(path) as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def doubt_about_empty(directory: str) -> str:
    """What is said of a directory that holds nothing to check: perhaps another one is meant."""
    reason = "holds no wheel, no extension module and no shared library, so nothing was checked there"
    meant = environment_in(directory)
    return f"{directory}: {reason}" + (f"; did you mean --python {shlex.quote(meant)}?" if meant else "")
