"""The known Pythons: who builds them, and which libc the names of their extension modules spell.

Whether a Python on musl says ``-gnu`` or ``-musl`` depends on its version and on who built it. Each row here
is one version of one builder, with a name for ``--target-spec``, where that stands and when it was looked up.

What is not here is not guessed. A release of a distribution that is newer than its last row is refused by its
name. A newer Python of the same builder has a row as soon as CPython knows its version: from 3.13 on its
``configure`` takes the spelling from the compiler, on musl always ``-musl``, unless somebody patches it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.cpython import Cpu
from muslfix.targets.target import Target


@dataclass(frozen=True)
class KnownPython:
    """One version of Python by one builder.

    :param name: for ``--target-spec``: ``uv-3.10-musl``
    :param sentence: who built it, for a person
    :param minor: its version behind ``3.``
    :param spellings: the libcs that the suffixes of its own extension modules spell, in the order in which it
        looks; empty if they have no triplet
    :param source: where that stands
    :param libc_version: of its libc, if the builder's release determines it
    :param libc: the one that it runs on
    :param is_free_threaded: whether it is
    :param aliases: other names for it
    """

    name: str
    sentence: str
    minor: int
    spellings: tuple[Libc, ...]
    source: str
    libc_version: str | None = None
    libc: Libc = Libc.MUSL
    is_free_threaded: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version."""
        return 3, self.minor

    @property
    def abi_flags(self) -> str:
        """As in ``sys.abiflags``."""
        return "t" if self.is_free_threaded else "m" if self.minor < 8 else ""

    def triplets(self, cpu: Cpu) -> tuple[str, ...]:
        """Those in the suffixes of its own extension modules, in its order.

        Alpine's fallback to the other spelling does nothing on 32-bit ARM, whose triplets end in ``eabihf``.
        """
        spellings = self.spellings[:1] if cpu.in_triplet == "arm" else self.spellings
        return tuple(cpu.triplet(libc, self.version_info) for libc in spellings)

    def is_like(self, target: Target) -> bool:
        """Whether a target looks for the same spellings."""
        spelled = []
        for suffix in target.extension_suffixes:
            name = ExtensionFilename.of_suffix(suffix)
            if name is not None and name.abi.startswith("cpython-"):
                spelled.append(name.spelled_libc)
        is_arm = target.machine.name == "arm"
        wanted = self.spellings[:1] if is_arm else self.spellings
        return (
            target.libc is self.libc
            and target.version_info == self.version_info
            and target.abi_flags == self.abi_flags
            and tuple(spelled) == (wanted or (None,))
        )


_GNU, _MUSL = (Libc.GLIBC,), (Libc.MUSL,)
_VERSIONS = tuple(range(6, 16))
_FIRST_FREE_THREADED = 13

#: The month in which all rows were last looked up.
CHECKED = "2026-11"

# Alpine's release, its Python and its musl.
_ALPINE = (
    ("3.9", 6, "1.1.20"),
    ("3.10", 7, "1.1.22"),
    ("3.11", 8, "1.1.24"),
    ("3.12", 8, "1.1.24"),
    ("3.13", 8, "1.2.2"),
    ("3.14", 9, "1.2.2"),
    ("3.15", 9, "1.2.2"),
    ("3.16", 10, "1.2.3"),
    ("3.17", 10, "1.2.3"),
    ("3.18", 11, "1.2.4"),
    ("3.19", 11, "1.2.4"),
    ("3.20", 12, "1.2.5"),
    ("3.21", 12, "1.2.5"),
    ("3.22", 12, "1.2.5"),
    ("3.23", 12, "1.2.5"),
    ("3.24", 14, "1.2.6"),
)

# The release of python-build-standalone with which the spelling changed, and the last one before it.
_NEW_STANDALONE, _OLD_STANDALONE = "20251028", "20251014"

# The releases of OpenWrt that have a version of Python, and the first Python after the patch that took the
# triplet out of its names.
_OPENWRT = {6: ("18.06",), 7: ("19.07",), 9: ("21.02",), 10: ("22.03",), 11: ("23.05", "24.10")}
_FIRST_WITH_TRIPLET = 11


def _upstream() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        yield KnownPython(
            f"upstream-3.{minor}",
            f"upstream's Python 3.{minor}, built on musl: docker.io/library/python:3.{minor}-alpine, the"
            " musllinux build images, nixpkgs",
            minor,
            _GNU if minor < 11 else _MUSL,
            "https://github.com/python/cpython/issues/87278",
        )
        if minor >= _FIRST_FREE_THREADED:
            yield KnownPython(
                f"upstream-3.{minor}t",
                f"upstream's free-threaded Python 3.{minor}, built on musl: the musllinux build images,"
                " nixpkgs",
                minor,
                _MUSL,
                "https://github.com/python/cpython/issues/87278",
                is_free_threaded=True,
            )


