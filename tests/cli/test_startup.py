"""What a command loads: of a small wheel's installation, loading modules is most of the work."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from wheelmaker import make_wheel

#: What judges extension modules and gives them names. Names of packages stand for all that is in them.
OF_MODULES = frozenset(
    {
        "elf.dynamic", "elf.symbols", "loader", "modules.candidate", "modules.candidates", "modules.plan",
        "modules.tree", "projects.names", "projects.trace", "report.modules", "rewheel.wheel_plan",
        "staging.rename",
    }
)  # fmt: skip

SEEN = """
import sys
sys.path[:0] = {path!r}
before = set(sys.modules)
try:
    {code}
except SystemExit:
    pass
loaded = set(sys.modules) - before
print(*(name for name in loaded if name.startswith("muslfix.") or name == "dataclasses"), file=sys.stderr)
"""


def loaded_by(code: str) -> set[str]:
    """The modules of muslfix, without its name, that a line of code loads in a new process.

    Among them is ``dataclasses`` of the standard library, which takes a fifth of the shortest command.
    """
    program = SEEN.format(path=sys.path, code=code)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return {name.removeprefix("muslfix.") for name in done.stderr.split("\n")[-2].split()}


def loaded_by_command(*words: object) -> set[str]:
    """The same of a command."""
    return loaded_by(f"import muslfix.cli; muslfix.cli.main({[str(word) for word in words]!r})")


@pytest.mark.parametrize("name", sorted(OF_MODULES))
def test_the_names_here_are_not_out_of_date(name: str) -> None:
    assert find_spec(f"muslfix.{name}") is not None


def test_the_installation_loads_nothing_that_reads_elf_files() -> None:
    """Threads inflate a wheel while this is loaded."""
    assert not loaded_by("import muslfix.verbs.install") & OF_MODULES


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--json",), ("-v",)])
def test_a_wheel_without_modules_loads_nothing_that_judges_them(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"p/__init__.py": b"a = 1\n"})
    loaded = loaded_by_command("install", "--prefix", tmp_path / "there", wheel, *words)
    assert "verbs.install" in loaded
    assert not loaded & OF_MODULES
    assert ("report.sentences" in loaded) is ("--json" not in words)
    assert (tmp_path / "there").exists() is (words != ("--dry-run",))


@pytest.mark.parametrize(
    "words", [("check",), ("verify",), ("fix", "demo"), ("run", "--", "true")], ids=" ".join
)
def test_a_tree_without_modules_loads_nothing_that_judges_them(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"p/__init__.py": b"a = 1\n"})
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    loaded = loaded_by_command(words[0], "--path", tmp_path / "site", *words[1:])
    assert f"verbs.{'fix' if words[0] == 'run' else words[0]}" in loaded
    assert not loaded & (OF_MODULES | {"verbs.check_named", "wheels.archive", "transaction.transaction"})


def test_a_wheel_with_modules_loads_it() -> None:
    """So that this file looks for the right names."""
    assert loaded_by("import muslfix.staging.rename, muslfix.loader.check, muslfix.rewheel.wheel_plan") >= {
        "modules.plan", "loader", "elf.dynamic", "modules.candidates", "projects.trace", "modules.tree",
    }  # fmt: skip


def test_undo_loads_no_planner_where_nothing_was_fixed(tmp_path: Path) -> None:
    loaded = loaded_by_command("undo", "--path", tmp_path)
    assert "verbs.undo" in loaded
    assert not loaded & (OF_MODULES - {"projects.names", "projects.trace"})


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version_loads_no_command(word: str) -> None:
    loaded = loaded_by_command(word)
    assert not {name for name in loaded if name.startswith("verbs")}
    assert loaded <= {
        "_version", "cli", "cli.dispatch", "cli.output", "cli.parser", "cli.terminal", "errors", "report",
        "report.lines", "parallel", "parallel.interrupts",
    }  # fmt: skip
