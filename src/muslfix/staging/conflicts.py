"""Whether staged wheels can be moved to their destinations: nothing there may be in the way.

A file that is to come must not meet one that stays, unless that has the same content: then it is shared, as
by pip. It must not meet a directory, leave the layout through a link, or take the name of the interpreter.
Nothing is changed here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from muslfix.errors import FileConflict, MuslfixError, destination_errors, why
from muslfix.files.access import hash_file, is_there, kind_of
from muslfix.projects.project import scan_projects
from muslfix.staging.replaced import interpreter_files, is_below, owned_files, roots_of
from muslfix.staging.tree import StagedFile, StagedWheel
from muslfix.targets.schemes import Layout
from muslfix.transaction.directories import leads_to_directory


@destination_errors("the destination")
def find_conflicts(
    wheels: Iterable[StagedWheel], leaving: Iterable[str], layout: Layout, *, compiles: bool
) -> list[StagedWheel]:
    """Refuse wheels that would meet files of others.

    :param wheels: the wheels that shall come
    :param leaving: absolute paths of files that go before that
    :param layout: where the wheels will be moved to
    :param compiles: whether bytecode will come with them
    :return: the wheels; left out is what is there already, or comes with another one of them
    :raises FileConflict: if something is in the way
    :raises DestinationError: if that cannot be found out
    """
    going = frozenset(leaving)
    is_interpreters = interpreter_files(layout)
    coming: dict[str, StagedFile] = {}
    checked = []
    for wheel in wheels:
        directories = _Directories(wheel, going)
        left_out = set()
        for file in wheel.files.values():
            above, _, name = file.relative.rpartition("/")
            directory, is_old = directories.find(wheel.destination(file.scheme), above)
            path = os.path.join(directory, name)
            if is_interpreters(path):
                reason = f"belongs to the interpreter, and would come with {wheel.facts.name}"
                raise FileConflict(path, reason)
            twin = coming.setdefault(path, file)
            if twin is not file:
                _check_twin(path, twin, file, wheel)
                left_out.add(file.row.path)
            elif is_old and is_there(path) and path not in going:
                _check_same(path, file, wheel, layout)
                left_out.add(file.row.path)
        if compiles:
            _check_caches(wheel, directories)
        checked.append(replace(wheel, left_out=frozenset(left_out)))
    return checked


def _check_twin(path: str, twin: StagedFile, file: StagedFile, wheel: StagedWheel) -> None:
    """Two wheels may bring the same file: one of them does."""
    if twin.row.hash != file.row.hash:
        raise FileConflict(path, f"is in two of the wheels with different content, one is {wheel.facts.path}")


def _check_same(path: str, file: StagedFile, wheel: StagedWheel, layout: Layout) -> None:
    """A file that is to come may meet one that stays: the same content is shared, as by pip."""
    is_file = kind_of(path, follow_links=False) == stat.S_IFREG
    try:
        if is_file and file.row.has_hash and hash_file(path) == file.row.digest:
            return
    except OSError as error:
        reason = f"is in the way of {wheel.facts.name}, and its content cannot be compared ({why(error)})"
        raise FileConflict(path, reason, "move the file away") from error
    raise FileConflict(
        path,
        f"is in the way of {wheel.facts.name}: it belongs to {_owner(path, layout)}, and its content differs",
        tip="uninstall that first, or move the file away",
    )


def _owner(path: str, layout: Layout) -> str:
    for project in scan_projects(layout.site_directories).values():
        with suppress(MuslfixError):
            if path in owned_files(project, layout):
                return f"{project.title} {project.version}"
    return "no installed project"


def _check_caches(wheel: StagedWheel, directories: _Directories) -> None:
    """Bytecode needs a directory too. A file in it may be replaced: the target itself may have written it."""
    for source in wheel.sources():
        cache = os.path.join(os.path.dirname(source.relative), "__pycache__")
        directories.find(wheel.destination(source.scheme), cache)


class _Directories:
    """The directories that the files of a wheel will come to, each looked at once.

    :param wheel: the staged wheel
    :param going: absolute paths of files that go before it comes
    """

    def __init__(self, wheel: StagedWheel, going: Collection[str]) -> None:
        self._name = wheel.facts.name
        self._going = going
        self._roots = roots_of(wheel.layout)
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def find(self, destination: str, relative: str) -> tuple[str, bool]:
        """Refuse to need a directory where something else is, which stays, or to be led out by a link.

        :param relative: path of the directory below the destination
        :return: its path without links, and whether it is there: in one that is new nothing is in the way
        :raises FileConflict: as said
        """
        key = destination, relative
        if key not in self._known:
            above, _, name = relative.rpartition("/")
            if relative and not self.find(destination, above)[1]:
                self._known[key] = os.path.join(self._known[destination, above][0], name), False
            else:
                self._known[key] = self._look_at(os.path.realpath(os.path.join(destination, relative)))
        return self._known[key]

    def _look_at(self, directory: str) -> tuple[str, bool]:
        above = directory
        while not leads_to_directory(above):
            if is_there(above) and above not in self._going:
                raise FileConflict(above, f"is in the way of {self._name}, which needs a directory there")
            above = os.path.dirname(above)
        if not is_below(os.path.join(directory, ""), self._roots):
            raise FileConflict(
                directory, f"is reached through a link, and would receive files of {self._name}"
            )
        return directory, above == directory
