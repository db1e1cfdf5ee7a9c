"""What the load check costs: ``python tests/benchmarks/load_check.py``.

Lays the wheels of the lab for CPython 3.9 out twice, so that there are 300 extension modules with their
bundled libraries, and asks what the loader of a lab interpreter will do with each, in a process of its own.
Prints medians in seconds, by the clock and of processor time, and how many files were read and how often.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "helpers")]

from lab import layout  # noqa: E402 - after the path
from load_truth import unpack  # noqa: E402

CHECK = """\
import json, resource, sys, time
from muslfix.loader import files
from muslfix.targets.interpreter import read_target_file
from dataclasses import replace
from muslfix.loader.check import LoadCheck
files, target = json.load(sys.stdin)
target = replace(read_target_file(target), runs_here=True)
reads = []
read = files._read
files._read = lambda path, mode: (reads.append(path), read(path, mode))[1]
begin, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
loads = LoadCheck(target).on_disk(lambda path: path)
results = [loads(file) for file in files]
end, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
loads = sum(result.loads is True for result in results)
json.dump([end - begin, processor, len(reads), len(set(reads)), loads], sys.stdout)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    lab = layout.lab_folder()
    python = layout.PYTHONS[0].executable(lab)
    with tempfile.TemporaryDirectory() as temporary:
        files: list[str] = []
        for number in range(2):
            files += unpack(lab, "cp39", Path(temporary, str(number)))
        files = sorted(files, key=lambda path: "/mypy/" in path)[: max(300, len(files) // 2)]
        target = Path(temporary, "target.json")
        words = [sys.executable, "-m", "muslfix", "interpreter", "--json", "--python", str(python)]
        target.write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
        told = json.dumps([files, str(target)])
        command = [sys.executable, "-c", CHECK]
        outcomes = [
            json.loads(subprocess.run(command, input=told, check=True, capture_output=True, text=True).stdout)
            for _ in range(rounds)
        ]
    clock, processor = (statistics.median(outcome[n] for outcome in outcomes) for n in (0, 1))
    *_, reads, distinct, loads = outcomes[0]
    print(f"{len(files)} modules, {loads} of which load: {clock:.2f} s by the clock (bound: 1.5)")
    print(f"processor time: {processor:.2f} s; {reads} reads of {distinct} files")


if __name__ == "__main__":
    main()
