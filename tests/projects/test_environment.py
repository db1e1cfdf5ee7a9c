"""Which folders and which projects of an environment are worked on, and what is said of the others."""

from __future__ import annotations

import os
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from environments import run_python, site_packages
from faults import forked
from misnamed import dist_info, lay, running
from required import lacks
from wheelmaker import make_wheel

import muslfix
from muslfix.errors import EnvironmentRefused, InvalidProject, UsageError
from muslfix.projects.environment import check_not_managed, versions_beside
from muslfix.projects.project import Inside, InstalledProject, normalize_name, scan_legacy, scan_projects
from muslfix.transaction.journal import make_staging
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.verbs.reports import report_installed, report_missing
from muslfix.verbs.selection import choose, site_directories

MARKER = "/usr/lib/python3.11/EXTERNALLY-MANAGED"


# -- what is there besides -----------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [True, False])
def test_what_a_virtual_environment_sees_of_its_base(tmp_path: Path, seen: bool) -> None:
    """A base of our own, with the folders of a distribution's Python."""
    version = "python{}.{}".format(*sys.version_info)
    for folder, name in (
        (f"base/lib/{version}/site-packages", "in_lib-1.0"),
        ("base/lib/python3/dist-packages", "by_apt-2.0"),
        (f"base/local/lib/{version}/dist-packages", "by_pip-3.0"),
    ):
        (tmp_path / folder / f"{name}.dist-info").mkdir(parents=True)
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "pyvenv.cfg").write_text(
        f"home = {tmp_path}/base/bin\nInclude-System-Site-Packages = {str(seen).lower()}\nversion = 3\n"
    )
    target = replace(running(), environment="virtual environment", prefix=str(environment))
    found = {"in-lib": "1.0", "by-apt": "2.0", "by-pip": "3.0"}
    assert versions_beside(target) == (found if seen else {})
    assert versions_beside(replace(target, environment="system", prefix=f"{tmp_path}/base")) == found
    nested = tmp_path / "nested"
    nested.mkdir()
    for made, home in ((nested, environment), (environment, tmp_path / "base")):
        (made / "pyvenv.cfg").write_text(f"home={home}/bin\ninclude-system-site-packages=true\n")
    assert versions_beside(replace(target, prefix=str(nested))) == found
    (environment / "pyvenv.cfg").write_text(f"home={environment}/bin\ninclude-system-site-packages=true\n")
    assert versions_beside(target) == {}, "a circle"
    (environment / "pyvenv.cfg").unlink()
    assert versions_beside(target) == {}
    (tmp_path / "base/lib/python3/dist-packages").rename(tmp_path / "x")
    (tmp_path / "base/lib/python3").rmdir()
    (tmp_path / "base/lib/python3").write_text("no folder")
    assert "by-apt" not in versions_beside(replace(target, environment="system", prefix=f"{tmp_path}/base"))


def test_a_requirement_that_the_base_meets_is_not_missed(tmp_path: Path) -> None:
    """A real environment that sees its base, which has what runs these tests."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True, system_site_packages=True)
    metadata = {"Requires-Dist": "pip"}
    wheel = make_wheel(tmp_path / "needy-1.0-py3-none-any.whl", {"needy.py": b""}, metadata=metadata)
    target = muslfix.probe(str(folder / "bin" / "python"))
    there = run_python(folder, "import importlib.util; print(importlib.util.find_spec('pip') is not None)")
    report = muslfix.install([str(wheel)], target)
    missed = () if there == "True" else ("requires pip, which is not installed",)
    assert report.projects[0].warnings == missed


# -- folders ----------------------------------------------------------------------------------------


def test_the_folders_of_the_target(environment: Path) -> None:
    target = muslfix.probe(str(environment / "bin" / "python"))
    assert site_directories(target, ()) == (str(site_packages(environment)),)


def test_two_folders_that_are_one_by_a_link_count_once(tmp_path: Path) -> None:
    """Fedora's virtual environments have ``lib64 -> lib``, and its Pythons a platlib below ``lib64``."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib64").symlink_to("lib")
    own = running().scheme
    assert own is not None
    scheme = replace(own, purelib=f"{tmp_path}/lib", platlib=f"{tmp_path}/lib64")
    assert site_directories(replace(running(), scheme=scheme), ()) == (f"{tmp_path}/lib",)
    assert site_directories(running(), (f"{tmp_path}/lib64", f"{tmp_path}/lib")) == (f"{tmp_path}/lib64",)
    (tmp_path / "lib64").unlink()
    (tmp_path / "lib64").mkdir()
    assert site_directories(replace(running(), scheme=scheme), ()) == (f"{tmp_path}/lib", f"{tmp_path}/lib64")


def test_named_folders_are_made_absolute_and_kept_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert site_directories(running(), ("b", "a", "./b", str(tmp_path / "a"))) == (
        f"{tmp_path}/b",
        f"{tmp_path}/a",
    )


