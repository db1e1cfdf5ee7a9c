"""The known Pythons on musl: who builds them, and which libc the names of their extension modules spell.

Whether a Python on musl says ``-gnu`` or ``-musl`` depends on its version and on who built it. Each row here
is one version of one builder, with a name for ``--target-spec``.

Sources: python/cpython#87278 and #95855, the ``python3`` recipes of Alpine, astral-sh/python-build-standalone
(its PR 827), and the file names in the musllinux wheels on PyPI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.cpython import Cpu
from muslfix.targets.target import Target


@dataclass(frozen=True)
class KnownPython:
    """One version of Python by one builder, on musl.

    :param name: for ``--target-spec``: ``uv-3.10-musl``
    :param sentence: who built it, for a person
    :param version: ``3.10``
    :param spellings: the libcs that the suffixes of its own extension modules spell, in the order in which it
        looks; empty if they have no triplet
    :param since: the first release of the builder with these names, or ``None``
    :param until: the last such release, or ``None``
    :param libc_version: of its musl, if the builder's release determines it
    """

    name: str
    sentence: str
    version: str
    spellings: tuple[Libc, ...]
    since: str | None = None
    until: str | None = None
    libc_version: str | None = None

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor = self.version.split(".")
        return int(major), int(minor)

    @property
    def abi_flags(self) -> str:
        """``m`` up to 3.7."""
        return "m" if self.version_info < (3, 8) else ""

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
            target.libc is Libc.MUSL
            and target.version_info == self.version_info
            and target.abi_flags == self.abi_flags
            and tuple(spelled) == (wanted or (None,))
        )


_GNU, _MUSL = (Libc.GLIBC,), (Libc.MUSL,)
_VERSIONS = tuple(range(6, 16))

# Alpine's release, its Python and its musl. https://pkgs.alpinelinux.org/
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
)

# The release of python-build-standalone with which the spelling changed, and the last one before it.
_NEW_STANDALONE, _OLD_STANDALONE = "20251028", "20251014"


def _upstream() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        yield KnownPython(
            f"upstream-3.{minor}",
            f"upstream's Python 3.{minor}, built on musl: docker.io/library/python:3.{minor}-alpine, the"
            " musllinux build images, nixpkgs",
            f"3.{minor}",
            _GNU if minor < 11 else _MUSL,
        )


def _cross_built() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        yield KnownPython(
            f"yocto-3.{minor}",
            f"Python 3.{minor} cross-built on a glibc host: Yocto",
            f"3.{minor}",
            _GNU if minor < 13 else _MUSL,
        )


def _alpine() -> Iterator[KnownPython]:
    for release, minor, libc_version in _ALPINE:
        sentence = f"Alpine {release}'s own Python 3.{minor}"
        if minor != 9:
            spellings = _GNU if minor < 11 else _MUSL
            yield KnownPython(
                f"alpine-{release}", sentence, f"3.{minor}", spellings, libc_version=libc_version
            )
            continue
        yield KnownPython(
            f"alpine-{release}",
            f"{sentence}, with the patch that lets it fall back to -gnu",
            "3.9",
            (*_MUSL, *_GNU),
            since=f"a later build in {release}",
            libc_version=libc_version,
        )
        yield KnownPython(
            f"alpine-{release}-without-fallback",
            f"{sentence}, before it was patched to fall back to -gnu",
            "3.9",
            _MUSL,
            until=f"the first builds in {release}",
            libc_version=libc_version,
        )


def _standalone() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        sentence = f"uv's Python 3.{minor} for musl (python-build-standalone)"
        name = f"uv-3.{minor}-musl"
        if minor >= 13:
            yield KnownPython(name, sentence, f"3.{minor}", _MUSL)
            continue
        if minor >= 9:
            yield KnownPython(
                name,
                f"{sentence}, from {_NEW_STANDALONE} on",
                f"3.{minor}",
                _MUSL,
                since=_NEW_STANDALONE,
            )
        yield KnownPython(
            f"{name}-{_OLD_STANDALONE}",
            f"{sentence}, up to {_OLD_STANDALONE}",
            f"3.{minor}",
            _GNU,
            until=_OLD_STANDALONE,
        )


def _openwrt() -> Iterator[KnownPython]:
    for minor in _VERSIONS:
        yield KnownPython(
            f"openwrt-3.{minor}", f"Python 3.{minor} of OpenWrt and Entware: no triplet", f"3.{minor}", ()
        )


#: All of them, by builder and version.
KNOWN = (*_upstream(), *_cross_built(), *_alpine(), *_standalone(), *_openwrt())


def known_named(name: str) -> KnownPython | None:
    """The known Python of a name, or ``None``."""
    return next((known for known in KNOWN if known.name == name), None)


def known_like(target: Target) -> tuple[KnownPython, ...]:
    """The known Pythons that a target may be: same version, same spelling."""
    return tuple(known for known in KNOWN if known.is_like(target))


def lines_about_known() -> Iterator[str]:
    """A line for each known Python: name, what it imports, who builds it."""
    width = max(len(known.name) for known in KNOWN)
    words = {Libc.GLIBC: "-gnu", Libc.MUSL: "-musl"}
    for known in KNOWN:
        spelled = " ".join(words[libc] for libc in known.spellings) or "none"
        yield f"{known.name:{width}}  {spelled:10}  {known.sentence}"
