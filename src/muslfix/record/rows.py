r"""RECORD as text that can be edited: a row changed or added, every other byte left alone.

RECORD lists the files of an installed project, and what uninstalls it trusts that list. Reading it into rows
and writing them again would rewrite what this program has no business with: pip ends lines with CRLF, uv
and installer with LF, each quotes and sorts in its own way. So each row keeps the text that it came from.

Callers decode with ``bytes.decode("utf-8", "surrogateescape")`` and encode in the same way: file names are
bytes, and those that are not UTF-8 then survive like all others.

What ends a line is ``\n``, ``\r\n`` or a lone ``\r``, unless it is quoted. The lone ``\r`` ends one for pip
(it reads with universal newlines), for uv (the terminator of Rust's ``csv`` crate) and for installer
(:meth:`str.splitlines`), so another reading here would find another list of files than they do. The further
characters at which :meth:`str.splitlines` splits are legal in file names and end nothing here. They end a
line for ``pip uninstall``, so no wheel that has them in a name is installed.

Specification: https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
"""

from __future__ import annotations

import csv
import io
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from muslfix.errors import InvalidRecord

# A file of 64 MiB can have 16 million rows, which take gigabytes. CRLF counts twice.
_MOST_LINES = 1_000_000
_BASE64 = re.compile(r"([A-Za-z0-9_-]+)={0,2}")
_HEXADECIMAL = {"sha256": 64, "sha384": 96, "sha512": 128}  # digits


class RecordRow(NamedTuple):
    """One row of RECORD: its three fields as text.

    :param path: relative to the directory that holds the ``.dist-info``, with ``/`` between parts; may lead
        out of it by ``..``, and may be absolute
    :param hash: ``<algorithm>=<digest in urlsafe base64 without padding>``, or empty
    :param size: in bytes, decimal, or empty

    >>> import hashlib
    >>> RecordRow.of("pkg/empty.py", hashlib.sha256().digest(), 0).hash
    'sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """

    path: str
    hash: str
    size: str

    @classmethod
    def of(cls, path: str, digest: bytes, size: int) -> RecordRow:
        """The row of a file.

        :param path: as it is to stand in the row
        :param digest: its SHA-256, the 32 bytes themselves
        :param size: in bytes
        """
        return cls(path, "sha256=" + urlsafe_b64encode(digest).decode().rstrip("="), str(size))

    @classmethod
    def listed(cls, path: str) -> RecordRow:
        """The row of a file that is listed only: RECORD itself, its signatures, ``.pyc`` files.

        :param path: as it is to stand in the row
        """
        return cls(path, "", "")

    @property
    def has_hash(self) -> bool:
        """Whether there is a hash to hold a file against; PDM's install cache leaves ``sha256=`` of it."""
        return self.hash not in ("", f"{self.algorithm}=")

    @property
    def algorithm(self) -> str | None:
        """Name of the hash algorithm as :mod:`hashlib` spells it, or ``None`` for a row without a hash."""
        return self.hash.partition("=")[0].lower() or None

    @property
    def digest(self) -> bytes | None:
        """The bytes of the hash, or ``None`` for a row without one; old wheels have padded hashes.

        :raises InvalidRecord: if the field is not empty and is no hash
        """
        if not self.hash:
            return None
        text = self.hash.partition("=")[2]
        # gmsh 4.15 on PyPI has its hashes in hexadecimal; in base64 none of the kind has that length.
        if len(text) == _HEXADECIMAL.get(self.algorithm or "") and not text.strip("0123456789abcdefABCDEF"):
            return bytes.fromhex(text)
        match = _BASE64.fullmatch(text)
        if match is None or not self.algorithm or len(match[1]) % 4 == 1:
            raise InvalidRecord(None, f"has {self.hash!r:.200} for {self.path}, which is no hash")
        return urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))


