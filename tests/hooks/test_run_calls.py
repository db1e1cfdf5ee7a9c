"""``muslfix run`` before every kind of installer, each of them the real one, with a local wheel and no index.

In most of these calls nothing on the command line tells the environment, and another one is active. Release
1.0, which guessed, fixed that one or none.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from commands import Result, read_only
from environments import make_environment, make_prefix, site_packages, well
from lab_modules import Lab
from misnamed import make_demo, speed
from real_tools import muslfix_command, run, tool_environment

pytestmark = pytest.mark.network

VERSION = "{}.{}".format(*sys.version_info)
LIBRARY = Path("lib", f"python{VERSION}", "site-packages")


class World:
    """A directory to work in, another environment that is active, and a home.

    :param folder: for all of it
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.home = folder / "home"
        self.programs = folder / "programs"
        for path in (self.work, self.home, self.programs):
            path.mkdir()
        self.wheel = make_demo(folder)
        self.active = make_environment(folder / "active")

    def add(self, tool: str) -> None:
        """Put a tool on PATH."""
        (self.programs / tool).symlink_to(tool_environment(tool) / "bin" / tool)

    def write(self, name: str, *lines: str) -> Path:
        path = self.work / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def project(self, *lines: str) -> None:
        """Write the head of a ``pyproject.toml``, and these lines."""
        head = ("[project]", 'name = "work"', 'version = "1"', f'requires-python = "=={VERSION}.*"')
        self.write("pyproject.toml", *head, *lines)

    def __call__(
        self, *command: str | os.PathLike[str], before: list[str | Path] | None = None, **variables: str
    ) -> Result:
        """``muslfix run -- COMMAND``; an empty variable is left out."""
        ours = {
            "PATH": f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.home),
            "VIRTUAL_ENV": str(self.active),
            "PIP_FIND_LINKS": str(self.folder),
            "UV_FIND_LINKS": str(self.folder),
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "PDM_CHECK_UPDATE": "0",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        given = {name: value for name, value in {**ours, **variables}.items() if value}
        return run([*(before or []), *muslfix_command(), "run", *command], self.work, **given)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def check_fixed(done: Result, *sites: Path) -> None:
    """These site directories are said to have changed, and are fixed."""
    well(done)
    lines = (done.out + done.err).splitlines()
    changed = [line.split()[1] for line in lines if line.startswith("changed: ")]
    assert sorted(changed) == sorted(map(str, sites)), done.out + done.err
    assert [len(speed(site)) for site in sites] == [2] * len(sites)


def check_note(done: Result, place: Path) -> None:
    """A second time nothing changes, and that is said."""
    well(done)
    (note,) = [line for line in done.err.splitlines() if line.startswith("note: ")]
    assert note.startswith("note: the command has installed nothing new in ")
    assert str(place) in note


# -- uv ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "uv pip install -p .venv demo",
        "uv pip install --python .venv demo",
        "uv pip install --python=.venv/bin/python demo",
        "env UV_PYTHON=.venv uv pip install demo",
    ],
)
def test_uv_pip(world: World, words: str) -> None:
    world.add("uv")
    environment = make_environment(world.work / ".venv")
    check_fixed(world("--", *words.split()), site_packages(environment))
    check_note(world("-q", "--", *words.split()), environment)
    assert speed(site_packages(environment))[0].count(" -> ") == 1


def test_a_variable_of_uv(world: World) -> None:
    world.add("uv")
    environment = make_environment(world.work / ".venv")
    check_fixed(world("--", "uv", "pip", "install", "demo", UV_PYTHON=".venv"), site_packages(environment))


@pytest.mark.parametrize("words", ["uv sync", "uv add demo"])
def test_a_project_of_uv(world: World, words: str) -> None:
    """Its environment is made by the command, and is not the active one."""
    world.add("uv")
    world.project(f"dependencies = [{'' if 'add' in words else repr('demo')}]")
    command = [*words.split(), "--python", sys.executable]
    check_fixed(world("--", *command), world.work / ".venv" / LIBRARY)
    check_note(world("-q", "--", *command), world.work / ".venv")


