"""The members of a zip archive where they lie: each behind a local header that agrees with the directory.

A reader that works through an archive from its beginning sees the local headers only, one that starts at the
end sees the directory. Where both are to find the same files, the two must agree, and members must lie
one behind the other without a gap, for in a gap there could be one more.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; numbers of sections are its own.
"""

from __future__ import annotations

import mmap
import stat
import struct
from typing import NamedTuple

from muslfix.errors import InvalidWheel
from muslfix.wheels.zip_directory import FULL_32, LOCAL_SIGNATURE, ZIP64_FIELD, Data, Entry, parse_extra

STORED, DEFLATED = 0, 8

_LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_HAS_DESCRIPTOR = 0x8  # 4.4.4, bit 3
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
# In members.
_FORGET_AFTER = 500


class Member(NamedTuple):
    """A file in the archive.

    What lies between ``header_offset`` and ``end`` belongs to it, and can be carried over as it is.

    :param name: its path, with ``/`` between its parts
    :param raw_name: the same as it stands in the archive
    :param size: bytes when inflated
    :param compressed_size: bytes in the archive
    :param crc: CRC-32 of the inflated bytes
    :param method: how it is compressed: :data:`STORED` or :data:`DEFLATED`
    :param flags: its general purpose bits
    :param modified: time and date in the format of MS-DOS
    :param attributes: external attributes; Unix modes are in the upper half
    :param header_offset: where its local header begins in the archive
    :param offset: where its data begin in the archive
    :param end: where what belongs to it ends: its data, or the data descriptor behind these
    """

    name: str
    raw_name: bytes
    size: int
    compressed_size: int
    crc: int
    method: int
    flags: int
    modified: tuple[int, int]
    attributes: int
    header_offset: int
    offset: int
    end: int

    @property
    def deflated(self) -> bool:
        """Whether it is compressed."""
        return self.method == DEFLATED

    @property
    def executable(self) -> bool:
        """Whether it is marked as executable; as pip, only where the mode says that it is a file."""
        mode = self.attributes >> 16
        return stat.S_ISREG(mode) and bool(mode & 0o111)


def locate_members(path: str, data: Data, entries: list[Entry], directory: int) -> dict[str, Member]:
    """Find the data of each entry behind its local header.

    :param path: of the archive, for the sentence
    :param data: its bytes
    :param entries: those of the directory, folders too
    :param directory: where the directory begins
    :return: the files by name, in the order of the directory
    :raises InvalidWheel: if headers disagree, or members overlap or leave gaps
    """
    try:
        found = _locate(path, data, entries, directory)
    except InvalidWheel:
        _check_signatures(path, data, entries)  # where one is missing, that tells more than what follows
        raise
    return {entry.name: found[entry.name] for entry in entries if not entry.is_folder}


def _locate(path: str, data: Data, entries: list[Entry], directory: int) -> dict[str, Member]:
    """The same, in the order of the archive."""
    found: dict[str, Member] = {}
    end, previous = 0, ""
    for number, entry in enumerate(sorted(entries, key=lambda entry: entry.header_offset)):
        if number % _FORGET_AFTER == 0:
            _forget(data)
        if entry.header_offset < end:  # how an archive becomes larger than any disk
            raise InvalidWheel(path, f"has an entry whose data overlap what follows: {previous!r:.200}")
        offset = _check_local_header(path, data, entry)
        if entry.header_offset > end:
            _refuse_gap(path, entry.header_offset - end, previous)
        end = offset + entry.compressed_size
        if end > len(data):
            raise InvalidWheel(path, f"ends before the end of {entry.name!r:.200}")
        if end > directory:
            raise InvalidWheel(path, f"has an entry whose data overlap what follows: {entry.name!r:.200}")
        if entry.flags & _HAS_DESCRIPTOR:
            end += _descriptor_length(path, data, entry, end)
        previous = entry.name
        if not entry.is_folder:
            found[entry.name] = _member(entry, offset, end)
    if end != directory:
        _refuse_gap(path, directory - end, previous)
    return found


def _check_signatures(path: str, data: Data, entries: list[Entry]) -> None:
    for number, entry in enumerate(entries):
        if number % _FORGET_AFTER == 0:
            _forget(data)
        _check_signature(path, data[entry.header_offset : entry.header_offset + 4], entry)


