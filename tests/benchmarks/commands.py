"""What the commands beside ``install`` cost: ``python3.11 tests/benchmarks/commands.py [--quick]``.

Prints Markdown tables of wall-clock and processor time (user and system), medians of rounds in which all of a
table run in turn, and medians of ratios within a round:

- the start of each command, to bare Python;
- ``check``, ``fix`` and ``undo`` of 10, 100 and 400 projects with two misnamed modules each, to ``check -q``;
- 20 real wheels in one call, to ``uv pip install`` of the same with a cold cache, and to pip;
- ``pdm``, ``poetry`` and ``tox`` where nothing is to be done, with the plugin and without it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), *(str(TESTS / name) for name in ("helpers", "hooks"))]
sys.path += [str(TESTS.parent / "fixtures"), str(TESTS.parent / "src")]

from lab import layout  # noqa: E402

from benchmarks import peers  # noqa: E402 - after the path
from benchmarks.measure import Sample  # noqa: E402

Words = Sequence["str | os.PathLike[str]"]
#: Runs something in a process, and may prepare that first: returns the words, the directory, the variables.
Case = Callable[[], "tuple[Words, Path, Mapping[str, str]]"]

_COMMANDS = ("--version", "--help", "fix", "check", "undo", "verify", "interpreter")
_OF_PROJECTS = ("fix", "check", "undo", "verify")
_GROUPS = ("glibc", "manylinux-cp311", "builders", "runtime-cp311", "pip", "tools", "cp311")
_WHEELS = 20


def run(case: Case) -> Sample:
    """Run a case to its end. Status 1 is an answer: something was found, or nothing is there."""
    words, folder, more = case()
    line = [os.fspath(word) for word in words]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        with suppress(OSError):
            os.execvpe(line[0], line, {**kept, **more})
        os._exit(127)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - begin
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"failed: {' '.join(line)}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(title: str, cases: Mapping[str, Case], rounds: int, base: str) -> None:
    """Run cases in turn, and print a table with the ratios to one of them; a first round does not count."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            sample = run(case)
            if number:
                samples[name].append(sample)
    print(f"\n## {title}\n\n| | wall, s | processor, s | wall, ratio | processor, ratio | difference, ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, found in samples.items():
        pairs = list(zip(found, samples[base]))
        cells = [
            f"{statistics.median(s.wall for s in found):.3f}",
            f"{statistics.median(s.processor for s in found):.3f}",
            f"{statistics.median(a.wall / b.wall for a, b in pairs):.2f}",
            f"{statistics.median(a.processor / b.processor for a, b in pairs):.2f}",
            f"{1e3 * statistics.median(a.processor - b.processor for a, b in pairs):.0f}",
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def muslfix(*words: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
    """A command line of muslfix, as it is here now."""
    return [peers.environment("muslfix") / "bin/muslfix", *words]


def starts(folder: Path, rounds: int) -> None:
    """The start of each command, in a directory without projects."""
    cases: dict[str, Case] = {"python -c pass": lambda: ([peers.python(), "-c", "pass"], folder, {})}
    for name in _COMMANDS:
        where: list[str | os.PathLike[str]] = ["--path", folder] if name in _OF_PROJECTS else []
        words = muslfix(name, *where)
        cases[f"muslfix {name}"] = lambda words=words: (words, folder, {})  # type: ignore[misc]
    compare("Starting", cases, rounds, "python -c pass")


def changes(folder: Path, rounds: int, count: int) -> None:
    """``check``, ``fix`` and ``undo`` of many projects; each ``fix`` finds what ``undo`` has left."""
    from misnamed import MODULE, WRONG, lay  # which looks at the running Python

    site = folder / f"site-{count}"
    for number in range(count):
        name = f"demo{number}"
        lay(site, name, {f"{name}/_speed{WRONG}": MODULE, f"{name}/_other{WRONG}": MODULE})
    cases: dict[str, Case] = {}
    for words in (["check", "-q", "--no-load-check"], ["check", "-q"], ["fix", "-q"], ["undo", "-q"]):
        line = muslfix(*words, "--path", site)
        cases[" ".join(words)] = lambda line=line: (line, folder, {})  # type: ignore[misc]
    compare(f"{count} projects", cases, rounds, "check -q")


def sets(folder: Path, rounds: int, wheels: Sequence[Path]) -> None:
    """Wheels in one call, each time into a new prefix."""

    def fresh() -> Path:
        return Path(tempfile.mkdtemp(dir=folder))

    def case(words: Callable[[Path], list[str | os.PathLike[str]]]) -> Case:
        return lambda: (words(fresh()), folder, {})

    pip = peers.pip_install("--no-compile")
    uv: peers.Words = [
        peers.uv(),
        "pip",
        "install",
        "-q",
        "--offline",
        "--no-config",
        "--no-deps",
        "--no-index",
    ]
    uv += ["--link-mode", "hardlink", "--python", peers.python()]
    own: peers.Words = [peers.environment("muslfix") / "bin/muslfix", "install", "-q", "--no-compile"]
    own += ["--python", peers.python()]
    cases = {
        "muslfix": case(lambda at: [*own, "--prefix", at / "p", *wheels]),
        "uv, cold, hard links": case(
            lambda at: [*uv, "--cache-dir", at / "cache", "--prefix", at / "p", *wheels]
        ),
        "pip": case(lambda at: [*pip, "--prefix", at / "p", *wheels]),
    }
    compare(f"{len(wheels)} wheels in one call", cases, rounds, "uv, cold, hard links")


def wheels_of_lab() -> list[Path]:
    """Wheels of different projects, which the lab has fetched, for a CPython 3.11 with glibc."""
    found: dict[str, Path] = {}
    for group in _GROUPS:
        for wheel in sorted((layout.lab_folder() / "wheels" / group).glob("*.whl")):
            if "musllinux" not in wheel.name:
                found.setdefault(wheel.name.partition("-")[0].lower(), wheel)
    return list(found.values())[:_WHEELS]


def hooks(folder: Path, rounds: int, name: str) -> None:
    """A tool that finds all installed, with the plugin and with its entry point out of sight."""
    test_tools = importlib.import_module("test_tools")
    from environments import site_packages
    from misnamed import make_demo, small_files
    from real_tools import make_tool, process_environment

    (folder / name).mkdir()
    tool = make_tool(name, folder / name / "tool")
    tool.variables.update(test_tools.VARIABLES[name])
    work = folder / name / "work"
    work.mkdir()
    # One file name of the usual demo needs quotes in RECORD, which the short way leaves to the full command.
    demo = make_demo(folder / name, files=small_files())
    project = test_tools.begin(tool, work, demo)
    project.install()
    (info,) = site_packages(tool.environment).glob("muslfix-*.dist-info")
    points, aside = info / "entry_points.txt", info / "aside.txt"
    words: peers.Words = [
        tool.environment / "bin/python",
        "-m",
        name,
        *([] if name == "tox" else ["install"]),
    ]

    def case(*, plugin: bool) -> Case:
        def prepare() -> tuple[Words, Path, Mapping[str, str]]:
            source, target = (aside, points) if plugin else (points, aside)
            if source.exists():
                source.rename(target)
            return words, work, process_environment(**tool.variables)

        return prepare

    cases = {"without muslfix": case(plugin=False), "with muslfix": case(plugin=True)}
    compare(f"{' '.join(map(str, [name, *words[3:]]))}, nothing to do", cases, rounds, "without muslfix")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="three rounds, and no more than 100 projects")
    parser.add_argument("--only", default="starts,changes,sets,hooks", help="some of these, with commas")
    parser.add_argument("--folder", help="on which file system (default: that of temporary files)")
    parser.add_argument(
        "--wheels", type=Path, help="directory of wheels for CPython 3.11 (default: the lab's)"
    )
    options = parser.parse_args()
    rounds, only = (3 if options.quick else options.rounds), options.only.split(",")
    folder = Path(tempfile.mkdtemp(dir=options.folder, prefix="muslfix-commands-"))
    try:
        peers.fetch()
        if "starts" in only:
            starts(folder, rounds)
        for count in (10, 100, 400)[: 2 if options.quick else 3]:
            if "changes" in only:
                changes(folder, rounds, count)
        if "sets" in only:
            sets(folder, rounds, wheels_of_lab())
        for name in ("pdm", "poetry", "tox"):
            if "hooks" in only:
                hooks(folder, rounds, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
