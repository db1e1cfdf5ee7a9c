"""The main job on real wheels and real interpreters: before muslfix, after it, and after an uninstall.

Each interpreter gets all of its wheels in one call, in an environment for each mode that is removed before
the next one is made. Where few or no wheels are misnamed, the modes other than the default get the small
ones only.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from commands import Result, muslfix, run
from environments import site_packages
from lab import layout
from lab.layout import LabPython
from lab_modules import (
    Lab,
    LabModule,
    count,
    environment_for,
    find,
    in_parallel,
    load,
    modules_in,
    pip,
    project_of,
    removed_at_end,
    work,
)
from trees import snapshot
from wheelmaker import record_hash

pytestmark = [pytest.mark.lab, pytest.mark.once]

MODES = ("symlink", "hardlink", "copy", "rename")
UNINSTALLERS = ("pip", "pip-old", "uv")
PYTHONS = [pytest.param(python, id=python.name) for python in layout.PYTHONS]
# Each interpreter with the default mode, and each other mode with one that finds few modules by itself.
PAIRS = [*((python.name, MODES[0]) for python in layout.PYTHONS)]
PAIRS += [("39-musl", "hardlink"), ("311-gnu", "copy"), ("39-musl", "rename")]
CASES = [
    pytest.param((python, mode), id=f"{name}-{mode}")
    for name, mode in PAIRS
    for python in layout.PYTHONS
    if python.name == name
]

# In bytes. Most wheels are small, of each kind some; numpy and mypy take long and show nothing more when they
# are installed a second time.
SMALL = 2_000_000

# A project that nobody touches: pip removes a site-packages folder that it leaves empty.
NEIGHBOUR = "packaging"


@dataclass(frozen=True)
class Installed:
    """An environment in which muslfix has installed wheels.

    :param environment: the virtual environment
    :param python: its interpreter
    :param mode: how modules were given their names
    :param wheels: what was installed
    :param before: the snapshot of the environment before that
    :param after: and after that
    :param report: what muslfix said, as JSON
    """

    environment: Path
    python: LabPython
    mode: str
    wheels: list[Path]
    before: dict[str, str]
    after: dict[str, str]
    report: dict[str, Any]

    @property
    def site(self) -> Path:
        """Its ``site-packages``."""
        return site_packages(self.environment)

    @property
    def words(self) -> list[str]:
        """The options with which muslfix was called; bytecode is part of the default mode's tree only."""
        compiled = [] if self.mode == MODES[0] else ["--no-compile"]
        return ["--python", str(self.environment), f"--mode={self.mode}", *compiled]

    @property
    def modules(self) -> list[LabModule]:
        """The extension modules of all wheels."""
        return [module for wheel in self.wheels for module in modules_in(wheel)]

    @property
    def misnamed(self) -> list[LabModule]:
        """Those whose name in the wheel the interpreter does not import."""
        return [module for module in self.modules if not module.is_right_for(self.python)]


@pytest.fixture(scope="session", params=PYTHONS)
def plain(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LabPython, Path]]:
    """An interpreter, and an environment in which pip has installed all of its wheels."""
    python: LabPython = request.param
    with removed_at_end(tmp_path_factory.mktemp(f"pip-{python.name}")) as folder:
        environment = environment_for(python, lab, folder / "environment")
        words = ["--no-index", "--no-deps", "--no-compile"]
        done = pip(lab, environment, "install", *words, *lab.wheels(python.tag))
        assert done.status == 0, done.err
        yield python, environment


