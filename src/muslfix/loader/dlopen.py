"""What the loader of a target will do with an extension module: :func:`check_load`.

It follows musl's loader (https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c) and glibc's
(https://sourceware.org/git/?p=glibc.git;a=tree;f=elf: ``dl-load.c``, ``dl-version.c``, ``dl-lookup.c``)
through what ``dlopen`` with immediate binding does in a process that has just been started. Their
differences are in :mod:`muslfix.loader.musl` and :mod:`muslfix.loader.glibc`. Files are opened through
:class:`~muslfix.loader.facts.Files`.

Not modelled, since they cannot be known beforehand: ``LD_LIBRARY_PATH``, ``LD_PRELOAD``, and libraries that
happen to be loaded already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from muslfix.elf.symbols import Reference, References
from muslfix.errors import few
from muslfix.loader.facts import Absence, Files, LoadedFile, LoadResult, Problem, Started, System
from muslfix.loader.glibc import GlibcRules
from muslfix.loader.musl import MuslRules
from muslfix.loader.oddities import trouble_with
from muslfix.loader.rules import OF_PYTHON, REBUILD, RELR_SINCE, Object, Rules
from muslfix.loader.thread_local import thread_local_trouble
from muslfix.loader.time_t import TimeT, time_t_of
from muslfix.suffix import Libc
from muslfix.verdicts import LOADER_VERDICTS, Verdict

# Names and paths that are looked for because of one module; real ones take some hundred.
_MOST_LOOK_UPS = 10_000

#: What is said of a module for which too much would have to be looked for.
TOO_MANY = f"and its libraries name more than {_MOST_LOOK_UPS} libraries and places to look for them"

# Files in a process; what is done for one can take a time that grows with the number of the others.
_MOST_LOADED = 1000
# Missing symbols of one file that are named.
_MOST_SYMBOLS = 1000

# With one of these a library is not loaded, and what it defines is not there.
_NOT_LOADED = (Verdict.MISSING_LIBRARY, Verdict.FOREIGN_LIBRARY)


def check_load(path: str, system: System, files: Files) -> LoadResult:
    """Predict what ``dlopen`` with immediate binding does with a module.

    :param path: of the module, as the target names it, absolute
    :param system: the loader and its settings
    :param files: what it can open
    """
    try:
        return _Process(system, files).load(path)
    except _TooMany:
        return LoadResult(unknown=(f"{path} {TOO_MANY}",))


def start(path: str, system: System, files: Files) -> Started:
    """The files that a process has loaded once its program has started.

    :param path: of the program's ELF file, links resolved
    :param system: with nothing started
    """
    process = _Process(system, files)
    try:
        process.open(path)
    except _TooMany:
        return Started()
    libc = files.open(system.loader) if system.libc is Libc.MUSL and system.loader else None
    loaded = [item.file for item in process.objects if item.file.identity != process.rules.libc_identity]
    return Started(
        program=loaded[0] if loaded else None,
        libraries=tuple(loaded[1:]),
        libc=libc if isinstance(libc, LoadedFile) else None,
    )


class _TooMany(Exception):
    """A module needs more libraries, or in more directories, than are looked for."""


class _CountedFiles:
    """Files of which only so many are looked for: names and search paths multiply.

    :param files: where they are looked for
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._left = _MOST_LOOK_UPS

    def open(self, path: str) -> LoadedFile | Absence:
        """See :class:`~muslfix.loader.facts.Files`.

        :raises _TooMany: if there are too many
        """
        self.count()
        return self._files.open(path)

    def count(self) -> None:
        """Count one thing that is looked for.

        :raises _TooMany: if there are too many
        """
        self._left -= 1
        if self._left < 0:
            raise _TooMany


