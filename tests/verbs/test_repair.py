"""``muslfix repair``: what is in the new wheels, where they go, and what is said."""

from __future__ import annotations

import json
import os
import pty
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from checkout import FIXTURES
from commands import Cli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from misnamed import hash_of
from real_tools import run
from trees import snapshot
from wheelmaker import DEFLATED, STORED, make_wheel

import muslfix
from muslfix.errors import UsageError
from muslfix.rewheel.wheel_plan import WheelTree
from muslfix.suffix import Libc
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.known_pythons import KNOWN
from muslfix.targets.spec import parse_target_spec
from muslfix.verbs.repair import RepairOptions, repair, repair_wheel
from muslfix.verdicts import Mode
from muslfix.wheels.wheel import open_wheel

WHEELS = FIXTURES / "wheels"
TARGETS = FIXTURES / "targets"
MUSL_FILE, GNU_FILE = (TARGETS / f"lab-cpython-3.9-{name}-x86_64.json" for name in ("musl", "gnu"))
MUSL, GNU = read_target_file(str(MUSL_FILE)), read_target_file(str(GNU_FILE))
SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))

TAGS = "cp39-cp39-musllinux_1_1_x86_64.whl"
MISNAMED = WHEELS / f"speedy-1.0-{TAGS}"
GNU_NAME, MUSL_NAME = (f"_speed.cpython-39-x86_64-linux-{name}.so" for name in ("gnu", "musl"))
ELF = {path.stem: path.read_bytes() for path in (FIXTURES / "elf").glob("*.so")}


def members(wheel: Path) -> dict[str, bytes]:
    """What zipfile reads of a wheel, all CRCs verified."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(archive.namelist())
        return {name: archive.read(name) for name in archive.namelist()}


def check_record(wheel: Path) -> None:
    """RECORD lists each member once, with its hash and its size, by a rule of this test's own."""
    contents = members(wheel)
    (name,) = (name for name in contents if name.endswith(".dist-info/RECORD"))
    rows = [line.rsplit(",", 2) for line in contents.pop(name).decode().splitlines()]
    assert rows.pop() == [name, "", ""]
    assert {path.strip('"'): [digest, size] for path, digest, size in rows} == {
        path: [hash_of(content), str(len(content))] for path, content in contents.items()
    }
    assert len(rows) == len(contents)


