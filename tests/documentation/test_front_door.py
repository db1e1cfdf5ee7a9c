"""The README: short, and what it shows is what happens, word for word."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import index_page
import pytest
from checkout import ROOT
from commands import Cli, Result
from commands import muslfix as muslfix_cli
from lab import layout
from lab_modules import Lab, environment_for, pip, run_in
from pages import README, blocks

import muslfix

BEFORE, AFTER = (
    [line for line in block.split("\n") if line] for block in blocks("console", "README.md") if "$ " in block
)
(MAIN_JOB,) = (block for block in blocks("console", "README.md") if "--target demo" in block)
SDIST = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE")
(TESTS,) = (block for block in blocks("console", "README.md") if "nox" in block)


def test_it_is_short() -> None:
    assert len(README.encode()) <= 12_000


def test_the_page_for_an_index_has_no_link_that_leads_nowhere() -> None:
    text = index_page.PAGE.read_text(encoding="utf-8")
    assert text == index_page.page(README), "run python tests/helpers/index_page.py"
    assert re.findall(r"!\[", text) == []
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    named = set(re.findall(r"\[`([^`]+)`\]", text))
    assert len(named) > 15
    assert all((ROOT / name).exists() and name.startswith(("docs/", *SDIST)) for name in named)


@pytest.mark.lab
def test_the_failing_import_and_the_fix(lab: Lab, tmp_path: Path) -> None:
    """On a real Python that imports ``-musl``, with the real wheel."""
    python = next(python for python in layout.PYTHONS if python.name == "39-musl")
    environment = environment_for(python, lab, tmp_path / "environment")
    comment, make, install, run, error = BEFORE
    assert comment.startswith("# in ")
    assert make == "$ uv venv --python 3.9"
    projects = install.partition("$ uv pip install ")[2].split()
    wheels = [lab.wheel("cp39", project.partition("==")[0].replace("-", "_")) for project in projects]
    for project, wheel in zip(projects, wheels):
        assert wheel.name.startswith(project.replace("-", "_").replace("==", "-") + "-")
    wheels.append(lab.wheel("cp39", "typing_extensions"))
    assert pip(lab, environment, "install", "--no-deps", "--no-index", *wheels).status == 0
    code = run.partition("$ .venv/bin/python ")[2]
    failed = run_in(environment, *shlex.split(code))
    assert failed.status == 1
    assert error in failed.err
    assert AFTER[0] == "$ muslfix fix"
    fixed = muslfix_cli("fix", "--python", environment / "bin" / "python")
    shown = Result.of(0, "\n".join(AFTER[1:]) + "\n", "")
    assert fixed.out == shown.out
    here = shown.looked_at.replace("/app/.venv", str(environment)).replace("(.venv)", "(--python)")
    assert fixed.looked_at == here
    assert run_in(environment, *shlex.split(code)).status == 0


def test_the_main_job_prints_what_is_shown(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(MAIN_JOB.rpartition("&&")[2])
    words = words[words.index("muslfix") + 1 :]
    result = cli(*(str(tmp_path / "demo") if word == "demo" else word for word in words))
    assert (result.status, result.err) == (0, "")
    assert result.out in blocks("text", "README.md")


@pytest.mark.network
def test_the_main_job_word_for_word(tmp_path: Path) -> None:
    """In a copy of the checkout, with pip as it is: from nothing to the text in the README."""
    copy = tmp_path / "muslfix"
    for name in ("src", "fixtures"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "pyproject.toml", "docs/package-index.md"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    done = subprocess.run(
        ["sh", "-e", "-c", MAIN_JOB.replace("python3 ", f"'{sys.executable}' ", 1)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout in blocks("text", "README.md")) == (0, True), (
        done.stdout + done.stderr
    )
    assert (copy / "demo/speedy/_speed.cpython-310-x86_64-linux-musl.so").is_symlink()


def test_the_gate_runs_the_tests_by_the_same_command() -> None:
    assert TESTS.strip() in (ROOT / ".ci/run").read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize("words", [["-m", "muslfix"], ["-c", "import muslfix.cli as c; c.main()"]])
def test_version(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words, "-V"], check=True, capture_output=True, text=True)
    assert done.stdout == f"muslfix {muslfix.__version__}\n"


@pytest.mark.lab
def test_the_terminal_pictures_are_what_is_shown() -> None:
    pytest.importorskip("rich")
    program = ROOT / "tests" / "pictures" / "draw.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run([sys.executable, program, "--check"], check=False, env=environment)
    assert done.returncode == 0, "python tests/pictures/draw.py draws it again"


def test_each_picture_says_what_it_shows() -> None:
    """Where a picture is not shown, its text is all there is."""
    for text in re.findall(r"!\[([^]]*)\]", README):
        assert len(text) > 40
