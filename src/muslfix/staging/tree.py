"""A wheel, unpacked beside its destination: where its files are, and what RECORD will say of them.

:class:`NewTree` is what :mod:`~muslfix.staging.unpack` writes into; :class:`StagedWheel` is what comes of it.
Each later step takes a :class:`StagedWheel` and returns another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from muslfix.errors import InvalidWheel, destination_errors
from muslfix.files.access import STAGING_PREFIX, write_new_file
from muslfix.record.rows import RecordRow, text_of_rows
from muslfix.report.report import ModuleReport
from muslfix.targets.schemes import Layout, for_project
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.metadata import WheelFacts
from muslfix.wheels.zip_names import ALIKE, about_alike, place_key


class StagedFile(NamedTuple):
    """A file in the staged tree.

    :param scheme: the scheme that it belongs to
    :param relative: its path below the directory of that scheme
    :param row: RECORD's row for it
    """

    scheme: str
    relative: str
    row: RecordRow

    @property
    def is_source(self) -> bool:
        """Whether it is a module that can be compiled."""
        return self.scheme in ("purelib", "platlib") and self.relative.endswith(".py")

    def beside(self, path: str, row: RecordRow) -> StagedFile:
        """Another file of the same scheme.

        :param path: its path, relative to the directory of this file
        :param row: RECORD's row for it
        """
        return StagedFile(self.scheme, os.path.join(os.path.dirname(self.relative), path), row)


@dataclass(frozen=True)
class StagedWheel:
    """A wheel in its staging directories. A value: a step that adds files returns another one.

    :param facts: what the wheel is
    :param layout: where it will be moved to
    :param directories: for each destination directory the staging directory that holds what belongs there
    :param files: its files by their path in RECORD; RECORD itself is listed, and written last
    :param modules: what was found out about its extension modules
    :param left_out: paths of files that are not moved, since the same content is there or comes anyway
    :param warnings: what is odd about its files, each a sentence
    """

    facts: WheelFacts
    layout: Layout
    directories: Mapping[str, str]
    files: Mapping[str, StagedFile]
    modules: tuple[ModuleReport, ...] = ()
    left_out: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    def destination(self, scheme: str) -> str:
        """The directory of a scheme on this machine."""
        return str(getattr(self.layout.scheme, scheme))

    def seen(self, file: StagedFile) -> str:
        """The path of a file as the target will see it."""
        return os.path.join(getattr(self.layout.seen, file.scheme), file.relative)

    def locate(self, path: str) -> str:
        """Where a file is now, or where a new one beside a file of the wheel belongs.

        :param path: as RECORD spells it
        """
        file = self.files.get(path)
        if file is not None:
            return self._place(file)
        directory, name = os.path.split(path)
        return os.path.join(self._places[directory], name)

    def _place(self, file: StagedFile) -> str:
        return os.path.join(self.directories[self.destination(file.scheme)], file.relative)

    @cached_property
    def _places(self) -> dict[str, str]:
        """Where each directory is, by its path in RECORD."""
        return {
            os.path.dirname(path): os.path.dirname(self._place(file)) for path, file in self.files.items()
        }

    def sources(self) -> list[StagedFile]:
        """Its modules that can be compiled."""
        return [file for file in self.files.values() if file.is_source]

    def with_files(self, files: Iterable[StagedFile]) -> StagedWheel:
        """The same wheel with more files, which are written already."""
        return replace(self, files={**self.files, **{file.row.path: file for file in files}})

    def with_metadata(self, name: str, content: bytes) -> StagedWheel:
        """The same wheel with another file in its ``.dist-info``, which this writes.

        :raises InvalidWheel: if the wheel has such a file
        :raises OSError: if it cannot be written
        """
        path = f"{self.facts.dist_info}/{name}"
        file = StagedFile(self.facts.root_scheme, path, RecordRow.listed(path))
        place = self._place(file)
        if path in self.files or os.path.lexists(place):  # or one that the file system takes for it
            raise twins(self.facts, path)
        row = RecordRow.of(path, *write_new_file(place, [content], executable=False))
        return self.with_files([file._replace(row=row)])


def write_record(wheel: StagedWheel) -> StagedWheel:
    """Complete a staged wheel: write its RECORD, from what was written.

    :raises DestinationError: if it cannot be written
    """
    # As installer from 1.0 on sorts them: what is reproducible is easier to compare.
    text = text_of_rows(sorted(file.row for file in wheel.files.values()))
    with destination_errors(wheel.layout.scheme.platlib):
        path = wheel.locate(f"{wheel.facts.dist_info}/RECORD")
        write_new_file(path, [text.encode()], executable=False)
    return wheel


class _Directory(NamedTuple):
    """A directory of the staged tree.

    :param place: where it is, with a ``/`` at the end
    :param record: how the paths of its files begin in RECORD
    """

    place: str
    record: str


class NewTree:
    """A staged tree that is being written: each file is claimed before, so that none has two contents.

    Whether names that differ in case or composition are two places is for the file system to say: it is asked
    in the staging directory, which is on the destination's (in a rehearsal on another one).

    :param facts: of the wheel
    :param layout: where it will be moved to
    :param transaction: gives the staging directories
    """

    def __init__(self, facts: WheelFacts, layout: Layout, transaction: Transaction) -> None:
        self._facts = facts
        self._layout = for_project(layout, facts.key)
        self._transaction = transaction
        #: For each destination directory the staging directory that holds what belongs there.
        self.directories: dict[str, str] = {}
        # Each directory by its scheme and its path in that.
        self._known: dict[tuple[str, str], _Directory] = {}
        # Its files and directories, as RECORD spells them, whichever scheme they come from; and one of those
        # that some file system takes for one place, by what is the same for all of these.
        self._files: set[str] = set()
        self._made: set[str] = set()
        self._alike: dict[str, str] = {}
        #: What is odd about them, each a sentence.
        self.warnings: list[str] = []

    def claim(self, scheme: str, relative: str) -> tuple[str | None, str]:
        """Note that a file will be written; the directories of two schemes can be one, or one in the other.

        :param relative: its path below the directory of the scheme
        :return: where it is to be written, its directory being there, or ``None`` if another file of the
            wheel has that place; and its path in RECORD
        :raises InvalidWheel: if another file needs a directory there
        :raises OSError: if its directory cannot be made
        """
        above, _, name = relative.rpartition("/")
        directory = self._directory(scheme, above)
        path = directory.record + name
        if path in self._files:
            return None, path
        if path in self._made:
            raise twins(self._facts, path)
        self._note_alike(path, directory.place)
        self._files.add(path)
        return directory.place + name, path

    def finish(self, files: Iterable[StagedFile]) -> StagedWheel:
        """The wheel with the files that were written.

        :raises InvalidWheel: if one of them has the place of RECORD
        :raises OSError: if the directory of RECORD cannot be made
        """
        scheme, relative = self._facts.root_scheme, f"{self._facts.dist_info}/RECORD"
        if relative in self._files:
            raise twins(self._facts, relative)
        self._note_alike(relative, self._directory(scheme, self._facts.dist_info).place)
        listed = (*files, StagedFile(scheme, relative, RecordRow.listed(relative)))
        by_path = {file.row.path: file for file in listed}
        directories, warnings = dict(self.directories), tuple(self.warnings)
        return StagedWheel(self._facts, self._layout, directories, by_path, warnings=warnings)

    def _directory(self, scheme: str, relative: str) -> _Directory:
        """A directory of the staged tree, made when it is first asked for."""
        directory = self._known.get((scheme, relative))
        if directory is None:
            directory = self._known[scheme, relative] = self._make_directory(scheme, relative)
        return directory

    def _make_directory(self, scheme: str, relative: str) -> _Directory:
        destination = str(getattr(self._layout.scheme, scheme))
        root = str(getattr(self._layout.scheme, self._facts.root_scheme))
        record = relative
        if destination != root:
            record = os.path.relpath(os.path.join(destination, relative), root)
            record = "" if record == "." else record
        if relative:
            above, _, name = relative.rpartition("/")
            place = self._directory(scheme, above).place + name
        else:
            if destination not in self.directories:
                self.directories[destination] = self._transaction.staging_directory(destination)
            place = self.directories[destination]
        self._note_directory(record, os.path.dirname(place) if relative else place)
        with suppress(FileExistsError):  # another scheme has it too
            os.mkdir(place)
        return _Directory(place + "/", record and record + "/")

    def _note_directory(self, path: str, beside: str) -> None:
        """Note a directory, and those above it.

        :param path: as RECORD spells it
        :param beside: a directory on the file system where it will be
        """
        while path and path not in self._made:
            if path in self._files:
                raise twins(self._facts, path)
            self._note_alike(path, beside, is_directory=True)
            self._made.add(path)
            path = os.path.dirname(path)

    def _note_alike(self, path: str, directory: str, *, is_directory: bool = False) -> None:
        """Refuse what the file system would take for another place of the wheel; warn of what others would.

        :param path: of a file or a directory, as RECORD spells it
        :param directory: where to try it
        """
        other = self._alike.setdefault(place_key(path), path)
        if other == path or (is_directory and other in self._made):
            return
        if not _keeps_apart(directory, path, other):
            raise twins(self._facts, path, other)
        if not any(ALIKE in sentence for sentence in (*self._facts.warnings, *self.warnings)):
            self.warnings.append(about_alike(path, other))


def _keeps_apart(directory: str, path: str, other: str) -> bool:
    """Whether two paths that differ in case or composition are two places.

    :param directory: on their file system, and without any of their names
    """
    for one, two in zip(path.split("/"), other.split("/")):
        if one != two:
            trial = os.path.join(directory, f"{STAGING_PREFIX}trial")
            os.makedirs(os.path.join(trial, one))
            try:
                if not os.path.lexists(os.path.join(trial, two)):
                    return True
            finally:
                os.rmdir(os.path.join(trial, one))
                os.rmdir(trial)
    return False


def twins(facts: WheelFacts, path: str, other: str = "") -> InvalidWheel:
    """The refusal of two files for one place.

    :param other: another name for the same place
    """
    same = f", which the file system takes for {other!a:.200}" if other else ""
    return InvalidWheel(facts.path, f"has two files for {path!a:.200}{same}")
