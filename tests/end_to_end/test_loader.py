"""What is predicted of the modules of real wheels, and what loaders do: no false alarm, no miss."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from commands import Cli
from lab import layout
from lab_modules import Lab
from load_truth import CASES, DIES, LOADS, REFUSED, Case, compare, unpack

pytestmark = pytest.mark.lab

#: The modules that end the process on musl 1.2.3, by interpreter tag; the first one needs libz.so.1 too.
CRASHING = {
    "cp39": ["PIL/_imaging", "cryptography/hazmat/bindings/_rust", "kiwisolver/_cext", "ujson"],
    "cp311": [
        "PIL/_imaging", "cryptography/hazmat/bindings/_rust", "greenlet/_greenlet",
        "greenlet/tests/_test_extension_cpp", "kiwisolver/_cext", "numpy/_core/_multiarray_umath",
        "numpy/fft/_pocketfft_umath", "numpy/linalg/_umath_linalg", "numpy/linalg/lapack_lite",
        "psycopg_binary/_psycopg", "psycopg_binary/pq", "ujson",
    ],
}  # fmt: skip
REFUSED_WITHOUT_LIBZ = {"_imaging", "_imagingft"}


@pytest.fixture(scope="session")
def unpacked(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The extension modules of all wheels, by interpreter tag."""
    return {tag: unpack(lab.folder, tag, tmp_path_factory.mktemp(tag)) for tag in ("cp39", "cp311")}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_module(case: Case, lab: Lab, unpacked: dict[str, list[str]], tmp_path: Path) -> None:
    python = case.executable(lab.folder, tmp_path / "musl")
    files = unpacked[case.python.tag]
    rows = list(compare(python, files))
    assert [(file, row) for file, row in zip(files, rows) if row[0] != row[1]] == []
    refused = {Path(file).name.partition(".")[0] for file, row in zip(files, rows) if row[1] == REFUSED}
    assert refused == (set() if case.libz else REFUSED_WITHOUT_LIBZ)
    dying = [file.partition(".")[0] for file, row in zip(files, rows) if row[1] == DIES]
    expected = CRASHING[case.python.tag] if case.musl == layout.OLD_MUSL else []
    expected = expected if case.libz else expected[1:]
    assert len(dying) == len(expected)
    assert all(any(file.endswith(f"/{name}") for file in dying) for name in expected)


@pytest.mark.parametrize("case", [c for c in CASES if c.libz and c.python.spelling == "gnu"], ids=str)
def test_modules_for_another_python(case: Case, lab: Lab, unpacked: dict[str, list[str]]) -> None:
    """Many lack a symbol of the interpreter."""
    files = unpacked["cp39" if case.python.tag == "cp311" else "cp311"]
    rows = list(compare(case.python.executable(lab.folder, case.musl), files))
    assert [(file, row) for file, row in zip(files, rows) if row[0] != row[1]] == []
    assert {row[1] for row in rows} >= {LOADS, REFUSED}


def test_on_this_machine(lab: Lab, tmp_path: Path) -> None:
    """The same with glibc; a Python of another version than the wheels lacks symbols."""
    files = unpack(lab.folder, "glibc", tmp_path)
    assert len(files) > 30
    rows = list(compare(Path(sys.executable), files))
    assert [(file, row) for file, row in zip(files, rows) if row[0] != row[1]] == []
    assert LOADS in {row[1] for row in rows}


def test_in_a_root_file_system(lab: Lab, tmp_path: Path, cli: Cli) -> None:
    """What is predicted for an interpreter that runs is predicted for its files in a folder."""
    python, root = layout.PYTHONS[1], tmp_path / "root"
    for part in (f"pythons/{python.name}", f"musl-{layout.MUSL}", "toolchain/lib"):
        path = lab.folder / part
        shutil.copytree(
            path, root / path.relative_to("/"), symlinks=True, ignore=shutil.ignore_patterns("*.a")
        )
    program = python.prefix(lab.folder) / "bin" / "python3.9"
    wheel = lab.wheel("cp39", "pillow")

    def loads() -> dict[str, bool]:
        words = ("--target-root", root, "--target-python", program, wheel)
        (project,) = json.loads(cli("check", "--json", *words).out)["projects"]
        return {Path(m["path"]).name.partition(".")[0]: m["loads"] for m in project["modules"]}

    assert set(loads().values()) == {True}
    for path in (root / (lab.folder / "toolchain" / "lib").relative_to("/")).glob("libz.so*"):
        path.unlink()
    assert {name for name, does in loads().items() if not does} == REFUSED_WITHOUT_LIBZ
