"""The parts of an ELF file that a loader reads: its header, program headers, dynamic section and strings.

:class:`ElfFile` is what :mod:`muslfix.elf.facts` (what a file is linked to) and :mod:`muslfix.elf.dynamic`
(what a loader will do with it) read a file through. Section headers are never looked at: a loader ignores
them, and a file may lie with them. Every offset and every count is held against the size of the file.

Specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from muslfix.elf.mapping import PT_LOAD, Mapping, Segment
from muslfix.errors import InvalidElf

PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_PHDR, PT_TLS = 2, 3, 4, 6, 7
PT_GNU_STACK, PT_GNU_RELRO, PT_GNU_PROPERTY = 0x6474E551, 0x6474E552, 0x6474E553


class DT:
    """The tags of the dynamic section (``d_tag``), under their names without ``DT_``."""

    NULL, NEEDED, PLTRELSZ, HASH, STRTAB, SYMTAB, RELA, RELASZ, RELAENT, STRSZ = 0, 1, 2, 4, 5, 6, 7, 8, 9, 10
    INIT, SONAME, RPATH, REL, RELSZ, PLTREL, TEXTREL, JMPREL = 12, 14, 15, 17, 18, 20, 22, 23
    INIT_ARRAY, INIT_ARRAYSZ, RUNPATH, FLAGS, RELRSZ, RELR, RELRENT = 25, 27, 29, 30, 35, 36, 37
    GNU_HASH, VERSYM, RELACOUNT = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9
    FLAGS_1, VERDEF, VERNEED = 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFE


# The structures, in the notation of the struct module, by class where they differ.
_HEADER = {32: "HHIIIIIHHH", 64: "HHIQQQIHHH"}  # behind e_ident, up to e_phnum
_PROGRAM_HEADER = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_DYNAMIC_ENTRY = {32: "II", 64: "QQ"}

# Bounds far above any real file, for damaged ones.
_MAX_PROGRAM_HEADERS = 1_000
_MAX_DYNAMIC_ENTRIES = 10_000
MAX_STRING = 4_096
_MAX_TEXT = 1024 * 1024
_MAX_STRING_TABLE = 64 * 1024 * 1024

# The byte order of the processor that this runs on, as the struct module writes it.
_NATIVE = "<" if struct.pack("=H", 1) == b"\1\0" else ">"


class Header(NamedTuple):
    """The fields of the file header behind ``e_ident``."""

    kind: int
    machine: int
    version: int
    entry: int
    segments_at: int
    sections_at: int
    flags: int
    size: int
    segment_size: int
    segment_count: int


class ElfFile:
    """One open ELF file, with its headers and its dynamic section read.

    :param stream: a seekable binary stream of the whole file
    :raises InvalidElf: if the bytes are not an ELF file, if its headers point outside of it, or if it lacks
        bytes that a loader would map
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        ident = self.read(0, 16, at_most=True)
        if ident[:4] != b"\x7fELF":
            raise InvalidElf(None, "is not an ELF file (it does not begin with \\x7fELF)")
        if len(ident) < 16:
            raise InvalidElf(None, f"is an ELF file cut off after {len(ident)} bytes")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise InvalidElf(None, f"is an ELF file of unknown class {ident[4]} or byte order {ident[5]}")
        self.bits = 32 * ident[4]
        self.byte_order = "little" if ident[5] == 1 else "big"
        self.sign = "<" if ident[5] == 1 else ">"
        self.ident = ident
        self.header = Header(*self.unpack(_HEADER[self.bits], 16))
        self.segments = self._read_segments()
        self.mapping = Mapping(self.segments)
        self._dynamic: dict[int, list[int]] = {}
        for tag, value in self._read_dynamic():
            self._dynamic.setdefault(tag, []).append(value)
        # A damaged file can name one string thousands of times; each is looked up once.
        self._strings: dict[int, str] = {}
        self._string_tables: dict[bool, bytes] = {}
        self._text_left = _MAX_TEXT

    def _read_segments(self) -> list[Segment]:
        header, layout = self.header, _PROGRAM_HEADER[self.bits]
        if header.segment_count > _MAX_PROGRAM_HEADERS:
            raise InvalidElf(None, f"claims {header.segment_count} program headers")
        size = struct.calcsize(self.sign + layout)
        if header.segment_count and header.segment_size != size:
            raise InvalidElf(None, f"claims program headers of {header.segment_size} bytes, not {size}")
        segments = []
        for number in range(header.segment_count):
            fields = self.unpack(layout, header.segments_at + number * size)
            if self.bits == 32:
                kind, offset, address, _, in_file, memory, flags, align = fields
            else:
                kind, flags, offset, address, _, in_file, memory, align = fields
            if kind == PT_LOAD and in_file and offset + in_file > self.size:
                missing = offset + in_file - self.size
                raise InvalidElf(None, f"is cut off: its segments end {missing} bytes behind its end")
            segments.append(Segment(kind, flags, offset, address, in_file, memory, align))
        return segments

    @property
    def dynamic_at(self) -> int:
        """The address of the dynamic section; 0 if there is none.

        A loader takes the last one by its address in memory, whatever its offset, and reads up to
        ``DT_NULL``, whatever its size.
        """
        return next((segment.address for segment in reversed(self.segments) if segment.kind == PT_DYNAMIC), 0)

    def _read_dynamic(self) -> Iterator[tuple[int, int]]:
        """The entries of the dynamic section, up to the one that ends it."""
        if not self.dynamic_at:
            return
        entry = struct.Struct(self.sign + _DYNAMIC_ENTRY[self.bits])
        offset, length, has_zeros = self.mapping.run(self.dynamic_at)
        wanted = min(length, _MAX_DYNAMIC_ENTRIES * entry.size)
        section = self.read(offset, wanted, at_most=True)
        if len(section) < wanted or (has_zeros and wanted == length):  # a page goes on with zeros
            section += bytes(entry.size)
        for tag, value in entry.iter_unpack(section[: len(section) // entry.size * entry.size]):
            if tag == DT.NULL:
                return
            yield tag, value
        raise InvalidElf(None, "has a dynamic section without an end")

    def values(self, tag: int) -> list[int]:
        """All values of a tag of the dynamic section, in their order."""
        return self._dynamic.get(tag, [])

    def value(self, tag: int) -> int:
        """The last value of a tag, the one that a loader uses; 0 if there is none."""
        values = self.values(tag)
        return values[-1] if values else 0

    def string(self, index: int) -> str:
        """The text at an index of the string table, without its NUL, decoded as :func:`os.fsdecode` does.

        :raises InvalidElf: if there is none, or it has no end
        """
        if index not in self._strings:
            self._strings[index] = self._read_string(index)
            self.charge(len(self._strings[index]))
        return self._strings[index]

    def charge(self, characters: int) -> None:
        """Count the text that the facts will hold.

        :raises InvalidElf: if it becomes too much
        """
        self._text_left -= characters
        if self._text_left < 0:
            raise InvalidElf(None, "has names of more than 1 MiB in its dynamic section")

    def _read_string(self, index: int) -> str:
        if not self.values(DT.STRTAB):
            raise InvalidElf(None, "has a dynamic section without a string table")
        offset, length, has_zeros = self.mapping.run(self.value(DT.STRTAB) + index)
        text = self.read(offset, min(length, MAX_STRING), at_most=True)
        if b"\0" not in text and not (has_zeros and length <= MAX_STRING):
            raise InvalidElf(None, "has a name without an end in its string table")
        return text.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def string_table(self, *, whole: bool = False) -> bytes:
        """The string table; empty if there is none.

        :param whole: whether it goes on to the end of its segment, as for a loader, whatever its size is
            said to be
        :raises InvalidElf: if it is not where it should be
        """
        if not self.values(DT.STRTAB):
            return b""
        if whole not in self._string_tables:
            offset, length, _ = self.mapping.run(self.value(DT.STRTAB))
            wanted = min(length, _MAX_STRING_TABLE if whole else min(self.value(DT.STRSZ), _MAX_STRING_TABLE))
            self._string_tables[whole] = self.read(offset, wanted, at_most=True)
        return self._string_tables[whole]

    def offset_of(self, address: int) -> int:
        """The offset in the file of an address in memory.

        :raises InvalidElf: if no segment holds it
        """
        return self.mapping.run(address).offset

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """The numbers of one structure.

        :param layout: in the notation of :mod:`struct`, without the byte order
        :raises InvalidElf: if it extends past the end of the file
        """
        layout = self.sign + layout
        return struct.unpack(layout, self.read(offset, struct.calcsize(layout)))

    def column(self, table: bytes | memoryview, layout: str, first: int, step: int) -> list[int]:
        """One number of each entry of a table.

        :param table: the bytes, whose number is a multiple of the size of an entry
        :param layout: ``H``, ``I`` or ``Q``: the size of the numbers in the table
        :param first: the position of that number in the first entry
        :param step: the count of numbers in an entry
        """
        if self.sign == _NATIVE:  # no number is made but those that are wanted
            return memoryview(table).cast(layout)[first::step].tolist()  # type: ignore[call-overload,no-any-return]
        count = len(table) // struct.calcsize(self.sign + layout)
        return list(struct.unpack(f"{self.sign}{count}{layout}", table)[first::step])

    def read(self, offset: int, size: int, *, at_most: bool = False) -> bytes:
        """Some bytes of the file.

        :param at_most: whether there may be fewer
        :raises InvalidElf: if they extend past its end
        """
        for end in (offset, offset if at_most else offset + size):
            if end > self.size:
                raise InvalidElf(None, f"points to byte {end}, but has {self.size} bytes")
        self._stream.seek(offset)
        data = self._stream.read(size)
        if len(data) < size and not at_most:
            raise InvalidElf(None, "became shorter while it was read")
        return data
