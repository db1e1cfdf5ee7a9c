"""The description of a target, for each kind of Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli
from screens import Screen

from muslfix.cli.describe import case_of, describe_target, libc_of, stable_abi_of, suffixes_of, wheels_for
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Target

TARGETS = {path.stem: path for path in sorted((FIXTURES / "targets").glob("*.json"))}


def target(name: str) -> Target:
    return read_target_file(str(TARGETS[name]))


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        (
            "docker-alpine-cpython-3.9-x86_64",
            True,
            "say -gnu for cp39, as this Python does, so none needs fixing",
        ),
        (
            "docker-alpine-cpython-3.11-x86_64",
            True,
            "say -musl for cp311, as this Python does, except a few cross-built with maturin",
        ),
        ("cpython-3.15-musl-x86_64", True, "say -musl for cp315, as this Python does, so none needs fixing"),
        ("cpython-3.15t-musl-x86_64", True, "say -musl for cp315t, as this Python does"),
        ("alpine-3.15-cpython-3.9-x86_64", True, "say -gnu for cp39, as this Python does"),
        (
            "alpine-3.15-cpython-3.9-x86_64-without-fallback",
            False,
            "say -gnu for cp39: this Python finds none",
        ),
        ("alpine-3.14-cpython-3.9-armv7", False, "say -gnu for cp39: this Python finds none"),
        ("uv-cpython-3.10-musl-x86_64", False, "say -gnu for cp310: this Python finds none"),
        ("uv-cpython-3.11-musl-x86_64-20251014", False, "say -musl for cp311: this Python finds none"),
        ("yocto-cpython-3.11-x86_64", False, "say -musl for cp311: this Python finds none"),
        ("openwrt-cpython-3.9-aarch64", False, "except those named .abi3.so"),
        ("debian-12-cpython-3.11-x86_64", True, "Wheels for glibc on PyPI (manylinux) use"),
    ],
)
def test_what_it_means_for_wheels(name: str, found: bool, words: str) -> None:
    sentence = wheels_for(target(name))
    assert words in sentence
    assert ("this Python finds none" in sentence) is not found
    assert ("Run 'muslfix fix'" in sentence) is not found


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("debian-12-cpython-3.11-x86_64", ["demo.abi3-x86_64-linux-gnu.so,"]),
        ("alpine-3.14-cpython-3.9-armv7", ["demo.abi3-arm-linux-musleabihf.so,"]),
        ("cpython-3.15-musl-x86_64", []),
    ],
)
def test_the_example_of_the_stable_abi_has_the_triplet_of_the_target(name: str, example: list[str]) -> None:
    said = " ".join(stable_abi_of(target(name)))
    assert [word for word in said.split() if word.startswith("demo.abi3-")] == example


def test_a_glibc_python_without_triplets() -> None:
    """As some who build for embedded systems have it."""
    bare = replace(
        target("debian-12-cpython-3.11-x86_64"),
        extension_suffixes=(".cpython-311.so", ".so"),
        soabi="cpython-311",
    )
    assert wheels_for(bare).startswith(
        "Wheels for glibc on PyPI (manylinux) say -gnu: this Python finds none"
    )
    assert "abi3" not in wheels_for(bare)
    # Entware does it up to Python 3.10.
    (sentence,) = case_of(replace(bare, version="3.10.9", extension_suffixes=(".cpython-310.so", ".so")))
    assert sentence == "These Pythons look for the same names: Python 3.10 of Entware, on glibc: no triplet."
    assert list(case_of(bare)) == []


def test_what_it_looks_for() -> None:
    assert suffixes_of(target("alpine-3.15-cpython-3.9-x86_64")) == (
        "For 'import demo', CPython 3.9.16 looks in each directory for demo.cpython-39-x86_64-linux-musl.so,"
        " then demo.cpython-39-x86_64-linux-gnu.so, then demo.abi3.so, then demo.so; the first one"
        " found wins."
    )
    one = replace(target("docker-alpine-cpython-3.9-x86_64"), extension_suffixes=(".so",))
    assert suffixes_of(one).endswith("for demo.so and nothing else.")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docker-alpine-cpython-3.11-x86_64", ["python:3.11-alpine", "Alpine 3.19's", "uv's Python 3.11"]),
        ("uv-cpython-3.10-musl-x86_64", ["uv's Python 3.10 for musl", "from 20251028 on"]),
        ("uv-cpython-3.11-musl-x86_64-20251014", ["up to 20251014", "Yocto"]),
        ("alpine-3.15-cpython-3.9-x86_64", ["with the patch that lets it fall back to -gnu"]),
        ("openwrt-cpython-3.9-aarch64", ["OpenWrt"]),
    ],
)
def test_which_of_the_known_pythons_it_may_be(name: str, words: list[str]) -> None:
    (sentence,) = case_of(target(name))
    assert sentence.startswith("These Pythons look for the same names: ")
    assert [word for word in words if word not in sentence] == []


def test_a_python_that_nobody_knows() -> None:
    known = target("docker-alpine-cpython-3.9-x86_64")
    odd = replace(known, extension_suffixes=(".cpython-39-x86_64-linux-gnu.so", ".cpython-39.so", ".so"))
    (sentence,) = case_of(odd)
    assert sentence.startswith("No known Python on musl looks for these names")
    assert list(case_of(target("debian-12-cpython-3.11-x86_64"))) == []


def test_how_its_libc_is_known() -> None:
    alpine = target("docker-alpine-cpython-3.9-x86_64")
    assert libc_of(alpine) == (
        "Its libc is musl 1.2.5: its program requests the loader /lib/ld-musl-x86_64.so.1."
    )
    assert libc_of(replace(alpine, loader=None, libc_version=None)) == "Its libc is musl."


@pytest.mark.parametrize("name", TARGETS)
def test_the_description_is_made_of_sentences(name: str) -> None:
    sentences = list(describe_target(target(name)))
    assert len(sentences) >= 3
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in sentences)


def test_the_description_at_a_terminal_and_elsewhere(cli: Cli, tmp_path: Path) -> None:
    words = "interpreter", "--target-file", TARGETS["uv-cpython-3.10-musl-x86_64"]
    sentences = list(describe_target(target("uv-cpython-3.10-musl-x86_64")))
    elsewhere = cli(*words).out.split("\n")
    assert elsewhere[: len(sentences) + 1] == [*sentences, ""]
    assert any(line.startswith("interpreter: ") for line in elsewhere[len(sentences) + 1 :])
    shown = Screen()(*words, NO_COLOR="1")
    assert shown.split() == [word for line in elsewhere for word in line.split()]
    assert max(map(len, shown.split("\n"))) <= 90
