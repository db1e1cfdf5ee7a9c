"""Targets: their JSON form, the checks of untrusted facts, suffixes and compatibility tags."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from real_pythons import HOST_PYTHONS, NATIVE_FIRST, packaging_folder, tell

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidTarget
from muslfix.suffix import Libc
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.target import FORMAT, Source, Target
from muslfix.targets.untrusted_facts import target_from_facts

ALPINE: dict[str, Any] = {
    "format": FORMAT,
    "implementation": "cpython",
    "version": "3.12.4",
    "abi_flags": "",
    "soabi": "cpython-312-x86_64-linux-musl",
    "extension_suffixes": [".cpython-312-x86_64-linux-musl.so", ".abi3.so", ".so"],
    "platform": "linux-x86_64",
    "libc": "musl",
    "libc_version": "1.2.5",
    "machine": {"name": "x86_64", "bits": 64, "byte_order": "little", "convention": ""},
    "loader": "/lib/ld-musl-x86_64.so.1",
    "executable": "/usr/bin/python3",
    "prefix": "/usr",
    "scheme": {
        "purelib": "/usr/lib/python3.12/site-packages",
        "platlib": "/usr/lib/python3.12/site-packages",
        "headers": "/usr/include/python3.12",
        "scripts": "/usr/bin",
        "data": "/usr",
    },
    "prefix_scheme": {
        "purelib": "lib/python3.12/site-packages",
        "platlib": "lib/python3.12/site-packages",
        "headers": "include/python3.12",
        "scripts": "bin",
        "data": "",
    },
    "environment": "system",
    "externally_managed": "/usr/lib/python3.12/EXTERNALLY-MANAGED",
    "markers": {
        "implementation_name": "cpython",
        "implementation_version": "3.12.4",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6.6.31",
        "platform_system": "Linux",
        "platform_version": "#1-Alpine SMP",
        "python_full_version": "3.12.4",
        "python_version": "3.12",
        "sys_platform": "linux",
    },
}
"""The facts of an Alpine's own Python, as its muslfix would write them."""

MISSING = object()


def facts(**changes: Any) -> dict[str, Any]:
    """The facts of Alpine, changed.

    :param changes: values by name; ``scheme__data`` means the value ``data`` of ``scheme``, and the value
        ``MISSING`` leaves the name out
    """
    changed = copy.deepcopy(ALPINE)
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = changed
        for part in outer:
            place = place[part]
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
    return changed


def target(version: str, flags: str = "", triplet: str = "x86_64-linux-gnu", **changes: Any) -> Target:
    """A target made by hand, with the suffixes that upstream's CPython has."""
    major, minor = version.split(".")[:2]
    own = f"cpython-{major}{minor}"
    suffixes = [f".{own}{flags}-{triplet}.so"]
    if "d" in flags and int(minor) >= 8:
        suffixes.append(f".{own}{flags.replace('d', '')}-{triplet}.so")
    if "t" not in flags:
        suffixes.append(".abi3.so")
    return target_from_facts(
        facts(
            version=version,
            abi_flags=flags,
            soabi=suffixes[0][1:-3],
            extension_suffixes=[*suffixes, ".so"],
            markers__python_version=f"{major}.{minor}",
            **changes,
        )
    )


def error_of(data: object) -> InvalidTarget:
    with pytest.raises(InvalidTarget) as caught:
        target_from_facts(data)
    return caught.value


def test_facts_become_a_target() -> None:
    alpine = target_from_facts(ALPINE)
    assert alpine.version_info == (3, 12)
    assert alpine.libc is Libc.MUSL
    assert alpine.machine == Machine("x86_64", 64, "little")
    assert alpine.extension_suffixes == (".cpython-312-x86_64-linux-musl.so", ".abi3.so", ".so")
    assert alpine.scheme is not None
    assert alpine.scheme.data == "/usr"
    assert dict(alpine.markers) == ALPINE["markers"]
    assert alpine.markers == tuple(sorted(alpine.markers))
    assert not alpine.runs_here


def test_json_round_trip() -> None:
    alpine = target_from_facts(ALPINE)
    text = alpine.to_json()
    assert json.loads(text) == ALPINE
    assert text.endswith("}\n")
    assert target_from_facts(json.loads(text)) == alpine


