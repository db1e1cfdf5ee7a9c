"""What readers of ELF files do with damaged ones: facts or InvalidElf, in bounded time and memory.

``fuzz/fuzz_elf.py`` goes on from here, guided by coverage; what it finds joins :data:`KEPT`.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from elf_fuzzing import READERS, damage, fields_of, read_or_refuse, seeds
from elfmaker import make_elf
from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment
from hypothesis import given, settings
from hypothesis import strategies as st

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.elf.file import DT, PT_DYNAMIC, ElfFile
from muslfix.elf.mapping import PAGE

FIXTURE = Path(__file__).parents[2] / "fixtures" / "elf" / "mips64-musl.so"
_DT_HASH = 4

SEEDS = [(seed, fields_of(seed)) for seed in seeds()]
EACH_READER = pytest.mark.parametrize("reader", READERS)

#: A random number generator whose choices hypothesis makes, and makes smaller.
CHANCES = st.randoms(use_true_random=False)


def damaged(chance: Random) -> bytes:
    data, fields = SEEDS[chance.randrange(len(SEEDS))]
    return damage(data, fields, chance.randrange)


@EACH_READER
@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_each_seed_is_sound(reader: str, number: int) -> None:
    data, fields = SEEDS[number]
    assert read_or_refuse(READERS[reader], data) is not None
    assert len({field.at for field in fields}) >= 50


@pytest.mark.once
@EACH_READER
@settings(deadline=None, max_examples=500)
@given(chance=CHANCES)
def test_damaged_fields(reader: str, chance: Random) -> None:
    read_or_refuse(READERS[reader], damaged(chance))


# -- against pyelftools -----------------------------------------------------------------------------


def facts_of_pyelftools(data: bytes) -> dict[str, Any] | None:
    """What pyelftools reads, by the same way as a loader; ``None`` where it fails."""
    try:
        elf = ELFFile(io.BytesIO(data))
        dynamic = [segment for segment in elf.iter_segments() if isinstance(segment, DynamicSegment)][:1]
        tags = [tag for segment in dynamic for tag in segment.iter_tags()]
        interpreters = [
            segment.get_interp_name() for segment in elf.iter_segments() if isinstance(segment, InterpSegment)
        ]
        return {
            "bits": elf.elfclass,
            "little": elf.little_endian,
            "shared": elf["e_type"] == "ET_DYN",
            "needed": [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"],
            "soname": [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"][-1:],
            "interpreter": interpreters[:1],
        }
    except (ELFError, ConstructError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return None  # it has many ways to fail
    except (MemoryError, RecursionError, AssertionError):
        return None


def facts_of_muslfix(facts: ElfFacts) -> dict[str, Any]:
    return {
        "bits": facts.machine.bits,
        "little": facts.machine.byte_order == "little",
        "shared": facts.kind == "shared object",
        "needed": list(facts.needed),
        "soname": [] if facts.soname is None else [facts.soname],
        "interpreter": [] if facts.interpreter is None else [facts.interpreter],
    }


def is_plain(data: bytes) -> bool:
    """Whether pages do not matter, which pyelftools does not know, nor which of two tables counts."""
    file = ElfFile(io.BytesIO(data))
    dynamic = [segment for segment in file.segments if segment.kind == PT_DYNAMIC]
    places = [
        bool(segment.address and segment.size) and segment.offset == file.offset_of(segment.address)
        for segment in dynamic
    ]
    is_aligned = all((load.address - load.offset) % PAGE == 0 for load in file.mapping.loads)
    return is_aligned and all(places) and len(dynamic) < 2 and len(file.values(DT.STRTAB)) < 2


def is_text(facts: dict[str, Any]) -> bool:
    """Whether all names are ASCII, and none so long that muslfix refuses it; each reader has its own rest."""
    names = [*facts["needed"], *facts["soname"], *facts["interpreter"]]
    return all(name.isascii() for name in names)


#: Without section headers, which pyelftools prefers to what a loader sees.
UNSECTIONED = [
    (data, [field for field in fields_of(data) if field.at < len(data) - 64])
    for order in ("little", "big")
    for bits in (32, 64)
    for data in [
        make_elf(
            bits=bits,
            byte_order=order,
            needed=["libz.so.1", "libc.so.6", "libm.so.6"],
            soname="m.so",
            interpreter="/lib/ld-musl-x86_64.so.1",
            sections=False,
        )
    ]
]


@pytest.mark.once
@settings(deadline=None, max_examples=500)
@given(chance=CHANCES)
def test_where_both_read_a_damaged_file_they_read_the_same(chance: Random) -> None:
    data, fields = UNSECTIONED[chance.randrange(len(UNSECTIONED))]
    data = damage(data, fields, chance.randrange)
    facts, others = read_or_refuse(read_elf, data), facts_of_pyelftools(data)
    if isinstance(facts, ElfFacts) and others is not None and is_text(others) and is_plain(data):
        ours = facts_of_muslfix(facts)
        # pyelftools reads on behind the end of the segment, which the kernel does not.
        for mine, its in zip(ours.pop("interpreter"), others.pop("interpreter")):
            assert its.startswith(mine)
        assert ours == others


# -- bounded memory ---------------------------------------------------------------------------------

# The child may map no more than this beyond what it has when muslfix is loaded: the largest string table
# that is read is 64 MiB, and is searched where it is.
ROOM = 96 * 1024 * 1024
CHILD = """
import resource, sys
sys.path[:0] = sys.argv[1].split(":")
from elf_fuzzing import READERS
from muslfix.errors import InvalidElf
read = READERS[sys.argv[2]]
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[3]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
with open(sys.argv[4], "rb") as stream:
    try:
        facts = read(stream)
    except InvalidElf as error:
        print("refused:", error.reason)
    else:
        print("read:", type(facts).__name__)
