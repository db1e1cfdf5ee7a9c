"""32-bit ARM: interpreters of both spellings, run by qemu, with real wheels; and the CPU judged from afar.

``python tests/lab --arm`` builds them, and ``nox -s arm`` runs these tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Cli, Result, muslfix, run
from environments import install_by_installer, well
from lab import arm as arm_tools
from lab import layout
from lab.layout import ArmPython
from lab_modules import Lab, environment_for, find, load, modules_in, run_in, work
from name_matrix import Cell, Modules, compile_each, outcomes
from trees import snapshot

pytestmark = pytest.mark.arm

GNU, MUSL = layout.ARM_PYTHONS

PYTHONS = [pytest.param(python, id=python.name) for python in (GNU, MUSL)]

# What follows the module's name, what the module was compiled for, what it is linked to, and the verdict of
# the interpreters that import -gnueabihf and -musleabihf.
CELLS = [
    (".cpython-311-arm-linux-gnueabihf.so", "311", "musl", "importable misnamed"),
    (".cpython-311-arm-linux-musleabihf.so", "311", "musl", "misnamed importable"),
    (".cpython-311.so", "311", "musl", "misnamed"),
    (".so", "311", "musl", "importable"),
    (".cpython-311-arm-linux-gnueabi.so", "311", "musl", "misnamed"),
    (".cpython-39-arm-linux-gnueabihf.so", "311", "musl", "other-abi"),
    (".abi3.so", "abi3", "musl", "importable"),
    (".abi3-arm-linux-gnueabihf.so", "abi3", "musl", "misnamed"),
    (".abi3-arm-linux-musleabihf.so", "abi3", "musl", "misnamed"),
    (".cpython-311-arm-linux-musleabihf.so", "311", "glibc", "other-libc"),
    (".cpython-311-arm-linux-gnueabihf.so", "311", "x86_64", "other-machine"),
    (".cpython-311-x86_64-linux-gnu.so", "311", "x86_64", "other-machine"),
]


@pytest.fixture(scope="module")
def modules(arm: Lab, tmp_path_factory: pytest.TempPathFactory) -> Modules:
    headers = f"-I{GNU.prefix(arm.folder) / 'include' / 'python3.11'}"
    native = layout.PYTHONS[2].prefix(arm.folder) / "include" / "python3.11"
    cc = str(arm_tools.compiler(arm.folder))
    jobs = {
        ("311", "musl"): [cc, headers],
        ("abi3", "musl"): [cc, headers, "-DPy_LIMITED_API=0x03090000"],
        ("311", "glibc"): [*arm_tools.glibc_compiler(arm.folder), headers],
        ("311", "x86_64"): ["gcc", f"-I{native}"],
    }
    return compile_each(jobs, tmp_path_factory.mktemp("modules"))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_verdict_agrees_with_the_import(
    python: ArmPython, arm: Lab, modules: Modules, tmp_path: Path
) -> None:
    cells = [Cell(python, suffix, abi, libc) for suffix, abi, libc, _ in CELLS]
    found = outcomes(arm.folder, python, modules, tmp_path, cells)
    assert [str(outcome) for outcome in found if not outcome.agrees] == []
    expected = [(verdicts.split() * 2)[python is MUSL] for *_, verdicts in CELLS]
    assert [outcome.verdict for outcome in found] == expected


@pytest.mark.parametrize("python", PYTHONS)
def test_real_wheels_before_and_after(python: ArmPython, arm: Lab, tmp_path: Path) -> None:
    environment = environment_for(python, arm, tmp_path / "environment")
    wheels = arm.wheels("arm")
    assert len(wheels) == 3
    for wheel in wheels:
        install_by_installer(environment, wheel)
    modules = [module for wheel in wheels for module in modules_in(wheel)]

    before = find(environment, modules)
    checked = muslfix("check", "--python", environment)
    well(muslfix("fix", "--python", environment))
    after = find(environment, modules)

    is_right = python is MUSL
    assert {bool(answer and answer.is_extension) for answer in before.values()} == {is_right}
    assert checked.status == (0 if is_right else 1)
    assert [name for name, answer in after.items() if not (answer and answer.is_extension)] == []
    assert [load(environment, python, wheel) for wheel in wheels] == [""] * len(wheels)
    well(work(environment, "lxml"))
    well(work(environment, "markupsafe"))
    well(muslfix("verify", "--python", environment))
    well(muslfix("undo", "--python", environment))
    assert find(environment, modules) == before


def test_muslfix_runs_on_it_as_on_the_host(arm: Lab, own_wheel: Path, cli: Cli, tmp_path: Path) -> None:
    home = environment_for(GNU, arm, tmp_path / "home")
    well(muslfix("install", own_wheel, *arm.wheels("runtime-cp311"), "--python", home))

    by_itself = json.loads(well(run([home / "bin" / "muslfix", "interpreter", "--json"])).out)

    assert by_itself == json.loads(well(cli("interpreter", "--json", "--python", home)).out)
    assert (by_itself["platform"], by_itself["libc_version"]) == ("linux-armv7l", layout.MUSL)
    wheel = arm.wheel("arm", "frozenlist")
    well(run_in(home, "-m", "muslfix", "install", wheel))
    assert load(home, GNU, wheel) == ""
    for words in (["check"], ["verify"], ["undo"], ["fix"], ["verify"]):
        assert well(run_in(home, "-m", "muslfix", *words)).err == ""
    assert load(home, GNU, wheel) == ""


def _from_afar(how: str, arm: Lab, folder: Path) -> list[str | Path]:
    """The options that describe the interpreter, of which none starts it."""
    if how == "root":
        program = str(GNU.program(arm.folder))
        return ["--target-root", "/", "--target-python", program, "--target-fact", "platform=linux-armv7l"]
    if how == "spec":
        executable = f"executable={GNU.executable(arm.folder)}"
        return ["--target-spec", "cp311-gnu-armv7l-musl1.2.5", "--target-fact", executable]
    told = well(muslfix("interpreter", "--json", "--python", GNU.executable(arm.folder)))
    (folder / "target.json").write_text(told.out, encoding="utf-8")
    return ["--target-file", folder / "target.json"]


@pytest.mark.parametrize("how", ["root", "file", "spec"])
def test_what_is_prepared_from_afar_is_what_it_imports(how: str, arm: Lab, tmp_path: Path) -> None:
    wheels = arm.wheels("arm")
    near: list[str | Path] = ["--python", GNU.executable(arm.folder)]
    for target, name in ((near, "near"), (_from_afar(how, arm, tmp_path), "far")):
        well(muslfix("install", "--no-compile", *wheels, *target, "--target", tmp_path / name))
    assert snapshot(tmp_path / "far") == snapshot(tmp_path / "near")
    assert _imports(arm, tmp_path / "far").err == ""


def _imports(arm: Lab, folder: Path) -> Result:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import lxml.etree, frozenlist._frozenlist;"
        " from markupsafe import _speedups; assert _speedups.__file__.endswith(sys.argv[2])"
    )
    return well(run([GNU.executable(arm.folder), "-I", "-B", "-c", code, str(folder), GNU.suffix]))
