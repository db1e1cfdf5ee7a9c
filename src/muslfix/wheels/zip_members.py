"""Where the members of a zip archive lie: each behind a local header that agrees with the directory.

A reader that works through an archive from its beginning sees the local headers only, one that starts at the
end sees the central directory. For both to find the same files, the two must agree, and members must lie one
after the other without a gap, since a gap could hold one more.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; numbers of sections are its own.
"""

from __future__ import annotations

import stat
import struct
from typing import NamedTuple

from muslfix.errors import InvalidWheel
from muslfix.wheels.zip_bytes import ZipBytes
from muslfix.wheels.zip_directory import Directory, Entry
from muslfix.wheels.zip_format import (
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    FULL_32,
    HAS_DESCRIPTOR,
    LOCAL_HEADER,
    LOCAL_SIGNATURE,
    STORED,
    ZIP64_FIELD,
    LocalHeader,
    parse_extra,
)


class Member(NamedTuple):
    """An entry of the central directory and where the parts of it lie in the archive.

    :param entry: what the directory says of it
    :param offset: where its data begin
    :param end: where the next member, or the directory, begins
    """

    entry: Entry
    offset: int
    end: int

    @property
    def name(self) -> str:
        """Its path, with ``/`` between its parts."""
        return self.entry.name

    @property
    def size(self) -> int:
        """Bytes when inflated."""
        return self.entry.size

    @property
    def compressed_size(self) -> int:
        """Bytes in the archive."""
        return self.entry.compressed_size

    @property
    def crc(self) -> int:
        """CRC-32 of the inflated bytes."""
        return self.entry.crc

    @property
    def deflated(self) -> bool:
        """Whether it is compressed as nearly all are."""
        return self.entry.method == DEFLATED

    @property
    def stored(self) -> bool:
        """Whether it is not compressed at all."""
        return self.entry.method == STORED

    @property
    def executable(self) -> bool:
        """Whether it is marked as executable; like pip, only where the mode says that it is a file."""
        mode = self.entry.attributes >> 16
        return stat.S_ISREG(mode) and bool(mode & 0o111)

    @property
    def span(self) -> range:
        """All of it but its entry in the directory: local header, data and data descriptor."""
        return range(self.entry.header_offset, self.end)

    @property
    def local_header(self) -> range:
        """Its local header, with its name and extra fields there."""
        return range(self.entry.header_offset, self.offset)

    @property
    def data_and_descriptor(self) -> range:
        """Its data as they are in the archive, and the data descriptor if there is one."""
        return range(self.offset, self.end)


class ZipLayout(NamedTuple):
    """Where each byte of a judged archive belongs.

    :param members: files and directories, in the order of the central directory; in the order of the file
        they lie one directly after the other, from its first byte on
    :param directory: the central directory and the end records, which follow them
    """

    members: tuple[Member, ...]
    directory: Directory


def locate_members(path: str, data: ZipBytes, directory: Directory) -> ZipLayout:
    """Find the data of each entry behind its local header.

    :param path: of the archive, for the error
    :param data: its bytes
    :param directory: its central directory
    :raises InvalidWheel: if headers disagree, or members overlap or leave gaps
    """
    try:
        found = _locate(path, data, directory)
    except InvalidWheel:
        for entry in directory.entries:  # a missing one explains more than what follows it
            _check_signature(path, data[entry.header_offset : entry.header_offset + 4], entry)
        raise
    return ZipLayout(tuple(found[entry.header_offset] for entry in directory.entries), directory)


