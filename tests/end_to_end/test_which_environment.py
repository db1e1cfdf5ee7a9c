"""Which environment is looked at where real tools have installed, and that it is said.

Release 1.0 looked at neither a project's ``.venv`` nor the packages of the user, and found nothing to fix.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest
from commands import Cli, read_only
from commands import run as run_here
from environments import find_uv, make_environment, make_prefix, site_packages, well
from misnamed import RIGHT, lay, make_demo, speed
from real_tools import muslfix_command, run

VERSION = "{}.{}".format(*sys.version_info)


def looked_at(out: str) -> dict[str, Any]:
    """The same key of a report."""
    return dict(json.loads(out)["looked_at"])


# -- the environment of a project -------------------------------------------------------------------


def test_after_uv_sync(tmp_path: Path) -> None:
    uv, project = find_uv(tmp_path / "uv"), tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    make_demo(tmp_path)
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "work"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["demo"]\n'
        f'[tool.uv]\nno-index = true\nfind-links = ["{tmp_path}"]\n'
    )
    options = ("--offline", "--no-progress", "--cache-dir", tmp_path / "cache", "--python", sys.executable)
    well(run([uv, "sync", *options], project))
    site = site_packages(project / ".venv")
    python = project / ".venv" / "bin" / "python"

    found = run([*muslfix_command(), "check"], project / "deep")
    assert (found.status, found.looked_at) == (1, f"{site} for {python} (.venv)")
    assert found.out.startswith("2 extension modules in 1 project: 2 misnamed")
    fixed = run([*muslfix_command(), "fix", "--json"], project)
    assert looked_at(fixed.out) == {
        "interpreter": str(python),
        "chosen_by": ".venv",
        "passed_over": [],
        "directories": [str(site)],
        "projects": 1,
        "modules": 2,
    }
    assert len(speed(site)) == 2

    # Another that is active comes first, and the one of the project is named.
    active = make_environment(tmp_path / "active")
    other = run([*muslfix_command(), "check"], project, VIRTUAL_ENV=str(active))
    assert other.looked_at == (
        f"{site_packages(active)} for {active}/bin/python (VIRTUAL_ENV; passed over: {project}/.venv (.venv))"
    )
    named = run(
        [*muslfix_command(), "check"], project, VIRTUAL_ENV=str(active), UV_PROJECT_ENVIRONMENT=".venv"
    )
    assert named.looked_at.startswith(f"{site} for {python} (UV_PROJECT_ENVIRONMENT; passed over: {active} ")


def test_install_and_repair_say_which_python_they_chose(cli: Cli, tmp_path: Path) -> None:
    environment, wheel = make_environment(tmp_path / ".venv"), make_demo(tmp_path)
    target = f"target: {environment}/bin/python (.venv)\n"
    for words in (("install",), ("repair", "-w", str(tmp_path / "new")), ("check",)):
        assert target in run([*muslfix_command(), *words, wheel], tmp_path).out
    assert len(speed(site_packages(environment))) == 2
    assert "target:" not in cli("check", "--python", environment, wheel).out


@pytest.mark.parametrize("name", [VERSION, "python", f"python{VERSION}"])
def test_a_shim(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is a script that runs the Python that is selected, as those of pyenv are."""
    environment = make_environment(tmp_path / "versions" / "mine")
    (tmp_path / "shims").mkdir()
    for program in ("python", f"python{VERSION}"):
        shim = tmp_path / "shims" / program
        shim.write_text(f'#!/bin/sh\nexec {environment}/bin/python "$@"\n')
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "shims"), prepend=os.pathsep)
    lay(site_packages(environment))
    assert cli("fix", "--python", name).status == 0
    assert len(speed(site_packages(environment))) == 2


# -- the packages of the user -----------------------------------------------------------------------


@pytest.fixture
def user_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the packages of the user are."""
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    return tmp_path / "user" / "lib" / f"python{VERSION}" / "site-packages"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """That of a Python that is no virtual environment."""
    made = make_prefix(tmp_path / "prefix")
    (made / "lib" / f"python{VERSION}" / "site-packages").mkdir()
    return made


@pytest.mark.parametrize("silently", [False, True])
def test_what_pip_installs_for_the_user(
    cli: Cli, tmp_path: Path, prefix: Path, user_site: Path, silently: bool
) -> None:
    python, site, wheel = prefix / "bin" / "python3", site_packages(prefix), make_demo(tmp_path)
    if silently:
        options = ["--isolated", "--no-input", "--disable-pip-version-check"]
        pip_here: list[str | Path] = [sys.executable, "-I", "-m", "pip", "--python", python, *options]
        done = well(run_here([*read_only(site), *pip_here, "install", "--no-index", wheel]))
        assert "Defaulting to user installation" in done.out
    else:
        well(run_here([sys.executable, "-I", "-m", "pip", "--python", python, "install", "--user", wheel]))
    assert len(speed(user_site)) == 1

    words = ("--python", python)
    both = f"{site}, {user_site} for {python} (--python)"
    found = cli("check", *words)
    assert (found.status, found.looked_at) == (1, both)
    assert cli("fix", "--dry-run", *words).looked_at == both
    fixed = cli("fix", *words)
    assert (fixed.status, fixed.looked_at, len(speed(user_site))) == (0, both, 2)
    imported = subprocess.run(
        [python, "-c", "import demo; print(demo.served_by)"], check=True, capture_output=True, text=True
    )
    assert imported.stdout == f"_speed{RIGHT}\n"
    verified = cli("verify", *words)
    assert (verified.status, verified.looked_at) == (0, both)
    undone = cli("undo", *words)
    assert (undone.status, undone.looked_at, len(speed(user_site))) == (0, both, 1)


def directories(cli: Cli, python: Path) -> list[str]:
    """Those that check looks at."""
    return list(looked_at(cli("check", "--json", "--python", python).out)["directories"])


def test_where_the_packages_of_the_user_count(
    cli: Cli, tmp_path: Path, prefix: Path, user_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the target would import from them."""
    python = prefix / "bin" / "python3"
    assert directories(cli, python) == [str(site_packages(prefix))]  # it does not exist
    lay(user_site)
    sees_all = tmp_path / "sees_all"
    venv.create(sees_all, symlinks=True, system_site_packages=True)
    sees_none = make_environment(tmp_path / "sees_none")
    for program in (python, sees_all / "bin" / "python", sees_none / "bin" / "python"):
        code = f"import sys; print({str(user_site)!r} in sys.path)"
        sees = subprocess.run([program, "-c", code], check=True, capture_output=True, text=True)
        assert (str(user_site) in directories(cli, program)) is (sees.stdout == "True\n")
    assert str(user_site) in directories(cli, sees_all)
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    assert str(user_site) not in directories(cli, python)


def test_a_directory_that_cannot_be_changed_does_not_stop_the_others(prefix: Path, user_site: Path) -> None:
    site = lay(site_packages(prefix), "theirs")
    lay(user_site, "ours")
    words = ("-m", "muslfix", "fix", "--json", "--python", prefix / "bin" / "python3")
    done = run_here([*read_only(site), sys.executable, *words])
    reports = {project["name"]: project for project in json.loads(done.out)["projects"]}
    assert (done.status, reports["theirs"]["action"], reports["ours"]["action"]) == (1, "failed", "fixed")
    assert (len(speed(site, "theirs")), len(speed(user_site, "ours"))) == (1, 2)
