"""Wheels of the stable ABI that build backends make on CPython 3.15: for older Pythons, and for 3.15 itself.

Their tag promises CPython 3.9 and later; the name of their module is one that upstream imports from 3.15 on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Result, muslfix
from environments import Uv, find_uv, make_environment, well
from lab import layout, toolchain
from lab_modules import Lab, pip, removed_at_end, run_in
from trees import snapshot

pytestmark = [pytest.mark.lab, pytest.mark.once]

BUILT = "demo315/m.abi3-x86_64-linux-gnu.so"
RIGHT = "demo315/m.abi3.so"

SENTENCE = (
    "builds on Python 3.15 and later give this name, which older Pythons do not import; all import m.abi3.so"
)

NEWEST = layout.GLIBC_PYTHONS[-1]

PROJECT = """\
[project]
name = "demo315"
version = "1.0"

"""

SETUPTOOLS = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[tool.setuptools]
packages = ["demo315"]

[[tool.setuptools.ext-modules]]
name = "demo315.m"
sources = ["named.c"]
py-limited-api = true
define-macros = [["Py_LIMITED_API", "0x03090000"]]

[tool.distutils.bdist_wheel]
py-limited-api = "cp39"
"""

SCIKIT_BUILD = """\
[build-system]
requires = ["scikit-build-core"]
build-backend = "scikit_build_core.build"

[tool.scikit-build]
wheel.py-api = "cp39"
wheel.packages = ["demo315"]
"""

CMAKE = """\
cmake_minimum_required(VERSION 3.26)
project(demo315 C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.SABIModule)
python_add_library(m MODULE WITH_SOABI USE_SABI 3.9 named.c)
install(TARGETS m DESTINATION demo315)
"""

#: The files that tell each backend what to build.
BACKENDS = {
    "setuptools.build_meta": {"pyproject.toml": PROJECT + SETUPTOOLS},
    "scikit_build_core.build": {"pyproject.toml": PROJECT + SCIKIT_BUILD, "CMakeLists.txt": CMAKE},
}

BUILD = "import importlib, sys; importlib.import_module(sys.argv[1]).build_wheel(sys.argv[2])"

#: Interpreters that do not import the name, the backend and the libc of the wheel for each.
OLDER = {
    "311-musl": ("setuptools.build_meta", "musl"),
    "313-gnu": ("scikit_build_core.build", "musl"),
    "host": ("setuptools.build_meta", "glibc"),
}


