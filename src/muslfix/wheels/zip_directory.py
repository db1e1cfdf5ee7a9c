"""The end records and the central directory of a zip archive, read in one way only.

Readers of zip archives differ in where they look for the end, which of two records they believe, and what
they skip: an archive that two of them read differently can show a scanner other files than an installer. So
every byte must be accounted for, and whatever could be read in two ways is refused.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; numbers of sections are its own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from muslfix.errors import InvalidWheel
from muslfix.wheels.limits import Limits
from muslfix.wheels.zip_bytes import ZipBytes
from muslfix.wheels.zip_format import (
    DIRECTORY_HEADER,
    DIRECTORY_SIGNATURE,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    FULL_16,
    FULL_32,
    LOCAL_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    UTF8,
    ZIP64_FIELD,
    DirectoryHeader,
    End,
    End64,
    Locator64,
    parse_extra,
)

# In bytes: what a directory may have, and for each possible entry; real ones have 100 to 200.
_LEAST_DIRECTORY = 16 * 1024 * 1024
_LONG_ENTRY = 256

# What is written to fill up a block, or slips in when a file is copied as text; no reader begins anything so.
_PADDING = b"\0\t\n\r "
_SIGNATURES = (LOCAL_SIGNATURE, DIRECTORY_SIGNATURE, END_SIGNATURE, END64_SIGNATURE, LOCATOR64_SIGNATURE)


class Entry(NamedTuple):
    """What the central directory says of a file or directory.

    :param name: its path, with ``/`` between its parts, and at the end of a directory's
    :param raw_name: the same as the bytes in the archive
    :param needed: the version of the format that it needs, times ten
    :param flags: its general purpose bits
    :param method: how it is compressed
    :param crc: CRC-32 of the inflated bytes
    :param compressed_size: bytes in the archive
    :param size: bytes when inflated
    :param attributes: external attributes; Unix modes are in the upper half
    :param header_offset: where its local header begins
    :param span: where this lies in the central directory
    """

    name: str
    raw_name: bytes
    needed: int
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    attributes: int
    header_offset: int
    span: range

    @property
    def is_directory(self) -> bool:
        """Whether its name is that of a directory."""
        return self.name.endswith("/")


class Directory(NamedTuple):
    """The central directory, and where it and what follows it lie in the archive.

    :param entries: in their order
    :param span: of all entries
    :param end64: of the zip64 end record; empty if there is none
    :param locator64: of what says where that is; empty as well
    :param end: of the end record, the comment and the padding, to the end of the archive
    :param padding: bytes at its end that belong to nothing, and that nobody takes for content
    """

    entries: list[Entry]
    span: range
    end64: range
    locator64: range
    end: range
    padding: int


class _Ends(NamedTuple):
    """What the end records say of the directory, and where they begin."""

    entries: int
    size: int
    offset: int
    start: int
    end: int
    padding: int


def read_directory(path: str, data: ZipBytes, limits: Limits) -> Directory:
    """Read the central directory of an archive.

    :param path: of the archive, for the error
    :param data: its bytes
    :param limits: the number of entries is compared with it here
    :raises InvalidWheel: if it is not a zip archive, cut off, damaged, or could be read in two ways
    """
    ends = _read_ends(path, data)
    if ends.entries > limits.entries:
        raise InvalidWheel(
            path,
            f"has {ends.entries} entries, more than {limits.entries}",
            tip="raise the limit with --max-entries if you trust it",
        )
    _check_place(path, data, ends)
    if ends.size > _LEAST_DIRECTORY + limits.entries * _LONG_ENTRY:  # all of it is held in memory
        raise InvalidWheel(path, f"has a central directory of {ends.size} bytes, which is too large")
    entries = list(_read_entries(path, data, ends))
    if len(entries) != ends.entries:
        raise InvalidWheel(
            path,
            f"has {len(entries)} entries in its central directory, and its end record says {ends.entries}",
        )
    locator = ends.end if ends.start == ends.end else ends.end - LOCATOR64.size
    return Directory(
        entries,
        span=range(ends.offset, ends.start),
        end64=range(ends.start, locator),
        locator64=range(locator, ends.end),
        end=range(ends.end, len(data)),
        padding=ends.padding,
    )


def _read_ends(path: str, data: ZipBytes) -> _Ends:
    """Find the one end record, which must be the last thing in the file but for its comment and padding."""
    first = max(0, len(data) - END.size - FULL_16)
    tail = data[first : len(data)]
    at = first + tail.rfind(END_SIGNATURE)
    if at < first:
        if data[:4] == LOCAL_SIGNATURE:
            raise InvalidWheel(path, "is cut off, or has too much after its end: it has no end record")
        raise InvalidWheel(path, "is not a zip archive")
    if at + END.size > len(data):
        raise InvalidWheel(path, "is cut off in its end record")
    end = End._make(END.unpack(data[at : at + END.size]))
    padding = _check_comment(path, tail, at - first, end.comment_length)
    locator = at - LOCATOR64.size
    if locator >= 0 and data[locator : locator + 4] == LOCATOR64_SIGNATURE:
        return _read_end64(path, data, end, at)._replace(padding=padding)
    if end.entries_on_disk != end.entries or end.disk or end.directory_disk:
        raise InvalidWheel(path, "is one part of a multi-part archive")
    return _Ends(end.entries, end.directory_size, end.directory_offset, at, at, padding)


def _check_comment(path: str, tail: bytes, at: int, length: int) -> int:
    """Refuse a comment that a reader could take for an archive, and any content after the comment.

    :param tail: the end of the archive
    :param at: where the end record begins in it
    :return: bytes of padding after the comment
    """
    end = at + END.size + length
    comment, padding = tail[at + END.size : end], tail[end:]
    if end > len(tail):
        raise InvalidWheel(path, "is cut off in its comment")
    if _has_outer_end(tail, at):
        raise InvalidWheel(path, "has an archive in its comment: two end records end where it ends")
    if padding.strip(_PADDING):
        raise InvalidWheel(path, f"has {len(padding)} bytes after its end")
    if any(signature in comment for signature in _SIGNATURES):
        raise InvalidWheel(path, "has parts of an archive in its comment")
    return len(padding)


def _has_outer_end(tail: bytes, inner: int) -> bool:
    """Whether there is another end record whose comment holds this one and ends where the file does."""
    starts = (match.start() for match in re.finditer(re.escape(END_SIGNATURE), tail[:inner]))
    return any(at + END.size + END.unpack_from(tail, at)[-1] == len(tail) for at in starts)


def _read_end64(path: str, data: ZipBytes, end: End, end_at: int) -> _Ends:
    """Follow the zip64 locator; both end records must say the same."""
    locator_at = end_at - LOCATOR64.size
    locator = Locator64._make(LOCATOR64.unpack(data[locator_at:end_at]))
    at = locator.end64_offset
    if at + END64.size > locator_at or data[at : at + 4] != END64_SIGNATURE:
        raise InvalidWheel(path, "is damaged: its zip64 end record is not where it should be")
    large = End64._make(END64.unpack(data[at : at + END64.size]))
    disks = locator.disk, large.disk, large.directory_disk
    if any(disks) or locator.disks > 1 or large.entries_on_disk != large.entries:
        raise InvalidWheel(path, "is one part of a multi-part archive")
    pairs = (
        (end.entries, large.entries, FULL_16),
        (end.directory_size, large.directory_size, FULL_32),
        (end.directory_offset, large.directory_offset, FULL_32),
    )
    if at + 12 + large.length != locator_at or any(old not in (new, full) for old, new, full in pairs):
        raise InvalidWheel(path, "has two end records that disagree")
    return _Ends(large.entries, large.directory_size, large.directory_offset, at, end_at, 0)


def _check_place(path: str, data: ZipBytes, ends: _Ends) -> None:
    """The directory must lie directly before the end records, where these say that it is."""
    start = ends.start - ends.size
    if start == ends.offset:
        return
    if start > ends.offset and data.find(END_SIGNATURE, ends.offset + ends.size, ends.start) >= 0:
        raise InvalidWheel(path, "has several end records")
    if start > ends.offset and data[start : start + 4] == DIRECTORY_SIGNATURE:
        raise InvalidWheel(
            path, f"has {start - ends.offset} bytes before the archive that are not part of it"
        )
    if 0 <= start < ends.offset and data[start : start + 4] == DIRECTORY_SIGNATURE:
        raise InvalidWheel(
            path, f"is damaged: {ends.offset - start} bytes before its central directory are missing"
        )
    raise InvalidWheel(path, "is damaged: its central directory is not where its end record says")


def _read_entries(path: str, data: ZipBytes, ends: _Ends) -> Iterator[Entry]:
    """The entries of the directory; together they must fill it."""
    directory = data[ends.offset : ends.start]
    at, stop = 0, len(directory)
    while at < stop:
        if at + DIRECTORY_HEADER.size > stop or directory[at : at + 4] != DIRECTORY_SIGNATURE:
            raise InvalidWheel(path, "is damaged: its central directory holds something other than entries")
        header = DirectoryHeader._make(DIRECTORY_HEADER.unpack_from(directory, at))
        end = at + DIRECTORY_HEADER.size + header.name_length + header.extra_length + header.comment_length
        if end > stop:
            raise InvalidWheel(path, "is damaged: an entry reaches beyond its central directory")
        yield _entry(path, header, directory[at + DIRECTORY_HEADER.size : end], range(at, end))
        at = end


def _entry(path: str, header: DirectoryHeader, variable: bytes, span: range) -> Entry:
    """One entry.

    :param variable: its name, extra fields and comment
    :param span: where it lies in the directory
    """
    raw_name = variable[: header.name_length]
    name = _decode(path, raw_name, header.flags)
    size, compressed_size, offset = header.size, header.compressed_size, header.header_offset
    if header.extra_length or FULL_32 in (size, compressed_size, offset):
        extra = parse_extra(path, name, variable[header.name_length :][: header.extra_length])
        size, compressed_size, offset = _zip64_values(path, name, extra, (size, compressed_size, offset))
    if header.disk:
        raise InvalidWheel(path, "is one part of a multi-part archive")
    return Entry(
        name,
        raw_name,
        header.needed & 0xFF,
        header.flags,
        header.method,
        header.crc,
        compressed_size,
        size,
        header.attributes,
        offset,
        span,
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
