"""The short way of ``fix``: sure or silent, and never of another opinion than the long one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from bad_files import NO_FILE, Make, instead
from checkout import FIXTURES
from commands import Cli
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from misnamed import lay, running
from reports import plain_text

from muslfix.targets.environments import RUNNING
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.target import TargetTree
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.nothing_to_fix import nothing_to_fix
from muslfix.verbs.strays import doubt_about_strays

TARGET = probe_interpreter(sys.executable)
OWN = TARGET.extension_suffixes[0]
WRONG = OWN.replace("-gnu", "-musl") if "-gnu" in OWN else OWN.replace("-musl", "-gnu")


def make_project(
    folder: Path, modules: list[str], *, missing: tuple[str, ...] = (), quoted: bool = False, url: str = ""
) -> Path:
    """An installed project with these files, each a real extension module; some are listed only."""
    info = folder / "demo-1.0.dist-info"
    info.mkdir(parents=True)
    rows = []
    for module in modules:
        path = folder / module
        path.parent.mkdir(parents=True, exist_ok=True)
        if module not in missing:
            path.write_bytes((FIXTURES / "elf" / "x86_64-glibc.so").read_bytes())
        rows.append(f'"{module}",,' if quoted else f"{module},,")
    if url:
        (info / "direct_url.json").write_text(url)
        rows.append(f"{info.name}/direct_url.json,,")
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,", ""]))
    return folder


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param([], id="no modules"),
        pytest.param(["pkg/m.py"], id="pure"),
        pytest.param([f"pkg/m{OWN}"], id="right"),
        pytest.param(["pkg/m.abi3.so", "m.so"], id="right, without a triplet"),
        pytest.param([f"pkg/m{WRONG}", f"pkg/m{OWN}"], id="fixed before"),
        pytest.param(["pkg.libs/libfoo-1a2b.so.1", "libfoo-1a2b.so"], id="shared libraries"),
    ],
)
def test_nothing_to_fix(tmp_path: Path, modules: list[str], cli: Cli) -> None:
    folder = make_project(tmp_path, modules)
    assert nothing_to_fix(["fix", "--path", str(folder)])
    told, quiet = cli("fix", "--path", folder), cli("fix", "-q", "--path", folder)
    assert (told.status, told.err) == (0, "")
    assert told.out.endswith(": nothing to fix.\n")
    assert told.looked_at == f"{folder} for {sys.executable} ({RUNNING})"
    # The long way, which a few more words ask for, says the same.
    full = cli("fix", "--path", folder, "--mode", "symlink")
    assert (full.out, full.looked_at) == (told.out, told.looked_at)
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


@pytest.mark.parametrize(
    "modules", [[f"pkg/m{WRONG}"], ["pkg/m.pypy310-pp73-x86_64-linux-gnu.so"], ["m.so", f"m{WRONG}"]]
)
def test_a_name_that_is_not_right_is_left_to_the_real_work(tmp_path: Path, modules: list[str]) -> None:
    assert not nothing_to_fix(["fix", "--path", str(make_project(tmp_path, modules))])


def test_a_name_that_somebody_has_removed(tmp_path: Path) -> None:
    modules = [f"m{WRONG}", f"m{OWN}"]
    folder = make_project(tmp_path, modules, missing=(f"m{OWN}",))
    assert not nothing_to_fix(["fix", "--path", str(folder)])


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / "demo-1.0.dist-info/RECORD").unlink(), id="no RECORD"),
        pytest.param(lambda folder: (folder / ".muslfix-1a2b").mkdir(), id="interrupted before"),
        pytest.param(lambda folder: (folder / "old.egg-info").mkdir(), id="egg-info"),
        pytest.param(lambda folder: (folder / "old.egg-link").write_text(""), id="egg-link"),
    ],
)
def test_what_the_real_work_has_to_say_something_about(tmp_path: Path, damage: object) -> None:
    folder = make_project(tmp_path, [f"m{OWN}"])
    assert nothing_to_fix(["fix", "--path", str(folder)])
    damage(folder)  # type: ignore[operator]
    assert not nothing_to_fix(["fix", "--path", str(folder)])


def test_a_quoted_row_is_left_to_the_real_parser(tmp_path: Path) -> None:
    folder = make_project(tmp_path, [f"m{OWN}"], quoted=True)
    assert not nothing_to_fix(["fix", "--path", str(folder)])


@pytest.mark.parametrize(
    ("url", "expected"), [('{"dir_info": {"editable": true}}', False), ('{"archive_info": {}}', True)]
)
def test_an_editable_installation(tmp_path: Path, url: str, expected: bool) -> None:
    folder = make_project(tmp_path, ["m.py"], url=url)
    assert bool(nothing_to_fix(["fix", "--path", str(folder)])) is expected


@pytest.mark.parametrize(
    "words",
    [[], ["check"], ["fix", "numpy"], ["fix", "-v"], ["fix", "--path"], ["fix", "--path", ""], ["-V"]],
)
def test_other_words_are_left_to_the_real_parser(words: list[str]) -> None:
    assert not nothing_to_fix(words)


def test_a_path_without_any_project_is_left_to_the_real_work(tmp_path: Path) -> None:
    assert not nothing_to_fix(["fix", "--path", str(tmp_path)])


def test_a_venv_above_is_the_one_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path / "folder", [])
    monkeypatch.chdir(folder)
    assert nothing_to_fix(["fix", "--path", str(folder)])
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    assert not nothing_to_fix(["fix", "--path", str(folder)])


def test_another_environment_is_left_to_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path / "folder", [])
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "other"))
    assert not nothing_to_fix(["fix", "--path", str(folder)])
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert nothing_to_fix(["fix", "--path", str(folder)])
    monkeypatch.setenv("_PYTHON_SYSCONFIGDATA_NAME", "other")
    assert not nothing_to_fix(["fix", "--path", str(folder)])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert not nothing_to_fix(["fix", "--path", str(tmp_path / "missing")])


SUFFIXES = st.sampled_from(
    [
        OWN,
        WRONG,
        ".abi3.so",
        ".so",
        ".so.1",
        ".py",
        ".cpython-36m-x86_64-linux-gnu.so",
        ".abi3-x86_64-linux-musl.so",
    ]
)
MODULES = st.lists(
    st.builds("{}{}{}".format, st.sampled_from(["", "pkg/", "pkg.libs/"]), st.sampled_from("ab"), SUFFIXES),
    unique=True,
    max_size=6,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(modules=MODULES, lost=st.integers(0, 6))
def test_where_it_is_sure_the_real_work_finds_nothing(
    modules: list[str], lost: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = make_project(tmp_path_factory.mktemp("site"), modules, missing=tuple(modules[lost : lost + 1]))
    report = fix([], TARGET, FixOptions(paths=(str(folder),), dry_run=True))
    found = bool(report.changes or not report.is_well or report.warnings)
    told = nothing_to_fix(["fix", "--path", str(folder)])
    if told is not None:
        assert not found
        assert plain_text(report)[0] == told[0]


def test_a_script_of_a_project_with_modules_is_nothing_odd(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "folder", [f"m{OWN}"])
    (record,) = folder.glob("*.dist-info/RECORD")
    record.write_bytes(record.read_bytes() + b"../../../bin/f2py,sha256=x,1\r\n")
    assert nothing_to_fix(["fix", "--path", str(folder)])


FIELDS = st.sampled_from(["", "", "sha256=x", "1", "a/b", "..", "\0", "x.so", '"', '"q,q"', "é"])
PATHS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "pkg/", "/", "../", "pkg/../", "a/..b/", '"', ",", "\0"]),
    st.sampled_from(["a", "b", "..", ""]),
    SUFFIXES,
)
LINES = st.builds(
    "{}{}{}".format,
    PATHS,
    st.lists(FIELDS, min_size=1, max_size=3).map(lambda fields: "".join("," + field for field in fields)),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\r\n", ""]),
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.lists(LINES, max_size=4).map("".join), st.text('a/.so,\r\n"', max_size=30)))
@example(text="m.abi3.so,\n")
@example(text="m.so\n")
@example(text=f"a.py,,\rm{WRONG},,\n")
@example(text=f"m{OWN},,\n/m{OWN},,\n../m{OWN},,\n")
@example(text=f"m{OWN},,\nx,{'y' * 200_000},\n")
def test_the_short_way_and_the_long_one_agree_on_every_record(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = make_project(tmp_path_factory.mktemp("site"), [])
    (record,) = folder.glob("*.dist-info/RECORD")
    record.write_bytes(text.encode())
    told = nothing_to_fix(["fix", "--path", str(folder)])
    if told is not None:
        report = fix([], TARGET, FixOptions(paths=(str(folder),), dry_run=True))
        assert report.is_well
        assert not report.changes
        assert not report.warnings
        assert plain_text(report)[0] == told[0]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(f"m{WRONG},,\n" + "x" * 3_000_000, id="long line without folder"),
        pytest.param(f"m{WRONG},,\n" + "x/" * 1_500_000, id="long line of folders"),
        pytest.param(f"m{WRONG},,\n" + "x.so" * 900_000, id="long line of endings"),
    ],
)
def test_the_quick_look_is_quick_whatever_record_holds(tmp_path: Path, record: str) -> None:
    site = lay(tmp_path / "site", record=lambda _: record)
    assert not nothing_to_fix(["fix", "--path", str(site)])


@pytest.mark.parametrize("make", NO_FILE.values(), ids=NO_FILE)
def test_the_quick_look_leaves_what_is_no_record_to_others(tmp_path: Path, make: Make) -> None:
    site = lay(tmp_path / "site")
    instead(make)(site / "demo-1.0.dist-info" / "RECORD")
    assert not nothing_to_fix(["fix", "--path", str(site)])


@pytest.mark.parametrize("command", ["fix", "check", "verify", "undo"])
def test_quiet_about_another_environment(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Which one was passed over is no detail, and one that cannot be used is a doubt."""
    site = make_project(tmp_path / "site", [])
    (tmp_path / ".venv").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    note = f"note: passed over: {tmp_path}/.venv (.venv, which has no pyvenv.cfg)\n"
    quiet = cli(command, "-q", "--path", site)
    assert (quiet.status, quiet.out, quiet.err) == (0, "", note)
    assert cli(command, "--path", site).err == ""
    monkeypatch.delenv("VIRTUAL_ENV")
    for words in ((), ("-q",)):
        doubtful = cli(command, *words, "--path", site)
        assert doubtful.status == 1
        assert f"warning: {tmp_path}/.venv has no pyvenv.cfg, so it was passed over; " in doubtful.err


