"""File names of extension modules: the documented table, the spellings of libcs, and what is no module."""

from __future__ import annotations

import importlib.machinery
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muslfix import suffix
from muslfix.suffix import SPELLINGS, ExtensionFilename, Libc, libc_of_triplet

#: The platform triplets of a CPU: on glibc, on musl with CPython 3.11 and 3.12, on musl with 3.13 and later.
TRIPLETS: list[tuple[str, str | None, str]] = [
    ("x86_64-linux-gnu", "x86_64-linux-musl", "x86_64-linux-musl"),
    ("x86_64-linux-gnux32", "x86_64-linux-muslx32", "x86_64-linux-muslx32"),
    ("i386-linux-gnu", "i386-linux-musl", "i386-linux-musl"),
    ("aarch64-linux-gnu", "aarch64-linux-musl", "aarch64-linux-musl"),
    ("aarch64_be-linux-gnu", "aarch64_be-linux-musl", "aarch64_be-linux-musl"),
    ("arm-linux-gnueabi", "arm-linux-musleabi", "arm-linux-musleabi"),
    ("arm-linux-gnueabihf", "arm-linux-musleabihf", "arm-linux-musleabihf"),
    ("armeb-linux-gnueabihf", "armeb-linux-musleabihf", "armeb-linux-musleabihf"),
    ("mips64el-linux-gnuabi64", "mips64el-linux-muslabi64", "mips64el-linux-musl"),
    ("mips64el-linux-gnuabin32", "mips64el-linux-muslabin32", "mips64el-linux-musln32"),
    ("mipsel-linux-gnu", "mipsel-linux-musl", "mipsel-linux-musl"),
    ("mips-linux-gnusf", None, "mips-linux-muslsf"),
    ("mips64-linux-gnuabin32sf", None, "mips64-linux-musln32sf"),
    ("mips64-linux-gnuabi64sf", None, "mips64-linux-muslsf"),
    ("powerpc-linux-gnu", "powerpc-linux-musl", "powerpc-linux-musl"),
    ("powerpc-linux-gnuspe", "powerpc-linux-muslspe", "powerpc-linux-muslsf"),
    ("powerpc64le-linux-gnu", "powerpc64le-linux-musl", "powerpc64le-linux-musl"),
    ("s390x-linux-gnu", "s390x-linux-musl", "s390x-linux-musl"),
    ("riscv64-linux-gnu", "riscv64-linux-musl", "riscv64-linux-musl"),
    ("loongarch64-linux-gnu", "loongarch64-linux-musl", "loongarch64-linux-musl"),
    ("loongarch64-linux-gnuf32", "loongarch64-linux-muslf32", "loongarch64-linux-muslf32"),
    ("loongarch64-linux-gnusf", "loongarch64-linux-muslsf", "loongarch64-linux-muslsf"),
]


def suffixes(minor: int, flags: str, triplet: str) -> list[tuple[str, str, str | None]]:
    """The suffixes of CPython 3.minor, in its order, each with its ABI part and triplet."""
    own = f"cpython-3{minor}{flags}"
    found: list[tuple[str, str, str | None]] = [(f".{own}-{triplet}.so", own, triplet)]
    stable_abis = ["abi3", "abi3t"] if minor >= 15 else ["abi3"]
    if "t" in flags and minor >= 15:
        stable_abis.remove("abi3")
    for abi in stable_abis:
        if minor >= 15:
            found.append((f".{abi}-{triplet}.so", abi, triplet))
        found.append((f".{abi}.so", abi, None))
    return [*found, (".so", "", None)]


def documented_rows() -> list[tuple[str, ExtensionFilename | None]]:
    """The rows of the table in the module's docstring; a row may show several names."""
    _, _, table, _ = re.split(r"(?m)^=+ =+ =+$\n", suffix.__doc__ or "")
    rows: list[tuple[str, ExtensionFilename | None]] = []
    for line in table.splitlines():
        names, abi, triplet = re.fullmatch(  # type: ignore[union-attr]
            r"(``.+?``(?:, ``.+?``)*) +(?:no extension module|(?:\(empty\)|``(\S+)``)(?: +``(\S+)``)?)", line
        ).groups()
        for name in re.findall("``(.+?)``", names):
            module = name.partition(".")[0]
            is_none = line.endswith("no extension module")
            rows.append((name, None if is_none else ExtensionFilename(module, abi or "", triplet)))
    return rows


