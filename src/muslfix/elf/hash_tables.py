"""How many symbols of an ELF file a dynamic loader finds, by its hash tables.

Only the count is read from the hash tables; symbols themselves come from the symbol table.

Specifications: https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html#hash; the GNU hash table:
https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html
"""

from __future__ import annotations

import struct

from muslfix.elf.file import ElfFile
from muslfix.errors import InvalidElf

#: How many symbols a file may have.
MAX_SYMBOLS = 1_000_000
#: How many bytes a symbol takes, by the bits of the file.
SYMBOL_SIZES = {32: 16, 64: 24}

_HASH, _GNU_HASH = 4, 0x6FFFFEF5
_WIDE_HASH = frozenset({22, 0x9026})
_CHAIN_STEP = 1024


def hashed_symbols(file: ElfFile) -> tuple[int, int]:
    """The index of the first symbol that a hash table finds, and of the one behind the last.

    The GNU kind does not say how many there are: ``count_syms`` in musl's dynlink.c.
    """
    if file.values(_GNU_HASH):
        return _gnu_hashed_symbols(file, file.offset_of(file.value(_GNU_HASH)))
    if file.values(_HASH):
        # 64-bit entries on Alpha and s390x, by their ABI.
        wide = file.header.machine in _WIDE_HASH and file.bits == 64
        count = file.unpack("QQ" if wide else "II", file.offset_of(file.value(_HASH)))[1]
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
