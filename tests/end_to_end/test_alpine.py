"""muslfix within a real Alpine Linux, as root and as a user, and from outside for the same system.

The interpreter is the lab's, of the spelling that finds no module of musllinux wheels. musl, its
loader, busybox and all else are Alpine's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alpine import LOADER, USERS, Alpine, add_uv, make_alpine
from commands import Result, muslfix
from environments import well
from lab import layout
from lab_modules import Lab, removed_at_end
from trees import snapshot

pytestmark = pytest.mark.lab

(PYTHON,) = (python for python in layout.PYTHONS if python.name == "311-gnu")

WORKS = "import markupsafe._speedups as s; assert s.__spec__.origin.endswith('-gnu.so')"


@pytest.fixture(scope="module")
def alpine(lab: Lab, own_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alpine]:
    with removed_at_end(tmp_path_factory.mktemp("alpine") / "root") as root:
        made = make_alpine(lab, PYTHON, root)
        add_uv(lab, made)
        made.outside("/wheels").mkdir()
        for wheel in (own_wheel, *lab.wheels("runtime-cp311"), *lab.wheels("pip"), *lab.wheels("cp311")):
            shutil.copy(wheel, made.outside("/wheels"))
        yield made


@dataclass(frozen=True)
class Home:
    """A user's environment within Alpine.

    :param alpine: the system
    :param user: its owner
    """

    alpine: Alpine
    user: str

    def __call__(self, *command: str) -> Result:
        return self.alpine.run(self.user, *command)

    @property
    def environment(self) -> str:
        return f"{USERS[self.user]}/env"

    def wheel(self, project: str) -> str:
        """The path of a wheel within."""
        (found,) = self.alpine.outside("/wheels").glob(f"{project}-*")
        return f"/wheels/{found.name}"

    def state(self) -> dict[str, str]:
        """All that is in the environment."""
        return snapshot(self.alpine.outside(self.environment))


def make_home(alpine: Alpine, user: str) -> Home:
    """An environment with pip and muslfix, made and installed within, unless it is there."""
    made = Home(alpine, user)
    if not alpine.outside(made.environment).exists():
        well(made(alpine.executable, "-m", "venv", "--without-pip", made.environment))
        needed = [made.wheel(project) for project in ("pip", "muslfix", "installer", "packaging")]
        well(made("python", f"{needed[0]}/pip", "install", "--no-deps", *needed))
    return made


@pytest.fixture(params=USERS)
def home(request: pytest.FixtureRequest, alpine: Alpine) -> Home:
    return make_home(alpine, request.param)


def test_it_sees_the_system_as_it_is(home: Home) -> None:
    facts = json.loads(well(home("muslfix", "interpreter", "--json")).out)
    assert facts["loader"] == LOADER
    assert (facts["libc"], facts["libc_version"]) == ("musl", "1.2.5")
    assert facts["prefix"] == home.environment
    told = well(home("muslfix", "interpreter"))
    assert LOADER in told.out
    assert "finds none of their extension modules" in told.out


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_run_fix_undo_and_the_tools_uninstall(home: Home, tool: str) -> None:
    installer = ["pip"] if tool == "pip" else ["uv", "pip"]
    empty = home.state()

    ran = well(home("muslfix", "run", "--", *installer, "install", "--no-deps", home.wheel("markupsafe")))
    assert "MarkupSafe 3.0.4: 1 extension module: 1 fixed" in ran.out + ran.err
    well(home("python", "-c", WORKS))
    fixed = home.state()
    assert well(home("muslfix", "check")).err == ""
    assert well(home("muslfix", "verify")).err == ""

    well(home("muslfix", "undo"))
    assert home("python", "-c", WORKS).status == 1
    checked = home("muslfix", "check")
    assert checked.status == 1
    assert "misnamed" in checked.out
    well(home("muslfix", "fix"))
    well(home("python", "-c", WORKS))
    after = home.state()
    assert {path for path in after if "__pycache__" not in path} == {
        path for path in fixed if "__pycache__" not in path
    }

    agreed = ["--yes"] if tool == "pip" else []
    well(home(*installer, "uninstall", *agreed, "markupsafe"))
    left = {path: state for path, state in home.state().items() if path != ".lock"}
    assert _without_bytecode(left) == _without_bytecode(empty)


def test_it_installs_real_wheels_that_then_work(home: Home) -> None:
    projects = ("numpy", "pyyaml", "cryptography", "cffi", "pycparser")
    wheels = [home.wheel(project) for project in projects]
    told = json.loads(well(home("muslfix", "install", "--no-compile", "--json", *wheels)).out)
    modules = [module for project in told["projects"] for module in project["modules"]]
    assert {m["verdict"] for m in modules} == {"misnamed", "importable"}
    code = (
        "import numpy, yaml, cryptography.hazmat.bindings._rust; numpy.linalg.inv(numpy.eye(3)); yaml.CLoader"
    )
    well(home("python", "-c", code))
    well(home("pip", "uninstall", "--yes", *projects))


def test_a_user_cannot_change_what_root_owns(alpine: Alpine) -> None:
    """Nor is root's environment half changed after that."""
    root, user = (make_home(alpine, name) for name in USERS)
    alpine.outside(USERS["root"]).chmod(0o755)
    well(root("pip", "install", "--no-deps", root.wheel("ujson")))
    before = root.state()
    refused = user("muslfix", "fix", "--python", f"{USERS['root']}/env")
    assert refused.status == 1
    assert "Traceback" not in refused.err
    assert _without_bytecode(root.state()) == _without_bytecode(before)
    well(root("muslfix", "fix"))
    well(root("python", "-c", "import ujson; ujson.dumps([1])"))
    well(root("pip", "uninstall", "--yes", "ujson"))


def test_from_outside_for_the_root_file_system(alpine: Alpine, lab: Lab) -> None:
    """As when an image is built on another system: nothing of the target is started."""
    whom = ["--target-root", str(alpine.root), "--target-python", alpine.executable]
    wheel = lab.wheel("cp311", "markupsafe")
    facts = json.loads(well(muslfix("interpreter", "--json", *whom)).out)
    assert (facts["libc"], facts["libc_version"], facts["loader"]) == ("musl", "1.2.5", LOADER)
    assert facts["extension_suffixes"][0] == PYTHON.suffix

    well(muslfix("install", wheel, *whom))
    well(alpine.run("root", alpine.executable, "-c", WORKS))
    assert well(muslfix("check", *whom)).err == ""
    well(muslfix("undo", *whom))
    assert alpine.run("root", alpine.executable, "-c", WORKS).status == 1
    well(muslfix("fix", *whom))
    well(alpine.run("root", alpine.executable, "-c", WORKS))
    well(muslfix("verify", *whom))
    links = [path for path in alpine.outside(f"/opt/{PYTHON.name}/lib").rglob("*") if path.is_symlink()]
    assert not any(os.path.isabs(os.readlink(link)) for link in links if "site-packages" in link.parts)


def _without_bytecode(state: dict[str, str]) -> dict[str, str]:
    return {path: what for path, what in state.items() if "__pycache__" not in path}
