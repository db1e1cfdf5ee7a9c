"""Where a transaction may change anything: what it does and what a journal claims are held against this.

A path in a step is absolute, has no link on the way, and lies in the directory of the transaction, in the
environment around that, or in another directory that was named for it. What makes an interpreter what it is
does not belong to any project, so no transaction touches it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

# Patterns, compiled when something is changed: most runs change nothing.
_SITE_DIRECTORY = r"(?P<prefix>.+)/lib[^/]*/(python[^/]*/)?(site|dist)-packages"
_OF_AN_INTERPRETER = r"(?i:bin/(python|pythonw|pypy)[0-9.]*t?|(bin/)?pyvenv\.cfg)"


def configures_interpreter(relative: str) -> bool:
    """Whether a path is that of an interpreter, or of what one reads to find out what it is.

    :param relative: below the prefix of an environment; programs are in ``bin``
    """
    return re.fullmatch(_OF_AN_INTERPRETER, relative) is not None


class Bounds:
    """The directories that a transaction may change.

    :param anchor: the directory of the transaction
    :param roots: other directories of the same environment
    """

    def __init__(self, anchor: str, roots: Sequence[str] = ()) -> None:
        self._anchor = os.path.realpath(anchor)
        match = re.fullmatch(_SITE_DIRECTORY, self._anchor)
        found = (self._anchor, *([match["prefix"]] if match else ()), *map(os.path.realpath, roots))
        self._roots = tuple(root.rstrip("/") for root in dict.fromkeys(found))
        self._directories: dict[str, str] = {}

    def hold(self, path: str) -> bool:
        """Whether a step may name a path: a file or directory below one of the directories."""
        if self.real(path) != path:
            return False
        below = [path[len(root) + 1 :] for root in self._roots if path.startswith(root + "/")]
        return bool(below) and not any(map(configures_interpreter, below))

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
