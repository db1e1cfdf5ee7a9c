"""The wheels that must not be installed, each with the sentence that says why, and odd ones that must be.

Each row is ``name, how it is made, sentence``. The table is data: every command that reads wheels is run with
all of it, and ``benchmarks/hostile.py`` gives the same wheels to other installers.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wheelmaker import BZIP2, DEFLATED, LZMA, STORED, Member, record_hash
from zipmaker import (
    CODE,
    DATA,
    DESCRIPTOR,
    FULL,
    INFO,
    NAME,
    UTF8,
    Make,
    archive,
    changed,
    demo,
    descriptor,
    end_record,
    end_records_64,
    extra,
    file,
    first_locally,
    first_with,
    locally,
    more,
    named,
    streamed,
    unicode_path,
    wheel,
    zip64_field,
    zip_bytes,
)

from muslfix.wheels.zip_names import ALIKE

HASH = record_hash(CODE)
ENTRY_POINTS = f"{INFO}/entry_points.txt"
OTHER_SCRIPT = "other-tool"  # of the project that is there already
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """A wheel.

    :param name: what is wrong with it
    :param make: how it is made
    :param sentence: what the refusal says
    :param of: what has to be looked at to find it: the ``wheel`` as a whole, the bytes of its ``members``, or
        the ``environment`` that it is for
    """

    name: str
    make: Make
    sentence: str
    of: str = "wheel"


def cut(count: int) -> Make:
    """Makes the wheel with so many bytes at its end missing."""
    return changed(lambda data: data[:-count])


def tar() -> bytes:
    """A tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        made.addfile(tarfile.TarInfo("demo.py"))
    return stream.getvalue()


def nothing(folder: Path) -> Path:
    """Makes no file at all."""
    return folder / NAME


def folder_of_that_name(folder: Path) -> Path:
    """Makes a folder in its place."""
    (folder / NAME).mkdir()
    return folder / NAME


def second_archive() -> bytes:
    """Another wheel of the same name."""
    return zip_bytes(demo({"demo.py": b"evil = True\n"}))


FILES = [
    Case("no file", nothing, "does not exist"),
    Case("folder", folder_of_that_name, "cannot be read (Is a directory)"),
    Case("empty", file(lambda: b""), "is empty"),
    Case("text", file(lambda: b"no zip\n" * 99), "is not a zip archive"),
    Case("two bytes", file(lambda: b"PK"), "is not a zip archive"),
    Case("tar archive", file(tar), "is not a zip archive"),
    Case("zeros", file(lambda: bytes(9999)), "is not a zip archive"),
    Case("cut off in its end record", cut(1), "is cut off in its end record"),
    Case("cut off before its end record", cut(22), "is cut off, or has too much after its end"),
    Case("cut off in its directory", cut(100), "is cut off, or has too much after its end"),
    Case("cut off in its first member", changed(lambda data: data[:70]), "is cut off, or has too much"),
    Case(
        "beginning lost",
        changed(lambda data: data[9:]),
        "is damaged: 9 bytes before its central directory are missing",
    ),
    Case(
        "middle lost",
        changed(lambda data: data[:60] + data[70:]),
        "is damaged: 10 bytes before its central directory",
    ),
    Case(
        "not named like a wheel",
        named("demo.whl"),
        "it must have 5 or 6 parts with dashes between them, but has 1",
    ),
    Case(
        "named like a source archive",
        named("demo-1.0.tar.gz"),
        "is a source archive, and muslfix builds nothing",
    ),
    *(
        Case(f"no {part} in its name", named(f"{name}.whl"), f"is not a wheel file name: {sentence}")
        for part, name, sentence in (
            ("project", "d!mo-1.0-py3-none-any", "'d!mo' is not the name of a project"),
            ("version", "demo-one-py3-none-any", "'one' is not a version"),
            ("build tag", "demo-1.0-x-py3-none-any", "'x' is not a build tag, which begins with a digit"),
            ("Python", "demo-1.0--none-any", "'' is not a Python tag"),
            ("ABI", "demo-1.0-py3-no..ne-any", "'no..ne' is not an ABI tag"),
            ("platform", "demo-1.0-py3-none-", "'' is not a platform tag"),
        )
    ),
    Case(
        "escape sequence in its name", named("\x1b[31mdemo-1.0-py3-none-any.whl"), "is not a wheel file name"
    ),
]

SHELL = b"#!/bin/sh\nexit\n"

