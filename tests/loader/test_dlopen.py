"""What the loaders of targets that are not here will do: symbols, versions, folders, what is not known."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from checkout import FIXTURES
from limits import within_limits

from muslfix.elf.dynamic import DynamicFacts, Image, VersionNeed, read_image
from muslfix.elf.facts import ElfFacts, Machine
from muslfix.elf.symbols import Exports, Reference, References
from muslfix.loader.check import LoadCheck
from muslfix.loader.dlopen import check_load, start
from muslfix.loader.facts import Absence, LoadedFile, LoadResult, Started, System
from muslfix.loader.files import ElfImages, TargetFiles
from muslfix.loader.time_t import TimeT
from muslfix.suffix import Libc
from muslfix.targets.interpreter import read_target_file
from muslfix.verdicts import Verdict

X86 = Machine("x86_64", 64, "little")
SITE = "/site/p"
MODULE = f"{SITE}/m.so"
ELF = ElfFacts(X86, "shared object")


class FakeFiles:
    """Files by path, or why there is none; what is below ``unseen`` is not known."""

    def __init__(self, files: dict[str, Image | str | Absence], unseen: str | None = None) -> None:
        self._files = files
        self._unseen = unseen

    def open(self, path: str) -> LoadedFile | Absence:
        found = self._files.get(path)
        if found is not None:
            return found if isinstance(found, Absence) else LoadedFile(path, path, found)
        hidden = self._unseen is not None and path.startswith(self._unseen)
        return Absence.NOT_KNOWN if hidden else Absence.NOT_THERE


def image(
    *references: str,
    exports: Exports | None = None,
    elf: ElfFacts = ELF,
    needed: tuple[str, ...] = (),
    **facts: object,
) -> Image:
    """A file that refers to symbols, each ``name`` or ``name@VERSION``."""
    wanted = [text.partition("@") for text in references]
    named = References([name for name, _, _ in wanted], [version for _, _, version in wanted])
    dynamic = DynamicFacts(references=named, needed=needed, exports=exports or Exports())
    return Image(elf, dynamic._replace(**facts))  # type: ignore[arg-type]


PROGRAM = LoadedFile("/usr/bin/python3", "program", image(exports=Exports(frozenset({"PyLong_FromLong"}))))
MUSL = System(
    Libc.MUSL, (1, 2, 3), X86, "/lib/ld-musl-x86_64.so.1", ("/lib", "/usr/lib"), {}, Started(PROGRAM)
)
GLIBC = System(Libc.GLIBC, (2, 36), X86, "/lib64/ld-linux-x86-64.so.2", ("/lib",), {}, Started(PROGRAM))


def load(
    module: Image, system: System = MUSL, unseen: str | None = None, **files: Image | str | Absence
) -> LoadResult:
    """What a loader does with a module; the names of files have ``__`` for ``/`` and ``_`` for a dot."""
    paths = {"/" + name.replace("__", "/").replace("_", "."): found for name, found in files.items()}
    return check_load(MODULE, system, FakeFiles({MODULE: module, **paths}, unseen))


def troubles(result: LoadResult) -> list[tuple[Verdict, str]]:
    return [(problem.trouble, problem.subject) for problem in result.problems]


@pytest.mark.parametrize(
    ("references", "version", "missing"),
    [
        (["getpid", "PyLong_FromLong"], (1, 2, 3), {}),
        (["statx"], (1, 2, 3), {"statx": "1.2.5"}),
        (["statx"], (1, 2, 5), {}),
        (["qsort_r", "reallocarray"], (1, 1, 24), {"qsort_r": "1.2.3", "reallocarray": "1.2.2"}),
        (["fopen64", "readdir64_r"], (1, 2, 3), {}),
        (["fopen64", "readdir64_r"], (1, 2, 5), {}),
        (["nonsense"], (1, 2, 5), {"nonsense": None}),
    ],
)
def test_symbols_by_the_version_of_musl(
    references: list[str], version: tuple[int, ...], missing: dict[str, str | None]
) -> None:
    """Where the file of the libc is not at hand, its version tells what it has."""
    result = load(image(*references), MUSL._replace(version=version))
    assert troubles(result) == [(Verdict.MISSING_SYMBOL, name) for name in references if name in missing]
    for problem in result.problems:
        since = missing[problem.subject]
        assert (since is None) == ("from" not in problem.reason)
        assert since is None or since in problem.reason


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (None, "the version of its musl is not known"),
        ((1, 3, 0), "musl 1.3.0 is newer than what this version of muslfix knows, 1.2.6"),
    ],
)
@pytest.mark.parametrize("started", [MUSL.started, Started()])
def test_a_musl_that_is_not_known(version: tuple[int, ...] | None, why: str, started: Started) -> None:
    result = load(image("nonsense"), MUSL._replace(version=version, started=started))
    assert result.loads is None
    assert result.unknown == (f"whether the target defines nonsense is not known: {why}",)


def test_which_time_t_it_uses_on_a_32_bit_musl() -> None:
    arm = ElfFacts(Machine("arm", 32, "little", "hard-float"), "shared object")
    system = MUSL._replace(machine=arm.machine, version=(1, 2, 5))
    library = image("__stat_time64", elf=arm, exports=Exports(frozenset({"answer"})))
    result = load(image("stat", "answer", elf=arm, needed=("liba.so",)), system, lib__liba_so=library)
    assert result.times == ((MODULE, TimeT.OLD), ("/lib/liba.so", TimeT.NEW))
    assert load(image("stat", elf=arm), system._replace(libc=Libc.GLIBC)).times == ()


def test_a_program_that_is_not_known() -> None:
    blind = MUSL._replace(started=Started())
    assert load(image("getpid"), blind).loads is True
    assert load(image("PyLong_FromLong"), blind).loads is None
    assert troubles(load(image("_PyLong_Sign", "nonsense"), blind)) == [(Verdict.MISSING_SYMBOL, "nonsense")]
    assert load(image("nonsense", needed=("liba.so",)), blind, "/").loads is None
    assert troubles(load(image("PyLong_FromLong", "statx"), blind)) == [(Verdict.MISSING_SYMBOL, "statx")]


def test_symbols_of_a_target_file() -> None:
    exports = {"python": Exports(frozenset({"PyMem_Free"})), "libc.so": Exports(frozenset({"getpid"}))}
    told = MUSL._replace(started=Started(exports=exports))
    assert load(image("PyMem_Free", "getpid"), told).loads is True
    assert troubles(load(image("PyMem_Free", "fork"), told)) == [(Verdict.MISSING_SYMBOL, "fork")]


@pytest.mark.parametrize(
    "name", ["libc.so", "libc.so.6", "libc.musl-x86_64.so.1", "libpthread.so.0", "libm.so.6", "librt.so.1",
             "libdl.so.2", "libutil.so.1", "libxnet.so", "/lib/ld-musl-x86_64.so.1"],
)  # fmt: skip
def test_names_that_musl_takes_for_itself(name: str) -> None:
    assert load(image(needed=(name,))).loads is True


@pytest.mark.parametrize("name", ["libcrypt.so.1", "libz.so.1", "libmm.so", "xlibc.so.6", "", "x" * 256])
def test_names_that_it_does_not(name: str) -> None:
    assert troubles(load(image(needed=(name,)))) == [(Verdict.MISSING_LIBRARY, name)]


def test_a_file_that_is_a_libc_is_the_libc() -> None:
    libc = image(exports=Exports(frozenset({"__libc_start_main", "stdin"})))
    result = load(image("getpid", needed=("/opt/other.so",)), opt__other_so=libc)
    assert result == LoadResult((MODULE,))


def test_places_that_cannot_be_looked_at() -> None:
    result = load(image(needed=("libz.so.1",)), unseen="/usr/")
    assert (result.problems, result.loads) == ((), None)
    assert "/usr/lib" in result.unknown[0]
    assert load(image(needed=("libz.so.1",)), unseen="/lib", usr__lib__libz_so_1=image()).loads is True


def test_what_is_missing_may_define_any_symbol() -> None:
    result = load(image("compress", needed=("libz.so.1",)))
    assert troubles(result) == [(Verdict.MISSING_LIBRARY, "libz.so.1")]
    assert not result.kills


@pytest.mark.parametrize(
    ("libc", "version", "loads"),
    [
        (Libc.MUSL, (1, 1, 24), False), (Libc.MUSL, (1, 2, 3), False), (Libc.MUSL, (1, 2, 4), True),
        (Libc.MUSL, (1, 2, 5), True), (Libc.MUSL, None, None), (Libc.GLIBC, (2, 35), False),
        (Libc.GLIBC, (2, 36), True), (Libc.GLIBC, None, None),
    ],
)  # fmt: skip
def test_relative_relocations(libc: Libc, version: tuple[int, ...] | None, loads: bool | None) -> None:
    system = (MUSL if libc is Libc.MUSL else GLIBC)._replace(version=version)
    result = load(image(has_relative_relocations=True), system)
    assert result.loads is loads
    assert result.kills is (loads is False)


def test_relative_relocations_that_say_so_themselves() -> None:
    needs = (VersionNeed("libc.so.6", "GLIBC_ABI_DT_RELR"),)
    libc = image(
        exports=Exports(frozenset(), {"GLIBC_2.35": frozenset("x")}, True, frozenset({"GLIBC_2.35"}))
    )
    module = image(has_relative_relocations=True, needed_versions=needs, needed=("libc.so.6",))
    result = load(module, GLIBC._replace(version=(2, 35)), lib__libc_so_6=libc)
    assert troubles(result) == [(Verdict.MISSING_SYMBOL, "version GLIBC_ABI_DT_RELR")]
    assert not result.kills


@pytest.mark.parametrize(
    ("elf", "system", "foreign"),
    [
        (replace(ELF, machine=Machine("aarch64", 64, "little")), MUSL, True),
        (replace(ELF, machine=Machine("aarch64", 64, "little")), GLIBC, True),
        (replace(ELF, glibc_evidence=("needs libc.so.6",)), MUSL, True),
        (replace(ELF, glibc_evidence=("needs libc.so.6",)), GLIBC, False),
        (replace(ELF, musl_evidence=("needs libc.so",)), GLIBC, True),
        (replace(ELF, musl_evidence=("needs libc.so",)), MUSL, False),
    ],
)
def test_foreign_libraries(elf: ElfFacts, system: System, foreign: bool) -> None:
    result = load(image(needed=("liba.so",)), system, lib__liba_so=image(elf=elf))
    expected = [(Verdict.FOREIGN_LIBRARY, "/lib/liba.so")] if foreign else []
    assert troubles(result) == expected


def test_glibc_passes_over_a_library_for_another_machine() -> None:
    other = image(elf=replace(ELF, machine=Machine("386", 32, "little")))
    module = image(needed=("liba.so",), runpath="/opt")
    assert load(module, GLIBC, opt__liba_so=other, lib__liba_so=image()).loads is True
    assert troubles(load(module, MUSL, opt__liba_so=other, lib__liba_so=image())) == [
        (Verdict.FOREIGN_LIBRARY, "/opt/liba.so")
    ]


def test_the_cache_of_glibc_and_libraries_without_default_folders() -> None:
    module = image(needed=("liba.so",))
    cached = GLIBC._replace(cache={"liba.so": ("/opt/liba.so",)})
    assert load(module, cached, opt__liba_so=image()).files == (MODULE, "/opt/liba.so")
    alone = image(needed=("liba.so",), no_default_libraries=True)
    assert troubles(load(alone, GLIBC, lib__liba_so=image())) == [(Verdict.MISSING_LIBRARY, "liba.so")]
    assert load(alone, cached, opt__liba_so=image()).loads is True


def test_damage() -> None:
    damaged = Image(ELF, "has a hash table without an end")
    result = load(image(needed=("liba.so",)), lib__liba_so=damaged)
    assert troubles(result) == [(Verdict.CRASHES, "/lib/liba.so")]
    result = load(image(needed=("liba.so",)), lib__liba_so="is not an ELF file")
    assert troubles(result) == [(Verdict.MISSING_LIBRARY, "/lib/liba.so")]


@pytest.mark.parametrize("system", [MUSL, GLIBC])
def test_a_library_at_which_the_loader_gives_up(system: System) -> None:
    """It is not said to be missing where it is: a disk that fails, links that lead in circles."""
    module = image(needed=("liba.so",), runpath="/first")
    (problem,) = load(module, system, first__liba_so=Absence.BARRED, lib__liba_so=image()).problems
    assert problem.trouble is Verdict.MISSING_LIBRARY
    said = "needs liba.so, which cannot be opened at /first/liba.so, and the loader looks no further"
    assert str(problem).endswith(said)
    assert problem.tip == "find out why /first/liba.so cannot be opened on the target"


def test_a_module_that_is_not_there() -> None:
    assert check_load(MODULE, MUSL, FakeFiles({})).loads is None


def test_what_a_program_starts_with() -> None:
    libc = image(exports=Exports(frozenset({"getpid"})))
    files = FakeFiles(
        {
            "/bin/python": image(needed=("libpython3.so", "libc.so"), runpath="$ORIGIN/../lib"),
            "/bin/../lib/libpython3.so": image(exports=Exports(frozenset({"Py_Main"}))),
            "/lib/ld-musl-x86_64.so.1": libc,
        }
    )
    system = MUSL._replace(started=Started())
    started = start("/bin/python", system, files)
    assert [file.path for file in started.libraries] == ["/bin/../lib/libpython3.so"]
    assert started.libc is not None
    running = system._replace(started=started)
    more = FakeFiles({MODULE: image("Py_Main", "getpid", needed=("libpython3.so",))})
    assert check_load(MODULE, running, more).loads is True
    more = FakeFiles({MODULE: image("fork")})
    assert troubles(check_load(MODULE, running, more)) == [(Verdict.MISSING_SYMBOL, "fork")]


@pytest.mark.parametrize(
    ("fixture", "expected"),
    [
        ("x86_64-musl.so", []),
        ("x86_64-musl-alpine.so", []),
        ("x86_64-musl-relr.so", [Verdict.CRASHES]),
        ("x86_64-musl-missing-library.so", [Verdict.MISSING_LIBRARY]),
        ("x86_64-musl-missing-symbol.so", [Verdict.MISSING_SYMBOL]),
    ],
)
def test_fixtures(fixture: str, expected: list[Verdict]) -> None:
    with (FIXTURES / "elf" / fixture).open("rb") as file:
        found = read_image(file)
    names = {"PyModule_Create2", "PyLong_FromLong"}
    program = PROGRAM._replace(image=image(exports=Exports(frozenset(names))))
    result = load(found, MUSL._replace(started=Started(program)))
    assert [problem.trouble for problem in result.problems] == expected


def test_exports_survive_as_texts(tmp_path: Path) -> None:
    del tmp_path
    for name in ("x86_64-musl-library.so", "x86_64-glibc.so"):
        found = read_image(BytesIO((FIXTURES / "elf" / name).read_bytes())).dynamic
        assert isinstance(found, DynamicFacts)
        assert Exports.of_texts(found.exports.to_texts()) == found.exports
    full = Exports(
        frozenset("ab"),
        {"V1": frozenset("bc"), "": frozenset("d"), "*": frozenset("e")},
        True,
        frozenset({"V1", "V2"}),
    )
    assert Exports.of_texts(full.to_texts()) == full


# -- what would take too long ----------------------------------------------------------------------

PATHS = ":".join(f"/d{number}" for number in range(1300))
NAMES = tuple(f"lib{number}.so" for number in range(9900))


@pytest.mark.parametrize("system", [MUSL, GLIBC], ids=["musl", "glibc"])
@pytest.mark.parametrize("runpath", [PATHS, None], ids=["many directories", "no directories"])
def test_names_times_directories_are_not_all_looked_for(system: System, runpath: str | None) -> None:
    module = image(needed=NAMES, runpath=runpath)
    said = within_limits(lambda: load(module, system), megabytes=60)
    assert said.count("LoadResult(") == 1
    assert "MISSING_LIBRARY" not in said
    assert f"unknown=('{MODULE} and its libraries name more than 10000 libraries and places" in said


@pytest.mark.once
def test_a_chain_of_libraries_is_followed_only_so_far() -> None:
    class Endless:
        def open(self, path: str) -> LoadedFile | Absence:
            digits = path.rpartition("/")[2].partition(".")[0][3:]
            number = int(digits) + 1 if digits.isdigit() else 0
            return LoadedFile(path, path, image(needed=(f"lib{number}.so",)))

    result = within_limits(lambda: check_load(MODULE, MUSL, Endless()).unknown, megabytes=100)
    assert "and places to look for them" in result


def test_of_many_directories_the_first_are_named() -> None:
    (problem,) = load(image(needed=("libx.so",), runpath=PATHS)).problems
    assert problem.reason.endswith("/d18, /d19 and 1282 more directories")


def test_a_program_that_needs_too_much_is_not_known() -> None:
    files = FakeFiles({"/python": image(needed=NAMES, runpath=PATHS)})
    assert within_limits(lambda: start("/python", MUSL._replace(started=Started()), files).program) == "None"


def test_what_was_looked_for_is_forgotten_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muslfix.loader.files._MOST_REMEMBERED", 3)
    looked: list[str] = []
    files = TargetFiles(ElfImages(), looked.append)
    assert {files.open(path) for path in "abcabcd"} == {Absence.NOT_KNOWN}
    assert looked == list("abcd")
    assert files.open.cache_info().currsize == 3


def test_after_many_such_modules_no_other_is_looked_at(tmp_path: Path) -> None:
    target = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
    check = LoadCheck(target, directories=[str(tmp_path)])
    loads = check.in_wheel(lambda _: image(needed=NAMES))
    said = [str(loads(f"m{number}.so").unknown) for number in range(22)]
    assert ["was not looked at, since others" in one for one in said] == [False] * 20 + [True] * 2


@pytest.mark.parametrize(
    ("sizes", "loads"), [((600, 600), True), ((900, 900), False), ((1700,), None), ((832, 832), None)]
)
def test_static_thread_local_storage_of_all_libraries_together(
    sizes: tuple[int, ...], *, loads: bool | None
) -> None:
    """glibc has 1664 bytes, and up to 63 more by rounding."""
    names = [f"lib{number}.so" for number in range(len(sizes))]
    libraries = {
        f"lib__lib{number}_so": image(tls_size=size, tls_align=8, initial_exec=(Reference(""),))
        for number, size in enumerate(sizes)
    }
    module = image(needed=tuple(names))
    result = load(module, GLIBC, None, **libraries)
    assert result.loads is loads
    assert [problem.trouble for problem in result.problems] == [Verdict.CRASHES] * (loads is False)
    if loads is False:
        assert f"of {sum(sizes)} bytes" in result.problems[0].reason
        assert f"optional_static_tls={1664 + sum(sizes)}," in result.problems[0].tip
    assert load(module, MUSL, None, **libraries).loads is False
