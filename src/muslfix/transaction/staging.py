"""The staging directories of a transaction: one on each file system that it changes, made when needed."""

from __future__ import annotations

import os
from collections.abc import Callable

from muslfix.transaction.directories import existing_directory, mount_points
from muslfix.transaction.journal import make_staging, mark_as_part


class Staging:
    """New paths from which files can be moved to their destinations, and where others can be moved out to.

    :param main: the staging directory that has the journal, below the anchor of the transaction
    :param announce: called with each other one before it is made
    """

    def __init__(self, main: str, announce: Callable[[str], object]) -> None:
        self._main = main
        self._announce = announce
        self._mounts = mount_points()
        self._by_system = {self._system_of(os.path.dirname(main)): main}
        self._by_home: dict[str, str] = {}
        self._counter = 0

    @property
    def directories(self) -> tuple[str, ...]:
        """The staging directories so far."""
        return tuple(self._by_system.values())

    def new_place(self, destination: str) -> str:
        """A path where nothing is yet, on the file system where ``destination`` is or will be.

        :raises OSError: if there can be no staging directory on that file system
        """
        home = existing_directory(destination)
        if home not in self._by_home:
            self._by_home[home] = self._directory_for(os.path.realpath(home))
        self._counter += 1
        return os.path.join(self._by_home[home], str(self._counter))

    def _directory_for(self, home: str) -> str:
        system = self._system_of(home)
        if system not in self._by_system:
            directory = os.path.join(home, os.path.basename(self._main))
            self._announce(directory)
            make_staging(directory)
            mark_as_part(directory, self._main)
            self._by_system[system] = directory
        return self._by_system[system]

    def _system_of(self, directory: str) -> tuple[int, str]:
        """What two directories have in common if files can be moved between them: device and mount."""
        mounts = (mount for mount in self._mounts if f"{directory}/".startswith(mount.rstrip("/") + "/"))
        return os.stat(directory).st_dev, next(mounts, "/")
