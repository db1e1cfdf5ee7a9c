"""Unpacking wheels beside their destination.

``installer`` says which file goes where (:class:`_Destination` is its other seam, beside
:class:`~muslfix.wheels.wheel.Wheel`). Then :mod:`~muslfix.staging.write` writes them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

import installer
from installer.destinations import WheelDestination
from installer.records import RecordEntry
from installer.scripts import Script

from muslfix.errors import destination_errors
from muslfix.files.access import write_new_file
from muslfix.parallel.interrupts import uninterrupted
from muslfix.progress import Progress, silent
from muslfix.record.rows import RecordRow
from muslfix.staging.tree import NewTree, StagedFile, StagedWheel, twins
from muslfix.staging.write import PYTHON, Member, Writer, Written, needed_by_scripts, write_members
from muslfix.targets.schemes import Layout
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.archive import STANDARD, fastest
from muslfix.wheels.head_start import HeadStart, begin
from muslfix.wheels.wheel import MemberStream, Wheel

if TYPE_CHECKING:
    from installer.scripts import ScriptSection

_SITE = ("purelib", "platlib")

#: Files that are added to the ``.dist-info``.
METADATA: Mapping[str, bytes] = {"INSTALLER": b"muslfix\n", "REQUESTED": b""}


def unpack(  # noqa: PLR0913 - as many as there are to say
    wheels: Sequence[Wheel],
    layout: Layout,
    executable: str | None,
    transaction: Transaction,
    progress: Progress = silent,
    *,
    note_origin: bool = True,
    head_start: HeadStart | None = None,
) -> list[StagedWheel]:
    """Unpack wheels into staging directories.

    :param wheels: open, of different projects
    :param layout: where they will go
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    :param transaction: gives the staging directories
    :param progress: is told of each file
    :param note_origin: say in ``direct_url.json`` where the wheels were
    :param head_start: on these wheels, for this layout
    :raises InvalidTarget: if there are scripts, and no interpreter is known for them to call
    :raises InvalidWheel: if a file is not what the archive and RECORD say
    :raises DestinationError: if it cannot be written
    """
    with destination_errors(layout.scheme.purelib):
        claimed = [_claim(wheel, layout, executable, transaction) for wheel in wheels]
        members = [member for one in claimed for member in one.members]
        writer = Writer(STANDARD if all(wheel.is_small for wheel in wheels) else fastest(), executable)
        tell = partial(progress, f"unpacking {', '.join(wheel.facts.name for wheel in wheels)}")
        with _others(head_start, claimed, layout) as others:
            served = [scheme for scheme in _SITE if others and others.serves(getattr(layout.scheme, scheme))]
            written = write_members(members, writer, others, served, tell)
        return [_finish(one, written, note_origin=note_origin) for one in claimed]


def _finish(one: _Destination, written: Written, *, note_origin: bool) -> StagedWheel:
    files = [written.files[member.key] for member in one.members]
    staged = one.tree.finish([*files, *one.written])
    if not note_origin:
        return staged
    archive = one.wheel.archive
    sha256 = written.archives.get(archive.path) or archive.sha256()
    return staged.with_metadata("direct_url.json", direct_url(archive.path, sha256))


class _Destination(WheelDestination):
    """What ``installer`` hands the files of a wheel to.

    :param wheel: the open wheel
    :param tree: gives each file its place
    :param executable: path of the interpreter that scripts shall call, or ``None`` where it is not known
    """

    def __init__(self, wheel: Wheel, tree: NewTree, executable: str | None) -> None:
        self.wheel = wheel
        self.tree = tree
        self._executable = executable
        #: The members of the archive, still to be written, in the archive's order.
        self.members: list[Member] = []
        #: The files that the archive does not have, written already.
        self.written: list[StagedFile] = []

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Write the script of an entry point."""
        executable = needed_by_scripts(self._executable, self.wheel.facts.path)
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
        place, in_record = self.tree.claim(scheme, relative)
        member = Member(stream, scheme, relative, place or "", in_record, is_executable)
        if place is None:
            self._join(member)
        else:
            self.members.append(member)
        return RecordEntry(relative, None, None)

    def _join(self, member: Member) -> None:
        """Leave out a member where another one with the same content has its place.

        :raises InvalidWheel: if the content differs, or is not what the archive and RECORD say
        """
        for at, other in enumerate(self.members):
            if other.path == member.path and _have_same_content(other, member):
                self.members[at] = other._replace(executable=other.executable or member.executable)
                names = f"{other.stream.member.name!r:.200} and {member.stream.member.name!r:.200}"
                self.tree.warnings.append(f"has the same content for one place in {names}")
                return
        raise twins(self.wheel.facts, member.path)

    def finalize_installation(
        self,
        scheme: str,
        record_file_path: str,
        records: Iterable[tuple[str, RecordEntry]],
    ) -> None:
        """Write no RECORD yet: muslfix has more to add."""

    def _write(self, scheme: str, relative: str, content: bytes, *, executable: bool) -> RecordEntry:
        place, path = self.tree.claim(scheme, relative)
        if place is None:
            raise twins(self.wheel.facts, path)
        row = RecordRow.of(path, *write_new_file(place, [content], executable=executable))
        self.written.append(StagedFile(scheme, relative, row))
        return RecordEntry(relative, None, None)


def _have_same_content(one: Member, other: Member) -> bool:
    """Whether two members would be the same file; their names do not differ, so at most one is a script."""
    if one.stream.member.size != other.stream.member.size:
        return False
    digests = set()
    for member in (one, other):
        hasher = hashlib.sha256()
        for number, chunk in enumerate(member.stream.chunks()):
            if number == 0 and "scripts" in (one.scheme, other.scheme) and chunk.startswith(PYTHON):
                return False  # a script is written with another first line
            hasher.update(chunk)
        digests.add(hasher.digest())
    return len(digests) == 1


def _claim(wheel: Wheel, layout: Layout, executable: str | None, transaction: Transaction) -> _Destination:
    """Give each file of a wheel its place."""
    destination = _Destination(wheel, NewTree(wheel.facts, layout, transaction), executable)
    installer.install(wheel, destination, dict(METADATA))
    return destination


@contextmanager
def _others(
    given: HeadStart | None, claimed: Sequence[_Destination], layout: Layout
) -> Iterator[HeadStart | None]:
    """The processes that inflate too; they end with the block."""
    others = given
    try:
        if given and not (claimed and any(map(given.serves, layout.site_directories))):
            given.close()  # in vain; its files would take space that is needed now
            others = None
        if others is None:
            staging = {key: place for one in claimed for key, place in one.tree.directories.items()}
            site = next(filter(staging.__contains__, layout.site_directories), None)
            archives = [one.wheel.archive for one in claimed]
            with uninterrupted():  # until it is sure that it will be closed
                others = None if site is None else begin(archives, staging[site], site)
        yield others
    finally:
        if others is not None:
            others.close()


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
