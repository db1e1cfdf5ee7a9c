"""What a loader really does, to hold predictions against: ``dlopen`` with immediate binding."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import layout
from lab.layout import LabPython
from lab_modules import modules_in

from muslfix.loader.check import LoadCheck
from muslfix.loader.facts import LoadResult
from muslfix.targets.interpreter import probe_interpreter

LOADS, REFUSED, DIES, UNKNOWN = "loads", "refused", "dies", "not known"

# One interpreter forks for each file: what one loads must not be there for the next, and a crash ends only
# a child. A relocation that writes where nothing was promised may hit what the loader itself needs, so a
# child that hangs dies by its alarm. ctypes is imported before, and needs no other library.
_DLOPEN = """\
import ctypes, json, os, signal, struct, sys

def read_all(directory):
    bases = {}
    for line in open("/proc/self/maps"):
        place, _, _, _, _, *path = line.split()
        if path and path[0].startswith(directory + "/"):
            bases.setdefault(path[0], int(place.partition("-")[0], 16))
    for path, base in bases.items():
        with open(path, "rb") as file:
            data = file.read(4096)
        count = struct.unpack_from("<H", data, 56)[0]
        loads = [head for head in struct.iter_unpack("<IIQQQQQQ", data[64:64 + 56 * count]) if head[0] == 1]
        first = min(head[3] & -4096 for head in loads)
        for _, flags, _, address, _, size, _, _ in loads:
            for place in range(address, address + size, 4096) if flags & 4 else ():
                ctypes.string_at(base - first + place, 1)

files, reads = json.load(sys.stdin)
answers = []
for file in files:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(20)
        try:
            ctypes.CDLL(file, os.RTLD_NOW)
        except OSError as error:
            os.write(write, os.fsencode(str(error))[:4000])
            os._exit(3)
        if reads:
            read_all(os.path.dirname(file))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    word = "loads" if not status else "refused" if os.WIFEXITED(status) and said else "dies"
    answers.append([word, os.fsdecode(said)])
json.dump(answers, sys.stdout)
"""


def dlopen(python: str | Path, files: Sequence[str], *, reads: bool = False) -> list[tuple[str, str]]:
    """What an interpreter's loader does with each file: the word for it, and what it says.

    :param reads: whether all that the segments promise is read then, of it and what it needs beside it
    """
    done = subprocess.run(
        [python, "-I", "-B", "-S", "-c", _DLOPEN],
        input=json.dumps([files, reads]), check=True, capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    return [(word, said) for word, said in json.loads(done.stdout)]


def predict(python: str | Path, files: Iterable[str]) -> list[LoadResult]:
    """What muslfix says that it will do."""
    loads = LoadCheck(probe_interpreter(str(python))).on_disk(lambda path: path)
    return [loads(file) for file in files]


def word_for(result: LoadResult) -> str:
    """The word for a prediction."""
    if result.loads is None:
        return UNKNOWN
    if result.loads:
        return LOADS
    return DIES if result.kills else REFUSED


@dataclass(frozen=True)
class Case:
    """An interpreter on a musl, and whether that musl finds ``libz.so.1``."""

    python: LabPython
    musl: str
    libz: bool

    def __str__(self) -> str:
        return f"{self.python.name} on {self.musl} {'with' if self.libz else 'without'} libz"

    def executable(self, lab: Path, folder: Path) -> Path:
        """The program to call; without libz a script that starts it by a loader which looks elsewhere.

        :param folder: where such a script and loader may be written
        """
        program = self.python.executable(lab, self.musl)
        if self.libz:
            return program
        loader = folder / "lib" / layout.loader(lab, self.musl).name
        for part in ("lib", "etc", "nothing"):
            (folder / part).mkdir(parents=True)
        shutil.copy(layout.loader(lab, self.musl), loader)
        (folder / "etc" / "ld-musl-x86_64.path").write_text(f"{folder / 'nothing'}\n")
        script = folder / "python"
        script.write_text(f'#!/bin/sh\nexec {loader} {program} "$@"\n')
        script.chmod(0o755)
        return script


CASES = [
    Case(python, musl, libz)
    for python in layout.PYTHONS
    for musl in (layout.OLD_MUSL, layout.MUSL)
    for libz in (True, False)
]


def unpack(lab: Path, tag: str, folder: Path) -> list[str]:
    """Unpack the wheels for a Python, and return the paths of their extension modules."""
    files = []
    for wheel in layout.wheels(lab, tag):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        files += [str(folder / module.file) for module in modules_in(wheel)]
    return files


def compare(python: Path, files: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """For each file what was predicted, what happened, and what the loader and muslfix said of it."""
    predictions, truth = predict(python, files), dlopen(python, files)
    assert len(predictions) == len(truth) == len(files)
    for result, (word, said) in zip(predictions, truth):
        yield word_for(result), word, said, "; ".join(map(str, (*result.problems, *result.unknown)))
