"""A target with the shim (:mod:`muslfix.targets.shim`): whether it is there, and which names it adds.

Python starts it by a file in a site directory: up to 3.14 by an ``import`` line in a ``.pth``
(https://docs.python.org/3/library/site.html), from 3.15 on by a ``.start`` (:pep:`829`), which switches the
line in the ``.pth`` of the same name off. So one wheel with both serves every version.
"""

from __future__ import annotations

import os
from contextlib import suppress

from muslfix.errors import MuslfixError
from muslfix.targets.cpython import cpus_of
from muslfix.targets.paths import paths_of
from muslfix.targets.shim import added_suffixes
from muslfix.targets.target import Target

#: The project that has it, and the package in that.
PROJECT, PACKAGE = "muslfix-shim", "muslfix_shim"

#: The files that start it.
PTH, START = f"{PROJECT}.pth", f"{PROJECT}.start"

#: The variable that switches it off.
SWITCH = "MUSLFIX_SHIM"

_FIRST_WITH_START = (3, 15)


def names_added(target: Target) -> tuple[str, ...]:
    """The suffixes that the shim adds, behind those of the target."""
    cpus = cpus_of(target.machine)
    fallback = cpus[0].triplet(target.libc, target.version_info) if cpus else ""
    return tuple(added_suffixes(list(target.extension_suffixes), target.abi_flags, fallback))


def shim_of(target: Target) -> str | None:
    """The site directory from which the target starts the shim; ``None`` if there is none, or not known."""
    if target.scheme is None or not (target.runs_here or target.tree is not None):
        return None
    starts = START if target.version_info >= _FIRST_WITH_START else PTH
    for directory in (target.scheme.purelib, target.scheme.platlib, target.user_site):
        with suppress(MuslfixError):
            here = paths_of(target).locate(directory) if directory else ""
            if os.path.isfile(os.path.join(here, starts)) and os.path.isdir(os.path.join(here, PACKAGE)):
                return here
    return None


def about_shim(target: Target) -> str | None:
    """What the shim changes for the target, a sentence without a full stop; ``None`` if it is not there."""
    directory = shim_of(target)
    if directory is None:
        return None
    if os.environ.get(SWITCH) == "0" and target.runs_here:
        return f"{PROJECT} is in {directory}, and {SWITCH}=0 switches it off"
    return (
        f"{PROJECT} is active from {directory}: for 'import demo', this Python also looks for"
        f" {examples(target)}, behind its own names and where the ELF file fits"
    )


def examples(target: Target) -> str:
    """The names that the shim adds, for a module ``demo``."""
    return ", ".join(f"demo{suffix}" for suffix in names_added(target)) or "nothing more"
