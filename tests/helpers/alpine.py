"""A copy of the lab's Alpine root file system with a CPython in it, and commands that run within."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from commands import Result
from lab import layout
from lab.layout import LabPython
from lab_modules import Lab
from required import lacks

LOADER = "/lib/ld-musl-x86_64.so.1"
"""Where Alpine has it."""

DEVICES = {"null": (1, 3), "urandom": (1, 9)}

USERS = {"root": "/root", "quicksand": "/home/quicksand"}
"""The users that the image has, and their home directories."""


@dataclass(frozen=True)
class Alpine:
    """A root file system that can be written to.

    :param root: where it is on this machine
    :param python: the interpreter within, as it is in the lab
    """

    root: Path
    python: LabPython

    @property
    def executable(self) -> str:
        """The interpreter's path within."""
        return f"/opt/{self.python.name}/bin/python3"

    def outside(self, path: str) -> Path:
        """Where a path within is on this machine."""
        return self.root / path.lstrip("/")

    def run(self, user: str, *command: str, **more: str) -> Result:
        """Run a command as a user would, with nothing of this machine's environment.

        :param more: variables beside a login's, or instead of them
        """
        home = USERS[user]
        path = f"{home}/env/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        variables = {"PATH": path, "HOME": home, "USER": user, "LANG": "C.UTF-8", "TERM": "dumb"}
        done = subprocess.run(
            ["chroot", *self._identity(user), self.root, *command],
            check=False,
            capture_output=True,
            text=True,
            env={**variables, "PIP_NO_INDEX": "1", **(more or {"VIRTUAL_ENV": f"{home}/env"})},
            executable=shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin"),
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def _identity(self, user: str) -> Sequence[str]:
        if user == "root":
            return ()
        lines = self.outside("/etc/passwd").read_text(encoding="utf-8").splitlines()
        (entry,) = [line.split(":") for line in lines if line.startswith(f"{user}:")]
        return (f"--userspec={entry[2]}:{entry[3]}",)


def make_alpine(lab: Lab, python: LabPython, root: Path) -> Alpine:
    """Copy the root file system and the interpreter; skips the test where that needs more rights.

    :param root: a directory that does not exist
    """
    if os.geteuid() != 0:
        lacks("only root can change into the root file system of Alpine Linux")
    shutil.copytree(layout.alpine(lab.folder), root, symlinks=True)
    _keep_owners(layout.alpine(lab.folder), root)
    for name, (major, minor) in DEVICES.items():
        try:
            os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        except PermissionError:
            lacks("devices for the root file system of Alpine Linux cannot be made here")
        (root / "dev" / name).chmod(0o666)
    alpine = Alpine(root, python)
    prefix = alpine.outside(f"/opt/{python.name}")
    shutil.copytree(python.prefix(lab.folder), prefix, symlinks=True)
    program = (prefix / "bin" / "python3").resolve()
    own = bytes(layout.loader(lab.folder)) + b"\0"
    content = program.read_bytes()
    assert content.count(own) == 1
    program.write_bytes(content.replace(own, LOADER.encode().ljust(len(own), b"\0")))
    return alpine


def _keep_owners(source: Path, copy: Path) -> None:
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            state = os.lstat(os.path.join(folder, name))
            target = copy / os.path.relpath(os.path.join(folder, name), source)
            with suppress(OSError):
                os.chown(target, state.st_uid, state.st_gid, follow_symlinks=False)


def add_uv(lab: Lab, alpine: Alpine) -> None:
    """Put uv for musl into ``/usr/local/bin``."""
    (wheel,) = lab.wheels("tools-musl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        program = alpine.outside("/usr/local/bin/uv")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes(archive.read(name))
        program.chmod(0o755)
