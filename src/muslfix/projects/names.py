"""Giving extension modules their planned names: by a link, a copy, or a rename."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

from muslfix.files.access import is_there
from muslfix.projects.trace import Change
from muslfix.verdicts import Mode

if TYPE_CHECKING:  # undo needs neither
    from muslfix.loader.check import Locate
    from muslfix.modules.plan import Decision, Plan

# What systems answer where a file system has no links, or the file may have no more of them.
_NO_LINKS = frozenset({
    errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL,
    errno.ENOTSUP,
})  # fmt: skip


def apply_names(plan: Plan, locate: Locate) -> tuple[Change, ...]:
    """Give files their planned names. No existing file is written to or replaced.

    :param plan: for these files
    :param locate: maps a path of the plan to where the file is now
    :return: what was done
    :raises OSError: if a name cannot be given; the names given before that stay
    """
    return tuple(_apply(decision, locate) for decision in plan.changes)


def _apply(decision: Decision, locate: Locate) -> Change:
    old, new, mode = planned_name(decision)
    source, target = locate(old), locate(new)
    if mode is Mode.RENAME:
        os.rename(source, target)
        return Change(old, new, mode)
    return Change(old, new, give_name(source, target, mode))


def planned_name(decision: Decision) -> tuple[str, str, Mode]:
    """The present path, the new path and the mode of a decision to change a file.

    :raises ValueError: if it is another decision
    """
    old, new, mode = decision.candidate.path, decision.new_path, decision.mode
    if new is None or mode is None:
        raise ValueError(f"nothing is planned for {old}")
    return old, new, mode


def give_name(source: str, target: str, mode: Mode) -> Mode:
    """Make a second name for a file.

    :param source: the file
    :param target: the new name; in the same directory, or in another one if it will be moved beside the file
    :param mode: ``SYMLINK``, ``HARDLINK`` or ``COPY``
    :return: how it was done: where a file system refuses a link, by a hard link or else a copy
    :raises OSError: if not even a copy can be made; then the new name does not exist
    """
    if is_there(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    order = [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY]
    for possible in order[order.index(mode) : -1]:
        if _link(source, target, possible):
            return possible
    try:
        shutil.copy2(source, target)
    except BaseException:
        if is_there(target):
            os.unlink(target)
        raise
    return Mode.COPY


def _link(source: str, target: str, mode: Mode) -> bool:
    """Make a link, unless the file system has none.

    :raises OSError: if it cannot be made for another reason
    """
    try:
        if mode is Mode.SYMLINK:
            os.symlink(os.path.basename(source), target)  # relative: it survives a copy of the tree
        else:
            os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True
