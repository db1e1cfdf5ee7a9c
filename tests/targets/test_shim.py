"""The shim: which names it adds, and what it says of ELF files; whether it works is asked of interpreters."""

from __future__ import annotations

import ast
import io
import os
import shutil
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest
from checkout import FIXTURES
from commands import run
from elf_fuzzing import damage, fields_of, seeds
from environments import make_environment, site_packages

from muslfix.elf.dynamic import DynamicFacts, read_image
from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.modules.candidate import Candidate, foreign_verdict
from muslfix.modules.plan import plan
from muslfix.suffix import SPELLINGS, ExtensionFilename, Libc
from muslfix.targets import shim
from muslfix.targets.cpython import CPUS, suffixes_of
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.shim import added_suffixes, proof
from muslfix.targets.shim.elf import Elf, _Damaged
from muslfix.targets.with_shim import names_added, shim_of
from muslfix.verbs.shim_wheel import shim_wheel
from muslfix.verdicts import Verdict
from muslfix.wheels.wheel import open_wheels

SOURCES = sorted(Path(str(shim.__file__)).parent.glob("*.py"))
WORK = Path(__file__).parents[1] / "helpers" / "shim_work.py"

GNU, MUSL = "x86_64-linux-gnu", "x86_64-linux-musl"

#: Real lists, without ".so" and with the triplets as one word; the interpreter's flags; what is added.
LISTS = {
    "3.6": (".cpython-36m-GNU .abi3", "m", ".cpython-36m-MUSL .cpython-36m .abi3-GNU .abi3-MUSL"),
    "3.9": (".cpython-39-MUSL .abi3", "", ".cpython-39-GNU .cpython-39 .abi3-MUSL .abi3-GNU"),
    "both": (".cpython-39-MUSL .cpython-39-GNU .abi3", "", ".cpython-39 .abi3-MUSL .abi3-GNU"),
    "Debian": (".cpython-314-GNU .abi3 .abi3-GNU", "", ".cpython-314-MUSL .cpython-314 .abi3-MUSL"),
    "debug": (
        ".cpython-311d-GNU .cpython-311-GNU .abi3",
        "d",
        ".cpython-311d-MUSL .cpython-311d .cpython-311-MUSL .cpython-311 .abi3-GNU .abi3-MUSL",
    ),
    "3.13t": (".cpython-313t-MUSL .abi3", "t", ".cpython-313t-GNU .cpython-313t"),
    "3.15": (
        ".cpython-315-GNU .abi3-GNU .abi3 .abi3t-GNU .abi3t",
        "",
        ".cpython-315-MUSL .cpython-315 .abi3-MUSL .abi3t-MUSL",
    ),
    "3.15t": (".cpython-315t-GNU .abi3t-GNU .abi3t", "t", ".cpython-315t-MUSL .cpython-315t .abi3t-MUSL"),
    "ARM": (
        ".cpython-39-ARM-gnueabihf .abi3",
        "",
        ".cpython-39-ARM-musleabihf .cpython-39 .abi3-ARM-gnueabihf .abi3-ARM-musleabihf",
    ),
    "OpenWrt": (".cpython-39 .abi3", "", ".cpython-39-GNU .cpython-39-MUSL .abi3-GNU .abi3-MUSL"),
    "PyPy": (".pypy39-pp73-GNU", "", ""),
    "Android": (".cpython-313-aarch64-linux-android .abi3", "", ""),
    "macOS": (".cpython-313-darwin .abi3", "", ""),
}


def spelled(text: str) -> list[str]:
    for word, triplet in {"GNU": GNU, "MUSL": MUSL, "ARM": "arm-linux"}.items():
        text = text.replace(word, triplet)
    return [f"{suffix}.so" for suffix in text.split()]


@pytest.mark.parametrize("name", LISTS)
def test_the_names_that_are_added(name: str) -> None:
    own, flags, added = LISTS[name]
    assert added_suffixes([*spelled(own), ".so"], flags, GNU) == spelled(added)


