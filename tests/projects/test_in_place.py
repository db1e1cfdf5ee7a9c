"""Changing a project in place: for any target, on any file system, as a whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from faults import forked, refuse
from misnamed import (
    BARE,
    MODES,
    MODULE,
    RIGHT,
    WRONG,
    actions,
    dist_info,
    fixed_record,
    lay,
    lines,
    problems,
    record_of,
    row_of,
    running,
    speed,
    target_with,
    trace_of,
    write_record,
)
from trees import leftovers, snapshot, states

from muslfix.errors import DestinationError, InvalidProject
from muslfix.files.access import LARGEST_HASHED, hash_file, open_regular, write_new_file
from muslfix.modules.plan import Plan
from muslfix.modules.tree import examine
from muslfix.projects.in_place import check_in_place, fix_in_place, read_changes
from muslfix.projects.names import give_name
from muslfix.projects.ownership import Owners
from muslfix.projects.plan import plan_project
from muslfix.projects.project import InstalledProject, scan_projects
from muslfix.projects.trace import Change
from muslfix.projects.way_back import WayBack, find_way_back, undo_in_place
from muslfix.report.report import ModuleReport
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.undo import UndoOptions, undo
from muslfix.verbs.verify import VerifyOptions, verify
from muslfix.verdicts import Mode

OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"


def project_in(site: Path) -> InstalledProject:
    return scan_projects([str(site)])["demo"]


def fix_all(site: Path, mode: str = "symlink", target: Target | None = None) -> Any:
    return fix([], target or running(), FixOptions(Mode(mode), (str(site),)))


# -- every wheel of the fixtures, for every target --------------------------------------------------

PLANS: dict[str, dict[str, dict[str, str]]] = json.loads(
    (FIXTURES / "plans.json").read_text(encoding="utf-8")
)


def _said(module: ModuleReport) -> str:
    """The same words as in ``plans.json``, from what ``fix`` reports."""
    words = str(module.verdict)
    if module.new_path is not None:
        words += f": {os.path.basename(module.new_path)}"
    if "needs the old name" in module.sentence:
        words += ", needed by name"
    return words + (", refused" if module.refused else "")


@pytest.mark.parametrize(("wheel", "target"), [(wheel, target) for wheel in PLANS for target in PLANS[wheel]])
def test_a_tree_is_fixed_for_a_target_that_cannot_be_run_here(
    tmp_path: Path, wheel: str, target: str
) -> None:
    with zipfile.ZipFile(FIXTURES / "wheels" / wheel) as archive:
        archive.extractall(tmp_path / "site")
    site, name = tmp_path / "site", wheel.partition("-")[0]
    before = snapshot(site)
    python = read_target_file(str(FIXTURES / "targets" / target))

    report = fix_all(site, "rename", python)

    (project,) = report.projects
    said = {os.path.basename(module.path): _said(module) for module in project.modules}
    # What was not read is not judged: a file with a right name is taken at its word, as `check` does not.
    unread = {
        file: words
        for file, words in PLANS[wheel][target].items()
        if words != said.get(file) and (said.get(file) in ("importable", "served"))
    }
    assert said == {**PLANS[wheel][target], **{file: said[file] for file in unread}}
    assert problems(report) == {}
    for module in project.modules:
        if module.new_path is not None:
            needed = "needed by name" in _said(module)
            assert (site / module.new_path).is_symlink() == needed
            assert os.path.lexists(site / module.path) == needed
    assert actions(fix_all(site, "rename", python)) == {name: "unchanged"}
    checked = verify([], python, VerifyOptions((str(site),)))
    assert {file.finding for file in checked.projects[0].files} <= {"unlisted"}
    assert undo([], python, UndoOptions((str(site),))).is_well
    assert snapshot(site) == before


# -- where links are refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "mode", "done"),
    [
        (("os.symlink",), "symlink", "hardlink"),
        (("os.symlink", "os.link"), "symlink", "copy"),
        (("os.link",), "hardlink", "copy"),
        (("os.link",), "symlink", "symlink"),
        (("os.symlink",), "hardlink", "hardlink"),
        (("os.symlink", "os.link"), "copy", "copy"),
        (("os.symlink", "os.link"), "rename", "rename"),
    ],
)
def test_where_the_file_system_refuses_links(
    tmp_path: Path, refused: tuple[str, ...], mode: str, done: str
) -> None:
    site = lay(tmp_path / "site")
    before, text = snapshot(site), record_of(site)
    told = tmp_path / "told"

    def work() -> int:
        refuse(*refused)
        sys.stdout.write("\n".join(lines(fix_all(site, mode))))
        return 0

    running()
    assert forked(work, told) == 0
    assert (f"(the file system refuses a {mode})" in told.read_text()) == (mode != done)
    assert [change["mode"] for change in trace_of(site)["changes"]] == [done]
    link = f"_speed{RIGHT} -> _speed{WRONG}" if done == "symlink" else f"_speed{RIGHT}"
    assert speed(site) == ([link] if mode == "rename" else [link, f"_speed{WRONG}"])
    assert record_of(site) == fixed_record(text, site, mode, "\n")
    assert leftovers(site) == []

    def back() -> int:
        refuse(*refused)
        return 0 if undo([], running(), UndoOptions((str(site),))).is_well else 1

    assert forked(back, told) == 0, told.read_text()
    assert snapshot(site) == before


def test_a_copy_keeps_permissions_and_times(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (site / OLD).chmod(0o750)
    os.utime(site / OLD, ns=(1_000_000_000, 2_000_000_000))
    fix_all(site, "copy")
    state = (site / NEW).stat()
    assert (state.st_mode & 0o7777, state.st_mtime_ns) == (0o750, 2_000_000_000)


@pytest.mark.parametrize("mode", MODES)
def test_a_module_that_is_a_symbolic_link(tmp_path: Path, mode: str) -> None:
    """As uv installs it with ``--link-mode symlink``; renamed, it is the link that gets another name."""
    site, cache = lay(tmp_path / "site"), tmp_path / "cache"
    cache.mkdir()
    cached = cache / os.path.basename(OLD)
    (site / OLD).rename(cached)
    (site / OLD).symlink_to(cached)
    before, known = snapshot(site), states(cache)
    assert actions(fix_all(site, mode)) == {"demo": "fixed"}
    assert os.path.lexists(site / OLD) == (mode != "rename")
    leads_to = {"symlink": cached.name, "copy": None}.get(mode, str(cached))
    assert (os.readlink(site / NEW) if (site / NEW).is_symlink() else None) == leads_to
    assert (site / NEW).read_bytes() == MODULE
    assert states(cache) == known
    assert undo([], running(), UndoOptions((str(site),))).is_well
    assert snapshot(site) == before


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(Mode.SYMLINK, Mode.SYMLINK), (Mode.HARDLINK, Mode.HARDLINK), (Mode.COPY, Mode.COPY)],
)
def test_giving_a_name(tmp_path: Path, mode: Mode, expected: Mode) -> None:
    (tmp_path / "old").write_bytes(MODULE)
    assert give_name(str(tmp_path / "old"), str(tmp_path / "new"), mode) is expected
    assert (tmp_path / "new").read_bytes() == MODULE
    assert (tmp_path / "new").is_symlink() == (mode is Mode.SYMLINK)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that has no more room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("mode", [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY])
def test_a_name_that_cannot_be_given_is_not_there(tmp_path: Path, mode: Mode) -> None:
    (tmp_path / "old").write_bytes(MODULE)
    with pytest.raises(OSError, match="No such file"):
        give_name(str(tmp_path / "old"), str(tmp_path / "absent" / "new"), mode)
    with pytest.raises(OSError, match="File too large"), files_up_to(1000):
        give_name(str(tmp_path / "old"), str(tmp_path / "new"), Mode.COPY)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("mode", MODES)
def test_a_project_for_which_there_is_no_room_is_as_before(tmp_path: Path, mode: str) -> None:
    """One of several, whose RECORD is too large: the others are changed, there and back."""
    rows = "".join(f"{'x' * 100}{number},,\n" for number in range(200))
    site = lay(tmp_path / "site", "large", record=lambda text: rows + text)
    lay(site, "small", {f"small/_speed{WRONG}": MODULE})
    before = snapshot(site)
    with files_up_to(10_000):
        report = fix_all(site, mode)
    assert actions(report) == {"large": "failed", "small": "fixed"}
    sentence = f"{site}/large-1.0.dist-info/RECORD: cannot be written (File too large)"
    assert problems(report) == {"large": sentence}
    assert speed(site, "large") == [f"_speed{WRONG}"]
    assert fix_all(site, mode).is_well
    fixed = snapshot(site)
    with files_up_to(10_000):
        report = undo([], running(), UndoOptions((str(site),)))
    assert actions(report) == {"large": "failed", "small": "undone"}
    assert problems(report) == {"large": sentence}
    assert leftovers(site) == []
    assert {path: state for path, state in snapshot(site).items() if path.startswith("large")} == {
        path: state for path, state in fixed.items() if path.startswith("large")
    }
    assert undo([], running(), UndoOptions((str(site),))).is_well
    assert snapshot(site) == before


# -- the parts --------------------------------------------------------------------------------------


def test_what_is_not_committed_has_not_happened(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    before = states(site)
    project = project_in(site)
    for mode in Mode:
        with Transaction(str(site)) as transaction:
            record, plan = plan_project(project, running(), mode)
            changes = fix_in_place(project, record, plan, running(), transaction)
            row = record.text_of(OLD) if mode is Mode.RENAME else None
            assert changes == (Change(OLD, NEW, mode, row),)
            assert (site / NEW).exists()
            assert (site / OLD).exists() == (mode is not Mode.RENAME)
        after = states(site)
        assert {path: state[:-2] for path, state in after.items() if path != "."} == {
            path: state[:-2] for path, state in before.items() if path != "."
        }
        assert {path: state[-1] for path, state in after.items()} == {
            path: state[-1] for path, state in before.items()
        }


def test_a_plan_without_changes_cannot_be_forced(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    project = project_in(site)
    record, plan = plan_project(project, running(), Mode.SYMLINK)
    decision = replace(plan.decisions[0], mode=None)
    with Transaction(str(site)) as transaction, pytest.raises(ValueError, match="nothing is planned"):
        fix_in_place(project, record, Plan((decision,)), running(), transaction)
    assert read_changes(project) == ()
    assert check_in_place(project, record, Plan()) == ()


def test_the_way_back_of_a_project_that_was_never_changed(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    before = states(site)
    project = project_in(site)
    back = find_way_back(project)
    assert back == WayBack()
    with Transaction(str(site)) as transaction:
        undo_in_place(project, back, Owners(), transaction)
    assert states(site).keys() == before.keys()


def test_the_way_back(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    text = record_of(site)
    fix_all(site, "rename")
    back = find_way_back(project_in(site))
    assert (back.coming, back.going, back.record.text) == (((OLD, NEW),), (NEW,), text)
    undo([], running(), UndoOptions((str(site),)))
    fix_all(site)
    back = find_way_back(project_in(site))
    assert (back.coming, back.going, back.record.text) == ((), (NEW,), text)


@pytest.mark.parametrize("mode", MODES)
def test_a_name_that_comes_between_the_plan_and_the_deed(tmp_path: Path, mode: str) -> None:
    site = lay(tmp_path / "site")
    project = project_in(site)
    record, plan = plan_project(project, running(), Mode(mode))
    (site / NEW).write_bytes(b"of somebody else")
    before = states(site)
    with (
        pytest.raises(DestinationError, match="is in the way: it exists already"),
        Transaction(str(site)) as transaction,
    ):
        fix_in_place(project, record, plan, running(), transaction)
    assert {path: state[-1] for path, state in states(site).items()} == {
        path: state[-1] for path, state in before.items()
    }
    assert leftovers(site) == []


def test_one_project_fails_and_the_others_stay_fixed(tmp_path: Path) -> None:
    """The steps of the failed one alone are taken back, while the same transaction goes on."""
    site = tmp_path / "site"
    for name in ("a", "b", "c"):
        lay(site, name, {f"{name}/_one{WRONG}": MODULE, f"{name}/_two{WRONG}": MODULE})
    (site / "b" / f"_two{WRONG}").write_bytes(MODULE + b"changed")
    known = snapshot(site / "b"), snapshot(dist_info(site, "b"))
    for mode in MODES:
        copy = tmp_path / mode
        shutil.copytree(site, copy, symlinks=True)
        report = fix_all(copy, mode)
        assert actions(report) == {"a": "fixed", "b": "failed", "c": "fixed"}
        assert (snapshot(copy / "b"), snapshot(dist_info(copy, "b"))) == known
        for name in ("a", "c"):
            assert (copy / name / f"_two{RIGHT}").exists()
        assert leftovers(copy) == []


def test_a_file_that_a_link_of_another_fix_leads_to_keeps_its_name(tmp_path: Path) -> None:
    """Else that link would lead nowhere, and the Python that it was made for would find nothing."""
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_all(site, "symlink", target_with(BARE))
    (module,) = (m for m in fix_all(site, "rename").projects[0].modules if m.new_path)
    assert module.sentence.endswith("which now links to it (another file of the project needs the old name)")
    links = (f"_speed{suffix} -> _speed{WRONG}" for suffix in (RIGHT, BARE))
    assert sorted(speed(site)) == sorted([*links, f"_speed{WRONG}"])
    assert undo([], running(), UndoOptions((str(site),))).is_well
    assert snapshot(site) == before


def test_record_that_has_come_to_list_more_is_kept(tmp_path: Path) -> None:
    """What others add to RECORD after a fix is still there after the way back."""
    site = lay(tmp_path / "site")
    fix_all(site)
    write_record(site, row_of("added.py", b"") + record_of(site) + "more.py,,\n")
    assert undo([], running(), UndoOptions((str(site),))).is_well
    assert record_of(site).startswith(row_of("added.py", b""))
    assert record_of(site).endswith("more.py,,\n")
    assert RIGHT not in record_of(site)


# -- single files -----------------------------------------------------------------------------------


def test_reading_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = len(os.listdir("/proc/self/fd"))
    assert write_new_file(str(path), [b"a", b"b", b""], executable=False) == (
        hash_file(str(path)),
        2,
    )
    with open_regular(str(path)) as file:
        assert file.read() == b"ab"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    assert hash_file(str(tmp_path / "link")) == hash_file(str(path))
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(str(tmp_path / name))
    for name in ("/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="not a regular file"):
            hash_file(name)
    with pytest.raises(FileNotFoundError):
        open_regular(str(tmp_path / "absent"))
    os.truncate(path, LARGEST_HASHED + 1)  # sparse: it takes no space
    with pytest.raises(OSError, match="larger than 16 GiB"):
        hash_file(str(path))
    os.truncate(path, 2)
    for algorithm in ("", "sha257", "shake_128"):
        with pytest.raises(ValueError, match=r"hash|length"):
            hash_file(str(path), algorithm)
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        fix_all(site)
        examine(str(tmp_path / "pipe"))
        examine(str(site / OLD))
        verify([], running(), VerifyOptions((str(site),)))
        undo([], running(), UndoOptions((str(site),)))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_files_follow_the_umask(tmp_path: Path, umask: int) -> None:
    previous = os.umask(umask)
    try:
        site = lay(tmp_path / "site")
        fix_all(site)
    finally:
        os.umask(previous)
    for name in ("RECORD", "muslfix.json"):
        assert (dist_info(site) / name).stat().st_mode & 0o7777 == 0o666 & ~umask


def test_a_trace_that_cannot_be_read_stops_the_fix(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (dist_info(site) / "muslfix.json").mkdir()
    with pytest.raises(InvalidProject, match="cannot be read"):
        read_changes(project_in(site))
    assert actions(fix_all(site)) == {"demo": "failed"}
    assert speed(site) == [f"_speed{WRONG}"]
