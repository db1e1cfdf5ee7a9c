"""Targets in a word, and the Pythons that are known by name."""

from __future__ import annotations

import json
import re

import pytest
from commands import Cli
from hypothesis import given, settings
from hypothesis import strategies as st
from rootmaker import known_target

from muslfix.errors import InvalidTarget, MuslfixError
from muslfix.suffix import Libc
from muslfix.targets.cpython import CPUS
from muslfix.targets.known_pythons import CHECKED, KNOWN, known_like
from muslfix.targets.spec import parse_target_spec


@pytest.mark.parametrize(
    ("spec", "suffixes", "libc", "libc_version"),
    [
        ("cp310-musl-x86_64", ".cpython-310-x86_64-linux-musl.so .abi3.so .so", "musl", None),
        ("cp311-gnu-x86_64-musl", ".cpython-311-x86_64-linux-gnu.so .abi3.so .so", "musl", None),
        ("cp311-gnu-x86_64-glibc2.36", ".cpython-311-x86_64-linux-gnu.so .abi3.so .so", "glibc", "2.36"),
        ("cp39-none-aarch64-musl1.2.4", ".cpython-39.so .abi3.so .so", "musl", "1.2.4"),
        ("cp37m-gnu-i686-musl", ".cpython-37m-i386-linux-gnu.so .abi3.so .so", "musl", None),
        ("cp39-musl-armv7l", ".cpython-39-arm-linux-musleabihf.so .abi3.so .so", "musl", None),
        ("cp39-gnu-armv5tel-musl", ".cpython-39-arm-linux-gnueabi.so .abi3.so .so", "musl", None),
        ("cp312-musl-mips64", ".cpython-312-mips64-linux-muslabi64.so .abi3.so .so", "musl", None),
        ("cp313-musl-mips64", ".cpython-313-mips64-linux-musl.so .abi3.so .so", "musl", None),
        (
            "cp311d-musl-ppc64le",
            ".cpython-311d-powerpc64le-linux-musl.so .cpython-311-powerpc64le-linux-musl.so .abi3.so .so",
            "musl",
            None,
        ),
        ("cp313t-musl-s390x", ".cpython-313t-s390x-linux-musl.so .abi3.so .so", "musl", None),
        (
            "cp315-musl-riscv64",
            ".cpython-315-riscv64-linux-musl.so .abi3-riscv64-linux-musl.so .abi3.so"
            " .abi3t-riscv64-linux-musl.so .abi3t.so .so",
            "musl",
            None,
        ),
        ("alpine-3.23-x86_64", ".cpython-312-x86_64-linux-musl.so .abi3.so .so", "musl", "1.2.5"),
        ("cp310-musl-arm64", ".cpython-310-aarch64-linux-musl.so .abi3.so .so", "musl", None),
        ("alpine-3.20-amd64", ".cpython-312-x86_64-linux-musl.so .abi3.so .so", "musl", "1.2.5"),
        ("uv-3.12-musl-i386", ".cpython-312-i386-linux-musl.so .abi3.so .so", "musl", None),
        ("cp315t-none-x86_64-musl", ".cpython-315t.so .abi3t.so .so", "musl", None),
        (
            "cp315td-musl-x86_64",
            ".cpython-315td-x86_64-linux-musl.so .cpython-315t-x86_64-linux-musl.so"
            " .abi3t-x86_64-linux-musl.so .abi3t.so .so",
            "musl",
            None,
        ),
        (
            "alpine-3.15-x86_64",
            ".cpython-39-x86_64-linux-musl.so .cpython-39-x86_64-linux-gnu.so .abi3.so .so",
            "musl",
            "1.2.2",
        ),
        ("alpine-3.15-armv7l", ".cpython-39-arm-linux-musleabihf.so .abi3.so .so", "musl", "1.2.2"),
        ("uv-3.10-musl-x86_64-musl1.2.5", ".cpython-310-x86_64-linux-musl.so .abi3.so .so", "musl", "1.2.5"),
        ("uv-3.11-musl-20251014-x86_64", ".cpython-311-x86_64-linux-gnu.so .abi3.so .so", "musl", None),
        ("openwrt-3.9-aarch64", ".cpython-39.so .abi3.so .so", "musl", None),
    ],
)
def test_specifications(spec: str, suffixes: str, libc: str, libc_version: str | None) -> None:
    target = parse_target_spec(spec)
    assert " ".join(target.extension_suffixes) == suffixes
    assert (target.libc, target.libc_version) == (libc, libc_version)
    assert (target.prefix, target.scheme, target.executable, target.runs_here) == (None, None, None, False)
    assert target.source is not None
    assert target.source.sentence == f"the specification {spec}"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("alpine-3.15-x86_64", "alpine-3.15-cpython-3.9-x86_64"),
        ("alpine-3.14-armv7l", "alpine-3.14-cpython-3.9-armv7"),
        ("alpine-3.15-without-fallback-i686", "alpine-3.15-cpython-3.9-x86-without-fallback"),
        ("alpine-3.15-without-fallback-ppc64le", "alpine-3.15-cpython-3.9-ppc64le-without-fallback"),
        ("alpine-3.15-without-fallback-s390x", "alpine-3.15-cpython-3.9-s390x-without-fallback"),
        ("upstream-3.9-armv7l-musl1.2.5", "docker-alpine-cpython-3.9-armv7"),
        ("upstream-3.9-riscv64-musl1.2.5", "docker-alpine-cpython-3.9-riscv64"),
        ("upstream-3.11-x86_64-musl1.2.5", "docker-alpine-cpython-3.11-x86_64"),
        ("upstream-3.15-x86_64-musl1.2.5", "cpython-3.15-musl-x86_64"),
        ("cp315t-musl-x86_64-musl1.2.5", "cpython-3.15t-musl-x86_64"),
        ("uv-3.10-musl-x86_64-musl1.2.5", "uv-cpython-3.10-musl-x86_64"),
        ("uv-3.11-musl-20251014-x86_64-musl1.2.5", "uv-cpython-3.11-musl-x86_64-20251014"),
        ("yocto-3.11-x86_64-musl1.2.4", "yocto-cpython-3.11-x86_64"),
        ("openwrt-3.9-aarch64-musl1.1.24", "openwrt-cpython-3.9-aarch64"),
        ("cp39-gnu-x86_64-glibc2.41", "docker-debian-cpython-3.9-x86_64"),
    ],
)
def test_a_specification_is_the_target_that_a_file_describes(spec: str, name: str) -> None:
    known = known_target(name)
    given = {"version": known.version, "prefix": str(known.prefix), "executable": str(known.executable)}
    target = parse_target_spec(spec, given)
    for fact in (
        "version", "abi_flags", "soabi", "extension_suffixes", "platform", "libc", "libc_version", "machine",
        "prefix", "scheme", "prefix_scheme", "environment", "executable",
    ):  # fmt: skip
        assert getattr(target, fact) == getattr(known, fact), fact
    assert set(target.tags()) == set(known.tags())


