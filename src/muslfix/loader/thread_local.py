"""Thread-local variables at a fixed distance from the thread pointer (initial-exec TLS), loaded late.

musl gives none to what is loaded later: ``do_relocs`` in
https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c.
glibc has a surplus for all libraries together, ``_dl_try_allocate_static_tls`` in
https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/dl-reloc.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muslfix.loader.facts import LoadedFile, Problem
from muslfix.loader.rules import REBUILD, Object, Rules
from muslfix.suffix import Libc
from muslfix.verdicts import Verdict

# TLS_STATIC_SURPLUS as elf/dl-tls.c computes it with the default tunables, and what rounding can add to it.
_SURPLUS, _ROUNDING = 1664, 63
# What descriptors may take of it, rtld.optional_static_tls.
_FOR_DESCRIPTORS = 512
# TLS_STATIC_ALIGN, unless what the process has started with has a greater one.
_ALIGN = 64

# https://sourceware.org/glibc/manual/latest/html_node/Dynamic-Linking-Tunables.html
_TUNABLE_SINCE = (2, 32)

# Not LD_PRELOAD: what it names is loaded into every program, and those without Python's symbols end then.
_OTHER_MODEL = (
    "take another version of the wheel, or build it from source without initial-exec TLS (C and C++:"
    " -ftls-model=global-dynamic; Go has no such choice)"
)
_ON_TLS = {
    Libc.MUSL: f"no setting of musl helps: {_OTHER_MODEL}",
    Libc.GLIBC: f"start Python with GLIBC_TUNABLES=glibc.rtld.optional_static_tls={{room}}, {_OTHER_MODEL}",
}


def thread_local_trouble(rules: Rules, new: Sequence[Object]) -> Iterator[Problem | str]:
    """What goes wrong: a problem, or a sentence where it is not known.

    :param rules: with all that is loaded
    :param new: what is loaded later
    """
    owners: dict[str, Object] = {}
    for item in new:
        for reference in item.file.dynamic.initial_exec:
            owner = rules.provider(reference) if reference.name else item
            if isinstance(owner, Object) and owner in new and owner.file.dynamic.tls_size:
                owners[owner.file.path] = owner
            elif owner is None and reference.weak and rules.system.libc is Libc.MUSL:
                reason = f"asks for {reference.name}, which nothing defines, and musl crashes then"
                yield Problem(Verdict.CRASHES, item.file.path, "", reason, REBUILD, fatal=True)
    if rules.system.libc is Libc.MUSL:
        for owner in owners.values():
            size = owner.file.dynamic.tls_size
            yield _too_much(owner.file, size, _ON_TLS[Libc.MUSL])
    elif owners:
        yield from _in_surplus(rules, list(owners.values()), new)


def _in_surplus(rules: Rules, owners: Sequence[Object], new: Sequence[Object]) -> Iterator[Problem | str]:
    sizes = [owner.file.dynamic.tls_size for owner in owners]
    most = max([_ALIGN, *(item.file.dynamic.tls_align for item in rules.objects[: rules.started_count])])
    for owner in owners:
        align = owner.file.dynamic.tls_align
        if align > most:
            reason = f"needs static thread-local storage aligned to {align} bytes, and glibc has {most}"
            yield Problem(Verdict.CRASHES, owner.file.path, "", reason, REBUILD)
    if sum(sizes) > _SURPLUS + _ROUNDING:
        largest = max(owners, key=lambda owner: owner.file.dynamic.tls_size).file
        others = f", of {sum(sizes)} bytes that it and what is loaded with it need" if len(owners) > 1 else ""
        has_tunable = (rules.system.version or _TUNABLE_SINCE) >= _TUNABLE_SINCE
        tip = _ON_TLS[Libc.GLIBC].format(room=_SURPLUS + sum(sizes)) if has_tunable else _OTHER_MODEL
        yield _too_much(largest, largest.dynamic.tls_size, tip, others)
        return
    described = [item.file.dynamic for item in new if item.file.dynamic.has_descriptors]
    optional = sum(dynamic.tls_size + dynamic.tls_align for dynamic in described)
    aligned = sum(owner.file.dynamic.tls_align - 1 for owner in owners)
    if sum(sizes) + aligned + min(optional, _FOR_DESCRIPTORS) > _SURPLUS:
        yield (
            f"whether glibc has the {sum(sizes)} bytes of static thread-local storage that"
            f" {owners[0].file.path} and what is loaded with it need is not known"
        )


def _too_much(file: LoadedFile, size: int, tip: str, others: str = "") -> Problem:
    reason = (
        f"needs {size} bytes of static thread-local storage (initial-exec TLS){others}, which only what is"
        " loaded at the start of a program can have"
    )
    return Problem(Verdict.CRASHES, file.path, "", reason, tip)
