"""Where the modules of an editable install are: in a source tree, which RECORD does not list.

Build backends make a ``.pth`` that names the tree, or one that imports a finder with the paths of packages in
it (setuptools, meson-python, scikit-build-core): https://docs.python.org/3/library/site.html and :pep:`660`.
Where neither tells, it is the directory in ``direct_url.json``. Nothing is run, and nothing is changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from muslfix.errors import InvalidProject, InvalidTarget, few, why
from muslfix.files.access import read_regular
from muslfix.projects.project import InstalledProject
from muslfix.targets.paths import PathMap

# The line of a .pth that starts a finder: "import __editable___demo_1_0_finder; ...".
_IMPORT = re.compile(r"import[ \t]+([A-Za-z_]\w{,200})\b")

# A text in the source of a finder that is an absolute path.
_PATH = re.compile(r"""(['"])(/[^'"\\\n]+)\1""")

# No package is imported from these. Other names that cannot be a package's are passed over too.
_NO_PACKAGES = frozenset({"__pycache__", "build", "dist", "node_modules"})

# In MiB: of a .pth, a finder or an .egg-link. A finder of scikit-build-core names every file of the project.
_MAX_TEXT = 4

# Directories and files in one source tree; a larger one is not searched to its end.
_MAX_ENTRIES = 200_000

# Of the directories that cannot be listed.
_MOST_NAMED = 5


class Sources(NamedTuple):
    """The source tree of an editable install.

    :param directory: the project's directory, or the first one that is imported from; ``None``: there is none
    :param modules: the files in it that may be extension modules, absolute paths
    :param problem: why not all of it was looked at, or ``None``
    """

    directory: str | None
    modules: tuple[str, ...] = ()
    problem: str | None = None


def find_sources(project: InstalledProject, paths: PathMap) -> Sources:
    """Find the source tree of an editable install, and the extension modules in it.

    :param paths: those of the target
    :raises InvalidProject: if a file of the project that tells cannot be read
    """
    home = _home(project, paths)
    tops = list(dict.fromkeys(_imported_from(project, paths)))
    return _search(home, tops or [home] if home else tops, follow=paths.is_here)


def find_linked_sources(link: str, paths: PathMap) -> Sources:
    """The same of an ``.egg-link``, which ``setup.py develop`` makes.

    :param link: its path
    :param paths: those of the target
    :raises InvalidProject: if it cannot be read
    """
    named = _text(link).split("\n")[0].strip()
    directory = _directory(named, os.path.dirname(link), paths) if named else None
    return _search(directory, [] if directory is None else [directory], follow=paths.is_here)


def _home(project: InstalledProject, paths: PathMap) -> str | None:
    """The directory of the project."""
    with suppress(ValueError):
        url = urlsplit(project.url)
        if url.scheme == "file":
            return _directory(unquote(url.path, errors="surrogateescape"), project.root, paths)
    return None


def _imported_from(project: InstalledProject, paths: PathMap) -> Iterator[str]:
    """The directories and modules that the ``.pth`` files of a project name, as far as they exist."""
    for row in project.record().rows:
        if "/" in row.path or not row.path.endswith(".pth"):
            continue
        for line in re.split("[\r\n]+", _text(project.locate(row.path))):
            finder = _IMPORT.match(line)
            if finder is not None:
                source = _text(project.locate(f"{finder[1]}.py"))
                found = [_place(match[2], project.root, paths) for match in _PATH.finditer(source)]
            elif line.strip() and not line.startswith("#"):
                found = [_directory(line.strip(), project.root, paths)]
            else:
                continue
            yield from (path for path in found if path is not None and path != project.root)


def _directory(path: str, beside: str, paths: PathMap) -> str | None:
    """The same as :func:`_place` where it must be a directory."""
    place = _place(path, beside, paths)
    return place if place is not None and os.path.isdir(place) else None


def _place(path: str, beside: str, paths: PathMap) -> str | None:
    """Where a directory, or a module without its suffix, is on this machine; ``None`` if it is not there.

    :param path: as the target sees it
    :param beside: the directory that relative paths begin at, on this machine
    """
    with suppress(InvalidTarget, ValueError):  # it leads out of the target's tree, or has a null byte
        normal = os.path.normpath(os.path.join(beside, path))
        here = paths.locate(normal) if os.path.isabs(path) else normal
        if os.path.basename(here) == "__init__.py":
            here = os.path.dirname(here)
        parent = os.path.dirname(here)
        if parent != here and (os.path.isdir(here) or os.path.isdir(parent)):  # never all of the machine
            return here
    return None


def _search(home: str | None, tops: Sequence[str], *, follow: bool) -> Sources:
    """Look for extension modules below directories, and beside modules.

    :param follow: whether links to directories lead where they lead the target
    """
    found: list[str] = []
    seen: set[str] = set()
    entries = 0
    unlisted: list[OSError] = []
    directories = sorted(top for top in tops if os.path.isdir(top))
    for top in directories:
        for directory, inner, names in os.walk(top, onerror=unlisted.append, followlinks=follow):
            place = os.path.realpath(directory)
            inner[:] = sorted(n for n in inner if place not in seen and _may_be_package(directory, n))
            if place in seen:
                continue
            seen.add(place)
            found += (os.path.join(directory, name) for name in names if name.endswith(".so"))
            entries += len(inner) + len(names)
            if entries > _MAX_ENTRIES:
                return Sources(home or top, tuple(found), problem="is too large to search")
    found += _beside({os.path.split(top) for top in tops} - {os.path.split(top) for top in directories}, seen)
    reasons = [f"{os.fsdecode(error.filename)} ({why(error)})" for error in unlisted]
    problem = f"has directories that cannot be listed: {few(reasons, _MOST_NAMED)}" if reasons else None
    return Sources(home or next(iter(directories), None), tuple(found), problem)


def _beside(modules: Iterable[tuple[str, str]], seen: Container[str]) -> Iterator[str]:
    """The extension modules among single modules, each a directory and a name; of those not seen yet."""
    stems: dict[str, set[str]] = {}
    for directory, name in modules:
        stems.setdefault(directory, set()).add(name.partition(".")[0])
    for directory in sorted(stems.keys()):
        with suppress(OSError):
            for name in sorted(os.listdir(directory)) if os.path.realpath(directory) not in seen else ():
                if name.endswith(".so") and name.partition(".")[0] in stems[directory]:
                    yield os.path.join(directory, name)


def _may_be_package(directory: str, name: str) -> bool:
    if not name.isidentifier() or name in _NO_PACKAGES:
        return False
    return not os.path.exists(os.path.join(directory, name, "pyvenv.cfg"))


def _text(path: str) -> str:
    try:
        return os.fsdecode(read_regular(path, _MAX_TEXT))
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InvalidProject(path, f"cannot be read ({why(error)})") from error
