"""What muslfix says: a golden table of sentences, and the JSON form held against its schema."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from checkout import FIXTURES
from reports import BAD, FINE, FIXED, project

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.errors import InvalidElf
from muslfix.loader.facts import LoadResult, Problem
from muslfix.loader.musl_floor import MuslFloor
from muslfix.loader.time_t import TimeT
from muslfix.modules.candidate import Candidate
from muslfix.modules.plan import Decision, judge_library, plan
from muslfix.report.looked_at import LookedAt, PlaceReport
from muslfix.report.modules import report_module, with_times
from muslfix.report.report import (
    ACTIONS,
    FINDINGS,
    FORMAT,
    Failure,
    FileReport,
    ModuleReport,
    ProjectReport,
    Report,
)
from muslfix.suffix import ExtensionFilename
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Choice, Source, Target
from muslfix.verbs.reports import report_lost_wheel, report_missing
from muslfix.verdicts import LOADER_VERDICTS, Mode, Verdict

SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))


def target(name: str) -> Target:
    return read_target_file(str(FIXTURES / "targets" / f"{name}.json"))


MUSL = target("lab-cpython-3.9-musl-x86_64")
GLIBC = target("docker-debian-cpython-3.9-x86_64")
GNU_SUFFIX, MUSL_SUFFIX = ".cpython-39-x86_64-linux-gnu.so", ".cpython-39-x86_64-linux-musl.so"


def candidate(path: str, elf: str | None, *, has_source: bool = False) -> Candidate:
    """A file as it would be found; ``elf`` is a fixture, or else no ELF file."""
    name = ExtensionFilename.parse(path)
    assert name is not None
    facts: ElfFacts | str | None = None
    if elf is not None:
        try:
            with open(
                FIXTURES / "elf" / elf if (FIXTURES / "elf" / elf).exists() else __file__, "rb"
            ) as stream:
                facts = read_elf(stream)
        except InvalidElf as error:
            facts = error.reason
    return Candidate(path, name, facts, has_source)


def troubled(trouble: Verdict, needed_by: str, reason: str, count: int = 1) -> Candidate:
    """A misnamed module that the loader has something to say about."""
    problems = tuple(Problem(trouble, f"/lib/x{n}", needed_by, reason, "do it") for n in range(count))
    return replace(candidate(f"m{GNU_SUFFIX}", "x86_64-musl.so"), load=LoadResult(problems=problems))


def said(
    *candidates: Candidate, to: Target = MUSL, taken: tuple[str, ...] = ()
) -> list[tuple[str, str | None]]:
    """What is said of files: the line, and the tip."""
    decisions = plan(candidates, to, taken=taken).decisions
    reports = [report_module(decision, to, dry_run=True) for decision in decisions]
    return [(str(report), report.tip) for report in reports]


NO_INIT_TIP = "nothing is to be done if a program loads it by its path, as with ctypes"
SLOW = "; today Python silently imports the .py of the same name, which is slower"
WHEEL_FOR = "use a {} wheel of this project, or build it from source on the target"

SENTENCES: dict[str, tuple[list[tuple[str, str | None]], list[tuple[str, str | None]]]] = {
    "importable": (
        said(candidate(f"p/m{MUSL_SUFFIX}", "x86_64-musl.so"), candidate("p/n.abi3.so", "x86_64-musl.so")),
        [
            (f"p/m{MUSL_SUFFIX}: importable: the target imports names that end in {MUSL_SUFFIX}", None),
            ("p/n.abi3.so: importable: the target imports names that end in .abi3.so", None),
        ],
    ),
    "served": (
        said(candidate(f"p/m{GNU_SUFFIX}", "x86_64-musl.so"), candidate("p/m.abi3.so", "x86_64-musl.so"))[1:],
        [(f"p/m{GNU_SUFFIX}: served: for this module the target imports m.abi3.so", None)],
    ),
    "misnamed": (
        said(candidate(f"p/m{GNU_SUFFIX}", "x86_64-musl.so")),
        [(f"p/m{GNU_SUFFIX}: misnamed: the target looks for m{MUSL_SUFFIX}, which would link to it", None)],
    ),
    "misnamed and slow": (
        said(candidate(f"m{GNU_SUFFIX}", "x86_64-musl.so", has_source=True)),
        [
            (
                f"m{GNU_SUFFIX}: misnamed: the target looks for m{MUSL_SUFFIX}, which would link to it{SLOW}",
                None,
            )
        ],
    ),
    "other Python": (
        said(candidate("m.cpython-38-x86_64-linux-gnu.so", None)),
        [
            (
                "m.cpython-38-x86_64-linux-gnu.so: other-abi: it is for cpython-38, but the target is CPython"
                " 3.9.2",
                None,
            )
        ],
    ),
    "other implementation": (
        said(candidate("m.pypy39-pp73-x86_64-linux-gnu.so", None)),
        [
            (
                "m.pypy39-pp73-x86_64-linux-gnu.so: other-abi: it is for pypy39-pp73, but the target is"
                " CPython 3.9.2",
                None,
            )
        ],
    ),
    "other system": (
        said(candidate("m.cpython-39-darwin.so", None)),
        [("m.cpython-39-darwin.so: other-abi: it is for another platform (darwin)", None)],
    ),
    "glibc on musl": (
        said(candidate(f"m{GNU_SUFFIX}", "x86_64-glibc.so")),
        [
            (
                f"m{GNU_SUFFIX}: other-libc: it is linked to glibc (needs libc.so.6, needs version"
                " GLIBC_2.2.5 of libc.so.6), but the target uses musl",
                WHEEL_FOR.format("musllinux"),
            )
        ],
    ),
    "musl on glibc": (
        said(candidate(f"m{GNU_SUFFIX}", "x86_64-musl-alpine.so"), to=GLIBC),
        [
            (
                f"m{GNU_SUFFIX}: other-libc: it is linked to musl (needs libc.musl-x86_64.so.1), but the"
                " target uses glibc",
                WHEEL_FOR.format("manylinux"),
            )
        ],
    ),
    "both libcs": (
        said(candidate(f"m{GNU_SUFFIX}", "x86_64-mixed.so")),
        [
            (
                f"m{GNU_SUFFIX}: other-libc: it is linked to glibc and musl (needs libc.so.6, needs"
                " libc.musl-x86_64.so.1), but the target uses musl",
                WHEEL_FOR.format("musllinux"),
            )
        ],
    ),
    "other machine": (
        said(candidate(f"m{GNU_SUFFIX}", "arm-hard-musl.so")),
        [
            (
                f"m{GNU_SUFFIX}: other-machine: it is for arm 32-bit little-endian hard-float, but the target"
                " is x86_64 64-bit little-endian",
                "use the wheel for the target's CPU",
            )
        ],
    ),
    "occupied": (
        said(candidate(f"p/m{GNU_SUFFIX}", "x86_64-musl.so"), taken=(f"p/m{MUSL_SUFFIX}",)),
        [
            (
                f"p/m{GNU_SUFFIX}: occupied: the name it needs, m{MUSL_SUFFIX}, is taken by another file",
                f"check what m{MUSL_SUFFIX} is, and remove it if it does not belong there",
            )
        ],
    ),
    "no ELF": (
        said(candidate(f"m{GNU_SUFFIX}", "no such fixture")),
        [
            (
                f"m{GNU_SUFFIX}: not-elf: it is not an ELF file (it does not begin with \\x7fELF)",
                "the wheel is damaged or not for Linux; use another one",
            )
        ],
    ),
    "no init function": (
        said(
            candidate(f"p/m{GNU_SUFFIX}", "x86_64-musl-library.so"),
            candidate("p/other.abi3.so", "x86_64-musl-core.so"),
            candidate("p/ä.abi3.so", "x86_64-musl-library.so"),
        ),
        [
            (
                f"p/m{GNU_SUFFIX}: no-init: it has no function PyInit_m, so it is a shared library and no"
                " import can load it",
                NO_INIT_TIP,
            ),
            (
                "p/other.abi3.so: no-init: it has no function PyInit_other, so no import of other can load"
                " it (it has PyInit__core, PyInit__one, PyInit__two, …)",
                "use another version of the wheel, unless a program loads the file by its path",
            ),
            (
                "p/ä.abi3.so: no-init: it has no function PyInitU_4ca, so it is a shared library and no"
                " import can load it",
                NO_INIT_TIP,
            ),
        ],
    ),
    "crashes": (
        said(troubled(Verdict.CRASHES, "", "is bad")),
        [(f"m{GNU_SUFFIX}: crashes: x0 is bad", "do it")],
    ),
    "foreign library": (
        said(troubled(Verdict.FOREIGN_LIBRARY, "/lib/m.so", "is bad", 3)),
        [(f"m{GNU_SUFFIX}: foreign-library: m.so needs x0, which is bad; and 2 more", "do it")],
    ),
    "missing library": (
        said(troubled(Verdict.MISSING_LIBRARY, "/lib/m.so", "is nowhere")),
        [
            (
                f"m{GNU_SUFFIX}: missing-library: m.so needs x0, which is nowhere; the target looks for"
                f" m{MUSL_SUFFIX}, which would link to it",
                "do it",
            )
        ],
    ),
    "missing symbol": (
        said(troubled(Verdict.MISSING_SYMBOL, "/lib/m.so", "nothing defines")),
        [
            (
                f"m{GNU_SUFFIX}: missing-symbol: m.so needs x0, which nothing defines; the target looks for"
                f" m{MUSL_SUFFIX}, which would link to it",
                "do it",
            )
        ],
    ),
    "library": (
        [
            (str(report_module(judge_library(one, MUSL), MUSL)), None)
            for one in [replace(candidate(f"m{MUSL_SUFFIX}", "x86_64-musl.so"), is_library=True)]
        ],
        [
            (
                f"m{MUSL_SUFFIX}: library: it is a shared library and no extension module, for"
                " x86_64 64-bit little-endian and musl",
                None,
            )
        ],
    ),
    "missing": (
        said(replace(candidate(f"m{GNU_SUFFIX}", "no such fixture"), is_missing=True)),
        [
            (
                f"m{GNU_SUFFIX}: missing: it does not exist, or is a link to a file that does not",
                "install the project again",
            )
        ],
    ),
    "program": (
        said(candidate(f"m{GNU_SUFFIX}", "x86_64-static-program")),
        [
            (
                f"m{GNU_SUFFIX}: not-elf: it is a program, not a shared object",
                "the wheel is damaged or not for Linux; use another one",
            )
        ],
    ),
}


@pytest.mark.parametrize(("found", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(found: list[tuple[str, str | None]], expected: list[tuple[str, str | None]]) -> None:
    assert found == expected


def test_each_verdict_has_its_sentence() -> None:
    heads = {line.split(": ")[1] for found, _ in SENTENCES.values() for line, _ in found}
    assert heads == {verdict.value for verdict in Verdict}


def test_much_evidence_is_cut_short() -> None:
    elf = candidate(f"m{GNU_SUFFIX}", "x86_64-glibc.so").elf
    assert isinstance(elf, ElfFacts)
    much = replace(elf, glibc_evidence=("a", "b", "c", "d", "e"))
    name = ExtensionFilename("m", "cpython-39", "x86_64-linux-gnu")
    decision = Decision(Candidate(f"m{GNU_SUFFIX}", name, much), Verdict.OTHER_LIBC, refused=True)
    assert "is linked to glibc (a, b, c, …), but" in report_module(decision, MUSL).sentence


MISNAMED = Decision(
    candidate(f"p/m{GNU_SUFFIX}", "x86_64-musl.so"), Verdict.MISNAMED, f"p/m{MUSL_SUFFIX}", Mode.SYMLINK
)


@pytest.mark.parametrize(
    ("mode", "done", "would"),
    [
        (Mode.SYMLINK, "which now links to it", "which would link to it"),
        (Mode.HARDLINK, "which is now a hard link to it", "which would be a hard link to it"),
        (Mode.COPY, "which is now a copy of it", "which would be a copy of it"),
        (Mode.RENAME, "which is now its name", "which would be its name"),
    ],
)
def test_what_was_done_or_would_be(mode: Mode, done: str, would: str) -> None:
    decision = replace(MISNAMED, mode=mode)
    head = f"the target looks for m{MUSL_SUFFIX}, "
    assert report_module(decision, MUSL).sentence == head + done
    assert report_module(decision, MUSL, dry_run=True).sentence == head + would
    assert report_module(decision, MUSL).mode is mode


def test_what_was_done_in_another_way() -> None:
    report = report_module(MISNAMED, MUSL, Mode.COPY)
    assert report.mode is Mode.COPY
    assert report.sentence.endswith("which is now a copy of it (the file system refuses a symlink)")
    kept = report_module(replace(MISNAMED, needed_by_name=True), MUSL)
    assert kept.sentence.endswith("links to it (another file of the project needs the old name)")
    slow = replace(MISNAMED, candidate=replace(MISNAMED.candidate, has_source=True))
    assert report_module(slow, MUSL).sentence.endswith(
        "; without it Python silently imports the .py of the same name, which is slower"
    )


def test_a_tip_is_given_where_something_is_refused() -> None:
    refused = Decision(candidate(f"m{GNU_SUFFIX}", "x86_64-glibc.so"), Verdict.OTHER_LIBC, refused=True)
    assert report_module(refused, MUSL).tip is not None
    served = report_module(replace(refused, refused=False), MUSL)
    assert (served.tip, served.mode, served.new_path) == (None, None, None)


# -- projects ---------------------------------------------------------------------------------------


def test_whether_all_is_well() -> None:
    assert project(modules=(FINE, FIXED)).is_well
    assert not project(modules=(FINE, BAD)).is_well
    assert [action for action in ACTIONS if not project(action).is_well] == ["skipped", "differs", "failed"]
    assert Report("fix", dry_run=False, projects=(project(), project("kept"))).is_well
    assert not Report("fix", dry_run=False, projects=(project(), project("failed"))).is_well
    assert Report("fix", dry_run=False, projects=()).is_well
    report = Report(
        "fix", dry_run=False, projects=(project(modules=(FINE, FIXED)), project(modules=(FIXED,)))
    )
    assert report.changes == 2


# -- JSON -------------------------------------------------------------------------------------------


def validate(report: Report) -> Any:
    data = json.loads(report.to_json())
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


def test_json_has_all_that_the_values_have() -> None:
    whole = project(
        modules=(FINE, FIXED, BAD), files=tuple(FileReport("x", f, "s") for f in FINDINGS), warnings=("odd",)
    )
    report = Report("install", dry_run=True, projects=(whole,), warnings=("all odd",))
    values = json.loads(json.dumps(asdict(report)))
    for module in values["projects"][0]["modules"]:
        del module["was_slow"]
    del values["directories"]
    assert report.looked_at is not None
    looked_at = json.loads(json.dumps(asdict(report.looked_at)))
    assert validate(report) == {"format": FORMAT, **values, "looked_at": looked_at}


def test_what_was_looked_at() -> None:
    choice = Choice("/e/bin/python", ".venv", ("/x (VIRTUAL_ENV)",))
    source = Source("interpreter", "the interpreter /e/bin/python", choice)
    projects = (project(modules=(FINE, replace(FINE, path="fine.abi3.so"), BAD)), project())
    report = Report("fix", dry_run=False, projects=projects, source=source, directories=("/e/lib", "/u"))
    assert validate(report)["looked_at"] == {
        "interpreter": "/e/bin/python",
        "chosen_by": ".venv",
        "passed_over": ["/x (VIRTUAL_ENV)"],
        "directories": ["/e/lib", "/u"],
        "projects": 2,
        "modules": 2,
    }
    assert validate(replace(report, command="verify"))["looked_at"]["modules"] is None
    assert "choice" not in validate(report)["source"]
    failed = replace(report, error=Failure("InvalidTarget", None, "says nothing"))
    assert validate(failed)["looked_at"] is None
    assert report.to_json().endswith("}\n")


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_in_the_schema(action: str) -> None:
    validate(Report("install", dry_run=False, projects=(project(action),)))


def test_the_schema_knows_no_more_than_there_is() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    definitions = SCHEMA["$defs"]
    enums = {
        "action": set(ACTIONS),
        "verdict": {verdict.value for verdict in Verdict},
        "mode": {mode.value for mode in Mode} | {None},
        "finding": set(FINDINGS),
        "trouble": {trouble.value for trouble in LOADER_VERDICTS},
        "state": {"changed", "removed", "unchanged", "named"},
    }
    kinds = {
        "project": ProjectReport, "module": ModuleReport, "file": FileReport, "problem": Problem,
        "musl": MuslFloor, "error": Failure, "place": PlaceReport,
    }  # fmt: skip
    assert definitions.keys() == kinds.keys()
    for name, kind in kinds.items():
        properties = definitions[name]["properties"]
        assert sorted(definitions[name]["required"]) == sorted(properties)
        assert sorted(properties) == sorted({field.name for field in fields(kind)} - {"was_slow"})
        for key, value in properties.items():
            assert value["description"].endswith(".")
            if "enum" in value:
                assert set(value["enum"]) == enums[key]
    named = {field.name for field in fields(Report)} - {"directories"}
    assert sorted(SCHEMA["properties"]) == sorted({"format", "looked_at", *named})
    looked_at = SCHEMA["properties"]["looked_at"]
    assert list(looked_at["properties"]) == looked_at["required"] == [f.name for f in fields(LookedAt)]
    assert SCHEMA["properties"]["format"]["const"] == FORMAT


@pytest.mark.parametrize(
    "damage",
    [{"format": 2}, {"projects": [{}]}, {"dry_run": "no"}, {"command": "fly"}, {"error": {}}],
    ids=str,
)
def test_the_schema_refuses_what_is_no_report(damage: dict[str, Any]) -> None:
    data = {**json.loads(Report("install", dry_run=False, projects=()).to_json()), **damage}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(data)


def test_the_schema_names_the_commands() -> None:
    from muslfix.cli.dispatch import _COMMANDS

    assert set(SCHEMA["properties"]["command"]["enum"]) == {*_COMMANDS, None}


def test_the_schema_allows_keys_of_a_later_version() -> None:
    """Everywhere: its text promises that."""

    def with_more(value: Any) -> Any:
        if isinstance(value, list):
            return [with_more(item) for item in value]
        if isinstance(value, dict):
            return {**{key: with_more(item) for key, item in value.items()}, "of a later version": 1}
        return value

    problem = Problem(Verdict.MISSING_LIBRARY, "libx.so", "", "is found nowhere", "install it")
    whole = project(
        modules=(replace(FINE, problems=(problem,)),),
        files=(FileReport("x", "missing", "s"),),
        musl=MuslFloor("1.2.4", "1.2", ("x",), keeps=False, files=1),
    )
    source, error = Source("spec", "alpine"), Failure("InvalidWheel", None, "is damaged")
    report = Report("install", dry_run=False, projects=(whole,), source=source, error=error)
    jsonschema.Draft202012Validator(SCHEMA).validate(with_more(validate(report)))


def test_what_is_not_known_is_null() -> None:
    lost = validate(Report("check", dry_run=True, projects=(report_lost_wheel("/w/x.whl", "is damaged"),)))
    missing = validate(Report("fix", dry_run=False, projects=(report_missing("demo"),)))
    (wheel,), (named,) = lost["projects"], missing["projects"]
    assert (wheel["name"], wheel["version"], wheel["source"], wheel["location"]) == (
        "x.whl", None, "/w/x.whl", None,
    )  # fmt: skip
    assert (named["name"], named["version"], named["source"], named["location"]) == ("demo", None, None, None)
    assert report_missing("demo").label == "demo"


def test_a_path_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    data = validate(Report("install", dry_run=False, projects=(project(source="/caf\udce9"),)))
    assert data["projects"][0]["source"] == "/caf\udce9"


def test_the_time_t_of_a_project() -> None:
    """Its modules, and the libraries in it that they load; not those of the system."""
    root = "/usr/lib/site-packages/"
    loads = {
        "demo/a": (TimeT.OLD, "demo.libs/libb.so", TimeT.NEW),
        "demo/b": (TimeT.NEW, "../../libc++.so", TimeT.OLD),
    }
    decisions = []
    for module, (kind, library, other) in loads.items():
        file = f"{module}{MUSL_SUFFIX}"
        times = ((root + file, kind), (os.path.normpath(root + library), other))
        load = LoadResult((root + file,), times=times)
        name = ExtensionFilename.parse(file)
        assert name is not None
        decisions.append(Decision(Candidate(file, name, load=load), Verdict.IMPORTABLE))

    def report_of(decisions: list[Decision]) -> ProjectReport:
        modules = tuple(report_module(decision, MUSL) for decision in decisions)
        return with_times(project("checked", modules=modules), decisions)

    both, alone = report_of(decisions), report_of(decisions[1:])
    assert [module.time_t for module in both.modules] == [TimeT.OLD, TimeT.NEW]
    assert [module.sentence.rpartition("; ")[2] for module in both.modules] == [
        "it uses musl's old time_t of 32 bits, which ends in 2038",
        "it uses musl's time_t of 64 bits",
    ]
    assert both.warnings == (
        f"uses both kinds of musl's time_t: the old one of 32 bits in a{MUSL_SUFFIX}, the one of 64 bits in"
        f" libb.so, b{MUSL_SUFFIX}; a structure with a time that one passes to the other is misread",
    )
    assert alone.warnings == ()
