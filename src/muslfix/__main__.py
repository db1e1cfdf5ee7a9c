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
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing ends its processes
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # closed, or a terminal that is gone
        sys.exit(status)
    os._exit(status)


if __name__ == "__main__":
    run()
