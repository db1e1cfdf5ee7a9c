"""``fix`` on trees of all real wheels, installed by pip and by uv, for musl interpreters, in both directions.

Each tree is installed once and then fixed, put back, fixed in another way and uninstalled: the tests of one
tree run in that order.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import muslfix
from environments import Uv, find_uv, site_packages, well
from lab import layout
from lab.layout import LabPython
from lab_modules import (
    Lab,
    LabModule,
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
from trees import leftovers, snapshot, states

pytestmark = [pytest.mark.lab, pytest.mark.once]

# A project that stays: pip removes a site-packages folder that it leaves empty.
NEIGHBOUR = "packaging"


@dataclass(frozen=True)
class Tree:
    """An environment in which a tool has installed all wheels of a list.

    :param python: its interpreter
    :param tool: ``pip`` or ``uv``
    :param environment: the virtual environment
    :param cache: uv's, to which the files are hard links
    :param wheels: what was installed
    :param empty: what was there before that
    """

    python: LabPython
    tool: str
    environment: Path
    cache: Path
    wheels: list[Path]
    empty: dict[str, str]

    @property
    def modules(self) -> list[LabModule]:
        """The extension modules of all wheels."""
        return [module for wheel in self.wheels for module in modules_in(wheel)]

    @property
    def misnamed(self) -> list[LabModule]:
        """Those that the interpreter does not find."""
        return [module for module in self.modules if not module.is_right_for(self.python)]

    def check_found(self, count: int) -> None:
        """Every module is found, as an extension module, under the name that is right."""
        found = find(self.environment, self.modules)
        assert len(found) == count
        for module in self.modules:
            answer = found[module.name]
            assert answer is not None, module.name
            assert (answer.loader, answer.file) == ("ExtensionFileLoader", module.right_file(self.python))


@pytest.fixture(scope="module")
def uv_program(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_uv(tmp_path_factory.mktemp("uv"))


# Both tools with the interpreters that find few modules by themselves, and one with each of the others.
TOOLS = {"39-gnu": ["pip"], "39-musl": ["pip", "uv"], "311-musl": ["uv"], "311-gnu": ["pip", "uv"]}
CASES = [
    pytest.param((python, tool), id=f"{python.name}-{tool}")
    for python in layout.PYTHONS
    for tool in TOOLS[python.name]
]


@pytest.fixture(scope="module", params=CASES)
def tree(
    request: pytest.FixtureRequest, lab: Lab, uv_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tree]:
    python, tool = request.param
    with removed_at_end(tmp_path_factory.mktemp(f"{python.name}-{tool}")) as folder:
        environment, cache = environment_for(python, lab, folder / "environment"), folder / "cache"
        neighbour = lab.wheel(f"runtime-{python.tag}", NEIGHBOUR)
        wheels, words = lab.wheels(python.tag), ["--no-index", "--no-deps"]
        well(pip(lab, environment, "install", *words, "--no-compile", neighbour))
        empty = snapshot(environment)
        if tool == "pip":
            well(pip(lab, environment, "install", *words, "--no-compile", *wheels))
        else:
            uv = Uv(uv_program, cache)
            well(uv(environment, "install", *words, "--link-mode", "hardlink", *wheels))
            (environment / ".lock").unlink(missing_ok=True)
        yield Tree(python, tool, environment, cache, wheels, empty)


def test_one_fix_makes_every_module_importable(tree: Tree) -> None:
    before = snapshot(tree.environment)
    cache = snapshot(tree.cache)
    modules, misnamed = tree.modules, tree.misnamed
    assert bool(misnamed) is (tree.python.spelling != {"cp39": "gnu", "cp311": "musl"}[tree.python.tag]) or (
        tree.python.tag == "cp311"  # two of its wheels were cross-built and are named -gnu
    )

    done = muslfix("fix", "--json", "--python", tree.environment)

    assert (done.status, done.err) == (0, "")
    said = {
        module["path"]: (module["verdict"], module["new_path"], module["mode"])
        for project in json.loads(done.out)["projects"]
        for module in project["modules"]
    }
    assert said == {
        module.file: ("misnamed", module.right_file(tree.python), "symlink")
        if module in misnamed
        else ("importable", None, None)
        for module in modules
    }
    tree.check_found(len(modules))
    print(f"{tree.python.name}, installed by {tree.tool}: {len(misnamed)} of {len(modules)} were misnamed")

    exact = states(tree.environment)
    again = muslfix("fix", "--python", tree.environment)
    assert (again.status, again.err) == (0, "")
    assert states(tree.environment) == exact
    verified = muslfix("verify", "--python", tree.environment)
    assert (verified.status, verified.err) == (0, "")

    undone = muslfix("undo", "--python", tree.environment)
    assert (undone.status, undone.err) == (0, "")
    assert snapshot(tree.environment) == before
    assert snapshot(tree.cache) == cache
    assert leftovers(tree.environment) == []


def test_renamed_modules_load_and_do_real_work(tree: Tree) -> None:
    done = muslfix("fix", "--mode", "rename", "--python", tree.environment)
    assert (done.status, done.err) == (0, "")
    tree.check_found(len(tree.modules))
    wheels = [wheel for wheel in tree.wheels if modules_in(wheel)]
    complaints = in_parallel(lambda wheel: load(tree.environment, tree.python, wheel), wheels)
    assert [text for text in complaints if text] == []
    results = in_parallel(lambda wheel: work(tree.environment, project_of(wheel)), wheels)
    assert [result.err for result in results if result.status] == []
    assert muslfix("verify", "--python", tree.environment).status == 0


def test_the_tool_that_installed_it_uninstalls_all_of_it(tree: Tree, lab: Lab, uv_program: Path) -> None:
    projects = [project_of(wheel) for wheel in tree.wheels]
    if tree.tool == "pip":
        well(pip(lab, tree.environment, "uninstall", "--yes", *projects))
    else:
        well(Uv(uv_program, tree.cache)(tree.environment, "uninstall", *projects))
        (tree.environment / ".lock").unlink(missing_ok=True)
    left = snapshot(tree.environment)
    headers = {path for path in left if path.startswith("include/site")}  # which both leave of any project
    assert {path for path in left if path not in tree.empty} <= headers
    assert {path: left.get(path) for path in tree.empty} == tree.empty


@pytest.mark.parametrize(
    ("name", "pip_group", "mode"),
    [
        ("39-musl", "pip", "symlink"),
        ("39-musl", "pip-old", "rename"),
        ("311-gnu", "pip", "rename"),
        ("311-gnu", "pip-old", "symlink"),
    ],
)
def test_pip_old_and_new(lab: Lab, tmp_path: Path, name: str, pip_group: str, mode: str) -> None:
    """One project: install, fix, import, fix again, install again, fix, uninstall with the same pip."""
    (python,) = (python for python in layout.PYTHONS if python.name == name)
    environment, wheel = (
        environment_for(python, lab, tmp_path / "environment"),
        lab.wheel(python.tag, "markupsafe"),
    )
    words = ["--no-index", "--no-deps", "--no-compile"]
    well(pip(lab, environment, "install", *words, lab.wheel(f"runtime-{python.tag}", NEIGHBOUR)))
    empty = snapshot(environment)
    for options in ([], ["--force-reinstall"]):
        well(pip(lab, environment, "install", *words, *options, wheel, group=pip_group))
        assert [found and found.is_extension for found in find(environment, modules_in(wheel)).values()] == [
            None
        ]
        assert muslfix("fix", "--mode", mode, "--python", environment).status == 0
        assert load(environment, python, wheel) == ""
        exact = states(environment)
        assert muslfix("fix", "--mode", mode, "--python", environment).status == 0
        assert states(environment) == exact
    well(pip(lab, environment, "uninstall", "--yes", "markupsafe", group=pip_group))
    assert snapshot(environment) == empty


@pytest.mark.parametrize("name", ["39-musl", "311-gnu"])
def test_a_tree_that_is_copied_to_another_place_stays_fixed(lab: Lab, tmp_path: Path, name: str) -> None:
    """As by ``COPY --from`` of a Dockerfile: links are relative."""
    (python,) = (python for python in layout.PYTHONS if python.name == name)
    environment = environment_for(python, lab, tmp_path / "build" / "environment")
    wheel = lab.wheel(python.tag, "markupsafe")
    well(pip(lab, environment, "install", "--no-index", "--no-deps", "--no-compile", wheel))
    assert muslfix("fix", "--python", environment).status == 0
    copy = tmp_path / "image" / "environment"
    shutil.copytree(environment, copy, symlinks=True)
    shutil.rmtree(environment)
    assert load(copy, python, wheel) == ""
    assert muslfix("verify", "--python", copy).status == 0
    assert muslfix("undo", "--python", copy).status == 0
    assert not list(site_packages(copy).rglob(f"*{python.suffix}"))
