"""A new zip archive made of an old one: what does not change is carried over as it stands, byte for byte.

A member that is renamed gets its new name in both of its headers, one that is copied stands twice; compressed
data, order, times, permissions, extra fields and comments stay. Of the old archive only headers are read: the
new one is a list of pieces, each some new bytes or a range of the old file.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Union

from muslfix.rewheel.parts import (
    CENTRAL,
    DEFLATED,
    DESCRIPTOR,
    END,
    END64,
    EXTRA,
    LOCAL,
    LOCATOR64,
    MAX16,
    MAX32,
    OFFSET64,
    UNICODE_PATH,
    ZIP64,
    Entry,
    Read,
    ZipParts,
    extra_records,
    place_of_offset,
    read_local,
)

#: New bytes, or a range of the old file.
Piece = Union[bytes, range]

#: A member of the new archive: its entry in the directory, and what stands before that.
_Made = tuple[Entry, list[Piece]]

_VERSION_OF_ZIP64 = 45


@dataclass(frozen=True)
class Edits:
    """What shall be another.

    :param names: from a member to the names that it shall have in place of its own: one, several, or none
    :param contents: from a name to its content, for members that are written anew
    :param model: the member that such a one resembles, and stands before, if its name is new
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    model: str = ""


def rezip(parts: ZipParts, edits: Edits, read: Read) -> list[Piece]:
    """The new archive, as pieces in their order; without edits it is the old one.

    :param parts: of the old archive
    :param edits: what shall be another
    :param read: reads the old archive
    """
    known = {entry.path for entry in parts.entries}
    coming = [name for name in edits.contents if name not in known]
    made = {entry.start: _make(entry, edits, coming, read) for entry in parts.entries}
    in_file = sorted(parts.entries, key=lambda entry: entry.start)
    pieces: list[Piece] = [range(in_file[0].start)] if in_file else []
    at = sum(map(len, pieces))
    offsets: dict[int, list[int]] = {}
    for entry in in_file:
        for _, content in made[entry.start]:
            offsets.setdefault(entry.start, []).append(at)
            pieces += content
            at += sum(map(len, content))
    directory = b"".join(
        _central_part(member, offset)
        for entry in parts.entries
        for (member, _), offset in zip(made[entry.start], offsets.get(entry.start, ()))
    )
    count = sum(map(len, made.values()))
    pieces += [directory + _end_part(parts, count, len(directory), at) + parts.comment]
    return list(_joined(pieces))


def _make(entry: Entry, edits: Edits, coming: Iterable[str], read: Read) -> list[_Made]:
    """The members that shall stand in the place of one."""
    made = []
    if entry.path == edits.model:
        made = [_written(entry, name, edits.contents[name], read) for name in coming]
    if entry.path in edits.contents:
        return [*made, _written(entry, entry.path, edits.contents[entry.path], read)]
    if entry.path not in edits.names:
        return [*made, (entry, [range(entry.start, entry.stop)])]
    return [*made, *(_named(entry, name, read) for name in edits.names[entry.path])]


def _named(entry: Entry, path: str, read: Read) -> _Made:
    """A member under another name, or under its own."""
    name = path.encode(entry.encoding)
    if name == entry.name:
        return entry, [range(entry.start, entry.stop)]
    header, extra, data_at = read_local(entry, read)
    # What says the old name once more would contradict the new one.
    extra = _without(extra, UNICODE_PATH)
    header = header._replace(name_length=len(name), extra_length=len(extra))
    member = replace(entry, path=path, name=name, extra=_without(entry.extra, UNICODE_PATH))
    return member, [LOCAL.pack(*header) + name + extra, range(data_at, entry.stop)]


def _written(model: Entry, path: str, content: bytes, read: Read) -> _Made:
    """A member with new content, like another one in all that is not about the content."""
    name = path.encode(model.encoding)
    data = _deflated(content) if model.header.method == DEFLATED else content
    header, extra, _ = read_local(model, read)
    extra = _without(extra, ZIP64, UNICODE_PATH)
    flags, crc = model.header.flags & ~DESCRIPTOR, zlib.crc32(content)
    header = header._replace(flags=flags, crc=crc, compressed_size=len(data), size=len(content))
    header = header._replace(name_length=len(name), extra_length=len(extra))
    member = replace(
        model,
        header=model.header._replace(flags=flags, crc=crc, compressed_size=len(data), size=len(content)),
        path=path,
        name=name,
        extra=_without(model.extra, ZIP64, UNICODE_PATH),
        comment=model.comment if path == model.path else b"",
    )
    return member, [LOCAL.pack(*header) + name + extra + data]


def _deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def _without(extra: bytes, *kinds: int) -> bytes:
    """An extra field without its records of some kinds."""
    for kind, begin, end in reversed(list(extra_records(extra))):
        if kind in kinds:
            extra = extra[: begin - EXTRA.size] + extra[end:]
    return extra


def _central_part(member: Entry, offset: int) -> bytes:
    """The entry of a member in the directory."""
    header, extra = member.header, member.extra
    place = place_of_offset(header, extra)
    if header.offset == MAX32 and place is not None:
        extra = extra[:place] + OFFSET64.pack(offset) + extra[place + OFFSET64.size :]
    elif offset >= MAX32:
        extra = _with_offset(extra, place, offset)
        header = header._replace(offset=MAX32, needed=max(header.needed, _VERSION_OF_ZIP64))
    else:
        header = header._replace(offset=offset)
    header = header._replace(
        name_length=len(member.name), extra_length=len(extra), comment_length=len(member.comment)
    )
    return CENTRAL.pack(*header) + member.name + extra + member.comment


def _with_offset(extra: bytes, place: int | None, offset: int) -> bytes:
    """An extra field with an offset that its header has no room for.

    :param place: where it is to stand, in the record that is there; without one there is none
    """
    if place is None:
        return extra + EXTRA.pack(ZIP64, OFFSET64.size) + OFFSET64.pack(offset)
    begin, end = next((begin, end) for kind, begin, end in extra_records(extra) if kind == ZIP64)
    record = extra[begin:place] + OFFSET64.pack(offset) + extra[place:end]
    return extra[: begin - EXTRA.size] + EXTRA.pack(ZIP64, len(record)) + record + extra[end:]


def _end_part(parts: ZipParts, count: int, length: int, start: int) -> bytes:
    """The records that end an archive, for a directory of so many entries and bytes at an offset."""
    values = (count, count, length, start)
    limits = (MAX16, MAX16, MAX32, MAX32)
    disk, disk_of_directory, *old, comment_length = parts.end
    end64 = parts.end64
    if not end64 and any(value >= limit for value, limit in zip(values, limits)):
        size = END64.size - 12  # without what comes before it
        end64 = END64.pack(b"PK\6\6", size, _VERSION_OF_ZIP64, _VERSION_OF_ZIP64, 0, 0, 0, 0, 0, 0)
    if end64:
        fields = END64.unpack_from(end64)[: -len(values)]
        end64 = END64.pack(*fields, *values) + end64[END64.size :]
        disks = LOCATOR64.unpack(parts.locator)[3] if parts.locator else 1
        end64 += LOCATOR64.pack(b"PK\6\7", disk, start + length, disks)
    small = [
        limit if value >= limit or (end64 and was == limit) else value
        for value, limit, was in zip(values, limits, old)
    ]
    return end64 + END.pack(b"PK\5\6", disk, disk_of_directory, *small, comment_length)


def _joined(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """The same, with ranges that meet made one, and nothing that is empty."""
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
