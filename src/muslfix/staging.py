"""A wheel, unpacked beside its destination: what ``installer`` writes to.

:class:`StagingDestination` is the other seam of ``installer``. Each file is inflated, compared with RECORD,
hashed and written in one pass, by a few threads: zlib and hashlib release the GIL. RECORD is written last,
when all that muslfix adds is there too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import installer
from installer.destinations import WheelDestination
from installer.records import RecordEntry
from installer.scripts import Script
from installer.utils import Scheme, construct_record_file

from muslfix.bytecode import compile_sources
from muslfix.errors import InvalidTarget, InvalidWheel
from muslfix.files import write_new_file
from muslfix.layout import Layout, for_project
from muslfix.progress import Progress, counted, silent
from muslfix.record import RecordRow
from muslfix.source import MemberStream, Wheel
from muslfix.target import Target
from muslfix.trace import TRACE, Change, changed_rows, trace_to_json
from muslfix.transaction import told_as_sentences

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

_WORKERS = min(4, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class StagedFile:
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
        #: For each destination folder the staging folder that holds what belongs there.
        self.folders: dict[str, str] = {}
        self._open_folder = open_folder
        self._made: set[str] = set()
        self._places: dict[str, str] = {}
        # What it will hold, as RECORD spells it, whichever scheme it comes from.
        self._claimed_files: set[str] = set()
        self._claimed_folders: set[str] = set()

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
        destination = self.destination(scheme)
        if destination not in self.folders:
            self.folders[destination] = self._open_folder(destination)
        path = os.path.join(self.folders[destination], relative)
        folder = os.path.dirname(path)
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)
            self._made.add(folder)
            self._places[os.path.dirname(self.record_path(scheme, relative))] = folder
        return path

    def record_path(self, scheme: str, relative: str) -> str:
        """How RECORD spells a path: relative to the folder that holds the ``.dist-info``."""
        root, folder = self.destination(self.root_scheme), self.destination(scheme)
        return relative if folder == root else os.path.relpath(os.path.join(folder, relative), root)

    def claim(self, scheme: str, relative: str) -> None:
        """Note that a file will be written; the folders of two schemes can be one, or one in the other.

        :raises InvalidWheel: if another file of the wheel has that place, or needs a folder there
        """
        path = self.record_path(scheme, relative)
        folders = list(_folders_above(path))
        if {path, *folders} & self._claimed_files or path in self._claimed_folders:
            raise InvalidWheel(self.facts.path, f"has two files for {path!r}")
        self._claimed_files.add(path)
        self._claimed_folders.update(folders)

    def enter(self, scheme: str, relative: str, row: RecordRow) -> None:
        """Note a file that has been written."""
        self.files[row.path] = StagedFile(scheme, relative, row)

    def add(self, scheme: str, relative: str, content: bytes, *, executable: bool = False) -> None:
        """Write a file that the wheel does not have."""
        self.claim(scheme, relative)
        digest, size = write_new_file(self.place_for(scheme, relative), [content], executable=executable)
        self.enter(scheme, relative, RecordRow.of(self.record_path(scheme, relative), digest, size))

    def change(self, changes: tuple[Change, ...], target: Target) -> None:
        """Note the names that modules were given, and leave a trace of them in the ``.dist-info``."""
        before, old_of = self.files, {change.new: change.old for change in changes}
        self.files = {}
        for row in changed_rows([file.row for file in before.values()], changes):
            origin = before[old_of.get(row.path, row.path)]
            folder = os.path.dirname(origin.relative)
            self.enter(origin.scheme, os.path.join(folder, os.path.basename(row.path)), row)
        if changes:
            self.add(
                self.root_scheme, f"{self.facts.dist_info}/{TRACE}", trace_to_json(changes, target).encode()
            )

    @property
    def has_sources(self) -> bool:
        """Whether it has modules that can be compiled."""
        return any(file.is_source for file in self.files.values())

    def compile(self, executable: str) -> None:
        """Compile its modules with the target; RECORD lists bytecode without a hash, as pip does.

        :param executable: the target interpreter
        """
        sources = [file for file in self.files.values() if file.is_source]
        paths = [self.place_for(file.scheme, file.relative) for file in sources]
        seen = [os.path.join(getattr(self.layout.seen, file.scheme), file.relative) for file in sources]
        for file, made in zip(sources, compile_sources(executable, list(zip(paths, seen)))):
            if made is not None:
                relative = os.path.relpath(made, self.folders[self.destination(file.scheme)])
                row = RecordRow.listed(self.record_path(file.scheme, relative))
                self.enter(file.scheme, relative, row)

    def write_record(self) -> None:
        """Write RECORD, from what was written."""
        relative = f"{self.facts.dist_info}/RECORD"
        self.enter(self.root_scheme, relative, RecordRow.listed(relative))
        scheme = Scheme(self.root_scheme)
        # installer sorts them from 1.0 on: the same RECORD comes from a muslfix on any Python.
        rows = sorted((file.row for file in self.files.values()), key=lambda row: row.path)
        entries = [(scheme, RecordEntry.from_elements(row.path, row.hash, row.size)) for row in rows]
        with construct_record_file(entries) as stream:
            write_new_file(self.place_for(self.root_scheme, relative), [stream.read()], executable=False)


class StagingDestination(WheelDestination):
    """Writes what ``installer`` hands on into a staged tree.

    :param staged: the tree
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param pool: the threads that write
    :param progress: is told of each file
    """

    def __init__(
        self, staged: StagedWheel, executable: str | None, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._staged = staged
        self._executable = executable
        self._pool = pool
        self._progress = progress
        self._work: list[tuple[str, str, Future[tuple[bytes, int]]]] = []

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write the script of an entry point."""
        executable = needed_by_scripts(self._executable, self._staged.facts.path)
        name, content = Script(name, module, attr, section).generate(executable, "posix")
        self._staged.add("scripts", name, content, executable=True)
        return RecordEntry(name, None, None)

    def write_file(
        self, scheme: str, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Let a thread write a file; its row is known when :meth:`finalize_installation` has been called.

        :param stream: a :class:`~muslfix.source.MemberStream`, or a small stream of metadata
        """
        relative = os.fspath(path)
        self._staged.claim(scheme, relative)
        place = self._staged.place_for(scheme, relative)
        chunks = stream.chunks() if isinstance(stream, MemberStream) else iter([stream.read()])
        if scheme == "scripts":
            chunks = _with_shebang(chunks, self._executable, self._staged.facts.path)
        work = self._pool.submit(write_new_file, place, chunks, executable=is_executable)
        self._work.append((scheme, relative, work))
        return RecordEntry(relative, None, None)

    def finalize_installation(
        self,
        scheme: str,  # noqa: ARG002
        record_file_path: str,  # noqa: ARG002
        records: Iterable[tuple[str, RecordEntry]],  # noqa: ARG002
    ) -> None:
        """Wait for all files. RECORD is not written yet: muslfix has more to add."""
        what = f"unpacking {self._staged.facts.name}"
        for file_scheme, relative, work in counted(self._work, len(self._work), what, self._progress):
            digest, size = work.result()
            row = RecordRow.of(self._staged.record_path(file_scheme, relative), digest, size)
            self._staged.enter(file_scheme, relative, row)


def stage_wheel(  # noqa: PLR0913 - what is unpacked, where to, for whom, with what, and who is told
    wheel: Wheel,
    layout: Layout,
    executable: str | None,
    open_folder: Callable[[str], str],
    metadata: dict[str, bytes],
    progress: Progress = silent,
) -> StagedWheel:
    """Unpack a wheel into staging folders, each byte verified.

    :param wheel: the open wheel
    :param layout: where it will go
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param open_folder: gives a new folder on the file system of a path
    :param metadata: files to add to the ``.dist-info``
    :param progress: is told of each file
    :raises InvalidTarget: if there are scripts, and no interpreter is known for them to call
    :raises InvalidWheel: if a file is not what the archive and RECORD say
    :raises DestinationError: if it cannot be written
    """
    staged = StagedWheel(wheel, layout, open_folder)
    with told_as_sentences(layout.scheme.purelib):
        pool = ThreadPoolExecutor(_WORKERS)
        try:
            installer.install(wheel, StagingDestination(staged, executable, pool, progress), metadata)
        finally:
            pool.shutdown(cancel_futures=True)
    return staged


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


def _folders_above(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def needed_by_scripts(executable: str | None, wheel: str) -> str:
    """The path by which scripts call the target.

    :param wheel: the path of the wheel that has scripts, for the error
    :raises InvalidTarget: if it is not known
    """
    if executable is None:
        raise InvalidTarget(
            wheel,
            "has scripts, and the target does not say how they shall call it",
            tip="add 'executable' to the target file, or give --target-fact executable=/usr/bin/python3, say",
        )
    return executable


def _with_shebang(chunks: Iterator[bytes], executable: str | None, wheel: str) -> Iterator[bytes]:
    """Let a script that begins with ``#!python`` begin with the target interpreter instead.

    Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#recommended-installer-features
    """
    first = next(chunks, b"")
    if first.startswith(b"#!python"):
        first = b"#!" + os.fsencode(needed_by_scripts(executable, wheel)) + b"\n" + first.partition(b"\n")[2]
    yield first
    yield from chunks
