"""What the bytes of an ELF file prove: its machine, and the libc it is linked to.

The reader sees the file as a loader does: program headers and the dynamic section, never section
headers, which a loader ignores and a file may lie with. What counts as evidence, and what does not
(``PT_INTERP``, ``.note.ABI-tag``, OSABI, ``.comment``, the file's name), was settled on real wheels: a
file that names no libc at all is *neutral* and fits either.

The structures are few, and every run of muslfix reads at least one file, so they are unpacked by
:mod:`struct`; the tests compare what comes out with pyelftools.

Specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple

from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

# Sonames that one libc alone provides. A needed symbol version GLIBC_* says glibc too. "libc.so" without a
# version is what maturin, zig and musl-gcc write for musl; Android's libc has that soname as well, and
# its files are told apart by their triplet.
_GLIBC_SONAME = re.compile(
    r"libc\.so\.6(\.1)?|ld-linux.*|ld64\.so\..*|ld\.so\.1|libm\.so\.6(\.1)?|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|libutil\.so\.1"
)
_MUSL_SONAME = re.compile(r"libc\.musl-.*|ld-musl-.*|libc\.so")
_INIT_FUNCTION = re.compile(rb"PyInitU?_[0-9A-Za-z_]+")

# e_machine of the CPUs that Linux runs on, and what they are called here. Registry:
# https://www.sco.com/developers/gabi/latest/ch4.eheader.html
_MACHINES = {
    0: "none", 2: "sparc", 3: "386", 4: "68k", 8: "mips", 15: "parisc", 18: "sparc32plus", 20: "ppc",
    21: "ppc64", 22: "s390", 40: "arm", 42: "sh", 43: "sparcv9", 50: "ia_64", 62: "x86_64", 92: "openrisc",
    94: "xtensa", 183: "aarch64", 189: "microblaze", 195: "arc_compact2", 243: "riscv", 252: "csky",
    258: "loongarch", 0x9026: "alpha",
}  # fmt: skip

# Where the ELF flags tell calling conventions apart that do not work together: mask, value -> word.
_CALLING_CONVENTIONS: dict[int, tuple[int, dict[int, str]]] = {
    40: (0x600, {0x200: "soft-float", 0x400: "hard-float"}),
    8: (0x20, {0x20: "n32"}),
    243: (0x6, {0x0: "soft-float", 0x2: "single-float", 0x4: "double-float", 0x6: "quad-float"}),
    258: (0x7, {0x1: "soft-float", 0x2: "single-float", 0x3: "double-float"}),
}

_KINDS = {2: "program", 3: "shared object"}  # e_type
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_VERNEED = 0, 1, 5, 10, 14, 0x6FFFFFFE

# The structures, in the notation of the struct module, by class where they differ.
_HEADER = {32: "HHIIIIIHHH", 64: "HHIQQQIHHH"}  # behind e_ident, up to e_phnum
_PROGRAM_HEADER = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_DYNAMIC_ENTRY = {32: "II", 64: "QQ"}
_VERSION_NEED = "HHIII"
_VERSION_NEED_ENTRY = "IHHII"

# Bounds that no real file comes near and a damaged one must not exceed.
_MAX_PROGRAM_HEADERS = 1_000
_MAX_DYNAMIC_ENTRIES = 10_000
_MAX_VERSIONS = 10_000
_MAX_STRING = 4_096
_MAX_TEXT = 1024 * 1024
_MAX_STRING_TABLE = 64 * 1024 * 1024
_MAX_INIT_FUNCTIONS = 10_000
_MAX_INIT_FUNCTION = 1_000


class _Header(NamedTuple):
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


class _Segment(NamedTuple):
    """What matters of a program header; the size is the one in the file."""

    kind: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class Machine:
    """A CPU and its calling convention, as an ELF header states them.

    :param name: the ELF name of the CPU without ``EM_``, in lower case: ``x86_64``, ``aarch64``, ``386``
    :param bits: 32 or 64
    :param byte_order: ``little`` or ``big``
    :param convention: what the ELF flags add where it matters (``hard-float`` on ARM), else empty
    """

    name: str
    bits: int
    byte_order: str
    convention: str = ""

    def __str__(self) -> str:
        words = [self.name, f"{self.bits}-bit", f"{self.byte_order}-endian", self.convention]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class ElfFacts:
    """What one ELF file says of itself.

    :param machine: what it runs on
    :param kind: ``shared object`` (also a position-independent program), ``program`` or ``other``
    :param interpreter: path in ``PT_INTERP``, or ``None``; of use for programs only
    :param soname: ``DT_SONAME``, or ``None``
    :param needed: the names in ``DT_NEEDED``, in their order
    :param glibc_evidence: each entry that only glibc can satisfy, in words
    :param musl_evidence: the same for musl
    :param init_functions: names of the ``PyInit_*`` functions in its string table, sorted
    """

    machine: Machine
    kind: str
    interpreter: str | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    glibc_evidence: tuple[str, ...] = ()
    musl_evidence: tuple[str, ...] = ()
    init_functions: tuple[str, ...] = ()

    @property
    def libcs(self) -> frozenset[Libc]:
        """The libcs it is linked to: one, none (it fits either), or both (it fits neither)."""
        evidence = {Libc.GLIBC: self.glibc_evidence, Libc.MUSL: self.musl_evidence}
        return frozenset(libc for libc, lines in evidence.items() if lines)


def read_elf(stream: BinaryIO) -> ElfFacts:
    """Read the facts of an ELF file, in time and memory that do not depend on what the file claims.

    :param stream: a seekable binary stream of the whole file
    :raises InvalidElf: if the bytes are not a readable ELF file, whatever is wrong with them
    """
    return _Reader(stream).facts()


class _Reader:
    """One pass over one file: header, program headers, dynamic section, needed versions."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, 2)
        ident = self._read(0, 16, at_most=True)
        if ident[:4] != b"\x7fELF":
            raise InvalidElf(None, "is not an ELF file (it does not begin with \\x7fELF)")
        if len(ident) < 16:
            raise InvalidElf(None, f"is an ELF file cut off after {len(ident)} bytes")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise InvalidElf(None, f"is an ELF file of unknown class {ident[4]} or byte order {ident[5]}")
        self._bits = 32 * ident[4]
        self._byte_order = "little" if ident[5] == 1 else "big"
        self._sign = "<" if ident[5] == 1 else ">"
        self._header = _Header(*self._unpack(_HEADER[self._bits], 16))
        self._segments = self._read_segments()
        self._dynamic: dict[int, list[int]] = {}
        for tag, value in self._read_dynamic():
            self._dynamic.setdefault(tag, []).append(value)
        # A damaged file can name one string thousands of times; each is looked up once.
        self._strings: dict[int, str] = {}
        self._strings_at: int | None = None
        self._text_left = _MAX_TEXT

    def facts(self) -> ElfFacts:
        needed = tuple(self._string(value) for value in self._values(_DT_NEEDED))
        sonames = [self._string(value) for value in self._values(_DT_SONAME)]
        # A damaged file can need one name thousands of times; each is one piece of evidence.
        names = tuple(dict.fromkeys(needed))
        glibc = [f"needs {name}" for name in names if _GLIBC_SONAME.fullmatch(name)]
        glibc += [
            f"needs version {version} of {library}"
            for library, version in self._needed_versions()
            if version.startswith("GLIBC_")
        ]
        return ElfFacts(
            machine=self._machine(),
            kind=_KINDS.get(self._header.kind, "other"),
            interpreter=self._interpreter(),
            soname=sonames[0] if sonames else None,
            needed=needed,
            glibc_evidence=tuple(glibc),
            musl_evidence=tuple(f"needs {name}" for name in names if _MUSL_SONAME.fullmatch(name)),
            init_functions=self._init_functions(),
        )

    def _machine(self) -> Machine:
        code = self._header.machine
        mask, words = _CALLING_CONVENTIONS.get(code, (0, {}))
        return Machine(
            name=_MACHINES.get(code, f"machine-{code}"),
            bits=self._bits,
            byte_order=self._byte_order,
            convention=words.get(self._header.flags & mask, "") if mask else "",
        )

    def _interpreter(self) -> str | None:
        for segment in self._segments:
            if segment.kind == _PT_INTERP:
                return _decode(self._read(segment.offset, min(segment.size, _MAX_STRING)))
        return None

    def _read_segments(self) -> list[_Segment]:
        header, layout = self._header, _PROGRAM_HEADER[self._bits]
        if header.segment_count > _MAX_PROGRAM_HEADERS:
            raise InvalidElf(None, f"claims {header.segment_count} program headers")
        size = struct.calcsize(self._sign + layout)
        if header.segment_count and header.segment_size != size:
            raise InvalidElf(None, f"claims program headers of {header.segment_size} bytes, not {size}")
        segments = []
        for number in range(header.segment_count):
            fields = self._unpack(layout, header.segments_at + number * size)
            if self._bits == 32:
                kind, offset, address, _, in_file, _, _, _ = fields
            else:
                kind, _, offset, address, _, in_file, _, _ = fields
            segments.append(_Segment(kind, offset, address, in_file))
        return segments

    def _read_dynamic(self) -> Iterator[tuple[int, int]]:
        """The entries of the dynamic section, up to the one that ends it."""
        section = next((segment for segment in self._segments if segment.kind == _PT_DYNAMIC), None)
        if section is None:
            return
        entry = struct.Struct(self._sign + _DYNAMIC_ENTRY[self._bits])
        count = min(section.size // entry.size, _MAX_DYNAMIC_ENTRIES)
        for tag, value in entry.iter_unpack(self._read(section.offset, count * entry.size)):
            if tag == _DT_NULL:
                return
            yield tag, value
        raise InvalidElf(None, "has a dynamic section without an end")

    def _needed_versions(self) -> Iterator[tuple[str, str]]:
        """Walk the chains of ``DT_VERNEED``; every link is an offset that a damaged file can bend."""
        tables = self._values(_DT_VERNEED)
        at = self._offset_of(tables[0]) if tables else None
        budget = _MAX_VERSIONS
        while at is not None:
            _, count, file, first, following = self._unpack(_VERSION_NEED, at)
            library, at_version = self._string(file), at + first
            for _ in range(count):
                _, _, _, name, step = self._unpack(_VERSION_NEED_ENTRY, at_version)
                version = self._string(name)
                self._charge(len(library) + len(version))
                yield library, version
                at_version += step
                budget -= 1
                if budget < 0:
                    break
            budget -= 1
            if budget < 0:
                raise InvalidElf(None, "has a table of needed versions without an end")
            at = at + following if following else None

    def _init_functions(self) -> tuple[str, ...]:
        tables, sizes = self._values(_DT_STRTAB), self._values(_DT_STRSZ)
        if not tables or not sizes:
            return ()
        strings = self._read(self._offset_of(tables[0]), min(sizes[0], _MAX_STRING_TABLE))
        found = islice(_INIT_FUNCTION.finditer(strings), _MAX_INIT_FUNCTIONS)
        return tuple(sorted({m[0].decode() for m in found if m.end() - m.start() <= _MAX_INIT_FUNCTION}))

    def _values(self, tag: int) -> list[int]:
        return self._dynamic.get(tag, [])

    def _string(self, index: int) -> str:
        if index not in self._strings:
            self._strings[index] = self._read_string(index)
            self._charge(len(self._strings[index]))
        return self._strings[index]

    def _charge(self, characters: int) -> None:
        """Keep account of the text that the facts will hold."""
        self._text_left -= characters
        if self._text_left < 0:
            raise InvalidElf(None, "has names of more than 1 MiB in its dynamic section")

    def _read_string(self, index: int) -> str:
        if self._strings_at is None:
            tables = self._values(_DT_STRTAB)
            if not tables:
                raise InvalidElf(None, "has a dynamic section without a string table")
            self._strings_at = self._offset_of(tables[0])
        text = self._read(self._strings_at + index, _MAX_STRING, at_most=True)
        if b"\0" not in text:
            raise InvalidElf(None, "has a name without an end in its string table")
        return _decode(text)

    def _offset_of(self, address: int) -> int:
        for segment in self._segments:
            if segment.kind == _PT_LOAD and 0 <= address - segment.address < segment.size:
                return segment.offset + address - segment.address
        raise InvalidElf(None, f"points to the address {address:#x}, which no segment holds")

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        layout = self._sign + layout
        return struct.unpack(layout, self._read(offset, struct.calcsize(layout)))

    def _read(self, offset: int, size: int, *, at_most: bool = False) -> bytes:
        for end in (offset, offset if at_most else offset + size):
            if end > self._size:
                raise InvalidElf(None, f"points to byte {end}, but has {self._size} bytes")
        self._stream.seek(offset)
        data = self._stream.read(size)
        if len(data) < size and not at_most:
            raise InvalidElf(None, "became shorter while it was read")
        return data


def _decode(text: bytes) -> str:
    """A name up to its NUL; bytes that are not UTF-8 stay visible and comparable."""
    return text.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
