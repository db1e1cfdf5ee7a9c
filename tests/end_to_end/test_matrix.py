"""Every name of an extension module on every interpreter: the verdict against the import, which is the truth.

``pytest -rP tests/end_to_end/test_matrix.py`` shows the counts.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import layout
from lab.layout import LabPython
from lab_modules import Lab, removed_at_end
from name_matrix import Modules, compile_modules, outcomes, table

pytestmark = pytest.mark.lab

PYTHONS = [pytest.param(python, id=python.name) for python in (*layout.EVERY_PYTHON, *layout.GLIBC_PYTHONS)]


@pytest.fixture(scope="module")
def modules(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Modules:
    return compile_modules(lab.folder, tmp_path_factory.mktemp("modules"))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_verdict_agrees_with_the_import(
    python: LabPython, lab: Lab, modules: Modules, tmp_path: Path
) -> None:
    lab.skip_without(python)
    with removed_at_end(tmp_path / "cells") as folder:
        found = outcomes(lab.folder, python, modules, folder)
    print("\n".join(table(found)))
    assert [str(outcome) for outcome in found if not outcome.agrees] == []
    assert {outcome.verdict for outcome in found} == {
        *("importable", "misnamed", "other-abi", "other-libc", "no-init")
    }
