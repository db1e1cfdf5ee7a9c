"""The bytes of an archive, read where they are asked for: it may be larger than the memory.

They are not mapped: an address space can be too small for that, and a file that becomes shorter meanwhile
would end the process.
"""

from __future__ import annotations

import os

from muslfix.errors import InvalidWheel, why

# So much is read at once; headers of small members lie close together.
_WINDOW = 4096
_CHUNK = 1024 * 1024


class ZipBytes:
    """Behaves like the bytes of a file, as far as a reader of archives asks.

    :param path: the file, for the error
    :param descriptor: by which it is read
    :param size: its size
    """

    def __init__(self, path: str, descriptor: int, size: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._size = size
        self._window = b""
        self._at = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Some bytes in a row; fewer at the end.

        :raises InvalidWheel: if they cannot be read
        """
        start, stop, _ = span.indices(self._size)
        if not self._at <= start <= stop <= self._at + len(self._window):
            self._window = self._read(start, max(stop, min(start + _WINDOW, self._size)))
            self._at = start
        return self._window[start - self._at : stop - self._at]

    def find(self, what: bytes, start: int, stop: int) -> int:
        """Where some bytes begin first, or -1."""
        for at in range(start, stop, _CHUNK):
            found = self[at : min(at + _CHUNK + len(what) - 1, stop)].find(what)
            if found >= 0:
                return at + found
        return -1

    def _read(self, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        try:
            found = os.pread(self._descriptor, stop - start, start)
        except OSError as error:
            raise InvalidWheel(self._path, f"cannot be read ({why(error)})") from error
        if len(found) < stop - start:
            raise InvalidWheel(self._path, "became shorter while it was read")
        return found
