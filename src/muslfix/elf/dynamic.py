"""What a dynamic loader reads in an ELF file: what it needs, where it looks for that, what it binds.

Symbols are found as a loader finds them, by way of the hash tables and the relocations; there may be no
section headers. A loader never looks up a name that no relocation refers to, so such a name is left out.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html; how
musl uses them: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from muslfix.elf.facts import ElfFacts, NeededVersion, facts_of
from muslfix.elf.file import PT_TLS, ElfFile
from muslfix.elf.hash_tables import hashed_symbols
from muslfix.elf.symbol_table import Symbols
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.errors import InvalidElf

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


class DynamicFacts(NamedTuple):
    """What a loader reads in one file.

    :param soname: ``DT_SONAME``, or ``None``
    :param needed: the names in ``DT_NEEDED``, in their order
    :param rpath: ``DT_RPATH``, or ``None``
    :param runpath: ``DT_RUNPATH``, or ``None``
    :param no_default_libraries: ``DF_1_NODEFLIB``: glibc looks in no directory of the system
    :param has_relative_relocations: whether it has any in ``DT_RELR``
    :param tls_size: bytes of its thread-local variables; 0 if it has none
    :param static_tls: ``DF_STATIC_TLS``
    :param initial_exec: the symbols of its initial-exec accesses to thread-local variables; an empty name is
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
    references: References = References()
    needed_versions: tuple[VersionNeed, ...] = ()
    exports: Exports = Exports()


def dynamic_of(file: ElfFile, needs: Sequence[NeededVersion]) -> DynamicFacts:
    """What a loader reads in a file that is open.

    :param needs: its :func:`~muslfix.elf.facts.needed_versions`
    :raises InvalidElf: if what it reads is damaged, in whichever way
    """
    first, count = hashed_symbols(file)
    bound, initial_exec = _bound_symbols(file, count)
    count = max(count, max(bound, default=-1) + 1)
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
        initial_exec=_initial_exec(symbols, initial_exec),
        references=symbols.references(bound),
        needed_versions=tuple(
            VersionNeed(need.library, need.name) for need in needs if not need.flags & _VER_FLG_WEAK
        ),
        exports=symbols.exports(),
    )


def _initial_exec(symbols: Symbols, indexes: Collection[int]) -> tuple[Reference, ...]:
    """What the initial-exec accesses refer to; those to own variables are one with an empty name."""
    if not indexes:
        return ()
    references = list(symbols.references(indexes))
    own = {Reference("")} if len(references) < len(indexes) else set[Reference]()
    return tuple(sorted(own.union(references)))


def _text(file: ElfFile, tag: int) -> str | None:
    values = file.values(tag)
    return file.string(values[-1]) if values else None


def _bound_symbols(file: ElfFile, count: int) -> tuple[Collection[int], Collection[int]]:
    """The index of each symbol that a relocation refers to, and of those for an initial-exec access."""
    if file.header.machine == _EM_MIPS:  # which binds through its GOT, without relocations
        return range(1, count), ()
    tpoff = frozenset(_TPOFF.get(file.header.machine, ()))
    bound: set[int] = set()
    initial_exec: set[int] = set()
    for symbols, types in _relocations(file):
        bound.update(symbols)
        if not tpoff.isdisjoint(types):
            initial_exec.update(symbol for symbol, kind in zip(symbols, types) if kind in tpoff)
        if len(bound) > _MAX_DISTINCT:
            raise InvalidElf(None, f"has relocations for more than {_MAX_DISTINCT} symbols")
    if 0 not in initial_exec:  # for these it means a variable of the file, for the others no symbol
        bound.discard(0)
    return bound, initial_exec


def _relocations(file: ElfFile) -> Iterator[tuple[list[int], list[int]]]:
    """Symbol and type of every relocation, many at a time."""
    with_addend = file.value(_PLTREL) == _RELA
    tables = (
        (file.value(_JMPREL), file.value(_PLTRELSZ), with_addend),
        (file.value(_REL), file.value(_RELSZ), False),
        (file.value(_RELA), file.value(_RELASZ), True),
    )
    for address, size, addend in tables:
        if size > _MAX_RELOCATIONS:
            raise InvalidElf(None, f"claims relocations of {size} bytes")
        if size:
            yield from _relocations_in(file, file.offset_of(address), size, 3 if addend else 2)


def _relocations_in(file: ElfFile, at: int, size: int, words: int) -> Iterator[tuple[list[int], list[int]]]:
    """Symbol and type of every relocation of one table.

    :param words: how many numbers an entry has, of which ``r_info`` is the second
    """
    entry = words * file.bits // 8
    for first in range(0, size // entry, _RELOCATION_STEP):
        count = min(_RELOCATION_STEP, size // entry - first)
        table = file.read(at + first * entry, count * entry)
        if file.bits == 64:  # its halves, of which the upper one is the symbol
            halves = [file.column(table, "I", half, 2 * words) for half in (2, 3)]
            yield (halves[1], halves[0]) if file.byte_order == "little" else (halves[0], halves[1])
        else:
            infos = file.column(table, "I", 1, words)
            yield [info >> 8 for info in infos], [info & 0xFF for info in infos]


class Image(NamedTuple):
    """All that muslfix reads from one ELF file.

    :param facts: what it is for and linked to
    :param dynamic: what a loader reads in it; the reason, a sentence, if that is damaged
    """

    facts: ElfFacts
    dynamic: DynamicFacts | str


def read_image(stream: BinaryIO) -> Image:
    """Read an ELF file once, for all questions.

    :param stream: a seekable binary stream of the whole file
    :raises InvalidElf: as :func:`muslfix.elf.facts.read_elf`
    """
    file = ElfFile(stream)
    facts, needs = facts_of(file)
    try:
        return Image(facts, dynamic_of(file, needs))
    except InvalidElf as error:
        return Image(facts, error.reason)