@pytest.mark.parametrize(
    ("spec", "sentence", "tip"),
    [
        ("", "is not a target specification", "interpreter --list"),
        ("cp310", "is not a target specification", "interpreter --list"),
        ("cp310-musl", "does not tell the CPU, as cp310-musl-x86_64 does; it is one of x86_64, i686", ""),
        ("alpine-3.14", "does not tell the CPU, as alpine-3.14-x86_64 does; it is one of x86_64, i686", ""),
        ("cp310-musl-vax", "names the CPU 'vax'; known are x86_64", ""),
        ("alpine-3.14-vax", "names the CPU 'vax'; known are x86_64", ""),
        ("cp311-gnu-x86_64", "does not tell the libc that it runs on", "write cp311-gnu-x86_64-musl or"),
        ("cp311-none-x86_64", "does not tell the libc that it runs on", "cp311-none-x86_64-glibc"),
        ("cp311-musl-x86_64-glibc", "contradicts itself: no Python on glibc imports -musl", ""),
        ("cp311-gnu-x86_64-bionic", "names the libc 'bionic'; it can be glibc or musl", ""),
        ("alpine-3.14-x86_64-glibc", "names the libc glibc, and alpine-3.14 runs on musl", ""),
        ("entware-3.9-x86_64-musl", "names the libc musl, and entware-3.9 runs on glibc", ""),
        ("alpine-3.14-x86_64-musl1.2.5", "names musl 1.2.5, and alpine-3.14 has musl 1.2.2", ""),
        ("cp35m-musl-x86_64", "is for Python 3.5; muslfix serves CPython 3.6 and later", ""),
        ("cp37-musl-x86_64", "leaves open whether its ABI has the flag m", "write cp37m"),
        ("cp312t-musl-x86_64", "has the flags 't'; CPython 3.12 can have d, or none", ""),
        ("cp313dt-musl-x86_64", "has the flags 'dt'; CPython 3.13 can have d, t, td, or none", ""),
        (
            "cp316-musl-x86_64",
            "is Python 3.16, and which names that imports is not known here",
            "--target-file",
        ),
        ("cp310-musl-x86_64\n", "is not a target specification", ""),
        ("cp310-musl-x86_64-musl1.2.5.6", "is not a target specification", ""),
        ("pp310-musl-x86_64", "is not a target specification", ""),
        ("cp310-bionic-x86_64", "is not a target specification", ""),
    ],
)
def test_specifications_that_leave_something_open(spec: str, sentence: str, tip: str) -> None:
    with pytest.raises(InvalidTarget) as caught:
        parse_target_spec(spec)
    assert caught.value.path == spec
    assert caught.value.reason.startswith(sentence)
    assert tip in str(caught.value.tip)


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=40), st.from_regex(r"cp3\d+[a-z]*-(gnu|musl|none)-\w+(-\w+[\d.]*)?", fullmatch=True)
    )
)
def test_any_text_is_a_target_or_a_sentence(text: str) -> None:
    try:
        target = parse_target_spec(text)
    except MuslfixError as error:
        assert error.reason  # noqa: PT017
    else:
        assert target.extension_suffixes[-1] == ".so"


