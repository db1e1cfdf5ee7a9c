"""Real installers for the tests, each in an environment of its own, with muslfix beside it as a plugin.

What comes from the package index is kept in ``${XDG_CACHE_HOME:-~/.cache}/muslfix-tools``, complete or not at
all; remove the folder to get newer versions. Without an index the tests that need it skip, and say so, unless
``CI`` is set. Muslfix itself is built and installed anew for each test session.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from checkout import ROOT, build
from commands import Result
from environments import site_packages
from lab import layout
from required import lacks

#: What is installed for each tool, in this order.
TOOLS = {
    "pdm": ("pdm[locked]",),
    "poetry": ("poetry >=2",),
    "tox": ("tox >=4",),
    "uv": ("uv",),
    "nox": ("nox",),
    "pipx": ("pipx",),
    "checkers": ("wheel", "check-wheel-contents", "twine", "auditwheel", "installer", "setuptools"),
    "dask": ("distributed >=2024.8",),
}

#: An old pip that the running Python can still run, and the newest one for it.
PIPS = ("21.3.1" if sys.version_info < (3, 12) else "23.2.1", "")

# Without an index a test shall not take minutes to find out.
_PATIENCE = ("--retries", "1")


def process_environment(**more: str) -> dict[str, str]:
    """Environment variables for processes of the tests: nothing of the user's settings, and no index.

    :param more: further ones
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    return {**kept, **quiet, "NO_COLOR": "1", "COLUMNS": "200", **more}


def muslfix_command() -> list[str]:
    """The words that run muslfix in a process of its own."""
    return [sys.executable, "-m", "muslfix"]


def run(command: Sequence[str | os.PathLike[str]], folder: Path | str = "/", **variables: str) -> Result:
    """Run a command to its end, whatever its exit status."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=process_environment(**variables),
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    return Result.of(done.returncode, done.stdout, done.stderr)


# -- what comes from the index ----------------------------------------------------------------------


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "muslfix-tools"


@contextmanager
def _complete(name: str, inputs: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """A folder of the cache that is there as a whole or not at all; only one process works on it.

    :param inputs: decide, with the Python, whether what is there is what is meant
    :return: the folder, and whether it is complete
    """
    made_by = [sys.version, str(layout.base_python())]
    key = hashlib.sha256("\0".join([*made_by, *inputs]).encode()).hexdigest()[:12]
    folder = _cache() / "{}-{}.{}-{}".format(name, *sys.version_info[:2], key)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".complete"
        if done.exists():
            yield folder, True
            return
        shutil.rmtree(folder, ignore_errors=True)
        yield folder, False
        done.touch()


def _make_lasting_environment(folder: Path) -> None:
    subprocess.run([layout.base_python(), "-m", "venv", folder], check=True, capture_output=True, cwd="/")


class _NoIndex(Exception):
    """The index does not answer, or has not what is needed."""


def _from_index(command: Sequence[str | os.PathLike[str]]) -> None:
    """Run pip with the user's own settings, which say where the index is."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", timeout=300)
    except subprocess.TimeoutExpired as error:
        raise _NoIndex("pip does not get it from the index within five minutes") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise _NoIndex(f"pip cannot get it from the index: {lines[-1]}")


def _there(made: Path | str) -> Path:
    """What was made, if it was; else the test that needs it ends here."""
    return made if isinstance(made, Path) else lacks(made, "CI")


def tool_environment(name: str) -> Path:
    """A virtual environment with one of :data:`TOOLS`, which nobody changes any more."""
    return _there(_make_tool_environment(name))


@cache
def _make_tool_environment(name: str) -> Path | str:
    try:
        with _complete(name, TOOLS[name]) as (folder, is_there):
            if not is_there:
                _make_lasting_environment(folder)
                # An old pip would try versions for minutes.
                for group in (["--upgrade", "pip"], TOOLS[name]):
                    install = ["-m", "pip", "install", *_PATIENCE, *group]
                    _from_index([folder / "bin" / "python", *install])
    except _NoIndex as error:
        return str(error)
    return folder


def wheels() -> Path:
    """A folder with the wheels that environments are made of: pips, and what muslfix needs."""
    return _there(_fetch_wheels())


@cache
def _fetch_wheels() -> Path | str:
    (listed,) = re.findall(r"^dependencies = \[\n((?:.+\n)+?)\]", _pyproject(), re.MULTILINE)
    needed = [*re.findall(r'"(.+)"', listed), "tomli"]
    old, new = (f"pip =={version}" if version else "pip" for version in PIPS)
    try:
        with _complete("wheels", [old, new, *needed]) as (folder, is_there):
            if not is_there:
                downloader = folder / "downloader"
                _make_lasting_environment(downloader)
                options = ["--no-deps", "--only-binary", ":all:", "-d", str(folder), *_PATIENCE]
                for group in ([old], [new], needed):
                    command = [downloader / "bin" / "python", "-m", "pip", "download", *options, *group]
                    _from_index(command)
                shutil.rmtree(downloader)
    except _NoIndex as error:
        return str(error)
    return folder


def _pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


# -- environments -----------------------------------------------------------------------------------


@cache
def muslfix_wheel() -> Path:
    """A wheel of muslfix as it is now."""
    folder = Path(tempfile.mkdtemp(prefix="muslfix-wheel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build("wheel", folder)


_FIND = ("--no-index", "--find-links")


def make_pip_environment(folder: Path, version: str = "") -> Path:
    """A new virtual environment with pip.

    :param version: one of :data:`PIPS`
    """
    venv.create(folder, symlinks=True)
    found = sorted(wheels().glob(f"pip-{version or '*'}-*.whl"), key=_version)[-1]
    done = run([folder / "bin" / "python", found / "pip", "install", *_FIND, wheels(), found])
    assert done.status == 0, done.out + done.err
    return folder


def _version(wheel: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", wheel.name.split("-")[1]))


def environment_with_muslfix(folder: Path, version: str = "") -> Path:
    """The same with muslfix, as users have it."""
    environment = make_pip_environment(folder, version)
    _add_muslfix([environment / "bin" / "python", "-m", "pip"])
    return environment


def _add_muslfix(pip: Sequence[str | os.PathLike[str]]) -> None:
    done = run([*pip, "install", "--no-index", "--find-links", wheels(), muslfix_wheel(), "tomli"])
    assert done.status == 0, done.out + done.err


@dataclass(frozen=True)
class Tool:
    """A tool, ready to be called, with muslfix beside it.

    :param name: also the module that is run
    :param environment: its own environment
    :param variables: environment variables for it
    """

    name: str
    environment: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *words: str | os.PathLike[str], folder: Path, before: Sequence[str | os.PathLike[str]] = ()
    ) -> Result:
        """Call it.

        :param folder: of the project
        :param before: a program that runs it, with its words
        """
        python = self.environment / "bin" / "python"
        return run([*before, python, "-m", self.name, *words], folder, **self.variables)


def make_tool(name: str, folder: Path) -> Tool:
    """A tool with muslfix, and with all its own files in a folder.

    The tool itself stays in the cache; the environment sees it by a path file.
    """
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    base = tool_environment(name)
    path_file = site_packages(environment) / "tool.pth"
    path_file.write_text(f"{site_packages(base)}\n", encoding="utf-8")
    _add_muslfix([environment / "bin" / "python", "-m", "pip"])
    kinds = ("CACHE", "CONFIG", "DATA", "STATE")
    return Tool(name, environment, {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in kinds})


def lines_of_muslfix(result: Result) -> list[str]:
    """What muslfix has said among what the tool has."""
    return [line for line in (result.out + result.err).splitlines() if "muslfix" in line]
