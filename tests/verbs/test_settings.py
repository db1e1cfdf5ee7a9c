"""The settings of a project: where they come from, which one wins, and what is wrong with them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from bad_files import NO_FILE, Make, text
from trees import states

from muslfix.targets.environments import find_pyproject
from muslfix.verbs.settings import Settings, read_settings
from muslfix.verdicts import Mode

pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")


def read(path: Path, **variables: str) -> tuple[Settings, list[str]]:
    """The settings, and what is wrong with them."""
    found = read_settings(str(path), variables)
    return found.settings, found.problems


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", Settings()),
        ('[project]\nname = "muslfix"\n', Settings()),
        ("[tool.muslfix]\n", Settings()),
        ("[tool]\nmuslfix = {}\n", Settings()),
        ("[tool.muslfix]\nenabled = false\n", Settings(enabled=False)),
        ("[tool.muslfix]\nstrict = true\n", Settings(strict=True)),
        ("[tool.muslfix]\nload-check = false\n", Settings(load_check=False)),
        ("[tool.muslfix]\nbreak-system-packages = true\n", Settings(break_system_packages=True)),
        *((f'[tool.muslfix]\nmode = "{mode}"\n', Settings(mode=mode)) for mode in Mode),
        ("[tool.other]\nenabled = false\n# muslfix\n", Settings()),
        ('tool.muslfix = { strict = true, mode = "copy" }', Settings(strict=True, mode=Mode.COPY)),
    ],
)
def test_settings(tmp_path: Path, text: str, settings: Settings) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    assert read(path) == (settings, [])


def test_no_file_means_no_settings(tmp_path: Path) -> None:
    assert read(tmp_path / "pyproject.toml") == (Settings(), [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('enabled = "no"', "tool.muslfix.enabled is 'no', but must be true or false"),
        ("strict = 1", "tool.muslfix.strict is 1, but must be true or false"),
        ("mode = true", f"tool.muslfix.mode is True, but must be one of {', '.join(Mode)}"),
        (
            "mode = ['copy']",
            f"tool.muslfix.mode is ['copy'], but must be one of {', '.join(Mode)}",
        ),
        ("load_check = true", "tool.muslfix.load_check is not a setting of muslfix"),
        ("strikt = true", "tool.muslfix.strikt is not a setting of muslfix"),
        (f"{'x' * 99} = 1", f"tool.muslfix.{'x' * 40} is not a setting of muslfix"),
        (f"mode = '{'y' * 99}'", f"tool.muslfix.mode is '{'y' * 39}, but must be one of {', '.join(Mode)}"),
    ],
)
def test_a_wrong_value_does_not_spoil_the_others(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.muslfix]\n{line}\nbreak-system-packages = true\n", encoding="utf-8")
    assert read(path) == (Settings(break_system_packages=True), [f"{path}: {problem}"])


DEEP = 100_000
DAMAGED = {
    "no TOML": b"[tool.muslfix\n",
    "not UTF-8": b"[tool.muslfix]\nmode = '\xff'\n",
    "deep": b"muslfix = " + b"[" * DEEP + b"]" * DEEP,
    "too large": b"[tool.muslfix]\n" + b"#" * (4 * 1024 * 1024),
    "tool is no table": b"tool = 'muslfix'",
    "no table": b"[tool]\nmuslfix = 1\n",
    "a list of tables": b"[[tool.muslfix]]\nenabled = false\n",
    "NUL": b"[tool.muslfix]\nmode = '\0'\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_settings_are_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)
    settings, problems = read(path)
    assert settings == Settings()
    if b"tool = " in content:  # that has no settings of muslfix
        assert problems == []
    else:
        (problem,) = problems
        assert re.fullmatch(r"/.+/pyproject\.toml: cannot be read, so the settings .+ \([^\n]+\)", problem)


def test_a_python_that_reads_no_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.11 tomli is needed, which the extras bring; without settings nobody misses it."""
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.muslfix]\nenabled = false\n", encoding="utf-8")
    settings, (problem,) = read(path)
    assert settings == Settings()
    assert problem.startswith(
        f"{path}: the settings of muslfix are ignored: this Python needs tomli to read them ("
    )
    path.write_text("[tool.other]\n", encoding="utf-8")
    assert read(path) == (Settings(), [])


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.mkdir()
    assert "(not a regular file)" in read(path)[1][0]
    path.rmdir()
    os.mkfifo(path)
    assert "(not a regular file)" in read(path)[1][0]
    path.unlink()
    path.symlink_to(path)
    assert "(Too many levels of symbolic links)" in read(path)[1][0]


