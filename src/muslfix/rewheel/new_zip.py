"""A new zip archive made of an old one: what does not change is carried over byte for byte.

A member that is renamed gets its new name in both of its headers, and one that is copied is there twice;
compressed data, order, times, permissions, extra fields and comments stay. Nothing is searched for in the old
archive: where its parts lie is known from its judgement (:class:`~muslfix.wheels.zip_members.ZipLayout`).
The new archive is a list of pieces, each some new bytes or a range of the old file.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeVar, Union

from muslfix.wheels.archive import Archive
from muslfix.wheels.zip_directory import Directory
from muslfix.wheels.zip_format import (
    DEFLATED,
    DIRECTORY_HEADER,
    END,
    END64,
    END64_SIGNATURE,
    EXTRA_HEADER,
    FULL_16,
    FULL_32,
    HAS_DESCRIPTOR,
    LOCAL_HEADER,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    STORED,
    UNICODE_PATH_FIELD,
    UTF8,
    ZIP64_FIELD,
    ZIP64_VERSION,
    DirectoryHeader,
    End,
    End64,
    ExtraField,
    LocalHeader,
    Locator64,
    iter_extra,
)
from muslfix.wheels.zip_members import Member

#: New bytes, or a range of the old file.
Piece = Union[bytes, range]

_Header = TypeVar("_Header", LocalHeader, DirectoryHeader)


@dataclass(frozen=True)
class Edits:
    """What is to change.

    :param names: from a member to the names that it gets instead of its own: one, several, or none
    :param contents: from a name to its content, for members that are written anew
    :param model: the member that a new one resembles, and is put before
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    model: str = ""


class _NewMember(NamedTuple):
    """A member of the new archive.

    :param header: the fixed fields of its entry in the directory, of which the offset is still the old one
    :param name: its name there
    :param extra: its extra fields there
    :param comment: its comment there
    :param pieces: its local header, data and data descriptor
    """

    header: DirectoryHeader
    name: bytes
    extra: bytes
    comment: bytes
    pieces: list[Piece]


def edit_zip(archive: Archive, edits: Edits) -> list[Piece]:
    """Make the new archive; without edits it is the old one.

    :param archive: the old one
    :param edits: what is to change
    :return: its bytes, in their order
    :raises InvalidWheel: if the old one cannot be read any more
    """
    layout = archive.layout
    entries = archive.read_raw(layout.directory.span)
    known = {member.name for member in layout.members}
    coming = [name for name in edits.contents if name not in known]
    pieces: list[Piece] = []
    at = 0
    made: dict[int, list[bytes]] = {}  # entries of the new directory, by where the old member begins
    for member in sorted(layout.members, key=lambda member: member.offset):
        for new in _remake(archive, entries, member, edits, coming):
            made.setdefault(member.offset, []).append(_directory_entry(new, at))
            pieces += new.pieces
            at += sum(map(len, new.pieces))
    directory = b"".join(chain.from_iterable(made.get(member.offset, ()) for member in layout.members))
    count = sum(map(len, made.values()))
    pieces += [directory, _end_records(archive, layout.directory, (count, count, len(directory), at))]
    return list(_joined(pieces))


def _remake(
    archive: Archive, entries: bytes, member: Member, edits: Edits, coming: Iterable[str]
) -> list[_NewMember]:
    """The members that take the place of one.

    :param entries: the bytes of the old directory
    :param coming: names of members to come that the old archive does not have
    """
    old = _unchanged(entries, member)
    made = []
    if member.name == edits.model:
        made = [_written(archive, member, old, name, edits.contents[name]) for name in coming]
    if member.name in edits.contents:
        return [*made, _written(archive, member, old, member.name, edits.contents[member.name])]
    names = edits.names.get(member.name, (member.name,))
    return [*made, *(_named(archive, member, old, name) for name in names)]


def _unchanged(entries: bytes, member: Member) -> _NewMember:
    """A member as it is."""
    raw = entries[member.entry.span.start : member.entry.span.stop]
    header = DirectoryHeader._make(DIRECTORY_HEADER.unpack_from(raw))
    extra_at = DIRECTORY_HEADER.size + header.name_length
    comment_at = extra_at + header.extra_length
    return _NewMember(
        header,
        raw[DIRECTORY_HEADER.size : extra_at],
        raw[extra_at:comment_at],
        raw[comment_at:],
        [member.span],
    )


def _named(archive: Archive, member: Member, old: _NewMember, path: str) -> _NewMember:
    """A member under another name, or under its own."""
    if path == member.name:
        return old
    name = path.encode()
    header, extra = _local_header(archive, member)
    # What repeats the old name would contradict the new one.
    extra = _without(extra, UNICODE_PATH_FIELD)
    local = _local_part(_marked(header, name), name, extra)
    return old._replace(
        header=_marked(old.header, name),
        name=name,
        extra=_without(old.extra, UNICODE_PATH_FIELD),
        pieces=[local, member.data_and_descriptor],
    )