def test_whether_it_runs_here_is_no_fact_of_the_target() -> None:
    here = replace(target_from_facts(ALPINE), runs_here=True)
    assert "runs_here" not in here.to_json()
    assert not target_from_facts(json.loads(here.to_json())).runs_here
    assert target_from_facts(json.loads(here.to_json())) == here


def test_a_path_that_is_no_text_survives() -> None:
    strange = target_from_facts(facts(prefix="/opt/\udcff"))
    assert target_from_facts(json.loads(strange.to_json())).prefix == "/opt/\udcff"


def test_unknown_values_are_let_pass() -> None:
    assert target_from_facts(facts(comment="made on Tuesday")) == target_from_facts(ALPINE)


@pytest.mark.parametrize("name", [name for name in ALPINE if name != "format"])
def test_each_fact_is_needed(name: str) -> None:
    assert error_of(facts(**{name: MISSING})).reason == f"{name} is missing"


@pytest.mark.parametrize("name", ["soabi", "libc_version", "loader", "executable", "externally_managed"])
def test_a_fact_that_may_be_unknown(name: str) -> None:
    assert getattr(target_from_facts(facts(**{name: None})), name) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # of the wrong kind, or missing further inside
        ({"version": 3.9}, "version is 3.9, which is not text"),
        ({"libc": None}, "libc is None, which is not text"),
        ({"format": True}, "format is True, which is not a whole number"),
        ({"format": MISSING}, "format is missing"),
        ({"machine": "x86_64"}, "machine is 'x86_64', which is not an object"),
        ({"machine__bits": "64"}, "machine.bits is '64', which is not a whole number"),
        ({"machine__name": MISSING}, "machine.name is missing"),
        ({"scheme": []}, "scheme is [], which is not an object"),
        ({"scheme__headers": MISSING}, "scheme.headers is missing"),
        ({"extension_suffixes": ".so"}, "extension_suffixes is '.so', which is not a list"),
        ({"extension_suffixes": [".so", 1]}, "extension_suffixes.1 is 1, which is not text"),
        ({"markers__os_name": 1}, "markers.os_name is 1, which is not text"),
        ({"markers__os_name": MISSING}, "markers.os_name is missing"),
        # control characters
        ({"prefix": "/a\nb"}, "prefix has control characters: '/a\\nb'"),
        ({"scheme__data": "/a\0"}, "scheme.data has control characters: '/a\\x00'"),
        ({"extension_suffixes": ["\x1b[31m.so"]}, "extension_suffixes.0 has control characters"),
        # not what muslfix serves
        ({"format": FORMAT + 1}, f"has format {FORMAT + 1}, and this muslfix reads format {FORMAT}"),
        ({"implementation": "pypy"}, "implementation is pypy; muslfix serves CPython only"),
        ({"version": "3.5.10"}, "version is 3.5.10; muslfix serves CPython 3.6 and later"),
        ({"version": "2.7.18"}, "version is 2.7.18; muslfix serves CPython 3.6 and later"),
        ({"platform": "macosx-14-arm64"}, "platform is macosx-14-arm64; muslfix serves Linux only"),
        ({"libc": "bionic"}, "libc is 'bionic'; it can be glibc or musl"),
        # no such thing
        ({"version": "3"}, "version is '3', which is not a version"),
        ({"version": "three.nine"}, "version is 'three.nine', which is not a version"),
        ({"version": "3.1_2"}, "version is '3.1_2', which is not a version"),
        ({"libc_version": "1"}, "libc_version is '1', which is not a version"),
        ({"libc_version": "1.x"}, "libc_version is '1.x', which is not a version"),
        ({"libc_version": "2.1000000"}, "libc_version is '2.1000000', which is not a version"),
        ({"machine__bits": 16}, "machine is x86_64 16-bit little-endian, which is not a machine"),
        ({"machine__byte_order": "middle"}, "machine is x86_64 64-bit middle-endian, which is not a machine"),
        (
            {"environment": "nice"},
            "environment is 'nice'; it can be one of virtual environment, conda, system",
        ),
        (
            {"extension_suffixes": []},
            "extension_suffixes is empty: this Python can import no extension module",
        ),
        ({"extension_suffixes": [".pyd"]}, "extension_suffixes has '.pyd', which is not a suffix"),
        ({"extension_suffixes": ["so"]}, "extension_suffixes has 'so', which is not a suffix"),
        # facts that contradict each other
        (
            {"extension_suffixes": [".abi3.so", ".so"], "soabi": None},
            "extension_suffixes has no suffix for cpython-312, the ABI of version 3.12.4",
        ),
        (
            {"version": "3.11.9", "markers__python_version": "3.11"},
            "extension_suffixes has no suffix for cpython-311, the ABI of version 3.11.9",
        ),
        ({"abi_flags": "d"}, "extension_suffixes has no suffix for cpython-312d, the ABI of version 3.12.4"),
        (
            {"soabi": "cpython-312-x86_64-linux-gnu"},
            "soabi is cpython-312-x86_64-linux-gnu, which is not in extension_suffixes",
        ),
        ({"markers__python_version": "3.11"}, "markers.python_version is 3.11, and version is 3.12.4"),
        # paths
        ({"executable": "python3"}, "executable is 'python3', which is not an absolute path"),
        ({"prefix": "usr"}, "prefix is 'usr', which is not an absolute path"),
        ({"scheme__purelib": ""}, "scheme.purelib is '', which is not an absolute path"),
        ({"prefix_scheme__scripts": "/bin"}, "prefix_scheme.scripts is '/bin', which leaves the prefix"),
        ({"prefix_scheme__data": "a/../.."}, "prefix_scheme.data is 'a/../..', which leaves the prefix"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_check_has_its_sentence(changes: dict[str, Any], reason: str) -> None:
    error = error_of(facts(**changes))
    assert error.path is None
    assert error.reason.startswith(reason)


def test_an_older_or_newer_format_says_what_to_do() -> None:
    assert "muslfix interpreter --json" in str(error_of(facts(format=0)).tip)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "the document is not a JSON object"),
        (None, "the document is not a JSON object"),
        ({}, "format is missing"),
    ],
    ids=["list", "null", "nothing in it"],
)
def test_what_is_no_target(value: object, reason: str) -> None:
    assert error_of(value).reason == reason


