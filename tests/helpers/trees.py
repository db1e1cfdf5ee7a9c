"""Trees of files: what there is to see of one, so that two states can be compared."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

LARGE = 10_000_000  # bytes; what is larger is a hole, and nobody compares it


def snapshot(folder: Path) -> dict[str, str]:
    """Every file, link and folder below a folder, with its mode and content: equal if nothing changed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        if path.is_symlink():
            content = "link to " + os.readlink(path)
        elif path.is_dir():
            content = "folder"
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = f"{state.st_mode:o} {content}"
    return found


def states(folder: Path, *, times: bool = True) -> dict[str, tuple[Any, ...]]:
    """All that is to be known of a folder and what is in it, and the bytes: equal if nobody wrote at all.

    :param times: whether a folder in which something was made and removed again counts as written to
    """
    found = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        state = path.lstat()
        content: str | bytes | None = None
        if stat.S_ISLNK(state.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(state.st_mode):
            content = path.read_bytes() if state.st_size < LARGE else b""
        found[str(path.relative_to(folder))] = (
            state.st_mode,
            state.st_ino,
            state.st_nlink if content is not None else 0,
            state.st_size if content is not None else 0,
            state.st_mtime_ns if times else 0,
            content,
        )
    return found


def leftovers(folder: Path) -> list[Path]:
    """What no muslfix may leave behind."""
    return [path for path in folder.rglob("*") if path.name.startswith(".muslfix-")]