@pytest.mark.parametrize("path", ["", "absent", "file", "broken"])
def test_a_named_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        site_directories(running(), (str(tmp_path), path))
    assert (caught.value.path, caught.value.reason) == (path, "is not a directory")


def test_a_target_of_another_machine(tmp_path: Path) -> None:
    target = replace(running(), runs_here=False)
    with pytest.raises(UsageError, match="cannot be run here") as caught:
        site_directories(target, ())
    assert caught.value.tip == "name the directories to work on with --path"
    assert site_directories(target, (str(tmp_path),)) == (str(tmp_path),)


def test_an_environment_of_another_tool(tmp_path: Path) -> None:
    target = replace(running(), externally_managed=MARKER)
    with pytest.raises(EnvironmentRefused) as caught:
        site_directories(target, ())
    assert caught.value.path == MARKER
    assert "--break-system-packages" in (caught.value.tip or "")
    assert site_directories(target, (), break_system_packages=True) == site_directories(running(), ())
    assert site_directories(target, (str(tmp_path),)) == (str(tmp_path),)
    with pytest.raises(EnvironmentRefused):
        check_not_managed(target, break_system_packages=False)
    check_not_managed(target, break_system_packages=True)
    check_not_managed(running(), break_system_packages=False)


def test_leftovers_are_put_right(tmp_path: Path) -> None:
    assert not recover_leftovers(str(tmp_path))
    assert not recover_leftovers(str(tmp_path / "absent"))
    make_staging(str(tmp_path / ".muslfix-dead"))
    assert recover_leftovers(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_looks_like_leftovers_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / ".muslfix-file").touch()
    assert not recover_leftovers(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [".muslfix-file"]


# -- projects ---------------------------------------------------------------------------------------


def _choose(
    site: Path, *keys: str, break_system_packages: bool = False
) -> tuple[list[str], dict[str, tuple[str, str | None]]]:
    chosen, passed_over = choose(str(site), keys, running(), break_system_packages=break_system_packages)
    return (
        [project.name for project in chosen],
        {report.name: (report.action, report.problem) for report in passed_over},
    )


def test_which_projects_are_chosen(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", "Some_Name")
    lay(site, "distro", installer="apk")
    lay(site, "linked")
    (dist_info(site, "linked") / "direct_url.json").write_text('{"url": "", "dir_info": {"editable": true}}')
    (site / "Some.Name.egg-info").mkdir()
    (site / "older.egg-info").mkdir()
    (site / "older-dev.egg-link").touch()
    (site / "no.dist-info.txt").touch()
    (site / ".dist-info").mkdir()

    distro = ("left-alone", "it belongs to the package manager apk")
    older = (
        "skipped",
        f"{site}/older.egg-info has no RECORD, so muslfix cannot tell which files belong to it",
    )
    link = (
        "skipped",
        f"{site}/older-dev.egg-link has no RECORD, so muslfix cannot tell which files belong to it",
    )
    assert _choose(site) == (["Some_Name", "linked"], {"distro": distro, "older": older, "older-dev": link})
    assert _choose(site, "some-name", "older", "absent") == (["Some_Name"], {"older": older})
    assert _choose(site, "distro", "linked") == (["linked"], {"distro": distro})
    assert _choose(site, "distro", "linked", break_system_packages=True) == (["distro", "linked"], {})
    assert _choose(tmp_path / "absent") == ([], {})
    assert _choose(site / "older-dev.egg-link") == ([], {})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param('{"dir_info": {"editable": true}}', True, id="editable"),
        pytest.param('{"dir_info": {"editable": false}}', False, id="not editable"),
        pytest.param('{"dir_info": {}}', False, id="folder"),
        pytest.param('{"archive_info": {}}', False, id="archive"),
        pytest.param('{"dir_info": null}', False, id="null"),
        pytest.param('{"dir_info": [1]}', False, id="list"),
        pytest.param("[]", False, id="no object"),
        pytest.param("1", False, id="number"),
        pytest.param("", False, id="empty"),
        pytest.param("{", False, id="half"),
        pytest.param("\udcff", False, id="no UTF-8"),
        pytest.param("[" * 100_000, False, id="deep"),
        pytest.param(None, False, id="absent"),
    ],
)
def test_which_projects_are_editable(tmp_path: Path, content: str | None, expected: bool) -> None:
    site = lay(tmp_path)
    if content is not None:
        (dist_info(site) / "direct_url.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    (project,) = scan_projects([str(site)]).values()
    assert project.is_editable is expected


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        (b"apk\n", "apk"),
        (b"  RPM extra\n", "RPM"),
        (b"Conda", "Conda"),
        (b"pip\n", None),
        (b"uv", None),
        (b"apks", None),
        (b"", None),
        (b"\xff\xfe", None),
        (None, None),
    ],
)
def test_who_owns_a_project(tmp_path: Path, text: bytes | None, owner: str | None) -> None:
    site = lay(tmp_path)
    path = dist_info(site) / "INSTALLER"
    path.unlink()
    if text is not None:
        path.write_bytes(text)
    (project,) = scan_projects([str(site)]).values()
    assert project.package_manager == owner


