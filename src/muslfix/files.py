"""Reading and writing single files, with their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from typing import BinaryIO

#: How the names of staging folders begin; whatever else had such a name would be taken for one.
STAGING_PREFIX = ".muslfix-"

#: Name of the file in a ``.dist-info`` that tells what was changed, see :mod:`muslfix.projects.trace`.
TRACE = "muslfix.json"

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_CHUNK = 1024 * 1024


def write_new_file(path: str, chunks: Iterable[bytes], *, executable: bool) -> tuple[bytes, int]:
    """Write a file that does not exist yet; its mode follows the umask, as with pip.

    :return: its SHA-256, and its size in bytes
    """
    hasher, size = hashlib.sha256(), 0
    descriptor = os.open(path, _NEW_FILE, 0o777 if executable else 0o666)
    try:
        for chunk in chunks:
            hasher.update(chunk)
            size += len(chunk)
            write_all(descriptor, chunk)
    finally:
        os.close(descriptor)
    return hasher.digest(), size


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes, for which the system may need several calls.

    :raises OSError: if they cannot be written
    """
    written = os.write(descriptor, data) if data else 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def sync_file(descriptor: int) -> None:
    """Return when a file is on its disk.

    :raises OSError: if it cannot be brought there
    """
    os.fsync(descriptor)


def sync_file_system(folder: str) -> None:
    """Return when all that was written to the file system of a folder is on its disk.

    One call for any number of files: syncing each of a thousand takes some hundred times as long.

    https://man7.org/linux/man-pages/man2/syncfs.2.html

    :raises OSError: if it cannot be brought there
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _syncfs(descriptor)
    finally:
        os.close(descriptor)


def _syncfs(descriptor: int) -> None:
    try:
        import ctypes

        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):  # a Python that was built without, or static
        os.sync()
        return
    if call(descriptor) != 0:
        number = ctypes.get_errno()
        if number != errno.ENOSYS:
            raise OSError(number, os.strerror(number))
        os.sync()


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading, but no pipe and no device, which might keep the reader for ever.

    :raises OSError: if it cannot be opened, or is something else than a file
    """
    return open(path, "rb", opener=_open_regular)


def read_regular(path: str, at_most: int) -> bytes:
    """The whole content of a file, which may have been put there to exhaust the memory.

    :param at_most: its largest size, in MiB
    :raises OSError: if it cannot be read, is larger, or is something else than a file
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > at_most * 1024 * 1024:
            raise OSError(errno.EFBIG, f"larger than {at_most} MiB", path)
        return file.read(size)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def hash_file(path: str, algorithm: str = "sha256") -> bytes:
    """The digest of a file's content.

    :param algorithm: as :mod:`hashlib` spells it
    :raises OSError: if it cannot be read
    :raises ValueError: if there is no such algorithm
    """
    hasher = hashlib.new(algorithm)
    if not hasher.digest_size:
        raise ValueError(f"{algorithm} has no length of its own")
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.digest()
