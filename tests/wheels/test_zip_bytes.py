"""Archives that are larger than the memory, or say so."""

from __future__ import annotations

import struct
from io import DEFAULT_BUFFER_SIZE as WINDOW
from pathlib import Path

import pytest
from limits import within_limits

from muslfix.errors import InvalidWheel
from muslfix.wheels.archive import open_archive
from muslfix.wheels.zip_bytes import ZipBytes

GIGABYTE = 1024**3
END = struct.Struct("<4s4H2LH")


def members_of(path: Path) -> str:
    try:
        with open_archive(str(path)) as archive:
            return str(list(archive.members))
    except InvalidWheel as error:
        return error.reason


def test_an_archive_of_gigabytes_needs_little_memory(tmp_path: Path) -> None:
    path, size = tmp_path / "a.zip", 3 * GIGABYTE
    fields = struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, size, size, 3, 0)
    with path.open("wb") as file:
        file.write(b"PK\3\4" + fields + b"big")
        offset = file.seek(size, 1)
        directory = b"PK\1\2\x14\3" + fields + struct.pack("<3H2L", 0, 0, 0, 0, 0) + b"big"
        file.write(directory + END.pack(b"PK\5\6", 0, 0, 1, 1, len(directory), offset, 0))
    assert within_limits(lambda: members_of(path), megabytes=20) == "['big']"


def test_a_directory_of_gigabytes_is_refused(tmp_path: Path) -> None:
    path, size = tmp_path / "a.zip", 2 * GIGABYTE
    with path.open("wb") as file:
        file.seek(size)
        file.write(END.pack(b"PK\5\6", 0, 0, 1, 1, size, 0, 0))
    said = within_limits(lambda: members_of(path), megabytes=20)
    assert said == f"has a central directory of {size} bytes, which is too large"


def test_a_signature_at_the_very_beginning_is_no_record(tmp_path: Path) -> None:
    """Where a locator would begin before the file does."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\6\7" + END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0))
    assert members_of(path) == "is damaged: its central directory is not where its end record says"


def test_the_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 200
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        data = ZipBytes("file", file, len(content))
        for start in (0, 5, WINDOW - 1, WINDOW, 3 * WINDOW - 2, len(content) - 1, len(content), 2**70):
            for length in (0, 1, 4, WINDOW, 3 * WINDOW):
                assert data[start : start + length] == content[start : start + length]
        assert data.find(b"\xff\0", 256, 9999) == content.find(b"\xff\0", 256, 9999)
        assert data.find(b"\xff\0", 256, 512) == -1
        path.write_bytes(content[:100])
        with pytest.raises(InvalidWheel, match="became shorter while it was read"):
            data[90:200]