def test_uv_tool(world: World) -> None:
    world.add("uv")
    command = ["uv", "tool", "install", "--python", sys.executable, "demo"]
    tools = world.home / ".local" / "share" / "uv" / "tools"
    check_fixed(world("--", *command), tools / "demo" / LIBRARY)
    check_note(world("-q", "--", *command), tools)


# -- other tools ------------------------------------------------------------------------------------


def test_pipx(world: World, lab: Lab) -> None:
    for tool in (
        "pipx",
        "uv",
    ):  # without uv pipx would fetch a pip, and up to Python 3.9 it does all the same
        world.add(tool)
    for wheel in lab.wheels("pip"):
        shutil.copy(wheel, world.folder)
    command = ["pipx", "install", "--python", sys.executable, "demo"]
    venvs = world.home / ".local" / "share" / "pipx" / "venvs"
    check_fixed(world("--", *command), venvs / "demo" / LIBRARY)
    check_note(world("-q", "--", *command), venvs)
    done = well(world("--", "pipx", "uninstall", "demo"))
    assert f"removed: {venvs}/demo/{LIBRARY}\n" in done.out


def test_poetry(world: World) -> None:
    """Its environment is in its cache, and is made by the command."""
    world.add("poetry")
    (world.programs / "python").symlink_to(
        os.path.realpath(sys.executable)
    )  # up to Python 3.9 it looks for one
    needs = f'dependencies = ["demo @ file://{world.wheel}"]'
    world.project(needs, "[tool.poetry]", "package-mode = false")
    done = world("--", "poetry", "install", VIRTUAL_ENV="")
    (environment,) = (world.home / ".cache" / "pypoetry" / "virtualenvs").glob("work-*")
    check_fixed(done, environment / LIBRARY)
    check_note(world("-q", "--", "poetry", "install", VIRTUAL_ENV=""), environment.parent)


def test_pdm(world: World) -> None:
    """It takes the environment that it has noted, whichever is active."""
    world.add("pdm")
    world.project(
        'dependencies = ["demo"]',
        "[[tool.pdm.source]]",
        'type = "find_links"',
        'name = "pypi"',
        f'url = "file://{world.folder}"',
        "verify_ssl = false",
        "[tool.pdm]",
        "distribution = false",
    )
    noted = make_environment(world.folder / "noted")
    world.write(".pdm-python", f"{noted}/bin/python")
    check_fixed(world("--", "pdm", "install"), site_packages(noted))
    check_note(world("-q", "--", "pdm", "install"), noted)


def test_tox(world: World) -> None:
    world.add("tox")
    lines = ("[tox]", "skipsdist = true", "[testenv]", "deps = demo", "pass_env = PIP_*", "commands =")
    world.write("tox.ini", *lines)
    check_fixed(world("--", "tox", "run", "-e", "py"), world.work / ".tox" / "py" / LIBRARY)
    check_note(world("-q", "--", "tox", "run", "-e", "py"), world.work / ".tox")


def test_nox(world: World) -> None:
    world.add("nox")
    world.write("noxfile.py", "import nox", "@nox.session", "def t(session):", "    session.install('demo')")
    done = world("--", "nox", "-s", "t")
    check_fixed(done, world.work / ".nox" / "t" / LIBRARY)


# -- pip --------------------------------------------------------------------------------------------


def add_pip(environment: Path) -> Path:
    """Put pip into an environment, without installing it, which takes much longer."""
    pip = site_packages(tool_environment("uv"))
    (site_packages(environment) / "pip.pth").write_text(f"{pip}\n", encoding="utf-8")
    script = environment / "bin" / "pip"
    lines = (
        f"#!{environment}/bin/python",
        "import sys",
        "from pip._internal.cli.main import main",
        "sys.exit(main())",
    )
    script.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    script.chmod(0o755)
    return environment


