"""Lets a CPython on Linux import modules whose names differ from its own in the platform alone.

``muslfix shim`` installs this package as ``muslfix_shim``; it needs nothing of muslfix there. Its rules: the
syntax of Python 3.6, no import of what ``site`` has not imported, and nothing is done before :func:`start` is
called. This file is short because it is compiled at every start where bytecode cannot be kept; what only some
starts need is in ``proof.py``.
"""

import _frozen_importlib_external as _external
import _imp
import os
import sys
from _frozen_importlib_external import ExtensionFileLoader, FileFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# The end of one and the same triplet, as CPython for each libc spells it, by the beginning of the CPU's name.
_SPELLINGS = (
    ("", "gnu", "musl"),
    ("x86_64", "gnux32", "muslx32"),
    ("arm", "gnueabi", "musleabi"),
    ("arm", "gnueabihf", "musleabihf"),
    ("mips64", "gnuabi64", "muslabi64", "musl"),
    ("mips64", "gnuabin32", "muslabin32", "musln32"),
    ("mips", "gnusf", "muslsf"),
    ("mips64", "gnuabin32sf", "musln32sf"),
    ("mips64", "gnuabi64sf", "muslsf"),
    ("powerpc", "gnuspe", "muslspe", "muslsf"),
    ("loongarch64", "gnuf32", "muslf32"),
    ("loongarch64", "gnusf", "muslsf"),
)


def start() -> None:
    """Put :class:`Finder` in the place of the interpreter's own; where that is gone, do nothing."""
    # Up to Python 3.14, site reads the files of a virtual environment twice.
    if Finder.added or os.environ.get("MUSLFIX_SHIM") == "0" or sys.platform != "linux":
        return
    own = _imp.extension_suffixes()
    added = added_suffixes(own, sys.abiflags)
    for index, hook in enumerate(sys.path_hooks):
        details = _details(hook)
        if added and (ExtensionFileLoader, own) in details:
            Finder.own, Finder.added = details, tuple(added)
            details = tuple((cls, own + added if suffixes == own else suffixes) for cls, suffixes in details)
            _replace_finders(details)
            sys.path_hooks[index] = Finder.path_hook(*details)
            known = _external.EXTENSION_SUFFIXES  # what importlib.machinery, inspect and pkgutil know
            known += [suffix for suffix in added if suffix not in known]
            ExtensionFileLoader.create_module = _guarded(ExtensionFileLoader.create_module)  # type: ignore[method-assign]
            return


def _replace_finders(details: "tuple[Any, ...]") -> None:
    """Let the finders that the interpreter's own hook has made find as much, with what they have listed."""
    old = vars(FileFinder("/", *Finder.own))["_loaders"]
    new = vars(Finder("/", *details))["_loaders"]
    for path, finder in list(sys.path_importer_cache.items()):
        if type(finder) is FileFinder and vars(finder)["_loaders"] == old:
            sys.path_importer_cache[path] = other = Finder(path, *details)
            vars(other).update(vars(finder), _loaders=new)


def _guarded(create_module: "Any") -> "Any":
    """The same, but for files with an added name that do not fit: other finders may take the longer list."""

    def guarded(self: "Any", spec: "ModuleSpec") -> "ModuleType":
        reason = _why_not(self.path, self.name)
        if reason:
            raise ImportError(reason, name=self.name, path=self.path)
        return create_module(self, spec)  # type: ignore[no-any-return]

    return guarded


def _why_not(path: "Any", name: str) -> str:
    """Why a module cannot be loaded; empty if it fits, or has a name of the interpreter's own."""
    if not str(path).endswith(Finder.added):
        return ""
    try:
        from .proof import why_not

        return why_not(path, name)
    except Exception as error:  # noqa: BLE001 - no fault here may stop what works without the shim
        return f"{path} could not be judged by muslfix_shim: {error!r}"


def _details(hook: "Any") -> "tuple[tuple[type, list[str]], ...]":
    """The loaders of the interpreter's own path hook, each with its suffixes; none of any other hook."""
    code = getattr(hook, "__code__", None)
    if code is None or code.co_freevars != ("cls", "loader_details"):
        return ()
    cls, details = (cell.cell_contents for cell in hook.__closure__)
    return details if cls is FileFinder else ()


def added_suffixes(own: "list[str]", flags: str, fallback: str = "") -> "list[str]":
    """The suffixes that differ from some in the platform alone: the other libc's, none, or any behind abi3.

    :param own: those that the interpreter looks for
    :param flags: its ``sys.abiflags``
    :param fallback: a triplet of its platform, where its suffixes have none; empty: the one it runs on
    """
    abis, triplets = [], []
    for suffix in own:
        words = suffix[1:-3].split("-")
        count = 2 if words[0] == "cpython" else 1
        # Free-threaded 3.13 and 3.14 look for .abi3.so and cannot use it (python/cpython#120901).
        if words[0] in ("cpython", "abi3t") or (words[0] == "abi3" and "t" not in flags):
            abis.append("-".join(words[:count]))
            triplets += ["-".join(words[count:])] if words[count:] else []
    if abis and not triplets:
        from .proof import triplet_here  # OpenWrt only, up to Python 3.10

        triplets = [fallback or triplet_here()]
    others = []
    for cpu, _, spelling in (triplet.partition("-linux-") for triplet in triplets):
        for row in _SPELLINGS:
            if spelling in row[1:] and cpu.startswith(row[0]):
                others += [cpu + "-linux-" + other for other in row[1:]]
    if not others:  # Android, or a CPU that nothing is known of
        return []
    ends = ["-" + triplet for triplet in triplets + others] + [""]
    names = ["." + abi + end + ".so" for abi in abis for end in ends]
    return [name for name in dict.fromkeys(names) if name not in own]


class Finder(FileFinder):
    """Finds what the interpreter's own finder does, and behind that modules with an added name."""

    own = ()  # type: tuple[Any, ...]
    added = ()  # type: tuple[str, ...]

    def find_spec(self, fullname: str, target: "ModuleType | None" = None) -> "ModuleSpec | None":
        """As :meth:`importlib.machinery.FileFinder.find_spec`.

        In the place of a file that does not fit comes what the interpreter finds by itself, a ``.py`` beside
        it. Where there is none, loading it ends in an :exc:`ImportError` with the reason.
        """
        spec = super().find_spec(fullname, target)
        if spec is None or not _why_not(spec.origin, fullname):
            return spec
        other = FileFinder(self.path, *self.own).find_spec(fullname, target)
        return spec if other is None or other.loader is None else other