def test_what_is_given_must_not_contradict() -> None:
    with pytest.raises(InvalidTarget, match=r"contradicts the given 3\.11\.1"):
        parse_target_spec("cp310-musl-x86_64", {"version": "3.11.1"})
    with pytest.raises(InvalidTarget, match=r"contradicts the given 1\.2\.4"):
        parse_target_spec("cp310-musl-x86_64-musl1.2.5", {"libc_version": "1.2.4"})
    with pytest.raises(MuslfixError, match="is not a fact that can be given"):
        parse_target_spec("cp310-musl-x86_64", {"platform": "linux-x86_64"})
    assert parse_target_spec("cp310-musl-x86_64", {"version": "3.10.14"}).version == "3.10.14"


# -- the known ones ------------------------------------------------------------------------------------


# FACTS of the field: which libc the Pythons on musl spell, by version.
@pytest.mark.parametrize(
    ("names", "spelled"),
    [
        ("upstream-3.6 upstream-3.8 upstream-3.9 upstream-3.10", "gnu"),
        ("upstream-3.11 upstream-3.12 upstream-3.13 upstream-3.14", "musl"),
        ("yocto-3.9 yocto-3.11 yocto-3.12", "gnu"),
        ("yocto-3.13 yocto-3.14", "musl"),
        ("alpine-3.13 alpine-3.16", "gnu"),
        ("alpine-3.14-without-fallback alpine-3.18 alpine-3.22", "musl"),
        ("alpine-3.14 alpine-3.15", "musl gnu"),
        ("uv-3.8-musl-20251014 uv-3.10-musl-20251014 uv-3.11-musl-20251014 uv-3.12-musl-20251014", "gnu"),
        ("uv-3.9-musl uv-3.10-musl uv-3.12-musl uv-3.13-musl", "musl"),
        ("upstream-3.13t upstream-3.15t uv-3.13t-musl uv-3.14t-musl alpine-3.24", "musl"),
        # The patch that took the triplet away is gone in 23.05: openwrt/packages#22048
        ("openwrt-3.8 openwrt-3.10 entware-3.9", ""),
        ("openwrt-3.11 openwrt-3.13 openwrt-3.14", "musl"),
        ("entware-3.11 entware-3.13", "gnu"),
    ],
)
def test_the_table(names: str, spelled: str) -> None:
    words = {Libc.GLIBC: "gnu", Libc.MUSL: "musl"}
    by_name = {known.name: known for known in KNOWN}
    for name in names.split():
        assert " ".join(words[libc] for libc in by_name[name].spellings) == spelled, name


