"""The load check in the commands: who gets a name, who is warned about, what can be looked at."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli
from required import lacks
from trees import snapshot
from wheelmaker import make_wheel

from muslfix.elf.symbols import Exports
from muslfix.errors import InvalidTarget
from muslfix.loader.check import LoadCheck
from muslfix.loader.facts import Absence, LoadedFile
from muslfix.loader.files import ElfImages, OverlaidFiles, TargetFiles
from muslfix.loader.system import read_cache, system_of
from muslfix.targets.interpreter import probe_interpreter, read_target_file
from muslfix.targets.root_files import RootFiles
from muslfix.targets.target import Target, TargetTree

GNU, MUSL = ".cpython-39-x86_64-linux-gnu.so", ".cpython-39-x86_64-linux-musl.so"
ELF = {path.name: path.read_bytes() for path in (FIXTURES / "elf").glob("x86_64*.so")}
RELR, LACKING, WELL = "x86_64-musl-relr.so", "x86_64-musl-missing-library.so", "x86_64-musl.so"


@pytest.fixture
def old_musl(tmp_path: Path) -> Path:
    """A target file: imports -musl, and has musl 1.2.3."""
    target = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
    path = tmp_path / "target.json"
    path.write_text(replace(target, libc_version="1.2.3").to_json())
    return path


@pytest.fixture
def tell_all(tmp_path: Path, old_musl: Path) -> Path:
    """The same with the symbols of its interpreter."""
    python = Exports(frozenset({"PyModule_Create2", "PyLong_FromLong"})).to_texts()
    path = tmp_path / "with-symbols.json"
    target = read_target_file(str(old_musl))
    path.write_text(replace(target, symbols=(("python", tuple(python)),)).to_json())
    return path


def wheel(folder: Path, **elf: str) -> Path:
    """A wheel with modules, each from a fixture."""
    files = {f"pkg/{name}{GNU}": ELF[fixture] for name, fixture in elf.items()}
    return make_wheel(
        folder / "pkg-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", {"pkg/__init__.py": b"", **files}
    )


def installed(folder: Path, **elf: str) -> Path:
    """The same, laid out as an installer leaves it."""
    site = folder / "site"
    with zipfile.ZipFile(wheel(folder, **elf)) as archive:
        archive.extractall(site)
    return site


def modules(output: str) -> dict[str, dict[str, object]]:
    (project,) = json.loads(output)["projects"]
    return {module["path"][len("pkg/") :].partition(".")[0]: module for module in project["modules"]}


def test_install_refuses_what_would_crash(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    path = wheel(tmp_path, a=RELR, b=WELL)
    words = ("install", "--target-file", old_musl, "--target", tmp_path / "site", path)
    done = cli(*words)
    assert done.status == 1
    assert f"pkg/a{GNU}: crashes: a{GNU} uses relative relocations" in done.err
    assert not (tmp_path / "site").exists() or not any((tmp_path / "site").iterdir())
    assert cli(*words, "--no-load-check").status == 0
    assert (tmp_path / "site" / "pkg" / f"a{MUSL}").exists()


def test_install_warns_of_what_is_missing(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    root = tmp_path / "root"
    root.mkdir()
    words = ("install", "--target-file", old_musl, "--root", root, wheel(tmp_path, a=LACKING))
    refused = cli(*words, "--strict")
    assert refused.status == 1
    assert "missing-library" in refused.err
    done = cli(*words)
    assert done.status == 0
    assert f"pkg/a{GNU}: missing-library: a{GNU} needs libabsent.so.1, which is not in" in done.out
    assert "tip: install what provides libabsent.so.1" in done.out
    assert "1 missing a library or symbol" in done.out
    assert len(list(root.rglob(f"a{MUSL}"))) == 1


def test_install_asks_in_full_only_about_what_gets_a_name(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    """What crashes is in the headers of modules with a right name too; --strict tells what they lack."""
    (tmp_path / "root").mkdir()
    words = ("--target-file", old_musl, "--root", tmp_path / "root")
    right = {f"pkg/{name}{MUSL}": ELF[fixture] for name, fixture in (("b", LACKING), ("c", WELL))}
    for name, more, status in (
        ("pkg", {f"pkg/a{GNU}": ELF[LACKING]}, 0),
        ("relr", {f"pkg/a{MUSL}": ELF[RELR]}, 1),
        ("foreign", {f"pkg/a{MUSL}": ELF["x86_64-glibc.so"]}, 1),
    ):
        path = make_wheel(tmp_path / f"{name}-1.0-cp39-cp39-musllinux_1_1_x86_64.whl", {**right, **more})
        done = cli("install", "--json", "--dry-run", *words, path)
        assert done.status == status, name
        if not status:
            found = modules(done.out)
            assert {key: found[key]["verdict"] for key in found} == {
                "a": "missing-library", "b": "importable", "c": "importable",
            }  # fmt: skip
            assert [found[key]["loads"] for key in "bc"] == [None, None]
            assert "missing-library: b." in cli("install", "--strict", *words, path).err


def test_install_finds_what_is_in_the_root(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "libabsent.so.1").write_bytes(ELF["x86_64-musl-library.so"])
    path = wheel(tmp_path, a=LACKING)
    done = cli("install", "--json", "--target-file", old_musl, "--root", root, path)
    assert done.status == 0
    found = modules(done.out)["a"]
    assert (found["problems"], found["loads"], found["verdict"]) == ([], None, "misnamed")


def parts(
    folder: Path, version: str, *, library: bool = True, module: bool = True, name: str = "pkg"
) -> Path:
    """A wheel with the module that needs a library, with that library, or with one of the two."""
    files = {"pkg/__init__.py": b""} if module else {}
    if module:
        files[f"pkg/a{GNU}"] = ELF["x86_64-musl-bundled.so"]
    if library:
        files["bundled.libs/libanswer-1a2b3c4d.so"] = ELF["x86_64-musl-library.so"]
    return make_wheel(folder / f"{name}-{version}-cp39-cp39-musllinux_1_1_x86_64.whl", files)


def test_install_does_not_count_on_what_leaves(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    """A library that the old version alone has brought is gone when the new one is there."""
    (tmp_path / "root").mkdir()
    words = ("install", "--json", "--target-file", old_musl, "--root", tmp_path / "root", "--strict")
    assert cli(*words, parts(tmp_path, "1.0")).status == 0
    before = snapshot(tmp_path / "root")
    refused = cli(*words, parts(tmp_path, "2.0", library=False))
    assert refused.status == 1
    assert "missing-library" in refused.err
    assert snapshot(tmp_path / "root") == before
    assert cli(*words, parts(tmp_path, "3.0")).status == 0


def test_a_link_to_what_leaves_leads_nowhere(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    (tmp_path / "root" / "usr" / "lib").mkdir(parents=True)
    words = ("install", "--json", "--target-file", old_musl, "--root", tmp_path / "root")
    assert cli(*words, parts(tmp_path, "1.0")).status == 0
    (library,) = (tmp_path / "root").rglob("libanswer-1a2b3c4d.so")
    link = tmp_path / "root" / "usr" / "lib" / library.name
    link.symlink_to("/" + str(library.relative_to(tmp_path / "root")))
    found = modules(cli(*words, "--dry-run", parts(tmp_path, "2.0", library=False)).out)["a"]
    assert found["verdict"] == "missing-library"


def test_wheels_of_one_run_see_each_other(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    (tmp_path / "root").mkdir()
    words = ("install", "--json", "--target-file", old_musl, "--root", tmp_path / "root", "--strict")
    assert cli(*words, parts(tmp_path, "1.0", library=False)).status == 1
    for version in ("1.0", "2.0"):  # anew, then both in the place of older ones
        one = parts(tmp_path, version, library=False)
        other = parts(tmp_path, version, module=False, name="zlibs")
        assert cli(*words, one, other).status == 0


def test_fix_gives_no_name_to_what_would_crash(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    site = installed(tmp_path, a=RELR, b=WELL)
    before = snapshot(site)
    words = ("fix", "--target-file", old_musl, "--path", site)
    assert cli(*words, "--dry-run").status == 1
    assert snapshot(site) == before
    done = cli(*words)
    assert done.status == 1
    assert "crashes" in done.out
    assert not (site / "pkg" / f"a{MUSL}").exists()
    assert (site / "pkg" / f"b{MUSL}").is_symlink()
    assert cli(*words, "--no-load-check").status == 0
    assert (site / "pkg" / f"a{MUSL}").is_symlink()


def test_fix_strictly(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    site = installed(tmp_path, a="x86_64-musl-missing-symbol.so")
    words = ("fix", "--target-file", tell_all, "--path", site)
    assert cli(*words, "--strict").status == 1
    assert not (site / "pkg" / f"a{MUSL}").exists()
    done = cli(*words)
    assert done.status == 0
    assert "missing-symbol" in done.out
    assert (site / "pkg" / f"a{MUSL}").is_symlink()


def test_run_asks_as_fix_does(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    site = installed(tmp_path, a="x86_64-musl-missing-symbol.so", b=RELR)
    words = ("run", "--target-file", tell_all, "--path", site)
    done = cli(*words, "--strict", "--", "true")
    assert (done.status, "missing-symbol" in done.out, "crashes" in done.out) == (1, True, True)
    assert not (site / "pkg" / f"a{MUSL}").exists()
    done = cli(*words, "--", "true")
    assert (done.status, "missing-symbol" in done.out) == (1, True)
    assert (site / "pkg" / f"a{MUSL}").is_symlink()
    done = cli(*words, "--no-load-check", "--", "true")
    assert (done.status, (site / "pkg" / f"b{MUSL}").is_symlink()) == (0, True)


def test_check_tells_of_rightly_named_modules_too(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    site = installed(tmp_path, a=RELR, b=WELL, c=LACKING)
    for name in "abc":
        (site / "pkg" / f"{name}{GNU}").rename(site / "pkg" / f"{name}{MUSL}")
    for subject in (site, *sorted(site.glob("*.nothing"))):
        done = cli("check", "--json", "--target-file", tell_all, subject)
        assert done.status == 1
        found = modules(done.out)
        assert {name: found[name]["verdict"] for name in found} == {
            "a": "crashes", "b": "importable", "c": "importable",
        }  # fmt: skip
        assert {name: found[name]["loads"] for name in found} == {"a": False, "b": True, "c": None}
    assert "libabsent.so.1" in cli("check", "-v", "--target-file", tell_all, site).out


def test_repair_gives_no_name_to_what_would_crash(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    path = wheel(tmp_path, a=RELR, b=WELL)
    words = ("repair", "--target-file", old_musl, path, "-w", tmp_path / "house")
    done = cli(*words)
    assert done.status == 1
    assert f"pkg/a{GNU}: crashes: a{GNU} uses relative relocations" in done.out
    assert not (tmp_path / "house").exists()
    assert cli(*words, "--no-load-check").status == 0
    with zipfile.ZipFile(tmp_path / "house" / path.name) as archive:
        assert f"pkg/a{MUSL}" in archive.namelist()


def test_repair_looks_into_the_libraries_that_a_wheel_brings(
    tmp_path: Path, old_musl: Path, cli: Cli
) -> None:
    sound = FIXTURES / "wheels" / "bundled-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    with zipfile.ZipFile(sound) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    (library,) = (name for name in files if ".libs/" in name)
    path = make_wheel(tmp_path / sound.name, {**files, library: ELF[RELR]})
    words = ("repair", "--target-file", old_musl, "-w", tmp_path / "house")
    done = cli(*words, path)
    assert done.status == 1
    assert f"crashes: {library.rpartition('/')[2]} uses relative relocations" in done.out
    assert not (tmp_path / "house").exists()
    gnu_first = FIXTURES / "targets" / "lab-cpython-3.9-gnu-x86_64.json"
    for mode in ("rename", "copy"):
        assert cli(*words, "--target-file", gnu_first, "--mode", mode, path).status == 1
    assert cli(*words, sound).status == 0


def test_repair_claims_nothing_of_a_musl_that_is_not_known(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    target = replace(read_target_file(str(old_musl)), libc_version=None)
    old_musl.write_text(target.to_json())
    path = make_wheel(tmp_path / "pkg-1.0-cp39-cp39-linux_x86_64.whl", {f"pkg/a{GNU}": ELF[RELR]})
    done = cli("repair", "--json", "--target-file", old_musl, path, "-w", tmp_path / "house")
    found = modules(done.out)["a"]
    assert (done.status, found["verdict"], found["loads"]) == (0, "misnamed", None)
    assert "the target's version is not known" in str(found["not_known"])


def test_repair_warns_of_what_is_missing(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    path = wheel(tmp_path, a="x86_64-musl-missing-symbol.so")
    words = ("repair", "--target-file", tell_all, path, "-w", tmp_path / "house")
    done = cli(*words, "--strict")
    assert done.status == 1
    assert "missing-symbol" in done.out
    assert not (tmp_path / "house").exists()
    done = cli(*words)
    assert done.status == 0
    assert "missing-symbol" in done.out
    with zipfile.ZipFile(tmp_path / "house" / path.name) as archive:
        assert f"pkg/a{MUSL}" in archive.namelist()


def test_check_asks_about_a_wheel(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    path = wheel(tmp_path, a=RELR, b=WELL, c="x86_64-musl-missing-symbol.so")
    found = modules(cli("check", "--json", "--target-file", tell_all, path).out)
    assert {name: found[name]["verdict"] for name in found} == {
        "a": "crashes", "b": "misnamed", "c": "missing-symbol",
    }  # fmt: skip
    assert found["c"]["new_path"] == f"pkg/c{MUSL}"
    found = modules(cli("check", "--json", "--no-load-check", "--target-file", tell_all, path).out)
    assert {name: found[name]["verdict"] for name in found} == dict.fromkeys("abc", "misnamed")
    assert {name: found[name]["loads"] for name in found} == dict.fromkeys("abc")


def test_check_follows_a_wheel_into_its_own_libraries(tmp_path: Path, tell_all: Path, cli: Cli) -> None:
    path = FIXTURES / "wheels" / "bundled-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
    done = cli("check", "--json", "--target-file", tell_all, path)
    (project,) = json.loads(done.out)["projects"]
    (module,) = project["modules"]
    assert (module["loads"], module["problems"], module["not_known"]) == (True, [], [])


def test_where_nothing_is_known_nothing_is_claimed(tmp_path: Path, old_musl: Path, cli: Cli) -> None:
    done = cli("check", "--target-file", old_musl, wheel(tmp_path, b=WELL))
    assert "1 could not be checked for loading" in done.out


@pytest.mark.parametrize(
    ("tags", "fixture", "status", "said"),
    [
        ("musllinux_1_1_x86_64", WELL, 0, "can load on any musl; its tags promise musl 1.1 or later"),
        ("musllinux_1_2_x86_64", RELR, 1, "can load on musl 1.2.4 or later (a.cpython-39-x86_64-linux-gnu.so"
         " uses relative relocations (DT_RELR)); its tags promise musl 1.2 or later, which is too much"),
        ("musllinux_1_3_x86_64", RELR, 0, "its tags promise musl 1.3 or later"),
        ("musllinux_1_3_x86_64.musllinux_1_2_x86_64", RELR, 1, "its tags promise musl 1.2 or later, which"),
        ("linux_x86_64", RELR, 0, "its tags promise nothing about musl"),
        ("musllinux_1_2_x86_64", "x86_64-glibc.so", 1, "can load on no known musl (a.cpython-39-x86_64-"
         "linux-gnu.so is linked to glibc (needs libc.so.6)); its tags promise musl 1.2 or later"),
        ("manylinux_2_17_x86_64", "x86_64-glibc.so", 0, "libc.so.6)); its tags promise nothing about musl"),
    ],
)  # fmt: skip
def test_the_lowest_musl(tmp_path: Path, cli: Cli, tags: str, fixture: str, status: int, said: str) -> None:
    path = make_wheel(tmp_path / f"pkg-1.0-cp39-cp39-{tags}.whl", {f"a{GNU}": ELF[fixture]})
    done = cli("check", "--musl", path)
    assert done.status == status
    assert said in done.out
    (project,) = json.loads(cli("check", "--musl", "--json", path).out)["projects"]
    assert project["musl"]["keeps"] is (status == 0)


def test_the_lowest_musl_is_about_wheels(tmp_path: Path, cli: Cli) -> None:
    assert cli("check", "--musl").status == 2
    assert cli("check", "--musl", tmp_path).status == 2
    broken = tmp_path / "pkg-1.0-py3-none-any.whl"
    broken.write_bytes(b"no archive")
    assert cli("check", "--musl", broken).status == 1


def test_a_specification_with_a_version_of_musl(tmp_path: Path, cli: Cli) -> None:
    """The package's own table tells what that musl exports."""
    path = wheel(tmp_path, c="x86_64-musl-missing-symbol.so")
    for spec, missing in (("cp39-gnu-x86_64-musl1.2.5", True), ("cp39-gnu-x86_64-musl", False)):
        done = cli("check", "--target-spec", spec, path)
        assert ("missing-symbol" in done.out) is missing
        assert ("no musl up to 1.2.6, the newest that is known here, has it" in done.out) is missing


