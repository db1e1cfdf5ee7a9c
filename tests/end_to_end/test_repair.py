"""Repaired real wheels, installed by four installers on real musl interpreters."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Result, muslfix
from environments import Uv, find_uv, well
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
    run_in,
    work,
)

pytestmark = [pytest.mark.lab, pytest.mark.once]

BY_NAME = {python.name: python for python in layout.PYTHONS}

#: What is installed by every tool; all else by pip, for one interpreter.
SOME = {"greenlet", "markupsafe", "psycopg", "psycopg_binary", "pyyaml", "typing_extensions", "ujson"}

_INSTALLER = """\
import runpy, sys
sys.path.insert(0, sys.argv[1])
for wheel in sys.argv[2:]:
    sys.argv = ["installer", wheel]
    runpy.run_module("installer", run_name="__main__")
"""


@dataclass(frozen=True)
class House:
    """A wheelhouse of repaired wheels.

    :param python: for which it is
    :param wheels: as they were
    :param folder: with the new ones
    """

    python: LabPython
    wheels: list[Path]
    folder: Path

    def new(self, wheel: Path) -> Path:
        return self.folder / wheel.name


def repaired(lab: Lab, names: list[str], folder: Path, mode: str) -> House:
    """All wheels for some interpreters, repaired and passed on."""
    python = BY_NAME[names[0]]
    wheels = lab.wheels(python.tag)
    options = ["--mode", mode, "-w", str(folder), "--copy-unchanged"]
    pythons = [word for name in names for word in ("--python", lab.pythons[name])]
    well(muslfix("repair", *wheels, *pythons, *options))
    return House(python, wheels, folder)


@pytest.fixture(scope="module", params=["39-musl", "311-gnu"])
def house(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with removed_at_end(tmp_path_factory.mktemp(request.param)) as folder:
        yield repaired(lab, [request.param], folder, "rename")


def right_modules(wheels: list[Path], python: LabPython) -> list[LabModule]:
    return [module for wheel in wheels for module in modules_in(wheel)]


def check_found(environment: Path, house: House, wheels: list[Path], *, copied: bool = False) -> int:
    """Every module is found, as an extension module, in the file that is right."""
    modules = right_modules(wheels, house.python)
    found = find(environment, modules)
    for module in modules:
        answer = found[module.name]
        assert answer is not None, module.name
        assert (answer.loader, answer.file) == ("ExtensionFileLoader", module.right_file(house.python))
    return len(modules)


def test_real_wheels_keep_all_but_the_names(house: House) -> None:
    """Unpacked contents, order, times, permissions and compressed sizes, of every real wheel."""
    renamed = 0
    for wheel in house.wheels:
        right = {module.file: module.right_file(house.python) for module in modules_in(wheel)}
        changed = {old for old, new in right.items() if old != new}
        renamed += len(changed)
        if not changed:
            assert house.new(wheel).read_bytes() == wheel.read_bytes()
            continue
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(house.new(wheel)) as new:
            assert new.testzip() is None
            facts = [
                [
                    (
                        names.get(i.filename, i.filename),
                        i.CRC,
                        i.compress_size,
                        i.date_time,
                        i.external_attr,
                        i.extra,
                    )
                    for i in archive.infolist()
                    if not i.filename.endswith((".dist-info/RECORD", ".dist-info/muslfix.json"))
                ]
                for archive, names in ((old, right), (new, {}))
            ]
            assert facts[0] == facts[1]
    assert renamed > (200 if house.python.name == "39-musl" else 40)


def installers(lab: Lab, folder: Path) -> dict[str, Callable[[Path, LabPython, list[Path]], Result]]:
    """For each tool how it installs wheels into an environment."""

    def by_pip(environment: Path, _: LabPython, wheels: list[Path]) -> Result:
        return pip(lab, environment, "install", "--no-index", "--no-deps", "--no-compile", *wheels)

    def by_uv(environment: Path, _: LabPython, wheels: list[Path]) -> Result:
        return Uv(find_uv(folder), folder / "cache")(
            environment, "install", "--no-index", "--no-deps", *wheels
        )

    def by_installer(environment: Path, python: LabPython, wheels: list[Path]) -> Result:
        return run_in(environment, "-c", _INSTALLER, lab.wheel(f"runtime-{python.tag}", "installer"), *wheels)

    def by_muslfix(environment: Path, _: LabPython, wheels: list[Path]) -> Result:
        return muslfix("install", "--no-compile", *wheels, "--python", environment)

    return {"pip": by_pip, "uv": by_uv, "installer": by_installer, "muslfix": by_muslfix}


@pytest.mark.parametrize("tool", ["pip", "uv", "installer", "muslfix"])
def test_repaired_wheels_install_and_import(house: House, lab: Lab, tmp_path: Path, tool: str) -> None:
    with removed_at_end(tmp_path) as folder:
        environment = environment_for(house.python, lab, folder / "environment")
        all_of_them = tool == "pip" and house.python.name == "39-musl"
        wheels = [wheel for wheel in house.wheels if all_of_them or project_of(wheel) in SOME]
        well(installers(lab, folder)[tool](environment, house.python, [house.new(w) for w in wheels]))

        count = check_found(environment, house, wheels)

        assert count > (250 if all_of_them else 7)
        some = [wheel for wheel in wheels if project_of(wheel) in SOME]
        assert not any(in_parallel(lambda wheel: load(environment, house.python, wheel), some))
        assert work(environment, "markupsafe").status == 0
        checked = [muslfix(verb, "--python", environment) for verb in ("fix", "verify", "check")]
        assert [result.status for result in checked] == [0, 0, 0], checked


def test_one_wheelhouse_for_both_spellings(lab: Lab, tmp_path: Path) -> None:
    with removed_at_end(tmp_path) as folder:
        names = ["39-gnu", "39-musl"]
        house = repaired(lab, names, folder / "wheels", "copy")
        some = [wheel for wheel in house.wheels if project_of(wheel) in SOME]
        for name in names:
            environment = environment_for(BY_NAME[name], lab, folder / name)
            well(
                pip(
                    lab,
                    environment,
                    "install",
                    "--no-index",
                    "--no-deps",
                    "--no-compile",
                    *map(house.new, some),
                )
            )
            assert check_found(environment, House(BY_NAME[name], some, house.folder), some) > 7


def test_undo_of_what_pip_has_installed_from_a_repaired_wheel(lab: Lab, tmp_path: Path) -> None:
    """The trace in the wheel is one of the installed project: undo gives it the wheel's old names."""
    python = BY_NAME["39-musl"]
    wheel = lab.wheel("cp39", "markupsafe")
    well(muslfix("repair", wheel, "--python", lab.pythons[python.name], "-w", tmp_path))
    environment = environment_for(python, lab, tmp_path / "environment")
    well(pip(lab, environment, "install", "--no-index", "--no-deps", tmp_path / wheel.name))
    well(muslfix("undo", "--python", environment))
    (module,) = modules_in(wheel)
    found = find(environment, [module])[module.name]
    assert found is None or not found.is_extension
    well(muslfix("verify", "--python", environment))
    well(muslfix("fix", "--python", environment))
    found = find(environment, [module])[module.name]
    assert found is not None
    assert found.is_extension


