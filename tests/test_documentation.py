"""What README and docstrings show is what happens."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import Cli

import muslfix

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
    for command in ("install", "fix", "check", "undo", "verify", "repair", "run", "interpreter"):
        options = set(re.findall(r"--[a-z-]+", cli(command, "--help").out)) - {
            "--help",
            "--verbose",
            "--quiet",
        }
        assert options
        assert sorted(option for option in options if option not in README) == []


def test_the_gate_runs_the_test_command_of_the_readme() -> None:
    (command,) = [block.strip() for block in blocks("console") if "nox" in block]
    assert command in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("words", [["-m", "muslfix"], ["-c", "import muslfix.cli as c; c.main()"]])
def test_version(words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words, "-V"], check=True, capture_output=True, text=True)
    assert done.stdout == f"muslfix {muslfix.__version__}\n"