def test_symbols_in_a_target_file(tmp_path: Path, cli: Cli) -> None:
    plain = json.loads(cli("interpreter", "--json").out)
    done = cli("interpreter", "--json", "--symbols")
    assert done.status == 0
    facts = json.loads(done.out)
    assert "symbols" not in plain
    assert {key: facts[key] for key in plain} == plain
    assert {"libc.so.6", "libc.so"} & facts["symbols"].keys()
    assert any(
        text.partition("@")[0] == "PyLong_FromLong" for texts in facts["symbols"].values() for text in texts
    )
    path = tmp_path / "target.json"
    path.write_text(done.out)
    assert dict(read_target_file(str(path)).symbols) == {k: tuple(v) for k, v in facts["symbols"].items()}
    assert "symbols of libc.so" in cli("interpreter", "--symbols").out
    assert cli("interpreter", "--symbols", "--target-file", path).status == 1


def test_a_module_of_this_python_loads_by_its_symbols_alone(tmp_path: Path) -> None:
    """What the symbols in a file tell is what the files tell."""
    import _ctypes

    python = probe_interpreter(os.sys.executable)  # type: ignore[attr-defined]
    there = LoadCheck(python)
    elsewhere = replace(there.with_symbols(), runs_here=False, program=None)
    for file in sorted(Path(_ctypes.__file__).parent.glob("*.so")):
        known = there.on_disk(lambda path: path)(str(file))
        told = LoadCheck(elsewhere, directories=[str(file.parent)]).on_disk(lambda path: path)(str(file))
        assert known is not None
        assert told is not None
        assert known.loads is True, known
        assert told.problems == ()
        assert told.loads is True or "whether the target has lib" in told.unknown[0]


