"""Virtual environments, and the installers of others at work in them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from commands import Result, run
from lab import layout
from required import lacks


def make_environment(folder: Path, python: str = sys.executable) -> Path:
    """A virtual environment without pip, for any interpreter."""
    if python == sys.executable:
        venv.create(folder, symlinks=True)
    else:
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    return folder


def make_prefix(prefix: Path) -> Path:
    """The prefix of a Python of its own: a copy of the program, and a library that is links to the real one.

    The library has no bytecode yet.
    """
    library = Path(os.__file__).parent
    copy = prefix / library.relative_to(sys.base_prefix)
    copy.mkdir(parents=True)
    for entry in library.iterdir():
        if entry.name not in ("__pycache__", "site-packages", "json", "EXTERNALLY-MANAGED"):
            (copy / entry.name).symlink_to(entry)
    (copy / "json").mkdir()
    for module in (library / "json").glob("*.py"):
        (copy / "json" / module.name).symlink_to(module)
    (prefix / "bin").mkdir()
    shutil.copy(os.path.realpath(sys.executable), prefix / "bin" / "python3")
    return prefix


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


def well(result: Result) -> Result:
    """The result of a tool that must have done its work."""
    assert result.status == 0, result.out + result.err
    return result


def pip(environment: Path, *words: str | os.PathLike[str]) -> Result:
    """The pip beside the tests, at work in another environment."""
    if importlib.util.find_spec("pip") is None:
        lacks("there is no pip beside the tests")
    options = ["--isolated", "--no-input", "--disable-pip-version-check"]
    python = environment / "bin" / "python"
    program = [sys.executable, "-I", "-m", "pip"]
    return run([*program, "--python", python, *options, *words])


def find_uv(folder: Path) -> Path:
    """uv: beside the tests, on ``PATH``, or in the lab; else the test is skipped.

    :param folder: where the lab's is unpacked
    """
    beside = os.path.dirname(sys.executable)
    found = shutil.which("uv", path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if found:
        return Path(found)
    for wheel in layout.wheels(layout.lab_folder(), "tools"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".data/scripts/uv"):
                    program = Path(archive.extract(name, folder))
                    program.chmod(0o755)
                    return program
    return lacks("there is no uv: not beside the tests, not on PATH, not in the lab")


class Uv:
    """uv with a cache of its own, and without any index.

    :param program: its path
    :param cache: folder for its cache
    """

    def __init__(self, program: Path, cache: Path) -> None:
        self.program = program
        self.cache = cache

    def __call__(self, environment: Path, command: str, *words: str | os.PathLike[str]) -> Result:
        """``uv pip COMMAND`` in an environment."""
        python = environment / "bin" / "python"
        options = ["--offline", "--no-config", "--no-progress", "--cache-dir", str(self.cache)]
        return run([self.program, "pip", command, *options, "--python", python, *words])


def install_by_installer(environment: Path, wheel: Path) -> None:
    """What ``python -m installer`` does."""
    from installer import install
    from installer.destinations import SchemeDictionaryDestination
    from installer.sources import WheelFile

    site = str(site_packages(environment))
    scheme = {
        "purelib": site,
        "platlib": site,
        "headers": str(environment / "include"),
        "scripts": str(environment / "bin"),
        "data": str(environment),
    }
    python = str(environment / "bin" / "python")
    destination = SchemeDictionaryDestination(scheme, interpreter=python, script_kind="posix")
    with WheelFile.open(wheel) as source:
        install(source, destination, {"INSTALLER": b"installer\n"})
