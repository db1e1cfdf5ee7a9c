"""A file that appears as a whole or not at all, and of which nothing is left when its writer is killed.

It has no name until it is complete (``O_TMPFILE``) where the file system allows that. Elsewhere it has a
temporary name that the next writer of the same file recognises and removes.

Source: https://man7.org/linux/man-pages/man2/open.2.html (O_TMPFILE)
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from muslfix.errors import DestinationError, destination_errors
from muslfix.files.access import is_there, open_regular, write_all

_CHUNK = 1024 * 1024
_NEW = os.O_RDWR | os.O_CLOEXEC
# Where the links to open files are, and so to one without a name.
_NAMELESS = "/proc/self/fd/"
# How a file system says that it has no files without a name.
_HAS_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


def write_whole_file(
    path: str, chunks: Iterable[bytes], *, overwrite: bool, permissions: int | None = None
) -> None:
    """Write a file that gets its name when all of it is on the disk.

    A file of that name with the same content is as good.

    :param path: its name, in a directory that exists
    :param chunks: its content
    :param overwrite: whether it may replace another file of that name
    :param permissions: as for :func:`os.chmod`; by default those that the umask leaves
    :raises DestinationError: if it cannot be written, or another file has the name; then nothing is left
    """
    directory, name = os.path.split(os.path.abspath(path))
    with destination_errors(path), ExitStack() as stack:
        place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, place)
        _remove_abandoned(directory, name)
        temporary = os.path.join(directory, _prefix(name) + os.urandom(8).hex())
        descriptor, source = _open(directory, temporary)
        stack.callback(os.close, descriptor)
        stack.callback(_unlink, temporary)
        with suppress(OSError):  # a file system without locks: nothing is removed as abandoned there
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for chunk in chunks:
            write_all(descriptor, chunk)
        if permissions is not None:
            os.fchmod(descriptor, permissions)
        os.fsync(descriptor)
        if overwrite:
            if source != temporary:
                _link(source, temporary, place)
            os.rename(temporary, path)
        elif not _link(source, path, place) and not _has_content_of(descriptor, path):
            raise DestinationError(
                path,
                "exists, and would be another file",
                tip="use --force to replace it, or another directory",
            )
        os.fsync(place)


def _open(directory: str, temporary: str) -> tuple[int, str]:
    """Make a file, if possible without a name.

    :return: its descriptor, and the path from which it is linked to its name
    """
    try:
        descriptor = os.open(directory, os.O_TMPFILE | _NEW, 0o666)
    except OSError as error:
        if error.errno not in _HAS_NO_NAMELESS:
            raise
    else:
        source = f"{_NAMELESS}{descriptor}"
        if os.path.exists(source):
            return descriptor, source
        os.close(descriptor)  # without /proc it could never get a name
    return os.open(temporary, os.O_CREAT | os.O_EXCL | _NEW, 0o666), temporary


def _prefix(name: str) -> str:
    return f".{name[:200]}.muslfix-"


def _remove_abandoned(directory: str, name: str) -> None:
    """Remove what killed writers of the same file have left: nobody holds a lock on it."""
    for entry in os.listdir(directory):
        if entry.startswith(_prefix(name)):
            abandoned = os.path.join(directory, entry)
            with suppress(OSError), open_regular(abandoned) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(abandoned)


def _link(source: str, path: str, place: int) -> bool:
    """Give a file its name, unless another file has it.

    :param source: its temporary name, or the link to it in ``/proc``, which Python follows only where a
        directory is given
    :param place: descriptor of the directory
    """
    try:
        os.link(source, os.path.basename(path), dst_dir_fd=place, follow_symlinks=True)
    except FileExistsError:
        return False
    except PermissionError:  # a file system without hard links
        if is_there(path):
            return False
        if source.startswith(_NAMELESS):  # which cannot be renamed either
            raise
        os.rename(source, path)
    return True


def _has_content_of(descriptor: int, path: str) -> bool:
    """Whether a file has the content of the one that was written."""
    with open_regular(path) as other, open(descriptor, "rb", closefd=False) as new:
        new.seek(0)
        while (chunk := new.read(_CHUNK)) == other.read(_CHUNK):
            if not chunk:
                return True
    return False


def _unlink(path: str) -> None:
    """Remove a temporary name if it is still there; if that fails, the next writer does it."""
    with suppress(OSError):
        os.unlink(path)
