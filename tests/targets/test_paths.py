"""Paths of a target and of this machine: one is found from the other, and no link leads out of a tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muslfix.errors import InvalidTarget
from muslfix.targets.paths import PathMap
from muslfix.targets.target import TargetTree


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A root file system with links, reached by a link itself."""
    site = tmp_path / "real" / "usr" / "lib" / "site"
    site.mkdir(parents=True)
    (site / "m.so").touch()
    (site / "again.so").symlink_to("/usr/lib/site/m.so")
    (tmp_path / "real" / "lib").symlink_to("/usr/lib")
    (tmp_path / "root").symlink_to("real")
    return tmp_path / "root"


@pytest.mark.parametrize("below", ["usr/lib/site/m.so", "usr/lib/site/again.so", "lib/site/m.so"])
def test_a_path_of_the_target_leads_to_the_file_here_and_back(top: Path, below: str) -> None:
    paths = PathMap(TargetTree(str(top)))
    here = paths.locate(f"/{below}")
    assert here == os.path.realpath(top / "usr/lib/site/m.so")
    assert paths.seen(here) == paths.resolve(f"/{below}") == "/usr/lib/site/m.so"
    assert paths.follow(str(top / below)) == here


def test_links_in_the_tree_stay_as_the_target_sees_them(top: Path) -> None:
    paths = PathMap(TargetTree(str(top)))
    assert paths.seen(str(top / "lib/site/again.so")) == "/lib/site/again.so"
    assert paths.seen(os.path.realpath(top) + "/lib/../usr") == "/usr"
    assert paths.seen(str(top)) == "/"


def test_links_to_the_tree_are_followed(top: Path) -> None:
    (top.parent / "elsewhere").symlink_to(top / "usr" / "lib")
    assert PathMap(TargetTree(str(top))).seen(str(top.parent / "elsewhere" / "a.so")) == "/usr/lib/a.so"


def test_a_file_beside_the_tree_is_not_seen_by_the_target(top: Path) -> None:
    paths = PathMap(TargetTree(str(top)))
    for beside in (str(top) + "-other/m.so", str(top.parent / "m.so"), "/"):
        assert paths.seen(beside) is None
        assert paths.follow(beside) == os.path.realpath(beside)


def test_a_prefix_is_seen_where_the_target_has_it(top: Path) -> None:
    paths = PathMap(TargetTree(str(top), "/opt/python"))
    assert paths.locate("/opt/python/usr/x") == os.path.realpath(top) + "/usr/x"
    assert paths.seen(str(top / "usr" / "x")) == "/opt/python/usr/x"
    with pytest.raises(InvalidTarget, match="leads out of"):
        paths.locate("/usr/x")


def test_a_tree_that_is_yet_to_be_made_has_places(tmp_path: Path) -> None:
    paths = PathMap(TargetTree(str(tmp_path / "new")))
    assert paths.locate("/usr/lib/m.so") == str(tmp_path / "new/usr/lib/m.so")


def test_on_this_machine_both_are_the_same(top: Path) -> None:
    paths, link = PathMap(), str(top / "usr/lib/site/m.so")
    assert paths.locate(link) == paths.seen(link) == link
    assert paths.resolve(link) == paths.follow(link) == os.path.realpath(link)


def test_maps_of_one_tree_are_equal(top: Path) -> None:
    tree = PathMap(TargetTree(str(top)))
    assert tree == PathMap(TargetTree(os.path.realpath(top)))
    assert hash(tree) == hash(PathMap(TargetTree(os.path.realpath(top))))
    assert tree not in (PathMap(), PathMap(TargetTree(str(top), "/usr")), "/")
    assert PathMap(TargetTree("/")) != PathMap()
