"""Calls that mean something else than they say: each is answered with the call that does what is meant."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli
from misnamed import lay, target_file

from muslfix.cli.dispatch import _COMMANDS

WHEEL = FIXTURES / "wheels" / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
URL = "https://files.example.org/numpy-2.0-py3-none-any.whl"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what people name in such calls, and a pip on PATH."""
    for name in ("wheelhouse", "dir", "empty", "bin", "site/demo-1.0.dist-info"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(WHEEL, tmp_path / "wheelhouse")
    for name in ("foo.tar.gz", "pyproject.toml", "notes", "dir/setup.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "requirements.txt").write_text("six\n")
    (tmp_path / "bin/pip").write_text("#!/bin/sh\n")
    (tmp_path / "bin/pip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(cli: Cli, words: str) -> tuple[str, str]:
    """The error and the tip of a call that is refused, without the words in front of them."""
    result = cli(*shlex.split(words))
    assert (result.status, result.out) == (2, ""), words
    error, tip = result.err.split("\n")[:2]
    assert error.startswith("error: ")
    assert tip.startswith("tip: ")
    return error[len("error: ") :], tip[len("tip: ") :]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("numpy", "numpy: is not a wheel file, and muslfix downloads nothing"),
        ("numpy==2", "numpy==2: is not a wheel file, and muslfix downloads nothing"),
        ("'numpy<2' six", "numpy<2: is not a wheel file, and muslfix downloads nothing"),
        (URL, f"{URL}: is an address, and muslfix downloads nothing"),
        ("foo.tar.gz", "foo.tar.gz: is a source archive, and muslfix builds nothing"),
        (".", ".: is a directory, and muslfix builds nothing"),
        ("./dir", "./dir: is a directory, and muslfix builds nothing"),
        ("-r requirements.txt", "-r is an option of pip, and muslfix downloads nothing"),
        ("-rrequirements.txt", "-r is an option of pip, and muslfix downloads nothing"),
        (
            "--requirement=requirements.txt",
            "--requirement is an option of pip, and muslfix downloads nothing",
        ),
        ("-e .", "-e is an option of pip, and muslfix downloads nothing"),
        ("-U numpy", "-U is an option of pip, and muslfix downloads nothing"),
        ("--index-url X numpy", "--index-url is an option of pip, and muslfix downloads nothing"),
    ],
)
def test_what_only_pip_can_install(cli: Cli, words: str, reason: str) -> None:
    assert answer(cli, f"install {words}") == (reason, f"muslfix run -- pip install {words}")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "tip"),
    [
        ("install requirements.txt", "muslfix run -- pip install -r requirements.txt"),
        ("install --target there numpy", "muslfix run -- pip install --target there numpy"),
        ("install -U numpy --mode copy", "muslfix run -- pip install -U numpy"),
        ("install wheelhouse/", "name the wheels in it: wheelhouse/*.whl"),
        ("install wheelhouse", "name the wheels in it: wheelhouse/*.whl"),
        (
            "install empty",
            "give the path of a wheel file, or let pip download: muslfix run -- pip install NAME",
        ),
        (
            "install --target-spec alpine-3.20-x86_64 --target there numpy",
            "get its wheel first, for example with 'pip download', and give the path of that file",
        ),
        ("repair dir/ -w out", "'muslfix fix' fixes what is installed"),
        ("repair site/ -w out", "muslfix fix --path site/"),
        ("repair wheelhouse/ -w out", "name the wheels in it: wheelhouse/*.whl"),
        ("repair numpy -w out", "'muslfix fix' fixes what is installed"),
    ],
)
def test_what_is_no_wheel(cli: Cli, place: Path, words: str, tip: str) -> None:
    reason, told = answer(cli, words)
    assert told == tip
    assert not (place / "out").exists()
    assert reason


def test_pip_is_told_which_python_is_meant(
    cli: Cli, place: Path, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = environment / "bin/python"
    tip = answer(cli, f"install --python {python} numpy")[1]
    assert tip == f"muslfix run -- pip --python {python} install numpy"
    for words in ("-r requirements.txt", "-U numpy", "-e ."):
        tip = answer(cli, f"install --python={python} --mode copy {words}")[1]
        assert tip == f"muslfix run -- pip --python {python} install {words}"
    (place / "bin/pip").rename(place / "bin/uv")
    tip = answer(cli, f"install --python {python} numpy")[1]
    assert tip == f"muslfix run -- uv pip install --python {python} numpy"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", ["fix", "undo", "verify"])
@pytest.mark.parametrize(
    ("words", "reason", "tip"),
    [
        ("ujson==5.11.0", "takes the name of an installed project, without version or extras", "ujson"),
        ("six 'b[x]>=1; a'", "takes the name of an installed project, without version or extras", "six b"),
        ("./x.whl", "does not exist", None),
        (str(WHEEL), "is a wheel file", None),
        ("./nosuch/", "does not exist", ""),
        ("dir/", "is a directory", ""),
        ("site/", "is a directory", "--path site/"),
        ("foo.tar.gz", "is a source archive, and muslfix builds nothing", ""),
    ],
)
def test_what_is_no_name_of_a_project(
    cli: Cli, command: str, words: str, reason: str, tip: str | None
) -> None:
    wrong = shlex.split(words)[-1]
    error, told = answer(cli, f"{command} {words}")
    if reason.startswith("takes"):
        assert error == f"{wrong}: {command} {reason}"
    else:
        assert error == f"{wrong}: {reason}; {command} takes names of installed projects"
    if tip is None:
        assert told == f"muslfix install {wrong}, or to write a new wheel: muslfix repair {wrong} -w DIR"
    else:
        assert told.endswith(f"muslfix {command} {tip}".rstrip())


def test_an_environment_that_is_given_as_a_project(cli: Cli, environment: Path) -> None:
    assert answer(cli, f"fix {environment}")[1] == f"muslfix fix --python {environment}"


@pytest.mark.parametrize("command", ["check", "fix", "undo", "verify"])
def test_a_project_has_one_name_in_a_report(cli: Cli, tmp_path: Path, command: str) -> None:
    """That of its METADATA, whichever way its directory and the user spell it."""
    site, target = lay(tmp_path / "site", "markupsafe"), target_file(tmp_path)
    metadata = site / "markupsafe-1.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nname: MarkupSafe\nVersion: 1.0\n")
    words = ("--path", site, "--target-file", target)
    for name in ("MARKUPSAFE", "markupsave"):
        out = cli(command, "-v", name, *words).out.replace(str(site), "")
        assert "MarkupSafe" in out
        assert not re.search("(?<![/])markupsafe(?![/-])", out)
    metadata.write_text("Name: of-another\n")
    assert "markupsafe 1.0" in cli(command, "-v", *words).out


