"""``muslfix check``: what it says of wheels, folders and installed projects, and that it changes nothing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from checkout import FIXTURES
from commands import Cli
from elfmaker import make_elf
from environments import site_packages
from misnamed import FOREIGN, MODULE, RIGHT, WRONG, lay, running
from trees import snapshot
from wheelmaker import make_wheel

import muslfix
from muslfix.cli.check import _remedy
from muslfix.errors import EnvironmentRefused

WHEELS = FIXTURES / "wheels"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
SCHEMA = json.loads(files("muslfix").joinpath("report.schema.json").read_text(encoding="utf-8"))


def make_module(folder: Path, name: str, content: bytes = MODULE, *, source: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    if source:
        (folder / (name.partition(".")[0] + ".py")).write_text("")


def make_project(site: Path, name: str, modules: dict[str, bytes]) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    for path, content in modules.items():
        make_module((site / path).parent, Path(path).name, content)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in modules) + f"{info.name}/RECORD,,\n")


@pytest.mark.parametrize(
    ("wheel", "status", "line"),
    [
        ("speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", 1, ": misnamed: the target looks for"),
        (
            "both-1.0-cp39-cp39-musllinux_1_1_x86_64.whl",
            0,
            "1 extension module: nothing to fix, 1 could not be checked for loading",
        ),
        ("stable-2.0-cp36-abi3-musllinux_1_1_x86_64.whl", 1, "_speed.abi3.so, which would link to it"),
        (
            "foreign-1.0-cp39-cp39-musllinux_1_1_x86_64.whl",
            1,
            ": other-libc: it is linked to glibc (needs libc.so.6",
        ),
        ("wrongcpu-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", 1, ": other-machine: it is for aarch64"),
        ("notelf-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", 1, ": not-elf: it is not an ELF file"),
        ("occupied-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", 1, ": occupied: the name it needs, "),
        ("pure-1.0-py3-none-any.whl", 0, "pure 1.0: checked"),
    ],
)
def test_wheels(cli: Cli, wheel: str, status: int, line: str) -> None:
    result = cli("check", "-v", "--target-file", TARGET, WHEELS / wheel)
    assert (result.status, result.err) == (status, "")
    assert line in result.out


def test_a_module_that_runs_as_slow_python_is_named(cli: Cli) -> None:
    wheel = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    out = cli("check", "--target-file", TARGET, wheel).out
    assert "; today Python silently imports the .py of the same name, which is slower" in out


def test_a_wheel_whose_tags_do_not_fit_is_judged_all_the_same(cli: Cli) -> None:
    wheel = WHEELS / "plain-1.0-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    result = cli("check", "--target-file", TARGET, wheel)
    assert (result.status, result.err) == (1, "")
    assert "\nplain 1.0: install would refuse it: it is for cp39-cp39-manylinux2014_x86_64" in result.out
    assert ": other-libc: " in result.out


def changed(wheel: Path, folder: Path, path: str, content: bytes) -> Path:
    """A wheel with another content of a file, and the old RECORD."""
    copy = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == path else old.read(name))
    return copy


@pytest.mark.parametrize("kind", ["tags", "Requires-Python", "hash", "nothing"])
def test_what_install_would_refuse(cli: Cli, tmp_path: Path, kind: str) -> None:
    """The same sentence and the same exit status, and never that there is nothing to fix."""
    tag = "cp39-cp39-musllinux_1_1_aarch64" if kind == "tags" else "py3-none-any"
    metadata = {"Requires-Python": ">=3.10"} if kind == "Requires-Python" else {}
    wheel = make_wheel(tmp_path / f"demo-1.0-{tag}.whl", {"demo.py": b"old"}, metadata=metadata)
    if kind == "hash":
        (tmp_path / "changed").mkdir()
        wheel = changed(wheel, tmp_path / "changed", "demo.py", b"new")
    installed = cli("install", "--target-file", TARGET, "--target", tmp_path / "x", wheel)
    checked = cli("check", "--target-file", TARGET, wheel)
    assert checked.status == installed.status == (kind != "nothing")
    assert ("nothing to fix" in checked.out) is (kind == "nothing")
    if kind != "nothing":
        reason = installed.err.partition(f"error: {wheel}: ")[2].split("\n")
        assert checked.out.splitlines() == [
            "1 project would be refused.",
            f"demo 1.0: install would refuse it: it {reason[0]}",
            *[f"  {tip}" for tip in reason[1:-1]],
        ]
        assert cli("check", "-q", "--target-file", TARGET, wheel).out == checked.out
        (project,) = json.loads(cli("check", "--json", "--target-file", TARGET, wheel).out)["projects"]
        assert project["problem"] == f"install would refuse it: it {reason[0]}"


@pytest.mark.parametrize("kind", ["owned", "changed"])
def test_what_fix_would_refuse(cli: Cli, tmp_path: Path, kind: str) -> None:
    site = lay(tmp_path / "site", installer="apk" if kind == "owned" else "pip")
    if kind == "changed":
        (site / "demo" / f"_speed{WRONG}").write_bytes(MODULE + b"more")
    before = snapshot(site)
    checked, fixed = cli("check", "--path", site), cli("fix", "--path", site)
    assert snapshot(site) == before
    assert checked.status == 1
    assert "1 misnamed, 1 project would be refused" in checked.out.splitlines()[0]
    assert "To fix it" not in checked.out
    said = fixed.out.splitlines()[1].partition(": ")[2]
    would = {"owned": "fix would leave it alone: ", "changed": "fix would refuse it: "}[kind]
    assert checked.out.splitlines()[1] == f"demo 1.0: {would}{said.partition(': ')[2]}"


def test_the_command_is_one_that_works(cli: Cli, tmp_path: Path) -> None:
    """In an environment of another tool; and where two wheels are of one project, none is offered."""
    site = lay(tmp_path / "site")
    marker = tmp_path / "EXTERNALLY-MANAGED"
    scheme = dataclasses.replace(running().scheme, purelib=str(site), platlib=str(site))  # type: ignore[type-var]
    managed = dataclasses.replace(running(), externally_managed=str(marker), scheme=scheme)
    (tmp_path / "target.json").write_text(managed.to_json())
    report = muslfix.check([], managed)
    assert report.notes == (
        f"{marker} says that another tool manages the environment: fix and install change it with"
        " --break-system-packages only",
    )
    with pytest.raises(EnvironmentRefused):
        muslfix.fix([], managed)
    options = argparse.Namespace(subjects=[], path=[], mode="symlink")
    assert _remedy(report, options, managed) == "muslfix fix --break-system-packages"
    fixed = muslfix.fix([], managed, muslfix.FixOptions(break_system_packages=True))
    assert fixed.changes == 1

    one = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    other = tmp_path / "Speedy-1.0-1-cp39-cp39-musllinux_1_1_x86_64.whl"
    other.write_bytes(one.read_bytes())
    assert "To fix it: muslfix install" in cli("check", "--target-file", TARGET, one).out
    assert "To fix it" not in cli("check", "--target-file", TARGET, one, other).out


def test_a_damaged_wheel_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged-1.0-py3-none-any.whl"
    damaged.write_bytes(b"PK no zip")
    result = cli("check", "-v", "--target-file", TARGET, damaged, WHEELS / "pure-1.0-py3-none-any.whl")
    assert result.status == 1
    summary, failed, checked = result.out.splitlines()
    assert summary == "2 projects: 1 project failed."
    assert failed.startswith(f"{damaged.name}: failed: {damaged}: is not a zip archive")
    assert checked == "pure 1.0: checked"


def test_a_rename_that_another_file_does_not_allow(cli: Cli) -> None:
    wheel = WHEELS / "chained-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    out = cli("check", "--mode", "rename", "--target-file", TARGET, wheel).out
    assert "(another file of the project needs the old name)" in out


@pytest.mark.parametrize(
    ("name", "content", "status", "verdict"),
    [
        pytest.param(f"m{RIGHT}", MODULE, 0, "importable", id="right"),
        pytest.param(f"m{WRONG}", MODULE, 1, "misnamed", id="misnamed"),
        pytest.param(f"m{RIGHT}", FOREIGN, 1, "other-libc", id="right name, foreign"),
        pytest.param(f"m{WRONG}", b"text", 1, "not-elf", id="no ELF file"),
        pytest.param("m.pypy310-pp73-x86_64-linux-gnu.so", b"", 0, "other-abi", id="another Python"),
    ],
)
def test_bare_folders(cli: Cli, tmp_path: Path, name: str, content: bytes, status: int, verdict: str) -> None:
    make_module(tmp_path / "pkg", name, content)
    before = snapshot(tmp_path)
    result = cli("check", "-v", "--python", sys.executable, tmp_path)
    assert (result.status, snapshot(tmp_path)) == (status, before)
    assert f"pkg/{name}: {verdict}: " in result.out


@pytest.mark.parametrize("name", [f"m{RIGHT}", f"m{WRONG}", "m.so"])
@pytest.mark.parametrize("command", ["check", "fix"])
def test_a_listed_module_that_is_gone_is_missing(
    cli: Cli, tmp_path: Path, environment: Path, command: str, name: str
) -> None:
    """``fix`` looks only for what it would give a name; nothing of this is for it to mend."""
    site = site_packages(environment)
    make_project(site, "good", {f"good/m{RIGHT}": MODULE})
    make_project(site, "bad", {f"bad/{name}": MODULE})
    (site / "bad" / name).unlink()
    result = cli(command, "--json", "--python", environment)
    bad, good = json.loads(result.out)["projects"]
    assert [module["verdict"] for module in good["modules"]] == ["importable"]
    if command == "check" or name == f"m{WRONG}":
        (module,) = bad["modules"]
        assert (result.status, module["verdict"], module["refused"]) == (1, "missing", True)
        text = cli(command, "-q", "--python", environment)
        assert f"bad/{name}: missing: it does not exist" in text.out
        assert "1 missing" in text.out.split("\n")[0]
    else:
        assert result.status == 0


def test_installed_projects(cli: Cli, environment: Path) -> None:
    site = site_packages(environment)
    make_project(site, "good", {f"good/m{RIGHT}": MODULE})
    make_project(site, "bad", {f"bad/m{WRONG}": MODULE})
    make_project(site, "alien", {f"alien/m{RIGHT}": FOREIGN})
    (site / "broken-1.0.dist-info").mkdir()
    before = snapshot(environment)
    result = cli("check", "--json", "--python", environment)
    assert (result.status, result.err, snapshot(environment)) == (1, "", before)
    report = json.loads(result.out)
    jsonschema.validate(report, SCHEMA)
    found = {project["name"]: project for project in report["projects"]}
    verdicts = {name: [module["verdict"] for module in project["modules"]] for name, project in found.items()}
    assert verdicts == {"alien": ["other-libc"], "bad": ["misnamed"], "broken": [], "good": ["importable"]}
    assert found["broken"]["action"] == "failed"
    assert cli("check", "--python", environment, "Good").status == 0
    assert cli("check", "--path", site, "--python", environment, "bad").status == 1


def test_what_is_nothing_of_the_kind(cli: Cli, environment: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    result = cli("check", "--python", environment, missing, "absent")
    assert result.status == 1
    assert f"{missing}: failed: it does not exist\n" in result.out
    assert "tip: name wheels, shared libraries, directories, or installed projects\n" in result.out
    place = site_packages(environment)
    reason = f"no project of this name is installed in {place}, and no file or directory has it"
    assert f"absent: failed: {reason}\n" in result.out


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_name_is_a_project_rather_than_a_path(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In a project of flat layout its sources have its name."""
    site, here = tmp_path / "site", tmp_path / "here"
    make_project(site, "demo", {f"demo/m{WRONG}": MODULE})
    here.mkdir()
    (here / "demo").mkdir() if kind == "directory" else (here / "demo").write_bytes(MODULE)
    monkeypatch.chdir(here)
    result = cli("check", "--path", site, "demo")
    assert (result.status, result.err) == (1, "")
    assert result.out.startswith("1 extension module in 1 project: 1 misnamed.\n")
    assert "note: demo is here a path too: to check that, say ./demo\n" in result.out
    assert cli("check", "-q", "--path", site, "demo").status == 1
    assert "demo 1.0" not in cli("check", "--path", site, "./demo").out
    # A word that is no project is the path.
    (here / "demo").rename(here / "other")
    assert "it is not installed" not in cli("check", "--path", site, "other").out


