"""A wheel, unpacked beside its destination: where its files are, and what RECORD will say of them.

:mod:`~muslfix.staging.unpack` fills it. RECORD is written last, when all that muslfix adds is there too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from muslfix.errors import InvalidWheel
from muslfix.files import TRACE, write_new_file
from muslfix.record import RecordRow, text_of_rows
from muslfix.targets.schemes import Layout, for_project
from muslfix.targets.target import Target
from muslfix.wheels.wheel import Wheel
from muslfix.wheels.zip_names import place_key

if TYPE_CHECKING:
    from muslfix.projects.trace import Change


class StagedFile(NamedTuple):
    """A file in the staged tree.

    :param scheme: the scheme that it belongs to
    :param relative: its path below the folder of that scheme
    :param row: RECORD's row for it
    """

    scheme: str
    relative: str
    row: RecordRow

    @property
    def is_source(self) -> bool:
        """Whether it is a module that can be compiled."""
        return self.scheme in ("purelib", "platlib") and self.relative.endswith(".py")


class SourceFile(NamedTuple):
    """A module in the staged tree that can be compiled.

    :param file: the file
    :param place: where it is
    :param seen: its path as the target will see it
    """

    file: StagedFile
    place: str
    seen: str


class _Folder(NamedTuple):
    """A folder of the staged tree.

    :param place: where it is, with a ``/`` at the end
    :param record: how the paths of its files begin in RECORD
    """

    place: str
    record: str


class StagedWheel:
    """A wheel in its staging folders, ready to be fixed and moved to its destination.

    :param wheel: what is staged; of it the tree keeps the facts
    :param layout: where it will be moved to
    :param open_folder: gives a new folder on the file system of a path
    """

    def __init__(self, wheel: Wheel, layout: Layout, open_folder: Callable[[str], str]) -> None:
        self.facts = wheel.facts
        self.layout = for_project(layout, wheel.facts.key)
        self.root_scheme = "purelib" if wheel.facts.root_is_purelib else "platlib"
        #: Its files by their path in RECORD.
        self.files: dict[str, StagedFile] = {}
        #: The SHA-256 of the wheel file, in hexadecimal.
        self.sha256 = ""
        #: For each destination folder the staging folder that holds what belongs there.
        self.folders: dict[str, str] = {}
        self._open_folder = open_folder
        # Each folder by its scheme and its path in that, and where it is by its path in RECORD.
        self._known: dict[tuple[str, str], _Folder] = {}
        self._places: dict[str, str] = {}
        # What it will hold, as RECORD spells it, whichever scheme it comes from; by what is the same for
        # names that some file system takes for one.
        self._claimed_files: dict[str, str] = {}
        self._claimed_folders: dict[str, str] = {}

    def destination(self, scheme: str) -> str:
        """The folder of a scheme on this machine."""
        return str(getattr(self.layout.scheme, scheme))

    def locate(self, path: str) -> str:
        """Where a file is now, or where a new one beside a file of the wheel belongs.

        :param path: as RECORD spells it
        """
        file = self.files.get(path)
        if file is not None:
            return os.path.join(self.folders[self.destination(file.scheme)], file.relative)
        folder, _, name = path.rpartition("/")
        return os.path.join(self._places[folder], name)

    def place_for(self, scheme: str, relative: str) -> str:
        """Where a file is to be staged; its folder is made.

        :param relative: its path below the folder of the scheme
        """
        folder, _, name = relative.rpartition("/")
        return self._folder(scheme, folder).place + name

    def record_path(self, scheme: str, relative: str) -> str:
        """How RECORD spells a path: relative to the folder that holds the ``.dist-info``."""
        folder, _, name = relative.rpartition("/")
        return self._folder(scheme, folder).record + name

    def claim(self, scheme: str, relative: str) -> tuple[str, str]:
        """Note that a file will be written; the folders of two schemes can be one, or one in the other.

        :return: :meth:`place_for` it, and its :meth:`record_path`
        :raises InvalidWheel: if another file of the wheel has that place, or needs a folder there
        """
        above, _, name = relative.rpartition("/")
        folder = self._folder(scheme, above)
        path = folder.record + name
        key = place_key(path)
        if key in self._claimed_files or key in self._claimed_folders:
            self._refuse_twin(path, self._claimed_files.get(key, self._claimed_folders.get(key)))
        self._claimed_files[key] = path
        return folder.place + name, path

    def _folder(self, scheme: str, relative: str) -> _Folder:
        """A folder of the staged tree, made when it is first asked for."""
        folder = self._known.get((scheme, relative))
        if folder is None:
            folder = self._known[scheme, relative] = self._make_folder(scheme, relative)
        return folder

    def _make_folder(self, scheme: str, relative: str) -> _Folder:
        destination, root = self.destination(scheme), self.destination(self.root_scheme)
        record = relative
        if destination != root:
            record = os.path.relpath(os.path.join(destination, relative), root)
            record = "" if record == "." else record
        self._claim_folder(record)
        if relative:
            above, _, name = relative.rpartition("/")
            place = self._folder(scheme, above).place + name
            with suppress(FileExistsError):  # another scheme has it too
                os.mkdir(place)
        else:
            if destination not in self.folders:
                self.folders[destination] = self._open_folder(destination)
            place = self.folders[destination]
        self._places[record] = place
        return _Folder(place + "/", record and record + "/")

    def _claim_folder(self, path: str) -> None:
        """Note a folder, and those above it.

        :param path: as RECORD spells it
        """
        while path and (key := place_key(path)) not in self._claimed_folders:
            self._refuse_twin(path, self._claimed_files.get(key))
            self._claimed_folders[key] = path
            path = os.path.dirname(path)

    def _refuse_twin(self, path: str, other: str | None) -> None:
        if other is not None:
            same = "" if path == other else f", which some take for {other!r:.200}"
            raise InvalidWheel(self.facts.path, f"has two files for {path!r:.200}{same}")

    def enter(self, scheme: str, relative: str, row: RecordRow) -> None:
        """Note a file that has been written."""
        self.files[row.path] = StagedFile(scheme, relative, row)

    def add(self, scheme: str, relative: str, content: bytes, *, executable: bool = False) -> None:
        """Write a file that the wheel does not have."""
        place, path = self.claim(scheme, relative)
        digest, size = write_new_file(place, [content], executable=executable)
        self.enter(scheme, relative, RecordRow.of(path, digest, size))

    def change(self, changes: tuple[Change, ...], target: Target) -> None:
        """Note the names that modules were given, and leave a trace of them in the ``.dist-info``."""
        if not changes:
            return
        from muslfix.projects.trace import changed_rows, trace_to_json

        before, old_of = self.files, {change.new: change.old for change in changes}
        self.files = {}
        for row in changed_rows([file.row for file in before.values()], changes):
            origin = before[old_of.get(row.path, row.path)]
            folder = os.path.dirname(origin.relative)
            self.enter(origin.scheme, os.path.join(folder, os.path.basename(row.path)), row)
        self.add(self.root_scheme, f"{self.facts.dist_info}/{TRACE}", trace_to_json(changes, target).encode())

    @property
    def has_sources(self) -> bool:
        """Whether it has modules that can be compiled."""
        return any(file.is_source for file in self.files.values())

    def sources(self) -> list[SourceFile]:
        """Its modules that can be compiled."""
        return [
            SourceFile(
                file,
                self.place_for(file.scheme, file.relative),
                os.path.join(getattr(self.layout.seen, file.scheme), file.relative),
            )
            for file in self.files.values()
            if file.is_source
        ]

    def enter_bytecode(self, source: SourceFile, path: str) -> None:
        """Note the bytecode of a module; RECORD lists it without a hash, as pip does.

        :param path: where it is
        """
        scheme = source.file.scheme
        relative = path[len(self.folders[self.destination(scheme)]) + 1 :]
        self.enter(scheme, relative, RecordRow.listed(self.record_path(scheme, relative)))

    def write_record(self) -> None:
        """Write RECORD, from what was written."""
        relative = f"{self.facts.dist_info}/RECORD"
        self.enter(self.root_scheme, relative, RecordRow.listed(relative))
        # As installer from 1.0 on sorts them: what is reproducible is easier to compare.
        text = text_of_rows(sorted(file.row for file in self.files.values()))
        write_new_file(self.place_for(self.root_scheme, relative), [text.encode()], executable=False)


def direct_url(path: str, sha256: str) -> bytes:
    """The content of ``direct_url.json`` for a wheel that was installed from a file.

    Specification: https://packaging.python.org/en/latest/specifications/direct-url-data-structure/

    :param path: of the wheel
    :param sha256: of the wheel, in hexadecimal
    """
    from urllib.parse import quote

    archive = {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}
    return json.dumps(
        {"archive_info": archive, "url": "file://" + quote(os.fsencode(os.path.abspath(path)))}
    ).encode()
