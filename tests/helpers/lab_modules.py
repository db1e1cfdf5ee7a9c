"""The lab at work: its interpreters, the extension modules of its wheels, and what is found and loaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from commands import Result, run
from environments import make_environment, site_packages
from lab import layout
from lab.layout import LabPython


class Lab:
    """The complete lab."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Executables by name: ``39-gnu``, ``39-musl``, ``311-gnu``, ``311-musl``, ``315-glibc``, ….
        self.pythons = {
            python.name: str(python.executable(folder))
            for python in (*layout.EVERY_PYTHON, *layout.GLIBC_PYTHONS, *layout.ARM_PYTHONS)
        }

    def skip_without(self, python: LabPython) -> None:
        """Skip a test where the mirror had no such Python, which can be for those for glibc only."""
        reason = python.why_absent(self.folder) if isinstance(python, layout.GlibcPython) else None
        if reason is not None:
            pytest.skip(reason)

    def wheels(self, group: str) -> list[Path]:
        """The real wheels of a group of ``lab.layout.WHEELS``."""
        return layout.wheels(self.folder, group)

    def wheel(self, group: str, name: str) -> Path:
        """The one wheel of a project, by the project's name as in its file name."""
        (found,) = [path for path in self.wheels(group) if path.name.partition("-")[0].lower() == name]
        return found


WORK = Path(__file__).with_name("lab_work.py")
_T = TypeVar("_T")
_R = TypeVar("_R")


# -I: nothing of the shell that starts the tests; -B: no bytecode, so that trees can be compared.
_ISOLATED = ("-I", "-B")
_TRIPLET = "|".join((*layout.TRIPLETS.values(), *layout.ARM_TRIPLETS.values()))
_MODULE = re.compile(rf"(?P<stem>[^.]+)\.(?P<abi>abi3t?|cpython-\d+t?-(?:{_TRIPLET}))\.so")


@dataclass(frozen=True)
class LabModule:
    """An extension module in a real wheel.

    :param name: as an import names it: ``numpy.random.mtrand``
    :param file: its path in the wheel
    :param source: path of the ``.py`` beside it that is the same module, or ``None``
    """

    name: str
    file: str
    source: str | None

    def is_right_for(self, python: LabPython) -> bool:
        """Whether the interpreter imports the name that it has in the wheel."""
        return self.file.endswith((python.suffix, ".abi3.so", ".abi3t.so"))

    def right_file(self, python: LabPython) -> str:
        """The path where the interpreter looks for it, ``file`` itself if that is right."""
        if self.is_right_for(python):
            return self.file
        folder, _, base = self.file.rpartition("/")
        return "/".join(filter(None, (folder, base.partition(".")[0] + python.suffix)))


@dataclass(frozen=True)
class Found:
    """What an import would take for a module.

    :param loader: name of the class that would load it
    :param file: relative to ``site-packages``
    """

    loader: str
    file: str

    @property
    def is_extension(self) -> bool:
        """Whether it is an extension module."""
        return self.loader == "ExtensionFileLoader"


def project_of(wheel: Path) -> str:
    """The project's name as the file name of its wheel spells it, in lower case."""
    return wheel.name.partition("-")[0].lower()


def modules_in(wheel: Path) -> list[LabModule]:
    """The extension modules of a wheel, by a rule of this module's own and not by that of muslfix."""
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    modules = []
    for file in sorted(files):
        if file.endswith(".so") and ".libs/" not in file:
            match = _MODULE.fullmatch(file)
            assert match, f"{wheel.name} has a module of an unexpected name: {file}"
            stem, source = match["stem"], match["stem"] + ".py"
            name = stem.replace("/", ".").removesuffix(".__init__")
            modules.append(LabModule(name, file, source if source in files else None))
    return modules


def environment_for(python: LabPython, lab: Lab, folder: Path) -> Path:
    """A new virtual environment of a lab interpreter."""
    return make_environment(folder, lab.pythons[python.name])


@contextmanager
def removed_at_end(folder: Path) -> Iterator[Path]:
    """A folder that is removed with all that is in it: environments with all wheels have 200 MB each."""
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_in(environment: Path, *words: str | os.PathLike[str], standard_input: str = "") -> Result:
    """Run the interpreter of a virtual environment; it leaves no bytecode."""
    return run([environment / "bin" / "python", *_ISOLATED, *words], standard_input)


def pip(lab: Lab, environment: Path, *words: str | os.PathLike[str], group: str = "pip") -> Result:
    """Run a pip of the lab with the interpreter of an environment that has none, from its wheel.

    :param group: ``pip`` or ``pip-old``
    """
    return run_in(environment, lab.wheel(group, "pip") / "pip", "--isolated", "--no-input", *words)


def in_parallel(work: Callable[[_T], _R], values: Iterable[_T]) -> list[_R]:
    """The results of calls that mostly wait for a process, in the order of the values."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, values))


# Asks the finders of the interpreter, and imports nothing.
_FIND = """\
import json, sys
from importlib.machinery import PathFinder

def find(name):
    done, path = "", None
    for part in name.split("."):
        done = done + "." + part if done else part
        spec = PathFinder.find_spec(done, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return type(spec.loader).__name__, spec.origin

json.dump([find(name) for name in json.load(sys.stdin)], sys.stdout)
"""


# Loads what was found with all its symbols bound, then imports the modules.
_LOAD = """\
import ctypes, importlib, json, os, sys
files, first, names = json.load(sys.stdin)
for file in files:
    ctypes.CDLL(file, os.RTLD_NOW)
for name in first:
    importlib.import_module(name)
for name in names:
    module = importlib.import_module(name)
    assert type(module.__spec__.loader).__name__ == "ExtensionFileLoader", module
"""


# What must be imported before the modules of a project, by their own demand.
_IMPORTED_FIRST = {"psycopg_binary": ["psycopg"]}


# What is loaded and not imported, since its import needs more than the lists of wheels and the lab have.
_NOT_IMPORTED = {
    "greenlet.tests._test_extension",  # psutil
    "greenlet.tests._test_extension_cpp",  # psutil
    "PIL._imagingtk",  # tkinter
}


def find(environment: Path, modules: Iterable[LabModule]) -> dict[str, Found | None]:
    """What the interpreter would import for each module, by the module's name; nothing is imported."""
    names = [module.name for module in modules]
    done = run_in(environment, "-c", _FIND, standard_input=json.dumps(names))
    assert done.status == 0, done.err
    root = site_packages(environment)
    return {
        name: answer and Found(answer[0], os.path.relpath(answer[1] or "", root))
        for name, answer in zip(names, json.loads(done.out))
    }


def load(environment: Path, python: LabPython, wheel: Path) -> str:
    """Load and import the modules of a wheel in a process of their own; what went wrong, or nothing."""
    modules = modules_in(wheel)
    root = site_packages(environment)
    files = [str(root / module.right_file(python)) for module in modules]
    names = [module.name for module in modules if module.name not in _NOT_IMPORTED]
    told = json.dumps([files, _IMPORTED_FIRST.get(project_of(wheel), []), names])
    done = run_in(environment, "-c", _LOAD, standard_input=told)
    return "" if done.status == 0 else f"status {done.status}: {done.err}"


def work(environment: Path, project: str) -> Result:
    """Let a project do real work in a process of its own."""
    return run_in(environment, WORK, project)


def count(found: dict[str, Found | None]) -> Counter[str]:
    """How many modules are ``found``, ``shadowed`` by a ``.py`` of the same name, or ``missing``."""
    return Counter(
        "missing" if answer is None else "found" if answer.is_extension else "shadowed"
        for answer in found.values()
    )
