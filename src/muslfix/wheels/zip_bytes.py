"""The bytes of an archive, read where they are asked for: it may be larger than the memory.

They are not mapped: an address space can be too small for that, and a file that becomes shorter meanwhile
would end the process.
"""

from __future__ import annotations

from typing import BinaryIO

from muslfix.errors import InvalidWheel, why

_CHUNK = 1024 * 1024


class ZipBytes:
    """Behaves like the bytes of a file, as far as a reader of archives asks.

    :param path: of the file, for the error
    :param file: open, with a buffer: headers of small members lie close together
    :param size: its size
    """

    def __init__(self, path: str, file: BinaryIO, size: int) -> None:
        self._path = path
        self._file = file
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Some bytes in a row; fewer at the end.

        :raises InvalidWheel: if they cannot be read
        """
        start, stop, _ = span.indices(self._size)
        wanted = max(stop - start, 0)
        try:
            self._file.seek(start)
            found = self._file.read(wanted)
        except OSError as error:
            raise InvalidWheel(self._path, f"cannot be read ({why(error)})") from error
        if len(found) < wanted:
            raise InvalidWheel(self._path, "became shorter while it was read")
        return found

    def find(self, what: bytes, start: int, stop: int) -> int:
        """Where some bytes begin first, or -1."""
        for at in range(start, stop, _CHUNK):
            found = self[at : min(at + _CHUNK + len(what) - 1, stop)].find(what)
            if found >= 0:
                return at + found
        return -1
