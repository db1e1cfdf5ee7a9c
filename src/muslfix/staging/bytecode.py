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
from typing import TYPE_CHECKING

from muslfix.errors import InterpreterError
from muslfix.parallel import Workers

if TYPE_CHECKING:
    from typing_extensions import Self

# Runs in the target, from Python 3.6 on. The processes share an open file, and with it the place up to which
# it is read, so each gets the numbers of files that no other has. A file that does not compile (a template,
# code for another Python) has no bytecode and is no error: pip and uv see it in the same way. When muslfix is
# killed they end too, or they would go on to write into a folder that the next one removes.
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


class Compilation:
    """Source files that another interpreter compiles on all cores, while there may be other work.

    Use it as a context manager: once it is left, nothing is compiled any more.

    :param executable: the target interpreter
    :param sources: for each file its path here, and the path under which the target will see it; at least one
    :raises OSError: if a temporary file beside the sources cannot be written
    """

    def __init__(self, executable: str, sources: Sequence[tuple[str, str]]) -> None:
        sizes = [os.path.getsize(path) for path, _ in sources]
        count = min(len(os.sched_getaffinity(0)), len(sources), 1 + sum(sizes) // _WORTH_A_PROCESS)
        largest_first = sorted(range(len(sources)), key=lambda number: -sizes[number])
        self._numbers = TemporaryFile(buffering=0, dir=os.path.dirname(sources[0][0]))  # noqa: SIM115
        self._numbers.write(struct.pack(f"={len(sources)}L", *largest_first))
        self._numbers.seek(0)
        self._made: list[str | None] = [None] * len(sources)
        self._workers = Workers(count + 1)  # each only waits for its process
        for rank in range(count):
            job = partial(_compile, executable, self._numbers.fileno(), sources, self._made)
            self._workers.add(rank, job)

    def __enter__(self) -> Self:
        return self

    def finish(self) -> list[str | None]:
        """Wait until all is done.

        :return: for each file the path of its bytecode here, or ``None`` where it does not compile
        :raises InterpreterError: if the interpreter fails
        """
        self._workers.finish()
        return self._made

    def __exit__(self, *_: object) -> None:
        self._numbers.seek(0, os.SEEK_END)  # of what is left nobody takes a file any more
        self._workers.stop()
        self._numbers.close()


def _compile(
    executable: str, numbers: int, sources: Sequence[tuple[str, str]], made: list[str | None]
) -> None:
    """Let a process compile what it gets of the files.

    :param numbers: descriptor of the shared file
    :param made: gets the paths of bytecode
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
        for number, path in json.loads(done.stdout):
            made[number] = path
    except (OSError, subprocess.CalledProcessError, ValueError, TypeError, IndexError) as error:
        os.lseek(numbers, 0, os.SEEK_END)
        raise InterpreterError(
            executable, f"could not compile the modules ({error})", tip="install with --no-compile"
        ) from error
