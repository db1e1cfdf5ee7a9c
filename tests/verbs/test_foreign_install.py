"""Installing, fixing and undoing in trees of targets that cannot run here."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import NO_BYTECODE, Cli
from environments import make_environment, site_packages
from rootmaker import known_target, make_root, write
from trees import snapshot
from wheelmaker import make_wheel

ARMV7 = FIXTURES / "wheels" / "speedy-1.0-cp39-cp39-musllinux_1_1_armv7l.whl"
PURE = FIXTURES / "wheels" / "pure-1.0-py3-none-any.whl"
ALPINE = known_target("alpine-3.14-cpython-3.9-armv7")
DEBIAN = known_target("debian-13-cpython-3.13-x86_64")
WANTED = "_speed.cpython-39-arm-linux-musleabihf.so"
SHIPPED = "_speed.cpython-39-arm-linux-gnueabihf.so"
SITE = "usr/lib/python3.9/site-packages"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system of Alpine on 32-bit ARM."""
    return make_root(tmp_path / "root", ALPINE)


def links_in(folder: Path) -> dict[str, str]:
    """All links below a folder, with what they say."""
    return {
        str(path.relative_to(folder)): os.readlink(path) for path in folder.rglob("*") if path.is_symlink()
    }


def tool(folder: Path) -> Path:
    """A wheel with an entry point, and with a script that asks for the interpreter."""
    return make_wheel(
        folder / "tool-1.0-py3-none-any.whl",
        {"tool.py": b"def main(): pass\n", "tool-1.0.data/scripts/old": b"#!python\nimport tool\n"},
        scripts={"new": "tool:main"},
    )


def test_into_the_root_itself(root: Path, cli: Cli, tmp_path: Path) -> None:
    told = cli("install", ARMV7, tool(tmp_path), "--target-root", root)
    assert (told.status, told.err) == (0, "")
    source = f"target: the files of Python 3.9 in /usr below {root}: names by the suffixes"
    assert told.out.split("\n")[1].startswith(source)
    assert told.out.endswith(NO_BYTECODE)
    assert links_in(root) == {f"{SITE}/speedy/{WANTED}": SHIPPED}
    for script in ("old", "new"):
        assert (root / "usr/bin" / script).read_bytes().startswith(b"#!/usr/bin/python3.9\n")
    assert list(root.rglob("*.pyc")) == []
    assert cli("verify", "--target-root", root).status == 0


def test_the_same_by_root_and_by_target_root(root: Path, cli: Cli, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "other"))
    assert cli("install", ARMV7, PURE, "--target-root", root).status == 0
    assert cli("install", ARMV7, PURE, "--target-root", other, "--root", other).status == 0
    assert snapshot(root) == snapshot(other)
    empty = tmp_path / "empty"
    assert cli("install", ARMV7, PURE, "--target-root", root, "--root", empty).status == 0
    assert links_in(empty) == {f"{SITE}/speedy/{WANTED}": SHIPPED}
    flat = tmp_path / "flat"
    assert cli("install", ARMV7, PURE, "--target-root", root, "--target", flat).status == 0
    assert links_in(flat) == {f"speedy/{WANTED}": SHIPPED}
    shutil.move(flat, tmp_path / "moved")
    assert (tmp_path / "moved" / "speedy" / WANTED).read_bytes()[:4] == b"\x7fELF"


def test_absolute_links_in_the_root_stay_inside(root: Path, cli: Cli, tmp_path: Path) -> None:
    """This machine would follow them to its own folders."""
    secret = tmp_path / "machine"
    secret.mkdir()
    (root / str(secret)[1:]).mkdir(parents=True)
    (root / SITE).symlink_to(secret)
    for words in (
        ["--target-root", str(root)],
        ["--target-root", str(root), "--root", str(root), "--force-reinstall"],
    ):
        assert cli("install", ARMV7, *words).status == 0
        assert os.listdir(secret) == []
        assert (root / str(secret)[1:] / "speedy" / WANTED).is_symlink()


def test_links_out_of_a_prefix_are_refused(root: Path, cli: Cli, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / SITE).symlink_to(outside)
    fact = ["--target-fact", "platform=linux-armv7l", "--target-fact", "libc_version=1.2.2"]
    before = snapshot(tmp_path)
    told = cli("install", PURE, "--target-root", root / "usr", *fact)
    assert (told.status, told.out) == (1, "")
    assert "leads out of" in told.err
    assert snapshot(tmp_path) == before


