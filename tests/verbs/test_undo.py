"""``muslfix undo``: back to the same bytes, or not a step, whoever has written ``muslfix.json``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Cli
from misnamed import (
    MODES,
    MODULE,
    RIGHT,
    WRONG,
    actions,
    demo_files,
    dist_info,
    hash_of,
    lay,
    make_demo,
    problems,
    record_of,
    row_of,
    running,
    small_files,
    speed,
    trace_of,
    write_record,
)
from trees import leftovers, snapshot, states

from muslfix.report.report import Report
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.undo import UndoOptions, undo
from muslfix.verdicts import Mode

OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"
TRACE = "demo-1.0.dist-info/muslfix.json"


def fix_all(site: Path, mode: str = "symlink") -> Report:
    return fix([], running(), FixOptions(Mode(mode), (str(site),)))


def undo_all(site: Path, *, dry_run: bool = False) -> Report:
    return undo([], running(), UndoOptions((str(site),), dry_run=dry_run))


@pytest.mark.parametrize("mode", MODES)
def test_a_dry_run_says_what_would_be_done(tmp_path: Path, cli: Cli, mode: str) -> None:
    site = lay(tmp_path / "site")
    fix_all(site, mode)
    before = snapshot(site)

    told = cli("undo", "--path", site, "--dry-run")

    assert (told.status, told.err) == (0, "")
    files = {
        "rename": f"_speed{WRONG}: would be put back: _speed{RIGHT} would get this name back",
        "copy": f"_speed{RIGHT}: would be removed: it is a copy of _speed{WRONG}, which would stay",
    }
    link = f"_speed{RIGHT}: would be removed: it is a {mode} to _speed{WRONG}, which would stay"
    assert told.out.splitlines() == [
        "1 project: 1 would be put back.",
        "demo 1.0: would be put back",
        f"  demo/{files.get(mode, link)}",
    ]
    assert snapshot(site) == before


@pytest.mark.parametrize("mode", MODES)
def test_names_and_record_are_what_they_were(tmp_path: Path, cli: Cli, mode: str) -> None:
    site = lay(tmp_path / "site", files=demo_files())
    lay(site, "other")
    lay(site, "pure", {"pure.py": b""})
    before, modules = snapshot(site), states(site / "demo")
    fix_all(site, mode)

    told = cli("undo", "--path", site, "--verbose")

    assert (told.status, told.err) == (0, "")
    what = {
        "rename": f"_speed{WRONG}: put-back: it was renamed to _speed{RIGHT}",
        "copy": f"_speed{RIGHT}: removed: it was a copy of _speed{WRONG}",
    }.get(mode, f"_speed{RIGHT}: removed: it was a {mode} to _speed{WRONG}")
    assert told.out.splitlines() == [
        "3 projects: 2 put back.",
        "demo 1.0: put back",
        f"  demo/{what}",
        f"  demo/sub/{what}",
        "other 1.0: put back",
        f"  other/{what}",
        "pure 1.0: nothing to fix",
    ]
    assert snapshot(site) == before
    after = states(site / "demo")
    for path in (f"_speed{WRONG}", f"sub/_speed{WRONG}", "__init__.py"):
        assert after[path] == modules[path]  # the very same file, never written to

    exact = states(site)
    told = cli("undo", "--path", site, "-v")
    assert (told.status, told.err) == (0, "")
    assert told.out.splitlines()[1:] == [f"{name} 1.0: nothing to fix" for name in ("demo", "other", "pure")]
    assert states(site) == exact


@pytest.mark.parametrize("mode", MODES)
def test_what_install_has_done_is_put_back_too(tmp_path: Path, mode: str) -> None:
    site = tmp_path / "site"
    options = InstallOptions(mode=Mode(mode), folder=str(site), compile=False)
    install([str(make_demo(tmp_path))], running(), options)
    assert actions(undo_all(site)) == {"demo": "undone"}
    assert speed(site) == [f"_speed{WRONG}"]
    assert row_of(OLD, MODULE) in record_of(site)
    assert RIGHT not in record_of(site)
    assert "muslfix.json" not in record_of(site)
    assert not (site / TRACE).exists()
    fix_all(site, mode)
    assert actions(undo_all(site)) == {"demo": "undone"}


def test_by_its_trace_each_project_is_put_back_by_itself(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("one", "two"):
        lay(site, name)
    fix_all(site)
    report = undo(["two", "three"], running(), UndoOptions((str(site),)))
    assert actions(report) == {"two": "undone", "three": "failed"}
    assert not report.is_well
    assert len(speed(site, "one")) == 2
    assert speed(site, "two") == [f"_speed{WRONG}"]


def test_projects_that_are_passed_over_are_named_only_if_they_were_asked_for(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", installer="dpkg")
    (site / "old.egg-info").mkdir()
    assert undo_all(site).projects == ()
    report = undo(["demo", "old"], running(), UndoOptions((str(site),)))
    assert actions(report) == {"demo": "left-alone", "old": "skipped"}


# -- files that have changed since ------------------------------------------------------------------


def _module_changed(site: Path) -> None:
    (site / OLD).unlink()
    (site / OLD).write_bytes(MODULE + b"new")


def _module_gone(site: Path) -> None:
    (site / OLD).unlink()


def _link_removed(site: Path) -> None:
    (site / NEW).unlink()


def _link_elsewhere(site: Path) -> None:
    (site / NEW).unlink()
    (site / NEW).symlink_to("__init__.py")


def _link_broken(site: Path) -> None:
    (site / NEW).unlink()
    (site / NEW).symlink_to("nowhere")


def _new_changed(site: Path) -> None:
    (site / NEW).unlink()
    (site / NEW).write_bytes(b"new")


def _new_is_a_folder(site: Path) -> None:
    (site / NEW).unlink()
    (site / NEW).mkdir()


def _new_is_a_pipe(site: Path) -> None:
    (site / NEW).unlink()
    os.mkfifo(site / NEW)


def _old_came_back(site: Path) -> None:
    (site / OLD).write_bytes(MODULE)


def _old_came_back_as_a_broken_link(site: Path) -> None:
    (site / OLD).symlink_to("nowhere")


def _no_row(path: str) -> Callable[[Path], None]:
    def remove(site: Path) -> None:
        rows = record_of(site).splitlines(keepends=True)
        write_record(site, "".join(row for row in rows if not row.startswith(path + ",")))

    return remove


def _another_hash(site: Path) -> None:
    write_record(site, record_of(site).replace(row_of(NEW, MODULE), row_of(NEW, b"other")))


def _another_module_by_both(site: Path) -> None:
    _new_changed(site)
    write_record(site, record_of(site).replace(row_of(NEW, MODULE), row_of(NEW, b"new")))


def _record_gone(site: Path) -> None:
    (dist_info(site) / "RECORD").unlink()


def _record_damaged(site: Path) -> None:
    write_record(site, record_of(site) + "a,b\n")


def _trace_changed(site: Path) -> None:
    path = site / TRACE
    path.write_text(path.read_text().replace("symlink", "copy").replace("rename", "copy"))


GONE = "{site}/{}: is missing, so the change cannot be undone"
DIFFERS = "{site}/{}: is not the file that the RECORD of demo lists: its hash differs"
COME = f"{{site}}/{OLD}: was created after the rename, so the rename cannot be undone"
RECORD = "{site}/demo-1.0.dist-info/RECORD: "
LINKS = ("symlink", "hardlink", "copy")
CHANGES: dict[str, tuple[tuple[str, ...], Callable[[Path], None], str]] = {
    "module changed": (("hardlink", "copy"), _module_changed, DIFFERS.replace("{}", OLD)),
    "module that a link leads to changed": (("symlink",), _module_changed, DIFFERS.replace("{}", NEW)),
    "module gone": (("hardlink", "copy"), _module_gone, GONE.replace("{}", OLD)),
    "module that a link leads to gone": (("symlink",), _module_gone, GONE.replace("{}", NEW)),
    "new name removed": (MODES, _link_removed, GONE.replace("{}", NEW)),
    "link to another file": (MODES, _link_elsewhere, DIFFERS.replace("{}", NEW)),
    "broken link": (MODES, _link_broken, GONE.replace("{}", NEW)),
    "new name changed": (MODES, _new_changed, DIFFERS.replace("{}", NEW)),
    "new name is a folder": (MODES, _new_is_a_folder, GONE.replace("{}", NEW)),
    "new name is a pipe": (MODES, _new_is_a_pipe, GONE.replace("{}", NEW)),
    "old name came back": (("rename",), _old_came_back, COME),
    "old name came back as a link": (("rename",), _old_came_back_as_a_broken_link, COME),
    "no row for the new name": (MODES, _no_row(NEW), RECORD + f"has no row for {NEW}"),
    "no row for the old name": (LINKS, _no_row(OLD), RECORD + f"has no row for {OLD}"),
    "no row for the trace": (MODES, _no_row(TRACE), RECORD + f"has no row for {TRACE}"),
    "row with another hash": (MODES, _another_hash, DIFFERS.replace("{}", NEW)),
    "both the file and its row are new": (
        LINKS,
        _another_module_by_both,
        f"{{site}}/{NEW}: is no longer the same file as {OLD}, so it is kept",
    ),
    "no RECORD": (
        MODES,
        _record_gone,
        RECORD
        + "cannot be read (No such file or directory), so muslfix cannot tell which files belong to demo",
    ),
    "RECORD damaged": (MODES, _record_damaged, RECORD + "has 2 fields instead of 3 in line 8"),
    "trace changed": (("symlink", "rename"), _trace_changed, DIFFERS.replace("{}", TRACE)),
}


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, mode)
        for number, (kind, (modes, *_)) in enumerate(CHANGES.items())
        for mode in sorted({"rename", MODES[number % 3]} if modes == MODES else modes)
    ],
)
def test_a_project_that_has_changed_since_stays_as_it_is(
    tmp_path: Path, cli: Cli, kind: str, mode: str
) -> None:
    _, change, sentence = CHANGES[kind]
    site = lay(tmp_path / "site")
    for name in ("after", "before"):
        lay(site, name)
    fix_all(site, mode)
    change(site)
    if kind == "RECORD damaged" and mode == "rename":
        sentence = sentence.replace("line 8", "line 7")
    known = states(site / "demo"), states(dist_info(site))
    foreseen = undo_all(site, dry_run=True)

    told = cli("undo", "--path", site)

    said = sentence.format(site=site)
    assert (told.status, told.err) == (1, "")
    assert [line for line in told.out.splitlines() if line.startswith("demo")] == [
        f"demo 1.0: failed: {said}"
    ]
    assert (states(site / "demo"), states(dist_info(site))) == known
    assert problems(foreseen) == {"demo": said}
    for name in ("after", "before"):
        assert speed(site, name) == [f"_speed{WRONG}"]
    assert leftovers(site) == []


def test_a_copy_of_the_tree_without_links_can_be_put_back(tmp_path: Path) -> None:
    """Some tools copy what a link leads to; nothing is lost when that goes."""
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_all(site)
    copy = tmp_path / "copy"
    shutil.copytree(site, copy, symlinks=False)
    assert speed(copy) == [f"_speed{RIGHT}", f"_speed{WRONG}"]
    assert actions(undo_all(copy)) == {"demo": "undone"}
    assert snapshot(copy) == before


def test_a_link_that_leads_out_to_the_same_content_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_all(site)
    twin = tmp_path / "twin.so"
    twin.write_bytes(MODULE)
    (site / NEW).unlink()
    (site / NEW).symlink_to(twin)
    assert actions(undo_all(site)) == {"demo": "undone"}
    assert snapshot(site) == before
    assert twin.read_bytes() == MODULE


# -- a muslfix.json of somebody else ----------------------------------------------------------------


def facts(*changes: Any, **more: Any) -> str:
    return json.dumps({"format": 1, "changes": list(changes), **more})


def change(old: str = OLD, new: str = NEW, mode: str = "symlink", row: Any = None) -> dict[str, Any]:
    return {"old": old, "new": new, "mode": mode, "row": row}


NOT_OURS = "was not written by muslfix"
OUT = "leaves the directory of the project"
DEEP = 100_000
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", NOT_OURS),
    "no JSON": ("muslfix", NOT_OURS),
    "half": (facts(change())[:60], NOT_OURS),
    "bytes": (b"\xff\xfe\x00\x80", NOT_OURS),
    "byte order mark": (b"\xef\xbb\xbf" + facts(change()).encode(), NOT_OURS),
    "list": ("[]", NOT_OURS),
    "number": ("1", NOT_OURS),
    "null": ("null", NOT_OURS),
    "text": ('"format"', NOT_OURS),
    "deep lists": ("[" * DEEP + "]" * DEEP, NOT_OURS),
    "deep objects": ('{"format":' * DEEP + "1" + "}" * DEEP, NOT_OURS),
    "deep path": (facts(change()).replace(json.dumps(OLD), "[" * DEEP + "]" * DEEP), NOT_OURS),
    "no format": ('{"changes": []}', NOT_OURS),
    "another format": (facts(format=2), "has format 2, but this muslfix reads format 1"),
    "a format of many digits": ('{"format": 1' + "0" * 5000 + "}", ""),
    "format as text": (facts(format="1"), "has format '1', but this muslfix reads format 1"),
    "a long format": (facts(format="x" * 999), "has format 'xxx"),
    "no changes": ('{"format": 1}', NOT_OURS),
    "changes as number": ('{"format": 1, "changes": 1}', NOT_OURS),
    "changes as null": ('{"format": 1, "changes": null}', NOT_OURS),
    "changes as object": ('{"format": 1, "changes": {"old": "a"}}', NOT_OURS),
    "changes as text": ('{"format": 1, "changes": "changes"}', NOT_OURS),
    "change as text": (facts("change"), NOT_OURS),
    "change as list": (facts([OLD, NEW, "symlink"]), NOT_OURS),
    "change as null": (facts(None), NOT_OURS),
    "change without old": (facts({"new": NEW, "mode": "symlink"}), NOT_OURS),
    "unknown mode": (facts(change(mode="delete")), NOT_OURS),
    "mode as list": (facts({**change(), "mode": ["rename"]}), NOT_OURS),
    "mode as number": (facts({**change(), "mode": 1}), NOT_OURS),
    "row as number": (facts(change(mode="rename", row=1)), "changes.0.row is 1, which is not text"),
    "row as list": (facts(change(mode="rename", row=["a"])), "changes.0.row is ['a'], which is not text"),
    "path as number": (facts({**change(), "old": 1}), "changes.0.old is 1, which is not text"),
    "path as object": (facts({**change(), "new": {}}), "changes.0.new is {}, which is not text"),
    "path as null": (
        facts({**change(), "old": None, "new": None}),
        "changes.0.old is None, which is not text",
    ),
    "empty paths": (facts(change("", "")), "names '' as another name of ''"),
    "absolute paths": (facts(change(f"/etc/a{WRONG}", f"/etc/a{RIGHT}")), OUT),
    "absolute new path": (facts(change(OLD, f"/demo/_speed{RIGHT}")), OUT),
    "up": (facts(change(f"../a{WRONG}", f"../a{RIGHT}")), OUT),
    "up behind a folder": (facts(change(f"demo/../../a{WRONG}", f"demo/../../a{RIGHT}")), OUT),
    "up at the end": (facts(change("demo/..", "demo/.")), OUT),
    "NUL": (facts(change(OLD + "\0", NEW + "\0")), OUT),
    "half a character": (facts(change(f"demo/\ud800{WRONG}", f"demo/\ud800{RIGHT}")), NOT_OURS),
    "half a character in a row": (facts(change(mode="rename", row="\udfff,,")), NOT_OURS),
    "other folder": (facts(change(OLD, f"_speed{RIGHT}")), "as another name of"),
    "other folder of the same depth": (facts(change(OLD, f"moed/_speed{RIGHT}")), "as another name of"),
    "other module": (facts(change(OLD, f"demo/_other{RIGHT}")), "as another name of"),
    "the same name": (facts(change(OLD, OLD)), "as another name of"),
    "no modules": (facts(change("demo/__init__.py", "demo/a.py")), "as another name of"),
    "no modules, to be removed": (facts(change("demo/a.py", "demo/__init__.py")), "as another name of"),
    "libraries": (facts(change(f"demo.libs/a{WRONG}", f"demo.libs/a{RIGHT}")), "as another name of"),
    "not in RECORD": (facts(change(f"demo/_x{WRONG}", f"demo/_x{RIGHT}")), f"demo/_x{RIGHT}: is missing, so"),
    "files of another project": (
        facts(change(f"other/_speed{WRONG}", f"other/_speed{RIGHT}")),
        f"has no row for other/_speed{RIGHT}",
    ),
    "files of another project, renamed": (
        facts(change(f"other/_none{WRONG}", f"other/_speed{RIGHT}".replace("_speed", "_none"), "rename")),
        f"other/_none{RIGHT}: is missing, so",
    ),
    "the same twice": (facts(change(), change()), "is missing, so the change cannot be undone"),
    "renamed, and it is still there": (facts(change(mode="rename")), "was created after the rename"),
    "the wrong way round": (facts(change(NEW, OLD), change()), "is missing, so the change cannot be undone"),
    "in a circle": (facts(change(), change(NEW, OLD, "rename")), "was created after the rename"),
    "one good, one bad": (facts(change(), change(f"/a{WRONG}", f"/a{RIGHT}")), OUT),
    "a row of another file": (
        facts(change(f"demo/_gone{WRONG}", f"demo/_gone{RIGHT}", "rename", "../../etc/passwd,,\n")),
        "as the row of",
    ),
    "two rows": (
        facts(
            change(
                f"demo/_gone{WRONG}", f"demo/_gone{RIGHT}", "rename", f"demo/_gone{WRONG},,\n/etc/passwd,,\n"
            )
        ),
        "as the row of",
    ),
    "no row at all": (
        facts(change(f"demo/_gone{WRONG}", f"demo/_gone{RIGHT}", "rename", "")),
        "as the row of",
    ),
    "through a link": (
        facts(change(f"link/_speed{WRONG}", f"link/_speed{RIGHT}")),
        f"/link/_speed{RIGHT}: leads out of the directory of demo",
    ),
    "through a link, renamed": (
        facts(change(f"link/_gone{WRONG}", f"link/_gone{RIGHT}", "rename")),
        f"/link/_gone{RIGHT}: leads out of the directory of demo",
    ),
    "many": (
        facts(*[change(f"demo/_x{n}{WRONG}", f"demo/_x{n}{RIGHT}") for n in range(20_000)]),
        "is missing, so",
    ),
    "huge": (facts(padding="x" * 20_000_000), ""),
    "a huge number of nothings": ('{"format": 1, "changes": [' + "{}," * 300_000 + "{}]}", NOT_OURS),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_trace_is_one_sentence_and_touches_nothing(tmp_path: Path, cli: Cli, kind: str) -> None:
    text, sentence = HOSTILE[kind]
    content = text if isinstance(text, bytes) else text.encode()
    site, outside = tmp_path / "site", tmp_path / "outside"
    outside.mkdir()
    for name in ("_speed", "_gone"):
        (outside / f"{name}{RIGHT}").write_bytes(MODULE)
    (outside / f"_speed{WRONG}").write_bytes(MODULE)
    lay(site, "other")
    # what such a project lists, it lists rightly
    gone = f"demo/_gone{RIGHT}"
    rows = [row_of(f"link/{name}", MODULE) for name in (f"_speed{WRONG}", f"_speed{RIGHT}", f"_gone{RIGHT}")]
    lay(
        site,
        files={**small_files(), NEW: MODULE, gone: MODULE},
        record=lambda record: record + "".join(rows) + row_of(TRACE, content),
    )
    (site / "link").symlink_to(outside)
    (site / TRACE).write_bytes(content)
    fix(["other"], running(), FixOptions(paths=(str(site),)))
    before = states(tmp_path)

    told = cli("undo", "--path", site, "demo")

    assert told.err == ""
    assert states(tmp_path) == before
    if sentence:
        assert told.status == 1
        (summary, line, *tips) = told.out.splitlines()
        assert summary == "1 project failed."
        assert line.startswith("demo 1.0: failed: ")
        assert sentence in line
        assert len(line) < 1000
        assert all(tip.startswith("  tip: ") for tip in tips)
        assert len(tips) <= 1
        known = states(site / "demo"), states(dist_info(site))
        assert cli("fix", "--path", site, "demo").err == ""
        assert (states(site / "demo"), states(dist_info(site))) == known


@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link", "link to itself", "link to a device"])
def test_a_trace_that_is_no_file(tmp_path: Path, cli: Cli, kind: str) -> None:
    site = lay(tmp_path / "site")
    path = site / TRACE
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"broken link": "nowhere", "link to itself": path.name}.get(kind, "/dev/zero"))
    before = states(site)
    told = cli("undo", "--path", site)
    assert told.err == ""
    if kind != "broken link":  # that is none
        assert told.status == 1
        assert f"\ndemo 1.0: failed: {path}: cannot be read (" in told.out
    assert states(site) == before


def test_a_trace_without_changes_is_as_good_as_none(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (site / TRACE).write_text(facts())
    before = states(site)
    assert actions(undo_all(site)) == {"demo": "unchanged"}
    assert states(site) == before


def test_the_trace_of_another_version_names_a_tip(tmp_path: Path, cli: Cli) -> None:
    site = lay(tmp_path / "site")
    (site / TRACE).write_text(facts(format=2))
    told = cli("undo", "--path", site)
    assert told.out.splitlines()[2:] == ["  tip: use the muslfix that wrote it"]


def test_a_second_fix_adds_to_the_trace(tmp_path: Path) -> None:
    """A project whose modules came in two steps, as from an upgrade by hand."""
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_all(site)
    (site / "demo" / f"_one{WRONG}").write_bytes(MODULE)
    more = row_of(f"demo/_one{WRONG}", MODULE)
    write_record(site, record_of(site).replace("demo-1.0.dist-info/M", more + "demo-1.0.dist-info/M", 1))
    fix_all(site, "copy")
    assert [(entry["new"], entry["mode"]) for entry in trace_of(site)["changes"]] == [
        (NEW, "symlink"),
        (f"demo/_one{RIGHT}", "copy"),
    ]
    assert actions(undo_all(site)) == {"demo": "undone"}
    (site / "demo" / f"_one{WRONG}").unlink()
    write_record(site, record_of(site).replace(more, ""))
    assert snapshot(site) == before
    assert hash_of(MODULE) in record_of(site)
