"""Small shared objects, compiled where the tests run, each with something that a loader may stumble over.

A scenario makes files in a folder and returns the path that is to be given to ``dlopen``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkout import FIXTURES
from load_truth import DIES, LOADS, REFUSED, UNKNOWN

from muslfix.verdicts import Verdict

ANSWER = "int answer(void) { return 42; }"
ASK = "int answer(void); int ask(void) { return answer(); }"
EMPTY = "int nothing;"


@dataclass(frozen=True)
class Bench:
    """A compiler and a folder to work in.

    :param compiler: of the libc under test
    :param folder: for the files
    """

    compiler: Path | str
    folder: Path

    def make(
        self, name: str, code: str, *options: str | Path, link: Path | None = None, soname: str = ""
    ) -> Path:
        """Compile a shared object.

        :param name: its path below the folder
        :param link: what it needs, by its soname or else by its path
        :param soname: its own, if it has one
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        named = [f"-Wl,-soname,{soname}"] if soname else []
        needed = ["-Wl,--no-as-needed", str(link)] if link else []
        source = ["-x", "c", "-", "-x", "none"]
        command = [self.compiler, "-shared", "-fPIC", *source, "-o", path, *named, *options, *needed]
        subprocess.run(command, input=code, check=True, text=True, capture_output=True)
        return path

    def library(self, name: str, code: str = ANSWER, *options: str | Path, link: Path | None = None) -> Path:
        """A shared object that has its file name as its soname."""
        return self.make(name, code, *options, link=link, soname=Path(name).name)


def runpath(path: str, *, old: bool = False) -> str:
    """The option for ``DT_RUNPATH``, or for ``DT_RPATH``."""
    return f"-Wl,--{'disable' if old else 'enable'}-new-dtags,-rpath,{path}"


@dataclass(frozen=True)
class Scenario:
    """One case.

    :param make: makes the files
    :param musl: what musl does with it
    :param glibc: what glibc does
    :param trouble: the worst of the problems that are expected where it does not load
    :param old_musl: what musl before 1.2.4 does, and the worst problem then
    """

    make: Callable[[Bench], Path]
    musl: str
    glibc: str
    trouble: Verdict | None
    old_musl: tuple[str, Verdict | None]


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    musl: str,
    glibc: str | None = None,
    trouble: Verdict | None = None,
    *,
    old_musl: tuple[str, Verdict] | None = None,
) -> Callable[[Callable[[Bench], Path]], Callable[[Bench], Path]]:
    """Enter a function into the table."""

    def enter(make: Callable[[Bench], Path]) -> Callable[[Bench], Path]:
        name = make.__name__.strip("_").replace("_", " ")
        SCENARIOS[name] = Scenario(make, musl, glibc or musl, trouble, old_musl or (musl, trouble))
        return make

    return enter


@scenario(LOADS)
def _a_symbol_of_the_interpreter(bench: Bench) -> Path:
    return bench.make("m.so", "void *PyLong_FromLong(long); void *make(void) { return PyLong_FromLong(1); }")


@scenario(LOADS)
def _a_symbol_of_the_libc(bench: Bench) -> Path:
    return bench.make("m.so", "int getpid(void); int ask(void) { return getpid(); }")


@scenario(REFUSED, trouble=Verdict.MISSING_SYMBOL)
def _a_symbol_that_nothing_defines(bench: Bench) -> Path:
    return bench.make("m.so", ASK)


@scenario(LOADS)
def _a_weak_symbol_that_nothing_defines(bench: Bench) -> Path:
    return bench.make("m.so", "__attribute__((weak)) int answer(void); int (*p)(void) = answer;")


@scenario(LOADS)
def _a_library_beside_it(bench: Bench) -> Path:
    return bench.make("m.so", ASK, runpath("$ORIGIN"), link=bench.library("liba.so.1"))


@scenario(LOADS)
def _origin_in_braces_and_a_way_round(bench: Bench) -> Path:
    (bench.folder / "way").mkdir()
    library = bench.library("libs/liba.so.1")
    return bench.make("m/m.so", ASK, runpath("/nonexistent:${ORIGIN}/../way/.././libs"), link=library)


