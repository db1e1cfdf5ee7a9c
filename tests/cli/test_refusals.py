"""What a user's input or machine can have wrong: one sentence on stderr, no traceback, and nothing changed.

Each case goes through the command line, into a folder that holds another project; the folder, the place for
temporary files and the wheel itself must be what they were.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli, Result, read_only
from trees import snapshot
from wheelmaker import make_wheel

WHEELS = FIXTURES / "wheels"
PURE = WHEELS / "pure-1.0-py3-none-any.whl"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"

NAME = "demo-1.0-py3-none-any.whl"
DATA = "demo-1.0.data"
CODE = b"answer = 42\n" * 9


@dataclass(frozen=True)
class Machine:
    """A folder that holds a project, and all that must not change when something is refused.

    :param cli: the command line
    :param base: the folder of the test
    """

    cli: Cli
    base: Path

    @property
    def folder(self) -> Path:
        """Where to install."""
        return self.base / "folder"

    def refuse(self, *words: str | os.PathLike[str], status: int = 1) -> Result:
        """Call muslfix, which must refuse in the agreed form and change nothing."""
        before = snapshot(self.base)
        result = self.cli(*words)
        assert snapshot(self.base) == before
        assert result.status == status, result
        assert result.out == ""
        assert "Traceback" not in result.err
        lines = result.err.splitlines()
        assert [line.partition(": ")[0] for line in lines] in (["error"], ["error", "tip"]), result.err
        assert not any(line.endswith(".") for line in lines)
        assert all(character.isprintable() for line in lines for character in line)
        return result

    def refuse_wheel(self, wheel: str | os.PathLike[str], *options: str | os.PathLike[str]) -> str:
        """The same for the installation of a wheel, which the sentence must name; return its reason."""
        words = ("install", wheel, "--target-file", TARGET, "--target", self.folder, *options)
        line = self.refuse(*words).err.splitlines()[0]
        assert line.startswith(f"error: {os.fspath(wheel)}: ")
        return line[len(f"error: {os.fspath(wheel)}: ") :]


@pytest.fixture
def machine(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    machine = Machine(cli, tmp_path)
    assert cli("install", PURE, "--target-file", TARGET, "--target", machine.folder).status == 0
    return machine


# -- wheels -----------------------------------------------------------------------------------------

# Places where the layout of a folder lets files meet, and wheels for others than the musl target.
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "two files, by data": ({"files": {f"{DATA}/data/demo.py": b""}}, "has two files for 'demo.py'"),
    "script as data": (
        {"files": {f"{DATA}/data/bin/demo": b""}, "scripts": {"demo": "demo:main"}},
        "has two files for 'bin/demo'",
    ),
    "file for a folder": ({"files": {"bin": CODE, f"{DATA}/scripts/x": CODE}}, "has two files for 'bin'"),
    "folder for a file": (
        {"files": {f"{DATA}/headers/x.h": CODE, f"{DATA}/data/include/demo": CODE}},
        "has two files for 'include/demo'",
    ),
    "other Python": (
        {"name": "demo-1.0-cp38-cp38-any.whl"},
        "is for cp38-cp38-any, and the target is CPython",
    ),
    "other libc": (
        {"name": "demo-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"},
        "is for cp39-cp39-manylinux_2_17_x86_64, and the target is CPython 3.9.2 on linux-x86_64 with musl",
    ),
    "newer musl": (
        {"name": "demo-1.0-cp39-cp39-musllinux_1_3_x86_64.whl"},
        "is for cp39-cp39-musllinux_1_3",
    ),
    "newer Python": (
        {"metadata": {"Requires-Python": ">=3.99"}},
        "requires Python >=3.99, and the target is Python 3.9.2",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_wheels_that_do_not_fit_the_target(machine: Machine, case: str) -> None:
    wrong, sentence = UNFIT[case]
    wrong = {"name": NAME, "files": {}, **wrong}
    path = make_wheel(machine.base / wrong.pop("name"), {"demo.py": CODE, **wrong.pop("files")}, **wrong)
    assert sentence in machine.refuse_wheel(path)


def test_the_good_ones_beside_a_bad_one_are_not_installed(machine: Machine) -> None:
    bad = make_wheel(machine.base / NAME, {"demo.py": CODE}, fields={"demo.py": {"crc": 1}})
    good = make_wheel(machine.base / "good-1.0-py3-none-any.whl", {"good.py": CODE})
    words = "--target-file", TARGET, "--target", machine.folder
    result = machine.refuse("install", "--force-reinstall", *words, PURE, bad, good)
    assert result.err == f"error: {bad}: demo.py is damaged: its CRC-32 is wrong\n"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("foreign-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "other-libc: it is linked to glibc"),
        ("mixed-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "other-libc: it is linked to glibc and musl"),
        ("wrongcpu-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "other-machine: it is for aarch64"),
        ("notelf-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "not-elf: it "),
    ],
)
def test_modules_that_cannot_be_loaded(machine: Machine, name: str, verdict: str) -> None:
    before = snapshot(machine.base)
    result = machine.cli("install", WHEELS / name, "--target-file", TARGET, "--target", machine.folder)
    assert snapshot(machine.base) == before
    assert (result.status, result.out) == (1, "")
    module, error, tip = result.err.splitlines()
    assert re.match(rf"\w+/_speed\.cpython-39-\w+-linux-gnu\.so: {verdict}", module)
    assert error == (
        f"error: {WHEELS / name}: has an extension module that the target cannot load, so it is not installed"
    )
    assert tip.startswith("tip: ")


def test_a_right_name_does_not_help_a_module_of_the_other_libc(machine: Machine) -> None:
    module = "demo/_speed.cpython-39-x86_64-linux-musl.so"
    content = (FIXTURES / "elf" / "x86_64-glibc.so").read_bytes()
    path = make_wheel(machine.base / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", {module: content})
    before = snapshot(machine.base)
    result = machine.cli("install", path, "--target-file", TARGET, "--target", machine.folder)
    assert snapshot(machine.base) == before
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"{module}: other-libc: it is linked to glibc (")


# -- destinations -----------------------------------------------------------------------------------


def install_words(folder: str | Path) -> tuple[str | Path, ...]:
    return "install", WHEELS / "needs-1.0-py3-none-any.whl", "--target-file", TARGET, "--target", folder


def test_a_destination_that_is_a_file(machine: Machine) -> None:
    (machine.base / "file").write_text("")
    for folder in ("file", "file/below"):
        result = machine.refuse(*install_words(machine.base / folder))
        assert result.err == f"error: {machine.base}/file: is in the way: it exists already\n"


def test_a_destination_in_a_place_where_nothing_can_be_made(machine: Machine) -> None:
    result = machine.refuse(*install_words("/proc/muslfix/folder"))
    assert result.err == "error: /proc/muslfix: cannot be written (No such file or directory)\n"


def test_a_destination_that_may_not_be_written(machine: Machine) -> None:
    machine.folder.chmod(0o555)
    machine.base.chmod(0o755)
    folder = machine.folder
    if os.geteuid() == 0:  # root may write anywhere; nobody else may even enter pytest's folder
        folder = machine.base / "new"
        os.seteuid(65534)
    try:
        result = machine.cli(*install_words(folder))
    finally:
        os.seteuid(os.getuid())
        machine.folder.chmod(0o755)
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(r"error: /\S+: cannot be written: permission denied\ntip: .*\n", result.err)


def with_read_only(directories: Iterable[str | Path], *words: str | Path) -> Result:
    """Call muslfix in a process for which these directories are on read-only file systems."""
    # Whoever measures coverage in processes that are started could not write it there.
    left_out = re.compile("TMPDIR|TEMP|TMP|COVERAGE_.*")
    environment = {name: value for name, value in os.environ.items() if not left_out.fullmatch(name)}
    done = subprocess.run(
        [*read_only(*directories), sys.executable, "-m", "muslfix", *words],
        env={**environment, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        cwd="/var/tmp",
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_destination_on_a_read_only_file_system(machine: Machine) -> None:
    before = snapshot(machine.base)
    result = with_read_only([machine.folder], *install_words(machine.folder))
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(
        rf"error: {machine.folder}: cannot be written: the file system is read-only\ntip: .*\n",
        result.err,
    )
    assert snapshot(machine.base) == before


def test_a_machine_without_any_place_for_temporary_files(tmp_path: Path) -> None:
    folders = [folder for folder in ("/tmp", "/var/tmp", "/usr/tmp") if os.path.isdir(folder)]
    result = with_read_only(folders, *install_words(tmp_path / "x"), "--dry-run")
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(
        r"error: the directory for temporary files: cannot be written \(No usable temporary .*\)\n",
        result.err,
    )


def test_a_file_in_the_way(machine: Machine) -> None:
    (machine.folder / "needs").write_text("mine")
    result = machine.refuse(*install_words(machine.folder))
    assert (
        result.err
        == f"error: {machine.folder}/needs: is in the way of needs, which needs a directory there\n"
    )


# -- targets and the command line -------------------------------------------------------------------

USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "--target with --prefix": (
        ("--target-file", str(TARGET), "--target", "x", "--prefix", "y"),
        "--target cannot be combined with --prefix or --root",
    ),
    "--target with --root": (
        ("--target-file", str(TARGET), "--target", "x", "--root", "y"),
        "--target cannot be combined with --prefix or --root",
    ),
    "empty --target": (("--target-file", str(TARGET), "--target", ""), "--target is empty"),
    "empty --prefix": (("--target-file", str(TARGET), "--prefix", " "), "--prefix is empty"),
    "empty --root": (("--target-file", str(TARGET), "--root", ""), "--root is empty"),
    "no folder for a foreign target": (
        ("--target-file", str(TARGET)),
        "the target cannot be run here, so its directories are not those of this machine",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_calls_that_make_no_sense(machine: Machine, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(machine.base)
    options, sentence = USAGE[case]
    result = machine.refuse("install", str(PURE), *options, status=2)
    assert result.err.splitlines()[0] == f"error: {sentence}"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("install",), "the following arguments are required: WHEEL"),
        (("install", "x.whl", "--mode", "hope"), "argument --mode: invalid choice: 'hope'"),
        (("install", "x.whl", "--fly"), "unrecognized arguments: --fly"),
        (("install", "x.whl", "-v", "-q"), "argument -q/--quiet: not allowed with argument -v/--verbose"),
        (("install", "x.whl", "--python", "x", "--target-file", "y"), "not allowed with argument --python"),
        (("install", "x.whl", "--target"), "argument --target: expected one argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_lines_that_argparse_refuses(machine: Machine, words: tuple[str, ...], sentence: str) -> None:
    before = snapshot(machine.base)
    result = machine.cli(*words)
    assert (result.status, result.out) == (2, "")
    error, tip = result.err.splitlines()
    assert error.startswith("error: ")
    assert sentence in error
    assert tip == "tip: see 'muslfix install --help'"
    assert snapshot(machine.base) == before


def test_a_target_file_that_does_not_say_what_scripts_shall_call(machine: Machine) -> None:
    path = machine.base / "target.json"
    path.write_text(json.dumps({**json.loads(TARGET.read_text()), "executable": None}))
    wheel = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    result = machine.refuse("install", wheel, "--target-file", path, "--target", machine.folder)
    assert result.err == (
        f"error: {wheel}: has scripts, and the target does not say how they shall call it\n"
        "tip: add --target-fact executable=/usr/bin/python3, for example; what 'muslfix interpreter --json'"
        " wrote is to be edited instead\n"
    )


@pytest.mark.parametrize("python", ["missing", "folder", "file"])
def test_bad_interpreters(machine: Machine, python: str) -> None:
    (machine.base / "file").write_text("no program")
    result = machine.refuse("install", PURE, "--python", machine.base / python)
    assert result.err.startswith(f"error: {machine.base}/{python}: ")
