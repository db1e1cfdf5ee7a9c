"""``muslfix run`` before the real pip, uv, nox and others, with local wheels and no index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import Cli, Result
from environments import make_environment, run_python, site_packages, well
from lab_modules import Lab
from misnamed import FOREIGN, RIGHT, WRONG, make_demo, quiet, served_by, speed
from real_tools import PIPS, make_pip_environment, muslfix_command, run, tool_environment, wheels
from trees import leftovers, snapshot

pytestmark = pytest.mark.network

FIXED = "demo 1.0: 2 extension modules: 2 fixed (1 had been falling back to slower pure Python)"
LOCAL = ("--no-index", "--no-deps")


def run_before(*command: str | os.PathLike[str], folder: Path, **variables: str) -> Result:
    """``muslfix run -- COMMAND`` in a process of its own."""
    return run([*muslfix_command(), "run", "--", *command], folder, **variables)


def last_line(result: Result) -> str:
    return well(result).out.splitlines()[-1]


def remains(environment: Path) -> list[Path]:
    """What is left of the project, or of muslfix."""
    return [*(path for path in environment.rglob("*") if "demo" in path.name), *leftovers(environment)]


@pytest.fixture(params=PIPS, ids=["old pip", "new pip"])
def with_pip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An environment with pip."""
    return make_pip_environment(tmp_path / "opt", request.param)


@pytest.mark.parametrize("called", ["pip", "python -m pip"])
def test_pip(with_pip: Path, tmp_path: Path, cli: Cli, called: str) -> None:
    program, *rest = called.split()
    pip = [str(with_pip / "bin" / program), *rest]
    done = run_before(*pip, "install", *LOCAL, make_demo(tmp_path), folder=tmp_path)
    assert last_line(done) == FIXED
    assert "Successfully installed demo-1.0" in done.out
    assert served_by(with_pip) == f"_speed{RIGHT}"

    before = snapshot(with_pip)
    again = cli("fix", "--python", with_pip)
    assert (again.status, quiet(again.out)) == (0, True)
    assert FIXED not in well(run_before(*pip, "install", *LOCAL, "demo", folder=tmp_path)).out
    assert snapshot(with_pip) == before
    assert well(run([*pip, "check"])).out == "No broken requirements found.\n"

    reinstall = ("install", "--force-reinstall", *LOCAL, make_demo(tmp_path))
    assert last_line(run_before(*pip, *reinstall, folder=tmp_path)) == FIXED
    done = well(run_before(*pip, "uninstall", "-y", "demo", folder=tmp_path))
    assert "demo 1.0:" not in done.out
    assert remains(with_pip) == []


def test_pip_fails(with_pip: Path, tmp_path: Path) -> None:
    done = run_before(with_pip / "bin" / "pip", "install", *LOCAL, "no-such-project", folder=tmp_path)
    assert done.status == 1
    assert "muslfix" not in done.out + done.err


def test_pip_into_a_folder(with_pip: Path, tmp_path: Path) -> None:
    target = tmp_path / "lib"
    pip = with_pip / "bin" / "pip"
    done = run_before(pip, "install", "--target", target, *LOCAL, make_demo(tmp_path), folder=tmp_path)
    assert last_line(done) == FIXED
    assert len(speed(target)) == 2


def test_pip_and_a_module_that_is_refused(with_pip: Path, tmp_path: Path) -> None:
    wheel = make_demo(tmp_path, files={f"demo/_speed{WRONG}": FOREIGN})
    done = run_before(with_pip / "bin" / "pip", "install", *LOCAL, wheel, folder=tmp_path)
    assert done.status == 1
    assert f"  demo/_speed{WRONG}: other-libc: it is linked to " in done.out


@pytest.fixture
def uv(tmp_path: Path) -> list[str]:
    """uv, with a cache of its own and without an index."""
    cache = str(tmp_path / "uv-cache")
    program = str(tool_environment("uv") / "bin" / "uv")
    return [program, "--offline", "--no-config", "--no-python-downloads", "--cache-dir", cache]


