"""The rules of musl's loader: https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from os.path import dirname

from muslfix.elf.symbols import Exports, Reference
from muslfix.loader.facts import Absence, Files, LoadedFile, System
from muslfix.loader.musl_exports import (
    LARGE_FILE_BY_LOADER,
    NEWEST,
    NEWEST_TEXT,
    appeared_in,
    large_file_symbols,
    symbols_of,
)
from muslfix.loader.rules import OF_PYTHON, Finding, Object, Rules, split_path, with_origin

# load_library in dynlink.c: names that musl reserves for its own libc, with any ending.
OWN_NAME = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.")

_NAME_MAX = 255


class MuslRules(Rules):
    """musl: reserved names, inherited search paths, no symbol versions."""

    def __init__(self, system: System, files: Files) -> None:
        super().__init__(system, files)
        libc = system.started.libc
        exports = dict(system.started.exports)
        self._libc: Object | None = None
        self._is_too_new = False
        if libc is None and system.loader is not None:
            opened = files.open(system.loader)
            libc = opened if isinstance(opened, LoadedFile) else None
        if libc is not None and not isinstance(libc.image, str):
            self._libc = Object(libc, None, {"libc.so"})
            self.libc_identity = libc.identity
            exports["libc.so"] = libc.dynamic.exports
        elif "libc.so" not in exports and system.version is not None:
            exports["libc.so"] = Exports(symbols_of(system.version))
            self._is_too_new = system.version > NEWEST
            self.knows_all_symbols = self.knows_all_symbols and not self._is_too_new
        self._exports = exports
        late = system.version is not None and system.version >= LARGE_FILE_BY_LOADER
        self._found_by_loader = large_file_symbols() if late else frozenset[str]()
        self.knows_all_symbols = self.knows_all_symbols and "libc.so" in exports

    def find(self, name: str, needed_by: Object) -> Finding:
        """``load_library``."""
        if OWN_NAME.match(name) or name in ("libc.so", self.system.loader):
            return Finding(self._libc)
        if "/" not in name:
            for item in self.objects:
                if name in item.names:
                    return Finding(item)
            if name in self.system.started.exports:
                return Finding()
        return self._search(name, needed_by)

    def _search(self, name: str, needed_by: Object) -> Finding:
        """``path_open``, in each search path in turn."""
        looked: list[str] = []
        unseen: list[str] = []
        barred: str | None = None
        for place, path in self._places(name, needed_by):
            # A relative path depends on the working directory of the process, which is unknown.
            answer = self.files.open(path) if path.startswith("/") else Absence.NOT_KNOWN
            looked.append(place)
            if answer is Absence.NOT_KNOWN:
                unseen.append(place)
            elif answer is Absence.BARRED:
                barred = path
                break
            elif isinstance(answer, LoadedFile):
                return self._accept(name, answer)
        return self.not_found(name, needed_by, looked, unseen, barred)

    def _places(self, name: str, needed_by: Object) -> Iterator[tuple[str, str]]:
        """Where a library may be: what a sentence calls the place, and the path."""
        if "/" in name:
            yield name, name
        elif 0 < len(name) <= _NAME_MAX:
            yield from ((directory, f"{directory}/{name}") for directory in self._directories(needed_by))

    def _accept(self, name: str, answer: LoadedFile) -> Finding:
        same = self.by_identity(answer)
        if same is not None:
            same.names.add(name)
            return Finding(same)
        exported = answer.dynamic.exports.of_musl
        if answer.identity == self.libc_identity or {"__libc_start_main", "stdin"} <= exported:
            return Finding(self._libc)
        return Finding(answer)

    def _directories(self, needed_by: Object) -> Iterator[str]:
        """Every ``DT_RUNPATH`` or ``DT_RPATH`` up to the program's, then those of the system."""
        item: Object | None = needed_by
        while item is not None:
            dynamic = item.file.dynamic
            path = dynamic.rpath if dynamic.runpath is None else dynamic.runpath
            path = with_origin(path or "", dirname(item.file.path))
            if "$" not in path:  # with any other name the whole path is of no use: fixup_rpath
                yield from split_path(path)
            item = item.loader
        yield from self.system.directories

    def provider(self, reference: Reference) -> Object | Exports | None:
        """``find_sym``, and ``get_lfs64`` of later versions."""
        for item in self.objects:
            if reference.name in item.file.dynamic.exports.of_musl:
                return item
        for exports in self._exports.values():
            if reference.name in exports.of_musl:
                return exports
        return self._exports.get("libc.so") if reference.name in self._found_by_loader else None

    def undefined(self, names: frozenset[str], version: str) -> frozenset[str]:  # noqa: ARG002
        """See :class:`Rules`."""
        for exports in chain((item.file.dynamic.exports for item in self.objects), self._exports.values()):
            if not names:
                break
            names -= exports.of_musl
        return names - self._found_by_loader if "libc.so" in self._exports else names

    def lacks(self, reference: Reference) -> bool:
        """See :class:`Rules`; the program of a target that is only described has Python's symbols."""
        knows_libc = "libc.so" in self._exports and not self._is_too_new
        return self.knows_all_symbols or (knows_libc and not OF_PYTHON.match(reference.name))

    def why_not_known(self, reference: Reference) -> str:
        """See :class:`Rules`."""
        if not OF_PYTHON.match(reference.name):
            if self.system.version is None:
                return "the version of its musl is not known"
            if self._is_too_new:
                version = ".".join(map(str, self.system.version))
                return f"musl {version} is newer than what this version of muslfix knows, {NEWEST_TEXT}"
        return super().why_not_known(reference)

    def about_nobodys(self, reference: Reference) -> str:
        """See :class:`Rules`."""
        known = appeared_in(reference.name) is not None
        return "" if known else f"no musl up to {NEWEST_TEXT}, the newest that is known here, has it"

    def brought_by(self, reference: Reference) -> str | None:
        """See :class:`Rules`."""
        since, version = appeared_in(reference.name), self.system.version
        if since is None or version is None or since <= version:
            return None
        return ".".join(map(str, since))
