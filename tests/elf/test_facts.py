"""ELF facts: what is evidence of a libc, what is none, every format, and every kind of damage."""

from __future__ import annotations

import io
import struct
import sys
import sysconfig
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from elfmaker import BASE, ET_EXEC, make_elf
from elftools.elf.enums import ENUM_E_MACHINE
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muslfix.elf.facts import ElfFacts, Machine, read_elf
from muslfix.errors import InvalidElf
from muslfix.suffix import Libc

GLIBC, MUSL, NEUTRAL = {Libc.GLIBC}, {Libc.MUSL}, set[Libc]()
BOTH = GLIBC | MUSL

#: Where the string table is in a 64-bit file without a program interpreter.
STRINGS_AT = 64 + 2 * 56

NOT_ELF = "is not an ELF file (it does not begin with \\x7fELF)"
ENDLESS_VERSIONS = {"vn_cnt": 0xFFFF, "vna_next": 0}

#: One that has all parts.
FULL: dict[str, Any] = {
    "needed": ["libz.so.1", "libc.so.6"],
    "soname": "m.so",
    "versions": {"libz.so.1": ["ZLIB_1.2.9"], "libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34"]},
    "interpreter": "/lib64/ld-linux-x86-64.so.2",
    "functions": ["PyInit_b", "PyInitU_a_cta", "PyInit_b_c", "Py_Initialize", "PyInit", "PyInit_"],
}


def read(data: bytes) -> ElfFacts:
    return read_elf(io.BytesIO(data))


def error_of(data: bytes) -> InvalidElf:
    with pytest.raises(InvalidElf) as caught:
        read(data)
    assert caught.value.path is None
    assert not caught.value.reason.endswith(".")
    assert "\n" not in caught.value.reason
    return caught.value


