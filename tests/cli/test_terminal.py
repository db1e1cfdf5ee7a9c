"""Names that were made for the terminal: whatever is printed, it shows them and does not obey them.

An escape sequence, a C1 control character (one byte of Latin-1 that begins such a sequence), a change of the
writing direction that lets ``gpj.exe`` look like ``exe.jpg``, and a line end that forges a line of output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Cli, Result
from environments import make_environment
from misnamed import RIGHT, WRONG, lay, make_demo, small_files, target_file
from trees import snapshot
from wheelmaker import make_wheel

EVIL = "\x1b]0;x\x07\x9b31m\u202e\u2066\nerror: all is lost"
#: The same on one line, for a line of METADATA.
EVIL_LINE = EVIL.replace("\n", "")
#: The same without blanks, since argparse takes what has some for no option.
EVIL_WORD = EVIL.replace(" ", "_")
#: The same as a part of a file name, with a byte that is no text.
NAME = EVIL + os.fsdecode(b"\xff\x9b")


def assert_harmless(result: Result, *, shown: bool = True) -> None:
    """All that is printed shows itself, no line is a forged one, and JSON stays JSON.

    :param shown: whether the name must be among what is printed
    """
    text = result.out + result.err
    assert "Traceback" not in text
    assert all(character.isprintable() for character in text.replace("\n", "")), text.encode()
    assert not any(line.startswith(("error: all is lost", "error:_all_is_lost")) for line in text.split("\n"))
    if result.out.startswith("{"):
        assert result.out.isascii()
        json.loads(result.out)
    if shown:
        assert "\\x1b]0;x" in text or "\\u001b]0;x" in text, text


def both(cli: Cli, *words: str | os.PathLike[str], shown: bool = True) -> None:
    """Call a command, and once more with ``--json``."""
    assert_harmless(cli(*words), shown=shown)
    assert_harmless(cli(*words, "--json"), shown=shown)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return target_file(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Projects with such names wherever there can be one, in a folder of such a name."""
    site = tmp_path / f"site{NAME}"
    files = {
        **small_files(),
        f"demo/{NAME}{WRONG}": small_files()[f"demo/_speed{WRONG}"],
        f"demo/bad{EVIL}{WRONG}": b"no module",
        f"demo/{NAME}.py": b"",
    }
    lay(site, files={name: content for name, content in files.items() if "\n" not in name})
    (site / f"demo/unlisted{NAME}.py").write_bytes(b"")
    record = site / "demo-1.0.dist-info" / "RECORD"
    rows = record.read_bytes() + f'"lost{EVIL}.py",,\n"demo/bad{EVIL}{WRONG}",,\n'.encode()
    (site / f"demo/bad{EVIL}{WRONG}").write_bytes(b"no module")
    (site / f"demo/link{NAME}").symlink_to(f"/nowhere{NAME}")
    record.write_bytes(rows + b'"' + os.fsencode(f"demo/link{NAME}") + b'",,\n')
    lay(site, "other", {}, version=f"1{EVIL_LINE}")
    lay(site, "owned", {}, installer="apk")
    lay(site, "broken", {}, record=lambda _: f"{EVIL_LINE},\n")
    (site / f"legacy{EVIL}-1.0.egg-info").mkdir()
    return site


@pytest.mark.parametrize("verbose", [[], ["-v"], ["-q"]], ids=["", "verbose", "quiet"])
@pytest.mark.parametrize("command", ["verify", "check", "fix", "undo"])
def test_installed_projects(cli: Cli, site: Path, target: Path, command: str, verbose: list[str]) -> None:
    words: list[str | os.PathLike[str]] = [command, "--path", site, "--target-file", target, *verbose]
    shown = verbose != ["-q"] and (command != "undo" or verbose == ["-v"])
    both(cli, *words, shown=shown)
    if command in ("fix", "undo"):
        both(cli, *words, "--dry-run", shown=shown)


def test_what_was_fixed_is_undone(cli: Cli, site: Path, target: Path) -> None:
    words = ("demo", "--path", site, "--target-file", target)
    for command in ("fix", "undo", "fix"):
        assert_harmless(cli(command, *words), shown=command == "fix")


@pytest.mark.parametrize("command", ["verify", "check", "fix", "undo"])
def test_names_of_projects_and_folders_on_the_command_line(
    cli: Cli, tmp_path: Path, target: Path, command: str
) -> None:
    both(cli, command, f"no{NAME}", "--path", tmp_path, "--target-file", target)
    assert_harmless(cli(command, "--path", tmp_path / NAME, "--target-file", target))
    assert_harmless(cli(command, "--path", tmp_path, "--target-file", tmp_path / NAME))


def test_folders_and_files_to_check(cli: Cli, tmp_path: Path, target: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / f"m{EVIL}{WRONG}").write_bytes(b"no module")
    (folder / f"{EVIL_LINE}.whl").write_bytes(b"no wheel")
    both(cli, "check", folder, folder / f"{EVIL_LINE}.whl", tmp_path / f"{NAME}.whl", "--target-file", target)


