"""``python -m muslfix``, and the command ``muslfix``."""

from __future__ import annotations

import atexit
import os
import sys

from muslfix.cli import main


def run() -> None:
    """Run one command, and end the process.

    Not by :func:`sys.exit`: taking apart all modules, which the system does anyway, takes a twentieth of the
    time of a small installation.
    """
    status = main()
    threading = sys.modules.get("threading")
    if threading is not None and threading.active_count() > 1:
        sys.exit(status)  # which waits for them: they may be of others, whom sitecustomize has started
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing ends its processes
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - output that is closed; what functions of others raise before 3.10
        sys.exit(status)
    os._exit(status)


if __name__ == "__main__":
    run()