@pytest.mark.parametrize(("name", "expected"), documented_rows())
def test_documented_table(name: str, expected: ExtensionFilename | None) -> None:
    assert ExtensionFilename.parse(name) == expected
    if expected is not None:
        assert str(expected) == name
        assert ExtensionFilename.of_suffix(expected.suffix) == expected


def test_documented_table_is_read_in_full() -> None:
    rows = documented_rows()
    assert len(rows) == 23
    assert sum(expected is None for _, expected in rows) == 8


@pytest.mark.parametrize(
    ("spelling", "libc"),
    [
        pytest.param(spelling, libc, id=f"{cpu} {spelling}")
        for cpu, gnu, *musls in SPELLINGS
        for libc, spellings in ((Libc.GLIBC, [gnu]), (Libc.MUSL, musls))
        for spelling in spellings
        if spelling is not None
    ],
)
def test_every_spelling_means_one_libc(spelling: str, libc: Libc) -> None:
    assert libc_of_triplet(f"cpu-linux-{spelling}") is libc
    assert libc_of_triplet(f"cpu-linux-{spelling}x") is None
    assert spelling.startswith("gnu") == (libc is Libc.GLIBC)


def test_every_known_triplet_is_spelled_in_the_table() -> None:
    def spellings(position: int) -> set[str]:
        return {(row[position] or "none").partition("-linux-")[2] or "none" for row in TRIPLETS}

    for position in range(3):
        assert spellings(position) == {row[position + 1] or "none" for row in SPELLINGS}


@pytest.mark.parametrize("minor", range(9, 16), ids=lambda minor: f"3.{minor}")
@pytest.mark.parametrize("triplets", TRIPLETS, ids=lambda triplets: str(triplets[0]))
def test_suffixes_of_every_cpu_and_version(triplets: tuple[str, str | None, str], minor: int) -> None:
    gnu, musl_311, musl_313 = triplets
    musl = musl_311 if minor < 13 else musl_313
    for flags in ["", "d"] if minor < 13 else ["", "d", "t", "td"]:
        for triplet, libc in [(gnu, Libc.GLIBC), (musl, Libc.MUSL)]:
            if triplet is None:  # this CPython knew no such platform
                continue
            for text, abi, own_triplet in suffixes(minor, flags, triplet):
                name = ExtensionFilename.of_suffix(text)
                assert name == ExtensionFilename("m", abi, own_triplet)
                assert name.suffix == text
                assert name.spelled_libc is (None if own_triplet is None else libc)
                assert name.is_for_linux


def test_suffixes_of_the_python_that_runs_the_tests() -> None:
    for text in importlib.machinery.EXTENSION_SUFFIXES:
        name = ExtensionFilename.of_suffix(text)
        assert name is not None
        assert name.suffix == text
        assert name.is_for_linux


@pytest.mark.parametrize(
    ("triplet", "libc"),
    [
        ("x86_64-linux-gnu", Libc.GLIBC),
        ("x86_64-alpine-linux-musl", Libc.MUSL),
        ("x86_64-linux-android", None),
        ("x86_64-linux-uclibc", None),
        ("x86_64-linux", None),
        ("x86_64-linux-", None),
        ("linux-gnu", None),
        ("-linux-gnu", None),
        ("x86_64-linux-gnu-musl", None),
        ("x86_64-linux-GNU", None),
        ("x86_64-gnu", None),
        ("darwin", None),
        ("win_amd64", None),
        ("", None),
    ],
)
def test_libc_of_triplet(triplet: str, libc: Libc | None) -> None:
    assert libc_of_triplet(triplet) is libc


