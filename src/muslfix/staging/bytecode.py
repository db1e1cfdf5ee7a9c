"""Bytecode, compiled by the target itself: another Python's would not fit.

The files are compiled where they are staged, and name the path under which the target will see them. As many
processes as there are cores take one file after the other, so that none waits for the others at the end.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
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
# One that takes all memory or time ends the process (some hundred bytes can compile to gigabytes), so each is
# named before it is compiled. When muslfix is killed they end too, or they would go on writing to a directory
# that the next run removes.
_SCRIPT = """\
import json, os, py_compile, signal, struct, sys
parent, seconds, least, factor = os.getppid(), *map(int, sys.argv[2:])
try:
    import resource
    with open("/proc/self/statm") as file:
        least += int(file.read().split()[0]) * resource.getpagesize()
except (ImportError, OSError):
    resource = None
sources = json.load(sys.stdin)
while os.getppid() == parent:
    taken = os.read(int(sys.argv[1]), 4)
    if not taken:
        break
    number, = struct.unpack("=L", taken)
    source, seen = sources[number]
    os.write(1, b"[%d]\\n" % number)
    made = None
    try:
        if resource is not None:
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            soft = least + factor * os.path.getsize(source)
            resource.setrlimit(resource.RLIMIT_AS, (soft if hard < 0 else min(soft, hard), hard))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        made = py_compile.compile(source, dfile=seen, doraise=True)
    except Exception as error:
        cause = getattr(error, "exc_value", error)
        if isinstance(cause, MemoryError):
            raise
        if not isinstance(cause, (SyntaxError, ValueError, ArithmeticError, RecursionError, SystemError)):
            made = "?"
    signal.setitimer(signal.ITIMER_PROF, 0)
    os.write(1, (json.dumps([number, made]) + "\\n").encode())
"""

# Of processor time for one file, in seconds; of memory, in bytes, and more of it for each byte of source.
_SECONDS = 30
_MEMORY, _MEMORY_PER_BYTE = 512 * 1024 * 1024, 128
# So many processes may be lost by one job.
_MOST_LOST = 5

#: In place of the path of bytecode: compiling the file takes more memory or time than it may.
TOO_MUCH = ""
#: In place of the path of bytecode: the system has kept the file from being read, its bytecode from being
#: written, or the target's own modules, which compile it, from being loaded.
KEPT_OFF = "?"
_WHY = {
    TOO_MUCH: "compiling it takes too much memory or time",
    KEPT_OFF: "it could not be read, or its bytecode not be made and written",
}

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
    warnings: dict[str, list[str]] = {wheel.facts.key: [] for wheel in wheels}
    for (wheel, file), (path, _), compiled in zip(sources, paths, made):
        if compiled in _WHY:
            warnings[wheel.facts.key].append(f"{file.row.path} has no bytecode: {_WHY[compiled]}")
        elif compiled is not None:
            beside = os.path.relpath(compiled, os.path.dirname(path))
            listed = RecordRow.listed(os.path.join(os.path.dirname(file.row.path), beside))
            bytecode[wheel.facts.key].append(file.beside(beside, listed))
    return [
        replace(wheel.with_files(bytecode[wheel.facts.key]), warnings=tuple(warnings[wheel.facts.key]))
        for wheel in wheels
    ]


def compile_sources(executable: str, sources: Sequence[tuple[str, str]]) -> list[str | None]:
    """Let another interpreter compile source files, on all cores.

    :param executable: the target interpreter
    :param sources: for each file its path here, and the path under which the target will see it; at least one
    :return: for each file the path of its bytecode here, ``None`` where it does not compile,
        :data:`TOO_MUCH` or :data:`KEPT_OFF`
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


def _compile_some(executable: str, sources: Sequence[tuple[str, str]], numbers: int) -> dict[int, str | None]:
    """Let one process after the other compile files until none is left; each ends where a file is too much.

    :param numbers: descriptor of the file from which the processes take numbers of files
    :return: the paths of bytecode by the number of the source, or why there is none
    """
    limits = map(str, (_SECONDS, _MEMORY, _MEMORY_PER_BYTE))
    command = [executable, "-I", "-S", "-W", "ignore", "-c", _SCRIPT, str(numbers), *limits]
    made: dict[int, str | None] = {}
    try:
        for _ in range(_MOST_LOST):
            done = subprocess.run(
                command,
                input=json.dumps(sources).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[numbers],
                check=False,
            )
            taken = _read_answer(done.stdout, made)
            if not made.keys() | set(taken) <= set(range(len(sources))):
                raise ValueError("it names files that it was not given")
            if not taken:
                if done.returncode:
                    end = "exit status" if done.returncode > 0 else "signal"
                    raise ValueError(f"it ended with {end} {abs(done.returncode)}")
                return made
            for number in taken:
                made[number] = TOO_MUCH
                _remove_bytecode(sources[number][0])
        raise ValueError(f"{_MOST_LOST} of them take too much memory or time")
    except (OSError, ValueError, TypeError) as error:
        os.lseek(numbers, 0, os.SEEK_END)  # the other processes take no more files
        raise InterpreterError(
            executable, f"could not compile the modules ({error})", tip="install with --no-compile"
        ) from error


def _read_answer(answer: bytes, made: dict[int, str | None]) -> list[int]:
    """Note the files that a process has finished; return the one that it has not, if there is one."""
    taken: dict[int, None] = {}
    for line in filter(None, answer.split(b"\n")):
        number, *path = json.loads(line)
        if not path:
            taken[number] = None
            continue
        taken.pop(number, None)
        made[number] = None if path[0] is None else os.fspath(path[0])
    return list(taken)


def _remove_bytecode(source: str) -> None:
    """Remove what a process that was killed may have written of the bytecode of a file."""
    directory, name = os.path.split(source)
    cache = os.path.join(directory, "__pycache__")
    own = re.compile(re.escape(name[: -len(".py")]) + r"\.[^.]+\.pyc(\.[0-9]+)?")
    with suppress(FileNotFoundError):
        for entry in os.listdir(cache):
            if own.fullmatch(entry):
                os.unlink(os.path.join(cache, entry))
