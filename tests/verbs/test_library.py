"""The public functions: paths of every kind, lists that are none, and errors of one family."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from misnamed import RIGHT, WRONG, lay, speed

import muslfix
from muslfix import MuslfixError

PURE = FIXTURES / "wheels/pure-1.0-py3-none-any.whl"
TARGET_FILE = FIXTURES / "targets/lab-cpython-3.9-musl-x86_64.json"
TARGET = muslfix.read_target_file(TARGET_FILE)
COMMANDS: dict[str, Callable[..., object]] = {
    "install": lambda given: muslfix.install(given, TARGET),
    "fix": lambda given: muslfix.fix(given, TARGET),
    "check": lambda given: muslfix.check(given, TARGET),
    "undo": lambda given: muslfix.undo(given, TARGET),
    "verify": lambda given: muslfix.verify(given, TARGET),
    "repair": lambda given: muslfix.repair(given, [TARGET], muslfix.RepairOptions(in_place=True)),
}
OPTIONS: tuple[Callable[..., object], ...] = (
    muslfix.FixOptions,
    muslfix.CheckOptions,
    muslfix.UndoOptions,
    muslfix.VerifyOptions,
)


@pytest.mark.parametrize("given", ["numpy", PURE, b"numpy", None, 1], ids=repr)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_list_is_refused(command: str, given: object) -> None:
    with pytest.raises(MuslfixError, match=r"is .+, but must be a list") as caught:
        COMMANDS[command](given)
    assert caught.value.tip == f"write [{given!r}]"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_list_of_something_else_is_refused(command: str) -> None:
    with pytest.raises(MuslfixError, match=r"is b'numpy', but must be a str or an os\.PathLike"):
        COMMANDS[command]([b"numpy"])


@pytest.mark.parametrize("options", OPTIONS)
def test_options_take_lists_of_paths(options: Callable[..., Any], tmp_path: Path) -> None:
    assert options(paths=[tmp_path, "x"]).paths == (str(tmp_path), "x")
    with pytest.raises(MuslfixError, match="paths is 'x', but must be a list"):
        options(paths="x")


def test_options_take_paths_and_the_word_of_a_mode(tmp_path: Path) -> None:
    options = muslfix.InstallOptions(folder=tmp_path, mode="copy")  # type: ignore[arg-type]
    assert (options.folder, options.mode) == (str(tmp_path), muslfix.Mode.COPY)
    assert isinstance(options.mode, muslfix.Mode)
    with pytest.raises(
        MuslfixError, match="mode is 'hope', but must be one of symlink, hardlink, copy, rename"
    ):
        muslfix.FixOptions(mode="hope")  # type: ignore[arg-type]
    with pytest.raises(MuslfixError, match=r"prefix is 1, but must be a str or an os\.PathLike"):
        muslfix.InstallOptions(prefix=1)  # type: ignore[arg-type]


def test_paths_from_beginning_to_end(tmp_path: Path) -> None:
    report = muslfix.install([PURE], TARGET, muslfix.InstallOptions(folder=tmp_path / "flat"))  # type: ignore[arg-type]
    assert [project.action for project in report.projects] == ["installed"]
    assert muslfix.check([PURE, tmp_path / "flat"], TARGET).is_well
    site = lay(tmp_path / "site")
    muslfix.fix(["demo"], muslfix.probe(sys.executable), muslfix.FixOptions(paths=[site]))  # type: ignore[arg-type]
    assert speed(site) == [f"_speed{RIGHT} -> _speed{WRONG}", f"_speed{WRONG}"]


def test_a_single_target_is_refused() -> None:
    with pytest.raises(MuslfixError, match="targets is a single target, but must be a list"):
        muslfix.repair([PURE], TARGET, muslfix.RepairOptions(in_place=True))  # type: ignore[arg-type]


def test_probe_takes_an_environment(environment: Path) -> None:
    by_program = muslfix.probe(environment / "bin/python")
    assert muslfix.probe(environment) == muslfix.probe(str(environment)) == by_program
    assert by_program.prefix == str(environment)


@pytest.mark.parametrize(
    "call",
    [
        lambda: muslfix.probe("/nonexistent"),
        lambda: muslfix.probe(1),  # type: ignore[arg-type]
        lambda: muslfix.read_target_file(Path("/nonexistent")),
        lambda: muslfix.read_target_file(None),  # type: ignore[arg-type]
        lambda: muslfix.read_target_root(Path("/nonexistent")),
        lambda: muslfix.read_target_root(1),  # type: ignore[arg-type]
        lambda: muslfix.parse_target_spec(1),  # type: ignore[arg-type]
        lambda: muslfix.parse_target_spec("x"),
        lambda: muslfix.install(["numpy"], TARGET),
        lambda: muslfix.fix(["ujson==1"], TARGET),
    ],
)
def test_every_error_is_a_muslfix_error(call: Callable[[], object]) -> None:
    with pytest.raises(MuslfixError):
        call()
