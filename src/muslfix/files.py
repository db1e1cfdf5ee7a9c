"""Files: read without trusting who wrote them, made anew, synced to disk; JSON read with care.

Python's JSON parser accepts more than an honest file holds. The bounds here also keep error messages short,
and readers from running out of stack.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from muslfix.errors import InvalidJson, UsageError

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

# Bounds that no file of muslfix comes near.
_MAX_DEPTH = 50
_MAX_DIGITS = 20

_TYPES = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}


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


def parse_json(content: str | bytes) -> Any:
    """Parse a JSON document.

    Beyond the grammar it must be unambiguous (no name twice in an object: parsers differ on which counts,
    https://www.rfc-editor.org/rfc/rfc8259#section-4), nested 50 levels deep at most, with whole numbers of
    20 digits at most, and its strings must be such as file names can be.

    :raises InvalidJson: if it is not; with what is wrong
    """
    try:
        value = json.loads(
            content if isinstance(content, str) else content.decode(),
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_constant=_refuse_constant,
        )
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError) as error:
        raise InvalidJson(None, f"is not JSON ({error})") from error
    return value


class JsonObject:
    """A JSON object of which nothing is known yet.

    :param value: as :func:`parse_json` returns it
    :param path: where it is in the document, with a dot at its end; empty for the document itself
    :raises InvalidJson: if it is not an object. All methods raise it if the value is missing or of another
        type: ``machine.bits is '64', which is not a whole number``
    """

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidJson(None, f"{path[:-1] or 'the document'} is not a JSON object")
        self._values: Mapping[str, Any] = value
        self.path = path

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def names(self) -> list[str]:
        """The names in it, in their order."""
        return list(self._values)

    def value(self, name: str, kind: type = object) -> Any:
        """A value of the given type, or of any type if none is given."""
        if name not in self._values:
            raise InvalidJson(None, f"{self.path}{name} is missing")
        value = self._values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise InvalidJson(None, f"{self.path}{name} is {value!r:.80}, which is not {_TYPES[kind]}")
        return value

    def text(self, name: str) -> str:
        """A text."""
        text: str = self.value(name, str)
        return text

    def text_or_none(self, name: str) -> str | None:
        """A text or ``null``."""
        return None if self.value(name) is None else self.text(name)

    def optional_text(self, name: str) -> str | None:
        """A text, ``null``, or nothing."""
        return self.text_or_none(name) if name in self else None

    def whole(self, name: str) -> int:
        """A whole number."""
        number: int = self.value(name, int)
        return number

    def object(self, name: str) -> JsonObject:
        """An object, read in the same way as this one."""
        return type(self)(self.value(name, dict), f"{self.path}{name}.")

    def texts(self, name: str, at_most: int = 100_000) -> tuple[str, ...]:
        """A list of texts.

        :param at_most: the largest number of entries that is accepted
        """
        items = self._items(name, at_most)
        return tuple(items.text(index) for index in items.names)

    def objects(self, name: str, at_most: int = 100_000) -> tuple[JsonObject, ...]:
        """A list of objects.

        :param at_most: the largest number of entries that is accepted
        """
        items = self._items(name, at_most)
        return tuple(items.object(index) for index in items.names)

    def _items(self, name: str, at_most: int) -> JsonObject:
        """A list as an object whose names are the indexes."""
        items = self.value(name, list)
        if len(items) > at_most:
            raise InvalidJson(None, f"{self.path}{name} has {len(items)} entries, which is too many")
        return type(self)({str(index): item for index, item in enumerate(items)}, f"{self.path}{name}.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r:.80} occurs twice in one object")
        found[name] = value
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