MUSL, GNU = "x86_64-linux-musl", "x86_64-linux-gnu"


@pytest.mark.parametrize(
    ("suffixes", "abi", "expected"),
    [
        ([f".cpython-312-{MUSL}.so", ".abi3.so", ".so"], "cpython-312", f".cpython-312-{MUSL}.so"),
        ([f".cpython-312-{MUSL}.so", ".abi3.so", ".so"], "abi3", ".abi3.so"),
        ([f".cpython-312-{MUSL}.so", ".abi3.so", ".so"], "", ".so"),
        ([f".cpython-312-{MUSL}.so", ".abi3.so", ".so"], "cpython-311", None),
        ([f".cpython-312-{MUSL}.so", ".abi3.so", ".so"], "abi3t", None),
        # Alpine 3.14: both spellings, the first is the one to make
        (
            [f".cpython-312-{MUSL}.so", f".cpython-312-{GNU}.so", ".so"],
            "cpython-312",
            f".cpython-312-{MUSL}.so",
        ),
        ([f".cpython-312-{MUSL}.so", f".cpython-312-{GNU}.so", ".so"], "abi3", None),
        # OpenWrt
        ([".cpython-312.so", ".abi3.so", ".so"], "cpython-312", ".cpython-312.so"),
        # Debian's 3.13, and 3.15 with the triplet first
        ([f".cpython-312-{GNU}.so", ".abi3.so", f".abi3-{GNU}.so", ".so"], "abi3", ".abi3.so"),
        ([f".cpython-312-{GNU}.so", f".abi3-{GNU}.so", ".abi3.so", ".so"], "abi3", f".abi3-{GNU}.so"),
    ],
)
def test_suffix_for(suffixes: list[str], abi: str, expected: str | None) -> None:
    changed = facts(soabi=None, extension_suffixes=suffixes)
    assert target_from_facts(changed).suffix_for(abi) == expected


