"""Whether ``muslfix fix`` has anything to look at; the answer most of the time is no.

As a post-install hook ``fix`` runs often, and loading what a change needs takes several times as long as
finding out that there is nothing to change. So this module loads next to nothing and decides by names alone.
Where there may be anything to fix, to report or to judge, it leaves the answer to the full command.
"""

from __future__ import annotations

import os
import sys

from muslfix.report.places import count, places, size
from muslfix.targets._probe import externally_managed, scheme, user_site
from muslfix.targets.environments import each_once, find_pyproject, select_environment
from muslfix.verbs.strays import find_suspects, read_whole, top_names

TYPE_CHECKING = False  # importing typing takes a tenth of the time that all this takes
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    TreeCheck = Callable[[bytes], bool]

# A row of RECORD whose file may be an extension module. A quoted path is left to the full parser.
_ROW = rb"(?m)^((?:[^\",\r\n]*/)?)([^/\",\r\n]+)\.so,"

_MAX_LINES = 100_000
_MAX_LINE = 9999


#: How the variables begin that are settings.
PREFIX = "MUSLFIX_"

# Not settings: the shim reads the first, the tests of muslfix the others.
_NO_SETTINGS = frozenset(
    {"MUSLFIX_SHIM", "MUSLFIX_LAB", "MUSLFIX_LAB_MIRROR", "MUSLFIX_REQUIRE_LAB", "MUSLFIX_REQUIRE_ARM"}
)


def nothing_to_fix(words: Sequence[str]) -> tuple[str, str, str] | None:
    """What a ``fix`` says that finds nothing to do; ``None`` where the full command must find out.

    :param words: those behind the program's name; only ``fix``, ``-q`` and ``--path`` are understood
    :return: the summary, then where that is: the label, and what it says
    """
    paths, choice = _paths(words), _own_choice()
    if paths is None or choice is None or (not paths and externally_managed()) or _has_settings():
        return None
    if choice[1] and "-q" in words:  # what was passed over is said all the same
        return None
    directories = each_once(paths or _own_directories())
    suffixes = frozenset(_suffixes())
    projects = modules = 0
    for directory in directories:
        found = modules_in(directory, suffixes)
        if found is None or (paths and not found):
            return None
        projects, modules = projects + len(found), modules + sum(found)
    where = size(projects, count(modules, "extension module") if modules else "")
    summary = f"{where}: nothing to fix."
    return summary, *places("fix", directories, sys.executable, *choice)


def _paths(words: Sequence[str]) -> list[str] | None:
    """What the words name by ``--path``, or ``None`` where the full parser must decide."""
    if not words or words[0] != "fix":
        return None
    paths, rest = [], [word for word in words[1:] if word != "-q"]
    while len(rest) >= 2 and rest[0] == "--path" and rest[1] and not rest[1].startswith("-"):
        paths.append(rest[1])
        del rest[:2]
    return None if rest else paths


def is_variable(name: str) -> bool:
    """Whether an environment variable is, or means to be, a setting."""
    return name.startswith(PREFIX) and name not in _NO_SETTINGS


def _has_settings() -> bool:
    """Whether there may be a setting, about which there may be something to say."""
    pyproject = find_pyproject(os.getcwd())
    content = read_whole(pyproject or os.devnull) or b""
    return any(map(is_variable, os.environ)) or b"tool.muslfix" in content or b"[tool]" in content


def _own_choice() -> tuple[str, tuple[str, ...]] | None:
    """Why the running Python is the one that is meant, and what is passed over; ``None`` if it is not."""
    if not sys.executable or any(name.startswith("_PYTHON") for name in os.environ):
        return None
    try:
        prefix, reason, passed_over, doubts = select_environment(os.environ, os.getcwd())
    except OSError:  # the working directory has been removed
        return None
    return (reason, passed_over) if prefix is None and not doubts else None


def _own_directories() -> list[str]:
    paths, user = scheme(), user_site()
    return [paths["purelib"], paths["platlib"], *([user] if user and os.path.isdir(user) else ())]


