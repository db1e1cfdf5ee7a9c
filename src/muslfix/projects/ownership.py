"""What of an installed project may be changed: its own files, and none that it only claims.

RECORD and ``muslfix.json`` can come with a wheel that another tool has installed, and may name any file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from muslfix.errors import InvalidProject
from muslfix.projects.project import InstalledProject, scan_all


def check_place(project: InstalledProject) -> None:
    """Refuse to change a project whose ``.dist-info`` is a link: its RECORD is somewhere else.

    :raises InvalidProject: if it is one
    """
    path = project.locate(project.dist_info)
    if os.path.islink(path):
        raise InvalidProject(
            path,
            f"is a symlink, so the RECORD of {project.title} is not in {project.root}",
            tip="install the project again with pip or uv",
        )


class Owners:
    """Which projects of a directory list a shared object; each RECORD is read once, when that is asked."""

    def __init__(self) -> None:
        self._listed: dict[str, dict[str, list[str]]] = {}

    def check_alone(self, project: InstalledProject, paths: Iterable[str]) -> None:
        """Refuse to take away extension modules that another project lists too.

        :param paths: as RECORD spells them
        :raises InvalidProject: if one does; one whose RECORD cannot be read has no say
        """
        for path in map(os.path.normpath, map(project.locate, paths)):
            if project.root not in self._listed:
                self._listed[project.root] = _read(project.root)
            for other in self._listed[project.root].get(path, ()):
                if other != project.dist_info:
                    raise InvalidProject(
                        path,
                        f"is listed by two projects, {project.dist_info} and {other}",
                        tip="uninstall the one that it does not belong to",
                    )


def _read(root: str) -> dict[str, list[str]]:
    """The ``.dist-info`` directories in a directory that list a shared object, by its place."""
    found: dict[str, list[str]] = {}
    for project in scan_all([root]):
        with suppress(InvalidProject):
            content = project.record_bytes()
            for path in project.parse_record(content).paths if b".so" in content else ():
                if path is not None and ".so" in path:
                    place = os.path.normpath(project.locate(path))
                    found.setdefault(place, []).append(project.dist_info)
    return found
