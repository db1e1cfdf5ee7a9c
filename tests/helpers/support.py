"""What tests need besides muslfix: environments, snapshots of trees, ways to call the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from lab import layout

from muslfix.cli import main

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What an installation for a target that cannot run here says of modules that it did not compile.
NO_BYTECODE = "note: bytecode is left out: only the target could compile it, and that cannot run here\n"


@dataclass(frozen=True)
class Result:
    """How a command ended.

    :param status: exit status
    :param out: what it printed on stdout
    :param err: what it printed on stderr
    """

    status: int
    out: str
    err: str


class Cli:
    """Calls the command line in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: str | os.PathLike[str]) -> Result:
        self._capfd.readouterr()
        try:
            status = main([os.fspath(word) for word in words])
        except SystemExit as exit_:  # argparse: --help, --version and usage errors
            status = exit_.code if isinstance(exit_.code, int) else 1
        captured = self._capfd.readouterr()
        return Result(status, captured.out, captured.err)


class Lab:
    """The complete lab."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Executables by name: ``39-gnu``, ``39-musl``, ``311-gnu``, ``311-musl``.
        self.pythons = {python.name: str(python.executable(folder)) for python in layout.PYTHONS}

    def wheels(self, group: str) -> list[Path]:
        """The real wheels of a group of ``lab.layout.WHEELS``."""
        return layout.wheels(self.folder, group)

    def wheel(self, group: str, name: str) -> Path:
        """The one wheel of a project, by the project's name as in its file name."""
        (found,) = [path for path in self.wheels(group) if path.name.partition("-")[0].lower() == name]
        return found


def make_environment(folder: Path, python: str = sys.executable) -> Path:
    """A virtual environment without pip, for any interpreter."""
    if python == sys.executable:
        venv.create(folder, symlinks=True)
    else:
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    return folder


def build(kind: str, folder: Path, *, checkout: Path = FIXTURES.parent, epoch: int = 1_700_000_000) -> Path:
    """Build muslfix's own wheel or source archive, as pip and PyPI get it.

    :param kind: ``wheel`` or ``sdist``
    :param folder: where to
    :param checkout: what from
    :param epoch: what the time stamps in it are to be, see https://reproducible-builds.org/specs/source-date-epoch/
    """
    code = f"import sys, flit_core.buildapi as api; print(api.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        cwd=checkout,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / done.stdout.strip()


def site_packages(environment: Path) -> Path:
    """The folder of modules of a virtual environment."""
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def run_python(environment: Path, code: str) -> str:
    """What code prints in an environment's interpreter, run from a folder that holds no modules."""
    done = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    return done.stdout.strip()


def snapshot(folder: Path) -> dict[str, str]:
    """Every file, link and folder below a folder, with its mode and content: equal if nothing changed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        if path.is_symlink():
            content = "link to " + os.readlink(path)
        elif path.is_dir():
            content = "folder"
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = f"{state.st_mode:o} {content}"
    return found