def _check_signature(path: str, signature: bytes, entry: Entry) -> None:
    if signature != LOCAL_SIGNATURE:
        raise InvalidWheel(path, f"is damaged: there is no header where {entry.name!r:.200} should begin")


def _forget(data: Data) -> None:
    """Let pages go that were looked at: they lie all over the archive, and count as memory."""
    if isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED)


def _refuse_gap(path: str, length: int, previous: str) -> None:
    if not previous:
        raise InvalidWheel(path, f"has {length} bytes in front of it that do not belong to it")
    raise InvalidWheel(path, f"has {length} bytes behind {previous!r:.200} that belong to no entry")


def _check_local_header(path: str, data: Data, entry: Entry) -> int:
    """Hold the local header against the directory; return where the data begin."""
    at = entry.header_offset
    if at + _LOCAL.size > len(data):
        raise InvalidWheel(path, f"ends before the end of {entry.name!r:.200}")
    signature, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = (
        _LOCAL.unpack_from(data, at)
    )
    _check_signature(path, signature, entry)
    at += _LOCAL.size
    raw_name = data[at : at + name_length]
    said = raw_name, flags, method, crc, compressed_size, size
    if not extra_length and said == _said_by_directory(entry):
        return at + int(name_length)
    extra = parse_extra(path, entry.name, data[at + name_length : at + name_length + extra_length])
    differing = {
        "name": raw_name != entry.raw_name,
        "method": method != entry.method,
        "flags": flags != entry.flags,
        **_differing_sizes(entry, extra, crc, compressed_size, size),
    }
    for what, differs in differing.items():
        if differs:
            raise InvalidWheel(
                path, f"says two different things of {entry.name!r:.200} in its two headers: its {what}"
            )
    return at + int(name_length + extra_length)


def _said_by_directory(entry: Entry) -> tuple[object, ...]:
    return entry.raw_name, entry.flags, entry.method, entry.crc, entry.compressed_size, entry.size


def _differing_sizes(
    entry: Entry, extra: dict[int, bytes], crc: int, compressed_size: int, size: int
) -> dict[str, bool]:
    """Which of sizes and CRC are not those of the directory.

    Where a data descriptor follows, an honest writer has not known them yet, and has written 0. A local zip64
    field has both sizes (4.5.3); some writers reserve it and do not need it then.
    """
    if ZIP64_FIELD in extra:
        field = extra[ZIP64_FIELD]
        large = struct.unpack("<2Q", field) if len(field) == 16 else (-1, -1)
        size, compressed_size = (
            new if old == FULL_32 else old if new in (old, 0) else -1
            for old, new in zip((size, compressed_size), large)
        )
    pairs = {
        "CRC-32": (crc, entry.crc),
        "compressed size": (compressed_size, entry.compressed_size),
        "size": (size, entry.size),
    }
    may_be_unknown = bool(entry.flags & _HAS_DESCRIPTOR)
    return {
        what: local != central and not (may_be_unknown and local == 0)
        for what, (local, central) in pairs.items()
    }


def _descriptor_length(path: str, data: Data, entry: Entry, at: int) -> int:
    """The length of the data descriptor, with or without signature, of 32 or of 64 bits (4.3.9)."""
    sizes = entry.compressed_size, entry.size
    bodies = [struct.pack("<L2Q", entry.crc, *sizes)]
    if max(sizes) <= FULL_32:
        bodies.append(struct.pack("<3L", entry.crc, *sizes))
    there = data[at : at + 24]
    for descriptor in [_DESCRIPTOR_SIGNATURE + body for body in bodies] + bodies:
        if there.startswith(descriptor):
            return len(descriptor)
    raise InvalidWheel(
        path, f"says two different things of {entry.name!r:.200}: its data descriptor disagrees"
    )


def _member(entry: Entry, offset: int, end: int) -> Member:
    return Member(
        entry.name,
        entry.raw_name,
        entry.size,
        entry.compressed_size,
        entry.crc,
        entry.method,
        entry.flags,
        entry.modified,
        entry.attributes,
        entry.header_offset,
        offset,
        end,
    )
