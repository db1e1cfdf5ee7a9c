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
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import InvalidWheel, destination_errors
from muslfix.files import write_new_file
from muslfix.record.rows import RecordRow, text_of_rows
from muslfix.targets.schemes import Layout, for_project
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.metadata import WheelFacts
from muslfix.wheels.zip_names import place_key

if TYPE_CHECKING:
    from muslfix.report.report import ModuleReport


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

    @property
    def root_scheme(self) -> str:
        """The scheme that the ``.dist-info`` belongs to."""
        return _root_scheme(self.facts)

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

    @property
    def has_sources(self) -> bool:
        """Whether it has modules that can be compiled."""
        return any(file.is_source for file in self.files.values())

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
        beside = self.facts.dist_info + "/"
        for other in self.files:
            if other.startswith(beside) and place_key(other) == place_key(path):
                raise _twins(self.facts, path, other)
        file = StagedFile(self.root_scheme, path, RecordRow.listed(path))
        row = RecordRow.of(path, *write_new_file(self._place(file), [content], executable=False))
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

    :param facts: of the wheel
    :param layout: where it will be moved to
    :param transaction: gives the staging directories
    """

    def __init__(self, facts: WheelFacts, layout: Layout, transaction: Transaction) -> None:
        self._facts = facts
        self._layout = for_project(layout, facts.key)
        self._transaction = transaction
        self._directories: dict[str, str] = {}
        # Each directory by its scheme and its path in that.
        self._known: dict[tuple[str, str], _Directory] = {}
        # What it will hold, as RECORD spells it, whichever scheme it comes from; by what is the same for
        # names that some file system takes for one.
        self._claimed_files: dict[str, str] = {}
        self._claimed_directories: dict[str, str] = {}

    def claim(self, scheme: str, relative: str) -> tuple[str, str]:
        """Note that a file will be written; the directories of two schemes can be one, or one in the other.

        :param relative: its path below the directory of the scheme
        :return: where it is to be written, its directory being there; and its path in RECORD
        :raises InvalidWheel: if another file of the wheel has that place, or needs a directory there
        :raises OSError: if its directory cannot be made
        """
        above, _, name = relative.rpartition("/")
        directory = self._directory(scheme, above)
        path = directory.record + name
        key = place_key(path)
        other = self._claimed_files.get(key, self._claimed_directories.get(key))
        if other is not None:
            raise _twins(self._facts, path, other)
        self._claimed_files[key] = path
        return directory.place + name, path

    def finish(self, files: Iterable[StagedFile]) -> StagedWheel:
        """The wheel with the files that were written.

        :raises InvalidWheel: if one of them has the place of RECORD
        :raises OSError: if the directory of RECORD cannot be made
        """
        scheme, relative = _root_scheme(self._facts), f"{self._facts.dist_info}/RECORD"
        self._directory(scheme, self._facts.dist_info)
        if self._claimed_files.get(place_key(relative)) == relative:  # a "record" beside it may come along
            raise _twins(self._facts, relative, relative)
        listed = (*files, StagedFile(scheme, relative, RecordRow.listed(relative)))
        by_path = {file.row.path: file for file in listed}
        return StagedWheel(self._facts, self._layout, dict(self._directories), by_path)

    def _directory(self, scheme: str, relative: str) -> _Directory:
        """A directory of the staged tree, made when it is first asked for."""
        directory = self._known.get((scheme, relative))
        if directory is None:
            directory = self._known[scheme, relative] = self._make_directory(scheme, relative)
        return directory

    def _make_directory(self, scheme: str, relative: str) -> _Directory:
        destination = str(getattr(self._layout.scheme, scheme))
        root = str(getattr(self._layout.scheme, _root_scheme(self._facts)))
        record = relative
        if destination != root:
            record = os.path.relpath(os.path.join(destination, relative), root)
            record = "" if record == "." else record
        self._claim_directory(record)
        if relative:
            above, _, name = relative.rpartition("/")
            place = self._directory(scheme, above).place + name
            with suppress(FileExistsError):  # another scheme has it too
                os.mkdir(place)
        else:
            if destination not in self._directories:
                self._directories[destination] = self._transaction.staging_directory(destination)
            place = self._directories[destination]
        return _Directory(place + "/", record and record + "/")

    def _claim_directory(self, path: str) -> None:
        """Note a directory, and those above it.

        :param path: as RECORD spells it
        """
        while path and (key := place_key(path)) not in self._claimed_directories:
            if key in self._claimed_files:
                raise _twins(self._facts, path, self._claimed_files[key])
            self._claimed_directories[key] = path
            path = os.path.dirname(path)


def _root_scheme(facts: WheelFacts) -> str:
    return "purelib" if facts.root_is_purelib else "platlib"


def _twins(facts: WheelFacts, path: str, other: str) -> InvalidWheel:
    same = "" if path == other else f", which some take for {other!r:.200}"
    return InvalidWheel(facts.path, f"has two files for {path!r:.200}{same}")
