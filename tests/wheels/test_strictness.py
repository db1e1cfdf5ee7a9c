"""The table of what other installers accept and muslfix refuses: each row is true of all three."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import real_tools
from bad_wheels import CASES, OTHER_SCRIPT, Case
from benchmarks.compare import Installer, Muslfix, Outcome, Pip, Uv, refusals
from checkout import ROOT
from wheelmaker import make_wheel

#: For each row of the table, by what muslfix says, a wheel of ``bad_wheels``.
SAMPLES = {
    "that belong to no entry": "hidden member between members",
    "before the archive that are not part of it": "program in front, offsets right",
    "bytes after its end": "text behind",
    "in its comment": "archive in its comment",
    "end record": "zip64 end that disagrees",
    "one part of a multi-part archive": "one of several parts",
    "something other than entries": "signature in the directory",
    "has two headers for … that disagree on its": "other CRC in the local header",
    "has a data descriptor for … that disagrees": "data descriptor with another CRC",
    "two names": "second name, up",
    "has an entry with a wrong zip64 field": "zip64 field too long",
    "two extra fields of one kind": "two zip64 fields",
    "whose data overlap what follows": "member in the data of another",
    "bytes it claims": "not empty, as it says",
    "has two entries for": "twice, other content",
    "neither a file nor a directory": "mode: symbolic link",
    "a directory": "folder with bytes",
    "could escape its directory": "name: dot within",
    "whose name is not a relative path": "name: backslash",
    "control characters in its name": "name: escape sequence",
    "a line separator in its name": "name: line separator",
    "UTF-8": "name: not marked as UTF-8",
    "name is too long for a file": "name: too deep",
    "has an encrypted entry": "encrypted directory",
    "needs a newer format": "flags that nobody knows",
    "is damaged (": "bytes behind compressed data",
    "times its size, more than": "bomb",
    "would unpack to": "bomb by zip64",
    "entries, more than": "more entries than the limit",
    "RECORD": "file that RECORD does not list",
    "must have one .dist-info directory": "two .dist-info, one in capitals",
    ".dist-info directory … version": ".dist-info of another version",
    "would describe a project beside its": ".dist-info in purelib",
    "and its METADATA says": "METADATA of another version",
    "lines … in its": "METADATA of two names",
    "has the wheel format version": "WHEEL with nonsense",
    ".data director": "two .data",
    "belongs to the interpreter": "script activate",
    "a name that muslfix reserves for itself": "name of our own",
    "an entry point with a bad name": "entry point with a bad name: 'a\\\\b'",
    "is not of the form name = module:function": "entry point that is no function",
    "has two entry points named": "entry point in both groups",
    "has a damaged entry_points.txt": "entry point twice",
    "has two files for": "two files for one place",
    "and its content differs": "script over another project's script",
}


# Of these pip's answer depends on the parsers in the standard library of the Python that it runs on.
BY_PYTHON = ("two names", "whose data overlap what follows", "has a damaged entry_points.txt")


def rows() -> dict[str, set[str]]:
    """Who accepts what, by what muslfix says, as the manual has it."""
    lines = (ROOT / "docs" / "strictness.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[1].strip("`"): set(row[2].split(", ")) for row in cells[2:] if len(row) == 4}


def case_of(sentence: str) -> Case:
    (case,) = [case for case in CASES if case.name == SAMPLES[sentence]]
    return case


def test_each_row_has_a_wheel() -> None:
    assert list(rows()) == list(SAMPLES) == list(refusals())


@pytest.fixture(scope="module")
def installers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Installer]]:
    """All three, each in an environment with another project."""
    base = tmp_path_factory.mktemp("strictness")
    pip = Pip(base / "p", real_tools.make_pip_environment(base / "tools") / "bin" / "python")
    uv = Uv(base / "u", real_tools.tool_environment("uv") / "bin" / "python")
    made: dict[str, Installer] = {"muslfix": Muslfix(base / "m"), "pip": pip, "uv": uv}
    script = {f"other-1.0.data/scripts/{OTHER_SCRIPT}": b"#!/bin/sh\n"}
    other = make_wheel(base / "other-1.0-py3-none-any.whl", script)
    for installer in made.values():
        assert installer.install(other) is None
        installer.keep()
    yield made
    pip.close()


@pytest.mark.lab
@pytest.mark.once
def test_each_row_is_true(installers: dict[str, Installer], tmp_path: Path) -> None:
    accepting = {}
    for sentence in rows():
        wheel = case_of(sentence).make(tmp_path)
        outcomes: dict[str, Outcome] = {name: one.judge(wheel) for name, one in installers.items()}
        assert re.search(re.escape(sentence).replace("…", ".*"), outcomes["muslfix"].refusal or ""), sentence
        accepting[sentence] = {name for name, outcome in outcomes.items() if outcome.refusal is None}
        wheel.unlink()
    expected = rows()
    for sentence in BY_PYTHON:
        accepting[sentence].discard("pip")
        expected[sentence].discard("pip")
    assert accepting == expected
