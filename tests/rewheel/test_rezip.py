"""New archives out of old ones: what stays, stays byte for byte, and other programs read what comes out."""

from __future__ import annotations

import io
import itertools
import struct
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
from wheelmaker import DEFLATED, STORED, Member, archive_bytes

from muslfix.errors import InvalidWheel
from muslfix.rewheel.parts import CENTRAL, END, MAX32, ZIP64, CentralHeader, Entry, Read, parse_zip
from muslfix.rewheel.rezip import Edits, Piece, _central_part, rezip

WHEELS = sorted((FIXTURES / "wheels").glob("*.whl"))
TEXT = b"some text, and some text again\n" * 9


def reader(data: bytes) -> Read:
    return lambda start, stop: data[max(start, 0) : max(stop, 0)]


def remake(data: bytes, edits: Edits | None = None) -> bytes:
    """The archive with edits, as bytes."""
    read = reader(data)
    pieces = rezip(parse_zip("x.whl", len(data), read), edits or Edits(), read)
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
    found = []
    for entry in sorted(parse_zip("x", len(data), reader(data)).entries, key=lambda entry: entry.start):
        length = struct.unpack_from("<H", data, entry.start + 26)[0]
        found.append(data[entry.start + 30 : entry.start + 30 + length])
    return found


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
        name=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=12),
        content=st.binary(max_size=90),
        method=st.sampled_from([STORED, DEFLATED]),
        mode=st.sampled_from([0o644, 0o755, 0o100600]),
        create_system=st.sampled_from([0, 3]),
        extra=st.sampled_from([b"", struct.pack("<HH4s", 0xCAFE, 4, b"abcd"), b"\1"]),
        comment=st.binary(max_size=5),
    ),
    unique_by=lambda member: member.name,
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
        member.path: tuple(
            {"keep": member.path, "new": f"{number}.new", "more": f"{number}.more"}[word] for word in words
        )
        for number, member in enumerate(parse_zip("x", len(old), reader(old)).entries)
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
    path = struct.pack("<HHB", 0x7075, 9, 1) + b"\0\0\0\0old!"  # would name it by its old name still
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
    compressed = Member("", TEXT * 9).data
    assert new.count(compressed) == old.count(compressed) == 1


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
    """Pieces as a file, in which ranges of the old one are zeros where they lie in its hole."""

    def __init__(self, pieces: list[Piece], read: Read) -> None:
        super().__init__()
        self._pieces = pieces
        self._read = read
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
                found += part if isinstance(part, bytes) else self._read(part.start, part.stop)
            start += len(piece)
        self._at = stop
        return found


GIBIBYTE = 2**30


def sparse(sizes: list[int]) -> tuple[int, Read, bytes]:
    """An archive with members of these sizes, all zeros, and a last one with text: size, bytes, end."""
    parts: list[tuple[int, bytes]] = []
    directory, at = b"", 0
    for number, size in enumerate([*sizes, len(TEXT)]):
        is_last = number == len(sizes)
        name, content = ("last", TEXT) if is_last else (f"b{number}", b"")
        extra = struct.pack("<HHQ", ZIP64, 8, at) if at >= MAX32 else b""
        member = Member(name, content, STORED, size=size, compressed_size=size)
        header = member.local_part()
        directory += replace(member, extra=extra, offset=min(at, MAX32)).central_part(0)
        parts.append((at, header))
        at += len(header) + (0 if is_last else size)
    count, end64 = len(sizes) + 1, b""
    if at >= MAX32:
        fields = (44, 45, 45, 0, 0, count, count, len(directory), at)
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *fields)
        end64 += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory), 1)
    end = directory + end64 + END.pack(b"PK\5\6", 0, 0, count, count, len(directory), min(at, MAX32), 0)
    parts.append((at, end))
    total = at + len(end)

    def read(start: int, stop: int) -> bytes:
        start, stop = max(start, 0), min(stop, total)
        data = bytearray(max(stop - start, 0))
        for place, part in parts:
            low, high = max(start, place), min(stop, place + len(part))
            if low < high:
                data[low - start : high - start] = part[low - place : high - place]
        return bytes(data)

    return total, read, end


