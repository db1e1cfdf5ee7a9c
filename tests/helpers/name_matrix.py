"""Every name that an extension module can have, for every interpreter of the lab: what it is to that.

A cell is an installed project of one module. The interpreter imports it as it is, muslfix judges and fixes
it, and the interpreter imports it again.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import layout, toolchain
from lab.layout import GlibcPython, LabPython
from lab_modules import in_parallel
from wheelmaker import record_hash

import muslfix

SOURCE = Path(__file__).parents[2] / "fixtures" / "sources" / "named.c"

TRIPLETS = tuple(layout.TRIPLETS.values())

OTHER_ABIS = {"39": "311", "311": "39", "313": "311", "313t": "313", "314": "315", "315": "314"}
"""For each ABI another one, whose modules are in the lab too."""

CONTENTS = ("musl", "glibc", "neutral")

Modules = dict[tuple[str, str], Path]
"""The compiled modules, by ABI and libc."""

#: Imports ``m`` from each directory named on a line, and says how that went before it goes on.
_IMPORT = """\
import sys, warnings
warnings.simplefilter("ignore")
for line in sys.stdin:
    sys.path[0] = line.rstrip("\\n")
    sys.modules.pop("m", None)
    try:
        import m
        said = "ok" if m.answer() == 42 else "wrong answer"
    except ModuleNotFoundError:
        said = "absent"
    except BaseException as error:
        said = type(error).__name__
    print(said, flush=True)
"""


@dataclass(frozen=True)
class Cell:
    """One name for one interpreter.

    :param python: the interpreter
    :param suffix: what follows the module's name, with its leading dot
    :param abi: what the content was compiled for: an ABI such as ``313t``, ``abi3`` or ``abi3t``;
        ``no-init``: it has the init function of another name
    :param libc: what the content is linked to, one of :data:`CONTENTS`
    """

    python: LabPython
    suffix: str
    abi: str
    libc: str

    @property
    def directory(self) -> str:
        """A name for it."""
        return f"{self.python.name}{self.suffix}.{self.abi}.{self.libc}"


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    :param cell: the cell
    :param before: what the import said before: ``ok``, ``absent``, or the name of the error
    :param verdict: muslfix's
    :param after: what the import said after ``muslfix fix``
    """

    cell: Cell
    before: str
    verdict: str
    after: str

    @property
    def agrees(self) -> bool:
        """Whether the verdict is true by what the interpreter does.

        A module that is linked to the other libc is not given a name; that musl's loader may take it all the
        same is no proof that it works.
        """
        if self.verdict == "importable":
            return (self.before, self.after) == ("ok", "ok")
        if self.verdict == "misnamed":
            return (self.before, self.after) == ("absent", "ok")
        if self.verdict == "other-libc":
            return self.after == self.before
        foreign = self.verdict in ("other-abi", "other-machine", "no-init")
        return foreign and self.before != "ok" and self.after == self.before

    def __str__(self) -> str:
        return f"{self.cell.directory}: {self.before}, {self.verdict}, {self.after}"


def cells_of(python: LabPython) -> Iterator[Cell]:
    """All names with all contents."""
    plain = python.abi.rstrip("t")
    abis = {
        f"cpython-{python.abi}": python.abi,
        f"cpython-{OTHER_ABIS[python.abi]}": OTHER_ABIS[python.abi],
        f"cpython-{plain}t": "313t" if plain == "313" else python.abi,
        f"cpython-{plain}d": python.abi,
        f"cpython-{plain}td": python.abi,
        "abi3": "abi3",
        "abi3t": "abi3t",
    }
    suffixes = {
        f".{part}{ending}.so": abi
        for part, abi in abis.items()
        for ending in ("", *(f"-{t}" for t in TRIPLETS))
    }
    rows = [*suffixes.items(), (".so", python.abi), (".so", "no-init")]
    rows += [(f".cpython-{python.abi}-{triplet}.so", "no-init") for triplet in TRIPLETS]
    if not python.abi.endswith("t"):  # 3.15 starts a module by either function
        rows.append((".so", "abi3t"))
    for suffix, abi in rows:
        for libc in CONTENTS:
            yield Cell(python, suffix, abi, libc)