def apart(wheel: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The members of a wheel: what is muslfix's to change, and all others."""
    own = (".dist-info/RECORD", ".dist-info/muslfix.json")
    all_of_them = members(wheel)
    ours = {name: content for name, content in all_of_them.items() if name.endswith(own)}
    return ours, {name: content for name, content in all_of_them.items() if name not in ours}


def wheel_with(folder: Path, contents: Mapping[str, bytes], name: str = "demo", **options: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return make_wheel(folder / f"{name}-1.0-{TAGS}", contents, **options)


def demo(folder: Path, **options: Any) -> Path:
    """A misnamed module with a file before and one behind it."""
    contents = {
        "demo/__init__.py": b"",
        f"demo/{GNU_NAME}": ELF["x86_64-musl"],
        "demo/z.py": b"z = 1\n" * 50,
    }
    return wheel_with(folder, contents, **options)


# -- what comes out ---------------------------------------------------------------------------------

RENAMED = {
    # wheel: member names before and after
    f"speedy-1.0-{TAGS}": {f"speedy/{GNU_NAME}": [f"speedy/{MUSL_NAME}"]},
    f"bundled-1.0-{TAGS}": {f"bundled/{GNU_NAME}": [f"bundled/{MUSL_NAME}"]},
    f"neutral-1.0-{TAGS}": {f"neutral/{GNU_NAME}": [f"neutral/{MUSL_NAME}"]},
    f"wrongname-1.0-{TAGS}": {"wrongname/_speed.cpython-39-aarch64-linux-gnu.so": [f"wrongname/{MUSL_NAME}"]},
    "stable-2.0-cp36-abi3-musllinux_1_1_x86_64.whl": {
        "stable/_speed.abi3-x86_64-linux-gnu.so": ["stable/_speed.abi3.so"]
    },
    "fat-1.0-py3-none-any.whl": {f"fat/{GNU_NAME}": [f"fat/{MUSL_NAME}"]},
    f"chained-1.0-{TAGS}": {
        f"chained/{GNU_NAME}": [f"chained/{MUSL_NAME}"],
        # The other module needs it by this name.
        "chained/_core.cpython-39-x86_64-linux-gnu.so": [
            "chained/_core.cpython-39-x86_64-linux-gnu.so",
            "chained/_core.cpython-39-x86_64-linux-musl.so",
        ],
    },
}


@pytest.mark.parametrize("mode", ["rename", "copy"])
@pytest.mark.parametrize("name", RENAMED)
def test_all_but_the_names_and_record_stays(cli: Cli, tmp_path: Path, name: str, mode: str) -> None:
    before = snapshot(WHEELS)
    result = cli("repair", WHEELS / name, "--target-file", MUSL_FILE, "-w", tmp_path, "--mode", mode)
    assert (result.status, result.err) == (0, "")
    assert f": repaired, written to {tmp_path / name}" in result.out
    assert os.listdir(tmp_path) == [name]

    expected = {
        old: ([old] if mode == "copy" and old != new[0] else []) + new for old, new in RENAMED[name].items()
    }
    _, old = apart(WHEELS / name)
    _, new = apart(tmp_path / name)
    assert list(new.items()) == [
        (path, content) for old_path, content in old.items() for path in expected.get(old_path, [old_path])
    ]
    check_record(tmp_path / name)
    assert snapshot(WHEELS) == before
    assert cli("check", "--target-file", MUSL_FILE, tmp_path / name).status == 0


def test_headers_keep_what_they_say(tmp_path: Path) -> None:
    special = {"mode": 0o755, "comment": b"fast", "extra": b"\xfe\xca\2\0ab"}
    wheel = demo(tmp_path / "in", fields={f"demo/{GNU_NAME}": special, "demo/z.py": {"mode": 0o600}})
    assert repair([str(wheel)], [MUSL], RepairOptions(str(tmp_path))).is_well
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(tmp_path / wheel.name) as new:
        for info in new.infolist():
            was = old.getinfo(info.filename.replace("-musl", "-gnu").replace("muslfix.json", "RECORD"))
            for field in ("date_time", "compress_type", "comment", "extra", "external_attr", "create_system"):
                assert getattr(info, field) == getattr(was, field), (info.filename, field)
            if not info.filename.endswith(("/RECORD", "/muslfix.json")):
                assert (info.CRC, info.compress_size) == (was.CRC, was.compress_size)


def test_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    outputs = []
    for name in ("one", "two"):
        shutil.copy(demo(tmp_path / "in"), tmp_path / f"{name}-{TAGS}")
        report = repair(
            [str(tmp_path / "in" / f"demo-1.0-{TAGS}")], [MUSL], RepairOptions(str(tmp_path / name))
        )
        outputs.append(Path(report.projects[0].output or "").read_bytes())
    assert outputs[0] == outputs[1]


def test_what_was_done_stands_in_the_wheel(tmp_path: Path) -> None:
    assert repair([str(MISNAMED)], [MUSL], RepairOptions(str(tmp_path))).changes == 1
    trace = json.loads(apart(tmp_path / MISNAMED.name)[0]["speedy-1.0.dist-info/muslfix.json"])
    assert trace["target"]["extension_suffixes"] == list(MUSL.extension_suffixes)
    assert trace["changes"] == [
        {"old": f"speedy/{GNU_NAME}", "new": f"speedy/{MUSL_NAME}", "mode": "rename", "row": None}
    ]


def test_a_module_in_the_data_folder(cli: Cli, tmp_path: Path) -> None:
    contents = {f"demo-1.0.data/platlib/demo/{GNU_NAME}": ELF["x86_64-musl"], "demo-1.0.data/data/x.so": b""}
    wheel = wheel_with(tmp_path / "in", contents)
    assert cli("repair", wheel, "--target-file", MUSL_FILE, "-w", tmp_path).status == 0
    ours, rest = apart(tmp_path / wheel.name)
    assert list(rest)[:2] == [f"demo-1.0.data/platlib/demo/{MUSL_NAME}", "demo-1.0.data/data/x.so"]
    assert json.loads(ours["demo-1.0.dist-info/muslfix.json"])["changes"][0]["new"] == f"demo/{MUSL_NAME}"
    check_record(tmp_path / wheel.name)


def test_a_name_that_another_folder_of_the_wheel_brings_is_taken(cli: Cli, tmp_path: Path) -> None:
    contents = {
        f"demo/{GNU_NAME}": ELF["x86_64-musl"],
        f"demo-1.0.data/platlib/demo/{MUSL_NAME}": ELF["x86_64-glibc"],
    }
    wheel = wheel_with(tmp_path / "in", contents)
    result = cli("repair", wheel, "--target-file", MUSL_FILE, "-w", tmp_path)
    assert result.status == 1
    assert f"demo/{GNU_NAME}: occupied: " in result.out


def test_signatures_of_the_old_record_are_left_out(cli: Cli, tmp_path: Path) -> None:
    signatures = {f"demo-1.0.dist-info/RECORD.{kind}": b"signed" for kind in ("jws", "p7s")}
    wheel = demo(tmp_path / "in", extra=(), omit=())
    contents = {**members(wheel), **signatures}
    del contents["demo-1.0.dist-info/RECORD"]
    wheel = make_wheel(
        wheel,
        contents,
        record=lambda text: b"".join(line for line in text.splitlines(keepends=True) if b".jws" not in line),
    )
    result = cli("repair", wheel, "--target-file", MUSL_FILE, "-w", tmp_path)
    assert result.status == 0
    for name in signatures:
        assert f"warning: demo 1.0: leaves out {name}, which signed the old RECORD\n" in result.err
    assert not signatures.keys() & members(tmp_path / wheel.name).keys()
    check_record(tmp_path / wheel.name)


@pytest.mark.parametrize(("wheel_file", "expected"), [
    (None, b"Build: 7musl\n"),
    (b"Wheel-Version: 1.0\r\nBuild: 3\r\nRoot-Is-Purelib: false\r\n\r\n", b"\r\nBuild: 7musl\r\nRoot"),
])  # fmt: skip
def test_a_build_tag(cli: Cli, tmp_path: Path, wheel_file: bytes | None, expected: bytes) -> None:
    wheel = demo(tmp_path / "in", wheel=wheel_file)
    pure = WHEELS / "pure-1.0-py3-none-any.whl"
    words: list[str | Path] = ["--target-file", MUSL_FILE, "-w", tmp_path / "out", "--copy-unchanged"]
    words += ["--build-tag", "7musl"]
    assert cli("repair", wheel, pure, *words).status == 0
    new = tmp_path / "out" / f"demo-1.0-7musl-{TAGS}"
    assert sorted(os.listdir(tmp_path / "out")) == [new.name, pure.name]
    text = members(new)["demo-1.0.dist-info/WHEEL"]
    assert expected in text
    assert text.count(b"Build:") == 1
    check_record(new)
    again = cli("repair", wheel, *words[:-1], "8", "--force")
    assert again.status == 0
    assert (tmp_path / "out" / f"demo-1.0-8-{TAGS}").exists()


def test_repairing_a_repaired_wheel(cli: Cli, tmp_path: Path) -> None:
    words: list[str | Path] = ["--target-file", MUSL_FILE, "-w"]
    assert cli("repair", MISNAMED, *words, tmp_path / "one").status == 0
    once = tmp_path / "one" / MISNAMED.name
    result = cli("repair", once, *words, tmp_path / "two", "--copy-unchanged")
    assert result.out == (
        "1 extension module in 1 wheel: nothing to fix, 1 could not be checked for loading,"
        " 1 wheel written.\n"
    )
    assert (tmp_path / "two" / MISNAMED.name).read_bytes() == once.read_bytes()
    # For the other spelling there is something to do again, and both changes are told.
    assert cli("repair", once, "--target-file", GNU_FILE, "-w", tmp_path / "three").status == 0
    ours, rest = apart(tmp_path / "three" / MISNAMED.name)
    assert rest == apart(MISNAMED)[1]
    changes = json.loads(ours["speedy-1.0.dist-info/muslfix.json"])["changes"]
    assert [Path(change["new"]).name for change in changes] == [MUSL_NAME, GNU_NAME]
    check_record(tmp_path / "three" / MISNAMED.name)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["a.py", "p/b.txt", "p/ä.py", "q/c"]), st.binary(max_size=99)),
    st.sampled_from([STORED, DEFLATED]),
    st.booleans(),
    st.sampled_from(["rename", "copy"]),
)
def test_any_wheel_keeps_its_contents(
    tmp_path: Path, contents: dict[str, bytes], method: int, misnamed: bool, mode: str
) -> None:
    if misnamed:
        contents = {**contents, f"m/{GNU_NAME}": ELF["x86_64-musl"]}
    wheel = wheel_with(tmp_path, contents, method=method)
    options = RepairOptions(str(tmp_path / "out"), mode=Mode(mode), force=True, copy_unchanged=True)
    (report,) = repair([str(wheel)], [MUSL], options).projects
    new = Path(report.output or "")
    if not misnamed:
        assert (report.action, new.read_bytes()) == ("unchanged", wheel.read_bytes())
        return
    assert report.action == "repaired"
    old_rest, new_rest = apart(wheel)[1], apart(new)[1]
    assert new_rest.pop(f"m/{MUSL_NAME}") == ELF["x86_64-musl"]
    if mode == "rename":
        del old_rest[f"m/{GNU_NAME}"]
    assert new_rest == old_rest
    check_record(new)
    assert repair_wheel(str(new), [MUSL], options).action == "unchanged"