def _locate(path: str, data: ZipBytes, directory: Directory) -> dict[int, Member]:
    """The members by where their headers begin, found in the order of the archive."""
    found: dict[int, Member] = {}
    limit = directory.span.start
    end, previous = 0, ""
    for entry in sorted(directory.entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:  # how an archive becomes larger than any disk
            raise InvalidWheel(path, f"has an entry whose data overlap what follows: {previous!r:.200}")
        offset = _check_local_header(path, data, entry)
        if entry.header_offset > end:
            _refuse_gap(path, entry.header_offset - end, previous)
        end = offset + entry.compressed_size
        if end > len(data):
            raise InvalidWheel(path, f"ends before the end of {entry.name!r:.200}")
        if end > limit:
            raise InvalidWheel(path, f"has an entry whose data overlap what follows: {entry.name!r:.200}")
        if entry.flags & HAS_DESCRIPTOR:
            end += _descriptor_length(path, data, entry, end)
        previous = entry.name
        found[entry.header_offset] = Member(entry, offset, end)
    if end != limit:
        _refuse_gap(path, limit - end, previous)
    return found


def _check_signature(path: str, signature: bytes, entry: Entry) -> None:
    if signature != LOCAL_SIGNATURE:
        raise InvalidWheel(path, f"is damaged: there is no header where {entry.name!r:.200} should begin")


def _refuse_gap(path: str, length: int, previous: str) -> None:
    if not previous:
        raise InvalidWheel(path, f"has {length} bytes before the archive that are not part of it")
    raise InvalidWheel(path, f"has {length} bytes after {previous!r:.200} that belong to no entry")


def _check_local_header(path: str, data: ZipBytes, entry: Entry) -> int:
    """Compare the local header with the directory; return where the data begin."""
    at = entry.header_offset
    if at + LOCAL_HEADER.size > len(data):
        raise InvalidWheel(path, f"ends before the end of {entry.name!r:.200}")
    header = LocalHeader._make(LOCAL_HEADER.unpack(data[at : at + LOCAL_HEADER.size]))
    _check_signature(path, header.signature, entry)
    at += LOCAL_HEADER.size
    raw_name = data[at : at + header.name_length]
    at += header.name_length
    if not header.extra_length and raw_name == entry.raw_name and _agree(header, entry):
        return at
    extra = parse_extra(path, entry.name, data[at : at + header.extra_length])
    differing = {
        "name": raw_name != entry.raw_name,
        "method": header.method != entry.method,
        "flags": header.flags != entry.flags,
        **_differing_sizes(entry, extra, header),
    }
    for what, differs in differing.items():
        if differs:
            raise InvalidWheel(path, f"has two headers for {entry.name!r:.200} that disagree on its {what}")
    return at + header.extra_length


def _agree(header: LocalHeader, entry: Entry) -> bool:
    """Whether all fields are plainly the same, as in most archives; a wheel can have thousands of members."""
    return (header.flags, header.method, header.crc, header.compressed_size, header.size) == (
        entry.flags,
        entry.method,
        entry.crc,
        entry.compressed_size,
        entry.size,
    )


def _differing_sizes(entry: Entry, extra: dict[int, bytes], header: LocalHeader) -> dict[str, bool]:
    """Which of sizes and CRC are not those of the directory.

    If a data descriptor follows, an honest writer did not know them yet, and wrote 0. A local zip64 field has
    both sizes (4.5.3); some writers reserve the field and then do not need it.
    """
    size, compressed_size = header.size, header.compressed_size
    if ZIP64_FIELD in extra:
        field = extra[ZIP64_FIELD]
        large = struct.unpack("<2Q", field) if len(field) == 16 else (-1, -1)
        size, compressed_size = (
            new if old == FULL_32 else old if new in (old, 0) else -1
            for old, new in zip((size, compressed_size), large)
        )
    pairs = {
        "CRC-32": (header.crc, entry.crc),
        "compressed size": (compressed_size, entry.compressed_size),
        "size": (size, entry.size),
    }
    may_be_unknown = bool(entry.flags & HAS_DESCRIPTOR)
    return {
        what: local != central and not (may_be_unknown and local == 0)
        for what, (local, central) in pairs.items()
    }


def _descriptor_length(path: str, data: ZipBytes, entry: Entry, at: int) -> int:
    """The length of the data descriptor, with or without signature, of 32 or of 64 bits (4.3.9)."""
    sizes = entry.compressed_size, entry.size
    bodies = [struct.pack("<L2Q", entry.crc, *sizes)]
    if max(sizes) <= FULL_32:
        bodies.append(struct.pack("<3L", entry.crc, *sizes))
    found = data[at : at + 24]
    for descriptor in [DESCRIPTOR_SIGNATURE + body for body in bodies] + bodies:
        if found.startswith(descriptor):
            return len(descriptor)
    raise InvalidWheel(path, f"has a data descriptor for {entry.name!r:.200} that disagrees with its headers")
