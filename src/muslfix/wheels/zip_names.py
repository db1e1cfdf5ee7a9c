"""What the entries of an archive would become on a disk, judged by their names, kinds and sizes alone.

A name is refused if any file system or any tool could take it for a place outside the folder, for something
else than a file or folder, or for the same place as another name.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (4.4.17 on names)
"""

from __future__ import annotations

import re
import stat
import unicodedata
from collections.abc import Sequence

from muslfix.errors import InvalidWheel
from muslfix.wheels.limits import Limits
from muslfix.wheels.zip_directory import Entry
from muslfix.wheels.zip_format import DEFLATED, HAS_DESCRIPTOR, STORED, UTF8

_ENCRYPTED = 0x1 | 0x40 | 0x2000  # 4.4.4: bits 0 (also with another, 6) and 13, which hides the headers
_KNOWN_FLAGS = 0x2 | 0x4 | HAS_DESCRIPTOR | UTF8  # the first two are levels of compression
_NEWEST_FORMAT = 63  # 4.4.3: 6.3; a later one may mean what nobody knows yet
_DOS_FOLDER = 0x10
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
_LONGEST_PART, _LONGEST_NAME = (
    255,
    1024,
)  # bytes; what file systems take, and far from the end of their patience


def judge_entries(path: str, entries: Sequence[Entry], archive_size: int, limits: Limits) -> None:
    """Judge the entries of an archive.

    :param path: of the archive, for the sentence
    :param archive_size: in bytes
    :raises InvalidWheel: with the first thing that is wrong
    """
    for entry in entries:
        _judge_name(path, entry.name)
        _judge_kind(path, entry)
        _judge_coding(path, entry)
    _judge_places(path, entries)
    _judge_sizes(path, entries, archive_size, limits)


def _judge_name(path: str, name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if _CONTROL.search(name):
        raise InvalidWheel(path, f"has an entry with control characters in its name: {name!r:.200}")
    if name.startswith("/") or "\\" in name or ":" in parts[0]:
        raise InvalidWheel(path, f"has an entry whose name is no relative path: {name!r:.200}")
    if ".." in parts or "." in parts or "" in parts:
        raise InvalidWheel(path, f"has an entry whose path does not stay in its folder: {name!r:.200}")
    length = len(name.encode())
    if length > _LONGEST_NAME or (length > _LONGEST_PART and _longest(parts) > _LONGEST_PART):
        raise InvalidWheel(path, f"has an entry whose name is too long for a file: {name[:60]!r}…")


def _longest(parts: list[str]) -> int:
    return max(len(part.encode()) for part in parts)


def _judge_kind(path: str, entry: Entry) -> None:
    kind = stat.S_IFMT(entry.attributes >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InvalidWheel(path, f"has an entry that is neither file nor folder: {entry.name!r:.200}")
    if entry.is_directory and entry.size:
        raise InvalidWheel(path, f"has a folder with bytes of its own: {entry.name!r:.200}")
    if not entry.is_directory and (kind == stat.S_IFDIR or entry.attributes & _DOS_FOLDER):
        raise InvalidWheel(path, f"has a file that is marked as a folder: {entry.name!r:.200}")


def _judge_coding(path: str, entry: Entry) -> None:
    """Judge how its bytes are coded, and whether they can be what it says."""
    if entry.flags & _ENCRYPTED:
        raise InvalidWheel(path, f"has an encrypted entry: {entry.name!r:.200}")
    if entry.flags & ~_KNOWN_FLAGS or entry.needed > _NEWEST_FORMAT:
        raise InvalidWheel(path, f"has an entry that needs a newer format: {entry.name!r:.200}")
    if entry.method not in (STORED, DEFLATED):
        raise InvalidWheel(
            path,
            f"has an entry compressed by method {entry.method}, not stored or deflate: {entry.name!r:.200}",
        )
    if entry.method == STORED and entry.compressed_size != entry.size:
        raise InvalidWheel(path, f"says two different sizes of {entry.name!r:.200}, which is stored")


def _judge_places(path: str, entries: Sequence[Entry]) -> None:
    """Refuse two entries for one place, and a file where another entry needs a folder.

    Names that one file system or another takes for the same are refused on all of them.
    """
    seen: dict[str, Entry] = {}
    below: dict[str, str] = {}
    for entry in entries:
        key = place_key(entry.name.removesuffix("/"))
        other = seen.setdefault(key, entry)
        if other is not entry and not (entry.is_directory and other.is_directory):
            raise InvalidWheel(path, f"has two entries for {_how(entry, other)}")
        while (cut := key.rfind("/")) >= 0 and (key := key[:cut]) not in below:
            below[key] = entry.name
    for key, name in below.items():
        if key in seen and not seen[key].is_directory:
            raise InvalidWheel(path, f"has a file where {name!r:.200} needs a folder")


def place_key(name: str) -> str:
    """The same for names that differ in composition and case only: canonical caseless matching (D145).

    https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-3/
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _how(entry: Entry, other: Entry) -> str:
    name, first = entry.name.rstrip("/"), other.name.rstrip("/")
    return f"{name!r:.200}" + ("" if name == first else f", which some take for {first!r:.200}")


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