# -- several targets --------------------------------------------------------------------------------


def test_one_wheel_for_all_targets(cli: Cli, tmp_path: Path) -> None:
    words: list[str | Path] = ["--mode", "copy", "-w", tmp_path]
    for file in (GNU_FILE, MUSL_FILE, GNU_FILE, TARGETS / "uv-cpython-3.10-musl-x86_64.json"):
        words += ["--target-file", file]
    fat = WHEELS / "fat-1.0-py3-none-any.whl"
    assert cli("repair", MISNAMED, fat, *words).status == 0
    for wheel in (MISNAMED.name, fat.name):
        check_record(tmp_path / wheel)
        for target in (GNU_FILE, MUSL_FILE):
            assert cli("check", "--target-file", target, tmp_path / wheel).status == 0
    names = members(tmp_path / fat.name)
    assert f"fat/{GNU_NAME}" in names
    assert f"fat/{MUSL_NAME}" in names
    assert "fat/_speed.cpython-310-x86_64-linux-musl.so" in names
    trace = json.loads(names["fat-1.0.dist-info/muslfix.json"])
    assert [target["extension_suffixes"][0] for target in trace["more_targets"]] == [
        ".cpython-39-x86_64-linux-musl.so",
        ".cpython-310-x86_64-linux-musl.so",
    ]


