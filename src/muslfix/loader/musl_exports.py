"""Since when musl exports a symbol: what its file would say where only its version is known.

The data, ``musl_exports.txt`` beside this module, come from files of different versions and from the release
notes in https://git.musl-libc.org/cgit/musl/tree/WHATSNEW; ``fixtures/musl_versions.py`` writes them.
"""

from __future__ import annotations

import pkgutil
import re
from functools import cache

#: The newest version that the data cover; what a later one has is not known.
NEWEST = (1, 2, 6)

#: The same as text.
NEWEST_TEXT = ".".join(map(str, NEWEST))

#: The oldest version that the release notes cover.
OLDEST = (1, 1, 0)

#: From here on the symbols of the large file interface are no longer exported, but the loader finds them:
#: ``get_lfs64`` in https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
LARGE_FILE_BY_LOADER = (1, 2, 4)

_SECTION = re.compile(r"^\[(.+)\]\n", re.MULTILINE)


@cache
def _sections() -> dict[str, list[str]]:
    """The symbols in the data, by the heading above them."""
    text = (pkgutil.get_data("muslfix.loader", "musl_exports.txt") or b"").decode("ascii")
    _, *parts = _SECTION.split(text)
    return {heading: names.split() for heading, names in zip(parts[::2], parts[1::2])}


@cache
def _since() -> dict[str, tuple[int, ...]]:
    versions = {heading: names for heading, names in _sections().items() if heading != "large file"}
    return {name: _version(heading) for heading, names in versions.items() for name in names}


def _version(heading: str) -> tuple[int, ...]:
    return OLDEST if heading == "older" else tuple(map(int, heading.split(".")))


@cache
def large_file_symbols() -> frozenset[str]:
    """``fopen64`` and the like."""
    return frozenset(_sections()["large file"])


def appeared_in(symbol: str) -> tuple[int, ...] | None:
    """The version that brought a symbol: ``(1, 2, 5)``; ``None`` where musl has none of that name.

    :return: :data:`OLDEST` also for what is older
    """
    return _since().get(symbol)


def new_in(version: tuple[int, ...]) -> frozenset[str]:
    """The symbols that came with a version."""
    return frozenset(name for name, since in _since().items() if since == version)


@cache
def symbols_of(version: tuple[int, ...]) -> frozenset[str]:
    """The symbols that a version exports on any machine.

    :param version: not later than :data:`NEWEST`; of a later one the symbols of that are returned
    """
    found = frozenset(name for name, since in _since().items() if since <= version)
    return found - large_file_symbols() if version >= LARGE_FILE_BY_LOADER else found