def test_the_marker_of_the_root_is_obeyed(tmp_path: Path, cli: Cli) -> None:
    root = make_root(tmp_path / "root", DEBIAN)
    before = snapshot(root)
    for words in (["--target-root", str(root)], ["--target-root", str(root), "--root", str(root)]):
        told = cli("install", PURE, *words)
        assert (told.status, told.out) == (1, "")
        assert "/usr/lib/python3.13/EXTERNALLY-MANAGED: says that another tool manages" in told.err
        assert snapshot(root) == before
    assert cli("fix", "--target-root", root).status == 1
    assert cli("install", PURE, "--target-root", root, "--root", tmp_path / "stage").status == 0
    assert cli("install", PURE, "--target-root", root, "--break-system-packages").status == 0
    assert (root / "usr/local/lib/python3.13/dist-packages/pure-1.0.dist-info").is_dir()


def test_the_other_commands(root: Path, cli: Cli, tmp_path: Path) -> None:
    """What was installed by another tool is checked, fixed, verified and put back, by root and by path."""
    site = root / SITE
    unfixed = replace(ALPINE, extension_suffixes=(f".{SHIPPED.partition('.')[2]}", ".abi3.so", ".so"))
    like_pip = write(
        tmp_path / "pip.json",
        replace(unfixed, soabi=None).to_json(),
    )
    assert cli("install", ARMV7, "--target-file", like_pip, "--root", root).status == 0
    before = snapshot(root)
    for words in (["--target-root", str(root)], ["--target-root", str(root), "--path", str(site)]):
        assert cli("check", *words).status == 1
        assert snapshot(root) == before
        assert cli("fix", *words).status == 0
        assert links_in(root) == {f"{SITE}/speedy/{WANTED}": SHIPPED}
        fixed = snapshot(root)
        told = json.loads(cli("fix", *words, "--json").out)
        assert told["projects"][0]["action"] == "unchanged"
        assert told["source"]["kind"] == "root"
        assert snapshot(root) == fixed
        assert cli("verify", *words).status == 0
        assert cli("check", *words, "--no-load-check").status == 0  # its interpreter has no symbols
        assert cli("undo", *words).status == 0
        assert snapshot(root) == before


@pytest.mark.parametrize("by_path", [False, True], ids=["by root", "by path"])
def test_verify_follows_links_inside_the_root_only(
    root: Path, cli: Cli, tmp_path: Path, *, by_path: bool
) -> None:
    """Of a link and of a folder that is one; at the same path of this machine there is something else."""
    files = {f"demo/{name}/x.py": b"x = 1\n" for name in ("file", "folder", "lost", "round")}
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", files)
    assert cli("install", wheel, "--target-root", root).status == 0
    (tmp_path / "way").symlink_to(root)
    words = ["--path", str(tmp_path / "way" / SITE)] if by_path else []
    here = tmp_path / "here"
    there = root / str(here)[1:]
    for folder, content in ((here, b"x = 2\n"), (there, b"x = 1\n")):
        folder.mkdir(parents=True)
        (folder / "x.py").write_bytes(content)
    (here / "lost.py").write_bytes(b"x = 1\n")
    demo = root / SITE / "demo"
    links: dict[str, str | Path] = {"file": here / "x.py", "lost": here / "lost.py", "round": "x.py"}
    for name, leads_to in links.items():
        (demo / name / "x.py").unlink()
        (demo / name / "x.py").symlink_to(leads_to)
    (demo / "folder" / "x.py").unlink()
    (demo / "folder").rmdir()
    (demo / "folder").symlink_to(here)
    found = json.loads(cli("verify", "--json", "--target-root", root, *words).out)["projects"][0]["files"]
    said = {file["path"]: (file["finding"], file["sentence"]) for file in found}
    assert said.pop("demo/file/x.py")[0] == "link-outside"
    assert said.pop("demo/folder")[0] == "unlisted"
    assert said["demo/lost/x.py"] == (
        "link-broken", f"it is a link to {there}/lost.py, which does not exist",
    )  # fmt: skip
    assert "loop of symbolic links" in said["demo/round/x.py"][1]
    assert set(said) == {"demo/lost/x.py", "demo/round/x.py"}


def test_a_specification_knows_no_folders(tmp_path: Path, cli: Cli) -> None:
    spec = ["--target-spec", "alpine-3.14-armv7l"]
    flat, staged = tmp_path / "flat", tmp_path / "staged"
    told = cli("install", ARMV7, *spec)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: the target cannot be run here")
    told = cli("install", ARMV7, *spec, "--root", staged)
    assert (told.status, told.out) == (2, "")
    assert told.err.splitlines() == [
        "error: the directories of the target are not known",
        "tip: name the target's prefix, as in --prefix /usr/local",
    ]
    assert cli("fix", *spec).status == 2
    spec += ["--target-fact", "executable=/usr/bin/python3"]
    assert cli("install", ARMV7, *spec, "--target", flat).status == 0
    assert links_in(flat) == {f"speedy/{WANTED}": SHIPPED}
    assert cli("install", ARMV7, *spec, "--root", staged, "--target-fact", "prefix=/usr").status == 0
    assert links_in(staged) == {f"{SITE}/speedy/{WANTED}": SHIPPED}
    assert cli("install", PURE, *spec, "--prefix", tmp_path / "prefix").status == 0
    assert (tmp_path / "prefix/lib/python3.9/site-packages/pure").exists()