def test_a_debug_build_has_a_suffix_for_modules_of_both() -> None:
    debug = target("3.12.1", "d")
    assert debug.suffix_for("cpython-312d") == f".cpython-312d-{GNU}.so"
    assert debug.suffix_for("cpython-312") == f".cpython-312-{GNU}.so"


def tags_of(made: Target) -> list[str]:
    return [str(tag) for tag in made.tags()]


def platforms_of(made: Target) -> list[str]:
    """The platform tags, in their order."""
    return list(dict.fromkeys(tag.platform for tag in made.tags() if tag.platform != "any"))


def test_tags_of_a_musl_python() -> None:
    tags = tags_of(target_from_facts(ALPINE))
    assert platforms_of(target_from_facts(ALPINE)) == ["linux_x86_64"] + [
        f"musllinux_1_{minor}_x86_64" for minor in (2, 1, 0)
    ]
    assert tags[:2] == ["cp312-cp312-linux_x86_64", "cp312-cp312-musllinux_1_2_x86_64"]
    assert tags[-1] == "py30-none-any"
    assert {"cp36-abi3-musllinux_1_1_x86_64", "py3-none-musllinux_1_2_x86_64", "cp312-none-any"} <= {*tags}
    assert "cp312-cp312-musllinux_1_3_x86_64" not in tags


def test_an_unknown_libc_version_leaves_the_neutral_platform() -> None:
    assert platforms_of(target_from_facts(facts(libc_version=None))) == ["linux_x86_64"]


def test_tags_of_glibc_have_their_older_names() -> None:
    glibc = target("3.12.1", libc="glibc", libc_version="2.17")
    assert platforms_of(glibc) == [
        "linux_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_16_x86_64",
        "manylinux_2_15_x86_64", "manylinux_2_14_x86_64", "manylinux_2_13_x86_64", "manylinux_2_12_x86_64",
        "manylinux2010_x86_64", "manylinux_2_11_x86_64", "manylinux_2_10_x86_64", "manylinux_2_9_x86_64",
        "manylinux_2_8_x86_64", "manylinux_2_7_x86_64", "manylinux_2_6_x86_64", "manylinux_2_5_x86_64",
        "manylinux1_x86_64",
    ]  # fmt: skip


ARM_HARD = {"name": "arm", "bits": 32, "byte_order": "little", "convention": "hard-float"}
ARM_SOFT = {**ARM_HARD, "convention": "soft-float"}
I386 = {"name": "386", "bits": 32, "byte_order": "little", "convention": ""}
X32 = {"name": "x86_64", "bits": 32, "byte_order": "little", "convention": ""}
MIPS = {"name": "mips", "bits": 32, "byte_order": "big", "convention": ""}


@pytest.mark.parametrize(
    ("platform", "machine", "libc", "version", "expected"),
    [
        (
            "linux-armv7l", ARM_HARD, "musl", "1.1.24",
            ["linux_armv7l", "musllinux_1_1_armv7l", "musllinux_1_0_armv7l"],
        ),
        (
            "linux-armv7l", ARM_HARD, "glibc", "2.18",
            ["linux_armv7l", "manylinux_2_18_armv7l", "manylinux_2_17_armv7l", "manylinux2014_armv7l"],
        ),
        ("linux-armv7l", ARM_SOFT, "glibc", "2.18", ["linux_armv7l"]),
        # a 32-bit Python under a 64-bit kernel: the kernel names the platform
        (
            "linux-aarch64", ARM_HARD, "musl", "1.1.24",
            ["linux_armv8l", "linux_armv7l", "musllinux_1_1_armv8l", "musllinux_1_0_armv8l",
             "musllinux_1_1_armv7l", "musllinux_1_0_armv7l"],
        ),
        ("linux-x86_64", I386, "musl", "1.1.24", ["linux_i686", "musllinux_1_1_i686", "musllinux_1_0_i686"]),
        (
            "linux-x86_64", I386, "glibc", "2.5",
            ["linux_i686", "manylinux_2_5_i686", "manylinux1_i686"],
        ),
        ("linux-x86_64", X32, "glibc", "2.31", ["linux_i686"]),
        ("linux-mips", MIPS, "glibc", "2.31", ["linux_mips"]),
        ("linux-mips", MIPS, "musl", "1.0.1", ["linux_mips", "musllinux_1_0_mips"]),
    ],
    ids=["armv7l musl", "armv7l glibc", "arm soft float", "arm on aarch64", "i686 musl", "i686 glibc", "x32",
         "mips glibc", "mips musl"],
)  # fmt: skip
def test_platform_tags_of_other_machines(
    platform: str, machine: dict[str, Any], libc: str, version: str, expected: list[str]
) -> None:
    made = target_from_facts(facts(platform=platform, machine=machine, libc=libc, libc_version=version))
    assert platforms_of(made) == expected


