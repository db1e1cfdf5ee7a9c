"""Unpacking a wheel beside its destination, each byte verified.

``installer`` says which file goes where (:class:`_Destination` is its other seam, beside
:class:`~muslfix.wheels.wheel.Wheel`). Then each file is inflated, hashed, compared with RECORD and written in
one pass, by a few threads: zlib and hashlib release the GIL.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import installer
from installer.destinations import WheelDestination
from installer.records import RecordEntry
from installer.scripts import Script

from muslfix.errors import InvalidTarget, InvalidWheel, destination_errors
from muslfix.files import write_new_file
from muslfix.parallel.threads import THREADS, Background, Pool
from muslfix.progress import Progress, silent
from muslfix.record.rows import RecordRow
from muslfix.staging.tree import NewTree, StagedFile, StagedWheel, twins
from muslfix.targets.schemes import Layout
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.archive import STANDARD, Codec, fastest, is_small
from muslfix.wheels.metadata import WheelFacts
from muslfix.wheels.wheel import MemberStream, Wheel

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

#: Files that are added to the ``.dist-info``.
METADATA: Mapping[str, bytes] = {"INSTALLER": b"muslfix\n", "REQUESTED": b""}

_PYTHON = b"#!python"


def unpack(  # noqa: PLR0913 - as many as there are to say
    wheel: Wheel,
    layout: Layout,
    executable: str | None,
    transaction: Transaction,
    progress: Progress = silent,
    *,
    note_origin: bool = True,
) -> StagedWheel:
    """Unpack a wheel into staging directories.

    :param wheel: the open wheel
    :param layout: where it will go
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param transaction: gives the staging directories
    :param progress: is told of each file
    :param note_origin: say in ``direct_url.json`` where the wheel was
    :raises InvalidTarget: if there are scripts, and no interpreter is known for them to call
    :raises InvalidWheel: if a file is not what the archive and RECORD say
    :raises DestinationError: if it cannot be written
    """
    with destination_errors(layout.scheme.purelib):
        sha256 = Background(wheel.archive.sha256)
        try:
            tree = NewTree(wheel.facts, layout, transaction)
            destination = _Destination(tree, executable, wheel.facts)
            installer.install(wheel, destination, dict(METADATA))
            files = _write_members(wheel, destination.members, executable, progress)
            staged = tree.finish([*files, *destination.written])
        finally:
            sha256.wait()
        if not note_origin:
            return staged
        return staged.with_metadata("direct_url.json", direct_url(wheel.facts.path, sha256.result()))


class _Member(NamedTuple):
    """A member of the archive that has been given its place.

    :param stream: its bytes
    :param scheme: the scheme that it belongs to
    :param relative: its path below the directory of that scheme
    :param place: where it is to be written
    :param path: its path in RECORD
    :param executable: whether it is to be executable
    """

    stream: MemberStream
    scheme: str
    relative: str
    place: str
    path: str
    executable: bool


class _Destination(WheelDestination):
    """What ``installer`` hands the files of a wheel to.

    :param tree: gives each file its place
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param facts: what the wheel is
    """

    def __init__(self, tree: NewTree, executable: str | None, facts: WheelFacts) -> None:
        self._tree = tree
        self._executable = executable
        self._facts = facts
        #: The members of the archive, still to be written, in the archive's order.
        self.members: list[_Member] = []
        #: The files that the archive does not have, written already.
        self.written: list[StagedFile] = []

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write the script of an entry point."""
        executable = needed_by_scripts(self._executable, self._facts.path)
        name, content = Script(name, module, attr, section).generate(executable, "posix")
        return self._write("scripts", name, content, executable=True)

    def write_file(
        self, scheme: str, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """Give a member its place, or write one of the few files that are added.

        :param stream: a :class:`~muslfix.wheels.wheel.MemberStream`, or a small stream of metadata
        """
        relative = os.fspath(path)
        if not isinstance(stream, MemberStream):
            return self._write(scheme, relative, stream.read(), executable=is_executable)
        place, in_record = self._tree.claim(scheme, relative)
        member = _Member(stream, scheme, relative, place or "", in_record, is_executable)
        if place is None:
            self._join(member)
        else:
            self.members.append(member)
        return RecordEntry(relative, None, None)

    def _join(self, member: _Member) -> None:
        """Leave out a member where another one with the same content has its place.

        :raises InvalidWheel: if the content differs, or is not what the archive and RECORD say
        """
        for at, other in enumerate(self.members):
            if other.path == member.path and _have_same_content(other, member):
                self.members[at] = other._replace(executable=other.executable or member.executable)
                names = f"{other.stream.member.name!r:.200} and {member.stream.member.name!r:.200}"
                self._tree.warnings.append(f"has the same content for one place in {names}")
                return
        raise twins(self._facts, member.path)

    def finalize_installation(
        self,
        scheme: str,
        record_file_path: str,
        records: Iterable[tuple[str, RecordEntry]],
    ) -> None:
        """Write no RECORD yet: muslfix has more to add."""

    def _write(self, scheme: str, relative: str, content: bytes, *, executable: bool) -> RecordEntry:
        place, path = self._tree.claim(scheme, relative)
        if place is None:
            raise twins(self._facts, path)
        row = RecordRow.of(path, *write_new_file(place, [content], executable=executable))
        self.written.append(StagedFile(scheme, relative, row))
        return RecordEntry(relative, None, None)


def _have_same_content(one: _Member, other: _Member) -> bool:
    """Whether two members would be the same file; their names do not differ, so at most one is a script."""
    if one.stream.member.size != other.stream.member.size:
        return False
    digests = set()
    for member in (one, other):
        hasher = hashlib.sha256()
        for number, chunk in enumerate(member.stream.chunks()):
            if number == 0 and "scripts" in (one.scheme, other.scheme) and chunk.startswith(_PYTHON):
                return False  # a script is written with another first line
            hasher.update(chunk)
        digests.add(hasher.digest())
    return len(digests) == 1


def _write_members(
    wheel: Wheel, members: list[_Member], executable: str | None, progress: Progress
) -> list[StagedFile]:
    """Write members to their places, the largest first."""
    codec, threads = (STANDARD, 1) if wheel.is_small else (fastest(), THREADS)
    pool = Pool(threads)
    writer = _Writer(codec, executable, pool)
    sizes = [member.stream.member.size for member in members]
    return pool.map(writer.write, members, sizes, f"unpacking {wheel.facts.name}", progress)


class _Writer(NamedTuple):
    """Writes members, in any thread.

    :param codec: what inflates
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param pool: says when large files are no longer wanted
    """

    codec: Codec
    executable: str | None
    pool: Pool

    def write(self, member: _Member) -> StagedFile:
        """Write a member to its place, and verify it.

        :raises InvalidWheel: if its bytes are not what the archive and RECORD say
        :raises OSError: if it cannot be written
        """
        try:
            row = self._write(member, self.codec)
        except InvalidWheel:
            if self.codec is STANDARD:
                raise
            with suppress(FileNotFoundError):
                os.unlink(member.place)
            row = self._write(member, STANDARD)
        return StagedFile(member.scheme, member.relative, row)

    def _write(self, member: _Member, codec: Codec) -> RecordRow:
        stream, is_script = member.stream, member.scheme == "scripts"
        in_record = stream.row
        if in_record.hash.startswith("sha256=") and not is_script:
            # The hash that RECORD shall have is the one that it has.
            chunks = stream.archive.chunks(stream.member, codec)
            if not is_small(stream.member):
                chunks = self._while_wanted(chunks)
            digest, size = write_new_file(member.place, chunks, executable=member.executable)
            row = RecordRow.of(member.path, digest, size)
            if row.hash != in_record.hash:  # which can be written in other ways
                stream.compare(digest)
            return row
        chunks = stream.chunks(codec)
        if is_script:
            chunks = _with_shebang(chunks, self.executable, stream.archive.path)
        digest, size = write_new_file(member.place, self._while_wanted(chunks), executable=member.executable)
        return RecordRow.of(member.path, digest, size)

    def _while_wanted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.pool.check()
            yield chunk


def needed_by_scripts(executable: str | None, wheel: str) -> str:
    """The path by which scripts call the target.

    :param wheel: the path of the wheel that has scripts, for the error
    :raises InvalidTarget: if it is not known
    """
    if executable is None:
        raise InvalidTarget(
            wheel,
            "has scripts, and the target does not say how they shall call it",
            tip="add --target-fact executable=/usr/bin/python3, for example; what 'muslfix interpreter"
            " --json' wrote is to be edited instead",
        )
    return executable


def _with_shebang(chunks: Iterator[bytes], executable: str | None, wheel: str) -> Iterator[bytes]:
    """Let a script that begins with ``#!python`` begin with the target interpreter instead.

    Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#recommended-installer-features
    """
    first = next(chunks, b"")
    if first.startswith(_PYTHON):
        first = b"#!" + os.fsencode(needed_by_scripts(executable, wheel)) + b"\n" + first.partition(b"\n")[2]
    yield first
    yield from chunks


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
