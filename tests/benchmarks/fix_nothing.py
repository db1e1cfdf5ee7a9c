"""What ``muslfix fix`` costs where there is nothing to do: ``python tests/benchmarks/fix_nothing.py``.

Makes an environment of 400 projects with 60 000 files in a temporary folder and runs, interleaved, bare
Python, a loop that reads the RECORDs, and ``muslfix fix`` on an empty folder and on that environment. Prints
medians of processor time (user and system) in milliseconds, and the two ratios that are bounded.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

READ_RECORDS = (
    "import glob, sys\nfor path in glob.glob(sys.argv[1] + '/*.dist-info/RECORD'): open(path, 'rb').read()"
)
ROW = "{folder}/{name},sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"


def make_environment(folder: Path, projects: int, files: int) -> None:
    """Projects of pure modules, every eighth with an extension module that has a right name."""
    suffix = ".abi3.so"
    for number in range(projects):
        name = f"project{number}"
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        rows = [ROW.format(folder=name, name=f"module_{n}.py") for n in range(files // projects)]
        if number % 8 == 0:
            rows.append(ROW.format(folder=name, name=f"_speed{suffix}"))
        for extra in ("INSTALLER", "METADATA", "WHEEL"):
            (info / extra).write_text("pip\n")
            rows.append(ROW.format(folder=info.name, name=extra))
        (info / "RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")


def processor_time(command: list[str]) -> float:
    """Milliseconds of processor time that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        full, empty = Path(temporary, "full"), Path(temporary, "empty")
        empty.mkdir()
        make_environment(full, projects=400, files=60_000)
        fix = [sys.executable, "-m", "muslfix", "fix", "--path"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "reading the RECORDs": [sys.executable, "-c", READ_RECORDS, str(full)],
            "muslfix fix, empty folder": [*fix, str(empty)],
            "muslfix fix, 400 projects": [*fix, str(full)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(processor_time(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:7.1f} ms")
    bare, read, start, full_fix = medians.values()
    print(f"start-up: {start / bare:.2f} times bare Python (bound: 4)")
    print(f"nothing to do: {(full_fix - start) / (read - bare):.2f} times reading the RECORDs (bound: 2)")


if __name__ == "__main__":
    main()
