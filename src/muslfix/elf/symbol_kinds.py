"""What the kind of a symbol means to a loader: its type, its binding, its visibility, and where it is.

``find_sym2`` of musl (https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c); ``check_match`` and
``do_lookup_x`` of glibc (https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-lookup.c).
"""

from __future__ import annotations

import struct
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from muslfix.suffix import Libc

_STB_LOCAL, _STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE = 0, 1, 2, 10
_STT_TLS, _STT_GNU_IFUNC = 6, 10
_TYPES = frozenset({0, 1, 2, 5, _STT_TLS})  # OK_TYPES in musl's dynlink.c
_BINDINGS = frozenset({_STB_GLOBAL, _STB_WEAK, _STB_GNU_UNIQUE})
_HIDDEN_VISIBILITIES = frozenset({1, 2})
_SHN_ABS = 0xFFF1

_NOBODY = frozenset[Libc]()
_MUSL, _GLIBC = frozenset({Libc.MUSL}), frozenset({Libc.GLIBC})


class Use(Enum):
    """What a symbol is to a loader."""

    NEEDED = "others must define it"
    WEAK = "others may define it"
    ORDINARY = "a definition for either loader"
    INDIRECT = "a definition for glibc, of a type that musl does not know"
    HIDDEN = "a definition for musl, of a visibility that it does not know"
    NONE = "neither"


class Kind(NamedTuple):
    """What the kind of a symbol means.

    :param use: what it is, if its value is not 0
    :param may_be_zero: whether it is a definition with that value too
    :param lost: the libcs whose loader looks for it elsewhere, in vain, where a relocation of its own file
        refers to it
    :param lost_at_zero: the same, if its value is 0
    """

    use: Use
    may_be_zero: bool
    lost: frozenset[Libc] = _NOBODY
    lost_at_zero: frozenset[Libc] = _NOBODY


@lru_cache(maxsize=1024)
def kind_of(sign: str, number: int) -> Kind:
    """What a kind means.

    :param sign: the byte order, as :mod:`struct` writes it
    :param number: ``st_info``, ``st_other`` and ``st_shndx``, read as one number
    """
    info, other, section = struct.unpack(sign + "BBH", struct.pack(sign + "I", number))
    binding, type_, is_hidden = info >> 4, info & 0xF, other & 3 in _HIDDEN_VISIBILITIES
    may_be_zero = type_ == _STT_TLS or section == _SHN_ABS
    if binding == _STB_LOCAL:
        return Kind(Use.NONE, may_be_zero)
    if section == 0 and is_hidden:  # for glibc it is the file's own, at address 0
        lost = _NOBODY if binding == _STB_WEAK else _MUSL
        return Kind(Use.NONE, may_be_zero, lost, lost)
    if section == 0:
        return Kind(Use.WEAK if binding == _STB_WEAK else Use.NEEDED, may_be_zero)
    use = _use_of_defined(binding, type_, is_hidden=is_hidden)
    lost = _MUSL if use in (Use.NONE, Use.INDIRECT) else _NOBODY
    at_zero = lost if type_ == _STT_TLS else _MUSL
    if not is_hidden and binding != _STB_WEAK:  # others glibc does not look for, or need not find
        lost = lost | _GLIBC if use is Use.NONE else lost
        at_zero = at_zero | _GLIBC if use is Use.NONE or not may_be_zero else at_zero
    return Kind(use, may_be_zero, lost, at_zero)


def _use_of_defined(binding: int, type_: int, *, is_hidden: bool) -> Use:
    if binding in _BINDINGS and type_ in _TYPES:
        return Use.HIDDEN if is_hidden else Use.ORDINARY
    is_indirect = binding in _BINDINGS and type_ == _STT_GNU_IFUNC and not is_hidden
    return Use.INDIRECT if is_indirect else Use.NONE
