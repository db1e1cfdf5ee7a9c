"""Which environment a command works in: a table of commands, and a small world to look around in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_files import NO_FILE, Make, text

from muslfix.cli.whereabouts import Whereabouts, find_whereabouts


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Environments, programs and projects; nothing in it is ever run."""
    for environment in ("venv", "active", "project/.venv", "project/other", "moved", "shell", "system"):
        _program(tmp_path / environment / "bin" / "python")
    for name in ("venv/bin/python3.11", "venv/bin/python3.10", "system/bin/python3", "bin/uv", "bin/poetry"):
        _program(tmp_path / name)
    _program(tmp_path / "venv/bin/pip", f"#!{tmp_path}/venv/bin/python3.11\n")
    _program(tmp_path / "venv/bin/pip3.10", "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n")
    _program(tmp_path / "bin/pip", f"#!{tmp_path}/system/bin/python3 -E\n")
    _program(tmp_path / "bin/pip3", "#!/usr/bin/env python3\n")
    _program(tmp_path / "moved/bin/pip", "#!/gone/bin/python\n")
    (tmp_path / "project" / "sub").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path


def _program(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def look(world: Path, command: str, folder: str = "empty", **environ: str) -> Whereabouts:
    """The answer, with paths relative to the world; ``@`` in commands and variables stands for its path."""
    found = find_whereabouts(
        command.replace("@", str(world)).split(),
        {
            "PATH": os.pathsep.join(str(world / name) for name in ("bin", "system/bin")),
            **{name: value.replace("@", str(world)) for name, value in environ.items()},
        },
        str(world / folder),
    )
    python = found.python
    if python is not None and python.startswith(str(world)):
        python = os.path.relpath(python, world)
    return Whereabouts(python, found.paths, found.doubt)


@pytest.mark.parametrize(
    ("command", "python"),
    [
        # pip: the interpreter that runs it, whatever is active
        ("@/venv/bin/python -m pip install x", "venv/bin/python"),
        ("@/venv/bin/python3.11 -I -mpip install x", "venv/bin/python3.11"),
        ("@/venv/bin/python -X utf8 -W ignore -Im pip install x", "venv/bin/python"),
        ("@/venv/bin/pip install x", "venv/bin/python3.11"),
        ("@/venv/bin/pip3.10 install x", "venv/bin/python3.10"),
        ("@/moved/bin/pip install x", "moved/bin/python"),
        ("pip install x", "system/bin/python3"),
        ("python -m pip install x", "system/bin/python"),
        ("python3 -m pip install x", "system/bin/python3"),
        ("pip --python @/venv install x", "venv"),
        ("pip --python=@/venv/bin/python install x", "venv/bin/python"),
        ("python -m pip --python @/venv install x", "venv"),
        # it cannot be told: env finds python3, which may be any
        ("pip3 install x", "active"),
        # other programs of Python, and others
        ("python setup.py install", "active"),
        ("python -c pip", "active"),
        ("python -m build pip", "active"),
        ("python", "active"),
        ("@/venv/bin/python setup.py install", "venv/bin/python"),
        ("@/venv/bin/python -m build pip", "venv/bin/python"),
        ("@/venv/bin/python -m poetry install", "active"),
        ("sh -c pip", "active"),
        ("make pip", "active"),
        ("pipx2 install", "active"),
        # uv pip, poetry
        ("uv pip install x", "active"),
        ("uv pip install --system x", "system/bin/python3"),
        ("uv pip install --python @/venv x", "venv"),
        ("uv pip install -p @/venv/bin/python x", "venv/bin/python"),
        ("uv -q pip sync --python=python3 x", "python3"),
        ("@/venv/bin/python -m uv pip install x", "venv/bin/python"),
        ("poetry install", "active"),
        # uv's project commands ignore what is active, unless they are told
        ("uv sync", "active"),
        ("uv sync --active", "active"),
    ],
)
def test_with_an_active_environment(world: Path, command: str, python: str) -> None:
    if command == "uv sync":
        assert look(world, command, "project/sub", VIRTUAL_ENV="@/active").python == "project/.venv"
    assert look(world, command, VIRTUAL_ENV="@/active") == Whereabouts(python)


@pytest.mark.parametrize("folder", ["project", "project/sub"])
@pytest.mark.parametrize(
    "tool", ["uv", "poetry", "pdm", "/opt/bin/uv", "python -m pdm", "python3 -Im poetry"]
)
def test_the_environment_of_a_project(world: Path, folder: str, tool: str) -> None:
    assert look(world, f"{tool} sync", folder) == Whereabouts("project/.venv")
    assert look(world, f"{tool} sync", folder, VIRTUAL_ENV="") == Whereabouts("project/.venv")


@pytest.mark.parametrize(
    "command",
    [
        "uv --directory @/project sync",
        "uv sync --project=@/project/sub",
        "uv add --project ../project x",
        "poetry -C @/project install",
        "poetry -P../project install",
        "poetry install --directory @/project",
        "pdm install -p @/project",
        "uv pip install x",
        "python -m uv add x",
    ],
)
def test_a_project_elsewhere(world: Path, command: str) -> None:
    folder = "project" if "x" in command.split() and "--project" not in command else "empty"
    python = look(world, command, folder).python
    assert python is not None
    assert os.path.normpath(python) == "project/.venv"


def test_pip_does_not_work_in_the_environment_of_a_project(world: Path) -> None:
    assert look(world, "pip install x", "project") == Whereabouts("system/bin/python3")
    assert look(world, "make install", "project") == Whereabouts(None)


def test_variables_of_uv(world: Path) -> None:
    name = "UV_PROJECT_ENVIRONMENT"
    assert look(world, "uv sync", "project/sub", **{name: "other"}).python == "project/other"
    assert look(world, "uv sync", "project/sub", **{name: "@/venv"}).python == "venv"
    assert look(world, "uv pip install x", UV_SYSTEM_PYTHON="1").python == "system/bin/python3"
    assert look(world, "uv pip install x", UV_PYTHON="@/venv/bin/python").python == "venv/bin/python"


def test_what_pdm_has_noted(world: Path) -> None:
    note = world / "project" / ".pdm-python"
    note.write_text(f"{world}/venv/bin/python\n")
    assert look(world, "pdm install", "project/sub", VIRTUAL_ENV="@/active").python == "venv/bin/python"
    note.write_text("/no/such/python")
    assert look(world, "pdm install", "project/sub", VIRTUAL_ENV="@/active").python == "active"
    note.write_bytes(b"\xff")
    assert look(world, "pdm install", "project/sub").python == "project/.venv"


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("uv sync", "uv"),
        ("uv tool install x", "uv tool"),
        ("uv pip install --python 3.9 x", "uv pip"),
        ("poetry install", "poetry"),
        ("pdm sync", "pdm"),
        ("pipx install x", "pipx"),
        ("nox", "nox"),
        ("python -m tox", "tox"),
        ("uvx x", "uvx"),
    ],
)
def test_doubt(world: Path, command: str, tool: str) -> None:
    found = look(world, command)
    assert found.python is None
    assert str(found.doubt).startswith(
        f"muslfix cannot tell which environment {tool} has used; name it with "
    )


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("@/venv/bin/pip install --target lib x", ("lib",)),
        ("@/venv/bin/pip install --target=lib x", ("lib",)),
        ("@/venv/bin/pip install -t lib x", ("lib",)),
        ("@/venv/bin/pip install -tlib x", ("lib",)),
        ("uv pip install --target lib x", ("lib",)),
        ("@/venv/bin/pip install x --target", ()),
        ("@/venv/bin/pip install --trusted-host t x", ()),
    ],
)
def test_a_folder_as_destination(world: Path, command: str, paths: tuple[str, ...]) -> None:
    assert look(world, command).paths == paths


@pytest.mark.parametrize("option", ["--user", "--prefix=/p", "--prefix /p", "--root=/r"])
@pytest.mark.parametrize("tool", ["@/venv/bin/pip", "uv pip"])
def test_other_destinations_are_doubtful(world: Path, tool: str, option: str) -> None:
    name = option.replace("=", " ").split()[0]
    assert str(look(world, f"{tool} install {option} x").doubt).startswith(
        f"with {name} the command installs"
    )


def test_a_command_that_is_not_there(world: Path) -> None:
    assert look(world, "/no/such/pip install x", VIRTUAL_ENV="@/active").python == "active"
    assert look(world, "/no/such/python -m pip install x") == Whereabouts(None)


@pytest.mark.parametrize("make", [*NO_FILE.values(), text("\0"), text(b"\xff"), text("x" * 99)])
def test_the_note_of_pdm(tmp_path: Path, make: Make) -> None:
    make(tmp_path / ".pdm-python")
    assert find_whereabouts(["pdm", "install"], {}, str(tmp_path)).python is None
