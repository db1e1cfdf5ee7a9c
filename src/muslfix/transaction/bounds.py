"""Where a transaction may change anything: what it does and what a journal claims are held against this.

A path in a step is absolute, has no link on the way, and lies in the directory of the transaction, in the
environment around that, or in another directory that was named for it. What makes an interpreter what it is
does not belong to any project, so no transaction touches it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from muslfix.errors import DestinationError
from muslfix.files.access import configures_interpreter

# Patterns, compiled when something is changed: most runs change nothing.
_SITE_DIRECTORY = r"(?P<prefix>.+)/lib[^/]*/(python[^/]*/)?(site|dist)-packages"


def environment_of(site: str) -> str | None:
    """The prefix of the environment that a site directory belongs to, if its path shows that.

    :param site: with no link on the way
    """
    match = re.fullmatch(_SITE_DIRECTORY, site)
    return match["prefix"] if match else None


class Bounds:
    """The directories that a transaction may change.

    :param anchor: the directory of the transaction
    :param roots: other directories of the same environment
    """

    def __init__(self, anchor: str, roots: Sequence[str] = ()) -> None:
        self._anchor = os.path.realpath(anchor)
        self._prefix = environment_of(self._anchor)
        found = (self._anchor, *filter(None, [self._prefix]), *map(os.path.realpath, roots))
        self._roots = tuple(root.rstrip("/") for root in dict.fromkeys(found))
        self._directories: dict[str, str] = {}

    def hold(self, path: str) -> bool:
        """Whether a step may name a path: a file or directory below one of the directories."""
        if self.real(path) != path:
            return False
        if not any(path.startswith(root + "/") for root in self._roots):
            return False
        prefix = f"{self._prefix}/"
        return not (path.startswith(prefix) and configures_interpreter(path[len(prefix) :]))

    def place(self, path: str) -> str:
        """Where a path really is.

        :raises DestinationError: if a step may not name that
        """
        place = self.real(path)
        if self.hold(place):
            return place
        raise DestinationError(
            path,
            f"is really {place}, which is not in the environment around {self._anchor}, or its interpreter",
            tip="remove the link that leads there, or install the project again",
        )

    def are_below(self, path: str) -> bool:
        """Whether a step may make a directory, which one of the directories is or is in."""
        return os.path.normpath(path) == path and any(
            f"{root}/".startswith(f"{path}/") for root in self._roots
        )

    def real(self, path: str) -> str:
        """The path with no link on the way and no dots; a link at its end is not followed."""
        directory, name = os.path.split(path)
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory)
        return os.path.normpath(os.path.join(self._directories[directory], name))
