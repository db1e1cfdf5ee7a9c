"""TODO docstring."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from muslfix.modules.plan import Decision, Plan
from muslfix.modules.tree import Locate
from muslfix.projects.trace import Change
from muslfix.verdicts import Mode


def apply_names(plan: Plan, locate: Locate) -> tuple[Change, ...]:
    """Give the planned new names to files. Nothing that exists is written to or replaced.

    :param plan: of the same files
    :param locate: from a path of the plan to where the file is now
    :raises OSError: if that fails; the names given until then are left to the caller
    """
    return tuple(_apply(decision, locate) for decision in plan.changes)


def _apply(decision: Decision, locate: Locate) -> Change:
    old, new, mode = decision.candidate.path, decision.new_path, decision.mode
    if new is None or mode is None:
        raise ValueError(f"nothing is planned for {old}")
    source, target = locate(old), locate(new)
    if mode is Mode.RENAME:
        os.rename(source, target)
        return Change(old, new, mode)
    return Change(old, new, give_name(source, target, mode))


def give_name(source: str, target: str, mode: Mode) -> Mode:
    """Make a second name for a file.

    :param source: the file
    :param target: the new name: in the same folder, or elsewhere if it is to be moved into that folder
    :param mode: ``SYMLINK``, ``HARDLINK`` or ``COPY``
    :return: how it was done: where a file system refuses a link, a hard link does, then a copy
    :raises OSError: if not even a copy can be made; then the new name is not there
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    order = [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY]
    for possible in order[order.index(mode) : -1]:
        with suppress(OSError):
            if possible is Mode.SYMLINK:
                os.symlink(os.path.basename(source), target)  # relative: it survives a copy of the tree
            else:
                os.link(source, target, follow_symlinks=False)
            return possible
    try:
        shutil.copy2(source, target)
    except BaseException:
        if os.path.lexists(target):
            os.unlink(target)
        raise
    return Mode.COPY
