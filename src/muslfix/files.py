"""Reading and writing single files, with their hashes."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_CHUNK = 1024 * 1024


def write_new_file(path: str, chunks: Iterable[bytes], *, executable: bool) -> tuple[bytes, int]:
    """Write a file that does not exist yet; its mode follows the umask, as with pip.

    :return: its SHA-256, and its size in bytes
    """
    hasher, size = hashlib.sha256(), 0
    descriptor = os.open(path, _NEW_FILE, 0o777 if executable else 0o666)
    with io.FileIO(descriptor, "wb") as file:
        for chunk in chunks:
            view = memoryview(chunk)
            hasher.update(view)
            size += len(view)
            while view:
                view = view[file.write(view) :]
    return hasher.digest(), size


def hash_file(path: str, algorithm: str = "sha256") -> bytes:
    """The digest of a file's content.

    :param algorithm: as :mod:`hashlib` spells it
    :raises OSError: if it cannot be read
    :raises ValueError: if there is no such algorithm
    """
    hasher = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.digest()
