"""What the words of a command name, whatever tool it is."""

from __future__ import annotations

import pytest

from muslfix.cli.command_words import read_command

ENVIRON = {"HOME": "/home/me", "VENV": "/opt/venv"}


@pytest.mark.parametrize(
    ("command", "programs", "given"),
    [
        (["pip", "install", "x"], ["pip"], []),
        (["/opt/bin/pip3.11", "install", "-t", "lib", "x"], ["/opt/bin/pip3.11"], ["lib"]),
        (["pip", "install", "-tlib", "--prefix=out", "x"], ["pip"], ["lib", "out"]),
        (["python3", "-m", "pip", "install"], ["python3"], ["pip"]),
        (["python", "-Im", "pip", "--python", ".venv"], ["python"], ["pip", ".venv"]),
        (["env", "X=1", "A=b=c", "pip", "install"], ["env", "pip"], ["1", "b=c"]),
        (["sudo", "-E", "/v/bin/pip", "install"], ["sudo", "/v/bin/pip"], ["/v/bin/pip"]),
        (["uv", "pip", "install", "-p", ".venv"], ["uv"], [".venv"]),
        (
            ["uv", "--offline", "pip", "install", "--python", "3.12"],
            ["uv", "python3.12"],
            ["python3.12", "3.12"],
        ),
        (["uv", "sync", "--python=3.13.1t"], ["uv", "python3.13t"], ["python3.13t", "3.13.1t"]),
        (["uv", "sync", "-p", "python3.9"], ["uv", "python3.9"], ["python3.9"]),
        (["sh", "-c", "cd app; .venv/bin/pip install -t lib"], ["sh", ".venv/bin/pip"], ["lib"]),
        (["sh", "-c", "sh -c 'pip install x&&uv sync -p v'"], ["sh", "pip"], ["v"]),
        (["sh", "-c", "'open quote pip"], ["sh", "pip"], []),
        (
            ["$VENV/bin/pip", "-t", "~/lib", "${NO}x"],
            ["$VENV/bin/pip", "/opt/venv/bin/pip"],
            ["/home/me/lib"],
        ),
        (["make", "DESTDIR=out", "install"], ["make"], ["out"]),
    ],
)
def test_programs_and_paths(command: list[str], programs: list[str], given: list[str]) -> None:
    named = read_command(command, ENVIRON)
    assert list(named.programs) == programs
    assert set(given) <= {value for value, is_given in named.values.items() if is_given}


def test_every_word_may_be_a_path() -> None:
    named = read_command(["pip", "install", "-r", "a b/r.txt", "sub/dir"], ENVIRON)
    assert {"install", "a b/r.txt", "sub/dir"} <= named.values.keys()
    assert not named.values["install"]


@pytest.mark.parametrize(
    ("command", "named", "not_named"),
    [
        (["uv", "tool", "install", "x"], {"uv", "tool"}, set()),
        (["/opt/bin/pipx", "install", "x"], {"pipx"}, set()),
        (["python", "-m", "tox", "-e", "py"], {"tox"}, set()),
        (["sh", "-c", "cd a && tox"], {"tox"}, set()),
        (["pip", "install", "tox", "poetry"], set(), {"tox", "poetry"}),
        (["python", "-m", "pip", "install", "tox"], set(), {"tox"}),
    ],
)
def test_tools(command: list[str], named: set[str], not_named: set[str]) -> None:
    names = read_command(command, ENVIRON).names
    assert named <= names
    assert not_named.isdisjoint(names)


def test_variables() -> None:
    named = read_command(["env", "VIRTUAL_ENV=$VENV/x", "sh", "-c", "UV_PYTHON=v uv sync"], ENVIRON)
    assert named.environ["VIRTUAL_ENV"] == "/opt/venv/x"
    assert named.environ["UV_PYTHON"] == "v"
    assert named.environ["HOME"] == "/home/me"
    for name in ("UV_PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_PYTHON"):
        assert read_command(["make"], {name: "place"}).values["place"]
    assert "python3.12" in read_command(["uv", "sync"], {"UV_PYTHON": "3.12"}).programs


@pytest.mark.parametrize("command", [["x" * 999_999], ["sh", "-c", "a " * 50_000], ["\udcff", "\0"], [""]])
def test_words_that_are_no_words(command: list[str]) -> None:
    """At most a thousand are looked at."""
    assert len(read_command(command, {}).values) <= 1001
