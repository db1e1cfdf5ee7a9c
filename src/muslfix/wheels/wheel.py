"""The seam through which ``installer`` reads a wheel.

``installer`` asks its :class:`~installer.sources.WheelSource` for contents and moves them. This one gives out
a wheel that has been judged, each file as a stream that reads nothing until it is asked to.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cached_property
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from installer.sources import WheelSource

from muslfix.errors import InvalidWheel
from muslfix.record.rows import RecordRow
from muslfix.wheels.archive import STANDARD, Archive, Codec, Member, open_archive, read_text
from muslfix.wheels.contents import RECORD_TIP
from muslfix.wheels.file_name import parse_wheel_path
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits
from muslfix.wheels.metadata import WheelFacts, judge_wheel
from muslfix.wheels.texts import entry_points_text

_SMALL = 256 * 1024  # bytes


class Wheel(WheelSource):
    """An open, judged wheel.

    :param archive: its open archive
    :param facts: what it is
    """

    def __init__(self, archive: Archive, facts: WheelFacts) -> None:
        distribution, version = facts.dist_info[: -len(".dist-info")].rsplit("-", 1)
        super().__init__(distribution, version)
        self.archive = archive
        self.facts = facts

    @property
    def dist_info_dir(self) -> str:
        """Name of the ``.dist-info`` directory, as the archive spells it."""
        return self.facts.dist_info

    @property
    def data_dir(self) -> str:
        """Name of the ``.data`` directory, as the archive spells it."""
        return self.facts.data

    @property
    def dist_info_filenames(self) -> list[str]:
        """Names of the files in the ``.dist-info`` directory, relative to it."""
        directory = self.facts.dist_info + "/"
        names = self.archive.members
        return [name[len(directory) :] for name in names if name.startswith(directory)]

    def installed_modules(self) -> dict[str, Member]:
        """The files that go to ``purelib`` or ``platlib``, by the path that they have there."""
        roots = tuple(f"{self.facts.data}/{scheme}/" for scheme in ("platlib", "purelib"))
        found = {}
        for name, member in self.archive.members.items():
            if name.startswith(roots):
                found[name.split("/", 2)[2]] = member
            elif not name.startswith(self.facts.data + "/"):
                found[name] = member
        return found

    @property
    def is_small(self) -> bool:
        """Whether unpacking it takes less time than starting more threads or loading a faster library."""
        return sum(member.compressed_size for member in self.archive.members.values()) < _SMALL

    def read_dist_info(self, filename: str) -> str:
        """The text of a file in the ``.dist-info`` directory.

        :raises InvalidWheel: if it is missing, damaged or no UTF-8
        """
        if filename == "WHEEL":  # judged already, and installer would refuse 0.x, which pip accepts
            return f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(self.facts.root_is_purelib).lower()}\n"
        if filename == "entry_points.txt":  # its parser would interpolate
            return entry_points_text(self.facts.scripts.made)
        return read_text(self.archive, f"{self.facts.dist_info}/{filename}")

    def get_contents(self) -> Iterator[tuple[tuple[str, str, str], BinaryIO, bool]]:
        """Each file as ``installer`` wants it: a row of RECORD, its bytes, and whether it is executable.

        Of the row ``installer`` needs the path; with the rest the stream compares its bytes. Left out are
        files that only the wheel needs, and bytecode, which would be run without being compared with its
        source (``installer`` leaves it out too).
        """
        left_out = frozenset(self.facts.of_the_wheel_alone)
        for name, member in self.archive.members.items():
            if name not in left_out and "__pycache__" not in name.split("/")[:-1]:
                yield (name, "", ""), cast("BinaryIO", self.stream(member)), member.executable

    def verify(self) -> None:
        """Read each file that would be installed, and compare it with size, CRC and RECORD.

        :raises InvalidWheel: for the first one that differs
        """
        for member in self.archive.members.values():
            for _ in self.stream(member).chunks():
                pass

    def stream(self, member: Member) -> MemberStream:
        """The bytes of one of its files, compared with RECORD while they are read."""
        row = self._rows.get(member.name) or RecordRow.listed(member.name)
        return MemberStream(self.archive, member, row)

    @cached_property
    def _rows(self) -> dict[str, RecordRow]:
        return {row.path: row for row in self.facts.record.rows}


class MemberStream(io.RawIOBase):
    """The bytes of one member as a stream, verified by the time its end is reached.

    :param archive: where it is
    :param member: which one
    :param row: RECORD's row for it; empty hash: not compared
    """

    def __init__(self, archive: Archive, member: Member, row: RecordRow) -> None:
        self.archive = archive
        self.member = member
        self.row = row
        self._source: Iterator[bytes] | None = None
        self._rest = b""

    def chunks(self, codec: Codec = STANDARD) -> Iterator[bytes]:
        """The bytes in pieces of bounded size, compared with size, CRC and RECORD's hash on the way.

        :param codec: what inflates them
        :raises InvalidWheel: if they differ; then some may have been given out already
        """
        algorithm = self.row.algorithm
        hasher = hashlib.new(algorithm) if algorithm else None
        for chunk in self.archive.chunks(self.member, codec):
            if hasher is not None:
                hasher.update(chunk)
            yield chunk
        if hasher is not None:
            self.compare(hasher.digest())

    def compare(self, digest: bytes) -> None:
        """Hold a digest of the bytes against the one in RECORD.

        :param digest: by :attr:`row`'s algorithm
        :raises InvalidWheel: if it is another
        """
        if digest != self.row.digest:
            raise InvalidWheel(
                self.archive.path,
                f"has a {self.member.name!r} that is not the one in RECORD: its hash differs",
                RECORD_TIP,
            )

    def readable(self) -> bool:
        """Always ``True``."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end.

        :raises InvalidWheel: as :meth:`chunks`
        """
        if self._source is None:
            self._source = self.chunks()
        while not self._rest:
            chunk = next(self._source, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@contextmanager
def open_wheel(
    path: str,
    limits: Limits = DEFAULT_LIMITS,
    archives: Mapping[str, Archive] = MappingProxyType({}),
    *,
    ignore_record: bool = False,
) -> Iterator[Wheel]:
    """Open a wheel and judge all of it but the bytes of its files.

    :param archives: by their paths, those that are open already, within the same limits
    :param ignore_record: take the files as they are, whatever RECORD says of them
    :raises InvalidWheel: if it is not a wheel that may be installed; the reason says why
    """
    if "*" in path and not os.path.lexists(path):
        raise InvalidWheel(
            path, "does not exist", tip="no file matches it, so the shell has left it as it is"
        )
    parse_wheel_path(path)
    with nullcontext(archives[path]) if path in archives else open_archive(path, limits) as archive:
        yield Wheel(archive, judge_wheel(archive, ignore_record=ignore_record))


@contextmanager
def open_wheels(
    paths: Iterable[str],
    limits: Limits = DEFAULT_LIMITS,
    archives: Mapping[str, Archive] = MappingProxyType({}),
    *,
    ignore_record: bool = False,
) -> Iterator[list[Wheel]]:
    """Open several, see :func:`open_wheel`.

    :raises InvalidWheel: for the first of them that may not be installed
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(open_wheel(path, limits, archives, ignore_record=ignore_record))
            for path in paths
        ]