@pytest.mark.parametrize(
    ("version", "flags", "abis"),
    [
        ("3.6.15", "m", ["cp36m"]),
        ("3.7.16", "dm", ["cp37dm"]),
        ("3.8.18", "d", ["cp38d", "cp38"]),
        ("3.12.1", "", ["cp312"]),
        ("3.13.0", "t", ["cp313t"]),
        ("3.13.0", "td", ["cp313td", "cp313t"]),
    ],
)
def test_abi_tags(version: str, flags: str, abis: list[str]) -> None:
    interpreter = "cp" + "".join(version.split(".")[:2])
    own = [tag.abi for tag in target(version, flags).tags() if tag.interpreter == interpreter]
    # What remains is the stable ABI, which free-threaded builds have from 3.15 on, and "none".
    assert [abi for abi in dict.fromkeys(own) if abi not in ("abi3", "abi3t", "none")] == abis
    assert ("abi3" in own) == ("t" not in flags)


@pytest.mark.parametrize(
    ("version", "flags", "interpreters"),
    [("3.15.0", "t", ["cp315"]), ("3.16.1", "td", ["cp316", "cp315"])],
)
def test_the_stable_abi_of_free_threaded_pythons(version: str, flags: str, interpreters: list[str]) -> None:
    """With every packaging from 24.0 on; before 26.1 it knows no abi3t."""
    tags = target(version, flags).tags()
    assert len(tags) == len(set(tags))
    assert "abi3" not in {tag.abi for tag in tags}
    found = dict.fromkeys(tag.interpreter for tag in tags if tag.abi == "abi3t")
    assert [*found][: len(interpreters)] == interpreters


@pytest.mark.parametrize(
    ("kind", "tip"),
    [
        (
            "interpreter",
            "write its facts with 'muslfix interpreter --json', set libc_version in them, such as",
        ),
        ("target-file", "set libc_version in the target file, such as 1.2.5"),
        ("build-details", "add --target-fact libc_version=1.2.5, for example"),
        ("root", "add --target-fact libc_version=1.2.5, for example"),
        ("spec", "add --target-fact libc_version=1.2.5, for example"),
        (None, "set libc_version in the target file, such as 1.2.5"),
    ],
)
def test_how_a_fact_can_be_given(kind: str | None, tip: str) -> None:
    """Options take facts only where the source of the others leaves them open."""
    of_kind = replace(target("3.9.1", ""), source=None if kind is None else Source(kind, "it"))
    assert of_kind.how_to_give("libc_version", "1.2.5").startswith(tip)


SYS_TAGS = """
from packaging.tags import sys_tags
print(json.dumps([str(tag) for tag in sys_tags()]))
"""


def assert_tags_are_packagings(python: str) -> None:
    made = probe_interpreter(python)
    folder = packaging_folder(made.version)
    if folder is None:
        pytest.skip("this packaging does not run there")
    expected = tell(python, SYS_TAGS, folder)
    if NATIVE_FIRST:
        assert tags_of(made) == expected
    else:
        assert sorted(tags_of(made)) == sorted(expected)


@pytest.mark.parametrize("python", HOST_PYTHONS.values(), ids=HOST_PYTHONS)
def test_tags_are_those_of_packaging_inside_the_interpreter(python: str) -> None:
    assert_tags_are_packagings(python)


@pytest.mark.lab
@pytest.mark.parametrize("name", ["39-gnu", "39-musl", "311-gnu", "311-musl"])
def test_tags_are_those_of_packaging_inside_a_musl_interpreter(lab: Any, name: str) -> None:
    assert_tags_are_packagings(lab.pythons[name])
