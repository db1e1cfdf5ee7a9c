"""What the entries of an archive would become on disk, judged by their names, kinds and sizes.

This is where path traversal is refused: a path that leaves the tree ("../x", "/x", "C:x"), on any file system
and for any tool. Refused as well are entries that are neither files nor directories (links, devices), two
entries for one place, unknown coding, and archives that would fill a disk. Names that only some file systems
take for one place are returned: the destination decides (:class:`~muslfix.staging.tree.NewTree`).

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.4.17 on names)
"""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from muslfix.errors import InvalidWheel
from muslfix.wheels.limits import Limits
from muslfix.wheels.zip_directory import Entry
from muslfix.wheels.zip_format import HAS_DESCRIPTOR, METHODS, STORED, UTF8

#: What is said of two names that are not one everywhere.
ALIKE = "which some file systems take for one name"

_ENCRYPTED = 0x1 | 0x40 | 0x2000  # 4.4.4: bits 0 (also with another, 6) and 13, which hides the headers
_KNOWN_FLAGS = 0x2 | 0x4 | HAS_DESCRIPTOR | UTF8  # the first two are levels of compression
_NEWEST_FORMAT = 63  # 4.4.3: 6.3; a later one may mean what nobody knows yet
_DOS_DIRECTORY = 0x10
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
# What else ends a line for str.splitlines: pip reads RECORD with that when it uninstalls, and takes away the
# file that the rest of the name is.
_SEPARATOR = re.compile("[\u2028\u2029]")
# Bytes; the first is the limit of file systems, the second is far below it.
_LONGEST_PART, _LONGEST_NAME = 255, 1024


def judge_entries(
    path: str, entries: Sequence[Entry], archive_size: int, limits: Limits
) -> tuple[tuple[str, str], ...]:
    """Judge the entries of an archive.

    :param path: of the archive, for the error
    :param entries: all of them
    :param archive_size: in bytes
    :param limits: for what they unpack to
    :return: pairs of names that differ, and that some file systems take for one place
    :raises InvalidWheel: with the first thing that is wrong
    """
    for entry in entries:
        _refuse_traversal(path, entry.name)
        if len(entry.raw_name) > _LONGEST_PART:
            _judge_length(path, entry)
        _judge_kind(path, entry)
        _judge_coding(path, entry)
    _judge_sizes(path, entries, archive_size, limits)
    return _judge_places(path, entries)


def _refuse_traversal(path: str, name: str) -> None:
    """Refuse a path that leaves the tree it is unpacked into, or that some tool reads as another one."""
    parts = name.removesuffix("/").split("/")
    if _CONTROL.search(name):
        raise InvalidWheel(path, f"has an entry with control characters in its name: {name!r:.200}")
    if _SEPARATOR.search(name):
        raise InvalidWheel(path, f"has an entry with a line separator in its name: {name!r:.200}")
    if name.startswith("/") or "\\" in name or ":" in parts[0]:
        raise InvalidWheel(path, f"has an entry whose name is not a relative path: {name!r:.200}")
    if ".." in parts or "." in parts or "" in parts:
        raise InvalidWheel(path, f"has an entry whose path could escape its directory: {name!r:.200}")


def _judge_length(path: str, entry: Entry) -> None:
    longest = max(map(len, entry.raw_name.split(b"/")))
    if len(entry.raw_name) > _LONGEST_NAME or longest > _LONGEST_PART:
        raise InvalidWheel(path, f"has an entry whose name is too long for a file: {entry.name[:60]!r}…")


def _judge_kind(path: str, entry: Entry) -> None:
    kind = stat.S_IFMT(entry.attributes >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InvalidWheel(path, f"has an entry that is neither a file nor a directory: {entry.name!r:.200}")
    if entry.is_directory and entry.size:
        raise InvalidWheel(path, f"has a directory with bytes of its own: {entry.name!r:.200}")
    if not entry.is_directory and (kind == stat.S_IFDIR or entry.attributes & _DOS_DIRECTORY):
        raise InvalidWheel(path, f"has a file that is marked as a directory: {entry.name!r:.200}")


def _judge_coding(path: str, entry: Entry) -> None:
    """Judge how its bytes are compressed, and whether their sizes can be true."""
    if entry.flags & _ENCRYPTED:
        raise InvalidWheel(path, f"has an encrypted entry: {entry.name!r:.200}")
    if entry.flags & ~_KNOWN_FLAGS or entry.needed > _NEWEST_FORMAT:
        raise InvalidWheel(path, f"has an entry that needs a newer format: {entry.name!r:.200}")
    if entry.method not in METHODS:
        raise InvalidWheel(
            path,
            f"has an entry compressed by method {entry.method}, and muslfix reads only"
            f" {', '.join(METHODS.values())}: {entry.name!r:.200}",
        )
    if entry.method == STORED and entry.compressed_size != entry.size:
        raise InvalidWheel(path, f"gives two different sizes for {entry.name!r:.200}, which is stored")


def _judge_places(path: str, entries: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    """Refuse two entries for one place, and a file where another entry needs a directory.

    :return: see :func:`judge_entries`
    """
    alike = tuple(_clashes(entries, place_key))
    if alike:
        for what, name, other in _clashes(entries, str):
            if what == "directory":
                raise InvalidWheel(path, f"has a file where {other!r:.200} needs a directory")
            raise InvalidWheel(path, f"has two entries for {name!r:.200}")
    return tuple((name, other) for _, name, other in alike)


def _clashes(entries: Sequence[Entry], key_of: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    """Entries that cannot both be there.

    :param key_of: makes of a path what is equal for those that are one place
    :return: what the second is, ``entry`` or ``directory``; the path of the one; an entry that it meets
    """
    seen: dict[str, Entry] = {}
    below: dict[str, str] = {}
    for entry in entries:
        key = key_of(entry.name.removesuffix("/"))
        other = seen.setdefault(key, entry)
        if other is not entry and not (entry.is_directory and other.is_directory):
            yield "entry", entry.name.rstrip("/"), other.name.rstrip("/")
        while (cut := key.rfind("/")) >= 0 and (key := key[:cut]) not in below:
            below[key] = entry.name
    for key, name in below.items():
        if key in seen and not seen[key].is_directory:
            yield "directory", seen[key].name, name


def place_key(name: str) -> str:
    """A key that is equal for names that differ in composition and case only: canonical caseless matching.

    https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-3/ (D145)
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def about_alike(name: str, other: str, count: int = 1) -> str:
    """Says that two names are one for some file systems, and shows where they differ."""
    more = f" (and {count - 1} more such pairs)" if count > 1 else ""
    return f"has {name!a:.200} and {other!a:.200}, {ALIKE}{more}"


def _judge_sizes(path: str, entries: Sequence[Entry], archive_size: int, limits: Limits) -> None:
    """Refuse what would fill a disk."""
    total = sum(entry.size for entry in entries)
    if total > limits.size:
        raise InvalidWheel(
            path,
            f"would unpack to {total} bytes, more than {limits.size}",
            tip="raise the limit with --max-size if you trust it",
        )
    if total > max(limits.free, limits.ratio * archive_size):
        raise InvalidWheel(
            path,
            f"would unpack to {total // archive_size} times its size, more than {limits.ratio} times",
            tip="raise the limit with --max-ratio if you trust it",
        )
