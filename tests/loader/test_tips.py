"""The tip of each problem fits its cause, and following it helps: on the Python of the tests, and on musl."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli
from lab import layout
from lab_modules import Lab
from load_scenarios import ANSWER, ASK, Bench, runpath
from load_truth import Case, dlopen, predict

from muslfix.loader.facts import Problem
from muslfix.verdicts import Verdict

# It is about loaders, whichever Python runs muslfix.
pytestmark = pytest.mark.once

GCC = shutil.which("gcc")
NO_GLIBC = pytest.mark.skipif(
    GCC is None or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="gcc on glibc is needed"
)
ON = pytest.mark.parametrize(
    "libc", [pytest.param("glibc", marks=NO_GLIBC), pytest.param("musl", marks=pytest.mark.lab)]
)
THREAD_LOCAL = "__thread char v[5000]; char *where(void) { return v; }"


@pytest.fixture
def bench_and_python(libc: str, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Bench, str]:
    """A compiler, and a Python on the same libc."""
    if libc == "glibc":
        return Bench(str(GCC), tmp_path), sys.executable
    lab: Lab = request.getfixturevalue("lab")
    return Bench(lab.folder / "toolchain" / "bin" / "cc", tmp_path), lab.pythons["311-musl"]


def the_problem(python: str, path: Path) -> Problem:
    """The one problem that is predicted; the loader must agree that there is one."""
    (result,), ((word, said),) = predict(python, [str(path)]), dlopen(python, [str(path)])
    assert word != "loads", said
    (problem,) = result.problems
    return problem


def loads(python: str, path: Path) -> bool:
    """Whether it loads, as predicted."""
    (result,), ((word, said),) = predict(python, [str(path)]), dlopen(python, [str(path)])
    assert result.loads is (word == "loads"), said
    return word == "loads"


@ON
def test_another_model_of_thread_local_variables(libc: str, bench_and_python: tuple[Bench, str]) -> None:
    bench, python = bench_and_python
    problem = the_problem(python, bench.make("m.so", THREAD_LOCAL, "-ftls-model=initial-exec"))
    assert (problem.trouble, "LD_PRELOAD" in problem.tip) == (Verdict.CRASHES, False)
    assert problem.tip.startswith(
        "no setting of musl helps" if libc == "musl" else "start Python with GLIBC_TUNABLES"
    )
    (option,) = re.findall(r"-ftls-model=[a-z-]+", problem.tip)
    assert loads(python, bench.make("n.so", THREAD_LOCAL, option))


@NO_GLIBC
@pytest.mark.parametrize("size", [5000, 100_000])
def test_more_room_for_thread_local_variables_on_glibc(size: int, tmp_path: Path) -> None:
    module = Bench(str(GCC), tmp_path).make(
        "m.so", THREAD_LOCAL.replace("5000", str(size)), "-ftls-model=initial-exec"
    )
    setting = re.search(r"(GLIBC_TUNABLES)=(\S+)", the_problem(sys.executable, module).tip)
    assert setting is not None
    load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", load, module], check=True, env={**os.environ, setting[1]: setting[2]}
    )


@ON
def test_the_library_that_defines_a_symbol(libc: str, bench_and_python: tuple[Bench, str]) -> None:
    bench, python = bench_and_python
    name = "swapcontext" if libc == "musl" else "no_such_function"
    code = f"int {name}(void); int m(void) {{ return {name}(); }}"
    problem = the_problem(python, bench.make("m.so", code))
    assert problem.trouble is Verdict.MISSING_SYMBOL
    assert problem.tip.endswith(f"build it from source with the library that defines {name}")
    no_musl = "no musl up to 1.2.6, the newest that is known here, has it"
    assert (no_musl in problem.reason) is (libc == "musl")
    library = bench.library("liba.so.1", f"int {name}(void) {{ return 1; }}")
    assert loads(python, bench.make("n.so", code, runpath("$ORIGIN"), link=library))


@ON
def test_a_symbol_of_another_python(bench_and_python: tuple[Bench, str]) -> None:
    bench, python = bench_and_python
    code = "int PyNo_Such(void); int m(void) { return PyNo_Such(); }"
    assert "built for this version of Python" in the_problem(python, bench.make("m.so", code)).tip
    assert loads(python, bench.make("n.so", code.replace("PyNo_Such", "PyErr_CheckSignals")))


@pytest.mark.skipif(shutil.which("patchelf") is None, reason="there is no patchelf")
@ON
def test_a_library_that_the_project_has_elsewhere(bench_and_python: tuple[Bench, str], cli: Cli) -> None:
    bench, python = bench_and_python
    library = bench.library("demo.libs/liba.so.1", ANSWER)
    init = "int PyInit_m(void) { return answer(); }"
    module = bench.make("demo/sub/m.so", ASK + init, runpath("$ORIGIN/nowhere"), link=library)
    told = cli("check", "--python", python, bench.folder)
    assert told.status == 1
    assert "the project has it in demo.libs, where the run path does not lead" in told.out
    command = re.search(r"correct the file: (patchelf .+ m\.so)$", told.out, re.MULTILINE)
    assert command is not None
    subprocess.run(command[1], shell=True, check=True, cwd=module.parent)
    assert loads(python, module)
    assert "does not lead" not in cli("check", "--python", python, bench.folder).out


@pytest.mark.lab
def test_a_musl_that_is_too_old(lab: Lab, tmp_path: Path) -> None:
    bench = Bench(lab.folder / "toolchain" / "bin" / "cc", tmp_path)
    python = layout.PYTHONS[2]
    module = bench.make("m.so", "int statx(void); int m(void) { return statx(); }")
    old = str(python.executable(lab.folder, layout.OLD_MUSL))
    assert the_problem(old, module).tip.startswith("give the target musl 1.2.5, or")
    assert loads(str(python.executable(lab.folder, layout.MUSL)), module)
    for name in ("posix_getdents", "__getauxval", "renameat2"):
        module = bench.make(f"{name}.so", f"int {name}(void); int m(void) {{ return {name}(); }}")
        assert the_problem(lab.pythons["311-musl"], module).tip.startswith("give the target musl 1.2.6, or")


@ON
def test_a_library_in_the_place_of_a_linker_script(bench_and_python: tuple[Bench, str]) -> None:
    bench, python = bench_and_python
    library = bench.library("liba.so.1", ANSWER)
    module = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    real = library.rename(bench.folder / "real.so")
    library.write_text("INPUT(real.so)")
    assert the_problem(python, module).tip == "put the library itself there"
    real.rename(library)
    assert loads(python, module)


@pytest.mark.lab
def test_a_library_that_is_installed_where_the_loader_looks(lab: Lab, tmp_path: Path) -> None:
    bench = Bench(lab.folder / "toolchain" / "bin" / "cc", tmp_path)
    python = str(Case(layout.PYTHONS[2], layout.MUSL, libz=False).executable(lab.folder, tmp_path))
    library = bench.library("liba.so.1", ANSWER)
    module = bench.make("m.so", ASK, link=library)
    problem = the_problem(python, module)
    assert problem.tip == "install what provides liba.so.1 on the target"
    assert str(tmp_path / "nothing") in problem.reason
    library.rename(tmp_path / "nothing" / "liba.so.1")
    assert loads(python, module)


@NO_GLIBC
@pytest.mark.lab
def test_a_library_of_the_other_libc_is_built_for_the_target(lab: Lab, tmp_path: Path) -> None:
    bench, foreign = Bench(str(GCC), tmp_path), Bench(lab.folder / "toolchain" / "bin" / "cc", tmp_path)
    module = bench.make("m.so", ASK, runpath("$ORIGIN"), link=bench.library("liba.so.1"))
    foreign.library("liba.so.1", "int getpid(void); int answer(void) { return getpid(); }")
    (problem,) = predict(sys.executable, [str(module)])[0].problems
    assert problem.trouble is Verdict.FOREIGN_LIBRARY
    assert problem.tip == "take another version of the wheel, or build it from source for the target"
    bench.library("liba.so.1")
    assert loads(sys.executable, module)


@NO_GLIBC
def test_the_library_that_a_wheel_was_built_with(tmp_path: Path) -> None:
    bench = Bench(str(GCC), tmp_path)
    versions = tmp_path / "versions"
    versions.write_text("NEW_1 { global: answer; };")
    newer = bench.library("liba.so.1", ANSWER, f"-Wl,--version-script={versions}")
    module = bench.make("m.so", ASK, runpath("$ORIGIN"), link=newer)
    kept = newer.rename(tmp_path / "kept")
    versions.write_text("OLD_1 { global: answer; };")
    bench.library("liba.so.1", ANSWER, f"-Wl,--version-script={versions}")
    problem = predict(sys.executable, [str(module)])[0].problems[0]
    assert problem.tip == "install the liba.so.1 that the wheel was built with, or one that is newer"
    kept.rename(newer)
    assert loads(sys.executable, module)


@pytest.mark.parametrize(
    ("beside", "tip"),
    [
        (
            {"m{gnu}": "x86_64-musl.so", "m{musl}": "x86_64-glibc.so"},
            "remove it if it does not belong there",
        ),
        ({"m{gnu}": "x86_64-glibc.so"}, "use a musllinux wheel of this project"),
        ({"m{gnu}": "aarch64-musl.so"}, "use the wheel for the target's CPU"),
        ({"m{gnu}": ""}, "the wheel is damaged or not for Linux; use another one"),
    ],
    ids=["occupied", "other-libc", "other-machine", "not-elf"],
)
def test_what_to_do_about_a_file(tmp_path: Path, cli: Cli, beside: dict[str, str], tip: str) -> None:
    """Done as the tip says, the module is one that only needs its name."""
    target = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
    names = {libc: f".cpython-39-x86_64-linux-{libc}.so" for libc in ("gnu", "musl")}
    for name, fixture in beside.items():
        content = (FIXTURES / "elf" / fixture).read_bytes() if fixture else b"version https://git-lfs"
        (tmp_path / name.format(**names)).write_bytes(content)
    words = ["check", "--no-load-check", "--target-file", str(target), str(tmp_path)]
    told = cli(*words)
    assert (told.status, tip in told.out) == (1, True)
    (tmp_path / f"m{names['musl']}").unlink(missing_ok=True)
    shutil.copy(FIXTURES / "elf" / "x86_64-musl.so", tmp_path / f"m{names['gnu']}")
    assert "tip:" not in cli(*words).out
    assert "1 misnamed" in cli(*words).out
