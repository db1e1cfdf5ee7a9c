"""The interpreters, built from upstream's sources as on a musl host.

``configure`` finds the triplet that upstream gives a musl host: ``-gnu`` up to 3.10, ``-musl`` from 3.11 on.
The other spelling is made as the distributions that have it make it: by another triplet in the ``Makefile``.
The few objects that know the triplet or the prefix depend on the ``Makefile`` already, so that the second
interpreter of a version is built in the tree of the first and costs little.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import layout, sources, toolchain
from .layout import LabPython
from .processes import LabError
from .sources import Source
from .steps import Bench, Step

AnyPython = TypeVar("AnyPython", bound=LabPython)

PREFIX = "/prefix-of-the-interpreter"
"""Stands for the real one until there is a Makefile for each interpreter."""

CONFIGURED = ("Makefile", "Misc/python-config.sh", "Misc/python-embed.pc", "Misc/python.pc")
"""What ``configure`` writes the triplet and the prefix into."""

OPTIONS = ("--without-ensurepip", "--disable-test-modules")

FLAGS = {"CFLAGS": "-fPIC", "OPT": "-O2 -fwrapv -DNDEBUG", "CXX": "false", "PKG_CONFIG": "/bin/false"}

LEFT_OUT = ("*/Lib/test", "*/Lib/*/test", "*/Lib/*/tests", "*/Lib/ensurepip/_bundled")

DISABLED = """\
*disabled*
_bz2 _crypt _curses _curses_panel _dbm _gdbm _lzma _tkinter _uuid nis ossaudiodev readline spwd
_ctypes_test _testbuffer _testcapi _testclinic _testimportmultiple _testinternalcapi _testmultiphase
_xxsubinterpreters _xxtestfuzz xxlimited xxlimited_35
"""

CHECK = """\
import ctypes, hashlib, importlib.machinery, json, sqlite3, ssl, subprocess, sys, threading, zlib
assert importlib.machinery.EXTENSION_SUFFIXES[0] == sys.argv[1], importlib.machinery.EXTENSION_SUFFIXES
assert ctypes.CDLL(None).strlen(b"four") == 4
"""


def steps() -> list[Step]:
    """The steps that build them, one for each version and ABI; they need the toolchain."""
    how = (*toolchain.toolchain_step().inputs, repr((OPTIONS, FLAGS, LEFT_OUT, DISABLED, CONFIGURED)))
    return [
        Step(pythons[0].step, (*how, repr(pythons), repr(source)), partial(_build, pythons, source))
        for pythons, source in _by_abi()
    ]


def _by_abi() -> Iterator[tuple[tuple[LabPython, ...], Source]]:
    """The interpreters that differ only in the spelling, with their source."""
    for _, alike in itertools.groupby(layout.EVERY_PYTHON, key=lambda python: python.step):
        pythons = tuple(alike)
        yield pythons, sources.PYTHONS[pythons[0].version]


def _build(pythons: tuple[LabPython, ...], source: Source, bench: Bench) -> None:
    tree = source.unpack(bench, without=LEFT_OUT)
    (tree / "Modules" / "Setup.local").write_text(DISABLED, encoding="utf-8")
    _configure(bench, tree, *["--disable-gil"] * pythons[0].is_free_threaded)
    for python in spell(pythons, bench.lab, tree):
        _install(python, bench, tree)


def spell(pythons: Iterable[AnyPython], lab: Path, tree: Path) -> Iterator[AnyPython]:
    """Make a configured tree ready to build one interpreter after another."""
    configured = {tree / name: (tree / name).read_text(encoding="utf-8") for name in CONFIGURED}
    for python in pythons:
        for path, text in configured.items():
            path.write_text(_adapt(text, python, lab), encoding="utf-8")
        shutil.rmtree(tree / "build", ignore_errors=True)  # extension modules of the other spelling
        (tree / "pybuilddir.txt").unlink(missing_ok=True)
        yield python


def _configure(bench: Bench, tree: Path, *more_options: str) -> None:
    prefix = toolchain.folder(bench.lab)
    bench.build(
        "./configure",
        f"--prefix={PREFIX}",
        f"--with-openssl={prefix}",
        *OPTIONS,
        *more_options,
        cwd=tree,
        CC=str(toolchain.compiler(bench.lab)),
        CPPFLAGS=f"-I{prefix / 'include'}",
        LDFLAGS=f"-L{prefix / 'lib'}",
        **FLAGS,
    )


def _adapt(text: str, python: LabPython, lab: Path) -> str:
    triplets = (*layout.TRIPLETS.values(), *layout.ARM_TRIPLETS.values())
    any_spelling = "|".join(map(re.escape, triplets))
    return re.sub(any_spelling, python.triplet, text).replace(PREFIX, str(python.prefix(lab)))


def _install(python: LabPython, bench: Bench, tree: Path) -> None:
    root = bench.scratch / python.name
    bench.make(cwd=tree)
    bench.build("make", "install", f"DESTDIR={root}", cwd=tree)
    installed = root / python.prefix(bench.lab).relative_to("/")
    _add_executable_for_old_musl(bench.lab, installed / "bin")
    bench.build(installed / "bin" / "python3", "-I", "-c", CHECK, python.suffix, cwd=root)
    bench.publish(installed, python.prefix(bench.lab))


def _add_executable_for_old_musl(lab: Path, folder: Path) -> None:
    """Copy the program with the other loader in its ``PT_INTERP``: both paths have one length."""
    program = (folder / "python3").read_bytes()
    usual = bytes(layout.loader(lab)) + b"\0"
    old = bytes(layout.loader(lab, layout.OLD_MUSL)) + b"\0"
    if program.count(usual) != 1 or len(usual) != len(old):
        raise LabError("its PT_INTERP is not the lab's loader")
    copy = folder / f"python3-musl-{layout.OLD_MUSL}"
    copy.write_bytes(program.replace(usual, old))
    copy.chmod(0o755)
