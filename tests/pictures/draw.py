"""Draw the terminal pictures of the README and the manual from what muslfix really shows at a terminal.

``python tests/pictures/draw.py`` writes them to ``docs/pictures``; with ``--check`` it says which of them are
out of date. It needs rich, and the lab: real wheels, installed by pip for a real musl Python.
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

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "helpers")]

from lab import layout  # noqa: E402
from lab_modules import Lab  # noqa: E402

PICTURES = TESTS.parent / "docs" / "pictures"
COLUMNS = 96
PROJECTS = ("psycopg", "psycopg_binary", "typing_extensions", "markupsafe")

#: The commands of each picture, one after another in the same environment.
SCENES = {
    "terminal": ["muslfix check", "muslfix fix"],
    "refused": ["muslfix check --path from-debian"],
    "interpreter": ["muslfix interpreter --target-spec uv-3.10-musl-x86_64"],
}


def prepare(directory: Path, lab: Lab) -> None:
    """A virtual environment as pip leaves it, and a directory with modules for glibc."""
    environment = directory / ".venv"
    subprocess.run([lab.pythons["39-musl"], "-I", "-m", "venv", "--without-pip", environment], check=True)
    pip: list[str | Path] = [
        environment / "bin" / "python",
        "-I",
        lab.wheel("pip", "pip") / "pip",
        "--isolated",
        "--quiet",
    ]
    install = [*pip, "install", "--no-deps", "--no-index"]
    wheels = [lab.wheel("cp39", name) for name in PROJECTS]
    subprocess.run([*install, *wheels], check=True)
    # As if copied from an image with glibc: pip would not install that wheel here.
    foreign = directory / "from-debian"
    shutil.unpack_archive(lab.wheel("manylinux-cp39", "markupsafe"), foreign, "zip")


def run(directory: Path, command: str) -> str:
    """What a terminal gets from a command."""
    above, below = pty.openpty()
    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    variables["PATH"] = os.pathsep.join([str(directory.parent / "bin"), os.environ["PATH"]])
    variables["VIRTUAL_ENV"] = str(directory / ".venv")
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=directory,
        env={**variables, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=below,
        stderr=below,
    )
    os.close(below)
    shown = b""
    try:
        while chunk := os.read(above, 65536):
            shown += chunk
    except OSError:  # EIO: the process has closed its end
        pass
    os.close(above)
    process.wait()
    return shown.decode().replace("\r\n", "\n").replace(str(directory), "/app")


def draw(directory: Path, commands: list[str]) -> str:
    """A scene as SVG."""
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="standard"
        )
        for number, command in enumerate(commands):
            console.print(Text.assemble(*([] if number == 0 else ["\n"]), ("$ ", "bold"), command))
            console.print(Text.from_ansi(run(directory, command).rstrip("\n")))
        console.print()  # the last line is cut off at the bottom
        picture = str(console.export_svg(title="muslfix", unique_id="muslfix"))
    # A picture in a page may not fetch fonts from elsewhere, and should not.
    return re.sub(r"\s*@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)


def text_of(picture: str) -> list[tuple[str, str]]:
    """What a picture says, with its colours; positions can differ between versions of rich."""
    return re.findall(r'<text class="([^"]+)"[^>]*>([^<]*)<', picture)


def main() -> int:
    """Write or check.

    :return: the exit status
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="name those that are out of date")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # lines are wrapped by the length of this
        program = Path(temporary, "bin", "muslfix")
        work = Path(temporary, "work")
        for directory in (program.parent, work):
            directory.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m muslfix "$@"\n')
        program.chmod(0o755)
        prepare(work, Lab(layout.lab_folder()))
        pictures = {PICTURES / f"{name}.svg": draw(work, commands) for name, commands in SCENES.items()}
    if check:
        old = [
            path.name
            for path, picture in pictures.items()
            if not path.exists() or text_of(path.read_text(encoding="utf-8")) != text_of(picture)
        ]
        print(*old)
        return 1 if old else 0
    for path, picture in pictures.items():
        path.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