def test_installed_files_of_a_root_are_named_as_the_target_sees_them(tmp_path: Path, old_musl: Path) -> None:
    """So that ``$ORIGIN`` and the libraries beside them are those of the root."""
    site = tmp_path / "root" / "usr" / "lib" / "site"
    site.mkdir(parents=True)
    (site / "a.so").write_bytes(ELF[LACKING])
    check = LoadCheck(read_target_file(str(old_musl)), root=str(tmp_path / "root"))
    told = check.on_disk(lambda path: str(site / path))("a.so")
    assert told.files == ("/usr/lib/site/a.so",)
    (problem,) = told.problems
    assert (problem.trouble, problem.needed_by) == ("missing-library", "/usr/lib/site/a.so")


# -- files ------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system, beside a file that is outside of it."""
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "outside.so").write_bytes(ELF[WELL])
    (root / "usr" / "lib" / "inside.so").write_bytes(ELF[WELL])
    (root / "lib").symlink_to("/usr/lib")
    (root / "usr" / "lib" / "absolute.so").symlink_to("/usr/lib/inside.so")
    (root / "usr" / "lib" / "up.so").symlink_to("../../../../../../../usr/lib/inside.so")
    (root / "usr" / "lib" / "out.so").symlink_to("../../../outside.so")
    (root / "usr" / "lib" / "out-absolute.so").symlink_to(tmp_path / "outside.so")
    (root / "usr" / "lib" / "circle.so").symlink_to("circle.so")
    return root


