"""New archives out of old ones: what stays, stays byte for byte, and other programs read what comes out."""

from __future__ import annotations

import io
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from hypothesis import given
from hypothesis import strategies as st
from wheelmaker import BZIP2, DEFLATED, LZMA, STORED, Member, archive_bytes

import muslfix
from muslfix.errors import InvalidWheel
from muslfix.rewheel.new_zip import Edits, Piece, _directory_entry, _NewMember, edit_zip
from muslfix.wheels.archive import open_archive
from muslfix.wheels.zip_format import DIRECTORY_HEADER, END, FULL_32, ZIP64_FIELD, DirectoryHeader
from muslfix.wheels.zip_names import place_key

WHEELS = sorted((FIXTURES / "wheels").glob("*.whl"))
TEXT = b"some text, and some text again\n" * 9


def remake(data: bytes, edits: Edits | None = None) -> bytes:
    """The archive with edits, as bytes.

    :raises InvalidWheel: if it is refused
    """
    with tempfile.NamedTemporaryFile(suffix=".whl") as file:
        file.write(data)
        file.flush()
        with open_archive(file.name) as archive:
            pieces = edit_zip(archive, edits or Edits())
    return b"".join(data[p.start : p.stop] if isinstance(p, range) else p for p in pieces)


class Streamed(io.RawIOBase):
    """A file that cannot be sought, to which zipfile writes sizes and CRCs behind the data."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)


def streamed(members: Mapping[str, bytes], *, zip64: bool = False, comment: bytes = b"") -> bytes:
    """An archive by zipfile, with data descriptors."""
    stream = Streamed()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(content)
        archive.comment = comment
    return bytes(stream.data)


def contents(data: bytes) -> dict[str, bytes]:
    """What zipfile reads, with the CRCs verified."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def facts(data: bytes) -> dict[str, tuple[Any, ...]]:
    """All that is said of each member but its place and name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            i.filename: (
                i.date_time, i.compress_type, i.comment, i.extra, i.create_system, i.create_version,
                i.extract_version, i.flag_bits, i.internal_attr, i.external_attr, i.CRC, i.compress_size,
            )
            for i in archive.infolist()
        }  # fmt: skip


def local_names(data: bytes) -> list[bytes]:
    """The names in the local headers, in the order in which they stand in the file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        offsets = sorted(info.header_offset for info in archive.infolist())
    lengths = [struct.unpack_from("<H", data, at + 26)[0] for at in offsets]
    return [data[at + 30 : at + 30 + length] for at, length in zip(offsets, lengths)]


# -- nothing is edited ------------------------------------------------------------------------------


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda path: path.name)
def test_without_edits_a_wheel_is_the_same(wheel: Path) -> None:
    assert remake(wheel.read_bytes()) == wheel.read_bytes()


@pytest.mark.parametrize("zip64", [False, True])
def test_without_edits_a_streamed_archive_is_the_same(zip64: bool) -> None:
    data = streamed({"a.py": TEXT, "b.py": b""}, zip64=zip64, comment=b"of the archive")
    assert remake(data) == data


MEMBERS = st.lists(
    st.builds(
        Member,
        name=st.text("abäöü漢🙂 -_", min_size=1, max_size=12),
        content=st.binary(max_size=90),
        method=st.sampled_from([STORED, DEFLATED]),
        mode=st.sampled_from([0o644, 0o755, 0o100600]),
        create_system=st.sampled_from([0, 3]),
        extra=st.sampled_from([b"", struct.pack("<HH4s", 0xCAFE, 4, b"abcd"), b"\1"]),
        comment=st.binary(max_size=5),
    )
    | st.builds(Member, name=st.text("dir", min_size=1, max_size=3).map("{}/".format)),
    unique_by=lambda member: place_key(str(member.name).rstrip("/")),
    max_size=6,
)


