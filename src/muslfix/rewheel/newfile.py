"""A file that is there as a whole or not at all, and of which nothing is left when its writer is killed.

It has no name until it is complete (``O_TMPFILE``), where the file system can do that; elsewhere it has one
that the next writer of the same file recognises and removes.

Sources: https://man7.org/linux/man-pages/man2/open.2.html (O_TMPFILE),
https://man7.org/linux/man-pages/man2/copy_file_range.2.html
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from muslfix.errors import DestinationError, told_as_sentences

_CHUNK = 1024 * 1024
#: How a file system says that it has no nameless files, and how one says that it cannot copy for us.
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_NO_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


@contextmanager
def new_file(path: str, *, overwrite: bool, permissions: int | None = None) -> Iterator[int]:
    """A file to be written, which gets its name at the end of the block.

    A file with the same content that has the name already is as good.

    :param path: the name; its folder exists
    :param overwrite: whether it may replace another file of that name
    :param permissions: as for :func:`os.chmod`; those that the umask leaves, if left out
    :return: a descriptor to write to
    :raises DestinationError: if it cannot be written, or another file has the name; then nothing is left
    """
    folder, name = os.path.split(os.path.abspath(path))
    with told_as_sentences(path), ExitStack() as stack:
        _remove_lost(folder, name)
        descriptor, temporary, has_name = _open(folder, name)
        stack.callback(os.close, descriptor)
        if has_name or overwrite:
            stack.callback(_unlink, temporary)
        with suppress(OSError):  # a file system without locks: then nothing is removed as lost there
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
        if permissions is not None:
            os.fchmod(descriptor, permissions)
        os.fsync(descriptor)
        source = temporary if has_name else f"/proc/self/fd/{descriptor}"
        if overwrite:
            if not has_name:
                _link(source, temporary)
            os.rename(temporary, path)
        elif not _link(source, path) and not _is_same(descriptor, path):
            raise DestinationError(
                path, "exists, and would be another file", tip="use --force to replace it, or another folder"
            )
        _sync_folder(folder)


def _open(folder: str, name: str) -> tuple[int, str, bool]:
    """A new file; the name that it may have until it is complete; and whether it has that already."""
    temporary = os.path.join(folder, f"{_prefix(name)}{os.urandom(8).hex()}")
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, os.O_TMPFILE | flags, 0o666)
        if os.path.exists(f"/proc/self/fd/{descriptor}"):  # by which it gets its name
            return descriptor, temporary, False
        os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise
    return os.open(temporary, os.O_CREAT | os.O_EXCL | flags, 0o666), temporary, True


def _prefix(name: str) -> str:
    return f".{name[:200]}.muslfix-"


def _remove_lost(folder: str, name: str) -> None:
    """Remove what a writer of the same file has left that was killed: nobody holds its lock."""
    for entry in os.listdir(folder):
        if entry.startswith(_prefix(name)):
            lost = os.path.join(folder, entry)
            with suppress(OSError), ExitStack() as stack:
                descriptor = os.open(lost, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(lost)


def _link(source: str, path: str) -> bool:
    """Give a file a name, if no file has that.

    The kernel follows the link in ``/proc`` only when asked to, and Python asks only where a folder is named.
    """
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(source, os.path.basename(path), dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        return False
    except PermissionError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        os.rename(source, path)
    finally:
        os.close(folder)
    return True


def _is_same(descriptor: int, path: str) -> bool:
    """Whether a file has the content of the one that was written."""
    with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as other:
        if os.fstat(other.fileno()).st_size != os.fstat(descriptor).st_size:
            return False
        at = 0
        while chunk := other.read(_CHUNK):
            if os.pread(descriptor, len(chunk), at) != chunk:
                return False
            at += len(chunk)
    return True


def _unlink(path: str) -> None:
    """Remove what has its right name by now, or never will; what cannot be removed, the next writer finds."""
    with suppress(OSError):
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_pieces(descriptor: int, pieces: Iterable[bytes | range], source: int) -> None:
    """Write bytes, and ranges of another file, which the kernel copies where it can.

    :param descriptor: of the file to write to, at its end
    :param pieces: bytes, or ranges of the other file
    :param source: descriptor of that
    :raises OSError: if it cannot be read or written, or is shorter than a range says
    """
    for piece in pieces:
        if isinstance(piece, bytes):
            _write(descriptor, piece)
        else:
            _copy(descriptor, source, piece.start, piece.stop)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy(descriptor: int, source: int, at: int, stop: int) -> None:
    while at < stop:
        try:
            count = os.copy_file_range(source, descriptor, stop - at, at)
        except AttributeError:  # a libc without it
            break
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise
            break
        if count == 0:
            break
        at += count
    while at < stop:
        data = os.pread(source, min(_CHUNK, stop - at), at)
        if not data:
            raise OSError(errno.EIO, "became shorter while it was read")
        _write(descriptor, data)
        at += len(data)
