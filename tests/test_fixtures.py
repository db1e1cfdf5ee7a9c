"""The committed fixtures are what ``fixtures/README.md`` says, and what ``fixtures/build.py`` builds."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.errors import InvalidElf
from muslfix.modules.candidate import Candidate
from muslfix.modules.plan import Decision, plan
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.untrusted_facts import target_from_facts
from muslfix.verdicts import Mode

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
NO_COMPILER = 3

CORE = "_core.cpython-39-x86_64-linux-gnu.so"

NAMES = ("_one", "_speed", "_two", "a", "b", "c", "m", "n")

PLANS: dict[str, dict[str, dict[str, str]]] = json.loads((FIXTURES / "plans.json").read_text())

LIBCS = {
    "musl": {Libc.MUSL},
    "glibc": {Libc.GLIBC},
    "both": {Libc.MUSL, Libc.GLIBC},
    "neutral": set(),
}


def rows(section: str) -> list[list[str]]:
    """The cells of a table in README.md, the file name without its backquotes first."""
    text = (FIXTURES / "README.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = [re.split(r" ?\| ?", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    return [[file.strip("`"), *rest] for file, *rest in cells]


def wheels() -> list[Path]:
    return sorted((FIXTURES / "wheels").iterdir())


def by_name(path: Path) -> str:
    return path.name


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FIXTURES / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("section", "folder"), [("ELF files", "elf"), ("Wheels", "wheels"), ("Targets", "targets")]
)
def test_readme_names_each_file_once(section: str, folder: str) -> None:
    assert sorted(row[0] for row in rows(section)) == sorted(os.listdir(FIXTURES / folder))


def test_fixtures_are_small() -> None:
    sizes = {path: path.stat().st_size for path in FIXTURES.rglob("*") if "__pycache__" not in path.parts}
    assert max(sizes.values()) < 64 * 1024
    assert sum(sizes.values()) < 1024 * 1024


@pytest.mark.parametrize(("file", "machine", "libc"), [row[:3] for row in rows("ELF files")])
def test_elf_file_is_what_the_readme_says(file: str, machine: str, libc: str) -> None:
    with open(FIXTURES / "elf" / file, "rb") as stream:
        facts = read_elf(stream)
    assert str(facts.machine) == machine
    assert facts.libcs == LIBCS[libc]
    if file.endswith("-program"):
        assert facts.kind == ("shared object" if file == "x86_64-musl-program" else "program")
        assert facts.init_functions == ()
        assert (facts.interpreter is None) == (file == "x86_64-static-program")
    else:
        assert facts.kind == "shared object"
        names = {"x86_64-musl-core.so": ("_core", *NAMES), "x86_64-musl-library.so": ()}.get(file, NAMES)
        wanted = {f"PyInit_{name}" for name in names if file != "x86_64-musl-core.so" or name != "_speed"}
        assert set(facts.init_functions) == wanted
        assert facts.interpreter is None


@pytest.mark.parametrize(
    ("file", "needed", "soname"),
    [
        ("x86_64-musl.so", ["libc.so"], None),
        ("x86_64-musl-alpine.so", ["libc.musl-x86_64.so.1"], None),
        ("x86_64-glibc.so", ["libc.so.6"], None),
        ("x86_64-neutral.so", [], None),
        ("x86_64-mixed.so", ["libc.musl-x86_64.so.1", "libc.so.6"], None),
        ("x86_64-musl-library.so", ["libc.musl-x86_64.so.1"], "libanswer-1a2b3c4d.so"),
        ("x86_64-musl-bundled.so", ["libanswer-1a2b3c4d.so", "libc.musl-x86_64.so.1"], None),
        ("x86_64-musl-core.so", ["libc.musl-x86_64.so.1"], CORE),
        ("x86_64-musl-chained.so", [CORE, "libc.musl-x86_64.so.1"], None),
        ("x86_64-musl-missing-library.so", ["libabsent.so.1", "libc.musl-x86_64.so.1"], None),
    ],
)
def test_elf_file_needs_what_it_is_there_for(file: str, needed: list[str], soname: str | None) -> None:
    with open(FIXTURES / "elf" / file, "rb") as stream:
        facts = read_elf(stream)
    assert (list(facts.needed), facts.soname) == (needed, soname)


@pytest.mark.parametrize("path", sorted((FIXTURES / "targets").iterdir()), ids=by_name)
def test_target_is_read_and_written_alike(path: Path) -> None:
    text = path.read_text()
    assert target_from_facts(json.loads(text)).to_json() == text


@pytest.mark.parametrize("wheel", wheels(), ids=by_name)
def test_record_of_wheel_is_right(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(set(names)) == len(names)
        record = names[-1]
        assert record.endswith(".dist-info/RECORD")
        listed = list(csv.reader(io.StringIO(archive.read(record).decode(), newline="")))
        for name, digest, size in listed[:-1]:
            content = archive.read(name)
            sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={sha256}", str(len(content)))
    assert [row[0] for row in listed] == names
    assert listed[-1] == [record, "", ""]


@pytest.mark.parametrize(
    ("wheel", "target", "expected"),
    [(wheel, target, files) for wheel, plans in PLANS.items() for target, files in plans.items()],
)
def test_wheel_is_planned_as_written(wheel: str, target: str, expected: dict[str, str]) -> None:
    assert planned(FIXTURES / "wheels" / wheel, FIXTURES / "targets" / target) == expected


def test_each_wheel_and_each_target_is_planned() -> None:
    assert sorted(PLANS) == [wheel.name for wheel in wheels()]
    targets = {target for plans in PLANS.values() for target in plans}
    assert sorted(targets) == sorted(os.listdir(FIXTURES / "targets"))


def planned(wheel: Path, target: Path) -> dict[str, str]:
    """The plan in the words of ``plans.json``, by the base names of the files."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    elf = {path: facts_of(content) for path, content in contents.items()}
    names = {path: ExtensionFilename.parse(path) for path in contents}
    decisions = plan(
        [Candidate(path, name, elf[path]) for path, name in names.items() if name is not None],
        target_from_facts(json.loads(target.read_text())),
        Mode.RENAME,
        taken=contents,
        needed={name for facts in elf.values() if isinstance(facts, ElfFacts) for name in facts.needed},
    ).decisions
    return {str(decision.candidate.name): in_words(decision) for decision in decisions}


def in_words(decision: Decision) -> str:
    words = decision.verdict.value + (", refused" if decision.refused else "")
    if decision.new_path is not None:
        words += f": {decision.new_path.rpartition('/')[2]}"
    return words + (", needed by name" if decision.needed_by_name else "")


def facts_of(content: bytes) -> ElfFacts | str:
    try:
        return read_elf(io.BytesIO(content))
    except InvalidElf as error:
        return error.reason


def test_wheels_and_targets_are_as_built() -> None:
    done = build("--check", "--no-compiler")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.network
def test_all_is_as_built() -> None:
    done = build("--check")
    if done.returncode == NO_COMPILER and not os.environ.get("CI"):
        pytest.skip(f"no compiler could be fetched: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_fixture_names_the_machine_it_was_made_on() -> None:
    paths = (b"/home/", os.fsencode(Path.home()) + b"/", b"/tmp/", b".cache/")
    for folder in ("elf", "wheels", "targets"):
        for path in (FIXTURES / folder).iterdir():
            assert not [word for word in paths if word in path.read_bytes()], path
