"""Since when musl has a symbol."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lab import layout
from lab_modules import Lab

from muslfix.elf.dynamic import DynamicFacts, read_image
from muslfix.loader.musl_exports import NEWEST, OLDEST, appeared_in, large_file_symbols, symbols_of

GENERATOR = Path(__file__).parents[2] / "fixtures" / "musl_versions.py"


@pytest.mark.parametrize(
    ("symbol", "version"),
    [
        ("printf", OLDEST), ("getauxval", (1, 1, 0)), ("memfd_create", (1, 1, 20)),
        ("secure_getenv", (1, 1, 24)), ("__stat_time64", (1, 2, 0)), ("reallocarray", (1, 2, 2)),
        ("qsort_r", (1, 2, 3)), ("statx", (1, 2, 5)), ("fopen64", OLDEST),
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
