"""Installs real wheels with muslfix, pip and uv, and shows where the results differ.

``python tests/benchmarks/compare.py FOLDER`` downloads wheels of different projects into the folder, chosen
from ``wheels-compared.txt`` by a seed, a third of them as old as a date that is drawn too, and keeps them for
the next run. The index is the one that pip and uv are configured for. Each wheel is installed by all three
into environments of their own. Compared are the verdict, the files with their bytes and modes, the scripts
with what they call, and the rows of RECORD. Differences that have a reason are counted below it; the program
fails if there is another one.

``--tools`` names the Python of an environment that has pip and uv, of the version that runs this program; the
default is that program's own. ``nox -s compare`` does it all.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import muslfix
from muslfix.errors import MuslfixError

HERE = Path(__file__).parent
NAMES = HERE / "wheels-compared.txt"
REFUSALS = HERE.parent.parent / "docs" / "strictness.md"
YEARS = range(2017, 2025)  # of old wheels
WORKERS = 4
TIMEOUT = 300  # seconds, for one download
_CELLS = 6  # of a row of the table of refusals, with the empty ones at both ends

#: Where pip's own process waits for wheels: a process for each would take ten times as long.
PIP = """
import json, sys
sys.path.append(sys.argv[1])
from pip._internal.cli.main import main
protocol, sys.stdout = sys.stdout, sys.stderr
for wheel in sys.stdin:
    words = ["--no-deps", "--no-index", "--no-compile", "--no-cache-dir", "--ignore-installed", "-q"]
    try:
        status = main(["install", *words, wheel.rstrip("\\n")])
    except SystemExit as error:
        status = error.code
    print(json.dumps(status), file=protocol, flush=True)
"""

#: Files that each installer adds for itself, in ``.dist-info``.
OWN = re.compile(r"\.dist-info/(INSTALLER|uv_cache\.json|uv_build\.json)$")
SIGNATURES = (".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")


@dataclass(frozen=True)
class File:
    """An installed file.

    :param content: its bytes
    :param mode: its permissions
    """

    content: bytes
    mode: int

    def calls(self) -> tuple[str, str] | None:
        """What the script of an entry point imports and calls; ``None`` for another file."""
        text = self.content.decode("utf-8", "replace")
        imported = re.search(r"^\s*from (\S+) import (\S+)$", text, re.MULTILINE)
        called = re.search(r"sys\.exit\((\S+)\(\)\)", text)
        if not text.startswith("#!") or not imported or not called:
            return None
        return imported[1], called[1]


@dataclass
class Outcome:
    """What an installer did with a wheel.

    :param refusal: what it said; ``None`` if it installed it
    :param files: what was there then and not before, by its path in the environment
    """

    refusal: str | None
    files: dict[str, File] = field(default_factory=dict)


class Installer:
    """An installer with an environment of its own, which is as new before each wheel.

    :param folder: where the environment is made
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self._before = set(self._paths())

    def judge(self, wheel: Path) -> Outcome:
        """Install a wheel, note what there is, and take it away again."""
        refusal = self.install(wheel)
        files = {}
        for path in set(self._paths()) - self._before:
            place = self.folder / path
            if not place.is_dir():
                files[path] = File(place.read_bytes(), place.stat().st_mode & 0o777)
                place.unlink()
        for path in sorted(set(self._paths()) - self._before, reverse=True):
            (self.folder / path).rmdir()
        return Outcome(refusal, files)

    def keep(self) -> None:
        """Let what is there now be what is there before each wheel."""
        self._before |= set(self._paths())

    def install(self, wheel: Path) -> str | None:
        """Install a wheel; return why not."""
        raise NotImplementedError

    def _paths(self) -> Iterator[str]:
        for above, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                yield os.path.relpath(os.path.join(above, name), self.folder)


class Muslfix(Installer):
    """This project, in this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._target = muslfix.probe(str(self.python))

    def install(self, wheel: Path) -> str | None:
        """Install a wheel; return why not."""
        try:
            muslfix.install([wheel], self._target, muslfix.InstallOptions(compile=False))
        except MuslfixError as error:
            return error.reason
        return None


class Pip(Installer):
    """pip, in one process for all wheels.

    :param tools: the Python that has it
    """

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder)
        (site,) = tools.parent.parent.glob("lib/python*/site-packages")
        self._process = subprocess.Popen(
            [self.python, "-c", PIP, site],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )

    def install(self, wheel: Path) -> str | None:
        """Install a wheel; return why not."""
        assert self._process.stdin
        assert self._process.stdout
        print(wheel, file=self._process.stdin, flush=True)
        status = json.loads(self._process.stdout.readline())
        return f"exit status {status}" if status else None

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Uv(Installer):
    """uv.

    :param tools: the Python beside which it is
    """

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder)
        words = [
            "--no-deps",
            "--no-index",
            "--link-mode",
            "copy",
            "--quiet",
            "--cache-dir",
            f"{folder}-cache",
        ]
        self._command: list[str | Path] = [
            tools.parent / "uv",
            "pip",
            "install",
            *words,
            "--python",
            self.python,
        ]
        self._before.add(".lock")

    def install(self, wheel: Path) -> str | None:
        """Install a wheel; return why not."""
        done = subprocess.run([*self._command, wheel], check=False, capture_output=True, text=True)
        return " ".join(done.stderr.split()) if done.returncode else None


# -- what differs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same.

    :param wheel: the name of the wheel
    :param other: the other installer
    :param what: what differs, with names
    :param reason: why that is right; empty if it is not known
    """

    wheel: str
    other: str
    what: str
    reason: str = ""


