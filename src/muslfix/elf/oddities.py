"""What makes a loader refuse a file, or die of it, although all that the file needs is there: the values.

:mod:`muslfix.elf.odd_headers` and :mod:`muslfix.elf.odd_tables` find them. Each check is one of a loader, in
its source; ``tests/loader/test_elf_table.py`` holds them against the loaders themselves. Where what happens
differs by a version or a machine, or is what no linker writes, the outcome is that it is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from muslfix.suffix import Libc


class Outcome(Enum):
    """What a loader does."""

    REFUSED = "refused"
    DIES = "dies"
    UNKNOWN = "not known"


class Oddity(NamedTuple):
    """Something at which a loader stops.

    :param libc: whose loader; ``None`` for both
    :param outcome: what it does
    :param reason: a sentence that begins with its verb
    """

    libc: Libc | None
    outcome: Outcome
    reason: str


GLIBC, MUSL, BOTH = Libc.GLIBC, Libc.MUSL, None
REFUSED, DIES, UNKNOWN = Outcome


def those(*checks: tuple[object, Libc | None, Outcome, str]) -> Iterator[Oddity]:
    """The oddities whose condition, which each begins with, is true."""
    yield from (Oddity(*oddity) for condition, *oddity in checks if condition)  # type: ignore[arg-type]
