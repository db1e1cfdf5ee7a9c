"""Wheels and environments of any size, and what installing costs as they grow."""

from __future__ import annotations

import hashlib
import random
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

from . import peers
from .measure import Bench, Command, Sample

_MB = 1_000_000
_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: benchmark\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _half_noise(size: int, seed: int) -> Iterator[bytes]:
    """Bytes that compress to about half, in pieces of a megabyte."""
    chance = random.Random(seed)
    while size > 0:
        piece = min(size, _MB)
        noise = chance.randbytes(piece // 2)
        yield noise + bytes(piece - len(noise))
        size -= piece


def make_wheel(folder: Path, name: str, files: int, size: int) -> Path:
    """A wheel of some files, together of some bytes, twenty files to a folder."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(files):
            member = f"{name}/part{number // 20}/module{number}.bin"
            hasher, length = hashlib.sha256(), 0
            with archive.open(member, "w", force_zip64=True) as stream:
                for piece in _half_noise(size // files, number):
                    stream.write(piece)
                    hasher.update(piece)
                    length += len(piece)
            rows.append(_row(member, hasher.digest(), length))
        info = f"{name}-1.0.dist-info"
        for title, text in (("METADATA", _METADATA.format(name=name)), ("WHEEL", _WHEEL)):
            archive.writestr(f"{info}/{title}", text)
            rows.append(_row(f"{info}/{title}", hashlib.sha256(text.encode()).digest(), len(text)))
        archive.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    return path


def _row(path: str, digest: bytes, size: int) -> str:
    return f"{path},sha256={urlsafe_b64encode(digest).decode().rstrip('=')},{size}\n"


def make_environment(folder: Path, projects: int) -> Path:
    """A folder of modules with some installed projects of forty files each."""
    site = folder / f"of-{projects}/p/lib/python3.11/site-packages"
    for number in range(projects):
        name = f"project{number}"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        rows = [_row(f"{name}/module{n}.py", hashlib.sha256(b"").digest(), 0) for n in range(40)]
        (info / "METADATA").write_text(_METADATA.format(name=name))
        (info / "RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")
    return folder / f"of-{projects}"


def _three(wheel: Path) -> dict[str, Command]:
    everything = peers.contenders(wheel, wheel.parent)
    return {name: everything[name] for name in ("muslfix", "uv, cold, hard links", "python -m installer")}


Growth = dict[str, dict[str, list[Sample]]]


def by_files(bench: Bench, rounds: int, counts: tuple[int, ...]) -> Growth:
    """Wheels of ever more files of 4 kB."""
    folder = bench.fresh()
    found = {}
    for count in counts:
        wheel = make_wheel(folder, f"files{count}", count, count * 4_000)
        found[f"{count:,} files".replace(",", " ")] = bench.compare(wheel.name, _three(wheel), rounds)
    return found


def by_bytes(bench: Bench, rounds: int, sizes: tuple[int, ...]) -> Growth:
    """Wheels of ever more megabytes in sixteen files."""
    folder = bench.fresh()
    found = {}
    for size in sizes:
        wheel = make_wheel(folder, f"bytes{size}", 16, size * _MB)
        found[f"{size:,} MB".replace(",", " ")] = bench.compare(wheel.name, _three(wheel), rounds)
        wheel.unlink()
    return found


def by_projects(bench: Bench, rounds: int, counts: tuple[int, ...]) -> Growth:
    """Environments of ever more projects, into which six is installed, or where nothing is to be fixed."""
    folder, six = bench.fresh(), peers.wheel("six")
    found = {}
    for count in counts:
        environment = make_environment(folder, count)

        def again(_: Path, environment: Path = environment) -> list[object]:
            return [*peers.muslfix(six, "--no-compile", "--force-reinstall")(environment)]

        site = environment / "p/lib/python3.11/site-packages"
        commands: dict[str, Command] = {"install six": again, "fix": peers.fix(site)}  # type: ignore[dict-item]
        found[f"{count} projects"] = bench.compare(f"{count} projects", commands, rounds)
    return found
