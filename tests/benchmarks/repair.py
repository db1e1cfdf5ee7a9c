"""What ``muslfix repair`` costs on large wheels: ``python tests/benchmarks/repair.py``.

Makes wheels of 120 MB of content in a temporary folder: one mostly of data with a few misnamed modules, and
the worst case, one of misnamed modules alone. Measures, interleaved, in processes of their own: copying the
file and hashing what is new (the modules that get a new name, and RECORD); ``muslfix repair``; ``wheel
unpack`` with ``wheel pack``. For the first two, start-up is measured on a tiny wheel and taken off. Prints
medians of wall-clock and of processor time in milliseconds, peak memory, and the ratios that are bounded.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "helpers"), str(ROOT / "fixtures")]

from real_tools import tool_environment  # noqa: E402
from wheelmaker import make_wheel  # noqa: E402

TARGET = ROOT / "fixtures" / "targets" / "lab-cpython-3.9-musl-x86_64.json"
ELF = (ROOT / "fixtures" / "elf" / "x86_64-musl.so").read_bytes()
NAME = "{}-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
MEGABYTE = 1_000_000

#: Copies a wheel so that it is kept, as what muslfix writes is, and hashes the members of some names.
BASELINE = """\
import hashlib, os, shutil, sys, zipfile
source, target, part = sys.argv[1:]
shutil.copyfile(source, target)
with open(target, "rb") as file:
    os.fsync(file.fileno())
with zipfile.ZipFile(source) as archive:
    for name in archive.namelist():
        if part in name or name.endswith("/RECORD"):
            with archive.open(name) as member:
                digest = hashlib.sha256()
                while chunk := member.read(1 << 20):
                    digest.update(chunk)
"""


@dataclass(frozen=True)
class Cost:
    """What a process costs: seconds of wall-clock and of processor time, and its peak memory in KiB."""

    wall: float
    processor: float
    memory: int


def content(size: int, chance: random.Random) -> bytes:
    """Bytes that deflate makes about three times smaller, as it does those of programs."""
    words = [chance.randbytes(chance.randrange(3, 12)) for _ in range(600)]
    made = b"".join(chance.choices(words, k=size // 7 + 1))
    return made[:size]


def make_wheels(folder: Path) -> dict[str, Path]:
    """A wheel mostly of data, one of modules alone, and a tiny one."""
    chance = random.Random(1)
    module = "{0}/_m{1}.cpython-39-x86_64-linux-gnu.so"
    kinds = {"data": (100, 20), "modules": (0, 60), "tiny": (0, 1)}  # files of 1 MB, modules of 1 or 2 MB
    wheels = {}
    for name, (files, modules) in kinds.items():
        size = {"data": 1, "modules": 2, "tiny": 0}[name] * MEGABYTE
        contents = {f"{name}/d{n}.bin": content(MEGABYTE, chance) for n in range(files)}
        contents.update({module.format(name, n): ELF + content(size, chance) for n in range(modules)})
        wheels[name] = make_wheel(folder / NAME.format(name), contents)
    return wheels


def cost(command: Sequence[str | Path]) -> Cost:
    """Run a command, and say what it costs."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} has failed")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)


def summed(*costs: Cost) -> Cost:
    """The cost of commands that are run one after the other."""
    return Cost(sum(c.wall for c in costs), sum(c.processor for c in costs), max(c.memory for c in costs))


def median(costs: Sequence[Cost], start: Cost | None = None) -> Cost:
    """The median of each, without that of the start-up."""
    values = [
        [getattr(c, name) - (getattr(start, name) if start else 0) for c in costs]
        for name in ("wall", "processor", "memory")
    ]
    wall, processor, memory = (statistics.median(each) for each in values)
    return Cost(wall, processor, int(memory))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    wheel_tool: list[str | Path] = [tool_environment("checkers") / "bin" / "python", "-m", "wheel"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In a process of its own: what is started here would count the memory of this one as its own.
        with ProcessPoolExecutor(1) as pool:
            wheels = pool.submit(make_wheels, folder).result()
        unpacked = folder / "unpacked"
        (folder / "packed").mkdir()
        options: list[str | Path] = ["--target-file", TARGET, "--force", "-w", folder / "out"]
        repair: list[str | Path] = [sys.executable, "-m", "muslfix", "repair", *options]
        os.sync()
        for name in ("data", "modules"):
            wheel = wheels[name]
            copy: list[str | Path] = [sys.executable, "-c", BASELINE, wheel, folder / "copy", "/_m"]
            bare: list[str | Path] = [sys.executable, "-c", BASELINE, wheels["tiny"], folder / "copy", "/_m"]
            tree = unpacked / f"{name}-1.0"
            commands: dict[str, list[str | Path]] = {
                "copy": copy,
                "copy tiny": bare,
                "repair": [*repair, wheel],
                "repair tiny": [*repair, wheels["tiny"]],
            }
            costs: dict[str, list[Cost]] = {}
            for _ in range(rounds):
                for label, command in commands.items():
                    costs.setdefault(label, []).append(cost(command))
            packing = summed(
                cost([*wheel_tool, "unpack", "-d", unpacked, wheel]),
                cost([*wheel_tool, "pack", "-d", folder / "packed", tree]),
            )
            start = {label: median(costs[f"{label} tiny"]) for label in ("copy", "repair")}
            best = {label: median(costs[label], start[label]) for label in ("copy", "repair")}
            print(f"{wheel.name}: {wheel.stat().st_size / MEGABYTE:.0f} MB")
            for label, c in {**best, "wheel unpack, pack": packing, "start-up": start["repair"]}.items():
                print(
                    f"  {label:20} {1e3 * c.wall:7.0f} ms, {1e3 * c.processor:7.0f} ms of processor time,"
                    f" {c.memory / 1024:6.0f} MiB"
                )
            whole = median(costs["repair"])
            for clock in ("wall", "processor"):
                ratio = getattr(best["repair"], clock) / getattr(best["copy"], clock)
                print(f"  {clock}: {ratio:.2f} times copying and hashing (bound: 1.5)")
                ratio = getattr(packing, clock) / getattr(whole, clock)
                print(f"  {clock}: wheel unpack and pack take {ratio:.1f} times as long (bound: 10)")
            print(f"  memory: {best['repair'].memory / 1024:.0f} MiB above start-up (bound: 64)")


if __name__ == "__main__":
    main()
