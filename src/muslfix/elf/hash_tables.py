"""What a loader finds by the hash tables of an ELF file: how many symbols, and whether one is defined.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html#hash; the GNU hash table:
https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from muslfix.elf.file import DT, ElfFile
from muslfix.errors import InvalidElf

#: How many symbols a file may have.
MAX_SYMBOLS = 1_000_000
#: How many bytes a symbol takes, by the bits of the file.
SYMBOL_SIZES = {32: 16, 64: 24}

_WIDE_HASH = frozenset({22, 0x9026})
_CHAIN_STEP = 1024

# What is looked at to find one name; a chain of a real file has a few entries.
_LONGEST_CHAIN = 1_000


def hashed_symbols(file: ElfFile) -> tuple[int, int]:
    """The index of the first symbol that a hash table finds, and of the one behind the last.

    The GNU kind does not say how many there are: ``count_syms`` in musl's dynlink.c.
    """
    if file.values(DT.GNU_HASH):
        return _gnu_hashed_symbols(file, file.offset_of(file.value(DT.GNU_HASH)))
    if file.values(DT.HASH):
        count = file.unpack(2 * _entry_of(file), file.offset_of(file.value(DT.HASH)))[1]
        if count > min(MAX_SYMBOLS, file.size // SYMBOL_SIZES[file.bits]):
            raise InvalidElf(None, f"claims {count} symbols")
        return 1, count
    return 0, 0


def _gnu_hashed_symbols(file: ElfFile, at: int) -> tuple[int, int]:
    bucket_count, first, bloom_words, _ = file.unpack("IIII", at)
    if bucket_count > MAX_SYMBOLS or bloom_words > MAX_SYMBOLS:
        raise InvalidElf(None, f"claims a hash table of {bucket_count} buckets")
    buckets_at = at + 16 + bloom_words * file.bits // 8
    last = max(file.unpack(f"{bucket_count}I", buckets_at), default=0)
    if last < first or not last:
        return first, 0
    chains_at = buckets_at + 4 * bucket_count - 4 * first
    while last < MAX_SYMBOLS:
        data = file.read(chains_at + 4 * last, 4 * _CHAIN_STEP, at_most=True)
        for entry in struct.unpack(f"{file.sign}{len(data) // 4}I", data[: len(data) & ~3]):
            last += 1
            if entry & 1:
                return first, last
        if len(data) < 4 * _CHAIN_STEP:
            break
    raise InvalidElf(None, "has a hash table without an end")


def elf_hash(name: str) -> int:
    """The hash of a name by the System V ABI, by which glibc also compares versions."""
    value = 0
    for byte in name.encode("utf-8", "surrogateescape"):
        value = (value << 4) + byte
        value = (value ^ value >> 24 & 0xF0) & 0xFFFFFFF
    return value


def _entry_of(file: ElfFile) -> str:
    """An entry of the older hash table: 64 bits on Alpha and s390x, by their ABI."""
    return "Q" if file.header.machine in _WIDE_HASH and file.bits == 64 else "I"


def defines(file: ElfFile, name: bytes) -> bool:
    """Whether ``dlsym`` finds a symbol in a file: ``sysv_lookup`` and ``gnu_lookup`` in musl's dynlink.c.

    :param name: of the symbol
    :raises InvalidElf: if there is no hash table, or it is damaged
    """
    if not file.values(DT.GNU_HASH) and not file.values(DT.HASH):
        raise InvalidElf(None, "has no hash table")
    find = _in_gnu_hash if file.values(DT.GNU_HASH) else _in_hash
    return any(_is_defined(file, index, name) for index in find(file, name))


def _in_gnu_hash(file: ElfFile, name: bytes) -> Iterator[int]:
    """The indexes of the symbols that have the hash of a name."""
    at = file.offset_of(file.value(DT.GNU_HASH))
    bucket_count, first, bloom_words, _ = file.unpack("IIII", at)
    wanted = 5381
    for letter in name:
        wanted = (wanted * 33 + letter) & 0xFFFFFFFF
    buckets_at = at + 16 + bloom_words * file.bits // 8
    index = file.unpack("I", buckets_at + 4 * (wanted % bucket_count))[0] if bucket_count else 0
    if index < max(first, 1):
        return
    chains_at = buckets_at + 4 * (bucket_count - first)
    for at_symbol in range(index, index + _LONGEST_CHAIN):
        (entry,) = file.unpack("I", chains_at + 4 * at_symbol)
        if entry | 1 == wanted | 1:
            yield at_symbol
        if entry & 1:
            return
    raise InvalidElf(None, "has a hash table without an end")


def _in_hash(file: ElfFile, name: bytes) -> Iterator[int]:
    """The same by the older hash table: all symbols in the bucket of a name."""
    at, entry = file.offset_of(file.value(DT.HASH)), _entry_of(file)
    size = struct.calcsize("=" + entry)
    bucket_count = file.unpack(entry, at)[0]
    wanted = elf_hash(name.decode("utf-8", "surrogateescape"))
    buckets_at = at + 2 * size
    index = file.unpack(entry, buckets_at + size * (wanted % bucket_count))[0] if bucket_count else 0
    for _ in range(_LONGEST_CHAIN):
        if not index:
            return
        yield index
        (index,) = file.unpack(entry, buckets_at + size * (bucket_count + index))
    raise InvalidElf(None, "has a hash table without an end")


def _is_defined(file: ElfFile, index: int, name: bytes) -> bool:
    """Whether a symbol has a name, a section and a value."""
    at = file.offset_of(file.value(DT.SYMTAB)) + index * SYMBOL_SIZES[file.bits]
    if file.bits == 64:
        text, _, _, section, value, _ = file.unpack("IBBHQQ", at)
    else:
        text, value, _, _, _, section = file.unpack("IIIBBH", at)
    table = file.string_table()
    return bool(section and value) and table[text : text + len(name) + 1] == name + b"\0"
