"""Archives: what an honest tool writes is read, what none writes is refused, and nothing else happens."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheelmaker import DEFLATED, STORED, Member, archive_bytes

from muslfix.errors import InvalidWheel
from muslfix.wheels.archive import _CHUNK, _WHOLE, open_archive

TEXT = b"A text that zlib can make shorter, shorter, shorter.\n" * 3


def written(folder: Path, *members: Member, comment: bytes = b"") -> str:
    path = folder / "a.zip"
    path.write_bytes(archive_bytes(members, comment))
    return str(path)


def contents(path: str) -> dict[str, bytes]:
    with open_archive(path) as archive:
        return {name: archive.read(member) for name, member in archive.members.items()}


def refusal(path: str) -> str:
    """Why an archive is refused, by opening it or by reading it."""
    with pytest.raises(InvalidWheel) as caught:
        contents(path)
    assert caught.value.path == path
    return caught.value.reason


# -- what is accepted ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("content", [b"", b"x", TEXT], ids=["empty", "one byte", "text"])
def test_members_are_read_as_they_are(tmp_path: Path, method: int, content: bytes) -> None:
    path = written(tmp_path, Member("a/b.py", content, method), Member("c", TEXT, method))
    assert contents(path) == {"a/b.py": content, "c": TEXT}


@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("size", [_WHOLE - 1, _WHOLE, _WHOLE + 1, _WHOLE + 3 * _CHUNK + 7])
def test_large_members_come_in_pieces_of_bounded_size(tmp_path: Path, method: int, size: int) -> None:
    content = random.Random(size).randbytes(1000) * (size // 1000 + 1)
    path = written(tmp_path, Member("big", content[:size], method))
    with open_archive(path) as archive:
        chunks = list(archive.chunks(archive.members["big"]))
    assert b"".join(chunks) == content[:size]
    limit = _WHOLE if method == DEFLATED and size <= _WHOLE else _CHUNK
    assert max(len(chunk) for chunk in chunks) <= limit


def test_several_threads_read_at_once(tmp_path: Path) -> None:
    files = {f"f{n}": random.Random(n).randbytes(n * 997) for n in range(40)}
    path = written(tmp_path, *(Member(name, content) for name, content in files.items()))
    start = threading.Barrier(4)
    with open_archive(path) as archive, ThreadPoolExecutor(4) as pool:

        def read(_: int) -> dict[str, bytes]:
            start.wait()
            return {name: archive.read(member) for name, member in archive.members.items()}

        assert all(found == files for found in pool.map(read, range(4)))


def test_folders_are_no_members(tmp_path: Path) -> None:
    path = written(
        tmp_path, Member("a/", mode=0o040755), Member("a/", mode=0o040755), Member("a/b", TEXT), Member("c/")
    )
    assert contents(path) == {"a/b": TEXT}


def test_names_may_have_any_letters(tmp_path: Path) -> None:
    names = ["ä.py", "日本/x y.py", "a,b.py", 'a"b.py', "-rf", "x/c:d", "\u200b"]
    assert list(contents(written(tmp_path, *(Member(name, TEXT) for name in names)))) == names


class Pipe(io.RawIOBase):
    """A stream that cannot be sought: into one, :mod:`zipfile` writes data descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written += bytes(data)
        return len(data)


@pytest.mark.parametrize("zip64", [False, True], ids=["data descriptors", "zip64"])
def test_archive_of_a_pipe(tmp_path: Path, zip64: bool) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.py", "b/c.py"):
            with archive.open(name, "w", force_zip64=zip64) as file:
                file.write(TEXT)
    path = tmp_path / "a.zip"
    path.write_bytes(pipe.written)
    assert contents(str(path)) == {"a.py": TEXT, "b/c.py": TEXT}


def test_comments_and_extra_fields_are_allowed(tmp_path: Path) -> None:
    extra = struct.pack("<2H", 0x5455, 4) + b"time"
    path = written(tmp_path, Member("a", TEXT, extra=extra, comment=b"of a"), comment=b"of all")
    assert contents(path) == {"a": TEXT}


@pytest.mark.parametrize(
    ("attributes", "executable"),
    [
        (0o100755 << 16, True),
        (0o100644 << 16, False),
        (0o100001 << 16, True),
        (0o755 << 16, False),  # as pip: only where the mode says that it is a file
        (0, False),
        (0x20, False),
    ],
    ids=lambda value: f"{value:#x}",
)
def test_executable_is_what_pip_takes_for_it(tmp_path: Path, attributes: int, executable: bool) -> None:
    with open_archive(written(tmp_path, Member("a", TEXT, external_attr=attributes))) as archive:
        assert archive.members["a"].executable is executable


