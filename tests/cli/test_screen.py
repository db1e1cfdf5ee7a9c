"""What a person sees: colours, the words at a terminal, progress. Real pseudo-terminals, real reports."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli
from screens import Screen
from wheelmaker import make_wheel

from muslfix.cli.progress import Lines, Shown
from muslfix.cli.terminal import Terminal
from muslfix.report.lines import Line

WHEELS = FIXTURES / "wheels"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
MISNAMED = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
FOREIGN = WHEELS / "foreign-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
BOTH = WHEELS / "both-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def screen() -> Screen:
    return Screen()


# -- colours ----------------------------------------------------------------------------------------


class _Stream:
    def __init__(self, answer: bool | None) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        if self._answer is None:
            raise ValueError("I/O operation on closed file")
        return self._answer


@pytest.mark.parametrize(
    ("answer", "environ", "colours"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "0"}, False),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": ""}, False),
        (None, {}, False),
    ],
)
def test_the_rules_for_colours(answer: bool | None, environ: dict[str, str], colours: bool) -> None:
    terminal = Terminal.of(_Stream(answer), environ)  # type: ignore[arg-type]
    assert (terminal.is_terminal, terminal.colours) == (bool(answer), colours)
    assert (terminal.paint("x", "bad") == "x") is not colours
    assert terminal.paint("x", "") == "x"


def test_colours_in_a_real_terminal(screen: Screen) -> None:
    words = "check", "--target-file", TARGET, MISNAMED
    report = ("stdout",)  # on stderr a slow machine shows progress
    coloured = screen(*words, streams=report)
    plain = screen(*words, streams=report, NO_COLOR="1")
    assert COLOUR.search(coloured)
    assert "\x1b" not in plain
    assert COLOUR.sub("", coloured) == plain


def test_colours_where_no_terminal_is(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """They change the colour of words, and not the lines that programs read."""
    words = "check", "--target-file", TARGET, FOREIGN
    plain = cli(*words)
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = cli(*words)
    assert "\x1b" not in plain.out + plain.err
    assert ": \x1b[1;31mother-libc\x1b[0m: " in forced.out
    assert "\n  \x1b[36mtip:\x1b[0m use a musllinux wheel" in forced.out
    assert COLOUR.sub("", forced.out) == plain.out
    assert cli("check", "--json", *words[1:]).out == cli("check", "--json", *words[1:]).out
    assert "\x1b" not in cli("check", "--json", *words[1:]).out
    failed = cli("install", "absent.whl")
    assert failed.err.startswith("\x1b[1;31merror:\x1b[0m absent.whl: ")
    assert "\n\x1b[36mtip:\x1b[0m " in failed.err


# -- lines ------------------------------------------------------------------------------------------

NARROW = Terminal(is_terminal=True, colours=False, width=40)


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (Line(), [""]),
        (Line("one two"), ["one two"]),
        (Line("one", head="head:"), ["head: one"]),
        (Line(head="head"), ["head"]),
        (Line("x" * 50), ["x" * 50]),
        (Line("word " * 9), ["word word word word word word word", "word word"]),
        (
            Line("word " * 9, head="tip:", indent=2),
            ["  tip: word word word word word word", "    word word word"],
        ),
        (Line("word " * 9, head="$", whole=True), ["$ " + "word " * 8 + "word"]),
        (Line("a-b-c " * 8, indent=4), ["    " + "a-b-c " * 4 + "a-b-c", "    a-b-c a-b-c a-b-c"]),
    ],
)
def test_how_lines_are_wrapped(line: Line, rows: list[str]) -> None:
    assert list(NARROW.rows(line)) == rows


@pytest.mark.parametrize(
    ("line", "terminal", "pipe"),
    [
        (Line(), [""], ""),
        (
            Line("word " * 9, head="tip:", indent=2),
            ["  tip: word word word word word word", "    word word word"],
            "  tip:" + " word" * 9,
        ),
        (Line(head="9 projects: all well."), ["9 projects: all well."], "9 projects: all well."),
        (
            Line("p/m.so", head="misnamed", indent=2, detail="it is " + "odd " * 9),
            ["  misnamed p/m.so", "      it is odd odd odd odd odd odd", "      odd odd odd"],
            "  p/m.so: misnamed: it is " + "odd " * 8 + "odd",
        ),
    ],
)
def test_a_terminal_has_columns_and_a_pipe_has_lines(line: Line, terminal: list[str], pipe: str) -> None:
    assert list(NARROW.rows(line)) == terminal
    assert list(Terminal(is_terminal=False, colours=False, width=40).rows(line)) == [pipe]


def test_a_head_can_be_longer_than_a_row() -> None:
    line = Line("tail", head=" ".join(["word"] * 12), kind="bad")
    assert list(NARROW.rows(line)) == ["word " * 6 + "word", "  " + "word " * 5 + "tail"]
    rows = list(NARROW._replace(colours=True).rows(line))
    assert rows == [
        "\x1b[1;31m" + "word " * 6 + "word\x1b[0m",
        "  \x1b[1;31m" + "word " * 4 + "word\x1b[0m tail",
    ]


def test_colours_do_not_count_when_lines_are_wrapped() -> None:
    line = Line("word " * 9, head="tip:", kind="tip", indent=2)
    rows = list(NARROW._replace(colours=True).rows(line))
    assert rows[0] == "  \x1b[36mtip:\x1b[0m word word word word word word"
    assert [COLOUR.sub("", row) for row in rows] == list(NARROW.rows(line))


# -- the commands at a terminal -----------------------------------------------------------------------


def test_check_ends_with_the_command_that_fixes(screen: Screen) -> None:
    shown = screen(
        "check", "--target-file", TARGET, MISNAMED, FOREIGN, BOTH, streams=("stdout",), NO_COLOR="1"
    )
    assert screen.status == 1
    lines = shown.rstrip("\n").split("\n")
    assert lines[:2] == [
        "3 extension modules in 3 projects: 1 misnamed (1 would fall back to slower pure Python),",
        "  1 refused, 2 could not be checked for loading.",
    ]
    assert lines[-1] == f"To fix it: muslfix install --target-file {TARGET} --target DIR {MISNAMED}"
    assert "foreign 1.0: 1 extension module: 1 refused" in lines
    assert not any(line.startswith("both") for line in lines)


@pytest.mark.parametrize("by", ["name", "folder", "path"])
def test_the_command_fixes(screen: Screen, cli: Cli, tmp_path: Path, by: str) -> None:
    """What ``check`` ends with is run word for word, and then there is nothing left to do."""
    site = tmp_path / "a folder"
    install = "install", MISNAMED, "--target-file", TARGET, "--target", site
    cli(*install)
    cli("undo", "--path", site, "--target-file", TARGET)
    subjects: dict[str, list[str | Path]] = {
        "name": ["speedy", "--path", site],
        "folder": [site],
        "path": ["--path", site],
    }
    words = ["check", "--mode", "copy", "--target-file", TARGET, *subjects[by]]
    shown = screen(*words, NO_COLOR="1")
    assert screen.status == 1
    line = shown.rstrip("\n").split("\n")[-1]
    program, command = line[len("To fix it: ") :].split(" ", 1)
    assert program == "muslfix"
    assert "--mode copy" in command
    subprocess.run(
        f"'{sys.executable}' -m muslfix {command}",
        shell=True,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert not (site / "speedy" / "_speed.cpython-39-x86_64-linux-musl.so").is_symlink()
    shown = screen(*words, NO_COLOR="1")
    assert screen.status == 0
    assert shown.startswith("1 extension module in 1 project: nothing to fix, 1 could not be checked")


def test_no_command_is_offered_that_would_be_refused(screen: Screen, tmp_path: Path) -> None:
    suffix = ".cpython-39-x86_64-linux-gnu.so"
    good, bad = ((FIXTURES / "elf" / f"x86_64-{libc}.so").read_bytes() for libc in ("musl", "glibc"))
    wheel = make_wheel(
        tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", {f"a{suffix}": good, f"b{suffix}": bad}
    )
    shown = screen("check", "--target-file", TARGET, wheel, NO_COLOR="1")
    assert shown.startswith("2 extension modules in 1 project: 1 misnamed, 1 refused, ")
    assert "To fix it" not in shown


def test_warnings_come_behind_the_sum_and_errors_have_one_tip(screen: Screen, tmp_path: Path) -> None:
    needs = WHEELS / "needs-1.0-py3-none-any.whl"
    shown = screen("install", needs, "--target-file", TARGET, "--target", tmp_path / "x", NO_COLOR="1")
    assert shown.index("nothing to fix.") < shown.index("warning: ")
    failed = screen("install", tmp_path / "absent", NO_COLOR="1")
    assert re.fullmatch(r"error: .+\ntip: .+\n", failed)


def test_a_file_name_cannot_speak_to_the_terminal(screen: Screen, tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[31mred"
    folder.mkdir()
    (folder / "m.cpython-39-x86_64-linux-gnu.so").write_bytes(b"")
    shown = screen("check", "--target-file", TARGET, folder)
    assert "\x1b[31mred" not in shown
    assert "\\x1b[31mred" in shown


def test_nothing_to_fix_is_said_unless_quiet(screen: Screen, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x-1.dist-info").mkdir()
    (tmp_path / "x-1.dist-info" / "RECORD").touch()
    shown = screen("fix", "--path", tmp_path)
    assert screen("fix", "-q", "--path", tmp_path) == ""
    told = cli("fix", "--path", tmp_path)
    assert told.out == "1 project: nothing to fix.\n"
    said = f"{told.out}looked at: {told.looked_at}"
    # On a terminal it is wrapped and coloured.
    assert " ".join(re.sub("\x1b.*?m", "", shown).split()) == " ".join(said.split())
    assert shown.startswith("\x1b[32m1 project: nothing to fix.\x1b[0m\n")


# -- progress ---------------------------------------------------------------------------------------


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_short_work_shows_no_progress() -> None:
    clock, made = _Clock(), list[Lines]()
    shown = Shown(lambda: made.append(Lines(print)), clock)
    for done in range(100):
        clock.now = done * 0.003
        shown("working", done, 100)
    shown.close()
    assert made == []


def test_long_work_says_a_line_now_and_then() -> None:
    clock, said = _Clock(), list[str]()
    shown = Shown(lambda: Lines(said.append, clock), clock)
    for done in range(101):
        clock.now = done * 0.1
        shown("hashing files", done, 100)
    shown("compiling x", 0, 0)
    shown.close()
    assert said == [
        "hashing files: 4 of 100",
        "hashing files: 24 of 100",
        "hashing files: 44 of 100",
        "hashing files: 64 of 100",
        "hashing files: 84 of 100",
        "compiling x ...",
    ]


SHOW = """
import sys
from contextlib import suppress
{without}
from muslfix.cli import progress
from muslfix.cli.output import Output
progress._BLINK = progress._LINE_EVERY = 0
output = Output()
output.quiet = {quiet}
with progress.show_progress(output) as told:
    for done in range(3):
        told("unpacking \\x1b[31mx", done, 2)