def test_each_added_name_is_one_that_the_planner_calls_misnamed() -> None:
    """And the other libc's name is among them, for each CPU, spelling and version."""
    for path in sorted((FIXTURES / "targets").glob("*.json")):
        target = read_target_file(path)
        elf = ElfFacts(target.machine, "shared object", init_functions=("PyInit_m",))
        names = [ExtensionFilename.of_suffix(suffix) for suffix in names_added(target)]
        assert names
        assert None not in names
        decided = {plan([Candidate(str(n), n, elf)], target).decisions[0].verdict for n in names if n}
        assert decided == {Verdict.MISNAMED}, path.name
    for cpu in CPUS:
        for version in ((3, 9), (3, 11), (3, 13), (3, 15)):
            for libc in Libc:
                (other,) = set(Libc) - {libc}
                own = suffixes_of(version, "", (cpu.triplet(libc, version),))
                wanted = suffixes_of(version, "", (cpu.triplet(other, version),))[0]
                assert wanted in added_suffixes(list(own), ""), (cpu.name, version)
    spellings = {spelling for row in shim._SPELLINGS for spelling in row[1:]}
    assert spellings == {spelling for row in SPELLINGS for spelling in row[1:] if spelling}


def running_as(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shim believe that a fixture is the program that runs."""
    monkeypatch.setattr(proof, "_known", [])

    def fake(name: str, mode: str) -> BinaryIO:
        assert mode == "rb"
        return Path(path if name == "/proc/self/exe" else name).open("rb")

    monkeypatch.setattr(proof, "open", fake, raising=False)


@pytest.mark.parametrize("program", ["aarch64-musl", "arm-hard-musl", "x86_64-glibc", "x86_64-musl"])
def test_the_proof_agrees_with_the_planner(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every fixture, as if each of four programs were running."""
    path = FIXTURES / "elf" / f"{program}-program"
    running_as(str(path), monkeypatch)
    target = replace(
        read_target_file(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"),
        libc=Libc.MUSL if "musl" in program else Libc.GLIBC,
        machine=read_elf(io.BytesIO(path.read_bytes())).machine,
    )
    fits: set[str] = set()
    for path in sorted((FIXTURES / "elf").glob("*.so")):
        with path.open("rb") as file:
            image = read_image(file)
        assert isinstance(image.dynamic, DynamicFacts)
        (function, *_) = [*image.facts.init_functions, "PyInit_nothing"]
        reason = proof.why_not(str(path), "p." + function[len("PyInit_") :])
        wrong = foreign_verdict(image.facts, target) is not None
        assert bool(reason) is (wrong or function not in image.dynamic.exports.names), (path.name, reason)
        assert "\n" not in reason
        fits |= set() if reason else {path.name}
        other = proof.why_not(str(path), "another")
        assert other.startswith(f"{path} ")
        assert wrong or "has no function PyInit_another" in other
    assert len(fits) > (4 if program.startswith("x86_64-musl") else 0)


def test_the_symbols_are_those_that_a_loader_finds() -> None:
    """In either hash table, and never one that is only referred to."""
    tried = 0
    for path in sorted((FIXTURES / "elf").glob("*.so")):
        data = path.read_bytes()
        elf, image = Elf(io.BytesIO(data)), read_image(io.BytesIO(data))
        assert isinstance(image.dynamic, DynamicFacts)
        defined = image.dynamic.exports.names
        for name in {*defined, *(reference.name for reference in image.dynamic.references), "nothing"}:
            assert elf.defines(name) is (name in defined), (path.name, name)
            tried += 1
    assert tried > 300


@pytest.mark.parametrize("name", ["relr", "bundled", "missing-library"])
def test_relative_relocations_on_an_old_musl(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the module itself, or in a library that comes with it: musl before 1.2.4 would crash."""
    running_as(str(FIXTURES / "elf" / "x86_64-musl-program"), monkeypatch)
    path = tmp_path / "p" / "_speed.so"
    path.parent.mkdir()
    shutil.copy(FIXTURES / "elf" / f"x86_64-musl-{name}.so", path)
    image = read_image(io.BytesIO(path.read_bytes()))
    assert isinstance(image.dynamic, DynamicFacts)
    module, culprit = image.facts.init_functions[0][len("PyInit_") :], path
    if name == "bundled":  # where its run path leads
        (needed,) = [library for library in image.dynamic.needed if not library.startswith("libc.")]
        run_path = image.dynamic.runpath or image.dynamic.rpath or ""
        culprit = Path(run_path.replace("$ORIGIN", str(path.parent)), needed)
        culprit.parent.mkdir(exist_ok=True)
        assert "has no function PyInit__core, so" in proof.why_not(str(path), "_core")
        shutil.copy(FIXTURES / "elf" / "x86_64-musl-core.so", culprit)
        assert proof.why_not(str(path), "_core") == ""  # dlsym takes it from there, too
        shutil.copy(FIXTURES / "elf" / "x86_64-musl-relr.so", culprit)
    monkeypatch.setattr(proof, "_is_before_relr", lambda loader: False)
    assert proof.why_not(str(path), module) == ""
    monkeypatch.setattr(proof, "_is_before_relr", lambda loader: True)
    crash = f"{path} would crash: {culprit} uses relative relocations (DT_RELR), new in musl 1.2.4"
    assert proof.why_not(str(path), module) == ("" if name == "missing-library" else crash)


def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """Cut off anywhere, or with a field bent."""
    path = tmp_path / "m.so"
    chance = Random(18)
    every = seeds()
    for number in range(400):
        data = every[number % len(every)]
        cut = data[: chance.randrange(len(data))]
        data = cut if number % 2 else damage(data, fields_of(data), chance.randrange)
        path.write_bytes(data)
        reason = proof.why_not(str(path), "m")
        assert not reason or reason.startswith(f"{path} ")
        assert "\n" not in reason
        with suppress(_Damaged):
            elf = Elf(io.BytesIO(data))
            assert elf.defines("PyInit_m") in (True, False)
            assert isinstance(elf.evidence(), dict)
    path.unlink()
    assert proof.why_not(str(path), "m") == f"{path} cannot be read (No such file or directory)"


def test_where_the_libc_is_not_known_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    running_as(str(FIXTURES / "elf" / "x86_64-static-program"), monkeypatch)
    monkeypatch.setattr(sys, "executable", os.devnull)
    path = str(FIXTURES / "elf" / "x86_64-neutral.so")
    assert proof.why_not(path, "m") == f"{path} cannot be judged, since the libc of this Python is not known"


def test_names_that_are_not_ascii() -> None:
    assert [proof._init_functions(name)[0] for name in ("m", "größe")] == ["PyInit_m", "PyInitU_gre_6ka8i"]


@pytest.mark.parametrize("path", [*SOURCES, WORK], ids=lambda path: path.name)
def test_python_3_6_can_read_it(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in [node.module for node in froms]


def test_it_imports_what_site_has_imported() -> None:
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add("." * node.level + str(node.module))
    assert names <= {"os", "sys", "_imp", "_frozen_importlib_external", ".elf", ".proof"} | {
        "importlib.machinery", "types", "typing", "collections.abc",  # for the type checker only
    }  # fmt: skip


def test_the_wheel_is_one_that_muslfix_takes_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "muslfix_shim-1.0.0-py3-none-any.whl"
    path.write_bytes(shim_wheel())
    with open_wheels([str(path)]) as (wheel,):
        wheel.verify()
        assert (wheel.facts.name, wheel.facts.warnings) == ("muslfix-shim", ())


def test_a_described_target_has_no_shim_here() -> None:
    assert shim_of(read_target_file(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json")) is None


def test_it_works_on_the_python_that_runs_this(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "environment")
    with zipfile.ZipFile(io.BytesIO(shim_wheel())) as archive:
        archive.extractall(site_packages(environment))
    (tmp_path / "work").mkdir()
    done = run([environment / "bin" / "python", "-I", WORK, tmp_path / "work"])
    assert (done.status, done.out.split()[:1], done.err) == (0, ["done"], "")