@given(MEMBERS, st.binary(max_size=9).filter(lambda text: b"PK" not in text))
def test_without_edits_any_archive_is_the_same(members: list[Member], comment: bytes) -> None:
    data = archive_bytes(members, comment)
    assert remake(data) == data


@given(MEMBERS.filter(len), st.data())
def test_whatever_is_edited_the_rest_stays(members: list[Member], data: st.DataObject) -> None:
    """Renamed, copied and dropped members, and one written anew; read by zipfile."""
    old = archive_bytes(members)
    names = {
        str(member.name): tuple(
            {"keep": str(member.name), "new": f"{number}.new", "more": f"{number}.more"}[word]
            for word in words
        )
        for number, member in enumerate(members)
        if (words := data.draw(st.sampled_from([("keep",), ("new",), ("keep", "new"), ("new", "more"), ()])))
        != ("keep",)
    }
    new = remake(old, Edits(names))
    before, after = contents(old), contents(new)
    expected = [(name, path) for path in before for name in names.get(path, (path,))]
    assert list(after) == [name for name, _ in expected]
    assert [after[name] for name, _ in expected] == [before[path] for _, path in expected]
    said, once = facts(new), facts(old)
    assert [said[name] for name, _ in expected] == [once[path] for _, path in expected]
    assert new.count(b"PK\1\2") >= len(expected)
    assert remake(new) == new


# -- edits ------------------------------------------------------------------------------------------


def test_a_renamed_member_has_its_name_in_both_headers_and_keeps_all_else() -> None:
    extra = struct.pack("<HHL", 0xCAFE, 4, 1)
    name = "p/ä.so".encode()
    path = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(name)) + name  # would keep its old name
    old = archive_bytes(
        [
            Member("a.py", TEXT, extra=extra),
            Member("p/ä.so", TEXT * 9, mode=0o755, extra=path + extra, comment=b"fast"),
            Member("z.py", b"", STORED),
        ],
        comment=b"of the archive",
    )
    new = remake(old, Edits({"p/ä.so": ("p/äöü-musl.so",)}))
    assert local_names(new) == [b"a.py", "p/äöü-musl.so".encode(), b"z.py"]
    assert contents(new) == {"a.py": TEXT, "p/äöü-musl.so": TEXT * 9, "z.py": b""}
    after, before = facts(new), facts(old)
    assert after["p/äöü-musl.so"][3] == extra
    assert after["a.py"] == before["a.py"]
    assert new.endswith(b"of the archive")
    assert old[: old.index(b"p/")][:-30] == new[: new.index(b"p/")][:-30]
    assert remake(new) == new  # so neither header contradicts the new name
    compressed = Member("", TEXT * 9).data
    assert new.count(compressed) == old.count(compressed) == 1


def test_a_new_name_that_is_not_ascii_is_marked_as_utf_8() -> None:
    """Else readers differ in how they decode it, and the archive is refused."""
    old = archive_bytes([Member("a.py", TEXT), Member("RECORD", b"")])
    new = remake(old, Edits({"a.py": ("ä.py",)}, {"ö.json": TEXT}, model="RECORD"))
    assert contents(new) == {"ä.py": TEXT, "ö.json": TEXT, "RECORD": b""}
    assert [said[7] for said in facts(new).values()] == [0x800, 0x800, 0]
    assert remake(new) == new


def test_a_copy_stands_right_after_the_original() -> None:
    old = streamed({"a": TEXT, "b": TEXT * 2, "c": b"end"})
    new = remake(old, Edits({"b": ("b", "b2", "b3")}))
    assert list(contents(new)) == ["a", "b", "b2", "b3", "c"]
    assert local_names(new) == [b"a", b"b", b"b2", b"b3", b"c"]
    assert facts(new)["b3"] == facts(old)["b"]


