"""Writing the members of wheels to their places, each byte verified.

Each file is inflated, hashed, compared with RECORD and written in one pass, here or by another process
(:mod:`~muslfix.wheels.head_start`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from muslfix.errors import InvalidTarget, InvalidWheel
from muslfix.files.access import write_new_file
from muslfix.record.rows import RecordRow
from muslfix.staging.tree import StagedFile
from muslfix.wheels.archive import STANDARD, Codec
from muslfix.wheels.head_start import HeadStart, Inflated
from muslfix.wheels.wheel import MemberStream

PYTHON = b"#!python"


class Member(NamedTuple):
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

    @property
    def key(self) -> tuple[str, str]:
        """The path of the archive, and the name in it; see :attr:`~muslfix.wheels.head_start.Item.key`."""
        return self.stream.archive.path, self.stream.member.name


class Written(NamedTuple):
    """What was written.

    :param files: by the key of the member
    :param archives: by path the SHA-256, in hexadecimal, of those archives that another process has hashed
    """

    files: dict[tuple[str, str], StagedFile]
    archives: dict[str, str]


def write_members(
    members: Sequence[Member],
    writer: Writer,
    others: HeadStart | None,
    served: Collection[str],
    tell: Callable[[int, int], None],
) -> Written:
    """Write members to their places, together with other processes where there are some.

    :param others: processes that inflate the same archives
    :param served: the schemes that they inflate for
    :param tell: is told how many are done, and how many there are
    :raises InvalidWheel: for the first one whose bytes are not what the archive and RECORD say
    :raises OSError: if one cannot be written
    """
    files: dict[tuple[str, str], StagedFile] = {}
    inflated: dict[tuple[str, str], Inflated] = {}
    tell(0, len(members))
    if others is not None:
        by_key = {member.key: member for member in members}
        for member in filter(None, (by_key.get(item.key) for item in others.claims())):
            try:
                files[member.key] = writer.write(member)
            except (InvalidWheel, OSError):  # below they have an order: it is not by chance which is named
                others.give_up()
            tell(len(files), len(members))
        inflated = others.results()
    for member in members:
        if member.key not in files:
            file = inflated.get(member.key) if member.scheme in served else None
            adopted = _adopt(member, file, others) if others and file else None
            files[member.key] = adopted or writer.write(member)
            tell(len(files), len(members))
    return Written(files, {path: file.sha256.hex() for (path, name), file in inflated.items() if not name})


def _adopt(member: Member, file: Inflated, others: HeadStart) -> StagedFile | None:
    """Give a file that another process has inflated its name, if it is what RECORD says."""
    in_record = member.stream.row
    row = RecordRow.of(member.path, file.sha256, file.size)
    if in_record.hash not in ("", row.hash) or member.executable != member.stream.member.executable:
        return None
    return StagedFile(member.scheme, member.relative, row) if others.give_name(file, member.place) else None


class Writer(NamedTuple):
    """Writes members.

    :param codec: what inflates
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    """

    codec: Codec
    executable: str | None

    def write(self, member: Member) -> StagedFile:
        """Write a member to its place, and verify it; nothing is left of one that fails.

        :raises InvalidWheel: if its bytes are not what the archive and RECORD say
        :raises OSError: if it cannot be written
        """
        try:
            row = self._write(member, self.codec)
        except InvalidWheel:
            if self.codec is STANDARD:
                raise
            row = self._write(member, STANDARD)
        return StagedFile(member.scheme, member.relative, row)

    def _write(self, member: Member, codec: Codec) -> RecordRow:
        stream = member.stream
        chunks = stream.chunks(codec)
        in_record = stream.row.hash
        if member.scheme == "scripts":
            in_record, chunks = "", _with_shebang(chunks, self.executable, stream.archive.path)
        elif in_record.startswith("sha256="):  # the hash that RECORD shall have is the one that it has
            chunks = iter(stream.archive.chunks(stream.member, codec))
        try:
            digest, size = write_new_file(member.place, chunks, executable=member.executable)
            row = RecordRow.of(member.path, digest, size)
            if in_record.startswith("sha256=") and in_record != row.hash:  # it can be written in other ways
                stream.compare(digest)
        except (InvalidWheel, OSError):
            with suppress(OSError):
                os.unlink(member.place)
            raise
        return row


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
    if first.startswith(PYTHON):
        first = b"#!" + os.fsencode(needed_by_scripts(executable, wheel)) + b"\n" + first.partition(b"\n")[2]
    yield first
    yield from chunks
