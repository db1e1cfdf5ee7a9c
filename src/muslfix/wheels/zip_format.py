"""The records of a zip archive, as structures: the one place that knows how its bytes are laid out.

The names of the fields are those of the specification, whose sections are given by number:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from muslfix.errors import InvalidWheel

LOCAL_HEADER = struct.Struct("<4s5H3L2H")  # 4.3.7
DIRECTORY_HEADER = struct.Struct("<4s6H3L5H2L")  # 4.3.12
END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
END = struct.Struct("<4s4H2LH")  # 4.3.16
EXTRA_HEADER = struct.Struct("<2H")  # 4.5.1

LOCAL_SIGNATURE = b"PK\x03\x04"
DIRECTORY_SIGNATURE = b"PK\x01\x02"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR64_SIGNATURE = b"PK\x06\x07"
END_SIGNATURE = b"PK\x05\x06"

#: The value of a field of 16 or 32 bits that refers to a zip64 record for the true one.
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF

#: Methods of compression (4.4.5).
STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
METHODS = {STORED: "stored", DEFLATED: "deflate", BZIP2: "bzip2", LZMA: "LZMA"}

#: General purpose bits (4.4.4): a data descriptor follows the data; the name is UTF-8.
HAS_DESCRIPTOR, UTF8 = 0x8, 0x800

#: Kinds of extra fields: large sizes and offset (4.5.3), and the name once more (4.6.9).
ZIP64_FIELD, UNICODE_PATH_FIELD = 0x0001, 0x7075

#: The version of the format that brought zip64 (4.4.3).
ZIP64_VERSION = 45


class LocalHeader(NamedTuple):
    """The fixed fields before the name and the data of a member; :data:`LOCAL_HEADER`."""

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


class DirectoryHeader(NamedTuple):
    """The fixed fields of an entry in the central directory; :data:`DIRECTORY_HEADER`."""

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
    internal_attributes: int
    attributes: int
    header_offset: int


class End64(NamedTuple):
    """The zip64 end record without its extensible data; :data:`END64`."""

    signature: bytes
    length: int
    made_by: int
    needed: int
    disk: int
    directory_disk: int
    entries_on_disk: int
    entries: int
    directory_size: int
    directory_offset: int


class Locator64(NamedTuple):
    """What says where the zip64 end record is; :data:`LOCATOR64`."""

    signature: bytes
    disk: int
    end64_offset: int
    disks: int


class End(NamedTuple):
    """The end record without the comment; :data:`END`."""

    signature: bytes
    disk: int
    directory_disk: int
    entries_on_disk: int
    entries: int
    directory_size: int
    directory_offset: int
    comment_length: int


class ExtraField(NamedTuple):
    """Where one of the extra fields of a header lies.

    :param kind: its number
    :param start: where it begins, with its own header
    :param stop: where it ends
    """

    kind: int
    start: int
    stop: int


def iter_extra(extra: bytes) -> Iterator[ExtraField]:
    """The extra fields of a header (4.5.1); up to three bytes after the last one belong to none.

    :param extra: all of them
    :raises ValueError: if one is longer than the rest
    """
    start = 0
    while start + EXTRA_HEADER.size <= len(extra):
        kind, length = EXTRA_HEADER.unpack_from(extra, start)
        stop = start + EXTRA_HEADER.size + length
        if stop > len(extra):
            raise ValueError("cut off")
        yield ExtraField(kind, start, stop)
        start = stop


def parse_extra(path: str, name: str, extra: bytes) -> dict[int, bytes]:
    """The extra fields of a header, by their number (4.5.1).

    :param path: of the archive, for the error
    :param name: of the entry
    :raises InvalidWheel: if one is cut off, there are two of a kind that matters, or one brings another name
    """
    fields: dict[int, bytes] = {}
    try:
        for kind, start, stop in iter_extra(extra):
            if kind in fields and kind in (ZIP64_FIELD, UNICODE_PATH_FIELD):
                raise InvalidWheel(path, f"has an entry with two extra fields of one kind: {name!r:.200}")
            fields[kind] = extra[start + EXTRA_HEADER.size : stop]
    except ValueError:
        raise InvalidWheel(path, f"is damaged: the extra fields of {name!r:.200} are cut off") from None
    _check_unicode_path(path, name, fields)
    return fields


def _check_unicode_path(path: str, name: str, fields: dict[int, bytes]) -> None:
    """Refuse an extra field with another name: Python's zipfile follows it from 3.12 on, and others never."""
    other = fields.get(UNICODE_PATH_FIELD)
    if other is not None and other[5:] != name.encode():
        shown = other[5:].decode("utf-8", "backslashreplace")
        raise InvalidWheel(path, f"has an entry with two names: {name!r:.200} and {shown!r:.200}")
