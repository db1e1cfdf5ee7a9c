"""Installed projects, found by their ``.dist-info`` directories.

Specification: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from muslfix.errors import MAY_READ, InvalidJson, InvalidProject, InvalidRecord, why
from muslfix.files.access import open_regular, read_regular
from muslfix.files.untrusted_json import JsonObject, parse_json
from muslfix.record.rows import Record

# What the package managers of distributions write into INSTALLER.
_PACKAGE_MANAGERS = frozenset({
    "apk", "apt", "conda", "debian", "dnf", "dpkg", "guix", "nix", "opkg", "pacman", "portage", "rpm", "xbps",
})  # fmt: skip

#: The largest RECORD that is read, in MiB: some 500 000 files; and the largest other file beside it.
MAX_RECORD = 64
MAX_OTHER = 4
# In bytes: the name is one of the first headers of METADATA.
_FIRST_HEADERS = 1024

# Specification: https://packaging.python.org/en/latest/specifications/name-normalization/
_NAME_LINE = re.compile(rb"^Name:[ \t]*([A-Za-z0-9._-]+)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class InstalledProject(NamedTuple):
    """A project that an installer has put into a directory.

    :param root: absolute path of the directory that holds its ``.dist-info``
    :param dist_info: name of the ``.dist-info`` directory
    :param name: the project's name as that directory spells it
    :param version: its version, as text
    """

    root: str
    dist_info: str
    name: str
    version: str

    @property
    def key(self) -> str:
        """The normalised name."""
        return normalize_name(self.name)

    @property
    def title(self) -> str:
        """Its name as its METADATA spells it, for people; a ``.dist-info`` may spell it in another way."""
        try:
            with open_regular(os.path.join(self.root, self.dist_info, "METADATA")) as file:
                named = _NAME_LINE.search(file.read(_FIRST_HEADERS))
        except OSError:
            return self.name
        title = named[1].decode() if named else self.name
        return title if normalize_name(title) == self.key else self.name

    @property
    def record_path(self) -> str:
        """Where its RECORD is, or should be."""
        return os.path.join(self.root, self.dist_info, "RECORD")

    @property
    def state(self) -> list[tuple[int, ...] | None]:
        """What is different after any installer has changed it: of its ``.dist-info`` and its RECORD."""
        return [_state_of(path) for path in (os.path.dirname(self.record_path), self.record_path)]

    @property
    def is_whole(self) -> bool:
        """Whether it is more than a directory that an interrupted uninstall has left."""
        return os.path.isfile(os.path.join(self.root, self.dist_info, "METADATA"))

    @property
    def may_have_modules(self) -> bool:
        """Whether its RECORD lists shared objects, or cannot be read."""
        try:
            return b".so" in self.record_bytes()
        except InvalidProject:
            return True

    @property
    def package_manager(self) -> str | None:
        """Name of the distribution's package manager that it belongs to, from its INSTALLER, or ``None``.

        :raises InvalidProject: if INSTALLER cannot be read
        """
        words = self._read("INSTALLER").split(maxsplit=1)
        return words[0] if words and words[0].lower() in _PACKAGE_MANAGERS else None

    @property
    def is_editable(self) -> bool:
        """Whether its modules stay in a source tree, from its ``direct_url.json``.

        Specification: https://packaging.python.org/en/latest/specifications/direct-url-data-structure/

        :raises InvalidProject: if ``direct_url.json`` cannot be read
        """
        try:
            return self._direct_url().object("dir_info").value("editable") is True
        except InvalidJson:
            return False

    @property
    def url(self) -> str:
        """Where it was installed from, from its ``direct_url.json``; empty if that does not say.

        :raises InvalidProject: if ``direct_url.json`` cannot be read
        """
        try:
            return self._direct_url().text("url")
        except InvalidJson:
            return ""

    def _direct_url(self) -> JsonObject:
        return JsonObject(parse_json(self._read("direct_url.json")))

    def locate(self, path: str) -> str:
        """Where a file is.

        :param path: as RECORD spells it
        """
        return os.path.join(self.root, path)

    def record_bytes(self) -> bytes:
        """Its RECORD as it is on disk.

        :raises InvalidProject: if it cannot be read
        """
        try:
            return read_regular(self.record_path, MAX_RECORD)
        except OSError as error:
            raise InvalidProject(
                self.record_path,
                f"cannot be read ({why(error)}), so muslfix cannot tell which files belong to {self.title}",
                tip_about(error) or "install the project again with pip or uv",
            ) from error

    def record(self) -> Record:
        """Its RECORD.

        :raises InvalidProject: if it is missing or damaged
        """
        return self.parse_record(self.record_bytes())

    def parse_record(self, content: bytes) -> Record:
        """Its RECORD, from the result of :meth:`record_bytes`.

        :raises InvalidProject: if it is damaged
        """
        try:
            # Names are bytes and must be found on disk as these, whatever the locale's encoding.
            return Record.parse(os.fsdecode(content))
        except InvalidRecord as error:
            raise InvalidProject(self.record_path, error.reason, "install the project again") from error

    def _read(self, name: str) -> str:
        path = os.path.join(self.root, self.dist_info, name)
        try:
            return read_regular(path, MAX_OTHER).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            raise InvalidProject(path, f"cannot be read ({why(error)})", tip_about(error)) from error


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        state = os.lstat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def tip_about(error: OSError) -> str | None:
    """What helps where something of a project cannot be read."""
    return MAY_READ if isinstance(error, PermissionError) else None


def normalize_name(name: str) -> str:
    """The form of a project's name in which all its spellings are equal.

    The same as :func:`packaging.utils.canonicalize_name`, which is not imported because that would take a
    fifth of the time that ``muslfix fix`` needs where there is nothing to do.

    Specification: https://packaging.python.org/en/latest/specifications/name-normalization/
    """
    return re.sub(r"[-_.]+", "-", name).lower()


class Inside:
    """Which paths of RECORD stay below the directory of their project, where its modules are.

    A RECORD may name any path, and links may lead anywhere: neither is followed out of the directory.

    :param root: that directory
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._known: dict[str, bool] = {}

    def holds(self, path: str) -> bool:
        """Whether a path does; links on the way to other files than shared objects are not looked at."""
        if path.startswith("/") or ".." in path.split("/"):
            return False
        if not (path.endswith(".so") or ".so." in path):
            return True
        directory = os.path.dirname(path)
        if directory not in self._known:
            real = os.path.realpath(os.path.join(self._root, directory))
            self._known[directory] = f"{real}/".startswith(self._real.rstrip("/") + "/")
        return self._known[directory]


