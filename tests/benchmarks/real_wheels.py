"""Judges real wheels: ``python tests/benchmarks/real_wheels.py FOLDER...``, all those below the folders.

Prints which are refused and why, which have warnings, and what comes nearest to the limits. With ``--read``
every byte is compared with RECORD too. What the rules about wheels in the wild rest on was found with it.
"""

from __future__ import annotations

import argparse
import os
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from muslfix.errors import MuslfixError
from muslfix.wheels.wheel import Wheel, open_wheel


@dataclass(frozen=True)
class Found:
    """What there is to say of a wheel that is accepted.

    :param size: bytes that it unpacks to
    :param ratio: the same, divided by its own size
    :param entries: its files
    :param year: of its newest file
    :param warnings: what is odd about it
    """

    size: int
    ratio: float
    entries: int
    year: int
    warnings: tuple[str, ...]


def wheels_below(folders: list[Path]) -> Iterator[Path]:
    """Each wheel once, by its name."""
    found = {path.name: path for folder in folders for path in folder.rglob("*.whl")}
    yield from (path for _, path in sorted(found.items()))


def judge(path: Path, *, read: bool) -> Found:
    """Judge a wheel.

    :raises MuslfixError: if it is refused
    """
    with open_wheel(str(path)) as wheel:
        if read:
            read_all(wheel)
        members = wheel.archive.members.values()
        size = sum(member.size for member in members)
        with zipfile.ZipFile(path) as archive:
            year = max(info.date_time[0] for info in archive.infolist())
        return Found(size, size / os.path.getsize(path), len(members), year, wheel.facts.warnings)


def read_all(wheel: Wheel) -> None:
    """Compare each file with CRC and RECORD."""
    for _, stream, _ in wheel.get_contents():
        while stream.read(1024 * 1024):
            pass


def main() -> None:
    """Judge all, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--up-to", type=int, metavar="BYTES", help="leave out larger ones")
    options = parser.parse_args()
    accepted: dict[str, Found] = {}
    count, start = 0, time.perf_counter()
    for path in wheels_below(options.folders):
        if options.up_to and path.stat().st_size > options.up_to:
            continue
        count += 1
        try:
            accepted[path.name] = judge(path, read=options.read)
        except MuslfixError as error:
            print(f"refused: {path.name}: {error.reason}")
    for name, found in accepted.items():
        for warning in found.warnings:
            print(f"warning: {name}: {warning}")
    print(f"{count} wheels, {len(accepted)} accepted, {time.perf_counter() - start:.1f} s")
    print(
        "years:", *(f"{year}: {n}," for year, n in sorted(Counter(f.year for f in accepted.values()).items()))
    )
    for what in ("size", "ratio", "entries"):
        name, found = max(accepted.items(), key=lambda item: float(getattr(item[1], what)))
        print(f"largest {what}: {getattr(found, what):.0f} ({name})")


if __name__ == "__main__":
    main()
