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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli, Result
from trees import snapshot
from wheelmaker import STORED, Member, make_wheel, record_hash

WHEELS = FIXTURES / "wheels"
PURE = WHEELS / "pure-1.0-py3-none-any.whl"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
DATA = "demo-1.0.data"
CODE = b"answer = 42\n" * 9
HASH = record_hash(CODE)


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

Make = Callable[[Path], Any]


def wheel(files: Mapping[str, bytes] | None = None, name: str = NAME, **wrong: Any) -> Make:
    """Makes a wheel with something wrong."""
    contents = {"demo.py": CODE} if files is None else files
    return lambda folder: make_wheel(folder / name, contents, **wrong)


def changed(change: Callable[[bytes], bytes], **options: Any) -> Make:
    """Makes a wheel, then changes its bytes."""

    def make(folder: Path) -> Path:
        path = make_wheel(folder / NAME, {"demo.py": CODE}, **options)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def record(change: Callable[[bytes], bytes]) -> Make:
    return wheel(record=change)


def cut(share: float) -> Make:
    return changed(lambda data: data[: int(len(data) * share)])


def nothing(folder: Path) -> Path:
    return folder / NAME


def folder_of_that_name(folder: Path) -> Path:
    (folder / NAME).mkdir()
    return folder / NAME


def named(name: str) -> Make:
    return lambda folder: make_wheel(folder / NAME, {"demo.py": CODE}).rename(folder / name)


def flipped(data: bytes) -> bytes:
    """One bit of the file's content, which is stored as it is."""
    place = data.index(CODE) + 5
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


