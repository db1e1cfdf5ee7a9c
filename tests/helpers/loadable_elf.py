"""A maker of small x86-64 shared objects that loaders really load, any part of which can be bent.

No compiler is needed: :class:`Loadable` is the content as values, and :meth:`Loadable.build` lays it out.
Three segments, each on a page of its own: what is read, what is run, what is written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

PAGE = 0x1000
TEXT, DATA = PAGE, 2 * PAGE
#: Where relocations may write, behind the dynamic section.
TARGET = DATA + 0xC00

PT = {
    "LOAD": 1, "DYNAMIC": 2, "INTERP": 3, "NOTE": 4, "PHDR": 6, "TLS": 7,
    "STACK": 0x6474E551, "RELRO": 0x6474E552, "PROPERTY": 0x6474E553,
}  # fmt: skip
DT = {
    "NEEDED": 1, "PLTRELSZ": 2, "HASH": 4, "STRTAB": 5, "SYMTAB": 6, "RELA": 7, "RELASZ": 8, "RELAENT": 9,
    "STRSZ": 10, "SYMENT": 11, "INIT": 12, "FINI": 13, "SONAME": 14, "RPATH": 15, "REL": 17, "RELSZ": 18,
    "RELENT": 19, "PLTREL": 20, "TEXTREL": 22, "JMPREL": 23, "BIND_NOW": 24, "INIT_ARRAY": 25,
    "INIT_ARRAYSZ": 27, "RUNPATH": 29, "FLAGS": 30, "RELRSZ": 35, "RELR": 36, "RELRENT": 37,
    "GNU_HASH": 0x6FFFFEF5,
    "VERSYM": 0x6FFFFFF0, "RELACOUNT": 0x6FFFFFF9, "FLAGS_1": 0x6FFFFFFB, "VERDEF": 0x6FFFFFFC,
    "VERDEFNUM": 0x6FFFFFFD, "VERNEED": 0x6FFFFFFE, "VERNEEDNUM": 0x6FFFFFFF,
}  # fmt: skip
R, W, X = 4, 2, 1
LOCAL, GLOBAL, WEAK, UNIQUE = 0, 1, 2, 10
NOTYPE, OBJECT, FUNC, TLS, IFUNC = 0, 1, 2, 6, 10
NONE, ABS64, GLOB_DAT, JUMP_SLOT, RELATIVE, TPOFF = 0, 1, 6, 7, 8, 18


@dataclass
class Segment:
    """A program header; a size in memory of ``None`` is that in the file."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int
    memory: int | None = None
    align: int = PAGE


@dataclass
class Symbol:
    """A symbol; one without a section is undefined."""

    name: str
    value: int = 0
    section: int = 0
    binding: int = GLOBAL
    type: int = NOTYPE
    visibility: int = 0
    version: int = 1