def test_order_of_the_directory_and_order_in_the_file_may_differ() -> None:
    one, two = Member("one", TEXT), Member("two", b"2")
    first, second = one.local_part(), two.local_part()
    directory = two.central_part(len(first)) + one.central_part(0)
    at = len(first) + len(second)
    old = first + second + directory + END.pack(b"PK\5\6", 0, 0, 2, 2, len(directory), at, 0)
    assert remake(old) == old
    new = remake(old, Edits({"one": ("1", "eins")}))
    assert local_names(new) == [b"1", b"eins", b"two"]
    assert list(contents(new)) == ["two", "1", "eins"]


@pytest.mark.parametrize("method", [STORED, DEFLATED, None], ids=["stored", "deflated", "streamed"])
def test_a_new_member_is_like_its_model_and_stands_before_it(method: int | None) -> None:
    if method is None:
        old = streamed({"a": b"", "RECORD": TEXT}, zip64=True)
    else:
        members = [Member("a"), Member("RECORD", TEXT, method, mode=0o600, comment=b"mine")]
        old = archive_bytes(members)
    edits = Edits(contents={"new.json": TEXT * 3, "RECORD": b"other"}, model="RECORD")
    new = remake(old, edits)
    assert contents(new) == {"a": b"", "new.json": TEXT * 3, "RECORD": b"other"}
    assert local_names(new) == [b"a", b"new.json", b"RECORD"]
    with zipfile.ZipFile(io.BytesIO(new)) as archive, zipfile.ZipFile(io.BytesIO(old)) as before:
        model, made, again = before.getinfo("RECORD"), archive.getinfo("new.json"), archive.getinfo("RECORD")
    for info in (made, again):
        assert (info.compress_type, info.external_attr) == (model.compress_type, model.external_attr)
        assert (info.date_time, info.flag_bits & 8) == (model.date_time, 0)
    assert (made.comment, again.comment) == (b"", model.comment)
    assert zlib.crc32(b"other") == again.CRC
    assert remake(old, edits) == new


def test_a_new_member_of_a_name_that_is_there_takes_its_place() -> None:
    old = archive_bytes([Member("new.json", b"old"), Member("a"), Member("RECORD", TEXT)])
    new = remake(old, Edits(contents={"new.json": b"new", "RECORD": b""}, model="RECORD"))
    assert contents(new) == {"new.json": b"new", "a": b"", "RECORD": b""}


def test_an_archive_of_nothing() -> None:
    data = archive_bytes([], b"empty")
    assert remake(data) == data


# -- large archives ---------------------------------------------------------------------------------


class Holes(io.RawIOBase):
    """Pieces as a file, in which ranges of the old one are read when they are asked for."""

    def __init__(self, pieces: list[Piece], old: int) -> None:
        super().__init__()
        self._pieces = pieces
        self._old = old
        self._size = sum(map(len, pieces))
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._at + size, self._size)
        found, start = b"", 0
        for piece in self._pieces:
            begin, end = max(self._at - start, 0), min(stop - start, len(piece))
            if begin < end:
                part = piece[begin:end]
                found += part if isinstance(part, bytes) else os.pread(self._old, len(part), part.start)
            start += len(piece)
        self._at = stop
        return found


GIBIBYTE = 2**30


def sparse(path: Path, sizes: list[int]) -> bytes:
    """Write an archive with members of these sizes, all holes, and a last one with text; return its end."""
    directory, at = b"", 0
    with open(path, "wb") as file:
        for number, size in enumerate([*sizes, len(TEXT)]):
            is_last = number == len(sizes)
            name, content = ("last", TEXT) if is_last else (f"b{number}", b"")
            extra = struct.pack("<HHQ", ZIP64_FIELD, 8, at) if at >= FULL_32 else b""
            member = Member(name, content, STORED, size=size, compressed_size=size)
            header = member.local_part()
            directory += replace(member, extra=extra, offset=min(at, FULL_32)).central_part(0)
            file.seek(at)
            file.write(header)
            at += len(header) + (0 if is_last else size)
        count, end64 = len(sizes) + 1, b""
        if at >= FULL_32:
            fields = (44, 45, 45, 0, 0, count, count, len(directory), at)
            end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *fields)
            end64 += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory), 1)
        end = directory + end64
        end += END.pack(b"PK\5\6", 0, 0, count, count, len(directory), min(at, FULL_32), 0)
        file.seek(at)
        file.write(end)
    return end


