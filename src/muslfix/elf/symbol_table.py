"""The symbol table of an ELF file as a dynamic loader reads it, with the versions of the symbols.

A large wheel refers to some ten thousand, and the libraries offer as many, so nothing here takes them one by
one: numbers are read by columns, names are cut and decoded many at a time.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import compress, count, repeat
from typing import NamedTuple

from muslfix.elf.file import DT, ElfFile
from muslfix.elf.hash_tables import MAX_SYMBOLS, SYMBOL_SIZES, elf_hash
from muslfix.elf.symbol_kinds import Kind, Use, kind_of
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

_VER_FLG_BASE = 1
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
    known: Mapping[int, Kind]

    def used_as(self, use: Use) -> frozenset[int]:
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
        if not file.values(DT.SYMTAB) or not file.values(DT.STRTAB):
            count = 0
        self._file = file
        self._first = first
        self._count = count
        self._needs = needs
        self._text_left = _MAX_TEXT
        self._layout = _LAYOUTS[file.bits]
        self._size = SYMBOL_SIZES[file.bits]
        self._table = self._part(DT.SYMTAB, count * self._size)
        self._versions = self._part(DT.VERSYM, 2 * count) if file.values(DT.VERSYM) else b""
        self._strings = file.string_table()
        #: Whether an undefined symbol has an address, which only those of programs should have.
        self.has_addresses = False
        #: Whether an undefined symbol is to have a version that the file does not name.
        self.lacks_versions = False
        #: Whether glibc does not find a version that the file defines.
        self.has_odd_versions = False

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
            some, of_versions = self._bound(rows, Use.NEEDED, bound)
            names += some
            versions += of_versions
            weak += (Reference(*both, weak=True) for both in zip(*self._bound(rows, Use.WEAK, bound)))
        return References(names, versions, weak)

    def _bound(self, rows: _Rows, use: Use, bound: Container[int]) -> tuple[list[str], list[str]]:
        """The names of some references, and the versions."""
        kinds = rows.used_as(use)
        chosen = list(map(kinds.__contains__, rows.kinds))
        if any(compress(rows.values, chosen)):  # with one it can be its own definition
            self.has_addresses = True
            chosen = [one and not value for one, value in zip(chosen, rows.values)]
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
        self.lacks_versions |= any(
            not name and number & ~_HIDDEN_VERSION >= _MAX_BASE_INDEX for number, name in versions.items()
        )
        return [versions[number] for number in numbers]

    def lost(self, bound: Container[int]) -> dict[Libc, tuple[str, ...]]:
        """The names of the file's own symbols that a loader looks for elsewhere, since it does not take them.

        :param bound: as for :meth:`references`
        """
        found: dict[Libc, list[str]] = {libc: [] for libc in Libc}
        for rows in self._rows(1, self._count):
            lost = {number: kind.lost for number, kind in rows.known.items() if kind.lost}
            at_zero = {number: kind.lost_at_zero for number, kind in rows.known.items() if kind.lost_at_zero}
            odd = [
                number in lost or (not value and number in at_zero)
                for number, value in zip(rows.kinds, rows.values)
            ]
            for place in compress(range(len(odd)), odd):
                if rows.first + place in bound:
                    number = rows.kinds[place]
                    for libc in lost.get(number, ()) if rows.values[place] else at_zero.get(number, ()):
                        found[libc] += self._names([rows.names[place]])
        return {libc: tuple(filter(None, names)) for libc, names in found.items() if any(names)}

    def exports(self) -> Exports:
        """The symbols that others find."""
        defined = self._defined_versions()
        names: list[frozenset[str]] = []
        hidden: set[str] = set()
        versioned: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
        for rows in self._rows(self._first, self._count):
            hidden.update(self._hidden(rows))
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
            frozenset(hidden),
        )

    def _hidden(self, rows: _Rows) -> Sequence[str]:
        """Names that only musl finds."""
        kinds = rows.used_as(Use.HIDDEN)
        if not kinds:
            return ()
        columns = zip(rows.names, rows.kinds, rows.values)
        return self._names([name for name, kind, value in columns if kind in kinds and value])

    def _exported(self, rows: _Rows) -> Iterator[tuple[int, bool, frozenset[str]]]:
        """Names that are found, with their version as ``DT_VERSYM`` has it, and whether they are ordinary."""
        zero = {number for number, kind in rows.known.items() if kind.may_be_zero}
        for use in (Use.ORDINARY, Use.INDIRECT):
            kinds, is_ordinary = rows.used_as(use), use is Use.ORDINARY
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
            known = {number: kind_of(file.sign, number) for number in set(kinds)}
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
        names: list[str] = []
        if max(places, default=0) >= len(self._strings):  # no loader knows its size
            self._strings = self._file.string_table(whole=True)
        find = self._strings.find
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

    def _defined_versions(self) -> dict[int, str]:
        """The versions that a file defines, by what ``DT_VERSYM`` calls them, without its own one."""
        file = self._file
        at = file.offset_of(file.value(DT.VERDEF)) if file.values(DT.VERDEF) else None
        found: dict[int, str] = {}
        for _ in range(_MAX_VERSIONS):
            if at is None:
                return found
            version, flags, index, _, hash_, first, following = file.unpack("HHHHIII", at)
            name = file.string(file.unpack("II", at + first)[0])
            if not flags & _VER_FLG_BASE:
                found[index] = name
            self.has_odd_versions |= version != 1 or (index in found and hash_ != elf_hash(name))
            at = at + following if following else None
        raise InvalidElf(None, "has a table of versions without an end")


def _union(parts: Sequence[frozenset[str]]) -> frozenset[str]:
    """All names of some sets; mostly that is one, which is left as it is."""
    return parts[0] if len(parts) == 1 else frozenset[str]().union(*parts)
