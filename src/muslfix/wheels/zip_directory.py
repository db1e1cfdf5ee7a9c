"""The end records and the directory of a zip archive, read in one way only.

Readers of zip archives differ in where they look for the end, which of two records they believe, and what
they pass over: an archive that two of them read differently can show a scanner other files than an installer.
So every byte must be accounted for, and whatever could be read in two ways is refused.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; numbers of sections are its own.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple, Union

from muslfix.errors import InvalidWheel
from muslfix.wheels.limits import Limits

#: The bytes of an archive.
Data = Union[bytes, mmap.mmap]

_END = struct.Struct("<4s4H2LH")  # 4.3.16
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LOCATOR64 = struct.Struct("<4sLQL")  # 4.3.15
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12

LOCAL_SIGNATURE = b"PK\x03\x04"
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_END_SIGNATURE = b"PK\x05\x06"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR64_SIGNATURE = b"PK\x06\x07"
_SIGNATURES = (LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE, _END64_SIGNATURE, _LOCATOR64_SIGNATURE)

FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF  # "see the zip64 field"
ZIP64_FIELD = 0x0001  # 4.5.3
UNICODE_PATH_FIELD = 0x7075  # 4.6.9
UTF8 = 0x800  # 4.4.4, bit 11


class Entry(NamedTuple):
    """What the directory says of a file or folder.

    :param raw_name: its name as it stands there
    :param name: the same as text
    :param needed: version of the format that it needs, times ten
    :param flags: its general purpose bits
    :param method: how it is compressed
    :param modified: time and date in the format of MS-DOS
    :param crc: CRC-32 of its bytes
    :param compressed_size: bytes in the archive
    :param size: bytes when inflated
    :param attributes: external attributes; Unix modes are in the upper half
    :param header_offset: where its local header begins
    """

    raw_name: bytes
    name: str
    needed: int
    flags: int
    method: int
    modified: tuple[int, int]
    crc: int
    compressed_size: int
    size: int
    attributes: int
    header_offset: int

    @property
    def is_folder(self) -> bool:
        """Whether its name says that it is a folder."""
        return self.name.endswith("/")


class _End(NamedTuple):
    """Where the directory is: number of entries, size in bytes, offset; and where the end records begin."""

    entries: int
    size: int
    offset: int
    start: int


def read_directory(path: str, data: Data, limits: Limits) -> tuple[list[Entry], int]:
    """Read the directory of an archive.

    :param path: of the archive, for the sentence
    :param data: its bytes
    :param limits: of which the number of entries is held against the archive here
    :return: the entries in their order, and the offset at which the directory begins
    :raises InvalidWheel: if it is no zip archive, cut off, damaged, or could be read in two ways
    """
    end = _read_end(path, data)
    if end.entries > limits.entries:
        raise InvalidWheel(
            path,
            f"has {end.entries} entries, more than {limits.entries}",
            tip="raise the limit with --max-entries if you trust it",
        )
    _check_place(path, data, end)
    entries = list(_read_entries(path, data, end))
    if len(entries) != end.entries:
        raise InvalidWheel(
            path, f"has {len(entries)} entries in its directory, and its end says {end.entries}"
        )
    return entries, end.offset


def parse_extra(path: str, name: str, extra: bytes) -> dict[int, bytes]:
    """The extra fields of a header, by their number (4.5.1).

    :raises InvalidWheel: if one is longer than all, or one that counts stands there twice
    """
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        number, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if at + length > len(extra):
            raise InvalidWheel(path, f"is damaged: the extra fields of {name!r:.200} are cut off")
        if number in fields and number in (ZIP64_FIELD, UNICODE_PATH_FIELD):
            raise InvalidWheel(path, f"has an entry with two extra fields of one kind: {name!r:.200}")
        fields[number] = extra[at : at + length]
        at += length
    _check_unicode_path(path, name, fields)
    return fields


def _check_unicode_path(path: str, name: str, fields: dict[int, bytes]) -> None:
    """Refuse an extra field with another name: Python's zipfile follows it from 3.12 on, and others never."""
    other = fields.get(UNICODE_PATH_FIELD)
    if other is not None and other[5:] != name.encode():
        shown = other[5:].decode("utf-8", "backslashreplace")
        raise InvalidWheel(path, f"has an entry with two names: {name!r:.200} and {shown!r:.200}")


def _read_end(path: str, data: Data) -> _End:
    """Find the one end record, which must be the last thing in the file but for its own comment."""
    at = data.rfind(_END_SIGNATURE, max(0, len(data) - _END.size - FULL_16))
    if at < 0:
        if data[:4] == LOCAL_SIGNATURE:
            raise InvalidWheel(path, "is cut off, or has too much behind its end: there is no end record")
        raise InvalidWheel(path, "is no zip archive")
    if at + _END.size > len(data):
        raise InvalidWheel(path, "is cut off in its end record")
    _, *disks, count_here, count, size, offset, comment = _END.unpack_from(data, at)
    _check_comment(path, data, at, comment)
    end = _End(count, size, offset, at)
    locator = max(0, at - _LOCATOR64.size)
    if data[locator : locator + 4] == _LOCATOR64_SIGNATURE:
        end = _read_end64(path, data, end)
    elif count_here != count or disks != [0, 0]:
        raise InvalidWheel(path, "is one part of an archive in several parts")
    return end


