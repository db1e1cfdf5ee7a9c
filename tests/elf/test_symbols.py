"""The symbols of ELF files, which are read by columns and asked for as sets, against reading one by one."""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muslfix.elf import symbol_table
from muslfix.elf.dynamic import DynamicFacts, Image
from muslfix.elf.facts import ElfFacts, Machine
from muslfix.elf.file import DT, ElfFile
from muslfix.elf.symbol_table import Symbols
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.errors import InvalidElf
from muslfix.loader.facts import Absence, LoadedFile, Started, System
from muslfix.loader.glibc import GlibcRules
from muslfix.loader.musl import MuslRules
from muslfix.loader.rules import Object, Rules
from muslfix.suffix import Libc

NEEDS = {2: "V2", 3: "V3"}


class Symbol(NamedTuple):
    """A row of a symbol table."""

    name: int
    info: int = 0x12
    other: int = 0
    section: int = 0
    value: int = 0
    version: int = 1


class Table(ElfFile):
    """A file that is nothing but symbols, their versions and their strings, each at an address of its own."""

    def __init__(
        self, symbols: list[Symbol], strings: bytes, bits: int = 64, sign: str = "<", *, versions: bool = True
    ) -> None:
        self.bits, self.sign = bits, sign
        self.strings = strings
        rows = [
            struct.pack(sign + "IBBHQQ", s.name, s.info, s.other, s.section, s.value, 8)
            if bits == 64
            else struct.pack(sign + "IIIBBH", s.name, s.value, 8, s.info, s.other, s.section)
            for s in symbols
        ]
        numbers = struct.pack(f"{sign}{len(symbols)}H", *(s.version for s in symbols))
        table = b"".join(rows)
        self.tags = {DT.SYMTAB: [0], DT.STRTAB: [0], **({DT.VERSYM: [len(table)]} if versions else {})}
        self.size = len(table + numbers)
        self._stream = io.BytesIO(table + numbers)

    def values(self, tag: int) -> list[int]:
        return self.tags.get(tag, [])

    def offset_of(self, address: int) -> int:
        return address

    def string_table(self, *, whole: bool = False) -> bytes:
        return self.strings


def one_by_one(
    symbols: list[Symbol], strings: bytes, first: int, bound: set[int], *, versions: bool
) -> tuple[list[Reference], list[Reference], set[str]]:
    """What must be defined, what may be missing, and the texts of what is offered."""
    needed: list[Reference] = []
    weak: list[Reference] = []
    texts: set[str] = set()
    for index, symbol in enumerate(symbols):
        name = strings[symbol.name : strings.index(b"\0", symbol.name)].decode("utf-8", "surrogateescape")
        binding, kind, number = symbol.info >> 4, symbol.info & 15, symbol.version & 0x7FFF
        is_own = symbol.other & 3 in (1, 2) or symbol.value  # then it is no reference, or for musl only
        if index in bound and index and name and not symbol.section and binding and not is_own:
            version = NEEDS.get(number, "") if versions else ""
            (weak if binding == 2 else needed).append(Reference(name, version, binding == 2))
        is_definition = symbol.section and binding in (1, 2, 10) and kind in (0, 1, 2, 5, 6, 10)
        is_there = symbol.value or kind == 6 or symbol.section == 0xFFF1
        if index < first or not is_definition or not is_there or symbol.other & 3 in (1, 2):
            continue
        default = number == symbol.version
        if versions:
            texts.add(f"{name}@")
        if kind != 10 and (default or not versions):
            texts.add(name)
        elif not versions or default or number <= 2:
            texts.add(f"{name}@*")
    return needed, weak, texts


def lost_to(libc: Libc, symbol: Symbol) -> bool:
    """Whether a loader does not take a symbol of the file to which the file itself refers."""
    binding, kind, is_hidden = symbol.info >> 4, symbol.info & 15, symbol.other & 3 in (1, 2)
    is_musl = libc is Libc.MUSL
    if not binding:
        return False
    if not symbol.section:
        return is_musl and is_hidden and binding != 2
    if not is_musl and (is_hidden or binding == 2):
        return False
    is_known = binding in (1, 2, 10) and kind in ((0, 1, 2, 5, 6) if is_musl else (0, 1, 2, 5, 6, 10))
    is_there = symbol.value or kind == 6 or (symbol.section == 0xFFF1 and not is_musl)
    return not is_known or not is_there


STRINGS = b"\0alpha\0beta\0g\xc3\xa4mma\0\xff\xfe\0"
SYMBOLS = st.builds(
    Symbol,
    name=st.integers(0, len(STRINGS) - 1),
    info=st.builds(lambda binding, kind: binding << 4 | kind, st.sampled_from([0, 1, 2, 3, 10]),
                   st.sampled_from([0, 1, 2, 3, 4, 5, 6, 10])),
    other=st.integers(0, 3),
    section=st.sampled_from([0, 0, 7, 0xFFF1]),
    value=st.sampled_from([0, 1, 0xFFFF_FFFF]),
    version=st.sampled_from([0, 1, 2, 3, 4, 0x8001, 0x8002, 0x8003]),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    symbols=st.lists(SYMBOLS, max_size=12),
    first=st.integers(0, 12),
    bound=st.sets(st.integers(1, 11)),
    bits=st.sampled_from([32, 64]),
    sign=st.sampled_from("<>"),
    versions=st.booleans(),
    step=st.sampled_from([1, 3, 16_384]),
    long_name=st.sampled_from([2, 4_096]),
)
def test_what_is_read_by_columns(
    *,
    symbols: list[Symbol],
    first: int,
    bound: set[int],
    bits: int,
    sign: str,
    versions: bool,
    step: int,
    long_name: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbol_table, "_SYMBOL_STEP", step)
        patch.setattr(symbol_table, "_LONG_NAME", long_name)
        file = Table(symbols, STRINGS, bits, sign, versions=versions)
        read = Symbols(file, first, len(symbols), NEEDS)
        references, exports, lost = list(read.references(bound)), read.exports(), read.lost(bound)
    needed, weak, texts = one_by_one(symbols, STRINGS, first, bound, versions=versions)
    assert references == needed + weak
    assert set(exports.to_texts()) == texts
    assert exports.has_versions == (versions and bool(symbols))
    texts_at = [
        STRINGS[one.name : STRINGS.index(b"\0", one.name)].decode("utf-8", "surrogateescape")
        for one in symbols
    ]
    for libc in Libc:
        indexes = [n for n, one in enumerate(symbols) if n and n in bound and lost_to(libc, one)]
        assert list(lost.get(libc, ())) == [texts_at[index] for index in indexes if texts_at[index]]


