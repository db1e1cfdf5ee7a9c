"""Draw the picture of the README from what muslfix really shows at a terminal.

``python tests/pictures/draw.py`` writes ``terminal.svg`` beside this file; with ``--check`` it says whether
the one that is there is still true. ``--all FOLDER`` draws the other commands as well, to be looked at. It
needs rich.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"
COLUMNS = 96

SCENES = {
    "terminal": [
        "muslfix check --path app --target-file alpine.json",
        "muslfix fix --path app --target-file alpine.json",
    ],
    "start": ["muslfix"],
    "help": ["muslfix fix --help"],
    "interpreter": ["muslfix interpreter --target-file alpine.json"],
    "refused": [
        "muslfix check foreign-*.whl notelf-*.whl --target-file alpine.json",
        "muslfix install foreign-*.whl --target-file alpine.json --target x",
    ],
    "verify": ["muslfix verify --path changed --target-file alpine.json"],
    "explain": ["muslfix explain other-libc"],
}


def prepare(folder: Path) -> None:
    """An environment as pip has left it, and wheels, from the fixtures."""
    shutil.copy(
        FIXTURES / "targets" / "alpine-3.15-cpython-3.9-x86_64-without-fallback.json", folder / "alpine.json"
    )
    wheels = FIXTURES / "wheels"
    good = [
        wheels / f"{name}-1.0-cp39-cp39-musllinux_1_1_x86_64.whl" for name in ("misnamed", "chained", "both")
    ]
    for name in ("app", "changed"):
        run(folder, f"muslfix install {' '.join(map(str, good))} --target-file alpine.json --target {name}")
    run(folder, "muslfix undo --path app --target-file alpine.json")
    (folder / "changed/misnamed/__init__.py").write_text("# changed")
    (folder / "changed/misnamed/_speed.py").unlink()
    for name in ("foreign", "notelf"):
        shutil.copy(wheels / f"{name}-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", folder)


def run(folder: Path, command: str) -> str:
    """What a terminal gets from a command."""
    above, below = pty.openpty()
    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    path = [str(folder.parent / "bin"), os.environ["PATH"]]
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "VIRTUAL_ENV")
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env={**variables, "TERM": "xterm", "PATH": os.pathsep.join(path)},
        stdin=subprocess.DEVNULL,
        stdout=below,
        stderr=below,
    )
    os.close(below)
    shown = b""
    try:
        while chunk := os.read(above, 65536):
            shown += chunk
    except OSError:  # EIO: nobody has the other end any more
        pass
    os.close(above)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


def draw(folder: Path, name: str) -> str:
    """A scene as SVG."""
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="standard"
        )
        for number, command in enumerate(SCENES[name]):
            console.print(Text.assemble(*([] if number == 0 else ["\n"]), ("$ ", "bold"), command))
            console.print(Text.from_ansi(run(folder, command).rstrip("\n")))
        return str(console.export_svg(title="muslfix", unique_id="muslfix"))


def main() -> int:
    """Write or check.

    :return: the exit status
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--all", metavar="FOLDER", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("bin", "work"):
            Path(temporary, name).mkdir()
        program = Path(temporary, "bin", "muslfix")
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m muslfix "$@"\n')
        program.chmod(0o755)
        work = Path(temporary, "work")
        prepare(work)
        if options.all:
            for name in SCENES:
                (options.all / f"{name}.svg").write_text(draw(work, name), encoding="utf-8")
                prepare_again(work)
            return 0
        picture = draw(work, "terminal")
    there = HERE / "terminal.svg"
    if options.check:
        return 0 if text_of(there.read_text(encoding="utf-8")) == text_of(picture) else 1
    there.write_text(picture, encoding="utf-8")
    return 0


def text_of(picture: str) -> list[tuple[str, str]]:
    """What a picture says, with its colours; where the glyphs stand can differ between versions of rich."""
    return re.findall(r'<text class="([^"]+)"[^>]*>([^<]*)<', picture)


def prepare_again(folder: Path) -> None:
    """Undo what a scene has done."""
    run(folder, "muslfix undo --path app --target-file alpine.json")


if __name__ == "__main__":
    sys.exit(main())