@pytest.mark.parametrize("order", [[GNU_FILE, MUSL_FILE], [MUSL_FILE, GNU_FILE]])
def test_renaming_for_targets_that_contradict_each_other(cli: Cli, tmp_path: Path, order: list[Path]) -> None:
    words: list[str | Path] = [word for file in order for word in ("--target-file", file)]
    result = cli("repair", MISNAMED, *words, "-w", tmp_path)
    assert result.status == 1
    assert "cannot be for all targets by renaming: they import speedy/_speed by different" in result.out
    assert "tip: use --mode copy" in result.out
    assert os.listdir(tmp_path) == []
    # What only one of them is for can be renamed.
    wheel = WHEELS / f"speedy-1.0-{TAGS.replace('39', '310')}"
    words += ["--target-file", TARGETS / "uv-cpython-3.10-musl-x86_64.json"]
    assert cli("repair", wheel, *words, "-w", tmp_path).status == 0


def test_targets_by_their_interpreters(cli: Cli, tmp_path: Path, environment: Path) -> None:
    pure = WHEELS / "pure-1.0-py3-none-any.whl"
    words: list[str | Path] = ["--python", environment, "--target-file", MUSL_FILE, "-w", tmp_path]
    assert cli("repair", "-v", pure, *words).out == "1 wheel: nothing to fix.\npure 1.0: nothing to fix\n"
    assert cli("repair", pure, "--python", tmp_path / "no", "-w", tmp_path).status == 1


# -- where it goes ----------------------------------------------------------------------------------