def _check_comment(path: str, data: Data, at: int, length: int) -> None:
    """Refuse a comment that a reader could take for an archive, and whatever is behind the comment."""
    behind = len(data) - at - _END.size - length
    if behind < 0:
        raise InvalidWheel(path, "is cut off in its comment")
    if _has_outer_end(data, at):
        raise InvalidWheel(path, "has an archive in its comment: two end records end where it ends")
    if behind:
        raise InvalidWheel(path, f"has {behind} bytes behind its end")
    comment = data[at + _END.size :]
    if any(signature in comment for signature in _SIGNATURES):
        raise InvalidWheel(path, "has parts of an archive in its comment")


def _has_outer_end(data: Data, inner: int) -> bool:
    """Whether there is another end record whose comment reaches to the end and holds this one."""
    first = max(0, len(data) - _END.size - FULL_16)
    at = data.rfind(_END_SIGNATURE, first, inner)
    while at >= 0:
        if at + _END.size <= len(data) and at + _END.size + _END.unpack_from(data, at)[-1] == len(data):
            return True
        at = data.rfind(_END_SIGNATURE, first, at)
    return False


def _read_end64(path: str, data: Data, end: _End) -> _End:
    """Follow the zip64 locator; both end records must say the same."""
    locator = end.start - _LOCATOR64.size
    _, disk, at, disks = _LOCATOR64.unpack_from(data, locator)
    if at + _END64.size > locator or data[at : at + 4] != _END64_SIGNATURE:
        raise InvalidWheel(path, "is damaged: its zip64 end record is not where it should be")
    _, length, _, _, own_disk, first_disk, count_here, count, size, offset = _END64.unpack_from(data, at)
    if disk or own_disk or first_disk or disks > 1 or count_here != count:
        raise InvalidWheel(path, "is one part of an archive in several parts")
    pairs = ((end.entries, count, FULL_16), (end.size, size, FULL_32), (end.offset, offset, FULL_32))
    if at + 12 + length != locator or any(old not in (new, full) for old, new, full in pairs):
        raise InvalidWheel(path, "says two different things in its two end records")
    return _End(count, size, offset, at)


def _check_place(path: str, data: Data, end: _End) -> None:
    """The directory must lie directly before the end records, where these say that it is."""
    start = end.start - end.size
    if start == end.offset:
        return
    if start > end.offset and data.find(_END_SIGNATURE, end.offset + end.size, end.start) >= 0:
        raise InvalidWheel(path, "has several end records")
    if start > end.offset and data[start : start + 4] == _CENTRAL_SIGNATURE:
        raise InvalidWheel(path, f"has {start - end.offset} bytes in front of it that do not belong to it")
    if 0 <= start < end.offset and data[start : start + 4] == _CENTRAL_SIGNATURE:
        raise InvalidWheel(path, f"is damaged: {end.offset - start} bytes before its directory are missing")
    raise InvalidWheel(path, "is damaged: its directory is not where its end says")


def _read_entries(path: str, data: Data, end: _End) -> Iterator[Entry]:
    """The entries of the directory; together they must fill it."""
    directory = data[end.offset : end.start]
    at, stop = 0, len(directory)
    while at < stop:
        if at + _CENTRAL.size > stop or directory[at : at + 4] != _CENTRAL_SIGNATURE:
            raise InvalidWheel(path, "is damaged: its directory holds something else than entries")
        fields = _CENTRAL.unpack_from(directory, at)
        at += _CENTRAL.size
        behind = at + fields[10] + fields[11] + fields[12]
        if behind > stop:
            raise InvalidWheel(path, "is damaged: an entry reaches beyond its directory")
        yield _entry(path, fields, directory[at:behind])
        at = behind


def _entry(path: str, fields: tuple[int, ...], variable: bytes) -> Entry:
    """One entry.

    :param fields: those of fixed length
    :param variable: name, extra fields, comment
    """
    (_, _, needed, flags, method, time, date, crc, compressed_size, size, name_length, extra_length, _) = (
        fields[:13]
    )
    disk, _, attributes, offset = fields[13:]
    raw_name = variable[:name_length]
    name = _decode(path, raw_name, flags)
    if extra_length or FULL_32 in (size, compressed_size, offset):
        extra = parse_extra(path, name, variable[name_length : name_length + extra_length])
        size, compressed_size, offset = _zip64_values(path, name, extra, (size, compressed_size, offset))
    if disk:
        raise InvalidWheel(path, "is one part of an archive in several parts")
    return Entry(
        raw_name,
        name,
        needed & 0xFF,
        flags,
        method,
        (time, date),
        crc,
        compressed_size,
        size,
        attributes,
        offset,
    )


def _decode(path: str, raw_name: bytes, flags: int) -> str:
    """The text of a name.

    Names in wheels are UTF-8, and zip archives say so by a flag; without it, some readers take code page 437.
    """
    try:
        name = raw_name.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidWheel(path, f"has an entry whose name is not UTF-8: {raw_name!r:.200}") from None
    if not flags & UTF8 and not raw_name.isascii():
        raise InvalidWheel(path, f"has an entry whose name is not marked as UTF-8: {name!r:.200}")
    return name


def _zip64_values(path: str, name: str, extra: dict[int, bytes], values: tuple[int, ...]) -> list[int]:
    """Take from the zip64 field what does not fit into 32 bits; it must hold just that (4.5.3)."""
    wanted = values.count(FULL_32)
    field = extra.get(ZIP64_FIELD, b"")
    if len(field) != 8 * wanted:
        raise InvalidWheel(path, f"has an entry with a wrong zip64 field: {name!r:.200}")
    large = iter(struct.unpack(f"<{wanted}Q", field))
    return [next(large) if value == FULL_32 else value for value in values]
