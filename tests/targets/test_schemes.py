"""Where files go: the rules of pip for each option, and of uv where pip's depend on who runs it."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from checkout import FIXTURES

from muslfix.errors import UsageError
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.schemes import Layout, for_project, layout_of
from muslfix.targets.target import Scheme

DEBIAN = read_target_file(str(FIXTURES / "targets" / "debian-12-cpython-3.11-x86_64.json"))
LAB = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))

OWN = Scheme(
    purelib="/usr/local/lib/python3.11/dist-packages",
    platlib="/usr/local/lib/python3.11/dist-packages",
    headers="/usr/include/python3.11",
    scripts="/usr/local/bin",
    data="/usr/local",
)
FLAT = Scheme(purelib="/x", platlib="/x", headers="/x/include", scripts="/x/bin", data="/x")
PREFIX = Scheme(
    purelib="/p/lib/python3.11/site-packages",
    platlib="/p/lib/python3.11/site-packages",
    headers="/p/include/python3.11",
    scripts="/p/bin",
    data="/p",
)


def below(root: str, scheme: Scheme) -> Scheme:
    return Scheme(**{name: root + path for name, path in asdict(scheme).items()})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Layout(OWN, OWN, is_environment=True)),
        ({"folder": "/x"}, Layout(FLAT, FLAT)),
        ({"prefix": "/p"}, Layout(PREFIX, PREFIX)),
        ({"prefix": "/p/../p/"}, Layout(PREFIX, PREFIX)),
        ({"root": "/r"}, Layout(below("/r", OWN), OWN)),
        ({"root": "/r/", "prefix": "/p"}, Layout(below("/r", PREFIX), PREFIX)),
        ({"root": "/"}, Layout(OWN, OWN)),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_layouts(options: dict[str, str], expected: Layout) -> None:
    assert layout_of(replace(DEBIAN, runs_here=True), **options) == expected
    if options:  # then it does not matter whether the target can be run here
        assert layout_of(DEBIAN, **options) == expected


def test_folders_are_relative_to_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert layout_of(LAB, folder=".").scheme.purelib == str(tmp_path)
    assert layout_of(LAB, prefix="p").scheme.data == f"{tmp_path}/p"
    layout = layout_of(LAB, root="r")
    assert layout.scheme.scripts == f"{tmp_path}/r/opt/lab/39-musl/bin"
    assert layout.seen.scripts == "/opt/lab/39-musl/bin"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "the target cannot be run here, so its directories are not those of this machine"),
        ({"folder": "/x", "prefix": "/p"}, "--target cannot be combined with --prefix or --root"),
        ({"folder": "/x", "root": "/p"}, "--target cannot be combined with --prefix or --root"),
    ],
    ids=["nothing", "target and prefix", "target and root"],
)
def test_what_contradicts_itself(options: dict[str, str], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        layout_of(DEBIAN, **options)
    assert caught.value.reason == reason
    assert (caught.value.tip is None) == bool(options)


def test_folders_of_modules_are_named_once() -> None:
    assert Layout(FLAT, FLAT).site_directories == ("/x",)
    assert Layout(replace(FLAT, platlib="/y"), FLAT).site_directories == ("/x", "/y")


def test_each_project_has_a_folder_of_headers() -> None:
    layout = for_project(Layout(below("/r", PREFIX), PREFIX, is_environment=True), "demo-project")
    assert layout.scheme == replace(below("/r", PREFIX), headers="/r/p/include/python3.11/demo-project")
    assert layout.seen == replace(PREFIX, headers="/p/include/python3.11/demo-project")
    assert layout.is_environment


def test_nothing_is_made(tmp_path: Path) -> None:
    layout_of(LAB, prefix=str(tmp_path / "p"), root=str(tmp_path / "r"))
    assert os.listdir(tmp_path) == []
