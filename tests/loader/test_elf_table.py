"""Shared objects that are odd in one way each: what is predicted, and what the loaders do.

A loader counts as one that loads a file only if all that its segments promise can be read afterwards.
"""

from __future__ import annotations

import os
import platform
import sys
from io import BytesIO
from pathlib import Path

import pytest
from elf_table import CASES, FREE, moved, with_second_section
from lab import layout
from lab_modules import Lab
from load_truth import LOADS, UNKNOWN, dlopen, predict, word_for
from loadable_elf import Loadable

from muslfix.elf.facts import read_elf
from muslfix.suffix import Libc

#: What muslfix refuses although a loader may load it: bytes are missing, or there are two readings.
STRICTER = ("is cut off", "has segments that lie over each other in memory")

#: How many answers may be that it is not known, of a hundred.
MOST_UNKNOWN = 12


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One file for each case, in a directory of its own."""
    made = []
    for number, case in enumerate(CASES):
        directory = tmp_path_factory.getbasetemp() / "elf-table" / str(number)
        directory.mkdir(parents=True)
        made.append(str(case.make(directory)))
    return made


def disagreements(python: Path | str, files: list[str]) -> list[str]:
    """The cases in which a loader does not do what is predicted, with what is predicted and done."""
    found, unknown = [], 0
    for case, result, (word, said) in zip(CASES, predict(python, files), dlopen(python, files, reads=True)):
        predicted = word_for(result)
        unknown += predicted == UNKNOWN
        is_stricter = any(problem.reason.startswith(STRICTER) for problem in result.problems)
        if predicted != UNKNOWN and (predicted == LOADS) != (word == LOADS) and not is_stricter:
            found.append(f"{case}: {predicted} ({'; '.join(map(str, result.problems))}), but {word} ({said})")
    assert 100 * unknown < MOST_UNKNOWN * len(files)
    return found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the files are for x86-64")
@pytest.mark.skipif(os.confstr("CS_GNU_LIBC_VERSION") is None, reason="this is no glibc")
def test_glibc_does_what_is_predicted(files: list[str]) -> None:
    assert disagreements(sys.executable, files) == []


@pytest.mark.lab
@pytest.mark.once
@pytest.mark.parametrize("musl", [layout.OLD_MUSL, layout.MUSL])
def test_musl_does_what_is_predicted(lab: Lab, files: list[str], musl: str) -> None:
    assert disagreements(layout.PYTHONS[2].executable(lab.folder, musl), files) == []


@pytest.mark.lab
@pytest.mark.once
def test_the_newest_glibc_does_what_is_predicted(lab: Lab, files: list[str]) -> None:
    lab.skip_without(layout.GLIBC_PYTHONS[0])
    assert disagreements(layout.GLIBC_PYTHONS[0].executable(lab.folder), files) == []


def test_there_are_cases_of_each_kind() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) > 400


DOCTORED = {
    "the last PT_DYNAMIC": with_second_section(b"libc.so.6"),
    "the last DT_STRTAB": moved("STRTAB", FREE, lambda table: table.replace(b"libx.so.6\0", b"libc.so.6\0")),
}


@pytest.mark.parametrize("way", DOCTORED)
def test_a_file_for_glibc_that_is_doctored(way: str) -> None:
    """A reader that takes the first of two sees nothing of the libc that the loaders load."""
    elf = Loadable(needed=["libx.so.6"])
    DOCTORED[way](elf)
    assert read_elf(BytesIO(elf.build())).libcs == {Libc.GLIBC}