@pytest.fixture(scope="session", params=CASES)
def installed(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """An environment in which muslfix has installed the wheels for its interpreter, in one call."""
    python, mode = request.param
    with removed_at_end(tmp_path_factory.mktemp(f"{python.name}-{mode}")) as folder:
        environment = environment_for(python, lab, folder / "environment")
        neighbour = lab.wheel(f"runtime-{python.tag}", NEIGHBOUR)
        assert muslfix("install", "--python", environment, neighbour).status == 0
        found = Installed(environment, python, mode, lab.wheels(python.tag), snapshot(environment), {}, {})
        done = muslfix("install", "--json", *found.words, *found.wheels)
        assert (done.status, done.err) == (0, "")
        after, report = snapshot(environment), json.loads(done.out)
        yield replace(found, after=after, report=report)


@dataclass(frozen=True)
class Left:
    """What an uninstaller has left.

    :param done: how it ended
    :param tree: the snapshot of the environment after that
    """

    done: Result
    tree: dict[str, str]


@pytest.fixture(scope="session")
def left(
    installed: Installed, lab: Lab, uv: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Left]:
    """What each uninstaller leaves when it is told to remove all that was installed, at the same time."""
    projects = [project_of(wheel) for wheel in installed.wheels]

    def uninstall(tool: str) -> Left:
        with removed_at_end(tmp_path_factory.mktemp(tool)) as folder:
            # An uninstaller removes names only, so names are enough of a copy.
            environment = folder / "environment"
            shutil.copytree(installed.environment, environment, symlinks=True, copy_function=_link)
            done = _uninstall(tool, environment, projects, lab, uv)
            return Left(done, snapshot(environment))

    return dict(zip(UNINSTALLERS, in_parallel(uninstall, UNINSTALLERS)))


@pytest.fixture(scope="session")
def uv(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in the wheel of uv."""
    folder = tmp_path_factory.mktemp("uv")
    with zipfile.ZipFile(lab.wheel("tools", "uv")) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".data/scripts/uv")]
        program = Path(archive.extract(member, folder))
    program.chmod(0o755)
    return program


def small(wheels: list[Path]) -> list[Path]:
    """The wheels that are quickly installed."""
    return [wheel for wheel in wheels if wheel.stat().st_size < SMALL]


def misnamed_projects(lab: Lab, python: LabPython) -> list[str]:
    """The projects with modules whose name the interpreter does not import."""
    return [
        project_of(wheel)
        for wheel in lab.wheels(python.tag)
        if any(not module.is_right_for(python) for module in modules_in(wheel))
    ]


def test_the_wheels_are_misnamed_in_both_directions(lab: Lab) -> None:
    misnamed = {python.name: set(misnamed_projects(lab, python)) for python in layout.PYTHONS}

    assert misnamed["39-gnu"] == set()
    assert {"psycopg_binary", "mypy", "numpy"} <= misnamed["39-musl"]
    assert misnamed["311-musl"] == {"jellyfish", "pydantic_core", "python_calamine"}
    assert {"psycopg_binary", "lxml", "numpy"} <= misnamed["311-gnu"]
    assert not misnamed["311-gnu"] & {"cryptography", *misnamed["311-musl"]}


def test_after_pip_misnamed_modules_are_missing_or_replaced_by_python_code(
    plain: tuple[LabPython, Path], lab: Lab, record_property: Any
) -> None:
    python, environment = plain
    modules = [module for wheel in lab.wheels(python.tag) for module in modules_in(wheel)]

    found = find(environment, modules)

    for module in modules:
        answer = found[module.name]
        if module.is_right_for(python):
            assert answer is not None
            assert (answer.is_extension, answer.file) == (True, module.file)
        elif module.source:
            assert answer is not None
            assert (answer.loader, answer.file) == ("SourceFileLoader", module.source)
        else:
            assert answer is None, module.name
    record_property(f"{python.name} after pip", dict(count(found)))


def test_after_pip_no_project_with_misnamed_modules_does_its_work(
    plain: tuple[LabPython, Path], lab: Lab
) -> None:
    python, environment = plain
    projects = misnamed_projects(lab, python)

    results = in_parallel(lambda project: work(environment, project), projects)

    assert [project for project, done in zip(projects, results) if done.status == 0] == []


def test_where_all_names_are_right_muslfix_installs_what_pip_installs(
    plain: tuple[LabPython, Path], lab: Lab, tmp_path: Path
) -> None:
    python, by_pip = plain
    wheels = [
        wheel
        for wheel in lab.wheels(python.tag)
        if all(module.is_right_for(python) for module in modules_in(wheel))
    ]
    assert wheels
    with removed_at_end(tmp_path / "environment") as environment:
        environment_for(python, lab, environment)
        assert muslfix("install", "--no-compile", "--python", environment, *wheels).status == 0
        ours, theirs = snapshot(site_packages(environment)), snapshot(site_packages(by_pip))

    # INSTALLER tells them apart; the order of the rows of RECORD and the spaces in JSON are free.
    own = ("/INSTALLER", "/RECORD", "/direct_url.json")
    different = {path for path in ours if ours[path] != theirs.get(path) and not path.endswith(own)}
    assert different == set()


def test_every_module_is_found_as_an_extension_module(installed: Installed, record_property: Any) -> None:
    modules = installed.modules

    found = find(installed.environment, modules)

    taken = {name: (answer.loader, answer.file) for name, answer in found.items() if answer}
    assert taken == {
        module.name: ("ExtensionFileLoader", module.right_file(installed.python)) for module in modules
    }
    record_property(f"{installed.python.name} after muslfix", dict(count(found)))


def test_every_module_loads(installed: Installed) -> None:
    wheels = [wheel for wheel in installed.wheels if modules_in(wheel)]

    complaints = in_parallel(lambda wheel: load(installed.environment, installed.python, wheel), wheels)

    assert {wheel.name: text for wheel, text in zip(wheels, complaints) if text} == {}


def test_the_projects_do_real_work(installed: Installed) -> None:
    projects = [project_of(wheel) for wheel in installed.wheels if modules_in(wheel)]

    results = in_parallel(lambda project: work(installed.environment, project), projects)

    failed = {project: done.err for project, done in zip(projects, results) if done.status}
    print("", *(done.out.strip() for done in results), sep="\n")
    assert failed == {}


def test_what_muslfix_says_is_what_is_on_disk(installed: Installed) -> None:
    python, mode, site = installed.python, installed.mode, installed.site

    said = {
        (module["path"], module["verdict"], module["new_path"], module["mode"])
        for project in installed.report["projects"]
        for module in project["modules"]
    }

    assert said == {
        (module.file, "importable", None, None)
        if module.is_right_for(python)
        else (module.file, "misnamed", module.right_file(python), mode)
        for module in installed.modules
    }
    for module in installed.misnamed:
        old, new = site / module.file, site / module.right_file(python)
        if mode == "symlink":
            assert os.readlink(new) == old.name
        elif mode == "hardlink":
            assert new.samefile(old)
            assert not new.is_symlink()
        elif mode == "copy":
            assert not new.samefile(old)
            assert new.read_bytes() == old.read_bytes()
        else:
            assert not os.path.lexists(old)
            assert new.is_file()


def test_projects_with_right_names_are_left_alone(installed: Installed) -> None:
    """Above all cryptography, whose abi3 module has the right name everywhere."""
    misnamed = set()
    for wheel in installed.wheels:
        modules = modules_in(wheel)
        if any(not module.is_right_for(installed.python) for module in modules):
            misnamed.add(project_of(wheel))
            continue
        with zipfile.ZipFile(wheel) as archive:
            for module in modules:
                assert (installed.site / module.file).read_bytes() == archive.read(module.file)

    traces = {path.parent.name for path in installed.site.glob("*.dist-info/muslfix.json")}

    assert {name.partition("-")[0].lower() for name in traces} == misnamed


def test_nothing_else_got_a_name(installed: Installed) -> None:
    kept = [] if installed.mode == "rename" else [module.file for module in installed.modules]
    expected = {*kept, *(module.right_file(installed.python) for module in installed.modules)}

    files = {str(path.relative_to(installed.site)) for path in installed.site.rglob("*.so")}

    assert {file for file in files if ".libs/" not in file} == expected


def test_record_says_what_is_on_disk(installed: Installed) -> None:
    listed = {}
    for record in installed.site.glob("*.dist-info/RECORD"):
        for path, digest, size in csv.reader(record.read_text(encoding="utf-8").splitlines()):
            file = Path(os.path.normpath(installed.site / path))
            listed[file] = record
            if digest:
                content = file.read_bytes()
                assert (digest, int(size)) == (f"sha256={record_hash(content)}", len(content)), path

    new = {installed.environment / path for path in installed.after if path not in installed.before}
    assert {path for path in new if path.is_symlink() or not path.is_dir()} <= listed.keys()
    assert {path for path in listed if not os.path.lexists(path)} == set()


def test_a_second_time_changes_nothing(installed: Installed) -> None:
    done = muslfix("install", "-v", *installed.words, *installed.wheels)

    assert (done.status, done.err) == (0, "")
    summary, *lines = done.out.splitlines()
    assert summary.endswith(": nothing to fix.")
    assert len(lines) == len(installed.wheels)
    assert [line for line in lines if ": kept: " not in line] == []
    assert snapshot(installed.environment) == installed.after


def test_reinstalling_gives_the_same_tree(installed: Installed) -> None:
    done = muslfix("install", "--force-reinstall", "--json", *installed.words, *small(installed.wheels))

    assert (done.status, done.err) == (0, "")
    assert {project["action"] for project in json.loads(done.out)["projects"]} == {"replaced"}
    after = snapshot(installed.environment)
    assert _without_times(after) == _without_times(installed.after)


def _without_times(tree: dict[str, str]) -> dict[str, str]:
    """Without the content of bytecode, which holds the time at which its source was written."""
    return {path: "bytecode" if path.endswith(".pyc") else state for path, state in tree.items()}


@pytest.mark.parametrize("tool", UNINSTALLERS)
def test_uninstalling_leaves_nothing_behind(installed: Installed, left: dict[str, Left], tool: str) -> None:
    done, tree = left[tool].done, left[tool].tree

    assert done.status == 0, done.err
    assert {path: tree.get(path) for path in installed.before} == installed.before
    new = {path: state for path, state in tree.items() if path not in installed.before}
    # Whoever installed them: uv has a lock file, and the folders of C headers outlive the headers.
    new.pop(".lock", None)
    assert {path for path, state in new.items() if not path.startswith("include/")} == set()
    assert {state for state in new.values() if not state.endswith(" folder")} == set()


def _link(source: str, destination: str) -> None:
    os.link(source, destination, follow_symlinks=False)


def _uninstall(tool: str, environment: Path, projects: list[str], lab: Lab, uv: Path) -> Result:
    if tool == "uv":
        words = ["--offline", "--no-config", "--no-cache", "--python", str(environment)]
        return run([uv, "pip", "uninstall", *words, *projects])
    return pip(lab, environment, "uninstall", "--yes", *projects, group=tool)
