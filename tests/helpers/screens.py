"""A real pseudo-terminal for muslfix to write to."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any


class Screen:
    """Runs muslfix with stdout, stderr or both on a pseudo-terminal of 90 columns."""

    def __init__(self) -> None:
        self.status = 0

    def __call__(
        self, *words: str | Path, streams: tuple[str, ...] = ("stdout", "stderr"), **variables: str
    ) -> str:
        """What the terminal gets, with the line ends of a file."""
        above, below = pty.openpty()
        fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 90, 0, 0))
        plain = {
            name: value
            for name, value in os.environ.items()
            if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
        }
        given: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        given.update(dict.fromkeys(streams, below))
        process = subprocess.Popen(
            [sys.executable, "-m", "muslfix", *map(str, words)],
            env={**plain, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            stdin=subprocess.DEVNULL,
            **given,
        )
        os.close(below)
        shown = b""
        try:
            while chunk := os.read(above, 65536):
                shown += chunk
        except OSError:  # EIO: nobody has the other end any more
            pass
        finally:
            os.close(above)
        self.status = process.wait()
        return shown.decode().replace("\r\n", "\n")
