"""The symbol table of an ELF file as a dynamic loader reads it, with the versions of the symbols.

A large wheel refers to some ten thousand, and the libraries offer as many, so nothing here takes them one by
one: numbers are read by columns, names are cut and decoded many at a time.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property, lru_cache
from itertools import compress, count, repeat
from typing import NamedTuple

from muslfix.elf.file import ElfFile
from muslfix.elf.hash_tables import MAX_SYMBOLS, SYMBOL_SIZES
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.errors import InvalidElf

_SYMTAB, _VERSYM, _VERDEF = 6, 0x6FFFFFF0, 0x6FFFFFFC
_VER_FLG_BASE = 1
_STB_LOCAL, _STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE = 0, 1, 2, 10
_STT_TLS, _STT_GNU_IFUNC = 6, 10
_TYPES = frozenset({0, 1, 2, 5, _STT_TLS})  # OK_TYPES in musl's dynlink.c
_BINDINGS = frozenset({_STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE})
_HIDDEN_VISIBILITIES = frozenset({1, 2})
_SHN_ABS = 0xFFF1
_HIDDEN_VERSION = 0x8000
_MAX_BASE_INDEX = 2  # up to here a version is what references without one are bound to

_MAX_TEXT = 64 * 1024 * 1024
_SYMBOL_STEP = 16_384
_LONG_NAME = 4_096
_MAX_VERSIONS = 10_000


class _Layout(NamedTuple):
    """Where the fields of a symbol are: columns as :meth:`ElfFile.column` takes them.

    The kind is ``st_info``, ``st_other`` and ``st_shndx``, which stand side by side: most symbols of a file
    are of a few kinds.
    """

    name: tuple[str, int, int]
    kind: tuple[str, int, int]
    value: tuple[str, int, int]


_LAYOUTS = {
    32: _Layout(name=("I", 0, 4), kind=("I", 3, 4), value=("I", 1, 4)),
    64: _Layout(name=("I", 0, 6), kind=("I", 1, 6), value=("Q", 1, 3)),
}


class _Use(Enum):
    """What a symbol is to a loader: ``find_sym2`` of musl, ``check_match`` of glibc.

    https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-lookup.c
    """

    NEEDED = "others must define it"
    WEAK = "others may define it"
    ORDINARY = "a definition for either loader"
    INDIRECT = "a definition for glibc, of a type that musl does not know"
    NONE = "neither"


class _Kind(NamedTuple):
    """What the kind of a symbol means.

    :param use: what it is, if its value is not 0
    :param may_be_zero: whether it is a definition with that value too
    """

    use: _Use
    may_be_zero: bool


@lru_cache(maxsize=1024)
def _kind(sign: str, number: int) -> _Kind:
    info, other, section = struct.unpack(sign + "BBH", struct.pack(sign + "I", number))
    binding, kind = info >> 4, info & 0xF
    use = _Use.NONE
    if section == 0 and binding != _STB_LOCAL:
        use = _Use.WEAK if binding == _STB_WEAK else _Use.NEEDED
    elif section != 0 and binding in _BINDINGS and other & 3 not in _HIDDEN_VISIBILITIES:
        if kind in _TYPES:
            use = _Use.ORDINARY
        elif kind == _STT_GNU_IFUNC:
            use = _Use.INDIRECT
    return _Kind(use, kind == _STT_TLS or section == _SHN_ABS)


class _Rows(NamedTuple):
    """Consecutive symbols, with the fields of each.

    :param first: the index of the first
    :param names: the offset of the name in the string table
    :param kinds: see :class:`_Layout`
    :param values: ``st_value``
    :param versions: what ``DT_VERSYM`` has for it; empty where the file has no versions
    :param known: what each number in ``kinds`` means
    """

    first: int
    names: list[int]
    kinds: list[int]
    values: list[int]
    versions: list[int]
    known: Mapping[int, _Kind]

    def used_as(self, use: _Use) -> frozenset[int]:
        """The kinds of one use."""
        return frozenset(number for number, kind in self.known.items() if kind.use is use)


class Symbols:
    """The symbol table of a file, and its strings and versions.

    :param first: the index of the first symbol that the hash table finds
    :param count: how many symbols there are, as far as anything refers to them
    :param needs: the needed versions, by what ``DT_VERSYM`` calls them
    """

    def __init__(self, file: ElfFile, first: int, count: int, needs: Mapping[int, str]) -> None:
        if count > MAX_SYMBOLS:
            raise InvalidElf(None, f"claims {count} symbols")
        self._file = file
        self._first = first
        self._count = count
        self._needs = needs
        self._text_left = _MAX_TEXT
        self._layout = _LAYOUTS[file.bits]
        self._size = SYMBOL_SIZES[file.bits]
        self._table = self._part(_SYMTAB, count * self._size)
        self._versions = self._part(_VERSYM, 2 * count) if file.values(_VERSYM) else b""
        self._strings = file.string_table()

    def _part(self, tag: int, size: int) -> bytes:
        return self._file.read(self._file.offset_of(self._file.value(tag)), size) if size else b""

    def references(self, bound: Container[int]) -> References:
        """The symbols that others must define, or may.

        :param bound: the indexes of those that a relocation refers to
        """
        names: list[str] = []
        versions: list[str] = []
        weak: list[Reference] = []
        for rows in self._rows(1, self._count):
            some, of_versions = self._bound(rows, _Use.NEEDED, bound)
            names += some
            versions += of_versions
            weak += (Reference(*both, weak=True) for both in zip(*self._bound(rows, _Use.WEAK, bound)))
        return References(names, versions, weak)

    def _bound(self, rows: _Rows, use: _Use, bound: Container[int]) -> tuple[list[str], list[str]]:
        """The names of some references, and the versions."""
        kinds = rows.used_as(use)
        chosen = list(map(kinds.__contains__, rows.kinds))
        if not all(map(bound.__contains__, compress(count(rows.first), chosen))):
            chosen = [one and index in bound for index, one in enumerate(chosen, rows.first)]
        names = self._names(list(compress(rows.names, chosen)))
        versions = self._needed_versions(list(compress(rows.versions, chosen)), len(names))
        if "" in names:  # which refers to nothing
            versions = list(compress(versions, names))
            names = list(filter(None, names))
        return names, versions

    def _needed_versions(self, numbers: list[int], number: int) -> list[str]:
        """The versions that some symbols must have.

        :param numbers: what ``DT_VERSYM`` has for them; none where the file has no versions
        :param number: how many they are
        """
        if not numbers:
            return [""] * number
        versions = {number: self._needs.get(number & ~_HIDDEN_VERSION, "") for number in set(numbers)}
        return [versions[number] for number in numbers]

    def exports(self) -> Exports:
        """The symbols that others find."""
        defined = _defined_versions(self._file)
        names: list[frozenset[str]] = []
        versioned: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
        for rows in self._rows(self._first, self._count):
            for number, is_ordinary, found in self._exported(rows):
                version = number & ~_HIDDEN_VERSION
                is_default = version == number
                if self._versions:
                    versioned[defined.get(version, "")].append(found)
                if is_default and is_ordinary:
                    names.append(found)
                elif is_default or version <= _MAX_BASE_INDEX:
                    versioned["*"].append(found)
        return Exports(
            _union(names),
            {version: _union(parts) for version, parts in versioned.items()},
            bool(self._versions),
            frozenset(defined.values()),
        )

    def _exported(self, rows: _Rows) -> Iterator[tuple[int, bool, frozenset[str]]]:
        """Names that are found, with their version as ``DT_VERSYM`` has it, and whether they are ordinary."""
        zero = {number for number, kind in rows.known.items() if kind.may_be_zero}
        for use in (_Use.ORDINARY, _Use.INDIRECT):
            kinds, is_ordinary = rows.used_as(use), use is _Use.ORDINARY
            if not kinds:
                continue
            chosen = [
                kind in kinds and (value or kind in zero) for kind, value in zip(rows.kinds, rows.values)
            ]
            names = self._names(list(compress(rows.names, chosen)))
            if not names:
                continue
            if not rows.versions:
                yield 0, is_ordinary, frozenset(names)
                continue
            numbers = list(compress(rows.versions, chosen))
            if len(set(numbers)) == 1:
                yield numbers[0], is_ordinary, frozenset(names)
                continue
            found: defaultdict[int, list[str]] = defaultdict(list)
            for number, name in zip(numbers, names):
                found[number].append(name)
            for number, of_version in found.items():
                yield number, is_ordinary, frozenset(of_version)

    def _rows(self, first: int, end: int) -> Iterator[_Rows]:
        """The symbols in a range, in chunks that fit in memory."""
        file, size = self._file, self._size
        for start in range(first, end, _SYMBOL_STEP):
            stop = min(start + _SYMBOL_STEP, end)
            table = memoryview(self._table)[start * size : stop * size]
            versions = memoryview(self._versions)[2 * start : 2 * stop]
            names, kinds, values = (file.column(table, *column) for column in self._layout)
            known = {number: _kind(file.sign, number) for number in set(kinds)}
            yield _Rows(start, names, kinds, values, file.column(versions, "H", 0, 1), known)

    @cached_property
    def _has_long_names(self) -> bool:
        """Whether the string table has a string of more than :data:`_LONG_NAME` bytes."""
        at = 0
        while at < len(self._strings) - _LONG_NAME:
            end = self._strings.rfind(b"\0", at, at + _LONG_NAME + 1)
            if end < 0:
                return True
            at = end + 1
        return False

    def _names(self, places: Sequence[int]) -> list[str]:
        """The strings at some offsets of the string table."""
        find, names = self._strings.find, list[str]()
        # A table can be one long name, of which every symbol has the rest from another letter on. So only
        # where no name is long are many taken together, and never more than there is room for.
        at_once = 1 if self._has_long_names else max(1, self._text_left // _LONG_NAME)
        for first in range(0, len(places), at_once):
            some = places[first : first + at_once]
            ends = list(map(find, repeat(b"\0"), some))
            if -1 in ends:
                raise InvalidElf(None, "has a symbol whose name is not in its string table")
            self._text_left -= sum(ends) - sum(some)
            if self._text_left < 0:
                raise InvalidElf(
                    None, f"has symbols whose names are longer than {_MAX_TEXT // 2**20} MiB together"
                )
            # To decode them all is no more work than one.
            texts = b"\0".join([self._strings[at:end] for at, end in zip(some, ends)])
            names += texts.decode("utf-8", "surrogateescape").split("\0")
        return names


def _union(parts: Sequence[frozenset[str]]) -> frozenset[str]:
    """All names of some sets; mostly that is one, which is left as it is."""
    return parts[0] if len(parts) == 1 else frozenset[str]().union(*parts)


def _defined_versions(file: ElfFile) -> dict[int, str]:
    """The versions that a file defines, by what ``DT_VERSYM`` calls them, without that of the file itself."""
    at = file.offset_of(file.value(_VERDEF)) if file.values(_VERDEF) else None
    found: dict[int, str] = {}
    for _ in range(_MAX_VERSIONS):
        if at is None:
            return found
        _, flags, index, _, _, first, following = file.unpack("HHHHIII", at)
        if not flags & _VER_FLG_BASE:
            found[index] = file.string(file.unpack("II", at + first)[0])
        at = at + following if following else None
    raise InvalidElf(None, "has a table of versions without an end")
