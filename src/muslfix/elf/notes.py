"""What a file says of the CPU that it needs: ``GNU_PROPERTY_X86_ISA_1_NEEDED``.

Specification: https://gitlab.com/x86-psABIs/x86-64-ABI, "Program Property"; glibc:
https://sourceware.org/git/?p=glibc.git;a=blob;f=sysdeps/x86/dl-prop.h
"""

from __future__ import annotations

from muslfix.elf.file import PT_GNU_PROPERTY, PT_NOTE, ElfFile
from muslfix.errors import InvalidElf

_NT_GNU_PROPERTY_TYPE_0 = 5
_X86_ISA_1_NEEDED, _BASELINE = 0xC0008002, 1
_EM_X86_64 = 62
_MOST_BYTES = 4096


def needs_newer_cpu(file: ElfFile) -> bool:
    """Whether it needs more than what each x86-64 CPU has."""
    if file.header.machine != _EM_X86_64:
        return False
    found = [one for one in file.segments if one.kind in (PT_NOTE, PT_GNU_PROPERTY)]
    return any(_level(file, one.address, min(one.size, _MOST_BYTES)) & ~_BASELINE for one in found)


def _level(file: ElfFile, address: int, size: int) -> int:
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
