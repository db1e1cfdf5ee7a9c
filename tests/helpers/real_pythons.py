"""The Pythons of this machine, for tests that compare muslfix with what a Python says of itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import packaging
from packaging.specifiers import SpecifierSet

from muslfix.targets.target import OLDEST_VERSION


def _host_pythons() -> dict[str, str]:
    """The running Python, those of pyenv and those of the distribution: name → executable."""
    found = {"running": sys.executable}
    for folder in sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("3.*")):
        version = re.match(r"3\.(\d+)", folder.name)
        if version and (3, int(version.group(1))) >= OLDEST_VERSION and (folder / "bin/python").exists():
            found[folder.name] = str(folder / "bin/python")
    for path in sorted(Path("/usr/bin").glob("python3.*")):
        if re.fullmatch(r"python3\.\d+", path.name):
            found[f"usr-{path.name}"] = str(path)
    return found


HOST_PYTHONS = _host_pythons()


def tell(python: str, script: str, *path: str) -> Any:
    """What a script for ``python`` prints, as JSON.

    :param path: folders that come first in ``sys.path``
    """
    head = f"import json, os, sys\nsys.path[:0] = {list(path)!r}\n"
    command = [python, "-I", "-c", head + script]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def packaging_folder(version: str) -> str | None:
    """The folder with the packaging that runs these tests, if a Python of this version can import it."""
    requires = distribution("packaging").metadata["Requires-Python"]
    if not SpecifierSet(requires).contains(version, prereleases=True):
        return None
    return str(Path(packaging.__file__).parents[1])


# Since packaging 26.3 what was built here (linux_*) is the best platform; before, it was the worst.
NATIVE_FIRST = tuple(int(part) for part in packaging.__version__.split(".")[:2]) >= (26, 3)