def _cross_built() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        yield KnownPython(
            f"yocto-3.{minor}",
            f"Python 3.{minor} cross-built on a glibc host: Yocto",
            minor,
            _GNU if minor < 13 else _MUSL,
            "https://github.com/python/cpython/issues/95855",
        )


def _alpine() -> Iterator[KnownPython]:
    for release, minor, libc_version in _ALPINE:
        sentence = f"Alpine {release}'s own Python 3.{minor}"
        source = f"https://pkgs.alpinelinux.org/package/v{release}/main/x86_64/python3"
        if minor != 9:
            spellings = _GNU if minor < 11 else _MUSL
            yield KnownPython(
                f"alpine-{release}", sentence, minor, spellings, source, libc_version=libc_version
            )
            continue
        yield KnownPython(
            f"alpine-{release}",
            f"{sentence}, with the patch that lets it fall back to -gnu",
            minor,
            (*_MUSL, *_GNU),
            source,
            libc_version=libc_version,
        )
        yield KnownPython(
            f"alpine-{release}-without-fallback",
            f"{sentence}, before it was patched to fall back to -gnu",
            minor,
            _MUSL,
            source,
            libc_version=libc_version,
        )


def _standalone() -> Iterator[KnownPython]:
    source = "https://github.com/astral-sh/python-build-standalone/pull"
    for minor in _VERSIONS:
        sentence = f"uv's Python 3.{minor} for musl (python-build-standalone)"
        name = f"uv-3.{minor}-musl"
        if minor >= _FIRST_FREE_THREADED:
            yield KnownPython(name, sentence, minor, _MUSL, f"{source}/827")
            yield KnownPython(
                f"uv-3.{minor}t-musl",
                f"uv's free-threaded Python 3.{minor} for musl (python-build-standalone)",
                minor,
                _MUSL,
                f"{source}/583",
                is_free_threaded=True,
            )
            continue
        if minor >= 9:
            new = f"{sentence}, from {_NEW_STANDALONE} on"
            yield KnownPython(name, new, minor, _MUSL, f"{source}/827")
        old = f"{sentence}, up to {_OLD_STANDALONE}"
        yield KnownPython(f"{name}-{_OLD_STANDALONE}", old, minor, _GNU, f"{source}/827")


def _openwrt() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        releases = _OPENWRT.get(minor, ())
        has_triplet = minor >= _FIRST_WITH_TRIPLET
        named = f" (OpenWrt {' and '.join(releases)})" if releases else ""
        yield KnownPython(
            f"openwrt-3.{minor}",
            f"Python 3.{minor} of OpenWrt{named}{'' if has_triplet else ': no triplet'}",
            minor,
            _MUSL if has_triplet else (),
            f"https://github.com/openwrt/packages/{'pull/22048' if has_triplet else 'issues/14199'}",
            aliases=tuple(f"openwrt-{release}" for release in releases),
        )


def _entware() -> Iterator[KnownPython]:
    """OpenWrt's recipe on glibc."""
    for minor in _VERSIONS:
        has_triplet = minor >= _FIRST_WITH_TRIPLET
        recipe = "Entware/entware-packages/blob/master/lang/python/python3/patches/600-target-suffix.patch"
        yield KnownPython(
            f"entware-3.{minor}",
            f"Python 3.{minor} of Entware, on glibc{'' if has_triplet else ': no triplet'}",
            minor,
            _GNU if has_triplet else (),
            f"https://github.com/{recipe if has_triplet else 'Entware/Entware/issues/568'}",
            libc=Libc.GLIBC,
        )


#: All of them, by builder and version.
KNOWN = (*_upstream(), *_cross_built(), *_alpine(), *_standalone(), *_openwrt(), *_entware())


def known_named(name: str) -> KnownPython | None:
    """The known Python of a name, or of another one for it; ``None`` if there is none."""
    return next((known for known in KNOWN if name == known.name or name in known.aliases), None)


def known_like(target: Target) -> tuple[KnownPython, ...]:
    """The known Pythons that a target may be: same version, same spelling."""
    return tuple(known for known in KNOWN if known.is_like(target))


def lines_about_known(*, sources: bool = False) -> Iterator[str]:
    """A line for each known Python: name, what it imports, who builds it.

    :param sources: say too where that stands, and when it was looked up
    """
    width = max(len(known.name) for known in KNOWN)
    words = {Libc.GLIBC: "-gnu", Libc.MUSL: "-musl"}
    for known in KNOWN:
        spelled = " ".join(words[libc] for libc in known.spellings) or "none"
        source = f" [{known.source}, {CHECKED}]" if sources else ""
        yield f"{known.name:{width}}  {spelled:10}  {known.sentence}{source}"
