"""What README and docstrings show is what happens."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import pytest
from checkout import README
from commands import Cli
from commands import muslfix as muslfix_cli
from lab import layout
from lab_modules import Lab, environment_for, pip, run_in

import muslfix
from muslfix.cli.dispatch import _COMMANDS, _parser
from muslfix.hooks.common import Settings, read_settings

ROOT = Path(__file__).parent.parent
COMMANDS = list(_COMMANDS)
MODULES = [module.name for module in pkgutil.walk_packages(muslfix.__path__, "muslfix.")]


def blocks(language: str) -> list[str]:
    """The code blocks of the README in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def demonstration() -> list[str]:
    """The words of the demonstration's last command, behind ``-m muslfix``."""
    (line,) = [block for block in blocks("console") if "--target demo" in block]
    words = shlex.split(line.rpartition("&&")[2])
    return words[words.index("muslfix") + 1 :]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_docstrings_show_what_happens(name: str) -> None:
    shown = doctest.testmod(importlib.import_module(name), extraglobs={"sys": sys, "hashlib": hashlib})
    assert shown.failed == 0


def test_the_package_docstring_shows_what_happens() -> None:
    shown = doctest.testmod(muslfix, extraglobs={"sys": sys})
    assert shown.attempted > 0
    assert shown.failed == 0