def test_each_known_python_is_a_target_on_each_cpu() -> None:
    assert len({known.name for known in KNOWN}) == len(KNOWN)
    for known in KNOWN:
        assert re.fullmatch(r"[a-z0-9.-]+", known.name)
        for cpu in CPUS:
            target = parse_target_spec(f"{known.name}-{cpu.name}")
            assert known in known_like(target)
            assert target.libc is (Libc.GLIBC if known.name.startswith("entware-") else Libc.MUSL)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uv-cpython-3.11-musl-x86_64-20251014", {"uv-3.11-musl-20251014", "yocto-3.11"}),
        ("alpine-3.15-cpython-3.9-x86_64", {"alpine-3.14", "alpine-3.15"}),
        ("openwrt-cpython-3.9-aarch64", {"openwrt-3.9"}),
        ("cpython-3.15t-musl-x86_64", {"upstream-3.15t", "uv-3.15t-musl"}),
        ("docker-debian-cpython-3.9-x86_64", set()),
    ],
)
def test_which_known_python_a_target_may_be(name: str, expected: set[str]) -> None:
    assert {known.name for known in known_like(known_target(name))} == expected


def test_the_list(cli: Cli) -> None:
    told = cli("interpreter", "--list")
    assert (told.status, told.err) == (0, "")
    assert [line.split()[0] for line in told.out.splitlines()] == [known.name for known in KNOWN]
    as_data = json.loads(cli("interpreter", "--list", "--json").out)
    assert {"name": "alpine-3.14", "spellings": ["musl", "glibc"]}.items() <= {
        key: value for row in as_data if row["name"] == "alpine-3.14" for key, value in row.items()
    }.items()


def test_a_specification_on_the_command_line(cli: Cli) -> None:
    words = ["interpreter", "--target-spec", "uv-3.10-musl-x86_64", "--target-fact", "libc_version=1.2.5"]
    told = cli(*words)
    assert (told.status, told.err) == (0, "")
    assert told.out.partition("\n\n")[2].splitlines()[:4] == [
        "facts from: the specification uv-3.10-musl-x86_64",
        "interpreter: unknown",
        "version: CPython 3.10",
        "SOABI: cpython-310-x86_64-linux-musl",
    ]
    assert "libc: musl 1.2.5" in told.out
    assert "environment: system at an unknown prefix" in told.out


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "alpine-3.99-x86_64",
            "names alpine-3.99, which is not known here; known are alpine-3.9 to alpine-3.24",
        ),
        (
            "uv-3.16-musl-x86_64",
            "names uv-3.16, which is not known here; known are uv-3.6-musl-20251014 to uv-3.",
        ),
        ("openwrt-99.05-arm64", "names openwrt-99.05, which is not known here; known are openwrt-3.6 to"),
    ],
)
def test_a_release_that_is_not_known_is_not_guessed(spec: str, said: str) -> None:
    with pytest.raises(InvalidTarget) as caught:
        parse_target_spec(spec)
    assert caught.value.reason.startswith(said)
    assert "a later release is not guessed" in str(caught.value.tip)


def test_each_row_says_where_it_stands_and_when_it_was_looked_up(cli: Cli) -> None:
    for known in KNOWN:
        assert known.source.startswith("https://")
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", CHECKED)
    first = cli("interpreter", "--list", "-v").out.splitlines()[0]
    assert first.endswith(f"[{KNOWN[0].source}, {CHECKED}]")


def test_other_names() -> None:
    names = [name for known in KNOWN for name in (known.name, *known.aliases)]
    assert len(set(names)) == len(names)
    one, other = parse_target_spec("openwrt-23.05-arm64"), parse_target_spec("openwrt-3.11-aarch64")
    assert one.extension_suffixes == other.extension_suffixes
    assert one.extension_suffixes[0] == ".cpython-311-aarch64-linux-musl.so"
