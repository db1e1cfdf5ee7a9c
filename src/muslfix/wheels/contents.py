"""RECORD and the scripts of a wheel, compared with its files before anything of it is installed.

RECORD is what a later uninstall removes, so it must list all files of the wheel and no others. The hashes
themselves are compared while the files are read (:mod:`muslfix.wheels.wheel`). Scripts, which come as files
or are made for entry points, are judged by the names that they will have.

Specifications:
https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-dist-info-directory,
https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from muslfix.errors import InvalidRecord, InvalidWheel
from muslfix.files.access import STAGING_PREFIX, configures_interpreter
from muslfix.record.rows import Record, RecordRow
from muslfix.wheels.archive import Archive, Member, read_text
from muslfix.wheels.texts import EntryPoint, parse_entry_points
from muslfix.wheels.zip_names import about_alike, place_key

#: Files beside RECORD that sign it, so that it cannot list them.
SIGNATURES = ("RECORD.jws", "RECORD.p7s")

# The hashes that RECORD may have, and their lengths in bytes.
_STRONG_HASHES = {"sha256": 32, "sha384": 48, "sha512": 64}
_BASE64 = string.ascii_letters + string.digits + "-_"
#: The way out: pip compares nothing, so some wheels on PyPI are wrong (FMPy 0.3, selenium 4.1).
RECORD_TIP = (
    "the wheel was built incorrectly, or changed later; 'muslfix install --ignore-record' does not compare it"
)

_LONGEST_NAME = 255  # bytes, of a file


def judge_record(archive: Archive, dist_info: str) -> Record:
    """Compare RECORD with the archive: it must have the same files, each with a strong hash and its size.

    :param dist_info: name of the ``.dist-info`` directory
    :raises InvalidWheel: with the first thing that is wrong
    """
    try:
        record = Record.parse(read_text(archive, f"{dist_info}/RECORD"))
    except InvalidRecord as error:
        raise InvalidWheel(archive.path, f"has a damaged RECORD: it {error.reason}", RECORD_TIP) from error
    rows = {row.path: row for row in record.rows}
    if len(rows) < len(record.rows) or not rows.keys() <= archive.members.keys():
        _refuse_rows(archive, record)
    without_hash = {f"{dist_info}/{name}" for name in ("RECORD", *SIGNATURES)}
    for name, member in archive.members.items():
        row = rows.get(name)
        if (row is None or not _is_usual(row, member)) and name not in without_hash:
            _judge_row(archive.path, row, member)
    return record


def _is_usual(row: RecordRow, member: Member) -> bool:
    """Whether a row is like nearly all others, so that there is nothing to judge; there can be thousands."""
    kind, digest = row.hash[:7], row.hash[7:]
    is_hash = kind == "sha256=" and len(digest) == 43 and not digest.strip(_BASE64)
    return is_hash and row.size == str(member.size)


def _refuse_rows(archive: Archive, record: Record) -> None:
    for path, count in Counter(row.path for row in record.rows).items():
        if path not in archive.members:
            raise InvalidWheel(archive.path, f"lists {path!r:.200} in RECORD, {_absence(path)}", RECORD_TIP)
        if count > 1:
            raise InvalidWheel(archive.path, f"lists {path!r:.200} {count} times in RECORD", RECORD_TIP)


def _absence(path: str) -> str:
    if path.startswith(("/", "\\")) or ".." in path.replace("\\", "/").split("/") or path[1:2] == ":":
        return "which leads out of the wheel"
    return "and has no such file"


def _judge_row(path: str, row: RecordRow | None, member: Member) -> None:
    if row is None:
        raise InvalidWheel(path, f"does not list {member.name!r:.200} in RECORD", RECORD_TIP)
    if not row.has_hash:
        raise InvalidWheel(path, f"has no hash for {member.name!r:.200} in RECORD", RECORD_TIP)
    try:
        digest = row.digest or b""
    except InvalidRecord as error:
        raise InvalidWheel(path, f"has a damaged RECORD: it {error.reason}", RECORD_TIP) from error
    if row.algorithm not in _STRONG_HASHES:
        raise InvalidWheel(
            path,
            f"has only a hash of kind {row.algorithm!r:.50} for {member.name!r:.200} in RECORD",
            RECORD_TIP,
        )
    if len(digest) != _STRONG_HASHES[row.algorithm]:
        raise InvalidWheel(path, f"has a hash of wrong length for {member.name!r:.200} in RECORD", RECORD_TIP)
    if row.size and row.size != str(member.size):
        raise InvalidWheel(
            path,
            f"says in RECORD that {member.name!r:.200} has {row.size:.20} bytes; it has {member.size}",
            RECORD_TIP,
        )


class Scripts(NamedTuple):
    """The programs that come with a wheel.

    :param made: those that are made for entry points
    :param superseded: files that are not installed because an entry point makes the same script: setuptools
        once put the scripts that it had made for entry points into wheels as well (``wheel`` 0.22 itself has
        them), and pip skips them (``is_entrypoint_wrapper`` in its ``operations/install/wheel.py``)
    :param warnings: what is odd about the entry points, each a sentence
    """

    made: tuple[EntryPoint, ...] = ()
    superseded: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()


def judge_scripts(archive: Archive, dist_info: str, data: str) -> Scripts:
    """Judge the names under which programs will be installed.

    :param dist_info: name of the ``.dist-info`` directory
    :param data: name of the ``.data`` directory
    :raises InvalidWheel: if two differ and have the same name, or a name is not a file name or is the
        interpreter's
    """
    scripts = f"{data}/scripts/"
    files = {name[len(scripts) :]: name for name in archive.members if name.startswith(scripts)}
    entry_points = _entry_points(archive, f"{dist_info}/entry_points.txt")
    made, warnings = _distinct(archive.path, entry_points, files)
    others = f"{data}/data/"
    below_prefix = [name[len(others) :] for name in archive.members if name.startswith(others)]
    for name in (*(f"bin/{name}" for name in (*made, *files)), *below_prefix):
        if configures_interpreter(name):
            raise InvalidWheel(archive.path, f"has {name!r:.200}, which belongs to the interpreter")
    superseded = frozenset(files[name] for name in made if name in files)
    return Scripts(tuple(made.values()), superseded, tuple(warnings))


def _distinct(
    path: str, entry_points: Iterable[EntryPoint], files: Iterable[str]
) -> tuple[dict[str, EntryPoint], list[str]]:
    """Entry points by the names of their scripts, and what is odd about these.

    :param files: names of the scripts that are files
    """
    made: dict[str, EntryPoint] = {}
    alike = {place_key(name): name for name in files}
    warnings = []
    for one in entry_points:
        other = made.setdefault(one.name, one)
        if other[1:3] != one[1:3]:
            wanted = f"{other.module}:{other.function} and {one.module}:{one.function}"
            raise InvalidWheel(path, f"has two entry points named {one.name!a:.100}: {wanted:.200}")
        if one.keyword is not None:
            called = f"{one.name!a:.100} = {one.module}:{one.function}"
            warnings.append(
                f"has the entry point {called:.300}, which cannot run: {one.keyword!r} is a keyword"
            )
        if other is not one:
            warnings.append(f"has the entry point {one.name!a:.100} twice")
        first = alike.setdefault(place_key(one.name), one.name)
        if first != one.name:
            warnings.append(about_alike(one.name, first))
    return made, warnings


def _entry_points(archive: Archive, member: str) -> tuple[EntryPoint, ...]:
    """The scripts that entry points ask for."""
    if member not in archive.members:
        return ()
    try:
        found = parse_entry_points(read_text(archive, member))
    except ValueError as error:
        raise InvalidWheel(archive.path, f"has a damaged entry_points.txt: {error!s:.300}") from error
    for one in found:
        if not _is_file_name(one.name):
            raise InvalidWheel(archive.path, f"has an entry point with a bad name: {one.name!r:.200}")
        if one.name.casefold().startswith(STAGING_PREFIX):
            reason = f"has the entry point {one.name!r:.200}, a name that muslfix reserves for itself"
            raise InvalidWheel(archive.path, reason)
    return found


def _is_file_name(name: str) -> bool:
    return (
        name not in ("", ".", "..")
        and not {"/", "\\"} & set(name)
        and name.isprintable()
        and len(name.encode()) <= _LONGEST_NAME
    )