def compile_modules(lab: Path, folder: Path) -> Modules:
    """The module in every ABI and for every libc; for an ABI whose Python is not there, that of another."""
    headers = {python.abi: _headers(python, lab) for python in (*layout.EVERY_PYTHON, *layout.GLIBC_PYTHONS)}
    flags = {abi: [*found] for abi, found in headers.items() if Path(found[0][2:], "Python.h").exists()}
    newest = flags.get("315")
    flags["abi3"] = [*flags["311"], "-DPy_LIMITED_API=0x03090000"]
    flags["abi3t"] = [*newest, "-DPy_TARGET_ABI3T=0x030f0000"] if newest else flags["abi3"]
    flags["no-init"] = [*flags["abi3"], "-DPyInit_m=PyInit_n"]
    compilers = {"musl": [str(toolchain.compiler(lab))], "glibc": ["gcc"]}
    compilers["neutral"] = [*compilers["musl"], "-nostdlib", "-DNEUTRAL"]
    return compile_each(
        {
            (abi, libc): [*compiler, *options]
            for abi, options in flags.items()
            for libc, compiler in compilers.items()
        },
        folder,
    )


def compile_each(jobs: dict[tuple[str, str], list[str]], folder: Path) -> Modules:
    """The module by each compiler with its options."""

    def work(key: tuple[str, str]) -> Path:
        output = folder / "-".join(key)
        command = [*jobs[key], "-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(output)]
        subprocess.run(command, check=True, cwd=folder)
        return output

    return dict(zip(jobs, in_parallel(work, jobs)))


def _headers(python: LabPython, lab: Path) -> list[str]:
    include = python.prefix(lab) / "include"
    if isinstance(python, GlibcPython):  # Debian keeps what depends on the CPU apart
        return [f"-I{include / f'python{python.version}'}", f"-I{include}"]
    return [f"-I{include / f'python{python.abi[0]}.{python.abi[1:]}'}"]


def outcomes(
    lab: Path, python: LabPython, modules: Modules, folder: Path, cells: Sequence[Cell] = ()
) -> list[Outcome]:
    """Try cells of an interpreter.

    :param modules: from :func:`compile_modules`
    :param folder: an empty one
    :param cells: not all of them
    """
    cells = cells or list(cells_of(python))
    places = [folder / cell.directory for cell in cells]
    for cell, place in zip(cells, places):
        _install(place, cell, modules.get((cell.abi, cell.libc)) or modules["abi3", cell.libc])
    executable = python.executable(lab)
    before = imports(executable, places)
    target = muslfix.probe(str(executable))
    checked = muslfix.check([str(place) for place in places], target)
    verdicts = [module.verdict.value for project in checked.projects for module in project.modules]
    assert len(verdicts) == len(cells)
    muslfix.fix([], target, muslfix.FixOptions(paths=tuple(map(str, places))))
    return [Outcome(*row) for row in zip(cells, before, verdicts, imports(executable, places))]


def _install(place: Path, cell: Cell, content: Path) -> None:
    info = place / "demo-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copyfile(content, place / f"m{cell.suffix}")
    metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    (info / "METADATA").write_bytes(metadata)
    files = {f"m{cell.suffix}": content.read_bytes(), f"{info.name}/METADATA": metadata}
    rows = [f"{name},sha256={record_hash(data)},{len(data)}\n" for name, data in files.items()]
    (info / "RECORD").write_text("".join([*rows, f"{info.name}/RECORD,,\n"]), encoding="utf-8")


def imports(executable: Path, places: Sequence[Path]) -> list[str]:
    """What ``import m`` says in each directory; a process serves as many as it survives."""
    said: list[str] = []
    while len(said) < len(places):
        lines = "".join(f"{place}\n" for place in places[len(said) :])
        command = [str(executable), "-I", "-S", "-B", "-c", _IMPORT]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, cwd="/")
        answers = done.stdout.splitlines()
        said += answers
        if done.returncode and len(said) < len(places):
            said.append(f"signal {-done.returncode}" if done.returncode < 0 else "died")
        assert answers or done.returncode, done.stderr
    return said


def table(found: Iterable[Outcome]) -> Iterator[str]:
    """The lines of a Markdown table of counts."""
    verdicts = ("importable", "misnamed", "other-abi", "other-libc", "no-init")
    yield f"| interpreter | names | {' | '.join(verdicts)} | imported before | after | disagree |"
    yield "| --- |" + " --- |" * 9
    by_python: dict[str, list[Outcome]] = {}
    for outcome in found:
        by_python.setdefault(outcome.cell.python.name, []).append(outcome)
    for name, some in by_python.items():
        counts = Counter(outcome.verdict for outcome in some)
        numbers = [len(some), *(counts[verdict] for verdict in verdicts)]
        numbers += [sum(o.before == "ok" for o in some), sum(o.after == "ok" for o in some)]
        numbers.append(sum(not outcome.agrees for outcome in some))
        yield f"| {name} | {' | '.join(map(str, numbers))} |"
