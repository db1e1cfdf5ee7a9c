"""How large a wheel may become: what a bomb exceeds and an honest wheel does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a wheel may unpack to.

    A member of an archive can inflate to a thousand times its size, so a small wheel can fill a disk. The
    defaults are far above what wheels on PyPI need: of 1043 (``tests/benchmarks/real_wheels.py``) the largest
    has 1.3 GB, 18 times its size is the most that one unpacks to, and 16 235 are the most entries.

    :param size: bytes of all its files together
    :param ratio: how many times the size of the archive its files may have; only checked above ``free``
    :param entries: files and directories
    :param free: bytes that any wheel may unpack to, whatever its ratio
    """

    size: int = 16 * 1024**3
    ratio: int = 100
    entries: int = 250_000
    free: int = 64 * 1024**2


DEFAULT_LIMITS = Limits()
