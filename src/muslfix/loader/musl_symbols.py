"""Since when musl has a symbol: what its file would tell where only its version is known.

The data (:mod:`muslfix.loader.musl_exports`) come from files of different versions and from the release notes
in https://git.musl-libc.org/cgit/musl/tree/WHATSNEW.
"""

from __future__ import annotations

from functools import cache

from muslfix.loader.musl_exports import ADDED, LARGE_FILE

#: The newest version that the data know; of a later one it is not known what it has.
NEWEST = (1, 2, 5)

#: The oldest version that the release notes tell of.
OLDEST = (1, 1, 0)

#: From here on the symbols of the large file interface are no symbols any more, but the loader finds them:
#: ``get_lfs64`` in https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
LARGE_FILE_BY_LOADER = (1, 2, 4)

#: ``fopen64`` and the like.
LARGE_FILE_SYMBOLS = frozenset(LARGE_FILE.split())


@cache
def _since() -> dict[str, tuple[int, ...]]:
    return {name: _version(version) for version, names in ADDED.items() for name in names.split()}


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("."))) if text else OLDEST


def appeared_in(symbol: str) -> tuple[int, ...] | None:
    """The version that brought a symbol: ``(1, 2, 5)``; ``None`` where musl has none of that name.

    :return: :data:`OLDEST` also for what is older
    """
    return _since().get(symbol)


@cache
def symbols_of(version: tuple[int, ...]) -> frozenset[str]:
    """The symbols that a version exports on some machine.

    :param version: not later than :data:`NEWEST`, else they are those of that one
    """
    there = frozenset(name for name, since in _since().items() if since <= version)
    return there - LARGE_FILE_SYMBOLS if version >= LARGE_FILE_BY_LOADER else there
