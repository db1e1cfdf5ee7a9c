"""A wheel file: judged as a whole, then handed to ``installer`` member by member.

``installer`` asks its :class:`~installer.sources.WheelSource` for contents and moves them; what it does not
check (names, RECORD against the archive, versions, entry points) is checked when the wheel is opened, since
a wheel that is refused must not have left a trace.

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from installer.sources import WheelSource
from installer.utils import SCHEME_NAMES, parse_entrypoints, parse_metadata_file
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from muslfix.archive import Archive, Member, open_archive
from muslfix.errors import InvalidRecord, InvalidWheel
from muslfix.record import Record, RecordRow

if TYPE_CHECKING:
    from packaging.tags import Tag

_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_WHEEL_VERSION = (1, 0)
_STRONG_HASHES = ("sha256", "sha384", "sha512")
# The programs of the environment itself; a wheel that brings one of these takes it over.
_INTERPRETER_NAME = re.compile(r"(python|pythonw|pypy)[0-9.]*t?", re.IGNORECASE)


@dataclass(frozen=True)
class Script:
    """A script that an entry point asks for.

    :param name: its file name
    :param module: the module to import, dotted
    :param attribute: the function in it, dotted
    :param section: ``console`` or ``gui``
    """

    name: str
    module: str
    attribute: str
    section: str


class Wheel(WheelSource):
    """An open, judged wheel; the seam between an archive and ``installer``.

    :param archive: the open archive
    :param name: the project's name as ``METADATA`` spells it
    :param key: the project's normalised name
    :param tags: the compatibility tags of the file name
    :param metadata: the parsed ``METADATA``
    :param scripts: the scripts that its entry points ask for
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.path = archive.path
        self.key, self.wheel_version, self.tags = _parse_filename(archive.path)
        self._dist_info, self._data = _find_folders(archive, self.key, self.wheel_version)
        distribution, version = self._dist_info[: -len(".dist-info")].rsplit("-", 1)
        super().__init__(distribution, version)
        #: What is odd about it and no reason to refuse it, each a sentence.
        self.warnings: list[str] = []
        self.metadata = parse_metadata_file(self._read_text("METADATA"))
        self.name = self._check_metadata()
        self.root_is_purelib = self._check_wheel_file()
        self.record = self._check_record()
        self._check_data_folders()
        self.scripts = tuple(self._check_scripts())

    @property
    def requirements(self) -> list[str]:
        """The ``Requires-Dist`` of its metadata."""
        return [str(line) for line in self.metadata.get_all("Requires-Dist", [])]

    def has_version(self, text: str) -> bool:
        """Whether a version, written in whatever way, is the one of this wheel."""
        return _version(text) == self.wheel_version

    @property
    def dist_info_dir(self) -> str:
        """Name of the ``.dist-info`` folder, as the archive spells it."""
        return self._dist_info

    @property
    def data_dir(self) -> str:
        """Name of the ``.data`` folder, as the archive spells it."""
        return self._data

    @property
    def dist_info_filenames(self) -> list[str]:
        """Names of the files in the ``.dist-info`` folder, relative to it."""
        folder = self._dist_info + "/"
        return [name[len(folder) :] for name in self.archive.members if name.startswith(folder)]

    def read_dist_info(self, filename: str) -> str:
        """The text of a file in the ``.dist-info`` folder, for ``installer``.

        :raises InvalidWheel: if it is missing, damaged or no UTF-8
        """
        if filename == "WHEEL":  # judged already, and installer would refuse 0.x, which pip accepts
            return f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(self.root_is_purelib).lower()}\n"
        return self._read_text(filename)

    def get_contents(self) -> Iterator[tuple[tuple[str, str, str], BinaryIO, bool]]:
        """Each file as ``installer`` wants it: RECORD's row, its bytes, and whether it is executable.

        The bytes come as :class:`MemberStream`, which reads nothing until it is asked to. Left out are
        signatures of RECORD, which changes, and bytecode, which would be run without being compared with
        its source (``installer`` leaves it out too).
        """
        for name, member in self.archive.members.items():
            if name not in self._signatures and "__pycache__" not in name.split("/")[:-1]:
                row = self.record.get(name) or RecordRow.listed(name)
                stream = MemberStream(self.archive, member, row)
                yield (row.path, row.hash, row.size), cast("BinaryIO", stream), member.executable

    @property
    def _signatures(self) -> tuple[str, ...]:
        return tuple(f"{self._dist_info}/{name}" for name in _SIGNATURES)

    def _read_text(self, filename: str) -> str:
        name = f"{self._dist_info}/{filename}"
        if name not in self.archive.members:
            raise InvalidWheel(self.path, f"has no {name}")
        try:
            return self.archive.read(self.archive.members[name]).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidWheel(self.path, f"has a {filename} that is no UTF-8") from error

    def _check_metadata(self) -> str:
        name, version = self.metadata["Name"], self.metadata["Version"]
        if not name or canonicalize_name(name) != self.key:
            raise InvalidWheel(self.path, f"is named {self.key}, and its METADATA names {name!r}")
        if _version(version) != self.wheel_version:
            raise InvalidWheel(
                self.path, f"is named version {self.wheel_version}, and its METADATA says {version!r}"
            )
        return str(name)

    def _check_wheel_file(self) -> bool:
        """Judge ``WHEEL``, as the specification asks: a newer major version must be refused."""
        message = parse_metadata_file(self._read_text("WHEEL"))
        text = str(message["Wheel-Version"] or "").strip()
        match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", text)
        if match is None or int(match[1]) > _WHEEL_VERSION[0]:
            raise InvalidWheel(
                self.path,
                f"has the wheel format version {text!r}, and muslfix reads versions up to 1.x",
                tip="a newer muslfix may read it",
            )
        if (int(match[1]), int(match[2])) > _WHEEL_VERSION:
            self.warnings.append(f"has the wheel format version {text}, which is newer than this muslfix")
        return str(message["Root-Is-Purelib"]).strip().lower() == "true"

    def _check_record(self) -> Record:
        """Hold RECORD against the archive: the same files, each with a strong hash and its size."""
        try:
            record = Record.parse(self._read_text("RECORD"))
        except InvalidRecord as error:
            raise InvalidWheel(self.path, f"has a damaged RECORD: it {error.reason}") from error
        own = f"{self._dist_info}/RECORD"
        without_hash = {own, *self._signatures}
        listed = [row.path for row in record.rows]
        for path in listed:
            if path not in self.archive.members:
                raise InvalidWheel(self.path, f"lists {path!r} in RECORD, and has no such file")
        for path, count in Counter(listed).items():
            if count > 1:
                raise InvalidWheel(self.path, f"lists {path!r} {count} times in RECORD")
        for name, member in self.archive.members.items():
            if name not in without_hash:
                self._check_row(record.get(name), member)
        return record

    def _check_row(self, row: RecordRow | None, member: Member) -> None:
        if row is None:
            raise InvalidWheel(self.path, f"does not list {member.name!r} in RECORD")
        try:
            digest = row.digest
        except InvalidRecord as error:
            raise InvalidWheel(self.path, f"has a damaged RECORD: it {error.reason}") from error
        if digest is None or row.algorithm not in _STRONG_HASHES:
            raise InvalidWheel(self.path, f"has no hash of SHA-256 or stronger for {member.name!r} in RECORD")
        if row.size and row.size != str(member.size):
            raise InvalidWheel(
                self.path, f"says in RECORD that {member.name!r} has {row.size} bytes; it has {member.size}"
            )

    def _check_data_folders(self) -> None:
        for name in self.archive.members:
            folder, _, rest = name.partition("/")
            scheme, slash, _ = rest.partition("/")
            if folder == self._data and (not slash or scheme not in SCHEME_NAMES):
                raise InvalidWheel(
                    self.path, f"has {name!r}, which is in none of the folders {', '.join(SCHEME_NAMES)}"
                )

    def _check_scripts(self) -> Iterator[Script]:
        """Judge the names under which programs will be installed."""
        folder = f"{self._data}/scripts/"
        names = [name[len(folder) :] for name in self.archive.members if name.startswith(folder)]
        for script in self._entry_points():
            if script.name in names:
                raise InvalidWheel(self.path, f"has two scripts of the name {script.name!r}")
            names.append(script.name)
            yield script
        for name in names:
            if _INTERPRETER_NAME.fullmatch(name):
                raise InvalidWheel(self.path, f"has a script {name!r}, which would replace the interpreter")

    def _entry_points(self) -> Iterator[Script]:
        if f"{self._dist_info}/entry_points.txt" not in self.archive.members:
            return
        text = self._read_text("entry_points.txt")
        try:
            found = [Script(*fields) for fields in parse_entrypoints(text)]
        except Exception as error:  # installer lets out configparser's errors and AssertionError
            reason = " ".join(str(error).split()) or "an entry is not of the form name = module:function"
            raise InvalidWheel(self.path, f"has a damaged entry_points.txt: {reason}") from error
        for script in found:
            if script.name in ("", ".", "..") or not re.fullmatch(r"[\w.\- ]+", script.name):
                raise InvalidWheel(self.path, f"has an entry point with a bad name: {script.name!r}")
            yield script


