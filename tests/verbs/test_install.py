"""``muslfix install`` on real environments: what it leaves, compared with pip, RECORD and itself."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import marshal
import os
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.resources import files
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from checkout import FIXTURES
from commands import NO_BYTECODE, Cli, Result
from environments import make_environment, pip, run_python, site_packages, well
from misnamed import FOREIGN, LINKED, MODES, MODULE, RIGHT, WRONG, make_demo, running, served_by
from trees import snapshot
from wheelmaker import Member, make_wheel, record_hash

import muslfix
from muslfix.errors import EnvironmentRefused, FileConflict, RefusedModules
from muslfix.targets.target import Target

WHEELS = FIXTURES / "wheels"
TARGETS = FIXTURES / "targets"
PURE = WHEELS / "pure-1.0-py3-none-any.whl"
NOTHING = "1 project: nothing to fix.\n"
FIXED = "2 fixed (1 would have fallen back to slower pure Python)"

SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))

RICH = {
    "rich/__init__.py": b"def main():\n    print('rich', __file__)\n",
    "rich/sub/deep/__init__.py": b"answer = 42\n",
    "rich/template.py": b"this is {{ no }} Python\n",
    "rich/data, with a comma.txt": b"data\n",
    "rich/\xc3\xa4.txt".encode("latin-1").decode(): b"",
    "rich_one.py": b"",
    "rich-1.0.dist-info/licenses/LICENSE": b"MIT\n",
    "rich-1.0.dist-info/entry_points.txt": (
        b"[console_scripts]\nrich = rich:main\nrich-extra = rich.sub:Class.main [extra]\n"
        b"[gui_scripts]\nrich-gui = rich:main\n"
    ),
    "rich-1.0.data/purelib/rich_pure.py": b"",
    "rich-1.0.data/platlib/rich_plat/x.py": b"",
    "rich-1.0.data/scripts/rich-script": b"#!python -O\nimport sys\nprint(sys.executable)\n",
    "rich-1.0.data/scripts/rich-plain": b"#!python\n",
    "rich-1.0.data/scripts/rich.sh": b"#!/bin/sh\necho sh\n",
    "rich-1.0.data/scripts/empty": b"",
    "rich-1.0.data/headers/rich.h": b"int rich;\n",
    "rich-1.0.data/headers/sub/more.h": b"",
    "rich-1.0.data/data/share/rich/note.txt": b"note\n",
    "rich-1.0.data/data/etc/rich.conf": b"",
}


def make_rich(folder: Path) -> Path:
    """A wheel with a file of each kind."""
    return make_wheel(
        folder / "rich-1.0-py3-none-any.whl",
        RICH,
        metadata={"Name": "Rich", "Summary": "All that a wheel can hold"},
        executable=["rich-1.0.data/scripts/rich-script", "rich-1.0.data/scripts/rich.sh", "rich/template.py"],
        extra=[Member("rich/empty/", mode=0o040755)],
    )


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """Two new environments whose paths have the same length."""
    return make_environment(tmp_path / "a"), make_environment(tmp_path / "b")


def rows_of(record: Path) -> dict[str, tuple[str, str]]:
    rows = list(csv.reader(io.StringIO(record.read_bytes().decode(), newline="")))
    found = {path: (digest, size) for path, digest, size in rows}
    assert len(found) == len(rows)
    return found


def assert_record_is_true(site: Path, tree: Path, *, but: set[str]) -> None:
    """Each row of each RECORD is true, and each file below a folder that was not there before has one row.

    :param but: files that were there before, relative to the tree
    """
    listed = []
    for record in site.glob("*.dist-info/RECORD"):
        for path, (digest, size) in rows_of(record).items():
            file = Path(os.path.normpath(site / path))
            content = file.read_bytes()
            if digest:
                assert (digest, size) == (f"sha256={record_hash(content)}", str(len(content))), path
            else:
                assert size == ""
                assert file == record or file.parent.name == "__pycache__", path
            listed.append(str(file.relative_to(tree)))
    there = {
        str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    assert sorted(listed) == sorted(there - but)


# -- compared with pip ------------------------------------------------------------------------------


def test_it_leaves_what_pip_leaves(cli: Cli, twins: tuple[Path, Path], tmp_path: Path) -> None:
    ours, theirs = twins
    wheel = make_rich(tmp_path)
    before = set(snapshot(ours))
    well(pip(theirs, "install", "--no-index", "--no-deps", wheel))
    result = cli("install", wheel, "--python", ours)
    assert (result.status, result.out, result.err) == (0, f"{NOTHING}Rich 1.0: installed\n", "")

    assert_same_trees(ours, theirs)
    site, other = site_packages(ours), site_packages(theirs)
    info = "rich-1.0.dist-info"
    assert (site / info / "INSTALLER").read_text() == "muslfix\n"
    url, their_url = (json.loads((folder / info / "direct_url.json").read_text()) for folder in (site, other))
    assert url["archive_info"]["hashes"] == {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    assert url == {**their_url, "archive_info": their_url["archive_info"] or url["archive_info"]}  # pip 23.0
    rows, their_rows = rows_of(site / info / "RECORD"), rows_of(other / info / "RECORD")
    assert rows.keys() == their_rows.keys()
    own = {f"{info}/INSTALLER", "../../../bin/rich", "../../../bin/rich-extra", "../../../bin/rich-gui"}
    own |= {"../../../bin/rich-script", "../../../bin/rich-plain"}  # each names its own environment
    own |= {f"{info}/direct_url.json"}  # no JSON is like another
    assert {path: row for path, row in rows.items() if path not in own} == {
        path: row for path, row in their_rows.items() if path not in own
    }
    assert_record_is_true(site, ours, but=before)


def test_what_another_installer_noted_in_the_wheel_is_replaced(cli: Cli, tmp_path: Path) -> None:
    """A wheel that was made of an installed project."""
    info = "demo-1.0.dist-info"
    notes = {f"{info}/{name}": b"{" for name in ("INSTALLER", "REQUESTED", "direct_url.json", "muslfix.json")}
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": b"", **notes})
    assert cli("install", wheel, "--target", tmp_path / "x", *for_target()).status == 0
    installed = tmp_path / "x" / info
    assert (installed / "INSTALLER").read_text() == "muslfix\n"
    assert (installed / "REQUESTED").read_text() == ""
    assert json.loads((installed / "direct_url.json").read_text())["url"] == f"file://{wheel}"
    assert not (installed / "muslfix.json").exists()
    assert_record_is_true(tmp_path / "x", tmp_path / "x", but=set())


def assert_same_trees(ours: Path, theirs: Path) -> None:
    """The same names and modes, and the same content but for what must differ."""
    found, expected = snapshot(ours), snapshot(theirs)
    assert found.keys() == expected.keys()
    for name, state in found.items():
        assert state.split()[0] == expected[name].split()[0], name
        if not re.search(r"\.pyc$|bin/|pyvenv\.cfg$|/(RECORD|INSTALLER|direct_url\.json)$", name):
            assert state == expected[name], name
    for name in ("rich", "rich-extra", "rich-gui", "rich-script", "rich-plain", "rich.sh", "empty"):
        first, other = ((folder / "bin" / name).read_bytes() for folder in (ours, theirs))
        assert (
            first.split(b"\n")[0].replace(b"%s" % os.fsencode(ours), os.fsencode(theirs))
            == (other.split(b"\n")[0])
        )


def test_scripts_work(cli: Cli, environment: Path, tmp_path: Path) -> None:
    assert cli("install", make_rich(tmp_path), "--python", environment).status == 0
    python = environment / "bin" / "python"

    def said(name: str) -> str:
        return subprocess.run([environment / "bin" / name], capture_output=True, text=True, check=True).stdout

    for name in ("rich", "rich-gui"):
        assert said(name) == f"rich {site_packages(environment)}/rich/__init__.py\n"
    assert said("rich.sh") == "sh\n"
    assert said("rich-script") == f"{python}\n"
    assert (environment / "bin" / "rich-script").read_bytes().startswith(b"#!%s\n" % os.fsencode(python))
    assert not os.access(environment / "bin" / "rich-plain", os.X_OK)


def test_an_environment_whose_path_no_shebang_can_hold(cli: Cli, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / ("a long name " * 12).strip() / "e")
    assert cli("install", make_rich(tmp_path), "--python", environment).status == 0
    done = subprocess.run([environment / "bin" / "rich"], capture_output=True, text=True, check=True)
    assert done.stdout == f"rich {site_packages(environment)}/rich/__init__.py\n"


@pytest.mark.parametrize("layout", ["--target", "--prefix", "--root"])
def test_other_layouts_are_those_of_pip(
    cli: Cli, twins: tuple[Path, Path], tmp_path: Path, layout: str
) -> None:
    ours, theirs = twins
    wheel = make_rich(tmp_path)
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
    before = snapshot(ours)
    well(pip(theirs, "install", "--no-index", "--no-deps", layout, tmp_path / "y" / "new", wheel))
    assert cli("install", wheel, "--python", ours, layout, tmp_path / "x" / "new").status == 0
    assert snapshot(ours) == before

    python = "python{}.{}".format(*sys.version_info)
    found, expected = (set(snapshot(tmp_path / folder / "new")) for folder in ("x", "y"))
    if layout == "--root":
        expected = {name.replace(str(theirs)[1:], str(ours)[1:]) for name in expected}
        expected |= {str(parent) for name in expected for parent in Path(name).parents} - {"."}
        expected -= {str(theirs)[1:]}
    if layout == "--target":  # pip's headers depend on where pip runs; these are where uv puts them
        expected = {name.replace(f"include/site/{python}/", "include/") for name in expected}
        expected -= {"include/site", f"include/site/{python}"}
    assert found == expected

    (site,) = {record.parents[1] for record in tmp_path.glob("x/**/RECORD")}
    assert_record_is_true(site, tmp_path / "x" / "new", but=set())
    seen = site if layout != "--root" else Path("/", site.relative_to(tmp_path / "x" / "new"))
    if layout == "--root":
        assert seen == site_packages(ours)
    code = code_of(site / "rich" / "sub" / "deep" / "__init__.py")
    assert code.co_filename == str(seen / "rich/sub/deep/__init__.py")
    (script,) = tmp_path.glob("x/**/bin/rich-script")
    assert script.read_text().splitlines()[0] == f"#!{ours}/bin/python"


def code_of(source: Path) -> Any:
    """The code object in the bytecode of a module, which must be valid for its source."""
    content = Path(cache_from_source(str(source))).read_bytes()
    state = source.stat()
    assert content[:4] == MAGIC_NUMBER
    assert content[4:8] == bytes(4)  # checked against the time and size of the source
    assert int.from_bytes(content[8:12], "little") == int(state.st_mtime) & 0xFFFFFFFF
    assert int.from_bytes(content[12:16], "little") == state.st_size
    return marshal.loads(content[16:])


def test_python_finds_the_bytecode_good(cli: Cli, environment: Path, tmp_path: Path) -> None:
    assert cli("install", make_rich(tmp_path), "--python", environment).status == 0
    before = snapshot(environment)
    assert run_python(environment, "import rich.sub.deep as d; print(d.answer, d.__cached__)").endswith(
        ".pyc"
    )
    assert snapshot(environment) == before


def test_a_file_that_compiles_to_too_much_comes_without_bytecode_and_is_named(
    cli: Cli, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muslfix.staging.bytecode._MEMORY", 64 * 1024 * 1024)
    deep = "".join("  " * n + "try: a\n" + "  " * n + "finally:\n" for n in range(19)) + "  " * 19 + "b\n"
    files = {"p/__init__.py": b"", "p/deep.py": deep.encode()}
    result = cli("install", make_wheel(tmp_path / "p-1.0-py3-none-any.whl", files), "--python", environment)
    assert result.status == 0
    assert "p/deep.py has no bytecode: compiling it takes too much memory or time" in result.out + result.err
    (site,) = environment.glob("lib/python3*/site-packages")
    assert [path.name.split(".")[0] for path in (site / "p/__pycache__").iterdir()] == ["__init__"]
    assert cli("verify", "p", "--python", environment).status == 0


def test_without_bytecode(cli: Cli, environment: Path, tmp_path: Path) -> None:
    before = set(snapshot(environment))
    assert cli("install", make_rich(tmp_path), "--python", environment, "--no-compile").status == 0
    assert list(site_packages(environment).rglob("*.pyc")) == []
    assert_record_is_true(site_packages(environment), environment, but=before)


def test_a_wheel_in_a_folder_that_is_no_text(cli: Cli, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9 %")
    odd.mkdir()
    assert cli("install", make_rich(odd), "--target", odd / "x", *for_target()).status == 0
    url = json.loads((odd / "x" / "rich-1.0.dist-info" / "direct_url.json").read_text())["url"]
    assert url == f"file://{tmp_path}/caf%E9%20%25/rich-1.0-py3-none-any.whl"
    assert_record_is_true(odd / "x", odd / "x", but=set())
    result = cli("install", make_rich(odd), "--target", odd / "x", *for_target(), "--json")
    assert json.loads(result.out)["projects"][0]["location"] == str(odd / "x")


def for_target(name: str = "lab-cpython-3.9-musl-x86_64") -> tuple[str, Path]:
    return "--target-file", TARGETS / f"{name}.json"


# -- misnamed modules -------------------------------------------------------------------------------


@pytest.fixture
def neighbour(environment: Path) -> dict[str, str]:
    """An environment that is not empty: pip removes a folder of modules that it leaves empty."""
    (site_packages(environment) / "neighbour.py").write_text("")
    return snapshot(environment)


def names(folder: Path) -> dict[str, str]:
    """What the files of modules are."""
    return {
        path.name: "link to " + os.readlink(path) if path.is_symlink() else "file"
        for path in folder.glob("*.so")
    }


def test_pip_leaves_them_unfound(environment: Path, tmp_path: Path) -> None:
    well(pip(environment, "install", "--no-index", "--no-compile", make_demo(tmp_path)))
    assert served_by(environment) == "_speed.py"
    assert f"_speed{WRONG}" in names(site_packages(environment) / "demo")


@pytest.mark.parametrize("mode", MODES)
def test_they_are_found_in_every_mode(
    cli: Cli, environment: Path, neighbour: dict[str, str], tmp_path: Path, mode: str
) -> None:
    wheel = make_demo(tmp_path)
    words = ["--mode", mode] if mode != MODES[0] else []
    result = cli("install", "-v", wheel, "--python", environment, *words)
    assert (result.status, result.err) == (0, "")
    deed = {
        "symlink": "which now links to it",
        "hardlink": "which is now a hard link to it",
        "copy": "which is now a copy of it",
        "rename": "which is now its name",
    }[mode]
    assert result.out == (
        f"2 extension modules in 1 project: {FIXED}.\n"
        f"demo 1.0: installed, 2 extension modules: {FIXED}\n"
        f"  demo/_speed{WRONG}: fixed: the target looks for _speed{RIGHT}, {deed}; without it Python"
        " silently imports the .py of the same name, which is slower\n"
        f"  demo/sub/_speed{WRONG}: fixed: the target looks for _speed{RIGHT}, {deed}\n"
    )

    site = site_packages(environment)
    assert served_by(environment) == f"_speed{RIGHT}"
    assert run_python(environment, "import demo.sub._speed as s; print(s.answer())") == "42"
    old, new = f"_speed{WRONG}", f"_speed{RIGHT}"
    for folder in (site / "demo", site / "demo" / "sub"):
        assert (
            names(folder)
            == {
                "symlink": {old: "file", new: f"link to {old}"},
                "hardlink": {old: "file", new: "file"},
                "copy": {old: "file", new: "file"},
                "rename": {new: "file"},
            }[mode]
        )
        assert (folder / new).read_bytes() == MODULE
        if mode != "rename":
            assert os.path.samefile(folder / old, folder / new) is (mode != "copy")
            assert (folder / old).stat().st_mode == (folder / new).stat().st_mode

    assert_record_is_true(site, environment, but=set(neighbour))
    trace = json.loads((site / "demo-1.0.dist-info" / "muslfix.json").read_text())
    assert trace == {
        "format": 1,
        "muslfix": muslfix.__version__,
        "target": {
            "extension_suffixes": EXTENSION_SUFFIXES,
            "libc": running().libc.value,
            "machine": dataclasses.asdict(running().machine),
        },
        "changes": [
            {"old": f"{folder}/{old}", "new": f"{folder}/{new}", "mode": mode, "row": None}
            for folder in ("demo", "demo/sub")
        ],
    }

    well(pip(environment, "uninstall", "-y", "demo"))
    assert snapshot(environment) == neighbour


def test_without_misnamed_modules_there_is_no_trace(cli: Cli, environment: Path, tmp_path: Path) -> None:
    wheel = make_demo(tmp_path, files={"demo/__init__.py": b"", f"demo/_speed{RIGHT}": MODULE})
    result = cli("install", wheel, "--python", environment, "--verbose")
    assert result.out == (
        "1 extension module in 1 project: nothing to fix.\n"
        "demo 1.0: installed, 1 extension module: nothing to fix\n"
        f"  demo/_speed{RIGHT}: importable: the target imports names that end in {RIGHT}\n"
    )
    assert not list(site_packages(environment).glob("*/muslfix.json"))


def test_a_foreign_module_is_refused_and_nothing_is_left(cli: Cli, environment: Path, tmp_path: Path) -> None:
    wheel = make_demo(tmp_path, files={"demo/__init__.py": b"", f"demo/_speed{WRONG}": FOREIGN})
    before = snapshot(environment)
    result = cli("install", PURE, wheel, "--python", environment)
    assert (result.status, result.out) == (1, "")
    first, error, tip = result.err.splitlines()
    assert first.startswith(f"demo/_speed{WRONG}: other-libc: it is linked to ")
    assert error == (
        f"error: {wheel}: has an extension module that the target cannot load, so it is not installed"
    )
    assert tip.startswith("tip: use a ")
    assert snapshot(environment) == before


PLANS = json.loads((FIXTURES / "plans.json").read_text(encoding="utf-8"))
# What the planner would do, if the wheel were not refused for its tags or for the version that it requires.
OF_OTHER_TAGS = {
    ("speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "docker-alpine-cpython-3.11-x86_64.json"),
    ("neutral-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", "docker-debian-cpython-3.9-x86_64.json"),
    ("stable-1.0-cp36-abi3-musllinux_1_1_x86_64.whl", "cpython-3.15t-musl-x86_64.json"),
}
FITTING = [
    (wheel, target)
    for wheel, plans in PLANS.items()
    for target, verdicts in plans.items()
    if not any("refused" in verdict for verdict in verdicts.values())
    and (wheel, target) not in OF_OTHER_TAGS
    and wheel != "needs-2.0-py3-none-any.whl"
]


@pytest.mark.parametrize(("wheel", "target"), sorted(OF_OTHER_TAGS))
def test_wheels_for_others_are_refused(cli: Cli, tmp_path: Path, wheel: str, target: str) -> None:
    words = "--target-file", TARGETS / target, "--target", tmp_path / "x"
    result = cli("install", WHEELS / wheel, *words)
    assert (result.status, result.out) == (1, "")
    assert re.match(rf"error: {WHEELS / wheel}: is for .+, and the target is CPython 3\.", result.err)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", ["symlink", "rename"])
@pytest.mark.parametrize(("wheel", "target"), FITTING)
def test_right_names_for_targets_that_cannot_run_here(
    cli: Cli, tmp_path: Path, wheel: str, target: str, mode: str
) -> None:
    """The fixtures' own table says what the planner must say; here it is what is on disk."""
    folder = tmp_path / "x"
    result = cli(
        "install", WHEELS / wheel, "--target-file", TARGETS / target, "--target", folder, "--mode", mode
    )
    assert result.status == 0, result.err
    expected = {}
    for old, verdict in PLANS[wheel][target].items():
        new = (
            re.sub(r"^misnamed: |, needed by name$", "", verdict) if verdict.startswith("misnamed") else None
        )
        expected[old] = "file"
        if new and mode == "rename" and not verdict.endswith("needed by name"):
            del expected[old]
            expected[new] = "file"
        elif new:
            expected[new] = f"link to {old}"
    assert names(folder / wheel.partition("-")[0]) == expected
    assert list(folder.rglob("*.pyc")) == []
    assert_record_is_true(folder, folder, but=set())


