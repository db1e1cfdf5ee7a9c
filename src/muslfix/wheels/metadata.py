"""What a wheel says of itself, judged as a whole before anything of it is installed.

``installer`` moves the files of a wheel and checks little, so names, versions and tags are compared here, and
RECORD and entry points in :mod:`muslfix.wheels.contents`. A wheel that is refused leaves no trace.

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from installer.utils import SCHEME_NAMES
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from muslfix.errors import InvalidWheel
from muslfix.files.access import STAGING_PREFIX, TRACE
from muslfix.record.rows import Record
from muslfix.wheels.archive import Archive, read_text
from muslfix.wheels.contents import SIGNATURES, Scripts, judge_record, judge_scripts
from muslfix.wheels.file_name import parse_wheel_path, version_of
from muslfix.wheels.texts import Headers, parse_tags

# Files that an installer writes; a wheel made of an installed project has those of another installer.
_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", TRACE)
_WHEEL_VERSION = (1, 0)

_TAG = re.compile(r"[^\s-]+-[^\s-]+-[^\s-]+")

# What importlib.metadata, pip and setuptools take for an installed project, whatever its case.
_DESCRIBES = (".dist-info", ".egg-info", ".egg-link", ".egg")
# https://docs.python.org/3/library/site.html#module-sitecustomize
_AT_STARTUP = ("sitecustomize", "usercustomize")


class WheelFacts(NamedTuple):
    """What a wheel says of itself, free of contradictions.

    :param path: of the file
    :param key: the project's normalised name
    :param name: the project's name as ``METADATA`` spells it
    :param version: its version
    :param tags: the compatibility tags of the file name
    :param dist_info: name of the ``.dist-info`` directory, as the archive spells it
    :param data: name of the ``.data`` directory; there may be none of that name
    :param requires_python: its ``Requires-Python``, or ``None``
    :param requirements: its ``Requires-Dist``
    :param root_is_purelib: whether its root goes to ``purelib``, else to ``platlib``
    :param record: its RECORD; without rows if it is to be ignored
    :param scripts: its programs
    :param warnings: what is odd about it but no reason to refuse it, each a sentence
    """

    path: str
    key: str
    name: str
    version: Version
    tags: frozenset[Tag]
    dist_info: str
    data: str
    requires_python: str | None
    requirements: tuple[str, ...]
    root_is_purelib: bool
    record: Record
    scripts: Scripts
    warnings: tuple[str, ...]

    @property
    def of_the_wheel_alone(self) -> tuple[str, ...]:
        """Files that are not installed: RECORD, which changes, its signatures, an installer's own files."""
        notes = (f"{self.dist_info}/{name}" for name in ("RECORD", *SIGNATURES, *_NOTES))
        return (*notes, *self.scripts.superseded)

    @property
    def root_scheme(self) -> str:
        """The scheme that its root belongs to, and so its ``.dist-info``."""
        return "purelib" if self.root_is_purelib else "platlib"

    def has_version(self, text: str) -> bool:
        """Whether a version is this wheel's, however it is spelled."""
        return version_of(text) == self.version


def judge_wheel(archive: Archive, *, ignore_record: bool = False) -> WheelFacts:
    """Read what a wheel is, and refuse it if that is not sound.

    :param archive: its open archive; the bytes of its files are not judged here
    :param ignore_record: accept the files whatever RECORD says of them
    :raises InvalidWheel: with the first thing that is wrong
    """
    key, version, tags = parse_wheel_path(archive.path)
    dist_info, data = _find_directories(archive, key, version)
    metadata = Headers(archive.path, "METADATA", read_text(archive, f"{dist_info}/METADATA"))
    wheel = Headers(archive.path, "WHEEL", read_text(archive, f"{dist_info}/WHEEL"))
    record, record_warnings = _record(archive, dist_info, ignore=ignore_record)
    _check_places(archive, dist_info, data)
    root_is_purelib, root_warnings = _root_is_purelib(wheel)
    scripts = judge_scripts(archive, dist_info, data)
    return WheelFacts(
        path=archive.path,
        key=key,
        name=_check_metadata(metadata, key, version),
        version=version,
        tags=tags,
        dist_info=dist_info,
        data=data,
        requires_python=next(iter(metadata.all("Requires-Python")), None),
        requirements=metadata.all("Requires-Dist"),
        root_is_purelib=root_is_purelib,
        record=record,
        scripts=scripts,
        warnings=(
            *archive.warnings,
            *_check_format(wheel),
            *root_warnings,
            *_compare_tags(wheel, tags),
            *scripts.warnings,
            *record_warnings,
            *_check_startup(archive, data),
        ),
    )


