"""Members compressed by bzip2 and LZMA, in pieces of bounded size; damaged ones are in ``bad_wheels``."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

import pytest
import wheelmaker
from wheelmaker import BZIP2, LZMA

from muslfix.errors import InvalidWheel
from muslfix.wheels.decompress import decompressed
from muslfix.wheels.zip_directory import Entry
from muslfix.wheels.zip_members import Member

MEGABYTE = 1024 * 1024
END_MARK = 0x2


def member(method: int, size: int, flags: int = 0) -> Member:
    entry = Entry("x", b"x", 63, flags, method, 0, 0, size, 0, 0, range(0))
    return Member(entry, 0, 0)


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


@pytest.mark.parametrize(("method", "flags"), [(BZIP2, 0), (LZMA, END_MARK)], ids=["bzip2", "LZMA"])
@pytest.mark.parametrize("step", [9, 1000, 10**9])
def test_pieces_are_of_bounded_size(method: int, flags: int, step: int) -> None:
    content = b"".join(struct.pack("<L", n) for n in range(9)) + bytes(5 * MEGABYTE)
    data = wheelmaker.Member("x", content, method).data
    found = list(decompressed("x.whl", member(method, len(content), flags), pieces(data, step)))
    assert b"".join(found) == content
    assert max(map(len, found)) <= MEGABYTE


def test_lzma_need_not_say_where_it_ends() -> None:
    """As 7-Zip writes it: the size alone says it. Here the mark of the end is cut off."""
    data = wheelmaker.Member("x", bytes(99), LZMA).data[:-5]
    assert b"".join(decompressed("x.whl", member(LZMA, 99), [data])) == bytes(99)
    with pytest.raises(InvalidWheel, match="does not end where it should"):
        list(decompressed("x.whl", member(LZMA, 99, END_MARK), [data]))


def test_lzma_takes_no_more_memory_than_the_member_has() -> None:
    data = wheelmaker.Member("x", bytes(99), LZMA).data
    claims = data[:5] + b"\xff" * 4 + data[9:]  # a dictionary of 4 GiB
    assert b"".join(decompressed("x.whl", member(LZMA, 99, END_MARK), [claims])) == bytes(99)
    with pytest.raises(InvalidWheel, match=r"damaged \(LZMA: it needs 536870912 bytes of memory"):
        list(decompressed("x.whl", member(LZMA, 2**29, END_MARK), [claims]))


@pytest.mark.parametrize(("method", "module"), [(BZIP2, "bz2"), (LZMA, "lzma")])
def test_a_python_that_was_built_without_it_says_so(
    monkeypatch: pytest.MonkeyPatch, method: int, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidWheel, match="which this Python cannot read: 'x'") as caught:
        list(decompressed("x.whl", member(method, 9), [b"x" * 20]))
    assert "built with it" in (caught.value.tip or "")