# -- commands and options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error", "tip"),
    [
        ("chekc", "'chekc' is not a command of muslfix", "did you mean 'muslfix check'?"),
        ("instal x", "'instal' is not a command of muslfix", "did you mean 'muslfix install'?"),
        ("help instal", "'instal' is not a command of muslfix", "did you mean 'muslfix install'?"),
        ("list", "'list' is not a command of muslfix", "'muslfix check -v' names all projects"),
        ("zzz", "'zzz' is not a command of muslfix", f"the commands are {', '.join(_COMMANDS)}"),
        ("fix --pyton x", "unrecognized arguments: --pyton", "did you mean '--python'?"),
        ("fix --dryrun", "unrecognized arguments: --dryrun", "did you mean '--dry-run'?"),
        (
            "fix --break x",
            "unrecognized arguments: --break",
            "did you mean '--break-system-packages'?",
        ),
        (
            "install --no-c x.whl",
            "unrecognized arguments: --no-c",
            "did you mean '--no-compile'?",
        ),
        ("fix --target-s=x", "unrecognized arguments: --target-s=x", "did you mean '--target-spec'?"),
        ("verify --js", "unrecognized arguments: --js", "did you mean '--json'?"),
        ("fix --zzz", "unrecognized arguments: --zzz", "see 'muslfix fix --help'"),
        (
            "--python x fix",
            "options of a command go behind it, and --python is before fix",
            "muslfix fix --python ...",
        ),
    ],
)
def test_did_you_mean(cli: Cli, words: str, error: str, tip: str) -> None:
    assert answer(cli, words) == (error, tip)


@pytest.mark.parametrize("command", [None, *_COMMANDS])
def test_help_of_a_command(cli: Cli, command: str | None) -> None:
    words = [] if command is None else [command]
    result = cli("help", *words)
    assert (result.status, result.err) == (0, "")
    assert result.out == cli(*words, "--help").out


@pytest.mark.parametrize("option", ["-q", "--quiet", "-v", "--verbose", "--json"])
@pytest.mark.parametrize("words", [["check"], ["fix"], ["run", "--", "true"], ["interpreter"]])
def test_output_options_before_the_command(cli: Cli, tmp_path: Path, words: list[str], option: str) -> None:
    where = [] if words[0] == "interpreter" else ["--path", str(tmp_path)]
    command, *others = words
    before, behind = cli(option, command, *where, *others), cli(command, option, *where, *others)
    assert before == behind
    assert before.status != 2, before.err


def test_output_options_alone(cli: Cli) -> None:
    assert answer(cli, "-q")[0] == "the following arguments are required: COMMAND"


@pytest.mark.parametrize("command", ["install", "fix", "check", "undo", "verify"])
def test_an_empty_word(cli: Cli, command: str) -> None:
    reason, tip = answer(cli, f"{command} ''")
    assert re.fullmatch("one of the (wheels|subjects|projects) is empty", reason)
    assert tip == "leave it out, or see which variable is empty"


@pytest.mark.parametrize("command", ["fix", "check", "undo", "verify"])
def test_a_misspelled_project(cli: Cli, tmp_path: Path, command: str) -> None:
    site, target = lay(tmp_path / "site"), target_file(tmp_path)
    result = cli(command, "dmo", "--path", site, "--target-file", target)
    assert result.status == 1
    assert result.out.startswith("No project was found.\n")
    assert re.search(r"\ndmo: failed: .* installed.*\n  tip: did you mean demo\?\n", result.out)
    report = json.loads(cli(command, "dmo", "--path", site, "--target-file", target, "--json").out)
    assert report["looked_at"]["projects"] == 0


def test_quiet_check_names_what_is_misnamed_and_the_way_out(cli: Cli, tmp_path: Path) -> None:
    site, target = lay(tmp_path / "site"), target_file(tmp_path)
    result = cli("check", "-q", "--path", site, "--target-file", target)
    assert result.status == 1
    assert "\ndemo 1.0: " in result.out
    assert f"To fix it: muslfix fix --target-file {target} --path {site}\n" in result.out
