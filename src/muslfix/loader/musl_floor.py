"""The lowest version of musl on which the files of a wheel can load, and the one that its tags promise.

Everything that a file needs is accounted for: by another file of the wheel, by the interpreter (``Py*``), by
a version of musl, or by a library from outside the wheel, which is then named. What nobody has is named too.

Specification of the promise: https://peps.python.org/pep-0656/
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from os.path import basename, dirname, normpath

from muslfix.elf.dynamic import DynamicFacts, Image
from muslfix.elf.oddities import Outcome
from muslfix.errors import few
from muslfix.loader.musl import OWN_NAME
from muslfix.loader.musl_exports import NEWEST_TEXT, OLDEST, appeared_in
from muslfix.loader.rules import OF_PYTHON, RELR_SINCE, split_path, with_origin
from muslfix.loader.time_t import TimeT, sentence_about, time_t_of
from muslfix.suffix import Libc

_TAG = re.compile(r"musllinux_(\d{1,4})_(\d{1,4})_\w+")

# Where the files are taken to be.
_SITE = "/site-packages"

# Real wheels take some hundred.
_MOST_LOOKS = 100_000

# How many reasons and symbols a sentence names.
_REASONS, _SYMBOLS = 3, 3


@dataclass(frozen=True)
class MuslFloor:
    """What a wheel needs of musl, and what its tags say.

    :param lowest: the lowest version on which all of its files can load: ``1.2.4``; ``None`` where there is
        none
    :param promised: the lowest version that its tags promise: ``1.2``; ``None`` where they promise none
    :param reasons: what sets the lowest version, or why there is none, each a sentence; empty if any version
        will do
    :param keeps: whether the wheel keeps what its tags promise
    :param files: how many extension modules and shared libraries it has
    :param libraries: what its files need and the wheel does not hold, with the symbols that must be in it
    :param not_known: what could not be found out, each a sentence
    :param time_t: which ``time_t`` its files for a 32-bit CPU use, a sentence; ``None`` where they use none
    :param mixes: whether they use both
    """

    lowest: str | None
    promised: str | None
    reasons: tuple[str, ...]
    keeps: bool
    files: int
    libraries: tuple[str, ...] = ()
    not_known: tuple[str, ...] = ()
    time_t: str | None = None
    mixes: bool = False

    def __str__(self) -> str:
        because = "; ".join(self.reasons[:_REASONS]) + ("; …" if len(self.reasons) > _REASONS else "")
        promise = f"musl {self.promised} or later" if self.promised else "nothing about musl"
        kept = ", which is too much" if not self.keeps and self.lowest is not None else ""
        parts = [f"{self._loads}{f' ({because})' if because else ''}"]
        parts += [f"needs {library}" for library in self.libraries]
        parts += [f"its tags promise {promise}{kept}"]
        parts += self.not_known
        parts += [self.time_t] if self.time_t and not self.mixes else []  # else it is a warning
        return "; ".join(parts)

    @property
    def _loads(self) -> str:
        if self.lowest is None:
            return "can load on no known musl"
        if not self.files:
            return "has no extension module and no shared library"
        if self.reasons:
            return f"can load on musl {self.lowest} or later"
        if self.libraries or self.not_known:
            return "needs no certain version of musl"
        return "can load on any musl"


def find_floor(images: Mapping[str, Image | str], platforms: Iterable[str]) -> MuslFloor:
    """Find the lowest musl for the files of a wheel.

    It is a lower bound: what a file looks up by name at run time is not seen, nor what differs in behaviour.

    :param images: its extension modules and shared libraries, by path; the reason of one that is no ELF file
    :param platforms: the platform tags of the wheel
    """
    read = {path: image for path, image in images.items() if isinstance(image, Image)}
    mine = {path: image for path, image in read.items() if Libc.GLIBC not in image.facts.libcs}
    wheel = _Wheel(mine, frozenset(map(basename, images)))
    never = [*_linked_to_glibc(read), *wheel.impossible()]
    needs = wheel.versions()
    lowest = max(needs, default=OLDEST)
    promises = [tuple(map(int, match.groups())) for match in map(_TAG.fullmatch, platforms) if match]
    promised = min(promises, default=None)
    times = {path: time_t for path, image in mine.items() if (time_t := time_t_of(image)) is not None}
    floor = MuslFloor(
        lowest=None if never else _text(lowest),
        promised=None if promised is None else _text(promised),
        reasons=tuple(never or needs.get(lowest, ())),
        keeps=promised is None or (not never and (lowest <= (*promised, 0) or lowest not in needs)),
        files=len(images),
        libraries=tuple(wheel.libraries()),
        not_known=(*_not_read(images), *wheel.doubts()),
    )
    return _with_times(floor, times)


def _with_times(floor: MuslFloor, times: Mapping[str, TimeT]) -> MuslFloor:
    if not times:
        return floor
    sentence, mixes = sentence_about(times)
    return replace(floor, time_t=sentence, mixes=mixes)


class _Wheel:
    """The files of a wheel that are not linked to glibc.

    :param images: by path
    :param names: the base names of all files
    """

    def __init__(self, images: Mapping[str, Image], names: frozenset[str]) -> None:
        self._files = {
            path: image.dynamic for path, image in images.items() if isinstance(image.dynamic, DynamicFacts)
        }
        self._names = names
        self._paths = frozenset(images)
        self._fixed = frozenset[str]().union(*(f.exports.names for f in self._files.values() if f.tls_size))
        self._users: defaultdict[str, list[str]] = defaultdict(list)
        for path, file in self._files.items():
            for name in dict.fromkeys(file.needed):
                self._users[name].append(path)
        self._looks_left = _MOST_LOOKS
        self._bundled = frozenset[str]().union(*(file.exports.names for file in self._files.values()))

    def versions(self) -> dict[tuple[int, ...], list[str]]:
        """What needs a version of musl, each the rest of a sentence."""
        found: dict[tuple[int, ...], list[str]] = {}
        for path, file in self._files.items():
            if file.has_relative_relocations:
                reason = f"{basename(path)} uses relative relocations (DT_RELR)"
                found.setdefault(RELR_SINCE[Libc.MUSL], []).append(reason)
            for name in self._undefined(file):
                since = appeared_in(name)
                if since is not None and since > OLDEST:
                    found.setdefault(since, []).append(f"{basename(path)} needs {name}")
        return found

    def impossible(self) -> Iterator[str]:
        """What no version of musl can load, each a sentence."""
        for path, file in self._files.items():
            if any(self._is_fixed(reference.name, file) for reference in file.initial_exec):
                yield (
                    f"{basename(path)} needs thread-local variables at a fixed place (initial-exec TLS),"
                    " which no musl gives to what a running program loads"
                )
            for oddity in file.oddities:
                if oddity.libc is not Libc.GLIBC and oddity.outcome is not Outcome.UNKNOWN:
                    yield f"{basename(path)} {oddity.reason}"
            lost = [name for name in file.lost.get(Libc.MUSL, ()) if name not in self._bundled]
            if lost:
                yield f"{basename(path)} defines {_some(lost)} in a way that no musl finds"
            nobodys = self._nobodys(file)
            if nobodys and not self._outside(file):
                yield (
                    f"{basename(path)} needs {_some(nobodys)}, which no musl up to {NEWEST_TEXT}, the newest"
                    " that is known here, has and no file of the wheel defines"
                )

    def _is_fixed(self, name: str, file: DynamicFacts) -> bool:
        """Whether a variable, of the file itself if it has no name, is one that is loaded with the wheel."""
        return name in self._fixed if name else file.tls_size > 0

    def doubts(self) -> Iterator[str]:
        """What was not found out, each a sentence; after :meth:`libraries`."""
        for path, file in self._files.items():
            for oddity in file.oddities:
                if oddity.libc is not Libc.GLIBC and oddity.outcome is Outcome.UNKNOWN:
                    yield f"{basename(path)} {oddity.reason}"
        if self._looks_left < 0:
            yield "whether run paths lead to all libraries of the wheel is not known: there are too many"

    def libraries(self) -> Iterator[str]:
        """The libraries that must come from elsewhere, with the symbols that must be in them."""
        found: dict[tuple[str, ...], dict[str, None]] = {}
        for file in self._files.values():
            outside = self._outside(file)
            if outside:
                found.setdefault(outside, {}).update(dict.fromkeys(self._nobodys(file)))
        for outside, symbols in found.items():
            use = f", with {_some(list(symbols))}" if symbols else ""
            yield f"{' and '.join(outside)}, which the wheel does not hold{use}"
        places = {basename(path): dirname(path) for path in sorted(self._paths, reverse=True)}
        for name, users in self._users.items():
            for path in users if name in places else ():
                if not self._is_found(name, path):
                    where = f"which the wheel has in {places[name]}, where no run path leads"
                    yield f"{name} for {basename(path)}, {where}"

    def _is_found(self, name: str, path: str) -> bool:
        """Whether the run path of a file leads to another one, or that of a file by which it is loaded."""
        seen, to_do = set[str](), [path]
        while to_do:
            user = to_do.pop()
            if user in seen:
                continue
            seen.add(user)
            dynamic = self._files[user]
            run_path = dynamic.rpath if dynamic.runpath is None else dynamic.runpath
            for directory in split_path(with_origin(run_path or "", dirname(f"{_SITE}/{user}"))):
                self._looks_left -= 1
                if self._looks_left < 0:
                    return True
                if normpath(f"{directory}/{name}").replace(f"{_SITE}/", "", 1) in self._paths:
                    return True
            to_do += self._users.get(basename(user), ())
            self._looks_left -= 1
        return False

    def _outside(self, file: DynamicFacts) -> tuple[str, ...]:
        """The libraries that a file needs and neither the wheel holds nor musl is."""
        own = (name for name in file.needed if not (OWN_NAME.match(name) or name.startswith("ld-musl-")))
        return tuple(name for name in own if basename(name) not in self._names)

    def _undefined(self, file: DynamicFacts) -> Iterator[str]:
        """The symbols that a file must have from elsewhere."""
        return (one.name for one in file.references if not one.weak and one.name not in self._bundled)

    def _nobodys(self, file: DynamicFacts) -> list[str]:
        """Those among them that neither a musl nor the interpreter has."""
        return [n for n in self._undefined(file) if appeared_in(n) is None and not OF_PYTHON.match(n)]


def _linked_to_glibc(images: Mapping[str, Image]) -> Iterator[str]:
    for path, image in images.items():
        if Libc.GLIBC in image.facts.libcs:
            yield f"{basename(path)} is linked to glibc ({image.facts.glibc_evidence[0]})"


def _not_read(images: Mapping[str, Image | str]) -> Iterator[str]:
    for path, image in images.items():
        reason = image if isinstance(image, str) else image.dynamic
        if isinstance(reason, str):
            yield f"what {basename(path)} needs is not known: it {reason}"


def _some(names: list[str]) -> str:
    return few(names, _SYMBOLS, "symbols")


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