class CountingStream(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_all_facts() -> None:
    assert read(make_elf(**FULL)) == ElfFacts(
        machine=Machine("x86_64", 64, "little"),
        kind="shared object",
        interpreter="/lib64/ld-linux-x86-64.so.2",
        soname="m.so",
        needed=("libz.so.1", "libc.so.6"),
        glibc_evidence=(
            "needs libc.so.6",
            "needs version GLIBC_2.2.5 of libc.so.6",
            "needs version GLIBC_2.34 of libc.so.6",
        ),
        musl_evidence=(),
        init_functions=("PyInitU_a_cta", "PyInit_b", "PyInit_b_c"),
        is_delicate=True,  # without a PT_GNU_STACK some loaders make the stack executable
    )


def test_what_not_every_loader_bears() -> None:
    well, relr = ((FIXTURES / "elf" / f"x86_64-musl{more}.so").read_bytes() for more in ("", "-relr"))
    stack, flags = struct.pack("<II", 0x6474E551, 6), struct.pack("<QQ", 30, 8)  # PT_GNU_STACK, DT_FLAGS
    executable = well.replace(stack, struct.pack("<II", 0x6474E551, 7))
    static_tls = well.replace(flags, struct.pack("<QQ", 30, 0x18))
    files = (well, relr, executable, static_tls)
    assert [read(data).is_delicate for data in files] == [False, True, True, True]


def test_no_facts_beyond_the_machine() -> None:
    facts = read(make_elf(functions=()))
    assert facts == ElfFacts(Machine("x86_64", 64, "little"), "shared object", is_delicate=True)
    assert facts.libcs == NEUTRAL


@pytest.mark.parametrize(
    ("needed", "libcs"),
    [
        (["libc.so.6"], GLIBC),
        (["libc.so.6.1"], GLIBC),  # alpha, ia64
        (["ld-linux.so.2"], GLIBC),
        (["ld-linux-x86-64.so.2"], GLIBC),
        (["ld-linux-armhf.so.3"], GLIBC),
        (["ld64.so.1"], GLIBC),
        (["ld64.so.2"], GLIBC),
        (["ld.so.1"], GLIBC),
        (["libm.so.6"], GLIBC),
        (["libpthread.so.0"], GLIBC),
        (["libdl.so.2"], GLIBC),
        (["librt.so.1"], GLIBC),
        (["libutil.so.1"], GLIBC),
        (["libc.musl-x86_64.so.1"], MUSL),
        (["libc.musl-armhf.so.1"], MUSL),
        (["ld-musl-aarch64.so.1"], MUSL),
        (["libc.so"], MUSL),
        (["libz.so.1", "libc.so"], MUSL),
        (["libc.so", "libc.so.6"], BOTH),
        (["libm.so.6", "libc.musl-x86_64.so.1"], BOTH),
        (["libgcc_s.so.1", "libstdc++.so.6", "libpython3.9.so.1.0"], NEUTRAL),
        (["libc.so.7"], NEUTRAL),  # FreeBSD
        (["libc.so.60"], NEUTRAL),
        (["xlibc.so.6", "libm.so", "libm.so.5", "libpthread.so", "libdl.so", "librt.so.10"], NEUTRAL),
        (["libc.muslx.so", "ld-musl.so", "libc-musl.so.1", "libc.so.musl-x"], NEUTRAL),
        (["ld64.so", "ld.so.10", "my-ld-linux.so.2"], NEUTRAL),
        (["LIBC.SO.6", "libc.so.6 ", ""], NEUTRAL),
        (["libcxso.6", "libmxso.6", "ldxso.1", "ld64xso.2", "libcxmusl-x", "libcxso"], NEUTRAL),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_needed_libraries_as_evidence(needed: list[str], libcs: set[Libc]) -> None:
    facts = read(make_elf(needed=needed))
    assert facts.libcs == libcs
    assert facts.needed == tuple(needed)


def test_evidence_names_each_library() -> None:
    facts = read(make_elf(needed=["libc.so", "libz.so.1", "libm.so.6", "libc.so.6"]))
    assert facts.musl_evidence == ("needs libc.so",)
    assert facts.glibc_evidence == ("needs libm.so.6", "needs libc.so.6")


@pytest.mark.parametrize(
    ("versions", "evidence"),
    [
        pytest.param({"libc.so.6": ["GLIBC_2.17"]}, ["GLIBC_2.17 of libc.so.6"], id="libc"),
        pytest.param({"libc.so": ["GLIBC_2.17"]}, ["GLIBC_2.17 of libc.so"], id="of any library"),
        pytest.param(
            {"libgcc_s.so.1": ["GCC_3.0"], "libm.so.6": ["GLIBC_2.29", "GLIBC_PRIVATE"]},
            ["GLIBC_2.29 of libm.so.6", "GLIBC_PRIVATE of libm.so.6"],
            id="of the second library",
        ),
        pytest.param({"a": ["X", "GLIBC_2"], "b": ["GLIBC_3"]}, ["GLIBC_2 of a", "GLIBC_3 of b"], id="both"),
        pytest.param({"libstdc++.so.6": ["GLIBCXX_3.4", "CXXABI_1.3"]}, [], id="GLIBCXX"),
        pytest.param(
            {"libgcc_s-8c2f5de4.so.1": ["GLIBC_2.0", "GCC_3.0"], "libgcc_s.so.1": ["GLIBC_2.2"]}, [], id="GCC"
        ),
        pytest.param({"libz.so.1": ["XGLIBC_2.17", "glibc_2.17"]}, [], id="others"),
        pytest.param({"libc.so.6": []}, [], id="no version of a library"),
        pytest.param({}, [], id="bare .gnu.version_r"),
    ],
)  # fmt: skip
def test_needed_versions_as_evidence(versions: dict[str, list[str]], evidence: list[str]) -> None:
    facts = read(make_elf(versions=versions))
    assert list(facts.glibc_evidence) == [f"needs version {line}" for line in evidence]
    assert facts.libcs == (GLIBC if evidence else NEUTRAL)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"interpreter": "/lib64/ld-linux-x86-64.so.2"}, id="PT_INTERP of glibc"),
        pytest.param({"interpreter": "/lib/ld-musl-x86_64.so.1"}, id="PT_INTERP of musl"),
        pytest.param({"soname": "libc.so.6"}, id="soname"),
        pytest.param({"soname": "ld-musl-x86_64.so.1"}, id="soname of musl"),
        pytest.param({"functions": ["GLIBC_2.17", "libc.so.6"]}, id="strings"),
    ],
)
def test_what_proves_nothing(made: dict[str, Any]) -> None:
    assert read(make_elf(**made)).libcs == NEUTRAL


