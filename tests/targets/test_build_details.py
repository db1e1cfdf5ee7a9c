"""Targets made of a ``build-details.json`` alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli
from rootmaker import comparable, details_of, known_target

import muslfix
from muslfix.errors import InvalidTarget, UsageError
from muslfix.suffix import Libc
from muslfix.targets.target import Target

MUSL = known_target("cpython-3.15-musl-x86_64")
DEBIAN = known_target("debian-13-cpython-3.13-x86_64")
ARM = known_target("docker-alpine-cpython-3.9-armv7")
NO_TRIPLET = known_target("openwrt-cpython-3.9-aarch64")
GNU_ON_MUSL = known_target("lab-cpython-3.11-gnu-x86_64")


def details(folder: Path, target: Target, **changes: Any) -> str:
    path = folder / "build-details.json"
    path.write_text(json.dumps({**details_of(target), **changes}))
    return str(path)


@pytest.mark.parametrize(
    ("target", "given"),
    [
        (MUSL, {}),
        (DEBIAN, {"libc": "glibc"}),
        (GNU_ON_MUSL, {"libc": "musl"}),
        (ARM, {"libc": "musl"} if ".cpython-39-arm-linux-gnueabihf.so" in ARM.extension_suffixes else {}),
        (NO_TRIPLET, {"libc": "musl"}),
    ],
    ids=lambda value: value.extension_suffixes[0] if isinstance(value, Target) else "",
)
def test_it_tells_what_the_interpreter_tells(tmp_path: Path, target: Target, given: dict[str, str]) -> None:
    version = {"libc_version": str(target.libc_version)}
    read = muslfix.read_target_file(details(tmp_path, target), {**given, **version})
    known = comparable(target)
    told = comparable(read)
    for name in ("implementation", "version", "abi_flags", "soabi", "extension_suffixes", "platform", "libc",
                 "libc_version", "machine", "executable"):  # fmt: skip
        assert told[name] == known[name], name
    assert read.tags() == target.tags()
    assert (read.scheme, read.runs_here, read.loader) == (None, False, None)
    assert read.source is not None
    assert read.source.kind == "build-details"
    assert "libc_version as given" in read.source.sentence


def test_what_the_kernel_says_of_a_32_bit_program(tmp_path: Path) -> None:
    """Its suffixes tell the machine."""
    i386 = [".cpython-315-i386-linux-musl.so", ".abi3.so", ".so"]
    read = muslfix.read_target_file(details(tmp_path, MUSL, suffixes={"extensions": i386}))
    assert (read.machine.name, read.machine.bits, read.platform) == ("386", 32, "linux-x86_64")


REFUSED: dict[str, tuple[Callable[[Path], str], dict[str, str], type[Exception], str]] = {
    "no libc": (lambda f: details(f, DEBIAN), {}, InvalidTarget, "does not tell the libc"),
    "another libc": (lambda f: details(f, DEBIAN), {"libc": "bionic"}, InvalidTarget, "has no libc 'bionic'"),
    "contradiction": (
        lambda f: details(f, MUSL), {"libc": "glibc"}, InvalidTarget, "libc is musl, which contradicts the",
    ),
    "other CPU": (
        lambda f: details(f, MUSL, platform="linux-riscv64"), {}, InvalidTarget, "contradicts itself",
    ),
    "unknown CPU": (
        lambda f: details(f, NO_TRIPLET, platform="linux-vax"), {"libc": "musl"}, InvalidTarget, "linux-vax",
    ),
    "no suffixes": (lambda f: details(f, MUSL, suffixes={}), {}, InvalidTarget, "has no suffix of its own"),
    "future": (lambda f: details(f, MUSL, schema_version="2.0"), {}, InvalidTarget, "has schema version"),
    "nosuch": (lambda f: details(f, MUSL), {"version": "3.15.1"}, UsageError, "'version' is not a fact that"),
    "target file": (
        lambda f: str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"), {"libc": "musl"},
        UsageError,
        "states all facts of its target",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "given", "kind", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_open_or_contradicts_itself(
    tmp_path: Path, make: Callable[[Path], str], given: dict[str, str], kind: type[Exception], sentence: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(kind, match=sentence) as caught:
        muslfix.read_target_file(path, given)
    assert isinstance(caught.value, muslfix.MuslfixError)
    assert kind is UsageError or caught.value.path == path
    assert caught.value.tip or kind is UsageError or "contradicts" in caught.value.reason


def test_a_target_file_that_mentions_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "target.json"
    target = replace(MUSL, symbols=(("libc.so", ("schema_version",)),))
    path.write_text(target.to_json())
    assert muslfix.read_target_file(str(path)) == target
    path.write_text('"schema_version"')
    with pytest.raises(InvalidTarget, match="is not a JSON object"):
        muslfix.read_target_file(str(path))


def test_on_the_command_line(tmp_path: Path, cli: Cli) -> None:
    path = details(tmp_path, DEBIAN)
    refused = cli("interpreter", "--json", "--target-file", path)
    assert refused.status == 1
    assert "tip: give it with --target-fact libc=musl or --target-fact libc=glibc" in refused.err
    facts = ("--target-fact", "libc=glibc", "--target-fact", "prefix=/usr")
    told = cli("interpreter", "--json", "--target-file", path, *facts)
    assert told.status == 0
    again = tmp_path / "again.json"
    again.write_text(told.out)
    read = muslfix.read_target_file(str(again))
    assert (read.libc, read.prefix, read.version) == (Libc.GLIBC, "/usr", DEBIAN.version)
