"""The relocations of an ELF file: which symbols they refer to, of which types they are, where they write.

A large wheel has some million, so nothing here takes them one by one where all are as they should be.

The types are those in musl's ``arch/*/reloc.h`` and glibc's ``sysdeps/*/dl-machine.h``; a loader refuses a
file with any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from muslfix.elf.file import DT, ElfFile
from muslfix.elf.mapping import PF_W
from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

DF_TEXTREL = 0x4

_EM_MIPS = 8
# The relocation that asks for a thread-local variable at a fixed distance from the thread pointer, by
# e_machine: REL_TPOFF and REL_TPOFF_NEG in musl's arch/*/reloc.h; and for a descriptor of one, REL_TLSDESC.
_TPOFF = {
    3: (14, 37), 4: (42,), 20: (73,), 21: (73,), 22: (56,), 40: (19,), 42: (151,), 62: (18,),
    92: (33,), 183: (1030,), 243: (10, 11), 258: (10, 11),
}  # fmt: skip
_DESCRIPTOR = {3: 41, 40: 13, 62: 36, 183: 1031, 243: 12, 258: 14}

#: What musl calls ``REL_COPY``, by ``e_machine``.
COPY = {3: 5, 40: 20, 62: 5, 183: 1024}

#: The types that each loader knows, by ``e_machine``.
KNOWN_TYPES = {
    (Libc.MUSL, 3): frozenset({0, 1, 2, 5, 6, 7, 8, 14, 35, 36, 37, 41}),
    (Libc.GLIBC, 3): frozenset({0, 1, 2, 5, 6, 7, 8, 14, 35, 36, 37, 38, 41, 42}),
    (Libc.MUSL, 40): frozenset({0, 2, 13, *range(17, 24)}),
    (Libc.GLIBC, 40): frozenset({0, 1, 2, 13, *range(17, 24), 160}),
    (Libc.MUSL, 62): frozenset({0, 1, 2, 5, 6, 7, 8, 16, 17, 18, 36}),
    (Libc.GLIBC, 62): frozenset({0, 1, 2, 5, 6, 7, 8, 10, 16, 17, 18, 32, 33, 36, 37, 38}),
    (Libc.MUSL, 183): frozenset({0, 257, *range(1024, 1032)}),
    (Libc.GLIBC, 183): frozenset({0, 257, 258, *range(1024, 1033)}),
}

_MAX_RELOCATIONS = 64 * 1024 * 1024
_MAX_DISTINCT = 1_000_000
_STEP = 65_536


class Relocations(NamedTuple):
    """What the relocations of a file ask for.

    :param bound: the index of each symbol that one refers to
    :param initial_exec: of each symbol whose distance from the thread pointer must be fixed; 0 is a variable
        of the file itself
    :param types: the types that occur
    :param has_descriptors: whether some ask for descriptors of thread-local variables
    :param strays: whether one writes where the segments of the file may not be written
    :param straddles: whether one writes over their end
    """

    bound: Collection[int] = ()
    initial_exec: Collection[int] = ()
    types: frozenset[int] = frozenset()
    has_descriptors: bool = False
    strays: bool = False
    straddles: bool = False


class Table(NamedTuple):
    """One table of relocations.

    :param address: in memory
    :param size: in bytes
    :param words: how many numbers an entry has, of which ``r_info`` is the second
    """

    address: int
    size: int
    words: int


def tables_of(file: ElfFile) -> Sequence[Table]:
    """The tables that musl's loader reads; glibc's does not read those of a kind that the machine has not."""
    with_addend = file.value(DT.PLTREL) == DT.RELA
    return (
        Table(file.value(DT.JMPREL), file.value(DT.PLTRELSZ), 3 if with_addend else 2),
        Table(file.value(DT.REL), file.value(DT.RELSZ), 2),
        Table(file.value(DT.RELA), file.value(DT.RELASZ), 3),
    )


def relocations_of(file: ElfFile, count: int) -> Relocations:
    """The relocations of a file.

    :param count: of its symbols
    :raises InvalidElf: if they are not where they should be, or too many
    """
    machine = file.header.machine
    if machine == _EM_MIPS:  # which binds through its GOT, without relocations
        return Relocations(bound=range(1, count))
    tpoff = frozenset(_TPOFF.get(machine, ()))
    # With text relocations a loader makes all segments writable.
    is_writable = file.values(DT.TEXTREL) or file.value(DT.FLAGS) & DF_TEXTREL
    places = file.mapping.ranges(0 if is_writable else PF_W)
    bound: set[int] = set()
    initial_exec: set[int] = set()
    found: set[int] = set()
    strays = straddles = False
    for targets, symbols, types in _rows(file):
        bound.update(symbols if 0 not in types else (one for one, kind in zip(symbols, types) if kind))
        found.update(types)
        if not tpoff.isdisjoint(types):
            initial_exec.update(symbol for symbol, kind in zip(symbols, types) if kind in tpoff)
        begins, ends = _astray(targets, types, places, file.bits // 8)
        strays, straddles = strays or begins, straddles or ends
        if len(bound) > _MAX_DISTINCT:
            raise InvalidElf(None, f"has relocations for more than {_MAX_DISTINCT} symbols")
    if 0 not in initial_exec:  # for these it means a variable of the file, for the others no symbol
        bound.discard(0)
    has_descriptors = _DESCRIPTOR.get(machine) in found
    return Relocations(bound, initial_exec, frozenset(found), has_descriptors, strays, straddles)


def _astray(
    targets: Sequence[int], types: Sequence[int], places: Sequence[tuple[int, int]], size: int
) -> tuple[bool, bool]:
    """Whether one begins to write elsewhere, and whether one ends there.

    :param places: where they may write
    :param size: how many bytes one writes, at least
    """

    def is_inside(first: int, last: int) -> bool:
        return any(start <= first and last < end for start, end in places)

    if is_inside(min(targets), max(targets) + size - 1):
        return False, False
    written = [target for target, kind in zip(targets, types) if kind]
    return (
        not all(is_inside(target, target) for target in written),
        not all(is_inside(target, target + size - 1) for target in written),
    )


def _rows(file: ElfFile) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Target, symbol and type of every relocation, many at a time."""
    for address, size, words in tables_of(file):
        if size > _MAX_RELOCATIONS:
            raise InvalidElf(None, f"claims relocations of {size} bytes")
        entry = words * file.bits // 8
        if size < entry:
            continue
        at = file.offset_of(address)
        for first in range(0, size // entry, _STEP):
            count = min(_STEP, size // entry - first)
            yield _columns(file, file.read(at + first * entry, count * entry), words)


def _columns(file: ElfFile, table: bytes, words: int) -> tuple[list[int], list[int], list[int]]:
    if file.bits == 64:  # r_info in its halves, of which the upper one is the symbol
        targets = file.column(table, "Q", 0, words)
        halves = [file.column(table, "I", half, 2 * words) for half in (2, 3)]
        return (targets, *(halves[::-1] if file.byte_order == "little" else halves))  # type: ignore[return-value]
    infos = file.column(table, "I", 1, words)
    return file.column(table, "I", 0, words), [info >> 8 for info in infos], [info & 0xFF for info in infos]
