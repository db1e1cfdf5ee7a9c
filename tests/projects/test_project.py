"""Installed projects, as the folders of many installers show them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from limits import within_limits
from packaging.utils import canonicalize_name

from muslfix.errors import InvalidProject
from muslfix.projects.project import Inside, InstalledProject, normalize_name, scan_legacy, scan_projects


def lay(site: Path, folder: str, **contents: str | bytes) -> Path:
    """A ``.dist-info`` folder with files."""
    path = site / folder
    path.mkdir(parents=True)
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else content.encode()
        (path / name.replace("direct_url", "direct_url.json")).write_bytes(data)
    return path


def one(site: Path) -> InstalledProject:
    (project,) = scan_projects([str(site)]).values()
    return project


# -- finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("demo-1.0.dist-info", ("demo", "demo", "1.0")),
        ("Demo_Project-1.0.post1.dist-info", ("demo-project", "Demo_Project", "1.0.post1")),
        ("zope.interface-5.4.0.dist-info", ("zope-interface", "zope.interface", "5.4.0")),
        ("demo-1.0_1-odd.dist-info", ("demo", "demo", "1.0_1-odd")),
        ("demo.dist-info", ("demo", "demo", "")),
        ("x-1!2.0+local.1.dist-info", ("x", "x", "1!2.0+local.1")),
        ("~emo-1.0.dist-info", None),  # what pip leaves when it is interrupted
        ("-1.0.dist-info", None),
        (".dist-info", None),
        ("_demo-1.0.dist-info", None),
        ("demo-1.0.egg-info", None),
        ("demo-1.0.dist-info.old", None),
        ("demo", None),
    ],
)
def test_projects_are_known_by_the_names_of_folders(
    tmp_path: Path, folder: str, expected: tuple[str, str, str] | None
) -> None:
    (tmp_path / folder).mkdir()
    found = scan_projects([str(tmp_path)])
    if expected is None:
        assert found == {}
        return
    key, name, version = expected
    assert found == {key: InstalledProject(str(tmp_path), folder, name, version)}
    assert found[key].key == key
    assert found[key].record_path == f"{tmp_path}/{folder}/RECORD"
    assert found[key].locate("pkg/a.py") == f"{tmp_path}/pkg/a.py"
    assert found[key].locate("../../bin/a") == f"{tmp_path}/../../bin/a"


def test_the_first_folder_wins(tmp_path: Path) -> None:
    for site, version in (("a", "2.0"), ("b", "1.0")):
        lay(tmp_path / site, f"Demo-{version}.dist-info")
    folders = [str(tmp_path / name) for name in ("absent", "a", "b")]
    assert scan_projects(folders)["demo"].version == "2.0"
    assert scan_projects(folders[::-1])["demo"].version == "1.0"


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert scan_projects([str(tmp_path / "absent"), str(tmp_path / "file")]) == {}
    assert scan_legacy([str(tmp_path / "absent"), str(tmp_path / "file")]) == {}
    (tmp_path / "loop").symlink_to("loop")
    for scan in (scan_projects, scan_legacy):
        with pytest.raises(InvalidProject, match="cannot be read") as caught:
            scan([str(tmp_path / "loop")])
        assert caught.value.path == str(tmp_path / "loop")


def test_what_has_no_record_is_found_apart(tmp_path: Path) -> None:
    lay(tmp_path, "Old_Style-1.0-py3.9.egg-info")
    (tmp_path / "single.egg-info").write_text("Metadata-Version: 1.0\n")
    (tmp_path / "Linked.egg-link").write_text("/home/me/linked\n")
    lay(tmp_path, "demo-1.0.dist-info")
    assert scan_legacy([str(tmp_path)]) == {
        "old-style": str(tmp_path / "Old_Style-1.0-py3.9.egg-info"),
        "single": str(tmp_path / "single.egg-info"),
        "linked": str(tmp_path / "Linked.egg-link"),
    }


@pytest.mark.parametrize("name", ["demo", "Demo.Project", "a__b--c..d", "ÄÖ", "-", "", "x_", "A-_.b"])
def test_names_are_normalized_as_by_packaging(name: str) -> None:
    assert normalize_name(name) == canonicalize_name(name)


# -- what is known of one ---------------------------------------------------------------------------


def test_record(tmp_path: Path) -> None:
    lay(tmp_path, "demo-1.0.dist-info", RECORD=b"a.py,,\r\ncaf\xe9,,\r\n")
    project = one(tmp_path)
    assert project.record_bytes() == b"a.py,,\r\ncaf\xe9,,\r\n"
    assert [row.path for row in project.record().rows] == ["a.py", "caf\udce9"]
    assert project.record().text.encode("utf-8", "surrogateescape") == project.record_bytes()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "cannot be read (No such file or directory), so muslfix cannot tell which files"),
        (Path.mkdir, "cannot be read ("),
        (os.mkfifo, "cannot be read (not a regular file)"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
        (lambda path: path.write_text("one,two\n"), "has 2 fields instead of 3 in line 1"),
        (lambda path: path.write_text('"open,,\n'), "is no valid CSV in line 1"),
    ],
    ids=["missing", "folder", "pipe", "loop", "fields", "quote"],
)  # fmt: skip
def test_a_record_that_is_none(tmp_path: Path, make: object, reason: str) -> None:
    folder = lay(tmp_path, "demo-1.0.dist-info")
    make(folder / "RECORD")  # type: ignore[operator]
    with pytest.raises(InvalidProject) as caught:
        one(tmp_path).record()
    assert caught.value.path == str(folder / "RECORD")
    assert reason in caught.value.reason
    assert caught.value.tip


@pytest.mark.parametrize(
    ("installer", "manager"),
    [
        ("pip\n", None),
        ("uv", None),
        ("muslfix\n", None),
        ("", None),
        (None, None),
        (b"\xff\xfe", None),
        ("apk\n", "apk"),
        ("Debian", "Debian"),
        ("  conda  \n", "conda"),
        ("rpm 4.18\n", "rpm"),
    ],
)
def test_package_managers(tmp_path: Path, installer: str | bytes | None, manager: str | None) -> None:
    lay(tmp_path, "demo-1.0.dist-info", **({} if installer is None else {"INSTALLER": installer}))
    assert one(tmp_path).package_manager == manager


@pytest.mark.parametrize(
    ("direct_url", "is_editable"),
    [
        (None, False),
        ({"url": "file:///x", "dir_info": {"editable": True}}, True),
        ({"url": "file:///x", "dir_info": {"editable": False}}, False),
        ({"url": "file:///x", "dir_info": {}}, False),
        ({"url": "file:///x", "archive_info": {}}, False),
        ([], False),
        ({"dir_info": 3}, False),
        ("no JSON", False),
    ],
)
def test_editable_projects(tmp_path: Path, direct_url: object, is_editable: bool) -> None:
    folder = lay(tmp_path, "demo-1.0.dist-info")
    if direct_url is not None:
        text = direct_url if isinstance(direct_url, str) else json.dumps(direct_url)
        (folder / "direct_url.json").write_text(text)
    assert one(tmp_path).is_editable is is_editable


def test_what_is_left_of_one_is_not_whole(tmp_path: Path) -> None:
    folder = lay(tmp_path, "demo-1.0.dist-info")
    assert not one(tmp_path).is_whole
    (folder / "METADATA").write_text("Name: demo\n")
    assert one(tmp_path).is_whole


# -- paths that leave it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("a.so", True),
        ("pkg/a.py", True),
        ("pkg/a.so", True),
        ("pkg/lib.so.1", True),
        ("../a.so", False),
        ("pkg/../../a.so", False),
        ("pkg/../a.so", False),
        ("/etc/a.so", False),
        ("linked/a.so", False),
        ("linked/a.so.1", False),
        ("linked/a.py", True),  # only modules are looked at
        ("within/a.so", True),
        ("lost/a.so", True),
        ("..a.so", True),
    ],
)
def test_paths_inside_a_project(tmp_path: Path, path: str, inside: bool) -> None:
    site = tmp_path / "site"
    (site / "pkg").mkdir(parents=True)
    (site / "linked").symlink_to(tmp_path)
    (site / "within").symlink_to("pkg")
    assert Inside(str(site)).holds(path) is inside
    (tmp_path / "alias").symlink_to("site")
    assert Inside(str(tmp_path / "alias")).holds(path) is inside


FULL = 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("INSTALLER", "pip " + "a " * (FULL // 2 - 2), "None"),
        ("INSTALLER", "a" * (FULL + 1), "InvalidProject"),
        ("direct_url", "[" * FULL, "False"),
        ("direct_url", "[" + "[]," * (FULL // 3 - 1) + "1]", "False"),
        ("direct_url", "[" + "9" * (FULL - 2) + "]", "False"),
        ("RECORD", "a,,\n" * (8 * FULL // 4), "InvalidProject"),
        ("RECORD", "x" * FULL, "InvalidProject"),
        ("RECORD", '"' + "\n" * 900_000, "InvalidProject"),
    ],
    ids=["many words", "long", "deep", "many lists", "many digits", "many rows", "no row", "an open quote"],
)
def test_files_that_ask_for_much_memory(tmp_path: Path, name: str, content: str, expected: str) -> None:
    project = InstalledProject(str(tmp_path), "demo-1.0.dist-info", "demo", "1.0")
    lay(tmp_path, project.dist_info, **{name: content})
    read = {
        "INSTALLER": lambda: project.package_manager,
        "direct_url": lambda: project.is_editable,
        "RECORD": project.record,
    }
    assert within_limits(read[name], megabytes=400).startswith(expected)
