"""What is installed in places, before and after a command: which site directories it has changed.

A project counts as changed with its RECORD, which every installer writes anew, also for the same version
again. So one ``stat`` for each project is enough, and no process is started.
"""

from __future__ import annotations

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
    """

    sites: Mapping[str, Site]
    states: Mapping[str, State]


def take_snapshot(places: Iterable[Place]) -> Snapshot:
    """Look at the site directories of places. What does not exist or cannot be read has none.

    :param places: the nearest first: a directory that two of them have is that of the first
    """
    sites: dict[str, Site] = {}
    states: dict[str, State] = {}
    for place in places:
        for site in _sites_of(place):
            state = _state_of(site)
            if state or site.directory != site.prefix:  # any directory may hold modules; few do
                key = os.path.realpath(site.directory)
                sites.setdefault(key, site)
                states.setdefault(key, state)
    return Snapshot(sites, states)


def find_changed(before: Snapshot, after: Snapshot) -> tuple[Site, ...]:
    """The site directories that are new or in another state, the nearest to the command first."""
    changed = [site for key, site in after.sites.items() if after.states[key] != before.states.get(key)]
    return tuple(sorted(changed, key=lambda site: -site.tie))


def find_removed(before: Snapshot, after: Snapshot) -> tuple[Site, ...]:
    """The site directories that are gone."""
    return tuple(site for key, site in before.sites.items() if key not in after.sites)


def _sites_of(place: Place) -> Iterator[Site]:
    for prefix in _expand(place.path, place.below.split("/") if place.below else []):
        libraries = [os.path.join(prefix, name) for name in _LIBRARIES]
        for library in libraries:
            for name in _names(library):
                if _VERSIONED.fullmatch(name):
                    for kind in _KINDS:
                        directory = os.path.join(library, name, kind)
                        if os.path.isdir(directory):
                            yield Site(directory, prefix, place.tie, place)
        flat = os.path.join(prefix, "lib") if os.path.basename(place.path) == "__pypackages__" else prefix
        yield Site(flat, flat, place.tie, place)


def _expand(directory: str, below: list[str]) -> Iterator[str]:
    """The paths that fit a pattern, whose parts are names or ``*``."""
    if not below:
        yield directory
        return
    for name in _names(directory) if below[0] == "*" else below[:1]:
        path = os.path.join(directory, name)
        if os.path.isdir(path):
            yield from _expand(path, below[1:])


def _state_of(site: Site) -> State:
    is_flat = site.directory == site.prefix
    return {
        name: _record_state(os.path.join(site.directory, name)) if name.endswith(".dist-info") else None
        for name in _names(site.directory)
        if name.endswith(".dist-info") or not (is_flat or name.startswith("__pycache__"))
    }


def _record_state(dist_info: str) -> tuple[int, int, int] | None:
    for path in (os.path.join(dist_info, "RECORD"), dist_info):
        try:
            found = os.stat(path)
        except OSError:
            continue
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
    return None


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (OSError, ValueError):
        return []
