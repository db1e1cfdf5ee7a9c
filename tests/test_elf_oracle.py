"""The ELF reader against pyelftools, an independent one, on real files."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment
from support import FIXTURES

from muslfix.elf import read_elf


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
                    if version.name.startswith("GLIBC_"):
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
