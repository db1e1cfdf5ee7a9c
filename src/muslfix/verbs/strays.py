"""Misnamed extension modules in a site directory that no project lists: copied there, or by ``make install``.

No command changes them, since nobody knows whose they are; but an all-clear about them would be false.
This module loads next to nothing, as :mod:`muslfix.verbs.nothing_to_fix` needs it too.
"""

from __future__ import annotations

import os
import stat

from muslfix.report.places import count
from muslfix.targets.environments import is_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from muslfix.targets.target import Target

# In bytes; a larger file is left to the full command, which reports it.
_MAX_FILE = 64 * 1024 * 1024

_NOT_LOOKED_INTO = (".dist-info", ".egg-info", ".egg-link", ".libs", "__pycache__")


def find_suspects(
    directory: str,
    names: Iterable[str],
    listed: Collection[bytes],
    suffixes: Collection[str],
    unlisted: list[OSError],
) -> list[str]:
    """Paths of unlisted files that may be misnamed modules, as far as names tell, relative to the directory.

    A file is unlisted if no RECORD lists anything in the top-level file or directory that it is in.

    :param names: what is in the directory
    :param listed: the :func:`top_names` of all its RECORDs
    :param suffixes: those that the target imports
    :param unlisted: gets the errors of directories that cannot be looked into
    """
    return sorted(
        path
        for name in names
        if os.fsencode(name) not in listed
        and not name.startswith((".muslfix", "~"))
        and not name.endswith(_NOT_LOOKED_INTO)
        for path in _files_below(directory, name, unlisted)
        if _may_be_misnamed(os.path.basename(path), suffixes)
    )


def top_names(record: bytes) -> set[bytes]:
    """The names in the site directory that the rows of a RECORD begin with."""
    rows = (row.lstrip(b'"') for row in record.split(b"\n"))
    return {row.partition(b"/")[0].partition(b",")[0] for row in rows}


def doubt_about_strays(directory: str, target: Target) -> list[str]:
    """What is said of a site directory in which there are any."""
    try:
        names = os.listdir(directory)
    except OSError:  # whoever scans it for projects reports that
        return []
    listed = _listed_names(directory, names)
    if listed is None:
        return []
    if target.tree is not None:  # links to directories lead elsewhere on this machine
        paths = ((name, os.path.join(directory, name)) for name in names)
        names = [name for name, path in paths if not (os.path.islink(path) and os.path.isdir(path))]
    unlisted: list[OSError] = []
    suspects = find_suspects(directory, names, listed, target.extension_suffixes, unlisted)
    doubts = _doubts_about_misnamed(directory, suspects, target) if suspects else []
    if unlisted:
        from muslfix.verbs.check_paths import doubt_about_unlisted

        doubts.append(doubt_about_unlisted(directory, unlisted))
    return doubts


def _doubts_about_misnamed(directory: str, suspects: list[str], target: Target) -> list[str]:
    from functools import partial

    from muslfix.modules.candidates import plan_tree
    from muslfix.modules.tree import DiskTree
    from muslfix.verdicts import Mode, Verdict

    plan = plan_tree(
        suspects, DiskTree(partial(os.path.join, directory)), target, Mode.SYMLINK, thorough=False
    )
    found = [one.candidate.path for one in plan.decisions if one.verdict is Verdict.MISNAMED]
    if not found:
        return []
    number = count(len(found), "misnamed extension module")
    example = os.path.join(directory, found[0])
    return [
        f"{directory}: {number} ({example}{', …' if found[1:] else ''}) in no RECORD, so fix leaves"
        f" {'it' if len(found) == 1 else 'them'} alone: install the project with pip or uv, or rename the"
        f" file by hand as 'muslfix check {os.path.join(directory, found[0].partition(os.sep)[0])}' says"
    ]


def _listed_names(directory: str, names: Iterable[str]) -> set[bytes] | None:
    """The top names of the RECORDs in a site directory.

    ``None`` if there is a project without RECORD: a file may be its own, and it is reported anyway.
    """
    listed: set[bytes] = set()
    for name in names:
        if name.endswith(".egg-info"):
            return None
        if name.endswith(".dist-info"):
            record = read_whole(os.path.join(directory, name, "RECORD"))
            if record is None:
                return None
            listed |= top_names(record)
    return listed


def _files_below(directory: str, name: str, unlisted: list[OSError]) -> Iterator[str]:
    """The paths of the shared objects in a directory, or that of a file, relative to its parent."""
    if name.endswith(".so"):
        yield name
        return
    path = os.path.join(directory, name)
    if not os.path.isdir(path):
        return
    if os.path.islink(path) and (is_in(path, directory) or is_in(directory, path)):  # it is seen anyway
        return
    for parent, _, files in os.walk(path, onerror=unlisted.append):
        for file in files:
            if file.endswith(".so"):
                yield os.path.relpath(os.path.join(parent, file), directory)


def _may_be_misnamed(name: str, suffixes: Collection[str]) -> bool:
    suffix = "." + name.partition(".")[2]
    return suffix.startswith((".cpython-", ".abi3")) and suffix not in suffixes


def read_whole(path: str) -> bytes | None:
    """The content of a regular file that is not too large, or ``None``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MAX_FILE:
            return None
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)
