"""Installed projects, found by their ``.dist-info`` folders.

Specification: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.utils import canonicalize_name

from muslfix.errors import InvalidProject, InvalidRecord
from muslfix.record import Record


@dataclass(frozen=True)
class InstalledProject:
    """A project that an installer has put into a folder.

    :param root: the folder that holds its ``.dist-info``, absolute
    :param dist_info: name of the ``.dist-info`` folder
    :param name: the project's name as its metadata spells it
    :param version: its version, as text
    """

    root: str
    dist_info: str
    name: str
    version: str

    @property
    def key(self) -> str:
        """The normalised name."""
        return str(canonicalize_name(self.name))

    def record(self) -> Record:
        """Its RECORD.

        :raises InvalidProject: if there is none, or it is damaged
        """
        path = os.path.join(self.root, self.dist_info, "RECORD")
        try:
            with open(path, "rb") as file:
                return Record.parse(file.read().decode("utf-8", "surrogateescape"))
        except OSError as error:
            raise InvalidProject(
                path,
                f"cannot be read ({error.strerror}), so it is not known which files belong to {self.name}",
            ) from error
        except InvalidRecord as error:
            raise InvalidProject(path, error.reason) from error

    def requirements(self) -> list[str]:
        """The ``Requires-Dist`` of its metadata, as text."""
        return _read_metadata(os.path.join(self.root, self.dist_info)).get("Requires-Dist", [])


def scan_projects(folders: Iterable[str]) -> dict[str, InstalledProject]:
    """The projects with a ``.dist-info`` in these folders, by normalised name; the first folder wins."""
    found: dict[str, InstalledProject] = {}
    for folder in folders:
        for name in _folders_ending(folder, ".dist-info"):
            project = _read_project(folder, name)
            if project is not None:
                found.setdefault(project.key, project)
    return found


def find_legacy(folders: Iterable[str], key: str) -> str | None:
    """Path of an ``.egg-info`` of the project, which has no RECORD, or ``None``."""
    for folder in folders:
        for name in _folders_ending(folder, ".egg-info"):
            if canonicalize_name(name[: -len(".egg-info")].partition("-")[0]) == key:
                return os.path.join(folder, name)
    return None


def _folders_ending(folder: str, ending: str) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(folder) if entry.endswith(ending))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_project(root: str, dist_info: str) -> InstalledProject | None:
    metadata = _read_metadata(os.path.join(root, dist_info))
    stem_name, _, stem_version = dist_info[: -len(".dist-info")].partition("-")
    name = (metadata.get("Name") or [stem_name])[0]
    version = (metadata.get("Version") or [stem_version])[0]
    return InstalledProject(root, dist_info, name, version) if name else None


def _read_metadata(dist_info: str) -> dict[str, list[str]]:
    try:
        with open(os.path.join(dist_info, "METADATA"), encoding="utf-8", errors="replace") as file:
            message = HeaderParser().parse(file)
    except OSError:
        return {}
    return {key: [str(value) for value in message.get_all(key, [])] for key in message}
