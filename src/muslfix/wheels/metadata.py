"""What a wheel file is, judged as a whole before anything of it is installed.

``installer`` moves what a wheel holds and checks little of it, so names, versions, RECORD against the archive
and entry points are checked here: a wheel that is refused must not have left a trace.

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from email.message import Message
from typing import NamedTuple

from installer.utils import SCHEME_NAMES, parse_metadata_file
from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from muslfix.errors import InvalidWheel
from muslfix.files import STAGING_PREFIX, TRACE
from muslfix.record import Record
from muslfix.wheels.archive import Archive, read_text
from muslfix.wheels.contents import SIGNATURES, judge_record, judge_scripts

# What an installer notes; a wheel that was made of an installed project brings what another one did.
_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", TRACE)
_WHEEL_VERSION = (1, 0)


class WheelFacts(NamedTuple):
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
    :param record: its RECORD; one without rows if it is to be ignored
    :param superseded: scripts in it that its entry points make anew, by their path in the archive
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
    superseded: frozenset[str] = frozenset()
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
        notes = (f"{self.dist_info}/{name}" for name in ("RECORD", *SIGNATURES, *_NOTES))
        return (*notes, *self.superseded)

    @property
    def signatures(self) -> tuple[str, ...]:
        """Files that may sign RECORD as it is."""
        return tuple(f"{self.dist_info}/{name}" for name in SIGNATURES)

    def has_version(self, text: str) -> bool:
        """Whether a version, written in whatever way, is the one of this wheel."""
        return _version(text) == self.version


def judge_wheel(archive: Archive, *, ignore_record: bool = False) -> WheelFacts:
    """Read what a wheel is and refuse it where that is not sound.

    :param archive: its open archive; the bytes of its files are not judged here
    :param ignore_record: take the files as they are, whatever RECORD says of them
    :raises InvalidWheel: with the first thing that is wrong
    """
    path = archive.path
    key, version, tags = parse_wheel_path(path)
    dist_info, data = _find_folders(archive, key, version)
    metadata = parse_metadata_file(read_text(archive, f"{dist_info}/METADATA"))
    wheel = parse_metadata_file(read_text(archive, f"{dist_info}/WHEEL"))
    record, record_warnings = _record(archive, dist_info, ignore=ignore_record)
    _check_places(archive, data)
    return WheelFacts(
        path=path,
        key=key,
        name=_check_metadata(path, metadata, key, version),
        version=version,
        tags=tags,
        dist_info=dist_info,
        data=data,
        metadata=metadata,
        root_is_purelib=_root_is_purelib(path, wheel),
        record=record,
        superseded=judge_scripts(archive, dist_info, data),
        warnings=(*_check_format(path, wheel), *_check_tags(path, wheel, tags), *record_warnings),
    )


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


def _find_folders(archive: Archive, key: str, version: Version) -> tuple[str, str]:
    """The names of the ``.dist-info`` folder and of the ``.data`` folder, as the archive spells them.

    Old tools spell them in ways that the specification does not know, so what counts is that they mean
    this project and version; a second one of a kind would be a second truth.
    """
    tops = dict.fromkeys(name.partition("/")[0] for name in archive.members if "/" in name)
    infos = [name for name in tops if name.lower().endswith(".dist-info")]
    if len(infos) != 1 or not infos[0].endswith(".dist-info"):
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


def _one(path: str, message: Message, file: str, header: str) -> str | None:
    """The value of a header that may stand there once: of two, each reader would take another."""
    values = message.get_all(header, [])
    if len(values) > 1:
        raise InvalidWheel(path, f"has {len(values)} lines {header!r} in its {file}")
    return str(values[0]).strip() if values else None


def _check_metadata(path: str, metadata: Message, key: str, version: Version) -> str:
    """Hold ``METADATA`` against the file name; return the name of the project as it spells it."""
    name = _one(path, metadata, "METADATA", "Name")
    if not name or canonicalize_name(name) != key:
        raise InvalidWheel(path, f"is named {key}, and its METADATA names {name!r:.200}")
    text = _one(path, metadata, "METADATA", "Version")
    if _version(text) != version:
        raise InvalidWheel(path, f"is named version {version}, and its METADATA says {text!r:.200}")
    return name


def _check_format(path: str, wheel: Message) -> tuple[str, ...]:
    """Judge the version of the format: a newer major one must be refused, a newer minor one warned about."""
    text = _one(path, wheel, "WHEEL", "Wheel-Version") or ""
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", text)
    if match is None or int(match[1]) > _WHEEL_VERSION[0]:
        raise InvalidWheel(
            path,
            f"has the wheel format version {text!r:.50}, and muslfix reads versions up to 1.x",
            tip="a newer muslfix may read it",
        )
    newer = (int(match[1]), int(match[2])) > _WHEEL_VERSION
    return (f"has the wheel format version {text}, which is newer than this muslfix",) if newer else ()


def _root_is_purelib(path: str, wheel: Message) -> bool:
    """Whether its root goes to ``purelib``.

    pip takes whatever is not "true" for false, a missing line too. It may be true beside platform tags: so
    it is in 34 of 1043 wheels from PyPI, which have programs or shared libraries and no extension modules.
    """
    text = _one(path, wheel, "WHEEL", "Root-Is-Purelib") or "false"
    if text.lower() not in ("true", "false"):
        raise InvalidWheel(path, f"says 'Root-Is-Purelib: {text!r:.50}', which is neither true nor false")
    return text.lower() == "true"


def _check_tags(path: str, wheel: Message, tags: frozenset[Tag]) -> tuple[str, ...]:
    """Hold the tags in ``WHEEL`` against those of the file name.

    The specification wants them to be the same. Of 1043 wheels from PyPI five had others, three of them (ray,
    mysql-connector-python, playwright) none in common with their name: the file had been renamed after it had
    been built for plain ``linux_x86_64`` or ``any``. So another platform is a warning, for the ELF files tell
    what they are for; another Python or ABI is refused. pip compares nothing.
    """
    lines = [str(line).strip() for line in wheel.get_all("Tag", [])]
    try:
        inside = frozenset(tag for line in lines for tag in parse_tag(line))
    except ValueError:
        raise InvalidWheel(path, "has a line 'Tag' in its WHEEL that is no compatibility tag") from None
    if not inside or inside & tags:
        return ()
    sentence = f"is for {_shown(inside)} according to its WHEEL, and not by its name"
    if not {(tag.interpreter, tag.abi) for tag in inside} & {(tag.interpreter, tag.abi) for tag in tags}:
        raise InvalidWheel(path, sentence)
    return (sentence,)


def _shown(tags: Iterable[Tag]) -> str:
    first, *others = sorted(map(str, tags))
    return f"{first:.100}" + (f" and {len(others)} more" if others else "")


def _record(archive: Archive, dist_info: str, *, ignore: bool) -> tuple[Record, tuple[str, ...]]:
    """Its RECORD; if that is to be ignored, one without rows, and what is known to be wrong with it."""
    if not ignore:
        return judge_record(archive, dist_info), ()
    try:
        judge_record(archive, dist_info)
    except InvalidWheel as error:
        return Record(), (f"{error.reason}, which was ignored",)
    return Record(), ("was not compared with its RECORD",)


def _check_places(archive: Archive, data: str) -> None:
    """Refuse names that would be something else once they are in their place."""
    for name in archive.members:
        if name.startswith(data):
            _check_data(archive.path, name, data)
        # Few names have it anywhere.
        if STAGING_PREFIX in name and any(part.startswith(STAGING_PREFIX) for part in name.split("/")):
            raise InvalidWheel(archive.path, f"has {name!r}, a name that muslfix keeps for itself")


def _check_data(path: str, name: str, data: str) -> None:
    """Judge a name that begins like the ``.data`` folder."""
    folder, *rest = name.split("/")
    if folder != data:  # installer 0.7 would never find its way out of it
        raise InvalidWheel(path, f"has {name!r}, which looks like its .data folder and is not")
    if len(rest) < 2 or rest[0] not in SCHEME_NAMES:
        raise InvalidWheel(path, f"has {name!r}, which is in none of the folders {', '.join(SCHEME_NAMES)}")
    # In the folder data, another project's files can be anywhere.
    inner = rest[1:] if rest[0] == "data" else rest[1:2]
    if any(part.endswith(".dist-info") for part in inner):
        raise InvalidWheel(path, f"has a second .dist-info folder: {name!r}")
