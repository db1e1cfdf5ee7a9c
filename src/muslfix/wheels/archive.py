"""A zip archive whose members can be trusted to be what its central directory says.

What :mod:`zipfile` tolerates and an installer must not is refused before the first member is read:

:mod:`~muslfix.wheels.zip_directory`
    what could be read in two ways
:mod:`~muslfix.wheels.zip_names`
    names that would escape the tree (path traversal), links, two names for one place, bombs
:mod:`~muslfix.wheels.zip_members`
    members whose two headers disagree, that overlap, or that leave gaps

Sizes and CRCs are compared with the bytes while a member is read, so there is no second pass.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import BinaryIO

from muslfix.errors import InvalidWheel, why
from muslfix.wheels.decompress import decompressed
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.zip_bytes import ZipBytes
from muslfix.wheels.zip_directory import read_directory
from muslfix.wheels.zip_format import DEFLATED, METHODS, STORED
from muslfix.wheels.zip_members import Member, ZipLayout, locate_members
from muslfix.wheels.zip_names import about_alike, judge_entries

__all__ = ["Archive", "Member", "open_archive", "read_text"]

# A member up to this size is inflated by one call, so that threads run in parallel: zlib releases the GIL
# once for it. A larger one is streamed, so that memory stays bounded.
_WHOLE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
# Bytes of RECORD, METADATA and the like; the RECORD of 16 000 files has 2 MB.
_LONGEST_TEXT = 32 * 1024 * 1024


#: What inflates: :mod:`zlib`, or a faster module with its ``error``, ``decompressobj`` and ``crc32``.
Codec = ModuleType

#: The standard library's.
STANDARD: Codec = zlib

_FASTER = ("isal.isal_zlib", "zlib_ng.zlib_ng")


@cache
def fastest() -> Codec:
    """The fastest codec that can be imported here."""
    for name in _FASTER:
        try:
            module = import_module(name)
            if isinstance(module.error, type) and callable(module.decompressobj) and callable(module.crc32):
                return module
        except Exception:  # noqa: BLE001,S112,PERF203 - compiled for another machine it may fail in any way
            continue
    return STANDARD


class Archive:
    """An open archive, safe to read from several threads.

    Members are read, not mapped, as all of it (:mod:`~muslfix.wheels.zip_bytes`).

    :param path: the file
    :param descriptor: by which it is read
    :param layout: its files and directories, and where each part of it lies
    :param warnings: what is odd about it but no reason to refuse it, each a sentence
    """

    def __init__(self, path: str, descriptor: int, layout: ZipLayout, warnings: tuple[str, ...] = ()) -> None:
        self.path = path
        self.descriptor = descriptor
        self.layout = layout
        self.warnings = warnings
        #: Its files by name, in the order of the central directory.
        self.members = {
            member.entry.name: member for member in layout.members if not member.entry.is_directory
        }

    def chunks(self, member: Member, codec: Codec = STANDARD) -> Iterable[bytes]:
        """The bytes of a member, inflated, in pieces of bounded size.

        :param codec: what inflates them
        :raises InvalidWheel: if they cannot be inflated, or their size or CRC is not that of the directory;
            some of the bytes may have been yielded by then
        """
        content = self._whole(member, codec) if is_small(member) else None
        return self._verified(member, codec) if content is None else (content,)

    def _verified(self, member: Member, codec: Codec) -> Iterator[bytes]:
        size, crc = 0, 0
        try:
            for chunk in self._decompressed(member, codec):
                size += len(chunk)
                crc = codec.crc32(chunk, crc)
                if size > member.size:
                    break
                yield chunk
        except (codec.error, zlib.error) as error:
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

    def read_raw(self, span: range) -> bytes:
        """The bytes of a part of the archive, as they are.

        :param span: where it lies
        :raises InvalidWheel: if they cannot be read
        """
        raw = self._read(len(span), span.start)
        if len(raw) < len(span):
            raise InvalidWheel(self.path, "became shorter while it was read")
        return raw

    def sha256(self) -> str:
        """The SHA-256 of the whole archive, in hexadecimal."""
        hasher, at = hashlib.sha256(), 0
        while chunk := self._read(_CHUNK, at):
            hasher.update(chunk)
            at += len(chunk)
        return hasher.hexdigest()

    def _whole(self, member: Member, codec: Codec) -> bytes | None:
        """The bytes of a small member, or ``None`` if something is wrong with them."""
        content = self._read(member.compressed_size, member.offset)
        if member.deflated:
            try:
                inflate = codec.decompressobj(-zlib.MAX_WBITS)
                content = inflate.decompress(content, member.size + 1)
            except (codec.error, zlib.error):
                return None
            if not inflate.eof or inflate.unused_data:
                return None
        well = len(content) == member.size and codec.crc32(content) == member.crc
        return content if well else None

    def _decompressed(self, member: Member, codec: Codec) -> Iterable[bytes]:
        if member.deflated:
            return self._inflated(member, codec)
        slices = self._slices(member)
        return slices if member.stored else decompressed(self.path, member, slices)

    def _inflated(self, member: Member, codec: Codec) -> Iterator[bytes]:
        inflate = codec.decompressobj(-zlib.MAX_WBITS)
        for chunk in self._slices(member):
            yield inflate.decompress(chunk, _CHUNK)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, _CHUNK)
        yield inflate.flush()
        if not inflate.eof or inflate.unused_data:
            raise zlib.error("the compressed data does not end where it should")

    def _slices(self, member: Member) -> Iterator[bytes]:
        end = member.offset + member.compressed_size
        for start in range(member.offset, end, _CHUNK):
            yield self._read(min(_CHUNK, end - start), start)

    def _read(self, length: int, offset: int) -> bytes:
        try:
            return os.pread(self.descriptor, length, offset)
        except OSError as error:
            raise InvalidWheel(self.path, f"cannot be read ({why(error)})") from error


def is_small(member: Member) -> bool:
    """Whether the bytes of a member come in one piece."""
    if member.deflated:
        return max(member.size, member.compressed_size) <= _WHOLE
    return member.stored and member.size <= _CHUNK


@contextmanager
def open_archive(path: str, limits: Limits = DEFAULT_LIMITS) -> Iterator[Archive]:
    """Open a zip archive and judge all of it except the bytes of its members.

    :param limits: how large it may become
    :raises InvalidWheel: if it cannot be read, is not a zip archive, or is one that no honest tool writes
    """
    with _open(path) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidWheel(path, "is not a regular file")
        if status.st_size == 0:
            raise InvalidWheel(path, "is empty")
        data = ZipBytes(path, file, status.st_size)
        directory = read_directory(path, data, limits)
        alike = judge_entries(path, directory.entries, status.st_size, limits)
        layout = locate_members(path, data, directory)
        yield Archive(path, file.fileno(), layout, tuple(_oddities(layout, alike)))


def _oddities(layout: ZipLayout, alike: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """What an archive may be, and hardly any is."""
    if padding := layout.directory.padding:
        yield f"has {padding} bytes of padding after its end"
    for method, name in METHODS.items():
        if method not in (STORED, DEFLATED):
            count = sum(member.entry.method == method for member in layout.members)
            if count:
                yield f"has {count} of its entries compressed by {name}, which some installers cannot read"
    if alike:
        yield about_alike(*alike[0], len(alike))


def read_text(archive: Archive, name: str) -> str:
    """The text of a member.

    :raises InvalidWheel: if it is missing, too large for a text, damaged or no UTF-8
    """
    if name not in archive.members:
        raise InvalidWheel(archive.path, f"has no {name}")
    if archive.members[name].size > _LONGEST_TEXT:
        raise InvalidWheel(archive.path, f"has a {name} of more than {_LONGEST_TEXT} bytes")
    try:
        return archive.read(archive.members[name]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidWheel(archive.path, f"has a {name} that is not UTF-8") from error


def _open(path: str) -> BinaryIO:
    try:
        # O_NONBLOCK: a pipe is refused, not waited for.
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    except FileNotFoundError as error:
        raise InvalidWheel(path, "does not exist") from error
    except OSError as error:
        raise InvalidWheel(path, f"cannot be read ({why(error)})") from error