@scenario(LOADS)
def _two_that_need_each_other(bench: Bench) -> Path:
    stand_in = bench.library("libb.so.1", "int answer(void) { return 1; }")
    first = bench.library("liba.so.1", ASK, runpath("$ORIGIN"), link=stand_in)
    stand_in.unlink()
    bench.library(
        "libb.so.1", "int ask(void); int answer(void) { return ask(); }", runpath("$ORIGIN"), link=first
    )
    return first


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_that_is_not_there(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    library.unlink()
    return path


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_of_a_library_that_is_not_there(bench: Bench) -> Path:
    far = bench.library("libfar.so.1")
    near = bench.library("libnear.so.1", EMPTY, runpath("$ORIGIN"), link=far)
    far.unlink()
    return bench.make("m.so", EMPTY, runpath("$ORIGIN"), "-Wl,--allow-shlib-undefined", link=near)


@scenario(LOADS)
def _a_symbol_from_what_another_one_needs(bench: Bench) -> Path:
    far = bench.library("libfar.so.1")
    near = bench.library("libnear.so.1", EMPTY, runpath("$ORIGIN"), link=far)
    return bench.make("m.so", ASK, runpath("$ORIGIN"), link=near)


@scenario(LOADS, REFUSED, Verdict.MISSING_LIBRARY)
def _a_runpath_that_only_musl_inherits(bench: Bench) -> Path:
    far = bench.library("far/libfar.so.1")
    near = bench.library("near/libnear.so.1", EMPTY, link=far)
    return bench.make("m.so", EMPTY, runpath("$ORIGIN/near:$ORIGIN/far"), link=near)


@scenario(LOADS)
def _an_rpath_that_both_inherit(bench: Bench) -> Path:
    far = bench.library("far/libfar.so.1")
    near = bench.library("near/libnear.so.1", EMPTY, link=far)
    return bench.make("m.so", EMPTY, runpath("$ORIGIN/near:$ORIGIN/far", old=True), link=near)


@scenario(LOADS, REFUSED, Verdict.MISSING_LIBRARY)
def _an_rpath_that_a_runpath_below_shuts_out(bench: Bench) -> Path:
    far = bench.library("far/libfar.so.1")
    near = bench.library("near/libnear.so.1", EMPTY, runpath("/nonexistent"), link=far)
    return bench.make("m.so", EMPTY, runpath("$ORIGIN/near:$ORIGIN/far", old=True), link=near)


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_link_to_it_in_another_folder(bench: Bench) -> Path:
    real = bench.make("real/m.so", ASK, runpath("$ORIGIN"), link=bench.library("real/liba.so.1"))
    link = bench.folder / "other" / "m.so"
    link.parent.mkdir()
    link.symlink_to(real)
    return link


@scenario(LOADS)
def _two_names_of_one_library(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    (bench.folder / "libalias.so.1").symlink_to("liba.so.1")
    other = bench.make("libalias-stand-in.so", ANSWER, soname="libalias.so.1")
    near = bench.library("libnear.so.1", EMPTY, runpath("$ORIGIN"), link=other)
    other.unlink()
    return bench.make("m.so", ASK, runpath("$ORIGIN"), str(near), link=library)


@scenario(REFUSED, trouble=Verdict.MISSING_SYMBOL)
def _two_libraries_of_one_name(bench: Bench) -> Path:
    """The first that is loaded serves both."""
    first = bench.library("first/libsame.so.1", "int one(void) { return 1; }")
    second = bench.library("second/libsame.so.1")
    near = bench.library("libnear.so.1", ASK, runpath("$ORIGIN/second"), link=second)
    options = (
        runpath("$ORIGIN/first:$ORIGIN"),
        "-Wl,--no-as-needed",
        "-Wl,--allow-shlib-undefined",
        str(first),
    )
    return bench.make("m.so", "int one(void); int ask1(void) { return one(); }", *options, link=near)


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_that_is_a_linker_script(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    library.write_text("/* GNU ld script */\nGROUP ( liba.so.2 )\n" + " " * 1000)
    return path


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_that_is_a_folder(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    library.unlink()
    library.mkdir()
    return path


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_that_is_empty(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    library.write_bytes(b"")
    return path


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY)
def _a_library_cut_off_in_its_headers(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    os.truncate(library, 100)
    return path


@scenario(LOADS)
def _a_needed_name_with_a_slash(bench: Bench) -> Path:
    return bench.make("m.so", ASK, link=bench.make("libs/liba.so.1", ANSWER))


@scenario(UNKNOWN)
def _a_needed_name_below_the_current_folder(bench: Bench) -> Path:
    return bench.make("m.so", ASK, link=bench.make("liba.so.1", ANSWER, soname="libs/liba.so.1"))


@scenario(LOADS)
def _a_runpath_with_empty_and_relative_parts(bench: Bench) -> Path:
    library = bench.library("libs/liba.so.1")
    return bench.make("m.so", ASK, runpath("::nowhere:$ORIGIN/libs:"), link=library)


@scenario(LOADS)
def _thread_local_variables(bench: Bench) -> Path:
    return bench.make("m.so", "__thread int v; int *where(void) { return &v; }")


INITIAL_EXEC = (
    '__attribute__((tls_model("initial-exec"))) __thread char v[{}]; char *where(void) {{ return v; }}'
)


@scenario(REFUSED, LOADS, Verdict.CRASHES)
def _a_few_bytes_of_initial_exec(bench: Bench) -> Path:
    return bench.make("m.so", INITIAL_EXEC.format(16))


@scenario(REFUSED, trouble=Verdict.CRASHES)
def _many_bytes_of_initial_exec(bench: Bench) -> Path:
    return bench.make("m.so", INITIAL_EXEC.format(100_000))


@scenario(REFUSED, trouble=Verdict.CRASHES)
def _initial_exec_in_what_another_one_defines(bench: Bench) -> Path:
    library = bench.library("liba.so.1", "__thread char v[100000];")
    code = (
        'extern __attribute__((tls_model("initial-exec"))) __thread char v[]; char *where(void) { return v; }'
    )
    return bench.make("m.so", code, runpath("$ORIGIN"), link=library)


@scenario(LOADS)
def _a_version_of_a_symbol(bench: Bench) -> Path:
    return bench.make("m.so", ASK, runpath("$ORIGIN"), link=_versioned(bench, "V1", default=True))


@scenario(REFUSED, LOADS, Verdict.MISSING_SYMBOL)
def _a_version_that_is_not_the_default(bench: Bench) -> Path:
    """For musl there is none."""
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=_versioned(bench, "V1", default=True))
    _versioned(bench, "V1", default=False)
    return path


@scenario(LOADS, REFUSED, Verdict.MISSING_SYMBOL)
def _a_version_that_the_library_lacks(bench: Bench) -> Path:
    """Musl knows no versions."""
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=_versioned(bench, "V2", default=True))
    _versioned(bench, "V1", default=True)
    return path


@scenario(LOADS, DIES, Verdict.CRASHES)
def _a_library_without_the_versions_that_it_had(bench: Bench) -> Path:
    """An assertion of glibc's loader ends the process."""
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=_versioned(bench, "V2", default=True))
    bench.library("liba.so.1")
    return path


def _versioned(bench: Bench, version: str, *, default: bool) -> Path:
    script = bench.folder / "versions"
    script.write_text(f"{version} {{ global: answer; }};\n")
    at = "@@" if default else "@"
    code = f'__asm__(".symver real, answer{at}{version}"); int real(void) {{ return 42; }}'
    return bench.library("liba.so.1", code, f"-Wl,--version-script={script}")


@scenario(REFUSED, trouble=Verdict.FOREIGN_LIBRARY)
def _a_library_for_another_machine(bench: Bench) -> Path:
    library = bench.library("liba.so.1")
    path = bench.make("m.so", ASK, runpath("$ORIGIN"), link=library)
    library.write_bytes((FIXTURES / "elf" / "i386-musl.so").read_bytes())
    return path


RELATIVE = """\
static int value;
static int *pointers[] = { &value, &value, &value, &value };
__attribute__((constructor)) static void begin(void) { **(int *volatile *)pointers = 1; }
"""


@scenario(LOADS, old_musl=(DIES, Verdict.CRASHES))
def _relative_relocations(bench: Bench) -> Path:
    return bench.make("m.so", RELATIVE, "-Wl,-z,pack-relative-relocs")


@scenario(REFUSED, trouble=Verdict.MISSING_LIBRARY, old_musl=(REFUSED, Verdict.CRASHES))
def _relative_relocations_and_a_missing_library(bench: Bench) -> Path:
    """Of both the missing library is noticed first."""
    library = bench.library("liba.so.1")
    path = bench.make("m.so", RELATIVE, "-Wl,-z,pack-relative-relocs", runpath("$ORIGIN"), link=library)
    library.unlink()
    return path
