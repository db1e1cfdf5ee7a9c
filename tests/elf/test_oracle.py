"""The ELF reader against pyelftools, an independent one, on real files."""

from __future__ import annotations

import io
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from muslfix.elf.dynamic import DynamicFacts, read_image
from muslfix.elf.facts import read_elf


def real_files() -> list[Path]:
    folders = [FIXTURES / "elf", Path(str(sysconfig.get_config_var("DESTSHARED")))]
    return [path for folder in folders for path in sorted(folder.glob("*")) if path.is_file()]


def dynamic_entries(elf: Any, tag: str) -> list[str | None]:
    return [
        getattr(entry, tag[len("DT_") :].lower())
        for segment in elf.iter_segments()
        if isinstance(segment, DynamicSegment)
        for entry in segment.iter_tags(tag)
    ]


def glibc_versions(elf: Any) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for library, versions in section.iter_versions():
                for version in versions:
                    if version.name.startswith("GLIBC_") and not library.name.startswith("libgcc_s"):
                        yield f"needs version {version.name} of {library.name}"


@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_the_facts_are_those_that_pyelftools_reads(path: Path) -> None:
    with path.open("rb") as stream:
        facts = read_elf(stream)
        elf = ELFFile(stream)
        assert facts.machine.name == elf["e_machine"][len("EM_") :].lower()
        assert (facts.machine.bits, facts.machine.byte_order == "little") == (elf.elfclass, elf.little_endian)
        assert (facts.kind == "shared object") == (elf["e_type"] == "ET_DYN")
        assert list(facts.needed) == dynamic_entries(elf, "DT_NEEDED")
        assert [facts.soname] == (dynamic_entries(elf, "DT_SONAME") or [None])
        names = [
            segment.get_interp_name() for segment in elf.iter_segments() if isinstance(segment, InterpSegment)
        ]
        assert [facts.interpreter] == (names or [None])
        found = [line for line in facts.glibc_evidence if line.startswith("needs version ")]
        assert found == list(glibc_versions(elf))


def symbols_of(elf: Any) -> Any:
    """The symbols of the dynamic section, as pyelftools finds them without section headers."""
    return next(segment for segment in elf.iter_segments() if isinstance(segment, DynamicSegment))


@pytest.mark.parametrize("path", [p for p in real_files() if ".so" in p.name], ids=lambda path: path.name)
def test_the_symbols_are_those_that_pyelftools_reads(path: Path) -> None:
    with path.open("rb") as stream:
        facts = read_image(stream).dynamic
        assert isinstance(facts, DynamicFacts)
        elf = ELFFile(stream)
        dynamic = symbols_of(elf)
        symbols = [s for s in dynamic.iter_symbols() if s.name and s["st_info"]["bind"] != "STB_LOCAL"]
        defined = {s.name for s in symbols if s["st_shndx"] != "SHN_UNDEF"}
        undefined = {
            s.name: s["st_info"]["bind"] == "STB_WEAK" for s in symbols if s["st_shndx"] == "SHN_UNDEF"
        }
        assert facts.exports.names == defined
        assert {reference.name for reference in facts.references} <= undefined.keys()
        assert all(undefined[reference.name] is reference.weak for reference in facts.references)
        assert [facts.runpath] == (dynamic_entries(elf, "DT_RUNPATH") or [None])
        assert facts.has_relative_relocations == any(
            tag.entry.d_tag == "DT_RELR" for tag in dynamic.iter_tags()
        )


@pytest.mark.parametrize(
    "name", ["x86_64-musl", "i386-glibc", "s390x-musl", "mips64-musl", "mips64-n32-musl"]
)
def test_an_init_function_is_one_that_the_hash_table_finds_and_the_file_defines(name: str) -> None:
    """By either hash table, in each class and byte order."""
    data = bytearray((FIXTURES / "elf" / f"{name}.so").read_bytes())
    elf = ELFFile(io.BytesIO(data))
    table: Any = elf.get_section_by_name(".dynsym")
    index = next(n for n, symbol in enumerate(table.iter_symbols()) if symbol.name == "PyInit_m")
    section = table["sh_offset"] + index * table["sh_entsize"] + (6 if elf.elfclass == 64 else 14)
    assert "PyInit_m" in read_elf(io.BytesIO(data)).init_functions
    data[section : section + 2] = bytes(2)  # SHN_UNDEF
    found = read_elf(io.BytesIO(data)).init_functions
    assert ("PyInit_m" in found, "PyInit_n" in found) == (False, True)
    renamed = data.replace(b"PyInit_n\0", b"PyInit_o\0")  # whose hash is another
    found = read_elf(io.BytesIO(renamed)).init_functions
    assert {"PyInit_n", "PyInit_o", "PyInit_a"}.intersection(found) == {"PyInit_a"}
