"""Work in a process with little memory and time, so that a regression fails and does not eat the machine."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

MEGABYTE = 1024 * 1024


def within_limits(work: Callable[[], object], *, megabytes: int = 150, seconds: int = 10) -> str:
    """What a function returns as text, or how it ended otherwise.

    :param work: called in the child
    :param megabytes: so much more address space than now
    :param seconds: of processor time
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reader)
            size = (
                int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            )
            resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * MEGABYTE,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.write(writer, str(work()).encode()[:60_000])
            status = 0
        except BaseException as error:  # noqa: BLE001 - the parent fails with it
            os.write(writer, f"{type(error).__name__}: {error!s:.2000}".encode())
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read().decode()
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return f"killed by signal {os.WTERMSIG(ended)}: {said}"
    return said
