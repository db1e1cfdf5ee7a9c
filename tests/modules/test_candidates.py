"""Finding the extension modules among files, and giving them names, on real files."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import FIXTURES
from trees import snapshot

from muslfix.elf.facts import ElfFacts
from muslfix.loader.check import LoadCheck
from muslfix.modules.candidate import Candidate
from muslfix.modules.candidates import plan_tree, scan_candidates
from muslfix.modules.plan import Decision, Plan
from muslfix.modules.tree import DiskTree, examine
from muslfix.projects.names import apply_names, give_name
from muslfix.projects.trace import Change
from muslfix.suffix import ExtensionFilename
from muslfix.targets.interpreter import read_target_file
from muslfix.verdicts import Mode, Verdict

TARGET = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
ELF = FIXTURES / "elf"
GNU, MUSL = ".cpython-39-x86_64-linux-gnu.so", ".cpython-39-x86_64-linux-musl.so"


class Files:
    """A folder with files; what is in the table is a fixture's name or text."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        for name, content in files.items():
            self.write(name, content)

    def write(self, name: str, content: str = "x86_64-musl") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        elf = ELF / f"{content}.so"
        path.write_bytes(elf.read_bytes() if elf.exists() else content.encode())

    def paths(self) -> list[str]:
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir()]

    def locate(self, path: str) -> str:
        return str(self.folder / path)

    @property
    def tree(self) -> DiskTree:
        return DiskTree(self.locate)

    def plan(self, mode: Mode = Mode.SYMLINK) -> dict[str, tuple[str, str | None, Mode | None]]:
        decisions = plan_tree(self.paths(), self.tree, TARGET, mode, thorough=True).decisions
        return {d.candidate.path: (str(d.verdict), d.new_path, d.mode) for d in decisions}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# -- finding ----------------------------------------------------------------------------------------


def test_only_names_of_extension_modules_are_looked_at(files: Files) -> None:
    for name in (f"p/a{GNU}", f"p/b{MUSL}", "p/a.py", "p/c.abi3.so", "p/d.cpython-38-x86_64-linux-gnu.so"):
        files.write(name)
    for name in ("p.libs/libx-1a2b.so", "p/libx.so.1", "p/data.txt", "p/e.pyd"):
        files.write(name)
    found = scan_candidates(files.paths(), files.tree, TARGET, thorough=True)
    assert [(candidate.path, candidate.has_source, candidate.elf is not None) for candidate in found] == [
        (f"p/a{GNU}", True, True),
        (f"p/b{MUSL}", False, True),
        ("p/c.abi3.so", False, True),
        ("p/d.cpython-38-x86_64-linux-gnu.so", False, False),  # for another Python, whatever it holds
    ]
    assert scan_candidates([], files.tree, TARGET, thorough=True) == []


def test_without_thoroughness_only_what_is_needed_is_read(files: Files) -> None:
    files.write(f"p/a{GNU}")
    files.write(f"p/b{MUSL}")
    found = scan_candidates([*files.paths(), f"p/lost{MUSL}"], files.tree, TARGET, thorough=False)
    assert [(candidate.path, candidate.elf is not None) for candidate in found] == [
        (f"p/a{GNU}", True),
        (f"p/b{MUSL}", False),
        (f"p/lost{MUSL}", False),
    ]


def test_a_lost_file_does_not_serve_its_module(files: Files) -> None:
    files.write(f"p/a{GNU}")
    paths = [f"p/a{GNU}", f"p/a{MUSL}"]
    (candidate,) = scan_candidates(paths, files.tree, TARGET, thorough=False)
    assert candidate.path == f"p/a{GNU}"
    assert plan_tree(paths, files.tree, TARGET, Mode.COPY, thorough=False).changes


def test_what_cannot_be_examined_has_a_reason(tmp_path: Path) -> None:
    assert isinstance(examine(str(ELF / "x86_64-musl.so")), ElfFacts)
    (tmp_path / "text").write_text("no ELF")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    reasons = {name: examine(str(tmp_path / name)) for name in ("text", "link", "pipe")}
    assert all(isinstance(reason, str) for reason in reasons.values())
    assert reasons["link"] == "cannot be read (No such file or directory)"
    assert reasons["pipe"] == "cannot be read (not a regular file)"


