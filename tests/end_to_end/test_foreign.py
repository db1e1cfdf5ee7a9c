"""Foreign targets with real interpreters and real wheels: roots made of the lab's Pythons, seven CPUs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Cli, muslfix
from lab import layout
from lab.layout import LabPython, WheelGroup
from lab_modules import Lab, environment_for
from rootmaker import comparable
from trees import snapshot

from muslfix.elf.facts import ElfFacts
from muslfix.rewheel.wheel_plan import plan_wheel
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.root import read_target_root
from muslfix.targets.spec import parse_target_spec
from muslfix.verdicts import Mode, Verdict
from muslfix.wheels.wheel import open_wheel

pytestmark = pytest.mark.lab

PYTHONS = [pytest.param(python, id=python.name) for python in layout.PYTHONS]
GROUPS = [pytest.param(group, id=group.name) for group in layout.FOREIGN]

# In bytes: what is installed twice to compare the trees.
SMALL = 600_000

_NEEDED = ("lib-dynload", "os.py", "sysconfig.py", "site-packages")


def link_or_copy(source: str, destination: str) -> None:
    """Give a file another name; copy it where the folder is on another file system."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def copy_python(lab: Lab, python: LabPython, root: Path, prefix: str) -> None:
    """Lay the files of an interpreter that are read into a root, with its loader where it is looked for."""
    source = python.prefix(lab.folder)
    library = f"lib/python{'.'.join(python.version.split('.')[:2])}"

    def passed_over(folder: str, names: list[str]) -> set[str]:
        if folder != str(source / library):
            return set()
        return {name for name in names if name not in _NEEDED and not name.startswith("_sysconfigdata")}

    for part in ("bin", library):
        shutil.copytree(
            source / part, root / prefix / part, symlinks=True, ignore=passed_over, copy_function=link_or_copy
        )
    # The path of the loader is an absolute link in the lab, to the file beside it.
    loader = layout.loader(lab.folder)
    place = root / str(loader)[1:]
    place.parent.mkdir(parents=True)
    place.symlink_to(loader.with_name("libc.so"))
    link_or_copy(os.path.realpath(loader), str(place.with_name("libc.so")))


def program_of(python: LabPython, lab: Lab) -> str:
    """The program with the version in its name."""
    short = ".".join(python.version.split(".")[:2])
    return str(python.prefix(lab.folder) / "bin" / f"python{short}")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_target_in_a_root_is_the_one_that_runs(python: LabPython, lab: Lab, tmp_path: Path) -> None:
    executable = program_of(python, lab)
    copy_python(lab, python, tmp_path, str(python.prefix(lab.folder))[1:])
    read = read_target_root(str(tmp_path), executable)
    assert comparable(read) == comparable(probe_interpreter(executable))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_same_at_another_place(python: LabPython, lab: Lab, tmp_path: Path) -> None:
    executable = program_of(python, lab)
    copy_python(lab, python, tmp_path, "usr/local")
    read = read_target_root(str(tmp_path)).to_json()
    probed = probe_interpreter(executable)
    assert (
        read.replace('"/usr/local', f'"{python.prefix(lab.folder)}').splitlines()[:30]
        == (probed.to_json().splitlines()[:30])
    )


@pytest.mark.parametrize("python", [pytest.param(python, id=python.name) for python in layout.PYTHONS[:3:2]])
def test_the_tree_is_that_of_the_running_target(python: LabPython, lab: Lab, tmp_path: Path) -> None:
    """Real wheels give an environment the same files, whether its interpreter runs or is only read."""
    wheels = [wheel for wheel in lab.wheels(python.tag) if wheel.stat().st_size < SMALL]
    assert len(wheels) > 5
    environment = environment_for(python, lab, tmp_path / "environment")
    empty = Path(shutil.copytree(environment, tmp_path / "empty", symlinks=True))
    done = muslfix("install", "--python", environment, "--no-compile", *wheels)
    assert done.status == 0, done.err
    running = snapshot(environment)
    shutil.rmtree(environment)
    empty.rename(environment)
    done = muslfix(
        "install", "--target-root", "/", "--target-python", environment / "bin" / "python", *wheels
    )
    assert (done.status, done.err) == (0, "")
    assert "note: bytecode is left out" in done.out
    assert snapshot(environment) == running


def specs(group: WheelGroup) -> Iterator[tuple[str, Verdict]]:
    """What some Pythons are to the wheels of a group, as is known: those for 3.10 say gnu, for 3.11 musl."""
    tag = group.name.split("-")[1]
    is_gnu = tag == "cp310"
    yield f"{tag}-gnu-{group.cpu}-musl1.2.5", Verdict.IMPORTABLE if is_gnu else Verdict.MISNAMED
    yield f"{tag}-musl-{group.cpu}-musl1.2.5", Verdict.MISNAMED if is_gnu else Verdict.IMPORTABLE
    yield f"{tag}-none-{group.cpu}-musl1.2.5", Verdict.MISNAMED
    yield f"{tag}-gnu-{group.cpu}-glibc2.41", Verdict.OTHER_LIBC
    yield f"cp39-gnu-{group.cpu}-musl1.2.5", Verdict.OTHER_ABI
    other = "s390x" if group.cpu != "s390x" else "x86_64"
    yield f"{tag}-gnu-{other}-musl1.2.5", Verdict.OTHER_MACHINE


@pytest.mark.parametrize("group", GROUPS)
def test_real_wheels_of_seven_cpus(group: WheelGroup, lab: Lab, tmp_path: Path, cli: Cli) -> None:
    wheels = lab.wheels(group.name)
    assert wheels
    for spec, expected in specs(group):
        target = parse_target_spec(spec)
        verdicts = set()
        for path in wheels:
            with open_wheel(str(path)) as wheel:
                plan = plan_wheel(wheel, target, Mode.RENAME)
            assert plan.decisions
            for decision in plan.decisions:
                elf = decision.candidate.elf
                # A module that needs no libc at all fits either.
                neutral = expected is Verdict.OTHER_LIBC and isinstance(elf, ElfFacts) and not elf.libcs
                verdicts.add(expected if neutral else decision.verdict)
        assert verdicts == {expected}, spec
    spec, _ = next(pair for pair in specs(group) if pair[1] is Verdict.MISNAMED)
    fact = ["--target-fact", "executable=/usr/bin/python3"]
    done = cli("install", *wheels, "--target-spec", spec, *fact, "--target", tmp_path / "folder")
    assert done.status == 0, done.err
    suffix = parse_target_spec(spec).extension_suffixes[0]
    links = [path for path in (tmp_path / "folder").rglob("*") if path.is_symlink()]
    assert links
    assert {path.name.partition(".")[2] for path in links} == {suffix[1:]}
    assert all("/" not in os.readlink(path) and path.exists() for path in links)