def test_a_file_that_is_there_is_replaced_by_force_only(cli: Cli, tmp_path: Path) -> None:
    words: list[str | Path] = ["repair", MISNAMED, "--target-file", MUSL_FILE, "-w", tmp_path]
    there = tmp_path / MISNAMED.name
    there.write_bytes(b"mine")
    result = cli(*words)
    assert result.status == 1
    assert f"{there}: exists, and would be another file\n  tip: use --force" in result.out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {there.name: b"mine"}
    assert cli(*words, "--force").status == 0
    check_record(there)
    inode = there.stat().st_ino
    assert cli(*words).status == 0  # the very same: nothing is to be replaced
    assert there.stat().st_ino == inode
    assert os.listdir(tmp_path) == [there.name]


def test_in_place(cli: Cli, tmp_path: Path) -> None:
    wheel = Path(shutil.copy(MISNAMED, tmp_path))
    pure = shutil.copy(WHEELS / "pure-1.0-py3-none-any.whl", tmp_path)
    link = tmp_path / "links" / wheel.name
    link.parent.mkdir()
    link.symlink_to(wheel)
    wheel.chmod(0o640)
    os.link(wheel, tmp_path / "other")
    before = snapshot(tmp_path)
    result = cli("repair", link, pure, "--target-file", MUSL_FILE, "--in-place", "--copy-unchanged")
    assert result.status == 0
    check_record(wheel)
    assert f"speedy/{MUSL_NAME}" in members(wheel)
    assert stat.S_IMODE(wheel.stat().st_mode) == 0o640
    after = snapshot(tmp_path)
    assert after.pop(wheel.name) != before.pop(wheel.name)
    assert after == before  # the link, the file that shares its bytes, and the wheel that needs nothing
    assert cli("repair", wheel, "--target-file", MUSL_FILE, "--in-place").out.startswith(
        "1 extension module in 1 wheel: nothing to fix"
    )


def test_a_wheelhouse_is_passed_on_whole(cli: Cli, tmp_path: Path) -> None:
    wheels = sorted(WHEELS.glob("*.whl"))
    bad = {"foreign", "mixed", "notelf", "occupied", "wrongcpu"}
    result = cli("repair", *wheels, "--target-file", MUSL_FILE, "-w", tmp_path, "--copy-unchanged")
    assert result.status == 1
    assert sorted(os.listdir(tmp_path)) == [w.name for w in wheels if w.name.split("-")[0] not in bad]
    for wheel in wheels:
        if (tmp_path / wheel.name).exists() and wheel.name not in {*RENAMED, f"speedy-2.0-{TAGS}"}:
            assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    assert result.out.splitlines()[0] == (
        "16 extension modules in 28 wheels: 9 fixed (2 would have fallen back to slower pure Python),"
        " 5 refused, 12 could not be checked for loading, 5 wheels failed, 11 wheels left alone,"
        " 23 wheels written."
    )


def test_a_dry_run_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    result = cli("repair", MISNAMED, "--target-file", MUSL_FILE, "-w", tmp_path / "new", "--dry-run")
    assert result.status == 0
    assert "would be its name" in result.out
    assert f"speedy 1.0: would be repaired, would be written to {tmp_path / 'new'}" in result.out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("fault", ["a file", "read-only"])
def test_a_folder_that_cannot_be_made_or_written(cli: Cli, tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "out" if fault == "a file" else Path("/proc/no-folder")
    if fault == "a file":
        folder.write_bytes(b"")
    result = cli("repair", MISNAMED, "--target-file", MUSL_FILE, "-w", folder)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"error: {folder}: ")
    assert "Traceback" not in result.err


# -- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-w", "x", "--mode", "symlink"], "argument --mode: invalid choice: 'symlink'"),
        (["-w", "x", "--mode", "hardlink"], "argument --mode: invalid choice: 'hardlink'"),
        ([], "say where new wheels shall go: either --wheel-dir DIR or --in-place"),
        (["-w", "x", "--in-place"], "say where new wheels shall go"),
        (["-w", " "], "--wheel-dir is empty"),
        (["-w", "x", "--build-tag", "musl"], "'musl' is not a build tag"),
        (["-w", "x", "--build-tag", "1-2"], "'1-2' is not a build tag"),
        (["--in-place", "--build-tag", "1"], "cannot be repaired in place"),
    ],
)
def test_options_that_make_no_sense(cli: Cli, words: list[str], sentence: str) -> None:
    result = cli("repair", MISNAMED, "--target-file", MUSL_FILE, *words)
    assert (result.status, result.out) == (2, "")
    assert sentence in result.err


