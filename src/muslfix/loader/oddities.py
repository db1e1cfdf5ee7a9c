"""What a loader does with a file that is odd in itself: :mod:`muslfix.elf.oddities`, for one target."""

from __future__ import annotations

from collections.abc import Iterator

from muslfix.elf.mapping import PF_X
from muslfix.elf.oddities import Outcome
from muslfix.loader.facts import Problem
from muslfix.loader.rules import REBUILD, Object, Rules
from muslfix.suffix import Libc
from muslfix.verdicts import Verdict

# https://sourceware.org/glibc/wiki/Release/2.41: dlopen makes no stack executable any more.
_KEEPS_STACK_SINCE = (2, 41)

# DEFAULT_STACK_PERMS in glibc's sysdeps/*/stackinfo.h: where a file without PT_GNU_STACK needs no executable
# stack; powerpc only with 64 bits.
_NO_EXECUTABLE_STACK = frozenset({"aarch64", "riscv", "loongarch", "ia_64", "arc_compact2", "csky", "ppc64"})


def trouble_with(item: Object, rules: Rules) -> Iterator[Problem | str]:
    """What goes wrong with one file: a problem, or a sentence where it is not known.

    :param rules: with what the process has started with
    """
    libc, path = rules.system.libc, item.file.path
    for oddity in item.file.dynamic.oddities:
        if oddity.libc not in (None, libc):
            continue
        if oddity.outcome is Outcome.UNKNOWN:
            yield f"{path} {oddity.reason}"
        else:
            is_fatal = oddity.outcome is Outcome.DIES
            yield Problem(Verdict.CRASHES, path, "", oddity.reason, REBUILD, fatal=is_fatal)
    if libc is Libc.GLIBC and _needs_executable_stack(item, rules):
        yield from _stack_trouble(item, rules)


def _needs_executable_stack(item: Object, rules: Rules) -> bool:
    flags = item.file.dynamic.stack_flags
    if flags is None:
        return rules.system.machine.name not in _NO_EXECUTABLE_STACK
    return bool(flags & PF_X)


def _stack_trouble(item: Object, rules: Rules) -> Iterator[Problem | str]:
    version, started = rules.system.version, rules.objects[: rules.started_count]
    if any(_needs_executable_stack(one, rules) for one in started):
        return  # then the stack is executable from the start
    reason = "needs an executable stack, which glibc gives nothing loaded later from 2.41 on"
    if version is None or (version >= _KEEPS_STACK_SINCE and not started):
        yield f"{item.file.path} {reason}"
    elif version >= _KEEPS_STACK_SINCE:
        yield Problem(Verdict.CRASHES, item.file.path, "", reason, REBUILD)