# -- planning from files ----------------------------------------------------------------------------


def test_names_in_the_folder_are_taken_whoever_has_them(files: Files) -> None:
    files.write(f"p/a{GNU}")
    files.write(f"p/b{GNU}")
    (files.folder / "p" / f"a{MUSL}").mkdir()
    found = files.plan()
    assert found[f"p/a{GNU}"] == ("occupied", None, None)
    assert found[f"p/b{GNU}"] == ("misnamed", f"p/b{MUSL}", Mode.SYMLINK)


def test_a_name_that_another_file_needs_is_kept(files: Files) -> None:
    core = "_core" + GNU
    files.write(f"p/{core}", "x86_64-musl-core")
    files.write(f"p/_speed{GNU}", "x86_64-musl-chained")
    files.write("p/notes.so.txt", "text")
    files.write("p/readme", "text")
    assert files.plan(Mode.RENAME) == {
        f"p/{core}": ("misnamed", f"p/_core{MUSL}", Mode.SYMLINK),
        f"p/_speed{GNU}": ("misnamed", f"p/_speed{MUSL}", Mode.RENAME),
    }
    # A shared library can need it too, and one in a folder of its own.
    (files.folder / "p" / f"_speed{GNU}").rename(files.folder / "p" / "library.so.1")
    assert files.plan(Mode.RENAME)[f"p/{core}"][2] is Mode.SYMLINK
    (files.folder / "p" / "library.so.1").unlink()
    assert files.plan(Mode.RENAME)[f"p/{core}"][2] is Mode.RENAME


def test_where_a_link_leads_to_keeps_its_name(files: Files) -> None:
    files.write(f"p/a{GNU}")
    (files.folder / "p" / "liba.so").symlink_to(f"a{GNU}")
    assert files.plan(Mode.RENAME)[f"p/a{GNU}"][2] is Mode.SYMLINK


def test_a_folder_that_is_not_there(files: Files) -> None:
    plan = plan_tree([f"lost/a{GNU}"], files.tree, TARGET, Mode.COPY, thorough=False)
    assert [decision.verdict for decision in plan.decisions] == [Verdict.MISSING]


@pytest.mark.parametrize("gone", ["never there", "link"])
@pytest.mark.parametrize("name", [f"a{GNU}", f"a{MUSL}", "a.so"])
def test_a_listed_file_that_does_not_exist_is_missing(files: Files, name: str, gone: str) -> None:
    """Whatever its name; what a link leads to may have gone too."""
    files.write(f"p/b{MUSL}")
    if gone == "link":
        (files.folder / "p" / name).symlink_to("gone.so")
    listed = [f"p/b{MUSL}", f"p/{name}"]
    (decision, _) = plan_tree(listed, files.tree, TARGET, Mode.SYMLINK, thorough=True).decisions
    assert (decision.verdict, decision.refused) == (Verdict.MISSING, True)


def test_a_missing_file_takes_no_name_and_does_no_harm_to_another_of_its_module(files: Files) -> None:
    """A link that somebody has removed is made again."""
    files.write(f"p/a{GNU}")
    listed = [f"p/a{GNU}", f"p/a{MUSL}"]
    for thorough in (True, False):
        plan = plan_tree(listed, files.tree, TARGET, Mode.SYMLINK, thorough=thorough)
        assert [decision.new_path for decision in plan.changes] == [f"p/a{MUSL}"]
        assert plan.refusals == ()
    (missing,) = (d for d in plan_tree(listed, files.tree, TARGET, Mode.COPY, thorough=True).decisions[1:])
    assert missing.verdict is Verdict.MISSING


def test_without_modules_nothing_is_planned(files: Files) -> None:
    assert plan_tree(["a.py"], files.tree, TARGET, Mode.RENAME, thorough=True) == Plan()