def refusals() -> list[str]:
    """What muslfix says of wheels that others install, from the table in the manual."""
    rows = [line.split("|") for line in REFUSALS.read_text().splitlines() if line.startswith("| ")]
    return [cells[2].strip().strip("`") for cells in rows if len(cells) == _CELLS and "`" in cells[2]]


def compare(wheel: Path, ours: Outcome, other: str, theirs: Outcome) -> Iterator[Difference]:
    """All differences between what muslfix and another installer did with a wheel."""
    if ours.refusal is not None:
        if theirs.refusal is None:
            known = [sentence for sentence in refusals() if re.search(_pattern(sentence), ours.refusal)]
            reason = f"refused, see docs/strictness.md: {known[0]}" if known else ""
            yield Difference(wheel.name, other, f"muslfix: {ours.refusal}", reason)
        return
    if theirs.refusal is not None:
        reason = "refused by it, and not by muslfix" if ours.files else ""
        yield Difference(wheel.name, other, f"{other}: {theirs.refusal[:300]}", reason)
        return
    for path in sorted(ours.files.keys() | theirs.files.keys()):
        if path.endswith(".dist-info/RECORD") and path in ours.files and path in theirs.files:
            what, reason = _compare_records(path, ours.files, theirs.files)
        else:
            what, reason = _compare_file(path, ours.files.get(path), theirs.files.get(path), other)
        if what:
            yield Difference(wheel.name, other, f"{what}: {path}", reason)


def _pattern(sentence: str) -> str:
    return re.escape(sentence).replace("…", ".*")


def _compare_file(path: str, ours: File | None, theirs: File | None, other: str) -> tuple[str, str]:
    """What differs in a file, and why that is right."""
    if OWN.search(path):
        return "", ""
    if ours is None:
        reason = "bytecode of the wheel, which no source vouches for" if "__pycache__/" in path else ""
        return "only there", "signature of a RECORD that is no more" if path.endswith(SIGNATURES) else reason
    if theirs is None:
        return "only here", "says which names were given" if path.endswith("/muslfix.json") else ""
    if ours.mode != theirs.mode:
        return f"mode {ours.mode:o} and {theirs.mode:o}", _reason_of_mode(path, theirs, other)
    return _compare_content(path, ours, theirs)


def _compare_content(path: str, ours: File, theirs: File) -> tuple[str, str]:
    if ours.content == theirs.content:
        return "", ""
    if path.endswith(".dist-info/direct_url.json"):
        first, second = (unquote(json.loads(file.content)["url"]) for file in (ours, theirs))
        return "" if first == second else "url", ""
    if path.startswith("bin/"):
        if ours.calls() and ours.calls() == theirs.calls():
            return "text of the script of an entry point", "each has its own template, and calls the same"
        if ours.content.partition(b"\n")[2] == theirs.content.partition(b"\n")[2]:
            return "first line of a script", "each names its own environment"
    return "content", ""


def _reason_of_mode(path: str, theirs: File, other: str) -> str:
    if other == "uv" and path.startswith("bin/") and theirs.mode & 0o111:
        return "uv makes each script executable, pip and muslfix those that are so in the wheel"
    return ""


def _rows(file: File) -> dict[str, tuple[str, str]]:
    text = io.StringIO(file.content.decode(), newline="")
    return {row[0]: (row[1], row[2]) for row in csv.reader(text)}


def _compare_records(path: str, ours: dict[str, File], theirs: dict[str, File]) -> tuple[str, str]:
    """Which rows differ but for what each installer adds for itself, and why that is right."""
    first, second = _rows(ours[path]), _rows(theirs[path])
    site = os.path.dirname(os.path.dirname(path))
    differing, absent = [], []
    for row in sorted(first.keys() | second.keys()):
        place = os.path.normpath(os.path.join(site, row))
        if OWN.search(row) or row.endswith(SIGNATURES) or "__pycache__/" in row:
            continue
        if row not in first and place not in theirs:
            absent.append(row)
        elif first.get(row) != second.get(row) and not _both_differ(ours.get(place), theirs.get(place)):
            differing.append(row)
    if differing:
        return f"rows of RECORD ({', '.join(differing)[:200]})", ""
    return ("rows of RECORD", "of files that are not there under that name") if absent else ("", "")