WHEELS = {
    "member": lambda path: make_wheel(path, {f"demo/{EVIL}.py": b""}),
    "member with C1": lambda path: make_wheel(path, {"demo/\x9b31m.py": b""}),
    "member with another direction": lambda path: make_wheel(path, {f"demo/\u202e{WRONG}": b"no module"}),
    "name": lambda path: make_wheel(path, metadata={"Name": EVIL_LINE}),
    "version": lambda path: make_wheel(path, metadata={"Version": EVIL_LINE}),
    "requirement": lambda path: make_wheel(path, metadata={"Requires-Dist": f"x{EVIL_LINE}"}),
    "Requires-Python": lambda path: make_wheel(path, metadata={"Requires-Python": f">3.99{EVIL_LINE}"}),
    "Wheel-Version": lambda path: make_wheel(path, wheel={"Wheel-Version": EVIL_LINE}),
    "tag": lambda path: make_wheel(path, wheel={"Tag": EVIL_LINE}),
    "entry point": lambda path: make_wheel(path, {"demo.py": b""}, scripts={EVIL_LINE: "demo:main"}),
    "entry points": lambda path: make_wheel(path, {"demo-1.0.dist-info/entry_points.txt": EVIL.encode()}),
    "scheme": lambda path: make_wheel(path, {"demo-1.0.data/\x9b\u202e/x": b""}),
    ".dist-info": lambda path: make_wheel(path, dist_info="\x9b\u202e.dist-info"),
    "RECORD": lambda path: make_wheel(path, record=lambda text: text + f'"{EVIL}",,\n'.encode()),
    "hash": lambda path: make_wheel(
        path, {"demo.py": b""}, record=lambda text: text.replace(b"=", EVIL_LINE.encode())
    ),
}


@pytest.mark.parametrize("case", WHEELS)
def test_wheels(cli: Cli, tmp_path: Path, target: Path, case: str) -> None:
    folder = tmp_path / f"wheels{NAME}"
    folder.mkdir()
    wheel = Path(WHEELS[case](folder / "demo-1.0-py3-none-any.whl"))
    both(cli, "check", wheel, "--target-file", target, shown=False)
    both(cli, "install", wheel, "--target-file", target, "--target", tmp_path / NAME, shown=False)


def test_wheels_that_are_installed(cli: Cli, tmp_path: Path, target: Path) -> None:
    folder = tmp_path / f"new{NAME}"
    words = ("--target-file", target, "--target", folder)
    assert_harmless(cli("install", make_demo(tmp_path), *words, "-v"), shown=False)
    both(cli, "install", make_demo(tmp_path), *words, shown=False)
    assert_harmless(cli("install", tmp_path / f"{NAME}.whl", *words))
    (folder / f"file{NAME}").write_bytes(b"")
    assert_harmless(cli("install", make_demo(tmp_path), *words[:2], "--target", folder / f"file{NAME}"))


def in_the_c_locale(*words: str | os.PathLike[str]) -> tuple[int, str, str]:
    """Call muslfix where names of files are ASCII, and all else in them is bytes without a meaning."""
    done = subprocess.run(
        [sys.executable, "-m", "muslfix", *words],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii")


def test_installed_projects_in_a_locale_that_lacks_the_letters(tmp_path: Path, target: Path) -> None:
    module = small_files()[f"demo/_speed{WRONG}"]
    site = lay(tmp_path / "site", files={f"demo/é/_speed{WRONG}": module, "demo/日.py": b""})
    before = snapshot(site)
    words = ("--path", site, "--target-file", target)
    verified = (0, f"1 project: all files are as RECORD says.\nlooked at: {site}\n", "")
    assert in_the_c_locale("verify", *words) == verified
    status, out, err = in_the_c_locale("fix", *words)
    assert (status, err, out.count(" fixed")) == (0, "", 2)
    assert os.readlink(site / f"demo/é/_speed{RIGHT}") == f"_speed{WRONG}"
    assert f"demo/é/_speed{RIGHT},sha256=" in (site / "demo-1.0.dist-info" / "RECORD").read_text("utf-8")
    assert in_the_c_locale("verify", *words) == verified
    assert in_the_c_locale("undo", *words)[::2] == (0, "")
    assert snapshot(site) == before


def test_a_wheel_in_a_locale_that_lacks_the_letters(tmp_path: Path, target: Path) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/é.py": b""})
    before = snapshot(tmp_path)
    status, out, err = in_the_c_locale(
        "install", wheel, "--target-file", target, "--target", tmp_path / "new"
    )
    assert (status, out) == (1, "")
    assert err == (
        "error: the locale's encoding, ascii, cannot spell a file name: \\xe9.py\n"
        "tip: set the environment variable PYTHONUTF8=1\n"
    )
    assert snapshot(tmp_path) == before


def test_environments(cli: Cli, tmp_path: Path) -> None:
    for name in ("env\x1b[31m\x9b31m\u202e", "env\x9b31m\u202e"):
        environment = make_environment(tmp_path / name)
        for words in (["interpreter"], ["interpreter", "-v"], ["check"], ["run", "--dry-run"]):
            result = cli(
                *words, "--python", environment, *(["--", f"pip{EVIL}"] if words[0] == "run" else [])
            )
            assert_harmless(result, shown=False)
            assert words[0] != "interpreter" or "\\x9b31m\\u202e" in result.out + result.err


@pytest.mark.parametrize(
    "words",
    [
        ["interpreter", "--python", f"/{EVIL}"],
        ["interpreter", "--python", EVIL],
        ["run", "--", f"/{EVIL}"],
        ["run", "--dry-run", "--", f"pip{EVIL}"],
        [EVIL],
        ["fix", f"--{EVIL_WORD}"],
        ["install", "x.whl", f"-{EVIL_WORD}"],
        ["fix", f"--path={EVIL}"],
        ["fix", "--mode", EVIL],
        ["fix", f"--json={EVIL}"],
        ["install", "x.whl", EVIL, f"-{EVIL}"],
        ["install", "x.whl", "--target", EVIL, "--prefix", EVIL],
        ["check", EVIL],
        ["undo", EVIL],
    ],
    ids=lambda words: " ".join(words).encode("unicode_escape").decode()[:40],
)
def test_words_on_the_command_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_harmless(cli(*words), shown=False)
