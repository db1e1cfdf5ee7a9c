"""Whether ``muslfix fix`` has anything to look at; the answer most of the time is no.

As a post-install hook ``fix`` runs often, and loading what a change needs takes several times as long as
finding out that there is none to make. So this module loads next to nothing and decides by names alone. It
is sure or it is silent: wherever there is anything to fix, to say, or to judge, the real work is done.
"""

from __future__ import annotations

import os
import stat
import sys

from muslfix.targets._probe import externally_managed, scheme

TYPE_CHECKING = False  # importing typing takes a tenth of the time that all this takes
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A row of RECORD whose file may be an extension module. A quoted path is left to the real parser.
_ROW = rb"(?m)^((?:[^\",\r\n]*/)?)([^/\",\r\n]+)\.so,"

# In bytes; what is larger is left to the real work, which has a sentence for it.
_MAX_FILE = 64 * 1024 * 1024


def has_nothing_to_fix(words: Sequence[str]) -> bool:
    """Whether these words on the command line are a ``fix`` that would do and print nothing.

    :param words: those behind the program's name; only ``fix``, ``-q`` and ``--path`` are understood
    """
    folders = _folders(words)
    if folders is None:
        return False
    suffixes = frozenset(_suffixes())
    return all(_is_well(folder, suffixes) for folder in folders)


def _folders(words: Sequence[str]) -> list[str] | None:
    """The folders that the words name, or ``None`` where that must be left to the real parser."""
    if not words or words[0] != "fix":
        return None
    folders, rest = [], [word for word in words[1:] if word != "-q"]
    while len(rest) >= 2 and rest[0] == "--path" and rest[1] and not rest[1].startswith("-"):
        folders.append(rest[1])
        del rest[:2]
    if rest:
        return None
    active = os.environ.get("VIRTUAL_ENV")
    if active and os.path.realpath(active) != os.path.realpath(sys.prefix):
        return None
    if any(name.startswith("_PYTHON") for name in os.environ):
        return None
    return folders or _own_folders()


def _own_folders() -> list[str] | None:
    if externally_managed():
        return None
    paths = scheme()
    return sorted({paths["purelib"], paths["platlib"]})


def _suffixes() -> Iterable[bytes]:
    import _imp

    return (os.fsencode(suffix) for suffix in _imp.extension_suffixes())


def _is_well(folder: str, suffixes: frozenset[bytes]) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    # What an interrupted muslfix has left, and projects without RECORD.
    if any(name.startswith(".muslfix") or name.endswith((".egg-info", ".egg-link")) for name in names):
        return False
    projects = [name for name in names if name.endswith(".dist-info")]
    return all(_is_project_well(folder, name, suffixes) for name in projects)


def _is_project_well(folder: str, name: str, suffixes: frozenset[bytes]) -> bool:
    record = _read(os.path.join(folder, name, "RECORD"))
    if record is None or b'"' in record:
        return False
    if b"direct_url.json," in record:
        direct_url = _read(os.path.join(folder, name, "direct_url.json"))
        if direct_url is None or b"editable" in direct_url:
            return False
    return b".so," not in record or _are_modules_well(folder, record, suffixes)


def _are_modules_well(folder: str, record: bytes, suffixes: frozenset[bytes]) -> bool:
    """Whether each module has a file with a right name, and where it has several that one is there."""
    import re  # many environments have no module at all

    modules: dict[bytes, list[bytes]] = {}
    for path, stem in re.findall(_ROW, record):
        module, dot, rest = stem.partition(b".")
        modules.setdefault(path + module, []).append(dot + rest + b".so")
    root = os.path.join(os.fsencode(folder), b"")
    for module, found in modules.items():
        if found == [b".so"]:
            continue
        # A bare m.so beside others may be no module, and is no proof that all is well.
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
