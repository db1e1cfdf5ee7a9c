"""Editable installs: the source tree is found whichever backend has installed it, and only looked at."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Cli
from environments import site_packages
from misnamed import MODULE, RIGHT, WRONG, dist_info, lay, running, small_files
from trees import snapshot

from muslfix.hooks.common import Outcome, Place, fix_place
from muslfix.projects import editable
from muslfix.projects.editable import find_linked_sources, find_sources
from muslfix.projects.project import scan_projects
from muslfix.targets.paths import PathMap, paths_of
from muslfix.targets.target import TargetTree

HERE = PathMap()

#: What the backends put into site-packages, and where they look for the module then.
FORMS = {
    "path": ({"edit.pth": "{src}/src\n"}, "src/edit"),
    "paths": ({"edit.pth": "# a comment\n\nimport sys; sys.path\n/absent\n{src}\n"}, "edit"),
    "relative path": ({"edit.pth": "../source/src\n"}, "src/edit"),
    "setuptools": (
        {
            "__editable__.edit-1.0.pth": "import __editable___edit_1_0_finder; finder.install()",
            "__editable___edit_1_0_finder.py": "MAPPING: dict[str, str] = {{'edit': '{src}/lib/edit'}}\n",
        },
        "lib/edit",
    ),
    "setuptools, single module": (
        {
            "__editable__.edit-1.0.pth": "import __editable___edit_1_0_finder",
            "__editable___edit_1_0_finder.py": "MAPPING = {{'_speed': '{src}/native/_speed'}}\n",
        },
        "native",
    ),
    "meson-python": (
        {
            "edit-editable.pth": "import _edit_editable_loader",
            "_edit_editable_loader.py": "install({{'edit'}}, '{src}/build/cp3', ['/usr/bin/ninja'], False)",
        },
        "build/cp3/edit",
    ),
    "scikit-build-core": (
        {
            "_edit_editable.pth": "import _edit_editable",
            "_edit_editable.py": 'install({{"edit": "{src}/src/edit/__init__.py"}}, {{}}, None, False)',
        },
        "src/edit",
    ),
    "direct_url.json": ({}, "edit"),
}


def direct_url(name: str, source: Path) -> dict[str, bytes]:
    """What an installer writes for ``--editable``."""
    url = {"url": source.as_uri(), "dir_info": {"editable": True}}
    return {f"{name}-1.0.dist-info/direct_url.json": json.dumps(url).encode()}


def lay_editable(site: Path, source: Path, files: dict[str, str] | None = None) -> None:
    """An editable install of a source tree, which is made if it is not there."""
    source.mkdir(exist_ok=True)
    laid = {name: text.format(src=source).encode() for name, text in (files or {}).items()}
    lay(site, "edit", {**laid, **direct_url("edit", source)})


def found(site: Path, paths: PathMap = HERE) -> editable.Sources:
    return find_sources(scan_projects([str(site)])["edit"], paths)


@pytest.mark.parametrize("form", FORMS)
def test_the_modules_are_found(tmp_path: Path, form: str) -> None:
    files, place = FORMS[form]
    source = tmp_path / "source"
    lay_editable(tmp_path / "site", source, files)
    module = source / place / f"_speed{WRONG}"
    module.parent.mkdir(parents=True)
    assert found(tmp_path / "site") == editable.Sources(str(source))
    module.write_bytes(MODULE)
    assert found(tmp_path / "site") == editable.Sources(str(source), (str(module),))


@pytest.mark.parametrize("place", [".venv/lib", "venv/lib", "build/lib", "a.libs", "node_modules/a", ".git"])
def test_what_is_no_package_is_passed_over(tmp_path: Path, place: str) -> None:
    source = tmp_path / "source"
    lay_editable(tmp_path / "site", source, {"edit.pth": "{src}\n"})
    (source / place).mkdir(parents=True)
    (source / place / f"_speed{WRONG}").write_bytes(MODULE)
    (source / place.split("/")[0] / "pyvenv.cfg").touch()
    assert found(tmp_path / "site").modules == ()


def test_a_tree_is_searched_once_and_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    source = tmp_path / "source"
    lay_editable(tmp_path / "site", source, {"edit.pth": "{src}/a\n{src}\n{src}/a/b\n"})
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / f"_speed{WRONG}").write_bytes(MODULE)
    assert len(found(tmp_path / "site").modules) == 1
    monkeypatch.setattr(editable, "_MAX_ENTRIES", 1)
    assert found(tmp_path / "site").problem == "is too large to search"
    told = cli("fix", "--path", tmp_path / "site")
    assert told.status == 1
    assert f"edit 1.0: not looked at: it is an editable install, and {source} is too large" in told.out


def test_links_in_a_tree_are_followed(tmp_path: Path) -> None:
    """As Python follows them, and not in circles; those in an image lead elsewhere on this machine."""
    source, root = tmp_path / "root" / "source", tmp_path / "root"
    source.mkdir(parents=True)
    lay_editable(root / "site", source, {"edit.pth": "{src}\n"})
    (root / "elsewhere" / "deep").mkdir(parents=True)
    (root / "elsewhere" / "deep" / f"_speed{WRONG}").write_bytes(MODULE)
    (source / "pkg").symlink_to(root / "elsewhere")
    (root / "elsewhere" / "again").symlink_to(source)
    assert found(root / "site").modules == (f"{source}/pkg/deep/_speed{WRONG}",)
    lay_editable(root / "other", source, {"edit.pth": "/source\n"})
    (source / f"_speed{WRONG}").write_bytes(MODULE)
    image = paths_of(replace(running(), tree=TargetTree(str(root))))
    assert found(root / "other", image).modules == (f"{source}/_speed{WRONG}",)


def test_a_tree_that_cannot_be_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """What is not found in a directory that cannot be listed is not said to be well."""
    source, scandir = tmp_path / "source", os.scandir
    lay_editable(tmp_path / "site", source, {"edit.pth": "{src}\n"})
    (source / "a").mkdir()
    assert cli("fix", "--path", tmp_path / "site").status == 0

    def fail(path: str) -> object:
        if os.fspath(path) == str(source / "a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    told = cli("fix", "--path", tmp_path / "site")
    assert told.status == 1
    assert f"{source} has directories that cannot be listed: {source}/a (Permission denied)" in told.out


def test_paths_are_those_of_the_target(tmp_path: Path) -> None:
    """Of an image on this machine, whose links do not lead out of it."""
    root = tmp_path / "root"
    (root / "src" / "edit").mkdir(parents=True)
    (root / "src" / "edit" / f"_speed{WRONG}").write_bytes(MODULE)
    (root / "away").symlink_to("/src")
    lay_editable(root / "site", tmp_path / "elsewhere", {"edit.pth": "/away\n"})
    tree = replace(running(), tree=TargetTree(str(root)))
    assert found(root / "site", paths_of(tree)).modules == (f"{root}/src/edit/_speed{WRONG}",)


@pytest.mark.parametrize("name", ["edit.pth", "direct_url.json"])
def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, cli: Cli, name: str) -> None:
    site = tmp_path / "site"
    lay_editable(site, tmp_path / "source", {"edit.pth": "{src}\n"})
    path = site / name if name == "edit.pth" else dist_info(site, "edit") / name
    path.unlink()
    os.mkfifo(path)
    told = cli("fix", "--path", site)
    assert (told.status, told.err) == (1, "")
    assert f"edit 1.0: failed: {path}: cannot be read (not a regular file)" in told.out


@pytest.mark.parametrize(
    "text", ["\0", "\udcff", "import " + "a" * 10_000, "import a.b", "x" * 10_000, "/", "/" * 5000], ids=ascii
)
def test_a_damaged_path_file_is_no_error(tmp_path: Path, text: str) -> None:
    site = tmp_path / "site"
    lay_editable(site, tmp_path / "source")
    (site / "edit.pth").write_bytes(text.encode("utf-8", "surrogateescape"))
    record = dist_info(site, "edit") / "RECORD"
    record.write_text(record.read_text() + "edit.pth,,\n")
    assert found(site) == editable.Sources(str(tmp_path / "source"))


# -- what the commands say --------------------------------------------------------------------------

COMMANDS = {
    "fix": ["fix"],
    "fix, dry run": ["fix", "--dry-run"],
    "check": ["check"],
    "verify": ["verify"],
    "run": ["run", "--", "true"],
}


@pytest.mark.parametrize("how", COMMANDS)
def test_a_note_and_status_0_unless_a_misnamed_module_is_there(
    cli: Cli, environment: Path, tmp_path: Path, how: str
) -> None:
    source, site = tmp_path / "source", site_packages(environment)
    lay_editable(site, source, {"edit.pth": "{src}\n"})
    (source / f"_one{RIGHT}").write_bytes(MODULE)
    command, *rest = COMMANDS[how]
    words = [command, "--python", str(environment), *rest]
    told = cli(*words)
    assert (told.status, told.err) == (0, "")
    note = f"note: edit 1.0 is an editable install: no extension module in {source} is misnamed\n"
    assert told.out.endswith(note)
    assert cli(*[command, "-q", *words[1:]]).out == ""

    (source / f"_two{WRONG}").write_bytes(MODULE)
    before = snapshot(tmp_path)
    for told in (cli(*words), cli(*[command, "-q", *words[1:]])):
        assert (told.status, told.err) == (1, "")
        lines = told.out.splitlines()
        assert "1 misnamed in source trees" in lines[0]
        assert f"  {source}/_two{WRONG}: misnamed: the target looks for _two{RIGHT}" in lines
        assert (
            f"  tip: build it again with the target interpreter, for example: pip install --editable {source}"
            in lines
        )
        assert "To fix it" not in told.out
    assert snapshot(tmp_path) == before
    (source / f"_two{WRONG}").rename(source / f"_two{RIGHT}")  # as a build would
    assert cli(*words).status == 0


def test_several_have_one_note(cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = {f"{name}.pth": f"{tmp_path}/{name}\n".encode()}
        lay(site, name, {**path, **direct_url(name, tmp_path / name)})
    told = cli("fix", "--path", site)
    assert told.out.splitlines() == [
        "2 projects: nothing to fix.",
        "note: no extension module in the source trees of 2 editable installs is misnamed: one, two",
    ]
    data = json.loads(cli("verify", "--json", "--path", site).out)
    assert [project["editable"] for project in data["projects"]] == [f"{tmp_path}/one", f"{tmp_path}/two"]
    assert data["notes"] == [told.out.splitlines()[1][len("note: ") :]]


def test_a_tree_that_is_gone_is_in_doubt(cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    lay_editable(site, tmp_path / "source", {"edit.pth": "{src}\n"})
    (tmp_path / "source").rmdir()
    for command in ("fix", "check", "verify"):
        told = cli(command, "-q", "--path", site)
        assert told.status == 1
        assert "edit 1.0: not looked at: it is an editable install, and its source tree was not" in told.out


def test_modules_that_record_lists_are_fixed_as_ever(cli: Cli, tmp_path: Path) -> None:
    """scikit-build-core and maturin install them beside a finder."""
    site, source = tmp_path / "site", tmp_path / "source"
    source.mkdir()
    lay(site, "edit", {**small_files("edit"), **direct_url("edit", source)})
    assert cli("fix", "--path", site).status == 0
    assert (site / "edit" / f"_speed{RIGHT}").is_symlink()
    assert cli("undo", "--path", site).status == 0
    assert not (site / "edit" / f"_speed{RIGHT}").is_symlink()


def test_a_link_of_setup_py_develop(cli: Cli, tmp_path: Path) -> None:
    site, source = tmp_path / "site", tmp_path / "source"
    site.mkdir()
    source.mkdir()
    link = site / "edit.egg-link"
    link.write_text(f"{source}\n.")
    assert find_linked_sources(str(link), HERE) == editable.Sources(str(source))
    told = cli("fix", "--path", site)
    assert told.status == 0
    assert told.out.splitlines()[1:] == [
        "edit: left alone: it is an editable install without RECORD",
        f"note: edit is an editable install: no extension module in {source} is misnamed",
    ]
    (source / f"_speed{WRONG}").write_bytes(MODULE)
    for command in ("fix", "check", "verify"):
        told = cli(command, "--path", site)
        assert told.status == 1
        assert f"{source}/_speed{WRONG}: misnamed: " in told.out


def test_the_hooks_say_nothing_unless_a_misnamed_module_is_there(environment: Path, tmp_path: Path) -> None:
    source, site = tmp_path / "source", site_packages(environment)
    lay_editable(site, source, {"edit.pth": "{src}\n"})
    place = Place(str(environment / "bin" / "python"), str(tmp_path / "pyproject.toml"))
    assert fix_place(lambda: place) == Outcome()
    (source / f"_speed{WRONG}").write_bytes(MODULE)
    (tmp_path / "pyproject.toml").write_text("[tool.muslfix]\nstrict = true\n")
    outcome = fix_place(lambda: place)
    (problem,) = outcome.problems
    assert problem.startswith(f"muslfix: edit 1.0: {source}/_speed{WRONG}: misnamed: ")
    assert outcome.failure == problem
