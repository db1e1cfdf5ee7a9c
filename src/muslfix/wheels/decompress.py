"""Members that are compressed by bzip2 or LZMA: wheels seldom are, and pip and uv read them too.

Specification: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (5.8 on LZMA)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from muslfix.errors import InvalidWheel
from muslfix.wheels.zip_format import BZIP2, METHODS
from muslfix.wheels.zip_members import Member

_CHUNK = 1024 * 1024
_LZMA_HEADER = struct.Struct("<2xHBL")  # after the version: length and content of the properties
_LZMA_PROPERTIES = 5  # bytes
_HAS_END_MARK = 0x2  # 4.4.4: bit 1, for LZMA
# Bytes that the decoder looks back at; never more than the member has. 7-Zip's largest preset takes 64 MiB.
_LARGEST_DICTIONARY = 256 * 1024 * 1024


def decompressed(path: str, member: Member, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a member, in pieces of bounded size.

    :param path: of the archive, for the error
    :param chunks: its bytes as they are in the archive
    :raises InvalidWheel: if they are damaged, or this Python was built without what reads them
    """
    method = METHODS[member.entry.method]
    damage: tuple[type[Exception], ...] = (OSError, ValueError, EOFError)
    try:
        if member.entry.method == BZIP2:
            from bz2 import BZ2Decompressor

            yield from _drained(BZ2Decompressor(), chunks, has_end=True)
        else:
            from lzma import LZMAError

            damage = (*damage, LZMAError)
            yield from _drained(*_lzma(member, chunks), has_end=bool(member.entry.flags & _HAS_END_MARK))
    except ImportError as error:
        reason = f"has an entry compressed by {method}, which this Python cannot read: {member.name!r:.200}"
        raise InvalidWheel(path, reason, tip="run muslfix with a Python that was built with it") from error
    except damage as error:
        raise InvalidWheel(path, f"{member.name} is damaged ({method}: {error})") from error


def _lzma(member: Member, chunks: Iterable[bytes]) -> tuple[Any, Iterable[bytes]]:
    """A decoder for LZMA, and what it is to decode."""
    from lzma import FILTER_LZMA1, FORMAT_RAW, LZMADecompressor

    rest = iter(chunks)
    first = next(rest, b"")
    if len(first) < _LZMA_HEADER.size:
        raise ValueError("it is cut off")
    length, properties, dictionary = _LZMA_HEADER.unpack_from(first)
    if length != _LZMA_PROPERTIES:
        raise ValueError(f"it has {length} bytes of properties instead of {_LZMA_PROPERTIES}")
    # Nothing lies further back than the beginning, so no more is needed, whatever the member claims.
    dictionary = max(4096, min(dictionary, member.size))
    if dictionary > _LARGEST_DICTIONARY:
        raise ValueError(f"it needs {dictionary} bytes of memory, more than {_LARGEST_DICTIONARY}")
    bits = {"lc": properties % 9, "lp": properties // 9 % 5, "pb": properties // 45}
    lzma1 = {"id": FILTER_LZMA1, "dict_size": dictionary, **bits}
    return LZMADecompressor(FORMAT_RAW, filters=[lzma1]), chain([first[_LZMA_HEADER.size :]], rest)


def _drained(decoder: Any, chunks: Iterable[bytes], *, has_end: bool) -> Iterator[bytes]:
    """All that a decoder gives out.

    :param has_end: whether the data say where they end
    :raises ValueError: if they do, and do not end there
    """
    for chunk in chunks:
        yield decoder.decompress(chunk, _CHUNK)
        while not decoder.needs_input and not decoder.eof:
            piece = decoder.decompress(b"", _CHUNK)
            if not piece:
                break
            yield piece
    if decoder.eof != has_end or decoder.unused_data:
        raise ValueError("the compressed data does not end where it should")
