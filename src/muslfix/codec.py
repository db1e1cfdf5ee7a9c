"""Which library inflates: that of Python, or a faster one where the extra ``fast`` has put it.

Either of `python-isal <https://pypi.org/project/isal/>`_ and `zlib-ng <https://pypi.org/project/zlib-ng/>`_
offers the functions of :mod:`zlib` under the same names. Both are compiled, so neither is ever needed, and
what they inflate is held against CRC-32 and RECORD like all else. Where they fail, :mod:`zlib` has the last
word.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast


class Codec(Protocol):
    """What is used of :mod:`zlib`, and of modules that offer the same."""

    @property
    def error(self) -> type[Exception]:
        """What is raised where data cannot be inflated."""

    @property
    def decompressobj(self) -> Any:
        """Makes an object that inflates; see :func:`zlib.decompressobj`."""

    @property
    def crc32(self) -> Any:
        """Computes a checksum; see :func:`zlib.crc32`."""


#: Always there.
STANDARD = cast("Codec", zlib)

_FASTER = ("isal.isal_zlib", "zlib_ng.zlib_ng")


@cache
def fastest() -> Codec:
    """The fastest one that can be imported here."""
    for name in _FASTER:
        try:
            module = import_module(name)
            if isinstance(module.error, type) and callable(module.decompressobj) and callable(module.crc32):
                return cast("Codec", module)
        except Exception:  # noqa: BLE001,S112,PERF203 - compiled for another machine it may fail in any way
            continue
    return STANDARD