@dataclass
class Loadable:
    """What a shared object holds. Every list can be changed, and :attr:`late` bends what is laid out."""

    needed: list[str] = field(default_factory=list)
    soname: str | None = None
    runpath: str | None = "$ORIGIN"
    symbols: list[Symbol] = field(default_factory=list)
    #: Offset, type, number of the symbol from 1 on, addend.
    relocations: list[tuple[int, int, int, int]] = field(default_factory=list)
    #: Versions by library, each a name and the number that symbols refer to it by.
    needs: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    #: Names of versions that it defines, whose numbers begin at 2.
    defines: list[str] = field(default_factory=list)
    hashes: tuple[str, ...] = ("HASH", "GNU_HASH")
    #: Bytes in the file, bytes in memory, alignment.
    tls: tuple[int, int, int] | None = None
    stack: int | None = R | W
    zeros: int = 0x100
    ident: dict[int, int] = field(default_factory=dict)
    header: dict[str, int] = field(default_factory=dict)
    dynamic: list[tuple[str, int]] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    code: bytes = b"\xc3" * 16
    #: Change the segments, the entries of the dynamic section, and the bytes, once they are laid out.
    segments: Callable[[list[Segment]], object] | None = None
    entries: Callable[[list[tuple[str, int]]], object] | None = None
    late: Callable[[bytearray], object] | None = None
    cut: int | None = None

    def refer(self, name: str, kind: int = GLOB_DAT, **fields: int) -> Loadable:
        """Refer to a symbol by a relocation."""
        self.symbols.append(Symbol(name, **fields))
        self.relocations.append((TARGET + 8 * len(self.relocations), kind, len(self.symbols), 0))
        return self

    def define(self, name: str, **fields: int) -> Loadable:
        """Define a function."""
        self.symbols.append(Symbol(name, **{"value": TEXT, "section": 2, "type": FUNC, **fields}))
        return self

    def build(self) -> bytes:
        """The file."""
        strings = _Strings()
        names = [strings.add(symbol.name) for symbol in self.symbols]
        entries = [("NEEDED", strings.add(name)) for name in self.needed]
        entries += [("SONAME", strings.add(self.soname))] if self.soname else []
        entries += [("RUNPATH", strings.add(self.runpath))] if self.runpath else []
        image = bytearray(PAGE)
        at = 0x400

        def put(data: bytes) -> int:
            nonlocal at
            where, at = at, at + len(data) + 15 & ~15
            image[where : where + len(data)] = data
            return where

        table = bytes(24) + b"".join(
            struct.pack("<IBBHQQ", name, s.binding << 4 | s.type, s.visibility, s.section, s.value, 8)
            for name, s in zip(names, self.symbols)
        )
        entries += [("SYMTAB", put(table)), ("SYMENT", 24)]
        texts = [symbol.name.encode() for symbol in self.symbols]
        makers = {"HASH": _hash, "GNU_HASH": _gnu_hash}
        entries += [(kind, put(makers[kind](texts))) for kind in self.hashes]
        if self.needs or self.defines:
            entries.append(
                ("VERSYM", put(struct.pack(f"<{1 + len(names)}H", 0, *(s.version for s in self.symbols))))
            )
        if self.needs:
            entries += [("VERNEED", put(_needs(self.needs, strings))), ("VERNEEDNUM", len(self.needs))]
        if self.defines:
            entries += [
                ("VERDEF", put(_defines(self.defines, strings))),
                ("VERDEFNUM", 1 + len(self.defines)),
            ]
        if self.relocations:
            rela = b"".join(
                struct.pack("<QIIq", to, kind, symbol, add) for to, kind, symbol, add in self.relocations
            )
            entries += [("RELA", put(rela)), ("RELASZ", len(rela)), ("RELAENT", 24)]
        entries += [("STRTAB", put(bytes(strings.data))), ("STRSZ", len(strings.data))]
        assert at <= PAGE
        entries = [entry for entry in (*entries, *self.dynamic) if entry[0] not in self.without]
        if self.entries:
            self.entries(entries)
        section = b"".join(
            struct.pack("<QQ", DT.get(tag) or int(tag, 0), value) for tag, value in entries
        ) + bytes(16)
        image += self.code.ljust(PAGE, b"\xcc")
        image += section.ljust(0xE00, b"\0")
        segments = [
            Segment(PT["LOAD"], R, 0, 0, PAGE),
            Segment(PT["LOAD"], R | X, TEXT, TEXT, PAGE),
            Segment(PT["LOAD"], R | W, DATA, DATA, 0xE00, 0xE00 + self.zeros),
            Segment(PT["DYNAMIC"], R | W, DATA, DATA, len(section), align=8),
        ]
        if self.stack is not None:
            segments.append(Segment(PT["STACK"], self.stack, 0, 0, 0, align=16))
        if self.tls is not None:
            in_file, memory, align = self.tls
            segments.append(Segment(PT["TLS"], R, DATA + 0xD00, DATA + 0xD00, in_file, memory, align))
        if self.segments:
            self.segments(segments)
        return self._with_header(image, segments)

    def _with_header(self, image: bytearray, segments: list[Segment]) -> bytes:
        fields = {
            "e_type": 3, "e_machine": 62, "e_version": 1, "e_entry": 0, "e_phoff": 64, "e_shoff": 0,
            "e_flags": 0, "e_ehsize": 64, "e_phentsize": 56, "e_phnum": len(segments),
            "e_shentsize": 0, "e_shnum": 0,
            "e_shstrndx": 0, **self.header,
        }  # fmt: skip
        image[:64] = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *fields.values())
        for place, value in self.ident.items():
            image[place] = value
        for number, s in enumerate(segments):
            memory = s.size if s.memory is None else s.memory
            packed = struct.pack(
                "<IIQQQQQQ", s.kind, s.flags, s.offset, s.address, s.address, s.size, memory, s.align
            )
            image[64 + 56 * number : 120 + 56 * number] = packed
        if self.late:
            self.late(image)
        return bytes(image[: self.cut])


@dataclass
class _Strings:
    data: bytearray = field(default_factory=lambda: bytearray(1))

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def elf_hash(name: bytes) -> int:
    """The hash of the System V ABI."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ value >> 24 & 0xF0) & 0xFFFFFFF
    return value


def _hash(names: list[bytes]) -> bytes:
    """One bucket: a chain through all symbols."""
    count = len(names)
    chain = [*range(2, count + 1), 0] if count else []
    return struct.pack(f"<{4 + count}I", 1, 1 + count, 1 if count else 0, 0, *chain)


def _gnu_hash(names: list[bytes]) -> bytes:
    """One bucket, and a filter that lets all names pass."""
    hashes = []
    for name in names:
        value = 5381
        for byte in name:
            value = (value * 33 + byte) & 0xFFFFFFFF
        hashes.append(value & ~1)
    if hashes:
        hashes[-1] |= 1
    head = struct.pack("<IIIIQ", 1, 1, 1, 6, 2**64 - 1)
    return head + struct.pack(f"<{1 + len(hashes)}I", 1 if hashes else 0, *hashes)


def _needs(needs: dict[str, list[tuple[str, int]]], strings: _Strings) -> bytes:
    table, left = b"", len(needs)
    for library, versions in needs.items():
        left -= 1
        following = 16 * (1 + len(versions)) if left else 0
        table += struct.pack("<HHIII", 1, len(versions), strings.add(library), 16, following)
        for place, (name, number) in enumerate(versions, 1):
            step = 16 if place < len(versions) else 0
            table += struct.pack("<IHHII", elf_hash(name.encode()), 0, number, strings.add(name), step)
    return table


def _defines(names: list[str], strings: _Strings) -> bytes:
    table = b""
    every = ["base", *names]
    for number, name in enumerate(every, 1):
        step = 28 if number < len(every) else 0
        table += struct.pack("<HHHHIII", 1, int(number == 1), number, 1, elf_hash(name.encode()), 20, step)
        table += struct.pack("<II", strings.add(name), 0)
    return table
