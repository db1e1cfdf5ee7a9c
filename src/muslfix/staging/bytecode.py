"""Bytecode, compiled by the target itself: another Python's would not fit.

The files are compiled where they are staged, and name the path under which the target will see them. As many
processes as there are cores take one file after the other, so that none waits for the others at the end.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Sequence
from functools import partial
from tempfile import TemporaryFile

from muslfix.errors import InterpreterError, destination_errors
from muslfix.parallel.threads import Background
from muslfix.progress import Progress, silent
from muslfix.record.rows import RecordRow
from muslfix.staging.tree import StagedFile, StagedWheel

# Runs in the target, from Python 3.6 on. The processes share an open file, and with it the position up to
# which it has been read, so each gets the numbers of files that no other has. A file that does not compile
# (a template, code for another Python) has no bytecode and is no error: pip and uv treat it in the same way.
# When muslfix is killed they end too, or they would go on writing to a directory that the next run removes.
_SCRIPT = """\
import json, os, py_compile, struct, sys
parent = os.getppid()
sources, made = json.load(sys.stdin), []
while os.getppid() == parent:
    taken = os.read(int(sys.argv[1]), 4)
    if not taken:
        break
    number, = struct.unpack("=L", taken)
    source, seen = sources[number]
    try:
        made.append((number, py_compile.compile(source, dfile=seen, doraise=True)))
    except Exception:
        pass
sys.stdout.write(json.dumps(made))
"""

# Starting a process costs about as much as compiling this many bytes of source.
_WORTH_A_PROCESS = 200_000


def compile_wheels(
    wheels: Sequence[StagedWheel], executable: str, progress: Progress = silent
) -> list[StagedWheel]:
    """Let the target compile the modules of staged wheels.

    :param executable: the target interpreter
    :param progress: is told that this begins
    :return: the wheels with their bytecode; RECORD lists it without a hash, as with pip
    :raises InterpreterError: if the interpreter fails
    :raises DestinationError: if a temporary file beside the modules cannot be written
    """
    sources = [(wheel, file) for wheel in wheels for file in wheel.sources()]
    if not sources:
        return list(wheels)
    progress("compiling " + ", ".join(wheel.facts.name for wheel in wheels), 0, 0)
    paths = [(wheel.locate(file.row.path), wheel.seen(file)) for wheel, file in sources]
    with destination_errors(wheels[0].layout.scheme.platlib):
        made = compile_sources(executable, paths)
    bytecode: dict[str, list[StagedFile]] = {wheel.facts.key: [] for wheel in wheels}
    for (wheel, file), (path, _), compiled in zip(sources, paths, made):
        if compiled is not None:
            beside = os.path.relpath(compiled, os.path.dirname(path))
            listed = RecordRow.listed(os.path.join(os.path.dirname(file.row.path), beside))
            bytecode[wheel.facts.key].append(file.beside(beside, listed))
    return [wheel.with_files(bytecode[wheel.facts.key]) for wheel in wheels]


def compile_sources(executable: str, sources: Sequence[tuple[str, str]]) -> list[str | None]:
    """Let another interpreter compile source files, on all cores.

    :param executable: the target interpreter
    :param sources: for each file its path here, and the path under which the target will see it; at least one
    :return: for each file the path of its bytecode here, or ``None`` where it does not compile
    :raises InterpreterError: if the interpreter fails
    :raises OSError: if a temporary file beside the sources cannot be written
    """
    sizes = [os.path.getsize(path) for path, _ in sources]
    count = min(len(os.sched_getaffinity(0)), len(sources), 1 + sum(sizes) // _WORTH_A_PROCESS)
    largest_first = sorted(range(len(sources)), key=lambda number: -sizes[number])
    with TemporaryFile(buffering=0, dir=os.path.dirname(sources[0][0])) as numbers:
        numbers.write(struct.pack(f"={len(sources)}L", *largest_first))
        numbers.seek(0)
        job = partial(_compile_some, executable, sources, numbers.fileno())
        jobs = [Background(job) for _ in range(count)]  # each only waits for its process
        try:
            made = [running.result() for running in jobs]
        finally:
            numbers.seek(0, os.SEEK_END)  # after an interrupt too, no process takes another file
            for running in jobs:
                running.wait()
    bytecode = {number: path for some in made for number, path in some.items()}
    return [bytecode.get(number) for number in range(len(sources))]


def _compile_some(executable: str, sources: Sequence[tuple[str, str]], numbers: int) -> dict[int, str]:
    """Let one process compile files until none is left.

    :param numbers: descriptor of the file from which the processes take numbers of files
    :return: the paths of bytecode by the number of the source
    """
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-W", "ignore", "-c", _SCRIPT, str(numbers)],
            input=json.dumps(sources).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[numbers],
            check=True,
        )
        made = {number: os.fspath(path) for number, path in json.loads(done.stdout)}
        if not made.keys() <= set(range(len(sources))):
            raise ValueError("it names files that it was not given")
    except (OSError, subprocess.CalledProcessError, ValueError, TypeError) as error:
        os.lseek(numbers, 0, os.SEEK_END)  # the other processes take no more files
        raise InterpreterError(
            executable, f"could not compile the modules ({error})", tip="install with --no-compile"
        ) from error
    return made
