"""Targets read from root file systems and prefixes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli
from environments import make_environment
from rootmaker import ELF, comparable, details_of, known_target, make_root, strings, write
from trees import snapshot

from muslfix.errors import InvalidTarget, UsageError
from muslfix.targets.interpreter import probe_interpreter, read_target_file
from muslfix.targets.root import read_target_root
from muslfix.targets.target import Target

# Those whose machine has a program among the ELF files of the fixtures, and folders as Python chooses them.
NAMES = [
    name
    for name in sorted(path.stem for path in (FIXTURES / "targets").glob("*.json"))
    if not name.endswith(
        ("riscv64", "s390x", "ppc64le-without-fallback", "s390x-without-fallback", "-x86-without-fallback")
    )
]

# What only the bytes of the interpreter tell: a fallback, a suffix that a distribution adds.
PATCHED = ("alpine-3.15-cpython-3.9-x86_64", "debian-13-cpython-3.13-x86_64")

ALPINE = known_target("alpine-3.14-cpython-3.9-armv7")
OPENWRT = known_target("openwrt-cpython-3.9-aarch64")
FREE_THREADED = known_target("cpython-3.15t-musl-x86_64")
DEBIAN = known_target("debian-13-cpython-3.13-x86_64")
DOCKER = known_target("docker-alpine-cpython-3.9-x86_64")


def tree_target(name: str) -> Target:
    """A target of the fixtures with the paths of a Python that is in a usual place, and by its full name."""
    target = known_target(name)
    short = "{}.{}".format(*target.version_info) + target.abi_flags
    return replace(target, executable=f"{target.prefix}/bin/python{short}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "names only"])
def test_what_is_read_is_what_was_put_there(tmp_path: Path, name: str, compiled: bool) -> None:
    if name in PATCHED and not compiled:
        pytest.skip("that is not in the names of files")
    target = tree_target(name)
    make_root(tmp_path, target, compiled=compiled)
    before = snapshot(tmp_path)
    read = read_target_root(str(tmp_path), given={} if compiled else {"version": target.version})
    assert comparable(read) == comparable(target)
    assert (read.runs_here, read.source and read.source.kind) == (False, "root")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["cpython-3.15t-musl-x86_64", "cpython-3.15-musl-x86_64"])
def test_build_details_come_first(tmp_path: Path, name: str) -> None:
    target = tree_target(name)
    make_root(tmp_path, target, compiled=False, details=True)
    read = read_target_root(str(tmp_path))
    assert comparable(read) == comparable(target)
    assert read.source is not None
    assert read.source.kind == "build-details"
    assert "names by build-details.json" in read.source.sentence


def test_the_running_interpreter_without_running_it() -> None:
    program = os.path.realpath(sys.executable)
    assert comparable(read_target_root("/", program)) == comparable(probe_interpreter(program))


def test_a_virtual_environment_without_running_it(environment: Path) -> None:
    program = str(environment / "bin" / "python")
    assert comparable(read_target_root("/", program)) == comparable(probe_interpreter(program))


def test_a_prefix_lies_where_it_is_seen(tmp_path: Path) -> None:
    make_root(tmp_path / "root", DOCKER)
    prefix = tmp_path / "root" / "usr" / "local"
    read = read_target_root(str(prefix))
    assert (read.prefix, read.executable) == (str(prefix), f"{prefix}/bin/python3.9")
    assert (read.libc_version, read.version) == (None, DOCKER.version)
    moved = read_target_root(str(prefix), given={"prefix": "/usr/local", "libc_version": "1.2.5"})
    assert comparable(moved) == comparable(DOCKER)


def test_links_lead_only_inside(tmp_path: Path) -> None:
    """Absolute ones begin at the top of the root; this machine has other files at these paths."""
    make_root(tmp_path, DOCKER)
    bin_folder = tmp_path / "usr/local/bin"
    (bin_folder / "python3.9").rename(write(tmp_path / "data/real").with_name("python"))
    (bin_folder / "python3.9").symlink_to("/usr/bin/../../../data/python")
    (tmp_path / "usr/local/lib").rename(tmp_path / "data/lib")
    (tmp_path / "usr/local/lib").symlink_to("/data/lib")
    (tmp_path / "lib").rename(tmp_path / "usr/lib")
    (tmp_path / "lib").symlink_to("usr/lib")
    assert comparable(read_target_root(str(tmp_path))) == comparable(DOCKER)


def test_two_pythons_and_which(tmp_path: Path) -> None:
    own = replace(
        tree_target("docker-alpine-cpython-3.11-x86_64"), prefix="/usr", executable="/usr/bin/python3.11"
    )
    make_root(tmp_path, DOCKER)
    make_root(tmp_path, own)
    with pytest.raises(InvalidTarget) as caught:
        read_target_root(str(tmp_path))
    assert caught.value.reason == "holds 2 Pythons: 3.9 in /usr/local, 3.11 in /usr"
    assert "--target-python" in str(caught.value.tip)
    for wanted, version in {
        "3.9": "3.9",
        "3.11": "3.11",
        "/usr/bin/python3.11": "3.11",
        f"{tmp_path}/usr/local/bin/python3.9": "3.9",
    }.items():
        assert read_target_root(str(tmp_path), wanted).version.startswith(version + ".")
    assert read_target_root(str(tmp_path), given={"prefix": "/usr"}).version.startswith("3.11.")


def test_a_free_threaded_python_by_each_of_its_names(tmp_path: Path) -> None:
    """``make install`` makes ``python3.15`` a hard link of ``python3.15t``; a copy may not keep that."""
    own = replace(FREE_THREADED, prefix="/usr/local", executable="/usr/local/bin/python3.15t")
    programs = make_root(tmp_path, own) / "usr/local/bin"
    os.link(programs / "python3.15t", programs / "python3.15")
    (programs / "python3").symlink_to("python3.15")
    os.link(programs / "python3.15t", programs / "python")
    names = [f"/usr/local/bin/{name}" for name in ("python3.15t", "python3.15", "python3", "python")]
    for name in names:
        assert comparable(read_target_root(str(tmp_path), name)) == comparable(replace(own, executable=name))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "usr", copy / "usr", symlinks=True)
    for name in names:
        assert read_target_root(str(copy), name).abi_flags == "t"
    (programs / "python3.15t").unlink()
    assert read_target_root(str(tmp_path)).executable == "/usr/local/bin/python3.15"


def test_one_program_of_two_pythons_of_one_version(tmp_path: Path) -> None:
    """The free-threaded one was installed last and has taken the name that both have."""
    own = replace(known_target("cpython-3.15-musl-x86_64"), prefix="/usr/local")
    make_root(tmp_path, replace(own, executable="/usr/local/bin/python3.15"))
    programs = make_root(
        tmp_path, replace(FREE_THREADED, prefix="/usr/local", executable="/usr/local/bin/python3.15t")
    ).joinpath("usr/local/bin")
    assert read_target_root(str(tmp_path), "/usr/local/bin/python3.15").abi_flags == ""
    (programs / "python3.15").unlink()
    os.link(programs / "python3.15t", programs / "python3.15")
    read = read_target_root(str(tmp_path), "/usr/local/bin/python3.15")
    assert (read.abi_flags, read.executable) == ("t", "/usr/local/bin/python3.15")
    assert read_target_root(str(tmp_path), "3.15t").executable == "/usr/local/bin/python3.15t"
    with pytest.raises(InvalidTarget):  # its program is not there
        read_target_root(str(tmp_path), "3.15")


def test_a_distribution_with_one_python_at_two_paths(tmp_path: Path) -> None:
    target = replace(DOCKER, prefix="/usr", executable="/usr/bin/python3.9")
    make_root(tmp_path, target)
    (tmp_path / "usr/local").symlink_to("/usr")
    assert read_target_root(str(tmp_path)).version == target.version


def test_a_library_that_holds_the_interpreter(tmp_path: Path) -> None:
    """Where the program is small, the suffixes are in libpython; without a program it tells the libc too."""
    make_root(tmp_path, DOCKER, compiled=False)
    library = (ELF / "x86_64-musl-library.so").read_bytes() + strings(
        *DOCKER.extension_suffixes[:2], DOCKER.version
    )
    write(tmp_path / "usr/local/lib/libpython3.9.so.1.0", library)
    (tmp_path / "usr/local/bin/python3.9").unlink()
    read = read_target_root(str(tmp_path))
    assert (read.version, read.libc, read.executable, read.loader) == (DOCKER.version, "musl", None, None)
    assert read.extension_suffixes == DOCKER.extension_suffixes


# -- what is refused, and how ------------------------------------------------------------------------

Change = Callable[[Path], object]


def link(path: str, target: str) -> Change:
    def change(root: Path) -> None:
        place = root / path
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    return change


def pipe(path: str) -> Change:
    def change(root: Path) -> None:
        (root / path).unlink(missing_ok=True)
        os.mkfifo(root / path)

    return change


def put(path: str, content: bytes | str) -> Change:
    return lambda root: write(root / path, content)


def details(**changes: Any) -> Change:
    return put(f"{LIBRARY}/build-details.json", json.dumps({**details_of(DOCKER), **changes}))


LIBRARY = "usr/local/lib/python3.9"
PROGRAM = "usr/local/bin/python3.9"
REFUSED: dict[str, tuple[Change, str]] = {
    "program in a circle": (link(PROGRAM, "python3.9"), "does not tell machine and libc"),
    "program that is a pipe": (pipe(PROGRAM), "does not tell machine and libc"),
    "program that is a text": (put(PROGRAM, "#!/bin/sh\n"), "does not tell machine and libc"),
    "program that is damaged": (
        put(PROGRAM, b"\x7fELF\2\1\1" + b"\xff" * 99),
        "does not tell machine and libc",
    ),
    "program that is empty": (put(PROGRAM, b""), "does not tell machine and libc"),
    "program that is static": (
        put(PROGRAM, (ELF / "x86_64-static-program").read_bytes()),
        "is linked statically",
    ),
    "details that are a pipe": (pipe(f"{LIBRARY}/build-details.json"), ""),
    "marker that is a pipe": (pipe(f"{LIBRARY}/EXTERNALLY-MANAGED"), ""),
    "details that are huge": (put(f"{LIBRARY}/build-details.json", b" " * 300_000), "is larger than 256 KiB"),
    "details that are cut off": (put(f"{LIBRARY}/build-details.json", "{"), "is not JSON"),
    "details that are no text": (put(f"{LIBRARY}/build-details.json", b"\xff"), "is not JSON"),
    "details that are deep": (put(f"{LIBRARY}/build-details.json", b"[" * 200_000), "is not JSON"),
    "details that are a list": (
        put(f"{LIBRARY}/build-details.json", "[]"),
        "the document is not a JSON object",
    ),
    "details of the future": (details(schema_version="2.0"), "has schema version '2.0'"),
    "details of another kind": (details(implementation={"name": "pypy"}), "is of 'pypy'"),
    "details without platform": (details(platform=7), "platform is 7, which is not text"),
    "details with an odd platform": (details(platform="linux-\x1b[31m"), "which is not one"),
    "details with no suffixes at all": (details(suffixes={}), ""),
    "details with a bad suffix": (details(suffixes={"extensions": [".dll"]}), "which is not a suffix"),
    "details of the building Python": (
        details(suffixes={"extensions": [".cpython-39-x86_64-linux-musl.so", ".so"]}),
        "contradicts itself: build-details.json says .cpython-39-x86_64-linux-musl.so .so, and the files show"
        " .cpython-39-x86_64-linux-gnu.so",
    ),
    "details of another version": (
        details(
            language={
                "version_info": {"major": 3, "minor": 14, "micro": 0, "releaselevel": "final", "serial": 0}
            }
        ),
        "says version 3.14.0",
    ),
    "details of another machine": (details(platform="linux-aarch64"), "its platform is linux-aarch64"),
    "modules of another spelling": (
        link(f"{LIBRARY}/lib-dynload", "../other"),
        "contradicts itself: the interpreter imports .cpython-39-x86_64-linux-gnu.so, and in lib-dynload are"
        " names that end in .cpython-39-x86_64-linux-musl.so",
    ),
    "a module of another machine": (
        put(
            f"{LIBRARY}/lib-dynload/_csv.cpython-39-x86_64-linux-gnu.so",
            (ELF / "aarch64-musl.so").read_bytes(),
        ),
        "contradicts itself: the interpreter is for x86_64 64-bit little-endian and musl, and its module"
        " _csv.cpython-39-x86_64-linux-gnu.so for aarch64",
    ),
    "a module of the other libc": (
        put(
            f"{LIBRARY}/lib-dynload/_csv.cpython-39-x86_64-linux-gnu.so",
            (ELF / "x86_64-glibc.so").read_bytes(),
        ),
        "for x86_64 64-bit little-endian and glibc",
    ),
    "two suffixes of one place": (
        lambda root: write(
            root / PROGRAM,
            (ELF / "x86_64-musl-program").read_bytes() + strings(".cpython-39x.so", ".cpython-39y.so"),
        ),
        "contradicts itself",
    ),
    "a loader that is nobody's": (
        lambda root: write(
            root / PROGRAM,
            (ELF / "x86_64-musl-program")
            .read_bytes()
            .replace(b"/lib/ld-musl-x86_64.so.1", b"/lib/ld-mine-x86_64.so.1"),
        ),
        "has the loader /lib/ld-mine-x86_64.so.1, which is neither musl's nor glibc's",
    ),
    "a loader in a circle": (link("lib/ld-musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1"), ""),
    "a loader that is a pipe": (pipe("lib/ld-musl-x86_64.so.1"), ""),
    "a loader of two versions": (
        put("lib/ld-musl-x86_64.so.1", strings("musl libc (x86_64)", "1.2.3", "1.2.5")),
        "",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_tree_that_is_not_as_it_should_be(tmp_path: Path, case: str) -> None:
    """It is refused in a sentence, or read without the part that is bad; never is anything waited for."""
    change, sentence = REFUSED[case]
    make_root(tmp_path, DOCKER)
    write(tmp_path / "usr/local/lib/other/_csv.cpython-39-x86_64-linux-musl.so")
    change(tmp_path)
    if not sentence:
        read = read_target_root(str(tmp_path))
        assert read.extension_suffixes == DOCKER.extension_suffixes
        assert read.libc_version in (None, DOCKER.libc_version)
        return
    with pytest.raises(InvalidTarget) as caught:
        read_target_root(str(tmp_path))
    assert sentence in caught.value.reason
    assert str(caught.value.path).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("folder", "wanted", "sentence"),
    [
        ("absent", None, "is not a directory"),
        ("file", None, "is not a directory"),
        ("empty", None, "holds no Python"),
        ("empty", "3.9", "holds no Python 3.9"),
        ("root", "3.8", "holds no Python 3.8; it has 3.9 in /usr/local"),
        ("root", "three", "is neither a version such as 3.11 nor the path of a program"),
        ("root", "/usr/bin/absent", "is not a program in"),
        ("root", "/usr/local/bin", "is not a program in"),
        ("root", "/usr/bin/other", "belongs to no Python in the tree"),
        ("root", "/usr/bin/circle", "leads into a loop of symbolic links"),
        ("old", None, "holds Python 3.5"),
        ("environment", None, "is a virtual environment, and the Python that it belongs to is elsewhere"),
    ],
)
def test_no_python_to_be_found(tmp_path: Path, folder: str, wanted: str | None, sentence: str) -> None:
    write(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    make_root(tmp_path / "root", DOCKER)
    write(tmp_path / "root/usr/bin/other")
    (tmp_path / "root/usr/bin/circle").symlink_to("circle")
    write(tmp_path / "old/usr/lib/python3.5/os.py")
    make_environment(tmp_path / "environment")
    with pytest.raises(InvalidTarget) as caught:
        read_target_root(str(tmp_path / folder), wanted)
    assert sentence in caught.value.reason
    assert caught.value.tip or folder == "old"


def test_links_out_of_a_prefix_are_not_followed(tmp_path: Path) -> None:
    make_root(tmp_path / "root", DOCKER)
    prefix = tmp_path / "root/usr/local"
    (prefix / "bin/python3.9").rename(tmp_path / "outside")
    for target in (str(tmp_path / "outside"), "../../../../outside"):
        (prefix / "bin/python3.9").unlink(missing_ok=True)
        (prefix / "bin/python3.9").symlink_to(target)
        with pytest.raises(InvalidTarget) as caught:
            read_target_root(str(prefix))
        assert "does not tell machine and libc" in caught.value.reason
        with pytest.raises(InvalidTarget) as caught:
            read_target_root(str(prefix), f"{prefix}/bin/python3.9")
        assert "leads out of" in caught.value.reason


# -- facts that are asked for by name --------------------------------------------------------------------


def test_an_arm_asks_for_its_version(tmp_path: Path) -> None:
    make_root(tmp_path, ALPINE)
    (tmp_path / "etc/apk/arch").unlink()
    with pytest.raises(InvalidTarget) as caught:
        read_target_root(str(tmp_path))
    assert (
        caught.value.reason
        == "does not tell the platform of its machine, arm 32-bit little-endian hard-float"
    )
    assert caught.value.tip == "give it with --target-fact platform=: linux-armv7l or linux-armv6l"
    read = read_target_root(str(tmp_path), given={"platform": "linux-armv7l"})
    assert comparable(read) == comparable(ALPINE)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"colour": "blue"}, UsageError, "'colour' is not a fact that can be given"),
        ({"version": ""}, UsageError, "the fact version is given without a value"),
        ({"executable": "python"}, UsageError, "which is not an absolute path"),
        (
            {"version": "3.9.1"},
            InvalidTarget,
            "says that version is 3.9.25, which contradicts the given 3.9.1",
        ),
        (
            {"libc_version": "1.1"},
            InvalidTarget,
            "says that libc_version is 1.2.5, which contradicts the given 1.1",
        ),
        ({"platform": "linux-i686"}, InvalidTarget, "says that platform is linux-x86_64"),
        ({"prefix": "/nowhere"}, InvalidTarget, "holds no Python"),
        ({"executable": "/usr/bin/\nx"}, InvalidTarget, "executable has control characters"),
    ],
)
def test_facts_that_cannot_be_given(
    tmp_path: Path, given: dict[str, str], error: type[Exception], sentence: str
) -> None:
    make_root(tmp_path, DOCKER)
    with pytest.raises(error) as caught:
        read_target_root(str(tmp_path), given=given)
    assert sentence in str(caught.value)


def test_scripts_can_be_told_another_path(tmp_path: Path) -> None:
    make_root(tmp_path, DOCKER)
    read = read_target_root(str(tmp_path), given={"executable": "/usr/bin/env-python"})
    assert read.executable == "/usr/bin/env-python"


# -- the command line ---------------------------------------------------------------------------------


def test_the_source_is_told(tmp_path: Path, cli: Cli) -> None:
    make_root(tmp_path, OPENWRT)
    told = cli("interpreter", "--target-root", tmp_path)
    assert told.err == ""
    (line,) = [line for line in told.out.split("\n") if line.startswith("facts from:")]
    assert line == (
        f"facts from: the files of Python 3.9 in /usr below {tmp_path}: names by the suffixes compiled in,"
        f" machine and libc by PT_INTERP of /usr/bin/python3.9, musl 1.1.24 by its loader"
    )
    written = write(tmp_path / "target.json", cli("interpreter", "--target-root", tmp_path, "--json").out)
    assert comparable(read_target_file(str(written))) == comparable(OPENWRT)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--target-python", "3.9"], "error: --target-python selects a Python in --target-root"),
        (["--target-fact", "version=3.9.1"], "error: --target-fact needs --target-root, --target-spec or"),
        (["--target-spec", "cp39-musl-x86_64", "--target-python", "3.9"], "error: --target-python selects"),
        (["--target-root", ""], "error: --target-root is empty"),
        (["--target-root", ".", "--target-fact", "x"], "error: --target-fact 'x' is not NAME=VALUE"),
        (
            ["--target-root", ".", "--target-fact", "version=3.9.1", "--target-fact", "version=3.9.2"],
            "error: --target-fact gives 'version' twice, with different values",
        ),
    ],
)
def test_options_that_make_no_sense(cli: Cli, words: list[str], sentence: str) -> None:
    told = cli("interpreter", *words)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(sentence)