def _written(archive: Archive, model: Member, old: _NewMember, path: str, content: bytes) -> _NewMember:
    """A member with new content, like another one in all that is not about the content.

    :param model: that one
    :param old: the same
    """
    name = path.encode()
    # A method of the model that is neither is not kept: what reads it can read this too.
    method, data = (STORED, content) if model.stored else (DEFLATED, _deflated(content))
    flags, crc = model.entry.flags & ~HAS_DESCRIPTOR, zlib.crc32(content)
    header, extra = _local_header(archive, model)
    fields: dict[str, Any] = {
        "flags": flags,
        "method": method,
        "crc": crc,
        "compressed_size": len(data),
        "size": len(content),
    }
    header = header._replace(**fields)
    local = _local_part(_marked(header, name), name, _without(extra, ZIP64_FIELD, UNICODE_PATH_FIELD))
    entry = old.header._replace(**fields)
    return _NewMember(
        header=_marked(entry, name),
        name=name,
        extra=_without(old.extra, ZIP64_FIELD, UNICODE_PATH_FIELD),
        comment=old.comment if path == model.name else b"",
        pieces=[local, data],
    )


def _local_header(archive: Archive, member: Member) -> tuple[LocalHeader, bytes]:
    """The fixed fields of a member's local header, and its extra fields."""
    raw = archive.read_raw(member.local_header)
    header = LocalHeader._make(LOCAL_HEADER.unpack_from(raw))
    return header, raw[LOCAL_HEADER.size + header.name_length :]


def _local_part(header: LocalHeader, name: bytes, extra: bytes) -> bytes:
    header = header._replace(name_length=len(name), extra_length=len(extra))
    return LOCAL_HEADER.pack(*header) + name + extra


def _marked(header: _Header, name: bytes) -> _Header:
    """A header that marks its name as UTF-8 where that makes a difference."""
    return header if name.isascii() else header._replace(flags=header.flags | UTF8)


def _deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(zlib.Z_BEST_COMPRESSION, DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def _without(extra: bytes, *kinds: int) -> bytes:
    """Extra fields without those of some kinds."""
    for kind, start, stop in reversed(list(iter_extra(extra))):
        if kind in kinds:
            extra = extra[:start] + extra[stop:]
    return extra


def _directory_entry(new: _NewMember, offset: int) -> bytes:
    """The entry of a member in the new directory.

    :param offset: where its local header begins now
    """
    header, extra = new.header, new.extra
    if header.header_offset == FULL_32:
        extra = _with_large_offset(header, extra, offset)
    elif offset >= FULL_32:
        extra = _with_large_offset(header, extra, offset)
        header = header._replace(header_offset=FULL_32, needed=max(header.needed, ZIP64_VERSION))
    else:
        header = header._replace(header_offset=offset)
    header = header._replace(
        name_length=len(new.name), extra_length=len(extra), comment_length=len(new.comment)
    )
    return DIRECTORY_HEADER.pack(*header) + new.name + extra + new.comment


def _with_large_offset(header: DirectoryHeader, extra: bytes, offset: int) -> bytes:
    """Extra fields with an offset for which the header has no room, behind such sizes (4.5.3)."""
    none = ExtraField(ZIP64_FIELD, 0, 0)
    _, start, stop = next((found for found in iter_extra(extra) if found.kind == ZIP64_FIELD), none)
    sizes = 8 * (header.size, header.compressed_size).count(FULL_32)
    values = extra[start:stop][EXTRA_HEADER.size :][:sizes] + struct.pack("<Q", offset)
    return extra[:start] + EXTRA_HEADER.pack(ZIP64_FIELD, len(values)) + values + extra[stop:]


def _end_records(archive: Archive, old: Directory, values: tuple[int, int, int, int]) -> bytes:
    """The records that end the new archive.

    :param values: count of entries on this disk, and on all, size of the directory, offset of the directory
    """
    raw = archive.read_raw(old.end)
    end, comment = End._make(END.unpack_from(raw)), raw[END.size :]
    limits = FULL_16, FULL_16, FULL_32, FULL_32
    is_large = bool(old.end64) or any(value >= limit for value, limit in zip(values, limits))
    # A field that has referred to the zip64 record goes on doing so.
    small = (
        limit if value >= limit or (is_large and was == limit) else value
        for value, limit, was in zip(values, limits, end[3:7])
    )
    large = _large_end_records(archive, old, values) if is_large else b""
    return large + END.pack(*end[:3], *small, end.comment_length) + comment


def _large_end_records(archive: Archive, old: Directory, values: tuple[int, int, int, int]) -> bytes:
    """The zip64 end record with its locator: the old ones with other values, or new ones."""
    if old.end64:
        raw = archive.read_raw(old.end64)
        end64, more = End64._make(END64.unpack_from(raw)), raw[END64.size :]
        locator = Locator64._make(LOCATOR64.unpack(archive.read_raw(old.locator64)))
    else:
        length = END64.size - 12  # without what comes before this field, and itself
        end64, more = End64(END64_SIGNATURE, length, ZIP64_VERSION, ZIP64_VERSION, 0, 0, *values), b""
        locator = Locator64(LOCATOR64_SIGNATURE, 0, 0, 1)
    _, _, size, offset = values
    record = END64.pack(*end64[:6], *values) + more
    return record + LOCATOR64.pack(*locator._replace(end64_offset=offset + size))


def _joined(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """The same, with adjacent pieces joined and empty ones left out."""
    last: Piece = b""
    for piece in pieces:
        if not piece:
            continue
        if isinstance(piece, range) and isinstance(last, range) and last.stop == piece.start:
            last = range(last.start, piece.stop)
        elif isinstance(piece, bytes) and isinstance(last, bytes):
            last += piece
        else:
            if last:
                yield last
            last = piece
    if last:
        yield last
