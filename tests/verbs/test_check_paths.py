"""``muslfix check`` with paths: directories of wheels, shared libraries that are no modules, single files."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli, Result
from loadable_elf import Loadable

from muslfix.verbs.nothing_to_fix import modules_in

WHEELS = FIXTURES / "wheels"
WHEEL = "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
PURE = "pure-1.0-py3-none-any.whl"

WRONG, RIGHT = ".cpython-39-x86_64-linux-gnu.so", ".cpython-39-x86_64-linux-musl.so"
TARGET = ("--target-spec", "cp39-musl-x86_64")
LIBRARY = Loadable().define("demo").build()
OF_GLIBC = Loadable(needed=["libc.so.6"]).define("demo").build()
OF_AARCH64 = Loadable(header={"e_machine": 183}).define("demo").build()
MODULE = Loadable().define("PyInit_mod").build()


def check(cli: Cli, *subjects: str | Path) -> Result:
    return cli("check", *TARGET, *subjects)


def verdicts(cli: Cli, *subjects: str | Path) -> dict[str, str]:
    """The verdict on each file, by its path."""
    report = json.loads(cli("check", "--json", *TARGET, *subjects).out)
    return {module["path"]: module["verdict"] for one in report["projects"] for module in one["modules"]}


def lay(folder: Path, **files: bytes) -> Path:
    """Make a directory of files; ``__`` in a name stands for a dot."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


# -- directories ------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["", "simple/speedy"])
def test_the_wheels_in_a_directory(cli: Cli, tmp_path: Path, depth: str) -> None:
    place = tmp_path / "wheelhouse" / depth
    place.mkdir(parents=True)
    for name in (WHEEL, PURE):
        shutil.copy(WHEELS / name, place)
    result = check(cli, tmp_path / "wheelhouse")
    assert result.status == 1
    assert result.out.startswith("1 extension module in 2 projects: 1 misnamed")
    each = check(cli, *sorted(place.iterdir()))
    assert result == each


def test_wheels_beside_other_files(cli: Cli, tmp_path: Path) -> None:
    """Those of a tool that lies deeper (virtualenv has some of pip) are none of the user's."""
    place = lay(tmp_path / "both", lib__so=OF_GLIBC)
    (place / "deeper").mkdir()
    for name in (WHEEL, f"deeper/{PURE}"):
        shutil.copy(WHEELS / Path(name).name, place / name)
    report = json.loads(cli("check", "--json", *TARGET, place).out)
    assert [project["name"] for project in report["projects"]] == ["speedy", str(place)]


def test_a_directory_that_holds_nothing(cli: Cli, tmp_path: Path) -> None:
    place = lay(tmp_path / "sources", a__py=b"", b__txt=b"")
    reason = "holds no wheel, no extension module and no shared library, so nothing was checked there"
    for words in ((), ("-q",)):
        result = check(cli, *words, place)
        assert result.status == 1
        assert result.out.startswith("No project was found.\n")
        assert result.err == f"warning: {place}: {reason}\n"
    (place / ".venv").mkdir()
    (place / ".venv" / "pyvenv.cfg").touch()
    assert check(cli, place).err.endswith(f"; did you mean --python {place}/.venv?\n")


def test_a_directory_of_projects_without_modules(cli: Cli, tmp_path: Path) -> None:
    """It was looked at, and all is well."""
    (tmp_path / "lib" / "demo-1.0.dist-info").mkdir(parents=True)
    result = check(cli, tmp_path)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("name", ["libdemo.so", "libdemo.so.1", "libdemo.so.1.2.3", "demo-1a2b.so", "mod.so"])
def test_a_library_in_a_directory_is_judged(cli: Cli, tmp_path: Path, name: str) -> None:
    place = lay(tmp_path / "ctypes")
    (place / name).write_bytes(LIBRARY)
    assert verdicts(cli, place) == {name: "library"}
    assert check(cli, place).status == 0
    (place / name).write_bytes(OF_GLIBC)
    result = check(cli, place)
    assert result.status == 1
    assert result.out.startswith("1 shared library in 1 project: 1 refused.\n")
    assert f"{name}: other-libc: it is linked to glibc (needs libc.so.6)" in result.out