def test_a_target_that_cannot_run_here_needs_a_folder(cli: Cli, tmp_path: Path) -> None:
    result = cli("install", PURE, *for_target())
    assert (result.status, result.out) == (2, "")
    assert result.err == (
        "error: the target cannot be run here, so its directories are not those of this machine\n"
        "tip: say with --target, --prefix or --root where to put the files\n"
    )


def test_for_a_root_the_target_names_the_paths(cli: Cli, tmp_path: Path) -> None:
    wheel = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    assert cli("install", wheel, *for_target(), "--root", tmp_path / "root").status == 0
    prefix = tmp_path / "root" / "opt" / "lab" / "39-musl"
    site = prefix / "lib" / "python3.9" / "site-packages"
    assert (prefix / "bin" / "speedy").read_text().startswith("#!/opt/lab/39-musl/bin/python3\n")
    assert (prefix / "include" / "python3.9" / "speedy" / "speedy.h").exists()
    assert_record_is_true(site, prefix, but=set())
    assert cli("install", wheel, *for_target(), "--root", tmp_path / "root").out == (
        f"{NOTHING}speedy 1.0: kept: this version is already installed\n"
    )


# -- what is there already --------------------------------------------------------------------------


def version(folder: Path, number: str, files: dict[str, bytes]) -> Path:
    return make_wheel(folder / f"demo-{number}-py3-none-any.whl", files, scripts={f"demo-{number}": "demo:m"})


