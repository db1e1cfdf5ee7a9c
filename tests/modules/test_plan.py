"""The planner: every verdict as a value, and what holds of any plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muslfix.elf.facts import ElfFacts, Machine
from muslfix.loader.facts import LoadResult, Problem
from muslfix.modules.candidate import Candidate, abi_fits
from muslfix.modules.candidates import is_loadable, undecided
from muslfix.modules.plan import Decision, Plan, plan
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.target import Scheme, Target
from muslfix.verdicts import LOADER_VERDICTS, Mode, Verdict

SCHEME = Scheme("/lib", "/lib", "/include", "/bin", "/")

X86_64 = Machine("x86_64", 64, "little")
AARCH64 = Machine("aarch64", 64, "little")
ARM_HARD = Machine("arm", 32, "little", "hard-float")
ARM_SOFT = Machine("arm", 32, "little", "soft-float")


def make_target(
    suffixes: str, libc: Libc = Libc.MUSL, machine: Machine = X86_64, version: str = "3.9.18"
) -> Target:
    """A target that imports these suffixes, given as words without ``.so``; ``-`` is the bare one."""
    return Target(
        implementation="cpython",
        version=version,
        abi_flags="",
        soabi=None,
        extension_suffixes=tuple(".so" if word == "-" else f".{word}.so" for word in suffixes.split()),
        platform="linux-x86_64",
        libc=libc,
        libc_version=None,
        machine=machine,
        loader=None,
        executable=None,
        prefix="/",
        scheme=SCHEME,
        prefix_scheme=SCHEME,
        environment="system",
        externally_managed=None,
        markers=(),
    )


GNU, MUSL = "x86_64-linux-gnu", "x86_64-linux-musl"

TARGETS = {
    "musl 3.9 importing gnu": make_target(f"cpython-39-{GNU} abi3 -"),
    "musl 3.9 importing musl": make_target(f"cpython-39-{MUSL} abi3 -"),
    "Alpine's 3.9": make_target(f"cpython-39-{MUSL} cpython-39-{GNU} abi3 -"),
    "glibc 3.9": make_target(f"cpython-39-{GNU} abi3 -", Libc.GLIBC),
    "musl 3.9 debug": make_target(f"cpython-39d-{MUSL} cpython-39-{MUSL} abi3 -"),
    "OpenWrt 3.8": make_target("cpython-38 abi3 -", version="3.8.10"),
    "musl 3.13t": make_target(f"cpython-313t-{MUSL} abi3 -", version="3.13.5"),
    "musl 3.15": make_target(
        f"cpython-315-{MUSL} abi3-{MUSL} abi3 abi3t-{MUSL} abi3t -", version="3.15.0"
    ),
    "musl 3.15t": make_target(f"cpython-315t-{MUSL} abi3t-{MUSL} abi3t -", version="3.15.0"),
    "musl 3.11 armhf": make_target(
        "cpython-311-arm-linux-musleabihf abi3 -", machine=ARM_HARD, version="3.11.9"
    ),
    "Debian's 3.13": make_target(f"cpython-313-{GNU} abi3 abi3-{GNU} -", Libc.GLIBC, version="3.13.5"),
}  # fmt: skip


def extension(machine: Machine = X86_64, *libcs: Libc) -> ElfFacts:
    """The facts of an extension module that is linked to these libcs."""
    return ElfFacts(
        machine,
        "shared object",
        glibc_evidence=("needs libc.so.6",) if Libc.GLIBC in libcs else (),
        musl_evidence=("needs libc.so",) if Libc.MUSL in libcs else (),
        init_functions=("PyInit_m",),
    )


#: What a file is, by a word.
ELVES: dict[str, ElfFacts | str | None] = {
    "musl": extension(X86_64, Libc.MUSL),
    "glibc": extension(X86_64, Libc.GLIBC),
    "neutral": extension(X86_64),
    "mixed": extension(X86_64, Libc.GLIBC, Libc.MUSL),
    "aarch64": extension(AARCH64, Libc.MUSL),
    "aarch64 glibc": extension(AARCH64, Libc.GLIBC),
    "arm hard": extension(ARM_HARD),
    "arm soft": extension(ARM_SOFT),
    "library": replace(extension(X86_64, Libc.MUSL), init_functions=()),
    "library glibc": replace(extension(X86_64, Libc.GLIBC), init_functions=()),
    "export": replace(extension(X86_64, Libc.MUSL), init_functions=("PyModExport_m",)),
    "program": replace(extension(X86_64), kind="program"),
    "text": "is not an ELF file",
    "unread": None,
}


def candidate(path: str, elf: str = "musl", **changes: str) -> Candidate:
    name = ExtensionFilename.parse(path)
    assert name is not None, path
    facts = ELVES[elf]
    if isinstance(facts, ElfFacts):  # of a module of this name
        own = tuple(one.replace("_m", f"_{name.module}") for one in facts.init_functions)
        facts = replace(facts, init_functions=own)
    if changes:
        assert isinstance(facts, ElfFacts)
        facts = replace(facts, soname=changes["soname"])
    return Candidate(path, name, facts)


@dataclass(frozen=True)
class File:
    """One file of a case, and what the planner is to say of it.

    :param path: the module's name and its suffix without ``.so``: ``pkg/m abi3``, or the path itself
    :param elf: a word of :data:`ELVES`
    :param verdict: the expected one, or ``None`` where the planner says nothing
    :param new: the suffix of the new name, written as in ``path``
    :param other: the path of the serving or occupying file
    """

    path: str
    elf: str
    verdict: str | None
    new: str | None = None
    other: str | None = None
    refused: bool = False


def f(
    suffix: str,
    elf: str,
    verdict: str | None,
    *,
    new: str | None = None,
    other: str | None = None,
    refused: bool = False,
) -> File:
    """A file of the module ``pkg/m``, with suffixes as in :func:`make_target`."""

    def named(text: str | None) -> str | None:
        return None if text is None else "pkg/m.so" if text == "-" else f"pkg/m.{text}.so"

    return File(named(suffix) or "", elf, verdict, named(new), named(other), refused)


MISNAMED, IMPORTABLE, SERVED, OCCUPIED = "misnamed", "importable", "served", "occupied"
OTHER_ABI, OTHER_LIBC, OTHER_MACHINE, NOT_ELF = "other-abi", "other-libc", "other-machine", "not-elf"
NO_INIT = "no-init"
G39, M39, G38, M38 = f"cpython-39-{GNU}", f"cpython-39-{MUSL}", f"cpython-38-{GNU}", f"cpython-38-{MUSL}"
A39 = "cpython-39-aarch64-linux-musl"
A11G, A11M = "cpython-311-arm-linux-gnueabi", "cpython-311-arm-linux-musleabi"
G15, M15, M15T, G15T = (
    f"cpython-315-{GNU}",
    f"cpython-315-{MUSL}",
    f"cpython-315t-{MUSL}",
    f"cpython-315t-{GNU}",
)
AG, AM, TG, TM = f"abi3-{GNU}", f"abi3-{MUSL}", f"abi3t-{GNU}", f"abi3t-{MUSL}"

CASES: dict[str, dict[str, list[File]]] = {
    "musl 3.9 importing gnu": {
        "right name": [f(G39, "musl", IMPORTABLE)],
        "right name, unread": [f(G39, "unread", IMPORTABLE)],
        "right name, neutral": [f(G39, "neutral", IMPORTABLE)],
        "misnamed": [f(M39, "musl", MISNAMED, new=G39)],
        "misnamed, neutral": [f(M39, "neutral", MISNAMED, new=G39)],
        "misnamed, no triplet": [f("cpython-39", "musl", MISNAMED, new=G39)],
        "misnamed, name of another CPU": [f(A39, "musl", MISNAMED, new=G39)],
        "misnamed, with a vendor": [f("cpython-39-x86_64-vendor-linux-musl", "musl", MISNAMED, new=G39)],
        "glibc in the name of a musl": [f(M39, "glibc", OTHER_LIBC, refused=True)],
        "linked to both": [f(M39, "mixed", OTHER_LIBC, refused=True)],
    },
    "musl 3.9 importing musl": {
        "right name": [f(M39, "musl", IMPORTABLE)],
        "abi3": [f("abi3", "musl", IMPORTABLE)],
        "bare": [f("-", "musl", IMPORTABLE)],
        "misnamed": [f(G39, "musl", MISNAMED, new=M39)],
        "misnamed, neutral": [f(G39, "neutral", MISNAMED, new=M39)],
        "glibc": [f(G39, "glibc", OTHER_LIBC, refused=True)],
        "linked to both": [f(G39, "mixed", OTHER_LIBC, refused=True)],
        "another CPU": [f(G39, "aarch64", OTHER_MACHINE, refused=True)],
        "another CPU, and the other libc": [f(G39, "aarch64 glibc", OTHER_MACHINE, refused=True)],
        "text": [f(G39, "text", NOT_ELF, refused=True)],
        "program": [f(G39, "program", NOT_ELF, refused=True)],
        # The name is right, the file is not.
        "right name, glibc": [f(M39, "glibc", OTHER_LIBC, refused=True)],
        "right name, another CPU": [f(M39, "aarch64", OTHER_MACHINE, refused=True)],
        "right name, text": [f(M39, "text", NOT_ELF, refused=True)],
        "abi3, glibc": [f("abi3", "glibc", OTHER_LIBC, refused=True)],
        # Other ABIs are left alone, read or not.
        "another version": [f(M38, "musl", OTHER_ABI)],
        "another version, unread": [f(G38, "unread", OTHER_ABI)],
        "another version, text": [f(G38, "text", OTHER_ABI)],
        "free-threaded": [f(f"cpython-39t-{MUSL}", "musl", OTHER_ABI)],
        "debug": [f(f"cpython-39d-{MUSL}", "musl", OTHER_ABI)],
        "abi3t": [f("abi3t", "musl", OTHER_ABI)],
        "PyPy": [f(f"pypy310-pp73-{GNU}", "unread", OTHER_ABI)],
        "GraalPy": [f("graalpy240-311-native-x86_64-linux", "unread", OTHER_ABI)],
        "macOS": [f("cpython-39-darwin", "unread", OTHER_ABI)],
        "Android": [f("cpython-39-x86_64-linux-android", "unread", OTHER_ABI)],
        "Android's abi3": [f("abi3-x86_64-linux-android", "unread", OTHER_ABI)],
        # The platform part of a stable ABI.
        "abi3 of a glibc 3.15, linked to musl": [f(AG, "musl", MISNAMED, new="abi3")],
        "abi3 of a musl 3.15": [f(AM, "musl", MISNAMED, new="abi3")],
        "abi3 of a glibc 3.15": [f(AG, "glibc", OTHER_LIBC, refused=True)],
        # Several files for one module.
        "both spellings": [f(M39, "musl", IMPORTABLE), f(G39, "musl", SERVED, other=M39)],
        "both spellings, the first unread": [f(M39, "unread", IMPORTABLE), f(G39, "musl", SERVED, other=M39)],
        "both spellings, unread": [f(M39, "unread", IMPORTABLE), f(G39, "unread", SERVED, other=M39)],
        "served by abi3": [f("abi3", "musl", IMPORTABLE), f(G39, "musl", SERVED, other="abi3")],
        "served by a bare name": [f("-", "musl", IMPORTABLE), f(G39, "musl", SERVED, other="-")],
        "served by the first": [
            f("-", "musl", IMPORTABLE), f("abi3", "musl", IMPORTABLE), f(G39, "musl", SERVED, other="abi3")
        ],
        "glibc, served": [f(M39, "musl", IMPORTABLE), f(G39, "glibc", SERVED, other=M39)],
        "text, served": [f(M39, "musl", IMPORTABLE), f(G39, "text", SERVED, other=M39)],
        "glibc, served by a new name": [
            f(AM, "musl", MISNAMED, new="abi3"), f(G39, "glibc", SERVED, other=AM)
        ],
        "another version beside it": [f(G38, "unread", OTHER_ABI), f(G39, "musl", MISNAMED, new=M39)],
        "misnamed twice": [f("cpython-39", "musl", SERVED, other=G39), f(G39, "musl", MISNAMED, new=M39)],
        "misnamed, and its abi3": [f(AG, "musl", SERVED, other=G39), f(G39, "musl", MISNAMED, new=M39)],
        "many CPUs": [
            f("cpython-39-aarch64-linux-gnu", "aarch64", SERVED, other=G39),
            f("cpython-39-arm-linux-gnueabihf", "arm hard", SERVED, other=G39),
            f(G39, "musl", MISNAMED, new=M39),
        ],
        "many CPUs, none of them right": [
            f("cpython-39-aarch64-linux-gnu", "aarch64", OTHER_MACHINE, refused=True),
            f("cpython-39-arm-linux-gnueabihf", "arm hard", OTHER_MACHINE, refused=True),
        ],
        "both libcs": [
            f(M39, "glibc", OTHER_LIBC, refused=True),
            f(G39, "musl", OCCUPIED, other=M39, refused=True),
        ],
        "one CPU twice, the same in the name first": [
            f("cpython-39-i386-linux-gnu", "musl", SERVED, other=G39), f(G39, "musl", MISNAMED, new=M39)
        ],
        # A right name is loaded, whoever else serves.
        "foreign before abi3": [f("abi3", "musl", IMPORTABLE), f(M39, "glibc", OTHER_LIBC, refused=True)],
        "foreign behind it": [f("abi3", "text", NOT_ELF, refused=True), f(M39, "musl", IMPORTABLE)],
        "occupied by a foreign file, served by abi3": [
            f(M39, "aarch64", OTHER_MACHINE, refused=True),
            f(G39, "musl", OCCUPIED, other=M39),
            f(AM, "musl", MISNAMED, new="abi3"),
        ],
        # Bare names are modules only with a function to start them.
        "bare library": [f("-", "library", None)],
        "bare, exported": [f("-", "export", NO_INIT)],
        "bare text": [f("-", "text", None)],
        "bare, unread": [f("-", "unread", IMPORTABLE)],
        "bare library beside a module": [f("-", "library", None), f(G39, "musl", MISNAMED, new=M39)],
        "library with an ABI part": [f(G39, "library", NO_INIT)],
        "library with a right name": [f(M39, "library", NO_INIT)],
        "library beside a module": [f(G39, "library", SERVED, other="abi3"), f("abi3", "musl", IMPORTABLE)],
        "library in front of a module": [f(M39, "library", NO_INIT), f("abi3", "musl", IMPORTABLE)],
        "library beside a misnamed module": [
            f(G39, "library", SERVED, other=AG), f(AG, "musl", MISNAMED, new="abi3")
        ],
        "exported": [f(G39, "export", NO_INIT)],
        "library for glibc": [f(G39, "library glibc", OTHER_LIBC, refused=True)],
        "bare, glibc": [f("-", "glibc", OTHER_LIBC, refused=True)],
    },
    "Alpine's 3.9": {
        "musl": [f(M39, "musl", IMPORTABLE)],
        "gnu": [f(G39, "musl", IMPORTABLE)],
        "gnu, glibc": [f(G39, "glibc", OTHER_LIBC, refused=True)],
        "both": [f(G39, "musl", IMPORTABLE), f(M39, "musl", IMPORTABLE)],
        "no triplet": [f("cpython-39", "musl", MISNAMED, new=M39)],
        "glibc behind musl": [f(G39, "glibc", OTHER_LIBC, refused=True), f(M39, "musl", IMPORTABLE)],
        "served by the fallback": [f(G39, "musl", IMPORTABLE), f("cpython-39", "musl", SERVED, other=G39)],
        "served by the first": [
            f(G39, "musl", IMPORTABLE), f(M39, "musl", IMPORTABLE), f("cpython-39", "musl", SERVED, other=M39)
        ],
    },
    "glibc 3.9": {
        "right name": [f(G39, "glibc", IMPORTABLE)],
        "misnamed": [f(M39, "glibc", MISNAMED, new=G39)],
        "misnamed, neutral": [f(M39, "neutral", MISNAMED, new=G39)],
        "musl": [f(M39, "musl", OTHER_LIBC, refused=True)],
        "right name, musl": [f(G39, "musl", OTHER_LIBC, refused=True)],
        "right name, both": [f(G39, "mixed", OTHER_LIBC, refused=True)],
        "musl beside it": [f(G39, "glibc", IMPORTABLE), f(M39, "musl", SERVED, other=G39)],
    },
    "musl 3.9 debug": {
        "debug": [f(f"cpython-39d-{GNU}", "musl", MISNAMED, new=f"cpython-39d-{MUSL}")],
        "not debug": [f(G39, "musl", MISNAMED, new=M39)],
        "both, misnamed": [
            f(G39, "musl", SERVED, other=f"cpython-39d-{GNU}"),
            f(f"cpython-39d-{GNU}", "musl", MISNAMED, new=f"cpython-39d-{MUSL}"),
        ],
    },
    "OpenWrt 3.8": {
        "right name": [f("cpython-38", "musl", IMPORTABLE)],
        "gnu": [f(G38, "musl", MISNAMED, new="cpython-38")],
        "musl": [f(M38, "musl", MISNAMED, new="cpython-38")],
        "glibc": [f(G38, "glibc", OTHER_LIBC, refused=True)],
        "both spellings": [f(G38, "musl", MISNAMED, new="cpython-38"), f(M38, "musl", SERVED, other=G38)],
        "another version": [f(G39, "musl", OTHER_ABI)],
    },
    "musl 3.13t": {
        "right name": [f(f"cpython-313t-{MUSL}", "musl", IMPORTABLE)],
        "misnamed": [f(f"cpython-313t-{GNU}", "musl", MISNAMED, new=f"cpython-313t-{MUSL}")],
        "with the GIL": [f(f"cpython-313-{MUSL}", "musl", OTHER_ABI)],
    },
    "musl 3.15": {
        "bare, exported": [f("-", "export", IMPORTABLE)],
        "bare library": [f("-", "library", None)],
        "misnamed": [f(G15, "musl", MISNAMED, new=M15)],
        "abi3": [f("abi3", "musl", IMPORTABLE)],
        "abi3 with its triplet": [f(AM, "musl", IMPORTABLE)],
        "abi3 of glibc, linked to musl": [f(AG, "musl", MISNAMED, new=AM)],
        "abi3 of glibc": [f(AG, "glibc", OTHER_LIBC, refused=True)],
        "abi3t": [f(TG, "neutral", MISNAMED, new=TM)],
        "order of ABIs": [
            f(TG, "musl", SERVED, other=G15),
            f(AG, "musl", SERVED, other=G15),
            f(G15, "musl", MISNAMED, new=M15),
        ],
        "order of stable ABIs": [f(TG, "musl", SERVED, other=AG), f(AG, "musl", MISNAMED, new=AM)],
        "free-threaded": [f(M15T, "musl", OTHER_ABI)],
    },
    "musl 3.15t": {
        "misnamed": [f(G15T, "musl", MISNAMED, new=M15T)],
        "with the GIL": [f(M15, "musl", OTHER_ABI)],
        "abi3": [f("abi3", "musl", OTHER_ABI)],
        "abi3 with a triplet": [f(AM, "musl", OTHER_ABI)],
        "abi3t": [f("abi3t", "musl", IMPORTABLE)],
        "abi3t of glibc, linked to musl": [f(TG, "musl", MISNAMED, new=TM)],
    },
    "musl 3.11 armhf": {
        "misnamed": [f(A11G + "hf", "arm hard", MISNAMED, new=A11M + "hf")],
        "named by the tag": [f("cpython-311-armv7l-linux-musleabihf", "arm hard", MISNAMED, new=A11M + "hf")],
        "hard float in a soft-float name": [f(A11G, "arm hard", MISNAMED, new=A11M + "hf")],
        "soft float": [f(A11G, "arm soft", OTHER_MACHINE, refused=True)],
        "soft float in the right name": [f(A11M + "hf", "arm soft", OTHER_MACHINE, refused=True)],
    },
    "Debian's 3.13": {
        "abi3 with its triplet": [f(AG, "glibc", IMPORTABLE)],
        "abi3 of musl, linked to glibc": [f(AM, "glibc", MISNAMED, new="abi3")],
        "musl": [f(AM, "musl", OTHER_LIBC, refused=True)],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "files"),
    [
        pytest.param(TARGETS[target], files, id=f"{target}: {case}")
        for target, cases in CASES.items()
        for case, files in cases.items()
    ],
)
def test_verdicts(target: Target, files: list[File]) -> None:
    expected = sorted(
        (
            Decision(
                candidate(file.path, file.elf),
                Verdict(file.verdict),
                new_path=file.new,
                mode=None if file.new is None else Mode.SYMLINK,
                other=file.other,
                refused=file.refused,
            )
            for file in files
            if file.verdict is not None
        ),
        key=lambda decision: decision.candidate.path,
    )
    made = plan([candidate(file.path, file.elf) for file in files], target)
    assert made == Plan(tuple(expected))
    assert made.changes == tuple(decision for decision in expected if decision.new_path)
    assert made.refusals == tuple(decision for decision in expected if decision.refused)


def test_every_target_and_verdict_has_a_case() -> None:
    assert CASES.keys() == TARGETS.keys()
    verdicts = {file.verdict for cases in CASES.values() for files in cases.values() for file in files}
    of_the_loader = {trouble.value for trouble in LOADER_VERDICTS}  # which have tests of their own
    of_the_disk = {Verdict.MISSING.value, Verdict.LIBRARY.value}  # in test_candidates, test_check
    assert verdicts - {None} == {verdict.value for verdict in Verdict} - of_the_loader - of_the_disk


def test_words() -> None:
    assert [str(verdict) for verdict in Verdict] == [
        "importable",
        "served",
        "misnamed",
        "other-abi",
        "other-libc",
        "other-machine",
        "occupied",
        "library",
        "missing",
        "not-elf",
        "no-init",
        "crashes",
        "foreign-library",
        "missing-library",
        "missing-symbol",
    ]
    assert [str(mode) for mode in Mode] == ["symlink", "hardlink", "copy", "rename"]


ON_MUSL = TARGETS["musl 3.9 importing musl"]


def test_modules_are_told_apart_by_their_folders() -> None:
    files = [candidate(f"{folder}m.{abi}.so") for folder in ("", "a/", "a/b/") for abi in ("abi3", G39)]
    made = plan(files[1:], ON_MUSL)
    assert [(d.candidate.path, d.verdict.value, d.new_path) for d in made.decisions] == [
        ("a/b/m.abi3.so", "importable", None),
        (f"a/b/m.{G39}.so", "served", None),
        ("a/m.abi3.so", "importable", None),
        (f"a/m.{G39}.so", "served", None),
        (f"m.{G39}.so", "misnamed", f"m.{M39}.so"),
    ]


def test_names_that_only_begin_alike_are_other_modules() -> None:
    made = plan([candidate("m.so"), candidate(f"mm.{G39}.so"), candidate(f"M.{G39}.so")], ON_MUSL)
    assert [decision.verdict.value for decision in made.decisions] == ["misnamed", "importable", "misnamed"]


def test_name_taken_by_a_file_that_is_no_candidate() -> None:
    (decision,) = plan([candidate(f"m.{G39}.so")], ON_MUSL, taken={f"m.{M39}.so", "other"}).decisions
    assert decision.verdict is Verdict.OCCUPIED
    assert decision.other == f"m.{M39}.so"
    assert decision.refused
    assert decision.new_path is None


def test_paths_of_candidates_may_be_among_those_taken() -> None:
    files = [candidate(f"m.{G39}.so")]
    assert plan(files, ON_MUSL, taken=[file.path for file in files]) == plan(files, ON_MUSL)


def test_nothing_to_plan() -> None:
    assert plan([], ON_MUSL) == Plan()
    assert plan(iter([]), ON_MUSL).changes == ()


@pytest.mark.parametrize("mode", Mode)
def test_modes(mode: Mode) -> None:
    files = [candidate(f"m.{G39}.so"), candidate("n.abi3.so"), candidate(f"o.{G39}.so", "glibc")]
    changed, *others = plan(files, ON_MUSL, mode).decisions
    assert changed == Decision(files[0], Verdict.MISNAMED, new_path=f"m.{M39}.so", mode=mode)
    assert all(decision.mode is None for decision in others)


@pytest.mark.parametrize(
    ("needed", "soname", "kept"),
    [
        pytest.param((), None, False, id="no library is needed"),
        pytest.param(("libz.so.1",), None, False, id="another library is needed"),
        pytest.param(("libz.so.1", f"m.{G39}.so"), None, True, id="needed by its file name"),
        pytest.param(("libm.so.1",), "libm.so.1", True, id="needed by its soname"),
        pytest.param(("libz.so.1",), "libm.so.1", False, id="soname that is not needed"),
        pytest.param((f"m.{M39}.so",), None, False, id="needed by its new name"),
        pytest.param(("m", "m.so"), None, False, id="needed by parts of its name"),
    ],
)
def test_file_that_others_need_by_its_old_name_keeps_it(
    needed: tuple[str, ...], soname: str | None, kept: bool
) -> None:
    file = candidate(f"pkg/m.{G39}.so") if soname is None else candidate(f"pkg/m.{G39}.so", soname=soname)
    for collection in (needed, frozenset(needed)):
        (decision,) = plan([file], ON_MUSL, Mode.RENAME, needed=collection).decisions
        assert decision.mode is (Mode.SYMLINK if kept else Mode.RENAME)
        assert decision.needed_by_name is kept
    for mode in (Mode.SYMLINK, Mode.HARDLINK, Mode.COPY):
        (decision,) = plan([file], ON_MUSL, mode, needed=needed).decisions
        assert decision.mode is mode
        assert not decision.needed_by_name


@pytest.mark.parametrize(
    ("suffixes", "to_read"),
    [
        pytest.param([G39], [G39], id="the wrong spelling"),
        pytest.param(["cpython-39"], ["cpython-39"], id="no triplet"),
        pytest.param([A39, AG], [A39, AG], id="two wrong ones"),
        pytest.param([M39], [], id="the right spelling"),
        pytest.param(["abi3"], [], id="abi3"),
        pytest.param(["-"], [], id="bare"),
        pytest.param([M39, G39, AG], [], id="the right spelling beside wrong ones"),
        pytest.param(["abi3", G39], [], id="abi3 beside a wrong one"),
        pytest.param(["-", G39], ["-", G39], id="bare beside a wrong one"),
        pytest.param(["-", "abi3"], [], id="bare beside a right one"),
        pytest.param([M38, G38], [], id="another version"),
        pytest.param([M38, G39], [G39], id="another version beside a wrong one"),
        pytest.param(["cpython-39-darwin"], [], id="another system"),
        pytest.param([f"pypy310-pp73-{GNU}"], [], id="another implementation"),
    ],
)
def test_which_files_must_be_read(suffixes: list[str], to_read: list[str]) -> None:
    files = [candidate(file.path, "unread") for file in (f(suffix, "", None) for suffix in suffixes)]
    unread = undecided([*files, candidate("another.abi3.so")], ON_MUSL)
    assert {file.path for file in unread} == {f(suffix, "", None).path for suffix in to_read}
    if not unread:
        assert plan(files, ON_MUSL).changes == ()


@pytest.mark.parametrize("others", [[], [("abi3", "glibc")], [("-", "library"), (M38, "musl")]], ids=str)
def test_no_file_gets_a_name_unread(others: list[tuple[str, str]]) -> None:
    files = [candidate(f(suffix, "", None).path, elf) for suffix, elf in [*others, (G39, "unread")]]
    with pytest.raises(
        ValueError, match=rf"^the ELF facts of pkg/m\.{G39}\.so are needed and were not read$"
    ):
        plan(files, ON_MUSL)


@pytest.mark.parametrize(
    ("suffix", "judged"),
    [
        (G39, True), (M39, True), ("abi3", True), ("-", True), (AG, True), (M38, False), ("abi3t", False),
        ("cpython-39-darwin", False), ("abi3-aarch64-linux-android", False), (f"pypy310-pp73-{GNU}", False),
    ],
)  # fmt: skip
def test_whose_bytes_can_matter(suffix: str, judged: bool) -> None:
    file = candidate(f(suffix, "", None).path, "unread")
    assert abi_fits(file, ON_MUSL) is judged
    plans = [plan([replace(file, elf=elf)], ON_MUSL) for elf in ELVES.values() if elf is not None]
    verdicts = {decision.verdict for made in plans for decision in made.decisions}
    assert judged is (verdicts != {Verdict.OTHER_ABI})


def test_folders_and_modules_of_candidates() -> None:
    at_root, below = candidate(f"m.{G39}.so"), candidate("a/b.c/m.so")
    assert (at_root.directory, at_root.module) == ("", "m")
    assert (below.directory, below.module) == ("a/b.c/", "a/b.c/m")


# What holds of any plan.

TRIPLETS = [None, GNU, MUSL, "aarch64-linux-gnu", "arm-linux-musleabihf", "darwin", "x86_64-linux-android"]
READ = ["musl", "glibc", *(word for word in ELVES if word != "unread"), "library"]  # some are more likely
ABI_PARTS = ["", "abi3", "abi3t", "cpython-38", "cpython-39", "cpython-39d", "cpython-315", "cpython-315t"]


@st.composite
def trees(draw: st.DrawFn) -> list[Candidate]:
    """The candidates of a small tree, all read, each path once."""
    found = {}
    for _ in range(draw(st.integers(0, 8))):
        abi = draw(st.sampled_from(ABI_PARTS))
        name = ExtensionFilename(
            draw(st.sampled_from(["m", "n"])), abi, draw(st.sampled_from(TRIPLETS)) if abi else None
        )
        path = draw(st.sampled_from(["", "pkg/"])) + str(name)
        found[path] = Candidate(path, name, ELVES[draw(st.sampled_from(READ))])
    return draw(st.permutations(sorted(found.values(), key=lambda candidate: candidate.path)))


ANY_TARGET = st.sampled_from(list(TARGETS.values()))
ANY_MODE = st.sampled_from(Mode)
ANY_NAMES = st.frozensets(
    st.sampled_from([f"m.{G39}.so", f"pkg/m.{M39}.so", f"m.{M39}.so", "n.cpython-38.so"])
)


def applied(files: Iterable[Candidate], made: Plan) -> list[Candidate]:
    """The tree after the plan."""
    tree = {file.path: file for file in files}
    for decision in made.changes:
        assert decision.new_path is not None
        assert decision.new_path not in tree
        name = ExtensionFilename.parse(decision.new_path)
        assert name is not None
        tree[decision.new_path] = replace(decision.candidate, path=decision.new_path, name=name)
        if decision.mode is Mode.RENAME:
            del tree[decision.candidate.path]
    return list(tree.values())


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET, mode=ANY_MODE, taken=ANY_NAMES, needed=ANY_NAMES)
def test_what_is_planned_twice_is_planned_once(
    files: list[Candidate], target: Target, mode: Mode, taken: frozenset[str], needed: frozenset[str]
) -> None:
    first = plan(files, target, mode, taken=taken, needed=needed)
    tree = applied(files, first)
    for again in Mode:
        second = plan(tree, target, again, taken={*taken, *(file.path for file in tree)}, needed=needed)
        assert second.changes == ()
        assert {d.candidate.module for d in second.refusals} == {d.candidate.module for d in first.refusals}


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET, mode=ANY_MODE, taken=ANY_NAMES)
def test_new_names(files: list[Candidate], target: Target, mode: Mode, taken: frozenset[str]) -> None:
    made = plan(files, target, mode, taken=taken)
    new_paths = [decision.new_path for decision in made.changes]
    assert len(set(new_paths)) == len(new_paths)
    assert not set(new_paths) & {*taken, *(file.path for file in files)}
    for decision in made.changes:
        old, new = decision.candidate.name, ExtensionFilename.parse(decision.new_path or "")
        assert new is not None
        assert (new.module, new.abi) == (old.module, old.abi)
        assert new.triplet != old.triplet
        assert new.suffix in target.extension_suffixes
        assert decision.new_path == decision.candidate.directory + str(new)
        elf = decision.candidate.elf
        assert isinstance(elf, ElfFacts)
        assert elf.machine == target.machine
        assert elf.libcs <= {target.libc}
        assert any(one.endswith(f"_{old.module}") for one in elf.init_functions)


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET, mode=ANY_MODE, taken=ANY_NAMES, data=st.data())
def test_the_order_of_files_does_not_matter(
    files: list[Candidate], target: Target, mode: Mode, taken: frozenset[str], data: st.DataObject
) -> None:
    made = plan(files, target, mode, taken=taken)
    assert plan(data.draw(st.permutations(files)), target, mode, taken=taken) == made
    paths = [decision.candidate.path for decision in made.decisions]
    assert paths == sorted(paths)


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET)
def test_each_decision_says_one_thing(files: list[Candidate], target: Target) -> None:
    """And a module is out of reach exactly where something is refused and nothing gives it."""
    for decision in plan(files, target).decisions:
        assert (decision.new_path is not None) is (decision.verdict is Verdict.MISNAMED)
        assert (decision.mode is not None) is (decision.verdict is Verdict.MISNAMED)
        assert (decision.other is not None) is (decision.verdict in (Verdict.SERVED, Verdict.OCCUPIED))
        if decision.refused:
            assert decision.verdict.value in (OTHER_LIBC, OTHER_MACHINE, NOT_ELF, OCCUPIED)
        if decision.verdict in (Verdict.OTHER_ABI, Verdict.NO_INIT):
            assert not decision.refused


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET)
def test_a_module_is_refused_or_found(files: list[Candidate], target: Target) -> None:
    """What is served, was given a name or was right is found by the target, in a file that it can load."""
    made = plan(files, target)
    tree = {file.path: file for file in applied(files, made)}
    lost = {decision.candidate.module for decision in made.refusals}
    for decision in made.decisions:
        module = decision.candidate.module
        if decision.verdict in (Verdict.OTHER_ABI, Verdict.NO_INIT) or module in lost:
            continue
        found = next(module + suffix for suffix in target.extension_suffixes if module + suffix in tree)
        elf = tree[found].elf
        assert isinstance(elf, ElfFacts)
        assert elf.kind == "shared object"
        assert elf.machine == target.machine
        assert elf.libcs <= {target.libc}


@settings(deadline=None, max_examples=300)
@given(files=trees(), target=ANY_TARGET, mode=ANY_MODE)
def test_reading_what_is_undecided_is_enough(files: list[Candidate], target: Target, mode: Mode) -> None:
    """What the planner does is the same as if all was read, unless a file with a right name is foreign."""
    unread = [replace(file, elf=None) for file in files]
    to_read = undecided(unread, target)
    sparse = plan([file if blank in to_read else blank for file, blank in zip(files, unread)], target, mode)
    full = plan(files, target, mode)
    unusable = (*full.refusals, *(d for d in full.decisions if d.verdict is Verdict.NO_INIT))
    foreign = {d.candidate.module for d in unusable if d.candidate.name.suffix in target.extension_suffixes}
    for made, others in ((sparse, full), (full, sparse)):
        others_new = {decision.new_path for decision in others.changes}
        for decision in made.changes:
            assert decision.new_path in others_new or decision.candidate.module in foreign


# -- what the loader says ---------------------------------------------------------------------------


def asked(path: str, *troubles: Verdict, strict: bool = False, unknown: tuple[str, ...] = ()) -> Candidate:
    """A file about which the loader was asked."""
    problems = tuple(Problem(trouble, "x", "", "is bad", "do it") for trouble in troubles)
    return replace(
        candidate(path, "musl"), load=LoadResult(problems=problems, unknown=unknown, strict=strict)
    )


GNU_M, MUSL_M = "m.cpython-39-x86_64-linux-gnu.so", "m.cpython-39-x86_64-linux-musl.so"


@pytest.mark.parametrize(
    ("trouble", "strict", "refused"),
    [
        (Verdict.CRASHES, False, True),
        (Verdict.FOREIGN_LIBRARY, False, True),
        (Verdict.MISSING_LIBRARY, False, False),
        (Verdict.MISSING_SYMBOL, False, False),
        (Verdict.CRASHES, True, True),
        (Verdict.FOREIGN_LIBRARY, True, True),
        (Verdict.MISSING_LIBRARY, True, True),
        (Verdict.MISSING_SYMBOL, True, True),
    ],
)
def test_what_the_loader_refuses_gets_no_name(trouble: Verdict, strict: bool, refused: bool) -> None:
    (decision,) = plan([asked(GNU_M, trouble, strict=strict)], ON_MUSL).decisions
    assert decision.verdict is Verdict(trouble.value)
    assert decision.refused is refused
    assert decision.new_path == (None if refused else MUSL_M)


@pytest.mark.parametrize("strict", [False, True])
def test_a_right_name_is_judged_too(strict: bool) -> None:
    """It has its name already; what is to be said of it is the same."""
    for trouble in LOADER_VERDICTS:
        (decision,) = plan([asked(MUSL_M, trouble, strict=strict)], ON_MUSL).decisions
        assert (decision.verdict, decision.new_path) == (Verdict(trouble.value), None)
        assert decision.refused is (strict or trouble in (Verdict.CRASHES, Verdict.FOREIGN_LIBRARY))


@pytest.mark.parametrize(
    ("needed", "load", "verdict"),
    [
        ((), {}, Verdict.NO_INIT),
        (("libc.musl-x86_64.so.1", "libgcc_s-0cd532bd.so.1", "ld-linux.so.2"), {}, Verdict.NO_INIT),
        (("libc++.so.1",), {}, Verdict.MISNAMED),  # what was not read could define it
        (("libm-of-it.so", "libx.so"), {"files": ("/p/m.so", "/p/libm-of-it.so")}, Verdict.MISNAMED),
        (("libx.so",), {"files": ("/p/m.so", "/p/libx.so")}, Verdict.NO_INIT),
        (("libx.so",), None, Verdict.MISNAMED),
        ((), None, Verdict.NO_INIT),
        ((), {"init_functions": frozenset({"PyInit_m"})}, Verdict.MISNAMED),  # dlsym looks there too
        ((), {"init_functions": frozenset({"PyInit_n", "PyModExport_m"})}, Verdict.NO_INIT),
        ((), {"unknown": ("what the program defines is not known",)}, Verdict.NO_INIT),
    ],
    ids=range(10),  # the order of a set in a text is another in each process
)
def test_an_init_function_of_a_library(
    needed: tuple[str, ...], load: dict[str, Any] | None, verdict: Verdict
) -> None:
    facts = ELVES["library"]
    assert isinstance(facts, ElfFacts)
    file = replace(
        candidate(GNU_M), elf=replace(facts, needed=needed), load=None if load is None else LoadResult(**load)
    )
    assert [one.verdict for one in plan([file], ON_MUSL).decisions] == [verdict]


@pytest.mark.parametrize(
    ("trouble", "verdict"),
    [
        (Verdict.CRASHES, Verdict.CRASHES),
        (Verdict.FOREIGN_LIBRARY, Verdict.FOREIGN_LIBRARY),
        (Verdict.MISSING_SYMBOL, Verdict.NO_INIT),
    ],
)
def test_the_worst_of_loader_and_init_function(trouble: Verdict, verdict: Verdict) -> None:
    file = replace(asked(GNU_M, trouble), elf=ELVES["library"])
    assert [one.verdict for one in plan([file], ON_MUSL).decisions] == [verdict]


def test_the_worst_is_the_verdict() -> None:
    (decision,) = plan([asked(GNU_M, Verdict.CRASHES, Verdict.MISSING_LIBRARY)], ON_MUSL).decisions
    assert decision.verdict is Verdict.CRASHES


def test_another_file_serves_a_module_that_would_crash() -> None:
    crashing, well = asked(GNU_M, Verdict.CRASHES), asked("m.abi3.so")
    decisions = {d.candidate.path: d for d in plan([crashing, well], ON_MUSL).decisions}
    assert decisions["m.abi3.so"].verdict is Verdict.IMPORTABLE
    assert (decisions[GNU_M].verdict, decisions[GNU_M].other) == (Verdict.SERVED, "m.abi3.so")
    assert not decisions[GNU_M].refused


def test_a_file_that_would_crash_serves_nobody() -> None:
    """The target would load it all the same, since its name is right."""
    crashing, well = asked("m.abi3.so", Verdict.CRASHES), asked(GNU_M)
    decisions = {d.candidate.path: d for d in plan([crashing, well], ON_MUSL).decisions}
    assert (decisions[GNU_M].verdict, decisions[GNU_M].new_path) == (Verdict.MISNAMED, MUSL_M)
    assert decisions["m.abi3.so"].refused


def test_what_is_not_known_stops_nothing() -> None:
    (decision,) = plan([asked(GNU_M, unknown=("who knows",))], ON_MUSL).decisions
    assert (decision.verdict, decision.new_path) == (Verdict.MISNAMED, MUSL_M)


def test_who_is_asked_about() -> None:
    assert is_loadable(candidate(GNU_M, "musl"), ON_MUSL)
    assert is_loadable(candidate(MUSL_M, "musl"), ON_MUSL)
    assert not is_loadable(candidate(GNU_M, "glibc"), ON_MUSL)
    assert not is_loadable(replace(candidate(GNU_M, "musl"), elf=None), ON_MUSL)
    assert not is_loadable(candidate("m.cpython-310-x86_64-linux-gnu.so", "musl"), ON_MUSL)