def test_without_targets_there_is_nothing_to_repair_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no target"):
        repair([str(MISNAMED)], [], RepairOptions(str(tmp_path)))
    assert repair([], [MUSL], RepairOptions(str(tmp_path))).projects == ()


def test_bad_wheels_do_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    lost, cut = tmp_path / f"lost-1.0-{TAGS}", tmp_path / f"cut-1.0-{TAGS}"
    cut.write_bytes(MISNAMED.read_bytes()[:-100])
    untrue = demo(
        tmp_path, record=lambda text: text.replace(hash_of(ELF["x86_64-musl"])[7:].encode(), b"A" * 43)
    )
    marked = wheel_with(
        tmp_path, {f"m/{GNU_NAME}": ELF["x86_64-musl"], "marked-1.0.dist-info/muslfix.json": b"{}"}, "marked"
    )
    twin = tmp_path / "twin" / MISNAMED.name
    twin.parent.mkdir()
    shutil.copy(MISNAMED, twin)
    foreign = WHEELS / f"foreign-1.0-{TAGS}"
    wheels = [lost, cut, MISNAMED, untrue, marked, twin, foreign]
    result = cli("repair", "--json", *wheels, "--target-file", MUSL_FILE, "-w", tmp_path / "out")
    assert result.status == 1
    report = json.loads(result.out)
    jsonschema.validate(report, SCHEMA)
    assert os.listdir(tmp_path / "out") == [MISNAMED.name]
    problems = {Path(p["source"]): p["problem"] for p in report["projects"]}
    assert list(problems) == wheels
    assert problems.pop(MISNAMED) is None
    for wheel, words in {
        lost: "does not exist",
        cut: "is cut off, or has too much after its end",
        untrue: "that is not the one in RECORD: its hash differs",
        marked: "has a marked-1.0.dist-info/muslfix.json that was not written by muslfix",
        twin: f"another wheel of this name is given: {MISNAMED}",
        foreign: "the target cannot load 1 of its extension module files, so it is not repaired",
    }.items():
        assert words in problems[wheel], wheel
    (done,) = (p for p in report["projects"] if p["action"] == "repaired")
    assert done["output"] == str(tmp_path / "out" / MISNAMED.name)


def test_a_right_wheel_stays_right_for_every_known_python(tmp_path: Path) -> None:
    """From 3.13 on all builders on musl say -musl, as the wheels on PyPI do."""
    names = [known for known in KNOWN if known.version_info >= (3, 13) and known.libc is Libc.MUSL]
    assert {known.name.partition("-")[0] for known in names} == {
        "upstream",
        "yocto",
        "alpine",
        "uv",
        "openwrt",
    }
    wheels: dict[str, str] = {}
    for known in names:
        tag = f"cp3{known.version_info[1]}"
        abi = f"{tag}{known.abi_flags}"
        if abi not in wheels:
            module = f"m.cpython-{abi[2:]}-aarch64-linux-musl.so"
            wheel = tmp_path / f"demo-1.0-{tag}-{abi}-musllinux_1_2_aarch64.whl"
            wheels[abi] = str(make_wheel(wheel, {module: ELF["aarch64-musl"]}))
        version = "" if known.libc_version else "-musl1.2.5"
        target = parse_target_spec(f"{known.name}-aarch64{version}")
        (report,) = repair([wheels[abi]], [target], RepairOptions(str(tmp_path / "new"))).projects
        assert (report.action, report.problem) == ("unchanged", None), known.name
    assert not (tmp_path / "new").exists()


def test_a_wheel_that_is_for_no_target_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    wheel = WHEELS / f"speedy-1.0-{TAGS.replace('x86_64', 'aarch64')}"
    result = cli(
        "repair", wheel, WHEELS / "needs-2.0-py3-none-any.whl", "--target-file", MUSL_FILE, "-w", tmp_path
    )
    assert result.status == 0
    summary, first, second = result.out.splitlines()
    assert first.startswith(
        "speedy 1.0: left alone: it is for cp39-cp39-musllinux_1_1_aarch64, and the target"
    )
    assert second.startswith("needs 2.0: left alone: it requires Python >=3.99, and the target")
    assert summary == "2 wheels left alone."