def test_operating_system_abi_proves_nothing() -> None:
    data = bytearray(make_elf())
    for number in range(256):
        data[7] = number
        assert read(bytes(data)).libcs == NEUTRAL


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "x86_64"),
        ("386", "386"),
        ("aarch64", "aarch64"),
        ("ppc", "ppc"),
        ("ppc64", "ppc64"),
        ("s390", "s390"),
        (22, "s390"),
        (0, "none"),
        (0xFEED, "machine-65261"),
    ],
)
def test_every_class_and_byte_order(machine: str | int, name: str, bits: int, byte_order: str) -> None:
    for changes in ({}, {"sections": False}, {"interpreter": None}):
        made = {**FULL, **changes}
        facts = read(make_elf(machine, bits=bits, byte_order=byte_order, **made))
        assert facts.machine == Machine(name, bits, byte_order)
        expected = read(make_elf(**made))
        assert facts == ElfFacts(**{**vars(expected), "machine": facts.machine})


@pytest.mark.parametrize(
    ("machine", "bits", "flags", "convention"),
    [
        ("arm", 32, 0x5000000, ""),
        ("arm", 32, 0x5000200, "soft-float"),
        ("arm", 32, 0x5000400, "hard-float"),
        ("arm", 32, 0x5000600, ""),
        ("mips", 32, 0x70001005, ""),
        ("mips", 32, 0x20000025, "n32"),
        ("mips", 32, 0x00000030, "n32"),
        ("mips", 64, 0x20000005, ""),
        ("riscv", 64, 0x0, "soft-float"),
        ("riscv", 64, 0x1, "soft-float"),
        ("riscv", 64, 0x3, "single-float"),
        ("riscv", 64, 0x5, "double-float"),
        ("riscv", 64, 0x7, "quad-float"),
        ("loongarch", 64, 0x41, "soft-float"),
        ("loongarch", 64, 0x42, "single-float"),
        ("loongarch", 64, 0x43, "double-float"),
        ("loongarch", 64, 0x40, ""),
        ("x86_64", 64, 0xFFFFFFFF, ""),
        ("aarch64", 64, 0x400, ""),
    ],
)
def test_calling_conventions(machine: str, bits: int, flags: int, convention: str) -> None:
    facts = read(make_elf(machine, bits=bits, flags=flags))
    assert facts.machine == Machine(machine, bits, "little", convention)


def test_names_of_machines_are_those_of_the_registry() -> None:
    named = 0
    for name, code in ENUM_E_MACHINE.items():
        if name.startswith("EM_"):
            found = read(make_elf(code)).machine.name
            assert found in (name[len("EM_") :].lower(), f"machine-{code}")
            named += not found.startswith("machine-")
    assert named >= 20


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine("x86_64", 64, "little"), "x86_64 64-bit little-endian"),
        (Machine("arm", 32, "big", "soft-float"), "arm 32-bit big-endian soft-float"),
    ],
)
def test_machines_in_words(machine: Machine, words: str) -> None:
    assert str(machine) == words


@pytest.mark.parametrize(
    ("kind", "word"),
    [(0, "other"), (1, "other"), (ET_EXEC, "program"), (3, "shared object"), (4, "other"), (0xFFFF, "other")],
)
def test_kinds(kind: int, word: str) -> None:
    assert read(make_elf(kind=kind)).kind == word


@pytest.mark.parametrize(
    "name", ["m.so", "x" * 4095, "naïve.so", "\N{SNOWMAN}", "name with spaces\nand lines"], ids=ascii
)
def test_names_are_kept(name: str) -> None:
    facts = read(make_elf(needed=[name], soname=name[::-1]))
    assert facts.needed == (name,)
    assert facts.soname == name[::-1]


def test_names_that_are_not_utf_8_stay_visible() -> None:
    data = make_elf(needed=["libX.so"]).replace(b"libX.so", b"lib\xff.so")
    assert read(data).needed == ("lib\\xff.so",)


def test_last_of_several_sonames() -> None:
    data = make_elf(needed=["first"], soname="second")
    as_soname = data.replace(struct.pack("<QQ", 1, 1), struct.pack("<QQ", 14, 1))
    assert as_soname != data
    assert read(as_soname).soname == "second"


@pytest.mark.parametrize("lies", [{"p_filesz": 16}, {"p_filesz": 2**40}, {"DT_NULL": 0x66666666}], ids=str)
def test_dynamic_section_goes_on_to_its_end_in_memory(lies: dict[str, int]) -> None:
    made: dict[str, Any] = {"needed": ["libc.so.6"], "soname": "m.so"}
    assert read(make_elf(**made, lies=lies)) == read(make_elf(**made))