def _find_directories(archive: Archive, key: str, version: Version) -> tuple[str, str]:
    """The names of the ``.dist-info`` and the ``.data`` directory, as the archive spells them.

    Old tools spell them in ways that the specification does not know, so they only need to mean this project
    and version. A second one of a kind would contradict the first.
    """
    tops = dict.fromkeys(name.partition("/")[0] for name in archive.members if "/" in name)
    infos = [name for name in tops if name.lower().endswith(".dist-info")]
    if len(infos) != 1 or not infos[0].endswith(".dist-info"):
        found = ", ".join(sorted(infos)) or "none"
        raise InvalidWheel(archive.path, f"must have one .dist-info directory, but has {found}")
    stem = infos[0][: -len(".dist-info")]
    if not _means(stem, key, version):
        raise InvalidWheel(archive.path, _about_directory(infos[0], stem, key, version))
    datas = [name for name in tops if name.endswith(".data") and _means(name[: -len(".data")], key, version)]
    if len(datas) > 1:
        raise InvalidWheel(archive.path, f"must not have two .data directories: {', '.join(sorted(datas))}")
    return infos[0], datas[0] if datas else stem + ".data"


def _means(stem: str, key: str, version: Version) -> bool:
    name, dash, text = stem.rpartition("-")
    return bool(dash) and canonicalize_name(name) == key and version_of(text.replace("_", "-")) == version


def _about_directory(directory: str, stem: str, key: str, version: Version) -> str:
    """Says in what a ``.dist-info`` directory differs from the file name."""
    name, dash, _ = stem.rpartition("-")
    if not dash:
        return f"has a .dist-info directory without a version: {directory!a:.200}"
    if canonicalize_name(name) == key:
        named = f"and its file name says {version}"
        return f"has the .dist-info directory of another version: {directory!a:.200}, {named}"
    kind = "spelled differently" if _letters(name) == _letters(key) else "of another project"
    return f"has a .dist-info directory {kind}: {directory!a:.200}, and its file name says {key!a:.100}"


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))


def _check_metadata(metadata: Headers, key: str, version: Version) -> str:
    """Compare ``METADATA`` with the file name; return the project's name as ``METADATA`` spells it."""
    path, name = metadata.path, metadata.one("Name")
    if not name or canonicalize_name(name) != key:
        raise InvalidWheel(path, f"is named {key}, and its METADATA names {name!a:.200}")
    text = metadata.one("Version")
    if version_of(text) != version:
        raise InvalidWheel(path, f"is named version {version}, and its METADATA says {text!a:.200}")
    return name


def _check_format(wheel: Headers) -> tuple[str, ...]:
    """Check the version of the format: refuse a newer major one, warn about a newer minor one."""
    text = wheel.one("Wheel-Version") or ""
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", text)
    if match is None or int(match[1]) > _WHEEL_VERSION[0]:
        raise InvalidWheel(
            wheel.path,
            f"has the wheel format version {text!r:.50}, and muslfix reads versions up to 1.x",
            tip="a newer muslfix may read it",
        )
    newer = (int(match[1]), int(match[2])) > _WHEEL_VERSION
    return (f"has the wheel format version {text}, which is newer than this muslfix",) if newer else ()


def _root_is_purelib(wheel: Headers) -> tuple[bool, tuple[str, ...]]:
    """Whether its root goes to ``purelib``, and what is odd about how it says that.

    pip and uv take anything but "true" for false, and a missing line too. It can be true together with
    platform tags: 34 of 1043 wheels from PyPI have programs or shared libraries, but no extension modules.
    """
    text = wheel.one("Root-Is-Purelib") or "false"
    if text.lower() in ("true", "false"):
        return text.lower() == "true", ()
    return False, (f"says 'Root-Is-Purelib: {text:.50}' in its WHEEL, which counts as false",)


