"""A zip archive whose members can be trusted to be what its directory says.

:mod:`zipfile` reads the directory. What it tolerates and an installer must not (two members of one name,
paths that leave the folder, links, local headers that disagree) is refused here, before the first member
is read; sizes and CRCs are checked while a member is read, so that there is no second pass.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from muslfix.errors import InvalidWheel

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}

# A member up to this size is inflated by one call, which is what lets threads run side by side: zlib
# releases the GIL once for it. A larger one is streamed, so that memory stays bounded.
_WHOLE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """A file in the archive.

    :param name: its path, with ``/`` between its parts
    :param size: bytes when inflated
    :param compressed_size: bytes in the archive
    :param crc: CRC-32 of the inflated bytes
    :param deflated: whether it is compressed
    :param offset: where its data begins in the archive
    :param executable: whether it is marked as executable
    """

    name: str
    size: int
    compressed_size: int
    crc: int
    deflated: bool
    offset: int
    executable: bool


class Archive:
    """An open archive, mapped into memory; safe to read from several threads.

    :param path: the file
    :param data: its bytes
    :param members: its files by name, in the order of the directory
    """

    def __init__(self, path: str, data: mmap.mmap, members: dict[str, Member]) -> None:
        self.path = path
        self.members = members
        self._data = data

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a member, inflated, in pieces of bounded size.

        :raises InvalidWheel: if they cannot be inflated, or size or CRC are not those of the directory; then
            some of the bytes may have been given out already
        """
        size, crc = 0, 0
        try:
            for chunk in self._inflated(member) if member.deflated else self._slices(member, _CHUNK):
                size += len(chunk)
                crc = zlib.crc32(chunk, crc)
                if size > member.size:
                    break
                yield chunk
        except zlib.error as error:
            raise InvalidWheel(self.path, f"{member.name} is damaged ({error})") from error
        if size != member.size:
            raise InvalidWheel(self.path, f"{member.name} does not have the {member.size} bytes it claims")
        if crc != member.crc:
            raise InvalidWheel(self.path, f"{member.name} is damaged: its CRC-32 is wrong")

    def read(self, member: Member) -> bytes:
        """All bytes of a member at once.

        :raises InvalidWheel: as :meth:`chunks`
        """
        return b"".join(self.chunks(member))

    def sha256(self) -> str:
        """The SHA-256 of the whole archive, in hexadecimal."""
        return hashlib.sha256(self._data).hexdigest()

    def _inflated(self, member: Member) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        whole = member.size <= _WHOLE
        limit = member.size + 1 if whole else _CHUNK
        for chunk in self._slices(member, member.compressed_size if whole else _CHUNK):
            yield inflate.decompress(chunk, limit)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, limit)
        yield inflate.flush()
        if not inflate.eof or inflate.unused_data:
            raise zlib.error("the compressed data does not end where it should")

    def _slices(self, member: Member, step: int) -> Iterator[bytes]:
        end = member.offset + member.compressed_size
        for start in range(member.offset, end, max(step, 1)):
            yield self._data[start : min(start + step, end)]


@contextmanager
def open_archive(path: str) -> Iterator[Archive]:
    """Open a zip archive and judge its directory.

    :raises InvalidWheel: if it cannot be read, is no zip archive, or has a directory that an honest tool does
        not write
    """
    with _open(path) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidWheel(path, "is no regular file")
        if status.st_size == 0:
            raise InvalidWheel(path, "is empty")
        with mmap.mmap(file.fileno(), status.st_size, access=mmap.ACCESS_READ) as data:
            infos, end = _read_directory(path, file)
            yield Archive(path, data, _members(path, data, infos, end))


def _open(path: str) -> BinaryIO:
    try:
        # O_NONBLOCK: a pipe is refused, not waited for.
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    except FileNotFoundError as error:
        raise InvalidWheel(path, "does not exist") from error
    except OSError as error:
        raise InvalidWheel(path, f"cannot be read ({error.strerror})") from error


def _read_directory(path: str, file: BinaryIO) -> tuple[list[zipfile.ZipInfo], int]:
    """The entries of the directory, and where it begins."""
    try:
        with zipfile.ZipFile(file) as directory:
            return directory.infolist(), directory.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise InvalidWheel(path, f"is no readable zip archive ({error})") from error