class _Process:
    """One process: what it has loaded so far, and what went wrong."""

    def __init__(self, system: System, files: Files) -> None:
        self.system = system
        rules = MuslRules if system.libc is Libc.MUSL else GlibcRules
        self._files = _CountedFiles(files)
        self.rules: Rules = rules(system, self._files)
        self.objects = self.rules.objects
        self._first_new = self.rules.started_count
        self._problems: list[Problem] = []
        self._unknown: dict[str, None] = {}

    @property
    def _new(self) -> list[Object]:
        return self.objects[self._first_new :]

    def load(self, path: str) -> LoadResult:
        if not self.open(path):
            return LoadResult(unknown=(f"{path} cannot be looked at",))
        self._judge()
        problems = sorted(self._problems, key=lambda problem: LOADER_VERDICTS.index(problem.trouble))
        return LoadResult(
            tuple(item.file.path for item in self._new),
            tuple(dict.fromkeys(problems)),
            tuple(self._unknown),
            times=tuple(self._times()) if self.system.libc is Libc.MUSL else (),
            init_functions=self._init_functions(),
        )

    def _init_functions(self) -> frozenset[str]:
        """Those of the libraries of the module, where ``dlsym`` looks after the module itself."""
        images = (item.file.image for item in self._new[1:])
        return frozenset(
            name for image in images if not isinstance(image, str) for name in image.facts.init_functions
        )

    def _times(self) -> Iterator[tuple[str, TimeT]]:
        for item in self._new:
            image = item.file.image
            found = None if isinstance(image, str) else time_t_of(image)
            if found is not None:
                yield item.file.path, found

    def open(self, path: str) -> bool:
        """Load a file with all that it needs.

        :return: whether the file can be read
        """
        opened = self.rules.files.open(path)
        if isinstance(opened, Absence):
            return False
        program = self.objects[0] if self.objects else None
        self._add(Object(opened, program, {path}), needed_by="")
        for item in self.rules.breadth_first(self._first_new):
            for name in item.file.dynamic.needed:
                self._need(name, item)
        return True

    def _need(self, name: str, needed_by: Object) -> None:
        self._files.count()
        found = self.rules.find(name, needed_by)
        self._problems += found.problems
        for sentence in found.unknown:
            self._unknown[sentence] = None
        if isinstance(found.found, LoadedFile):
            self._add(Object(found.found, needed_by, {name}), needed_by.file.path)

    def _add(self, item: Object, needed_by: str) -> None:
        """Load a file, unless a loader would refuse it."""
        image, path = item.file.image, item.file.path
        if isinstance(image, str):
            self._problems.append(
                Problem(Verdict.MISSING_LIBRARY, path, needed_by, image, "put the library itself there")
            )
            return
        facts = image.facts
        other_libc = facts.libcs - {self.system.libc}
        if facts.machine != self.system.machine or other_libc:
            which = f"linked to {' and '.join(sorted(facts.libcs))}" if other_libc else f"for {facts.machine}"
            what = f"is {which}, and the target is {self.system.libc} on {self.system.machine}"
            self._problems.append(Problem(Verdict.FOREIGN_LIBRARY, path, needed_by, what, REBUILD))
            return
        if isinstance(image.dynamic, str):
            reason = f"is damaged: it {image.dynamic}"
            self._problems.append(Problem(Verdict.CRASHES, path, needed_by, reason, REBUILD, fatal=True))
            return
        if len(self.objects) >= _MOST_LOADED:
            raise _TooMany
        self.objects.append(item)

    def _judge(self) -> None:
        for item in self._new:
            self._check_relative_relocations(item)
        # What is missing could define any symbol.
        is_missing = any(problem.trouble in _NOT_LOADED for problem in self._problems)
        complete = not is_missing and not self._unknown
        for item in self._new:
            self._problems += self.rules.missing_versions(item)
            self._check_symbols(item, complete=complete)
            self._note(trouble_with(item, self.rules))
        self._note(thread_local_trouble(self.rules, self._new))

    def _note(self, troubles: Iterable[Problem | str]) -> None:
        for trouble in troubles:
            if isinstance(trouble, Problem):
                self._problems.append(trouble)
            else:
                self._unknown[trouble] = None

    def _check_relative_relocations(self, item: Object) -> None:
        since, version = RELR_SINCE[self.system.libc], self.system.version
        if not item.file.dynamic.has_relative_relocations:
            return
        number = ".".join(map(str, since))
        if version is None:
            sentence = (
                f"{item.file.path} uses relative relocations, which {self.system.libc} knows from {number} on"
            )
            self._unknown[f"{sentence}; the target's version is not known"] = None
        elif version < since and not self.rules.refuses_relative_relocations(item):
            reason = (
                f"uses relative relocations (DT_RELR), which {self.system.libc} knows from {number} on,"
                f" and the target has {'.'.join(map(str, version))}"
            )
            tip = f"give the target {self.system.libc} {number}, or {REBUILD}"
            self._problems.append(Problem(Verdict.CRASHES, item.file.path, "", reason, tip, fatal=True))

    def _check_symbols(self, item: Object, *, complete: bool) -> None:
        dynamic = item.file.dynamic
        lost = map(Reference, dynamic.lost.get(self.system.libc, ()))
        missing = self._undefined(dynamic.references)
        missing += [reference for reference in lost if self.rules.provider(reference) in (None, item)]
        for reference in missing[:_MOST_SYMBOLS]:
            since = self.rules.brought_by(reference)
            if since is not None or (complete and self.rules.lacks(reference)):
                self._problems.append(self._missing_symbol(reference, item, since))
        doubtful = [reference for reference in missing if complete and not self.rules.lacks(reference)]
        if doubtful:
            names = few([*map(str, doubtful)], 3)
            why = self.rules.why_not_known(doubtful[0])
            self._unknown[f"whether the target defines {names} is not known: {why}"] = None

    def _undefined(self, references: References) -> list[Reference]:
        """The references that must be defined and are not."""
        found = {
            version: self.rules.undefined(names, version) for version, names in references.needed.items()
        }
        if not any(found.values()):
            return []
        return [one for one in references if not one.weak and one.name in found[one.version]]

    def _missing_symbol(self, reference: Reference, item: Object, since: str | None) -> Problem:
        reason = "no file that is loaded defines"
        if since is not None:
            reason += f"; {self.system.libc} has it from {since} on"
            tip = f"give the target {self.system.libc} {since}, or {REBUILD}"
        elif OF_PYTHON.match(reference.name):
            tip = "it is a symbol of Python itself: take a wheel that was built for this version of Python"
        else:
            aside = self.rules.about_nobodys(reference)
            reason += f"; {aside}" if aside else ""
            tip = (
                "take another version of the wheel, or build it from source with the library that defines"
                f" {reference.name}"
            )
        return Problem(Verdict.MISSING_SYMBOL, str(reference), item.file.path, reason, tip)
