"""What of an installed project may be changed: its own files, and none that it only claims.

RECORD and ``muslfix.json`` can come with a wheel that another tool has installed, and may name any file.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

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
            f"is a symlink, so the RECORD of {project.name} is not in {project.root}",
            tip="install the project again with pip or uv",
        )


def check_alone(project: InstalledProject, paths: Iterable[str]) -> None:
    """Refuse to take away files that another project lists too.

    :param paths: as RECORD spells them
    :raises InvalidProject: if one does; one whose RECORD cannot be read has no say
    """
    own = {os.path.normpath(project.locate(path)) for path in paths}
    for other in scan_all([project.root]) if own else ():
        shared = () if other.dist_info == project.dist_info else _listed_by(other, own)
        for path in shared:
            raise InvalidProject(
                path,
                f"is listed by two projects, {project.dist_info} and {other.dist_info}",
                tip="uninstall the one that it does not belong to",
            )


def _listed_by(project: InstalledProject, paths: Collection[str]) -> list[str]:
    """Those paths that the RECORD of a project lists."""
    try:
        content = project.record_bytes()
        if not any(os.fsencode(os.path.basename(path)) in content for path in paths):
            return []
        rows = project.parse_record(content).rows
    except InvalidProject:
        return []
    return [path for path in (os.path.normpath(project.locate(row.path)) for row in rows) if path in paths]
