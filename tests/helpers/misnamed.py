"""What the tests of fix, undo and verify need: misnamed projects of our own, laid out or really installed.

The modules are for the Python that runs the tests, so that what is fixed can be imported: the fixture ELF
file of its libc and machine, under the name that the other libc would have.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from environments import run_python
from reports import plain_text
from wheelmaker import make_wheel, record_hash

from muslfix.report.report import Report
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.target import Target
from muslfix.verbs.fix import FixOptions
from muslfix.verbs.fix import fix as fix_projects
from muslfix.verbs.undo import UndoOptions
from muslfix.verbs.undo import undo as undo_projects
from muslfix.verbs.verify import VerifyOptions
from muslfix.verbs.verify import verify as verify_projects
from muslfix.verdicts import Mode

MODES = ("symlink", "hardlink", "copy", "rename")


def pairs(*sides: Sequence[Any], shift: int = 0) -> list[tuple[Any, ...]]:
    """Each value of each side at least once, beside some value of the others; no product.

    :param shift: how far all sides but the first are turned, so that two tests have other pairs
    """
    first, *others = sides
    count = max(map(len, sides))
    return [
        (first[n % len(first)], *(side[(n + shift) % len(side)] for side in others)) for n in range(count)
    ]


def _libc() -> str:
    try:
        return "glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
    except (OSError, ValueError):
        return "musl"


LIBC = _libc()
OTHER_LIBC = {"glibc": "musl", "musl": "glibc"}[LIBC]
_SPELLING = re.compile(r"(?P<head>.+-linux-)(?P<libc>gnu|musl)(?P<tail>\w*\.so)")

#: The suffix that the running Python imports, the one with the other libc's spelling, one without a triplet.
RIGHT = EXTENSION_SUFFIXES[0]
_MATCH = _SPELLING.fullmatch(RIGHT)
_ELF = FIXTURES / "elf" / f"{platform.machine()}-{LIBC}.so"
if _MATCH is None or not _ELF.exists():
    pytest.skip(f"there is no fixture for a Python that imports {RIGHT}", allow_module_level=True)
WRONG = _MATCH["head"] + {"gnu": "musl", "musl": "gnu"}[_MATCH["libc"]] + _MATCH["tail"]
BARE = RIGHT.partition("-" + platform.machine())[0] + ".so"

#: A module for the running Python, and one for a Python with the other libc.
MODULE = _ELF.read_bytes()
FOREIGN = (FIXTURES / "elf" / f"{platform.machine()}-{OTHER_LIBC}.so").read_bytes()

# The fast module, what is imported without a word where it is not found, and a package without that.
_INIT = """\
import os, sys
from {name}._speed import answer
served_by = os.path.basename(sys.modules["{name}._speed"].__file__)
def main():
    print(answer(), served_by)
"""
_SLOW = "def answer():\n    return 42\n"
ODD = 'demo/a, "b".txt'


def demo_files(name: str = "demo") -> dict[str, bytes]:
    """The files of a misnamed project: two modules, one of them with a ``.py`` of the same name beside it."""
    return {
        f"{name}/__init__.py": _INIT.format(name=name).encode(),
        f"{name}/_speed.py": _SLOW.encode(),
        f"{name}/_speed{WRONG}": MODULE,
        ODD.replace("demo", name): b"text\n",
        f"{name}/sub/__init__.py": b"",
        f"{name}/sub/_speed{WRONG}": MODULE,
    }


def small_files(name: str = "demo") -> dict[str, bytes]:
    """The same with one module and no more."""
    return {f"{name}/__init__.py": b"", f"{name}/_speed{WRONG}": MODULE}


def make_demo(
    folder: Path, name: str = "demo", version: str = "1.0", files: Mapping[str, bytes] | None = None
) -> Path:
    """A wheel of such a project, which all installers take for the running Python."""
    python = "cp{}{}".format(*sys.version_info)
    tag = re.sub(r"\W", "_", sysconfig.get_platform())
    contents = dict(demo_files(name) if files is None else files)
    contents[f"{name}-{version}.data/scripts/{name}-script"] = b"#!python\nprint(42)\n"
    path = folder / f"{name}-{version}-{python}-{python}{sys.abiflags}-{tag}.whl"
    return make_wheel(path, contents, scripts={name: f"{name}:main"})


# -- RECORD, by rules of our own --------------------------------------------------------------------


def hash_of(content: bytes, algorithm: str = "sha256") -> str:
    """As in a row of RECORD."""
    return f"{algorithm}={record_hash(content, algorithm)}"


def row_of(path: str, content: bytes, line_end: str = "\n") -> str:
    """A row of RECORD as installers write it, with its line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerow([path, hash_of(content), len(content)])
    return text.getvalue()


def dist_info(site: Path, name: str = "demo") -> Path:
    """The one ``.dist-info`` folder of a project."""
    (found,) = site.glob(f"{name}-*.dist-info")
    return found


def record_of(site: Path, name: str = "demo") -> str:
    """The text of RECORD; line ends are left alone."""
    return (dist_info(site, name) / "RECORD").read_bytes().decode("utf-8", "surrogateescape")


