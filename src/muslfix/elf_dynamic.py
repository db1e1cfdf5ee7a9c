"""What a dynamic loader reads in an ELF file: what it needs, where it looks for that, what it binds.

Symbols are found as a loader finds them, by way of the hash tables and the relocations; there may be no
section headers. A name that no relocation refers to is never looked up by a loader, and so is none here.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html; what musl
makes of it all: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import field
from typing import BinaryIO, NamedTuple

from muslfix.elf import ElfFacts, facts_of, needed_versions
from muslfix.elf_file import PT_TLS, ElfFile
from muslfix.elf_symbols import Exports, Reference, Symbols, hashed_symbols
from muslfix.errors import InvalidElf
from muslfix.values import dataclass

_NEEDED, _RELA, _RELASZ, _SONAME, _RPATH, _REL, _RELSZ = 1, 7, 8, 14, 15, 17, 18
_PLTREL, _JMPREL, _RUNPATH, _FLAGS, _PLTRELSZ, _RELRSZ, _RELR = 20, 23, 29, 30, 2, 35, 36
_FLAGS_1 = 0x6FFFFFFB
_DF_STATIC_TLS, _DF_1_NODEFLIB = 0x10, 0x800
_VER_FLG_WEAK = 2

_EM_MIPS = 8
# The relocation that asks for a thread-local variable at a fixed distance from the thread pointer, by
# e_machine: REL_TPOFF and REL_TPOFF_NEG in musl's arch/*/reloc.h.
_TPOFF = {
    3: (14, 37), 4: (42,), 20: (73,), 21: (73,), 22: (56,), 40: (19,), 42: (151,), 62: (18,),
    92: (33,), 183: (1030,), 243: (10, 11), 258: (10, 11),
}  # fmt: skip

_MAX_RELOCATIONS = 64 * 1024 * 1024
_MAX_DISTINCT = 1_000_000
_RELOCATION_STEP = 65_536


class VersionNeed(NamedTuple):
    """A version that a library must define.

    :param library: the library's name, as in ``DT_NEEDED``
    :param version: the version: ``GLIBC_2.17``
    """

    library: str
    version: str


@dataclass(frozen=True)
class DynamicFacts:
    """What a loader reads in one file.

    :param soname: ``DT_SONAME``, or ``None``
    :param needed: the names in ``DT_NEEDED``, in their order
    :param rpath: ``DT_RPATH``, or ``None``
    :param runpath: ``DT_RUNPATH``, or ``None``
    :param no_default_libraries: ``DF_1_NODEFLIB``: glibc looks in no folder of the system
    :param has_relative_relocations: whether it has any in ``DT_RELR``
    :param tls_size: bytes of its thread-local variables; 0 if it has none
    :param static_tls: ``DF_STATIC_TLS``
    :param initial_exec: what its initial-exec accesses to thread-local variables refer to; an empty name is
        a variable of its own
    :param references: the undefined symbols that are bound when it is loaded
    :param needed_versions: the versions that must be there, without the weak ones
    :param exports: the symbols that it offers
    """

    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    no_default_libraries: bool = False
    has_relative_relocations: bool = False
    tls_size: int = 0
    static_tls: bool = False
    initial_exec: tuple[Reference, ...] = ()
    references: tuple[Reference, ...] = ()
    needed_versions: tuple[VersionNeed, ...] = ()
    exports: Exports = field(default_factory=Exports)


def read_dynamic(stream: BinaryIO) -> DynamicFacts:
    """Read what a loader reads in a file, in time and memory that the size of the file bounds.

    :param stream: a seekable binary stream of the whole file
    :raises InvalidElf: if the bytes are not a readable ELF file, whatever is wrong with them
    """
    return dynamic_of(ElfFile(stream))


def dynamic_of(file: ElfFile) -> DynamicFacts:
    """What a loader reads in a file that is open.

    :raises InvalidElf: as :func:`read_dynamic`
    """
    needs = list(needed_versions(file))
    first, count = hashed_symbols(file)
    bound = _bound_symbols(file, count)
    count = max([count, *(index + 1 for index, _ in bound)])
    symbols = Symbols(file, first, count, {need.number: need.name for need in needs})
    return DynamicFacts(
        soname=_text(file, _SONAME),
        needed=tuple(file.string(value) for value in file.values(_NEEDED)),
        rpath=_text(file, _RPATH),
        runpath=_text(file, _RUNPATH),
        no_default_libraries=bool(file.value(_FLAGS_1) & _DF_1_NODEFLIB),
        has_relative_relocations=file.value(_RELR) > 0 and file.value(_RELRSZ) > 0,
        tls_size=max((segment.memory for segment in file.segments if segment.kind == PT_TLS), default=0),
        static_tls=bool(file.value(_FLAGS) & _DF_STATIC_TLS),
        initial_exec=tuple(sorted({symbols.reference(index) for index, tpoff in bound if tpoff})),
        references=tuple(symbols.undefined({index for index, _ in bound})),
        needed_versions=tuple(
            VersionNeed(need.library, need.name) for need in needs if not need.flags & _VER_FLG_WEAK
        ),
        exports=symbols.exports(),
    )


def _text(file: ElfFile, tag: int) -> str | None:
    values = file.values(tag)
    return file.string(values[-1]) if values else None


def _bound_symbols(file: ElfFile, count: int) -> set[tuple[int, bool]]:
    """The index of each symbol that a relocation refers to, and whether for an initial-exec access."""
    if file.header.machine == _EM_MIPS:  # which binds through its GOT, without relocations
        return {(index, False) for index in range(1, count)}
    tpoff, shift = _TPOFF.get(file.header.machine, ()), 32 if file.bits == 64 else 8
    mask = (1 << shift) - 1
    return {
        (info >> shift, info & mask in tpoff)
        for info in _relocation_infos(file)
        if info >> shift or info & mask in tpoff
    }


def _relocation_infos(file: ElfFile) -> set[int]:
    """Every ``r_info`` that there is, each once: most relocations differ in nothing else."""
    with_addend = file.value(_PLTREL) == _RELA
    tables = (
        (file.value(_JMPREL), file.value(_PLTRELSZ), with_addend),
        (file.value(_REL), file.value(_RELSZ), False),
        (file.value(_RELA), file.value(_RELASZ), True),
    )
    found: set[int] = set()
    for address, size, addend in tables:
        if size > _MAX_RELOCATIONS:
            raise InvalidElf(None, f"claims relocations of {size} bytes")
        if size:
            found.update(_infos_in(file, file.offset_of(address), size, 3 if addend else 2))
    if len(found) > _MAX_DISTINCT:
        raise InvalidElf(None, f"has {len(found)} different relocations")
    return found


def _infos_in(file: ElfFile, at: int, size: int, words: int) -> Iterator[int]:
    """Every ``r_info`` of one table, some of them more than once.

    :param words: how many numbers an entry has
    """
    layout = "Q" if file.bits == 64 else "I"
    entry = words * struct.calcsize(file.sign + layout)
    for first in range(0, size // entry, _RELOCATION_STEP):
        count = min(_RELOCATION_STEP, size // entry - first)
        data = file.read(at + first * entry, count * entry)
        yield from set(struct.unpack(f"{file.sign}{count * words}{layout}", data)[1::words])


@dataclass(frozen=True)
class Image:
    """All that muslfix reads in one ELF file.

    :param facts: what it is for and linked to
    :param dynamic: what a loader reads in it; the reason, a sentence, where that is damaged
    """

    facts: ElfFacts
    dynamic: DynamicFacts | str


def read_image(stream: BinaryIO) -> Image:
    """Read an ELF file once, for all questions.

    :param stream: as for :func:`read_dynamic`
    :raises InvalidElf: as :func:`muslfix.elf.read_elf`
    """
    file = ElfFile(stream)
    facts = facts_of(file)
    try:
        return Image(facts, dynamic_of(file))
    except InvalidElf as error:
        return Image(facts, error.reason)