def test_scripts_need_an_interpreter_to_call(tmp_path: Path, cli: Cli) -> None:
    spec = ["--target-spec", "cp39-musl-x86_64-musl1.2.5", "--target", str(tmp_path / "flat")]
    entry_point = make_wheel(
        tmp_path / "demo-1.0-py3-none-any.whl",
        {"demo.py": b""},
        scripts={"demo": "demo:main"},
    )
    script = make_wheel(
        tmp_path / "other-1.0-py3-none-any.whl", {"other-1.0.data/scripts/other": b"#!python\n"}
    )
    for wheel in (entry_point, script):
        told = cli("install", wheel, *spec)
        assert (told.status, told.out) == (1, "")
        assert told.err.splitlines() == [
            f"error: {wheel}: has scripts, and the target does not say how they shall call it",
            "tip: add --target-fact executable=/usr/bin/python3, for example; what 'muslfix interpreter"
            " --json' wrote is to be edited instead",
        ]
        assert not (tmp_path / "flat").exists()
        given = ["--target-fact", "executable=/usr/bin/python3"]
        assert cli("install", wheel, *spec, *given).status == 0
        (found,) = (tmp_path / "flat" / "bin").iterdir()
        assert found.read_bytes().startswith(b"#!/usr/bin/python3\n")
        shutil.rmtree(tmp_path / "flat")
    shell = make_wheel(
        tmp_path / "shell-1.0-py3-none-any.whl", {"shell-1.0.data/scripts/shell": b"#!/bin/sh\n"}
    )
    assert cli("install", shell, *spec).status == 0


def test_what_is_not_known_is_asked_for(tmp_path: Path, cli: Cli) -> None:
    flat = ["--target", str(tmp_path / "flat")]
    wheel = FIXTURES / "wheels" / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    told = cli("install", wheel, "--target-spec", "cp39-musl-x86_64", *flat)
    assert told.status == 1
    assert "tip: add --target-fact libc_version=1.2.5, for example" in told.err
    picky = make_wheel(
        tmp_path / "picky-1.0-py3-none-any.whl", {"picky.py": b""}, metadata={"Requires-Python": "!=3.9.7"}
    )
    told = cli("install", picky, "--target-spec", "cp39-musl-x86_64", *flat)
    assert told.status == 1
    assert "requires Python !=3.9.7, and the target is only known to be Python 3.9" in told.err
    given = ["--target-fact", "version=3.9.8"]
    assert cli("install", picky, "--target-spec", "cp39-musl-x86_64", *given, *flat).status == 0


def test_tips_lead_to_no_option_that_refuses(tmp_path: Path, cli: Cli) -> None:
    """Each is followed: how a fact can be given depends on where the others come from."""
    wheel = FIXTURES / "wheels" / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    flat = ["--target", str(tmp_path / "flat")]
    facts = json.loads((FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json").read_text())
    file = tmp_path / "target.json"
    file.write_text(json.dumps({**facts, "libc_version": None}))
    given = ["--target-file", str(file)]
    told = cli("install", wheel, *given, *flat)
    assert "tip: set libc_version in the target file, such as 1.2.5" in told.err
    assert cli("install", wheel, *given, *flat, "--target-fact", "libc_version=1.2.5").status == 2
    file.write_text(json.dumps({**facts, "libc_version": "1.2.5"}))
    assert cli("install", wheel, *given, *flat).status == 0
    # With --root there is no --target.
    spec = ["--target-spec", "cp39-musl-x86_64-musl1.2.5", "--target-fact", "executable=/usr/bin/python3"]
    root = ["--root", str(tmp_path / "root")]
    assert (
        "tip: name the target's prefix, as in --prefix /usr/local" in cli("install", wheel, *spec, *root).err
    )
    assert cli("install", wheel, *spec, *root, "--prefix", "/usr/local").status == 0
    assert (tmp_path / "root/usr/local/lib/python3.9/site-packages/speedy").is_dir()


def test_the_tree_is_that_of_the_running_target(tmp_path: Path, cli: Cli) -> None:
    """The same wheels, for an environment that runs and for the same one only read, give the same files."""
    wheels = [PURE, tool(tmp_path)]
    environment = make_environment(tmp_path / "environment")
    assert cli("install", *wheels, "--python", environment, "--no-compile").status == 0
    running = snapshot(environment)
    shutil.rmtree(environment)
    make_environment(environment)
    told = cli("install", *wheels, "--target-root", "/", "--target-python", environment / "bin" / "python")
    assert (told.status, told.err) == (0, "")
    assert snapshot(environment) == running
    assert site_packages(environment).joinpath("tool.py").exists()
    assert os.path.realpath(environment / "bin" / "python") == os.path.realpath(sys.executable)
