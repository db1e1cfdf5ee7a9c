"""Creating and removing directories, and what keeps one from being removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from muslfix.errors import DestinationError, destination_errors
from muslfix.files.access import kind_of

# FS_IOC_GETFLAGS, and the flags by which not even root deletes a file: ioctl_iflags(2).
_GET_FLAGS = 2 << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_KEPT = 0x10 | 0x20


def is_directory(path: str) -> bool:
    """Whether there is a directory, and not a link to one.

    :raises OSError: if it cannot be found out
    """
    return kind_of(path, follow_links=False) == stat.S_IFDIR


def leads_to_directory(path: str) -> bool:
    """Whether there is a directory, or a link to one.

    :raises OSError: if it cannot be found out
    """
    return kind_of(path) == stat.S_IFDIR


def existing_directory(path: str) -> str:
    """The path itself if it is a directory, or else the nearest existing directory above it."""
    while not leads_to_directory(path):
        path = os.path.dirname(path)
    return path


def missing_directories(path: str) -> list[str]:
    """The directories to create for a path to exist, outermost first."""
    missing = []
    while not leads_to_directory(path):
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
        if not leads_to_directory(directory):
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
        return
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):  # it has read-only directories
        for directory, names, _ in os.walk(path):
            for name in [directory, *(os.path.join(directory, name) for name in names)]:
                with suppress(OSError):
                    if not os.path.islink(name):  # which may lead anywhere
                        os.chmod(name, stat.S_IMODE(os.stat(name).st_mode) | 0o700)
        shutil.rmtree(path, ignore_errors=True)


def mount_points() -> list[str]:
    """Where file systems are mounted, longest path first; empty if the system does not say.

    https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            fields = [line.split(b" ")[4] for line in file]
    except (OSError, IndexError):
        return []
    paths = [
        field.decode("unicode_escape").encode("latin-1") if b"\\" in field else field for field in fields
    ]
    return sorted({os.fsdecode(path) for path in paths}, key=len, reverse=True)


def check_deletable(directory: str) -> None:
    """Refuse to move a directory away that could not be deleted then, which moving it does not show.

    :raises DestinationError: if something in it would stay
    """
    for mount in mount_points():
        if mount.startswith(directory + "/"):
            raise _undeletable(mount, "a file system is mounted there", "unmount it first")
    with destination_errors(directory):
        for path, names in _walk(directory):
            state = os.stat(path)
            allowed = os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
            if names and not allowed and state.st_uid != os.geteuid():
                reason = f"the directory belongs to the user with the number {state.st_uid}"
                raise _undeletable(path, reason, "let that user remove it, or run muslfix as root")
            for kept in (path, *(os.path.join(path, name) for name in names)):
                if _is_kept(kept):
                    raise _undeletable(kept, "it is immutable or append-only", f"run chattr -ia {kept} first")


def _walk(directory: str) -> Iterator[tuple[str, list[str]]]:
    """Each directory with its names; one that cannot be listed counts as one with something in it."""
    try:
        entries = list(os.scandir(directory))
    except PermissionError:
        yield directory, ["?"]
        return
    yield directory, [entry.name for entry in entries]
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _is_kept(path: str) -> bool:
    with suppress(OSError):  # it cannot be opened, or its file system knows no flags
        if stat.S_IFMT(os.lstat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            answer = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))
        finally:
            os.close(descriptor)
        flags: int = struct.unpack("=I", answer[:4])[0]
        return bool(flags & _KEPT)
    return False


def _undeletable(path: str, reason: str, tip: str) -> DestinationError:
    return DestinationError(path, f"cannot be deleted: {reason}", tip)