"""


def hashed(count: int) -> bytes:
    """A module whose hash table claims so many symbols; on MIPS each of them is looked up."""
    data = bytearray(FIXTURE.read_bytes())
    with FIXTURE.open("rb") as stream:
        file = ElfFile(stream)
        struct.pack_into(file.sign + "I", data, file.offset_of(file.value(_DT_HASH)) + 4, count)
    return bytes(data)


#: ``~`` stands for a byte that is no text, and takes four characters when it is shown.
BOMBS: dict[str, dict[str, Any] | bytes] = {
    "one piece of evidence 9000 times": {"needed": ["ld-linux" + "~" * 4_000] * 9_000},
    "many long names": {"needed": [f"{n}" + "~" * 4_000 for n in range(500)]},
    "libraries times versions": {
        "versions": {
            f"lib{n}" + "~" * 4_000: [f"GLIBC_{m}" + "~" * 4_000 for m in range(60)] for n in range(60)
        }
    },
    "a function with a long name": {"functions": ["PyInit_" + "x" * 50_000_000]},
    "many functions": {"functions": ["\0".join(f"PyInit_{n}" + "x" * 4_000 for n in range(10_000))]},
    "a string table to the end": {"lies": {"DT_STRSZ": 2**62}},
    "a dynamic section to the end": {"lies": {"p_filesz": 2**62}},
    "no end of program headers": {"lies": {"e_phnum": 0xFFFF}},
    "no end of symbols": hashed(2**32 - 1),
    "a million symbols": hashed(10**6),
}


@EACH_READER
@pytest.mark.parametrize("case", BOMBS)
def test_memory_is_bounded_by_the_system(tmp_path: Any, reader: str, case: str) -> None:
    path = tmp_path / "bomb.so"
    bomb = BOMBS[case]
    path.write_bytes(bomb if isinstance(bomb, bytes) else make_elf(**bomb).replace(b"~", b"\xff"))
    with path.open("r+b") as file:
        file.truncate(10 * 1024**3)  # the rest is a hole, and takes no place
    words = [sys.executable, "-c", CHILD, os.pathsep.join(sys.path), reader, str(ROOM), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.startswith(("read: ", "refused: "))


# -- cases that are kept ----------------------------------------------------------------------------

#: Small files by what is wrong with them; those that the fuzzer finds are made here too.
KEPT: dict[str, bytes] = {
    "the address of the string table is above all segments": make_elf(
        needed=["libc.so"], lies={"DT_STRTAB": 2**64 - 1}
    ),
    "the address of the string table and an index pass the end of what a number holds": make_elf(
        needed=["libc.so"], lies={"DT_NEEDED": 2**64 - 1}
    ),
    "the versions begin behind the end": make_elf(versions={"l": ["X"]}, lies={"vn_aux": 2**32 - 1}),
    "a version leads back to itself": make_elf(versions={"l": ["X"]}, lies={"vn_cnt": 0xFFFF, "vna_next": 0}),
    "the program headers are the header": make_elf(lies={"e_phoff": 0}),
}


@EACH_READER
@pytest.mark.parametrize("case", KEPT)
def test_cases_that_are_kept(reader: str, case: str) -> None:
    read_or_refuse(READERS[reader], KEPT[case])