@pytest.mark.parametrize("sizes", [[3 * GIBIBYTE], [3 * GIBIBYTE] * 2], ids=["smaller", "larger"])
def test_what_no_longer_fits_into_32_bits(sizes: list[int]) -> None:
    """A member that begins before 4 GiB begins behind that when one before it is copied."""
    size, read, end = sparse(sizes)
    parts = parse_zip("x", size, read)
    assert [entry.path for entry in parts.entries] == [*(f"b{n}" for n in range(len(sizes))), "last"]
    assert rezip(parts, Edits(), read) == [range(size - len(end)), end]

    pieces = rezip(parts, Edits({"b0": ("b0", "again"), "last": ("renamed",)}), read)

    with zipfile.ZipFile(Holes(pieces, read)) as archive:
        assert archive.namelist() == ["b0", "again", *(f"b{n}" for n in range(1, len(sizes))), "renamed"]
        assert archive.read("renamed") == TEXT
        offsets = [info.header_offset for info in archive.infolist()]
    assert offsets == sorted(offsets)
    assert offsets[-1] > 6 * GIBIBYTE


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
    parts = parse_zip("x", len(new), reader(new))
    assert len(parts.entries) == 0x10000
    assert new[parts.entries[-1].start :].startswith(local.replace(b"00000", names[-1]))
    with zipfile.ZipFile(io.BytesIO(new)) as archive:
        assert len(archive.namelist()) == 0x10000


def test_an_offset_joins_the_sizes_that_stand_in_the_extra_field() -> None:
    """The record holds sizes, then the offset, then whatever stood behind them."""
    sizes, tail = struct.pack("<QQ", 5, 6), struct.pack("<HH", 0xCAFE, 0)
    extra = struct.pack("<HH", ZIP64, 16) + sizes + tail
    header = CentralHeader(b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, MAX32, MAX32, 1, 20, 0, 0, 0, 0, 7)
    made = _central_part(Entry(header, "a", b"a", extra, b"", 7), 2**33)
    new = CentralHeader(*CENTRAL.unpack_from(made))
    assert (new.offset, new.needed, new.extra_length) == (MAX32, 45, len(extra) + 8)
    assert made[CENTRAL.size + 1 :] == struct.pack("<HH", ZIP64, 24) + sizes + struct.pack("<Q", 2**33) + tail


# -- what cannot be taken apart ---------------------------------------------------------------------

GOOD = archive_bytes([Member("a.py", TEXT), Member("b.py", TEXT)])
AT = GOOD.index(b"PK\1\2")
DAMAGED = {
    "nothing": b"",
    "no archive": b"text" * 30,
    "no end": GOOD[: -END.size],
    "bytes in front": b"#!/bin/sh\n" + GOOD,
    "bytes behind": GOOD + b"\0\0\0",
    "bytes between": GOOD[:AT] + b"\0" + GOOD[AT:],
    "a wrong count": GOOD[:-14] + struct.pack("<2H", 1, 1) + GOOD[-10:],
    "too many": GOOD[:-14] + struct.pack("<2H", 9, 9) + GOOD[-10:],
    "a cut entry": GOOD[: AT + 32] + b"\xff\xff" + GOOD[AT + 34 :],
    "no entry": GOOD[:AT] + b"XX" + GOOD[AT + 2 :],
    "a name that is none": archive_bytes([Member(b"\xff", flags=0x800)]),
    "a lost large end": GOOD[: -END.size] + struct.pack("<4sLQL", b"PK\6\7", 0, 3, 1) + GOOD[-END.size :],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidWheel, match=r"x\.whl: has a damaged zip directory \(.+\)"):
        remake(data)


#: Where the directory says that members begin; that these are there has been judged before.
OFFSETS = {GOOD.rindex(name) - 4 + n for name in (b"a.py", b"b.py") for n in range(4)}


@given(st.integers(0, len(GOOD) - 1).filter(lambda at: at not in OFFSETS), st.integers(0, 255))
def test_any_byte_may_be_another(at: int, value: int) -> None:
    """It is refused, or comes out as it is."""
    data = GOOD[:at] + bytes([value]) + GOOD[at + 1 :]
    with suppress(InvalidWheel):
        assert remake(data) == data


def test_any_cut_is_refused() -> None:
    for end in itertools.chain(range(0, len(GOOD), 7), range(len(GOOD) - 60, len(GOOD))):
        with pytest.raises(InvalidWheel):
            remake(GOOD[:end])
