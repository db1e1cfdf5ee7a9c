"""Files that are no files, JSON that is none, and what a command may say of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from commands import Result

#: Makes a file; what it returns is of no use.
Make = Callable[[Path], object]


def assert_tells(result: Result) -> None:
    """No traceback, nothing that the terminal obeys, and no flood."""
    text = result.out + result.err
    assert "Traceback" not in text
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert len(text) < 20_000


def hole(path: Path) -> None:
    """Makes a file of 20 GiB, which takes no place."""
    path.write_bytes(b"")
    os.truncate(path, 20 * 1024**3)


def loop(path: Path) -> None:
    """Makes a link to itself."""
    path.symlink_to(path.name)


def device(path: Path) -> None:
    """Makes a link to a device that never ends."""
    path.symlink_to("/dev/zero")


def text(content: str | bytes) -> Make:
    """Makes a file that holds this."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return lambda path: path.write_bytes(data)


def instead(make: Make) -> Make:
    """Makes the same in place of the file that is there."""

    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


NO_FILE: dict[str, Make] = {
    "folder": Path.mkdir,
    "FIFO": os.mkfifo,
    "link to itself": loop,
    "endless device": device,
    "20 GiB": hole,
}

# What any JSON file may be; none of it is anything that muslfix reads.
BAD_JSON: dict[str, Make] = {
    **NO_FILE,
    "empty": text(""),
    "UTF-16": text('{"format": 1}'.encode("utf-16")),
    "UTF-8 with a mark": text(b'\xef\xbb\xbf{"format": 1}'),
    "no text": text(b"\xff\xfe\x00\x80" * 9),
    "NUL": text("\0" * 99),
    "deep list": text("[" * 100_000),
    "deep object": text('{"format":' * 100_000),
    "deep and closed": text('{"format": ' + "[" * 980 + "]" * 980 + "}"),
    "NaN": text('{"format": NaN}'),
    "infinity": text('{"format": -Infinity}'),
    "too large for a float": text('{"format": 1e999}'),
    "5000 digits": text('{"format": ' + "1" * 5_000 + "}"),
    "a million digits": text('{"format": ' + "1" * 1_000_000 + "}"),
    "a name twice": text('{"format": 1, "format": 1}'),
    "half a character": text('{"format": 1, "prefix": "\\ud800"}'),
    "a list": text("[1]"),
    "a number": text("1"),
    "true": text('{"format": true}'),
}
