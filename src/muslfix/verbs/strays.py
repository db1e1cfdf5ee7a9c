"""Misnamed extension modules in a site directory that no project lists: copied there, or by ``make install``.

No command changes them, since nobody knows whose they are; but an all-clear about them would be false.
This module loads next to nothing, as :mod:`muslfix.verbs.nothing_to_fix` needs it too.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from muslfix.targets.target import Target

# In bytes; a larger file is left to the full command, which reports it.
_MAX_FILE = 64 * 1024 * 1024

_NOT_LOOKED_INTO = (".dist-info", ".egg-info", ".egg-link", ".libs", "__pycache__")


def find_suspects(directory: str, suffixes: Collection[str]) -> list[str]:
    """Paths of unlisted files that may be misnamed modules, as far as names tell, relative to the directory.

    A file is unlisted if no RECORD lists anything in the top-level file or directory that it is in.

    :param suffixes: those that the target imports
    :raises OSError: if the directory cannot be listed
    """
    return sorted(
        path
        for name in _unlisted_names(directory)
        for path in _files_below(directory, name)
        if _may_be_misnamed(os.path.basename(path), suffixes)
    )


def doubt_about_strays(directory: str, target: Target) -> list[str]:
    """What is said of a site directory in which there are any."""
    try:
        suspects = find_suspects(directory, target.extension_suffixes)
    except OSError:  # whoever scans it for projects reports that
        return []
    if not suspects:
        return []
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
    example = os.path.join(directory, found[0])
    number = "1 misnamed extension module" if len(found) == 1 else f"{len(found)} misnamed extension modules"
    return [
        f"{directory}: {number} ({example}{', ...' if found[1:] else ''}) in no RECORD, so fix leaves"
        f" {'it' if len(found) == 1 else 'them'} alone: install the project with pip or uv, or rename the"
        f" file by hand as 'muslfix check {os.path.join(directory, found[0].partition(os.sep)[0])}' says"
    ]


def _unlisted_names(directory: str) -> list[str]:
    """The names in a site directory that begin no row of a RECORD.

    None if there is a project without RECORD: they may be its own, and it is reported anyway.
    """
    names = os.listdir(directory)
    if any(name.endswith(".egg-info") for name in names):
        return []
    listed: set[bytes] = set()
    for name in names:
        if name.endswith(".dist-info"):
            record = read_whole(os.path.join(directory, name, "RECORD"))
            if record is None:
                return []
            rows = (row.lstrip(b'"') for row in record.split(b"\n"))
            listed.update(row.partition(b"/")[0].partition(b",")[0] for row in rows)
    return [
        name
        for name in names
        if os.fsencode(name) not in listed
        and not name.startswith((".muslfix", "~"))
        and not name.endswith(_NOT_LOOKED_INTO)
    ]


def _files_below(directory: str, name: str) -> Iterator[str]:
    """The paths of the shared objects in a directory, or that of a file, relative to its parent."""
    if name.endswith(".so"):
        yield name
        return
    path = os.path.join(directory, name)
    if os.path.islink(path):
        return
    for parent, _, files in os.walk(path):
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
