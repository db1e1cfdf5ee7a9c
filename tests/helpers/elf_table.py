"""Shared objects of which each has one thing that loaders may read in another way than one thinks.

:data:`CASES` are held against the real loaders: :mod:`test_elf_table`. A case makes its files in a directory
of its own and returns the path that is to be given to ``dlopen``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loadable_elf import (
    ABS64,
    DATA,
    DT,
    FUNC,
    GLOB_DAT,
    IFUNC,
    JUMP_SLOT,
    LOCAL,
    NONE,
    PAGE,
    PT,
    RELATIVE,
    TARGET,
    TEXT,
    TLS,
    TPOFF,
    UNIQUE,
    WEAK,
    Loadable,
    R,
    Segment,
    W,
    X,
)

Change = Callable[[Loadable], object]

#: Where a second table can be laid, in the page that is read.
FREE = 0xC00
HOLE = 0x10_0000


@dataclass(frozen=True)
class Case:
    """One case.

    :param kind: what it is about
    :param name: what is odd, in words
    :param make: writes the files below a directory, and returns the path of the one to load
    """

    kind: str
    name: str
    make: Callable[[Path], Path]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def module(*changes: Change) -> Callable[[Path], Path]:
    """A module that refers to the libc and the interpreter, with some changes."""

    def make(directory: Path) -> Path:
        elf = Loadable().refer("getpid").refer("PyLong_FromLong").define("PyInit_m")
        return write(directory / "m.so", elf, *changes)

    return make


def needing(*changes: Change, **libraries: Change) -> Callable[[Path], Path]:
    """A module that needs libraries, each with a change; ``__`` in their names is ``/`` of a directory."""

    def make(directory: Path) -> Path:
        elf = Loadable().refer("getpid").define("PyInit_m")
        for name, change in libraries.items():
            place, _, base = f"{name}.so".rpartition("__")
            path = directory / place.replace("__", "/").replace("_", "-") / base
            write(path, Loadable().define("answer_of_" + name.rpartition("__")[2]), change)
            if base not in elf.needed:
                elf.needed.append(base)
        return write(directory / "m.so", elf, *changes)

    return make


def write(path: Path, elf: Loadable, *changes: Change) -> Path:
    """Write a file with some changes."""
    for change in changes:
        change(elf)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(elf.build())
    return path


def sets(**fields: object) -> Change:
    """Set attributes of the content."""

    def change(elf: Loadable) -> None:
        for name, value in fields.items():
            setattr(elf, name, value)

    return change


def ident(place: int, value: int) -> Change:
    return lambda elf: elf.ident.update({place: value})


def header(**fields: int) -> Change:
    return lambda elf: elf.header.update(fields)


def tag(name: str, value: int) -> Change:
    """One more entry, the last but the end."""
    return lambda elf: elf.dynamic.append((name, value))


def without(*names: str) -> Change:
    return lambda elf: elf.without.update(names)


def segment(number: int, **fields: int) -> Change:
    """Change a program header: 0 what is read, 1 what is run, 2 what is written, 3 ``PT_DYNAMIC``."""

    def change(segments: list[Segment]) -> None:
        for name, value in fields.items():
            setattr(segments[number], name, value)

    return sets(segments=change)


def more(*added: Segment, at: int | None = None) -> Change:
    """Add program headers."""

    def change(segments: list[Segment]) -> None:
        place = len(segments) if at is None else at
        segments[place:place] = added

    return sets(segments=change)


def only(*kinds: str) -> Change:
    """Leave out the program headers of some kinds."""

    def change(segments: list[Segment]) -> None:
        segments[:] = [one for one in segments if one.kind not in {PT[kind] for kind in kinds}]

    return sets(segments=change)


def moved(name: str, to: int, edit: Callable[[bytes], bytes] = bytes, *, first: bool = False) -> Change:
    """A second table of a kind, changed, and a second entry for it: behind the true one, or before it."""

    def change(elf: Loadable) -> None:
        place = []

        def entries(found: list[tuple[str, int]]) -> None:
            place.append(next(value for tag, value in found if tag == name))
            found.insert(0 if first else len(found), (name, to))

        def late(image: bytearray) -> None:
            image[to : to + 0x200] = edit(bytes(image[place[0] : place[0] + 0x200]))

        elf.entries, elf.late = entries, late

    return change


def table(name: str, edit: Callable[[bytearray, int], object]) -> Change:
    """Change a table where it is."""

    def change(elf: Loadable) -> None:
        place = []

        def entries(found: list[tuple[str, int]]) -> None:
            place.append(next(value for tag, value in found if tag == name))

        elf.entries, elf.late = entries, lambda image: edit(image, place[0])

    return change


def entry(name: str, value: int) -> Change:
    """Change the value of an entry of the dynamic section."""

    def change(found: list[tuple[str, int]]) -> None:
        found[:] = [(tag, value if tag == name else old) for tag, old in found]

    return sets(entries=change)


def relocation(kind: int, symbol: int = 0, to: int = TARGET + 0x80, add: int = 0) -> Change:
    return lambda elf: elf.relocations.append((to, kind, symbol, add))


def refers(name: str, kind: int = GLOB_DAT, **fields: int) -> Change:
    return lambda elf: elf.refer(name, kind, **fields)


def defines(name: str, **fields: int) -> Change:
    return lambda elf: elf.define(name, **fields)


def both(*changes: Change) -> Change:
    """Several changes as one."""

    def change(elf: Loadable) -> None:
        for one in changes:
            one(elf)

    return change


def nothing(_: Loadable) -> None:
    """No change."""


def initial_exec(size: int, align: int = 8) -> Change:
    """Thread-local variables of its own, at a fixed offset from the thread pointer."""
    return both(sets(tls=(0, size, align)), relocation(TPOFF))


def put(at: int, data: bytes) -> Callable[[bytearray], None]:
    def late(image: bytearray) -> None:
        image[at : at + len(data)] = data

    return late


def note(kind: int, owner: bytes, content: bytes) -> bytes:
    return struct.pack("<III", len(owner) + 1, len(content), kind) + owner + b"\0" + content


def noted(content: bytes, kind: str = "NOTE", *, offset: int = FREE, align: int = 4) -> Change:
    return both(
        more(Segment(PT[kind], R, offset, FREE, len(content), align=align)), sets(late=put(FREE, content))
    )


def _header() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    odd = {
        "OSABI of Linux": ident(7, 3),
        "OSABI of FreeBSD": ident(7, 9),
        "OSABI of ARM": ident(7, 97),
        "OSABI of an embedded system": ident(7, 255),
        "ABI version without an OSABI": ident(8, 1),
        "ABI version 1 of Linux": both(ident(7, 3), ident(8, 1)),
        "ABI version 200 of Linux": both(ident(7, 3), ident(8, 200)),
        "something in the padding": ident(12, 1),
        "version 0 in e_ident": ident(6, 0),
        "version 2 in e_ident": ident(6, 2),
        "e_version 0": header(e_version=0),
        "e_version 2": header(e_version=2),
        "object file": header(e_type=1),
        "core file": header(e_type=4),
        "e_type 0": header(e_type=0),
        "unknown e_type": header(e_type=0xFE00),
        "program": header(e_type=2),
        "no program headers": header(e_phnum=0),
        "program headers behind the end": header(e_phoff=0x100000),
        "more program headers than there are": header(e_phnum=1000, e_phoff=0x2F00),
        "nonsense in what loaders ignore": header(
            e_entry=77, e_shoff=2**60, e_shnum=9, e_shentsize=7, e_shstrndx=8, e_ehsize=1, e_flags=0xFFFF
        ),
    }
    for name, change in odd.items():
        yield name, module(change)
        yield f"library: {name}", needing(liba=change)


def _segments() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    load = PT["LOAD"]
    changes = {
        "nothing odd": nothing,
        "no PT_LOAD": only("LOAD"),
        "no PT_DYNAMIC": only("DYNAMIC"),
        "empty PT_DYNAMIC": segment(3, size=0, memory=0),
        "PT_DYNAMIC without bytes in the file": segment(3, size=0, memory=0x200),
        "PT_DYNAMIC without bytes in memory": segment(3, memory=0),
        "PT_DYNAMIC at address 0": segment(3, address=0),
        "PT_DYNAMIC with another offset": segment(3, offset=FREE),
        "PT_DYNAMIC with an offset behind the end": segment(3, offset=2**40),
        "PT_DYNAMIC of 16 bytes": segment(3, size=16, memory=16),
        "PT_DYNAMIC of a terabyte": segment(3, size=2**40, memory=2**40),
        "PT_DYNAMIC where nothing is mapped": segment(3, address=HOLE * 64),
        "PT_DYNAMIC in zeros": segment(3, address=DATA + 0xE00),
        "PT_DYNAMIC that is not aligned": segment(3, address=DATA + 1),
        "PT_DYNAMIC without an end": sets(
            zeros=0x200, late=lambda image: image.__setitem__(slice(DATA, DATA + 0xE00), b"\x66" * 0xE00)
        ),
        "two PT_DYNAMIC, the last right": more(Segment(PT["DYNAMIC"], R, FREE, FREE, 64), at=3),
        "two PT_DYNAMIC, the last empty": more(Segment(PT["DYNAMIC"], R, FREE, FREE, 0)),
        "two PT_DYNAMIC, the first empty": more(Segment(PT["DYNAMIC"], R, FREE, FREE, 0), at=3),
        "segments in the wrong order": sets(segments=lambda s: s.insert(0, s.pop(2))),
        "data before text": sets(segments=lambda s: s.insert(1, s.pop(2))),
        "address and offset that do not fit": segment(2, address=DATA + 8),
        "text with address and offset that do not fit": segment(1, address=TEXT + 8),
        "alignment 0": segment(2, align=0),
        "alignment 1": segment(2, align=1),
        "alignment 3": segment(2, align=3),
        "alignment 16": segment(2, align=16),
        "alignment of 2 MiB": segment(2, align=0x200000),
        "alignment of a terabyte": segment(1, align=2**40),
        "data that may not be read": segment(2, flags=0),
        "data that may only be written": segment(2, flags=W),
        "data that may not be written": segment(2, flags=R),
        "tables that may not be read": segment(0, flags=0),
        "tables in memory that may be written and run": segment(0, flags=R | W | X),
        "less memory than bytes": segment(2, memory=0xC00),
        "read-only zeros": segment(0, size=0xE00, memory=0x1000),
        "a gigabyte of zeros": segment(2, memory=2**30),
        "zeros up to the end of memory": segment(2, memory=2**63),
        "more than the address space": segment(2, memory=2**62),
        "a wrap around the address space": segment(2, memory=2**64 - DATA),
        "a far address": segment(1, address=2**60),
        "empty PT_LOAD": more(Segment(load, R, 0, 3 * PAGE, 0, 0)),
        "empty PT_LOAD at address 0": more(Segment(load, R, 0, 0, 0, 0), at=0),
        "PT_LOAD of zeros only": more(Segment(load, R | W, 0, 4 * PAGE, 0, PAGE)),
        "a hole between segments": more(Segment(load, R, 0, HOLE, PAGE)),
        "the same page twice": more(Segment(load, R, 0, 3 * PAGE, PAGE)),
        "a page laid over the data": more(Segment(load, R | W, 0, DATA, PAGE)),
        "a page laid over the text": more(Segment(load, R | X, DATA, TEXT, 0xE00), at=2),
        "a page laid over the tables": more(Segment(load, R, DATA, 0, 0xE00), at=1),
        "a page under the data": more(Segment(load, R | W, 0, DATA, PAGE), at=2),
        "PT_GNU_RELRO": more(Segment(PT["RELRO"], R, DATA, DATA, PAGE)),
        "PT_GNU_RELRO that ends within a page": more(Segment(PT["RELRO"], R, DATA, DATA, 0xF00)),
        "PT_GNU_RELRO where nothing is mapped": more(Segment(PT["RELRO"], R, 0, HOLE * 4096, PAGE)),
        "PT_GNU_RELRO longer than all": more(Segment(PT["RELRO"], R, DATA, DATA, 2**40)),
        "PT_PHDR": more(Segment(PT["PHDR"], R, 64, 64, 6 * 56), at=0),
        "PT_PHDR where nothing is mapped": more(Segment(PT["PHDR"], R, 64, HOLE * 4096, 6 * 56), at=0),
        "PT_PHDR to zeros": more(Segment(PT["PHDR"], R, 64, DATA + 0xE00, 6 * 56), at=0),
        "PT_INTERP": more(Segment(PT["INTERP"], R, FREE, FREE, 16)),
        "PT_INTERP behind the end": more(Segment(PT["INTERP"], R, 2**40, 2**40, 16)),
        "unknown segment": more(Segment(0x6FFF1234, R, 2**40, 2**40, 2**40)),
        "PT_SHLIB": more(Segment(5, R, 0, 0, 16)),
        "note of an older Linux": noted(note(1, b"GNU", struct.pack("<4I", 0, 2, 6, 32))),
        "note of Linux 99": noted(note(1, b"GNU", struct.pack("<4I", 0, 99, 0, 0))),
        "note of the Hurd": noted(note(1, b"GNU", struct.pack("<4I", 1, 0, 0, 0))),
        "note behind the end": noted(note(1, b"GNU", struct.pack("<4I", 0, 99, 0, 0)), offset=2**40),
        "note without an end": noted(struct.pack("<III", 2**31, 2**31, 1)),
        "note that needs x86-64-v1": noted(
            note(5, b"GNU", struct.pack("<IIII", 0xC0008002, 4, 1, 0)), "PROPERTY", align=8
        ),
        "note that needs an unknown level of the CPU": noted(
            note(5, b"GNU", struct.pack("<IIII", 0xC0008002, 4, 0x80000000, 0)), "PROPERTY", align=8
        ),
        "no PT_GNU_STACK": sets(stack=None),
        "executable stack": sets(stack=R | W | X),
        "stack of no access": sets(stack=0),
    }
    for name, change in changes.items():
        yield name, module(change)
    yield "library: no PT_DYNAMIC", needing(liba=only("DYNAMIC"))
    yield "library: executable stack", needing(liba=sets(stack=R | W | X))
    yield "library: no PT_GNU_STACK", needing(liba=sets(stack=None))
    hidden = sets(late=put(FREE, second_section(b"libgone.so")))
    for name, change in {
        "the last of two PT_DYNAMIC": with_second_section(b"libgone.so"),
        "the first of two PT_DYNAMIC": both(more(Segment(PT["DYNAMIC"], R, FREE, FREE, 96), at=3), hidden),
        "another section at the address of PT_DYNAMIC": both(segment(3, address=FREE), hidden),
        "another section at the offset of PT_DYNAMIC": both(segment(3, offset=FREE), hidden),
    }.items():
        yield f"a missing library in {name}", module(change)


def second_section(library: bytes) -> bytes:
    """A dynamic section to be laid at :data:`FREE`, with its tables, which needs a library."""
    entries = [("NEEDED", 1), ("STRTAB", 0x100), ("SYMTAB", 0x180), ("HASH", 0x1C0)]
    section = b"".join(
        struct.pack("<QQ", DT[name], value if name == "NEEDED" else FREE + value) for name, value in entries
    )
    names = b"\0" + library + b"\0"
    return section.ljust(0x100, b"\0") + names.ljust(0xC0, b"\0") + struct.pack("<4I", 1, 1, 0, 0)


def with_second_section(library: bytes) -> Change:
    """A second dynamic section, the last, which needs a library."""
    return both(
        more(Segment(PT["DYNAMIC"], R, FREE, FREE, 96)), sets(late=put(FREE, second_section(library)))
    )


def _cut() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    for cut in (0, 4, 16, 40, 63, 64, 100, 343):
        yield f"cut off after {cut} bytes", module(sets(cut=cut))
        if cut in (0, 40, 100):
            yield f"library: cut off after {cut} bytes", needing(liba=sets(cut=cut))
    for cut in (0x800, PAGE, PAGE + 1, TEXT + 0x800, DATA, DATA + 1, DATA + 0x40, DATA + 0x800, DATA + 0xDFF):
        yield f"cut off after {cut:#x} bytes", module(sets(cut=cut))
        yield f"library: cut off after {cut:#x} bytes", needing(liba=sets(cut=cut))
    yield "a segment longer than the file", module(segment(2, size=0x10E00, memory=0x10E00))
    yield "a segment a little longer than the file", module(segment(2, size=0xE10, memory=0xF00))
    yield "a segment up to the end of its page", module(segment(2, size=0x1000, memory=0x1000))
    yield "a segment behind the end", module(more(Segment(PT["LOAD"], R, 0x10000, 0x10000, 16)))
    yield "data a page behind the end", module(segment(2, offset=3 * PAGE))


def _gone(names: bytes) -> bytes:
    return names.replace(b"libhere.so\0", b"libgone.so\0")


# A pointer to code that runs at load, in an array whose place only a relative relocation can put right.
_INITIALISED = both(
    tag("INIT_ARRAY", TARGET + 64),
    tag("INIT_ARRAYSZ", 8),
    sets(
        late=lambda image: [
            put(FREE, struct.pack("<Q", TARGET + 64))(image),
            put(TARGET + 64, struct.pack("<Q", TEXT))(image),
        ]
    ),
)


def _dynamic() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    changes = {
        "no string table": without("STRTAB"),
        "no string table and no name": both(without("STRTAB", "RUNPATH"), sets(symbols=[], relocations=[])),
        "no symbol table": without("SYMTAB"),
        "no symbol table and no relocation": both(without("SYMTAB"), sets(symbols=[], relocations=[])),
        "no size of the string table": without("STRSZ"),
        "a string table of one byte": entry("STRSZ", 1),
        "a string table of a terabyte": entry("STRSZ", 2**40),
        "no size of symbols": without("SYMENT"),
        "symbols of 16 bytes": entry("SYMENT", 16),
        "no hash table": sets(hashes=()),
        "no hash table and no symbol": sets(hashes=(), symbols=[], relocations=[]),
        "the old hash table only": sets(hashes=("HASH",)),
        "the new hash table only": sets(hashes=("GNU_HASH",)),
        "no buckets": both(sets(hashes=("HASH",)), table("HASH", lambda i, at: put(at, bytes(4))(i))),
        "no new buckets": both(
            sets(hashes=("GNU_HASH",)), table("GNU_HASH", lambda i, at: put(at, bytes(4))(i))
        ),
        "a hash table where nothing is mapped": entry("HASH", HOLE * 4096),
        "a new hash table where nothing is mapped": entry("GNU_HASH", HOLE * 4096),
        "a string table where nothing is mapped": entry("STRTAB", HOLE * 4096),
        "a symbol table where nothing is mapped": entry("SYMTAB", HOLE * 4096),
        "relocations where nothing is mapped": entry("RELA", HOLE * 4096),
        "no size of relocations": without("RELAENT"),
        "relocations of 16 bytes": entry("RELAENT", 16),
        "no length of relocations": without("RELASZ"),
        "relocations of no length": entry("RELASZ", 0),
        "relocations of a terabyte": entry("RELASZ", 2**40),
        "relocations of the other kind": tag("REL", FREE),
        "relocations of the other kind with their size": both(
            tag("REL", FREE),
            tag("RELSZ", 16),
            tag("RELENT", 16),
            sets(late=put(FREE, struct.pack("<QQ", TARGET + 64, 8))),
        ),
        "a length of the other kind": tag("RELSZ", 5),
        "late relocations of the other kind": both(
            tag("PLTREL", 17), tag("JMPREL", FREE), tag("PLTRELSZ", 0)
        ),
        "late relocations of an unknown kind": tag("PLTREL", 99),
        "late relocations": both(
            tag("PLTREL", 7),
            tag("JMPREL", FREE),
            tag("PLTRELSZ", 24),
            sets(late=put(FREE, struct.pack("<QIIq", TARGET + 64, JUMP_SLOT, 1, 0))),
        ),
        "late relocations without a kind": both(
            tag("JMPREL", FREE),
            tag("PLTRELSZ", 24),
            sets(late=put(FREE, struct.pack("<QIIq", TARGET + 64, JUMP_SLOT, 1, 0))),
        ),
        "more relative relocations than there are": tag("RELACOUNT", 1),
        "relative relocations": both(
            tag("RELR", FREE),
            tag("RELRSZ", 8),
            tag("RELRENT", 8),
            _INITIALISED,
        ),
        "relative relocations without a size": both(
            tag("RELR", FREE),
            tag("RELRSZ", 8),
            _INITIALISED,
        ),
        "DF_1_NOOPEN": tag("FLAGS_1", 0x40),
        "DF_1_PIE": tag("FLAGS_1", 0x08000000),
        "DF_1_NODELETE": tag("FLAGS_1", 0x8),
        "every other flag": tag("FLAGS_1", 0xFFFFFFFF & ~0x08000040),
        "DF_1_PIE, and a second entry without": both(tag("FLAGS_1", 0x08000000), tag("FLAGS_1", 0)),
        "no flag, and a second entry with DF_1_PIE": both(tag("FLAGS_1", 0), tag("FLAGS_1", 0x08000000)),
        "DF_STATIC_TLS": tag("FLAGS", 0x10),
        "DF_TEXTREL": tag("FLAGS", 0x4),
        "DF_SYMBOLIC": tag("FLAGS", 0x2),
        "unknown tags": both(
            tag("0x66666666", 1), tag("0x12", 5), tag("0x7ffffffd", 1), tag("0x60000000", 9)
        ),
        "DT_INIT": tag("INIT", TEXT),
        "DT_INIT where nothing is mapped": tag("INIT", HOLE * 4096),
        "DT_INIT in data": tag("INIT", DATA),
        "DT_INIT_ARRAY where nothing is mapped": both(tag("INIT_ARRAY", HOLE * 4096), tag("INIT_ARRAYSZ", 8)),
        "DT_INIT_ARRAY of no length": both(tag("INIT_ARRAY", HOLE * 4096), tag("INIT_ARRAYSZ", 0)),
        "a needed name far behind the string table": tag("NEEDED", 2**40),
        "a needed name of nothing": tag("NEEDED", 0),
        "a missing library": sets(needed=["libgone.so"]),
        "two symbol tables, the first empty": moved("SYMTAB", FREE, lambda _: bytes(0x200), first=True),
        "two symbol tables, the last empty": moved("SYMTAB", FREE, lambda _: bytes(0x200)),
        "two hash tables, the last empty": both(
            sets(hashes=("HASH",)), moved("HASH", FREE, lambda _: bytes(0x200))
        ),
        "two hash tables, the first empty": both(
            sets(hashes=("HASH",)), moved("HASH", FREE, lambda _: bytes(0x200), first=True)
        ),
        "two new hash tables, the last empty": both(
            sets(hashes=("GNU_HASH",)), moved("GNU_HASH", FREE, lambda _: bytes(0x200))
        ),
        "two new hash tables, the first empty": both(
            sets(hashes=("GNU_HASH",)), moved("GNU_HASH", FREE, lambda _: bytes(0x200), first=True)
        ),
        "two tables of relocations, the last with an unknown type": moved(
            "RELA", FREE, lambda t: t[:8] + b"\xfa" + t[9:]
        ),
        "two tables of relocations, the first with an unknown type": moved(
            "RELA", FREE, lambda t: t[:8] + b"\xfa" + t[9:], first=True
        ),
        "two names of its own": both(sets(soname="libone.so"), tag("SONAME", 1)),
    }
    for name, change in changes.items():
        yield name, module(change)
    for name in (
        "DF_1_NOOPEN",
        "DF_1_PIE",
        "no hash table",
        "no string table",
        "DT_INIT where nothing is mapped",
    ):
        yield f"library: {name}", needing(liba=changes[name])
    renamed = {"last": moved("STRTAB", FREE, _gone), "first": moved("STRTAB", FREE, _gone, first=True)}
    for where, change in renamed.items():
        yield f"a missing library in the {where} of two string tables", needing(change, libhere=nothing)
    yield "a run path in the first of two", needing(
        both(
            sets(runpath="/nonexistent"), lambda elf: elf.refer("$ORIGIN/deep", NONE),
            sets(entries=lambda found: found.insert(0, ("RUNPATH", 17))),
        ),
        deep__liba=nothing,
    )  # fmt: skip
    yield "a run path in the last of two", needing(
        both(
            sets(runpath="/nonexistent"), lambda elf: elf.refer("$ORIGIN/deep", NONE),
            sets(entries=lambda found: found.append(("RUNPATH", 17))),
        ),
        deep__liba=nothing,
    )  # fmt: skip


def _relocations() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    yield from (
        (f"relocation type {kind}", module(relocation(kind, add=TEXT)))
        for kind in range(44)
        if kind not in (5,)
    )
    yield from ((f"relocation type {kind}", module(relocation(kind, 1))) for kind in (100, 250, 255, 2**31))
    changes = {
        "an unknown type in a library's place": relocation(250, to=DATA + 0x700),
        "nothing to do at an address that is not mapped": relocation(NONE, 77, HOLE * 4096),
        "to a page that is not written": relocation(RELATIVE, to=0xF00),
        "to the text": relocation(GLOB_DAT, 1, TEXT + 64),
        "to the text, with DT_TEXTREL": both(relocation(GLOB_DAT, 1, TEXT + 64), tag("TEXTREL", 0)),
        "to the text, with DF_TEXTREL": both(relocation(GLOB_DAT, 1, TEXT + 64), tag("FLAGS", 4)),
        "to zeros": relocation(RELATIVE, to=DATA + 0xE80),
        "behind the data": relocation(RELATIVE, to=DATA + 0xF80),
        "where nothing is mapped": relocation(RELATIVE, to=HOLE * 4096),
        "over the end of a page": relocation(RELATIVE, to=DATA + 0xFFC),
        "a symbol far behind the table": relocation(GLOB_DAT, 2**24),
        "no symbol": relocation(GLOB_DAT, 0),
        "an absolute address of nothing": relocation(ABS64, 0),
        "an undefined symbol": refers("nowhere_defined"),
        "an undefined symbol that is called": refers("nowhere_defined", JUMP_SLOT),
        "an undefined weak symbol": refers("nowhere_defined", binding=WEAK),
        "an undefined unique symbol": refers("nowhere_defined", binding=UNIQUE),
        "an undefined symbol of an unknown binding": refers("nowhere_defined", binding=13),
        "an undefined local symbol": refers("nowhere_defined", binding=LOCAL),
        "an undefined hidden symbol": refers("nowhere_defined", visibility=2),
        "an undefined internal symbol": refers("nowhere_defined", visibility=1),
        "an undefined protected symbol": refers("nowhere_defined", visibility=3),
        "an undefined hidden weak symbol": refers("nowhere_defined", visibility=2, binding=WEAK),
        "an undefined symbol with a value": refers("nowhere_defined", value=TEXT),
        "a symbol of its own": refers("mine", section=2, value=TEXT, type=FUNC),
        "a symbol of its own with the value 0": refers("mine", section=2, value=0),
        "a weak symbol of its own with the value 0": refers("mine", section=2, value=0, binding=WEAK),
        "a hidden symbol of its own": refers("mine", section=2, value=TEXT, visibility=2),
        "a protected symbol of its own": refers("mine", section=2, value=TEXT, visibility=3),
        "a local symbol of its own": refers("mine", section=2, value=TEXT, binding=LOCAL),
        "an absolute symbol of its own": refers("mine", section=0xFFF1, value=5),
        "an absolute symbol of its own with the value 0": refers("mine", section=0xFFF1, value=0),
        "a symbol of its own of an unknown type": refers("mine", section=2, value=TEXT, type=9),
        "a symbol of its own of an unknown binding": refers("mine", section=2, value=TEXT, binding=13),
        "a section symbol of its own": refers("mine", section=2, value=TEXT, type=3),
        "an indirect function of its own": refers("mine", JUMP_SLOT, section=2, value=TEXT, type=IFUNC),
        "a local indirect function of its own": refers(
            "mine", section=2, value=TEXT, type=IFUNC, binding=LOCAL
        ),
        "an indirect function without a symbol": relocation(37, add=TEXT),
        "an undefined indirect function": refers("getpid", type=IFUNC),
        "a copy": refers("environ", 5, type=1),
        "a copy of nothing": relocation(5),
    }
    for name, change in changes.items():
        yield name, module(change)
    yield "a library defines it", needing(refers("answer_of_liba"), liba=nothing)
    hidden = {"hidden": {"visibility": 2}, "local": {"binding": LOCAL}, "of an unknown type": {"type": 9}}
    for name, fields in hidden.items():
        defined = both(sets(symbols=[]), defines("theirs", **fields))
        yield f"what a library defines is {name}", needing(refers("theirs"), liba=defined)
    yield (
        "a library defines an indirect function",
        needing(refers("theirs"), liba=lambda elf: elf.define("theirs", type=IFUNC)),
    )
    yield "a library with an unknown relocation", needing(liba=relocation(250))
    yield "a library with an indirect function", needing(liba=relocation(37, add=TEXT))
    yield "a library that writes where nothing is mapped", needing(liba=relocation(RELATIVE, to=HOLE * 4096))
    yield (
        "a name that the string table does not hold",
        module(
            refers("getpid"), table("SYMTAB", lambda image, at: put(at + 24, struct.pack("<I", 2**31))(image))
        ),
    )


def _versions() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    def versioned(number: int = 2, **fields: int) -> Change:
        return refers("answer_of_liba", version=number, **fields)

    wants = sets(needs={"liba.so": [("V1", 2)]})
    has = both(sets(defines=["V1"]), lambda elf: setattr(elf.symbols[0], "version", 2))
    wrong_hash = table("VERNEED", lambda image, at: put(at + 16, b"\1\2\3\4")(image))
    yield "a version", needing(wants, versioned(), liba=has)
    yield "a version that is not defined", needing(wants, versioned(), liba=both(has, sets(defines=["V2"])))
    yield (
        "a weak version that is not defined",
        needing(
            wants,
            table("VERNEED", lambda i, at: put(at + 20, b"\2")(i)),
            liba=both(has, sets(defines=["V2"])),
        ),
    )
    yield "a version of a library that has none", needing(wants, liba=nothing)
    yield "a version with a wrong hash", needing(wants, versioned(), wrong_hash, liba=has)
    yield "a version of a library that is not needed", needing(sets(needs={"libb.so": [("V1", 2)]}), liba=has)
    yield (
        "a version of a file that is needed by another name",
        module(sets(needs={"libelsewhere.so": [("V", 2)]})),
    )
    yield (
        "an unknown version of the table",
        needing(wants, table("VERNEED", lambda i, at: put(at, b"\2")(i)), liba=has),
    )
    yield (
        "an unknown version of the table of definitions",
        needing(wants, liba=both(has, table("VERDEF", lambda i, at: put(at, b"\2")(i)))),
    )
    yield "a number that no version has", needing(wants, versioned(5), liba=has)
    yield "a symbol in the base version", needing(wants, versioned(1), liba=has)
    yield (
        "a hidden version",
        needing(wants, versioned(), liba=both(has, lambda elf: setattr(elf.symbols[0], "version", 0x8002))),
    )
    yield (
        "a hidden version without one wanted",
        needing(
            refers("answer_of_liba"), liba=both(has, lambda elf: setattr(elf.symbols[0], "version", 0x8002))
        ),
    )
    yield (
        "a local version",
        needing(refers("answer_of_liba"), liba=both(has, lambda elf: setattr(elf.symbols[0], "version", 0))),
    )


def _thread_local() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    variables = sets(tls=(0, 16, 8))
    changes = {
        "variables": sets(tls=(16, 64, 16)),
        "no variables": sets(tls=(0, 0, 8)),
        "alignment 0": sets(tls=(0, 16, 0)),
        "alignment 1": sets(tls=(0, 16, 1)),
        "alignment 3": sets(tls=(0, 16, 3)),
        "alignment of a page": sets(tls=(0, 16, PAGE)),
        "more bytes than memory": sets(tls=(32, 16, 8)),
        "a gigabyte": sets(tls=(0, 2**30, 8)),
        "half of the address space": sets(tls=(0, 2**62, 8)),
        "two segments": both(variables, more(Segment(PT["TLS"], R, DATA, DATA, 0, 2**20, 8), at=3)),
        "two segments, the last empty": both(variables, more(Segment(PT["TLS"], R, DATA, DATA, 0, 0, 8))),
        "an image where nothing is mapped": more(Segment(PT["TLS"], R, 0, HOLE * 4096, 64, 64, 8)),
        "a module number": both(sets(tls=(0, 64, 8)), relocation(16)),
        "a descriptor": both(sets(tls=(0, 64, 8)), relocation(36)),
        "a descriptor without variables": relocation(36),
        "a fixed offset without variables": relocation(TPOFF),
        "a fixed offset of a weak undefined symbol": refers("no_variable", TPOFF, binding=WEAK, type=TLS),
        "a fixed offset of an undefined symbol": refers("no_variable", TPOFF, type=TLS),
        "a fixed offset in the libc": refers("errno", TPOFF, type=TLS),
        "a fixed offset of a symbol that is none": refers("getpid", TPOFF),
        "a variable of its own with the value 0": both(
            sets(tls=(0, 16, 8)), refers("mine", TPOFF, type=TLS, section=3)
        ),
    }  # fmt: skip
    for name, change in changes.items():
        yield name, module(change)
    for size in (8, 512, 1024, 1536, 1600, 1660, 1664, 1700, 1728, 1800, 4096, 10**6):
        yield f"{size} bytes at a fixed offset", module(initial_exec(size))
    for align in (1, 16, 32, 64, 128, 4096):
        yield f"32 bytes at a fixed offset, aligned to {align}", module(initial_exec(32, align))
    for size, count in (
        (400, 3),
        (500, 3),
        (600, 2),
        (600, 3),
        (800, 2),
        (832, 2),
        (900, 2),
        (40, 10),
        (200, 10),
    ):
        libraries = {f"lib{number}": initial_exec(size) for number in range(count)}
        yield f"{count} libraries with {size} bytes each at fixed offsets", needing(**libraries)
    yield "a module and a library with 1000 bytes each", needing(initial_exec(1000), liba=initial_exec(1000))
    yield (
        "a library with variables that nobody needs at a fixed offset",
        needing(initial_exec(1000), liba=sets(tls=(0, 1000, 8))),
    )
    defined = both(sets(tls=(0, 1200, 8)), lambda elf: elf.define("theirs", type=TLS, section=3, value=0))
    yield "a variable of a library", needing(refers("theirs", TPOFF, type=TLS), liba=defined)
    yield (
        "a variable of a library, and a library of its own",
        needing(both(refers("theirs", TPOFF, type=TLS), initial_exec(800)), liba=defined),
    )
    yield (
        "descriptors, and a fixed offset",
        needing(initial_exec(1400), liba=both(sets(tls=(0, 400, 8)), relocation(36))),
    )


def _directories() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    bad = relocation(250)
    for level in ("v2", "v3", "v4", "v5"):
        place = f"glibc_hwcaps__x86_64_{level}__liba"
        yield f"only in {level}", needing(**{place: nothing})
        yield f"damaged in {level}", needing(**{place: bad, "liba": nothing})
        yield f"damaged, but not in {level}", needing(**{place: nothing, "liba": bad})
    for old in ("tls", "haswell", "x86_64", "avx512_1", "haswell/x86_64", "tls/haswell/x86_64"):
        yield f"only in {old}", _in_directory(old, nothing, None)
        yield f"damaged in {old}", _in_directory(old, bad, nothing)
    yield "a library that is there", needing(liba=nothing)


def _in_directory(place: str, there: Change, here: Change | None) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        write(directory / place / "liba.so", Loadable(), there)
        if here is not None:
            write(directory / "liba.so", Loadable(), here)
        return write(directory / "m.so", Loadable(needed=["liba.so"]))

    return make


CASES = [
    Case(kind, name, make)
    for kind, cases in {
        "header": _header,
        "segments": _segments,
        "cut": _cut,
        "dynamic section": _dynamic,
        "relocations": _relocations,
        "versions": _versions,
        "thread-local": _thread_local,
        "directories": _directories,
    }.items()
    for name, make in cases()
]