def test_retagged_wheels_install_and_import(lab: Lab, tmp_path: Path) -> None:
    """Some could load on musl 1.1, numpy has symbols of 1.1.24, and cryptography relative relocations."""
    wanted = {"charset_normalizer": "1_1", "markupsafe": "1_1", "numpy": "1_2", "cryptography": "1_2"}
    python = BY_NAME["39-musl"]
    with removed_at_end(tmp_path) as folder:
        wheels = [wheel for wheel in lab.wheels(python.tag) if project_of(wheel) in wanted]
        options = [
            "--python",
            lab.pythons[python.name],
            "--retag",
            "--copy-unchanged",
            "-w",
            str(folder / "new"),
        ]
        told = well(muslfix("repair", *wheels, *options))
        assert told.err.count("no tag says more than musllinux_1_2") == 1
        new = sorted((folder / "new").iterdir())
        assert {project_of(wheel): wheel.stem.partition("-musllinux_")[2] for wheel in new} == {
            name: f"{version}_x86_64" for name, version in wanted.items()
        }
        for tool in ("pip", "uv"):
            environment = environment_for(python, lab, folder / tool)
            well(
                installers(lab, folder)[tool](environment, python, [w for w in new if project_of(w) in SOME])
            )
            assert work(environment, "markupsafe").status == 0
            checked = [muslfix(verb, "--python", environment) for verb in ("fix", "verify", "check")]
            assert [result.status for result in checked] == [0, 0, 0], checked