@pytest.mark.parametrize("place", [6, 7, 2**32 - 1])
@pytest.mark.parametrize("section", [0, 7])
def test_a_name_that_is_not_in_the_table(place: int, section: int) -> None:
    symbols = [Symbol(0), Symbol(1), Symbol(place, section=section, value=int(section > 0))]
    read = Symbols(Table(symbols, b"\0name\0tail"), 1, 3, NEEDS)
    with pytest.raises(InvalidElf, match=r"^has a symbol whose name is not in its string table$"):
        (read.exports() if section else read.references({1, 2}))


@pytest.mark.parametrize("section", [0, 7])
def test_names_that_are_one_long_string(section: int) -> None:
    """Each of them is another end of it, so that the file is small and its names would fill any memory."""
    strings = b"x" * 1_000_000 + b"\0"
    symbols = [Symbol(n, section=section, value=int(section > 0)) for n in range(10_000)]
    read = Symbols(Table(symbols, strings), 1, len(symbols), NEEDS)
    with pytest.raises(InvalidElf, match="longer than 64 MiB together"):
        (read.exports() if section else read.references(range(1, len(symbols))))


def test_a_string_table_of_no_strings() -> None:
    """Nothing is to be read in it, and it takes no time for each symbol that has no name in it."""
    symbols = [Symbol(n, section=7, value=1) for n in range(50_000)]
    exports = Symbols(Table(symbols, bytes(8 * 1024 * 1024)), 1, len(symbols), NEEDS).exports()
    assert exports.names == {""}


@pytest.mark.parametrize("sign", "<>")
def test_columns(sign: str) -> None:
    file = Table([], b"", sign=sign)
    table = struct.pack(f"{sign}6I", 1, 2, 3, 4, 5, 2**32 - 1)
    assert file.column(table, "I", 0, 3) == [1, 4]
    assert file.column(memoryview(table), "I", 2, 3) == [3, 2**32 - 1]
    assert file.column(b"", "Q", 1, 3) == []


# -- what is asked of them --------------------------------------------------------------------------

NAMES = st.frozensets(st.sampled_from(["a", "b", "c", "fopen64"]))
EXPORTS = st.builds(
    Exports,
    NAMES,
    st.dictionaries(st.sampled_from(["", "*", "V1", "V2"]), NAMES),
    st.booleans(),
)


class NoFiles:
    """Nothing is there."""

    def open(self, path: str) -> LoadedFile | Absence:
        del path
        return Absence.NOT_THERE


def loaded(number: int, exports: Exports) -> LoadedFile:
    facts = ElfFacts(Machine("x86_64", 64, "little"), "shared object")
    return LoadedFile(f"/{number}", number, Image(facts, DynamicFacts(exports=exports)))


@settings(deadline=None)
@given(
    started=st.lists(EXPORTS, max_size=2),
    told=st.lists(EXPORTS, max_size=2),
    new=st.lists(EXPORTS, max_size=2),
    asked=st.lists(st.tuples(NAMES, st.sampled_from(["", "*", "V1", "V2", "V3"])), max_size=4),
    musl=st.booleans(),
)
def test_what_is_undefined_has_no_provider(
    *,
    started: list[Exports],
    told: list[Exports],
    new: list[Exports],
    asked: list[tuple[frozenset[str], str]],
    musl: bool,
) -> None:
    """Sets and what is remembered of them give what the rules of each loader give for each name."""
    files = [loaded(number, exports) for number, exports in enumerate(started)]
    known = Started(
        files[0] if files else None,
        tuple(files[1:]),
        exports={f"lib{number}.so": exports for number, exports in enumerate(told)},
    )
    libc, version = (Libc.MUSL, (1, 2, 5)) if musl else (Libc.GLIBC, (2, 36))
    system = System(libc, version, Machine("x86_64", 64, "little"), started=known)
    for shared in range(2):  # the second process of the same system finds what the first one has learnt
        rules: Rules = MuslRules(system, NoFiles()) if musl else GlibcRules(system, NoFiles())
        rules.objects += [
            Object(loaded(10 + n, exports), None, set()) for n, exports in enumerate(new[shared:])
        ]
        for names, wanted in asked:
            missing = {name for name in names if rules.provider(Reference(name, wanted)) is None}
            assert rules.undefined(names, wanted) == missing


def test_references_by_version() -> None:
    some = References(["a", "b", "a"], ["", "V1", "V1"], [Reference("c", "V2", weak=True)])
    assert some.needed == {"": {"a"}, "V1": {"a", "b"}}
    assert [str(one) for one in some] == ["a", "b@V1", "a@V1", "c@V2"]
    assert References(["a", "b"], ["", ""]).needed == {"": {"a", "b"}}