@pytest.mark.parametrize("sizes", [[3 * GIBIBYTE], [3 * GIBIBYTE] * 2], ids=["smaller", "larger"])
def test_what_no_longer_fits_into_32_bits(tmp_path: Path, sizes: list[int]) -> None:
    """A member that begins before 4 GiB begins behind that when one before it is copied."""
    path = tmp_path / "large.whl"
    end = sparse(path, sizes)
    with open_archive(str(path)) as archive:
        assert list(archive.members) == [*(f"b{n}" for n in range(len(sizes))), "last"]
        assert edit_zip(archive, Edits()) == [range(path.stat().st_size - len(end)), end]

        pieces = edit_zip(archive, Edits({"b0": ("b0", "again"), "last": ("renamed",)}))

        with zipfile.ZipFile(Holes(pieces, archive.descriptor)) as new:
            assert new.namelist() == ["b0", "again", *(f"b{n}" for n in range(1, len(sizes))), "renamed"]
            assert new.read("renamed") == TEXT
            offsets = [info.header_offset for info in new.infolist()]
    assert offsets == sorted(offsets)
    assert offsets[-1] > 6 * GIBIBYTE


def test_a_member_with_new_content_behind_32_bits(tmp_path: Path) -> None:
    sparse(tmp_path / "large.whl", [3 * GIBIBYTE] * 2)
    edits = Edits(contents={"last": b"other", "new": b"new"}, model="last")
    with open_archive(str(tmp_path / "large.whl")) as archive:
        pieces = edit_zip(archive, edits)
        with zipfile.ZipFile(Holes(pieces, archive.descriptor)) as new:
            assert new.namelist() == ["b0", "b1", "new", "last"]
            assert (new.read("new"), new.read("last")) == (b"new", b"other")


@pytest.mark.parametrize("full", [False, True], ids=["both", "the large one only"])
@pytest.mark.parametrize("more", [b"", b"extensible data"], ids=len)
def test_a_small_archive_with_the_end_record_of_a_large_one(full: bool, more: bytes) -> None:
    """It goes on saying the size in the records in which it did, and keeps what it has beside."""
    member = Member("a.py", TEXT)
    local, directory = member.local_part(), member.central_part(0)
    values = (1, 1, len(directory), len(local))
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44 + len(more), 45, 45, 0, 0, *values) + more
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(directory), 1)
    small = (0xFFFF, 0xFFFF, FULL_32, FULL_32) if full else values
    old = local + directory + end64 + locator + END.pack(b"PK\5\6", 0, 0, *small, 0)
    assert remake(old) == old
    new = remake(old, Edits({"a.py": ("a.py", "longer.py")}))
    assert more or contents(new) == {"a.py": TEXT, "longer.py": TEXT}  # zipfile knows no extensible data
    assert more in new
    assert (struct.pack("<2H2L", *small) in new) is full
    assert remake(new) == new


@pytest.mark.once
def test_a_directory_of_more_entries_than_16_bits_can_count() -> None:
    member, count = Member("00000", b"", STORED), 0xFFFE
    names = [b"%05d" % number for number in range(count)]
    local, directory = member.local_part(), member.central_part(0)
    locals_ = b"".join(local.replace(b"00000", name) for name in names)
    at = directory.index(b"00000") - 4
    entries = b"".join(
        directory[:at] + struct.pack("<L", number * len(local)) + name for number, name in enumerate(names)
    )
    old = locals_ + entries + END.pack(b"PK\5\6", 0, 0, count, count, len(entries), len(locals_), 0)

    new = remake(old, Edits({"00007": ("7", "seven", "sieben")}))

    assert b"PK\6\6" in new
    assert remake(new) == new
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        assert len(archive.namelist()) == 0x10000
        last = archive.infolist()[-1].header_offset
    assert new[last:].startswith(local.replace(b"00000", names[-1]))


