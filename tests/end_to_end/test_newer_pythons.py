"""CPython 3.13, free-threaded 3.13, 3.14 and 3.15: muslfix runs on them and installs real wheels for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Cli, Result, muslfix, run
from environments import make_environment, well
from lab import layout
from lab.layout import LabPython
from lab_modules import Lab, find, load, modules_in, removed_at_end, run_in

pytestmark = pytest.mark.lab

NEWER = [pytest.param(python, id=python.name) for python in (*layout.NEWER_PYTHONS, *layout.GLIBC_PYTHONS)]


def group_for(python: LabPython) -> str:
    """The wheels that fit its libc."""
    return f"manylinux-{python.tag}" if isinstance(python, layout.GlibcPython) else python.tag


def environment_of(python: LabPython, lab: Lab, folder: Path) -> Path:
    lab.skip_without(python)
    return make_environment(folder, lab.pythons[python.name])


def modules_told(result: Result) -> dict[str, tuple[str, str | None]]:
    """The verdict on each module, and the new path that it got."""
    projects = json.loads(well(result).out)["projects"]
    return {m["path"]: (m["verdict"], m["new_path"]) for project in projects for m in project["modules"]}


@pytest.mark.parametrize("python", NEWER)
def test_real_wheels_are_installed_found_and_loaded(python: LabPython, lab: Lab, tmp_path: Path) -> None:
    wheels = lab.wheels(group_for(python))
    modules = [module for wheel in wheels for module in modules_in(wheel)]
    with removed_at_end(tmp_path / "environment") as folder:
        environment = environment_of(python, lab, folder)

        told = modules_told(muslfix("install", *wheels, "--python", environment, "--json"))

        assert told == {
            module.file: ("importable", None)
            if module.is_right_for(python)
            else ("misnamed", module.right_file(python))
            for module in modules
        }
        assert any(new for _, new in told.values()) is (python.name == "313-gnu")
        found = find(environment, modules)
        assert [name for name, answer in found.items() if not (answer and answer.is_extension)] == []
        assert [load(environment, python, wheel) for wheel in wheels] == [""] * len(wheels)
        assert muslfix("verify", "--python", environment).status == 0


@pytest.mark.parametrize("python", NEWER)
def test_muslfix_runs_on_it_as_on_the_host(
    python: LabPython, lab: Lab, own_wheel: Path, cli: Cli, tmp_path: Path
) -> None:
    with removed_at_end(tmp_path / "home") as folder:
        home = environment_of(python, lab, folder)
        well(muslfix("install", own_wheel, *lab.wheels("runtime-cp311"), "--python", home))

        by_itself = run([home / "bin" / "muslfix", "interpreter", "--json"])
        by_host = cli("interpreter", "--json", "--python", home / "bin" / "python")

        assert json.loads(well(by_itself).out) == json.loads(by_host.out)
        wheel = lab.wheel(group_for(python), "markupsafe")
        well(run_in(home, "-m", "muslfix", "install", wheel))
        assert load(home, python, wheel) == ""
        for words in (["check"], ["fix"], ["verify"], ["undo"]):
            assert well(run_in(home, "-m", "muslfix", *words)).err == ""


@pytest.mark.parametrize("tag", ["cp314", "cp315"])
def test_musllinux_wheels_that_no_interpreter_here_runs(tag: str, lab: Lab) -> None:
    """Their own Python imports all of them, the other spelling none but those of the stable ABI."""
    wheels = lab.wheels(tag)
    modules = [module.file for wheel in wheels for module in modules_in(wheel)]
    assert len(modules) > len(wheels)

    own = modules_told(muslfix("check", *wheels, "--json", "--target-spec", f"{tag}-musl-x86_64-musl1.2.5"))
    assert own == dict.fromkeys(modules, ("importable", None))

    other = muslfix("check", *wheels, "--json", "--target-spec", f"{tag}-gnu-x86_64-musl1.2.5")
    assert other.status == 1
    told = modules_told(Result(0, other.out, other.err))
    assert told == {
        file: ("importable", None)
        if file.endswith(".abi3t.so")
        else ("misnamed", file.replace("-x86_64-linux-musl.so", "-x86_64-linux-gnu.so"))
        for file in modules
    }
