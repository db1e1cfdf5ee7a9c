"""Damaged ELF files, and what every reader of such files must hold.

A *reader* is any function that takes a binary stream and returns facts or raises :class:`InvalidElf`. Those
of muslfix stand in :data:`READERS`; the property tests (``test_elf_damage.py``) and the coverage-guided
fuzzer (``fuzz/fuzz_elf.py``) run each of them.

The damage is done to fields: a file is taken apart as far as its header, its program headers and its dynamic
section, and a few of their values are replaced by ones that hurt. Needs the standard library only.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from elfmaker import make_elf

from muslfix.elf.dynamic import read_image
from muslfix.elf.facts import read_elf
from muslfix.errors import InvalidElf

Reader = Callable[[BinaryIO], object]

#: Every function of muslfix that is given the bytes of ELF files.
READERS: dict[str, Reader] = {"read_elf": read_elf, "read_image": read_image}

#: Far above what any file needs, and far below what damage can ask for.
MAX_READS = 50_000
MAX_BYTES = 200 * 1024 * 1024

_FIXTURES = Path(__file__).parents[2] / "fixtures" / "elf"

# The structures, in the notation of the struct module; "A" is what is as wide as an address.
_HEADER = "HHIAAAIHHHHHH"
_SEGMENT = {4: "IIIIIIII", 8: "IIQQQQQQ"}
_PT_DYNAMIC = 2
_DYNAMIC_ENTRY = "AA"


class CountingStream(io.BytesIO):
    """A file that counts how often, and how much of it, is read."""

    reads = 0
    amount = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.reads += 1
        self.amount += len(data)
        return data


class Field(NamedTuple):
    """A whole number in a file: where it is, and how the struct module reads it."""

    at: int
    layout: str

    @property
    def size(self) -> int:
        return struct.calcsize(self.layout)


def read_or_refuse(read: Reader, data: bytes) -> object:
    """Run a reader; what it may do is return, or refuse in one sentence, after a bounded number of reads.

    :return: the facts, or ``None`` if the file was refused
    """
    stream = CountingStream(data)
    facts, refusal = None, None
    try:
        facts = read(stream)
    except InvalidElf as error:
        refusal = error
    if refusal is not None:
        assert refusal.path is None
        assert 0 < len(refusal.reason) < 1_000
        assert "\n" not in refusal.reason
    assert stream.reads <= MAX_READS, stream.reads
    assert stream.amount <= MAX_BYTES, stream.amount
    return facts


def seeds() -> list[bytes]:
    """Sound files to start from: what compilers made, and one with all parts in each class and byte order."""
    full: dict[str, Any] = {
        "needed": ["libz.so.1", "libc.so.6"],
        "soname": "m.so",
        "versions": {"libz.so.1": ["ZLIB_1.2.9"], "libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34"]},
        "interpreter": "/lib64/ld-linux-x86-64.so.2",
    }
    made = [make_elf(bits=bits, byte_order=order, **full) for bits in (32, 64) for order in ("little", "big")]
    return made + [path.read_bytes() for path in sorted(_FIXTURES.iterdir())]


def fields_of(data: bytes) -> list[Field]:
    """The fields of a sound ELF file: header, program headers, dynamic section; then each of its words."""
    order, wide = "<>"[data[5] - 1], data[4] == 2
    address = "Q" if wide else "I"
    header = list(_fields(16, order, _HEADER.replace("A", address)))
    values = [value_of(data, field) for field in header]
    segments_at, segment_count = values[4], values[9]
    layout = _SEGMENT[8 if wide else 4]
    size = struct.calcsize("<" + layout)
    found = header
    for number in range(segment_count):
        segment = list(_fields(segments_at + number * size, order, layout))
        found += segment
        if value_of(data, segment[0]) == _PT_DYNAMIC:
            offset, length = (value_of(data, segment[n]) for n in ((2, 5) if wide else (1, 4)))
            for at in range(offset, offset + length, 16 if wide else 8):
                found += _fields(at, order, _DYNAMIC_ENTRY.replace("A", address))
    return found + [Field(at, order + "I") for at in range(0, len(data) - 3, 4)]


def _fields(at: int, order: str, layout: str) -> Iterator[Field]:
    for code in layout:
        yield Field(at, order + code)
        at += struct.calcsize(order + code)


def value_of(data: bytes | bytearray, field: Field) -> int:
    """What stands in a field."""
    value: int = struct.unpack_from(field.layout, data, field.at)[0]
    return value


def damage(data: bytes, fields: list[Field], choose: Callable[[int], int]) -> bytes:
    """Replace a few values, and now and then cut the file or lengthen it.

    :param fields: those of the file, from :func:`fields_of`
    :param choose: a number from 0 up to, not including, the one that it is given
    """
    damaged = bytearray(data)
    structured = next(n for n, field in enumerate(fields) if field.at == 0)  # from there on: every word
    for _ in range(1 + choose(4)):
        field = fields[choose(structured) if choose(4) else choose(len(fields))]
        most = 256**field.size - 1
        other = fields[choose(structured)]
        now = value_of(damaged, field)
        values = [
            0, 1, now + 1, now - 1, now * 2, now ^ (1 << choose(8 * field.size)), choose(len(data) + 64),
            len(data), most, most - 1, most // 2, most // 2 + 1, value_of(damaged, other),
        ]  # fmt: skip
        struct.pack_into(field.layout, damaged, field.at, values[choose(len(values))] & most)
    kind = choose(8)
    if kind == 0:
        del damaged[choose(len(damaged)) :]
    elif kind == 1:
        at = choose(len(damaged))
        damaged += damaged[at : at + 512] * (1 + choose(64))
    return bytes(damaged)
