"""The symbols of an ELF file as a dynamic loader finds them: by way of its hash table, with their versions.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html; the GNU hash table:
https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html; symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from muslfix.elf_file import ElfFile
from muslfix.errors import InvalidElf
from muslfix.values import dataclass

_HASH, _SYMTAB, _GNU_HASH, _VERSYM, _VERDEF = 4, 6, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC
_VER_FLG_BASE = 1
_SYMBOL = {32: "IIIBBH", 64: "IBBHQQ"}
_STB_LOCAL, _STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE = 0, 1, 2, 10
_STT_TLS, _STT_GNU_IFUNC = 6, 10
_TYPES = frozenset({0, 1, 2, 5, _STT_TLS})  # OK_TYPES in musl's dynlink.c
_BINDINGS = frozenset({_STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE})
_HIDDEN_VISIBILITIES = frozenset({1, 2})
_SHN_ABS = 0xFFF1
_HIDDEN_VERSION = 0x8000
_MAX_BASE_INDEX = 2  # up to here a version is what references without one are bound to

_WIDE_HASH = frozenset({22, 0x9026})

_MAX_SYMBOLS = 1_000_000
_MAX_TEXT = 64 * 1024 * 1024
_CHAIN_STEP = 1024
_MAX_VERSIONS = 10_000


class Reference(NamedTuple):
    """A symbol that a relocation refers to and the file does not define.

    :param name: its name
    :param version: the version that it must have, or empty
    :param weak: whether it may be missing
    """

    name: str
    version: str = ""
    weak: bool = False

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True)
class Exports:
    """The symbols that a file offers to others.

    :param names: those without a version or with a default version: all that musl's loader finds
    :param versioned: ``name@VERSION`` for each with a version, ``name@`` for those without one in a file
        that has versions, ``name@*`` for a name that serves references without a version although it is
        not in ``names``
    :param has_versions: whether the file has versions at all
    :param versions: the versions that it defines
    """

    names: frozenset[str] = frozenset()
    versioned: frozenset[str] = frozenset()
    has_versions: bool = False
    versions: frozenset[str] = frozenset()

    def to_texts(self) -> list[str]:
        """The symbols as sorted texts, for a target file; ``@VERSION`` is a version that is defined."""
        return sorted({*self.names, *self.versioned, *("@" + version for version in self.versions)})

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Exports:
        """What :meth:`to_texts` has written."""
        every = frozenset(texts)
        versions = frozenset(text[1:] for text in every if text.startswith("@"))
        names = frozenset(text for text in every if "@" not in text)
        versioned = frozenset(text for text in every if "@" in text[1:])
        return cls(names, versioned, any(not text.endswith("@*") for text in versioned), versions)


class Symbols:
    """The symbol table of a file, and its strings and versions.

    :param first: the index of the first symbol that the hash table finds
    :param count: how many symbols there are, as far as anything refers to them
    :param needs: the needed versions, by what ``DT_VERSYM`` calls them
    """

    def __init__(self, file: ElfFile, first: int, count: int, needs: dict[int, str]) -> None:
        if count > _MAX_SYMBOLS:
            raise InvalidElf(None, f"claims {count} symbols")
        self._file = file
        self._first = first
        self._needs = needs
        self._text_left = _MAX_TEXT
        self._entry = struct.Struct(file.sign + _SYMBOL[file.bits])
        self._strings = file.string_table()
        self._table = self._part(_SYMTAB, count * self._entry.size)
        versions = self._part(_VERSYM, 2 * count) if file.values(_VERSYM) else b""
        self._versions = struct.unpack(f"{file.sign}{len(versions) // 2}H", versions)

    def _part(self, tag: int, size: int) -> bytes:
        return self._file.read(self._file.offset_of(self._file.value(tag)), size) if size else b""

    def reference(self, index: int) -> Reference:
        """What a relocation refers to by the index of a symbol; of an own one only that it is."""
        if not index:
            return Reference("")
        name, info, _, section, _ = self._fields(
            self._entry.unpack_from(self._table, index * self._entry.size)
        )
        if section or info >> 4 == _STB_LOCAL:
            return Reference("")
        version = self._needs.get(self._versions[index] & ~_HIDDEN_VERSION, "") if self._versions else ""
        return Reference(self._name(name), version, info >> 4 == _STB_WEAK)

    def undefined(self, indexes: set[int]) -> Iterator[Reference]:
        """Those that others must define, in the order of the table."""
        for index in sorted(indexes):
            reference = self.reference(index)
            if reference.name:
                yield reference

    def exports(self) -> Exports:
        """The symbols that others find."""
        names, versioned = set[str](), set[str]()
        defined = _defined_versions(self._file)
        table = self._table[self._first * self._entry.size :]
        for index, fields in enumerate(self._entry.iter_unpack(table), self._first):
            name_at, info, other, section, value = self._fields(fields)
            if not _is_export(info, other, section, value):
                continue
            name, ordinary = self._name(name_at), info & 0xF in _TYPES
            if not self._versions:
                (names if ordinary else versioned).add(name if ordinary else name + "@*")
                continue
            number = self._versions[index] & ~_HIDDEN_VERSION
            default = number == self._versions[index]
            versioned.add(f"{name}@{defined.get(number, '')}")
            if default and ordinary:
                names.add(name)
            elif default or number <= _MAX_BASE_INDEX:
                versioned.add(name + "@*")
        return Exports(
            frozenset(names), frozenset(versioned), bool(self._versions), frozenset(defined.values())
        )

    def _fields(self, fields: tuple[int, ...]) -> tuple[int, int, int, int, int]:
        """Name, info, other, section and value of a symbol; the classes have them in different orders."""
        if self._file.bits == 64:
            name, info, other, section, value, _ = fields
        else:
            name, value, _, info, other, section = fields
        return name, info, other, section, value

    def _name(self, at: int) -> str:
        end = self._strings.find(b"\0", at)
        if end < 0:
            raise InvalidElf(None, "has a symbol whose name is not in its string table")
        self._text_left -= end - at
        if self._text_left < 0:
            raise InvalidElf(
                None, f"has symbols whose names are longer than {_MAX_TEXT // 2**20} MiB together"
            )
        return self._strings[at:end].decode("utf-8", "surrogateescape")


def _is_export(info: int, other: int, section: int, value: int) -> bool:
    """Whether a loader takes a symbol for a definition: ``find_sym2`` of musl, ``check_match`` of glibc.

    https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-lookup.c
    """
    kind = info & 0xF
    return (
        section != 0
        and info >> 4 in _BINDINGS
        and (kind in _TYPES or kind == _STT_GNU_IFUNC)
        and (value != 0 or kind == _STT_TLS or section == _SHN_ABS)
        and other & 3 not in _HIDDEN_VISIBILITIES
    )


def hashed_symbols(file: ElfFile) -> tuple[int, int]:
    """The index of the first symbol that a hash table finds, and of the one behind the last.

    The GNU kind does not say how many there are: ``count_syms`` in musl's dynlink.c.
    """
    if file.values(_GNU_HASH):
        return _gnu_hashed_symbols(file, file.offset_of(file.value(_GNU_HASH)))
    if file.values(_HASH):
        # 64-bit entries on Alpha and s390x, by their ABI.
        wide = file.header.machine in _WIDE_HASH and file.bits == 64
        count = file.unpack("QQ" if wide else "II", file.offset_of(file.value(_HASH)))[1]
        return 1, count
    return 0, 0


def _gnu_hashed_symbols(file: ElfFile, at: int) -> tuple[int, int]:
    bucket_count, first, bloom_words, _ = file.unpack("IIII", at)
    if bucket_count > _MAX_SYMBOLS or bloom_words > _MAX_SYMBOLS:
        raise InvalidElf(None, f"claims a hash table of {bucket_count} buckets")
    buckets_at = at + 16 + bloom_words * file.bits // 8
    last = max(file.unpack(f"{bucket_count}I", buckets_at), default=0)
    if last < first or not last:
        return first, 0
    chains_at = buckets_at + 4 * bucket_count - 4 * first
    while last < _MAX_SYMBOLS:
        data = file.read(chains_at + 4 * last, 4 * _CHAIN_STEP, at_most=True)
        for entry in struct.unpack(f"{file.sign}{len(data) // 4}I", data[: len(data) & ~3]):
            last += 1
            if entry & 1:
                return first, last
        if len(data) < 4 * _CHAIN_STEP:
            break
    raise InvalidElf(None, "has a hash table without an end")


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
