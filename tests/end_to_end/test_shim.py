"""The shim on real interpreters, with real wheels in trees that nobody can change."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Result, read_only, run
from environments import find_uv, make_environment, site_packages, well
from lab import layout
from lab.layout import LabPython
from lab_modules import (
    _FIND,
    _IMPORTED_FIRST,
    _NOT_IMPORTED,
    Lab,
    LabModule,
    in_parallel,
    modules_in,
    project_of,
    removed_at_end,
)
from real_pythons import HOST_PYTHONS

from muslfix.verbs.shim import write_shim_wheel
from muslfix.verbs.shim_wheel import shim_wheel

pytestmark = [pytest.mark.lab, pytest.mark.once]

WORK = Path(__file__).parents[1] / "helpers" / "shim_work.py"

EVERY = {python.name: python for python in (*layout.EVERY_PYTHON, *layout.GLIBC_PYTHONS)}

#: One of each version and of each way in which they differ; those of pyenv are for glibc.
VERSIONS = ("39-musl", "311-gnu", "313-musl", "313t-musl", "314-glibc", "315-glibc")
OF_PYENV = ("3.6.", "3.7.", "3.8.", "3.10.", "3.12.")

#: What becomes of the modules of the wheels for them without the shim: found, shadowed by a .py, missing.
BOTH_WAYS = {"39-musl": (1, 224, 48), "311-gnu": (4, 7, 40), "313-gnu": (1, 0, 7), "313-musl": (8, 0, 0)}

_IMPORT = """\
import importlib, json, sys
for name in json.load(sys.stdin):
    module = importlib.import_module(name)
    assert type(module.__spec__.loader).__name__ == "ExtensionFileLoader", module
