"""A wheel that brings muslfix's own files, installed by tools that refuse nothing: none of it is followed.

What is brought is as good as it can be: a journal whose every hash is right, and that even has the right
inode numbers, as if somebody could foretell them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli
from environments import Uv, find_uv, install_by_installer, pip, site_packages, well
from trees import snapshot
from wheelmaker import make_wheel

OTHER = FIXTURES / "wheels" / "pure-1.0-py3-none-any.whl"
STAGING = ".muslfix-0123abcd"

Tool = Callable[[Path, Path], Any]


def tool_named(name: str, tmp_path: Path) -> Tool:
    """What installs a wheel into an environment."""
    if name == "pip":
        return lambda environment, wheel: well(pip(environment, "install", "--no-deps", "--no-index", wheel))
    if name == "uv":
        uv = Uv(find_uv(tmp_path), tmp_path / "cache")
        return lambda environment, wheel: well(uv(environment, "install", "--no-deps", wheel))
    return install_by_installer


def line(value: object) -> bytes:
    text = json.dumps(value).encode()
    return hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n"


def steps(environment: Path) -> list[list[Any]]:
    """What removes another project, and replaces the interpreter by a file of the wheel."""
    site = site_packages(environment)
    staging = site / STAGING
    return [
        ["rename", 0, str(staging / "gone"), str(site / "pure")],
        ["replace", 0, str(staging / "new"), str(environment / "bin" / "python"), str(staging / "python")],
    ]


def evil(folder: Path, journal: bytes, name: str = "journal") -> Path:
    """A wheel with a journal."""
    files = {f"{STAGING}/{name}": journal, f"{STAGING}/python": b"#!/bin/sh\n", f"{STAGING}/1/x": b"x"}
    wheel = folder / "evil-1.0-py3-none-any.whl"
    make_wheel(wheel, {"evil.py": b"", **files})
    return wheel


@pytest.fixture
def closed() -> Iterator[None]:
    """A umask by which installers make directories that only this user may enter, as muslfix does."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(
    params=["pip journal", "uv journal", "installer journal", "installer taken-back", "installer belongs-to"]
)
def planted(request: pytest.FixtureRequest, environment: Path, closed: None, tmp_path: Path) -> Path:
    """An environment with another project, and the wheel."""
    name, file = request.param.split()
    tool = tool_named(name, tmp_path)
    well_known = line(steps(environment))
    if file == "belongs-to":
        well_known = os.fsencode(environment)
        (environment / "journal").touch()
    tool(environment, OTHER)
    tool(environment, evil(tmp_path, well_known, file))
    if file == "journal":
        _as_if_foretold(site_packages(environment) / STAGING / "journal", environment)
    return environment


def _as_if_foretold(journal: Path, environment: Path) -> None:
    staging, site = journal.parent, journal.parent.parent
    places = {"anchor": site, "staging": staging, "journal": journal}
    content = line({name: path.stat().st_ino for name, path in places.items()}) + line(steps(environment))
    with journal.open("r+b") as file:
        file.write(content)


def test_what_a_wheel_has_planted_is_not_followed(planted: Path, cli: Cli) -> None:
    """1.0 said "cleaned up after an interrupted muslfix", and ended with 0."""
    before = snapshot(planted)
    site = site_packages(planted)
    for words in (["fix"], ["undo"], ["install", OTHER, "--force-reinstall", "--no-compile"]):
        done = cli(*words, "--python", planted / "bin" / "python")
        assert done.status == 1
        assert f"{site / STAGING}: was not made by this muslfix" in done.err
        assert f"remove {site / STAGING}, and install these projects again" in done.err
        assert snapshot(planted) == before
