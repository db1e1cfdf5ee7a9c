"""The newest CPythons for glibc, from the binary packages of the distribution's testing and unstable suites.

These leave the mirrors within weeks, so there is nothing to pin. apt fetches what there is and checks its
signatures, with a configuration of its own: the machine's is not changed. Each version has a root with
its own C library. The program is told where that is, so that it runs where it was unpacked, without a chroot.
"""

from __future__ import annotations

from pathlib import Path

from . import apt, layout
from .layout import GlibcPython
from .steps import Bench, Step

SUITES = ("testing", "unstable")
"""Testing first: what has come to it has been in use for some days."""

PYTHON = "python{0}"
HEADERS = "libpython{0}-dev"

LEFT_OUT = ("./usr/share/*", "*/gconv/*", "*.a", "*/test/*")

CHECK = """\
import ctypes, hashlib, os, sqlite3, ssl, subprocess, sys, zlib
assert "{}.{}".format(*sys.version_info) == sys.argv[1], sys.version
assert os.confstr("CS_GNU_LIBC_VERSION").startswith("glibc ")
"""


def steps() -> list[Step]:
    """The step that fetches and unpacks all of them; it needs nothing."""
    how = repr((layout.GLIBC_PYTHONS, SUITES, PYTHON, HEADERS, LEFT_OUT, CHECK))
    return [Step(layout.GLIBC_PYTHONS[0].step, (how,), _make)]


def _make(bench: Bench) -> None:
    roots = bench.scratch / "glibc"
    roots.mkdir()
    for python in layout.GLIBC_PYTHONS:
        archives = _download(bench, python.version)
        if archives:
            apt.unpack(bench, archives, roots / python.version, LEFT_OUT)
            _lead_to_own_libc(bench, python, roots / python.version)
        else:
            reason = f"The mirror has no CPython {python.version} in {' or '.join(SUITES)}."
            (roots / f"{python.version}.absent").write_text(reason, encoding="utf-8")
    bench.publish(roots, bench.lab / "glibc")
    for python in layout.GLIBC_PYTHONS:
        if python.why_absent(bench.lab) is None:
            bench.run(python.executable(bench.lab), "-I", "-B", "-c", CHECK, python.version)


def _download(bench: Bench, version: str) -> list[Path]:
    """The packages of a version, from the first suite that has it whole; none where no suite has it.

    :raises LabError: if the mirror does not answer, or with anything but that it lacks a file
    """
    for suite in SUITES:
        there = apt.Apt(bench, suite)
        python, headers = PYTHON.format(version), HEADERS.format(version)
        if there.knows(python) and there.fetch([python], alone=[headers]):
            return sorted(there.archives.glob("*.deb"))
    return []


def _lead_to_own_libc(bench: Bench, python: GlibcPython, root: Path) -> None:
    """Write into the program where its loader and its libraries will be, once the root is where it stays.

    A run path of the old kind, since that is also asked for what the libraries need in their turn.
    """
    final = python.root(bench.lab)
    loader = final / "lib64" / "ld-linux-x86-64.so.2"
    run_path = ("--force-rpath", "--set-rpath", final / "usr" / "lib" / "x86_64-linux-gnu")
    program = root / python.executable(bench.lab).relative_to(final)
    bench.run("patchelf", "--set-interpreter", loader, *run_path, program)