# Damage: whatever the bytes are, InvalidElf and nothing else comes out, and soon.


def test_every_truncation() -> None:
    for bits, byte_order in [(64, "little"), (32, "big")]:
        data = make_elf(bits=bits, byte_order=byte_order, sections=False, **FULL)
        for length in range(len(data)):
            assert error_of(data[:length]).reason
        read(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", NOT_ELF, id="empty"),
        pytest.param(b"\x7fEL", NOT_ELF, id="short"),
        pytest.param(b"#!/bin/sh\necho hello, world\n", NOT_ELF, id="script"),
        pytest.param(b"\x7fELF", "is an ELF file cut off after 4 bytes", id="magic only"),
        pytest.param(b"\x7fELF\x02\x01", "is an ELF file cut off after 6 bytes", id="cut off"),
        pytest.param(
            b"\x7fELF\x03\x01" + bytes(58), "is an ELF file of unknown class 3 or byte order 1", id="class"
        ),
        pytest.param(
            b"\x7fELF\x01\x00" + bytes(58),
            "is an ELF file of unknown class 1 or byte order 0",
            id="byte order",
        ),
    ],
)
def test_other_files(data: bytes, reason: str) -> None:
    assert error_of(data).reason == reason


NOWHERE = BASE + STRINGS_AT + 10_000


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"e_phnum": 0xFFFF}, "claims 65535 program headers"),  # PN_XNUM
        ({"e_phnum": 1001}, "claims 1001 program headers"),
        ({"e_phentsize": 0}, "claims program headers of 0 bytes, not 56"),
        ({"e_phentsize": 64}, "claims program headers of 64 bytes, not 56"),
        ({"e_phoff": 2**63}, f"points to byte {2**63}, but has SIZE bytes"),
        ({"DT_STRTAB": BASE - 2}, "points to the address 0xffff, which no segment holds"),
        ({"DT_STRTAB": BASE + 10_000}, "points to the address 0x12711, which no segment holds"),
        ({"DT_STRTAB": 2**64 - 2}, "points to the address 0xffffffffffffffff, which no segment holds"),
        ({"DT_VERNEED": 0}, "points to the address 0x0, which no segment holds"),
        ({"DT_NEEDED": 10_000}, f"points to the address {NOWHERE:#x}, which no segment holds"),
        (ENDLESS_VERSIONS, "has a table of needed versions without an end"),
        ({"vn_next": 2**32 - 1}, f"points to byte {STRINGS_AT + 31 + 2**32 - 1}, but has SIZE bytes"),
        ({"vn_aux": 2**32 - 1}, f"points to byte {STRINGS_AT + 31 + 2**32 - 1}, but has SIZE bytes"),
        ({"vn_cnt": 3, "vna_next": 10_000}, f"points to byte {STRINGS_AT + 47 + 10_000}, but has SIZE bytes"),
        ({"vna_name": 10_000}, f"points to the address {NOWHERE:#x}, which no segment holds"),
    ],
    ids=str,
)
def test_claims_that_cannot_be_true(lies: dict[str, int], reason: str) -> None:
    data = make_elf(needed=["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.17"]}, lies=lies)
    assert error_of(data).reason == reason.replace("SIZE", str(len(data)))


def test_program_interpreter_behind_the_end() -> None:
    """It may be anywhere in a library, of which loaders never look at it."""
    data = make_elf(interpreter="/lib/ld-musl-x86_64.so.1")
    place = struct.pack("<Q", 64 + 3 * 56)
    assert data.count(place) == 1
    assert read(data.replace(place, struct.pack("<Q", 2**40))).interpreter is None


def test_program_interpreter_in_a_larger_file() -> None:
    path = "/lib/ld-musl-x86_64.so.1"
    data = make_elf(interpreter=path, functions=["x" * 5_000])
    longer = data.replace(struct.pack("<Q", len(path) + 1), struct.pack("<Q", 2**40))
    assert longer != data
    assert read(longer).interpreter == path


def test_addresses_are_those_of_what_is_loaded() -> None:
    data = make_elf(**FULL)
    length, address = len(FULL["interpreter"]) + 1, BASE + 64 + 3 * 56
    segment = struct.pack("<QQQ", address, address + 2 * BASE, length)
    elsewhere = data.replace(segment, struct.pack("<QQQ", BASE, BASE, 400))
    assert elsewhere != data
    assert read(elsewhere) == read(data)