def test_another_version_takes_its_place(cli: Cli, environment: Path, tmp_path: Path) -> None:
    first = version(tmp_path, "1.0", {"demo/__init__.py": b"v = 1", "demo/old/x.py": b"", "one.py": b""})
    second = version(tmp_path, "2.0", {"demo/__init__.py": b"v = 2", "demo/new.py": b""})
    site = site_packages(environment)
    before = {*snapshot(environment), str((site / "demo" / "mine.txt").relative_to(environment))}
    for wheel, said in [
        (first, "demo 1.0: installed\n"),
        (second, "demo 2.0: installed in place of 1.0\n"),
        (first, "demo 1.0: installed in place of 2.0\n"),
    ]:
        assert cli("install", wheel, "--python", environment).out == NOTHING + said
        (site / "demo" / "mine.txt").write_text("of somebody else")
        assert run_python(environment, "import demo; print(demo.v)") == said[5]
        # All that is there is of this version: modules, bytecode, scripts, folders.
        assert_record_is_true(site, environment, but=before)
        folders = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_dir()}
        expected = {"demo", "demo/__pycache__", f"demo-{said[5]}.0.dist-info"}
        expected |= {"__pycache__", "demo/old", "demo/old/__pycache__"} if wheel is first else set()
        assert folders == expected
        # Bytecode that Python wrote later and nobody lists.
        run_python(environment, "import py_compile, demo; py_compile.compile(demo.__file__, optimize=2)")
        assert list(site.rglob("*.opt-2.pyc"))


