"""The short way of the hooks: mostly there is nothing to fix, and that must cost next to nothing."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from environments import site_packages
from misnamed import RIGHT, WRONG, lay, small_files

from muslfix.hooks.common import Outcome, Place, fix_place
from muslfix.hooks.short_way import has_nothing_to_fix

#: What a hook loads where there is nothing to fix; the tools have loaded the standard library's part.
LOADED = {
    "_version", "errors", "files", "files.access", "hooks",
    "hooks.common", "hooks.short_way", "report", "report.places",
    "targets", "targets._probe", "targets.environments",
    "verbs", "verbs.nothing_to_fix", "verbs.settings", "verbs.strays", "verdicts",
}  # fmt: skip


@pytest.fixture
def site(environment: Path) -> Path:
    """The site directory of an environment in which all is well, with a project that has a module."""
    place = site_packages(environment)
    lay(place, "good", {**small_files("good"), f"good/_speed{RIGHT}": b""})
    return place


@pytest.fixture
def python(environment: Path) -> str:
    return str(environment / "bin/python")


def make_editable(site: Path, pth: str) -> None:
    lay(site, "edit", {"edit.pth": pth.encode(), "edit-1.0.dist-info/direct_url.json": b"{}"})
    (site / "edit-1.0.dist-info/direct_url.json").write_text(json.dumps({"dir_info": {"editable": True}}))


def test_what_it_loads(site: Path, python: str, tmp_path: Path) -> None:
    make_editable(site, str(tmp_path / "src"))
    (tmp_path / "src").mkdir()
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from muslfix.hooks.common import Place, fix_place
print(fix_place(lambda: Place({python!r}, {str(tmp_path / "pyproject.toml")!r})))
print(*(name[8:] for name in sys.modules if name.startswith("muslfix.")))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    said, loaded = done.stdout.strip().split("\n")
    assert said == str(Outcome())
    assert set(loaded.split()) <= LOADED


def test_a_misnamed_module_is_found(site: Path, python: str) -> None:
    assert has_nothing_to_fix(python)
    lay(site, "bad", {f"bad/_speed{WRONG}": b""})
    assert not has_nothing_to_fix(python)
    assert not has_nothing_to_fix(python, [str(site)])


def test_other_directories(python: str, tmp_path: Path) -> None:
    """PDM can keep projects beside the interpreter's own."""
    lay(tmp_path / "lib", "bad", {f"bad/_speed{WRONG}": b""})
    assert has_nothing_to_fix(python)
    assert not has_nothing_to_fix(python, [str(tmp_path / "lib")])
    assert not has_nothing_to_fix(python, [str(tmp_path / "absent")])


@pytest.mark.parametrize(
    ("files", "is_well"),
    [
        ((), True),
        (("edit/_speed{RIGHT}", "edit/plain.so", "edit/__init__.py"), True),
        (("edit/_speed{WRONG}",), False),
        (("edit/deep/er/_speed{WRONG}",), False),
        (("edit/_speed.cpython-36m-x86_64-linux-gnu.so",), False),
        ((".venv/lib/x/_speed{WRONG}",), True),
        (("env/pyvenv.cfg", "env/lib/_speed{WRONG}"), True),
    ],
)
def test_an_editable_project(
    site: Path, python: str, tmp_path: Path, files: tuple[str, ...], is_well: bool
) -> None:
    make_editable(site, f"# made by a tool\n{tmp_path / 'src'}\n")
    (tmp_path / "src").mkdir()
    for name in files:
        path = tmp_path / "src" / name.format(RIGHT=RIGHT, WRONG=WRONG)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert has_nothing_to_fix(python) is is_well


@pytest.mark.parametrize("pth", ["import __editable___edit_finder\n", "src\n", "", "# nothing\n"])
def test_an_editable_project_that_must_be_looked_at_in_full(site: Path, python: str, pth: str) -> None:
    make_editable(site, pth)
    assert not has_nothing_to_fix(python)


def test_a_large_source_tree(
    site: Path, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_editable(site, str(tmp_path / "src"))
    (tmp_path / "src").mkdir()
    for number in range(5):
        (tmp_path / "src" / f"m{number}.py").touch()
    monkeypatch.setattr("muslfix.hooks.short_way._MAX_ENTRIES", 5)
    assert has_nothing_to_fix(python)
    monkeypatch.setattr("muslfix.hooks.short_way._MAX_ENTRIES", 4)
    assert not has_nothing_to_fix(python)


def test_a_link_in_a_source_tree(site: Path, python: str, tmp_path: Path) -> None:
    make_editable(site, str(tmp_path / "src"))
    (tmp_path / "src").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "src" / "pkg").symlink_to(tmp_path / "elsewhere")
    assert has_nothing_to_fix(python)
    (tmp_path / "elsewhere" / f"m{WRONG}").touch()
    assert not has_nothing_to_fix(python)


def test_a_source_tree_that_cannot_be_searched(
    site: Path, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_editable(site, str(tmp_path / "src"))
    (tmp_path / "src" / "a").mkdir(parents=True)
    assert has_nothing_to_fix(python)
    scandir = os.scandir

    def fail(path: str) -> object:
        if os.fspath(path) == str(tmp_path / "src" / "a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    assert not has_nothing_to_fix(python)


@pytest.mark.parametrize("setting", ["include-system-site-packages = true", "home = /usr"])
def test_an_environment_that_sees_more_than_itself(environment: Path, python: str, setting: str) -> None:
    (environment / "pyvenv.cfg").write_text(setting + "\n")
    assert not has_nothing_to_fix(python)


@pytest.mark.parametrize(
    "script", ["echo PyPy", "echo pypy python3.11 lib .so", "exit 1", "kill -9 $$", "printf '\\377'"]
)
def test_an_interpreter_that_answers_something_else(environment: Path, python: str, script: str) -> None:
    Path(python).unlink()
    Path(python).write_text(f"#!/bin/sh\n{script}\n")
    Path(python).chmod(0o755)
    assert not has_nothing_to_fix(python)


def test_no_interpreter(environment: Path, python: str) -> None:
    Path(python).unlink()
    assert not has_nothing_to_fix(python)
    assert fix_place(lambda: Place(python, "/nonexistent")).problems


def test_a_variable_that_makes_a_python_describe_another(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_nothing_to_fix(python)
    monkeypatch.setenv("_PYTHON_SYSCONFIGDATA_NAME", "x")
    assert not has_nothing_to_fix(python)
