"""Files: read without trusting who wrote them, made anew, synced to disk."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from typing import BinaryIO

from muslfix.errors import UsageError

#: How the names of staging directories begin; whatever else had such a name would be taken for one.
STAGING_PREFIX = ".muslfix-"

#: Name of the file in a ``.dist-info`` that tells what was changed, see :mod:`muslfix.projects.trace`.
TRACE = "muslfix.json"

# Below the prefix of an environment, with programs in ``bin``: interpreters, what they read to find out where
# they are (CPython's Modules/getpath.py), their libraries, and what switches a shell to the environment.
_OF_AN_INTERPRETER = r"""(?xis)
    bin/(python|pythonw|pypy)[0-9.]*t?
    | (bin/)?pyvenv\.cfg
    | (bin/|lib[^/]*/)?[^/]*\._pth
    | bin/pybuilddir\.txt | bin/Modules/Setup(\.local)?
    | lib[^/]*/lib(python|pypy)[0-9][^/]*
    | lib[^/]*/(python|pypy)[0-9.]*t?\.zip
    | lib[^/]*/(python|pypy)[0-9.]+t?/(?!(site|dist)-packages/).+
    | bin/(de)?activate(\.[^/]*|_this\.py)?
"""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
#: The errors that say that nothing has a name; after others there may be something.
NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})

_CHUNK = 1024 * 1024
#: In bytes: no larger file is hashed. A sparse one that fills no disk can be as large as there are addresses.
LARGEST_HASHED = 16 * 1024**3


def configures_interpreter(path: str) -> bool:
    """Whether a file belongs to the interpreter of an environment, so that no project may bring or remove it.

    :param path: relative to the prefix, with programs in ``bin``
    """
    return re.fullmatch(_OF_AN_INTERPRETER, path) is not None


def words_of(given: Iterable[str | os.PathLike[str]], what: str) -> list[str]:
    """What a caller of the library gave as a list of paths or names, as ``str``.

    :param what: the name of the parameter
    :raises UsageError: if it is a single string, which is a list of letters to Python, or holds an empty one
        or other values
    """
    if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Iterable):
        raise UsageError(None, f"{what} is {given!r:.80}, but must be a list", f"write [{given!r:.80}]")
    words = [path_of(word, f"an item of {what}") for word in given]
    if "" in words:
        raise UsageError(None, f"one of the {what} is empty", "leave it out, or see which variable is empty")
    return words


def path_of(given: str | os.PathLike[str], what: str) -> str:
    """A path that a caller of the library gave, as ``str``.

    :param what: the name of the parameter
    :raises UsageError: if it is another value
    """
    path: object = given
    if isinstance(given, os.PathLike):
        path = os.fspath(given)
    if not isinstance(path, str):
        raise UsageError(None, f"{what} is {given!r:.80}, but must be a str or an os.PathLike")
    return path


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
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a device can do something already
        raise OSError(errno.EINVAL, "not a regular file", path)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def kind_of(path: str, *, follow_links: bool = True) -> int:
    """What there is, as ``S_IFMT`` of :mod:`stat` tells it; 0 if there is nothing.

    Unlike those of :mod:`os.path`, this and :func:`is_there` do not take an error for an answer: a disk that
    fails, or a directory that must not be looked into, says nothing about what is there.

    :raises OSError: if it cannot be found out
    """
    try:
        return stat.S_IFMT(os.stat(path, follow_symlinks=follow_links).st_mode)
    except ValueError:  # a null byte
        return 0
    except OSError as error:
        if error.errno in NOT_THERE:
            return 0
        raise


def is_there(path: str) -> bool:
    """Whether something has a name, be it a link that leads nowhere.

    :raises OSError: if it cannot be found out
    """
    return kind_of(path, follow_links=False) != 0


def may_exist(path: str) -> bool:
    """Whether there is something, links followed; also where that cannot be found out."""
    try:
        return kind_of(path) != 0
    except OSError:
        return True


def hash_file(path: str, algorithm: str = "sha256") -> bytes:
    """The digest of a file's content, as far as its present size goes.

    :param algorithm: as :mod:`hashlib` spells it
    :raises OSError: if it cannot be read, or is larger than what is hashed
    :raises ValueError: if there is no such algorithm
    """
    hasher = hashlib.new(algorithm)
    if not hasher.digest_size:
        raise ValueError(f"{algorithm} has no length of its own")
    with open_regular(path) as file:
        left = os.fstat(file.fileno()).st_size
        if left > LARGEST_HASHED:
            raise OSError(errno.EFBIG, "larger than 16 GiB, and no larger file is hashed", path)
        while left > 0 and (chunk := file.read(min(left, _CHUNK))):
            hasher.update(chunk)
            left -= len(chunk)
    return hasher.digest()


def write_new_file(path: str, chunks: Iterable[bytes], *, executable: bool) -> tuple[bytes, int]:
    """Write a file that does not exist yet; its mode follows the umask, as with pip.

    :return: its SHA-256, and its size in bytes
    """
    descriptor = os.open(path, _NEW_FILE, 0o777 if executable else 0o666)
    try:
        return write_and_hash(descriptor, chunks)
    finally:
        os.close(descriptor)


def write_and_hash(descriptor: int, chunks: Iterable[bytes]) -> tuple[bytes, int]:
    """Write into a new file that is open.

    :return: its SHA-256, and its size in bytes
    """
    hasher, size = hashlib.sha256(), 0
    for chunk in chunks:
        hasher.update(chunk)
        size += len(chunk)
        write_all(descriptor, chunk)
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


def sync_file_system(directory: str) -> None:
    """Return when all that was written to the file system of a directory is on its disk.

    One call for any number of files: syncing each of a thousand takes some hundred times as long.

    https://man7.org/linux/man-pages/man2/syncfs.2.html

    :raises OSError: if it cannot be brought there
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
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
