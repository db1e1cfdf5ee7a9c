"""What it costs to wait for the disk: ``python tests/benchmarks/syncs.py [FOLDER]``.

First the ways to bring new files to the disk: nothing, ``fsync`` of each, the same in 16 threads, and one
``syncfs``. Then whole installations of wheels of 30 and of 2000 files without bytecode, new and over an older
version: as they are, and with no waiting at all. Prints medians in milliseconds, interleaved; the disk is at
rest before each, so what others have written is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures"))

from wheelmaker import make_wheel

from muslfix import InstallOptions, install, read_target_file
from muslfix.files.access import sync_file, sync_file_system
from muslfix.transaction import journal, recovery, transaction

TARGET = Path(__file__).parents[2] / "fixtures" / "targets" / "lab-cpython-3.9-musl-x86_64.json"
SIZE = 16_000


def write(folder: Path, count: int) -> list[str]:
    """Files of a typical size, 25 to a folder."""
    for number in range(count):
        path = folder / str(number // 25) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    return [str(path) for path in (folder, *folder.rglob("*"))]


def sync_one(path: str) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    sync_file(descriptor)
    os.close(descriptor)


def sync_in_threads(paths: list[str]) -> None:
    """Bring files to the disk, 16 at a time: file systems put these into one transaction."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(sync_one, paths))


WAYS: dict[str, Callable[[list[str]], object]] = {
    "nothing": lambda _: None,
    "fsync each": lambda paths: list(map(sync_one, paths)),
    "fsync, 16 threads": sync_in_threads,
    "syncfs": lambda paths: sync_file_system(paths[0]),
}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that it takes, with the disk at rest before."""
    os.sync()
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def set_waiting(*, waiting: bool) -> None:
    """Let muslfix wait for the disk, or not."""
    for module in (transaction, recovery):
        vars(module)["sync_file_system"] = sync_file_system if waiting else lambda _: None
    vars(journal)["sync_file"] = sync_file if waiting else lambda _: None


def measure_ways(folder: Path, count: int, rounds: int) -> None:
    """Print what each way costs for so many new files."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds):
        for name, way in WAYS.items():
            paths = write(folder / f"{count}-{number}-{name}", count)
            start = time.perf_counter()
            way(paths)
            times[name].append(1e3 * (time.perf_counter() - start))
            os.sync()
    for name, values in times.items():
        print(f"{count:5} files, {name:18} {statistics.median(values):8.1f} ms")


def measure_installs(folder: Path, count: int, rounds: int) -> None:
    """Print what an installation costs with and without waiting."""
    files = {f"demo/{number // 25}/{number}.txt": os.urandom(SIZE) for number in range(count)}
    wheels = [str(make_wheel(folder / f"demo-{n}.0-py3-none-any.whl", files)) for n in (1, 2)]
    target = read_target_file(str(TARGET))
    times: dict[tuple[str, bool], list[float]] = {}
    for number in range(rounds):
        for waiting in (True, False):
            set_waiting(waiting=waiting)
            options = InstallOptions(folder=str(folder / f"site-{count}-{number}-{waiting}"))
            for name, wheel in zip(("new", "over another"), wheels):
                taken = timed(lambda: install([wheel], target, options))  # noqa: B023
                times.setdefault((name, waiting), []).append(taken)
    for name in ("new", "over another"):
        waits, does_not = (statistics.median(times[name, waiting]) for waiting in (True, False))
        print(f"wheel of {count} files, {name:12} {waits:8.1f} ms, without waiting {does_not:8.1f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="on the file system to measure")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        for count in (30, 2000):
            measure_ways(Path(temporary), count, arguments.rounds)
        for count in (30, 2000):
            measure_installs(Path(temporary), count, arguments.rounds)


if __name__ == "__main__":
    main()
