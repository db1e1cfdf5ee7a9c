"""Whether there is nothing to fix in an environment, found out in the time that a guest may take.

It is the short way of a bare ``muslfix fix`` (:mod:`muslfix.verbs.nothing_to_fix`) for the Python of another
environment. That is only asked for what its version fixes; where its projects are, its directory tells.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NoReturn

from muslfix.verbs.nothing_to_fix import modules_in
from muslfix.verbs.strays import read_whole

# The words: implementation, version, the directory that extension modules are below, suffixes.
_QUESTION = """\
import _imp, sys
short = "python{}.{}{}".format(*sys.version_info[:2], "t" if "t" in sys.abiflags else "")
library = getattr(sys, "platlibdir", "lib")
print(sys.implementation.name, short, library, *_imp.extension_suffixes())
"""

# In seconds; the full command then says what is wrong.
_PATIENCE = 10

# Directories and files in the source tree of an editable install.
_MAX_ENTRIES = 3000


def has_nothing_to_fix(python: str, paths: Sequence[str] = ()) -> bool:
    """Whether there is certainly nothing to fix; where that is not known, the full way must find out.

    :param python: the interpreter of an environment
    :param paths: directories of projects; none: those of the environment
    """
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if any(name.startswith("_PYTHON") for name in os.environ) or not (paths or _is_apart(prefix)):
        return False
    command = [python, "-I", "-S", "-B", "-c", _QUESTION]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=True, cwd="/"
        )
        kind, short, platlib, *suffixes = done.stdout.decode("ascii").split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return False
    if kind != "cpython":
        return False
    own = [os.path.join(prefix, library, short, "site-packages") for library in ("lib", platlib)]
    directories = {os.path.realpath(directory) for directory in paths or own}
    known = frozenset(map(os.fsencode, suffixes))
    return not any(
        modules_in(directory, known, partial(_is_tree_well, site=directory, suffixes=suffixes)) is None
        for directory in directories
    )


def _is_apart(prefix: str) -> bool:
    """Whether it is a virtual environment that sees no packages of the system or the user."""
    settings = read_whole(os.path.join(prefix, "pyvenv.cfg")) or b""
    pairs = [line.partition(b"=") for line in settings.lower().split(b"\n")]
    return (b"include-system-site-packages", b"false") in [
        (key.strip(), value.strip()) for key, _, value in pairs
    ]


def _is_tree_well(record: bytes, site: str, suffixes: Sequence[str]) -> bool:
    """Whether the source tree of an editable install has only modules with a right name.

    :param record: its RECORD, which lists a ``.pth`` with the directories of the tree
    :param site: the directory that RECORD's paths begin at
    """
    rows = [os.fsdecode(row.partition(b",")[0]) for row in record.split(b"\n")]
    named = [read_whole(os.path.join(site, row)) for row in rows if "/" not in row and row.endswith(".pth")]
    lines = [line.strip() for text in named for line in os.fsdecode(text or b"unreadable").split("\n")]
    trees = [line for line in lines if line and not line.startswith("#")]
    if not trees or not all(map(os.path.isabs, trees)):  # a line can also import a finder
        return False
    entries = 0
    try:
        for names in chain.from_iterable(map(_importable, trees)):
            entries += len(names)
            modules = [name for name in names if name.endswith(".so")]
            if entries > _MAX_ENTRIES or any(name[name.index(".") :] not in suffixes for name in modules):
                return False
    except OSError:
        return False
    return True


def _importable(tree: str) -> Iterator[list[str]]:
    """The names in a directory and in those below it that can be packages.

    :raises OSError: if one cannot be listed
    """

    def fail(error: OSError) -> NoReturn:
        raise error

    for directory, inner, names in os.walk(tree, onerror=fail, followlinks=True):
        inner[:] = [
            name
            for name in inner
            if name.isidentifier() and not os.path.exists(os.path.join(directory, name, "pyvenv.cfg"))
        ]
        yield [*inner, *names]