@pytest.mark.parametrize("bits", [32, 64])
def test_address_just_behind_a_segment(bits: int) -> None:
    size = len(make_elf(bits=bits, needed=["libc.so.6"]))
    error = error_of(make_elf(bits=bits, needed=["libc.so.6"], lies={"DT_STRTAB": BASE + size - 1}))
    assert error.reason == f"points to the address {BASE + size:#x}, which no segment holds"


def test_name_that_is_too_long() -> None:
    assert error_of(make_elf(needed=["x" * 4096])).reason == "has a name without an end in its string table"


def test_name_that_zeros_in_memory_end() -> None:
    made: dict[str, Any] = {"needed": ["libc.so.6"], "sections": False}
    last = len(make_elf(**made)) - 4 - STRINGS_AT
    data = make_elf(**made, lies={"DT_NEEDED": last, "d_val": 0x41414141 << 32})
    assert read(data).needed == ("AAAA",)


def test_dynamic_section_without_string_table() -> None:
    data = make_elf(needed=["libc.so.6"])
    unknown = data.replace(struct.pack("<QQ", 5, BASE + STRINGS_AT), bytes([99] * 16))
    assert unknown != data
    assert error_of(unknown).reason == "has a dynamic section without a string table"


@pytest.mark.parametrize("lies", [{"DT_STRSZ": 0}, {"DT_STRSZ": 4}], ids=str)
def test_init_functions_are_sought_in_the_string_table_only(lies: dict[str, int]) -> None:
    assert read(make_elf(functions=["PyInit_m"])).init_functions == ("PyInit_m",)
    exported = ["PyModExport_m", "PyModExportU_a_cta"]
    assert read(make_elf(functions=exported)).init_functions == ("PyModExportU_a_cta", "PyModExport_m")
    assert read(make_elf(functions=["PyInit_m"], lies=lies)).init_functions == ()


@pytest.mark.parametrize(
    "lies",
    [
        {"e_shoff": 2**64 - 1},
        {"e_shoff": 0, "e_shnum": 0xFFFF},
        {"e_shoff": 1, "e_shnum": 0xFFFF, "e_shentsize": 1, "e_shstrndx": 0xFFFF},
        {"e_shentsize": 0},
    ],
    ids=str,
)
def test_section_headers_that_lie_are_ignored(lies: dict[str, int]) -> None:
    assert read(make_elf(lies=lies, **FULL)) == read(make_elf(sections=False, **FULL))


@pytest.mark.parametrize(
    ("made", "entries"),
    [
        pytest.param({"needed": ["x" * 4000] * 9_000}, 9_000, id="one name needed 9000 times"),
        pytest.param({"needed": [f"l{n}" for n in range(9_000)]}, 9_000, id="9000 names"),
        pytest.param({"versions": {"l": [f"GLIBC_{n}" for n in range(9_000)]}}, 9_000, id="9000 versions"),
        pytest.param({"versions": {f"l{n}": ["GLIBC_2"] for n in range(4_900)}}, 4_900, id="4900 libraries"),
        pytest.param({"versions": {f"l{n}": ["X"] for n in range(20_000)}}, None, id="too many libraries"),
        pytest.param(
            {"versions": {f"l{n}": [] for n in range(20_000)}}, None, id="too many, without versions"
        ),
        pytest.param({"versions": {"l": ["X"]}, "lies": ENDLESS_VERSIONS}, None, id="endless versions"),
        pytest.param({"needed": ["l"] * 30_000}, None, id="endless dynamic section"),
        pytest.param({"functions": ["PyInit_x" * 500_000]}, 0, id="long string table"),
        pytest.param({"functions": ["\0PyInit_a" * 500_000]}, 1, id="one function 500000 times"),
        pytest.param({"functions": map("PyInit_{}".format, range(20_000))}, 10_000, id="20000 functions"),
        pytest.param({"functions": ["x" * 99_999], "lies": {"e_phnum": 1_000}}, 0, id="many program headers"),
    ],
)
def test_work_and_memory_are_bounded(made: dict[str, Any], entries: int | None) -> None:
    """The limits are some times what is measured, and far below what the files claim."""
    stream = CountingStream(make_elf(**{"functions": (), **made}))
    tracemalloc.start()
    try:
        if entries is None:
            with pytest.raises(InvalidElf, match=r" without an end$"):
                read_elf(stream)
        else:
            facts = read_elf(stream)
            assert len(facts.needed + facts.glibc_evidence + facts.init_functions) == entries
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stream.reads < 50_000
    assert peak < 20_000_000


