"""The settings of the project and of the environment, as the command line takes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli
from misnamed import RIGHT, WRONG, lay, speed

pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

LINKED = [f"_speed{RIGHT} -> _speed{WRONG}", f"_speed{WRONG}"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, below that of a project."""
    (tmp_path / "project/src").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project/src")
    return tmp_path / "project"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with a misnamed project."""
    return lay(tmp_path / "site")


def configure(project: Path, *lines: str) -> Path:
    path = project / "pyproject.toml"
    path.write_text("\n".join(["[tool.muslfix]", *lines, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "variable", "words", "found"),
    [
        (None, None, (), LINKED),
        ("mode = 'rename'", None, (), [f"_speed{RIGHT}"]),
        (None, "rename", (), [f"_speed{RIGHT}"]),
        ("mode = 'copy'", "rename", (), [f"_speed{RIGHT}"]),
        ("mode = 'copy'", "hardlink", ("--mode", "rename"), [f"_speed{RIGHT}"]),
        ("mode = 'rename'", None, ("--mode", "symlink"), LINKED),
    ],
)
def test_the_mode(
    cli: Cli,
    project: Path,
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str | None,
    variable: str | None,
    words: tuple[str, ...],
    found: list[str],
) -> None:
    if line is not None:
        configure(project, line)
    if variable is not None:
        monkeypatch.setenv("MUSLFIX_MODE", variable)
    result = cli("fix", "--path", site, *words)
    assert (result.status, result.err) == (0, "")
    assert speed(site) == found


def test_run_takes_them_too(cli: Cli, project: Path, site: Path) -> None:
    configure(project, "mode = 'rename'")
    assert cli("run", "--path", site, "--", "true").err == ""
    assert speed(site) in ([f"_speed{RIGHT}"], [f"_speed{WRONG}"])  # as far as it finds a change to fix


@pytest.mark.parametrize("command", ["fix", "check", "verify", "undo", "interpreter"])
def test_an_unknown_key_is_a_warning(
    cli: Cli, project: Path, site: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path = configure(project, "strikt = true")
    monkeypatch.setenv("MUSLFIX_MODUS", "copy")
    where = () if command == "interpreter" else ("--path", site)
    result = cli(command, *where)
    if command == "verify":  # which has no option that is a setting
        assert result.err == ""
        return
    assert result.err.startswith(
        f"warning: {path}: tool.muslfix.strikt is not a setting of muslfix\n"
        "warning: MUSLFIX_MODUS is not a setting of muslfix\n"
    )
    assert result.status in (0, 1)


def test_an_unknown_key_where_there_is_nothing_to_fix(cli: Cli, project: Path, site: Path) -> None:
    """Neither the short way nor ``-q`` is silent about it, and JSON has it too."""
    cli("fix", "--path", site)
    path = configure(project, "strikt = true")
    sentence = f"{path}: tool.muslfix.strikt is not a setting of muslfix"
    for words in ((), ("-q",), ("--json",)):
        assert cli("fix", "--path", site, *words).err == f"warning: {sentence}\n"
    document = json.loads(cli("check", "--path", site, "--json").out)
    assert document["warnings"] == [sentence]


@pytest.mark.parametrize("words", [("fix",), ("install", FIXTURES / "wheels/pure-1.0-py3-none-any.whl")])
def test_a_wrong_value_is_an_error(
    cli: Cli, project: Path, site: Path, words: tuple[str | Path, ...]
) -> None:
    path = configure(project, "mode = 'hope'")
    option = "--path" if words[0] == "fix" else "--target"
    result = cli(*words, option, site)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"error: {path}: tool.muslfix.mode is 'hope', but must be one of symlink, ")
    assert speed(site) == [f"_speed{WRONG}"]


def test_options_that_take_a_setting_back(
    cli: Cli, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = FIXTURES / "wheels/speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    target = FIXTURES / "targets/lab-cpython-3.9-musl-x86_64.json"
    unknown = "1 could not be checked for loading"
    words = ("check", "--target-file", target, wheel)
    assert unknown in cli(*words).out
    configure(project, "load-check = false")
    assert unknown not in cli(*words).out
    assert unknown in cli(*words, "--load-check").out
    monkeypatch.setenv("MUSLFIX_LOAD_CHECK", "1")
    assert unknown in cli(*words).out
    assert unknown not in cli(*words, "--no-load-check").out


def test_no_setting_holds_where_no_target_is_asked(cli: Cli, project: Path) -> None:
    configure(project, "strict = true", "load-check = false", "mode = 'copy'")
    result = cli("check", "--musl", FIXTURES / "wheels/speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl")
    assert (result.status, result.err) == (0, "")


def test_they_are_shown(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configure(project, "mode = 'copy'")
    monkeypatch.setenv("MUSLFIX_STRICT", "yes")
    assert cli("interpreter").out.endswith(
        f"\nsettings: mode = copy ({path}), strict = true (MUSLFIX_STRICT), load-check = true,"
        " break-system-packages = false, enabled = true\n"
    )


def test_a_working_directory_that_is_gone(cli: Cli, project: Path, site: Path) -> None:
    (project / "src").rmdir()
    assert cli("fix", "--path", site).status == 0
