"""Whether ``muslfix fix`` has anything to look at; the answer most of the time is no.

As a post-install hook ``fix`` runs often, and loading what a change needs takes several times as long as
finding out that there is nothing to change. So this module loads next to nothing and decides by names alone.
Where there may be anything to fix, to report or to judge, it leaves the answer to the full command.
"""

from __future__ import annotations

import os
import stat
import sys

from muslfix.targets._probe import externally_managed, scheme

TYPE_CHECKING = False  # importing typing takes a tenth of the time that all this takes
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A row of RECORD whose file may be an extension module. A quoted path is left to the full parser.
_ROW = rb"(?m)^((?:[^\",\r\n]*/)?)([^/\",\r\n]+)\.so,"

# In bytes; a larger file is left to the full command, which reports it.
_MAX_FILE = 64 * 1024 * 1024


def has_nothing_to_fix(words: Sequence[str]) -> bool:
    """Whether these words on the command line are a ``fix`` that would do and print nothing.

    :param words: those behind the program's name; only ``fix``, ``-q`` and ``--path`` are understood
    """
    directories = _directories(words)
    if directories is None:
        return False
    suffixes = frozenset(_suffixes())
    return all(_is_well(directory, suffixes) for directory in directories)


def _directories(words: Sequence[str]) -> list[str] | None:
    """The directories that the words name, or ``None`` where the full parser must decide."""
    if not words or words[0] != "fix":
        return None
    directories, rest = [], [word for word in words[1:] if word != "-q"]
    while len(rest) >= 2 and rest[0] == "--path" and rest[1] and not rest[1].startswith("-"):
        directories.append(rest[1])
        del rest[:2]
    if rest:
        return None
    active = os.environ.get("VIRTUAL_ENV")
    if active and os.path.realpath(active) != os.path.realpath(sys.prefix):
        return None
    if any(name.startswith("_PYTHON") for name in os.environ):
        return None
    return directories or _own_directories()


def _own_directories() -> list[str] | None:
    if externally_managed():
        return None
    paths = scheme()
    return sorted({paths["purelib"], paths["platlib"]})


def _suffixes() -> Iterable[bytes]:
    import _imp

    return (os.fsencode(suffix) for suffix in _imp.extension_suffixes())


def _is_well(directory: str, suffixes: frozenset[bytes]) -> bool:
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    # Leftovers of an interrupted muslfix, and projects without RECORD.
    if any(name.startswith(".muslfix") or name.endswith((".egg-info", ".egg-link")) for name in names):
        return False
    projects = [name for name in names if name.endswith(".dist-info")]
    keys = {name.partition("-")[0].lower().replace("_", "-").replace(".", "-") for name in projects}
    if len(keys) < len(projects):  # two of one project
        return False
    return all(_is_project_well(directory, name, suffixes) for name in projects)


def _is_project_well(directory: str, name: str, suffixes: frozenset[bytes]) -> bool:
    record = _read(os.path.join(directory, name, "RECORD"))
    if record is None or b'"' in record:
        return False
    if b"direct_url.json," in record:
        direct_url = _read(os.path.join(directory, name, "direct_url.json"))
        if direct_url is None or b"editable" in direct_url:
            return False
    return b".so," not in record or _are_modules_well(directory, record, suffixes)


def _are_modules_well(directory: str, record: bytes, suffixes: frozenset[bytes]) -> bool:
    """Whether each module has a file with a right name, which exists where the module has several files."""
    import re  # many environments have no module at all

    modules: dict[bytes, list[bytes]] = {}
    for path, stem in re.findall(_ROW, record):
        module, dot, rest = stem.partition(b".")
        modules.setdefault(path + module, []).append(dot + rest + b".so")
    root = os.path.join(os.fsencode(directory), b"")
    for module, found in modules.items():
        if found == [b".so"]:
            continue
        # A bare m.so beside others may not be a module, so it proves nothing.
        right = [suffix for suffix in found if suffix in suffixes and suffix != b".so"]
        if not right or (len(found) > 1 and not any(os.path.exists(root + module + s) for s in right)):
            return False
    return True


def _read(path: str) -> bytes | None:
    """The content of a regular file that is not too large, or ``None``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MAX_FILE:
            return None
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)
