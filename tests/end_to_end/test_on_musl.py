"""muslfix itself runs on each of the lab's interpreters, where it was installed by muslfix."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Cli, muslfix, run
from environments import site_packages
from lab import layout
from lab.layout import LabPython
from lab_modules import Lab, environment_for, find, load, modules_in, removed_at_end, run_in, work
from trees import snapshot

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """An interpreter that runs muslfix, and what it installs.

    :param runner: the interpreter
    :param importer: whose environment gets the wheel: another one's, where ``runner`` has no misnamed wheel
    :param project: whose wheel is misnamed for ``importer``
    """

    runner: LabPython
    importer: LabPython
    project: str


_BY_NAME = {python.name: python for python in layout.PYTHONS}
CASES = [
    Case(_BY_NAME["39-gnu"], _BY_NAME["39-musl"], "markupsafe"),
    Case(_BY_NAME["39-musl"], _BY_NAME["39-musl"], "markupsafe"),
    Case(_BY_NAME["311-gnu"], _BY_NAME["311-gnu"], "markupsafe"),
    Case(_BY_NAME["311-musl"], _BY_NAME["311-musl"], "jellyfish"),
]


@pytest.fixture(scope="session")
def own_wheel(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of muslfix, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    done = run([sys.executable, "-m", "flit_core.wheel", "--outdir", folder, ROOT])
    assert done.status == 0, done.err
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session", params=[pytest.param(case, id=case.runner.name) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the interpreters of the lab."""
    found: Case = request.param
    return found


@pytest.fixture(scope="session")
def home(case: Case, own_wheel: Path, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment of the interpreter in which muslfix has installed itself and what it needs."""
    with removed_at_end(tmp_path_factory.mktemp(case.runner.name)) as folder:
        environment = environment_for(case.runner, lab, folder / "environment")
        needed = lab.wheels(f"runtime-{case.runner.tag}")
        done = muslfix("install", own_wheel, *needed, "--python", environment)
        assert (done.status, done.err) == (0, "")
        yield environment


def test_it_tells_its_version_and_help(home: Path) -> None:
    script = home / "bin" / "muslfix"

    version, usage = run([script, "--version"]), run([script, "--help"])

    assert (version.status, version.err) == (0, "")
    assert version.out.startswith("muslfix ")
    assert (usage.status, usage.err) == (0, "")
    assert "install" in usage.out


def test_it_sees_itself_as_the_host_sees_it(home: Path, cli: Cli) -> None:
    by_itself = run([home / "bin" / "muslfix", "interpreter", "--json"])

    by_host = cli("interpreter", "--json", "--python", home / "bin" / "python")

    assert (by_itself.status, by_itself.err) == (0, "")
    assert json.loads(by_itself.out) == json.loads(by_host.out)


def test_it_installs_a_misnamed_wheel_as_the_host_does(
    case: Case, home: Path, lab: Lab, cli: Cli, tmp_path: Path
) -> None:
    wheel = lab.wheel(case.importer.tag, case.project)
    modules = modules_in(wheel)
    environments = [
        environment_for(case.importer, lab, tmp_path / who / "environment") for who in ("musl", "host")
    ]
    assert not any(module.is_right_for(case.importer) for module in modules)

    done = run_in(home, "-m", "muslfix", "install", "--no-compile", wheel, "--python", environments[0])
    by_host = cli("install", "--no-compile", wheel, "--python", environments[1])

    assert (done.status, done.err) == (0, "")
    assert done.out == by_host.out
    assert " fixed" in done.out
    assert snapshot(site_packages(environments[0])) == snapshot(site_packages(environments[1]))
    found = find(environments[0], modules)
    assert [answer and answer.is_extension for answer in found.values()] == [True] * len(modules)
    assert load(environments[0], case.importer, wheel) == ""
    assert work(environments[0], case.project).status == 0


def test_it_installs_into_its_own_environment(case: Case, home: Path, lab: Lab) -> None:
    """Without ``--python``, compiled, and once more: the user's everyday call."""
    wheels = [lab.wheel(case.runner.tag, project) for project in ("charset_normalizer", "pyyaml", "ujson")]

    first = run_in(home, "-m", "muslfix", "install", *wheels)
    second = run_in(home, "-m", "muslfix", "install", *wheels)

    assert [(done.status, done.err) for done in (first, second)] == [(0, ""), (0, "")]
    assert second.out.count(": kept: ") == len(wheels)
    for wheel in wheels:
        assert load(home, case.runner, wheel) == ""


def test_it_refuses_a_glibc_wheel(case: Case, home: Path, lab: Lab) -> None:
    before = snapshot(home)

    done = run_in(home, "-m", "muslfix", "install", lab.wheel(f"manylinux-{case.runner.tag}", "markupsafe"))

    assert (done.status, done.out) == (1, "")
    assert "manylinux" in done.err
    assert "Traceback" not in done.err
    assert snapshot(home) == before