def scan_projects(directories: Iterable[str]) -> dict[str, InstalledProject]:
    """The projects with a ``.dist-info`` in these directories, by normalised name; the first directory wins.

    :raises InvalidProject: if a directory exists and cannot be read
    """
    found: dict[str, InstalledProject] = {}
    for project in scan_all(directories):
        found.setdefault(project.key, project)
    return found


def scan_all(directories: Iterable[str]) -> list[InstalledProject]:
    """All of them, also several of one name, which an interrupted installer can leave.

    :raises InvalidProject: if a directory exists and cannot be read
    """
    found = (
        _project_of(directory, name)
        for directory in directories
        for name in _names_ending(directory, ".dist-info")
    )
    return [project for project in found if project is not None]


def scan_legacy(directories: Iterable[str]) -> dict[str, str]:
    """Paths of ``.egg-info`` and ``.egg-link``, which have no RECORD, by normalised project name.

    :raises InvalidProject: if a directory exists and cannot be read
    """
    found: dict[str, str] = {}
    for directory in directories:
        for ending in (".egg-info", ".egg-link"):
            for name in _names_ending(directory, ending):
                stem = name[: -len(ending)]
                title = stem if ending == ".egg-link" else stem.partition("-")[0]
                found.setdefault(normalize_name(title), os.path.join(directory, name))
    return found


def _names_ending(directory: str, ending: str) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(directory) if entry.endswith(ending))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidProject(directory, f"cannot be read ({why(error)})", tip_about(error)) from error


def _project_of(root: str, dist_info: str) -> InstalledProject | None:
    """The project of a ``.dist-info`` directory, from its name alone: reading METADATA takes time.

    Other names are not a project's: an interrupted pip leaves ``~ame-1.0.dist-info``.
    """
    name, _, version = dist_info[: -len(".dist-info")].partition("-")
    return InstalledProject(root, dist_info, name, version) if _NAME.fullmatch(name) else None
