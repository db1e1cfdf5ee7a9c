"""What is synced, and how often: each new file once, however many projects a command changes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from faults import KILLED, forked, powerless
from misnamed import MODES, RIGHT, fix_all, lay, small_files, undo_all, verify_all
from trees import leftovers, snapshot

from muslfix.transaction import syncing
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.transaction.transaction import Transaction


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths of each time that muslfix waits for files and directories, which it really does."""
    seen: list[list[str]] = []
    sync_each = syncing.sync_each

    def note(paths: Sequence[str]) -> None:
        seen.append(sorted(paths))
        sync_each(paths)

    monkeypatch.setattr(syncing, "sync_each", note)
    monkeypatch.setattr(syncing, "sync_file_system", lambda path: seen.append(["syncfs", path]))
    return seen


def lay_many(site: Path, count: int) -> Path:
    for number in range(count):
        lay(site, f"demo{number}", small_files(f"demo{number}"))
    return site


@pytest.mark.parametrize("mode", MODES)
def test_the_disk_is_waited_for_twice_however_many_projects(
    tmp_path: Path, synced: list[list[str]], mode: str
) -> None:
    """1.0 waited for all that anybody had written, once for each project and once more."""
    for count in (1, 5):
        site = lay_many(tmp_path / str(count), count)
        assert fix_all(site, mode).is_well
        staged, changed = synced
        made = 3 if mode == "copy" else 2  # RECORD and muslfix.json; links are not new files
        assert len(staged) == made * count + len(["journal", "staging directory", "site"])
        assert {str(site / f"demo{n}{rest}") for n in range(count) for rest in ("", "-1.0.dist-info")} <= {
            *changed
        }
        synced.clear()
        assert undo_all(site).is_well
        assert len(synced) == 2
        assert "syncfs" not in {path for paths in synced for path in paths}
        synced.clear()


def test_very_many_files_are_synced_at_once(
    tmp_path: Path, synced: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "_MANY", 6)
    with Transaction(str(tmp_path)) as transaction:
        staged = Path(transaction.staging_directory(str(tmp_path)))
        for number in range(10):
            (staged / str(number)).mkdir()
            (staged / str(number) / "file").write_text("")
        transaction.rename(str(staged), str(tmp_path / "new"))
        transaction.commit()
    ((word, place),) = synced
    assert (word, os.path.dirname(place)) == ("syncfs", str(tmp_path))


def test_all_that_is_new_is_synced_and_nothing_else(tmp_path: Path, synced: list[list[str]]) -> None:
    """Below staged directories too; a file with two new names once, a link to an old one not."""
    (tmp_path / "old").write_text("")
    with Transaction(str(tmp_path)) as transaction:
        staged = Path(transaction.staging_directory(str(tmp_path)))
        (staged / "sub").mkdir()
        (staged / "sub" / "one").write_text("")
        os.link(staged / "sub" / "one", staged / "two")
        os.link(tmp_path / "old", staged / "sub" / "kept")
        (staged / "link").symlink_to("nowhere")
        transaction.rename(str(staged), str(tmp_path / "new"))
    main = os.path.dirname(staged)
    (paths,) = synced
    assert sorted([*paths, ""]) == sorted(
        ["", str(tmp_path), main, f"{main}/journal", str(staged), f"{staged}/sub", f"{staged}/two"]
    )


@pytest.mark.parametrize("number", sorted(syncing._NOT_ALONE))
def test_file_systems_that_cannot_sync_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network file systems answer EINVAL; nobody has one here, so the call is replaced."""
    synced: list[str] = []

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(syncing, "sync_file", refuse)
    monkeypatch.setattr(syncing, "sync_file_system", synced.append)
    assert fix_all(lay(tmp_path / "site")).is_well
    assert len(synced) == 2


def test_a_disk_that_fails_is_no_reason_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(syncing, "sync_file", fail)
    with pytest.raises(Exception, match="Input/output error"):
        fix_all(site)
    assert snapshot(site) == before
    assert leftovers(site) == []


@pytest.mark.once
@pytest.mark.parametrize("work", [fix_all, undo_all])
def test_a_power_cut_where_files_are_synced_side_by_side(
    tmp_path: Path, work: Callable[[Path], object]
) -> None:
    """There are more of them than in the tests of faults, so threads sync them."""
    model = lay_many(tmp_path / "model", 4)
    before = snapshot(model)
    fix_all(model)
    trees = before, snapshot(model)
    for number in range(24, 48, 4):
        site = lay_many(tmp_path / str(number), 4)
        if work is undo_all:
            fix_all(site)
        assert forked(powerless(lambda: work(site) and 0, number, site)) in (0, KILLED)  # noqa: B023
        recover_leftovers(str(site))
        assert leftovers(site) == []
        assert snapshot(site) in trees, f"cut before step {number}"
        assert verify_all(site).is_well


def test_the_names_are_those_of_the_fix(tmp_path: Path) -> None:
    site = lay_many(tmp_path, 3)
    fix_all(site)
    assert [(site / f"demo{n}" / f"_speed{RIGHT}").exists() for n in range(3)] == [True] * 3