class MemberStream(io.RawIOBase):
    """The bytes of one member as a stream, verified by the time its end is reached.

    :param archive: where it is
    :param member: which one
    :param row: RECORD's row for it; empty hash: not compared
    """

    def __init__(self, archive: Archive, member: Member, row: RecordRow) -> None:
        super().__init__()
        self.archive = archive
        self.member = member
        self.row = row
        self._source = self.chunks()
        self._rest = b""

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of bounded size, compared with size, CRC and RECORD's hash on the way.

        :raises InvalidWheel: if they differ; then some may have been given out already
        """
        algorithm = self.row.algorithm
        hasher = hashlib.new(algorithm) if algorithm else None
        for chunk in self.archive.chunks(self.member):
            if hasher is not None:
                hasher.update(chunk)
            yield chunk
        if hasher is not None and hasher.digest() != self.row.digest:
            raise InvalidWheel(
                self.archive.path,
                f"has a {self.member.name!r} that is not the one in RECORD: its hash differs",
            )

    def readable(self) -> bool:
        """Always ``True``."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end.

        :raises InvalidWheel: as :meth:`chunks`
        """
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
def open_wheel(path: str) -> Iterator[Wheel]:
    """Open a wheel and judge all of it but the bytes of its files.

    :raises InvalidWheel: if it is not a wheel that may be installed; the reason says why
    """
    _parse_filename(path)
    with open_archive(path) as archive:
        yield Wheel(archive)


def _parse_filename(path: str) -> tuple[str, Version, frozenset[Tag]]:
    name = os.path.basename(path)
    try:
        key, version, _, tags = parse_wheel_filename(name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise InvalidWheel(
            path,
            "is not named like a wheel",
            tip="a wheel is named project-version-python-abi-platform.whl",
        ) from error
    return key, version, tags


def _version(text: str | None) -> Version | None:
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _find_folders(archive: Archive, key: str, version: Version) -> tuple[str, str]:
    """The names of the ``.dist-info`` folder and of the ``.data`` folder, as the archive spells them.

    Old tools spell them in ways that the specification does not know, so what counts is that they mean
    this project and version; a second one of a kind would be a second truth.
    """
    tops = dict.fromkeys(name.partition("/")[0] for name in archive.members if "/" in name)
    infos = [name for name in tops if name.endswith(".dist-info")]
    if len(infos) != 1:
        found = ", ".join(sorted(infos)) or "none"
        raise InvalidWheel(archive.path, f"must have one .dist-info folder, and has {found}")
    if not _means(infos[0][: -len(".dist-info")], key, version):
        raise InvalidWheel(archive.path, f"has the .dist-info folder of another project: {infos[0]!r}")
    datas = [name for name in tops if name.endswith(".data") and _means(name[: -len(".data")], key, version)]
    if len(datas) > 1:
        raise InvalidWheel(archive.path, f"must not have two .data folders: {', '.join(sorted(datas))}")
    own = infos[0][: -len(".dist-info")] + ".data"
    return infos[0], datas[0] if datas else own


def _means(stem: str, key: str, version: Version) -> bool:
    name, dash, text = stem.rpartition("-")
    return bool(dash) and canonicalize_name(name) == key and _version(text.replace("_", "-")) == version