def test_an_offset_joins_the_sizes_that_stand_in_the_extra_field() -> None:
    """The record holds sizes, then the offset, then whatever stood behind them."""
    sizes, tail = struct.pack("<QQ", 5, 6), struct.pack("<HH", 0xCAFE, 0)
    extra = struct.pack("<HH", ZIP64_FIELD, 16) + sizes + tail
    header = DirectoryHeader(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, FULL_32, FULL_32, 1, 24, 0, 0, 0, 0, 7)
    made = _directory_entry(_NewMember(header, b"a", extra, b"", []), 2**33)
    new = DirectoryHeader._make(DIRECTORY_HEADER.unpack_from(made))
    assert (new.header_offset, new.needed, new.extra_length) == (FULL_32, 45, len(extra) + 8)
    field = struct.pack("<HH", ZIP64_FIELD, 24) + sizes + struct.pack("<Q", 2**33)
    assert made[DIRECTORY_HEADER.size + 1 :] == field + tail


@pytest.mark.parametrize("behind", [b"", b"\1", struct.pack("<HH", 0xCAFE, 0) + b"\1\2\3"], ids=len)
def test_an_offset_whose_field_is_new(behind: bytes) -> None:
    """Bytes that belong to no extra field stay at the end, where readers stop."""
    header = DirectoryHeader(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 5, 5, 1, len(behind), 0, 0, 0, 0, 7)
    made = _directory_entry(_NewMember(header, b"a", behind, b"", []), 2**32 - 1)
    field = struct.pack("<HHQ", ZIP64_FIELD, 8, 2**32 - 1)
    assert made[DIRECTORY_HEADER.size + 1 :] == field + behind
    small = _directory_entry(_NewMember(header, b"a", behind, b"", []), 2**32 - 2)
    assert small[DIRECTORY_HEADER.size + 1 :] == behind


# -- one parser -------------------------------------------------------------------------------------

GOOD = archive_bytes([Member("a.py", TEXT), Member("b.py", TEXT)])


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_byte_may_be_another(at: int, value: int) -> None:
    """It is refused, or comes out as it is."""
    data = GOOD[:at] + bytes([value]) + GOOD[at + 1 :]
    with suppress(InvalidWheel):
        assert remake(data) == data


def test_only_one_module_knows_how_the_bytes_of_an_archive_are_laid_out() -> None:
    """What is read in one way only must not be read anywhere else."""
    root = Path(muslfix.__file__).parent
    modules = {path.relative_to(root): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    assert [str(path) for path, text in modules.items() if "PK\\" in text] == ["wheels/zip_format.py"]
    users = {str(path): text for path, text in modules.items() if "import zipfile" in text}
    assert list(users) in ([], ["verbs/shim_wheel.py"])
    for text in users.values():  # it writes one
        assert re.findall(r"zipfile\.(?!ZipInfo|ZIP_)[^)]*\)", text) == ['zipfile.ZipFile(buffer, "w")']


@pytest.mark.parametrize("method", [BZIP2, LZMA], ids=["bzip2", "LZMA"])
def test_what_is_compressed_in_an_unusual_way_is_read_and_written_in_the_usual_one(method: int) -> None:
    """Members that stay are carried over, new ones are deflated, and padding stays behind the end."""
    old = archive_bytes([Member(name, TEXT, method) for name in ("a", "b", "c")]) + bytes(9)
    new = remake(old, Edits(names={"a": ("x", "y")}, contents={"b": b"new", "d": b"more"}, model="c"))
    assert contents(new) == {"x": TEXT, "y": TEXT, "b": b"new", "d": b"more", "c": TEXT}
    methods = {name: fact[1] for name, fact in facts(new).items()}
    assert methods == {"x": method, "y": method, "b": DEFLATED, "d": DEFLATED, "c": method}
    assert remake(new) == new
    assert remake(old) == old
