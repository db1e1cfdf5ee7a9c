"""The whole comparison, in one command."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from . import growth, peers, plot, tables
from .measure import Bench, median

HERE = Path(__file__).resolve().parent

_PROJECTS = ("six", "numpy", "scipy", "sympy", "botocore")
_SECTIONS = ("main", "bytecode", "names", "cpus", "files", "bytes", "projects", "imports")
_INTRODUCTION = """\
# How fast muslfix installs

Written by `{command}` on {date}: medians of {rounds} rounds, in each of which every program ran
once, in turn, in a fresh folder.

{machine}; {versions}.

"""


def main() -> int:
    """Measure, print, and write ``results.md`` and ``results.svg``."""
    options = _parser().parse_args()
    if platform.python_version_tuple()[:2] != ("3", "11"):
        raise SystemExit("the wheels are for CPython 3.11: run this with that")
    sections = options.only.split(",") if options.only else list(_SECTIONS)
    peers.fetch()
    base = Path(options.folder).absolute()
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base, prefix="muslfix-bench-"))
    # On ext4 this spreads the folders over the disk, away from where files were deleted.
    subprocess.run(["chattr", "+T", folder], check=False, stderr=subprocess.DEVNULL)
    try:
        text, drawing = _measure(Bench(folder), sections, options)
        print(text, flush=True)
        if options.write:
            (HERE / "results.md").write_text(text, encoding="utf-8")
        if options.write and drawing:
            (HERE / "results.svg").write_text(drawing, encoding="utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="how often each program runs (default: 11)")
    parser.add_argument("--quick", action="store_true", help="three rounds, and no wheel above 100 MB")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(_SECTIONS)}")
    parser.add_argument(
        "--folder", default=str(peers.cache()), help="on which file system (default: the cache)"
    )
    parser.add_argument("--write", action="store_true", help="write results.md and results.svg")
    return parser


def _measure(bench: Bench, sections: list[str], options: argparse.Namespace) -> tuple[str, str]:
    rounds = 3 if options.quick else options.rounds
    few = min(rounds, 5)
    parts = [_introduction(bench.folder, rounds)]
    without, compiling, named, drawing = {}, {}, None, ""
    if "main" in sections:
        for project in _PROJECTS:
            commands = peers.contenders(peers.wheel(project), bench.folder)
            without[project] = bench.compare(project, commands, rounds)
        parts += [
            "## Without bytecode\n\nSeconds; in brackets the median of the ratios to uv with a cold cache and"
        ]
        parts += [" hard links.\n\n", tables.seconds(without)]
        parts += ["\nProcessor time, user and system, and peak memory:\n\n", tables.effort(without)]
        notes = [f"{_machine(bench.folder)}, {_today()}", _versions()]
        drawing = plot.bars(without, "Installing a wheel without bytecode: seconds, less is better", notes)
    if "bytecode" in sections:
        for project in _PROJECTS:
            commands = peers.compiling_contenders(peers.wheel(project))
            compiling[project] = bench.compare(f"{project}, bytecode", commands, few)
        parts += ["\n## With bytecode\n\n", tables.seconds(compiling)]
    if "names" in sections:
        mypy = peers.wheel("mypy", "cp39")
        commands = {
            "218 misnamed modules": peers.for_target(mypy, "lab-cpython-3.9-musl-x86_64"),
            "nothing to fix": peers.for_target(mypy, "lab-cpython-3.9-gnu-x86_64"),
        }
        named = bench.compare("mypy", commands, rounds)
        parts += ["\n## mypy, for two musl interpreters\n\n", tables.plain({"mypy": named})]
    if without or compiling or named:
        parts += ["\n## Bounds\n\n", tables.bounds(without, compiling, named)]
    parts += _growth(bench, sections, few, quick=options.quick)
    return "".join(parts), drawing


def _growth(bench: Bench, sections: list[str], rounds: int, *, quick: bool) -> list[str]:
    parts = []
    if "cpus" in sections:
        found, cpus = {}, [count for count in (1, 2, 4) if count <= len(os.sched_getaffinity(0))]
        for project in ("numpy", "sympy"):
            commands = {f"CPUs: {count}": peers.on_cpus(peers.wheel(project), count) for count in cpus}
            found[project] = bench.compare(f"{project}, CPUs", commands, rounds)
        parts += ["\n## Fewer CPUs\n\n", tables.plain(found)]
    if "files" in sections:
        counts = (10, 100, 1_000, 10_000)
        grown = growth.by_files(bench, rounds, counts)
        units = dict(zip(grown, counts))
        start = median(next(iter(grown.values()))[tables.MUSLFIX])
        parts += ["\n## More files, of 4 kB each\n\n", tables.per_unit(grown, units, start, "file")]
    if "bytes" in sections:
        sizes = (1, 10, 100) if quick else (1, 10, 100, 1_000)
        grown = growth.by_bytes(bench, min(rounds, 3), sizes)
        units = dict(zip(grown, sizes))
        start = median(next(iter(grown.values()))[tables.MUSLFIX])
        parts += ["\n## More bytes, in 16 files\n\n", tables.per_unit(grown, units, start, "MB")]
    if "projects" in sections:
        parts += ["\n## More projects in the environment\n\n"]
        parts += [tables.plain(growth.by_projects(bench, rounds, (10, 100, 1_000)))]
    if "imports" in sections:
        parts += ["\n## What is imported for `muslfix install six`\n\n", _imports(bench)]
    return parts


def _imports(bench: Bench) -> str:
    """The modules that take most of the start, by ``python -X importtime``."""
    words = peers.muslfix(peers.wheel("six"), "--no-compile")(bench.fresh())
    done = subprocess.run(
        [peers.environment("muslfix") / "bin/python", "-X", "importtime", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.split(":", 1)[1].split("|") for line in done.stderr.splitlines() if "|" in line]
    taken = sorted(((int(own), name.strip()) for own, _, name in lines[1:]), reverse=True)
    total = sum(own for own, _ in taken)
    rows = [[f"`{name}`", f"{own / 1e3:.1f}"] for own, name in taken[:12]]
    return tables.table(["module", "its own ms"], [*rows, [f"all {len(taken)}", f"{total / 1e3:.1f}"]])


def _introduction(folder: Path, rounds: int) -> str:
    return _INTRODUCTION.format(
        command="python tests/benchmarks --write",
        date=_today(),
        rounds=rounds,
        machine=_machine(folder),
        versions=_versions(),
    )


def _today() -> str:
    return str(datetime.now(timezone.utc).date())


def _machine(folder: Path) -> str:
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in cpu if line.startswith("model name")]
    stat = ["stat", "-f", "-c", "%T", str(folder)]
    kind = subprocess.run(stat, check=False, capture_output=True, text=True).stdout.strip()
    words = [
        f"{len(os.sched_getaffinity(0))} CPUs ({(models or [platform.machine()])[0]})",
        f"Linux {platform.release().partition('-')[0]}",
        kind.replace("ext2/ext3", "ext4") or "unknown file system",
        f"CPython {platform.python_version()}",
        f"load average {os.getloadavg()[0]:.1f}",
    ]
    return ", ".join(words)


def _versions() -> str:
    names = ("pip", "installer", "uv", "packaging", "isal")
    return ", ".join(f"{name} {peers.wheel(name).name.split('-')[1]}" for name in names)