def test_modules_and_libraries_of_one_directory(cli: Cli, tmp_path: Path) -> None:
    place = lay(tmp_path / "site", libdemo__so=LIBRARY)
    (place / f"mod{WRONG}").write_bytes(MODULE)
    (place / "demo.libs").mkdir()
    (place / "demo.libs/libx-1a2b.so.1").write_bytes(OF_GLIBC)
    found = verdicts(cli, place)
    assert found["libdemo.so"] == "library"
    assert [verdict for path, verdict in found.items() if path.startswith("mod")] == ["misnamed"]
    assert "demo.libs/libx-1a2b.so.1" not in found
    assert check(cli, place).out.startswith("1 extension module and 1 shared library in 1 project: ")


# -- single files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "verdict", "status"),
    [
        ("libdemo.so", LIBRARY, "library", 0),
        ("libdemo.so.1", LIBRARY, "library", 0),
        ("plugin", LIBRARY, "library", 0),
        ("libdemo.so", OF_GLIBC, "other-libc", 1),
        ("libdemo.so", OF_AARCH64, "other-machine", 1),
        ("libdemo.so", b"no", "not-elf", 1),
        (f"mod{WRONG}", MODULE, "misnamed", 1),
        (f"mod{RIGHT}", MODULE, "importable", 0),
        ("mod.cpython-38-x86_64-linux-gnu.so", MODULE, "other-abi", 0),
        ("mod.so", MODULE, "importable", 0),
    ],
)
def test_a_file(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    verdict: str,
    status: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    (tmp_path / "libother.so").write_bytes(OF_GLIBC)
    assert verdicts(cli, name) == {name: verdict}
    assert check(cli, name).status == status
    assert check(cli, tmp_path / name).status == status


def test_a_module_is_judged_with_those_beside_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / f"mod{WRONG}").write_bytes(MODULE)
    (tmp_path / f"mod{RIGHT}").write_bytes(MODULE)
    assert verdicts(cli, tmp_path / f"mod{WRONG}") == {f"mod{WRONG}": "served"}


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("./nosuch/", "it does not exist"),
        ("nosuch.so", "it does not exist"),
        ("requirements.txt", "it is a list of requirements, and muslfix downloads nothing"),
        ("https://files.example.org/a-1-py3-none-any.whl", "it is an address, and muslfix downloads nothing"),
        ("notes", "it is not a wheel file"),
        ("python3.13t", "it is an interpreter, which --python names"),
    ],
)
def test_what_cannot_be_checked(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subject: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("requirements.txt", "notes"):
        (tmp_path / name).write_text("six\n")
    (tmp_path / "python3.13t").write_bytes(LIBRARY)
    result = check(cli, subject)
    assert (result.status, result.err) == (1, "")
    assert f"{subject}: failed: {problem}\n" in result.out


def test_a_requirement(cli: Cli) -> None:
    result = check(cli, "ujson==5.11.0")
    assert (result.status, result.out) == (2, "")
    assert "tip: muslfix check ujson\n" in result.err


@pytest.mark.parametrize("command", ["check", "fix", "undo", "verify"])
def test_a_name_is_repeated_as_it_was_typed(cli: Cli, tmp_path: Path, command: str) -> None:
    reason = "it is not installed"
    if command == "check":
        reason = f"no project of this name is installed in {tmp_path}, and no file or directory has it"
    assert f"Not_There: failed: {reason}\n" in cli(command, "--path", tmp_path, "Not_There").out


def test_links_to_elsewhere_are_named(cli: Cli, tmp_path: Path) -> None:
    """Those to what is looked at anyway are not: ``lib64`` of an environment."""
    place, elsewhere = lay(tmp_path / "place"), lay(tmp_path / "elsewhere", mod__so=MODULE)
    (place / "lib").mkdir()
    shutil.copy(WHEELS / PURE, place)
    (place / "lib64").symlink_to("lib")
    assert check(cli, place).err == ""
    for number in range(6):
        (place / "lib" / f"away{number}").symlink_to(elsewhere)
        said = f"note: {place}: {number + 1} link{'s' if number else ''} to "
        result = check(cli, place)
        assert (result.status, said in result.out + result.err) == (0, True)
    assert f"{place}/lib/away" in result.out + result.err
    assert "and 1 more directories" in result.out + result.err


# -- directories that cannot be listed ----------------------------------------------------------------


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths of directories that nobody may list; for root there are none."""
    paths: set[str] = set()

    def refusing(function: Callable[[str], object]) -> Callable[[str], object]:
        def listing(path: str = ".") -> object:
            if os.fspath(path) in paths:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
            return function(path)

        return listing

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return paths


@pytest.mark.parametrize("number", [1, 2, 7])
def test_directories_that_cannot_be_listed(cli: Cli, tmp_path: Path, closed: set[str], number: int) -> None:
    """The rest is checked, and no all-clear is given."""
    place = lay(tmp_path / "site", libdemo__so=LIBRARY)
    for index in range(number):
        (place / f"closed{index}").mkdir()
        closed.add(f"{place}/closed{index}")
    first = f"{place}: {number} director{'y' if number == 1 else 'ies'} below it cannot be listed, so"
    for words in ((), ("-q",)):
        result = check(cli, *words, place)
        assert result.status == 1
        assert "1 shared library in 1 project" in result.out
        assert result.err.startswith(f"warning: {first} nothing was checked there: {place}/closed")
        assert result.err.endswith("; run muslfix as a user who may read it, or change its permissions\n")
        assert ("(Permission denied) and 2 more directories;" in result.err) is (number == 7)
    report = json.loads(check(cli, "--json", place).out)
    assert [project["modules"][0]["path"] for project in report["projects"]] == ["libdemo.so"]
    assert report["doubts"][0].startswith(first)


@pytest.mark.parametrize("holds", ["nothing else", "wheels", "itself"])
def test_what_else_a_directory_holds_does_not_matter(
    cli: Cli, tmp_path: Path, closed: set[str], holds: str
) -> None:
    place = lay(tmp_path / "place")
    (place / "closed").mkdir()
    closed.add(str(place) if holds == "itself" else f"{place}/closed")
    if holds == "wheels":
        shutil.copy(WHEELS / PURE, place)
    result = check(cli, place)
    assert result.status == 1
    assert "holds no wheel" not in result.err
    assert "cannot be listed" in result.err
    assert result.out.startswith("1 project: nothing to fix" if holds == "wheels" else "No project was found")


def test_a_file_in_a_directory_that_cannot_be_listed(cli: Cli, tmp_path: Path, closed: set[str]) -> None:
    place = lay(tmp_path / "place", mod__so=MODULE)
    closed.add(str(place))
    assert verdicts(cli, place / "mod.so") == {"mod.so": "importable"}


def test_what_no_record_lists_cannot_be_listed(cli: Cli, tmp_path: Path, closed: set[str]) -> None:
    """Neither the short way of ``fix`` nor the full one gives an all-clear."""
    place = lay(tmp_path / "site")
    (place / "stray").mkdir()
    (place / "demo-1.0.dist-info").mkdir()
    (place / "demo-1.0.dist-info" / "RECORD").write_text("demo-1.0.dist-info/RECORD,,\n")
    assert modules_in(str(place), frozenset()) == [0]
    closed.add(f"{place}/stray")
    assert modules_in(str(place), frozenset()) is None
    for command in ("check", "fix"):
        result = cli(command, *TARGET, "--path", place)
        assert result.status == 1
        assert f"{place}: 1 directory below it cannot be listed" in result.err
