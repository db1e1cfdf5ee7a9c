"""The lowest version of musl on which the files of a wheel can load, and the one that its tags promise.

Specification of the promise: https://peps.python.org/pep-0656/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from muslfix.elf.dynamic import Image
from muslfix.loader.musl_exports import OLDEST, appeared_in
from muslfix.suffix import Libc

_TAG = re.compile(r"musllinux_(\d{1,4})_(\d{1,4})_\w+")

_RELR_SINCE = (1, 2, 4)


@dataclass(frozen=True)
class MuslFloor:
    """What a wheel needs of musl, and what its tags say.

    :param lowest: the lowest version on which all of its files can load: ``1.2.4``; ``None`` where all of
        them are for glibc
    :param promised: the lowest version that its tags promise: ``1.2``; ``None`` where they promise none
    :param reasons: what sets the lowest version, each a sentence; empty if any version will do
    :param keeps: whether the wheel keeps what its tags promise
    """

    lowest: str | None
    promised: str | None
    reasons: tuple[str, ...]
    keeps: bool

    def __str__(self) -> str:
        if self.lowest is None:
            promise = "promise nothing about musl" if self.keeps else f"promise musl {self.promised} or later"
            return f"can load on no musl, for its files are linked to glibc; its tags {promise}"
        lowest = "any musl" if not self.reasons else f"musl {self.lowest} or later"
        because = (
            f" ({'; '.join(self.reasons[:3])}{'; …' if len(self.reasons) > 3 else ''})"
            if self.reasons
            else ""
        )
        if self.promised is None:
            return f"can load on {lowest}{because}; its tags promise nothing about musl"
        kept = "" if self.keeps else ", which is too much"
        return f"can load on {lowest}{because}; its tags promise musl {self.promised} or later{kept}"


def find_floor(images: Mapping[str, Image], platforms: Iterable[str]) -> MuslFloor:
    """Find the lowest musl for the files of a wheel.

    It is a lower bound: what a file looks up by name at run time is not seen, nor what differs in behaviour.

    :param images: its extension modules and shared libraries, by path; those for glibc are ignored
    :param platforms: the platform tags of the wheel
    """
    mine = {path: image for path, image in images.items() if Libc.GLIBC not in image.facts.libcs}
    bundled = frozenset[str]().union(*(_exports_of(image) for image in mine.values()))
    needs: dict[tuple[int, ...], list[str]] = {OLDEST: []}
    for path, image in mine.items():
        for version, reason in _needs_of(image, bundled):
            needs.setdefault(version, []).append(f"{path.rpartition('/')[2]} {reason}")
    lowest = max(needs)
    promises = [tuple(map(int, match.groups())) for match in map(_TAG.fullmatch, platforms) if match]
    promised = min(promises, default=None)
    if images and not mine:
        return MuslFloor(None, None if promised is None else _text(promised), (), keeps=promised is None)
    return MuslFloor(
        lowest=_text(lowest),
        promised=None if promised is None else _text(promised),
        reasons=tuple(needs[lowest]),
        keeps=promised is None or lowest <= promised or not needs[lowest],
    )


def _needs_of(image: Image, bundled: frozenset[str]) -> Iterable[tuple[tuple[int, ...], str]]:
    """Each version of musl that a file needs, and the reason, as the end of a sentence."""
    if isinstance(image.dynamic, str):
        return
    if image.dynamic.has_relative_relocations:
        yield _RELR_SINCE, "uses relative relocations (DT_RELR)"
    for reference in image.dynamic.references:
        since = appeared_in(reference.name)
        if since is not None and since > OLDEST and not reference.weak and reference.name not in bundled:
            yield since, f"needs {reference.name}"


def _exports_of(image: Image) -> frozenset[str]:
    return frozenset() if isinstance(image.dynamic, str) else image.dynamic.exports.names


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
