"""What a wheel file is, judged as a whole before anything of it is installed.

``installer`` moves what a wheel holds and checks little of it, so names, versions, RECORD against the archive
and entry points are checked here: a wheel that is refused must not have left a trace.

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING

from installer.utils import SCHEME_NAMES, parse_entrypoints, parse_metadata_file
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from muslfix.archive import Archive, Member
from muslfix.errors import InvalidRecord, InvalidWheel
from muslfix.layout import STAGING_PREFIX
from muslfix.record import Record, RecordRow
from muslfix.trace import TRACE

if TYPE_CHECKING:
    from packaging.tags import Tag

_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
# What an installer notes; a wheel that was made of an installed project brings what another one did.
_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", TRACE)
_WHEEL_VERSION = (1, 0)
_STRONG_HASHES = ("sha256", "sha384", "sha512")
#: The programs of the environment itself; a wheel that brings one of these takes it over.
INTERPRETER_NAME = re.compile(r"(python|pythonw|pypy)[0-9.]*t?", re.IGNORECASE)


@dataclass(frozen=True)
class WheelFacts:
    """What a wheel says of itself, and has been found not to contradict.

    :param path: of the file
    :param key: the project's normalised name
    :param name: the project's name as ``METADATA`` spells it
    :param version: its version
    :param tags: the compatibility tags of the file name
    :param dist_info: name of the ``.dist-info`` folder, as the archive spells it
    :param data: name of the ``.data`` folder; there may be none of that name
    :param metadata: the parsed ``METADATA``
    :param root_is_purelib: whether its root goes to ``purelib``, else to ``platlib``
    :param record: its RECORD
    :param warnings: what is odd about it and no reason to refuse it, each a sentence
    """

    path: str
    key: str
    name: str
    version: Version
    tags: frozenset[Tag]
    dist_info: str
    data: str
    metadata: Message
    root_is_purelib: bool
    record: Record
    warnings: tuple[str, ...] = ()

    @property
    def requires_python(self) -> str | None:
        """Its ``Requires-Python``, or ``None``."""
        value = self.metadata["Requires-Python"]
        return None if value is None else str(value)

    @property
    def requirements(self) -> tuple[str, ...]:
        """Its ``Requires-Dist``."""
        return tuple(str(line) for line in self.metadata.get_all("Requires-Dist", []))

    @property
    def of_the_wheel_alone(self) -> tuple[str, ...]:
        """Files not to be installed: RECORD, which changes, its signatures, what another installer noted."""
        return tuple(f"{self.dist_info}/{name}" for name in ("RECORD", *_SIGNATURES, *_NOTES))

    def has_version(self, text: str) -> bool:
        """Whether a version, written in whatever way, is the one of this wheel."""
        return _version(text) == self.version


def judge_wheel(archive: Archive) -> WheelFacts:
    """Read what a wheel is and refuse it where that is not sound.

    :param archive: its open archive; the bytes of its files are not judged here
    :raises InvalidWheel: with the first thing that is wrong
    """
    key, version, tags = parse_wheel_path(archive.path)
    dist_info, data = _find_folders(archive, key, version)
    metadata = parse_metadata_file(read_text(archive, f"{dist_info}/METADATA"))
    root_is_purelib, warnings = _check_wheel_file(archive, dist_info)
    facts = WheelFacts(
        path=archive.path,
        key=key,
        name=_check_metadata(archive.path, metadata, key, version),
        version=version,
        tags=tags,
        dist_info=dist_info,
        data=data,
        metadata=metadata,
        root_is_purelib=root_is_purelib,
        record=_check_record(archive, dist_info),
        warnings=warnings,
    )
    _check_places(archive, data)
    _check_scripts(archive, facts)
    return facts


def parse_wheel_path(path: str) -> tuple[str, Version, frozenset[Tag]]:
    """Take the file name of a wheel apart: normalised project name, version, compatibility tags.

    :raises InvalidWheel: if it is not named like a wheel
    """
    try:
        key, version, _, tags = parse_wheel_filename(os.path.basename(path))
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise InvalidWheel(
            path,
            "is not named like a wheel",
            tip="a wheel is named project-version-python-abi-platform.whl",
        ) from error
    return key, version, tags


def read_text(archive: Archive, name: str) -> str:
    """The text of a member.

    :raises InvalidWheel: if it is missing, damaged or no UTF-8
    """
    if name not in archive.members:
        raise InvalidWheel(archive.path, f"has no {name}")
    try:
        return archive.read(archive.members[name]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidWheel(archive.path, f"has a {name} that is no UTF-8") from error


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
    stem = infos[0][: -len(".dist-info")]
    if not _means(stem, key, version):
        raise InvalidWheel(archive.path, f"has the .dist-info folder of another project: {infos[0]!r}")
    datas = [name for name in tops if name.endswith(".data") and _means(name[: -len(".data")], key, version)]
    if len(datas) > 1:
        raise InvalidWheel(archive.path, f"must not have two .data folders: {', '.join(sorted(datas))}")
    return infos[0], datas[0] if datas else stem + ".data"


def _means(stem: str, key: str, version: Version) -> bool:
    name, dash, text = stem.rpartition("-")
    return bool(dash) and canonicalize_name(name) == key and _version(text.replace("_", "-")) == version


def _version(text: str | None) -> Version | None:
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _check_metadata(path: str, metadata: Message, key: str, version: Version) -> str:
    """Hold ``METADATA`` against the file name; return the name of the project as it spells it."""
    name = metadata["Name"]
    if not name or canonicalize_name(name) != key:
        raise InvalidWheel(path, f"is named {key}, and its METADATA names {name!r}")
    if _version(metadata["Version"]) != version:
        raise InvalidWheel(path, f"is named version {version}, and its METADATA says {metadata['Version']!r}")
    return str(name)


def _check_wheel_file(archive: Archive, dist_info: str) -> tuple[bool, tuple[str, ...]]:
    """Judge ``WHEEL``: a newer major version must be refused, a newer minor one warned about.

    :return: whether the root is ``purelib``, and the warnings
    """
    message = parse_metadata_file(read_text(archive, f"{dist_info}/WHEEL"))
    text = str(message["Wheel-Version"] or "").strip()
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", text)
    if match is None or int(match[1]) > _WHEEL_VERSION[0]:
        raise InvalidWheel(
            archive.path,
            f"has the wheel format version {text!r}, and muslfix reads versions up to 1.x",
            tip="a newer muslfix may read it",
        )
    newer = (int(match[1]), int(match[2])) > _WHEEL_VERSION
    warning = f"has the wheel format version {text}, which is newer than this muslfix"
    return str(message["Root-Is-Purelib"]).strip().lower() == "true", (warning,) if newer else ()


def _check_record(archive: Archive, dist_info: str) -> Record:
    """Hold RECORD against the archive: the same files, each with a strong hash and its size."""
    try:
        record = Record.parse(read_text(archive, f"{dist_info}/RECORD"))
    except InvalidRecord as error:
        raise InvalidWheel(archive.path, f"has a damaged RECORD: it {error.reason}") from error
    for path, count in Counter(row.path for row in record.rows).items():
        if path not in archive.members:
            raise InvalidWheel(archive.path, f"lists {path!r} in RECORD, and has no such file")
        if count > 1:
            raise InvalidWheel(archive.path, f"lists {path!r} {count} times in RECORD")
    without_hash = {f"{dist_info}/{name}" for name in ("RECORD", *_SIGNATURES)}
    for name, member in archive.members.items():
        if name not in without_hash:
            _check_row(archive.path, record.get(name), member)
    return record


def _check_row(path: str, row: RecordRow | None, member: Member) -> None:
    if row is None:
        raise InvalidWheel(path, f"does not list {member.name!r} in RECORD")
    try:
        digest = row.digest
    except InvalidRecord as error:
        raise InvalidWheel(path, f"has a damaged RECORD: it {error.reason}") from error
    if digest is None or row.algorithm not in _STRONG_HASHES:
        raise InvalidWheel(path, f"has no hash of SHA-256 or stronger for {member.name!r} in RECORD")
    if row.size and row.size != str(member.size):
        raise InvalidWheel(
            path, f"says in RECORD that {member.name!r} has {row.size} bytes; it has {member.size}"
        )


def _check_places(archive: Archive, data: str) -> None:
    """Refuse names that would be something else once they are in their place."""
    for name in archive.members:
        folder, *rest = name.split("/")
        if folder == data and (len(rest) < 2 or rest[0] not in SCHEME_NAMES):
            raise InvalidWheel(
                archive.path, f"has {name!r}, which is in none of the folders {', '.join(SCHEME_NAMES)}"
            )
        if folder == data and rest[1].endswith(".dist-info"):
            raise InvalidWheel(archive.path, f"has a second .dist-info folder: {name!r}")
        if folder != data and folder.startswith(data):  # installer 0.7 would never find its way out of it
            raise InvalidWheel(archive.path, f"has {name!r}, which looks like its .data folder and is not")
        if any(part.startswith(STAGING_PREFIX) for part in (folder, *rest)):
            raise InvalidWheel(archive.path, f"has {name!r}, a name that muslfix keeps for itself")


def _check_scripts(archive: Archive, facts: WheelFacts) -> None:
    """Judge the names under which programs will be installed."""
    folder = f"{facts.data}/scripts/"
    names = [name[len(folder) :] for name in archive.members if name.startswith(folder)]
    names += _entry_points(archive, facts)
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidWheel(archive.path, f"has {count} scripts of the name {name!r}")
        if INTERPRETER_NAME.fullmatch(name):
            raise InvalidWheel(archive.path, f"has a script {name!r}, which would replace the interpreter")


def _entry_points(archive: Archive, facts: WheelFacts) -> Iterator[str]:
    """The names of the scripts that entry points ask for."""
    member = f"{facts.dist_info}/entry_points.txt"
    if member not in archive.members:
        return
    text = read_text(archive, member)
    try:
        found = [(name, f"{module}.{function}") for name, module, function, _ in parse_entrypoints(text)]
    except Exception as error:  # installer lets out configparser's errors and AssertionError
        reason = " ".join(str(error).split()) or "an entry is not of the form name = module:function"
        raise InvalidWheel(archive.path, f"has a damaged entry_points.txt: {reason}") from error
    for name, function in found:
        if name in (".", "..") or "/" in name or not name.isprintable():
            raise InvalidWheel(archive.path, f"has an entry point with a bad name: {name!r}")
        if not all(part.isidentifier() for part in function.split(".")):
            raise InvalidWheel(archive.path, f"has an entry point for what is no function: {name!r}")
        yield name
