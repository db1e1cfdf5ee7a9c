"""What is installed in places, before and after a command: which site directories it has changed.

A project counts as changed with its RECORD, which every installer writes anew, also for the same version
again. So one ``stat`` for each project is enough, and no process is started.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from muslfix.cli.install_places import Place, Tie

#: The state of a site directory: each name in it; with a ``.dist-info`` the state of its RECORD.
State = Mapping[str, Optional[tuple[int, int, int]]]

# Below a prefix. Debian's "python3" is for all its versions; PDM has a directory for each version.
_LIBRARIES = ("lib", "lib64", os.path.join("local", "lib"))
_VERSIONED = re.compile(r"(?:python|pypy)3(?:\.\d+t?)?")
_KINDS = ("site-packages", "dist-packages")

# Of what is not there, or is no directory. Any other error leaves open what is installed.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class Site(NamedTuple):
    """A directory that holds ``.dist-info`` directories.

    :param directory: its path
    :param prefix: that of its environment; the directory itself if it is in none
    :param tie: how near to the command
    :param place: what it was found by
    """

    directory: str
    prefix: str
    tie: Tie
    place: Place

    @property
    def version(self) -> str | None:
        """The version of its Python, ``3.13t``; ``None`` if its path tells none."""
        match = re.search(r"python(3\.\d+t?)/[a-z]+-packages$|__pypackages__/(3\.\d+)/lib$", self.directory)
        return match and (match[1] or match[2])


class Snapshot(NamedTuple):
    """What is installed in places.

    :param sites: the site directories, by their real path
    :param states: their states, by the same
    :param unread: the directories that cannot be read, by their real path
    """

    sites: Mapping[str, Site]
    states: Mapping[str, State]
    unread: Mapping[str, Unread]


class Unread(NamedTuple):
    """A directory that cannot be read, so that nobody knows what is installed in it.

    :param directory: its path
    :param tie: how near to the command
    :param reason: of the system
    """

    directory: str
    tie: Tie
    reason: str


def take_snapshot(places: Iterable[Place]) -> Snapshot:
    """Look at the site directories of places. What does not exist has none.

    :param places: the nearest first: a directory that two of them have is that of the first
    """
    sites: dict[str, Site] = {}
    states: dict[str, State] = {}
    unread: dict[str, Unread] = {}
    for place in places:
        look = _Look(place)
        for site in look.sites():
            state = look.state_of(site)
            if state or site.directory != site.prefix:  # any directory may hold modules; few do
                key = os.path.realpath(site.directory)
                sites.setdefault(key, site)
                states.setdefault(key, state)
        for directory in look.unread():
            unread.setdefault(os.path.realpath(directory.directory), directory)
    known = {key: site for key, site in sites.items() if key not in unread}
    return Snapshot(known, states, unread)


def find_changed(before: Snapshot, after: Snapshot) -> tuple[Site, ...]:
    """The site directories that are new or in another state, the nearest to the command first."""
    changed = [site for key, site in after.sites.items() if after.states[key] != before.states.get(key)]
    return tuple(sorted(changed, key=lambda site: -site.tie))


def find_removed(before: Snapshot, after: Snapshot) -> tuple[Site, ...]:
    """The site directories that are gone."""
    return tuple(
        site
        for key, site in before.sites.items()
        if key not in after.sites and not any(_is_within(key, directory) for directory in after.unread)
    )


def find_emptied(before: Snapshot, after: Snapshot) -> frozenset[str]:
    """The paths of the site directories in which nothing is that was not there before."""
    return frozenset(
        site.directory
        for key, site in after.sites.items()
        if after.states[key].keys() <= before.states.get(key, {}).keys()
    )


def find_unread(before: Snapshot, after: Snapshot) -> tuple[Unread, ...]:
    """The directories of which it is not known whether the command has changed them, and should be.

    Those are near to the command, or could be read before it.
    """
    return tuple(
        unread
        for directory, unread in after.unread.items()
        if unread.tie is not Tie.WATCHED or any(_is_within(key, directory) for key in before.sites)
    )


def group_sites(sites: Iterable[Site]) -> list[list[Site]]:
    """The directories of each place together: ``lib`` and ``lib64`` are one."""
    groups: dict[tuple[str, str | None], list[Site]] = {}
    for site in sites:
        groups.setdefault((site.prefix, site.version), []).append(site)
    return list(groups.values())


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


class _Look:
    """What is found in one place.

    :param place: the place
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._unread: dict[str, str] = {}
        self._prefixes: set[str] = set()

    def sites(self) -> Iterator[Site]:
        """The site directories, and each prefix, which may be one."""
        place = self._place
        for prefix in self._expand(place.path, place.below.split("/") if place.below else []):
            for library in (os.path.join(prefix, name) for name in _LIBRARIES):
                for name in filter(_VERSIONED.fullmatch, self._names(library)):
                    packages = os.path.join(library, name)
                    for kind in (kind for kind in self._names(packages) if kind in _KINDS):
                        self._prefixes.add(prefix)
                        yield Site(os.path.join(packages, kind), prefix, place.tie, place)
            is_pdm = os.path.basename(place.path) == "__pypackages__"
            flat = os.path.join(prefix, "lib") if is_pdm else prefix
            yield Site(flat, flat, place.tie, place)

    def state_of(self, site: Site) -> State:
        """What is installed there."""
        is_flat = site.directory == site.prefix
        return {
            name: _record_state(os.path.join(site.directory, name)) if name.endswith(".dist-info") else None
            for name in self._names(site.directory)
            if name.endswith(".dist-info") or not (is_flat or name.startswith("__pycache__"))
        }

    def unread(self) -> Iterator[Unread]:
        """The directories that could not be read. What is in a prefix may be known all the same."""
        for directory, reason in self._unread.items():
            if directory not in self._prefixes:
                yield Unread(directory, self._place.tie, reason)

    def _expand(self, directory: str, below: list[str]) -> Iterator[str]:
        """The paths that fit a pattern, whose parts are names or ``*``."""
        if not below:
            yield directory
            return
        for name in self._names(directory) if below[0] == "*" else below[:1]:
            path = os.path.join(directory, name)
            if os.path.isdir(path):
                yield from self._expand(path, below[1:])

    def _names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except ValueError:  # a null byte
            return []
        except OSError as error:
            # Below one that cannot be read either it may not be there at all: in the home of another user.
            is_there = os.path.lexists(directory) or os.access(os.path.dirname(directory), os.R_OK)
            if is_there and error.errno not in _NOT_THERE:
                self._unread[directory] = error.strerror or str(error)
            return []


def _record_state(dist_info: str) -> tuple[int, int, int] | None:
    for path in (os.path.join(dist_info, "RECORD"), dist_info):
        try:
            found = os.stat(path)
        except OSError:
            continue
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
    return None