def read_or_refuse(data: bytes) -> None:
    try:
        facts = read(data)
    except InvalidElf:
        return
    assert facts.libcs <= BOTH


WHOLE = [
    make_elf(bits=bits, byte_order=byte_order, **FULL)
    for bits in (32, 64)
    for byte_order in ("little", "big")
]


@settings(deadline=None, max_examples=400)
@given(
    data=st.sampled_from(WHOLE),
    changes=st.lists(
        st.tuples(st.integers(0, len(WHOLE[-1]) - 1), st.integers(0, 255)), min_size=1, max_size=3
    ),
)
def test_changed_bytes(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(data)] = value
    read_or_refuse(bytes(damaged))


@pytest.mark.parametrize("data", WHOLE, ids=["32 little", "32 big", "64 little", "64 big"])
@pytest.mark.parametrize("value", [0x00, 0x7F, 0xFF])
def test_every_byte_changed(data: bytes, value: int) -> None:
    damaged = bytearray(data)
    for at, right in enumerate(data):
        damaged[at] = value
        read_or_refuse(bytes(damaged))
        damaged[at] = right


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=600))
@example(b"")
def test_random_bytes(data: bytes) -> None:
    read_or_refuse(data)
    for ident in (
        b"\x7fELF\x01\x01\x01",
        b"\x7fELF\x02\x01\x01",
        b"\x7fELF\x01\x02\x01",
        b"\x7fELF\x02\x02\x01",
    ):
        read_or_refuse(ident + data)


@settings(deadline=None, max_examples=200)
@given(
    claims=st.dictionaries(
        st.sampled_from(
            ["e_phoff", "d_tag", "p_filesz", "vn_file", "vn_aux", "vn_next", "vna_name", "vna_next"]
        ),
        st.one_of(st.integers(0, 600), st.sampled_from([BASE, 2**32 - 1])),
    ),
    short_claims=st.dictionaries(
        st.sampled_from(["e_type", "e_machine", "e_phnum", "vn_version", "vn_cnt"]),
        st.one_of(st.integers(0, 300), st.integers(0, 0xFFFF)),
    ),
    entries=st.dictionaries(
        st.sampled_from(["DT_STRTAB", "DT_STRSZ", "DT_NEEDED", "DT_SONAME", "DT_VERNEED", "DT_NULL"]),
        st.one_of(st.integers(0, 600), st.integers(BASE - 10, BASE + 600)),
    ),
    bits=st.sampled_from([32, 64]),
)
def test_any_claims(
    claims: dict[str, int], short_claims: dict[str, int], entries: dict[str, int], bits: int
) -> None:
    read_or_refuse(make_elf(bits=bits, lies={**claims, **short_claims, **entries}, **FULL))


def test_file_that_becomes_shorter() -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)[:20]

    with pytest.raises(InvalidElf, match=r"^became shorter while it was read$"):
        read_elf(Shrinking(make_elf()))


def test_errors_of_the_stream_are_not_errors_of_the_file() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        read_elf(Failing(make_elf()))


# Files that compilers made.


def test_the_python_that_runs_the_tests() -> None:
    with Path(sys.executable).open("rb") as stream:
        facts = read_elf(stream)
    assert facts.kind in ("program", "shared object")
    assert facts.interpreter is not None
    assert facts.interpreter.startswith("/")
    assert facts.machine.bits == (64 if sys.maxsize > 2**32 else 32)
    assert facts.machine.byte_order == sys.byteorder
    assert len(facts.libcs) == 1


def test_its_own_extension_modules() -> None:
    folder = Path(sysconfig.get_config_var("DESTSHARED"))
    with Path(sys.executable).open("rb") as stream:
        program = read_elf(stream)
    modules = sorted(folder.glob("*.so"))
    assert modules, f"{folder} holds no extension module"
    for path in modules:
        with path.open("rb") as stream:
            facts = read_elf(stream)
        assert facts.kind == "shared object"
        assert facts.machine == program.machine
        assert facts.libcs <= program.libcs
        assert f"PyInit_{path.name.partition('.')[0]}" in facts.init_functions
