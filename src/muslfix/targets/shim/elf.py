"""The ELF file of a module, read by hand: by what ``site`` has imported anyway.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; the hash tables:
https://flapenguin.me/elf-dt-gnu-hash
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# Where the ELF flags tell calling conventions apart that do not work together, by e_machine.
_CONVENTIONS = {40: 0x600, 8: 0x20, 243: 0x6, 258: 0x7}

_MACHINES = {
    3: "i386", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "s390", 40: "ARM", 62: "x86_64",
    183: "AArch64", 243: "RISC-V", 258: "LoongArch",
}  # fmt: skip

_GLIBC = ("libc.so.6", "ld-linux", "ld64.so.", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1")
_GLIBC_EXACT = ("ld.so.1", "libutil.so.1")

SHARED_OBJECT = 3
SONAME, RPATH, RUNPATH, NEEDED, RELRSZ = 14, 15, 29, 1, 35
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_HASH, _STRTAB, _SYMTAB, _GNU_HASH, _VERNEED = 4, 5, 6, 0x6FFFFEF5, 0x6FFFFFFE

# Bounds far above any real file, for damaged ones.
_MAX_OFFSET = 1 << 62
_MAX_ENTRIES = 10_000
_MAX_STRING = 4096
_MAX_CHAIN = 100_000


class _Damaged(Exception):
    """The bytes are no readable ELF file; the text goes on behind its path."""


class Elf:
    """An ELF file that is open: what the proof needs of it.

    :param file: a seekable binary stream
    :raises _Damaged: if it is none
    """

    def __init__(self, file: "BinaryIO") -> None:
        self._file = file
        if self._read(0, 4, 0) != b"\x7fELF":
            raise _Damaged("is no ELF file")
        head = self._read(0, 64, 52)
        if head[4] not in (1, 2) or head[5] not in (1, 2):
            raise _Damaged("is cut off or damaged")
        self._word = 4 * head[4]
        self._is_little = head[5] == 1
        wide = self._word == 8
        self.kind, code = self._number(head, 16, 2), self._number(head, 18, 2)
        self.interpreter = ""
        self._loads = []  # type: list[tuple[int, int, int]]
        self._entries = []  # type: list[tuple[int, int]]
        table, at = self._number(head, 32 if wide else 28), 48 if wide else 36
        #: The CPU and its calling convention.
        flags = self._number(head, at, 4) & _CONVENTIONS.get(code, 0)
        self.machine = code, self._word, self._is_little, flags
        size, count = self._number(head, at + 6, 2), self._number(head, at + 8, 2)
        for index in range(count):
            self._add_segment(self._read(table + index * size, 56 if wide else 32))

    def _add_segment(self, entry: bytes) -> None:
        kind = self._number(entry, 0, 4)
        places = (8, 16, 32) if self._word == 8 else (4, 8, 16)
        offset, address, size = (self._number(entry, place) for place in places)
        if kind == _LOAD:
            self._loads.append((address, size, offset))
        elif kind == _INTERP:
            self.interpreter = self._string(offset)
        elif kind == _DYNAMIC:
            data = self._read(offset, min(size, _MAX_ENTRIES * 2 * self._word))
            for at in range(0, len(data), 2 * self._word):
                tag = self._number(data, at)
                if tag == 0:
                    break
                self._entries.append((tag, self._number(data, at + self._word)))

    def _read(self, offset: int, size: int, least: int = 32) -> bytes:
        if offset < _MAX_OFFSET:
            self._file.seek(offset)
            data = self._file.read(size)
            if len(data) >= min(size, least):
                return data
        raise _Damaged("is cut off or damaged")

    def _number(self, data: bytes, at: int, size: int = 0) -> int:
        return int.from_bytes(data[at : at + (size or self._word)], "little" if self._is_little else "big")

    def _numbers(self, offset: int, *sizes: int) -> "list[int]":
        data, found, at = self._read(offset, sum(sizes)), [], 0
        for size in sizes:
            found.append(self._number(data, at, size))
            at += size
        return found

    def _string(self, offset: int) -> str:
        return self._read(offset, _MAX_STRING, 1).split(b"\0", 1)[0].decode("utf-8", "replace")

    def values(self, tag: int) -> "list[int]":
        """The values of an entry of the dynamic section."""
        return [value for known, value in self._entries if known == tag]

    def strings(self, *tags: int) -> "list[str]":
        """The strings that entries of the dynamic section name."""
        return [self._string(self._offset_of(_STRTAB) + v) for tag in tags for v in self.values(tag)]

    def _offset_of(self, tag: int) -> int:
        """Where in the file a table is whose address is in the dynamic section."""
        for address in self.values(tag):
            for start, size, offset in self._loads:
                if start <= address < start + size:
                    return offset + address - start
        raise _Damaged("has a damaged dynamic section")

    def evidence(self) -> "dict[str, str]":
        """The libcs that it is linked to, each with a clause that says why; none if it fits either."""
        found = {libc_of(name): "it needs " + name for name in self.strings(NEEDED) if libc_of(name)}
        versions = self._needed_versions() if self.values(_VERNEED) else ()
        for version in versions:
            if version.startswith("GLIBC_"):
                found.setdefault("glibc", "it needs the symbol version " + version)
        return found

    def _needed_versions(self) -> "Iterator[str]":
        at = self._offset_of(_VERNEED)
        for _ in range(_MAX_ENTRIES):
            _, count, _, first, following = self._numbers(at, 2, 2, 4, 4, 4)
            inner = at + first
            for _ in range(count):
                _, _, _, name, step = self._numbers(inner, 4, 2, 2, 4, 4)
                yield self._string(self._offset_of(_STRTAB) + name)
                inner += step
            if not following:
                return
            at += following

    def defines(self, name: str) -> bool:
        """Whether the loader finds a symbol in it."""
        text = name.encode() + b"\0"
        candidates = self._by_gnu_hash(text[:-1]) if self.values(_GNU_HASH) else self._by_hash(text[:-1])
        return any(self._is_defined(index, text) for index in candidates)

    def _by_gnu_hash(self, name: bytes) -> "Iterator[int]":
        table, value = self._offset_of(_GNU_HASH), 5381
        for byte in name:
            value = value * 33 + byte & 0xFFFFFFFF
        buckets, offset, bloom, _ = self._numbers(table, 4, 4, 4, 4)
        start = table + 16 + bloom * self._word
        first = self._numbers(start + 4 * (value % buckets), 4)[0] if buckets else 0
        for index in range(first, first + _MAX_CHAIN if first >= offset and first else 0):
            hashed = self._numbers(start + 4 * (buckets + index - offset), 4)[0]
            if hashed | 1 == value | 1:
                yield index
            if hashed & 1:
                return

    def _by_hash(self, name: bytes) -> "Iterator[int]":
        if not self.values(_HASH):
            return
        table, value = self._offset_of(_HASH), 0
        for byte in name:
            value = (value << 4) + byte
            value = (value ^ (value >> 24 & 0xF0)) & 0x0FFFFFFF
        buckets, count = self._numbers(table, 4, 4)
        index = self._numbers(table + 8 + 4 * (value % buckets), 4)[0] if buckets else 0
        for _ in range(min(count, _MAX_CHAIN)):
            if index == 0:
                return
            yield index
            index = self._numbers(table + 8 + 4 * (buckets + index), 4)[0]

    def _is_defined(self, index: int, text: bytes) -> bool:
        sizes = (4, 1, 1, 2, 8, 8) if self._word == 8 else (4, 4, 4, 1, 1, 2)
        symbol = self._numbers(self._offset_of(_SYMTAB) + index * sum(sizes), *sizes)
        section = symbol[3] if self._word == 8 else symbol[5]
        at = self._offset_of(_STRTAB) + symbol[0]
        return section != 0 and self._read(at, len(text), 1) == text


def libc_of(name: str) -> str:
    """The libc that alone has a library or loader of this name; empty if that is neither's."""
    if name.startswith(("libc.musl-", "ld-musl-")) or name == "libc.so":
        return "musl"
    return "glibc" if name.startswith(_GLIBC) or name in _GLIBC_EXACT else ""


def words_of(machine: "tuple[int, int, bool, int]") -> str:
    """A machine, for a person."""
    code, word, is_little, flags = machine
    convention = f", ABI {flags:#x}" if flags else ""
    order = "little" if is_little else "big"
    return f"{_MACHINES.get(code, f'machine {code}')} ({8 * word}-bit, {order}-endian{convention})"