def _suffixes() -> Iterable[bytes]:
    import _imp

    return (os.fsencode(suffix) for suffix in _imp.extension_suffixes())


def modules_in(
    directory: str, suffixes: frozenset[bytes], is_tree_well: TreeCheck | None = None
) -> list[int] | None:
    """How many modules each project has; ``None`` if something may be wrong with one, as far as names tell.

    :param directory: a site directory
    :param suffixes: those that the target imports
    :param is_tree_well: whether all is well in the source tree of an editable install, given its RECORD;
        ``None``: the full command must look at these
    """
    try:
        names = os.listdir(directory)
    except OSError:
        return None
    # Leftovers of an interrupted muslfix, and projects without RECORD.
    if any(name.startswith((".muslfix", "~")) or name.endswith((".egg-info", ".egg-link")) for name in names):
        return None
    projects = [name for name in names if name.endswith(".dist-info")]
    keys = {name.partition("-")[0].lower().replace("_", "-").replace(".", "-") for name in projects}
    if len(keys) < len(projects):  # two of one project
        return None
    found: list[int] = []
    listed: set[bytes] = set()
    for name in projects:
        record = read_whole(os.path.join(directory, name, "RECORD"))
        modules = None if record is None else _modules_of(directory, name, record, suffixes, is_tree_well)
        if record is None or modules is None:
            return None
        found.append(modules)
        listed |= top_names(record)
    unlisted: list[OSError] = []
    suspects = find_suspects(directory, names, listed, frozenset(map(os.fsdecode, suffixes)), unlisted)
    return None if suspects or unlisted else found


def _modules_of(
    directory: str, name: str, record: bytes, suffixes: frozenset[bytes], is_tree_well: TreeCheck | None
) -> int | None:
    if b'"' in record:
        return None
    if b"direct_url.json," in record:
        direct_url = read_whole(os.path.join(directory, name, "direct_url.json"))
        if direct_url is None:
            return None
        if b"editable" in direct_url and (is_tree_well is None or not is_tree_well(record)):
            return None
    return _modules_listed(directory, record, suffixes) if b".so" in record else 0


def _modules_listed(directory: str, record: bytes, suffixes: frozenset[bytes]) -> int | None:
    """Each module must have a file with a right name, which exists where the module has several files."""
    import re  # many environments have no module at all

    if _is_odd(record):
        return None
    modules: dict[bytes, list[bytes]] = {}
    for path, stem in re.findall(_ROW, record):
        if path.startswith(b"/") or b".." in path.split(b"/"):  # it is elsewhere
            return None
        module, dot, rest = stem.partition(b".")
        modules.setdefault(path + module, []).append(dot + rest + b".so")
    root = os.path.join(os.fsencode(directory), b"")
    counted = 0
    for module, found in modules.items():
        counted += _is_counted(module, found)
        if found == [b".so"]:
            continue
        # A bare m.so beside others may not be a module, so it proves nothing.
        right = [suffix for suffix in found if suffix in suffixes and suffix != b".so"]
        if not right or (len(found) > 1 and not any(os.path.exists(root + module + s) for s in right)):
            return None
    return counted


def _is_odd(record: bytes) -> bool:
    """Whether the full parser may refuse a RECORD without quotes, or read other rows."""
    lines = record.split(b"\n")
    return (
        b"\0" in record
        or record.count(b"\r") != record.count(b"\r\n")
        or b"\n," in record
        or record.startswith(b",")
        or len(lines) > _MAX_LINES
        or max(map(len, lines)) > _MAX_LINE
        or any(line.count(b",") != 2 and line not in (b"", b"\r") for line in lines)
    )


def _is_counted(module: bytes, suffixes: list[bytes]) -> bool:
    """Whether these are files of a module, and no shared library: see :mod:`muslfix.suffix`."""
    name = os.fsdecode(module.rpartition(b"/")[2])
    return b".libs/" not in module and (suffixes != [b".so"] or name.isidentifier())
