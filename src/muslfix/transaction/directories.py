"""Creating and removing directories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress


def is_directory(path: str) -> bool:
    """Whether there is a directory, and not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def existing_directory(path: str) -> str:
    """The path itself if it is a directory, or else the nearest existing directory above it."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def missing_directories(path: str) -> list[str]:
    """The directories to create for a path to exist, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def make_directories(path: str, made: list[str]) -> None:
    """Create a directory and its missing parents.

    :param made: gets those that were created
    :raises OSError: if that fails
    """
    for directory in missing_directories(path):
        _make_directory(directory, made)


def _make_directory(directory: str, made: list[str]) -> None:
    """Create a directory, unless another process has just created it."""
    try:
        os.mkdir(directory)
    except FileExistsError:
        if not os.path.isdir(directory):
            raise
    else:
        made.append(directory)


def remove_directories(made: Iterable[str]) -> None:
    """Remove those directories that are empty, the last first."""
    for directory in reversed(list(made)):
        with suppress(OSError):
            os.rmdir(directory)


def discard(path: str) -> None:
    """Remove what is no longer needed, as far as possible: an error here is no reason to fail."""
    with suppress(OSError):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):  # it has read-only directories
        for directory, names, _ in os.walk(path):
            for name in [directory, *(os.path.join(directory, name) for name in names)]:
                with suppress(OSError):
                    if not os.path.islink(name):  # which may lead anywhere
                        os.chmod(name, 0o700)
        shutil.rmtree(path, ignore_errors=True)