def test_the_same_version_is_kept(cli: Cli, environment: Path, tmp_path: Path) -> None:
    wheel = version(tmp_path, "1.0", {"demo.py": b"x = 1"})
    other = version(tmp_path, "1.0.0", {"demo.py": b"x = 2"})
    assert cli("install", wheel, "--python", environment).status == 0
    before = snapshot(environment)
    for same in (wheel, other):
        result = cli("install", same, "--python", environment)
        kept = f"demo {same.name.split('-')[1]}: kept: this version is already installed\n"
        assert (result.status, result.out, result.err) == (0, NOTHING + kept, "")
        assert snapshot(environment) == before


def test_reinstalling_makes_the_same_tree(cli: Cli, environment: Path, tmp_path: Path) -> None:
    wheel = make_demo(tmp_path)
    assert cli("install", wheel, "--python", environment).status == 0
    site = site_packages(environment)
    before = {name: state for name, state in snapshot(environment).items() if not name.endswith(".pyc")}
    (site / "demo" / "__init__.py").write_text("broken")
    (site / "demo" / f"_speed{RIGHT}").unlink()
    result = cli("install", wheel, "--python", environment, "--force-reinstall")
    assert result.out.splitlines()[-1] == (
        f"demo 1.0: installed in place of 1.0, 2 extension modules: {FIXED}"
    )
    after = {name: state for name, state in snapshot(environment).items() if not name.endswith(".pyc")}
    assert after == before
    assert served_by(environment) == f"_speed{RIGHT}"