def files_below(root: Path) -> TargetFiles:
    """The files of a root file system, as the load check opens them."""
    tree = RootFiles(TargetTree(str(root)))

    def locate(path: str) -> str | None:
        try:
            return tree.locate(path)
        except InvalidTarget:
            return None

    return TargetFiles(ElfImages(), locate)


@pytest.mark.parametrize(
    "path", ["/lib/inside.so", "/lib/absolute.so", "/usr/lib/up.so", "/../../usr/lib/inside.so",
             "//lib//inside.so", "/usr/../lib/./inside.so"],
)  # fmt: skip
def test_links_lead_to_files_of_the_root(root: Path, path: str) -> None:
    assert isinstance(files_below(root).open(path), LoadedFile)


@pytest.mark.parametrize(
    "path", ["/usr/lib/out.so", "/usr/lib/out-absolute.so", "/../outside.so", "/usr/lib/../../../outside.so"]
)
def test_no_path_leads_out_of_the_root(root: Path, path: str) -> None:
    assert files_below(root).open(path) is Absence.NOT_THERE


def test_paths_that_lead_nowhere(root: Path) -> None:
    files = files_below(root)
    assert files.open("/usr/lib/circle.so") is Absence.NOT_KNOWN
    assert files.open("/usr/lib/inside.so/inside.so") is Absence.NOT_THERE
    assert files.open("/usr/lib/\0") is Absence.NOT_THERE
    assert files.open("/usr/lib/" + "x" * 300) is Absence.NOT_THERE
    here = TargetFiles(ElfImages(), lambda path: path)
    assert here.open(str(root / "usr/lib/circle.so")) is Absence.BARRED


