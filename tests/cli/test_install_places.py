"""Which places belong to a command: a table of commands, in a small world in which nothing is ever run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_files import NO_FILE, Make, text

from muslfix.cli.install_places import Tie, find_places


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Environments, programs and projects."""
    for name in ("venv", "active", "project/.venv", "project/other", "tool"):
        _program(tmp_path / name / "bin" / "python")
        (tmp_path / name / "pyvenv.cfg").touch()
    (tmp_path / "system" / "lib" / "python3.11").mkdir(parents=True)
    _program(tmp_path / "system/bin/python3.11")
    os.symlink("python3.11", tmp_path / "system/bin/python3")
    (tmp_path / "links").mkdir()
    os.symlink(tmp_path / "system/bin/python3", tmp_path / "links/python3")
    _program(tmp_path / "venv/bin/pip", f"#!{tmp_path}/venv/bin/python\n")
    spaces = f"#!/bin/sh\n'''exec' \"{tmp_path}/venv/bin/python\" \"$0\" \"$@\"\n' '''\n"
    _program(tmp_path / "venv/bin/pip3", spaces)
    _program(tmp_path / "path/pip", f"#!{tmp_path}/system/bin/python3 -E\n")
    _program(tmp_path / "path/pip3", "#!/usr/bin/env python3\n")
    for tool in ("poetry", "pdm", "tox", "pipx"):
        _program(tmp_path / "path" / tool, f"#!{tmp_path}/tool/bin/python\n")
    (tmp_path / "project" / "sub").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path


def _program(path: Path, content: str = "#!/bin/sh\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)


def places(world: Path, command: str, directory: str = "empty", **environ: str) -> dict[str, Tie]:
    """The places in the world, relative to it; ``@`` in commands and variables stands for its path."""
    variables = {
        "PATH": os.pathsep.join(str(world / name) for name in ("path", "links")),
        "HOME": str(world / "home"),
        **{name: value.replace("@", str(world)) for name, value in environ.items()},
    }
    found = find_places(command.replace("@", str(world)).split(), variables, str(world / directory))
    inside = (place for place in found if place.path.startswith(f"{world}/"))
    return {os.path.relpath(str(place), world): place.tie for place in inside}


@pytest.mark.parametrize(
    ("command", "place", "tie"),
    [
        # the interpreter that runs it
        ("@/venv/bin/pip install x", "venv", Tie.RUN),
        ("@/venv/bin/pip3 install x", "venv", Tie.RUN),
        ("@/venv/bin/python -m pip install x", "venv", Tie.RUN),
        ("pip install x", "system", Tie.RUN),
        ("pip3 install x", "system", Tie.RUN),
        ("python3 setup.py install", "system", Tie.RUN),
        ("env X=1 pip install x", "system", Tie.RUN),
        ("sudo @/venv/bin/pip install x", "venv", Tie.RUN),
        # those that are named
        ("pip --python @/venv install x", "venv", Tie.NAMED),
        ("pip --python=@/venv/bin/python install x", "venv", Tie.NAMED),
        ("uv pip install -p @/venv/bin/python x", "venv", Tie.NAMED),
        ("uv pip install -p ../venv x", "venv", Tie.NAMED),
        ("uv pip install --python python3 x", "system", Tie.NAMED),
        ("make VENV=@/venv install", "venv", Tie.NAMED),
        # those that may be made
        ("pip install --target lib x", "empty/lib", Tie.NAMED),
        ("pip install -tlib x", "empty/lib", Tie.NAMED),
        ("sh make.sh .env/bin/pip", "empty/.env", Tie.NAMED),
        ("python3 -m venv new", "empty/new", Tie.NAMED),
        ("cp -R x @/new/lib/python3.11/site-packages/", "new", Tie.NAMED),
        ("uv venv", "empty/.venv", Tie.CHOSEN),
        # where tools keep their environments
        ("pipx install x", "home/.local/share/pipx/venvs/*", Tie.CHOSEN),
        ("uv tool install x", "home/.local/share/uv/tools/*", Tie.CHOSEN),
        ("uv add x", "home/.local/share/uv/tools/*", Tie.WATCHED),
        ("poetry install", "home/.cache/pypoetry/virtualenvs/*", Tie.CHOSEN),
        ("tox -e py", "empty/.tox/*", Tie.CHOSEN),
        ("nox", "empty/.nox/*", Tie.CHOSEN),
        ("pdm install", "empty/__pypackages__/*", Tie.CHOSEN),
        ("make install", "home/.local/share/pipx/venvs/*", Tie.WATCHED),
        # a tool's own environment is not where it installs
        ("poetry install", "tool", Tie.WATCHED),
        ("@/path/pdm install", "tool", Tie.WATCHED),
        ("@/tool/bin/python -m tox", "tool", Tie.WATCHED),
        # what is not known to run it
        ("make install", "system", Tie.WATCHED),
        # the user's own directory
        ("pip install --user x", "home/.local", Tie.CHOSEN),
        ("@/venv/bin/pip install x", "home/.local", Tie.WATCHED),
    ],
)
def test_places(world: Path, command: str, place: str, tie: Tie) -> None:
    assert places(world, command).get(place) is tie


def test_a_prefix_below_a_root(world: Path) -> None:
    found = places(world, "@/venv/bin/pip install --root out x")
    assert found[f"empty/out{world}/venv"] is Tie.NAMED
    assert found["empty/out/usr/local"] is Tie.NAMED
    assert places(world, "make DESTDIR=out install")["empty/out/usr"] is Tie.NAMED


@pytest.mark.parametrize("directory", ["project", "project/sub"])
@pytest.mark.parametrize("command", ["uv sync", "poetry install", "make"])
def test_the_environments_that_are_chosen(world: Path, directory: str, command: str) -> None:
    found = places(world, command, directory, VIRTUAL_ENV="@/active", UV_PROJECT_ENVIRONMENT="other")
    chosen = {path for path, tie in found.items() if tie is Tie.CHOSEN}
    assert {"project/.venv", "active", "project/other"} <= chosen


@pytest.mark.parametrize(
    "command",
    ["uv --directory @/project sync", "uv sync --project=../project/sub", "poetry -C../project install"],
)
def test_a_project_elsewhere(world: Path, command: str) -> None:
    assert places(world, command)["project/.venv"] is Tie.CHOSEN


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("PIPX_HOME", "kept/venvs/*"),
        ("UV_TOOL_DIR", "kept/*"),
        ("XDG_DATA_HOME", "kept/pipx/venvs/*"),
        ("XDG_CACHE_HOME", "kept/pypoetry/virtualenvs/*"),
        ("POETRY_VIRTUALENVS_PATH", "kept/*"),
        ("POETRY_CACHE_DIR", "kept/virtualenvs/*"),
        ("TOX_WORK_DIR", "kept/*"),
        ("WORKON_HOME", "kept/*"),
        ("PYTHONUSERBASE", "kept"),
        ("CONDA_PREFIX", "kept"),
    ],
)
def test_variables(world: Path, name: str, place: str) -> None:
    """Those of the environment, and those that the command sets."""
    assert place in places(world, "make install", **{name: "@/kept"})
    assert place in places(world, f"env {name}=@/kept make install")


