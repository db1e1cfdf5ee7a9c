"""``muslfix repair --retag``: the musllinux tag that the files of a wheel deserve."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from checkout import FIXTURES
from commands import Cli
from trees import snapshot
from wheelmaker import make_wheel

from muslfix.wheels.wheel import open_wheel

TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"  # musl 1.2.5
OLD = ["--target-spec", "cp39-musl-x86_64-musl1.1.24"]
SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))
ELF = {path.name: path.read_bytes() for path in (FIXTURES / "elf").iterdir()}
RIGHT, WRONG = (f"demo/_speed.cpython-39-x86_64-linux-{name}.so" for name in ("musl", "gnu"))
PLAIN = {RIGHT: ELF["x86_64-musl.so"]}
RELR = {RIGHT: ELF["x86_64-musl-relr.so"]}
NO_TAG = "needs musl 1.2.4 (_speed.cpython-39-x86_64-linux-musl.so uses relative relocations (DT_RELR)), and"


@dataclass(frozen=True)
class Case:
    """A wheel, and what becomes of its platform tags.

    :param old: its platform tags
    :param new: those of the new wheel; ``None`` where it is left as it is
    :param contents: its files
    :param warning: a part of what is warned of
    """

    old: str
    new: str | None
    contents: dict[str, bytes] = field(default_factory=lambda: PLAIN)
    warning: str = ""


CASES = {
    "an older one": Case("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "the right one": Case("musllinux_1_1_x86_64", None),
    "older than all that is known": Case("musllinux_1_0_x86_64", None),
    "several": Case("musllinux_1_2_x86_64.musllinux_1_5_x86_64", "musllinux_1_1_x86_64"),
    "several, the oldest is right": Case("musllinux_1_1_x86_64.musllinux_1_2_x86_64", None),
    "with glibc's": Case(
        "manylinux_2_17_x86_64.musllinux_1_2_x86_64", "manylinux_2_17_x86_64.musllinux_1_1_x86_64"
    ),
    "none for musl": Case("linux_x86_64", None),
    "a newer one": Case("musllinux_1_1_x86_64", "musllinux_1_2_x86_64", RELR, NO_TAG),
    "one that no tag can say": Case(
        "musllinux_1_2_x86_64", None, RELR, NO_TAG + " no tag says more than musllinux_1_2"
    ),
    "one that promises little": Case("musllinux_1_3_x86_64", None, RELR),
    "a library of the wheel": Case(
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        {
            RIGHT: ELF["x86_64-musl-bundled.so"],
            "bundled.libs/libanswer-1a2b3c4d.so": ELF["x86_64-musl-library.so"],
        },
    ),
    # Not all is known of what these bring into a process, so no older musl is promised.
    "a library from outside": Case(
        "musllinux_1_2_x86_64", None, {RIGHT: ELF["x86_64-musl-missing-library.so"]}
    ),
    "a program": Case(
        "musllinux_1_2_x86_64", None, {**PLAIN, "demo-1.0.data/scripts/tool": ELF["x86_64-musl-program"]}
    ),
    "a library among the data": Case(
        "musllinux_1_2_x86_64",
        None,
        {**PLAIN, "demo-1.0.data/data/lib/liba.so": ELF["x86_64-musl-relr.so"]},
        "liba.so uses relative relocations",
    ),
    "no file for a loader": Case("musllinux_1_2_x86_64", None, {"demo/__init__.py": b""}),
    "a damaged library": Case("musllinux_1_2_x86_64", None, {**PLAIN, "demo.libs/liba.so.1": b"\x7fELF"}),
    # No musl loads this one.
    "a library for glibc": Case(
        "musllinux_1_2_x86_64",
        None,
        {**PLAIN, "demo.libs/liba.so.1": ELF["x86_64-glibc.so"]},
        "linked to glibc",
    ),
}  # fmt: skip


def repair(cli: Cli, wheel: Path, folder: Path, *words: str | Path) -> list[str]:
    """Repair one wheel with ``--retag``.

    :return: what was warned of; then the names in the folder
    """
    done = cli("repair", wheel, "--target-file", TARGET, "-w", folder, "--retag", *words)
    assert done.status == 0, done.err
    return [done.err, *sorted(os.listdir(folder))] if folder.exists() else [done.err]


def text_of(wheel: Path) -> str:
    """WHEEL, of a wheel whose RECORD is true."""
    with open_wheel(str(wheel)) as opened:
        opened.verify()
        assert opened.facts.warnings == ()
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("demo-1.0.dist-info/WHEEL").decode()


def tags_in(wheel: Path) -> list[str]:
    return [line[len("Tag: ") :] for line in text_of(wheel).splitlines() if line.startswith("Tag: ")]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_tag(cli: Cli, tmp_path: Path, case: Case) -> None:
    wheel = make_wheel(tmp_path / f"demo-1.0-cp39-cp39-{case.old}.whl", case.contents)
    before = snapshot(tmp_path)
    warned, *made = repair(cli, wheel, tmp_path / "out")
    assert {name: state for name, state in snapshot(tmp_path).items() if not name.startswith("out")} == before
    assert (case.warning in warned) if case.warning else (warned == "")
    if case.new is None:
        assert made == []
        return
    assert made == [f"demo-1.0-cp39-cp39-{case.new}.whl"]
    new = tmp_path / "out" / made[0]
    assert tags_in(new) == [f"cp39-cp39-{platform}" for platform in case.new.split(".")]
    with zipfile.ZipFile(new) as archive:
        assert {name: archive.read(name) for name in case.contents} == case.contents
        assert "demo-1.0.dist-info/muslfix.json" not in archive.namelist()
    # What is right is left as it is, and the same wheel gives the same bytes.
    assert repair(cli, new, tmp_path / "again", "--copy-unchanged")[1:] == made
    assert (tmp_path / "again" / made[0]).read_bytes() == new.read_bytes()
    assert repair(cli, wheel, tmp_path / "twice")[1:] == made
    assert (tmp_path / "twice" / made[0]).read_bytes() == new.read_bytes()


def test_it_is_off_by_default(cli: Cli, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-cp39-cp39-musllinux_1_2_x86_64.whl", PLAIN)
    assert cli("repair", wheel, "--target-file", TARGET, "-w", tmp_path / "out").status == 0
    assert not (tmp_path / "out").exists()


def test_a_wheel_that_only_its_tag_keeps_from_a_target(cli: Cli, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-cp39-cp39-musllinux_1_2_x86_64.whl", PLAIN)
    words: list[str | Path] = ["repair", wheel, *OLD, "-w", tmp_path / "out", "--json"]
    (left,) = json.loads(cli(*words).out)["projects"]
    assert (left["action"], left["output"], left["musl"]) == ("left-alone", None, None)
    told = cli(*words, "--retag")
    report = json.loads(told.out)
    jsonschema.validate(report, SCHEMA)
    (done,) = report["projects"]
    new = tmp_path / "out" / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    assert (done["action"], done["output"]) == ("repaired", str(new))
    assert {key: done["musl"][key] for key in ("lowest", "promised", "keeps")} == {
        "lowest": "1.1.0", "promised": "1.1", "keeps": True
    }  # fmt: skip
    # The other way round: with its right tag it does not fit.
    wheel = make_wheel(tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", RELR)
    told = cli("repair", wheel, *OLD, "-w", tmp_path / "none", "--retag")
    assert "left alone: it is for cp39-cp39-musllinux_1_2_x86_64, and the target is" in told.out
    assert "with musl 1.1.24, once it has the right tag" in told.out
    assert not (tmp_path / "none").exists()


def test_with_the_other_options(cli: Cli, tmp_path: Path) -> None:
    """Names, the build tag and the musl tag change at once; a dry run says the same and writes nothing."""
    old = make_wheel(
        tmp_path / "demo-1.0-3-cp39-cp39-musllinux_1_2_x86_64.whl",
        {WRONG: ELF["x86_64-musl.so"], "demo-1.0.dist-info/RECORD.jws": b"{}"},
        wheel=b"Wheel-Version: 1.0\r\nBuild: 3\r\nRoot-Is-Purelib: false\r\n"
        b"Tag: cp39-cp39-musllinux_1_2_x86_64\r\ntag: cp39-cp39-musllinux_1_1_x86_64\r\n",
    )
    name = "demo-1.0-7-cp39-cp39-musllinux_1_1_x86_64.whl"
    words = ["--build-tag", "7", "--mode", "copy", "--strict"]
    words += ["--target-file", str(FIXTURES / "targets" / "lab-cpython-3.9-gnu-x86_64.json")]
    words += ["--retag", "-w", str(tmp_path / "out")]
    done = cli("repair", old, "--target-file", TARGET, "--dry-run", *words)
    assert f"would be written to {tmp_path / 'out' / name}, 1 extension module: 1 misnamed" in done.out
    assert "; it can load on any musl; its tags promise musl 1.1 or later" in done.out
    assert not (tmp_path / "out").exists()
    warned, *made = repair(cli, old, tmp_path / "out", *words)
    assert made == [name]
    assert "leaves out RECORD.jws" in warned.replace("demo-1.0.dist-info/", "")
    with zipfile.ZipFile(tmp_path / "out" / name) as archive:
        assert {WRONG, RIGHT, "demo-1.0.dist-info/muslfix.json"} <= set(archive.namelist())
    assert text_of(tmp_path / "out" / name) == (
        "Wheel-Version: 1.0\r\nBuild: 7\r\nRoot-Is-Purelib: false\r\nTag: cp39-cp39-musllinux_1_1_x86_64\r\n"
    )


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_how_tags_may_be_spelled(cli: Cli, tmp_path: Path, end: str) -> None:
    """A lone CR ends a line, and tags are compared without case."""
    lines = ("Wheel-Version: 1.0", "{}", "Root-Is-Purelib: false", "Tag: CP39-cp39-{}", "")
    old = make_wheel(
        tmp_path / "demo-1.0-3-cp39-cp39-MUSLLINUX_1_2_X86_64.whl",
        PLAIN,
        wheel=end.join(lines).format("BUILD: 3", "MUSLLINUX_1_2_X86_64").encode(),
    )
    made = repair(cli, old, tmp_path / "out", "--build-tag", "7")
    assert made == ["", "demo-1.0-7-cp39-cp39-musllinux_1_1_x86_64.whl"]
    with zipfile.ZipFile(tmp_path / "out" / made[1]) as archive:
        text = archive.read("demo-1.0.dist-info/WHEEL").decode()
    assert text == end.join(lines).format("Build: 7", "musllinux_1_1_x86_64")


def test_what_does_not_go_together(cli: Cli, tmp_path: Path) -> None:
    one, two = (
        make_wheel(tmp_path / f"demo-1.0-cp39-cp39-musllinux_1_{minor}_x86_64.whl", PLAIN) for minor in (2, 3)
    )
    told = cli("repair", one, "--target-file", TARGET, "--in-place", "--retag")
    assert (told.status, told.out) == (2, "")
    assert told.err.splitlines() == [
        "error: another tag changes a wheel's name, so the wheel cannot be repaired in place",
        "tip: name a directory for the new wheels with --wheel-dir instead of --in-place",
    ]
    # Both could get the same name.
    told = cli("repair", one, two, "--target-file", TARGET, "-w", tmp_path / "out", "--retag", "--force")
    assert told.status == 1
    assert "another wheel of this name" in told.out + told.err
    assert os.listdir(tmp_path / "out") == ["demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"]
