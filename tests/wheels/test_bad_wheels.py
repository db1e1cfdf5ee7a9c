"""All wheels of :mod:`bad_wheels`: refused with their sentence, and nothing changed."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bad_wheels import CASES, HONEST, ODD, OTHER_SCRIPT, RECORDS, Case
from commands import Cli
from environments import make_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import snapshot
from wheelmaker import make_wheel
from zipmaker import CODE, DATA, INFO, NAME, demo, descriptor, streamed, wheel, zip_bytes

import muslfix
from muslfix.errors import FileConflict, MuslfixError
from muslfix.targets.target import Target
from muslfix.wheels.zip_names import ALIKE


@dataclass(frozen=True)
class Machine:
    """An environment that holds another project, a folder for temporary files and one for the wheel.

    :param base: the folder of all three
    :param target: the environment's interpreter
    """

    base: Path
    target: Target

    @property
    def environment(self) -> Path:
        """Where to install."""
        return self.base / "environment"

    @property
    def wheels(self) -> Path:
        """Where wheels are made."""
        return self.base / "wheels"


OTHER = {
    "other.py": b"",
    "other_folder/__init__.py": b"",
    f"other-1.0.data/scripts/{OTHER_SCRIPT}": b"#!/bin/sh\n",
    "other-1.0.data/data/share/other": b"",
}


@pytest.fixture(scope="module")
def shared_machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    base = tmp_path_factory.mktemp("hostile")
    environment = make_environment(base / "environment")
    (base / "wheels").mkdir()
    (base / "temporary").mkdir()
    target = muslfix.probe(str(environment / "bin" / "python"))
    other = make_wheel(base / "other-1.0-py3-none-any.whl", OTHER)
    muslfix.install([str(other)], target, muslfix.InstallOptions(compile=False))
    return Machine(base, target)


@pytest.fixture
def machine(shared_machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setenv("TMPDIR", str(shared_machine.base / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield shared_machine
    for path in shared_machine.wheels.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()


# -- what is refused -------------------------------------------------------------------------------

#: A command: reads a wheel, and says why it is refused; nothing if it has found nothing wrong.
Verb = Callable[[Machine, Path], str]


def install(machine: Machine, wheel: Path) -> str:
    options = muslfix.InstallOptions(compile=False)
    with pytest.raises(MuslfixError) as caught:
        muslfix.install([str(wheel)], machine.target, options)
    return caught.value.reason


def dry_run(machine: Machine, wheel: Path) -> str:
    options = muslfix.InstallOptions(compile=False, dry_run=True)
    with pytest.raises(MuslfixError) as caught:
        muslfix.install([str(wheel)], machine.target, options)
    return caught.value.reason


def check(machine: Machine, wheel: Path) -> str:
    (project,) = muslfix.check([str(wheel)], machine.target).projects
    return project.problem or ""


def repair(machine: Machine, wheel: Path) -> str:
    options = muslfix.RepairOptions(folder=str(machine.base / "repaired" / "wheels"), copy_unchanged=True)
    (project,) = muslfix.repair([str(wheel)], [machine.target], options).projects
    return project.problem or ""


#: Each other command, and what it looks at (see :class:`bad_wheels.Case`).
VERBS: dict[Verb, tuple[str, ...]] = {
    dry_run: ("wheel", "members", "environment"),
    check: ("wheel",),
    repair: ("wheel",),
}


#: What stands for the table where a command reads a wheel by the same function as ``install``.
SAMPLE = CASES[::12]


def described(value: Verb | Case) -> str:
    return ascii(value.name)[1:-1] if isinstance(value, Case) else value.__name__


def assert_is_refused(machine: Machine, verb: Verb, case: Case) -> None:
    wheel = case.make(machine.wheels)
    before = snapshot(machine.base)
    assert case.sentence in verb(machine, wheel)
    assert snapshot(machine.base) == before


@pytest.mark.parametrize("case", CASES, ids=described)
def test_bad_wheels_are_refused_and_nothing_changes(machine: Machine, case: Case) -> None:
    assert_is_refused(machine, install, case)


@pytest.mark.parametrize(
    ("verb", "case"),
    [(verb, case) for verb, seen in VERBS.items() for case in SAMPLE if case.of in seen],
    ids=described,
)
def test_other_commands_refuse_the_same(machine: Machine, verb: Verb, case: Case) -> None:
    assert_is_refused(machine, verb, case)


def test_the_table_says_each_thing_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 300


@pytest.mark.parametrize("name", ["bin/python", "bin/python3.99", "pyvenv.cfg"])
def test_the_place_of_the_interpreter_is_kept_whatever_the_layout(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    """Modules and programs share a folder with ``--target``, so a plain file of the wheel could be there."""
    path = wheel({name: b""})(machine.wheels)
    options = muslfix.InstallOptions(folder=str(tmp_path / "folder"), compile=False)
    with pytest.raises(FileConflict, match="belongs to the interpreter, and would come with demo"):
        muslfix.install([str(path)], machine.target, options)
    assert os.listdir(tmp_path) == []


BY_COMMAND_LINE = [
    *("no file", "escape sequence in its name", "a byte behind", "wrong CRC", "bomb", "name: up"),
    *("name: escape sequence", "RECORD empty", "WHEEL 2.0", "script python", "script activate"),
]


@pytest.mark.parametrize("case", [case for case in CASES if case.name in BY_COMMAND_LINE], ids=described)
def test_the_same_by_the_command_line(cli: Cli, machine: Machine, case: Case) -> None:
    """One sentence on stderr that names the wheel, perhaps a tip, and nothing else."""
    path = case.make(machine.wheels)
    shown = str(path).encode("unicode_escape").decode()
    before = snapshot(machine.base)
    for options in ([], ["--dry-run"]):
        result = cli("install", path, "--python", machine.environment, *options)
        assert (result.status, result.out) == (1, "")
        error, *tips = result.err.splitlines()
        assert error.startswith(f"error: {shown}: ") or case.of == "environment"
        assert case.sentence in error
        assert not error.endswith(".")
        assert [tip[:5] for tip in tips] in ([], ["tip: "])
        assert all(character.isprintable() for character in result.err.replace("\n", ""))
    if case.of == "wheel":
        result = cli("check", path, "--python", machine.environment)
        assert (result.status, case.sentence in result.out + result.err) == (1, True)
        assert all(character.isprintable() for character in (result.out + result.err).replace("\n", ""))
    assert snapshot(machine.base) == before


# -- limits that can be raised -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "options", "reason"),
    [
        ({"entries": 3}, ["--max-entries", "3"], "has 4 entries, more than 3"),
        ({"size": 100}, ["--max-size", "100"], "would unpack to "),
        ({"ratio": 0, "free": 0}, None, "would unpack to 0 times its size, more than 0 times"),
    ],
    ids=["entries", "size", "ratio"],
)
def test_limits_can_be_set(
    cli: Cli, machine: Machine, limits: dict[str, int], options: list[str] | None, reason: str
) -> None:
    path = wheel()(machine.wheels)
    chosen = muslfix.Limits(**limits)
    with pytest.raises(MuslfixError, match=reason) as caught:
        muslfix.install([str(path)], machine.target, muslfix.InstallOptions(limits=chosen))
    assert caught.value.tip is not None
    assert "--max-" in caught.value.tip
    report = muslfix.check([str(path)], machine.target, muslfix.CheckOptions(limits=chosen))
    assert reason in (report.projects[0].problem or "")
    if options is not None:
        for command in ("install", "check"):
            result = cli(command, path, "--python", machine.environment, *options)
            assert (result.status, reason in result.out + result.err) == (1, True)


def test_what_reaches_a_limit_is_not_beyond_it(machine: Machine) -> None:
    path = wheel()(machine.wheels)
    total = sum(len(member.content) for member in demo())
    for limits in ({"entries": 4}, {"size": total}, {"ratio": 0, "free": total}):
        options = muslfix.CheckOptions(limits=muslfix.Limits(**limits))
        assert muslfix.check([str(path)], machine.target, options).is_well, limits


def test_limits_can_be_raised(cli: Cli, machine: Machine) -> None:
    (case,) = [case for case in CASES if case.name == "bomb"]
    path = case.make(machine.wheels)
    words = (
        "install",
        path,
        "--target",
        machine.base / "raised",
        "--python",
        machine.environment,
        "--dry-run",
    )
    assert cli(*words).status == 1
    assert cli(*words, "--max-ratio", "2000").status == 0
    assert cli("check", path, "--python", machine.environment, "--max-ratio", "2000").status == 0


@pytest.mark.parametrize("number", ["", "-1", "many", "1.5", "\u0661"])
def test_limits_are_numbers(cli: Cli, machine: Machine, number: str) -> None:
    result = cli("check", "x.whl", "--python", machine.environment, f"--max-size={number}")
    assert (result.status, "is not a number" in result.err) == (2, True)


# -- what is accepted ------------------------------------------------------------------------------


def tree_of(folder: Path) -> dict[str, bytes]:
    """The files of an installation, but for what names the wheel file."""
    found = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if not path.is_dir()
    }
    del found[f"{INFO}/direct_url.json"]
    return found


def record_of(tree: dict[str, bytes]) -> list[bytes]:
    return [line for line in tree[f"{INFO}/RECORD"].splitlines() if b"direct_url.json" not in line]


def install_into(
    folder: Path, wheel: Path, target: Target, *, ignore_record: bool = False
) -> dict[str, bytes]:
    chosen = muslfix.InstallOptions(folder=str(folder), compile=False, ignore_record=ignore_record)
    muslfix.install([str(wheel)], target, chosen)
    return tree_of(folder)


@pytest.mark.parametrize("name", HONEST)
def test_odd_wheels_that_are_honest_are_installed(machine: Machine, tmp_path: Path, name: str) -> None:
    path = HONEST[name](machine.wheels)
    tree = install_into(tmp_path / "folder", path, machine.target)
    assert tree["demo.py"] == CODE
    assert (tmp_path / "folder/demo.py").stat().st_mode == 0o100644
    assert set(tree) == {
        "demo.py",
        *(f"{INFO}/{file}" for file in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED")),
    }
    good = install_into(tmp_path / "good", wheel()(machine.wheels), machine.target)
    assert record_of(tree) == record_of(good)
    assert muslfix.check([str(path)], machine.target).is_well


@pytest.mark.parametrize("signature", [True, False], ids=["signature", "no signature"])
@pytest.mark.parametrize("wide", [True, False], ids=["64 bits", "32 bits"])
@pytest.mark.parametrize(
    "content", [b"", bytes(99), b"PK\x07\x08"], ids=["empty", "zeros", "signature inside"]
)
def test_descriptors_of_all_members(
    machine: Machine, tmp_path: Path, signature: bool, wide: bool, content: bytes
) -> None:
    members = demo({"more.py": content})
    gaps = {n: descriptor(member, signature=signature, wide=wide) for n, member in enumerate(members)}
    path = machine.wheels / NAME
    path.write_bytes(zip_bytes([streamed(member) for member in members], gaps=gaps))
    assert install_into(tmp_path / "folder", path, machine.target)["more.py"] == content


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o104755, 0o755), (0o102755, 0o755), (0o101711, 0o755), (0o106666, 0o644), (0o100000, 0o644)],
)
def test_modes_are_what_pip_makes_of_them(machine: Machine, tmp_path: Path, mode: int, expected: int) -> None:
    script = f"{DATA}/scripts/x"
    path = wheel({script: b"x"}, fields={script: {"mode": mode}})(machine.wheels)
    install_into(tmp_path / "folder", path, machine.target)
    assert (tmp_path / "folder/bin/x").stat().st_mode & 0o7777 == expected


def test_a_script_that_an_entry_point_makes_anew_is_left_out(machine: Machine, tmp_path: Path) -> None:
    """As ``wheel`` 0.22 was, and as pip does it."""
    path = wheel({f"{DATA}/scripts/x": b"old"}, scripts={"x": "demo:main"})(machine.wheels)
    tree = install_into(tmp_path / "folder", path, machine.target)
    assert b"from demo import main" in tree["bin/x"]
    assert tree[f"{INFO}/RECORD"].count(b"bin/x,") == 1


@pytest.mark.parametrize("case", ODD, ids=described)
def test_what_is_unusual_is_installed_with_a_warning(machine: Machine, tmp_path: Path, case: Case) -> None:
    """Once as what it is alone, so that nothing else is in its environment; all files of it are there."""
    path = case.make(machine.wheels)
    options = muslfix.InstallOptions(folder=str(tmp_path / "folder"), compile=False)
    (project,) = muslfix.install([str(path)], machine.target, options).projects
    assert [case.sentence in warning for warning in project.warnings] == [True]
    assert (tmp_path / "folder/demo.py").read_bytes() == CODE
    verified = muslfix.verify([], machine.target, muslfix.VerifyOptions(paths=(str(tmp_path / "folder"),)))
    assert [project.problem for project in verified.projects] == [None]
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, content in members.items():
        place = tmp_path / "folder" / re.sub(f"^{DATA}/(purelib|platlib|data)/", "", name)
        place = Path(str(place).replace(f"/{DATA}/scripts/", "/bin/"))
        assert name.endswith("/RECORD") or place.read_bytes() == content
    assert muslfix.check([str(path)], machine.target).is_well


@pytest.mark.parametrize("case", RECORDS, ids=described)
def test_record_can_be_ignored(machine: Machine, tmp_path: Path, case: Case) -> None:
    """What is installed then has a RECORD that is true."""
    path = case.make(machine.wheels)
    tree = install_into(tmp_path / "folder", path, machine.target, ignore_record=True)
    assert tree["demo.py"] == CODE
    options = muslfix.VerifyOptions(paths=(str(tmp_path / "folder"),))
    (project,) = muslfix.verify([], machine.target, options).projects
    assert project.problem is None
    warnings = (
        muslfix.install(
            [str(path)],
            machine.target,
            muslfix.InstallOptions(folder=str(tmp_path / "again"), ignore_record=True, dry_run=True),
        )
        .projects[0]
        .warnings
    )
    assert sum(ALIKE not in warning for warning in warnings) == 1
    assert case.sentence in warnings[0] or warnings[0] == "was not compared with its RECORD"


# -- any damage ------------------------------------------------------------------------------------

GOOD = zip_bytes(
    [streamed(member) if n == 1 else member for n, member in enumerate(demo())],
    gaps={1: descriptor(demo()[1])},
    comment=b"c",
)


@pytest.fixture(scope="module")
def good_tree(shared_machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("good") / NAME
    path.write_bytes(GOOD)
    return install_into(path.parent / "folder", path, shared_machine.target)


MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("insert"), st.integers(0, len(GOOD)), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("cut"), st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("copy"), st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=40)),
    ),
    min_size=1,
    max_size=3,
)


def mutated(mutations: list[tuple[str, int, bytes]]) -> bytes:
    data = GOOD
    for kind, at, patch in mutations:
        if kind == "put":
            data = data[:at] + patch + data[at + len(patch) :]
        elif kind == "insert":
            data = data[:at] + patch + data[at:]
        elif kind == "cut":
            data = data[:at] + data[at + len(patch) :]
        else:
            data = data[:at] + data[at : at + len(patch)] + data[at:]
    return data


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations=MUTATIONS)
def test_a_mutated_wheel_is_refused_or_installed_as_the_good_one(
    shared_machine: Machine,
    good_tree: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    mutations: list[tuple[str, int, bytes]],
) -> None:
    base = tmp_path_factory.mktemp("mutated")
    path, folder = base / NAME, base / "folder"
    path.write_bytes(mutated(mutations))
    try:
        tree = install_into(folder, path, shared_machine.target)
    except MuslfixError:
        assert os.listdir(base) == [NAME]
    else:
        assert {**tree, f"{INFO}/RECORD": b""} == {**good_tree, f"{INFO}/RECORD": b""}
        assert record_of(tree) == record_of(good_tree)


def test_each_byte_damaged(shared_machine: Machine, good_tree: dict[str, bytes], tmp_path: Path) -> None:
    """The same without chance: only what says nothing of the files may differ, such as a date."""
    path, accepted = tmp_path / NAME, 0
    for at in range(len(GOOD)):
        path.unlink(missing_ok=True)
        path.write_bytes(GOOD[:at] + bytes([GOOD[at] ^ 1 << at % 8]) + GOOD[at + 1 :])
        try:
            tree = install_into(tmp_path / f"{at}", path, shared_machine.target)
        except MuslfixError:
            assert not (tmp_path / f"{at}").exists()
        else:
            accepted += 1
            assert {**tree, f"{INFO}/RECORD": b""} == {**good_tree, f"{INFO}/RECORD": b""}
    assert 0 < accepted < 150
