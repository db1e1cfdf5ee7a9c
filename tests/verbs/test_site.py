"""The loop over the projects of a directory: looked at without a lock, changed under one, each whole."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from misnamed import (
    MODULE,
    RIGHT,
    WRONG,
    actions,
    fix_all,
    lay,
    problems,
    record_of,
    running,
    small_files,
    speed,
    undo_all,
    verify_all,
    write_record,
)
from trees import leftovers, snapshot

from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.undo import UndoOptions, undo
from muslfix.verdicts import Mode

_OPENED: list[str] = []


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and arguments[1] is None:  # by os.open
        _OPENED.append(arguments[0])


sys.addaudithook(_note_opened)


def reads(work: Callable[[], object], ending: str) -> set[int]:
    """How often each file whose name ends like that is opened."""
    _OPENED.clear()
    work()
    return set(
        Counter(path for path in _OPENED if path.endswith(ending) and ".muslfix-" not in path).values()
    )


def test_what_is_read_does_not_grow_with_the_number_of_projects(tmp_path: Path) -> None:
    """1.0 planned each twice, and undo read the RECORD of each other project for each project, twice."""
    found = []
    for count in (2, 6):
        site = tmp_path / str(count)
        for number in range(count):
            lay(site, f"demo{number}", small_files(f"demo{number}"))
        found.append(
            [
                reads(lambda: fix_all(site, "rename"), "/RECORD"),  # noqa: B023
                reads(lambda: undo_all(site), "/RECORD"),  # noqa: B023
                reads(lambda: fix_all(site), ".so"),  # noqa: B023
                reads(lambda: undo_all(site), ".so"),  # noqa: B023
            ]
        )
    assert found[0] == found[1]
    assert found[0][-1] == {1}  # to compare its hash with RECORD, whatever names it has


def change_between(site: Path, change: Callable[[], object]) -> Callable[[str, int, int], None]:
    """A progress that changes something when the projects are looked at and the directory is locked."""

    def tell(what: str, done: int, _: int) -> None:
        if what in ("fixing projects", "putting back projects") and not done:
            assert leftovers(site) != []  # the transaction has begun
            change()

    return tell


def fix_with(site: Path, change: Callable[[], object], mode: str = "symlink") -> object:
    progress = change_between(site, change)
    return fix([], running(), FixOptions(Mode(mode), (str(site),), progress=progress))


@pytest.mark.parametrize("mode", ["symlink", "rename"])
def test_a_project_that_changes_in_between_is_looked_at_again(tmp_path: Path, mode: str) -> None:
    site = lay(tmp_path / "site", files=small_files())
    lay(site, "other", small_files("other"))

    def install_again() -> None:
        """With a second module, as another installer would."""
        (site / "demo" / f"_one{WRONG}").write_bytes(MODULE)
        rows = record_of(site).splitlines(keepends=True)
        more = [row.replace("_speed", "_one") for row in rows if "_speed" in row]
        (site / "demo-1.0.dist-info" / "RECORD").unlink()
        write_record(site, "".join(more + rows))

    report = fix_with(site, install_again, mode)
    assert actions(report) == {"demo": "fixed", "other": "fixed"}  # type: ignore[arg-type]
    assert (site / "demo" / f"_one{RIGHT}").exists()
    assert verify_all(site).is_well


def test_a_project_that_goes_in_between_fails_alone(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    lay(site, "other", small_files("other"))
    report = fix_with(site, lambda: shutil.rmtree(site / "demo-1.0.dist-info"))
    assert actions(report) == {"demo": "failed", "other": "fixed"}  # type: ignore[arg-type]
    assert len(speed(site, "other")) == 2


def test_what_is_undone_in_between_is_not_undone_twice(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_all(site)
    shutil.copytree(site, tmp_path / "undone", symlinks=True)
    undo_all(tmp_path / "undone")

    def undo_by_another() -> None:
        for name in ("demo", "demo-1.0.dist-info"):
            shutil.rmtree(site / name)
            os.rename(tmp_path / "undone" / name, site / name)

    report = undo([], running(), UndoOptions((str(site),), progress=change_between(site, undo_by_another)))
    assert report.is_well
    assert snapshot(site) == before


@pytest.mark.parametrize("mode", ["symlink", "hardlink"])
def test_two_projects_with_one_module(tmp_path: Path, mode: str) -> None:
    """The first gives it its name; the second is looked at after that, and finds nothing to do."""
    site = lay(tmp_path / "site", files=small_files())
    lay(site, "other", small_files("other"))
    (row,) = (row for row in record_of(site).splitlines(keepends=True) if "_speed" in row)
    write_record(site, row + record_of(site, "other"), "other")
    assert actions(fix_all(site, mode)) == {"demo": "fixed", "other": "fixed"}
    assert verify_all(site).is_well
    assert record_of(site, "other").count(RIGHT) == 1
    assert problems(undo_all(site)) == {}
