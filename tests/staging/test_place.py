"""What goes with a project that is replaced, what may come, and what stays in any case."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli, Result
from trees import snapshot
from wheelmaker import Member, make_wheel

from muslfix.errors import InvalidProject
from muslfix.projects.project import InstalledProject, scan_projects
from muslfix.staging.place import move_out
from muslfix.staging.replaced import leaving_files, owned_files
from muslfix.targets.schemes import Layout, layout_of
from muslfix.targets.target import Scheme
from muslfix.targets.untrusted_facts import target_from_facts
from muslfix.transaction.transaction import Transaction

TARGET = FIXTURES / "targets" / "docker-alpine-cpython-3.9-x86_64.json"


class Tree:
    """An environment's folders, made by hand."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.site = prefix / "lib" / "site-packages"
        scheme = Scheme(f"{self.site}", f"{self.site}", f"{prefix}/include", f"{prefix}/bin", f"{prefix}")
        self.layout = Layout(scheme, scheme)

    def write(self, *names: str) -> None:
        for name in names:
            path = Path(os.path.normpath(self.site / name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def project(self, name: str, rows: Iterable[str] | None) -> InstalledProject:
        """An installed project; without rows it has no RECORD."""
        folder = self.site / f"{name}-1.0.dist-info"
        folder.mkdir(parents=True)
        if rows is not None:
            (folder / "RECORD").write_text("".join(f'"{row}",,\n' for row in rows))
        return scan_projects([str(self.site)])[name]

    def owned(self, project: InstalledProject) -> list[str]:
        return [os.path.relpath(path, self.site) for path in owned_files(project, self.layout)]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "prefix")


# -- what belongs to an installed project -----------------------------------------------------------


def test_the_files_that_are_there(tree: Tree) -> None:
    tree.write("pkg/a.py", "pkg/a,b.py", "other.py", "../../bin/x", "../../share/y", "../../include/pkg/z.h")
    rows = ["pkg/a.py", "pkg/a,b.py", "pkg/lost.py", "pkg/", "pkg", "../../bin/x", "../../share/y"]
    rows += ["../../include/pkg/z.h", "demo-1.0.dist-info/RECORD"]
    project = tree.project("demo", rows)
    (tree.site / "pkg" / "link").symlink_to("/nowhere")
    project = tree.project("links", ["pkg/link"])
    assert tree.owned(scan_projects([str(tree.site)])["demo"]) == [
        row for row in rows if row not in ("pkg/lost.py", "pkg/", "pkg")
    ]
    assert tree.owned(project) == ["pkg/link"]


def test_absolute_rows_count_where_they_are_inside(tree: Tree) -> None:
    tree.write("a.py")
    project = tree.project("demo", [f"{tree.site}/a.py", f"{tree.prefix}/lib/../lib/site-packages/a.py"])
    assert tree.owned(project) == ["a.py"]


def test_rows_that_lead_out_are_passed_over(tree: Tree, tmp_path: Path) -> None:
    """A RECORD may name any file of the machine; only those below the folders of the layout are meant."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("precious")
    (tmp_path / "prefix-like").mkdir()
    (tmp_path / "prefix-like" / "x").write_text("precious")
    tree.write("a.py")
    (tree.site / "linked").symlink_to(outside)
    rows = ["../../../outside/x", f"{outside}/x", "linked/x", "linked/../../../../outside/x", "/etc/passwd"]
    rows += ["../../../prefix-like/x", "../../..", "/", "a.py"]
    assert tree.owned(tree.project("demo", rows)) == ["a.py"]


def test_bytecode_belongs_to_its_module(tree: Tree) -> None:
    """Installers that do not list it, and Pythons that wrote it later."""
    cache = "pkg/__pycache__"
    own = [f"{cache}/a.cpython-{n}.pyc" for n in ("39", "311", "313t", "36.opt-1", "311.opt-2")]
    own += [f"{cache}/a.pypy310-10.pyc"]
    others = [f"{cache}/ab.cpython-39.pyc", f"{cache}/a.b.cpython-39.pyc", f"{cache}/a.cpython-39.pyc.1"]
    others += [f"{cache}/a.cpython-39-pytest-8.2.0.pyc", f"{cache}/a.txt", "pkg/a.pyc"]
    tree.write("pkg/a.py", "pkg/data.txt", *own, *others)
    project = tree.project("demo", ["pkg/a.py", "pkg/data.txt"])
    assert sorted(tree.owned(project)) == sorted(["pkg/a.py", "pkg/data.txt", *own])


def test_a_cache_folder_that_is_a_link_is_not_followed(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a.cpython-39.pyc").write_text("of somebody else")
    tree.write("a.py")
    (tree.site / "__pycache__").symlink_to(tmp_path / "cache")
    assert tree.owned(tree.project("demo", ["a.py"])) == ["a.py"]


def test_without_record_nothing_is_known(tree: Tree) -> None:
    project = tree.project("demo", None)
    with pytest.raises(InvalidProject, match="so muslfix cannot tell which files belong to demo"):
        owned_files(project, tree.layout)


# -- what goes --------------------------------------------------------------------------------------


def test_what_another_project_lists_too_does_not_go(tree: Tree) -> None:
    cache = "ns/__pycache__/__init__.cpython-39.pyc"
    tree.write("ns/__init__.py", cache, "ns/a.py", "ns/b.py", "../../share/note")
    first = tree.project("first", ["ns/__init__.py", "ns/a.py", "../../share/note"])
    second = tree.project("second", ["./ns/__init__.py", "ns/b.py", f"{tree.prefix}/share/note"])
    broken = tree.project("broken", None)
    assert leaving_files([first], [second, broken], tree.layout) == [str(tree.site / "ns" / "a.py")]
    assert len(leaving_files([first, second], [broken], tree.layout)) == 5
    assert leaving_files([], [first, second], tree.layout) == []
    with pytest.raises(InvalidProject):
        leaving_files([broken], [], tree.layout)


def test_whole_folders_go_and_those_left_empty(tree: Tree) -> None:
    mine = ["pkg/a.py", "pkg/sub/b.py", "shared/a.py", "only/deep/er/x", "../../share/doc/x", "../../bin/x"]
    mine += ["with_empty/x"]
    tree.write(*mine, "shared/keep.py", "../../share/other")
    (tree.site / "with_empty" / "empty").mkdir()
    project = tree.project("demo", mine)
    with Transaction(str(tree.site)) as transaction:
        move_out(transaction, owned_files(project, tree.layout), tree.layout)
        left = snapshot(tree.prefix)
        transaction.commit()
    assert sorted(name for name in left if ".muslfix-" not in name) == sorted(
        [
            "bin",  # a folder of the layout itself
            "lib",
            "lib/site-packages",
            "lib/site-packages/demo-1.0.dist-info",
            "lib/site-packages/demo-1.0.dist-info/RECORD",
            "lib/site-packages/shared",
            "lib/site-packages/shared/keep.py",
            "lib/site-packages/with_empty",
            "lib/site-packages/with_empty/empty",
            "share",
            "share/other",
        ]
    )


def test_by_as_few_renames_as_possible(tree: Tree) -> None:
    tree.write(*(f"pkg/{a}/{b}.py" for a in range(5) for b in range(5)))
    project = tree.project("demo", [f"pkg/{a}/{b}.py" for a in range(5) for b in range(5)])
    with Transaction(str(tree.site)) as transaction:
        move_out(transaction, owned_files(project, tree.layout), tree.layout)
        (journal,) = tree.site.glob(".muslfix-*/journal")
        assert len(journal.read_text().splitlines()) == 2


# -- what comes, through the command ----------------------------------------------------------------


class Place:
    """A folder that wheels are installed into for a target that is not run."""

    def __init__(self, cli: Cli, base: Path) -> None:
        self._cli = cli
        self._base = base
        self.folder = base / "folder"

    def wheel(self, file_name: str, files: dict[str, bytes], extra: Iterable[Member] = ()) -> Path:
        if not file_name.endswith(".whl"):
            file_name += "-py3-none-any.whl"
        return make_wheel(self._base / file_name, files, extra=extra)

    def install(self, *wheels: Path, expect: int = 0, options: tuple[str, ...] = ()) -> Result:
        """Install; whatever is refused must have changed nothing."""
        before = snapshot(self._base)
        result = self._cli(
            "install", *wheels, "--target-file", TARGET, "--target", self.folder, *options, "--verbose"
        )
        assert result.status == expect, result.err
        if expect or "--dry-run" in options:
            assert snapshot(self._base) == before
        return result

    def names(self) -> set[str]:
        """The files there, without those of ``.dist-info``."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir()}
        return {name for name in found if ".dist-info/" not in name}


@pytest.fixture
def place(cli: Cli, tmp_path: Path) -> Place:
    return Place(cli, tmp_path)


NAMESPACE = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


@pytest.mark.parametrize("together", [True, False], ids=["in one call", "one after the other"])
def test_the_same_file_of_two_projects_is_shared(place: Place, together: bool) -> None:
    first = place.wheel("first-1.0", {"ns/__init__.py": NAMESPACE, "ns/first.py": b"1"})
    second = place.wheel("second-1.0", {"ns/__init__.py": NAMESPACE, "ns/second.py": b"2"})
    for wheels in ([first, second],) if together else ([first], [second]):
        place.install(*wheels)
    assert place.names() == {"ns/__init__.py", "ns/first.py", "ns/second.py"}
    for name in ("first", "second"):
        record = (place.folder / f"{name}-1.0.dist-info" / "RECORD").read_text()
        assert "ns/__init__.py,sha256=" in record

    # A version without it does not take it from the other one.
    place.install(place.wheel("first-2.0", {"ns/first.py": b"1"}))
    assert place.names() == {"ns/__init__.py", "ns/first.py", "ns/second.py"}
    place.install(place.wheel("second-2.0", {"ns/second.py": b"2"}))
    assert place.names() == {"ns/first.py", "ns/second.py"}


def test_other_content_of_two_wheels_in_one_call(place: Place) -> None:
    first = place.wheel("first-1.0", {"both.py": b"1"})
    second = place.wheel("second-1.0", {"both.py": b"2"})
    result = place.install(first, second, expect=1)
    assert result.err == (
        f"error: {place.folder}/both.py: is in two of the wheels with different content, one is {second}\n"
    )


def test_a_file_of_another_project(place: Place) -> None:
    place.install(place.wheel("first-1.0", {"both.py": b"1"}), place.wheel("aaa-1.0", {"aaa.py": b""}))
    (place.folder / "aaa-1.0.dist-info" / "RECORD").unlink()  # a project without RECORD owns nothing
    result = place.install(place.wheel("second-1.0", {"both.py": b"2", "new.py": b""}), expect=1)
    assert result.err == (
        f"error: {place.folder}/both.py: is in the way of second: it belongs to first 1.0, and its content"
        " differs\ntip: uninstall that first, or move the file away\n"
    )


def test_a_file_of_nobody(place: Place) -> None:
    place.folder.mkdir()
    (place.folder / "mine.py").write_bytes(b"mine")
    wheel = place.wheel("demo-1.0", {"mine.py": b"not mine", "new.py": b""})
    assert (
        "mine.py: is in the way of demo: it belongs to no installed project"
        in place.install(wheel, expect=1).err
    )
    (place.folder / "mine.py").write_bytes(b"not mine")  # the same content is no conflict
    place.install(wheel)
    assert place.names() == {"mine.py", "new.py"}


def test_a_link_in_the_place_of_a_file_is_not_written_through(place: Place, tmp_path: Path) -> None:
    place.folder.mkdir()
    (tmp_path / "outside.py").write_bytes(b"x")
    (place.folder / "demo.py").symlink_to(tmp_path / "outside.py")
    result = place.install(place.wheel("demo-1.0", {"demo.py": b"x"}), expect=1)
    assert "demo.py: is in the way of demo" in result.err


def test_a_folder_in_the_place_of_a_file(place: Place) -> None:
    (place.folder / "demo.py").mkdir(parents=True)
    result = place.install(place.wheel("demo-1.0", {"demo.py": b"x"}), expect=1)
    assert "demo.py: is in the way of demo" in result.err


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["", "dry run"])
def test_a_file_in_the_place_of_a_folder(place: Place, options: tuple[str, ...]) -> None:
    place.folder.mkdir()
    (place.folder / "demo").write_bytes(b"")
    result = place.install(place.wheel("demo-1.0", {"demo/a/b.py": b"x"}), expect=1, options=options)
    assert result.err == (
        f"error: {place.folder}/demo: is in the way of demo, which needs a directory there\n"
    )