def _members(path: str, data: mmap.mmap, infos: list[zipfile.ZipInfo], end: int) -> dict[str, Member]:
    """The files among the entries of a directory that begins at ``end``, each judged."""
    members: dict[str, Member] = {}
    spans: list[tuple[int, int, str]] = [(end, end, "")]
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for info in infos:
        _check_entry(path, info)
        name = info.filename.rstrip("/")
        # Two names that one file system or another takes for the same are refused on all of them.
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen and not (info.is_dir() and seen[key] == "folder"):
            raise InvalidWheel(path, f"has two entries for {name!r}")
        seen[key] = "folder" if info.is_dir() else "file"
        parts = key.split("/")
        folders.update(dict.fromkeys(("/".join(parts[:n]) for n in range(1, len(parts))), name))
        if not info.is_dir():
            members[name] = member = _member(path, data, info)
            spans.append((info.header_offset, member.offset + member.compressed_size, name))
    for key, below in folders.items():
        if seen.get(key) == "file":
            raise InvalidWheel(path, f"has a file where {below!r} needs a folder")
    spans.sort()
    for (_, stop, name), (start, _, _) in zip(spans, spans[1:]):
        if stop > start:  # how an archive becomes larger than any disk
            raise InvalidWheel(path, f"has an entry whose data overlap what follows: {name!r}")
    return members


def _check_entry(path: str, info: zipfile.ZipInfo) -> None:
    """Judge one entry of the directory: its name, its kind, its method."""
    # orig_filename is what the archive says; zipfile cuts at NUL and changes separators in filename.
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise InvalidWheel(path, f"has an entry with control characters in its name: {name!r}")
    if name.startswith("/") or "\\" in name or ":" in parts[0]:
        raise InvalidWheel(path, f"has an entry whose name is no relative path: {name!r}")
    if ".." in parts or "." in parts or "" in parts:
        raise InvalidWheel(path, f"has an entry whose path does not stay in its folder: {name!r}")
    if any(len(os.fsencode(part)) > 255 for part in parts):
        raise InvalidWheel(path, f"has an entry whose name is too long for a file: {name[:60]!r}…")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InvalidWheel(path, f"has an entry that is neither file nor folder: {name!r}")
    if info.filename != name:  # zipfile follows an extra field with another name, from Python 3.12 on
        raise InvalidWheel(path, f"has an entry with two names: {name!r} and {info.filename!r}")
    if info.flag_bits & _ENCRYPTED:
        raise InvalidWheel(path, f"has an encrypted entry: {name!r}")
    if info.compress_type not in _METHODS:
        raise InvalidWheel(
            path, f"has an entry compressed by method {info.compress_type}, not stored or deflate: {name!r}"
        )


def _member(path: str, data: mmap.mmap, info: zipfile.ZipInfo) -> Member:
    """Find the data of an entry behind its local header, which must name the same file."""
    header = data[info.header_offset : info.header_offset + _LOCAL_HEADER.size]
    if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise InvalidWheel(path, f"is damaged: there is no header where {info.filename!r} should begin")
    _, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = info.header_offset + _LOCAL_HEADER.size
    name = data[start : start + name_length].decode("utf-8" if flags & 0x800 else "cp437", "replace")
    if name != info.orig_filename or method != info.compress_type or flags & _ENCRYPTED:
        raise InvalidWheel(path, f"says two different things of {info.filename!r} in its two headers")
    offset, mode = start + name_length + extra_length, info.external_attr >> 16
    if offset + info.compress_size > len(data):
        raise InvalidWheel(path, f"ends before the end of {info.filename!r}")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise InvalidWheel(path, f"says two different sizes of {info.filename!r}")
    return Member(
        name=info.filename,
        size=info.file_size,
        compressed_size=info.compress_size,
        crc=info.CRC,
        deflated=info.compress_type == zipfile.ZIP_DEFLATED,
        offset=offset,
        executable=stat.S_ISREG(mode) and bool(mode & 0o111),
    )
