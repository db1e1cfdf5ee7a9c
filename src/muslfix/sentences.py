"""Errors of the operating system, told as sentences."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from muslfix.errors import DestinationError


@contextmanager
def told_as_sentences(path: str) -> Iterator[None]:
    """Tell errors of the operating system as sentences about the destination.

    :param path: what to name where the error names nothing
    :raises DestinationError: instead of any :class:`OSError`
    """
    try:
        yield
    except OSError as error:
        named = error.filename2 or error.filename or path
        reasons = {
            errno.EROFS: "cannot be written: the file system is read-only",
            errno.ENOSPC: "cannot be written: the file system is full",
            errno.EDQUOT: "cannot be written: the quota is used up",
            errno.EACCES: "cannot be written: permission denied",
            errno.EPERM: "cannot be written: the operation is not permitted",
            errno.EEXIST: "is in the way: it exists already",
            errno.ENOTDIR: "cannot be made: a part of its path is no folder",
        }
        reason = reasons.get(error.errno or 0, f"cannot be written ({error.strerror or error})")
        raise DestinationError(os.fsdecode(named), reason) from error
