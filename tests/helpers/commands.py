"""Commands: muslfix in this process or in one of its own, other programs, and how they ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from required import lacks

from muslfix.cli import main

_LOOKED_AT = "looked at: "


@dataclass(frozen=True)
class Result:
    """How a command ended.

    :param status: exit status
    :param out: what it printed on stdout, without the line of muslfix that says what it has looked at: few
        tests are about that, and it holds long paths
    :param err: what it printed on stderr
    :param looked_at: what that line says
    """

    status: int
    out: str
    err: str
    looked_at: str = field(default="", compare=False)

    @classmethod
    def of(cls, status: int, out: str, err: str) -> Result:
        """The result of a command with this output."""
        lines = out.splitlines(keepends=True)
        said = [line for line in lines if line.startswith(_LOOKED_AT)]
        kept = "".join(line for line in lines if line not in said)
        return cls(status, kept, err, "".join(said)[len(_LOOKED_AT) :].strip())


class Cli:
    """Calls the command line in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: str | os.PathLike[str]) -> Result:
        self._capfd.readouterr()
        try:
            status = main([os.fspath(word) for word in words])
        except SystemExit as exit_:  # argparse: --help, --version and usage errors
            status = exit_.code if isinstance(exit_.code, int) else 1
        captured = self._capfd.readouterr()
        return Result.of(status, captured.out, captured.err)


#: What an installation for a target that cannot run here says of modules that it did not compile.
NO_BYTECODE = "note: bytecode is left out: only the target could compile it, and that cannot run here\n"


def run(command: Sequence[str | os.PathLike[str]], standard_input: str = "") -> Result:
    """Run a command to its end, in a folder that holds no modules, whatever its exit status."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", input=standard_input)
    return Result.of(done.returncode, done.stdout, done.stderr)


def muslfix(*words: str | os.PathLike[str]) -> Result:
    """Run muslfix in a process of its own, as a user does."""
    return run([sys.executable, "-m", "muslfix", *words])


def read_only(*directories: str | Path) -> list[str | Path]:
    """The words before a command for which directories are read-only, also for root.

    Skips the test on a machine where users may not mount.
    """
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit'
    script = f'while [ "$1" != -- ]; do {mount}; shift; done; shift; exec "$@"'
    return mount_namespace("sh", "-c", script, "sh", *directories, "--")


def mount_namespace(*words: str | Path) -> list[str | Path]:
    """Words, and before them those for which a command may mount file systems that nobody else sees.

    Skips the test on a machine where users may not.
    """
    command = ["unshare", "--user", "--map-root-user", "--mount", *words]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        lacks("this machine has no unshare")
    if allowed.returncode != 0:
        lacks("this machine does not let users mount file systems of their own")
    return command