def write_record(site: Path, text: str | bytes, name: str = "demo") -> None:
    """Another RECORD."""
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    (dist_info(site, name) / "RECORD").write_bytes(content)


def trace_of(site: Path, name: str = "demo") -> dict[str, Any]:
    """What ``muslfix.json`` says."""
    facts: dict[str, Any] = json.loads((dist_info(site, name) / "muslfix.json").read_text(encoding="utf-8"))
    return facts


def trace_row(site: Path, name: str = "demo", line_end: str = "\n") -> str:
    """The row of ``muslfix.json``."""
    path = dist_info(site, name) / "muslfix.json"
    return row_of(f"{path.parent.name}/{path.name}", path.read_bytes(), line_end)


def fixed_record(text: str, site: Path, mode: str, line_end: str, name: str = "demo") -> str:
    """What RECORD must be after a fix, made from what it was by a rule of our own: new rows, no other byte.

    A new name's row stands behind the old one's, or in its place; that of ``muslfix.json`` at the end, but
    before RECORD's own if that is the last.
    """
    lines = []
    for line in text.splitlines(keepends=True):
        new = line.replace(WRONG, RIGHT)
        lines += [line] if new == line else [new] if mode == "rename" else [line, new]
    at = len(lines) - lines[-1].startswith(f"{dist_info(site, name).name}/RECORD,")
    lines.insert(at, trace_row(site, name, line_end))
    return "".join(lines)


# -- trees ------------------------------------------------------------------------------------------


def lay(
    site: Path,
    name: str = "demo",
    files: Mapping[str, bytes] | None = None,
    *,
    version: str = "1.0",
    line_end: str = "\n",
    installer: str = "pip",
    record: Callable[[str], str | bytes] | None = None,
) -> Path:
    """Put a project into a folder as an installer would.

    :param record: makes RECORD from the right one
    """
    folder = f"{name}-{version}.dist-info"
    contents = {
        **(small_files(name) if files is None else files),
        f"{folder}/INSTALLER": f"{installer}\n".encode(),
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
    }
    for path, content in contents.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    text = "".join(row_of(path, content, line_end) for path, content in contents.items())
    text += f"{folder}/RECORD,,{line_end}"
    write_record(site, text if record is None else record(text), name)
    return site


def quiet(output: str) -> bool:
    """Whether the output tells of no change."""
    return all(": nothing to fix" in line for line in output.splitlines())


#: The JSON form of a module of :func:`demo_files` in its own directory, after it was given a link.
LINKED = {
    "path": f"demo/sub/_speed{WRONG}",
    "verdict": "misnamed",
    "new_path": f"demo/sub/_speed{RIGHT}",
    "mode": "symlink",
    "refused": False,
    "sentence": f"the target looks for _speed{RIGHT}, which now links to it",
    "tip": None,
    "loads": True,
    "problems": [],
    "not_known": [],
    "is_library": False,
    "time_t": None,
}


def speed(site: Path, name: str = "demo") -> list[str]:
    """The files of the module, sorted; a link has ``->`` and where it leads behind its name."""
    return sorted(
        path.name + (f" -> {os.readlink(path)}" if path.is_symlink() else "")
        for path in (site / name).iterdir()
        if path.suffix == ".so"
    )


def served_by(environment: Path, name: str = "demo") -> str:
    """The file that an import takes."""
    return run_python(environment, f"import {name}; assert {name}.answer() == 42; print({name}.served_by)")


# -- muslfix ----------------------------------------------------------------------------------------


@cache
def running() -> Target:
    """The running Python."""
    return probe_interpreter(sys.executable)


def target_with(suffix: str) -> Target:
    """The same Python, had it another platform."""
    others = tuple(other for other in EXTENSION_SUFFIXES[1:] if "linux" not in other)
    return replace(running(), extension_suffixes=(suffix, *others))


def target_file(folder: Path) -> Path:
    """The running Python as a file for ``--target-file``: commands then start no process to ask it."""
    path = folder / "target.json"
    path.write_text(running().to_json(), encoding="utf-8")
    return path


def fix_all(site: Path, mode: str = "symlink") -> Report:
    """Fix all projects of a folder."""
    return fix_projects([], running(), FixOptions(Mode(mode), (str(site),)))


def undo_all(site: Path) -> Report:
    """Undo all that was fixed in a folder."""
    return undo_projects([], running(), UndoOptions((str(site),)))


def verify_all(site: Path) -> Report:
    """Verify all projects of a folder."""
    return verify_projects([], running(), VerifyOptions((str(site),)))


def lines(report: Report) -> list[str]:
    """What a person would read."""
    return plain_text(report, verbose=True)


def actions(report: Report) -> dict[str, str]:
    """What was done with each project."""
    return {project.name: project.action for project in report.projects}


def problems(report: Report) -> dict[str, str]:
    """What is the matter with each project of which something is."""
    return {project.name: project.problem for project in report.projects if project.problem is not None}
