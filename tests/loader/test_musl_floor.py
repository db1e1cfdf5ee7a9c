"""Since when musl has a symbol, and what a wheel needs of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab import layout
from lab_modules import Lab
from limits import within_limits

from muslfix.elf.dynamic import DynamicFacts, Image, read_image
from muslfix.elf.facts import ElfFacts, Machine
from muslfix.elf.oddities import Oddity, Outcome
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.loader.musl_exports import NEWEST, OLDEST, appeared_in, large_file_symbols, symbols_of
from muslfix.loader.musl_floor import find_floor
from muslfix.suffix import Libc

GENERATOR = Path(__file__).parents[2] / "fixtures" / "musl_versions.py"


@pytest.mark.parametrize(
    ("symbol", "version"),
    [
        ("printf", OLDEST), ("getauxval", (1, 1, 0)), ("memfd_create", (1, 1, 20)),
        ("secure_getenv", (1, 1, 24)), ("__stat_time64", (1, 2, 0)), ("reallocarray", (1, 2, 2)),
        ("qsort_r", (1, 2, 3)), ("statx", (1, 2, 5)), ("posix_getdents", (1, 2, 6)),
        ("__getauxval", (1, 2, 6)), ("renameat2", (1, 2, 6)), ("fts_open", None), ("fopen64", OLDEST),
        ("__libc_single_threaded", None), ("PyLong_FromLong", None),
    ],
)  # fmt: skip
def test_when_a_symbol_appeared(symbol: str, version: tuple[int, ...] | None) -> None:
    assert appeared_in(symbol) == version


def test_later_versions_have_more_but_for_the_large_file_interface() -> None:
    older, newer = symbols_of((1, 2, 3)), symbols_of((1, 2, 5))
    assert older - newer == large_file_symbols()
    assert newer - older == {"statx", "preadv2", "pwritev2"}
    assert symbols_of((1, 2, 4)) < newer
    assert symbols_of((9, 9, 9)) == symbols_of(NEWEST)


@pytest.mark.lab
@pytest.mark.parametrize("version", [layout.OLD_MUSL, layout.MUSL])
def test_what_the_files_export(version: str, lab: Lab) -> None:
    with layout.loader(lab.folder, version).open("rb") as file:
        dynamic = read_image(file).dynamic
    assert isinstance(dynamic, DynamicFacts)
    names = dynamic.exports.names
    told = symbols_of(tuple(map(int, version.split("."))))
    assert names <= told
    others = told - names  # of other machines
    assert all("time64" in name or "aeabi" in name or name.startswith("__") for name in others), others


@pytest.mark.lab
@pytest.mark.network
def test_the_table_is_what_its_sources_say(lab: Lab) -> None:
    command = [sys.executable, str(GENERATOR), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.folder.exists()


X86_64 = Machine("x86_64", 64, "little")
ARM = Machine("arm", 32, "little", "hard-float")
RISCV = Machine("riscv", 32, "little", "double-float")


def image(
    *references: str,
    weak: str = "",
    needed: str = "libc.so",
    machine: Machine = X86_64,
    glibc: str = "",
    **facts: Any,
) -> Image:
    """A shared object that needs some symbols."""
    dynamic = DynamicFacts(
        needed=tuple(needed.split()),
        references=References(
            references, [""] * len(references), [Reference(weak, weak=True)] if weak else []
        ),
        **facts,
    )
    return Image(ElfFacts(machine, "shared object", glibc_evidence=tuple(filter(None, [glibc]))), dynamic)


# Everything that a file can need, and who has it: what is said of a wheel with musllinux_1_2 of such files.
@pytest.mark.parametrize(
    ("files", "keeps", "said"),
    [
        ({"m.so": image("printf", "PyLong_FromLong", "_Py_Dealloc")}, True, "can load on any musl; its tags"),
        ({"m.so": image("fopen64", weak="__cxa_thread_atexit_impl")}, True, "can load on any musl; its tags"),
        ({"m.so": image(glibc="needs libc.so.6")}, False,
         "can load on no known musl (m.so is linked to glibc (needs libc.so.6));"),
        ({"m.so": image(), "libneedle.so": image(glibc="needs libc.so.6")}, False,
         "can load on no known musl (libneedle.so is linked to glibc (needs libc.so.6));"),
        ({"m.so": image(initial_exec=(Reference(""),), tls_size=8)}, False,
         "can load on no known musl (m.so needs thread-local variables at a fixed place (initial-exec TLS),"),
        ({"m.so": image(initial_exec=(Reference("v"),), needed="libv.so", runpath="$ORIGIN"),
          "libv.so": image(exports=Exports(frozenset({"v"})), tls_size=8)}, False, "(m.so needs thread-"),
        ({"m.so": image(initial_exec=(Reference("errno_of_python"),))}, True, "can load on any musl"),
        ({"m.so": image(oddities=(Oddity(None, Outcome.DIES, "has no end"),))}, False,
         "can load on no known musl (m.so has no end);"),
        ({"m.so": image(oddities=(Oddity(Libc.MUSL, Outcome.UNKNOWN, "may have no end"),))}, True,
         "needs no certain version of musl; its tags promise musl 1.2 or later; m.so may have no end"),
        ({"m.so": image(oddities=(Oddity(Libc.GLIBC, Outcome.DIES, "has no end"),))}, True, "on any musl;"),
        ({"m.so": image("swapcontext")}, False, "can load on no known musl (m.so needs swapcontext, which no"
         " musl up to 1.2.6, the newest that is known here, has and no file of the wheel defines);"),
        ({"m.so": image("a", "b", "c", "d", "e")}, False, "(m.so needs a, b, c and 2 more symbols, which"),
        ({"m.so": image("swapcontext", needed="libucontext.so.1", runpath="$ORIGIN/libs"),
          "libs/libucontext.so.1": image(exports=Exports(frozenset({"swapcontext"})))},
         True, "can load on any musl;"),
        ({"m.so": image("swapcontext", needed="libucontext.so.1", runpath="$ORIGIN"),
          "libs/libucontext.so.1": image(exports=Exports(frozenset({"swapcontext"})))},
         True, "needs no certain version of musl; needs libucontext.so.1 for m.so, which the wheel has in"
         " pkg/libs, where no run path leads; its"),
        ({"m.so": image(needed="liba.so", rpath="$ORIGIN/../pkg/libs"),
          "libs/liba.so": image(needed="libb.so"), "libs/libb.so": image()}, True, "can load on any musl;"),
        ({"m.so": image("posix_getdents")}, False, "on musl 1.2.6 or later (m.so needs posix_getdents)"),
        ({"m.so": image("__getauxval")}, False, "on musl 1.2.6 or later (m.so needs __getauxval)"),
        ({"m.so": image("renameat2")}, False, "can load on musl 1.2.6 or later (m.so needs renameat2)"),
        ({"m.so": image("qsort_r")}, False, "on musl 1.2.3 or later (m.so needs qsort_r); its tags promise"
         " musl 1.2 or later, which is too much"),
        ({"m.so": image("__time64", machine=ARM)}, True, "musl 1.2.0 or later (m.so needs __time64)"),
        ({"m.so": image("inflate", needed="libc.so libz.so.1")}, True, "needs no certain version of musl;"
         " needs libz.so.1, which the wheel does not hold, with inflate; its tags promise musl 1.2 or later"),
        ({"m.so": image(needed="libc.musl-x86_64.so.1 ld-musl-x86_64.so.1 libm.so.6")}, True, "on any musl;"),
        ({"m.so": image(), "libtext.so": "is not an ELF file"}, True,
         "needs no certain version of musl; its tags promise musl 1.2 or later; what libtext.so needs is not"
         " known: it is not an ELF file"),
        ({}, True, "has no extension module and no shared library; its tags promise musl 1.2 or later"),
    ],
)  # fmt: skip
def test_what_a_wheel_needs(files: dict[str, Image | str], keeps: bool, said: str) -> None:
    floor = find_floor({f"pkg/{path}": file for path, file in files.items()}, ["musllinux_1_2_x86_64"])
    assert said in str(floor)
    assert floor.keeps is keeps


# The functions are those that real wheels call: C in lxml for armv7l, Rust in rpds-py for i686, and both in
# tokenizers, whose module is Rust and whose libstdc++ is C++.
@pytest.mark.parametrize(
    ("files", "mixes", "said"),
    [
        ({"etree.so": image("__stat_time64", "__gmtime64_r", "dlsym", machine=ARM)}, False,
         "uses musl's time_t of 64 bits (etree.so)"),
        ({"rpds.so": image("fstat", "stat", machine=ARM)}, False,
         "uses musl's old time_t of 32 bits, which ends in 2038 (rpds.so)"),
        ({"old.so": image("stat64", machine=ARM), "not.so": image("printf", machine=ARM)}, False,
         "uses musl's old time_t of 32 bits, which ends in 2038 (old.so)"),
        ({"tokenizers.abi3.so": image("stat", machine=ARM),
          "libstdc++.so": image("__stat_time64", machine=ARM)}, True,
         "uses both kinds of musl's time_t: the old one of 32 bits in tokenizers.abi3.so, the one of 64"
         " bits in libstdc++.so; a structure with a time that one passes to the other is misread"),
        ({"m.so": image("stat", "__time64", machine=ARM)}, True, "time_t: both in m.so; a structure"),
        ({"m.so": image("dlsym", "__dlsym_time64", machine=ARM)}, False, "of 64 bits"),
        ({"m.so": image("stat")}, False, None),
        ({"m.so": image("stat", machine=RISCV)}, False, None),
        ({"m.so": image("stat", machine=ARM, glibc="needs libc.so.6")}, False, None),
        ({"m.so": image(weak="stat", machine=ARM)}, False, None),
    ],
)  # fmt: skip
def test_which_time_t_a_wheel_uses(files: dict[str, Image | str], mixes: bool, said: str | None) -> None:
    floor = find_floor(files, [])
    assert floor.mixes is mixes
    assert floor.time_t is None if said is None else said in (floor.time_t or "")
    assert (floor.time_t or "nothing") in str(floor) or mixes or said is None


def test_run_paths_that_multiply() -> None:
    names = [f"lib{number}.so" for number in range(200)]
    every = " ".join(names)
    files: dict[str, Image | str] = {
        f"pkg/{name}": image(needed=every, runpath=":".join(f"/{number}" for number in range(50)))
        for name in names
    }
    said = within_limits(lambda: find_floor(files, []).not_known)
    assert (
        said == "('whether run paths lead to all libraries of the wheel is not known: there are too many',)"
    )
