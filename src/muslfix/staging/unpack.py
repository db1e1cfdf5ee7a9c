"""Unpacking a wheel beside its destination: what ``installer`` writes to.

:class:`StagingDestination` is the other seam of ``installer``. Each file is inflated, hashed, compared with
RECORD and written in one pass, by a few threads: zlib and hashlib release the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import installer
from installer.destinations import WheelDestination
from installer.records import RecordEntry
from installer.scripts import Script

from muslfix.errors import InvalidTarget, InvalidWheel, told_as_sentences
from muslfix.files import write_new_file
from muslfix.parallel import THREADS, Workers
from muslfix.progress import Progress, silent
from muslfix.record import RecordRow
from muslfix.staging.tree import StagedWheel
from muslfix.targets.schemes import Layout
from muslfix.wheels.archive import STANDARD, Codec, fastest, is_small
from muslfix.wheels.wheel import MemberStream, Wheel

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

_BEFORE_ALL = -1


class _Job(NamedTuple):
    """A file to be written by a thread.

    :param scheme: the scheme that it belongs to
    :param relative: its path below the folder of that scheme
    :param place: where it is to be staged
    :param path: its path in RECORD
    :param stream: its bytes
    :param executable: whether it is to be executable
    """

    scheme: str
    relative: str
    place: str
    path: str
    stream: MemberStream
    executable: bool


class StagingDestination(WheelDestination):
    """Writes what ``installer`` hands on into a staged tree.

    :param staged: the tree
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param codec: what inflates
    :param threads: how many
    :param tell: is told how many files have been written
    :param before_waiting: called when all files are in the hands of the threads
    """

    def __init__(  # noqa: PLR0913 - see stage_wheel
        self,
        staged: StagedWheel,
        executable: str | None,
        codec: Codec,
        threads: int,
        tell: Callable[[int], object],
        before_waiting: Callable[[], object],
    ) -> None:
        self._staged = staged
        self._tell = tell
        self._before_waiting = before_waiting
        self._telling = Lock()
        self._executable = executable
        self._codec = codec
        # In the order of the archive: where several files are wrong, the first is named.
        self._written: dict[int, tuple[_Job, RecordRow]] = {}
        #: The threads that write; whoever cannot wait for them must stop them.
        self.workers = Workers(threads)

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

        :param stream: a :class:`~muslfix.wheels.wheel.MemberStream`, or a small stream of metadata
        """
        relative = os.fspath(path)
        if isinstance(stream, MemberStream):
            place, in_record = self._staged.claim(scheme, relative)
            rank, job = stream.member.offset, _Job(scheme, relative, place, in_record, stream, is_executable)
            self.workers.add(rank, partial(self._write, rank, job))
        else:
            self._staged.add(scheme, relative, stream.read(), executable=is_executable)
        return RecordEntry(relative, None, None)

    def finalize_installation(
        self,
        scheme: str,  # noqa: ARG002
        record_file_path: str,  # noqa: ARG002
        records: Iterable[tuple[str, RecordEntry]],  # noqa: ARG002
    ) -> None:
        """Wait for all files. RECORD is not written yet: muslfix has more to add."""
        self._before_waiting()
        self.workers.finish()
        for _, (job, row) in sorted(self._written.items()):
            self._staged.enter(job.scheme, job.relative, row)

    def _write(self, rank: int, job: _Job) -> None:
        try:
            row = self._write_by(self._codec, job)
        except InvalidWheel:
            if self._codec is STANDARD:
                raise
            with suppress(FileNotFoundError):
                os.unlink(job.place)
            row = self._write_by(STANDARD, job)
        self._written[rank] = job, row
        with self._telling:
            self._tell(len(self._written))

    def _write_by(self, codec: Codec, job: _Job) -> RecordRow:
        stream, is_script = job.stream, job.scheme == "scripts"
        in_record = stream.row
        if in_record.hash.startswith("sha256=") and not is_script:
            # The hash that RECORD shall have is the one that it has.
            chunks = stream.archive.chunks(stream.member, codec)
            if not is_small(stream.member):
                chunks = self._while_wanted(chunks)
            digest, size = write_new_file(job.place, chunks, executable=job.executable)
            row = RecordRow.of(job.path, digest, size)
            if row.hash != in_record.hash:  # which can be written in other ways
                stream.compare(digest)
            return row
        chunks = stream.chunks(codec)
        if is_script:
            chunks = _with_shebang(chunks, self._executable, self._staged.facts.path)
        digest, size = write_new_file(job.place, self._while_wanted(chunks), executable=job.executable)
        return RecordRow.of(job.path, digest, size)

    def _while_wanted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.workers.check()
            yield chunk


def stage_wheel(  # noqa: PLR0913 - what is unpacked, where to, for whom, with what, and who is told
    wheel: Wheel,
    layout: Layout,
    executable: str | None,
    open_folder: Callable[[str], str],
    metadata: dict[str, bytes],
    progress: Progress = silent,
    before_waiting: Callable[[], object] = lambda: None,
) -> StagedWheel:
    """Unpack a wheel into staging folders, each byte verified.

    :param wheel: the open wheel
    :param layout: where it will go
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param open_folder: gives a new folder on the file system of a path
    :param metadata: files to add to the ``.dist-info``
    :param progress: is told of each file
    :param before_waiting: called when all files of a large wheel are in the hands of threads
    :raises InvalidTarget: if there are scripts, and no interpreter is known for them to call
    :raises InvalidWheel: if a file is not what the archive and RECORD say
    :raises DestinationError: if it cannot be written
    """
    staged = StagedWheel(wheel, layout, open_folder)
    with told_as_sentences(layout.scheme.purelib):
        total = len(wheel.archive.members) - 1  # RECORD is made anew

        def tell(done: int) -> None:
            progress(f"unpacking {wheel.facts.name}", done, total)

        codec, threads = (STANDARD, 1) if wheel.is_small else (fastest(), THREADS)
        before = (lambda: None) if wheel.is_small else before_waiting
        destination = StagingDestination(staged, executable, codec, threads, tell, before)

        def hash_archive() -> None:
            staged.sha256 = wheel.archive.sha256()

        tell(0)
        try:
            destination.workers.add(_BEFORE_ALL, hash_archive)
            installer.install(wheel, destination, metadata)
        except BaseException:
            destination.workers.stop()
            raise
    return staged


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
