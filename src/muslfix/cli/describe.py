"""The story of an interpreter in plain words: what it looks for, how its libc is known, what that means.

A sentence each. Sources: how CPython names extension modules (python/cpython#87278, #95855), and the names in
the musllinux wheels on PyPI.
"""

from __future__ import annotations

from collections.abc import Iterator

from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.known_pythons import known_like
from muslfix.targets.target import Target

# From this Python on the wheels for musl on PyPI say -musl: the images that build them do.
_SAYS_MUSL = (3, 11)

_WORDS = {Libc.GLIBC: "-gnu", Libc.MUSL: "-musl"}


def tell_story(target: Target) -> Iterator[str]:
    """The sentences, in the order in which one follows from the other."""
    yield suffixes_of(target)
    yield libc_of(target)
    yield from case_of(target)
    yield wheels_for(target)
    yield from stable_abi_of(target)


def suffixes_of(target: Target) -> str:
    """Which names it imports, and in which order."""
    first, *others = [f"demo{suffix}" for suffix in target.usable_suffixes]
    then = f", then {', then '.join(others)}; the first that is there wins" if others else " and nothing else"
    return f"For 'import demo', {target.kind} looks in each directory for {first}{then}."


def libc_of(target: Target) -> str:
    """Its libc, and how that is known."""
    name = f"{target.libc} {target.libc_version}" if target.libc_version else f"{target.libc}"
    if target.loader is None:
        return f"Its libc is {name}."
    return f"Its libc is {name}: its program file asks for the loader {target.loader}."


def case_of(target: Target) -> Iterator[str]:
    """Which of the known Pythons on musl it may be."""
    if target.libc is not Libc.MUSL:
        return
    known = [python.sentence for python in known_like(target)]
    if known:
        yield f"That is how these do it: {'; '.join(known)}."
    else:
        yield "None of the known Pythons on musl does it so; 'muslfix interpreter --list' names them."


def wheels_for(target: Target) -> str:
    """What that means for wheels from PyPI."""
    spelled = list(_spellings(target))
    python = "cp{}{}".format(*target.version_info)
    if target.libc is Libc.GLIBC:
        if Libc.GLIBC in spelled:
            return "Wheels for glibc on PyPI (manylinux) name their modules so: nothing is to be fixed."
        return f"Wheels for glibc on PyPI (manylinux) say -gnu: {_found_none(target)}"
    wheels_say = Libc.MUSL if target.version_info >= _SAYS_MUSL else Libc.GLIBC
    if wheels_say in spelled:
        said = f"Wheels for musl on PyPI (musllinux) say {_WORDS[wheels_say]} for {python}, as it does"
        if target.version_info != _SAYS_MUSL:
            return f"{said}: nothing is to be fixed."
        # https://github.com/PyO3/maturin/issues/1559
        return (
            f"{said}; but for a few that maturin before 0.14.17 has cross-built: 'muslfix check' names those."
        )
    return f"Wheels for musl on PyPI (musllinux) say {_WORDS[wheels_say]} for {python}: {_found_none(target)}"


def stable_abi_of(target: Target) -> Iterator[str]:
    """What becomes of modules of the stable ABI that were built on CPython 3.15 or later."""
    with_triplet = any(suffix.startswith(".abi3-") for suffix in target.usable_suffixes)
    if target.suffix_for("abi3") == ".abi3.so" and not with_triplet:
        yield (
            "Modules of the stable ABI that were built on Python 3.15 or later have the platform in their"
            " names, such as demo.abi3-x86_64-linux-gnu.so, and it finds none of these: 'muslfix fix' links"
            " them as demo.abi3.so."
        )


def _found_none(target: Target) -> str:
    stable = ", but for those named .abi3.so" if ".abi3.so" in target.usable_suffixes else ""
    return (
        f"it finds none of their extension modules{stable}. Where a .py of the same name lies beside one, it"
        " imports that without a word and is slow. Run 'muslfix fix' after each installation."
    )


def _spellings(target: Target) -> Iterator[Libc]:
    """The libcs that the suffixes of its own version spell."""
    for suffix in target.extension_suffixes:
        name = ExtensionFilename.of_suffix(suffix)
        if name is not None and name.abi.startswith("cpython-") and name.spelled_libc is not None:
            yield name.spelled_libc