def test_what_is_not_known_of_the_target_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    wheel = WHEELS / f"speedy-1.0-{TAGS}"
    unknown = ("--target-spec", "cp39-musl-x86_64")
    for others in ((), ("--target-file", MUSL_FILE)):
        told = cli("repair", wheel, *unknown, *others, "--copy-unchanged", "-w", tmp_path / "new")
        assert told.status == 1
        assert told.out.splitlines() == [
            "1 wheel failed.",
            "speedy 1.0: failed: it is for cp39-cp39-musllinux_1_1_x86_64, and the target is CPython 3.9 on"
            " linux-x86_64 with musl (version unknown); so it is not known whether the wheel is for it and"
            " must be repaired",
            "  tip: add --target-fact libc_version=1.2.5, for example",
        ]
    assert not (tmp_path / "new").exists()
    spec = ("--target-spec", "cp39-musl-x86_64", "--target-fact", "libc_version=1.2.5")
    assert cli("repair", wheel, *spec, "-w", tmp_path / "new").status == 0
    repaired = tmp_path / "new" / wheel.name
    told = cli("repair", repaired, *unknown, "-w", tmp_path / "again")  # right, whether it is for it or not
    assert told.status == 0
    assert told.out.startswith("1 extension module in 1 wheel: nothing to fix")


def test_the_library(tmp_path: Path) -> None:
    finished: list[str] = []
    report = muslfix.repair(
        [str(MISNAMED)],
        [muslfix.read_target_file(str(MUSL_FILE))],
        muslfix.RepairOptions(folder=str(tmp_path)),
        on_finished=lambda project: finished.append(project.name),
    )
    assert (report.command, report.is_well, report.changes, finished) == ("repair", True, 1, ["speedy"])


def test_a_large_module_is_judged_without_holding_it_in_memory(tmp_path: Path) -> None:
    """Its bytes are inflated into a file without a name, of which nothing is left."""
    content = ELF["x86_64-musl"] + bytes(120_000_000)
    wheel = wheel_with(tmp_path / "in", {f"m/{GNU_NAME}": content}, method=STORED)
    del content
    # ru_maxrss would count what the process was forked from.
    script = (
        "import re, sys; from muslfix.cli import main\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
        "start = peak(); assert main(sys.argv[1:]) == 0; print(peak() - start)"
    )
    words = ["repair", str(wheel), "--target-file", str(MUSL_FILE), "-q", "-w", str(tmp_path / "out")]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = run([sys.executable, "-c", script, *words], TMPDIR=str(temporary))
    assert done.status == 0, done.err
    assert int(done.out) < 64 * 1024
    assert os.listdir(temporary) == []
    with zipfile.ZipFile(tmp_path / "out" / wheel.name) as archive:
        assert f"m/{MUSL_NAME}" in archive.namelist()


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    wheels = [MISNAMED, WHEELS / "pure-1.0-py3-none-any.whl"]
    words = ["repair", *map(str, wheels), "-w", str(tmp_path), "--target-file", str(MUSL_FILE)]
    script = (
        "from muslfix.cli import main, progress; progress._BLINK = progress._LINE_EVERY = 0;"
        f"progress._has_rich = bool; raise SystemExit(main({words}))"
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True, timeout=60)
    os.close(theirs)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert b"repairing" not in done.stdout
    assert lines == ["repairing wheels: 1 of 2", "repairing wheels: 2 of 2"]


def test_the_tree_of_a_wheel() -> None:
    with open_wheel(str(MISNAMED)) as wheel:
        tree = WheelTree.of(wheel)
        path = f"speedy/{GNU_NAME}"
        assert (tree.exists(path), tree.exists("speedy/lost.so"), tree.link_of(path)) == (True, False, None)
        assert tree.have_one_content(path, path)
        assert not tree.have_one_content(path, "speedy/_speed.py")
        assert tree.examine(path) is tree.examine(path)
        after = replace(tree, members={"speedy/new.so": tree.members[path]})
        assert (after.exists(path), after.exists("speedy/new.so")) == (False, True)
        assert (after.link_of("speedy/new.so"), list(after.names_beside(path))) == (None, ["new.so"])
        for one in (tree, after):
            assert one.names_beside(path) is one.names_beside("speedy/lost.so")  # gathered once for all
            assert list(one.names_beside("nowhere/x")) == []
        assert after.have_one_content("speedy/new.so", "speedy/new.so")