def test_a_file_is_read_once_whatever_it_is_called(root: Path) -> None:
    files = files_below(root)
    one, other = files.open("/lib/inside.so"), files.open("/usr/lib/absolute.so")
    assert isinstance(one, LoadedFile)
    assert isinstance(other, LoadedFile)
    assert (one.path, other.path) == ("/lib/inside.so", "/usr/lib/absolute.so")
    assert one.identity == other.identity
    assert one.image is other.image


def test_what_is_no_library(root: Path) -> None:
    lib = root / "usr" / "lib"
    (lib / "script.so").write_text("/* GNU ld script */")
    os.mkfifo(lib / "pipe.so")
    files = files_below(root)
    for name, reason in {
        "script.so": "is not an ELF file",
        "pipe.so": "(not a regular file)",
        "": "(not a regular",
    }.items():
        found = files.open(f"/usr/lib/{name}")
        assert isinstance(found, LoadedFile)
        assert isinstance(found.image, str)
        assert reason in found.image


def test_files_laid_over_others(root: Path) -> None:
    below = files_below(root)
    mine = LoadedFile("/site/m.so", "mine", "is mine")
    over = OverlaidFiles(below, {"/site/m.so": mine}.get, lambda _: False)
    assert over.open("/site/x/../m.so") == mine._replace(path="/site/x/../m.so")
    assert over.open("/lib/inside.so") == below.open("/lib/inside.so")


