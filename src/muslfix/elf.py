"""What the bytes of an ELF file prove: its machine, and the libc it is linked to.

The reader sees the file as a loader does: program headers and the dynamic section, never section
headers, which a loader ignores and a file may lie with. What counts as evidence, and what does not
(``PT_INTERP``, ``.note.ABI-tag``, OSABI, ``.comment``, the file's name), was settled on real wheels: a
file that names no libc at all is *neutral* and fits either.

Specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

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

# Where the ELF flags tell calling conventions apart that do not work together: mask, value -> word.
_CALLING_CONVENTIONS: dict[str, tuple[int, dict[int, str]]] = {
    "EM_ARM": (0x600, {0x200: "soft-float", 0x400: "hard-float"}),
    "EM_MIPS": (0x20, {0x20: "n32"}),
    "EM_RISCV": (0x6, {0x0: "soft-float", 0x2: "single-float", 0x4: "double-float", 0x6: "quad-float"}),
    "EM_LOONGARCH": (0x7, {0x1: "soft-float", 0x2: "single-float", 0x3: "double-float"}),
}  # fmt: skip

# Bounds that no real file comes near and a damaged one must not exceed.
_MAX_PROGRAM_HEADERS = 1_000
_MAX_DYNAMIC_ENTRIES = 10_000
_MAX_VERSIONS = 10_000
_MAX_STRING = 4_096
_MAX_STRING_TABLE = 64 * 1024 * 1024
_MAX_INIT_FUNCTIONS = 10_000


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
    try:
        return _Reader(stream).facts()
    except InvalidElf:
        raise
    except OSError:
        raise
    except Exception as error:  # the bytes are untrusted, and pyelftools has many ways to say so
        raise InvalidElf(None, f"is not a readable ELF file ({_in_words(error)})") from error


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Reader:
    """One pass over one file: header, program headers, dynamic section, needed versions."""

    def __init__(self, stream: BinaryIO) -> None:
        # Imported here: pyelftools costs more start-up time than all of muslfix's pure modules, and
        # most runs have no ELF file to read.
        from elftools.common.utils import struct_parse
        from elftools.elf.structs import ELFStructs

        self._stream = stream
        self._size = stream.seek(0, 2)
        self._struct_parse = struct_parse
        ident = self._read(0, 16, at_most=True)
        if ident[:4] != b"\x7fELF":
            raise InvalidElf(None, "is not an ELF file (it does not begin with \\x7fELF)")
        if len(ident) < 16:
            raise InvalidElf(None, f"is an ELF file cut off after {len(ident)} bytes")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise InvalidElf(None, f"is an ELF file of unknown class {ident[4]} or byte order {ident[5]}")
        self._bits = 32 * ident[4]
        self._structs = ELFStructs(little_endian=ident[5] == 1, elfclass=self._bits)
        self._structs.create_basic_structs()
        self._header = self._parse(self._structs.Elf_Ehdr, 0)
        self._structs.create_advanced_structs(
            self._header["e_type"], self._header["e_machine"], self._header["e_ident"]["EI_OSABI"]
        )
        self._segments = list(self._program_headers())
        self._dynamic: dict[Any, list[int]] = {}
        for entry in self._dynamic_entries():
            self._dynamic.setdefault(entry["d_tag"], []).append(entry["d_val"])
        # A damaged file can name one string thousands of times; each is looked up once.
        self._strings: dict[int, str] = {}

    def facts(self) -> ElfFacts:
        needed = tuple(self._string(value) for value in self._values("DT_NEEDED"))
        sonames = [self._string(value) for value in self._values("DT_SONAME")]
        versions = self._needed_glibc_versions()
        return ElfFacts(
            machine=self._machine(),
            kind={"ET_DYN": "shared object", "ET_EXEC": "program"}.get(self._header["e_type"], "other"),
            interpreter=self._interpreter(),
            soname=sonames[0] if sonames else None,
            needed=needed,
            glibc_evidence=tuple(
                [f"needs {name}" for name in needed if _GLIBC_SONAME.fullmatch(name)] + versions
            ),
            musl_evidence=tuple(f"needs {name}" for name in needed if _MUSL_SONAME.fullmatch(name)),
            init_functions=self._init_functions(),
        )

    def _machine(self) -> Machine:
        code = self._header["e_machine"]  # a number where pyelftools has no name for it
        mask, words = _CALLING_CONVENTIONS.get(code, (0, {}))
        return Machine(
            name=f"machine-{code}" if isinstance(code, int) else code[len("EM_") :].lower(),
            bits=self._bits,
            byte_order="little" if self._structs.little_endian else "big",
            convention=words.get(self._header["e_flags"] & mask, "") if mask else "",
        )

    def _interpreter(self) -> str | None:
        for segment in self._segments:
            if segment["p_type"] == "PT_INTERP":
                return _decode(self._read(segment["p_offset"], min(segment["p_filesz"], _MAX_STRING)))
        return None

    def _program_headers(self) -> Iterator[Any]:
        count = self._header["e_phnum"]
        if count > _MAX_PROGRAM_HEADERS:
            raise InvalidElf(None, f"claims {count} program headers")
        size = self._structs.Elf_Phdr.sizeof()
        for number in range(count):
            yield self._parse(self._structs.Elf_Phdr, self._header["e_phoff"] + number * size)

    def _dynamic_entries(self) -> Iterator[Any]:
        for segment in self._segments:
            if segment["p_type"] == "PT_DYNAMIC":
                break
        else:
            return
        size = self._structs.Elf_Dyn.sizeof()
        for number in range(min(segment["p_filesz"] // size, _MAX_DYNAMIC_ENTRIES)):
            entry = self._parse(self._structs.Elf_Dyn, segment["p_offset"] + number * size)
            if entry["d_tag"] == "DT_NULL":
                return
            yield entry
        raise InvalidElf(None, "has a dynamic section without an end")

    def _needed_glibc_versions(self) -> list[str]:
        return [
            f"needs version {version} of {library}"
            for library, version in self._needed_versions()
            if version.startswith("GLIBC_")
        ]

    def _needed_versions(self) -> Iterator[tuple[str, str]]:
        """Walk the chains of ``DT_VERNEED``; every link is an offset that a damaged file can bend."""
        tables = self._values("DT_VERNEED")
        at = self._offset_of(tables[0]) if tables else None
        budget = _MAX_VERSIONS
        while at is not None:
            need = self._parse(self._structs.Elf_Verneed, at)
            library, at_version = self._string(need["vn_file"]), at + need["vn_aux"]
            for _ in range(need["vn_cnt"]):
                version = self._parse(self._structs.Elf_Vernaux, at_version)
                yield library, self._string(version["vna_name"])
                at_version += version["vna_next"]
                budget -= 1
                if budget < 0:
                    break
            budget -= 1
            if budget < 0:
                raise InvalidElf(None, "has a table of needed versions without an end")
            at = at + need["vn_next"] if need["vn_next"] else None

    def _init_functions(self) -> tuple[str, ...]:
        tables, sizes = self._values("DT_STRTAB"), self._values("DT_STRSZ")
        if not tables or not sizes:
            return ()
        strings = self._read(self._offset_of(tables[0]), min(sizes[0], _MAX_STRING_TABLE))
        found = islice(_INIT_FUNCTION.finditer(strings), _MAX_INIT_FUNCTIONS)
        return tuple(sorted({match[0].decode() for match in found}))

    def _values(self, tag: str) -> list[int]:
        return self._dynamic.get(tag, [])

    def _string(self, index: int) -> str:
        if index not in self._strings:
            self._strings[index] = self._read_string(index)
        return self._strings[index]

    def _read_string(self, index: int) -> str:
        tables = self._values("DT_STRTAB")
        if not tables:
            raise InvalidElf(None, "has a dynamic section without a string table")
        text = self._read(self._offset_of(tables[0]) + index, _MAX_STRING, at_most=True)
        if b"\0" not in text:
            raise InvalidElf(None, "has a name without an end in its string table")
        return _decode(text)

    def _offset_of(self, address: int) -> int:
        for segment in self._segments:
            start = segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
                return int(segment["p_offset"] + address - start)
        raise InvalidElf(None, f"points to the address {address:#x}, which no segment holds")

    def _parse(self, structure: Any, offset: int) -> Any:
        self._check(offset)
        return self._struct_parse(structure, self._stream, stream_pos=offset)

    def _read(self, offset: int, size: int, *, at_most: bool = False) -> bytes:
        self._check(offset if at_most else offset + size)
        self._stream.seek(offset)
        return self._stream.read(size)

    def _check(self, offset: int) -> None:
        if offset > self._size:
            raise InvalidElf(None, f"points to byte {offset}, but has {self._size} bytes")


def _decode(text: bytes) -> str:
    """A name up to its NUL; bytes that are not UTF-8 stay visible and comparable."""
    return text.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