def test_what_pip_has_installed_is_replaced(cli: Cli, environment: Path, tmp_path: Path) -> None:
    well(pip(environment, "install", "--no-index", make_demo(tmp_path)))
    before = set(snapshot(environment)) - {
        str(path.relative_to(environment))
        for path in environment.rglob("*")
        if "demo" in str(path.relative_to(environment))
    }
    assert cli("install", make_demo(tmp_path, version="2.0"), "--python", environment).status == 0
    assert served_by(environment) == f"_speed{RIGHT}"
    assert_record_is_true(site_packages(environment), environment, but=before)


def test_stale_bytecode_in_the_way_is_replaced(cli: Cli, environment: Path, tmp_path: Path) -> None:
    site = site_packages(environment)
    stale = Path(cache_from_source(str(site / "demo.py")))
    stale.parent.mkdir()
    stale.write_bytes(b"of a demo.py that somebody has removed")
    assert (
        cli("install", version(tmp_path, "1.0", {"demo.py": b"x = 1"}), "--python", environment).status == 0
    )
    assert code_of(site / "demo.py").co_filename == str(site / "demo.py")


def test_an_installation_without_record_is_not_touched(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x" / "Demo-0.9-py3.9.egg-info").mkdir(parents=True)
    wheel = version(tmp_path, "1.0", {"demo.py": b""})
    result = cli("install", wheel, *for_target(), "--target", tmp_path / "x")
    assert (result.status, result.out) == (1, "")
    assert result.err == (
        f"error: {tmp_path}/x/Demo-0.9-py3.9.egg-info: is an installation of demo without RECORD, so its"
        " files are not known\ntip: remove it with the tool that installed it\n"
    )


def test_what_is_left_of_an_installation_does_not_count_as_one(cli: Cli, tmp_path: Path) -> None:
    """A ``.dist-info`` without METADATA, as an interrupted removal leaves it."""
    (tmp_path / "x" / "demo-1.0.dist-info").mkdir(parents=True)
    wheel = version(tmp_path, "1.0", {"demo.py": b""})
    result = cli("install", wheel, *for_target(), "--target", tmp_path / "x")
    assert result.status == 1
    assert "RECORD: cannot be read (No such file or directory)" in result.err


# -- several wheels ---------------------------------------------------------------------------------


def test_several_wheels_are_all_installed_or_none(cli: Cli, tmp_path: Path) -> None:
    good, other = version(tmp_path, "1.0", {"demo.py": b""}), PURE
    bad = make_wheel(
        tmp_path / "bad-1.0-py3-none-any.whl",
        {"bad.py": b"x", "bad2.py": b"y"},
        fields={"bad2.py": {"crc": 1}},
    )
    folder = tmp_path / "x"
    result = cli("install", good, other, bad, *for_target(), "--target", folder)
    assert (result.status, result.out) == (1, "")
    assert result.err == f"error: {bad}: bad2.py is damaged: its CRC-32 is wrong\n"
    assert not folder.exists()
    result = cli("install", good, other, *for_target(), "--target", folder)
    assert result.out == (
        f"2 projects: nothing to fix.\ndemo 1.0: installed\npure 1.0: installed\n{NO_BYTECODE}"
    )
    assert_record_is_true(folder, folder, but=set())


def test_two_wheels_of_one_project(cli: Cli, tmp_path: Path) -> None:
    first, second = (version(tmp_path, number, {"demo.py": b""}) for number in ("1.0", "2.0"))
    result = cli("install", first, second, *for_target(), "--target", tmp_path / "x")
    assert result.status == 1
    assert result.err == f"error: {second}: is of the same project as {first}\ntip: name one of them\n"


def test_what_is_required_is_said(cli: Cli, environment: Path, tmp_path: Path) -> None:
    needy = make_wheel(
        tmp_path / "needy-1.0-py3-none-any.whl",
        {"needy.py": b""},
        metadata={"Requires-Dist": ["absent", "pure >=2", "demo", "not for us; python_version < '3'"]},
        wheel={"Wheel-Version": "1.3"},
    )
    result = cli("install", needy, PURE, version(tmp_path, "1.0", {"demo.py": b""}), "--python", environment)
    assert result.status == 0
    assert result.err == (
        "warning: needy 1.0: has the wheel format version 1.3, which is newer than this muslfix\n"
        "warning: needy 1.0: requires absent, which is not installed\n"
        "warning: needy 1.0: requires pure>=2; installed is 1.0\n"
        "warning: needy 1.0: has a requirement that cannot be read: \"not for us; python_version < '3'\"\n"
    )
    assert cli("install", needy, "--python", environment, "--quiet").err == ""


# -- environments that are not ours -----------------------------------------------------------------


@pytest.fixture
def managed(environment: Path) -> Target:
    """A target in which another tool has put its marker."""
    marker = environment / "EXTERNALLY-MANAGED"
    marker.write_text("[externally-managed]\nError=use apk\n")
    target = muslfix.probe(str(environment / "bin" / "python"))
    return dataclasses.replace(target, externally_managed=str(marker))


def test_an_environment_of_another_tool(managed: Target, environment: Path, tmp_path: Path) -> None:
    before = snapshot(environment)
    with pytest.raises(EnvironmentRefused, match="says that another tool manages the environment") as caught:
        muslfix.install([str(PURE)], managed)
    assert caught.value.path == managed.externally_managed
    assert caught.value.tip == (
        "use a virtual environment, or --break-system-packages if you accept the risk"
    )
    assert snapshot(environment) == before
    for options in (
        muslfix.InstallOptions(folder=str(tmp_path / "x")),
        muslfix.InstallOptions(prefix=str(tmp_path / "y")),
        muslfix.InstallOptions(root=str(tmp_path / "z")),
        muslfix.InstallOptions(break_system_packages=True),
    ):
        assert [project.action for project in muslfix.install([str(PURE)], managed, options).projects] == [
            "installed"
        ]


# -- dry runs and reports ---------------------------------------------------------------------------


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which must be empty in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def test_a_dry_run_changes_nothing(cli: Cli, environment: Path, tmp_path: Path, scratch: Path) -> None:
    wheel, newer = make_demo(tmp_path), make_demo(tmp_path, version="2.0")
    options = "--python", environment, "--dry-run"
    before = snapshot(tmp_path)
    result = cli("install", wheel, *options, "--mode", "copy")
    assert (result.status, result.err) == (0, "")
    misnamed = "2 misnamed (1 would fall back to slower pure Python)"
    assert result.out.splitlines() == [
        f"2 extension modules in 1 project: {misnamed}.",
        f"demo 1.0: would be installed, 2 extension modules: {misnamed}",
        f"  demo/_speed{WRONG}: misnamed: the target looks for _speed{RIGHT}, which would be a copy of it;"
        " today Python silently imports the .py of the same name, which is slower",
        f"  demo/sub/_speed{WRONG}: misnamed: the target looks for _speed{RIGHT},"
        " which would be a copy of it",
    ]
    assert snapshot(tmp_path) == before

    assert cli("install", wheel, "--python", environment).status == 0
    before = snapshot(tmp_path)
    assert (
        cli("install", wheel, *options).out == f"{NOTHING}demo 1.0: kept: this version is already installed\n"
    )
    assert "demo 2.0: would be installed in place of 1.0, " in cli("install", newer, *options).out
    assert snapshot(tmp_path) == before
    assert os.listdir(scratch) == []


@pytest.mark.parametrize("where", ["/proc/muslfix", "new/and/deep", "file/below"])
def test_a_dry_run_where_nothing_can_be_or_is(cli: Cli, tmp_path: Path, scratch: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    before = snapshot(tmp_path)
    result = cli("install", PURE, *for_target(), "--target", tmp_path / where, "--dry-run")
    if where == "file/below":
        assert result.err == f"error: {tmp_path}/file: is in the way of pure, which needs a directory there\n"
    else:
        assert (result.status, result.out) == (0, f"{NOTHING}pure 1.0: would be installed\n")
    assert snapshot(tmp_path) == before
    assert os.listdir(scratch) == []


def report_of(result: Result) -> Any:
    """A report that keeps to its schema."""
    assert result.err == ""
    report = json.loads(result.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return report


def test_a_report_as_json(cli: Cli, environment: Path, tmp_path: Path) -> None:
    wheel = make_demo(tmp_path)
    words = "install", wheel, PURE, "--python", environment, "--json"
    would = report_of(cli(*words, "--dry-run"))
    report = report_of(cli(*words, "--quiet"))
    assert would["dry_run"] is True
    assert report["dry_run"] is False
    demo, pure = report["projects"]
    assert demo["modules"][1] == LINKED
    assert would["projects"][0]["modules"][1]["sentence"].endswith("which would link to it")
    assert {**pure, "modules": None} == {
        "name": "pure",
        "version": "1.0",
        "source": str(PURE),
        "location": str(site_packages(environment)),
        "action": "installed",
        "previous": None,
        "modules": None,
        "files": [],
        "warnings": [],
        "problem": None,
        "tip": None,
        "output": None,
        "musl": None,
        "editable": None,
    }
    kept = report_of(cli(*words))["projects"]
    assert [(p["action"], p["previous"], p["modules"]) for p in kept] == [("kept", "1.0", [])] * 2
    assert kept[0]["location"] == str(site_packages(environment))


def test_the_library_does_the_same_and_prints_nothing(
    environment: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = muslfix.probe(str(environment / "bin" / "python"))
    report = muslfix.install([str(make_demo(tmp_path))], target, muslfix.InstallOptions(compile=False))
    assert [module.mode for module in report.projects[0].modules] == [muslfix.Mode.SYMLINK] * 2
    foreign = make_demo(tmp_path, files={f"demo/_speed{WRONG}": FOREIGN})
    with pytest.raises(RefusedModules) as caught:
        muslfix.install([str(foreign)], target, muslfix.InstallOptions(force_reinstall=True))
    assert len(caught.value.lines) == 1
    assert capfd.readouterr() == ("", "")


def test_a_project_of_a_package_manager_is_left_to_it(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / f"owned-{version}-py3-none-any.whl", {"owned.py": version.encode()})
    assert cli("install", tmp_path / "owned-1.0-py3-none-any.whl", "--target", folder).status == 0
    (folder / "owned-1.0.dist-info" / "INSTALLER").write_text("apk\n")
    before = snapshot(folder)
    newer = tmp_path / "owned-2.0-py3-none-any.whl"
    result = cli("install", newer, "--target", folder)
    assert (result.status, snapshot(folder)) == (1, before)
    assert "owned-1.0.dist-info: belongs to the package manager apk" in result.err
    assert cli("install", newer, "--target", folder, "--break-system-packages").status == 0
    assert (folder / "owned.py").read_text() == "2.0"


# -- the order of the steps -------------------------------------------------------------------------


def compiler(environment: Path, folder: Path) -> tuple[Target, Path]:
    """The target that an environment is, and a file that is there once it was asked to compile."""
    python, log = folder / "python", folder / "log"
    python.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {environment}/bin/python "$@"\n')
    python.chmod(0o755)
    return dataclasses.replace(muslfix.probe(f"{environment}/bin/python"), executable=str(python)), log


def test_conflicts_are_found_before_anything_is_compiled(environment: Path, tmp_path: Path) -> None:
    target, log = compiler(environment, tmp_path)
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/__init__.py": b"", "late.txt": b"1"})
    there = tmp_path / "there"
    there.mkdir()
    (there / "late.txt").write_bytes(b"2")
    options = muslfix.InstallOptions(folder=str(there))
    with pytest.raises(FileConflict, match=r"late\.txt: is in the way of demo"):
        muslfix.install([str(wheel)], target, options)
    assert not log.exists()
    (there / "late.txt").unlink()
    muslfix.install([str(wheel)], target, options)
    assert log.exists()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_bytecode_is_not_written_where_it_must_not(environment: Path, tmp_path: Path, kind: str) -> None:
    target, log = compiler(environment, tmp_path)
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/a.py": b""})
    cache, outside = tmp_path / "there" / "demo" / "__pycache__", tmp_path / "outside"
    cache.parent.mkdir(parents=True)
    outside.mkdir()
    if kind == "link":
        cache.symlink_to(outside)
    else:
        cache.touch()
    options = muslfix.InstallOptions(folder=str(tmp_path / "there"))
    reason = f"{outside}: is reached through a link" if kind == "link" else f"{cache}: is in the way of demo"
    with pytest.raises(FileConflict, match="^" + re.escape(reason)):
        muslfix.install([str(wheel)], target, options)
    assert not log.exists()
    muslfix.install([str(wheel)], target, dataclasses.replace(options, compile=False))
    assert os.listdir(outside) == []


@pytest.mark.parametrize("together", [True, False], ids=["in one call", "one after the other"])
def test_the_bytecode_of_a_module_that_two_wheels_bring(
    cli: Cli, environment: Path, tmp_path: Path, together: bool
) -> None:
    wheels = [
        make_wheel(tmp_path / f"{name}-1.0-py3-none-any.whl", {"ns/__init__.py": b"", f"ns/{name}.py": b""})
        for name in ("one", "two")
    ]
    there = tmp_path / "there"
    for some in (wheels,) if together else ([wheels[0]], [wheels[1]]):
        result = cli("install", *some, "--python", environment, "--target", there)
        assert result.status == 0, result.err
    names = {name.partition(".")[0] for name in os.listdir(there / "ns" / "__pycache__")}
    assert names == {"__init__", "one", "two"}
    for name in ("one", "two"):
        listed = {path for path in rows_of(there / f"{name}-1.0.dist-info/RECORD") if path.endswith(".pyc")}
        assert {Path(path).name.partition(".")[0] for path in listed} == {"__init__", name}


def test_a_target_that_does_not_answer_is_told_before_a_broken_wheel(tmp_path: Path, cli: Cli) -> None:
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.touch()
    result = cli("install", broken, "--python", tmp_path / "none")
    assert result.status == 1
    assert f"{tmp_path}/none" in result.err
    assert "broken" not in result.err
