"""Where a loader maps the segments of a file: whole pages of memory, not only the bytes that segments name.

musl's ``map_library`` (https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c) and glibc's
``_dl_map_segments`` (https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-map-segments.h) agree on all
files that do not lay one segment over another; those are refused here, since which of the two is read then
depends on the loader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from muslfix.errors import InvalidElf

PT_LOAD = 1
PF_X, PF_W, PF_R = 1, 2, 4

# The smallest page of any machine that Linux runs on: what does not fit it fits no other one.
PAGE = 4096


class Segment(NamedTuple):
    """What matters of a program header; ``size`` is the one in the file, ``memory`` the one in memory."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int
    memory: int
    align: int

    @property
    def pages(self) -> tuple[int, int]:
        """The pages that it takes in memory: where the first begins and the last ends."""
        end = self.address + max(self.size, self.memory)
        return page_of(self.address), page_of(end + PAGE - 1)


class Run(NamedTuple):
    """Bytes that follow each other both in the file and in memory.

    :param offset: of the first in the file
    :param length: how many they are, as far as the file holds them
    :param has_zeros: whether zeros follow them in memory, which are not in the file
    """

    offset: int
    length: int
    has_zeros: bool


def page_of(address: int) -> int:
    """The first address of a page."""
    return address // PAGE * PAGE


class Mapping:
    """The memory that a file takes.

    :param segments: its program headers
    :raises InvalidElf: if segments lie over each other
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self.loads = [one for one in segments if one.kind == PT_LOAD]
        self._by_place = sorted((*load.pages, load) for load in self.loads if load.size or load.memory)
        self._ranges: dict[int, Sequence[tuple[int, int]]] = {}
        last = -1
        for start, end, _ in self._by_place:
            if start < last:
                raise InvalidElf(None, "has segments that lie over each other in memory")
            last = end

    def run(self, address: int) -> Run:
        """The bytes of the file from an address on.

        :raises InvalidElf: if none of the file are there
        """
        offset, length, has_zeros = 0, 0, False
        for start, end, load in self._by_place:
            if not start <= address + length < end:
                continue
            place = page_of(load.offset) + address + length - start
            if length and place != offset + length:
                break
            # Without zeros what follows in the file fills the last page.
            has_zeros = load.memory > load.size
            filled = load.address + load.size if has_zeros else end
            if address + length >= filled:
                break
            offset, length = place - length, filled - address
            if has_zeros:
                break
        if not length:
            raise InvalidElf(None, f"points to the address {address:#x}, which no segment holds")
        return Run(offset, length, has_zeros)

    def allows(self, first: int, last: int, flags: int) -> bool:
        """Whether memory of a kind reaches from one address to another.

        :param flags: of which its segments must have all
        """
        return any(start <= first and last < end for start, end in self.ranges(flags))

    def ranges(self, flags: int) -> Sequence[tuple[int, int]]:
        """The ranges of memory whose segments have all of some flags; those that touch are one."""
        if flags in self._ranges:
            return self._ranges[flags]
        found: list[tuple[int, int]] = []
        for start, end, load in self._by_place:
            if load.flags & flags == flags:
                begins = found.pop()[0] if found and found[-1][1] == start else start
                found.append((begins, end))
        self._ranges[flags] = found
        return found
