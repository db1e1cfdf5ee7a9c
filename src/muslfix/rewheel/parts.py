"""A zip archive taken apart into what stands in it, so that it can be put together again byte for byte.

:mod:`zipfile` keeps only what is needed to unpack. Here each header keeps all its fields, and each entry
knows the range of the file that belongs to it.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 to 4.5
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from muslfix.errors import InvalidWheel

#: From where a range begins and ends to the bytes of the file there, as far as it goes.
Read = Callable[[int, int], bytes]

LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
END = struct.Struct("<4s4H2LH")  # 4.3.16
EXTRA = struct.Struct("<2H")  # 4.5.1: a record's kind and length
OFFSET64 = struct.Struct("<Q")

#: The value of a field that says: the true one stands elsewhere, in a field of 64 bits.
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF

#: Bits of the general purpose flags: a data descriptor follows the data; the name is UTF-8.
DESCRIPTOR, UTF8 = 0x8, 0x800
DEFLATED = 8

#: Kinds of records in an extra field (4.5.3, 4.6.9).
ZIP64, UNICODE_PATH = 0x0001, 0x7075


class LocalHeader(NamedTuple):
    """The fields before a member's name and data."""

    signature: bytes
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    compressed_size: int
    size: int
    name_length: int
    extra_length: int


class CentralHeader(NamedTuple):
    """The fields of a member's entry in the directory."""

    signature: bytes
    made_by: int
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    compressed_size: int
    size: int
    name_length: int
    extra_length: int
    comment_length: int
    disk: int
    internal: int
    external: int
    offset: int


@dataclass(frozen=True)
class Entry:
    """An entry of the directory, and the range of the file that belongs to it.

    :param header: its fields
    :param path: its name
    :param name: the same as it stands there
    :param extra: its extra field
    :param comment: its comment
    :param start: where its local header begins
    :param stop: where the next one begins; its data, and a data descriptor, lie before that
    """

    header: CentralHeader
    path: str
    name: bytes
    extra: bytes
    comment: bytes
    start: int
    stop: int = 0

    @property
    def encoding(self) -> str:
        """The encoding of its name."""
        return encoding(self.header)


def encoding(header: CentralHeader) -> str:
    """The encoding of a name: appendix D of the specification."""
    return "utf-8" if header.flags & UTF8 else "cp437"


@dataclass(frozen=True)
class ZipParts:
    """An archive taken apart.

    :param entries: in the order of the directory
    :param end: the fields of the record that ends it
    :param end64: the record of a large archive that stands before that, else empty
    :param locator: what says where that is, else empty
    :param comment: of the archive
    """

    entries: tuple[Entry, ...]
    end: tuple[int, ...]
    end64: bytes
    locator: bytes
    comment: bytes


def parse_zip(path: str, size: int, read: Read) -> ZipParts:
    """Take an archive apart.

    :param path: of the file, for the error
    :param size: of the file
    :param read: reads it
    :raises InvalidWheel: if its parts do not meet, so that it cannot be said what belongs to what
    """
    try:
        end_at = _find_end(size, read)
        _, *end = END.unpack(read(end_at, end_at + END.size))
        comment = read(end_at + END.size, size)
        disk, disk_of_directory, count_on_disk, count, length, start, comment_length = end
        if disk or disk_of_directory or count_on_disk != count:
            raise ValueError("it is on several disks")
        end64, locator = _find_end64(end_at, read)
        if end64:
            count, length, start = END64.unpack_from(end64)[-3:]
        if start + length != end_at - len(end64) - len(locator) or comment_length != len(comment):
            raise ValueError("there are bytes that belong to nothing")
        entries = list(_parse_entries(read(start, start + length), count))
    except (struct.error, ValueError) as error:
        raise InvalidWheel(path, f"has a damaged zip directory ({error})") from error
    starts = sorted(entry.start for entry in entries)
    stops = dict(zip(starts, [*starts[1:], start]))
    return ZipParts(
        tuple(replace(entry, stop=stops[entry.start]) for entry in entries),
        tuple(end),
        end64,
        locator,
        comment,
    )


def _find_end(size: int, read: Read) -> int:
    """Where the end record begins: the last one whose comment reaches to the end of the file."""
    begin = max(0, size - END.size - MAX16)
    tail = read(begin, size)
    at = len(tail) - END.size if tail[-END.size :].startswith(b"PK\5\6") else tail.rfind(b"PK\5\6")
    if at < 0:
        raise ValueError("there is no end record")
    return begin + at


def _find_end64(end_at: int, read: Read) -> tuple[bytes, bytes]:
    """The end record of a large archive, with all that follows its fields, and its locator."""
    locator_at = end_at - LOCATOR64.size
    locator = read(max(locator_at, 0), end_at)
    if not locator.startswith(b"PK\6\7"):
        return b"", b""
    at = LOCATOR64.unpack(locator)[2]
    record = read(min(at, locator_at), locator_at)
    if not record.startswith(b"PK\6\6"):
        raise ValueError("there is no end record for a large archive where its locator says")
    return record, locator


def _parse_entries(directory: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        header = CentralHeader(*CENTRAL.unpack_from(directory, at))
        name_at = at + CENTRAL.size
        extra_at = name_at + header.name_length
        comment_at = extra_at + header.extra_length
        at = comment_at + header.comment_length
        if header.signature != b"PK\1\2" or at > len(directory):
            raise ValueError("an entry is cut off")
        name, extra = directory[name_at:extra_at], directory[extra_at:comment_at]
        start, place = header.offset, place_of_offset(header, extra)
        if start == MAX32 and place is not None:
            (start,) = OFFSET64.unpack_from(extra, place)
        path = name.decode(encoding(header))
        yield Entry(header, path, name, extra, directory[comment_at:at], start)
    if at != len(directory):
        raise ValueError("it holds more than its entries")


def read_local(entry: Entry, read: Read) -> tuple[LocalHeader, bytes, int]:
    """The local header of a member, its extra field, and where the data begin."""
    at = entry.start + LOCAL.size
    header = LocalHeader(*LOCAL.unpack(read(entry.start, at)))
    extra_at = at + header.name_length
    data_at = extra_at + header.extra_length
    return header, read(extra_at, data_at), data_at


def extra_records(extra: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of what each record of an extra field holds; where it is damaged, it ends."""
    at = 0
    while at + EXTRA.size <= len(extra):
        kind, length = EXTRA.unpack_from(extra, at)
        at += EXTRA.size
        if at + length > len(extra):
            return
        yield kind, at, at + length
        at += length


def place_of_offset(header: CentralHeader, extra: bytes) -> int | None:
    """Where in an extra field the large offset stands, or would: behind sizes that stand there (4.5.3)."""
    sizes = [header.size, header.compressed_size].count(MAX32)
    return next((begin + 8 * sizes for kind, begin, _ in extra_records(extra) if kind == ZIP64), None)