def test_a_file_of_the_old_version_in_the_place_of_a_folder(place: Place) -> None:
    place.install(place.wheel("demo-1.0", {"demo": b"x"}))
    place.install(place.wheel("demo-2.0", {"demo/a.py": b"x"}))
    assert place.names() == {"demo/a.py"}
    place.install(place.wheel("demo-3.0", {"demo.py": b"x"}))
    assert place.names() == {"demo.py"}


def test_a_folder_that_is_a_link_elsewhere_is_not_followed(place: Place, tmp_path: Path) -> None:
    place.folder.mkdir()
    (tmp_path / "outside").mkdir()
    (place.folder / "demo").symlink_to(tmp_path / "outside")
    result = place.install(place.wheel("demo-1.0", {"demo/a.py": b"x"}), expect=1)
    assert result.err == (
        f"error: {tmp_path}/outside: is reached through a link, and would receive files of demo\n"
    )


def test_a_folder_that_is_a_link_within_is_used(place: Place) -> None:
    (place.folder / "real").mkdir(parents=True)
    (place.folder / "demo").symlink_to("real")
    place.install(place.wheel("demo-1.0", {"demo/a.py": b"x"}))
    assert place.names() == {"real/a.py"}
    assert (place.folder / "demo").is_symlink()


def test_a_destination_that_is_a_link(place: Place, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    place.folder.symlink_to("real")
    place.install(place.wheel("demo-1.0", {"demo/a.py": b"x"}))
    place.install(place.wheel("demo-2.0", {"demo/b.py": b"x"}))
    assert place.folder.is_symlink()
    assert place.names() == {"demo/b.py"}


def test_files_of_others_in_the_folder_stay(place: Place) -> None:
    place.install(place.wheel("demo-1.0", {"demo/a.py": b"x", "demo/sub/b.py": b"x", "gone/c.py": b"x"}))
    (place.folder / "demo" / "sub" / "mine.txt").write_text("mine")
    place.install(place.wheel("demo-2.0", {"demo/a.py": b"y"}))
    assert place.names() == {"demo/a.py", "demo/sub/mine.txt"}
    assert not (place.folder / "gone").exists()


def test_a_file_of_a_lying_record_stays(place: Place, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("of somebody")
    place.install(place.wheel("demo-1.0", {"demo.py": b"x"}))
    record = place.folder / "demo-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + f"../precious,,\n{tmp_path}/precious,,\n/etc/hostname,,\n")
    place.install(place.wheel("demo-2.0", {"demo.py": b"y"}))
    assert (tmp_path / "precious").read_text() == "of somebody"
    assert Path("/etc").exists()


def test_bytecode_that_nobody_lists_is_replaced(place: Place) -> None:
    cache = place.folder / "demo" / "__pycache__"
    place.install(place.wheel("demo-1.0", {"demo/a.py": b"x"}))
    cache.mkdir()
    (cache / "a.cpython-39.pyc").write_bytes(b"of the old a.py")
    place.install(place.wheel("demo-2.0", {"demo/a.py": b"y"}))
    assert not cache.exists()


def test_without_the_record_of_the_old_version_nothing_is_replaced(place: Place) -> None:
    place.install(place.wheel("demo-1.0", {"demo.py": b"x"}))
    (place.folder / "demo-1.0.dist-info" / "RECORD").unlink()
    result = place.install(place.wheel("demo-2.0", {"demo.py": b"y"}), expect=1)
    assert result.err.startswith(
        f"error: {place.folder}/demo-1.0.dist-info/RECORD: cannot be read (No such file or directory),"
    )


@pytest.mark.parametrize("path", ["bin/python", "bin/python3.9", "bin/python3", "pyvenv.cfg"])
def test_a_record_that_claims_the_interpreter(tmp_path: Path, path: str) -> None:
    target = target_from_facts(json.loads(TARGET.read_text()))
    layout = layout_of(target, prefix=str(tmp_path))
    site = Path(layout.scheme.purelib)
    info = site / "demo-1.0.dist-info"
    info.mkdir(parents=True)
    claimed = tmp_path / path
    claimed.parent.mkdir(exist_ok=True)
    claimed.write_text("the environment's own")
    (info / "RECORD").write_text(f"{os.path.relpath(claimed, site)},,\ndemo-1.0.dist-info/RECORD,,\n")
    project = InstalledProject(str(site), info.name, "demo", "1.0")
    assert owned_files(project, layout) == [str(info / "RECORD")]


# -- what lies outside, and what is the environment's own -------------------------------------------


class Victim:
    """An environment with a project ``demo``, another one, an interpreter, and something precious beside it.

    :param base: for all of it
    """

    def __init__(self, cli: Cli, base: Path) -> None:
        self._cli = cli
        self.base = base
        target = target_from_facts(json.loads(TARGET.read_text()))
        self.prefix, self.outside = base / "prefix", base / "outside"
        self.site = Path(layout_of(target, prefix=str(self.prefix)).scheme.purelib)
        self.bin = self.prefix / "bin"
        for folder in (self.bin, self.outside / "sub"):
            folder.mkdir(parents=True)
        for path in (self.outside / "precious", self.outside / "python3.9", self.prefix / "pyvenv.cfg"):
            path.write_text("precious")
        (self.bin / "python").symlink_to(self.outside / "python3.9")
        (self.bin / "activate").write_text("precious")
        self.install(self.wheel("demo-1.0", {"demo.py": b"1", "pkg/a.py": b"1"}))
        self.install(self.wheel("other-1.0", {"other.py": b"2", "both/x.py": b"2"}))
        (self.site.parent / "os.py").write_text("precious")
        (self.site / "out").symlink_to(self.outside)
        (self.site / "programs").symlink_to(self.bin)
        (self.site / "alias").symlink_to("both")

    def wheel(self, name: str, files: dict[str, bytes]) -> Path:
        return make_wheel(self.base / f"{name}-py3-none-any.whl", files)

    def install(self, wheel: Path, expect: int = 0) -> Result:
        result = self._cli("install", wheel, "--target-file", TARGET, "--prefix", self.prefix, "--no-compile")
        assert result.status == expect, result.err
        return result

    def state(self) -> dict[str, str]:
        """All but what belongs to demo and the wheels."""
        found = {**snapshot(self.prefix), **{f"out/{k}": v for k, v in snapshot(self.outside).items()}}
        own = ("demo.py", "demo-", "pkg")
        site = str(self.site.relative_to(self.prefix))
        return {k: v for k, v in found.items() if not k.removeprefix(site + "/").startswith(own)}


@pytest.fixture
def victim(cli: Cli, tmp_path: Path) -> Victim:
    return Victim(cli, tmp_path)


DATA = "demo-2.0.data"
WRITES_OUTSIDE = {
    "a folder that is a link to the outside": ("out/new.py", "is reached through a link"),
    "below a folder that is such a link": ("out/sub/new.py", "is reached through a link"),
    "a file beyond such a link": ("out/precious", "is reached through a link"),
    "the interpreter, by data": (f"{DATA}/data/bin/python", "belongs to the interpreter"),
    "the interpreter, by scripts": (f"{DATA}/scripts/python", "belongs to the interpreter"),
    "another interpreter, by data": (f"{DATA}/data/bin/python3.12", "belongs to the interpreter"),
    "another interpreter, by scripts": (f"{DATA}/scripts/python3.12", "belongs to the interpreter"),
    "the interpreter, by a link": ("programs/python", "belongs to the interpreter"),
    "the environment's settings": (f"{DATA}/data/pyvenv.cfg", "belongs to the interpreter"),
    "the way into the environment": (f"{DATA}/data/bin/activate", "belongs to the interpreter"),
    "the way into it, by scripts": (f"{DATA}/scripts/activate", "belongs to the interpreter"),
    "a file of another project": ("other.py", "is in the way of demo: it belongs to other 1.0"),
    "a file of another project, by a link": ("alias/x.py", "is in the way of demo: it belongs to other 1.0"),
    "the other project's RECORD": ("other-1.0.dist-info/RECORD", "demo-2.0"),
    "the standard library": (f"{DATA}/data/lib/python3.9/os.py", "belongs to the interpreter"),
    "a link in the place of a file": ("out", "is in the way of demo"),
}


@pytest.mark.parametrize(("path", "sentence"), WRITES_OUTSIDE.values(), ids=WRITES_OUTSIDE)
def test_a_wheel_that_would_write_where_it_must_not(victim: Victim, path: str, sentence: str) -> None:
    before = snapshot(victim.prefix), snapshot(victim.outside)
    files = {path: b"#!python\nevil", "demo.py": b"2"}
    result = victim.install(make_wheel(victim.base / "demo-2.0-py3-none-any.whl", files), expect=1)
    assert (snapshot(victim.prefix), snapshot(victim.outside)) == before
    assert sentence in result.err
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err


LYING_ROWS = {
    "absolute": "{outside}/precious",
    "by dots": "../../../../outside/precious",
    "through a link": "out/precious",
    "through a link and dots": "out/../../../../../outside/precious",
    "a folder outside": "{outside}/sub",
    "the link itself is the project's, its end is not": "out/sub/../precious",
    "the interpreter": "../../../bin/python",
    "the interpreter, absolute": "{prefix}/bin/python",
    "the interpreter, by a link": "programs/python",
    "the way into the environment": "../../../bin/activate",
    "the environment's settings": "../../../pyvenv.cfg",
    "the standard library": "../os.py",
    "another project's module": "other.py",
    "another project's module, absolute": "{site}/other.py",
    "another project's module, by a link": "alias/x.py",
    "another project's RECORD": "other-1.0.dist-info/RECORD",
    "another project's METADATA": "other-1.0.dist-info/METADATA",
    "another project's folder": "both",
    "the site folder": ".",
    "the root": "/",
}


# Without its RECORD nobody knows that these are the other project's.
KNOWN_BY_RECORD = ("other.py", "{site}/other.py", "alias/x.py")


@pytest.mark.parametrize(
    ("row", "damaged"),
    [
        pytest.param(row, damaged, id=name + ", the other's RECORD is damaged" * damaged)
        for name, row in LYING_ROWS.items()
        for damaged in (False, True)
        if not damaged or row not in KNOWN_BY_RECORD
    ],
)
def test_a_record_that_lies(victim: Victim, row: str, damaged: bool) -> None:
    """The old version goes, with what is its own and nothing else."""
    record = victim.site / "demo-1.0.dist-info" / "RECORD"
    named = row.format(outside=victim.outside, prefix=victim.prefix, site=victim.site)
    record.write_text(record.read_text() + f'"{named}",,\n')
    if damaged:
        (victim.site / "other-1.0.dist-info" / "RECORD").write_text('"')
    before = victim.state()
    victim.install(victim.wheel("demo-2.0", {"demo.py": b"2"}))
    assert victim.state() == before
    assert not (victim.site / "pkg").exists()
    assert (victim.site / "demo.py").read_bytes() == b"2"
