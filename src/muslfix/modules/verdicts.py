"""The terms of a plan: what an extension module is to the target, and how it gets a new name.

Options and reports are made of these words, and need none of what :mod:`muslfix.modules.plan` decides by.
"""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """What one extension module is to the target; the value is the word in text and JSON."""

    IMPORTABLE = "importable"  #: its name ends in a suffix of the target
    SERVED = "served"  #: another file gives the target the same module
    MISNAMED = "misnamed"  #: all but the platform part of its name is right
    OTHER_ABI = "other-abi"  #: for another Python, or for another operating system
    OTHER_LIBC = "other-libc"  #: linked to the other libc, or to both
    OTHER_MACHINE = "other-machine"  #: for another CPU or calling convention
    OCCUPIED = "occupied"  #: the name that it needs belongs to another file
    NOT_ELF = "not-elf"  #: not a readable ELF shared object
    CRASHES = "crashes"  #: the loader would let the process die, or can never load it
    FOREIGN_LIBRARY = "foreign-library"  #: a shared library that it needs is for another libc or CPU
    MISSING_LIBRARY = "missing-library"  #: a shared library that it needs is not there
    MISSING_SYMBOL = "missing-symbol"  #: a symbol that it needs is defined nowhere

    def __str__(self) -> str:
        return self.value


class Mode(str, Enum):
    """How a module gets its second name."""

    SYMLINK = "symlink"  #: a relative symbolic link beside the file
    HARDLINK = "hardlink"  #: a hard link
    COPY = "copy"  #: a copy
    RENAME = "rename"  #: the file itself, which loses its old name

    def __str__(self) -> str:
        return self.value