ENDS = [
    Case(
        "program in front",
        archive(demo(), front=SHELL),
        "has 15 bytes before the archive that are not part of it",
    ),
    Case(
        "program in front, offsets right",
        archive(demo(), front=SHELL, shift=15),
        "has 15 bytes before the archive",
    ),
    Case(
        "archive in front",
        changed(lambda data: second_archive() + data),
        "bytes before the archive that are not",
    ),
    Case("a byte behind", archive(demo(), behind=b"x"), "has 1 bytes after its end"),
    Case("a byte behind padding", archive(demo(), behind=bytes(99) + b"x"), "has 100 bytes after its end"),
    Case(
        "archive behind padding",
        archive(demo(), behind=bytes(99) + second_archive()),
        "has several end records",
    ),
    Case("text behind", archive(demo(), behind=b"text" * 99), "has 396 bytes after its end"),
    Case("much behind", archive(demo(), behind=bytes(70000)), "or has too much after its end"),
    Case(
        "second end record behind",
        archive(demo(), behind=end_record()),
        "has several end records",
    ),
    Case(
        "second end record in front of it",
        archive(demo(), behind_directory=end_record()),
        "several end records",
    ),
    Case(
        "archive in its comment",
        archive(demo(), comment=second_archive()),
        "has an archive in its comment: two end records end where it ends",
    ),
    Case("end record in its comment", archive(demo(), comment=end_record()), "has an archive in its comment"),
    Case(
        "wrong end record in its comment",
        archive(demo(), comment=b"x" + end_record(comment_length=3)),
        "is cut off in its comment",
    ),
    Case(
        "member in its comment",
        archive(demo(), comment=demo()[0].local_part()),
        "parts of an archive in its comment",
    ),
    Case(
        "comment shorter than said",
        archive(demo(), comment=b"a", comment_length=9),
        "is cut off in its comment",
    ),
    Case(
        "comment longer than said",
        archive(demo(), comment=b"abcd", comment_length=1),
        "has 3 bytes after its end",
    ),
    Case(
        "more entries than said",
        archive(demo(), count=3),
        "has 4 entries in its central directory, and its end record says 3",
    ),
    Case(
        "fewer entries than said",
        archive(demo(), count=5),
        "has 4 entries in its central directory, and its end record says 5",
    ),
    Case("no entries", file(end_record), "must have one .dist-info directory, but has none"),
    Case(
        "directory elsewhere",
        archive(demo(), offset=0),
        "bytes before the archive that are not part of it",
    ),
    Case(
        "directory of another size",
        archive(demo(), size=9),
        "is damaged: its central directory is not where its end record says",
    ),
    Case(
        "directory larger than the file",
        archive(demo(), size=10**6),
        "is damaged: its central directory is not where",
    ),
    Case("one of several parts", archive(demo(), disk=1), "is one part of a multi-part archive"),
    Case(
        "bytes behind the directory",
        archive(demo(), behind_directory=b"x"),
        "directory is not where its end record says",
    ),
    Case(
        "bytes in the directory",
        archive(demo(), in_directory=b"x" * 50),
        "holds something other than entries",
    ),
    Case(
        "signature in the directory",
        archive(demo(), in_directory=b"PK\5\5\1\0x"),
        "something other than entries",
    ),
    Case(
        "entry cut off in the directory",
        archive(demo(), in_directory=Member("x").central_part(0)[:-1]),
        "is damaged: an entry reaches beyond its central directory",
    ),
    Case(
        "more entries than the limit",
        archive(demo(), count=0xFFFF, zip64=lambda _, size, at: end_records_64(10**6, size, at)),
        "has 1000000 entries, more than 250000",
    ),
    Case(
        "zip64 end that disagrees",
        archive(demo(), zip64=lambda count, size, at: end_records_64(count, size, at, wrong_by=1)),
        "has two end records that disagree",
    ),
    Case(
        "zip64 end of another directory",
        archive(demo(), zip64=lambda count, size, at: end_records_64(count, 0, size + at)),
        "has two end records that disagree",
    ),
    Case(
        "zip64 end elsewhere",
        archive(demo(), zip64=lambda *end: end_records_64(*end, record_at=0)),
        "is damaged: its zip64 end record is not where it should be",
    ),
    Case(
        "zip64 end behind the file",
        archive(demo(), zip64=lambda *end: end_records_64(*end, record_at=2**63)),
        "is damaged: its zip64 end record is not where it should be",
    ),
    Case(
        "zip64 end missing",
        archive(demo(), zip64=lambda *end: end_records_64(*end)[56:]),
        "is damaged: its zip64 end record is not where it should be",
    ),
    Case(
        "zip64 end with bytes behind",
        archive(demo(), zip64=lambda *end: end_records_64(*end)[:56] + b"x" * 9 + end_records_64(*end)[56:]),
        "has two end records that disagree",
    ),
    Case(
        "zip64, one of several parts",
        archive(demo(), zip64=lambda *end: end_records_64(*end, disks=2)),
        "is one part of a multi-part archive",
    ),
]


def header_at_the_very_end() -> bytes:
    """The wheel with a local header that begins in the last bytes of the directory, and has no room there."""
    *others, record = demo()
    last = replace(record, comment=b"PK\3\4")
    return zip_bytes([*others, replace(last, offset=len(zip_bytes([*others, last])) - 26)])


def hidden(name: str = "hidden.py") -> bytes:
    """A member that no directory knows."""
    return Member(name, b"evil").local_part()


def patched(find: bytes, put: bytes) -> Make:
    """Makes the wheel with its first member stored, and then other bytes in its content."""

    def make(folder: Path) -> Path:
        path = first_with(method=STORED)(folder)
        data = path.read_bytes()
        assert data.count(find) == 1
        path.write_bytes(data.replace(find, put))
        return path

    return make


def compressed(data: bytes, method: int, **fields: Any) -> Make:
    """Makes the wheel with other compressed bytes, of any method, which the headers describe."""
    one, *others = demo()
    unknown = 93  # is written as it is
    told = {"crc": zlib.crc32(CODE), "size": len(CODE), "flags": 0x2 if method == LZMA else 0, **fields}
    raw = zip_bytes([replace(one, content=data, method=unknown, **told), *others])
    return file(lambda: raw.replace(struct.pack("<H", unknown), struct.pack("<H", method)))


