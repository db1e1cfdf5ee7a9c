"""The installers that are compared, each in an environment of its own, and the wheels.

All is fetched by pip, pinned by hash, into ``${XDG_CACHE_HOME:-~/.cache}/muslfix-bench``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Union

from .measure import Command

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

Words = list[Union[str, "os.PathLike[str]"]]

_PLATFORMS = {
    "cp311": (
        "manylinux_2_28_x86_64",
        "manylinux_2_27_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
    ),
    "cp39": ("musllinux_1_1_x86_64", "musllinux_1_2_x86_64"),
}
_ENVIRONMENTS = {
    "muslfix": ("installer", "packaging"),
    "muslfix[fast]": ("installer", "packaging", "isal"),
    "pip": ("pip",),
    "installer": ("installer",),
    "uv": ("uv",),
    "target": (),
}
_SCRIPT = "#!{python}\nfrom muslfix.__main__ import run\n\nrun()\n"


def cache() -> Path:
    """Where all is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "muslfix-bench"


def wheel(name: str, group: str = "cp311") -> Path:
    """A wheel that was fetched, by the name of its project."""
    (path,) = (cache() / group).glob(f"{name}-*.whl")
    return path


def fetch() -> None:
    """Fetch the wheels, and make the environments that are not there; muslfix's are made anew."""
    for group, platforms in _PLATFORMS.items():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation=cp"]
        command += [f"--platform={name}" for name in platforms]
        command += [f"--python-version={group[2:]}", f"--abi={group}", "--abi=abi3", "--abi=none"]
        command += [f"--requirement={HERE / f'wheels-{group}.txt'}", f"--dest={cache() / group}"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for name, needs in _ENVIRONMENTS.items():
        _make_environment(name, needs)


def _make_environment(name: str, needs: tuple[str, ...]) -> None:
    folder = environment(name)
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        installed = folder / "lib/python3.11/site-packages"
        for need in needs:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
            subprocess.run([*pip, installed, wheel(need)], check=True, stderr=subprocess.DEVNULL)
    if name.startswith("muslfix"):
        installed = folder / "lib/python3.11/site-packages/muslfix"
        shutil.rmtree(installed, ignore_errors=True)
        shutil.copytree(ROOT / "src/muslfix", installed, ignore=shutil.ignore_patterns("__pycache__"))
        script = folder / "bin/muslfix"
        script.write_text(_SCRIPT.format(python=folder / "bin/python"))
        script.chmod(0o755)
        subprocess.run([sys.executable, "-m", "compileall", "-q", installed], check=True)


def environment(name: str) -> Path:
    """The folder of an environment."""
    return cache() / "environments" / name.replace("[", "-").rstrip("]")


def python() -> Path:
    """The interpreter that is installed for: none of those that install."""
    return environment("target") / "bin/python"


def uv() -> Path:
    """The program."""
    return environment("uv") / "lib/python3.11/site-packages/bin/uv"


def muslfix(what: Path, *options: str, name: str = "muslfix") -> Command:
    """Install a wheel by muslfix for another interpreter, into a prefix."""
    program: Words = [environment(name) / "bin/muslfix", "install", "-q", *options]
    if "--target-file" not in options:
        program += ["--python", python()]
    return lambda folder: [*program, "--prefix", folder / "p", what]


def uv_command(what: Path, link: str, *options: str, warm: Path | None = None) -> Command:
    """Install a wheel by uv.

    :param link: how files come from its cache
    :param warm: its cache; if none, an empty one
    """
    program: Words = [uv(), "pip", "install", "-q", "--offline", "--no-config", "--no-deps", "--no-index"]
    program += ["--python", python(), "--link-mode", link, *options, "--cache-dir"]
    return lambda folder: [*program, warm or folder / "cache", "--prefix", folder / "p", what]


def contenders(what: Path, bench: Path) -> dict[str, Command]:
    """All that install a wheel without bytecode, or do a part of that.

    :param bench: holds uv's warm cache
    """
    warm = bench / "warm"
    return {
        "muslfix": muslfix(what, "--no-compile"),
        "muslfix[fast]": muslfix(what, "--no-compile", name="muslfix[fast]"),
        "uv, cold, hard links": uv_command(what, "hardlink"),
        "uv, cold, copies": uv_command(what, "copy"),
        "uv, warm, hard links": uv_command(what, "hardlink", warm=warm),
        "uv, warm, copies": uv_command(what, "copy", warm=warm),
        "pip": _pip(what, "--no-compile"),
        "python -m installer": _installer(what, "--no-compile-bytecode"),
        "unzip -q": lambda folder: ["unzip", "-q", what, "-d", folder],
        "python -c pass": lambda _: [python(), "-c", "pass"],
    }


def compiling_contenders(what: Path) -> dict[str, Command]:
    """All that install a wheel with bytecode."""
    return {
        "muslfix": muslfix(what),
        "muslfix[fast]": muslfix(what, name="muslfix[fast]"),
        "uv, cold, hard links": uv_command(what, "hardlink", "--compile-bytecode"),
        "pip": _pip(what),
    }


def _pip(what: Path, *options: str) -> Command:
    return lambda folder: [*pip_install(*options), "--prefix", folder / "p", what]


def pip_install(*options: str) -> Words:
    """The words with which pip installs wheels that are there, whatever is installed."""
    program: Words = [environment("pip") / "bin/python", "-m", "pip", "install", "-q", "--no-deps"]
    program += ["--no-index", "--disable-pip-version-check", "--root-user-action=ignore"]
    return [*program, "--ignore-installed", *options]


def _installer(what: Path, *options: str) -> Command:
    program: Words = [environment("installer") / "bin/python", "-m", "installer", *options]
    return lambda folder: [*program, "--prefix", folder / "p", what]


def on_cpus(what: Path, count: int) -> Command:
    """Install by muslfix on some of the CPUs."""
    command = muslfix(what, "--no-compile")
    return lambda folder: ["taskset", "--cpu-list", f"0-{count - 1}", *command(folder)]


def for_target(what: Path, target: str) -> Command:
    """Install by muslfix for a recorded target."""
    return muslfix(what, "--no-compile", "--target-file", str(ROOT / "fixtures/targets" / f"{target}.json"))


def fix(environment_folder: Path) -> Command:
    """Look for modules to fix."""
    return partial(_fix, environment_folder)


def _fix(environment_folder: Path, _: Path) -> list[str | os.PathLike[str]]:
    return [environment("muslfix") / "bin/muslfix", "fix", "--path", environment_folder]
