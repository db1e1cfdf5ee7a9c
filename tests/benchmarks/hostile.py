"""What installers do with the wheels of ``bad_wheels``: ``python tests/benchmarks/hostile.py``.

Gives each wheel to each installer, in an environment of its own that holds another project, and prints a
Markdown table. ``--tools`` names the Python of a new virtual environment, in which ``pip install -U pip uv
installer`` has been run. Interpreters are copied into the environments, never linked, for some of the wheels
make some of the installers write through such links.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent / "fixtures")]

from bad_wheels import CASES, OTHER_SCRIPT, Case  # noqa: E402 - the path has to be set before
from trees import snapshot  # noqa: E402
from wheelmaker import make_wheel  # noqa: E402

TIMEOUT = 30  # seconds; the slowest of the installers needs one for a wheel of this size
#: Where a wheel of the table may want to write outside the folder of the run.
OUTSIDE = [Path("/x"), Path("/tmp/x"), Path("/host")]
OUTCOMES = ("refused cleanly", "refused by a traceback", "refused, files left behind", "accepted", "hung")


@dataclass(frozen=True)
class Outcome:
    """How an installer ended.

    :param what: one of :data:`OUTCOMES`
    :param changed: what it changed or removed that had been there before
    """

    what: str
    changed: tuple[str, ...]


def commands(tools: Path, base: Path, wheel: str) -> dict[str, list[str]]:
    """The command of each installer."""
    python = str(base / "environment/bin/python")
    uv = [str(tools.parent / "uv"), "pip", "install", "--no-config", "--no-cache", "--no-index", "--no-deps"]
    pip = [
        str(tools),
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-cache-dir",
        "--no-index",
        "--no-deps",
    ]
    return {
        "muslfix": [sys.executable, "-m", "muslfix", "install", "--no-compile", "--python", python, wheel],
        "pip": [*pip, "--no-compile", wheel],
        "uv": [*uv, "--python", python, wheel],
        "installer": [python, "-m", "installer", "--no-compile-bytecode", wheel],
    }


def run(command: Sequence[str], base: Path, tools: Path) -> tuple[int | None, str]:
    """Exit status, ``None`` for a timeout, and all that was printed."""
    (site,) = tools.parent.parent.glob("lib/python*/site-packages")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "temporary"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    if "installer" in command:
        environment["PYTHONPATH"] = str(site)
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            cwd=base / "home",
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


class Machine:
    """A folder with an environment that is made anew whenever an installer has changed it."""

    def __init__(self, base: Path, tools: Path, tool: str) -> None:
        self.base, self.tools, self.tool = base, tools, tool
        for name in ("home", "temporary"):
            (base / name).mkdir()
        venv.create(base / "environment", symlinks=False)
        files = {
            "other.py": b"",
            "other_folder/__init__.py": b"",
            f"other-1.0.data/scripts/{OTHER_SCRIPT}": b"#!/bin/sh\n",
            "other-1.0.data/data/share/other": b"",
        }
        (base.parent / "wheels").mkdir(exist_ok=True)
        other = make_wheel(base.parent / "wheels/other-1.0-py3-none-any.whl", files)
        # So the files that an installer keeps beside an environment, such as uv's lock, are there before.
        status, text = run(commands(tools, base, str(other))[tool], base, tools)
        if status != 0:
            sys.exit(f"{tool}: {text}")
        self.saved = base.parent / f"saved-{tool}"
        shutil.copytree(base, self.saved, symlinks=True)
        self.before = snapshot(base)

    def judge(self, case: Case) -> Outcome:
        """Give a wheel to the installer."""
        folder = Path(tempfile.mkdtemp(dir=self.base.parent / "wheels"))
        wheel = case.make(folder)
        status, text = run(commands(self.tools, self.base, str(wheel))[self.tool], self.base, self.tools)
        after = snapshot(self.base)
        strays = [path for path in OUTSIDE if os.path.lexists(path)]
        changed = tuple(path for path, state in self.before.items() if after.get(path) != state)
        if after != self.before:
            shutil.rmtree(self.base)
            shutil.copytree(self.saved, self.base, symlinks=True)
        for path in strays:
            print(f"{self.tool}: {case.name}: wrote {path}", file=sys.stderr)
            path.unlink()
        if status is None:
            return Outcome("hung", changed)
        if status == 0:
            return Outcome("accepted", changed)
        if after != self.before or strays:
            return Outcome("refused, files left behind", changed)
        return Outcome(
            "refused by a traceback" if "Traceback (most recent" in text else "refused cleanly", changed
        )


def main() -> None:
    """Run all, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--only", nargs="+", default=["muslfix", "pip", "uv", "installer"], metavar="TOOL")
    parser.add_argument("-v", "--verbose", action="store_true", help="also name the cases")
    options = parser.parse_args()
    if strays := [path for path in OUTSIDE if os.path.lexists(path)]:
        sys.exit(f"{strays[0]} is in the way: move it away first")
    print("| installer |", " | ".join(OUTCOMES), "| changed what was there |")
    print("| --- |" + " ---: |" * (len(OUTCOMES) + 1))
    for tool in options.only:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "base").mkdir()
            machine = Machine(Path(folder) / "base", options.tools.absolute(), tool)
            outcomes = {case.name: machine.judge(case) for case in CASES}
        counts = [sum(outcome.what == what for outcome in outcomes.values()) for what in OUTCOMES]
        changes = sum(bool(outcome.changed) for outcome in outcomes.values())
        print(f"| {tool} |", " | ".join(map(str, counts)), f"| {changes} |", flush=True)
        if options.verbose:
            for name, outcome in outcomes.items():
                print(f"    {tool}: {name!a}: {outcome.what} {' '.join(outcome.changed)}", file=sys.stderr)
        if tool == "muslfix" and (counts[0] != len(CASES) or changes):
            sys.exit("muslfix has not refused all of them cleanly")


if __name__ == "__main__":
    main()
