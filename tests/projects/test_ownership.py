"""What RECORD, ``muslfix.json`` and links claim of files that are not the project's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Cli
from misnamed import (
    MODULE,
    RIGHT,
    WRONG,
    actions,
    dist_info,
    fix_all,
    lay,
    make_demo,
    problems,
    record_of,
    row_of,
    running,
    speed,
    undo_all,
    verify_all,
    write_record,
)
from trees import snapshot

from muslfix.errors import MuslfixError
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.nothing_to_fix import nothing_to_fix
from muslfix.verbs.undo import UndoOptions, undo
from muslfix.verdicts import Mode

OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"

# -- a .dist-info that is a link --------------------------------------------------------------------


def move_out(site: Path, place: Path) -> None:
    """Put the ``.dist-info`` somewhere else, and leave a link to it."""
    home = dist_info(site)
    place.parent.mkdir(exist_ok=True)
    home.rename(place)
    home.symlink_to(place)


def reinstall(site: Path) -> None:
    install(
        [str(make_demo(site.parent))],
        running(),
        InstallOptions(folder=str(site), force_reinstall=True, compile=False),
    )


CHANGES: dict[str, Callable[[Path], object]] = {"fix": fix_all, "undo": undo_all, "install": reinstall}


@pytest.mark.parametrize("verb", CHANGES)
@pytest.mark.parametrize("place", ["outside/info", "site/elsewhere"])
def test_nothing_is_written_through_a_linked_dist_info(tmp_path: Path, verb: str, place: str) -> None:
    """1.0 wrote RECORD and ``muslfix.json`` where the link leads."""
    site = lay(tmp_path / "site")
    if verb == "undo":
        fix_all(site)
    move_out(site, tmp_path / place)
    make_demo(tmp_path)
    before = snapshot(tmp_path)

    try:
        report = CHANGES[verb](site)
    except MuslfixError as error:
        said = str(error)
    else:
        said = problems(report)["demo"]  # type: ignore[arg-type]

    assert f"{dist_info(site)}: is a symlink, so the RECORD of demo is not in {site}" in said
    assert snapshot(tmp_path) == before


# -- files of another project -----------------------------------------------------------------------


def claim(site: Path, mode: str = "symlink") -> None:
    """Install a project that claims what muslfix has changed in another one."""
    lay(site, "evil", {"evil/__init__.py": b""})
    trace = json.dumps(
        {"format": 1, "changes": [{"old": OLD, "new": NEW, "mode": mode, "row": None}]}
    ).encode()
    (dist_info(site, "evil") / "muslfix.json").write_bytes(trace)
    rows = [row_of(OLD, MODULE), row_of(NEW, MODULE), row_of("evil-1.0.dist-info/muslfix.json", trace)]
    write_record(site, record_of(site, "evil") + "".join(rows), "evil")


@pytest.mark.parametrize("mode", ["symlink", "hardlink", "copy", "rename"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_planted_trace_takes_nothing_from_another_project(tmp_path: Path, mode: str, dry_run: bool) -> None:
    """1.0 removed the other project's module, or renamed it."""
    site = lay(tmp_path / "site", files={"demo/__init__.py": b"", NEW: MODULE})
    if mode != "rename":
        (site / OLD).write_bytes(MODULE)
    claim(site, mode)
    before = snapshot(site)

    report = undo(["evil"], running(), UndoOptions((str(site),), dry_run=dry_run))

    assert "is listed by two projects, evil-1.0.dist-info and demo-1.0.dist-info" in problems(report)["evil"]
    assert not report.is_well
    assert snapshot(site) == before


def test_a_module_of_another_project_is_not_renamed(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    lay(site, "evil", {"evil/__init__.py": b""})
    write_record(site, record_of(site, "evil") + row_of(OLD, MODULE), "evil")
    before = snapshot(site)

    report = fix(["evil"], running(), FixOptions(Mode.RENAME, (str(site),)))

    assert "is listed by two projects" in problems(report)["evil"]
    assert snapshot(site) == before


def test_one_whose_record_cannot_be_read_has_no_say(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    lay(site, "other", record=lambda text: text + '"')
    assert actions(fix_all(site))["demo"] == "fixed"
    assert actions(undo_all(site))["demo"] == "undone"


# -- two .dist-info of one project ------------------------------------------------------------------


@pytest.fixture
def twice(tmp_path: Path) -> Path:
    """A site folder with what an interrupted installer has left."""
    lay(tmp_path / "other", "Demo", {}, version="2.0")
    site = lay(tmp_path / "site")
    dist_info(tmp_path / "other", "Demo").rename(site / "Demo-2.0.dist-info")
    return site


@pytest.mark.parametrize("verb", ["fix", "check", "undo", "verify"])
def test_two_of_one_project_are_named(twice: Path, cli: Cli, verb: str) -> None:
    """1.0 took the first and said nothing."""
    told = cli(verb, "--path", twice)
    assert told.status == 1
    assert (
        "there are two .dist-info directories of Demo, Demo-2.0.dist-info and demo-1.0.dist-info" in told.out
    )


def test_the_short_way_leaves_two_to_the_long_one(twice: Path) -> None:
    words = ["fix", "--path", str(twice)]
    (twice / "demo" / f"_speed{WRONG}").rename(twice / NEW)
    write_record(twice, record_of(twice).replace(WRONG, RIGHT))
    assert not nothing_to_fix(words)
    (twice / "Demo-2.0.dist-info").rename(twice.parent / "away")
    assert nothing_to_fix(words)


def test_installing_replaces_both(twice: Path) -> None:
    reinstall(twice)
    assert [path.name for path in twice.glob("*.dist-info")] == ["demo-1.0.dist-info"]
    assert verify_all(twice).is_well
    assert speed(twice)
