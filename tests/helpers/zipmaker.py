"""Archives put together byte by byte, so that a case can have any part of them wrong."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wheelmaker import Member, wheel_members

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
DATA = "demo-1.0.data"
CODE = b"answer = 42\n" * 9

FULL = 0xFFFFFFFF
UTF8, DESCRIPTOR = 0x800, 0x8

#: Makes a file in a folder and returns its path.
Make = Callable[[Path], Path]


def demo(files: Mapping[str, bytes] | None = None, **wrong: Any) -> list[Member]:
    """The members of a small wheel, of which ``demo.py`` is the first.

    :param wrong: as for :func:`wheelmaker.wheel_members`
    """
    return wheel_members(NAME, {"demo.py": CODE, **(files or {})}, **wrong)


def zip_bytes(
    members: Sequence[Member],
    *,
    front: bytes = b"",
    shift: int = 0,
    gaps: Mapping[int, bytes] | None = None,
    before_directory: bytes = b"",
    in_directory: bytes = b"",
    behind_directory: bytes = b"",
    count: int | None = None,
    size: int | None = None,
    offset: int | None = None,
    disk: int = 0,
    zip64: Callable[[int, int, int], bytes] | None = None,
    comment: bytes = b"",
    comment_length: int | None = None,
    behind: bytes = b"",
) -> bytes:
    """An archive.

    :param front: what stands in front of it
    :param shift: what is added to all offsets: the length of ``front`` makes these right again
    :param gaps: what stands behind the data of a member, by its number
    :param in_directory: what stands behind the entries and counts as part of the directory
    :param zip64: makes the zip64 end records of number, size and offset
    """
    parts, entries = [front], []
    at = shift
    for number, member in enumerate(members):
        entries.append(member.central_part(at))
        parts.append(member.local_part() + (gaps or {}).get(number, b""))
        at += len(parts[-1])
    directory = b"".join(entries) + in_directory
    at += len(before_directory)
    parts += [before_directory, directory, behind_directory]
    if zip64 is not None:
        parts.append(zip64(len(members), len(directory), at))
    end = struct.pack(
        "<4H2LH",
        disk,
        0,
        _or(count, len(members)),
        _or(count, len(members)),
        _or(size, len(directory)),
        _or(offset, at),
        _or(comment_length, len(comment)),
    )
    return b"".join([*parts, b"PK\x05\x06", end, comment, behind])


def _or(value: int | None, true_value: int) -> int:
    return true_value if value is None else value


def end_record(**fields: Any) -> bytes:
    """An end record that stands for an archive without entries."""
    return zip_bytes([], **fields)


def end_records_64(
    count: int,
    size: int,
    offset: int,
    *,
    record_at: int | None = None,
    disk: int = 0,
    disks: int = 1,
    wrong_by: int = 0,
) -> bytes:
    """The two zip64 records: the end record itself and the one that says where it is."""
    start = offset + size
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, disk, 0, *[count + wrong_by] * 2, size, offset
    )
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, _or(record_at, start), disks)


def extra(number: int, data: bytes) -> bytes:
    """An extra field."""
    return struct.pack("<2H", number, len(data)) + data


def zip64_field(*values: int) -> bytes:
    """The extra field with numbers of 64 bits."""
    return extra(1, struct.pack(f"<{len(values)}Q", *values))


def unicode_path(name: bytes, other: str) -> bytes:
    """The extra field with another name."""
    return extra(0x7075, struct.pack("<BL", 1, zlib.crc32(name)) + other.encode())


def descriptor(
    member: Member, *, signature: bool = True, wide: bool = False, crc: int | None = None
) -> bytes:
    """The data descriptor of a member."""
    values = _or(crc, zlib.crc32(member.content)), len(member.data), len(member.content)
    return (b"PK\x07\x08" if signature else b"") + struct.pack("<L2Q" if wide else "<3L", *values)


def streamed(member: Member) -> Member:
    """A member as it is written to a pipe: its data descriptor must follow."""
    flags = (UTF8 if not str(member.name).isascii() else 0) | DESCRIPTOR
    unknown = replace(member, flags=flags, crc=0, size=0, compressed_size=0)
    return replace(member, flags=flags, local=unknown)


def locally(member: Member, **fields: Any) -> Member:
    """A member whose local header says something else."""
    return replace(member, local=replace(member, **fields))


def archive(members: Sequence[Member], **parts: Any) -> Make:
    """Makes the file of an archive."""
    return file(lambda: zip_bytes(members, **parts))


def file(content: Callable[[], bytes]) -> Make:
    """Makes a file that is named like the wheel."""

    content = functools.cache(content)

    def make(folder: Path) -> Path:
        path = folder / NAME
        path.write_bytes(content())
        return path

    return make


def first(change: Callable[[Member], Member], **parts: Any) -> Make:
    """Makes the wheel with its first member changed."""
    one, *others = demo()
    return archive([change(one), *others], **parts)


def first_with(**fields: Any) -> Make:
    """Makes the wheel with other fields in both headers of its first member."""
    return first(lambda member: replace(member, **fields))


def first_locally(**fields: Any) -> Make:
    """Makes the wheel with other fields in the local header of its first member."""
    return first(lambda member: locally(member, **fields))


def more(name: str | bytes, content: bytes = b"", **fields: Any) -> Make:
    """Makes the wheel with a member more, which RECORD does not list."""
    return archive([*demo(), Member(name, content, **fields)])


def changed(change: Callable[[bytes], bytes], **parts: Any) -> Make:
    """Makes the wheel, then changes its bytes."""
    return file(lambda: change(zip_bytes(demo(), **parts)))


def wheel(files: Mapping[str, bytes] | None = None, **wrong: Any) -> Make:
    """Makes the wheel with something wrong in what it holds."""
    return file(lambda: zip_bytes(demo(files, **wrong)))


def named(name: str, files: Mapping[str, bytes] | None = None, **wrong: Any) -> Make:
    """Makes the same wheel with another file name."""

    def make(folder: Path) -> Path:
        return wheel(files, **wrong)(folder).rename(folder / name)

    return make
