"""What an interpreter or a libc has compiled in, found in the bytes of its file.

CPython's list of suffixes is a table of C strings (``_PyImport_DynLoadFiletab``), and so are its version and
musl's. They stand in the file as they are, each between two NULs; what runs prints the same ones. Only a file
that is known for what it is may be asked: in any other such a string means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from muslfix.suffix import ExtensionFilename

_CHUNK = 1024 * 1024
# Longer than any of the strings: what one chunk cuts through, the next one has whole.
_OVERLAP = 512

_SUFFIX = re.compile(rb"(?<=\0)\.(?:cpython-3[\w-]+|abi3t?(?:-[\w-]+)?)\.so(?=\0)")
_PYTHON_VERSION = re.compile(rb"(?<=\0)3\.[0-9]{1,3}\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?(?=\+?\0)")
_MUSL_NAME = re.compile(rb"(?<=\0)musl libc \(")
_MUSL_VERSION = re.compile(rb"(?<=\0)1\.[0-9]{1,3}\.[0-9]{1,3}(?=(?:-git-[\w-]+)?\0)")
_GLIBC_VERSION = re.compile(rb"(?:GNU C Library|ld\.so) \([^\0\n]{0,200}\) [a-z ]*version ([0-9]+\.[0-9]+)")


def suffixes_in(stream: BinaryIO) -> frozenset[str]:
    """The suffixes that an interpreter has compiled in, but for the bare ``.so``, in no order."""
    found = {match[0].decode() for match in _find(stream, _SUFFIX)}
    return frozenset(suffix for suffix in found if ExtensionFilename.of_suffix(suffix) is not None)


def python_versions_in(stream: BinaryIO) -> frozenset[str]:
    """What looks like a full version of Python; what else is linked in can have such strings too."""
    return frozenset(match[0].decode() for match in _find(stream, _PYTHON_VERSION))


def musl_version_in(stream: BinaryIO) -> str | None:
    """The version of musl, from its loader; ``None`` where that is no musl, or it is not sure."""
    if next(_find(stream, _MUSL_NAME), None) is None:
        return None
    found = {match[0].decode() for match in _find(stream, _MUSL_VERSION)}
    return found.pop() if len(found) == 1 else None


def glibc_version_in(stream: BinaryIO) -> str | None:
    """The version of glibc, from its loader (2.33 and later) or its libc; ``None`` where it is not sure."""
    found = {match[1].decode() for match in _find(stream, _GLIBC_VERSION)}
    return found.pop() if len(found) == 1 else None


def _find(stream: BinaryIO, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The matches in a file of any size; those at a border are found twice."""
    stream.seek(0)
    kept = b""
    while chunk := stream.read(_CHUNK):
        yield from pattern.finditer(kept + chunk)
        kept = (kept + chunk)[-_OVERLAP:]
