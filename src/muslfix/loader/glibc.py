"""The rules of glibc's loader: https://sourceware.org/git/?p=glibc.git;a=tree;f=elf (``dl-load.c``, …)."""

from __future__ import annotations

from collections.abc import Iterator
from os.path import dirname

from muslfix.elf.dynamic import VersionNeed
from muslfix.elf.symbols import Exports, Reference
from muslfix.loader.facts import Absence, LoadedFile, Problem
from muslfix.loader.rules import Finding, Object, Rules, split_path, with_origin
from muslfix.verdicts import Verdict

# The directories for CPUs in each directory of libraries: sysdeps/*/dl-hwcaps-subdirs.c; those of the older
# kind may lie in each other: https://sourceware.org/glibc/wiki/Release/2.37
_HWCAPS = {
    "x86_64": ("x86-64-v4", "x86-64-v3", "x86-64-v2"),
    "ppc64": ("power10", "power9"),
    "s390": ("z16", "z15", "z14", "z13"),
}
_OLD_HWCAPS = {"x86_64": ("haswell", "xeon_phi", "avx512_1", "x86_64"), "aarch64": ("atomics", "aarch64")}
_NO_OLD_HWCAPS_SINCE = (2, 37)


class GlibcRules(Rules):
    """glibc: a cache, ``DT_RPATH`` apart from ``DT_RUNPATH``, symbol versions."""

    def find(self, name: str, needed_by: Object) -> Finding:
        """``_dl_map_object``."""
        for item in self.objects:
            if name in item.names or name == item.file.dynamic.soname:
                return Finding(item)
        if not name or name in self.system.started.exports:  # the program has the empty name
            return Finding()
        by_cpu = self._by_cpu(name, needed_by)
        if by_cpu is not None:
            return Finding(unknown=[f"which {name} glibc loads depends on the CPU: there is {by_cpu}"])
        return self._search(name, needed_by)

    def _search(self, name: str, needed_by: Object) -> Finding:
        """``open_path``, in each place in turn."""
        places = [name] if "/" in name else list(self._places(name, needed_by))
        looked: list[str] = []
        unseen: list[str] = []
        barred: str | None = None
        foreign: LoadedFile | None = None
        for place in places:
            path = with_origin(place, dirname(needed_by.file.path)) if "/" in name else place
            answer = self.files.open(path) if path.startswith("/") and "$" not in path else Absence.NOT_KNOWN
            looked.append(dirname(path))
            if answer is Absence.NOT_KNOWN:
                unseen.append(dirname(path))
            elif answer is Absence.BARRED:
                barred = path
                break
            elif isinstance(answer, LoadedFile):
                if not isinstance(answer.image, str) and answer.image.facts.machine != self.system.machine:
                    foreign = foreign or answer  # open_verify: passed over, not refused
                    continue
                return self._accept(name, answer)
        if foreign is not None:
            return Finding(foreign)
        return self.not_found(name, needed_by, looked, unseen, barred)

    def _accept(self, name: str, answer: LoadedFile) -> Finding:
        same = self.by_identity(answer)
        if same is None:
            return Finding(answer)
        same.names.add(name)
        return Finding(same)

    def _by_cpu(self, name: str, needed_by: Object) -> str | None:
        """A library for some CPUs only, which a directory of the project has; ``_dl_important_hwcaps``.

        The system's own directories may have some too; these are trusted to be like the others.
        """
        version = self.system.version
        has_old = version is None or version < _NO_OLD_HWCAPS_SINCE
        for place in self._paths(name, needed_by) if "/" not in name else ():
            directory = dirname(place)
            if directory not in self.system.directories:
                for path in self._below(directory, name, 4 if has_old else 0):
                    return path
        return None

    def _below(self, directory: str, name: str, depth: int) -> Iterator[str]:
        """The paths of a library in the directories for CPUs that are in a directory.

        :param depth: how deep those of the older kind can lie in each other
        """
        below = [f"glibc-hwcaps/{level}" for level in _HWCAPS.get(self.system.machine.name, ())]
        old = [*_OLD_HWCAPS.get(self.system.machine.name, ()), "tls"] if depth else []
        for place in (f"{directory}/{one}" for one in (*below, *old)):
            if isinstance(self.files.open(f"{place}/{name}"), LoadedFile):
                yield f"{place}/{name}"
        for place in (f"{directory}/{one}" for one in old):
            if self.files.open(place) is not Absence.NOT_THERE:
                yield from self._below(place, name, depth - 1)

    def _places(self, name: str, needed_by: Object) -> Iterator[str]:
        yield from self._paths(name, needed_by)
        dynamic = needed_by.file.dynamic
        cached = self.system.cache.get(name, ())
        if dynamic.no_default_libraries:
            yield from (path for path in cached if dirname(path) not in self.system.directories)
            return
        yield from cached
        yield from (f"{directory}/{name}" for directory in self.system.directories)

    def _paths(self, name: str, needed_by: Object) -> Iterator[str]:
        """The places in ``DT_RPATH`` and ``DT_RUNPATH``."""
        dynamic = needed_by.file.dynamic
        if dynamic.runpath is None:
            item: Object | None = needed_by
            while item is not None:
                if item.file.dynamic.runpath is None:  # else DT_RPATH does not count
                    yield from self._in_path(item.file, item.file.dynamic.rpath, name)
                item = item.loader
        yield from self._in_path(needed_by.file, dynamic.runpath, name)

    def _in_path(self, file: LoadedFile, path: str | None, name: str) -> Iterator[str]:
        if path:
            yield from (
                f"{directory}/{name}" for directory in split_path(with_origin(path, dirname(file.path)))
            )

    def provider(self, reference: Reference) -> Object | Exports | None:
        """``check_match``."""
        for item in self.objects:
            if _matches(item.file.dynamic.exports, reference):
                return item
        for exports in self.system.started.exports.values():
            if _matches(exports, reference):
                return exports
        return None

    def undefined(self, names: frozenset[str], version: str) -> frozenset[str]:
        """See :class:`Rules`."""
        names = self.system.started.undefined(names, version)
        for item in self.objects[self.started_count :]:
            if not names:
                break
            names = names.difference(*item.file.dynamic.exports.defining(version))
        return names

    def missing_versions(self, item: Object) -> list[Problem]:
        """``_dl_check_map_versions``, and the assertion in ``check_match``."""
        problems = []
        needs = item.file.dynamic.needed_versions
        missing = item.file.dynamic.needed  # of which another problem tells
        libraries = {library: self._exports_of(library) for library in {need.library for need in needs}}
        for need in needs:
            exports = libraries[need.library]
            if exports is None:
                if self.system.started.program is not None and need.library not in missing:
                    reason = f"{need.library} is not needed, and glibc ends the process then"
                    problems.append(self._version_problem(Verdict.CRASHES, need, item, reason))
                continue
            if not exports.has_versions and self._binds(item, need, exports):
                reason = (
                    f"{need.library} of the target has no versions at all, and glibc ends the process then"
                )
                problems.append(self._version_problem(Verdict.CRASHES, need, item, reason))
            elif exports.versions and need.version not in exports.versions:
                reason = f"{need.library} of the target does not define"
                problems.append(self._version_problem(Verdict.MISSING_SYMBOL, need, item, reason))
        return problems

    def _binds(self, item: Object, need: VersionNeed, exports: Exports) -> bool:
        """Whether a symbol in that version is looked up in a library without versions."""
        versioned = (ref for ref in item.file.dynamic.references if ref.version == need.version)
        return any(_matches(exports, ref) for ref in versioned)

    def _version_problem(self, trouble: Verdict, need: VersionNeed, item: Object, reason: str) -> Problem:
        tip = f"install the {need.library} that the wheel was built with, or one that is newer"
        if need.version.startswith("GLIBC_"):
            tip = "take a wheel that was built for an older glibc, or give the target a newer one"
        subject = f"version {need.version}"
        return Problem(trouble, subject, item.file.path, reason, tip, fatal=trouble is Verdict.CRASHES)

    def _exports_of(self, name: str) -> Exports | None:
        for item in self.objects:
            if name in item.names or name == item.file.dynamic.soname:
                return item.file.dynamic.exports
        return self.system.started.exports.get(name)

    def refuses_relative_relocations(self, item: Object) -> bool:
        """Whether it needs the symbol version by which a linker marks files with relative relocations."""
        return any(need.version == "GLIBC_ABI_DT_RELR" for need in item.file.dynamic.needed_versions)


def _matches(exports: Exports, reference: Reference) -> bool:
    """Whether a file defines a symbol in the requested version."""
    return any(reference.name in names for names in exports.defining(reference.version))
