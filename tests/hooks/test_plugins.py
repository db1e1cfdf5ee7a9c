"""The plugins as tools load them: the entry points, and how little they cost until they fire."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
ENTRY_POINTS = {
    "pdm": "muslfix.hooks.pdm:plugin",
    "poetry.application.plugin": "muslfix.hooks.poetry:MuslfixPlugin",
    "tox": "muslfix.hooks.tox",
}


def test_the_entry_points_are_those_of_the_tools() -> None:
    found = re.findall(
        r'^\[project\.entry-points\.(?:"(.+)"|(.+))\]\nmuslfix = "(.+)"$', PYPROJECT, re.MULTILINE
    )
    assert {quoted or plain: value for quoted, plain, value in found} == ENTRY_POINTS


@pytest.mark.parametrize("value", ENTRY_POINTS.values())
def test_an_entry_point_is_there_without_the_tool(value: str) -> None:
    module, _, name = value.partition(":")
    loaded = importlib.import_module(module)
    assert callable(getattr(loaded, name or "tox_before_run_commands"))


@pytest.mark.parametrize("value", ENTRY_POINTS.values())
def test_a_plugin_loads_nothing_until_it_fires(value: str) -> None:
    """What the tool has not loaded itself would slow down each of its commands."""
    module = value.partition(":")[0]
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import {module}
print(*(name for name in sys.modules if name.partition(".")[0] == "muslfix"))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) == {"muslfix", "muslfix._version", "muslfix.hooks", module}


def test_each_hook_has_an_extra() -> None:
    (extras,) = re.findall(r"^\[project\.optional-dependencies\]\n((?:.+\n)+)", PYPROJECT, re.MULTILINE)
    for tool in ("pdm", "poetry", "tox"):
        assert f"{tool} = [\"tomli >=1.1; python_version < '3.11'\"]" in extras