def test_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(bytes.fromhex("504b0506") + bytes(18))  # the empty archive
    with open_archive(str(path)) as archive:
        assert archive.members == {}
        # printf 'PK\5\6\0…' | sha256sum
        assert archive.sha256() == "8739c76e681f900923b900c9df0ef75cf421d39cabb54650c4b9ad19b6a76d85"


# -- what is refused, besides the wheels of the table in bad_wheels ----------------------------------


def test_a_member_that_grows_without_end_is_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path, Member("bomb", bytes(20 * 1024 * 1024), size=1000))
    given: list[bytes] = []
    with open_archive(path) as archive, pytest.raises(InvalidWheel, match="the 1000 bytes it claims"):
        given.extend(archive.chunks(archive.members["bomb"]))
    assert given == []


# -- files that are no archives --------------------------------------------------------------------


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_bytes(b"")


NO_ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "broken link": (make_broken_link, "does not exist"),
    "loop": (make_loop, "cannot be read (Too many levels of symbolic links)"),
    "below a file": (make_below_a_file, "cannot be read (Not a directory)"),
    "pipe": (os.mkfifo, "is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
}


@pytest.mark.parametrize(("make", "reason"), NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_what_is_no_archive_is_refused(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    path = tmp_path / "folder" / "a.zip"
    path.parent.mkdir()
    make(path)
    with pytest.raises(InvalidWheel) as caught, open_archive(str(path)):
        pass
    assert (caught.value.path, caught.value.reason) == (str(path), reason)


def test_what_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.touch(mode=0)
    user = os.geteuid()
    if user == 0:  # root may read everything; nobody else may even enter pytest's folder
        os.seteuid(65534)
    try:
        assert refusal(str(path)) == "cannot be read (Permission denied)"
    finally:
        os.seteuid(user)


def test_errors_of_others_are_left_alone(tmp_path: Path) -> None:
    """What goes wrong while an archive is open is not taken for a fault of the archive."""
    path = written(tmp_path, Member("a", TEXT))
    for error in (zipfile.BadZipFile("of another"), ValueError("other"), FileNotFoundError(2, "other", path)):
        with pytest.raises(type(error)) as caught, open_archive(path):
            raise error
        assert caught.value is error


# -- any damage ------------------------------------------------------------------------------------

SOUND = archive_bytes(
    [
        Member("a/one.py", TEXT),
        Member("a/", mode=0o040755),
        Member("two", TEXT, STORED, mode=0o755, extra=struct.pack("<2H4s", 0x5455, 4, b"time")),
        Member("ä", b"", comment=b"empty"),
    ],
    comment=b"of all",
)
SOUND_CONTENTS = {"a/one.py": TEXT, "two": TEXT, "ä": b""}


def test_the_sound_one_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(SOUND)
    assert contents(str(path)) == SOUND_CONTENTS


def assert_does_no_harm(path: Path, damaged: bytes) -> None:
    """A damaged archive is refused, or what it gives are members of the sound one.

    Names may be others, and a member may be missing: to find that is RECORD's part.
    """
    path.unlink(missing_ok=True)  # much faster than to truncate it
    path.write_bytes(damaged)
    try:
        found = contents(str(path))
    except InvalidWheel:
        return
    assert set(found.values()) <= set(SOUND_CONTENTS.values())


def test_each_truncation_is_refused(tmp_path: Path) -> None:
    for end in range(1, len(SOUND) - len(b"of all")):
        path = tmp_path / f"{end}.zip"
        path.write_bytes(SOUND[:end])
        assert refusal(str(path))


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF], ids=hex)
def test_each_byte_that_is_damaged_does_no_harm(tmp_path: Path, change: int) -> None:
    for place in range(len(SOUND)):
        damaged = bytearray(SOUND)
        damaged[place] ^= change
        assert_does_no_harm(tmp_path / "a.zip", bytes(damaged))


@given(
    patches=st.lists(
        st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=8)), min_size=2, max_size=4
    )
)
def test_damage_in_several_places_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, patches: list[tuple[int, bytes]]
) -> None:
    damaged = bytearray(SOUND)
    for place, patch in patches:
        damaged[place : place + len(patch)] = patch
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    assert_does_no_harm(path, bytes(damaged))
