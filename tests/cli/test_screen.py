"""What a person sees: colours, the words at a terminal, progress. Real pseudo-terminals, real reports."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli
from reports import BAD, FINE, FIXED, project
from screens import Screen
from wheelmaker import make_wheel

from muslfix.cli.progress import Lines, Shown
from muslfix.cli.terminal import Line, Terminal
from muslfix.cli.words import WORDS, kind_of, tell
from muslfix.loader.facts import Problem
from muslfix.loader.musl_floor import MuslFloor
from muslfix.report.report import FINDINGS, FileReport, ProjectReport, Report
from muslfix.targets.target import Source
from muslfix.verdicts import Verdict

WHEELS = FIXTURES / "wheels"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
MISNAMED = WHEELS / "misnamed-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
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
    coloured = screen(*words)
    plain = screen(*words, NO_COLOR="1")
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
    assert "\n\x1b[36mtip:\x1b[0m take a musllinux wheel" in forced.out
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
    assert list(NARROW.fit(line)) == rows


def test_a_head_can_be_longer_than_a_row() -> None:
    line = Line("tail", head=" ".join(["word"] * 12), kind="bad")
    assert list(NARROW.fit(line)) == ["word " * 6 + "word", "  " + "word " * 5 + "tail"]
    rows = list(NARROW._replace(colours=True).fit(line))
    assert rows == [
        "\x1b[1;31m" + "word " * 6 + "word\x1b[0m",
        "  \x1b[1;31m" + "word " * 4 + "word\x1b[0m tail",
    ]


def test_colours_do_not_count_when_lines_are_wrapped() -> None:
    line = Line("word " * 9, head="tip:", kind="tip", indent=2)
    rows = list(NARROW._replace(colours=True).fit(line))
    assert rows[0] == "  \x1b[36mtip:\x1b[0m word word word word word word"
    assert [COLOUR.sub("", row) for row in rows] == list(NARROW.fit(line))


# -- words ------------------------------------------------------------------------------------------


def told(
    *projects: ProjectReport, command: str = "fix", dry_run: bool = False, verbose: bool = False
) -> list[str]:
    lines = tell(Report(command, dry_run, projects), verbose=verbose)
    wide = Terminal(is_terminal=True, colours=False, width=110)
    return [row for line in lines for row in wide.fit(line)]


INFO = "/site/demo-1.0.dist-info"
LACKING = replace(
    FINE,
    verdict=Verdict.MISSING_LIBRARY,
    problems=(Problem(Verdict.MISSING_LIBRARY, "libx.so", "", "is found nowhere", "install it"),),
)
SLOW = replace(
    FIXED,
    path="pkg/slow.so",
    sentence="x; today Python silently imports the .py of the same name, which is slower",
)


@pytest.mark.parametrize(
    ("projects", "command", "dry_run", "first"),
    [
        ([], "fix", False, "0 projects: nothing to fix."),
        ([project("fixed", modules=(FIXED,))], "fix", False, "1 extension module in 1 project: 1 fixed."),
        (
            [project("fixed", modules=(FINE, FIXED, SLOW), source=INFO)],
            "fix",
            False,
            "3 extension modules in 1 project: 2 fixed (1 had been running as slow Python).",
        ),
        (
            [project("checked", modules=(FIXED, SLOW, BAD), source=INFO), project("checked")],
            "check",
            True,
            "3 extension modules in 2 projects: 2 misnamed (1 running as slow Python), 1 refused.",
        ),
        (
            [project("repaired", modules=(SLOW,), output="/x/demo.whl")],
            "repair",
            False,
            "1 extension module in 1 project: 1 fixed (1 would have run as slow Python), 1 wheel written.",
        ),
        (
            [project("checked", modules=(FINE, BAD)), project("checked", modules=(FINE, BAD))],
            "check",
            True,
            "4 extension modules in 2 projects: 2 refused.",  # the same paths, in two wheels
        ),
        (
            [project("checked", modules=(LACKING,))],
            "check",
            True,
            "1 extension module in 1 project: 1 lacking what the loader needs.",
        ),
        (
            [project("checked", modules=(FINE,))],
            "check",
            True,
            "1 extension module in 1 project: nothing to fix.",
        ),
        (
            [
                project("failed", problem="x"),
                project("skipped", problem="x"),
                project("left-alone", problem="x"),
            ],
            "fix",
            False,
            "3 projects: 1 project failed, 1 project not looked at, 1 project left alone.",
        ),
        ([project("undone"), project("unchanged")], "undo", False, "2 projects: 1 put back."),
        (
            [project("checked", musl=MuslFloor("1.2.4", "1.2", ("x",), keeps=False)), project("failed")],
            "check",
            True,
            "2 wheels: the tags of 1 promise too much, 1 could not be looked at.",
        ),
        (
            [project("checked", musl=MuslFloor("1.1.0", "1.2", (), keeps=True))],
            "check",
            True,
            "1 wheel: no tag promises too much.",
        ),
        ([project("unchanged")], "undo", False, "1 project: nothing to put back."),
        ([project("undone")], "undo", True, "1 project: 1 would be put back."),
        (
            [project("verified"), project("failed", problem="x")],
            "verify",
            False,
            "2 projects: all files are as RECORD says, 1 could not be looked at.",
        ),
        ([project("verified"), project("differs")], "verify", False, "2 projects: 1 not as RECORD says."),
    ],
)
def test_the_sum_comes_first(projects: list[ProjectReport], command: str, dry_run: bool, first: str) -> None:
    assert told(*projects, command=command, dry_run=dry_run)[0] == first


def test_what_the_loader_lacks_is_named() -> None:
    assert f"  missing-library {FINE.path}" in told(project("checked", modules=(LACKING,)), command="check")


def test_notes_and_where_the_facts_are_from_stand_at_the_end() -> None:
    source = Source("spec", "alpine-3.14-x86_64")
    report = Report("install", dry_run=False, projects=(), notes=("x",), source=source)
    assert [line.text for line in tell(report)][-2:] == [source.sentence, "x"]


def test_files_of_one_module_count_once() -> None:
    files = tuple(
        replace(FINE, path=f"p/m{suffix}") for suffix in (".cpython-39-x86_64-linux-gnu.so", ".abi3.so")
    )
    assert told(project(modules=files))[0].startswith("1 extension module in 1 project")


def test_what_needs_a_person_comes_first_and_the_rest_is_folded() -> None:
    same = [replace(FIXED, path=f"a{n}.so") for n in range(5)]
    bad = [replace(BAD, path=f"b{n}.so") for n in range(5)]
    shown = told(project("checked", modules=(*same, *bad, FINE)), command="check", dry_run=True)
    assert shown[1:] == [
        "",
        "Demo 1.0: 11 extension modules: 5 misnamed, 5 refused",
        *(row for n in range(3) for row in (f"  other-libc b{n}.so", "      bad")),
        "  and 2 more other-libc (-v names all)",
        "  misnamed a0.so",
        "      fixed",
        "  and 4 more misnamed (-v names all)",
        "  tip: do something",
    ]
    everything = told(
        project("checked", modules=(*same, *bad, FINE)), command="check", dry_run=True, verbose=True
    )
    assert [row.split()[1] for row in everything if row.startswith("  ") and "." in row] == [
        *(f"b{n}.so" for n in range(5)),
        *(f"a{n}.so" for n in range(5)),
        "fine.so",
    ]


def test_projects_that_are_well_are_only_counted() -> None:
    well = project("checked", modules=(FINE,))
    assert len(told(well, command="check", dry_run=True)) == 1
    assert "Demo 1.0: 1 extension module: nothing to fix" in told(
        well, command="check", dry_run=True, verbose=True
    )
    assert "Demo 1.0: installed" in told(project("installed"), command="install")


def test_of_many_projects_only_what_is_refused_is_named() -> None:
    many = [project("fixed", modules=(FIXED,)) for _ in range(9)]
    shown = told(*many, project("unchanged", modules=(BAD,)))
    assert sum(row.startswith("Demo 1.0: 1 extension module: 1 fixed") for row in shown) == 9
    assert not any("misnamed" in row for row in shown)
    assert "  other-libc bad.so" in shown
    assert shown[-1] == "-v names all files"
    assert sum("misnamed" in row for row in told(*many, verbose=True)) == 9


def test_findings_are_told_like_verdicts() -> None:
    files = tuple(FileReport(f"f{n}", "missing", "it is gone") for n in range(2))
    links = tuple(FileReport(f"l{n}", "link-outside", "it leads out") for n in range(900))
    shown = told(project("differs", files=files + links), command="verify")
    assert shown[2:] == [
        "Demo 1.0: not as RECORD says",
        "  missing f0",
        "      it is gone",
        "  missing f1",
        "      it is gone",
        "  link-outside l0",
        "      it leads out",
        "  and 899 more link-outside (-v names all)",
    ]


def test_each_word_has_a_colour() -> None:
    assert set(FINDINGS) <= WORDS
    assert {kind_of(word) for word in WORDS} == {"good", "odd", "bad", ""}
    assert kind_of("misnamed") == "odd"
    assert kind_of("a word of a later version") == "bad"


# -- the commands at a terminal -----------------------------------------------------------------------


def test_check_ends_with_the_command_that_fixes(screen: Screen) -> None:
    shown = screen("check", "--target-file", TARGET, MISNAMED, FOREIGN, BOTH, NO_COLOR="1")
    assert screen.status == 1
    lines = shown.rstrip("\n").split("\n")
    assert (
        lines[0] == "3 extension modules in 3 projects: 1 misnamed (1 would run as slow Python), 1 refused."
    )
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
        "name": ["misnamed", "--path", site],
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
    assert not (site / "misnamed" / "_speed.cpython-39-x86_64-linux-musl.so").is_symlink()
    shown = screen(*words, NO_COLOR="1")
    assert (screen.status, shown) == (0, "1 extension module in 1 project: nothing to fix.\n")


def test_no_command_is_offered_that_would_be_refused(screen: Screen, tmp_path: Path) -> None:
    suffix = ".cpython-39-x86_64-linux-gnu.so"
    good, bad = ((FIXTURES / "elf" / f"x86_64-{libc}.so").read_bytes() for libc in ("musl", "glibc"))
    wheel = make_wheel(
        tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", {f"a{suffix}": good, f"b{suffix}": bad}
    )
    shown = screen("check", "--target-file", TARGET, wheel, NO_COLOR="1")
    assert shown.startswith("2 extension modules in 1 project: 1 misnamed, 1 refused.")
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


def test_nothing_to_fix_is_said_to_a_person_only(screen: Screen, cli: Cli, tmp_path: Path) -> None:
    assert screen("fix", "--path", tmp_path) == "nothing to fix\n"
    assert screen("fix", "-q", "--path", tmp_path) == ""
    assert screen("fix", "--path", tmp_path, streams=("stderr",)) == ""
    assert cli("fix", "--path", tmp_path).out == ""


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
with progress.show_progress(Output({quiet})) as told:
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
    shown = _show(SHOW.format(without=without, quiet=""))
    assert shown.replace("\r\n", "\n") == "".join(f"unpacking \\x1b[31mx: {n} of 2\n" for n in range(3))


def test_progress_with_rich_is_a_bar_that_goes_away() -> None:
    pytest.importorskip("rich")
    shown = _show(SHOW.format(without="", quiet=""))
    assert "2/2" in shown
    assert "\\x1b[31mx" in COLOUR.sub("", shown)
    assert shown.endswith("\x1b[2K")


def test_the_bar_has_colours_where_words_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    assert coloured.search(_show(SHOW.format(without="", quiet="")))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _show(SHOW.format(without="", quiet=""))
    assert "2/2" in plain
    assert not coloured.search(plain)


@pytest.mark.parametrize(
    ("quiet", "terminal"), [("quiet=True", True), ("", False)], ids=["quiet", "no terminal"]
)
def test_progress_is_for_a_person_who_wants_it(quiet: str, terminal: bool) -> None:
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
    assert names == {"unpacking misnamed"}
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
