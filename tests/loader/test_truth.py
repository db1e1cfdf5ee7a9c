"""What is predicted of small shared objects, and what the loader of this machine does with them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from lab import layout
from lab_modules import Lab
from load_scenarios import SCENARIOS, Bench
from load_truth import UNKNOWN, dlopen, predict, word_for
from required import lacks

from muslfix.loader.facts import LoadResult
from muslfix.verdicts import Verdict

GCC = shutil.which("gcc")
EACH_SCENARIO = pytest.mark.parametrize("name", SCENARIOS)

Outcomes = dict[str, "tuple[LoadResult, str, str]"]


def outcomes(compiler: Path | str, python: Path | str, folder: Path) -> Outcomes:
    """For each scenario the prediction, what happened, and what the loader said."""
    files = []
    for number, scenario in enumerate(SCENARIOS.values()):
        place = folder / str(number)
        place.mkdir()
        files.append(str(scenario.make(Bench(compiler, place))))
    rows = zip(predict(python, files), dlopen(python, files))
    return {name: (result, *happened) for name, (result, happened) in zip(SCENARIOS, rows)}


@pytest.fixture(scope="module")
def on_glibc(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """All scenarios, on the Python that runs the tests."""
    if GCC is None:
        lacks("there is no gcc")
    if os.confstr("CS_GNU_LIBC_VERSION") is None:
        pytest.skip("this is no glibc")
    return outcomes(GCC, sys.executable, tmp_path_factory.mktemp("glibc"))


@pytest.fixture(scope="module")
def on_musl(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    """The same on both musls of the lab."""
    python = layout.PYTHONS[2]
    compiler = lab.folder / "toolchain" / "bin" / "cc"
    return {
        musl: outcomes(compiler, python.executable(lab.folder, musl), tmp_path_factory.mktemp(musl))
        for musl in (layout.OLD_MUSL, layout.MUSL)
    }


def check(outcome: tuple[LoadResult, str, str], expected: str, trouble: Verdict | None) -> None:
    result, happened, said = outcome
    assert word_for(result) == expected, (result, happened, said)
    if expected != UNKNOWN:
        assert happened == expected, said
    if result.problems:
        assert result.problems[0].trouble is trouble


@EACH_SCENARIO
def test_glibc_does_what_is_predicted(name: str, on_glibc: Outcomes) -> None:
    check(on_glibc[name], SCENARIOS[name].glibc, SCENARIOS[name].trouble)


@pytest.mark.lab
@EACH_SCENARIO
def test_musl_does_what_is_predicted(name: str, on_musl: dict[str, Outcomes]) -> None:
    scenario = SCENARIOS[name]
    check(on_musl[layout.MUSL][name], scenario.musl, scenario.trouble)
    check(on_musl[layout.OLD_MUSL][name], *scenario.old_musl)