BAD_WHEELS: dict[str, tuple[Make, str]] = {
    # The file.
    "no such file": (nothing, "does not exist"),
    "folder": (folder_of_that_name, "cannot be read (Is a directory)"),
    "empty": (changed(lambda _: b""), "is empty"),
    "no zip": (changed(lambda _: b"no zip\n" * 99), "is no zip archive"),
    "cut at 1 %": (cut(0.01), "is cut off"),
    "cut at 50 %": (cut(0.5), "is cut off"),
    "cut at 99 %": (cut(0.99), "is cut off in its end record"),
    "head lost": (changed(lambda data: data[50:]), "is damaged: 50 bytes before its directory are missing"),
    "not named like one": (named("demo.whl"), "is not named like a wheel"),
    "source archive": (named("demo-1.0.tar.gz"), "is not named like a wheel"),
    "bad version": (named("demo-one-py3-none-any.whl"), "is not named like a wheel"),
    "escapes in its name": (named("\x1b[31mdemo-1.0.whl"), "is not named like a wheel"),
    # Its members.
    "wrong CRC": (wheel(fields={"demo.py": {"crc": 1}}), "demo.py is damaged: its CRC-32 is wrong"),
    "flipped bit": (changed(flipped, method=STORED), "demo.py is damaged: its CRC-32 is wrong"),
    "path up": (wheel({"../demo.py": CODE}), "path does not stay in its folder: '../demo.py'"),
    "path up within": (wheel({"a/../../b": CODE}), "path does not stay in its folder"),
    "path up in data": (wheel({f"{DATA}/data/../../x": CODE}), "path does not stay in its folder"),
    "dot": (wheel({"./demo.py": CODE}), "path does not stay in its folder"),
    "empty part": (wheel({"a//demo.py": CODE}), "path does not stay in its folder"),
    "absolute": (wheel({"/etc/demo.py": CODE}), "whose name is no relative path: '/etc/demo.py'"),
    "backslash": (wheel({"a\\demo.py": CODE}), "whose name is no relative path"),
    "drive": (wheel({"C:demo.py": CODE}), "whose name is no relative path"),
    "NUL": (wheel(extra=[Member(b"a\0.py")]), r"with control characters in its name: 'a\x00.py'"),
    "line feed": (wheel({"a\nb.py": CODE}), r"with control characters in its name: 'a\nb.py'"),
    "escape sequence": (wheel({"\x1b]0;x\x07": CODE}), r"control characters in its name: '\x1b]0;x\x07'"),
    "link": (wheel(fields={"demo.py": {"mode": 0o120777}}), "neither file nor folder: 'demo.py'"),
    "device": (wheel(fields={"demo.py": {"mode": 0o020666}}), "neither file nor folder: 'demo.py'"),
    "encrypted": (wheel(fields={"demo.py": {"flags": 1}}), "has an encrypted entry: 'demo.py'"),
    "unknown method": (wheel(fields={"demo.py": {"method": 93}}), "compressed by method 93"),
    "twice": (wheel(extra=[Member("demo.py", CODE)]), "has two entries for 'demo.py'"),
    "twice, in capitals": (wheel({"demo.py": CODE, "DEMO.py": CODE}), "has two entries for 'DEMO.py'"),
    "twice, composed": (wheel({"e\u0301": CODE, "\u00e9": CODE}), "has two entries for '\u00e9'"),
    "file and folder": (wheel({"demo": CODE, "demo/x": CODE}), "has a file where 'demo/x' needs a folder"),
    "size": (wheel(fields={"demo.py": {"size": 9}}), "says in RECORD that 'demo.py' has 108 bytes; it has 9"),
    "two headers": (
        wheel(fields={"demo.py": {"local": Member("evil.py", CODE)}}),
        "says two different things of 'demo.py'",
    ),
    # RECORD.
    "no RECORD": (wheel(omit=["RECORD"]), f"has no {INFO}/RECORD"),
    "RECORD is no CSV": (record(lambda _: b'"demo.py\n'), "has a damaged RECORD: it is no valid CSV"),
    "RECORD is no UTF-8": (record(lambda _: b"\xff"), f"has a {INFO}/RECORD that is no UTF-8"),
    "RECORD is empty": (record(lambda _: b""), "does not list 'demo.py' in RECORD"),
    "two fields": (record(lambda text: text + b"x,y\n"), "it has 2 fields instead of 3 in line 5"),
    "listed twice": (
        record(lambda text: text + text.splitlines(keepends=True)[0]),
        "lists 'demo.py' 2 times in RECORD",
    ),
    "lost": (record(lambda text: text + b"lost.py,,\n"), "lists 'lost.py' in RECORD, and has no such file"),
    "not listed": (wheel(extra=[Member("more.py", CODE)]), "does not list 'more.py' in RECORD"),
    "other hash": (
        record(lambda text: text.replace(HASH.encode(), record_hash(b"").encode())),
        "has a 'demo.py' that is not the one in RECORD: its hash differs",
    ),
    "other size": (record(lambda text: text.replace(b",108", b",109")), "has 109 bytes; it has 108"),
    "odd size": (record(lambda text: text.replace(b",108", b",0108")), "has 0108 bytes; it has 108"),
    "md5": (
        record(
            lambda text: text.replace(f"sha256={HASH}".encode(), b"md5=" + record_hash(CODE, "md5").encode())
        ),
        "has only a hash of kind 'md5' for 'demo.py' in RECORD",
    ),
    "sha1": (
        record(
            lambda text: text.replace(
                f"sha256={HASH}".encode(), b"sha1=" + record_hash(CODE, "sha1").encode()
            )
        ),
        "has only a hash of kind 'sha1'",
    ),
    "unknown hash": (
        record(lambda text: text.replace(b"sha256=", b"best=")),
        "has only a hash of kind 'best'",
    ),
    "no hash": (
        record(lambda text: text.replace(f"sha256={HASH}".encode(), b"")),
        "has no hash for 'demo.py' in RECORD",
    ),
    "no base64": (record(lambda text: text.replace(HASH.encode(), b"!!")), "which is no hash"),
    # What it says of itself.
    "no .dist-info": (wheel(dist_info="demo"), "must have one .dist-info folder, and has none"),
    "two .dist-info": (wheel({"x-1.dist-info/METADATA": b""}), f"has {INFO}, x-1.dist-info"),
    "another project's": (wheel(dist_info="other-1.0.dist-info"), "the .dist-info folder of another project"),
    "another version's": (wheel(dist_info="demo-2.0.dist-info"), "the .dist-info folder of another project"),
    "without version": (wheel(dist_info="demo.dist-info"), "the .dist-info folder of another project"),
    "no METADATA": (wheel(omit=["METADATA"]), f"has no {INFO}/METADATA"),
    "no WHEEL": (wheel(omit=["WHEEL"]), f"has no {INFO}/WHEEL"),
    "METADATA is no UTF-8": (wheel(metadata=b"Name: \xff\n"), f"has a {INFO}/METADATA that is no UTF-8"),
    "other name": (wheel(metadata={"Name": "other"}), "is named demo, and its METADATA names 'other'"),
    "no name": (wheel(metadata=b"Version: 1.0\n"), "is named demo, and its METADATA names None"),
    "other version": (
        wheel(metadata={"Version": "2.0"}),
        "is named version 1.0, and its METADATA says '2.0'",
    ),
    "no version": (wheel(metadata=b"Name: demo\n"), "is named version 1.0, and its METADATA says None"),
    "nonsense for a version": (wheel(metadata={"Version": "one"}), "its METADATA says 'one'"),
    "wheel 2.0": (wheel(wheel={"Wheel-Version": "2.0"}), "has the wheel format version '2.0', and muslfix"),
    "wheel nonsense": (wheel(wheel={"Wheel-Version": "1.x"}), "has the wheel format version '1.x'"),
    "wheel without version": (wheel(wheel=b"Tag: x\n"), "has the wheel format version ''"),
    # What it brings.
    "unknown scheme": (wheel({f"{DATA}/lib/x": CODE}), "which is in none of the folders purelib, platlib"),
    "in no scheme": (wheel({f"{DATA}/x": CODE}), "which is in none of the folders"),
    "two .data": (wheel({f"{DATA}/data/x": CODE, "Demo-1.data/data/y": CODE}), "must not have two .data"),
    "nearly .data": (wheel({f"{DATA}X/x": CODE}), "which looks like its .data folder and is not"),
    "two files for one place": (
        wheel({"demo.py": CODE, f"{DATA}/purelib/demo.py": b""}),
        "has two files for 'demo.py'",
    ),
    "two files, by data": (
        wheel({"demo.py": CODE, f"{DATA}/data/demo.py": b""}),
        "has two files for 'demo.py'",
    ),
    "script as data": (
        wheel({f"{DATA}/data/bin/demo": b""}, scripts={"demo": "demo:main"}),
        "has two files for 'bin/demo'",
    ),
    "file for a folder": (
        wheel({"bin": CODE, f"{DATA}/scripts/x": CODE}),
        "has two files for 'bin'",
    ),
    "folder for a file": (
        wheel({f"{DATA}/headers/x.h": CODE, f"{DATA}/data/include/demo": CODE}),
        "has two files for 'include/demo'",
    ),
    "our own name": (wheel({".muslfix-x/journal": b"[]"}), "a name that muslfix keeps for itself"),
    "script python3": (wheel({f"{DATA}/scripts/python3": b""}), "which would replace the interpreter"),
    "entry point python": (wheel(scripts={"python": "demo:main"}), "which would replace the interpreter"),
    "entry point up": (wheel(scripts={"../demo": "demo:main"}), "an entry point with a bad name: '../demo'"),
    "entry point ..": (wheel(scripts={"..": "demo:main"}), "an entry point with a bad name: '..'"),
    "entry point below": (wheel(scripts={"a/b": "demo:main"}), "an entry point with a bad name: 'a/b'"),
    "entry point without function": (wheel(scripts={"demo": "demo"}), "an entry is not of the form name ="),
    "entry point with code": (wheel(scripts={"demo": "demo:main()"}), "an entry is not of the form name ="),
    "entry points damaged": (
        wheel({f"{INFO}/entry_points.txt": b"x"}),
        "has a damaged entry_points.txt: File",
    ),
    # For whom it is.
    "other Python": (
        wheel(name="demo-1.0-cp38-cp38-any.whl"),
        "is for cp38-cp38-any, and the target is CPython",
    ),
    "other libc": (
        wheel(name="demo-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"),
        "is for cp39-cp39-manylinux_2_17_x86_64, and the target is CPython 3.9.2 on linux-x86_64 with musl",
    ),
    "newer musl": (
        wheel(name="demo-1.0-cp39-cp39-musllinux_1_3_x86_64.whl"),
        "is for cp39-cp39-musllinux_1_3",
    ),
    "newer Python": (
        wheel(metadata={"Requires-Python": ">=3.99"}),
        "requires Python >=3.99, and the target is Python 3.9.2",
    ),
}


