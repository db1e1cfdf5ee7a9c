"""What a dynamic loader reads in an ELF file: what it needs, where it looks for that, what it binds.

Symbols are found as a loader finds them, by way of the hash tables and the relocations; there may be no
section headers. A loader never looks up a name that no relocation refers to, so such a name is left out.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html; how
musl uses them: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from muslfix.elf.facts import ElfFacts, NeededVersion, facts_of
from muslfix.elf.file import DT, PT_GNU_STACK, ElfFile
from muslfix.elf.hash_tables import hashed_symbols
from muslfix.elf.odd_headers import odd_headers, thread_local_of
from muslfix.elf.odd_tables import odd_tables
from muslfix.elf.oddities import Oddity
from muslfix.elf.relocations import relocations_of
from muslfix.elf.symbol_table import Symbols
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

_DF_1_NODEFLIB = 0x800
_VER_FLG_WEAK = 2


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
    :param tls_align: their alignment
    :param has_descriptors: whether it asks for descriptors of thread-local variables
    :param stack_flags: the flags of ``PT_GNU_STACK``, or ``None``
    :param initial_exec: the symbols of its initial-exec accesses to thread-local variables; an empty name is
        a variable of its own
    :param references: the undefined symbols that are bound when it is loaded
    :param needed_versions: the versions that must be there, without the weak ones
    :param exports: the symbols that it offers
    :param lost: names that the loader of a libc looks for elsewhere, although the file is to define them
    :param oddities: at what loaders stop
    """

    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    no_default_libraries: bool = False
    has_relative_relocations: bool = False
    tls_size: int = 0
    tls_align: int = 1
    has_descriptors: bool = False
    stack_flags: int | None = None
    initial_exec: tuple[Reference, ...] = ()
    references: References = References()
    needed_versions: tuple[VersionNeed, ...] = ()
    exports: Exports = Exports()
    lost: Mapping[Libc, Sequence[str]] = {}
    oddities: Sequence[Oddity] = ()


def dynamic_of(file: ElfFile, needs: Sequence[NeededVersion]) -> DynamicFacts:
    """What a loader reads in a file that is open.

    :param needs: its :func:`~muslfix.elf.facts.needed_versions`
    :raises InvalidElf: if what it reads is damaged, in whichever way
    """
    first, count = hashed_symbols(file)
    relocations = relocations_of(file, count)
    bound = relocations.bound
    count = max(count, max(bound, default=-1) + 1)
    symbols = Symbols(file, first, count, {need.number: need.name for need in needs})
    variables = thread_local_of(file)
    return DynamicFacts(
        soname=_text(file, DT.SONAME),
        needed=tuple(file.string(value) for value in file.values(DT.NEEDED)),
        rpath=_text(file, DT.RPATH),
        runpath=_text(file, DT.RUNPATH),
        no_default_libraries=bool(file.value(DT.FLAGS_1) & _DF_1_NODEFLIB),
        has_relative_relocations=file.value(DT.RELR) > 0 and file.value(DT.RELRSZ) > 0,
        tls_size=0 if variables is None else variables.memory,
        tls_align=1 if variables is None else max(variables.align, 1),
        has_descriptors=relocations.has_descriptors,
        stack_flags=next((one.flags for one in reversed(file.segments) if one.kind == PT_GNU_STACK), None),
        initial_exec=_initial_exec(symbols, relocations.initial_exec),
        references=symbols.references(bound),
        needed_versions=tuple(
            VersionNeed(need.library, need.name) for need in needs if not need.flags & _VER_FLG_WEAK
        ),
        exports=symbols.exports(),
        lost=symbols.lost(bound),
        oddities=(*odd_headers(file, relocations), *odd_tables(file, needs, relocations, symbols)),
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
    return file.string(values[-1]) if values and file.values(DT.STRTAB) else None


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