"""


def unpack(wheels: list[Path], tree: Path) -> list[LabModule]:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tree, [n for n in archive.namelist() if n.endswith(".py") or ".so" in n])
    return [module for wheel in wheels for module in modules_in(wheel)]


def add_shim(environment: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(shim_wheel())) as archive:
        archive.extractall(site_packages(environment))


class Tree:
    """Wheels unpacked into a tree that is read-only for what runs in an environment with the shim.

    :param python: whose environment that is
    :param group: of wheels
    """

    def __init__(self, lab: Lab, folder: Path, python: LabPython, group: str = "", *names: str) -> None:
        lab.skip_without(python)
        self.wheels = [w for w in lab.wheels(group or python.tag) if not names or project_of(w) in names]
        self.tree = folder / "tree"
        self.modules = unpack(self.wheels, self.tree)
        self.environment = make_environment(folder / "environment", lab.pythons[python.name])
        (site_packages(self.environment) / "tree.pth").write_text(f"{self.tree}\n")
        add_shim(self.environment)

    def run(self, code: str, told: object, *before: str, program: str = "python") -> Result:
        python = self.environment / "bin" / program
        command = [*read_only(self.tree), *before, python, "-I", "-B", "-c", code]
        return run(command, json.dumps(told))

    def count(self, *before: str) -> tuple[int, int, int]:
        done = well(self.run(_FIND, [module.name for module in self.modules], *before))
        loaders = Counter(answer and answer[0] for answer in json.loads(done.out))
        return loaders["ExtensionFileLoader"], loaders["SourceFileLoader"], loaders[None]

    def load(self, wheel: Path) -> str:
        names = [module.name for module in modules_in(wheel) if module.name not in _NOT_IMPORTED]
        first = [f"import {name}\n" for name in _IMPORTED_FIRST.get(project_of(wheel), [])]
        done = self.run("".join(first) + _IMPORT, names)
        return "" if done.status == 0 else f"{wheel.name}: {done.status}: {done.err[-500:]}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with removed_at_end(tmp_path / "large") as large:
        large.mkdir()
        yield large


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_every_module_of_real_wheels_in_a_read_only_tree_is_found_and_loaded(
    name: str, lab: Lab, folder: Path
) -> None:
    tree = Tree(lab, folder, EVERY[name])
    assert tree.count("env", "MUSLFIX_SHIM=0") == BOTH_WAYS[name]
    assert tree.count() == (len(tree.modules), 0, 0)
    if BOTH_WAYS[name][0] < len(tree.modules):
        assert [problem for problem in in_parallel(tree.load, tree.wheels) if problem] == []


def test_what_does_not_fit_is_refused_in_a_sentence(lab: Lab, folder: Path) -> None:
    """manylinux wheels on musl, musllinux wheels on glibc, and what an old musl would crash at."""
    on_musl, on_glibc, old = (folder / name for name in ("musl", "glibc", "old"))
    tree = Tree(lab, on_musl, EVERY["39-musl"], "manylinux-cp39", "markupsafe")
    done = tree.run("import markupsafe._speedups", None)
    assert done.err.split("\n")[-2].startswith(
        f"ImportError: {tree.tree}/markupsafe/_speedups.cpython-39-x86_64"
    )
    assert done.err.endswith(" is linked to glibc (it needs libc.so.6), and this Python runs on musl\n")

    tree = Tree(lab, on_glibc, layout.GLIBC_PYTHONS[0], "cp314", "markupsafe")
    done = tree.run("import markupsafe._speedups", None)
    assert " is linked to musl (it needs libc.musl-x86_64.so.1), and this Python runs on glibc" in done.err

    gnu = EVERY["311-gnu"]
    tree = Tree(lab, old, gnu, "cp311", "greenlet")
    assert tree.load(tree.wheels[0]) == ""
    program = gnu.executable(lab.folder, layout.OLD_MUSL).name
    (tree.environment / "bin" / program).symlink_to(gnu.executable(lab.folder, layout.OLD_MUSL))
    done = tree.run("import greenlet._greenlet", None, program=program)
    assert done.status == 1
    assert "relative relocations (DT_RELR), new in musl 1.2.4" in done.err.split("\n")[-2]


def test_it_works_on_every_python(lab: Lab, folder: Path) -> None:
    """From 3.6 on, and whatever the way in which a module is imported."""
    pythons = {name: path for name, path in HOST_PYTHONS.items() if name.startswith(OF_PYENV)}
    pythons.update((name, lab.pythons[name]) for name in VERSIONS)

    def work(name: str) -> Result:
        with removed_at_end(folder / name) as place:
            environment = make_environment(place / "environment", pythons[name])
            add_shim(environment)
            (place / "work").mkdir()
            return run([environment / "bin" / "python", "-I", WORK, place / "work"])

    done = dict(zip(pythons, in_parallel(work, pythons)))
    assert {name: result.err for name, result in done.items() if result.out.split()[:1] != ["done"]} == {}
    tried = [name for name, result in done.items() if "subinterpreters" not in result.out]
    assert {"313-musl", "313t-musl", "314-glibc", "315-glibc"} <= set(tried)


def test_uv_runs_tools_and_scripts_with_it(lab: Lab, folder: Path) -> None:
    """Environments that are made and thrown away, and one that uv has synced."""
    uv, python = find_uv(folder), lab.pythons["39-musl"]
    wheel, shim = lab.wheel("cp39", "markupsafe"), write_shim_wheel(folder)
    options = ["--offline", "--no-config", "--no-progress", "--no-index", "--python", python]
    options += ["--cache-dir", str(folder / "cache")]
    script = ["python", "-c", "import markupsafe._speedups as m; print(m.__file__)"]
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.9"\n'
    )

    def call(*words: str | Path) -> Result:
        done = subprocess.run([uv, *words], cwd=project, capture_output=True, text=True, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    found = "/markupsafe/_speedups.cpython-39-x86_64-linux-gnu.so"
    ways: list[list[str | Path]] = [
        ["tool", "run", *options, "--from", wheel],
        ["run", "--no-project", *options, "--with", wheel],
    ]
    for way in ways:
        assert "No module named 'markupsafe._speedups'" in call(*way, *script).err
        assert found in well(call(*way, "--with", shim, *script)).out

    well(call("sync", *options))
    well(call("pip", "install", *options[:4], *options[6:], "--python", project / ".venv", wheel))
    synced = ["run", "--no-sync", *options]
    assert "No module named 'markupsafe._speedups'" in call(*synced, *script).err
    assert f"{project}/.venv/" in well(call(*synced, "--with", shim, *script)).out
