"""Kills ``muslfix install`` at random instants: ``python tests/benchmarks/kills.py [--kills N] [--files N]``.

A wheel of some thousand files goes over its older version, in a process of its own, which SIGKILL ends at
a random instant of the time that it takes. Then another muslfix puts that right. Prints how many environments
were the old one, and how many the new one, before it and after; none may be anything else, with nothing left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers"), str(TESTS.parent / "fixtures")]

from trees import snapshot  # noqa: E402
from wheelmaker import make_wheel  # noqa: E402

TARGET = TESTS.parent / "fixtures" / "targets" / "lab-cpython-3.9-musl-x86_64.json"


def command(wheel: Path, tree: Path) -> list[str]:
    """The command that installs."""
    words = ["install", "-q", str(wheel), "--target-file", str(TARGET), "--target", str(tree)]
    return [sys.executable, "-m", "muslfix", *words]


def wheels(folder: Path, files: int) -> tuple[Path, Path, Path]:
    """An old and a new version, each with files that the other lacks, and another project."""
    old, new = (
        {f"demo/{n % 50}/{n % 7}/m{n}.txt": b"%d %d" % (n, version) * 20 for n in range(first, first + files)}
        for version, first in ((1, 0), (2, files // 10))
    )
    return (
        make_wheel(folder / "demo-1.0-py3-none-any.whl", old),
        make_wheel(folder / "demo-2.0-py3-none-any.whl", new),
        make_wheel(folder / "other-1.0-py3-none-any.whl", {"other.py": b""}),
    )


def run(folder: Path, kills: int, files: int, seed: int) -> Counter[str]:
    """Kill so many times; count how it ended.

    :raises AssertionError: if an environment is neither the old nor the new one
    """
    old, new, other = wheels(folder, files)
    tree, saved, model = folder / "tree", folder / "saved", folder / "model"
    for wheel in (old, other):
        subprocess.run(command(wheel, saved), check=True)
    shutil.copytree(saved, model, symlinks=True)
    start = time.perf_counter()
    subprocess.run(command(new, model), check=True)
    takes = time.perf_counter() - start
    names = {str(snapshot(saved)): "old", str(snapshot(model)): "new"}
    chance, counts = random.Random(seed), Counter[str]()
    for _ in range(kills):
        shutil.copytree(saved, tree, symlinks=True)
        process = subprocess.Popen(command(new, tree))
        try:
            process.wait(chance.uniform(0.1, 1.1) * takes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        counts["killed" if process.wait() == -signal.SIGKILL else "came too late"] += 1
        counts["before: " + names.get(str(snapshot(tree)), "half done")] += 1
        subprocess.run(command(other, tree), check=True)  # is there already: it only puts right
        after = names.get(str(snapshot(tree)))
        assert after is not None, f"neither the old nor the new one: {tree}"
        counts["after: " + after] += 1
        shutil.rmtree(tree)
    return counts


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        counts = run(Path(folder), arguments.kills, arguments.files, arguments.seed)
    for name, count in sorted(counts.items()):
        print(f"{name:20} {count:5}")


if __name__ == "__main__":
    main()
