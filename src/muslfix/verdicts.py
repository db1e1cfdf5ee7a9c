"""The words of a plan: what an extension module is to the target, and how it gets a name that imports.

The planner, the load check, options and reports share them. The value of each is its word in text and JSON.
"""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """What one extension module is to the target."""

    IMPORTABLE = "importable"  #: its name ends in a suffix that the target imports
    SERVED = "served"  #: another file gives the target the same module
    MISNAMED = "misnamed"  #: only the platform triplet in its name is wrong
    OTHER_ABI = "other-abi"  #: for another Python, or for another operating system
    OTHER_LIBC = "other-libc"  #: linked to the other libc, or to both
    OTHER_MACHINE = "other-machine"  #: for another CPU or calling convention
    OCCUPIED = "occupied"  #: the name that it needs is taken by another file
    LIBRARY = "library"  #: no module but a shared library, which the target can load
    MISSING = "missing"  #: RECORD lists it, but it does not exist
    NOT_ELF = "not-elf"  #: not a readable ELF shared object
    NO_INIT = "no-init"  #: it lacks the init function that an import calls
    CRASHES = "crashes"  #: loading it would end the process, or can never succeed
    FOREIGN_LIBRARY = "foreign-library"  #: a shared library that it needs is for another libc or CPU
    MISSING_LIBRARY = "missing-library"  #: a shared library that it needs is not found, or is not one
    MISSING_SYMBOL = "missing-symbol"  #: a symbol or version that it needs is not defined anywhere

    def __str__(self) -> str:
        return self.value


#: The verdicts of the load check, the worst first.
LOADER_VERDICTS = (
    Verdict.CRASHES,
    Verdict.FOREIGN_LIBRARY,
    Verdict.MISSING_LIBRARY,
    Verdict.MISSING_SYMBOL,
)


class Mode(str, Enum):
    """How a module gets the name that the target imports."""

    SYMLINK = "symlink"  #: a relative symbolic link beside the file
    HARDLINK = "hardlink"  #: a hard link
    COPY = "copy"  #: a copy
    RENAME = "rename"  #: the file is renamed and loses its old name

    def __str__(self) -> str:
        return self.value
