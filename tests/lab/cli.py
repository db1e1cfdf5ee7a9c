"""The command: say what is there, or make what is missing, in order."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import alpine, arm, glibc, layout, processes, pythons, sources, toolchain, wheels
from .processes import LabError
from .steps import Step, alone, perform, say

TOOLS = {
    sources.APT_HELPER: "apt",
    "bzip2": "bzip2",
    "/sbin/debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "fish": "fish",  # for the tests alone
    "gcc": "gcc",
    "lowntfs-3g": "ntfs-3g",  # for the tests alone: a file system where case does not count
    "make": "make",
    "patchelf": "patchelf",
    "pod2man": "perl",  # the modules too, which perl-base lacks
    "qemu-img": "qemu-utils",
    "strace": "strace",  # for the tests alone
    "tar": "tar",
    "tclsh": "tcl",
    "xz": "xz-utils",
    "zsh": "zsh",  # for the tests alone
    "/usr/include/linux/types.h": "linux-libc-dev",
}
"""What building and testing need, a program or a file, and the Debian package that has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    :param arguments: without the program's name; ``None``: those of this process
    :return: the exit status
    """
    options = _parser().parse_args(arguments)
    lab = layout.lab_folder()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.where:
            return _say_where(lab, arm=options.arm)
        _make(lab, options)
    except (LabError, OSError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python tests/lab",
        description="Build the interpreters and fetch the wheels that the tests need, where missing.",
        epilog="The folder is $MUSLFIX_LAB, else muslfix-lab in the user's cache folder.",
    )
    parser.add_argument("--only", choices=("pythons", "wheels", "alpine"), help="make only this part")
    parser.add_argument("--arm", action="store_true", help="make the interpreters for 32-bit ARM, too")
    parser.add_argument(
        "--where", action="store_true", help="print the folder and what it lacks; make nothing"
    )
    parser.add_argument(
        "--install-tools",
        action="store_true",
        help="install missing tools with apt-get (root in CI does so unasked)",
    )
    return parser


def _say_where(lab: Path, *, arm: bool) -> int:
    lacking = layout.missing(lab) + (layout.missing_arm(lab) if arm else [])
    lines = [str(lab), *(lacking or ["Complete."])]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _make(lab: Path, options: argparse.Namespace) -> None:
    wanted = {part: stages for part, stages in _parts(lab).items() if options.only in (None, part)}
    if options.arm:
        wanted["arm"] = arm.stages()
    pending = [part for part, stages in wanted.items() if not _are_made(lab, stages)]
    _check_machine(lab)
    installs = options.install_tools or _is_root_in_ci()
    if installs or pending not in ([], ["wheels"]):  # the tests need some of the tools too
        _check_tools(lab, install=installs)
    if not pending:
        say(f"{lab}: nothing to do")
        return
    started = time.monotonic()
    with alone(lab):
        for part in pending:
            for stage in wanted[part]:
                perform(lab, stage)
    say(f"{lab}: done in {time.monotonic() - started:.0f} s")


def _parts(lab: Path) -> dict[str, list[list[Step]]]:
    """What to make: the stages of each part in order; the steps of a stage do not need each other."""
    return {
        "pythons": [
            sources.steps(),
            toolchain.musl_steps(),
            [toolchain.toolchain_step(), *glibc.steps()],
            pythons.steps(),
        ],
        "wheels": [wheels.pip_steps(lab), wheels.steps()],
        "alpine": alpine.steps(),
    }


def _are_made(lab: Path, stages: list[list[Step]]) -> bool:
    return all(step.is_made(lab) for stage in stages for step in stage)


def _check_machine(lab: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise LabError("the lab can be built only on Linux on x86_64")
    if any(character.isspace() or character in ":\\\"'$" for character in str(lab)):
        raise LabError(f"a build cannot live in a folder of that name: {lab}")


def _check_tools(lab: Path, *, install: bool) -> None:
    packages = _missing_packages()
    if packages and install:
        log = lab / "logs" / "tools.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        say(f"installing {' '.join(packages)}")
        processes.run(["apt-get", "update"], log, cwd=Path("/"))
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        processes.run(command, log, cwd=Path("/"), env=quiet)
        packages = _missing_packages()
    if packages:
        raise LabError(f"tools are missing: run `apt-get install {' '.join(packages)}`, or --install-tools")


def _missing_packages() -> list[str]:
    lacking = {
        package
        for tool, package in TOOLS.items()
        if not (Path(tool).exists() if tool.startswith("/") else shutil.which(tool))
    }
    return sorted(lacking)


def _is_root_in_ci() -> bool:
    return os.geteuid() == 0 and os.environ.get("CI") == "true"
