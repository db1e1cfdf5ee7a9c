"""Names of the stable ABI with a triplet: for Pythons that do not know them, and for the other libc."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Cli
from rootmaker import ELF, known_target
from wheelmaker import make_wheel

from muslfix.elf.facts import read_elf
from muslfix.modules.candidate import Candidate
from muslfix.modules.plan import plan
from muslfix.suffix import ExtensionFilename
from muslfix.targets.spec import parse_target_spec
from muslfix.targets.target import Target

TARGETS = {
    "3.15": known_target("cpython-3.15-musl-x86_64"),
    "3.15t": known_target("cpython-3.15t-musl-x86_64"),
    "3.15-gnu": parse_target_spec("cp315-gnu-x86_64-glibc2.41"),
    "3.15-none": parse_target_spec("cp315-none-x86_64-musl"),
    "3.14": parse_target_spec("cp314-musl-x86_64"),
    "3.14t": parse_target_spec("cp314t-musl-x86_64"),
    "3.11": known_target("docker-alpine-cpython-3.11-x86_64"),
    "3.9": known_target("docker-alpine-cpython-3.9-x86_64"),
    "debian-12": known_target("debian-12-cpython-3.11-x86_64"),
    "debian-13": known_target("debian-13-cpython-3.13-x86_64"),
    "openwrt": parse_target_spec("openwrt-3.11-x86_64"),
}
GNU, MUSL = "x86_64-linux-gnu", "x86_64-linux-musl"


def candidate(name: str, elf: str) -> Candidate:
    """A file with a name and the content of one of the ELF files."""
    parsed = ExtensionFilename.parse(name)
    assert parsed is not None
    with (ELF / f"{elf}.so").open("rb") as stream:
        return Candidate(name, parsed, read_elf(stream))


@pytest.mark.parametrize(
    ("target", "name", "elf", "outcome"),
    [
        # Those that know the triplet: their own comes first, the plain name is right too.
        ("3.15", f"m.abi3-{MUSL}.so", "x86_64-musl", "importable"),
        ("3.15", "m.abi3.so", "x86_64-musl", "importable"),
        ("3.15", f"m.abi3-{GNU}.so", "x86_64-musl", f"m.abi3-{MUSL}.so"),
        ("3.15", f"m.abi3-{GNU}.so", "x86_64-neutral", f"m.abi3-{MUSL}.so"),
        ("3.15", f"m.abi3-{GNU}.so", "x86_64-glibc", "other-libc"),
        ("3.15", f"m.abi3-{MUSL}.so", "x86_64-glibc", "other-libc"),
        ("3.15", "m.abi3.so", "x86_64-glibc", "other-libc"),
        ("3.15", "m.abi3-aarch64-linux-musl.so", "x86_64-musl", f"m.abi3-{MUSL}.so"),
        ("3.15", f"m.abi3-{MUSL}.so", "aarch64-musl", "other-machine"),
        ("3.15", "m.abi3-darwin.so", "x86_64-musl", "other-abi"),
        ("3.15", f"m.abi3t-{GNU}.so", "x86_64-musl", f"m.abi3t-{MUSL}.so"),
        ("3.15", "m.abi3t.so", "x86_64-musl", "importable"),
        ("3.15-gnu", f"m.abi3-{MUSL}.so", "x86_64-neutral", f"m.abi3-{GNU}.so"),
        ("3.15-gnu", f"m.abi3-{GNU}.so", "x86_64-glibc", "importable"),
        ("3.15-gnu", f"m.abi3-{MUSL}.so", "x86_64-musl", "other-libc"),
        ("3.15-none", f"m.abi3-{MUSL}.so", "x86_64-musl", "m.abi3.so"),
        # The free-threaded one has no abi3 at all.
        ("3.15t", f"m.abi3t-{GNU}.so", "x86_64-musl", f"m.abi3t-{MUSL}.so"),
        ("3.15t", "m.abi3t.so", "x86_64-musl", "importable"),
        ("3.15t", "m.abi3.so", "x86_64-musl", "other-abi"),
        ("3.15t", f"m.abi3-{MUSL}.so", "x86_64-musl", "other-abi"),
        # Those that do not know it get the plain name.
        ("3.14", f"m.abi3-{MUSL}.so", "x86_64-musl", "m.abi3.so"),
        ("3.14", f"m.abi3-{GNU}.so", "x86_64-musl", "m.abi3.so"),
        ("3.14", f"m.abi3-{GNU}.so", "x86_64-glibc", "other-libc"),
        ("3.14", f"m.abi3t-{MUSL}.so", "x86_64-musl", "other-abi"),
        ("3.14t", "m.abi3t.so", "x86_64-musl", "other-abi"),
        # It lists .abi3.so and cannot use it.
        ("3.14t", "m.abi3.so", "x86_64-musl", "other-abi"),
        ("3.14t", f"m.abi3-{MUSL}.so", "x86_64-musl", "other-abi"),
        ("3.14t", f"m.cpython-314t-{GNU}.so", "x86_64-musl", f"m.cpython-314t-{MUSL}.so"),
        ("3.14t", f"m.cpython-314-{MUSL}.so", "x86_64-musl", "other-abi"),
        ("3.11", f"m.abi3-{MUSL}.so", "x86_64-musl", "m.abi3.so"),
        ("3.9", f"m.abi3-{MUSL}.so", "x86_64-musl", "m.abi3.so"),
        ("openwrt", f"m.abi3-{MUSL}.so", "x86_64-musl", "m.abi3.so"),
        ("debian-12", f"m.abi3-{GNU}.so", "x86_64-glibc", "m.abi3.so"),
        # Debian lets 3.13 import its own triplet, behind the plain name.
        ("debian-13", f"m.abi3-{GNU}.so", "x86_64-glibc", "importable"),
        ("debian-13", f"m.abi3-{MUSL}.so", "x86_64-neutral", "m.abi3.so"),
    ],
)
def test_names_of_the_stable_abi(target: str, name: str, elf: str, outcome: str) -> None:
    (decision,) = plan([candidate(name, elf)], TARGETS[target]).decisions
    assert (decision.new_path or decision.verdict.value) == outcome
    if decision.new_path is not None:
        again = plan([candidate(name, elf), candidate(decision.new_path, elf)], TARGETS[target])
        assert again.changes == ()


@pytest.mark.parametrize("target", ["3.15", "3.14", "3.9", "debian-12", "debian-13", "openwrt"])
def test_a_module_with_both_names_is_served(target: str) -> None:
    whom: Target = TARGETS[target]
    elf = f"x86_64-{whom.libc}"
    files = [candidate(name, elf) for name in ("m.abi3.so", f"m.abi3-{GNU}.so", f"m.abi3-{MUSL}.so")]
    decisions = {decision.candidate.path: decision for decision in plan(files, whom).decisions}
    assert decisions["m.abi3.so"].verdict == "importable"
    assert all(decision.new_path is None for decision in decisions.values())


def test_the_sentence_says_free_threaded(tmp_path: Path, cli: Cli) -> None:
    content = (ELF / "x86_64-musl.so").read_bytes()
    wheel = make_wheel(f"{tmp_path}/demo-1.0-cp39-abi3-musllinux_1_1_x86_64.whl", {"demo/m.abi3.so": content})
    told = cli("check", wheel, "--target-spec", "cp314t-musl-x86_64-musl1.2.5", "-v")
    assert "it is for abi3, which free-threaded CPython 3.14 looks for and cannot load" in told.out
    told = cli("check", wheel, "--target-spec", "cp315t-musl-x86_64-musl1.2.5", "-v")
    assert "it is for abi3, but the target is free-threaded CPython 3.15" in told.out


@pytest.mark.parametrize(
    ("beside", "tried"),
    [
        ((), True),
        (("m.so",), True),  # comes after it
        ((f"m.cpython-314t-{MUSL}.so",), False),
        ((f"m.cpython-314t-{GNU}.so",), False),  # gets the name that comes first
    ],
)
def test_a_name_that_a_free_threaded_python_looks_for_and_cannot_load(
    tmp_path: Path, cli: Cli, beside: tuple[str, ...], tried: bool
) -> None:
    """A real 3.13t ends its import in a SystemError, before it comes to any other file."""
    for name in ("m.abi3.so", *beside):
        (tmp_path / name).write_bytes((ELF / "x86_64-musl.so").read_bytes())
    told = cli("check", tmp_path, "--target-spec", "cp314t-musl-x86_64-musl1.2.5", "--no-load-check")
    sentence = (
        "m.abi3.so: other-abi: it is for abi3, which free-threaded CPython 3.14 looks for and cannot load"
    )
    assert (sentence in told.out) is tried
    assert ("1 for an ABI that the target cannot load" in told.out.splitlines()[0]) is tried
    assert ("tip: use a wheel that was built for the target's ABI" in told.out) is tried
    assert told.status == (1 if tried or f"m.cpython-314t-{GNU}.so" in beside else 0)


def test_a_wheel_built_on_315_for_an_older_python(tmp_path: object, cli: Cli) -> None:
    """Setuptools and CMake write such names when they build on 3.15; the tag still says abi3."""
    content = (ELF / "x86_64-musl.so").read_bytes()
    wheel = make_wheel(
        f"{tmp_path}/demo-1.0-cp39-abi3-musllinux_1_1_x86_64.whl", {f"demo/m.abi3-{MUSL}.so": content}
    )
    for spec, name in {
        "upstream-3.9-x86_64-musl1.2.5": "m.abi3.so",
        "uv-3.10-musl-x86_64-musl1.2.5": "m.abi3.so",
        "cp315-gnu-x86_64-musl1.2.5": f"m.abi3-{GNU}.so",
    }.items():
        told = cli(
            "install", wheel, "--target-spec", spec, "--target", f"{tmp_path}/{spec}", "--mode", "copy", "-v"
        )
        assert told.status == 0, told.err
        assert f" {name}, which is now a copy of it" in told.out
        assert ("older Pythons do not import; all import m.abi3.so" in told.out) is (name == "m.abi3.so")


@pytest.mark.parametrize(
    ("tag", "outcome"),
    [
        ("cp39-abi3", "all import m.abi3.so, which is now its name"),
        ("cp311.cp314-abi3", "all import m.abi3.so, which is now its name"),
        ("cp315-abi3", "nothing to fix"),
        ("cp315-abi3.abi3t", "nothing to fix"),
        ("cp315-cp315", "nothing to fix"),
    ],
)
def test_repair_gives_the_name_that_every_python_of_the_tag_imports(
    tag: str, outcome: str, tmp_path: Path, cli: Cli
) -> None:
    """Although the target, on which the wheel may have been built, imports the other one."""
    content = (ELF / "x86_64-musl.so").read_bytes()
    name = f"demo/m.abi3-{MUSL}.so"
    wheel = make_wheel(str(tmp_path / f"demo-1.0-{tag}-musllinux_1_1_x86_64.whl"), {name: content})
    told = cli("repair", wheel, "--target-spec", "cp315-musl-x86_64-musl1.2.5", "-w", tmp_path / "new", "-v")
    assert (told.status, told.err) == (0, "")
    assert outcome in told.out
