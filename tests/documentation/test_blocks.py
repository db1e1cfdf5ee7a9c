"""Every block and every command in the README and in the manual: run, or at least understood."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT
from commands import Cli
from environments import install_by_installer
from misnamed import make_demo
from pages import MANUAL, PAGES, blocks
from required import lacks

from muslfix.cli.dispatch import _COMMANDS, _parser
from muslfix.verbs.settings import Settings, read_settings

COMMANDS = list(_COMMANDS)

#: Blocks that nothing but calls of muslfix are in.
SHELL = [block for block in blocks("console") if re.fullmatch(r"(muslfix [a-z]+[^\n]*\n)+", block)]

#: Blocks that are run elsewhere, by a part of them.
ELSEWHERE = {
    "$ ": "tests/documentation/test_front_door.py",
    "--target demo": "tests/documentation/test_front_door.py",
    ".venv/bin/nox\n": "the gate",
    "pip install .\n": "the beginning of the README's main job",
    "pre-commit install\n": "whoever contributes",
    "fuzz/bin/python": "whoever fuzzes: atheris is not among the tools of the tests",
}


@pytest.mark.parametrize("language", ["console", "python", "dockerfile", "toml", "text"])
def test_there_are_blocks(language: str) -> None:
    assert blocks(language)


def test_each_command_block_is_run_by_a_test() -> None:
    for block in blocks("console"):
        assert block in SHELL or any(part in block for part in ELSEWHERE), block


@pytest.mark.parametrize("block", SHELL)
def test_blocks_that_a_shell_runs(block: str, own_wheel: Path, environment: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "muslfix"
    program.write_text(f"#!{sys.executable}\nfrom muslfix.cli import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    if "/usr/bin/python3" in block and not Path("/usr/bin/python3").exists():
        lacks("no /usr/bin/python3 on this machine")
    with zipfile.ZipFile(own_wheel) as archive:
        archive.extractall(tmp_path / "modules", [n for n in archive.namelist() if ".dist-info/" in n])
    for name in ("alpine", "uv"):  # the two Pythons of the page on repair
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python3").symlink_to(sys.executable)
    install_by_installer(environment, make_demo(tmp_path))
    (tmp_path / "dist").mkdir()
    shutil.copy(ROOT / "fixtures/wheels/pure-1.0-py3-none-any.whl", tmp_path / "dist")
    (tmp_path / ".local/share/bash-completion/completions").mkdir(parents=True)
    variables = {
        **os.environ,
        "VIRTUAL_ENV": str(environment),
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([*map(os.path.abspath, sys.path), str(tmp_path / "modules")]),
    }
    before = "muslfix fix >/dev/null\n" if "muslfix undo" in block else ""
    done = subprocess.run(
        ["sh", "-e", "-c", before + block],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1 if block == "muslfix check\n" else 0, "")
    made = re.findall(r"> (\S+)", block)
    for name in made:
        assert Path(name.replace("~", str(tmp_path), 1) if "~" in name else tmp_path / name).read_text()
    assert done.stdout or made


@pytest.mark.parametrize("page", [name for name in PAGES if blocks("python", name)])
def test_the_python_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names = {"python": sys.executable, "directory": str(tmp_path / "directory")}
    example = doctest.DocTestParser().get_doctest("".join(blocks("python", page)), names, page, page, 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def commands_in(text: str) -> list[str]:
    """The calls of muslfix in a text, except those with placeholders, and commands that are only named."""
    calls = re.findall(r"(?<![\w/.-])(?:python -m |uvx )?muslfix ((?:[a-z]+)(?: [^`|&;\n]+)?)", text)
    complete = [call.strip() for call in calls if not re.search(r"\[|\.\.\.|[A-Z]{4}", call)]
    return [call for call in complete if " " in call]


def test_every_call_of_muslfix_is_understood() -> None:
    """In blocks and in code spans alike: each is a command line that the parser takes."""
    spans = [span for text in MANUAL.values() for span in re.findall(r"`([^`\n]+)`", text)]
    code = [*spans, *blocks("console"), *blocks("dockerfile"), *blocks("yaml"), *blocks("text", *MANUAL)]
    calls = [call for text in code for call in commands_in(text) if call.split()[0] in COMMANDS]
    assert len(calls) > 20
    parser = _parser([])
    for call in calls:
        words = shlex.split(call.partition(" > ")[0])
        assert parser.parse_args(words).run, call


def test_the_overview_names_every_command() -> None:
    named = re.findall(r"^\| \[`muslfix (\w+)", PAGES["docs/commands.md"], re.MULTILINE)
    assert sorted(named) == sorted(COMMANDS)


def test_the_synopses_are_those_of_the_commands() -> None:
    synopses = [line for text in MANUAL for block in blocks("text", text) for line in block.split("\n")]
    synopses = [line for line in synopses if line.startswith("muslfix ")]
    assert len(synopses) > 5
    for line in synopses:
        parser = _parser([]).command(line.split()[1])
        assert parser is not None
        assert parser.format_usage().startswith(f"usage: {re.split(' -w| --in-place', line)[0]}")


def test_every_option_that_is_named_exists(cli: Cli) -> None:
    known = {
        option for command in COMMANDS for option in re.findall(r"--[a-z-]+", cli(command, "--help").out)
    }
    for line in "\n".join(MANUAL[name] for name in ("docs/install.md", "docs/fix.md", "docs/check.md")).split(
        "\n"
    ):
        if "uv sync" not in line and "pip install" not in line and "COPY" not in line:
            assert set(re.findall(r"`(--[a-z-]+)", line)) <= known, line


@pytest.mark.parametrize("text", blocks("dockerfile"), ids=range(len(blocks("dockerfile"))))
def test_dockerfiles_are_well_formed(text: str) -> None:
    """By the parser of BuildKit itself, which the library wraps; and by a shell for what they run."""
    dockerfile = pytest.importorskip("dockerfile")
    steps = dockerfile.parse_string(text)
    known = {"from", "run", "copy", "env", "workdir"}
    assert {step.cmd.lower() for step in steps} <= known
    assert steps[0].cmd.lower() == "from"
    assert "muslfix" in text
    for step in steps:
        if step.cmd.lower() == "run":
            subprocess.run(["sh", "-n", "-c", " ".join(step.value)], check=True)
    stages = {value for step in steps if step.cmd.lower() == "from" for value in step.value[2:]}
    taken = {flag.partition("=")[2] for step in steps for flag in step.flags if flag.startswith("--from=")}
    assert all("/" in name or name in stages for name in taken), "each --from is an image or a stage"


def test_the_settings_shown_are_the_defaults(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("toml") if "[tool.muslfix]" in block]
    (tmp_path / "pyproject.toml").write_text(block)
    found = read_settings(str(tmp_path / "pyproject.toml"), {})
    assert (found.settings, found.problems) == (Settings(), [])
    assert all(f"\n{field.replace('_', '-')} = " in block for field in Settings._fields)
