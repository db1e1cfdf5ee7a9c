"""A maker of tiny ELF files: just what a loader reads, in any class and byte order.

Nothing runs them; they have a header, program headers and a dynamic section with its string table and needed
versions, which is all that :mod:`muslfix.elf.facts` looks at, and an empty section header table.

Specification: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ET_EXEC, ET_DYN = 2, 3
EM = {
    "386": 3, "mips": 8, "ppc": 20, "ppc64": 21, "s390": 22, "arm": 40, "x86_64": 62, "aarch64": 183,
    "riscv": 243, "loongarch": 258,
}  # fmt: skip
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT = {"NEEDED": 1, "STRTAB": 5, "STRSZ": 10, "SONAME": 14, "VERNEED": 0x6FFFFFFE, "VERNEEDNUM": 0x6FFFFFFF}

#: Where the file is mapped: an address is never by chance an offset.
BASE = 0x10000


@dataclass
class _Strings:
    """A string table, in which a text stands once."""

    data: bytes = b"\0"
    offsets: dict[str, int] = field(default_factory=dict)

    def add(self, text: str) -> int:
        if text not in self.offsets:
            self.offsets[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.offsets[text]


def make_elf(
    machine: str | int = "x86_64",
    *,
    bits: int = 64,
    byte_order: str = "little",
    kind: int = ET_DYN,
    flags: int = 0,
    needed: Sequence[str] = (),
    soname: str | None = None,
    versions: Mapping[str, Sequence[str]] | None = None,
    interpreter: str | None = None,
    functions: Iterable[str] = ("PyInit_m",),
    sections: bool = True,
    lies: Mapping[str, int] | None = None,
) -> bytes:
    """An ELF file.

    :param machine: a key of :data:`EM`, or the number itself
    :param kind: ``e_type``
    :param flags: ``e_flags``
    :param versions: for each needed library the versions that it must have; an empty mapping makes a
        ``.gnu.version_r`` without a version, ``None`` makes none
    :param functions: names in the string table
    :param sections: whether there is a section header table; it has one null entry
    :param lies: what the file claims instead of the truth: ``e_phnum``, ``DT_STRTAB``, ``vn_next``, …;
        ``p_filesz`` is that of the dynamic section, ``DT_NULL`` the tag that ends it
    """
    lies = lies or {}
    order, wide = {"little": "<", "big": ">"}[byte_order], bits == 64

    def pack(layout: str, **values: int) -> bytes:
        # "A" is what is as wide as an address.
        layout = order + layout.replace("A", "Q" if wide else "I")
        return struct.pack(layout, *(lies.get(name, value) for name, value in values.items()))

    strings = _Strings()
    entries = [("NEEDED", strings.add(name)) for name in needed]
    if soname is not None:
        entries.append(("SONAME", strings.add(soname)))
    for name in functions:
        strings.add(name)
    version_table = b"" if versions is None else _version_table(versions, strings, pack)

    # The parts in their order in the file; offsets follow from the sizes.
    header_size, segment_size, section_size = (64, 56, 64) if wide else (52, 32, 40)
    segment_count = 2 if interpreter is None else 3
    interpreter_at = header_size + segment_count * segment_size
    interpreter_text = b"" if interpreter is None else interpreter.encode() + b"\0"
    strings_at = interpreter_at + len(interpreter_text)
    versions_at = strings_at + len(strings.data)
    dynamic_at = versions_at + len(version_table)
    entries += [("STRTAB", BASE + strings_at), ("STRSZ", len(strings.data))]
    if versions is not None:
        entries += [("VERNEED", BASE + versions_at), ("VERNEEDNUM", len(versions))]
    dynamic = b"".join(pack("AA", d_tag=DT[tag], **{f"DT_{tag}": value}) for tag, value in entries)
    dynamic += pack("AA", DT_NULL=0, d_val=0)
    sections_at = dynamic_at + len(dynamic)
    size = sections_at + section_size * sections

    def segment(type_: int, at: int, length: int) -> bytes:
        # The offset, two addresses and two sizes; only the first of each matters.
        places = [at, BASE + at, 3 * BASE + at, length, 2 * length]
        if type_ == PT_DYNAMIC:
            places[3] = lies.get("p_filesz", length)
        if wide:
            return struct.pack(order + "II6Q", type_, 4, *places, 1)
        return struct.pack(order + "8I", type_, *places, 4, 1)

    header = b"\x7fELF" + bytes([bits // 32, 1 if byte_order == "little" else 2, 1]) + bytes(9)
    header += pack(
        "HHIAAAIHHHHHH",
        e_type=kind, e_machine=EM[machine] if isinstance(machine, str) else machine, e_version=1, e_entry=0,
        e_phoff=header_size, e_shoff=sections_at if sections else 0, e_flags=flags, e_ehsize=header_size,
        e_phentsize=segment_size, e_phnum=segment_count,
        e_shentsize=section_size, e_shnum=int(sections), e_shstrndx=0,
    )  # fmt: skip
    segments = b"" if interpreter is None else segment(PT_INTERP, interpreter_at, len(interpreter_text))
    segments += segment(PT_LOAD, 0, size) + segment(PT_DYNAMIC, dynamic_at, len(dynamic))
    end = bytes(section_size * sections)
    return header + segments + interpreter_text + strings.data + version_table + dynamic + end


def _version_table(
    versions: Mapping[str, Sequence[str]], strings: _Strings, pack: Callable[..., bytes]
) -> bytes:
    """The two chains of ``DT_VERNEED``: libraries, and the versions needed of each."""
    table = b""
    libraries = list(versions)
    for library in libraries:
        names = versions[library]
        table += pack(
            "HHIII", vn_version=1, vn_cnt=len(names), vn_file=strings.add(library), vn_aux=16 if names else 0,
            vn_next=0 if library == libraries[-1] else 16 * (1 + len(names)),
        )  # fmt: skip
        for number, name in enumerate(names, start=1):
            table += pack(
                "IHHII", vna_hash=0, vna_flags=0, vna_other=number + 1, vna_name=strings.add(name),
                vna_next=0 if number == len(names) else 16,
            )  # fmt: skip
    return table
