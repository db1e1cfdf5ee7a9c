"""Running programs side by side, and what each run took."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """What one run of a program took.

    :param wall: seconds on the clock
    :param processor: seconds of processor time, user and system, with its own processes
    :param memory: largest resident set of one process, in MiB; no less than that of who measures
    """

    wall: float
    processor: float
    memory: float


#: From a fresh folder to the words that run a program on it.
Command = Callable[[Path], Sequence["str | os.PathLike[str]"]]


class Bench:
    """Where programs run, each time in a fresh folder.

    On ext4 creating files is slow for minutes where others were deleted, so all folders stay until the end.

    :param folder: holds the folders
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def fresh(self) -> Path:
        """A new empty folder."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        return folder

    def compare(self, title: str, commands: Mapping[str, Command], rounds: int) -> dict[str, list[Sample]]:
        """Run each program in each round, in turn; a first round does not count.

        :param commands: by name
        """
        samples: dict[str, list[Sample]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            print(f"\r{title}: round {number} of {rounds} ", end="", file=sys.stderr, flush=True)
            for name, command in commands.items():
                sample = run_once(command(self.fresh()))
                if number:
                    samples[name].append(sample)
            os.sync()  # what is written back in one round shall not slow the next
        print(file=sys.stderr)
        return samples


def run_once(command: Sequence[str | os.PathLike[str]]) -> Sample:
    """Run a program to its end, from an environment without settings."""
    words = [os.fspath(word) for word in command]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    begin = time.perf_counter()
    pid = os.posix_spawnp(words[0], words, environment)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(samples: Sequence[Sample], field: str = "wall") -> float:
    """The median of one field."""
    place = Sample._fields.index(field)
    return statistics.median(sample[place] for sample in samples)


def ratio(samples: Sequence[Sample], others: Sequence[Sample]) -> float:
    """The median of the ratios of the times of two programs, each to the other's in the same round."""
    return statistics.median(a.wall / b.wall for a, b in zip(samples, others))