@pytest.mark.parametrize(
    ("content", "asks"),
    [
        ("[tool.muslfix]\n", True),
        ("[ tool . 'muslfix' ]\n", True),
        ("[tool]\nmuslfix = {}\n", True),
        ("tool.muslfix.strict = true\n", True),
        ("[project]\ndependencies = ['muslfix']\n", False),
        ("[tool.poetry.requires-plugins]\nmuslfix = '*'\n", False),
    ],
)
def test_a_parser_is_missed_only_where_there_are_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, asks: bool
) -> None:
    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "pyproject.toml"
    path.write_text(content, encoding="utf-8")
    assert bool(read(path)[1]) is asks


# -- variables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "settings"),
    [
        ("MUSLFIX_MODE", "copy", Settings(mode=Mode.COPY)),
        ("MUSLFIX_STRICT", "1", Settings(strict=True)),
        ("MUSLFIX_STRICT", "True", Settings(strict=True)),
        ("MUSLFIX_LOAD_CHECK", "off", Settings(load_check=False)),
        ("MUSLFIX_LOAD_CHECK", "0", Settings(load_check=False)),
        ("MUSLFIX_BREAK_SYSTEM_PACKAGES", "yes", Settings(break_system_packages=True)),
        ("MUSLFIX_ENABLED", "no", Settings(enabled=False)),
        ("MUSLFIX_STRICT", "", Settings()),
        ("MUSLFIX_LAB", "/lab", Settings()),
        ("MUSLFIX_REQUIRE_ARM", "1", Settings()),
    ],
)
def test_variables(name: str, value: str, settings: Settings) -> None:
    found = read_settings(None, {name: value, "HOME": "/x"})
    assert (found.settings, found.problems) == (settings, [])


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("MUSLFIX_MODE", "hope", f"MUSLFIX_MODE is 'hope', but must be one of {', '.join(Mode)}"),
        ("MUSLFIX_MODE", "1", f"MUSLFIX_MODE is '1', but must be one of {', '.join(Mode)}"),
        ("MUSLFIX_STRICT", "maybe", "MUSLFIX_STRICT is 'maybe', but must be true or false"),
        ("MUSLFIX_STRIKT", "1", "MUSLFIX_STRIKT is not a setting of muslfix"),
    ],
)
def test_wrong_variables(name: str, value: str, problem: str) -> None:
    found = read_settings(None, {name: value})
    assert (found.settings, found.problems) == (Settings(), [problem])


def test_a_variable_overrules_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.muslfix]\nmode = 'copy'\nstrict = true\n", encoding="utf-8")
    found = read_settings(str(path), {"MUSLFIX_STRICT": "0"})
    assert found.settings == Settings(mode=Mode.COPY)
    assert found.origins == {"mode": str(path), "strict": "MUSLFIX_STRICT"}


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    assert find_pyproject(str(inner)) == str(tmp_path / "pyproject.toml")
    (inner / "pyproject.toml").touch()
    assert find_pyproject(str(inner)) == str(inner / "pyproject.toml")


# -- settings that were written to harm -------------------------------------------------------------

PARTS = ".".join(["a"] * 30_000)
BAD_SETTINGS: dict[str, Make] = {
    **NO_FILE,
    "a key of 30 000 parts": text(f"[tool.muslfix]\n{PARTS} = 1\n"),
    "keys of a table of 20 000 parts": text(
        f"[tool.muslfix]\n[{PARTS}]\n" + "".join(f"b{n} = 1\n" for n in range(20_000))
    ),
    "a million digits": text(f"[tool.muslfix]\nmode = {'1' * 1_000_000}\n"),
    "deep list": text("[tool]\nmuslfix = " + "[" * 50_000),
    "deep table": text("[tool]\nmuslfix = " + "{a=" * 50_000),
    "UTF-16": text("[tool.muslfix]".encode("utf-16") + b"muslfix"),
    "a key twice": text("[tool.muslfix]\nmode = 'copy'\nmode = 'copy'\n"),
    "a table twice": text("[tool.muslfix]\n[tool.muslfix]\n"),
    "escape": text("[tool.muslfix]\nmode = '\x1b[31m'\n"),
}


@pytest.mark.parametrize("make", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_they_are_not_taken_and_the_reason_is_one_sentence(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "pyproject.toml"
    make(path)
    before = states(tmp_path)
    settings_read, (problem,) = read(path)
    assert states(tmp_path) == before
    assert settings_read == Settings()
    assert problem.startswith(f"{path}: cannot be read, so the settings of muslfix are ignored (")
    assert len(problem) < 1_000