@pytest.mark.parametrize(
    ("triplet", "is_for_linux"),
    [
        (None, True),
        ("x86_64-linux-gnu", True),
        ("arm-linux-musleabihf", True),
        ("darwin", False),
        ("aarch64-linux-android", False),
        ("aarch64-iphonesimulator", False),
    ],
)
def test_names_of_other_platforms(triplet: str | None, is_for_linux: bool) -> None:
    assert ExtensionFilename("m", "cpython-313", triplet).is_for_linux is is_for_linux


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        ".so",
        ".cpython-39-x86_64-linux-gnu.so",
        "m",
        "m.so/",
        "m.so.1",
        "m.so.bak",
        "m.SO",
        "mso",
        "m.cpython-39-x86_64-linux-gnu.so.debug",
        "m.cpython-39-x86_64-linux-gnu.pyd",
        "m.cpython-39-x86_64-linux-gnu",
        "m.cpython-27-x86_64-linux-gnu.so",
        "m.cpython-x86_64-linux-gnu.so",
        "m.cpython-39-.so",
        "m.cpython39-x86_64-linux-gnu.so",
        "m.cp39-x86_64-linux-gnu.so",
        "m.x86_64-linux-gnu.so",
        "m.abi4.so",
        "m.abi33.so",
        "m.abi3.1.so",
        "m.n.so",
        "m.n.abi3.so",
        "m.cpython-39-x86_64.v2-linux-gnu.so",
        "lib-m.so",
        "1m.so",
        "pkg.libs/m.so",
        "pkg.libs/m.cpython-39-x86_64-linux-gnu.so",
        "pkg.libs/below/m.abi3.so",
        "pkg/.libs/m.abi3.so",
    ],
)
def test_names_that_are_no_modules(path: str) -> None:
    assert ExtensionFilename.parse(path) is None


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("m.so", "m"),
        ("/m.abi3.so", "m"),
        ("pkg.libs2/m.abi3.so", "m"),
        ("libs/m.abi3.so", "m"),
        ("pkg.d/m.abi3.so", "m"),
        ("3204bda914b7f2c6f497__mypyc.cpython-39-x86_64-linux-gnu.so", "3204bda914b7f2c6f497__mypyc"),
        ("lib-m.abi3.so", "lib-m"),
        ("m.graalpy-38-native-x86_64-linux.so", "m"),
        ("m.graalpy230-310.so", "m"),
        ("café.so", "café"),
        ("with space.abi3.so", "with space"),
        ("line\nend.abi3.so", "line\nend"),
    ],
)
def test_modules_with_unusual_names_and_folders(path: str, module: str) -> None:
    name = ExtensionFilename.parse(path)
    assert name is not None
    assert name.module == module


@pytest.mark.parametrize("text", ["", "so", ".pyd", ".so.1", "-x.so", "/m.so.", ".cpython-39"])
def test_texts_that_are_no_suffixes(text: str) -> None:
    assert ExtensionFilename.of_suffix(text) is None


def test_words() -> None:
    assert [str(libc) for libc in Libc] == ["glibc", "musl"]


WORDS = st.text("abc019_-.é/ ", max_size=8)
NAMES = st.builds(
    "{}.{}{}.so".format,
    st.text("abc019_-é\n ", min_size=1, max_size=8),
    st.sampled_from(
        ["cpython-39", "cpython-313td", "abi3", "abi3t", "pypy310-pp73", "graalpy240-311-native"]
    ),
    st.one_of(st.just(""), st.from_regex(r"-[A-Za-z0-9_-]+", fullmatch=True)),
)


@settings(deadline=None)
@given(st.one_of(NAMES, WORDS, WORDS.map("{}.so".format), st.text()))
def test_what_is_parsed_is_written_the_same(path: str) -> None:
    name = ExtensionFilename.parse(path)
    if name is not None:
        assert str(name) == path.rpartition("/")[2]
        assert ExtensionFilename.parse(str(name)) == name
        assert name.suffix.endswith(".so")
        assert ExtensionFilename.of_suffix(name.suffix) == ExtensionFilename("m", name.abi, name.triplet)


@settings(deadline=None)
@given(NAMES)
def test_every_name_of_the_grammar_is_parsed(path: str) -> None:
    name = ExtensionFilename.parse(path)
    assert name is not None
    assert name.abi


@settings(deadline=None)
@given(NAMES, st.lists(st.text("abc.", min_size=1).filter(lambda text: not text.endswith(".libs"))))
def test_folders_other_than_libs_do_not_matter(name: str, folders: list[str]) -> None:
    assert ExtensionFilename.parse("/".join([*folders, name])) == ExtensionFilename.parse(name)
    assert ExtensionFilename.parse("/".join([*folders, "m.libs", name])) is None


@pytest.mark.parametrize(
    ("module", "end"),
    [
        ("m", "_m"),
        ("_speed", "__speed"),
        ("81d2__mypyc", "_81d2__mypyc"),
        ("ä", "U_4ca"),
        ("lančmít", "U_lanmt_2sa6t"),
        ("lan\udcc4\udc8dm\udcc3\udcadt", "U_lanmt_2sa6t"),
    ],
)
def test_init_functions(module: str, end: str) -> None:
    """The last one is the example of PEP 489, also where the locale cannot spell it."""
    assert ExtensionFilename(module, "abi3").init_functions == (f"PyInit{end}", f"PyModExport{end}")
