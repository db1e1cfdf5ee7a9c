"""Which of musl's two ``time_t`` a file for a 32-bit CPU was built with.

Since musl 1.2.0 ``time_t`` has 64 bits on every CPU. The functions from before stay for files that were built
with them, and the new ones have names of their own, such as ``__stat_time64``. Rust's ``libc`` crate still
calls the old ones. Each file works by itself, the old ones until 2038; what goes wrong is a structure with a
time that one passes to the other: https://musl.libc.org/time64.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache

from muslfix.elf.dynamic import Image
from muslfix.loader.musl_exports import large_file_symbols, new_in
from muslfix.suffix import Libc

# 32-bit CPUs on which musl's time_t has had 64 bits from the start: riscv32, x32.
_ALWAYS_WIDE = frozenset({"riscv", "x86_64", "loongarch"})

_FILES = 3


class TimeT(str, Enum):
    """The ``time_t`` of a file."""

    NEW = "64-bit"  #: the functions since 1.2.0
    OLD = "32-bit"  #: those from before
    BOTH = "both"  #: parts of the file use one, parts the other

    def __str__(self) -> str:
        return self.value


@cache
def _names() -> tuple[frozenset[str], frozenset[str]]:
    """The functions with the new ``time_t``, and those with the old one."""
    new = frozenset(name for name in new_in((1, 2, 0)) if "64" in name)
    old = {name[2:].replace("_time64", "").replace("64", "") for name in new}
    old.discard("dlsym")  # the new one only finds the others
    return new, frozenset(old | {f"{name}64" for name in old} & large_file_symbols())


def time_t_of(image: Image) -> TimeT | None:
    """The ``time_t`` that a file calls musl with; ``None`` where it calls no such function, or has no choice.

    :param image: of an extension module or shared library
    """
    its = image.facts.machine
    if its.bits != 32 or its.name in _ALWAYS_WIDE:
        return None
    if Libc.GLIBC in image.facts.libcs or isinstance(image.dynamic, str):
        return None
    new, old = _names()
    called = {reference.name for reference in image.dynamic.references if not reference.weak}
    uses = (not new.isdisjoint(called), not old.isdisjoint(called))
    return {(True, True): TimeT.BOTH, (True, False): TimeT.NEW, (False, True): TimeT.OLD}.get(uses)


def sentence_about(found: Mapping[str, TimeT]) -> tuple[str, bool]:
    """What is said of the files of one wheel, and whether they mix both.

    :param found: by path, those that use one; not empty
    """
    old, new = _those(found, TimeT.OLD), _those(found, TimeT.NEW)
    both = _those(found, TimeT.BOTH)
    if both or (old and new):
        kinds = ((old, "the old one of 32 bits"), (new, "the one of 64 bits"), (both, "both"))
        parts = [f"{words} in {_named(files)}" for files, words in kinds if files]
        mixed = f"uses both kinds of musl's time_t: {', '.join(parts)}"
        return f"{mixed}; a structure with a time that one passes to the other is misread", True
    if old:
        return f"uses musl's old time_t of 32 bits, which ends in 2038 ({_named(old)})", False
    return f"uses musl's time_t of 64 bits ({_named(new)})", False


def _those(found: Mapping[str, TimeT], which: TimeT) -> list[str]:
    return [path.rpartition("/")[2] for path, time_t in found.items() if time_t is which]


def _named(files: Iterable[str]) -> str:
    names = list(files)
    rest = len(names) - _FILES
    return ", ".join(names[:_FILES]) + (f" and {rest} more" if rest > 0 else "")