@pytest.mark.parametrize("module", [f"m{WRONG}", f"pkg/deep/m{WRONG}"])
def test_misnamed_modules_of_no_project(tmp_path: Path, cli: Cli, module: str) -> None:
    site = make_project(tmp_path / "site", [f"own/m{OWN}"])
    make_module = (FIXTURES / "elf" / "x86_64-glibc.so").read_bytes()
    (site / module).parent.mkdir(parents=True, exist_ok=True)
    (site / module).write_bytes(make_module)
    (site / f"other{OWN}").write_bytes(make_module)
    for words in (("fix",), ("fix", "-q"), ("check",), ("check", "-q")):
        result = cli(*words, "--path", site)
        assert result.status == 1
        assert f"{site}: 1 misnamed extension module ({site / module}) in no RECORD" in result.err
    if "/" in module:  # it is no matter that the package is elsewhere
        (site / "pkg").rename(tmp_path / "sources")
        (site / "pkg").symlink_to(tmp_path / "sources")
        (site / "here").symlink_to(".")
        assert f"{site}: 1 misnamed extension module" in cli("fix", "--path", site).err
        assert len(doubt_about_strays(str(site), running())) == 1
        # In an image the link leads to what is elsewhere on this machine.
        assert doubt_about_strays(str(site), replace(running(), tree=TargetTree(str(site)))) == []
    # Whoever names a project asks about that alone; and one that Python imports is well.
    assert cli("check", "--path", site, "demo").status == 0
    (site / module).rename(site / module.replace(WRONG, OWN))
    assert nothing_to_fix(["fix", "--path", str(site)])
    assert cli("check", "--path", site).status == 0
