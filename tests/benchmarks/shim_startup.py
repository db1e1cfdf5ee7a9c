"""What the shim adds to the start of a Python, in one interleaved run.

``python3.11 tests/benchmarks/shim_startup.py PYTHON...`` makes environments of each interpreter that differ
in one thing, starts them in turn, and prints medians of the processor time of ``python -c pass``, in ms.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from muslfix.targets.with_shim import PACKAGE, PTH, START  # noqa: E402 - not installed where this runs
from muslfix.verbs.shim_wheel import shim_wheel  # noqa: E402

KINDS = {
    "without": "nothing",
    "empty": "a start file of the same kind, and a module that does nothing",
    "shim": "the shim",
    "no bytecode": "the shim, compiled at each start",
}


def make(python: str, kind: str, folder: Path) -> Path:
    """An environment; returns its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    if kind != "without":
        zipfile.ZipFile(io.BytesIO(shim_wheel())).extractall(site)
    if kind == "empty":
        shutil.rmtree(site / PACKAGE)
        (site / f"{PACKAGE}.py").write_text("def start(): pass\n")
    if kind != "no bytecode":
        subprocess.run([folder / "bin" / "python", "-c", "pass"], check=True)
    for name in (PTH, START):
        assert kind == "without" or (site / name).exists()
    return folder / "bin" / "python"


def start(python: Path, kind: str) -> float:
    """Seconds of processor time."""
    environ = {
        "PATH": os.environ["PATH"],
        **({"PYTHONDONTWRITEBYTECODE": "1"} if kind == "no bytecode" else {}),
    }
    process = os.posix_spawn(python, [str(python), "-c", "pass"], environ)
    _, status, usage = os.wait4(process, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print a line for each interpreter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    print("| Python | without | " + " | ".join(f"+ {kind}" for kind in [*KINDS][1:]) + " |")
    for python in options.pythons:
        version = subprocess.run([python, "-V"], capture_output=True, check=True, text=True).stdout.split()[1]
        with tempfile.TemporaryDirectory() as folder:
            made = {kind: make(python, kind, Path(folder, kind)) for kind in KINDS}
            taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
            order = [*KINDS]
            for _ in range(options.rounds):
                order = [*order[1:], order[0]]
                for kind in order:
                    taken[kind].append(1000 * start(made[kind], kind))
        base = statistics.median(taken["without"])
        added = (
            statistics.median(one - other for one, other in zip(taken[kind], taken["without"]))
            for kind in [*KINDS][1:]
        )
        print(
            f"| {version} | {base:.1f} | " + " | ".join(f"{value:.2f}" for value in added) + " |", flush=True
        )


if __name__ == "__main__":
    main()
