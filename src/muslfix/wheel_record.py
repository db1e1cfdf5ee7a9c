"""RECORD of a wheel, held against the archive before anything of it is installed.

What a later uninstall removes stands in RECORD, so it must name the files of the wheel, all of them and no
others. The hashes themselves are compared while the files are read (:mod:`muslfix.source`).

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-dist-info-directory
"""

from __future__ import annotations

import string
from collections import Counter

from muslfix.archive import Archive, Member, read_text
from muslfix.errors import InvalidRecord, InvalidWheel
from muslfix.record import Record, RecordRow

#: Files beside RECORD that sign it, so that it cannot list them.
SIGNATURES = ("RECORD.jws", "RECORD.p7s")

#: The hashes that may stand in RECORD, and the length of each in bytes.
_STRONG_HASHES = {"sha256": 32, "sha384": 48, "sha512": 64}
_BASE64 = string.ascii_letters + string.digits + "-_"
#: pip compares nothing, so some wheels on PyPI are wrong (FMPy 0.3, selenium 4.1): this is the way out.
RECORD_TIP = (
    "the wheel was not made well, or was changed; with --ignore-record it is installed without being compared"
)


def judge_record(archive: Archive, dist_info: str) -> Record:
    """Hold RECORD against the archive: the same files, each with a strong hash and its size.

    :param dist_info: name of the ``.dist-info`` folder
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
    """Whether a row is as nearly all are, so that there is nothing to judge: a wheel can have thousands."""
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
