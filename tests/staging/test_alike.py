"""Names that only some file systems take for one: the destination's decides."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import make_environment
from required import lacks
from wheelmaker import make_wheel

import muslfix
from muslfix.errors import InvalidWheel
from muslfix.targets.target import Target

NAME = "demo-1.0-py3-none-any.whl"
DATA = "demo-1.0.data"
ENTRY_POINTS = "demo-1.0.dist-info/entry_points.txt"

#: Wheels with two places that are one where case does not count, and both of them.
ALIKE = {
    "files": ({"x.py": b"1", "X.py": b"2"}, ("x.py", "X.py")),
    "files of two directories": ({"p/x.py": b"1", "P/x.py": b"2"}, ("p/x.py", "P/x.py")),
    "file and directory": ({"p/x.py": b"1", "P": b"2"}, ("p/x.py", "P")),
    "directory and file": ({"p": b"1", "P/x.py": b"2"}, ("p", "P/x.py")),
    "files of two schemes": ({"x.py": b"1", f"{DATA}/platlib/X.py": b"2"}, ("x.py", "X.py")),
    "scripts": ({f"{DATA}/scripts/x": b"1", f"{DATA}/data/bin/X": b"2"}, ("bin/x", "bin/X")),
    "entry points": ({ENTRY_POINTS: b"[console_scripts]\nx = a:b\nX = c:d\n"}, ("bin/x", "bin/X")),
    "entry point and file": (
        {ENTRY_POINTS: b"[console_scripts]\nx = a:b\n", f"{DATA}/scripts/X": b"2"},
        ("bin/x", "bin/X"),
    ),
    "RECORD": ({"demo-1.0.dist-info/record": b""}, ("demo-1.0.dist-info/record",)),
    "what is added": ({"demo-1.0.dist-info/installer": b""}, ("demo-1.0.dist-info/installer",)),
}
LATE = {"what is added late": ({"demo-1.0.dist-info/DIRECT_URL.json": b""}, ())}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    environment = make_environment(tmp_path_factory.mktemp("alike") / "environment")
    return muslfix.probe(str(environment / "bin" / "python"))


@pytest.fixture(scope="module")
def folding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on a file system where case does not count."""
    made, image = tmp_path_factory.mktemp("folding"), tmp_path_factory.mktemp("image") / "ntfs"
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    mount = f"lowntfs-3g -o ignore_case,permissions {image} {made}"
    for command in (f"mkntfs -q -F {image}".split(), mount.split()):
        if shutil.which(command[0]) is None:
            lacks(f"this machine has no {command[0]}")
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            lacks(f"this machine does not let {command[0]} work: {done.stderr[-200:]}")
    yield made
    subprocess.run(["umount", made], check=True)


def install(wheel: Path, target: Target, folder: Path, *, dry_run: bool = False) -> tuple[str, ...]:
    """Install into one directory; return the warnings."""
    options = muslfix.InstallOptions(folder=str(folder), compile=False, dry_run=dry_run)
    (project,) = muslfix.install([str(wheel)], target, options).projects
    return project.warnings


@pytest.mark.parametrize("case", ALIKE)
def test_where_case_counts_both_are_installed_and_that_is_said(
    tmp_path: Path, target: Target, case: str
) -> None:
    files, places = ALIKE[case]
    wheel = make_wheel(tmp_path / NAME, files)
    for dry_run in (True, False):
        (warning,) = install(wheel, target, tmp_path / "folder", dry_run=dry_run)
        assert "which some file systems take for one name" in warning
    assert all((tmp_path / "folder" / place).is_file() for place in places)
    options = muslfix.VerifyOptions(paths=(str(tmp_path / "folder"),))
    (project,) = muslfix.verify([], target, options).projects
    assert project.problem is None
    assert muslfix.check([str(wheel)], target).is_well


@pytest.mark.parametrize("case", [*ALIKE, *LATE])
def test_where_case_does_not_count_nothing_is_installed(
    tmp_path: Path, target: Target, folding: Path, case: str
) -> None:
    files, _ = {**ALIKE, **LATE}[case]
    wheel = make_wheel(tmp_path / NAME, files)
    with pytest.raises(InvalidWheel, match="has two files for "):
        install(wheel, target, folding / "folder")
    assert os.listdir(folding) == []


def test_where_case_does_not_count_directories_may_be_alike(
    tmp_path: Path, target: Target, folding: Path
) -> None:
    wheel = make_wheel(tmp_path / NAME, {"p/x.py": b"1", "P/y.py": b"2"})
    assert install(wheel, target, folding / "folder") == ()
    assert sorted(os.listdir(folding / "folder" / "p")) == ["x.py", "y.py"]
    shutil.rmtree(folding / "folder")