"""


def _show(code: str, *, terminal: bool = True) -> str:
    above, below = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "90"}
    subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        check=True,
        stderr=below if terminal else subprocess.DEVNULL,
        stdout=below,
    )
    os.write(below, b"end")
    os.close(below)
    shown = b""
    while not shown.endswith(b"end"):
        shown += os.read(above, 65536)
    os.close(above)
    return shown[: -len(b"end")].decode()


def test_progress_without_rich_is_lines() -> None:
    without = "import importlib.util; importlib.util.find_spec = lambda name: None"
    shown = _show(SHOW.format(without=without, quiet=False))
    assert shown.replace("\r\n", "\n") == "".join(f"unpacking \\x1b[31mx: {n} of 2\n" for n in range(3))


def test_progress_with_rich_is_a_bar_that_goes_away() -> None:
    pytest.importorskip("rich")
    shown = _show(SHOW.format(without="", quiet=False))
    assert "2/2" in shown
    assert "\\x1b[31mx" in COLOUR.sub("", shown)
    assert shown.endswith("\x1b[2K")


def test_the_bar_has_colours_where_words_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    assert coloured.search(_show(SHOW.format(without="", quiet=False)))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _show(SHOW.format(without="", quiet=False))
    assert "2/2" in plain
    assert not coloured.search(plain)


@pytest.mark.parametrize(("quiet", "terminal"), [(True, True), (False, False)], ids=["quiet", "no terminal"])
def test_progress_is_for_a_person_who_wants_it(quiet: bool, terminal: bool) -> None:
    assert _show(SHOW.format(without="", quiet=quiet), terminal=terminal) == ""


def test_the_library_tells_each_step(tmp_path: Path) -> None:
    import muslfix
    from muslfix.targets.interpreter import read_target_file

    steps: list[tuple[str, int, int]] = []

    def note(*step: Any) -> None:
        steps.append(step)

    target = read_target_file(str(TARGET))
    options = muslfix.InstallOptions(folder=str(tmp_path / "x"), progress=note)
    muslfix.install([str(MISNAMED)], target, options)
    names = {what for what, _, _ in steps}
    (total,) = {total for _, _, total in steps}
    assert names == {"unpacking speedy"}
    assert [done for _, done, _ in steps] == list(range(total + 1))
    steps.clear()
    muslfix.verify([], target, muslfix.VerifyOptions((str(tmp_path / "x"),), progress=note))
    muslfix.check([], target, muslfix.CheckOptions(paths=(str(tmp_path / "x"),), progress=note))
    muslfix.check([str(MISNAMED)], target, muslfix.CheckOptions(progress=note))
    works = ("hashing files", "reading modules")
    assert steps == [*((what, done, 1) for what in works for done in (0, 1)), ("reading wheels", 1, 1)]
    steps.clear()
    paths = (str(tmp_path / "x"),)
    muslfix.undo([], target, muslfix.UndoOptions(paths=paths, progress=note))
    muslfix.fix([], target, muslfix.FixOptions(paths=paths, progress=note))
    changes = ("reading changes", "putting back projects", "reading modules", "fixing projects")
    assert steps == [(what, done, 1) for what in changes for done in (0, 1)]
