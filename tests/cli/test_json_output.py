"""``--json``: one document for every way in which a command can end, held against the schema."""

from __future__ import annotations

import json
import signal
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from checkout import FIXTURES
from commands import Cli, Result
from wheelmaker import make_wheel

SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
GLIBC_MODULE = (FIXTURES / "elf" / "x86_64-glibc.so").read_bytes()


def document(result: Result) -> Any:
    """The one document on stdout, which is a report."""
    data = json.loads(result.out)  # more than one would be an error
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


@pytest.mark.parametrize(
    ("words", "status", "kind", "command"),
    [
        (["fly", "--json"], 2, "UsageError", None),
        (["fix", "--no-such-option", "--json"], 2, "UsageError", "fix"),
        (["install", "--json"], 2, "UsageError", "install"),
        (["verify", "-q", "-v", "--json"], 2, "UsageError", "verify"),
        (["check", "--musl", "--json", "demo"], 2, "UsageError", "check"),
        (["repair", "--json", "x.whl"], 2, "UsageError", "repair"),
        (["completion", "--json"], 2, "UsageError", "completion"),
        (["explain", "--json", "hope"], 2, "UsageError", "explain"),
        (["undo", "--json", "--path", "{tmp}/absent"], 2, "UsageError", "undo"),
        (["install", "--json", "{tmp}/absent-1.0-py3-none-any.whl"], 1, "InvalidWheel", "install"),
        (["interpreter", "--json", "--python", "{tmp}/absent"], 1, "InterpreterError", "interpreter"),
        (["fix", "--json", "--target-file", "{tmp}"], 1, "InvalidTarget", "fix"),
        (["run", "--json", "--", "false"], 1, "CommandFailed", "run"),
        (["run", "--json", "--dry-run"], 2, "UsageError", "run"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_a_document_too(
    cli: Cli, tmp_path: Path, words: list[str], status: int, kind: str, command: str | None
) -> None:
    result = cli(*(word.format(tmp=tmp_path) for word in words))
    data = document(result)
    assert result.status == status
    assert (data["command"], data["projects"]) == (command, [])
    assert data["dry_run"] is ("--dry-run" in words or command == "check")
    error = data["error"]
    assert error["kind"] == kind
    if kind != "CommandFailed":
        said = error["reason"] if error["path"] is None else f"{error['path']}: {error['reason']}"
        assert result.err.split("\n")[0] == f"error: {said}"
        assert (f"tip: {error['tip']}\n" in result.err) is (error["tip"] is not None)


def test_a_refusal_names_the_files(cli: Cli, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl",
        {"m.cpython-39-x86_64-linux-gnu.so": GLIBC_MODULE},
    )
    result = cli("install", "--json", "--target-file", TARGET, "--target", tmp_path / "x", wheel)
    error = document(result)["error"]
    assert (result.status, error["kind"], error["path"]) == (1, "RefusedModules", str(wheel))
    (line,) = error["lines"]
    assert line.startswith("m.cpython-39-x86_64-linux-gnu.so: other-libc: it is linked to glibc")
    assert "musllinux wheel" in error["tip"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_so(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(
        "muslfix.targets.interpreter.read_target_file", lambda *_: signal.raise_signal(number)
    )
    result = cli("fix", "--json", "--target-file", TARGET)
    assert result.status == 130
    assert document(result)["error"]["kind"] == "Interrupted"


def test_a_result_has_no_error_and_is_one_document_whatever_the_status(cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "demo-1.0.dist-info").mkdir(parents=True)
    (site / "demo-1.0.dist-info" / "RECORD").touch()
    (site / "m.cpython-39-x86_64-linux-gnu.so").write_bytes(GLIBC_MODULE)
    well = cli("verify", "--json", "--target-file", TARGET, "--path", site)
    bad = cli("check", "--json", "-q", "--target-file", TARGET, site)
    assert (well.status, bad.status) == (0, 1)
    assert document(well)["error"] is document(bad)["error"] is None


def test_what_is_behind_two_hyphens_asks_for_nothing(cli: Cli) -> None:
    """It belongs to the command of ``run``, or is the name of a file."""
    assert cli("run", "--", "false", "--json").out == ""
    assert cli("install", "--", "--json").out == ""
