"""What is odd about the headers of a file, and the segments in them.

musl: ``map_library`` in https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c; glibc: ``open_verify`` and
``_dl_map_object_from_fd`` in https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-load.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muslfix.elf.file import PT_DYNAMIC, PT_GNU_PROPERTY, PT_GNU_RELRO, PT_NOTE, PT_PHDR, PT_TLS, ElfFile
from muslfix.elf.mapping import PAGE, PF_R, Segment, page_of
from muslfix.elf.oddities import BOTH, DIES, GLIBC, MUSL, REFUSED, UNKNOWN, Oddity, those
from muslfix.elf.relocations import Relocations
from muslfix.errors import InvalidElf

_ET_EXEC, _ET_DYN = 2, 3
_OSABI_SYSV, _OSABI_LINUX = 0, 3
# LIBC_ABI_MAX is a number between these, by the machine and the version.
_ABI_VERSIONS, _ABI_VERSIONS_EVER = 2, 16

# What one file may take of memory before it depends on the machine whether it gets that.
_MUCH, _MUCH_THREAD_LOCAL = 2**34, 2**28
# The addresses that there are, by the bits of the file.
_ADDRESSES = {32: 2**32, 64: 2**56}

_NT_GNU_PROPERTY_TYPE_0 = 5
_X86_ISA_1_NEEDED, _BASELINE = 0xC0008002, 1
_EM_X86_64 = 62
_MOST_NOTES = 4096


def thread_local_of(file: ElfFile) -> Segment | None:
    """The thread-local variables of a file: the last ``PT_TLS`` with any."""
    return next((one for one in reversed(file.segments) if one.kind == PT_TLS and one.memory), None)


def odd_headers(file: ElfFile, relocations: Relocations) -> Iterator[Oddity]:
    """What is odd about the headers of a file."""
    yield from _in_header(file)
    yield from _in_segments(file)
    yield from _to_protect(file)
    yield from _in_thread_local(file, relocations)


def _in_header(file: ElfFile) -> Iterator[Oddity]:
    kind = file.header.kind
    version, osabi, abi_version = file.ident[6:9]
    is_linux = osabi in (_OSABI_SYSV, _OSABI_LINUX)
    refused = abi_version and (osabi == _OSABI_SYSV or abi_version >= _ABI_VERSIONS_EVER)
    return those(
        (kind == _ET_EXEC, GLIBC, REFUSED, "is a program (ET_EXEC), and glibc loads none as a library"),
        (kind == _ET_EXEC, MUSL, UNKNOWN, "is a program for a fixed address, which may be taken"),
        (kind not in (_ET_EXEC, _ET_DYN), BOTH, REFUSED, f"is no shared object (e_type {kind})"),
        (version != 1 or file.header.version != 1, GLIBC, REFUSED, "is of a version of ELF that is not 1"),
        (not is_linux, GLIBC, REFUSED, f"is for another operating system by its header (OSABI {osabi})"),
        (is_linux and refused, GLIBC, REFUSED, f"has an ABI version ({abi_version}) that glibc refuses"),
        (
            is_linux and not refused and abi_version >= _ABI_VERSIONS, GLIBC, UNKNOWN,
            f"has an ABI version ({abi_version}) that not every glibc knows",
        ),
        (any(file.ident[9:]), GLIBC, REFUSED, "has a header whose padding is not empty"),
    )  # fmt: skip


def _in_segments(file: ElfFile) -> Iterator[Oddity]:
    every, loads = file.segments, file.mapping.loads
    if not loads:
        yield Oddity(BOTH, REFUSED, "has no segment to load (PT_LOAD)")
        return
    addresses = [load.address for load in loads]
    first, last = _span(loads)
    is_too_much = last >= _ADDRESSES[file.bits]
    yield from those(
        (not file.dynamic_at, BOTH, REFUSED, "has no dynamic section (PT_DYNAMIC)"),
        (
            any(one.kind == PT_DYNAMIC and not one.size for one in every), GLIBC, REFUSED,
            "has an empty dynamic section (PT_DYNAMIC)",
        ),
        (
            any((load.address - load.offset) % PAGE for load in loads), GLIBC, REFUSED,
            "has a segment whose address and offset do not fit",
        ),
        (addresses != sorted(addresses), GLIBC, UNKNOWN, "has segments in disorder"),
        (any(one.size > one.memory for one in loads), BOTH, UNKNOWN, "has a segment too small for its bytes"),
        (is_too_much, BOTH, REFUSED, "takes more memory than there are addresses"),
        (
            not is_too_much and last - first >= _MUCH, BOTH, UNKNOWN,
            "takes so much memory that it depends on the machine",
        ),
        (_needs_newer_cpu(file), GLIBC, UNKNOWN, "needs a level of the x86-64 CPU that not every one has"),
        (
            any(one.kind == PT_PHDR and not _is_mapped(file, one.address, one.memory) for one in every),
            GLIBC, DIES, "has program headers (PT_PHDR) where no segment is",
        ),
    )  # fmt: skip


def _needs_newer_cpu(file: ElfFile) -> bool:
    """Whether it needs more than what each x86-64 CPU has: ``GNU_PROPERTY_X86_ISA_1_NEEDED``.

    Specification: https://gitlab.com/x86-psABIs/x86-64-ABI, "Program Property"; glibc:
    https://sourceware.org/git/?p=glibc.git;a=blob;f=sysdeps/x86/dl-prop.h
    """
    if file.header.machine != _EM_X86_64:
        return False
    found = [one for one in file.segments if one.kind in (PT_NOTE, PT_GNU_PROPERTY)]
    return any(_level_needed(file, one.address, min(one.size, _MOST_NOTES)) & ~_BASELINE for one in found)


def _level_needed(file: ElfFile, address: int, size: int) -> int:
    """The levels that one segment of notes asks for; 0 if it says nothing, or cannot be read."""
    word = file.bits // 8
    try:
        at = file.offset_of(address)
        end = at + size
        while at + 12 <= end:
            owner, length, kind = file.unpack("III", at)
            content = at + 12 + (owner + 3 & ~3)
            if kind == _NT_GNU_PROPERTY_TYPE_0 and owner == len(b"GNU\0"):
                place = content
                while place + 8 <= min(content + length, end):
                    property_, bytes_ = file.unpack("II", place)
                    if property_ == _X86_ISA_1_NEEDED and bytes_ == len(b"flag"):
                        return file.unpack("I", place + 8)[0]
                    place += 8 + (bytes_ + word - 1) // word * word
            at = content + (length + word - 1) // word * word
    except InvalidElf:
        pass
    return 0


def _to_protect(file: ElfFile) -> Iterator[Oddity]:
    first, last = _span(file.mapping.loads)
    for one in file.segments:
        if one.kind == PT_GNU_RELRO:
            start, end = page_of(one.address), page_of(one.address + one.memory)
            is_inside = first <= start <= end <= last
            is_whole = start == end or file.mapping.allows(start, end - 1, 0)
            is_outside = start != end and not is_inside
            is_broken = is_inside and not is_whole
            yield from those(
                (is_outside, BOTH, REFUSED, "protects what it has not (PT_GNU_RELRO)"),
                (is_broken, BOTH, UNKNOWN, "protects what lies between segments (PT_GNU_RELRO)"),
            )


def _span(loads: Sequence[Segment]) -> tuple[int, int]:
    pages = [load.pages for load in loads]
    return min((start for start, _ in pages), default=0), max((end for _, end in pages), default=0)


def _is_mapped(file: ElfFile, address: int, size: int) -> bool:
    return not size or file.mapping.allows(address, address + size - 1, PF_R)


def _in_thread_local(file: ElfFile, relocations: Relocations) -> Iterator[Oddity]:
    found = thread_local_of(file)
    if found is None:
        described = relocations.has_descriptors
        is_own = 0 in relocations.initial_exec
        yield from those(
            (is_own, GLIBC, DIES, "places thread-local variables of its own, and has none"),
            (described and not is_own, GLIBC, UNKNOWN, "describes thread-local variables, and has none"),
        )
        return
    odd = found.size > found.memory or not found.align or found.align & (found.align - 1)
    several = sum(one.kind == PT_TLS for one in file.segments) > 1
    yield from those(
        (several, BOTH, UNKNOWN, "has several segments of thread-local variables"),
        (odd, BOTH, UNKNOWN, "has thread-local variables of an impossible size or alignment"),
        (
            found.memory >= _MUCH_THREAD_LOCAL, MUSL, UNKNOWN,
            "has so many thread-local variables that it depends on the machine",
        ),
        (
            not _is_mapped(file, found.address, found.size), MUSL, DIES,
            "has thread-local variables whose first values no segment holds",
        ),
    )  # fmt: skip