# -- giving names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_names_are_given_as_planned(files: Files, mode: Mode) -> None:
    files.write(f"p/a{GNU}")
    files.write(f"p/sub/b{GNU}")
    plan = plan_tree(files.paths(), files.tree, TARGET, mode, thorough=True)
    assert apply_names(plan, files.locate) == tuple(
        Change(f"p/{name}{GNU}", f"p/{name}{MUSL}", mode) for name in ("a", "sub/b")
    )
    for name in ("a", "sub/b"):
        old, new = (files.folder / "p" / (name + suffix) for suffix in (GNU, MUSL))
        assert new.read_bytes() == (ELF / "x86_64-musl.so").read_bytes()
        assert old.exists() is (mode is not Mode.RENAME)
        assert new.is_symlink() is (mode is Mode.SYMLINK)
        if mode is Mode.SYMLINK:
            assert os.readlink(new) == old.name
        if mode is Mode.HARDLINK:
            assert old.stat().st_nlink == 2
    # Planned again, there is nothing to do.
    assert plan_tree(files.paths(), files.tree, TARGET, mode, thorough=True).changes == ()


def test_an_empty_plan_changes_nothing(files: Files) -> None:
    files.write("a.py", "text")
    before = snapshot(files.folder)
    assert apply_names(Plan(), files.locate) == ()
    assert snapshot(files.folder) == before


def test_a_plan_that_is_none(files: Files) -> None:
    name = ExtensionFilename("a", "cpython-39", "x86_64-linux-gnu")
    half = Decision(Candidate(f"a{GNU}", name), Verdict.MISNAMED, new_path=f"a{MUSL}")
    with pytest.raises(ValueError, match="nothing is planned for"):
        apply_names(Plan((half,)), files.locate)
    assert apply_names(Plan((replace(half, new_path=None),)), files.locate) == ()


@pytest.mark.parametrize("mode", [Mode.SYMLINK, Mode.HARDLINK, Mode.COPY])
def test_nothing_that_exists_is_replaced(files: Files, mode: Mode) -> None:
    files.write("old", "old")
    files.write("new", "of somebody else")
    (files.folder / "link").symlink_to("nowhere")
    before = snapshot(files.folder)
    for name in ("new", "link"):
        with pytest.raises(FileExistsError) as caught:
            give_name(files.locate("old"), files.locate(name), mode)
        assert caught.value.filename == files.locate(name)
    assert snapshot(files.folder) == before


@pytest.mark.parametrize(
    ("wanted", "refused", "done"),
    [
        (Mode.SYMLINK, {"symlink"}, Mode.HARDLINK),
        (Mode.SYMLINK, {"symlink", "link"}, Mode.COPY),
        (Mode.SYMLINK, {"link"}, Mode.SYMLINK),
        (Mode.HARDLINK, {"symlink", "link"}, Mode.COPY),
        (Mode.HARDLINK, {"symlink"}, Mode.HARDLINK),
        (Mode.COPY, {"symlink", "link"}, Mode.COPY),
    ],
)
def test_where_links_are_refused(
    files: Files, monkeypatch: pytest.MonkeyPatch, wanted: Mode, refused: set[str], done: Mode
) -> None:
    """As on vfat or on some networks. Such a file system takes root to have, so the calls are replaced."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in refused:
        monkeypatch.setattr(os, name, refuse)
    files.write("old", "content")
    os.chmod(files.locate("old"), 0o640)
    os.utime(files.locate("old"), (1, 1))
    assert give_name(files.locate("old"), files.locate("new"), wanted) is done
    state = os.stat(files.locate("new"))
    assert (state.st_mode & 0o777, state.st_mtime, state.st_size) == (0o640, 1, 7)
    assert (files.folder / "new").is_symlink() is (done is Mode.SYMLINK)
    assert (state.st_nlink == 2) is (done is Mode.HARDLINK)


def test_a_copy_that_fails_leaves_nothing(files: Files) -> None:
    """The file system takes a part of it, then no more."""
    (files.folder / "old").write_bytes(bytes(5000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            give_name(files.locate("old"), files.locate("new"), Mode.COPY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(files.folder) == ["old"]
    with pytest.raises(FileNotFoundError):
        give_name(files.locate("lost"), files.locate("new"), Mode.COPY)
    assert os.listdir(files.folder) == ["old"]


def test_init_functions_of_libraries_are_those_of_what_is_loaded(files: Files) -> None:
    files.write(f"p/_core{GNU}", "x86_64-musl-core")
    files.write(f"p/_speed{GNU}", "x86_64-musl-chained")
    loads = LoadCheck(TARGET, directories=[str(files.folder)]).on_disk(files.locate)
    assert "PyInit__core" in loads(f"p/_speed{GNU}").init_functions
    assert loads(f"p/_core{GNU}").init_functions == frozenset()