def test_what_pdm_has_noted(world: Path) -> None:
    note = world / "project" / ".pdm-python"
    note.write_text(f"{world}/venv/bin/python\n")
    assert places(world, "pdm install", "project/sub")["venv"] is Tie.CHOSEN
    assert places(world, "make", "project/sub")["venv"] is Tie.WATCHED


@pytest.mark.parametrize("make", [*NO_FILE.values(), text("\0"), text(b"\xff"), text("x" * 99), text("")])
def test_a_note_of_pdm_that_is_none(world: Path, make: Make) -> None:
    make(world / "empty" / ".pdm-python")
    assert "venv" not in places(world, "pdm install")


def test_a_shim_of_pyenv(world: Path) -> None:
    """Only pyenv knows which of its Pythons it runs."""
    _program(world / "pyenv/shims/pip", "#!/usr/bin/env bash\n")
    path = {"PATH": "@/pyenv/shims", "PYENV_ROOT": "@/pyenv"}
    assert places(world, "pip install x", **path)["pyenv/versions/*"] is Tie.RUN
    assert places(world, "make", **path)["pyenv/versions/*"] is Tie.WATCHED


@pytest.mark.parametrize(
    "content", ["", "#!\n", "#!python\n", "#!/bin/sh\n'''exec'", "#!/gone/python\n", "\0" * 99]
)
def test_programs_that_name_no_python(world: Path, content: str) -> None:
    _program(world / "odd" / "pip", content)
    assert places(world, "@/odd/pip install x").get("venv") is None


def test_links_that_lead_nowhere(world: Path) -> None:
    (world / "loop").mkdir()
    os.symlink("python3", world / "loop" / "python3")
    os.symlink("../gone", world / "loop" / "python")
    assert places(world, "@/loop/python3 -m pip @/loop/python") is not None
    assert places(world, "no-such-program") is not None
