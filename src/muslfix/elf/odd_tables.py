"""What is odd about the dynamic section of a file, and the tables that it leads to.

musl: ``decode_dyn``, ``find_sym`` and ``do_relocs`` in https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c;
glibc: ``get-dynamic-info.h``, ``dl-load.c``, ``do-rel.h`` and ``dl-version.c`` in
https://sourceware.org/git/?p=glibc.git;a=tree;f=elf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muslfix.elf.facts import NeededVersion
from muslfix.elf.file import DT, PT_DYNAMIC, ElfFile
from muslfix.elf.hash_tables import elf_hash
from muslfix.elf.mapping import PF_R, PF_W, PF_X
from muslfix.elf.oddities import BOTH, DIES, GLIBC, MUSL, REFUSED, UNKNOWN, Oddity, those
from muslfix.elf.relocations import COPY, DF_TEXTREL, KNOWN_TYPES, Relocations, tables_of
from muslfix.elf.symbol_table import Symbols
from muslfix.errors import few
from muslfix.suffix import Libc

_DF_1_NOOPEN, _DF_1_PIE = 0x40, 0x08000000

# Machines of which glibc knows relocations with an addend only, ELF_MACHINE_NO_REL.
_WITH_ADDEND_ONLY = frozenset({20, 21, 22, 62, 183, 243, 258})
_EM_X86_64, _R_X86_64_RELATIVE = 62, 8


def odd_tables(
    file: ElfFile, needs: Sequence[NeededVersion], relocations: Relocations, symbols: Symbols
) -> Iterator[Oddity]:
    """What is odd about what the dynamic section says and leads to.

    :param needs: the needed versions
    :param symbols: which have been read
    """
    if file.dynamic_at:
        yield from _in_access(file)
        yield from _in_dynamic_section(file, relocations)
        yield from _in_code(file)
        yield from _in_hash_table(file)
        yield from _in_sizes(file)
        yield from _in_types(file, relocations)
        yield from _in_targets(file, relocations)
        yield from _in_versions(file, needs, symbols)


def _in_access(file: ElfFile) -> Iterator[Oddity]:
    """Whether what a loader reads and writes may be read and written."""
    section = next(one for one in reversed(file.segments) if one.kind == PT_DYNAMIC)
    hash_table = DT.GNU_HASH if file.values(DT.GNU_HASH) else DT.HASH
    tags = [tag for tag in (hash_table, DT.STRTAB, DT.SYMTAB) if file.values(tag)]
    places = [section.address, *map(file.value, tags)]
    unreadable = [at for at in places if not _allows(file, at, PF_R) and not _allows(file, at, PF_W)]
    # What may only be run can be read on some CPUs.
    is_dead = not all(_allows(file, place, PF_X) for place in unreadable)
    return those(
        (unreadable and is_dead, BOTH, DIES, "has tables in memory that may not be read"),
        (unreadable and not is_dead, BOTH, UNKNOWN, "has tables in memory that may only be run"),
        (
            section.flags & PF_W and not _allows(file, section.address, PF_W), GLIBC, DIES,
            "has a dynamic section that is to be written, and may not be",
        ),
    )  # fmt: skip


def _allows(file: ElfFile, address: int, flags: int) -> bool:
    return file.mapping.allows(address, address, flags)


def _in_dynamic_section(file: ElfFile, relocations: Relocations) -> Iterator[Oddity]:
    flags = file.value(DT.FLAGS_1)
    lacks_symbols = not file.values(DT.SYMTAB)
    has_names = relocations.bound or file.values(DT.RPATH) or file.values(DT.RUNPATH)
    return those(
        (flags & _DF_1_PIE, GLIBC, REFUSED, "is a program (DF_1_PIE), and glibc loads none as a library"),
        (
            flags & _DF_1_NOOPEN and not flags & _DF_1_PIE, GLIBC, REFUSED,
            "forbids to be loaded while a program runs (DF_1_NOOPEN)",
        ),
        (
            any(len(set(file.values(tag))) > 1 for tag in (DT.GNU_HASH, DT.VERSYM)), MUSL, UNKNOWN,
            "has two tables of a kind of which musl takes the first and others the last",
        ),
        (lacks_symbols, GLIBC, DIES, "has no symbol table"),
        (lacks_symbols and relocations.bound, MUSL, UNKNOWN, "has no symbol table"),
        (not file.values(DT.STRTAB) and has_names, BOTH, UNKNOWN, "has no string table"),
    )  # fmt: skip


def _in_code(file: ElfFile) -> Iterator[Oddity]:
    """Whether the code that runs first is there."""
    start, size = file.value(DT.INIT_ARRAY), file.value(DT.INIT_ARRAYSZ)
    is_there = size < file.bits // 8 or file.mapping.allows(start, start + size - 1, PF_R)
    return those(
        (
            file.values(DT.INIT) and not _allows(file, file.value(DT.INIT), PF_X), BOTH, DIES,
            "is to run code that is not there (DT_INIT)",
        ),
        (not is_there, BOTH, DIES, "is to run code that is not there (DT_INIT_ARRAY)"),
        (
            file.values(DT.INIT_ARRAY) and not file.values(DT.INIT_ARRAYSZ), GLIBC, DIES,
            "is to run code of which it does not say how much (DT_INIT_ARRAYSZ)",
        ),
    )  # fmt: skip


def _in_hash_table(file: ElfFile) -> Iterator[Oddity]:
    tag = DT.GNU_HASH if file.values(DT.GNU_HASH) else DT.HASH
    if not file.values(tag):
        yield Oddity(MUSL, DIES, "has no hash table of symbols")
    elif not file.unpack("I", file.offset_of(file.value(tag)))[0]:
        # The newer kind has a filter before its buckets, by which musl may never come to them.
        yield Oddity(MUSL, DIES if tag == DT.HASH else UNKNOWN, "has a hash table without buckets")


def _in_sizes(file: ElfFile) -> Iterator[Oddity]:
    """What glibc asserts of the sizes and kinds of relocations, and musl takes for granted."""
    word = file.bits // 8
    only = file.header.machine in _WITH_ADDEND_ONLY
    plt = file.values(DT.PLTREL)
    is_other = only and plt and file.value(DT.PLTREL) != DT.RELA
    is_odd = file.values(DT.RELA) and (not file.values(DT.RELASZ) or file.value(DT.RELAENT) != 3 * word)
    return those(
        (is_odd, GLIBC, DIES, "has relocations of another size"),
        (
            file.values(DT.RELR) and file.value(DT.RELRENT) != word, GLIBC, DIES,
            "has relative relocations of another size",
        ),
        (is_other, GLIBC, DIES, "has relocations of another kind (DT_PLTREL)"),
        (only and file.values(DT.REL), GLIBC, UNKNOWN, "has relocations of another kind (DT_REL)"),
        (file.value(DT.JMPREL) and not plt, GLIBC, UNKNOWN, "does not say of which kind its relocations are"),
        (
            any(size % (words * word) for _, size, words in tables_of(file)), MUSL, DIES,
            "has a table of relocations that ends within one",
        ),
        (
            file.header.machine == _EM_X86_64 and file.bits == 64 and not _are_relative(file), GLIBC, DIES,
            "has fewer relative relocations than it says (DT_RELACOUNT)",
        ),
    )  # fmt: skip


def _are_relative(file: ElfFile) -> bool:
    """Whether as many relocations at the beginning of the table are relative as the file says."""
    size = 24
    count = min(file.value(DT.RELACOUNT), file.value(DT.RELASZ) // size)
    if not count:
        return True
    types = file.column(file.read(file.offset_of(file.value(DT.RELA)), count * size), "I", 2, 6)
    return types.count(_R_X86_64_RELATIVE) == count


def _in_types(file: ElfFile, relocations: Relocations) -> Iterator[Oddity]:
    machine = file.header.machine
    if file.bits == 32 and machine == _EM_X86_64:
        return
    for libc in Libc:
        known = KNOWN_TYPES.get((libc, machine))
        mask = 0x7FFFFFFF if libc is Libc.MUSL else 0xFFFFFFFF  # R_TYPE
        types = sorted({kind & mask for kind in relocations.types} - known) if known else []
        if types:
            named = few([*map(str, types)], 3)
            yield Oddity(libc, REFUSED, f"has relocations of a type that {libc} does not know ({named})")
    if COPY.get(machine) in relocations.types:
        yield Oddity(MUSL, UNKNOWN, "has relocations that copy, as only programs have")


def _in_targets(file: ElfFile, relocations: Relocations) -> Iterator[Oddity]:
    astray = relocations.strays
    straddles = relocations.straddles and not astray
    is_flag_only = not astray and file.value(DT.FLAGS) & DF_TEXTREL and not file.values(DT.TEXTREL)
    return those(
        (astray, BOTH, DIES, "is to be changed where it may not be written"),
        (straddles, BOTH, UNKNOWN, "is to be changed at the end of what may be written"),
        (is_flag_only, MUSL, UNKNOWN, "may have to be changed where it may not be written (DF_TEXTREL)"),
    )


def _in_versions(file: ElfFile, needs: Sequence[NeededVersion], symbols: Symbols) -> Iterator[Oddity]:
    form = file.unpack("H", file.offset_of(file.value(DT.VERNEED)))[0] if needs else 1
    is_odd = symbols.has_odd_versions or any(need.hash != elf_hash(need.name) for need in needs)
    return those(
        (form != 1, GLIBC, REFUSED, "has needed versions in a form that glibc does not know"),
        (is_odd, GLIBC, UNKNOWN, "has versions of a wrong form or with a wrong hash"),
        (symbols.lacks_versions, GLIBC, UNKNOWN, "needs symbols in versions that it does not name"),
        (
            symbols.has_addresses, BOTH, UNKNOWN,
            "needs symbols that have an address already, as only programs do",
        ),
    )  # fmt: skip
