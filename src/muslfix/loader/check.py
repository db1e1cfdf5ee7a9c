"""The load check of one run: what the loader of the target will do with the files of each project."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property

from muslfix.elf.dynamic import Image
from muslfix.errors import InvalidTarget
from muslfix.loader.dlopen import TOO_MANY, check_load
from muslfix.loader.facts import Files, LoadedFile, LoadResult, System
from muslfix.loader.files import ElfImages, OverlaidFiles, TargetFiles
from muslfix.loader.system import exported_symbols, system_of
from muslfix.targets.paths import paths_of
from muslfix.targets.target import Target

#: From the path of a file, as RECORD spells it, to what the loader will do with it.
Loads = Callable[[str], LoadResult]

#: From the path of a file, as RECORD spells it, to where it is on this machine.
Locate = Callable[[str], str]

# After so many modules for which too much would have to be looked for, none is looked at any more.
_MOST_TOO_MANY = 20

# Where the files of a wheel are taken to be, if the target does not tell its own directory.
_SITE = "/site-packages"


class LoadCheck:
    """The loader of a target, set up once for all projects of a run.

    :param target: the Python that will import
    :param root: a directory that the target will see as ``/``; ``None``: the tree that it was read from
    :param directories: those of this machine that may be read although the target is not this machine
    :param strict: whether a module that needs what is missing is refused
    """

    def __init__(
        self,
        target: Target,
        root: str | None = None,
        directories: Sequence[str] = (),
        *,
        strict: bool = False,
    ) -> None:
        #: The files of this machine, each read once.
        self.images = ElfImages()
        self._paths = paths_of(target, root)
        is_elsewhere = root is not None or target.tree is not None
        self._is_at_hand = os.path.isdir(self._paths.tree.directory) if is_elsewhere else target.runs_here
        self._target = target
        #: See the class.
        self.is_strict = strict
        self._directories = tuple(os.path.join(os.path.abspath(directory), "") for directory in directories)
        self._too_many = 0
        self._files = TargetFiles(self.images, self._locate)

    @cached_property
    def system(self) -> System:
        """How the loader is set up; found out when first needed."""
        target = self._target
        if target.program is None and target.executable is not None and self._is_at_hand:
            with suppress(InvalidTarget):  # links lead out of the tree: then it is not known
                target = replace(target, program=self._paths.resolve(target.executable))
        return system_of(target, self._files)

    def with_symbols(self) -> Target:
        """The target with the symbols that its interpreter exports, for a machine without its files.

        :raises InvalidTarget: if they cannot be read
        """
        symbols = exported_symbols(self.system, self._files)
        return replace(self._target, symbols=tuple(symbols.items()))

    def _locate(self, path: str) -> str | None:
        """Where a file of the target is on this machine, or ``None`` where it cannot be looked at."""
        if self._is_at_hand:
            try:
                return self._paths.locate(path)
            except InvalidTarget:  # it leads out of the tree, or nowhere
                return None
        return path if os.path.normpath(path).startswith(self._directories) else None

    def on_disk(self, locate: Locate) -> Loads:
        """The check of a project that is where the target will import it.

        :param locate: from a path as RECORD spells it to where it is on this machine
        """

        def loads(path: str) -> LoadResult:
            here = locate(path)
            return self._check(self._paths.seen(here) or here, self._files)

        return loads

    def staged(self, site: str, coming: Mapping[str, str], leaving: Collection[str] = ()) -> Loads:
        """The check of a wheel that is unpacked beside its destination.

        :param site: the directory that RECORD's paths begin at, as the target will see it
        :param coming: where the files of all wheels of the run are now, by the path that the target will see
        :param leaving: the files on this machine that go before these come; absolute, no link on the way
        """

        def overlay(path: str) -> LoadedFile | None:
            if path not in coming:
                return None
            try:
                return LoadedFile(path, *self.images.open(coming[path]))
            except OSError:
                return None

        gone = frozenset(leaving)

        @cache
        def is_leaving(path: str) -> bool:
            return bool(gone) and not gone.isdisjoint(self._places(path))

        return self._over(overlay, site.rstrip("/") + "/", is_leaving)

    def _places(self, path: str) -> set[str]:
        """Where a file of the target is on this machine, by its own name and, if it is a link, by another."""
        directory, name = os.path.split(path)
        above, itself = self._locate(directory), self._locate(path)
        named = set() if above is None else {os.path.join(os.path.realpath(above), name)}
        return named if itself is None else {*named, os.path.realpath(itself)}

    def in_wheel(self, image_of: Callable[[str], Image | str | None]) -> Loads:
        """The check of a wheel that is not unpacked.

        :param image_of: what is in a file, by its path as RECORD spells it, or the reason why it is not an
            ELF file; ``None`` if the wheel has no such file
        """
        scheme = self._target.scheme
        prefix = (_SITE if scheme is None else scheme.platlib).rstrip("/") + "/"

        def overlay(path: str) -> LoadedFile | None:
            image = image_of(path[len(prefix) :]) if path.startswith(prefix) else None
            return None if image is None else LoadedFile(path, path, image)

        return self._over(overlay, prefix, lambda _: False)

    def _over(
        self, overlay: Callable[[str], LoadedFile | None], prefix: str, is_leaving: Callable[[str], bool]
    ) -> Loads:
        files = OverlaidFiles(self._files, overlay, is_leaving)
        return lambda path: self._check(os.path.normpath(prefix + path), files)

    def _check(self, path: str, files: Files) -> LoadResult:
        if self._too_many >= _MOST_TOO_MANY:
            return LoadResult(unknown=(f"{path} was not looked at, since others {TOO_MANY}",))
        result = check_load(path, self.system, files)
        self._too_many += any(sentence.endswith(TOO_MANY) for sentence in result.unknown)
        return result._replace(strict=self.is_strict)
