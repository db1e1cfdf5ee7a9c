"""A description of a target in sentences: which names it looks for, its libc, what both mean for wheels.

Sources: how CPython names extension modules (python/cpython#87278, #95855), and the names in
the musllinux wheels on PyPI.
"""

from __future__ import annotations

from collections.abc import Iterator

from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.known_pythons import known_like
from muslfix.targets.target import Target

# From this version on, wheels for musl on PyPI say -musl, as the images that build them do.
_SAYS_MUSL = (3, 11)

_WORDS = {Libc.GLIBC: "-gnu", Libc.MUSL: "-musl"}


def describe_target(target: Target) -> Iterator[str]:
    """The sentences, each following from those before it."""
    yield suffixes_of(target)
    yield libc_of(target)
    yield from case_of(target)
    yield wheels_for(target)
    yield from stable_abi_of(target)


def suffixes_of(target: Target) -> str:
    """Which names it imports, and in which order."""
    first, *others = [f"demo{suffix}" for suffix in target.usable_suffixes]
    then = f", then {', then '.join(others)}; the first one found wins" if others else " and nothing else"
    return f"For 'import demo', {target.kind} looks in each directory for {first}{then}."


def libc_of(target: Target) -> str:
    """Its libc, and the evidence for it."""
    name = f"{target.libc} {target.libc_version}" if target.libc_version else f"{target.libc}"
    if target.loader is None:
        return f"Its libc is {name}."
    return f"Its libc is {name}: its program requests the loader {target.loader}."


def case_of(target: Target) -> Iterator[str]:
    """Which known Pythons it may be; on glibc only where its names are not those of all others."""
    if target.libc is not Libc.MUSL and any(_spellings(target)):
        return
    known = [python.sentence for python in known_like(target)]
    if known:
        yield f"These Pythons look for the same names: {'; '.join(known)}."
    elif target.libc is Libc.MUSL:
        yield "No known Python on musl looks for these names; 'muslfix interpreter --list' shows which do."


def wheels_for(target: Target) -> str:
    """What this means for wheels from PyPI."""
    spelled = list(_spellings(target))
    python = "cp{}{}{}".format(*target.version_info, "t" if "t" in target.abi_flags else "")
    if target.libc is Libc.GLIBC:
        if Libc.GLIBC in spelled:
            return "Wheels for glibc on PyPI (manylinux) use such names, so none needs fixing."
        return f"Wheels for glibc on PyPI (manylinux) say -gnu: {_found_none(target)}"
    wheels_say = Libc.MUSL if target.version_info >= _SAYS_MUSL else Libc.GLIBC
    if wheels_say in spelled:
        said = (
            f"Wheels for musl on PyPI (musllinux) say {_WORDS[wheels_say]} for {python}, as this Python does"
        )
        if target.version_info != _SAYS_MUSL:
            return f"{said}, so none needs fixing."
        # https://github.com/PyO3/maturin/issues/1559
        return (
            f"{said}, except a few cross-built with maturin older than 0.14.17, which 'muslfix check' finds."
        )
    return f"Wheels for musl on PyPI (musllinux) say {_WORDS[wheels_say]} for {python}: {_found_none(target)}"


def stable_abi_of(target: Target) -> Iterator[str]:
    """What becomes of modules of the stable ABI that were built on CPython 3.15 or later."""
    with_triplet = any(suffix.startswith(".abi3-") for suffix in target.usable_suffixes)
    if target.suffix_for("abi3") == ".abi3.so" and not with_triplet:
        triplet = next((name.triplet for name in _own_names(target)), "x86_64-linux-gnu")
        yield (
            "Modules of the stable ABI that were built on Python 3.15 or later have the platform in their"
            f" names, such as demo.abi3-{triplet}.so, and it finds none of these: 'muslfix fix' links"
            " them as demo.abi3.so."
        )


def _found_none(target: Target) -> str:
    stable = ", except those named .abi3.so" if ".abi3.so" in target.usable_suffixes else ""
    return (
        f"this Python finds none of their extension modules{stable}. Where a .py file of the same name lies"
        " beside one, Python silently imports that, and is slow. Run 'muslfix fix' after each installation."
    )


def _spellings(target: Target) -> Iterator[Libc]:
    """The libcs that the suffixes of its own version spell."""
    return (name.spelled_libc for name in _own_names(target) if name.spelled_libc is not None)


def _own_names(target: Target) -> Iterator[ExtensionFilename]:
    """The suffixes of its own version that have a triplet."""
    for suffix in target.extension_suffixes:
        name = ExtensionFilename.of_suffix(suffix)
        if name is not None and name.abi.startswith("cpython-") and name.triplet is not None:
            yield name
