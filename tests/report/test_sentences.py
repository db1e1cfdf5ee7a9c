"""What a report says: summary, projects, the files that need attention, and what hooks print of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from reports import BAD, FINE, FIXED, plain_text, project

from muslfix.loader.facts import Problem
from muslfix.loader.musl_floor import MuslFloor
from muslfix.report.report import ACTIONS, FINDINGS, WORDS, FileReport, ProjectReport, Report
from muslfix.report.sentences import fixed_in_one_line, kind_of, needs_attention, problems_in, tell
from muslfix.targets.target import Source
from muslfix.verbs.reports import report_missing
from muslfix.verdicts import Verdict


def told(*projects: ProjectReport, command: str = "fix", dry_run: bool = False, **how: bool) -> list[str]:
    return plain_text(Report(command, dry_run, projects), **how)


INFO = "/site/demo-1.0.dist-info"
LACKING = replace(
    FINE,
    verdict=Verdict.MISSING_LIBRARY,
    problems=(Problem(Verdict.MISSING_LIBRARY, "libx.so", "", "is found nowhere", "install it"),),
)
SLOW = replace(FIXED, path="pkg/slow.so", was_slow=True)
UNKNOWN = replace(FINE, not_known=("its program is elsewhere",))

# -- the summary ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("projects", "command", "dry_run", "first"),
    [
        ([], "fix", False, "0 projects: nothing to fix."),
        ([project("fixed", modules=(FIXED,))], "fix", False, "1 extension module in 1 project: 1 fixed."),
        (
            [project("fixed", modules=(FINE, FIXED, SLOW), source=INFO)],
            "fix",
            False,
            "3 extension modules in 1 project: 2 fixed (1 had been falling back to slower pure Python).",
        ),
        (
            [project("checked", modules=(FIXED, SLOW, BAD), source=INFO), project("checked")],
            "check",
            True,
            "3 extension modules in 2 projects: 2 misnamed (1 falling back to slower pure Python),"
            " 1 refused.",
        ),
        (
            [project("checked", modules=(SLOW,))],
            "check",
            True,
            "1 extension module in 1 project: 1 misnamed (1 would fall back to slower pure Python).",
        ),
        (
            [project("repaired", modules=(SLOW,), output="/x/demo.whl")],
            "repair",
            False,
            "1 extension module in 1 wheel: 1 fixed (1 would have fallen back to slower pure Python),"
            " 1 wheel written.",
        ),
        (
            [project("failed", problem="x"), *[project("left-alone", output="/x/demo.whl", problem="y")] * 2],
            "repair",
            True,
            "3 wheels: 1 wheel failed, 2 wheels left alone, 2 wheels would be written.",
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
            "1 extension module in 1 project: 1 missing a library or symbol.",
        ),
        (
            [project("checked", modules=(FINE,))],
            "check",
            True,
            "1 extension module in 1 project: nothing to fix.",
        ),
        (
            [project("checked", modules=(UNKNOWN,))],
            "check",
            True,
            "1 extension module in 1 project: nothing to fix, 1 could not be checked for loading.",
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
            [
                project("checked", musl=MuslFloor("1.2.4", "1.2", ("x",), keeps=False, files=1)),
                project("failed"),
            ],
            "check",
            True,
            "2 wheels: the tags of 1 promise too much, 1 could not be checked.",
        ),
        (
            [project("checked", musl=MuslFloor("1.1.0", "1.2", (), keeps=True, files=1))],
            "check",
            True,
            "1 wheel: no tag promises too much.",
        ),
        ([project("unchanged")], "undo", False, "1 project: nothing to put back."),
        ([project("failed", problem="x")], "undo", False, "1 project failed."),
        (
            [project("failed", problem="x"), project("unchanged")],
            "undo",
            False,
            "2 projects: nothing to put back in 1, 1 failed.",
        ),
        ([report_missing("x")], "undo", False, "No project was found."),
        ([report_missing("x")], "verify", False, "No project was found."),
        ([report_missing("x")], "fix", False, "No project was found."),
        (
            [project("verified"), report_missing("x")],
            "verify",
            False,
            "1 project: all files are as RECORD says, 1 project not found.",
        ),
        ([project("failed", problem="x")], "verify", False, "1 project could not be checked."),
        ([], "verify", False, "0 projects: no files to compare."),
        ([project("failed", problem="x")], "fix", False, "1 project failed."),
        ([project("undone")], "undo", True, "1 project: 1 would be put back."),
        (
            [project("verified"), project("failed", problem="x")],
            "verify",
            False,
            "2 projects: 1 as RECORD says, 1 could not be checked.",
        ),
        ([project("verified"), project("differs")], "verify", False, "2 projects: 1 not as RECORD says."),
    ],
)
def test_the_summary_comes_first(
    projects: list[ProjectReport], command: str, dry_run: bool, first: str
) -> None:
    assert told(*projects, command=command, dry_run=dry_run)[0] == first


def test_files_of_one_module_count_once() -> None:
    files = tuple(
        replace(FINE, path=f"p/m{suffix}") for suffix in (".cpython-39-x86_64-linux-gnu.so", ".abi3.so")
    )
    assert told(project(modules=files))[0].startswith("1 extension module in 1 project")


def test_where_the_facts_come_from_follows_the_summary_and_notes_end_it() -> None:
    source = Source("spec", "alpine-3.14-x86_64")
    report = Report("install", dry_run=False, projects=(project(),), notes=("x",), source=source)
    assert [line.text for line in tell(report)] == ["", source.sentence, "installed", "x"]
    asked = replace(report, source=Source("file", "target.json"))
    assert [line.text for line in tell(asked)] == ["", "installed", "x"]


# -- projects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (project(), "installed"),
        (project("replaced", previous="0.9"), "installed in place of 0.9"),
        (project("kept", previous="1.0"), "kept: this version is already installed"),
        (project(modules=(FINE,)), "installed, 1 extension module: nothing to fix"),
        (project("fixed", modules=(FINE, FIXED)), "2 extension modules: 1 fixed"),
        (project("checked", modules=(BAD,)), "1 extension module: 1 refused"),
        (project("undone"), "put back"),
        (project("differs"), "not as RECORD says"),
        (
            project("repaired", modules=(FIXED,), output="/x.whl"),
            "repaired, written to /x.whl, 1 extension module: 1 fixed",
        ),
        (
            project("unchanged", modules=(FINE,), output="/x.whl"),
            "written to /x.whl, 1 extension module: nothing to fix",
        ),
        (project("unchanged", output="/x.whl"), "nothing to fix, written to /x.whl"),
        (project("failed", problem="it is broken", modules=(FINE,)), "failed: it is broken"),
        (project("skipped", problem="it is odd"), "not looked at: it is odd"),
        (project("left-alone", problem="it is apk's"), "left alone: it is apk's"),
        (
            project("checked", musl=MuslFloor("1.1.0", "1.2", (), keeps=True, files=1)),
            "can load on any musl; its tags promise musl 1.2 or later",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_said_of_a_project(given: ProjectReport, expected: str) -> None:
    assert told(given, verbose=True)[1] == f"Demo 1.0: {expected}"
    would = expected.replace("written", "would be written").replace("1 fixed", "1 misnamed")
    if given.action in ("installed", "replaced", "undone", "repaired"):
        would = f"would be {would}"
    assert told(given, verbose=True, dry_run=True)[1] == f"Demo 1.0: {would}"


def test_projects_with_nothing_to_say_are_only_counted() -> None:
    for action in ("unchanged", "verified", "checked"):
        for modules in ((), (FINE,)):
            silent = project(action, modules=modules)
            assert len(told(silent)) == 1
            assert len(told(silent, verbose=True)) == 2 + len(modules)
    for action in ACTIONS.keys() - {"unchanged", "verified", "checked"}:
        assert told(project(action))[1].startswith("Demo 1.0: ")
    assert told(project("checked", modules=(FIXED,)))[1] == "Demo 1.0: 1 extension module: 1 fixed"


def test_many_projects_are_folded_and_none_that_needs_attention() -> None:
    well = [project("fixed", modules=(FIXED,), name=f"w{n}") for n in range(28)]
    bad = [project("unchanged", modules=(BAD,), name=f"b{n}") for n in range(9)]
    shown = told(*well, *bad)
    heads = [row for row in shown[1:] if not row.startswith(" ")]
    assert [row.split()[0] for row in heads] == [
        *(f"b{n}" for n in range(9)),
        *(f"w{n}" for n in range(5)),
        "and",
    ]
    assert heads[-1] == "and 23 more projects (-v names all)"
    assert len(told(*well)) == 1 + 5 + 1
    assert told(*well[:6])[-1] == "and 1 more project (-v names all)"
    assert "more project" not in "\n".join(told(*well, *bad, verbose=True))


# -- files ------------------------------------------------------------------------------------------


def test_after_a_fix_files_are_named_where_something_needs_attention() -> None:
    whole = project(
        modules=(FINE, FIXED, BAD, LACKING), files=(FileReport("x", "missing", "it is not there"),)
    )
    attention = [
        "  bad.so: other-libc: bad",
        "  fine.so: missing-library: fine",
        "  x: missing: it is not there",
        "  tip: do something",
    ]
    assert told(whole)[2:] == attention
    assert told(whole, verbose=True)[2:] == [
        attention[0],
        "  fine.so: importable: fine",
        "  fixed.so: fixed: fixed",
        *attention[1:],
    ]


def test_before_a_fix_they_are_misnamed_and_after_it_fixed() -> None:
    changed = project("fixed", modules=(FIXED,))
    assert told(changed) == [
        "1 extension module in 1 project: 1 fixed.",
        "Demo 1.0: 1 extension module: 1 fixed",
    ]
    assert told(changed, verbose=True)[2:] == ["  fixed.so: fixed: fixed"]
    assert told(changed, dry_run=True)[2:] == ["  fixed.so: misnamed: fixed"]


def test_what_needs_a_person_comes_first_and_the_rest_is_folded() -> None:
    same = [replace(FIXED, path=f"a{n}.so") for n in range(5)]
    bad = [replace(BAD, path=f"b{n}.so") for n in range(5)]
    whole = project("checked", modules=(*same, *bad, FINE))
    assert told(whole, command="check", dry_run=True)[1:] == [
        "Demo 1.0: 11 extension modules: 5 misnamed, 5 refused",
        *(f"  b{n}.so: other-libc: bad" for n in range(3)),
        "  and 2 more other-libc (-v names all)",
        "  a0.so: misnamed: fixed",
        "  and 4 more misnamed (-v names all)",
        "  tip: do something",
    ]
    everything = told(whole, command="check", dry_run=True, verbose=True)
    assert [row.split(":")[0].strip() for row in everything if row.startswith("  ") and ".so" in row] == [
        *(f"b{n}.so" for n in range(5)),
        *(f"a{n}.so" for n in range(5)),
        "fine.so",
    ]


def test_what_could_not_be_checked_is_named_if_asked() -> None:
    shown = told(project("unchanged", modules=(UNKNOWN,)), verbose=True)
    assert shown[2:] == ["  fine.so: importable: fine", "      not known: its program is elsewhere"]


def test_findings_are_told_like_verdicts() -> None:
    files = tuple(FileReport(f"f{n}", "missing", "it is gone") for n in range(2))
    links = tuple(FileReport(f"l{n}", "link-outside", "it leads out") for n in range(900))
    assert told(project("differs", files=files + links), command="verify")[1:] == [
        "Demo 1.0: not as RECORD says",
        "  f0: missing: it is gone",
        "  f1: missing: it is gone",
        "  l0: link-outside: it leads out",
        "  and 899 more link-outside (-v names all)",
    ]


def test_what_undo_has_done_is_named_if_asked_or_in_a_dry_run() -> None:
    files = (FileReport("new.so", "removed", "x"), FileReport("old.so", "put-back", "y"))
    undone = project("undone", files=files)
    named = ["  new.so: removed: x", "  old.so: put-back: y"]
    assert told(undone, command="undo")[2:] == []
    assert told(undone, command="undo", verbose=True)[2:] == named
    assert told(undone, command="undo", dry_run=True)[2:] == [
        "  new.so: would be removed: x",
        "  old.so: would be put back: y",
    ]


def test_each_word_has_a_colour() -> None:
    assert set(FINDINGS) <= WORDS
    assert {kind_of(word) for word in WORDS} == {"good", "odd", "bad", ""}
    assert (kind_of("misnamed"), kind_of("fixed")) == ("odd", "good")
    assert kind_of("a word of a later version") == "bad"


# -- quiet ------------------------------------------------------------------------------------------

QUIET_CASES: list[tuple[str, ProjectReport, bool]] = [
    ("fix", project("fixed", modules=(FIXED,)), False),
    ("fix", project("left-alone", problem="x"), False),
    ("fix", project("failed", problem="x"), True),
    ("fix", project("skipped", problem="x"), True),
    ("fix", project("unchanged", modules=(BAD,)), True),
    ("fix", project("unchanged", modules=(LACKING,)), True),
    ("verify", project("verified"), False),
    ("verify", project("differs"), True),
    ("check", project("checked", modules=(FINE,)), False),
    ("check", project("checked", modules=(FIXED,)), True),
    ("check", project("checked", musl=MuslFloor("1.2.4", "1.2", ("x",), keeps=False, files=1)), True),
]


@pytest.mark.parametrize(("command", "given", "spoken"), QUIET_CASES)
def test_quiet_says_what_needs_attention_and_nothing_else(
    command: str, given: ProjectReport, spoken: bool
) -> None:
    report = Report(command, command == "check", (given, project("fixed")), notes=("n",))
    shown = plain_text(report, quiet=True)
    assert needs_attention(report) is spoken
    assert bool(shown) is spoken
    assert sum("Demo" in row for row in shown) == spoken
    assert "note: n" not in shown


# -- hooks ------------------------------------------------------------------------------------------


def test_a_hook_prints_one_line_about_what_was_fixed() -> None:
    fixed = [project("fixed", modules=(FIXED,), name=f"p{n}") for n in range(5)]
    assert fixed_in_one_line(Report("fix", False, (project("unchanged", modules=(BAD,)),))) == ""
    assert fixed_in_one_line(Report("fix", False, tuple(fixed[:1]))) == "fixed p0 1.0 (1 extension module)"
    assert (
        fixed_in_one_line(Report("fix", False, tuple(fixed[:4])))
        == "fixed p0 1.0, p1 1.0, p2 1.0 and p3 1.0 (4 extension modules)"
    )
    assert (
        fixed_in_one_line(Report("fix", False, tuple(fixed)))
        == "fixed p0 1.0, p1 1.0, p2 1.0 and 2 more projects (5 extension modules)"
    )


def test_a_hook_prints_one_sentence_for_each_problem() -> None:
    projects: list[Any] = [
        project("fixed", modules=(FIXED,)),
        project("skipped", problem="it is editable"),
        project("left-alone", problem="it is apk's"),
        project("failed", problem="it is broken", tip="mend it"),
        project("failed", problem="it is broken", version=None),
        project("unchanged", modules=(BAD,) * 5),
    ]
    bad = "bad.so: other-libc: bad"
    assert list(problems_in(Report("fix", False, tuple(projects), warnings=("w",)))) == [
        "w",
        "Demo 1.0: it is broken (tip: mend it)",
        "Demo: it is broken",
        f"Demo 1.0: {bad}, {bad}, {bad} and 2 more modules",
    ]