def test_whose_a_project_is_must_be_known(tmp_path: Path) -> None:
    site = lay(tmp_path)
    path = dist_info(site) / "INSTALLER"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert _choose(site) == ([], {"demo": ("failed", f"{path}: cannot be read (not a regular file)")})


def test_a_project_is_known_by_its_folder(tmp_path: Path) -> None:
    for name in ("a-1.0", "B_c.D-2!3+local", "a-0.9", "nover", "~b-1", "-1", "x y-1", "c-d-1"):
        (tmp_path / f"{name}.dist-info").mkdir()
    found = scan_projects([str(tmp_path), str(tmp_path / "absent")])
    assert {key: (project.name, project.version) for key, project in found.items()} == {
        "a": ("a", "0.9"),
        "b-c-d": ("B_c.D", "2!3+local"),
        "c": ("c", "d-1"),
        "nover": ("nover", ""),
    }
    assert {project.key for project in found.values()} == set(found)


def test_the_first_folder_wins(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "a-1.dist-info").mkdir(parents=True)
        (tmp_path / folder / "b.egg-info").mkdir()
    folders = [str(tmp_path / "two"), str(tmp_path / "one")]
    assert scan_projects(folders)["a"].root == folders[0]
    assert scan_legacy(folders) == {"b": f"{folders[0]}/b.egg-info"}


@pytest.mark.parametrize("scan", [scan_projects, scan_legacy])
def test_a_folder_that_cannot_be_read(scan: Callable[[list[str]], object]) -> None:
    with pytest.raises(InvalidProject) as caught:
        scan(["x" * 300])
    assert caught.value.reason == "cannot be read (File name too long)"


@pytest.mark.parametrize("scan", [scan_projects, scan_legacy])
def test_a_folder_that_may_not_be_read(tmp_path: Path, scan: Callable[[list[str]], object]) -> None:
    if os.geteuid() != 0:
        lacks("only root can become somebody else")
    (tmp_path / "secret").mkdir(mode=0o700)

    def work() -> int:
        os.chdir(tmp_path)
        os.setgid(65534)
        os.setuid(65534)
        with pytest.raises(InvalidProject, match=r"secret: cannot be read \(Permission denied\)"):
            scan(["secret"])
        return 0

    assert forked(work) == 0


@pytest.mark.parametrize(
    ("name", "key"),
    [("a", "a"), ("A.b_c-D", "a-b-c-d"), ("a-_.b", "a-b"), ("A__B", "a-b"), ("x1", "x1")],
)
def test_normalised_names(name: str, key: str) -> None:
    from packaging.utils import canonicalize_name

    assert normalize_name(name) == key == canonicalize_name(name)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m.so", True),
        ("pkg/m.so", True),
        ("./pkg/m.so", True),
        ("pkg//m.so", True),
        ("absent/deep/m.so", True),
        ("inside/m.so", True),
        ("pkg/again/m.so", True),
        ("m.py", True),
        ("outside/m.py", True),
        ("/m.so", False),
        ("/etc/passwd", False),
        ("..", False),
        ("../m.so", False),
        ("pkg/../m.so", False),
        ("pkg/../../m.so", False),
        ("../site/m.so", False),
        ("pkg/..", False),
        ("..pkg/m.so", True),
        ("pkg../m.so", True),
        ("outside/m.so", False),
        ("outside/deep/m.so", False),
        ("outside/libm.so.1", False),
        ("sibling/m.so", False),
        ("broken/m.so", False),
        ("loop/m.so", True),
        ("x" * 300 + "/m.so", True),
    ],
)
def test_which_paths_are_inside(tmp_path: Path, path: str, expected: bool) -> None:
    root = tmp_path / "site"
    (root / "pkg").mkdir(parents=True)
    (tmp_path / "site2").mkdir()
    for name, leads_to in {
        "inside": "pkg",
        "outside": "/etc",
        "sibling": "../site2",
        "broken": "../nowhere",
        "loop": "loop",
        "pkg/again": "..",
    }.items():
        (root / name).symlink_to(leads_to)
    (tmp_path / "link").symlink_to("site")
    assert Inside(str(root)).holds(path) is expected
    assert Inside(str(tmp_path / "link")).holds(path) is expected


def test_nothing_is_outside_of_the_root_folder() -> None:
    assert Inside("/").holds("usr/m.so")


# -- reports ----------------------------------------------------------------------------------------


def test_reports() -> None:
    project = InstalledProject("/site", "a_b-1.dist-info", "a_b", "1")
    report = report_installed(project, "failed", "it is bad", "do something")
    assert (report.name, report.version, report.source, report.location, report.action) == (
        "a_b",
        "1",
        "/site/a_b-1.dist-info",
        "/site",
        "failed",
    )
    assert (report.problem, report.tip, report.is_well) == ("it is bad", "do something", False)
    assert report_installed(project, "fixed").is_well
    missing = report_missing("a-b")
    assert (missing.name, missing.action, missing.problem) == ("a-b", "failed", "it is not installed")
    assert not missing.is_well
