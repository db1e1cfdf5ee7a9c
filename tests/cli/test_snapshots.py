"""What counts as a change of a place, and what does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import forked, heed_permissions
from misnamed import lay

from muslfix.cli.install_places import Place, Tie
from muslfix.cli.snapshots import Snapshot, find_changed, find_removed, find_unread, take_snapshot

LIBRARY = "lib/python3.11/site-packages"


def look(folder: Path, below: str = "") -> Snapshot:
    return take_snapshot([Place(str(folder), Tie.NAMED, below)])


def differences(folder: Path, change: Callable[[], object], below: str = "") -> list[str]:
    """The directories that a change has changed, or with a minus has removed; relative."""
    before = look(folder, below)
    change()
    after = look(folder, below)
    changed = [os.path.relpath(site.directory, folder) for site in find_changed(before, after)]
    return changed + ["-" + os.path.relpath(site.directory, folder) for site in find_removed(before, after)]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with two projects."""
    lay(tmp_path / LIBRARY, "one")
    lay(tmp_path / LIBRARY, "two")
    return tmp_path


def again(path: Path) -> None:
    """Write a file anew, as it is, with its old times: as an installer that keeps the wheel's."""
    times = path.stat()
    new = path.with_name("new")
    shutil.copy(path, new)
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(new, path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a project is added": lambda site: lay(site, "three"),
    "a project is removed": lambda site: shutil.rmtree(site / "one-1.0.dist-info"),
    "the same version again": lambda site: again(site / "one-1.0.dist-info" / "RECORD"),
    "RECORD is written": lambda site: os.utime(site / "one-1.0.dist-info" / "RECORD"),
    "a project without RECORD": lambda site: (site / "x.egg-info").mkdir(),
    "an editable project": lambda site: (site / "x.pth").touch(),
    "a file that nobody lists": lambda site: (site / "x.so").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change(prefix: Path, change: Callable[[Path], object]) -> None:
    assert differences(prefix, lambda: change(prefix / LIBRARY)) == [LIBRARY]


NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _site: None,
    "bytecode": lambda site: (site / "__pycache__").mkdir(),
    "bytecode of a project": lambda site: (site / "one" / "__pycache__").mkdir(),
    "it is read": lambda site: (site / "one-1.0.dist-info" / "RECORD").read_bytes(),
    "elsewhere": lambda site: (site.parent / "x").touch(),
}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_no_change(prefix: Path, change: Callable[[Path], object]) -> None:
    assert differences(prefix, lambda: change(prefix / LIBRARY)) == []


@pytest.mark.parametrize(
    "site",
    [
        LIBRARY,
        "lib64/python3.13t/site-packages",
        "lib/python3/dist-packages",
        "local/lib/python3.11/dist-packages",
        ".",
    ],
)
def test_directories_that_are_made(tmp_path: Path, site: str) -> None:
    """Of an environment, of a distribution's Python, or any other that holds modules."""
    prefix = tmp_path / "prefix"
    assert differences(prefix, lambda: lay(prefix / site)) == [site]
    assert differences(prefix, lambda: shutil.rmtree(prefix)) == ["-" + site]


def test_a_directory_without_installed_projects_is_no_place(tmp_path: Path) -> None:
    """Such as the working directory, in which files come and go."""
    assert differences(tmp_path, lambda: (tmp_path / "x.egg-info").mkdir()) == []


def test_an_environment_under_two_names_is_one(prefix: Path) -> None:
    os.symlink("lib", prefix / "lib64")
    assert differences(prefix, lambda: lay(prefix / LIBRARY, "three")) == [LIBRARY]


def test_environments_that_a_tool_keeps(tmp_path: Path) -> None:
    for name in ("venvs/a", "venvs/b", "other/c"):
        lay(tmp_path / name / LIBRARY)
    change = {
        f"venvs/a/{LIBRARY}": lambda: lay(tmp_path / f"venvs/a/{LIBRARY}", "more"),
        f"venvs/new/{LIBRARY}": lambda: lay(tmp_path / f"venvs/new/{LIBRARY}"),
        f"-venvs/b/{LIBRARY}": lambda: shutil.rmtree(tmp_path / "venvs/b"),
    }
    for expected, make in change.items():
        assert differences(tmp_path, make, "venvs/*") == [expected]
    assert differences(tmp_path, lambda: lay(tmp_path / f"other/c/{LIBRARY}", "more"), "venvs/*") == []


def test_the_packages_of_pdm(tmp_path: Path) -> None:
    folder = tmp_path / "__pypackages__"
    assert differences(folder, lambda: lay(folder / "3.11" / "lib"), "*") == ["3.11/lib"]
    (site,) = look(folder, "*").sites.values()
    assert site.version == "3.11"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("lib/python3.11/site-packages", "3.11"),
        ("lib/python3.13t/site-packages", "3.13t"),
        ("lib/python3/dist-packages", None),
        ("lib", None),
    ],
)
def test_the_version_of_its_python(tmp_path: Path, path: str, version: str | None) -> None:
    lay(tmp_path / path)
    found = look(tmp_path if "/" in path else tmp_path / path)
    assert [site.version for site in found.sites.values()] == [version]


def test_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.symlink("loop", tmp_path / "loop")
    for name in ("file", "loop", "none", "x" * 300, "a\0b"):
        assert look(tmp_path / name).sites == {}
        assert look(tmp_path / name, "venvs/*").sites == {}


@pytest.mark.parametrize("closed", [".", "lib", "lib/python3.11", LIBRARY])
def test_what_may_not_be_read(prefix: Path, closed: str) -> None:
    """It is not known what is there. It was neither removed, nor is it well."""

    def work() -> int:
        before = look(prefix)
        (prefix / closed).chmod(0)
        heed_permissions()
        after = look(prefix)
        unread = [directory for directory, _, _ in find_unread(before, after)]
        assert unread == [os.path.normpath(prefix / closed)]
        assert (after.sites, find_changed(before, after), find_removed(before, after)) == ({}, (), ())
        near, far = (Place(str(prefix), tie) for tie in (Tie.CHOSEN, Tie.WATCHED))
        nothing = take_snapshot([])
        assert find_unread(nothing, take_snapshot([near]))
        assert not find_unread(nothing, take_snapshot([far]))
        assert look(prefix / closed / "below").unread == {}
        return 0

    try:
        assert forked(work) == 0
    finally:
        (prefix / closed).chmod(0o755)


def test_a_prefix_that_may_be_entered_but_not_listed(prefix: Path) -> None:
    def work() -> int:
        prefix.chmod(0o711)
        heed_permissions()
        found = look(prefix)
        assert (len(found.sites), found.unread) == (1, {})
        return 0

    assert forked(work) == 0


def test_the_nearest_comes_first_and_gives_its_name(prefix: Path) -> None:
    os.symlink(prefix, prefix / "link")
    places = [Place(str(prefix / "link"), Tie.NAMED), Place(str(prefix), Tie.WATCHED)]
    (site,) = take_snapshot(places).sites.values()
    assert (site.prefix, site.tie) == (str(prefix / "link"), Tie.NAMED)