def test_a_directory_with_projects_deeper_in_it(cli: Cli, tmp_path: Path) -> None:
    """Each module counts once, and the command names where it is."""
    site = tmp_path / "lib" / "site-packages"
    make_project(site, "demo", {f"demo/m{WRONG}": MODULE})
    make_project(tmp_path / "other", "well", {f"well/m{RIGHT}": MODULE})
    assert f"To fix it: muslfix fix --path {site}\n" in cli("check", tmp_path).out
    both = cli("check", "--path", site, "demo", tmp_path)
    assert both.out.startswith("2 extension modules in 2 projects: 1 misnamed.\n")
    assert both.out.endswith(f"To fix it: muslfix fix --path {site} demo\n")
    (tmp_path / "pyvenv.cfg").touch()
    assert cli("check", tmp_path).out.endswith(f"To fix it: muslfix fix --python {tmp_path}\n")


def test_a_library_of_another_libc_that_no_module_needs(cli: Cli, tmp_path: Path) -> None:
    """What a program loads with ctypes is read too: in a wheel and in a project."""
    content = {
        "demo/libneedle.so": make_elf(needed=["libc.so.6"], functions=()),
        "demo/libfine.so": make_elf(needed=["libc.so"], functions=()),
        "demo/libarm.so.1": make_elf("aarch64", needed=["libc.so.6"], functions=()),
    }
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", content)
    make_project(tmp_path / "site", "demo", content)
    for words in ([str(wheel)], ["--path", str(tmp_path / "site")]):
        done = cli("check", "--target-file", TARGET, *words)
        assert done.status == 0
        (warning,) = [line for line in done.err.splitlines() if line.startswith("warning:")]
        assert warning == (
            "warning: demo 1.0: demo/libneedle.so is a shared library linked to glibc (needs libc.so.6), and"
            " the target uses musl: what loads it, with ctypes for example, fails or crashes"
        )