@pytest.fixture(scope="module")
def wheels(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    """The wheel as each backend builds it, with a compiler for each libc."""
    lab.skip_without(NEWEST)
    with removed_at_end(tmp_path_factory.mktemp("built")) as folder:
        builder = make_environment(folder / "builder", lab.pythons[NEWEST.name])
        well(pip(lab, builder, "install", "--no-index", "--no-deps", "--no-compile", *lab.wheels("builders")))
        compilers = {"musl": str(toolchain.compiler(lab.folder)), "glibc": "gcc"}
        yield {
            (backend, libc): build(lab, builder, folder / f"{backend}-{libc}", backend, compiler)
            for backend in BACKENDS
            for libc, compiler in compilers.items()
        }


def build(lab: Lab, builder: Path, folder: Path, backend: str, compiler: str) -> Path:
    project = folder / "project"
    (project / "demo315").mkdir(parents=True)
    (project / "demo315" / "__init__.py").write_text("from demo315.m import answer\n")
    for name, text in BACKENDS[backend].items():
        (project / name).write_text(text)
    (project / "named.c").write_bytes((FIXTURES / "sources" / "named.c").read_bytes())
    headers = NEWEST.prefix(lab.folder) / "include"  # Debian keeps what depends on the CPU apart
    path = f"{builder / 'bin'}:{os.environ['PATH']}"
    subprocess.run(
        [builder / "bin" / "python", "-I", "-c", BUILD, backend, folder],
        cwd=project,
        env={"PATH": path, "CC": compiler, "CFLAGS": f"-I{headers}", "HOME": str(folder)},
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == "demo315-1.0-cp39-abi3-linux_x86_64.whl"
    assert modules(wheel) == [BUILT]
    return wheel


def modules(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.endswith(".so")]


def sentences(result: Result) -> list[str]:
    """What is said of each module that got a name."""
    projects = json.loads(well(result).out)["projects"]
    return [m["sentence"] for project in projects for m in project["modules"] if m["new_path"]]


@dataclass(frozen=True)
class Place:
    """An environment, and the wheel with modules for its libc.

    :param environment: the virtual environment
    :param wheel: as it was built on 3.15
    :param libc: that its module is linked to
    :param folder: for other files
    """

    environment: Path
    wheel: Path
    libc: str
    folder: Path

    def imports(self) -> Result:
        return run_in(self.environment, "-c", "import demo315; assert demo315.answer() == 42")

    def check_broken(self) -> None:
        broken = self.imports()
        assert broken.status == 1
        assert "No module named 'demo315.m'" in broken.err


@pytest.fixture(params=OLDER)
def place(
    request: pytest.FixtureRequest, lab: Lab, wheels: dict[tuple[str, str], Path], tmp_path: Path
) -> Iterator[Place]:
    python, key = lab.pythons.get(request.param, sys.executable), OLDER[request.param]
    with removed_at_end(tmp_path / "environment") as environment:
        yield Place(make_environment(environment, python), wheels[key], key[1], tmp_path)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_installed_by_another_tool_it_is_broken_until_it_is_fixed(place: Place, lab: Lab, tool: str) -> None:
    environment = place.environment
    uv = Uv(find_uv(place.folder), place.folder / "cache")
    empty = snapshot(environment)
    if tool == "pip":
        well(pip(lab, environment, "install", "--no-index", "--no-compile", place.wheel))
    else:
        well(uv(environment, "install", "--no-index", place.wheel))
    place.check_broken()

    checked = muslfix("check", "--python", environment)
    assert checked.status == 1
    assert f"{SENTENCE}, which would link to it" in checked.out
    fixed = muslfix("fix", "--json", "--python", environment)
    assert sentences(fixed) == [f"{SENTENCE}, which now links to it"]
    assert place.imports() == Result(0, "", "")
    assert well(muslfix("verify", "--python", environment)).err == ""

    if tool == "pip":
        well(pip(lab, environment, "uninstall", "--yes", "demo315"))
    else:
        well(uv(environment, "uninstall", "demo315"))
    left = {path: state for path, state in snapshot(environment).items() if path != ".lock"}
    assert left == empty


def test_installed_by_muslfix_it_works(place: Place) -> None:
    told = muslfix("install", "--json", "--no-compile", place.wheel, "--python", place.environment)
    assert sentences(told) == [f"{SENTENCE}, which now links to it"]
    assert place.imports() == Result(0, "", "")


@pytest.mark.parametrize("repaired_for", ["itself", "where it was built"])
def test_repaired_it_works_everywhere(place: Place, lab: Lab, repaired_for: str) -> None:
    """A publisher repairs on the Python that built the wheel, which lacks nothing itself."""
    if repaired_for == "itself":
        whom = ["--python", str(place.environment)]
    elif place.libc == "glibc":
        whom = ["--python", lab.pythons[NEWEST.name]]
    else:  # what was compiled for musl there
        whom = ["--target-spec", "cp315-gnu-x86_64-musl1.2.5"]

    told = muslfix("repair", "--json", place.wheel, *whom, "-w", place.folder / "new")

    assert sentences(told) == [f"{SENTENCE}, which is now its name"]
    (new,) = (place.folder / "new").glob("*.whl")
    assert (new.name, modules(new)) == (place.wheel.name, [RIGHT])
    well(pip(lab, place.environment, "install", "--no-index", "--no-compile", new))
    assert place.imports() == Result(0, "", "")
    assert well(muslfix("check", "--python", place.environment)).status == 0
    well(muslfix("repair", new, *whom, "-w", place.folder / "again"))
    assert not (place.folder / "again").exists()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("python", layout.GLIBC_PYTHONS, ids=lambda python: python.name)
def test_nothing_changes_where_the_name_is_imported(
    python: layout.GlibcPython,
    backend: str,
    lab: Lab,
    wheels: dict[tuple[str, str], Path],
    tmp_path: Path,
) -> None:
    """On 3.15, and on Debian's 3.14, which looks for that name behind the plain one."""
    lab.skip_without(python)
    with removed_at_end(tmp_path / "environment") as folder:
        environment = make_environment(folder, lab.pythons[python.name])
        place = Place(environment, wheels[backend, "glibc"], "glibc", tmp_path)
        well(pip(lab, folder, "install", "--no-index", "--no-compile", place.wheel))
        before = snapshot(folder)
        assert place.imports() == Result(0, "", "")

        told = json.loads(well(muslfix("fix", "--json", "--python", folder)).out)

        said = [(m["path"], m["verdict"]) for project in told["projects"] for m in project["modules"]]
        assert said == [(BUILT, "importable")]
        assert snapshot(folder) == before

        new = muslfix("repair", "--json", place.wheel, "--python", folder, "-w", tmp_path / "new")
        assert sentences(new) == [f"{SENTENCE}, which is now its name"]
        (repaired,) = (tmp_path / "new").glob("*.whl")
        well(pip(lab, folder, "install", "--no-index", "--no-compile", "--force-reinstall", repaired))
        assert place.imports() == Result(0, "", "")
