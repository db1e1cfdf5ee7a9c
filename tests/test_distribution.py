"""The wheel and the source archive of muslfix itself: what is in them; and muslfix installs muslfix."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from checkout import FIXTURES, build
from commands import Cli
from environments import run_python, site_packages

import muslfix

ROOT = FIXTURES.parent
VERSION = muslfix.__version__
INFO = f"muslfix-{VERSION}.dist-info"

MODULES = sorted(
    str(path.relative_to(ROOT / "src"))
    for path in (ROOT / "src" / "muslfix").rglob("*")
    if path.is_file() and path.suffix != ".pyc"
)


def test_the_modules_are_sources_and_data_of_known_kinds() -> None:
    """What the next two tests compare with is itself no accident."""
    assert {Path(path).suffix for path in MODULES} == {".py", ".json", ".md", ".txt", ".typed"}
    assert [path for path in MODULES if not path.endswith(".py")] == [
        "muslfix/loader/musl_exports.txt",
        "muslfix/py.typed",
        "muslfix/report.schema.json",
        "muslfix/verdicts.md",
    ]


def test_the_exact_files_of_the_wheel(own_wheel: Path) -> None:
    with zipfile.ZipFile(own_wheel) as archive:
        names = sorted(archive.namelist())
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert own_wheel.name == f"muslfix-{VERSION}-py3-none-any.whl"
    assert names == sorted([*MODULES, *(f"{INFO}/{name}" for name in metadata)])


def test_the_exact_files_of_the_source_archive(tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = sorted(member.name for member in archive.getmembers() if member.isfile())
    manual = [str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*") if path.suffix != ".pyc"]
    manual = [path for path in manual if (ROOT / path).is_file()]
    top = [f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "README", "SECURITY")]
    inside = [*top, "LICENSE", "PKG-INFO", "pyproject.toml", *manual, *(f"src/{path}" for path in MODULES)]
    assert names == sorted(f"muslfix-{VERSION}/{name}" for name in inside)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_building_twice_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    """Also from another folder, whose files are of another time and mode."""
    other = tmp_path / "other"
    for name in ("src", "docs"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md", "pyproject.toml"):
        shutil.copy(ROOT / name, other)
    for file in other.rglob("*.py"):
        os.utime(file, (1_600_000_000, 1_600_000_000))
        file.chmod(0o600)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = build(kind, tmp_path / "a"), build(kind, tmp_path / "b", checkout=other)
    assert first.read_bytes() == second.read_bytes()
    assert build(kind, tmp_path / "b", epoch=1_600_000_000).read_bytes() != first.read_bytes()


def test_the_source_archive_builds_the_same_wheel(own_wheel: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xzf", build("sdist", tmp_path)], cwd=tmp_path, check=True)
    again = build("wheel", tmp_path, checkout=tmp_path / f"muslfix-{VERSION}")
    assert again.read_bytes() == own_wheel.read_bytes()


@pytest.mark.parametrize(
    "program",
    [["twine", "check", "--strict"], ["check_wheel_contents"]],
    ids=["twine", "check-wheel-contents"],
)
def test_checkers_are_content(own_wheel: Path, tmp_path: Path, program: list[str]) -> None:
    pytest.importorskip(program[0])
    if program[0] == "twine" and sys.version_info < (3, 10):
        pytest.skip("the last twine for Python 3.9 does not know the metadata that flit writes")
    archives = [own_wheel, *([build("sdist", tmp_path)] if program[0] == "twine" else [])]
    done = subprocess.run(
        [sys.executable, "-m", *program, *archives], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, "warning" in done.stdout.lower()) == (0, False), done.stdout + done.stderr


def test_the_metadata(own_wheel: Path) -> None:
    with zipfile.ZipFile(own_wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"{INFO}/METADATA"))
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.9"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    always = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split("[ >=;]", line)[0] for line in always} == {"installer", "packaging"}
    extras = metadata.get_all("Provides-Extra", [])
    assert {"completion", "rich", "pdm", "poetry", "tox"} <= set(extras)


def test_muslfix_installs_itself(cli: Cli, own_wheel: Path, environment: Path) -> None:
    """And what it has installed works, its own RECORD included."""
    python = environment / "bin" / "python"
    result = cli("install", own_wheel, "--python", python)
    assert result.status == 0
    assert result.out == f"1 project: nothing to fix.\nmuslfix {VERSION}: installed\n"
    verified = cli("verify", "muslfix", "-v", "--python", python).out
    assert verified.endswith(f".\nmuslfix {VERSION}: as RECORD says\n")
    beside = os.pathsep.join(path for path in sys.path if "site-packages" in path)
    environ = {**os.environ, "PYTHONPATH": beside}  # installer and packaging, which it does not bring
    for command in (["-V"], ["explain", "misnamed"], ["check", "-v"]):
        done = subprocess.run(
            [environment / "bin" / "muslfix", *command],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
    assert run_python(environment, "import muslfix; print(muslfix.__file__)").startswith(
        str(site_packages(environment))
    )