@pytest.fixture
def with_pip(world: World) -> World:
    """An environment with pip, and a makefile and a script that call it."""
    add_pip(make_environment(world.work / ".venv"))
    pip = "@.venv/bin/pip install -q --force-reinstall demo"
    world.write("Makefile", "install:", f"\t{pip}", "both: install", "\t" + pip.replace(".venv", "../two"))
    sudo = world.programs / "sudo"
    sudo.write_text('#!/bin/sh\nexec env -u NOTHING "$@"\n', encoding="utf-8")
    sudo.chmod(0o755)
    return world


def test_pip_called_in_many_ways(with_pip: World) -> None:
    """One environment, and the same version again and again; each time it is as broken as before."""
    pip = ".venv/bin/pip install --force-reinstall demo"
    calls: list[list[str]] = [
        pip.split(),
        [".venv/bin/python", "-m", *pip.split("/")[2].split()],
        ["env", "X=1", *pip.split()],
        ["sudo", *pip.split()],
        ["sh", "-c", pip],
        ["sh", "-c", f"cd / && {with_pip.work}/{pip}"],
    ]
    if shutil.which("make", path="/usr/bin:/bin"):
        calls.append(["make", "install"])
    site = site_packages(with_pip.work / ".venv")
    for call in calls:
        check_fixed(with_pip("--", *call), site)
    check_note(with_pip("-q", "--", ".venv/bin/pip", "install", "demo"), with_pip.work / ".venv")


def test_pip_into_other_places(with_pip: World) -> None:
    environment, pip = with_pip.work / ".venv", [".venv/bin/pip", "install", "--ignore-installed", "demo"]
    for options, site in (
        (["--target", "lib"], Path("lib")),
        (["--prefix=out"], "out" / LIBRARY),
        (["--root", "root"], Path(f"root{environment}") / LIBRARY),
    ):
        check_fixed(with_pip("--", *pip, *options), with_pip.work / site)
    check_fixed(with_pip("--", *pip, PIP_TARGET="variable"), with_pip.work / "variable")
    assert not (environment / LIBRARY / "demo").exists()


@pytest.mark.skipif(not shutil.which("make", path="/usr/bin:/bin"), reason="there is no make")
def test_two_environments(with_pip: World) -> None:
    """The one is in the working directory, the other is named by nobody: it is active."""
    two = add_pip(make_environment(with_pip.folder / "two"))
    done = with_pip("--", "make", "both", VIRTUAL_ENV=str(two))
    check_fixed(done, site_packages(two), site_packages(with_pip.work / ".venv"))


def test_a_command_that_fails(with_pip: World) -> None:
    """What it has changed before is said, with the command that fixes it, and not fixed."""
    site = site_packages(with_pip.work / ".venv")
    done = with_pip("--", "sh", "-c", ".venv/bin/pip install -q demo && exit 7")
    assert (done.status, len(speed(site))) == (7, 1)
    assert f"changed: {site} of " in done.out
    words = done.out.splitlines()[-1].removeprefix("To fix it: muslfix ").split()
    well(run([*muslfix_command(), *words]))
    assert len(speed(site)) == 2


def test_pip_for_the_whole_machine_and_for_a_user(world: World) -> None:
    """Who may write to the Python's own directory installs there; who may not, into that of the user."""
    prefix = make_prefix(world.folder / "usr")
    site = prefix / LIBRARY
    site.mkdir()
    pip = [f"{prefix}/bin/python3", f"{site_packages(tool_environment('uv'))}/pip", "install", "demo"]
    done = world("--", *pip, before=read_only(site), VIRTUAL_ENV="")
    assert "Defaulting to user installation because normal site-packages is not writeable" in done.out
    check_fixed(done, world.home / ".local" / LIBRARY)
    check_fixed(world("--", *pip, "--ignore-installed", VIRTUAL_ENV=""), site)
    check_note(world("-q", "--", *pip, VIRTUAL_ENV=""), world.home / ".local")