def test_uv_pip(uv: list[str], environment: Path, tmp_path: Path, cli: Cli) -> None:
    wheel = make_demo(tmp_path)
    active = {"VIRTUAL_ENV": str(environment)}
    done = run_before(*uv, "pip", "install", *LOCAL, wheel, folder=tmp_path, **active)
    assert last_line(done) == FIXED
    assert served_by(environment) == f"_speed{RIGHT}"
    assert cli("verify", "demo", "--python", environment).status == 0
    by_name = ("pip", "install", *LOCAL, "--reinstall", "--python", environment, wheel)
    assert last_line(run_before(*uv, *by_name, folder=tmp_path)) == FIXED
    well(run_before(*uv, "pip", "uninstall", "--python", environment, "demo", folder=tmp_path))
    assert remains(environment) == []


@pytest.fixture
def uv_project(tmp_path: Path) -> Path:
    """A project of uv that needs the misnamed one."""
    folder = tmp_path / "project"
    folder.mkdir()
    make_demo(tmp_path)
    text = f"""\
[project]
name = "work"
version = "1"
requires-python = ">=3.9"
dependencies = ["demo"]
[tool.uv]
package = false
no-index = true
find-links = ["{tmp_path}"]
"""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    make_environment(folder / ".venv")
    return folder


def with_config(uv: list[str]) -> list[str]:
    """uv's settings are in ``pyproject.toml``."""
    return [word for word in uv if word != "--no-config"]


def test_uv_sync(uv: list[str], uv_project: Path, cli: Cli) -> None:
    uv = with_config(uv)
    sub = uv_project / "sub"
    sub.mkdir()
    assert last_line(run_before(*uv, "sync", folder=sub)) == FIXED
    environment = uv_project / ".venv"
    assert served_by(environment) == f"_speed{RIGHT}"

    before = snapshot(environment)
    assert FIXED not in well(run_before(*uv, "sync", folder=uv_project)).out
    assert quiet(cli("fix", "--python", environment).out)
    assert snapshot(environment) == before

    assert last_line(run_before(*uv, "sync", "--reinstall", folder=uv_project)) == FIXED
    well(run_before(*uv, "remove", "demo", folder=uv_project))
    assert remains(environment) == []


def test_uv_run_would_sync_anew(uv: list[str], uv_project: Path) -> None:
    """The recipe: ``uv sync && muslfix fix && uv run --no-sync …``."""
    uv = with_config(uv)
    python = str(uv_project / ".venv")
    well(run([*uv, "sync"], uv_project))
    well(run([*muslfix_command(), "fix", "--python", python], uv_project))
    code = "import demo; print(demo.served_by)"
    for option in ("--no-sync", "--locked"):
        done = well(run([*uv, "run", option, "python", "-c", code], uv_project))
        assert done.out == f"_speed{RIGHT}\n"


def test_uv_as_a_module(environment: Path, tmp_path: Path) -> None:
    """``python -m uv pip`` works for the Python that runs it."""
    site = site_packages(tool_environment("uv"))
    (site_packages(environment) / "uv.pth").write_text(f"{site}\n", encoding="utf-8")
    os.symlink(tool_environment("uv") / "bin" / "uv", environment / "bin" / "uv")
    python = environment / "bin" / "python"
    command = [str(python), "-m", "uv", "--offline", "--cache-dir", str(tmp_path / "cache")]
    done = run_before(*command, "pip", "install", *LOCAL, make_demo(tmp_path), folder=tmp_path)
    assert last_line(done) == FIXED
    assert served_by(environment) == f"_speed{RIGHT}"


@pytest.mark.lab
def test_pip_on_a_musl_interpreter(lab: Lab, tmp_path: Path) -> None:
    """muslfix beside a glibc Python, pip in an environment of a musl Python, a wheel from PyPI."""
    environment = make_environment(tmp_path / "musl", lab.pythons["311-gnu"])
    pip = [str(environment / "bin" / "python"), str(lab.wheel("pip", "pip") / "pip")]
    done = run_before(*pip, "install", *LOCAL, lab.wheel("cp311", "markupsafe"), folder=tmp_path)
    assert last_line(done).endswith(": 1 extension module: 1 fixed")
    code = "import markupsafe._speedups as m; print(m.__file__)"
    assert run_python(environment, code).endswith("-linux-gnu.so")
    well(run([*pip, "uninstall", "-y", "markupsafe"]))
    assert not (site_packages(environment) / "markupsafe").exists()


def test_what_the_environments_are_made_of_is_there() -> None:
    names = {wheel.name.partition("-")[0] for wheel in wheels().glob("*.whl")}
    assert names >= {"pip", "installer", "packaging"}