@pytest.mark.parametrize("case", BAD_WHEELS)
def test_bad_wheels_are_refused(machine: Machine, case: str) -> None:
    make, sentence = BAD_WHEELS[case]
    path = Path(make(machine.base))
    shown = str(path).encode("unicode_escape").decode() if "\x1b" in str(path) else path
    reason = machine.refuse_wheel(path) if shown is path else shown_reason(machine, path, str(shown))
    assert sentence in reason


def shown_reason(machine: Machine, path: Path, shown: str) -> str:
    """The same where the name of the file itself must not reach the terminal as it is."""
    words = ("install", path, "--target-file", TARGET, "--target", machine.folder)
    return machine.refuse(*words).err.partition(f"error: {shown}: ")[2]


def test_what_would_be_refused_is_refused_in_a_dry_run_too(machine: Machine) -> None:
    path = make_wheel(machine.base / NAME, {"demo.py": CODE}, fields={"demo.py": {"crc": 1}})
    assert machine.refuse_wheel(path, "--dry-run") == "demo.py is damaged: its CRC-32 is wrong"


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
    assert re.fullmatch(r"error: /\S+: cannot be written: permission denied\n", result.err)


CANNOT_MOUNT = 77
READ_ONLY = f"""
import os, subprocess, sys
from muslfix.cli import main
for folder in sys.argv[1 : sys.argv.index("--")]:
    for words in (["--bind", folder, folder], ["-o", "remount,bind,ro", folder]):
        if subprocess.run(["mount", *words]).returncode:
            sys.exit({CANNOT_MOUNT})
sys.exit(main(sys.argv[sys.argv.index("--") + 1 :]))
"""