def test_the_tests_that_security_names_are_there() -> None:
    named = re.findall(
        r"`(?:python )?((?:tests|fixtures)/[\w/]+\.py)", (ROOT / "SECURITY.md").read_text("utf-8")
    )
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_library_example_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names = {"python": sys.executable, "folder": str(tmp_path / "folder")}
    example = doctest.DocTestParser().get_doctest("".join(blocks("python")), names, "README", "README.md", 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_demonstration_prints_what_the_readme_says(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = [str(tmp_path / "demo") if word == "demo" else word for word in demonstration()]
    result = cli(*words)
    assert (result.status, result.err) == (0, "")
    assert result.out in blocks("text")


def test_the_readme_names_every_option(cli: Cli) -> None:
    for command in COMMANDS:
        options = set(re.findall(r"--[a-z-]+", cli(command, "--help").out)) - {
            "--help",
            "--verbose",
            "--quiet",
        }
        assert options or command in ("explain", "completion")
        assert sorted(option for option in options if option not in README) == []


# -- command blocks: each is run here, or stands in this table -----------------------------------------


def test_each_command_block_is_run_by_a_test() -> None:
    """A new block needs a test, or must be one that :func:`test_blocks_that_a_shell_runs` runs."""
    for block in blocks("console"):
        known = (
            block in PITCH
            or block in SHELL
            or "--target demo" in block  # the demonstration, word for word below
            or "nox" in block  # what the gate runs
            or block == "pip install .\n"  # what the demonstration begins with
        )
        assert known, block


PITCH = [block for block in blocks("console") if block.startswith("$ ")]
SHELL = [block for block in blocks("console") if re.match(r"(muslfix [a-z]+ [^\n]*\n)+\Z", block)]


@pytest.mark.parametrize("block", SHELL)
def test_blocks_that_a_shell_runs(block: str, own_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "muslfix"
    program.write_text(f"#!{sys.executable}\nfrom muslfix.cli import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    if "/usr/bin/python3" in block and not Path("/usr/bin/python3").exists():
        pytest.skip("no /usr/bin/python3 on this machine")
    with zipfile.ZipFile(own_wheel) as archive:
        archive.extractall(tmp_path / "modules", [n for n in archive.namelist() if ".dist-info/" in n])
    for name in ("alpine", "uv"):  # the two Pythons of the chapter on repair
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python3").symlink_to(sys.executable)
    (tmp_path / "dist").mkdir()
    shutil.copy(ROOT / "fixtures/wheels/pure-1.0-py3-none-any.whl", tmp_path / "dist")
    (tmp_path / ".local/share/bash-completion/completions").mkdir(parents=True)
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([*map(os.path.abspath, sys.path), str(tmp_path / "modules")]),
    }
    done = subprocess.run(
        ["sh", "-e", "-c", block], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = re.findall(r"> (\S+)", block)
    for name in made:
        assert Path(name.replace("~", str(tmp_path), 1) if "~" in name else tmp_path / name).read_text()
    assert done.stdout or made


@pytest.mark.lab
def test_the_pitch_is_what_happens(lab: Lab, tmp_path: Path) -> None:
    """On the real Python that imports ``-musl``, with the real wheel, word for word."""
    python = next(python for python in layout.PYTHONS if python.name == "39-musl")
    environment = environment_for(python, lab, tmp_path / "environment")
    before, after = ([line for line in block.split("\n") if line] for block in PITCH)
    wheels = [lab.wheel("cp39", name) for name in ("psycopg", "psycopg_binary", "typing_extensions")]
    done = pip(lab, environment, "install", "--no-deps", "--no-index", *wheels)
    assert done.status == 0
    assert before[0].split() == ["$", "pip", "install", "psycopg-binary==3.0.4"]
    assert "psycopg-binary-3.0.4" in done.out
    assert before[2] == '$ python -c "import psycopg"'
    failed = run_in(environment, "-c", "import psycopg")
    assert failed.status == 1
    assert before[3] in failed.err
    assert after[0] == "$ muslfix fix"
    fixed = muslfix_cli("fix", "--python", environment / "bin" / "python")
    assert fixed.out.rstrip("\n").split("\n") == after[1:]
    assert run_in(environment, "-c", "import psycopg").status == 0


@pytest.mark.network
def test_the_demonstration_word_for_word(tmp_path: Path) -> None:
    """In a copy of the checkout, with pip as it is: from nothing to the text in the README."""
    copy = tmp_path / "muslfix"
    for name in ("src", "fixtures"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    (tmp_path / "python3").symlink_to(sys.executable)
    (line,) = [block for block in blocks("console") if "--target demo" in block]
    done = subprocess.run(
        ["sh", "-e", "-c", line.replace("python3 ", f"'{sys.executable}' ", 1)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout in blocks("text")) == (0, True), done.stdout + done.stderr
    assert (copy / "demo/misnamed/_speed.cpython-39-arm-linux-musleabihf.so").is_symlink()


# -- other blocks -----------------------------------------------------------------------------------


def commands_in(text: str) -> list[str]:
    """The calls of muslfix in a text, but for those with placeholders, and commands that are only named."""
    calls = re.findall(r"(?<![\w/.-])(?:python -m |uvx )?muslfix ((?:[a-z]+)(?: [^`|&;\n]+)?)", text)
    complete = [call.strip() for call in calls if not re.search(r"\[|\.\.\.|[A-Z]{4}", call)]
    return [call for call in complete if " " in call]


def test_every_call_of_muslfix_is_understood() -> None:
    """In blocks and in code spans alike: each is a command line that the parser takes."""
    spans = re.findall(r"`([^`\n]+)`", README)
    code = [*spans, *blocks("console"), *blocks("dockerfile"), *blocks("text")]
    calls = [call for text in code for call in commands_in(text) if call.split()[0] in COMMANDS]
    assert len(calls) > 10
    parser = _parser([])
    for call in calls:
        words = shlex.split(call.partition(" > ")[0])
        assert parser.parse_args(words).run, call


def test_the_synopses_name_commands() -> None:
    synopses = [block for block in blocks("text") if block.startswith("muslfix ")]
    for block in synopses:
        parser = _parser([]).command(block.split()[1])
        assert parser is not None
        assert parser.format_usage().startswith(f"usage: {block.split(' -w')[0].rstrip()}")
    found = {block.split()[1] for block in synopses}
    assert found <= set(COMMANDS)
    assert set(COMMANDS) - found <= {"interpreter"}
    for command in COMMANDS:
        assert re.search(rf"^## `muslfix {command}`$", README, re.MULTILINE), f"no chapter on {command}"


@pytest.mark.parametrize("number", range(len(blocks("dockerfile"))))
def test_dockerfiles_are_well_formed(number: int) -> None:
    """By the parser of BuildKit itself, which the library wraps; and by a shell for what they run."""
    dockerfile = pytest.importorskip("dockerfile")
    text = blocks("dockerfile")[number]
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


def test_the_settings_in_the_readme_are_the_defaults(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("toml") if "[tool.muslfix]" in block]
    (tmp_path / "pyproject.toml").write_text(block)
    assert read_settings(str(tmp_path / "pyproject.toml")) == (Settings(), [])
    assert all(f"\n{field.name.replace('_', '-')} = " in block for field in fields(Settings))


# -- links, tables ----------------------------------------------------------------------------------


def test_no_chapter_stands_twice() -> None:
    headings = re.findall(r"^#+ .+$", README, re.MULTILINE)
    assert sorted(headings) == sorted(set(headings))


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", README):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif "://" not in link:
            assert (ROOT / link).exists(), link


def test_each_row_of_a_table_has_its_columns() -> None:
    for table in re.findall(r"(?:^\|.*\|\n)+", README, re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.rstrip().split("\n")}
        assert len(counts) == 1, table


def test_the_picture_is_what_is_shown() -> None:
    pytest.importorskip("rich")
    program = ROOT / "tests" / "pictures" / "draw.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run([sys.executable, program, "--check"], check=False, env=environment)
    assert done.returncode == 0, "python tests/pictures/draw.py draws it again"


def test_the_reference_names_all_that_the_library_offers() -> None:
    page = (ROOT / "tests" / "reference" / "index.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``(\w+)``", page)) - {"muslfix"}
    assert named == set(muslfix.__all__) - {"__version__"}


def test_the_changelog_names_every_command() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [
        command for command in COMMANDS if f"`muslfix {command}" not in text and f"`{command}`" not in text
    ] == []
    version = re.escape(muslfix.__version__)
    assert re.search(rf"^## \[{version}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


def test_the_contents_name_every_chapter() -> None:
    """But for the commands, which a table names, and those that everybody looks for at the end."""
    contents = README.partition("**Contents**:\n")[2].partition("\n\n")[0]
    chapters = re.findall(r"^## ([^`\n]+)$", README, re.MULTILINE)
    assert re.findall(r"^\[([^]]+)\]", contents, re.MULTILINE) == [
        name for name in chapters if name not in ("Findings", "Licence")
    ]


def test_the_gate_runs_the_test_command_of_the_readme() -> None:
    (command,) = [block.strip() for block in blocks("console") if "nox" in block]
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("words", [["-m", "muslfix"], ["-c", "import muslfix.cli as c; c.main()"]])
def test_version(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words, "-V"], check=True, capture_output=True, text=True)
    assert done.stdout == f"muslfix {muslfix.__version__}\n"
