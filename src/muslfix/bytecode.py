"""Bytecode, compiled by the target itself: another Python's would not fit.

The files are compiled where they are staged, and name the path under which the target will see them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from muslfix.errors import InterpreterError

# Runs in the target, from Python 3.6 on. A file that does not compile (a template, code for another Python)
# has no bytecode and is no error: pip and uv see it in the same way.
_SCRIPT = """\
import importlib.util, json, py_compile, sys
made = []
for source, seen in json.load(sys.stdin):
    try:
        made.append(py_compile.compile(source, dfile=seen, doraise=True))
    except Exception:
        made.append(None)
sys.stdout.write(json.dumps(made))
"""

# Starting a process costs about as much as compiling this many bytes of source.
_WORTH_A_PROCESS = 200_000


def compile_sources(executable: str, sources: Sequence[tuple[str, str]]) -> list[str | None]:
    """Compile source files with another interpreter, on all cores.

    :param executable: the target interpreter
    :param sources: for each file its path here, and the path under which the target will see it
    :return: for each file the path of its bytecode here, or ``None`` where it does not compile
    :raises InterpreterError: if the interpreter fails
    """
    batches = _batches(sources, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(len(batches)) as pool:  # each thread only waits for its process
        work = [pool.submit(_compile_batch, executable, [sources[n] for n in batch]) for batch in batches]
        results = [future.result() for future in work]
    made: list[str | None] = [None] * len(sources)
    for batch, paths in zip(batches, results):
        for n, path in zip(batch, paths):
            made[n] = path
    return made


def _batches(sources: Sequence[tuple[str, str]], cores: int) -> list[list[int]]:
    """Share the files out by size, the largest first, each to the batch that has least so far."""
    sizes = [os.path.getsize(path) for path, _ in sources]
    count = max(1, min(cores, len(sources), 1 + sum(sizes) // _WORTH_A_PROCESS))
    batches: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for n in sorted(range(len(sources)), key=lambda n: -sizes[n]):
        least = loads.index(min(loads))
        batches[least].append(n)
        loads[least] += sizes[n] + 1
    return batches


def _compile_batch(executable: str, batch: list[tuple[str, str]]) -> list[str | None]:
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-W", "ignore", "-c", _SCRIPT],
            input=json.dumps(batch).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        paths: list[str | None] = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise InterpreterError(
            executable, f"could not compile the modules ({error})", tip="install with --no-compile"
        ) from error
    return paths