# -- projects for another Python --------------------------------------------------------------------


def test_projects_without_a_module_for_the_target_are_noted(cli: Cli, tmp_path: Path) -> None:
    """Nothing can be fixed, but perhaps another Python is meant."""
    other = "m.cpython-36m-x86_64-linux-gnu.so"
    make_project(tmp_path, "old", {f"old/{other}": MODULE, "old/n.cpython-37m.so": MODULE})
    make_project(tmp_path, "fat", {f"fat/m{RIGHT}": MODULE, f"fat/{other}": MODULE})
    make_project(tmp_path, "pure", {"pure/__init__.py": b""})
    words = ("--python", sys.executable, "--path", tmp_path)
    note = (
        f"note: no extension module of old 1.0 is for CPython {platform.python_version()}: they are for"
        " cpython-36m, cpython-37m; if that Python is meant, name it with --python, otherwise install the"
        " project again"
    )
    for command in ("check", "fix"):
        told = cli(command, *words)
        assert (told.status, told.out.splitlines()[1:]) == (0, [note])
    assert "note:" not in cli("check", "-q", *words).out
    assert "note:" not in cli("verify", *words).out
    make_project(tmp_path, "mac", {"mac/m.cpython-39-darwin.so": MODULE})
    assert "no extension module of mac 1.0 and 1 more is for" in cli("check", *words).out
    assert "they are for another platform;" in cli("check", "mac", *words).out
    assert "note:" not in cli("check", "fat", *words).out
