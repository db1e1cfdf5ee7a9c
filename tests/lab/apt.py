"""apt for the lab alone: it fetches binary packages and checks their signatures, beside the machine's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import sources
from .processes import LabError
from .steps import Bench

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)

DIRECTORIES = ("bin", "lib", "lib64", "sbin")
"""Symbolic links of these names must lead to those in ``usr`` before anything is unpacked."""


class Apt:
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
        try:
            self._bench.run("apt-cache", *self._options, "show", package)
        except LabError:
            return False
        return True

    def fetch(self, packages: Iterable[str], alone: Iterable[str] = ()) -> bool:
        """Fetch packages with all that they depend on, and others alone; whether the mirror had them.

        :raises LabError: if anything else went wrong
        """
        for archive in self.archives.glob("*.deb"):
            archive.unlink()
        before = self._bench.log.stat().st_size
        options = ("--yes", "--download-only", "--no-install-recommends")
        try:
            self._bench.run("apt-get", *self._options, "install", *options, *packages)
            for package in alone:
                self._bench.run("apt-get", *self._options, "download", package, cwd=self.archives)
        except LabError:
            if b"404 " in self._bench.log.read_bytes()[before:]:
                return False
            raise
        return True


def unpack(bench: Bench, archives: Iterable[Path], root: Path, without: Iterable[str]) -> None:
    """Unpack packages into a new root as dpkg does, without running anything of theirs.

    :param without: patterns of members to leave out
    """
    for name in DIRECTORIES:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    excluded = [f"--exclude={pattern}" for pattern in without]
    for archive in archives:
        files = bench.scratch / "files.tar"
        bench.run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" > "$2"', "sh", archive, files)
        bench.run("tar", "-xf", files, "-C", root, "--keep-directory-symlink", "--no-same-owner", *excluded)