@dataclass(frozen=True)
class Record:
    """A RECORD, which never changes: :class:`~muslfix.record.edit.RecordEdit` makes another one.

    A path may stand in several rows.
    """

    # The text of each row with its line end (a quoted field may span several lines), and its path; a blank
    # line has none. All else is read from the text where it is asked for: most runs look at few rows.
    texts: tuple[str, ...] = ()
    paths: tuple[str | None, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read a RECORD; :attr:`text` gives it back.

        :param text: the whole file, decoded without touching its line ends
        :raises InvalidRecord: if a row has not three fields or no path, a quote is not closed or not followed
            by the end of its field, there is a NUL, or there are too many lines; the reason names the line,
            and the path is ``None``
        """
        return cls(*parse_rows(text))

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return "".join(self.texts)

    @cached_property
    def rows(self) -> tuple[RecordRow, ...]:
        """The rows in their order; blank lines are none."""
        return tuple(RecordRow(*fields) for fields in csv.reader(self.texts) if fields)

    @cached_property
    def _text_of_path(self) -> dict[str | None, str]:
        return dict(zip(reversed(self.paths), reversed(self.texts)))

    def get(self, path: str) -> RecordRow | None:
        """The row of a path, the first where it has several, or ``None``.

        :param path: as the row spells it
        """
        text = self._text_of_path.get(path)
        return None if text is None else RecordRow(*next(csv.reader([text])))

    def text_of(self, path: str) -> str:
        """The row of a path as the file has it, with its line end.

        :raises InvalidRecord: if the path has no row
        """
        text = self._text_of_path.get(path)
        if text is None:
            raise InvalidRecord(None, f"has no row for {path}")
        return text


def text_of_rows(rows: Iterable[RecordRow]) -> str:
    """A RECORD of rows, whose lines end as installer and uv end them.

    :param rows: without line ends in their fields
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def parse_rows(text: str) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The text and the path of each row; a blank line has no path."""
    if "\0" in text:
        number = len(_split(text[: text.index("\0") + 1]))
        raise InvalidRecord(None, f"has a NUL in line {number}")
    if text.count("\n") + text.count("\r") > _MOST_LINES:
        raise InvalidRecord(None, f"has more than {_MOST_LINES} line ends")
    lines = _split(text)
    reader = csv.reader(lines, strict=True)
    texts: list[str] = []
    paths: list[str | None] = []
    start = 0
    try:
        for fields in reader:
            end = reader.line_num
            texts.append(lines[start] if end == start + 1 else "".join(lines[start:end]))
            paths.append(_path(fields, start + 1))
            start = end
    except csv.Error as error:
        raise InvalidRecord(None, f"is no valid CSV in line {start + 1} ({error})") from error
    return tuple(texts), tuple(paths)


def _split(text: str) -> list[str]:
    """Cut text behind each line end: a StringIO cuts at those that CSV knows, and at no others."""
    return list(io.StringIO(text, newline=""))


def line_end(text: str) -> str:
    """The line end of a row; empty for a last one that has none."""
    return next((end for end in ("\r\n", "\n", "\r") if text.endswith(end)), "")


def _path(fields: list[str], number: int) -> str | None:
    """The path of a row, or ``None`` for a blank line."""
    if not fields:
        return None
    if len(fields) != 3:
        raise InvalidRecord(None, f"has {len(fields)} fields instead of 3 in line {number}")
    if not fields[0]:
        raise InvalidRecord(None, f"has a row without a path in line {number}")
    return fields[0]


def as_csv(row: RecordRow) -> str:
    """The text of a row without its line end."""
    if not row.path or "\0" in row.path + row.hash + row.size:
        raise InvalidRecord(None, f"cannot hold a row for the path {row.path!r}")
    text = io.StringIO()
    # The module quotes the characters of its line end; not every Python that we run on quotes the others.
    csv.writer(text, lineterminator="\r\n").writerow((row.path, row.hash, row.size))
    return text.getvalue()[: -len("\r\n")]
