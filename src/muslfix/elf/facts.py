"""What the bytes of an ELF file prove: its machine, and the libc it is linked to.

What counts as evidence, and what does not (``PT_INTERP``, ``.note.ABI-tag``, OSABI, ``.comment``, the
file's name), was settled on real wheels: a file that names no libc at all is *neutral* and fits either.

The structures are few, and every run of muslfix reads at least one file, so they are unpacked by
:mod:`struct` (:mod:`muslfix.elf.file`); the tests compare what comes out with pyelftools.

Symbol versions:
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple

from muslfix.elf.file import DT, MAX_STRING, PT_GNU_STACK, PT_INTERP, ElfFile
from muslfix.elf.hash_tables import defines
from muslfix.elf.mapping import PF_X
from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

# Sonames that one libc alone provides. A needed symbol version GLIBC_* says glibc too. "libc.so" without a
# version is what maturin, zig and musl-gcc write for musl; Android's libc has that soname as well, and
# its files are told apart by their triplet.
_GLIBC_SONAME = re.compile(
    r"libc\.so\.6(\.1)?|ld-linux.*|ld64\.so\..*|ld\.so\.1|libm\.so\.6(\.1)?|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|libutil\.so\.1"
)
# On some CPUs GCC's own library has such versions too, whichever libc it is built for:
# https://gcc.gnu.org/git/?p=gcc.git;a=blob;f=libgcc/config/libgcc-glibc.ver
_GCC_SONAME = re.compile(r"libgcc_s[-.].*")
_MUSL_SONAME = re.compile(r"libc\.musl-.*|ld-musl-.*|libc\.so")
_INIT_FUNCTION = re.compile(rb"Py(?:Init|ModExport)U?_[^\0]+(?=\0)")  # the second by PEP 793

# e_machine of the CPUs that Linux runs on, and what they are called here. Registry:
# https://www.sco.com/developers/gabi/latest/ch4.eheader.html
_MACHINES = {
    0: "none", 2: "sparc", 3: "386", 4: "68k", 8: "mips", 15: "parisc", 18: "sparc32plus", 20: "ppc",
    21: "ppc64", 22: "s390", 40: "arm", 42: "sh", 43: "sparcv9", 50: "ia_64", 62: "x86_64", 92: "openrisc",
    94: "xtensa", 183: "aarch64", 189: "microblaze", 195: "arc_compact2", 243: "riscv", 252: "csky",
    258: "loongarch", 0x9026: "alpha",
}  # fmt: skip

# Where the ELF flags tell calling conventions apart that do not work together: mask, value -> word.
_CALLING_CONVENTIONS: dict[int, tuple[int, dict[int, str]]] = {
    40: (0x600, {0x200: "soft-float", 0x400: "hard-float"}),
    8: (0x20, {0x20: "n32"}),
    243: (0x6, {0x0: "soft-float", 0x2: "single-float", 0x4: "double-float", 0x6: "quad-float"}),
    258: (0x7, {0x1: "soft-float", 0x2: "single-float", 0x3: "double-float"}),
}

_KINDS = {2: "program", 3: "shared object"}  # e_type
_DF_STATIC_TLS = 0x10
_VERSION_NEED = "HHIII"
_VERSION_NEED_ENTRY = "IHHII"

# Bounds far above any real file, for damaged ones.
_MAX_VERSIONS = 10_000
_MAX_INIT_FUNCTIONS = 10_000
_MAX_INIT_FUNCTION = 1_000

# Of a file with more names of init functions, such as libpython, all are believed.
_MAX_LOOK_UPS = 10


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
    """What the headers of one ELF file say.

    :param machine: what it runs on
    :param kind: ``shared object`` (also a position-independent program), ``program`` or ``other``
    :param interpreter: path in ``PT_INTERP``, or ``None``; of use for programs only
    :param soname: ``DT_SONAME``, or ``None``
    :param needed: the names in ``DT_NEEDED``, in their order
    :param glibc_evidence: each entry that only glibc can satisfy, in words
    :param musl_evidence: the same for musl
    :param init_functions: ``PyInit_*`` and ``PyModExport_*`` (:pep:`793`) that it defines, sorted
    :param is_delicate: whether it uses what not every loader bears: relative relocations (``DT_RELR``),
        static thread-local storage (``DF_STATIC_TLS``), or an executable stack
    """

    machine: Machine
    kind: str
    interpreter: str | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    glibc_evidence: tuple[str, ...] = ()
    musl_evidence: tuple[str, ...] = ()
    init_functions: tuple[str, ...] = ()
    is_delicate: bool = False

    @property
    def libcs(self) -> frozenset[Libc]:
        """The libcs it is linked to: one, none (it fits either), or both (it fits neither)."""
        evidence = {Libc.GLIBC: self.glibc_evidence, Libc.MUSL: self.musl_evidence}
        return frozenset(libc for libc, lines in evidence.items() if lines)


class NeededVersion(NamedTuple):
    """An entry of ``DT_VERNEED``.

    :param library: the name of the library that must have it, as in ``DT_NEEDED``
    :param name: the version: ``GLIBC_2.17``
    :param flags: ``VER_FLG_WEAK`` is 2
    :param number: what ``DT_VERSYM`` calls it
    :param hash: the hash of its name, as the file has it
    """

    library: str
    name: str
    flags: int
    number: int
    hash: int


def read_elf(stream: BinaryIO) -> ElfFacts:
    """Read the facts of an ELF file, in time and memory that do not depend on what the file claims.

    :param stream: a seekable binary stream of the whole file
    :raises InvalidElf: if the bytes are not a readable ELF file
    """
    return facts_of(ElfFile(stream))[0]


def facts_of(file: ElfFile) -> tuple[ElfFacts, list[NeededVersion]]:
    """The facts of an ELF file that is open, and its :func:`needed_versions`, which some of them rest on.

    :raises InvalidElf: as :func:`read_elf`
    """
    raw = [file.string(value) for value in file.values(DT.NEEDED)]
    shown = {name: _visible(name) for name in dict.fromkeys(raw)}
    needed = tuple(shown[name] for name in raw)
    sonames = [_visible(file.string(value)) for value in file.values(DT.SONAME)]
    # A damaged file can need one name thousands of times; each is one piece of evidence.
    names = tuple(dict.fromkeys(needed))
    versions = list(needed_versions(file))
    glibc = [f"needs {name}" for name in names if _GLIBC_SONAME.fullmatch(name)]
    glibc += [
        f"needs version {version.name} of {version.library}"
        for version in versions
        if version.name.startswith("GLIBC_") and not _GCC_SONAME.match(version.library)
    ]
    facts = ElfFacts(
        machine=_machine_of(file),
        kind=_KINDS.get(file.header.kind, "other"),
        interpreter=_interpreter_of(file),
        soname=sonames[-1] if sonames else None,
        needed=needed,
        glibc_evidence=tuple(glibc),
        musl_evidence=tuple(f"needs {name}" for name in names if _MUSL_SONAME.fullmatch(name)),
        init_functions=_init_functions_of(file),
        is_delicate=_is_delicate(file),
    )
    return facts, versions


def _is_delicate(file: ElfFile) -> bool:
    stacks = [segment.flags for segment in file.segments if segment.kind == PT_GNU_STACK]
    has_static_tls = file.value(DT.FLAGS) & _DF_STATIC_TLS
    return bool(file.value(DT.RELR) or has_static_tls or not stacks or any(flags & PF_X for flags in stacks))


def needed_versions(file: ElfFile) -> Iterator[NeededVersion]:
    """Walk the chains of ``DT_VERNEED``; every link is an offset that a damaged file can bend.

    :raises InvalidElf: if they lead out of the file, or have no end
    """
    tables = file.values(DT.VERNEED)
    at = file.offset_of(tables[-1]) if tables else None
    budget = _MAX_VERSIONS
    while at is not None:
        _, count, library_at, first, following = file.unpack(_VERSION_NEED, at)
        library, at_version = _visible(file.string(library_at)), at + first
        for _ in range(count):
            hash_, flags, index, name, step = file.unpack(_VERSION_NEED_ENTRY, at_version)
            version = _visible(file.string(name))
            file.charge(len(library) + len(version))
            yield NeededVersion(library, version, flags, index, hash_)
            at_version += step
            budget -= 1
            if budget < 0:
                break
        budget -= 1
        if budget < 0:
            raise InvalidElf(None, "has a table of needed versions without an end")
        at = at + following if following else None


def _machine_of(file: ElfFile) -> Machine:
    code = file.header.machine
    mask, words = _CALLING_CONVENTIONS.get(code, (0, {}))
    return Machine(
        name=_MACHINES.get(code, f"machine-{code}"),
        bits=file.bits,
        byte_order=file.byte_order,
        convention=words.get(file.header.flags & mask, "") if mask else "",
    )


def _interpreter_of(file: ElfFile) -> str | None:
    for segment in file.segments:
        if segment.kind == PT_INTERP and segment.offset <= file.size:  # a library may have any
            text = file.read(segment.offset, min(segment.size, MAX_STRING), at_most=True)
            return text.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    return None


def _init_functions_of(file: ElfFile) -> tuple[str, ...]:
    """The init functions in its string table that it defines; all where that cannot be looked up.

    A name can be there without a definition: as the end of another name, or of a function of another file.
    """
    found = islice(_INIT_FUNCTION.finditer(file.string_table()), _MAX_INIT_FUNCTIONS)
    names = sorted({m[0] for m in found if m.end() - m.start() <= _MAX_INIT_FUNCTION})
    if len(names) <= _MAX_LOOK_UPS:
        names = [name for name in names if _may_define(file, name)]
    return tuple(name.decode("utf-8", "backslashreplace") for name in names)


def _may_define(file: ElfFile, name: bytes) -> bool:
    try:
        return defines(file, name)
    except InvalidElf:  # the load check says what is wrong with it
        return True


def _visible(name: str) -> str:
    """A name in which bytes that are not UTF-8 can be shown."""
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
