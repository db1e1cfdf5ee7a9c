"""A wheel in its staging folders: where its files are, what RECORD says of them, how they are written."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import FIXTURES
from wheelmaker import DEFLATED, STORED, make_wheel

import muslfix
from muslfix.errors import DestinationError, InvalidWheel
from muslfix.projects.trace import Change
from muslfix.staging.rename import with_changes
from muslfix.staging.tree import StagedWheel, write_record
from muslfix.staging.unpack import direct_url, unpack
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.schemes import layout_of
from muslfix.targets.target import Target
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.wheel import open_wheel

TARGET = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
MODULE = (FIXTURES / "elf" / "x86_64-musl.so").read_bytes()
GNU, MUSL = ".cpython-39-x86_64-linux-gnu.so", ".cpython-39-x86_64-linux-musl.so"
NAME = "demo-1.0-py3-none-any.whl"
DATA = "demo-1.0.data"


def two_folders(target: Target) -> Target:
    """The same target with extension modules in a folder of their own, as on Fedora."""
    return replace(
        target, prefix_scheme=replace(target.prefix_scheme, platlib="lib64/python3.9/site-packages")
    )


@contextmanager
def staged(
    folder: Path, wheel: Path, target: Target = TARGET, executable: str = "/usr/bin/python"
) -> Iterator[StagedWheel]:
    """A wheel, staged for the prefix ``folder / "prefix"``."""
    layout = layout_of(target, prefix=str(folder / "prefix"))
    with open_wheel(str(wheel)) as opened, Transaction(str(folder / "staging")) as transaction:
        (wheel_in_tree,) = unpack([opened], layout, executable, transaction)
        yield wheel_in_tree


def test_files_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    files = {
        "demo.py": b"1",
        "demo/sub/a.py": b"2",
        f"{DATA}/purelib/pure.py": b"3",
        f"{DATA}/platlib/plat/x.so": MODULE,
        f"{DATA}/scripts/run": b"#!python\n",
        f"{DATA}/headers/sub/demo.h": b"4",
        f"{DATA}/data/share/demo/x": b"5",
        f"{DATA}/data/lib/python3.9/site-packages/demo/late.py": b"6",
    }
    wheel = make_wheel(tmp_path / NAME, files, scripts={"demo": "demo:main"})
    with staged(tmp_path, wheel) as tree:
        info = "demo-1.0.dist-info"
        expected = {
            "demo.py": b"1",
            "demo/sub/a.py": b"2",
            "pure.py": b"3",
            "plat/x.so": MODULE,
            "../../../bin/run": b"#!/usr/bin/python\n",
            "../../../include/python3.9/demo/sub/demo.h": b"4",
            "../../../share/demo/x": b"5",
            "demo/late.py": b"6",  # RECORD has one spelling for a path, whatever brought it there
            f"{info}/INSTALLER": b"muslfix\n",
            f"{info}/REQUESTED": b"",
        }
        found = {path: Path(tree.locate(path)).read_bytes() for path in expected}
        assert found == expected
        others = {"../../../bin/demo", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/entry_points.txt"}
        others.add(f"{info}/direct_url.json")
        assert tree.files.keys() == expected.keys() | others | {f"{info}/RECORD"}
        for path, file in tree.files.items():
            if path == f"{info}/RECORD":
                assert file.row == (path, "", "")
                continue
            content = Path(tree.locate(path)).read_bytes()
            assert file.row.path == path
            assert file.row.digest == hashlib.sha256(content).digest()
            assert file.row.size == str(len(content))
        assert [f.relative for f in tree.files.values() if f.is_source] == [
            "demo.py", "demo/sub/a.py", "pure.py"
        ]  # fmt: skip
        assert tree.locate("plat/new.so") == os.path.join(os.path.dirname(tree.locate("plat/x.so")), "new.so")

        write_record(tree)
        rows = list(csv.reader(Path(tree.locate(f"{info}/RECORD")).read_text().splitlines()))
        assert {row[0] for row in rows} == tree.files.keys()
        assert [row for row in rows if not row[1]] == [[f"{info}/RECORD", "", ""]]
    assert not (tmp_path / "prefix").exists()


def test_each_destination_has_one_staging_folder(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path / NAME, {"demo.py": b"", f"{DATA}/platlib/x.py": b"", f"{DATA}/data/bin/y": b""}
    )
    with staged(tmp_path, wheel) as tree:
        prefix = tmp_path / "prefix"
        assert list(tree.directories) == [str(prefix / "lib/python3.9/site-packages"), str(prefix)]
        assert len(set(tree.directories.values())) == 2


def test_changes_are_noted(tmp_path: Path) -> None:
    files = {f"p/a{GNU}": MODULE, f"p/b{GNU}": MODULE, "p/c.py": b""}
    wheel = make_wheel(tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", files)
    with staged(tmp_path, wheel) as tree:
        before = dict(tree.files)
        changes = (
            Change(f"p/a{GNU}", f"p/a{MUSL}", muslfix.Mode.COPY),
            Change(f"p/b{GNU}", f"p/b{MUSL}", muslfix.Mode.RENAME),
        )
        changed = with_changes(tree, changes, TARGET)
        assert tree.files == before
        assert changed.files.keys() == before.keys() - {f"p/b{GNU}"} | {
            f"p/a{MUSL}",
            f"p/b{MUSL}",
            "demo-1.0.dist-info/muslfix.json",
        }
        for old, new in ((f"p/a{GNU}", f"p/a{MUSL}"), (f"p/b{GNU}", f"p/b{MUSL}")):
            assert changed.files[new].row == before[old].row._replace(path=new)
            assert changed.files[new].relative == new
        trace = json.loads(Path(changed.locate("demo-1.0.dist-info/muslfix.json")).read_text())
        assert [change["new"] for change in trace["changes"]] == [f"p/a{MUSL}", f"p/b{MUSL}"]


# -- folders of two kinds ---------------------------------------------------------------------------


def test_where_extension_modules_have_a_folder_of_their_own(tmp_path: Path) -> None:
    """The ``.dist-info`` is in the one or the other, and RECORD leads from there to both."""
    target, prefix = two_folders(TARGET), tmp_path / "prefix"
    options = muslfix.InstallOptions(prefix=str(prefix))
    pure, plat = (prefix / name / "python3.9/site-packages" for name in ("lib", "lib64"))

    def record(folder: Path) -> set[str]:
        text = (folder / "demo-1.0.dist-info/RECORD").read_text()
        return {row[0] for row in csv.reader(text.splitlines())}

    files = {"demo.py": b"", f"{DATA}/platlib/_one{GNU}": MODULE, f"{DATA}/purelib/more.py": b""}
    report = muslfix.install([str(make_wheel(tmp_path / NAME, files))], target, options)
    assert report.projects[0].location == str(pure)
    assert (plat / f"_one{MUSL}").is_symlink()
    up = "../../../lib64/python3.9/site-packages"
    assert {"demo.py", "more.py", f"{up}/_one{GNU}", f"{up}/_one{MUSL}"} <= record(pure)

    # The same project as a wheel whose root is the other folder takes its place.
    wheel = make_wheel(tmp_path / "demo-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", files)
    report = muslfix.install([str(wheel)], target, replace(options, force_reinstall=True))
    assert report.projects[0].location == str(plat)
    assert os.listdir(pure) == ["more.py"]
    assert {"demo.py", "../../../lib/python3.9/site-packages/more.py", f"_one{MUSL}"} <= record(plat)


def test_a_module_that_comes_as_data_is_found_where_it_goes(tmp_path: Path) -> None:
    files = {"demo/__init__.py": b"", f"{DATA}/data/lib/python3.9/site-packages/demo/_two{GNU}": MODULE}
    wheel = make_wheel(tmp_path / NAME, files)
    for mode in muslfix.Mode:
        options = muslfix.InstallOptions(prefix=str(tmp_path / mode.value), mode=mode)
        report = muslfix.install([str(wheel)], TARGET, options)
        assert [module.new_path for module in report.projects[0].modules] == [f"demo/_two{MUSL}"]
        folder = tmp_path / mode.value / "lib/python3.9/site-packages/demo"
        assert (folder / f"_two{MUSL}").read_bytes() == MODULE
        assert (folder / f"_two{GNU}").exists() is (mode is not muslfix.Mode.RENAME)


# -- writing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("umask", "file", "program"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_modes_follow_the_umask(tmp_path: Path, umask: int, file: int, program: int) -> None:
    path = f"{DATA}/scripts/run"
    wheel = make_wheel(
        tmp_path / NAME, {"demo.py": b"", path: b"x"}, scripts={"demo": "demo:main"}, executable=[path]
    )
    before = os.umask(umask)
    try:
        with staged(tmp_path, wheel) as tree:
            modes = {p: stat.S_IMODE(os.stat(tree.locate(p)).st_mode) for p in write_record(tree).files}
    finally:
        os.umask(before)
    assert modes["demo.py"] == modes["demo-1.0.dist-info/METADATA"] == file
    assert modes["../../../bin/run"] == modes["../../../bin/demo"] == program


@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!python\nx", b"#!/opt/py\nx"),
        (b"#!python3 -u\nx", b"#!/opt/py\nx"),
        (b"#!pythonw\r\nx", b"#!/opt/py\nx"),
        (b"#!python", b"#!/opt/py\n"),
        (b"#!/usr/bin/python\nx", b"#!/usr/bin/python\nx"),
        (b"#! python\nx", b"#! python\nx"),
        (b"#!pyth", b"#!pyth"),
        (b"x\n#!python\n", b"x\n#!python\n"),
        (b"", b""),
        (b"#!python\n" + bytes(5 * 1024 * 1024), b"#!/opt/py\n" + bytes(5 * 1024 * 1024)),
    ],
    ids=[
        "plain",
        "options",
        "pythonw",
        "no line end",
        "absolute",
        "blank",
        "half",
        "later",
        "empty",
        "large",
    ],
)
def test_scripts_begin_with_the_interpreter(
    tmp_path: Path, method: int, content: bytes, expected: bytes
) -> None:
    wheel = make_wheel(
        tmp_path / NAME,
        {f"{DATA}/scripts/x": content, f"{DATA}/data/x": content, "x": content},
        method=method,
    )
    with staged(tmp_path, wheel, executable="/opt/py") as tree:
        assert Path(tree.locate("../../../bin/x")).read_bytes() == expected
        assert tree.files["../../../bin/x"].row.digest == hashlib.sha256(expected).digest()
        for path in ("../../../x", "x"):
            assert Path(tree.locate(path)).read_bytes() == content


def test_entry_points_of_each_kind(tmp_path: Path) -> None:
    text = (
        b"[console_scripts]\na = demo.sub:Class.main\n[gui_scripts]\nb = demo:main [extra]\n[other]\nc = d\n"
    )
    wheel = make_wheel(tmp_path / NAME, {"demo-1.0.dist-info/entry_points.txt": text})
    with staged(tmp_path, wheel) as tree:
        a, b = (Path(tree.locate(f"../../../bin/{name}")).read_text() for name in "ab")
        assert "../../../bin/c" not in tree.files
    assert a.startswith("#!/usr/bin/python\n")
    assert "from demo.sub import Class" in a
    assert "Class.main()" in a
    assert "from demo import main" in b


def test_many_files_by_several_threads(tmp_path: Path) -> None:
    files = {f"p{n % 7}/f{n}.py": b"%d\n" % n * n for n in range(300)}
    with staged(tmp_path, make_wheel(tmp_path / NAME, files)) as tree:
        assert {path: Path(tree.locate(path)).read_bytes() for path in files} == files


@pytest.mark.parametrize("sizes", [(1, 9), (9, 1)], ids=["folder first", "file first"])
def test_a_file_of_one_scheme_where_another_needs_a_folder(tmp_path: Path, sizes: tuple[int, int]) -> None:
    """The largest files are taken first, so either can come before the other."""
    files = {"demo": bytes(sizes[0]), f"{DATA}/purelib/demo/sub/x.py": bytes(sizes[1])}
    with (
        pytest.raises(InvalidWheel, match=r"has two files for 'demo'"),
        staged(tmp_path, make_wheel(tmp_path / NAME, files)),
    ):
        pass


def test_the_first_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    files = {f"f{n}.py": b"%d\n" % n for n in range(50)}
    wrong = {name: {"crc": 1} for name in ("f7.py", "f30.py", "f49.py")}
    wheel = make_wheel(tmp_path / NAME, files, fields=wrong)
    with (
        pytest.raises(InvalidWheel, match=r"f7\.py is damaged: its CRC-32 is wrong"),
        staged(tmp_path, wheel),
    ):
        pass


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / NAME, {"demo.py": b""})
    layout = layout_of(TARGET, prefix="/proc/muslfix")
    with (
        open_wheel(str(wheel)) as opened,
        Transaction(str(tmp_path / "staging")) as transaction,
        pytest.raises(DestinationError, match=r"^/proc: cannot be written"),
    ):
        unpack([opened], layout, "/py", transaction)


# -- where it came from -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/w/demo-1.0-py3-none-any.whl", "file:///w/demo-1.0-py3-none-any.whl"),
        ("/w/a b/%25+~?#.whl", "file:///w/a%20b/%2525%2B~%3F%23.whl"),
        ("/w/ä.whl", "file:///w/%C3%A4.whl"),
        (os.fsdecode(b"/w/\xe4.whl"), "file:///w/%E4.whl"),
        ("/w/../v/x.whl", "file:///v/x.whl"),
    ],
)
def test_direct_url(path: str, url: str) -> None:
    assert json.loads(direct_url(path, "abc")) == {
        "url": url,
        "archive_info": {"hash": "sha256=abc", "hashes": {"sha256": "abc"}},
    }


def test_direct_url_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(direct_url("x.whl", "abc"))["url"] == f"file://{tmp_path}/x.whl"
    assert re.fullmatch(r"\{.*\}", direct_url("x.whl", "abc").decode())