def with_read_only(folders: Iterable[str | Path], *words: str | Path) -> Result:
    """Call muslfix in a process for which these folders are on read-only file systems."""
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", READ_ONLY]
    # Whoever measures coverage in processes that are started could not write it there.
    left_out = re.compile("TMPDIR|TEMP|TMP|COVERAGE_.*")
    environment = {name: value for name, value in os.environ.items() if not left_out.fullmatch(name)}
    try:
        done = subprocess.run(
            [*command, *folders, "--", *words],
            env={**environment, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            cwd="/var/tmp",
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("this machine has no unshare")
    if done.returncode == CANNOT_MOUNT or done.stderr.startswith("unshare: "):
        pytest.skip("this machine does not let users mount file systems of their own")
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_destination_on_a_read_only_file_system(machine: Machine) -> None:
    before = snapshot(machine.base)
    result = with_read_only([machine.folder], *install_words(machine.folder))
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(
        rf"error: {machine.folder}/\.muslfix-\w+: cannot be written: the file system is read-only\n",
        result.err,
    )
    assert snapshot(machine.base) == before


def test_a_machine_without_any_place_for_temporary_files(tmp_path: Path) -> None:
    folders = [folder for folder in ("/tmp", "/var/tmp", "/usr/tmp") if os.path.isdir(folder)]
    result = with_read_only(folders, *install_words(tmp_path / "x"), "--dry-run")
    assert (result.status, result.out) == (1, "")
    assert re.fullmatch(
        r"error: the folder for temporary files: cannot be written \(No usable temporary .*\)\n", result.err
    )


def test_a_file_in_the_way(machine: Machine) -> None:
    (machine.folder / "needs").write_text("mine")
    result = machine.refuse(*install_words(machine.folder))
    assert (
        result.err == f"error: {machine.folder}/needs: is in the way of needs, which needs a folder there\n"
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
        "the target cannot be run here, so its own folders are not those of this machine",
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
        (("fly",), "invalid choice: 'fly'"),
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
    program = "muslfix" if words == ("fly",) else "muslfix install"
    assert tip == f"tip: '{program} --help' shows how it is called"
    assert snapshot(machine.base) == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "the whole is no JSON object"),
        (b'{"format": 9}', "has format 9, and this muslfix reads format 1"),
        (b'{"format": 1}', "is missing"),
    ],
    ids=["missing", "empty", "no text", "a list", "another format", "incomplete"],
)
def test_bad_target_files(machine: Machine, content: bytes | None, sentence: str) -> None:
    path = machine.base / "target.json"
    if content is not None:
        path.write_bytes(content)
    result = machine.refuse("install", PURE, "--target-file", path, "--target", machine.folder)
    assert result.err.startswith(f"error: {path}: ")
    assert sentence in result.err


def test_a_target_file_that_does_not_say_what_scripts_shall_call(machine: Machine) -> None:
    path = machine.base / "target.json"
    path.write_text(json.dumps({**json.loads(TARGET.read_text()), "executable": None}))
    wheel = WHEELS / "misnamed-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    result = machine.refuse("install", wheel, "--target-file", path, "--target", machine.folder)
    assert result.err == (
        f"error: {wheel}: has scripts, and the target does not say how they shall call it\n"
        "tip: add 'executable' to the target file, or give --target-fact executable=/usr/bin/python3, say\n"
    )


@pytest.mark.parametrize("python", ["missing", "folder", "file"])
def test_bad_interpreters(machine: Machine, python: str) -> None:
    (machine.base / "file").write_text("no program")
    result = machine.refuse("install", PURE, "--python", machine.base / python)
    assert result.err.startswith(f"error: {machine.base}/{python}: ")