def raw_deflate(content: bytes) -> bytes:
    """Content compressed as in archives."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def with_descriptor(**wrong: Any) -> Make:
    """Makes the wheel with a data descriptor behind its first member."""
    one, *others = demo()
    return archive([streamed(one), *others], gaps={0: descriptor(one, **wrong)})


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:-3],
    "cut off at its beginning": lambda data: data[:3],
    "with bytes behind": lambda data: data + b"x",
    "nonsense": lambda data: data[:9] + b"\xff" * 40,
    "properties of another length": lambda data: b"\x09\x04\x06" + data[3:],
    "properties that nobody knows": lambda data: data[:4] + b"\xff" + data[5:],
}
ONE = demo()[0]
TWO_HEADERS = "has two headers for 'demo.py' that disagree on its "

MEMBERS = [
    Case("other name in the local header", first_locally(name="evil.py"), TWO_HEADERS + "name"),
    Case("other method in the local header", first_locally(method=STORED), TWO_HEADERS + "method"),
    Case("encrypted in the local header", first_locally(flags=1), TWO_HEADERS + "flags"),
    Case("UTF-8 in the local header", first_locally(flags=UTF8), TWO_HEADERS + "flags"),
    Case("data descriptor in the local header", first_locally(flags=DESCRIPTOR), TWO_HEADERS + "flags"),
    Case("other CRC in the local header", first_locally(crc=1), TWO_HEADERS + "CRC-32"),
    Case("other size in the local header", first_locally(size=5), TWO_HEADERS + "size"),
    Case("no size in the local header", first_locally(size=0), TWO_HEADERS + "size"),
    Case("other data in the local header", first_locally(compressed_size=5), TWO_HEADERS + "compressed size"),
    Case(
        "zip64 field in the local header",
        first_locally(extra=zip64_field(1, 2)),
        TWO_HEADERS + "compressed size",
    ),
    Case(
        "short zip64 field in the local header",
        first_locally(extra=zip64_field(1)),
        TWO_HEADERS + "compressed",
    ),
    Case(
        "zip64 size in the local header",
        first_locally(size=FULL, extra=zip64_field(7, len(ONE.data))),
        TWO_HEADERS + "size",
    ),
    Case(
        "no local header", first_with(offset=1), "is damaged: there is no header where 'demo.py' should begin"
    ),
    Case(
        "local header behind the end",
        first_with(offset=10**6),
        "is damaged: there is no header where 'demo.py'",
    ),
    Case(
        "local header at the very end",
        file(header_at_the_very_end),
        f"ends before the end of '{INFO}/RECORD'",
    ),
    Case(
        "local header in the directory",
        first_with(offset=len(zip_bytes(demo())) - 30),
        "there is no header where",
    ),
    Case(
        "hidden member between members",
        archive(demo(), gaps={0: hidden()}),
        "bytes after 'demo.py' that belong to",
    ),
    Case(
        "hidden member at the end",
        archive(demo(), before_directory=hidden()),
        f"bytes after '{INFO}/RECORD' that",
    ),
    Case(
        "hidden member in front",
        archive(demo(), front=hidden(), shift=len(hidden())),
        "bytes before the archive that are",
    ),
    Case(
        "hidden twin",
        archive(demo(), gaps={0: hidden("demo.py")}),
        "bytes after 'demo.py' that belong to no entry",
    ),
    Case(
        "bytes between members",
        archive(demo(), gaps={1: bytes(8)}),
        "has 8 bytes after 'demo-1.0.dist-info/META",
    ),
    Case(
        "two entries for the same bytes",
        archive([*demo(), Member("twin.py", CODE, offset=0)]),
        "has an entry whose data overlap what follows: 'demo.py'",
    ),
    Case(
        "member in the data of another",
        archive([Member("outer", hidden(), STORED), Member("hidden.py", b"evil", offset=35), *demo()]),
        "has an entry whose data overlap what follows: 'outer'",
    ),
    Case(
        "data that reach into the next member",
        first_with(method=STORED, compressed_size=len(CODE) + 9, size=len(CODE) + 9),
        "has an entry whose data overlap what follows: 'demo.py'",
    ),
    Case(
        "data that reach into the directory",
        archive([*demo(), Member("x", CODE, STORED, size=len(CODE) + 9, compressed_size=len(CODE) + 9)]),
        "has an entry whose data overlap what follows: 'x'",
    ),
    Case(
        "data that reach beyond the file",
        first_with(method=STORED, compressed_size=10**6, size=10**6),
        "ends before the end of 'demo.py'",
    ),
    Case(
        "data descriptor with another CRC",
        with_descriptor(crc=1),
        "has a data descriptor for 'demo.py' that disagrees",
    ),
    Case(
        "data descriptor missing",
        archive([streamed(ONE), *demo()[1:]]),
        "has a data descriptor for 'demo.py' that disagrees",
    ),
    Case(
        "data descriptor of another size",
        archive(
            [streamed(ONE), *demo()[1:]], gaps={0: descriptor(Member("x", CODE[:-1]), crc=zlib.crc32(CODE))}
        ),
        "has a data descriptor for 'demo.py' that disagrees",
    ),
    Case(
        "bytes behind the data descriptor",
        archive([streamed(ONE), *demo()[1:]], gaps={0: descriptor(ONE) + b"x"}),
        "has 1 bytes after 'demo.py' that belong to no entry",
    ),
    Case(
        "another size in front of a data descriptor",
        archive([locally(streamed(ONE), flags=DESCRIPTOR, size=7), *demo()[1:]], gaps={0: descriptor(ONE)}),
        TWO_HEADERS + "size",
    ),
    Case("zip64 field missing", first_with(size=FULL), "has an entry with a wrong zip64 field: 'demo.py'"),
    Case("zip64 field too long", first_with(extra=zip64_field(108)), "has an entry with a wrong zip64 field"),
    Case("zip64 field cut off", first_with(size=FULL, extra=extra(1, b"1234")), "with a wrong zip64 field"),
    Case(
        "two zip64 fields",
        first_with(extra=zip64_field() * 2),
        "with two extra fields of one kind: 'demo.py'",
    ),
    Case(
        "extra fields cut off",
        first_with(extra=b"\x01\x02\x09\x00\x01"),
        "the extra fields of 'demo.py' are cut off",
    ),
    Case(
        "second name",
        first_with(extra=unicode_path(b"demo.py", "evil.py")),
        "two names: 'demo.py' and 'evil.py'",
    ),
    Case(
        "second name, up",
        first_with(extra=unicode_path(b"demo.py", "../x")),
        "two names: 'demo.py' and '../x'",
    ),
    Case(
        "second name, local",
        first_locally(extra=unicode_path(b"demo.py", "x")),
        "two names: 'demo.py' and 'x'",
    ),
    Case("encrypted", first_with(flags=1), "has an encrypted entry: 'demo.py'"),
    Case("strongly encrypted", first_with(flags=0x41), "has an encrypted entry: 'demo.py'"),
    Case("encrypted directory", first_with(flags=0x2000), "has an encrypted entry: 'demo.py'"),
    Case("a patch", first_with(flags=0x20), "has an entry that needs a newer format: 'demo.py'"),
    Case("flags that nobody knows", first_with(flags=0x4000), "has an entry that needs a newer format"),
    *(
        Case(
            f"method {name}",
            first_with(method=number),
            f"has an entry compressed by method {number}, and muslfix reads only stored, deflate, bzip2",
        )
        for name, number in {
            "shrink": 1,
            "implode": 6,
            "deflate64": 9,
            "zstd": 93,
            "xz": 95,
            "AES": 99,
            "65535": 65535,
        }.items()
    ),
    Case(
        "two sizes of what is stored",
        first_with(method=STORED, size=3),
        "gives two different sizes for 'demo.py'",
    ),
    Case(
        "more bytes than said",
        wheel(fields={ENTRY_POINTS: {"size": 9}}, files={ENTRY_POINTS: b"\n" * 50}),
        f"says in RECORD that '{ENTRY_POINTS}' has 50 bytes; it has 9",
    ),
    Case(
        "METADATA damaged",
        wheel(fields={f"{INFO}/METADATA": {"crc": 1}}),
        "METADATA is damaged: its CRC-32 is wrong",
    ),
    Case(
        "RECORD damaged",
        wheel(fields={f"{INFO}/RECORD": {"crc": 1}}),
        "RECORD is damaged: its CRC-32 is wrong",
    ),
    Case("bomb", wheel({"bomb": bytes(65 * MEGABYTE)}), "times its size, more than 100 times"),
    Case(
        "bomb of many files",
        archive([Member(f"b{n}", size=2**30) for n in range(9)] + demo()),
        "times its size, more",
    ),
    Case(
        "bomb by zip64",
        first_with(size=FULL, extra=zip64_field(2**60), local=replace(ONE, size=FULL)),
        f"would unpack to {2**60 + sum(len(member.content) for member in demo()[1:])} bytes, more than",
    ),
    Case(
        "RECORD too large",
        wheel(fields={f"{INFO}/RECORD": {"size": 33 * MEGABYTE}}),
        f"has a {INFO}/RECORD of more than 33554432 bytes",
    ),
]

# What only the bytes of the members show.
CONTENTS = [
    *(
        Case(
            f"{name}: {how}",
            compressed(change(Member("x", CODE, method).data), method),
            f"demo.py is damaged ({name}: ",
        )
        for name, method in (("bzip2", BZIP2), ("LZMA", LZMA))
        for how, change in DAMAGES.items()
    ),
    Case(
        "LZMA without an end, as it says",
        compressed(Member("x", CODE, LZMA).data, LZMA, flags=0),
        "demo.py is damaged (LZMA: ",
    ),
    Case(
        "longer than it says, in RECORD too",
        wheel(fields={"demo.py": {"size": 9}}, record=lambda text: text.replace(b",108", b",9")),
        "demo.py does not have the 9 bytes it claims",
    ),
    Case(
        "shorter than it says, in RECORD too",
        wheel(fields={"demo.py": {"size": 999}}, record=lambda text: text.replace(b",108", b",999")),
        "demo.py does not have the 999 bytes it claims",
    ),
    Case(
        "not empty, as it says",
        wheel(fields={"demo.py": {"size": 0}}, record=lambda text: text.replace(b",108", b",0")),
        "demo.py does not have the 0 bytes it claims",
    ),
    Case("wrong CRC", first_with(crc=1), "demo.py is damaged: its CRC-32 is wrong"),
    Case("a flipped bit", patched(CODE, b"b" + CODE[1:]), "demo.py is damaged: its CRC-32 is wrong"),
    Case("compressed data cut off", compressed(raw_deflate(CODE)[:-3], DEFLATED), "demo.py is damaged ("),
    Case(
        "bytes behind compressed data",
        compressed(raw_deflate(CODE) + b"x", DEFLATED),
        "demo.py is damaged (",
    ),
    Case("no compressed data", compressed(b"", DEFLATED), "demo.py is damaged ("),
    Case("nonsense for compressed data", compressed(b"\xff" * 40, DEFLATED), "demo.py is damaged ("),
]

NAMES = [
    *(
        Case(f"name: {what}", more(name), f"has an entry whose path could escape its directory: {name!r}")
        for what, name in {
            "up": "../x",
            "up within": "a/../../x",
            "up at the end": "a/..",
            "only up": "..",
            "up as a folder": "a/../",
            "dot": "./x",
            "dot within": "a/./x",
            "dot at the end": "a/.",
            "only a dot": ".",
            "empty part": "a//x",
            "empty last part": "a//",
            "none": "",
            "up in data": f"{DATA}/data/../../../x",
            "up in a scheme": f"{DATA}/purelib/../x",
            "dot in a scheme": f"{DATA}/scripts/./python",
        }.items()
    ),
    *(
        Case(f"name: {what}", more(name), f"has an entry whose name is not a relative path: {name!r}")
        for what, name in {
            "absolute": "/x",
            "two slashes": "//x/y",
            "root": "/",
            "backslash": "a\\x",
            "up by backslash": "..\\..\\x",
            "network": "\\\\host\\x",
            "drive": "C:/x",
            "relative to a drive": "C:x",
            "stream": "a:b",
        }.items()
    ),
    *(
        Case(f"name: {what}", more(name), f"has an entry with control characters in its name: {shown!r}")
        for what, name, shown in (
            ("NUL", b"x\0y", "x\0y"),
            ("NUL before its ending", b"x.py\0.txt", "x.py\0.txt"),
            ("NUL at the end", b"x\0", "x\0"),
            ("line feed", "x\ny", "x\ny"),
            ("carriage return", "x\r", "x\r"),
            ("escape sequence", "\x1b]0;x\x07", "\x1b]0;x\x07"),
            ("delete", "x\x7f", "x\x7f"),
            ("control character beyond ASCII", "x\x9b31m", "x\x9b31m"),
        )
    ),
    *(
        Case(f"name: {what}", more(name), f"has an entry with a line separator in its name: {name!r}")
        for what, name in (("line separator", "x\u2028demo.py"), ("paragraph separator", "x\u2029demo.py"))
    ),
    Case("name: Latin-1", more(b"\xe4.py"), "has an entry whose name is not UTF-8: b'\\xe4.py'"),
    Case(
        "name: Latin-1, marked as UTF-8", more(b"\xe4.py", flags=UTF8), "whose name is not UTF-8: b'\\xe4.py'"
    ),
    Case("name: overlong UTF-8", more(b"..\xc0\xafx", flags=UTF8), "whose name is not UTF-8"),
    Case("name: half a character", more(b"\xed\xa0\x80", flags=UTF8), "whose name is not UTF-8"),
    Case("name: not marked as UTF-8", more("ä.py".encode()), "whose name is not marked as UTF-8: 'ä.py'"),
    Case("name: a part too long", more("x" * 256), "has an entry whose name is too long for a file: 'xxx"),
    Case(
        "name: a part too long in bytes",
        more("ä" * 128),
        "has an entry whose name is too long for a file: 'ää",
    ),
    Case("name: too deep", more("a/" * 600 + "x"), "has an entry whose name is too long for a file: 'a/a/"),
    Case("twice", more("demo.py", CODE), "has two entries for 'demo.py'"),
    Case("twice, other content", more("demo.py", b"evil"), "has two entries for 'demo.py'"),
    Case(
        "twice, after one that is alike",
        archive([Member("DEMO.py"), *demo(), Member("demo.py")]),
        "has two entries for 'demo.py'",
    ),
    Case("file and folder of a name", more("demo.py/", mode=0o40755), "has two entries for 'demo.py'"),
    Case("folder and file of a name", wheel({"a/": b"", "a": b""}), "has two entries for 'a'"),
    Case(
        "file before what is in it",
        wheel({"a": b"", "a/b/c": b""}),
        "has a file where 'a/b/c' needs a directory",
    ),
    Case(
        "file after what is in it",
        wheel({"a/b/c": b"", "a/b": b""}),
        "has a file where 'a/b/c' needs a directory",
    ),
    Case(
        "file after what is in it, and in what is alike",
        wheel({"A/b/c": b"", "a/b/c": b"", "a/b": b""}),
        "has a file where 'a/b/c' needs a directory",
    ),
    Case("file in place of .dist-info", more(INFO), "needs a directory"),
    Case("file in place of .data", wheel({DATA: b"", f"{DATA}/purelib/x": b""}), "needs a directory"),
    *(
        Case(
            f"mode: {what}",
            first_with(mode=mode),
            "has an entry that is neither a file nor a directory: 'demo.py'",
        )
        for what, mode in {
            "symbolic link": 0o120777,
            "character device": 0o020666,
            "block device": 0o060666,
            "pipe": 0o010666,
            "socket": 0o140777,
            "nothing that exists": 0o170777,
        }.items()
    ),
    Case(
        "link and what is written through it",
        archive([Member("a", b"/tmp", mode=0o120777), Member("a/x", b"evil"), *demo()]),
        "has an entry that is neither a file nor a directory: 'a'",
    ),
    Case(
        "link in DOS's archive",
        first_with(mode=0o120777, create_system=0),
        "that is neither a file nor a directory",
    ),
    Case(
        "folder by its mode", first_with(mode=0o040755), "has a file that is marked as a directory: 'demo.py'"
    ),
    Case(
        "folder by DOS's mark",
        first_with(external_attr=0x10),
        "has a file that is marked as a directory: 'demo.py'",
    ),
    Case(
        "folder with bytes", more("a/", b"evil", mode=0o040755), "has a directory with bytes of its own: 'a/'"
    ),
]


def record(old: bytes, new: bytes) -> Make:
    """Makes the wheel with something replaced in RECORD."""

    def change(text: bytes) -> bytes:
        assert old in text
        return text.replace(old, new)

    return wheel(record=change)


def row(text: bytes) -> Make:
    """Makes the wheel with a row more in RECORD."""
    return wheel(record=lambda right: right + text + b"\n")


RIGHT = f"sha256={HASH}".encode()
FIELDS = b"demo.py," + RIGHT + b",108\n"

RECORDS = [
    Case("RECORD missing", wheel(omit=["RECORD"]), f"has no {INFO}/RECORD"),
    Case("RECORD empty", wheel(record=b""), "does not list 'demo.py' in RECORD"),
    Case(
        "RECORD in capitals",
        archive([*demo(omit=["RECORD"]), Member(f"{INFO}/record", FIELDS)]),
        f"has no {INFO}/RECORD",
    ),
    Case("RECORD is no CSV", wheel(record=b'"demo.py\n'), "has a damaged RECORD: it is no valid CSV"),
    Case("RECORD is no UTF-8", wheel(record=b"\xff"), f"has a {INFO}/RECORD that is not UTF-8"),
    Case("RECORD with NUL", row(b"a\0,,"), "has a damaged RECORD: it has a NUL in line 5"),
    Case("RECORD with two fields", row(b"x,y"), "it has 2 fields instead of 3 in line 5"),
    Case("RECORD with four fields", row(b"x,,,"), "it has 4 fields instead of 3 in line 5"),
    Case("RECORD without a path", row(b",,"), "it has a row without a path in line 5"),
    Case("RECORD lists a file twice", row(FIELDS[:-1]), "lists 'demo.py' 2 times in RECORD"),
    Case("RECORD lists a file twice, differently", row(b"demo.py,,"), "lists 'demo.py' 2 times in RECORD"),
    Case("RECORD without a hash", record(RIGHT, b""), "has no hash for 'demo.py' in RECORD"),
    Case("RECORD with half a hash", record(RIGHT, b"sha256="), "has no hash for 'demo.py' in RECORD"),
    Case(
        "RECORD without a hash of METADATA",
        wheel(
            record=lambda text: b"".join(
                line.split(b",")[0] + b",,\n" if b"METADATA" in line else line
                for line in text.splitlines(keepends=True)
            )
        ),
        f"has no hash for '{INFO}/METADATA' in RECORD",
    ),
    *(
        Case(
            f"RECORD with {name}",
            record(RIGHT, f"{name}={record_hash(CODE, name)}".encode()),
            f"has only a hash of kind {name!r} for 'demo.py' in RECORD",
        )
        for name in ("md5", "sha1", "sha224", "blake2b", "sha3_256")
    ),
    Case("RECORD with an unknown hash", record(b"sha256=", b"best="), "has only a hash of kind 'best'"),
    Case("RECORD with a hash without a kind", record(b"sha256=", b"="), "which is no hash"),
    Case(
        "RECORD with a hash cut off",
        record(HASH.encode(), HASH[:22].encode()),
        "has a hash of wrong length for",
    ),
    Case("RECORD with no base64", record(HASH.encode(), b"!!"), "which is no hash"),
    Case(
        "RECORD with another hash",
        record(HASH.encode(), record_hash(b"").encode()),
        "has a 'demo.py' that is not the one in RECORD: its hash differs",
        of="members",
    ),
    Case(
        "RECORD with another hash of SHA-512",
        record(RIGHT, f"sha512={record_hash(b'', 'sha512')}".encode()),
        "has a 'demo.py' that is not the one in RECORD: its hash differs",
        of="members",
    ),
    Case(
        "RECORD with another hash of WHEEL",
        wheel(record=lambda text: text.replace(b"WHEEL,sha256=", b"WHEEL,sha256=A").replace(b"=A", b"=A", 1)),
        "in RECORD",
    ),
    Case("RECORD with another size", record(b",108", b",109"), "that 'demo.py' has 109 bytes; it has 108"),
    Case(
        "RECORD with a size below zero",
        record(b",108", b",-108"),
        "that 'demo.py' has -108 bytes; it has 108",
    ),
    Case("RECORD with an odd size", record(b",108", b",0108"), "that 'demo.py' has 0108 bytes; it has 108"),
    Case(
        "RECORD with no number for a size",
        record(b",108", b",many"),
        "that 'demo.py' has many bytes; it has 108",
    ),
    Case("file that RECORD does not list", more("evil.py", b"evil"), "does not list 'evil.py' in RECORD"),
    Case(
        "entry points that RECORD does not list",
        more(ENTRY_POINTS, b"[console_scripts]\nx = y:z\n"),
        f"does not list '{ENTRY_POINTS}' in RECORD",
    ),
    Case(
        "bytecode that RECORD does not list",
        more("__pycache__/demo.cpython-311.pyc"),
        "does not list '__pycache__",
    ),
    Case(
        "RECORD lists what is not there", row(b"lost.py,,"), "lists 'lost.py' in RECORD, and has no such file"
    ),
    Case("RECORD lists a folder", wheel({"a/": b""}), "lists 'a/' in RECORD, and has no such file"),
    *(
        Case(
            f"RECORD leads out: {path}",
            row(f"{path},,".encode()),
            f"lists {path!r} in RECORD, which leads out of",
        )
        for path in ("../../../bin/python", "/etc/passwd", "demo/../../x", "..\\x", "C:/x", "\\x")
    ),
]

METADATA = [
    Case(
        ".dist-info in capitals",
        wheel(dist_info="demo-1.0.DIST-INFO"),
        "must have one .dist-info directory, but has demo-1.0.DIST-INFO",
    ),
    Case(".dist-info missing", wheel(dist_info="demo"), "must have one .dist-info directory, but has none"),
    Case("two .dist-info", wheel({"x-1.dist-info/METADATA": b""}), f"but has {INFO}, x-1.dist-info"),
    Case(
        "two .dist-info, one in capitals",
        wheel({"Demo-1.0.DIST-INFO/x": b""}),
        f"but has Demo-1.0.DIST-INFO, {INFO}",
    ),
    Case(
        ".dist-info of another project",
        wheel(dist_info="x-1.0.dist-info"),
        "has a .dist-info directory of another project: 'x-1.0.dist-info', and its file name says 'demo'",
    ),
    Case(
        ".dist-info of another version",
        wheel(dist_info="demo-2.dist-info"),
        "the .dist-info directory of another version: 'demo-2.dist-info', and its file name says 1.0",
    ),
    Case(
        ".dist-info without version",
        wheel(dist_info="demo.dist-info"),
        "has a .dist-info directory without a version: 'demo.dist-info'",
    ),
    Case(
        ".dist-info spelled differently",
        wheel(dist_info="d_em_o-1.0.dist-info"),
        ".dist-info directory spelled differently: 'd_em_o-1.0.dist-info', and its file name says 'demo'",
    ),
    Case(
        ".dist-info that looks the same",
        wheel(dist_info="d\u0435mo-1.0.dist-info"),
        "directory of another project: 'd\\u0435mo-1.0.dist-info', and its file name says 'demo'",
    ),
    Case(
        "METADATA that looks the same",
        wheel(metadata={"Name": "d\u0435mo"}),
        "is named demo, and its METADATA names 'd\\u0435mo'",
    ),
    *(
        Case(
            f".dist-info in {scheme}",
            wheel({f"{DATA}/{scheme}/x-1.dist-info/METADATA": b""}),
            "which would describe a project beside",
        )
        for scheme in ("purelib", "platlib", "data", "data/lib/python3.9/site-packages")
    ),
    Case("METADATA missing", wheel(omit=["METADATA"]), f"has no {INFO}/METADATA"),
    Case("METADATA is no UTF-8", wheel(metadata=b"Name: \xff\n"), f"has a {INFO}/METADATA that is not UTF-8"),
    Case("METADATA empty", wheel(metadata=b""), "is named demo, and its METADATA names None"),
    Case(
        "METADATA of another project",
        wheel(metadata={"Name": "x"}),
        "is named demo, and its METADATA names 'x'",
    ),
    Case(
        "METADATA of another version",
        wheel(metadata={"Version": "2"}),
        "version 1.0, and its METADATA says '2'",
    ),
    Case(
        "METADATA without a version",
        wheel(metadata=b"Name: demo\n"),
        "version 1.0, and its METADATA says None",
    ),
    Case(
        "METADATA with nonsense",
        wheel(metadata={"Version": "one"}),
        "version 1.0, and its METADATA says 'one'",
    ),
    Case(
        "METADATA of two names", wheel(metadata={"Name": ["demo", "x"]}), "has 2 lines 'Name' in its METADATA"
    ),
    Case(
        "METADATA of two versions",
        wheel(metadata={"Version": ["1.0", "2"]}),
        "2 lines 'Version' in its METADATA",
    ),
    Case("WHEEL missing", wheel(omit=["WHEEL"]), f"has no {INFO}/WHEEL"),
    Case("WHEEL is no UTF-8", wheel(wheel=b"Tag: \xff\n"), f"has a {INFO}/WHEEL that is not UTF-8"),
    Case("WHEEL without a version", wheel(wheel=b"Tag: py3-none-any\n"), "has the wheel format version ''"),
    Case(
        "WHEEL 2.0",
        wheel(wheel={"Wheel-Version": "2.0"}),
        "has the wheel format version '2.0', and muslfix reads",
    ),
    Case("WHEEL with nonsense", wheel(wheel={"Wheel-Version": "1.x"}), "has the wheel format version '1.x'"),
    Case(
        "WHEEL of two versions",
        wheel(wheel={"Wheel-Version": ["1.0", "2.0"]}),
        "2 lines 'Wheel-Version' in its",
    ),
    Case(
        "root of two kinds",
        wheel(wheel={"Root-Is-Purelib": ["true", "false"]}),
        "2 lines 'Root-Is-Purelib' in its",
    ),
    Case(
        "named as another project",
        named("x-1.0-py3-none-any.whl"),
        "directory of another project: 'demo-1.0.dist-info', and its file name says 'x'",
    ),
    Case(
        "named as another version",
        named("demo-2.0-py3-none-any.whl"),
        "directory of another version: 'demo-1.0.dist-info', and its file name says 2.0",
    ),
]


def interpreter(name: str) -> str:
    """The sentence for a file that must not be, by its path below the prefix."""
    return f"has {name!r}, which belongs to the interpreter"


def entry_points(text: str) -> Make:
    """Makes the wheel with console scripts."""
    return wheel({ENTRY_POINTS: b"[console_scripts]\n" + text.encode() + b"\n"})


PLACES = [
    Case(
        "unknown scheme",
        wheel({f"{DATA}/lib/x": b""}),
        "which is in none of the directories purelib, platlib, headers",
    ),
    Case(
        "scheme in capitals",
        wheel({f"{DATA}/Scripts/x": b""}),
        "which is in none of the directories purelib, platlib",
    ),
    Case("in no scheme", wheel({f"{DATA}/x": b""}), "which is in none of the directories purelib"),
    Case(
        "file in place of a scheme",
        wheel({f"{DATA}/scripts": b""}),
        "which is in none of the directories purelib",
    ),
    Case(
        "two .data",
        wheel({f"{DATA}/data/x": b"", "Demo-1.data/data/y": b""}),
        "must not have two .data directories",
    ),
    Case("nearly .data", wheel({f"{DATA}X/x": b""}), "which looks like its .data directory but is not"),
    Case("name of our own", wheel({".muslfix-x/journal": b"[]"}), "a name that muslfix reserves for itself"),
    *(
        Case(f"script {name}", wheel({f"{DATA}/scripts/{name}": b""}), interpreter(f"bin/{name}"))
        for name in (
            *("python", "python3.11", "pyvenv.cfg", "PyVenv.cfg", "python3._pth", "pybuilddir.txt"),
            *("activate", "activate.xsh", "activate_this.py", "deactivate.nu"),
        )
    ),
    *(
        Case(f"data/{name}", wheel({f"{DATA}/data/{name}": b""}), interpreter(name))
        for name in (
            *(
                "bin/python",
                "bin/python3",
                "pyvenv.cfg",
                "bin/pyvenv.cfg",
                "._pth",
                "bin/Modules/Setup.local",
            ),
            *("lib/python311.zip", "lib64/python313t.zip", "lib/python3._pth", "lib/libpython3.11.so.1.0"),
            *(
                "lib/python3.11/newmod.py",
                "lib/python3.11/sitecustomize.py",
                "lib64/pypy3.10/lib-dynload/x.so",
            ),
            *("bin/activate.xsh", "lib/PYTHON3.13t/os.py"),
        )
    ),
    *(
        Case(f"entry point {name}", entry_points(f"{name} = demo:main"), interpreter(f"bin/{name}"))
        for name in ("python", "Python3", "pypy3", "pyvenv.cfg", "activate", "python3._pth")
    ),
    *(
        Case(
            f"describes another: {name}", wheel({name: b""}), f"has {name!r}, which would describe a project"
        )
        for name in (
            *("needs-0.dist-info", "NEEDS-0.Dist-Info", "x.egg-info", "x.egg-info/PKG-INFO", "X.EGG-LINK"),
            *("x-1.egg", "x-1-py3.11.egg/EGG-INFO/PKG-INFO", "X.Egg/x.py"),
            *(f"{DATA}/purelib/needs-0.dist-info", f"{DATA}/platlib/Evil-6.6.DIST-INFO/METADATA"),
            *(f"{DATA}/{scheme}/Evil-6.6.DIST-INFO/METADATA" for scheme in ("purelib", "scripts", "headers")),
            *(
                f"{DATA}/data/lib/python3.11/site-packages/{name}"
                for name in ("e-6.Dist-Info/M", "x.egg-info")
            ),
        )
    ),
    *(
        Case(
            f"entry point with a bad name: {name!r:.20}",
            entry_points(f"{name} = demo:main"),
            "an entry point with a bad name",
        )
        for name in ("../x", "/tmp/x", "a/b", "..", ".", "a\\b", "..\\x", "\x1b[31m", "x" * 256)
    ),
    Case(
        "entry point with a name of our own",
        entry_points(".Muslfix-x = demo:main"),
        "a name that muslfix reserves for itself",
    ),
    Case("entry point without a name", entry_points(" = demo:main"), "entry_points.txt"),
    Case(
        "entry point without a function", entry_points("x = demo"), "'x' = 'demo' is not of the form name ="
    ),
    Case("entry point with code", entry_points("x = demo:main()"), "'x' = 'demo:main()' is not of the form"),
    Case(
        "entry point with more code",
        entry_points("x = demo:main;import os"),
        "'x' = 'demo:main;import os' is not of the form name =",
    ),
    Case(
        "entry point that is no function",
        entry_points("x = demo:1"),
        "'x' = 'demo:1' is not of the form name =",
    ),
    Case(
        "entry point with dots",
        entry_points("x = demo:main.."),
        "'x' = 'demo:main..' is not of the form name =",
    ),
    Case("entry point with interpolation", entry_points("x = %(x)s:main"), "has a damaged entry_points.txt"),
    Case("entry point twice", entry_points("x = a:b\nx = c:d"), "has a damaged entry_points.txt"),
    Case(
        "entry point in both groups",
        entry_points("x = a:b\n[gui_scripts]\nx = c:d"),
        "has two entry points named 'x': a:b and c:d",
    ),
    Case(
        "entry points are no sections",
        wheel({ENTRY_POINTS: b"x"}),
        "has a damaged entry_points.txt: File contains",
    ),
    Case("entry points are no UTF-8", wheel({ENTRY_POINTS: b"\xff"}), "entry_points.txt that is not UTF-8"),
]

# What only the environment shows.
ENVIRONMENTS = [
    Case("two files for one place", wheel({f"{DATA}/purelib/demo.py": b""}), "has two files for 'demo.py'"),
    Case(
        "two files of one size for one place",
        wheel({f"{DATA}/purelib/demo.py": CODE[::-1]}),
        "has two files for 'demo.py'",
    ),
    Case(
        "two files for one place, one with another first line",
        wheel({f"{DATA}/scripts/x": b"#!python\n", f"{DATA}/data/bin/x": b"#!python\n"}),
        "has two files for '../../../bin/x'",
    ),
    Case(
        "two scripts for one place",
        wheel({f"{DATA}/scripts/x": b"", f"{DATA}/data/bin/x": b"y"}),
        "has two files for '../../../bin/x'",
    ),
    Case(
        "entry point and data for one place",
        wheel({f"{DATA}/data/bin/x": b""}, scripts={"x": "demo:main"}),
        "has two files for '../../../bin/x'",
    ),
    Case(
        "file where another scheme needs a folder",
        wheel({f"{DATA}/data/bin": b"", f"{DATA}/scripts/x": b""}),
        "has two files for '../../../bin'",
    ),
    Case(
        "entry point over another project's script",
        wheel(scripts={OTHER_SCRIPT: "demo:main"}),
        "it belongs to other 1.0, and its content differs",
    ),
    Case(
        "script over another project's script",
        wheel({f"{DATA}/scripts/{OTHER_SCRIPT}": b"evil"}),
        "it belongs to other 1.0, and its content differs",
    ),
    Case(
        "data over another project's script",
        wheel({f"{DATA}/data/bin/{OTHER_SCRIPT}": b"evil"}),
        "it belongs to other 1.0, and its content differs",
    ),
    Case("module over another project's", wheel({"other.py": b"evil"}), "it belongs to other 1.0"),
    Case(
        "RECORD of another project by data",
        wheel({f"{DATA}/data/share/other": b"evil"}),
        "it belongs to other 1.0, and its content differs",
    ),
    Case("file over a folder of another project", wheel({"other_folder": b"evil"}), "is in the way of demo"),
    Case(
        "folder over a file of another project",
        wheel({"other.py/x": b"evil"}),
        "is in the way of demo, which needs a directory there",
    ),
    Case(
        "for another Python",
        named("demo-1.0-cp27-cp27m-any.whl", wheel={"Tag": "cp27-cp27m-any"}),
        "is for cp27-cp27m-any, and the target is CPython",
    ),
    Case("for a newer Python", wheel(metadata={"Requires-Python": ">=3.99"}), "requires Python >=3.99"),
]

#: All wheels that are refused.
CASES = [*FILES, *ENDS, *MEMBERS, *NAMES, *RECORDS, *METADATA, *PLACES]
CASES += [replace(case, of="members") for case in CONTENTS]
CASES += [replace(case, of="environment") for case in ENVIRONMENTS]


CAPITALS = {"x.py": b"a", "X.py": b"b"}

#: Wheels that are installed with a warning, since pip and uv install them and nothing about them does harm:
#: what the warning says stands where the others have the refusal.
ODD = [
    Case("a line feed behind", archive(demo(), behind=b"\n"), "has 1 bytes of padding after its end"),
    Case("zeros behind", archive(demo(), behind=bytes(9999)), "has 9999 bytes of padding after its end"),
    Case(
        "zeros behind a comment and a zip64 end",
        archive(demo(), comment=b"c", behind=bytes(9), zip64=end_records_64),
        "has 9 bytes of padding after its end",
    ),
    *(
        Case(name, wheel(method=method), f"has 4 of its entries compressed by {name}, which some")
        for name, method in (("bzip2", BZIP2), ("LZMA", LZMA))
    ),
    Case("twice, in capitals", wheel(CAPITALS), f"has 'X.py' and 'x.py', {ALIKE}"),
    *(
        Case(
            f"twice, {how}",
            wheel({one: b"a", other: b"b"}),
            f"has {other!a} and {one!a}, {ALIKE}",
        )
        for how, one, other in (
            ("composed", "e\u0301", "\u00e9"),
            ("decomposed", "\u00e9", "e\u0301"),
            ("sharp s", "stra\u00dfe", "STRASSE"),
            ("Kelvin", "k", "\u212a"),
            ("ligature", "fi", "\ufb01"),
            ("marks in another order", "\u03b1\u0345\u0301", "\u03ac\u0345"),
            ("composed in capitals", "\u01f0", "J\u030c"),
        )
    ),
    Case(
        "file and folder, in capitals", wheel({"a/b/c": b"", "A/B": b""}), f"has 'A/B' and 'a/b/c', {ALIKE}"
    ),
    Case(
        "two schemes, in capitals",
        wheel({"x.py": b"", f"{DATA}/purelib/X.py": b"", f"{DATA}/data/x": b""}),
        ALIKE,
    ),
    Case("two schemes, by composition", wheel({"\xe4.py": b"", f"{DATA}/platlib/a\u0308.py": b""}), ALIKE),
    Case("folder and file of two schemes", wheel({f"{DATA}/purelib/X/x/y.py": b"", "x/x": b""}), ALIKE),
    Case("record in capitals", wheel({f"{INFO}/record": b""}), ALIKE),
    Case("entry points in capitals", entry_points("x = a:b\nX = c:d"), f"has 'X' and 'x', {ALIKE}"),
    Case(
        "entry point in both groups, the same",
        entry_points("x = a:b\n[gui_scripts]\nx = a:b"),
        "has the entry point 'x' twice",
    ),
    Case(
        "entry point that is a keyword",
        entry_points("x = import:class"),
        "has the entry point 'x' = import:class, which cannot run: 'import' is a keyword",
    ),
    Case(
        "entry point with a keyword in it",
        entry_points("x = demo.async.cli:run.main"),
        "which cannot run: 'async' is a keyword",
    ),
    Case(
        "one content for one place",
        wheel({f"{DATA}/purelib/demo.py": CODE}),
        f"has the same content for one place in 'demo.py' and '{DATA}/purelib/demo.py'",
    ),
    Case(
        "one content for a script and a file",
        wheel({f"{DATA}/scripts/x": SHELL, f"{DATA}/data/bin/x": SHELL}),
        "has the same content for one place in",
    ),
    Case(
        "tags of another Python",
        wheel(wheel={"Tag": "cp27-cp27m-any"}),
        "is for cp27-cp27m-any according to its WHEEL, but not according to its file name",
    ),
    Case("tags of another ABI", wheel(wheel={"Tag": "py3-cp27m-any"}), "is for py3-cp27m-any according to"),
    *(
        Case(f"tag {tag!r}", wheel(wheel={"Tag": tag}), f"has {tag!r} as a tag in its WHEEL, which is no")
        for tag in ("any", "", "-".join("abcd"), "py3-none- any")
    ),
    Case(
        "too many tags",
        wheel(wheel={"Tag": "-".join([".".join("abcdefghijklmnopqrstuvwxyz")] * 3)}),
        "has tags in its WHEEL that were not compared: what they say stands for 17576 compatibility tags",
    ),
    Case(
        "root of a third kind",
        wheel(wheel={"Root-Is-Purelib": "maybe"}),
        "says 'Root-Is-Purelib: maybe' in its WHEEL, which counts as false",
    ),
]


def zip64_entry() -> Make:
    """Makes the wheel with a member whose sizes stand in zip64 fields of both headers."""
    sizes = zip64_field(len(ONE.content), len(ONE.data))
    return first_with(size=FULL, compressed_size=FULL, extra=sizes)


#: Wheels that look odd and are honest; all of them install the same files.
HONEST: dict[str, Make] = {
    "as it should be": archive(demo()),
    "stored": wheel(method=STORED),
    "comment": archive(demo(), comment=b"of all"),
    "longest comment": archive(demo(), comment=b"x" * 65535),
    "comment of a member": first_with(comment=b"of one"),
    "data descriptor": with_descriptor(),
    "data descriptor without signature": with_descriptor(signature=False),
    "data descriptor of 64 bits": with_descriptor(wide=True),
    "data descriptor of 64 bits without signature": with_descriptor(wide=True, signature=False),
    "data descriptor behind known sizes": archive(
        [replace(ONE, flags=DESCRIPTOR), *demo()[1:]], gaps={0: descriptor(ONE)}
    ),
    "zip64 fields": zip64_entry(),
    "zip64 field reserved": first_locally(extra=zip64_field(0, 0)),
    "zip64 end": archive(demo(), zip64=end_records_64),
    "zip64 end that is needed": archive(demo(), count=0xFFFF, size=FULL, offset=FULL, zip64=end_records_64),
    "extra fields": first_with(extra=extra(0x5455, b"\1abcd")),
    "second name that is the same": first_with(extra=unicode_path(b"demo.py", "demo.py")),
    "marked as UTF-8": first_with(flags=UTF8),
    "levels of compression": first_with(flags=0x6),
    "folders": archive([Member("a/", mode=0o040755), *demo(), Member(f"{INFO}/", mode=0o040755)]),
    "made by DOS": first_with(external_attr=0x20, create_system=0),
    "set-uid and odd modes": first_with(mode=0o106644),
    "directory in another order": archive(demo()[::-1]),
    "hash in hexadecimal": record(HASH.encode(), hashlib.sha256(CODE).hexdigest().encode()),
}