def _compare_tags(wheel: Headers, tags: frozenset[Tag]) -> tuple[str, ...]:
    """Compare the tags in ``WHEEL`` with those of the file name.

    The specification requires them to be the same. Of 1043 wheels from PyPI five had others, and three (ray,
    mysql-connector-python, playwright) had none in common with their name: they were renamed after they had
    been built for plain ``linux_x86_64`` or ``any``. The file name is what a wheel is chosen by, and what its
    modules are for is read from them. So this is a warning; pip and uv compare nothing.
    """
    lines = wheel.all("Tag")
    wrong = [line for line in lines if not _TAG.fullmatch(line)]
    warnings = [
        f"has {line!a:.100} as a tag in its WHEEL, which is no compatibility tag" for line in wrong[:1]
    ]
    try:
        inside = parse_tags(*filter(_TAG.fullmatch, lines))
    except ValueError as error:
        return *warnings, f"has tags in its WHEEL that were not compared: what they say {error}"
    if inside and not inside & tags:
        first, *others = sorted(map(str, inside))
        named = f"{first:.100}" + (f" and {len(others)} more" if others else "")
        warnings.append(f"is for {named} according to its WHEEL, but not according to its file name")
    return tuple(warnings)


def _record(archive: Archive, dist_info: str, *, ignore: bool) -> tuple[Record, tuple[str, ...]]:
    """Its RECORD, or if that is ignored, one without rows, and what is wrong with it."""
    try:
        record = judge_record(archive, dist_info)
    except InvalidWheel as error:
        if not ignore:
            raise
        return Record(), (f"{error.reason}, which was ignored",)
    return (Record(), ("was not compared with its RECORD",)) if ignore else (record, ())


def _check_places(archive: Archive, dist_info: str, data: str) -> None:
    """Refuse paths that would become something else where they are installed."""
    for name in archive.members:
        if name.startswith(data):
            _check_data(archive.path, name, data)
        # The first tests are cheap, and few names pass them.
        folded = name.casefold()  # as some file systems take it
        if STAGING_PREFIX in folded and any(part.startswith(STAGING_PREFIX) for part in folded.split("/")):
            raise InvalidWheel(archive.path, f"has {name!r}, a name that muslfix reserves for itself")
        if any(ending in folded for ending in _DESCRIBES):
            _check_only_itself(archive.path, name, dist_info, data)


def _check_only_itself(path: str, name: str, dist_info: str, data: str) -> None:
    """Refuse what another tool would take for an installed project, as a file or as a directory."""
    top, *rest = name.split("/")
    inner = [top]
    if top == data:
        # Below the others, the site directory can be anywhere.
        inner = rest[1:2] if rest[0] in ("purelib", "platlib") else rest[1:]
    if any(part.casefold().endswith(_DESCRIBES) for part in inner) and top != dist_info:
        raise InvalidWheel(path, f"has {name!r:.200}, which would describe a project beside its {dist_info}")


def _check_startup(archive: Archive, data: str) -> tuple[str, ...]:
    """Warn of modules that every Python of the environment runs when it starts, as it does some ``.pth``."""
    found = sorted(
        name
        for name in archive.members
        if any(module in name for module in _AT_STARTUP)
        and any(part.partition(".")[0] in _AT_STARTUP for part in _beside_modules(name, data))
    )
    return tuple(f"has {name!r:.200}, which every Python there runs at startup" for name in found)


def _beside_modules(name: str, data: str) -> Iterator[str]:
    """The parts of a path that can stand in a site directory; below ``data`` that is told by its name."""
    top, *rest = name.split("/")
    if top != data:
        yield top
    elif rest[:1] in (["purelib"], ["platlib"]):
        yield from rest[1:2]
    else:
        yield from (
            part for above, part in zip(rest, rest[1:]) if above in ("site-packages", "dist-packages")
        )


def _check_data(path: str, name: str, data: str) -> None:
    """Judge a path that begins like the ``.data`` directory."""
    top, *rest = name.split("/")
    if top != data:  # installer 0.7 would loop forever
        raise InvalidWheel(path, f"has {name!r}, which looks like its .data directory but is not")
    if len(rest) < 2 or rest[0] not in SCHEME_NAMES:
        raise InvalidWheel(
            path, f"has {name!r}, which is in none of the directories {', '.join(SCHEME_NAMES)}"
        )