def _both_differ(ours: File | None, theirs: File | None) -> bool:
    """Whether a file differs, which is a difference of its own."""
    return ours is not None and theirs is not None and ours.content != theirs.content


# -- which wheels ----------------------------------------------------------------------------------


def download(folder: Path, tools: Path, count: int, seed: int, up_to: int) -> list[Path]:
    """Wheels of different projects, as many as asked for if there are so many.

    :param up_to: bytes of the largest
    """
    lines = [line for line in NAMES.read_text().splitlines() if line and line[0] != "#"]
    odd = [line for line in lines if "==" in line]
    others = sorted(set(lines) - set(odd))
    choice = random.Random(seed)
    choice.shuffle(others)
    wanted = [(line, 0) for line in odd]
    wanted += [(name, choice.choice(YEARS) if n % 3 == 0 else 0) for n, name in enumerate(others)]

    def fetch(one: tuple[str, int]) -> Path | None:
        return _fetch(folder / f"{one[0]}-{one[1]}", tools, *one)

    found: list[Path] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for at in range(0, len(wanted), 4 * WORKERS):
            fetched = pool.map(fetch, wanted[at : at + 4 * WORKERS])
            found += [path for path in fetched if path is not None and path.stat().st_size <= up_to]
            if len(found) >= count:
                break
    return found[:count]


def _fetch(folder: Path, tools: Path, requirement: str, year: int) -> Path | None:
    """The wheel of a project, or ``None`` if it has none for this machine."""
    if not folder.is_dir():
        wheels_only = ["--no-deps", "--only-binary", ":all:"]
        if year:
            words = [
                *wheels_only,
                "--exclude-newer",
                f"{year}-01-01",
                "--no-header",
                "--no-annotate",
                "-q",
                "-",
            ]
            command: list[str | Path] = [tools.parent / "uv", "pip", "compile", "--python", tools, *words]
            done = _run(command, requirement)
            requirement = done.split(";")[0].strip() or requirement
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
        _run([tools, "-m", "pip", "download", "-q", *wheels_only, "--dest", part, requirement])
        part.rename(folder)  # empty if there is none, so that nobody asks again
    return next(folder.glob("*.whl"), None)


def _run(command: list[str | Path], text: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=text, check=False, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def main() -> None:
    """Download, compare, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where wheels are kept")
    parser.add_argument("--tools", type=Path, default=Path(sys.executable), metavar="PYTHON")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--up-to", type=int, default=5_000_000, metavar="BYTES", help="leave out larger ones")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also list differences that have a reason"
    )
    options = parser.parse_args()
    folder, tools = options.folder.absolute(), options.tools.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wheels = download(folder, tools, options.count, options.seed, options.up_to)
    print(f"{len(wheels)} wheels of different projects, {sum(w.stat().st_size for w in wheels)} bytes")
    if len(wheels) < options.count:
        sys.exit(f"fewer than the {options.count} that were asked for")
    with tempfile.TemporaryDirectory() as base:
        found, verdicts = _judge_all(wheels, Path(base), tools)
    for verdict, number in verdicts.most_common():
        print(f"{number:5} {verdict}")
    _print(found, verbose=options.verbose)
    if any(not difference.reason for difference in found):
        sys.exit("there are differences without a reason")


def _judge_all(wheels: list[Path], base: Path, tools: Path) -> tuple[list[Difference], Counter[str]]:
    ours, pip, uv = Muslfix(base / "m"), Pip(base / "p", tools), Uv(base / "u", tools)
    found: list[Difference] = []
    verdicts: Counter[str] = Counter()
    for wheel in wheels:
        outcomes = {"muslfix": ours.judge(wheel), "pip": pip.judge(wheel), "uv": uv.judge(wheel)}
        verdicts[
            ", ".join(f"{name}: {'refused' if o.refusal else 'installed'}" for name, o in outcomes.items())
        ] += 1
        for other in ("pip", "uv"):
            found += compare(wheel, outcomes["muslfix"], other, outcomes[other])
    pip.close()
    return found, verdicts


def _print(found: list[Difference], *, verbose: bool) -> None:
    """Print the table: each kind of difference with its reason, first those that have none."""
    kinds: dict[tuple[str, str, str], list[Difference]] = {}
    for difference in found:
        kind = difference.what.partition(":")[0]
        kinds.setdefault((difference.reason, difference.other, kind), []).append(difference)
    print("| from | files | wheels | what differs | why |")
    print("| --- | ---: | ---: | --- | --- |")
    for (reason, other, kind), differences in sorted(kinds.items()):
        wheels = len({difference.wheel for difference in differences})
        print(f"| {other} | {len(differences)} | {wheels} | {kind} | {reason or 'NO REASON'} |")
        if verbose or not reason:
            for difference in differences:
                print(f"    {difference.wheel}: {difference.what}")


if __name__ == "__main__":
    main()