def musl_target(loader: str | None) -> Target:
    target = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
    return replace(target, loader=loader)


@pytest.mark.parametrize(
    ("content", "loader", "folders"),
    [
        (None, "/lib/ld-musl-x86_64.so.1", ("/lib", "/usr/local/lib", "/usr/lib")),
        (b"/a:/b\n/c\n\n", "/lib/ld-musl-x86_64.so.1", ("/a", "/b", "/c")),
        (b"", "/lib/ld-musl-x86_64.so.1", ()),
        (b"/a\0/b", "/lib/ld-musl-x86_64.so.1", ("/a",)),
        (b"/a", "/lib/ld-musl-armhf.so.1", ("/lib", "/usr/local/lib", "/usr/lib")),
        (b"/a", None, ("/lib", "/usr/local/lib", "/usr/lib")),
    ],
)
def test_the_path_file_of_musl(
    root: Path, content: bytes | None, loader: str | None, folders: tuple[str, ...]
) -> None:
    if content is not None:
        (root / "etc").mkdir()
        (root / "etc" / "ld-musl-x86_64.path").write_bytes(content)
    files = files_below(root)
    assert system_of(musl_target(loader), files).directories == folders


def test_a_path_file_that_is_a_folder(root: Path) -> None:
    """As the loader does: it finds nothing then."""
    (root / "etc" / "ld-musl-x86_64.path").mkdir(parents=True)
    files = files_below(root)
    assert system_of(musl_target("/lib/ld-musl-x86_64.so.1"), files).directories == ()


def test_the_cache_of_this_machine() -> None:
    files = TargetFiles(ElfImages(), lambda path: path)
    cache = read_cache(files)
    if not cache:
        lacks("there is no ld.so.cache")
    assert all(path.startswith("/") for paths in cache.values() for path in paths)
    assert "libc.so.6" in cache


@pytest.mark.parametrize("cut", [0, 10, 20, 47, 48, 60, 100])
def test_damaged_caches(root: Path, cut: int) -> None:
    (root / "etc").mkdir()
    whole = b"ld.so-1.7.0\0" + bytes(36) + b"glibc-ld.so.cache1.1" + b"\xff" * 400
    (root / "etc" / "ld.so.cache").write_bytes(whole[cut:])
    assert all(paths for paths in read_cache(files_below(root)).values())
