"""The newest CPythons for glibc, from the binary packages of the distribution's testing and unstable suites.

These leave the mirrors within weeks, so there is nothing to pin. apt fetches what there is and checks its
signatures, with a configuration of its own: the machine's is not changed. Each version has a root with
its own C library. The program is told where that is, so that it runs where it was unpacked, without a chroot.
"""

from __future__ import annotations

from pathlib import Path

from . import layout, sources
from .layout import GlibcPython
from .processes import LabError
from .steps import Bench, Step

SUITES = ("testing", "unstable")
"""Testing first: what has come to it has been in use for some days."""

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)

PYTHON = "python{0}"
HEADERS = "libpython{0}-dev"

DIRECTORIES = ("bin", "lib", "lib64", "sbin")
"""Symbolic links of these names must lead to those in ``usr`` before anything is unpacked."""

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
            _unpack(bench, archives, roots / python.version)
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
        apt = _Apt(bench, suite)
        if apt.knows(PYTHON.format(version)) and apt.fetch(PYTHON.format(version), HEADERS.format(version)):
            return sorted(apt.archives.glob("*.deb"))
    return []


class _Apt:
    """apt for one suite of the machine's mirror; all that it reads and writes is in the scratch folder."""

    def __init__(self, bench: Bench, suite: str) -> None:
        self._bench = bench
        folder = bench.scratch / f"apt-{suite}"
        self.archives = folder / "cache" / "archives"
        self._options = [
            *sources.APT_OPTIONS,
            f"-oDir::Etc::sourcelist={folder / 'sources.list'}",
            f"-oDir::Etc::sourceparts={folder / 'none'}",
            f"-oDir::Etc::preferences={folder / 'none'}",
            f"-oDir::Etc::preferencesparts={folder / 'none'}",
            f"-oDir::State::Lists={folder / 'lists'}",
            f"-oDir::State::status={folder / 'status'}",  # empty: nothing is installed
            f"-oDir::Cache={folder / 'cache'}",
            "-oDebug::NoLocking=true",  # the machine's locks are not ours to take
            "-oAcquire::Languages=none",
        ]
        if not folder.exists():
            for name in ("none", "lists/partial", "cache/archives/partial"):
                (folder / name).mkdir(parents=True)
            (folder / "status").touch()
            keyring = next((path for path in KEYRINGS if Path(path).exists()), None)
            signed = f"[signed-by={keyring}] " if keyring else ""
            line = f"deb {signed}{sources.mirror()} {suite} main\n"
            (folder / "sources.list").write_text(line, encoding="utf-8")
            bench.run("apt-get", *self._options, "update", "--error-on=any")

    def knows(self, package: str) -> bool:
        """Whether the suite lists a package."""
        return _succeeds(self._bench, "apt-cache", *self._options, "show", package)

    def fetch(self, package: str, extra: str) -> bool:
        """Fetch a package with all that it depends on, and another one alone; whether the mirror had them.

        :raises LabError: if anything else went wrong
        """
        for archive in self.archives.glob("*.deb"):
            archive.unlink()
        before = self._bench.log.stat().st_size
        alone = ("--yes", "--download-only", "--no-install-recommends")
        try:
            self._bench.run("apt-get", *self._options, "install", *alone, package)
            self._bench.run("apt-get", *self._options, "download", extra, cwd=self.archives)
        except LabError:
            if b"404 " in self._bench.log.read_bytes()[before:]:
                return False
            raise
        return True


def _succeeds(bench: Bench, *command: str) -> bool:
    try:
        bench.run(*command)
    except LabError:
        return False
    return True


def _unpack(bench: Bench, archives: list[Path], root: Path) -> None:
    """Unpack packages as dpkg does, without running anything of theirs."""
    for name in DIRECTORIES:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    for archive in archives:
        files = bench.scratch / "files.tar"
        bench.run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" > "$2"', "sh", archive, files)
        bench.run("tar", "-xf", files, "-C", root, "--keep-directory-symlink", "--no-same-owner", *excluded)


def _lead_to_own_libc(bench: Bench, python: GlibcPython, root: Path) -> None:
    """Write into the program where its loader and its libraries will be, once the root is where it stays.

    A run path of the old kind, since that is also asked for what the libraries need in their turn.
    """
    final = python.root(bench.lab)
    loader = final / "lib64" / "ld-linux-x86-64.so.2"
    run_path = ("--force-rpath", "--set-rpath", final / "usr" / "lib" / "x86_64-linux-gnu")
    program = root / python.executable(bench.lab).relative_to(final)
    bench.run("patchelf", "--set-interpreter", loader, *run_path, program)
