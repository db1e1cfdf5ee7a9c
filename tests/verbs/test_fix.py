"""``muslfix fix`` on what real installers have left, and on what has become of it since."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commands import Cli
from environments import (
    Uv,
    find_uv,
    install_by_installer,
    make_environment,
    pip,
    run_python,
    site_packages,
    well,
)
from misnamed import (
    FOREIGN,
    LINKED,
    MODES,
    MODULE,
    RIGHT,
    WRONG,
    actions,
    demo_files,
    dist_info,
    fixed_record,
    hash_of,
    lay,
    lines,
    make_demo,
    pairs,
    problems,
    quiet,
    record_of,
    row_of,
    running,
    served_by,
    small_files,
    speed,
    target_file,
    target_with,
    trace_of,
    trace_row,
    write_record,
)
from trees import leftovers, snapshot, states

import muslfix
from muslfix.errors import EnvironmentRefused, UsageError
from muslfix.report.report import Report
from muslfix.transaction.journal import make_staging
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.undo import UndoOptions, undo
from muslfix.verbs.verify import VerifyOptions, verify
from muslfix.verdicts import Mode

TOOLS = ("pip", "uv", "installer", "muslfix")
LINE_END = {"pip": "\r\n"}
SCHEMA = json.loads((Path(muslfix.__file__).parent / "report.schema.json").read_text(encoding="utf-8"))

SHADOWED = "; without it Python silently imports the .py of the same name, which is slower"
DEEDS = {
    "symlink": "which now links to it",
    "hardlink": "which is now a hard link to it",
    "copy": "which is now a copy of it",
    "rename": "which is now its name",
}
SPEED = {
    "symlink": [f"_speed{RIGHT} -> _speed{WRONG}", f"_speed{WRONG}"],
    "hardlink": [f"_speed{RIGHT}", f"_speed{WRONG}"],
    "copy": [f"_speed{RIGHT}", f"_speed{WRONG}"],
    "rename": [f"_speed{RIGHT}"],
}


def misnamed(folder: str, mode: str, more: str = "") -> str:
    """What is said of a module that got its name."""
    looks = f"the target looks for _speed{RIGHT}"
    return f"  {folder}/_speed{WRONG}: fixed: {looks}, {DEEDS[mode]}{more}"


def fix_paths(*paths: Path, mode: str = "symlink", **options: Any) -> Report:
    """Fix folders for the running Python."""
    options_ = FixOptions(mode=Mode(mode), paths=tuple(map(str, paths)), **options)
    return fix([], running(), options_)


def undo_paths(*paths: Path) -> Report:
    return undo([], running(), UndoOptions(paths=tuple(map(str, paths))))


def verify_paths(*paths: Path) -> Report:
    return verify([], running(), VerifyOptions(paths=tuple(map(str, paths))))


# -- after real installers --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Uv:
    folder = tmp_path_factory.mktemp("uv")
    return Uv(find_uv(folder), folder / "cache")


@dataclass(frozen=True)
class Template:
    """An environment to be copied.

    :param tool: what has installed the project in it
    :param empty: what it held before that
    :param folder: where it is
    """

    tool: str
    empty: dict[str, str]
    folder: Path

    def copy(self, folder: Path) -> Path:
        return shutil.copytree(self.folder, folder / "environment", symlinks=True)


@pytest.fixture(scope="session", params=TOOLS)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """An environment in which a tool has installed a misnamed project."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = make_environment(folder / "environment")
    # pip removes a site-packages folder that it leaves empty
    lay(site_packages(environment), "neighbour", {"neighbour.py": b""})
    found = Template(request.param, snapshot(environment), environment)
    wheel = make_demo(folder)
    if request.param == "pip":
        well(pip(environment, "install", "--no-index", "--no-deps", "--no-compile", wheel))
    elif request.param == "uv":
        uv: Uv = request.getfixturevalue("uv")
        well(uv(environment, "install", "--no-deps", "--link-mode", "copy", wheel))
        (environment / ".lock").unlink(missing_ok=True)
    elif request.param == "installer":
        install_by_installer(environment, wheel)
    else:  # for a target that imports the other spelling
        target = muslfix.probe(str(environment / "bin" / "python"))
        target = replace(target, extension_suffixes=target_with(WRONG).extension_suffixes)
        install([str(wheel)], target, InstallOptions(compile=False))
    return found


@pytest.mark.parametrize(("template", "mode"), pairs(TOOLS, MODES), indirect=["template"])
def test_what_a_tool_has_installed_is_fixed_and_put_back(
    template: Template, mode: str, tmp_path: Path, cli: Cli
) -> None:
    environment = template.copy(tmp_path)
    site = site_packages(environment)
    before, text = snapshot(environment), record_of(site)

    done = cli("fix", "--python", environment, "--mode", mode, "-v")

    assert (done.status, done.err) == (0, "")
    summary, *lines = [line for line in done.out.splitlines() if not line.endswith(": nothing to fix")]
    assert summary.startswith("2 extension modules in ")
    assert summary.endswith(": 2 fixed (1 had been falling back to slower pure Python).")
    assert lines == [
        "demo 1.0: 2 extension modules: 2 fixed (1 had been falling back to slower pure Python)",
        misnamed("demo", mode, SHADOWED),
        misnamed("demo/sub", mode),
    ]
    assert speed(site) == SPEED[mode]
    assert speed(site / "demo", "sub") == SPEED[mode]
    for folder in (site / "demo", site / "demo" / "sub"):
        assert (folder / f"_speed{RIGHT}").read_bytes() == MODULE
        inodes = {path.stat().st_ino for path in folder.glob("*.so")}
        assert len(inodes) == (2 if mode == "copy" else 1)

    # RECORD: pip's and uv's line ends, the order, and every other byte
    line_end = LINE_END.get(template.tool, "\n")
    assert text.count("\r\n") == (text.count("\n") if line_end == "\r\n" else 0)
    assert record_of(site) == fixed_record(text, site, mode, line_end)
    assert [(change["old"], change["new"], change["mode"]) for change in trace_of(site)["changes"]] == [
        (f"{folder}/_speed{WRONG}", f"{folder}/_speed{RIGHT}", mode) for folder in ("demo", "demo/sub")
    ]

    # nothing else
    after = snapshot(environment)
    known = dist_info(site).relative_to(environment)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    names = {(site / folder / f"_speed{RIGHT}").relative_to(environment) for folder in ("demo", "demo/sub")}
    names |= {known / "RECORD", known / "muslfix.json"}
    if mode == "rename":
        names |= {path.with_name(f"_speed{WRONG}") for path in names if path.name == f"_speed{RIGHT}"}
    assert changed == set(map(str, names))

    # once more: nothing at all
    exact = states(environment)
    again = cli("fix", "--python", environment, "--mode", mode)
    assert (again.status, quiet(again.out), again.err) == (0, True, "")
    assert states(environment) == exact

    verified = cli("verify", "--python", environment)
    assert (verified.status, verified.err) == (0, "")

    undone = cli("undo", "--python", environment)
    assert (undone.status, undone.err) == (0, "")
    assert snapshot(environment) == before


def test_python_imports_the_extension_module_after_it(template: Template, tmp_path: Path, cli: Cli) -> None:
    environment = template.copy(tmp_path)
    assert served_by(environment) == "_speed.py"
    assert cli("fix", "--python", environment).status == 0
    assert served_by(environment) == f"_speed{RIGHT}"
    assert run_python(environment, "import demo.sub._speed as m; print(m.answer())") == "42"
    assert cli("undo", "--python", environment).status == 0
    assert served_by(environment) == "_speed.py"


@pytest.mark.parametrize(("template", "mode"), pairs(TOOLS, MODES, shift=1), indirect=["template"])
def test_uv_uninstall_leaves_nothing(template: Template, mode: str, tmp_path: Path, cli: Cli, uv: Uv) -> None:
    environment = template.copy(tmp_path)
    assert cli("fix", "--python", environment, "--mode", mode).status == 0
    well(uv(environment, "uninstall", "demo"))
    (environment / ".lock").unlink(missing_ok=True)
    assert snapshot(environment) == template.empty


@pytest.mark.parametrize(
    ("template", "mode"),
    [
        ("pip", "symlink"),
        ("pip", "rename"),
        ("uv", "rename"),
        ("installer", "symlink"),
        ("muslfix", "symlink"),
    ],
    indirect=["template"],
)
def test_pip_uninstall_leaves_nothing(template: Template, mode: str, tmp_path: Path, cli: Cli) -> None:
    environment = template.copy(tmp_path)
    assert cli("fix", "--python", environment, "--mode", mode).status == 0
    well(pip(environment, "uninstall", "--yes", "demo"))
    assert snapshot(environment) == template.empty


@pytest.mark.parametrize(("tool", "mode"), [("pip", "symlink"), *(("uv", mode) for mode in MODES)])
def test_after_a_reinstallation_the_next_fix_puts_it_right_again(
    environment: Path, tmp_path: Path, cli: Cli, request: pytest.FixtureRequest, tool: str, mode: str
) -> None:
    wheel, site = make_demo(tmp_path), site_packages(environment)

    def install_again() -> None:
        if tool == "pip":
            options = ["--no-index", "--no-deps", "--no-compile", "--force-reinstall"]
            well(pip(environment, "install", *options, wheel))
        else:
            uv: Uv = request.getfixturevalue("uv")
            well(uv(environment, "install", "--no-deps", "--reinstall", wheel))

    install_again()
    fresh = snapshot(environment)
    assert cli("fix", "--python", environment, "--mode", mode).status == 0
    assert speed(site) == SPEED[mode]
    fixed = snapshot(environment)
    install_again()
    assert snapshot(environment) == fresh  # the bad name is back, and nothing is left of the good one
    assert cli("fix", "--python", environment, "--mode", mode).status == 0
    assert snapshot(environment) == fixed


@pytest.mark.parametrize("tool", ["pip", "uv", "muslfix"])
def test_a_folder_made_by_target(
    tool: str, environment: Path, tmp_path: Path, cli: Cli, request: pytest.FixtureRequest
) -> None:
    """``pip install --target`` and its like: no environment, one folder, to be named by ``--path``."""
    wheel, fresh = make_demo(tmp_path), tmp_path / "fresh"
    if tool == "pip":
        options = ["--no-index", "--no-deps", "--no-compile"]
        well(pip(environment, "install", *options, "--target", fresh, wheel))
    elif tool == "uv":
        uv: Uv = request.getfixturevalue("uv")
        well(uv(environment, "install", "--no-deps", "--target", fresh, wheel))
        (fresh / ".lock").unlink(missing_ok=True)
    else:
        install([str(wheel)], target_with(WRONG), InstallOptions(folder=str(fresh), compile=False))
    for mode in MODES:
        folder = tmp_path / mode
        shutil.copytree(fresh, folder, symlinks=True)
        before, text = snapshot(folder), record_of(folder)
        told = cli("fix", "--path", folder, "--mode", mode)
        assert (told.status, told.err) == (0, "")
        assert speed(folder) == SPEED[mode]
        assert record_of(folder) == fixed_record(text, folder, mode, LINE_END.get(tool, "\n"))
        import_it = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.dont_write_bytecode = True\n"
        assert run_python(environment, import_it + "import demo; print(demo.served_by)") == f"_speed{RIGHT}"
        exact = states(folder)
        assert quiet(cli("fix", "--path", folder, "--mode", mode).out)
        assert states(folder) == exact
        assert cli("undo", "--path", folder).status == 0
        assert snapshot(folder) == before


# -- uv and its cache -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link_mode", "mode"),
    [
        *(("hardlink", mode) for mode in MODES),
        *(("copy", "hardlink"), ("clone", "copy"), ("symlink", "symlink"), ("symlink", "rename")),
    ],
)
def test_the_cache_of_uv_and_its_other_environments_stay_as_they_are(
    link_mode: str, mode: str, tmp_path: Path, uv: Uv
) -> None:
    """Its files are hard links into the cache, or symbolic ones: whoever writes to them changes the cache."""
    mine = Uv(uv.program, tmp_path / "cache")
    wheel = make_demo(tmp_path)
    ours, other = (make_environment(tmp_path / name) for name in ("ours", "other"))
    for environment in (ours, other):
        well(mine(environment, "install", "--no-deps", "--link-mode", link_mode, wheel))
        (environment / ".lock").unlink(missing_ok=True)
    site = site_packages(ours)
    cached = next(path for path in (tmp_path / "cache").rglob(f"_speed{WRONG}"))
    installed = site / "demo" / cached.name
    assert installed.is_symlink() == (link_mode == "symlink")
    if link_mode != "clone":  # where the file system cannot, uv falls back to another mode
        assert installed.samefile(cached) == (link_mode in ("hardlink", "symlink"))
    cache, neighbour, before = states(mine.cache), states(other), snapshot(ours)
    text = record_of(site)

    assert actions(fix_paths(site, mode=mode)) == {"demo": "fixed"}

    # A hard link is one more, by its nature; then the number of links is all that differs.
    more_links = mode == "hardlink" and installed.samefile(cached) and not installed.is_symlink()
    assert _without_links(states(mine.cache), more_links) == _without_links(cache, more_links)
    assert _without_links(states(other), more_links) == _without_links(neighbour, more_links)
    assert served_by(ours) == f"_speed{RIGHT}"
    assert served_by(other) == "_speed.py"
    for bytecode in [*ours.rglob("__pycache__"), *other.rglob("__pycache__")]:
        shutil.rmtree(bytecode)
    assert record_of(site) == fixed_record(text, site, mode, "\n")
    if link_mode == "symlink" and mode in ("hardlink", "rename"):
        assert os.readlink(site / "demo" / f"_speed{RIGHT}") == str(cached)

    assert actions(undo_paths(site)) == {"demo": "undone"}

    assert _contents(states(mine.cache)) == _contents(cache)
    assert states(mine.cache) == cache
    assert snapshot(ours) == before
    well(mine(ours, "uninstall", "demo"))
    assert states(mine.cache)[str(cached.relative_to(mine.cache))][-1] == MODULE


def _without_links(tree: dict[str, tuple[object, ...]], really: bool) -> dict[str, tuple[object, ...]]:
    return {path: (*state[:2], *state[3:]) if really else state for path, state in tree.items()}


def _contents(tree: dict[str, tuple[object, ...]]) -> dict[str, object]:
    return {path: state[-1] for path, state in tree.items()}


# -- what has been done by hand ---------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "again"), [*zip(MODES[:3], MODES), *zip(MODES[:3], MODES[1:])])
def test_names_that_somebody_has_removed_come_back(tmp_path: Path, mode: str, again: str) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)
    fix_paths(site, mode=mode)
    fixed = snapshot(site)
    (site / "demo" / f"_speed{RIGHT}").unlink()
    assert actions(fix_paths(site, mode=again)) == {"demo": "fixed"}
    assert speed(site) == SPEED[again]
    assert len(trace_of(site)["changes"]) == 1
    if mode == again:
        assert snapshot(site) == fixed
    assert actions(verify_paths(site)) == {"demo": "verified"}
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == before


def test_the_trace_alone_is_removed(tmp_path: Path) -> None:
    """Without it nothing can be put back, but what works goes on working."""
    site = lay(tmp_path / "site")
    fix_paths(site)
    (dist_info(site) / "muslfix.json").unlink()
    assert actions(fix_paths(site)) == {"demo": "unchanged"}
    assert actions(undo_paths(site)) == {"demo": "unchanged"}
    (finding,) = verify_paths(site).projects[0].files
    assert (finding.path, finding.finding) == ("demo-1.0.dist-info/muslfix.json", "missing")


@pytest.mark.parametrize(("first", "second"), [*pairs(MODES, MODES, shift=1), ("rename", "rename")])
def test_a_tree_that_several_pythons_share_is_fixed_for_each_and_put_back(
    tmp_path: Path, first: str, second: str
) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)
    bare = target_with(RIGHT.partition("-x86_64")[0].partition("-aarch64")[0] + ".so")
    paths = (str(site),)
    for target, mode in (
        (running(), first),
        (bare, second),
        (running(), second),
        (target_with(WRONG), first),
    ):
        report = fix([], target, FixOptions(Mode(mode), paths))
        assert report.is_well, lines(report)
        assert problems(report) == {}
        suffixes = tuple(target.extension_suffixes)
        assert any(path.name.endswith(suffixes[0]) and path.exists() for path in (site / "demo").iterdir())
        assert actions(verify_paths(site)) == {"demo": "verified"}
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == before


# -- what is asked for ------------------------------------------------------------------------------


def test_many_projects_are_a_few_lines_of_a_build_log(tmp_path: Path, cli: Cli) -> None:
    """The summary first, and no line for each file; what was done to them is ``fixed``."""
    site = tmp_path / "site"
    for number in range(28):
        name = f"p{number:02}"
        lay(site, name, {f"{name}/{module}{WRONG}": MODULE for module in "abc"})
    words = "--path", site, "--target-file", target_file(tmp_path)
    told = cli("fix", "--no-load-check", *words)
    assert (told.status, told.err) == (0, "")
    log = told.out.splitlines()
    assert log[0] == "84 extension modules in 28 projects: 84 fixed."
    assert log[-1] == "and 23 more projects (-v names all)"
    assert len(log) == 7
    assert "misnamed" not in told.out
    undo_all = cli("undo", *words)
    assert len(undo_all.out.splitlines()) == 7
    named = cli("fix", "-v", "--no-load-check", *words).out.splitlines()
    assert named[:2] == [log[0], "p00 1.0: 3 extension modules: 3 fixed"]
    assert named[2].startswith(f"  p00/a{WRONG}: fixed: the target looks for a{RIGHT}, which now links")
    assert sum(": fixed: " in line for line in named) == 84
    cli("undo", "-q", *words)
    assert cli("fix", "-q", *words).out == ""


def test_only_the_named_projects(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("One_Thing", "two", "three"):
        lay(site, name)
    for spelling in ("one-thing", "ONE.THING", "One__Thing"):
        report = fix([spelling, "Three"], running(), FixOptions(paths=(str(site),)))
        assert sorted(project.name for project in report.projects) == ["One_Thing", "three"]
        assert report.is_well
    assert speed(site, "One_Thing") == SPEED["symlink"]
    assert speed(site, "three") == SPEED["symlink"]
    assert speed(site, "two") == [f"_speed{WRONG}"]
    report = undo(["one.thing"], running(), UndoOptions(paths=(str(site),)))
    assert actions(report) == {"One_Thing": "undone"}
    assert speed(site, "One_Thing") == [f"_speed{WRONG}"]
    assert speed(site, "three") == SPEED["symlink"]


@pytest.mark.parametrize("command", ["fix", "undo", "verify"])
def test_a_project_that_is_not_there(tmp_path: Path, cli: Cli, command: str) -> None:
    site = lay(tmp_path / "site")
    before = states(site)
    told = cli(command, "--path", site, "absent", "etc", "demo" if command != "fix" else "Absent")
    assert told.status == 1
    assert told.err == ""
    assert "absent: failed: it is not installed" in told.out.splitlines()
    assert told.out.count(": failed: it is not installed") == 2
    assert states(site) == before


def test_an_unknown_project_does_not_keep_others_from_being_fixed(tmp_path: Path, cli: Cli) -> None:
    site = lay(tmp_path / "site")
    told = cli("fix", "--path", site, "absent", "demo")
    assert told.status == 1
    assert speed(site) == SPEED["symlink"]


def test_several_folders(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (lay(tmp_path / name) for name in ("one", "two", "three"))
    monkeypatch.chdir(tmp_path)
    told = cli("fix", "--path", "one", "--path", two, "--path", one, "--path", "./two/")
    assert told.status == 0
    assert told.out.count("demo 1.0: 1 extension module: 1 fixed\n") == 2
    assert (speed(one), speed(two), speed(three)) == (SPEED["symlink"], SPEED["symlink"], [f"_speed{WRONG}"])


@pytest.mark.parametrize("command", ["fix", "undo", "verify"])
def test_a_folder_that_is_none(tmp_path: Path, cli: Cli, command: str) -> None:
    site = lay(tmp_path / "site")
    before = states(site)
    for path in (tmp_path / "absent", site / "demo" / "__init__.py"):
        told = cli(command, "--path", site, "--path", path)
        assert (told.status, told.out, told.err) == (2, "", f"error: {path}: is not a directory\n")
    assert states(site) == before


@pytest.mark.parametrize("command", ["fix", "check", "undo", "verify"])
@pytest.mark.parametrize("words", [(), ("-q",)])
def test_a_path_without_any_project(tmp_path: Path, cli: Cli, command: str, words: tuple[str, ...]) -> None:
    told = cli(command, *words, "--path", tmp_path)
    assert (told.status, told.out) == (1, "No project was found.\n")
    assert told.err == (
        f"warning: {tmp_path}: holds no installed project, so nothing was looked at there;"
        " name the directory that holds the .dist-info directories\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["", ".venv"])
def test_an_environment_is_no_path(tmp_path: Path, cli: Cli, place: str) -> None:
    folder = make_environment(tmp_path / place)
    told = cli("fix", "-q", "--path", tmp_path)
    assert told.status == 1
    assert told.err.endswith(f"nothing was looked at there; did you mean --python {folder}?\n")
    lay(site_packages(folder))
    assert cli("fix", "--python", folder).out.startswith("1 extension module in 1 project: 1 fixed.\n")
    data = json.loads(cli("fix", "--path", tmp_path, "--path", site_packages(folder), "--json").out)
    assert [project["action"] for project in data["projects"]] == ["unchanged"]
    assert [doubt.partition(": ")[0] for doubt in data["doubts"]] == [str(tmp_path)]


@pytest.mark.parametrize("command", ["fix", "undo", "verify"])
def test_a_target_of_another_machine_needs_a_path(tmp_path: Path, cli: Cli, command: str) -> None:
    told = cli(command, "--target-file", target_file(tmp_path))
    assert told.status == 2
    assert told.err == (
        "error: the target cannot be run here, so its directories are not those of this machine\n"
        "tip: name the directories to work on with --path\n"
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_dry_run_changes_nothing_and_says_what_would_be(tmp_path: Path, cli: Cli, mode: str) -> None:
    site = lay(tmp_path / "site")
    before = states(site)
    told = cli("fix", "--path", site, "--dry-run", "--mode", mode)
    assert (told.status, told.err) == (0, "")
    would = DEEDS[mode].replace("now links", "would link").replace("is now", "would be")
    assert told.out.splitlines() == [
        "1 extension module in 1 project: 1 misnamed.",
        "demo 1.0: 1 extension module: 1 misnamed",
        f"  demo/_speed{WRONG}: misnamed: the target looks for _speed{RIGHT}, {would}",
    ]
    assert states(site) == before
    fix_paths(site, mode=mode)
    fixed = states(site)
    told = cli("undo", "--path", site, "--dry-run")
    assert (told.status, told.err) == (0, "")
    assert "demo 1.0: would be put back" in told.out
    assert states(site) == fixed


def test_a_dry_run_foresees_what_would_fail(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    lay(site, "good")
    (site / "demo" / f"_speed{WRONG}").write_bytes(MODULE + b"changed")
    before = states(site)
    foreseen = fix_paths(site, dry_run=True)
    assert states(site) == before
    happened = fix_paths(site)
    assert actions(foreseen) == actions(happened) == {"demo": "failed", "good": "fixed"}
    assert problems(foreseen) == problems(happened)


def test_a_dry_run_leaves_the_leftovers_of_a_killed_one_alone(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    make_staging(str(site / ".muslfix-dead"))
    before = states(site)
    assert fix_paths(site, dry_run=True).warnings == ()
    assert states(site) == before
    assert fix_paths(site).warnings == (f"{site}: cleaned up after an interrupted muslfix",)
    assert leftovers(site) == []


def test_the_report_as_json(tmp_path: Path, cli: Cli) -> None:
    site = lay(tmp_path / "site", files=demo_files())
    lay(site, "foreign", {f"foreign/_speed{WRONG}": FOREIGN})
    lay(site, "distro", installer="apk")
    (site / "old-1.0-py3.9.egg-info").mkdir()
    for words, status in (
        (["fix", "--dry-run"], 1),
        (["fix"], 1),
        (["fix", "demo"], 0),
        (["verify"], 1),
        (["undo"], 0),
        (["undo", "absent"], 1),
    ):
        told = cli(*words, "--path", site, "--json")
        assert (told.status, told.err) == (status, "")
        facts = json.loads(told.out)
        jsonschema.validate(facts, SCHEMA, cls=jsonschema.Draft202012Validator)
        assert facts["command"] == words[0]
        assert facts["dry_run"] == ("--dry-run" in words)
    told = cli("fix", "--path", site, "--json")
    by_name = {project["name"]: project for project in json.loads(told.out)["projects"]}
    assert {name: project["action"] for name, project in by_name.items()} == {
        "demo": "fixed",
        "distro": "left-alone",
        "foreign": "unchanged",
        "old": "skipped",
    }
    assert by_name["demo"]["modules"][1] == LINKED
    assert by_name["demo"]["source"] == str(site / "demo-1.0.dist-info")
    assert by_name["demo"]["location"] == str(site)


def test_the_function_gives_the_same_report_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site = lay(tmp_path / "site")
    report = muslfix.fix([], muslfix.probe(sys.executable), muslfix.FixOptions(paths=(str(site),)))
    assert report.is_well
    assert [project.name for project in report.projects] == ["demo"]
    assert capfd.readouterr() == ("", "")


# -- what belongs to others -------------------------------------------------------------------------


@pytest.mark.parametrize("owner", ["apk", "conda", "debian", "dpkg", "rpm", "pacman", "nix", "RPM"])
def test_projects_of_a_package_manager_are_left_alone(tmp_path: Path, cli: Cli, owner: str) -> None:
    site = lay(tmp_path / "site", installer=owner)
    lay(site, "ours")
    known = states(site / "demo"), states(dist_info(site))
    told = cli("fix", "--path", site)
    assert told.status == 0
    assert f"demo 1.0: left alone: it belongs to the package manager {owner}" in told.out.splitlines()
    assert (states(site / "demo"), states(dist_info(site))) == known
    assert speed(site, "ours") == SPEED["symlink"]
    assert cli("fix", "--path", site, "--break-system-packages").status == 0
    assert speed(site) == SPEED["symlink"]
    told = cli("undo", "--path", site, "demo")
    assert f"demo 1.0: left alone: it belongs to the package manager {owner}" in told.out.splitlines()
    assert cli("verify", "--path", site, "demo").status == 0
    assert actions(undo_paths(site)) == {"ours": "undone"}
    assert cli("undo", "--path", site, "--break-system-packages").status == 0
    assert speed(site) == [f"_speed{WRONG}"]


@pytest.mark.parametrize("installer", ["pip", "uv", "installer", "poetry 2.5", "", "\n", "condo"])
def test_projects_of_installers_are_ours_to_fix(tmp_path: Path, installer: str) -> None:
    site = lay(tmp_path / "site", installer=installer)
    assert actions(fix_paths(site)) == {"demo": "fixed"}


def test_a_project_without_installer_is_ours_to_fix(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (dist_info(site) / "INSTALLER").unlink()
    assert actions(fix_paths(site)) == {"demo": "fixed"}


def test_an_environment_of_another_tool_is_left_alone(environment: Path) -> None:
    """:pep:`668`."""
    site = lay(site_packages(environment))
    marker = "/usr/lib/python3/EXTERNALLY-MANAGED"
    target = replace(muslfix.probe(str(environment / "bin" / "python")), externally_managed=marker)
    before = states(environment)
    with pytest.raises(EnvironmentRefused, match=f"{marker}: says that another tool manages the environment"):
        fix([], target)
    with pytest.raises(EnvironmentRefused):
        undo([], target)
    assert states(environment) == before
    assert actions(verify([], target)) == {"demo": "verified"}
    assert actions(fix([], target, FixOptions(break_system_packages=True))) == {"demo": "fixed"}
    assert actions(undo([], target, UndoOptions(break_system_packages=True))) == {"demo": "undone"}
    assert snapshot(site)
    # a folder that is named is nobody's environment
    assert actions(fix([], target, FixOptions(paths=(str(site),)))) == {"demo": "fixed"}


def test_a_real_environment_of_another_tool(cli: Cli) -> None:
    python = Path("/usr/bin/python3")
    managed = python.exists() and muslfix.probe(str(python)).externally_managed
    if not managed:
        pytest.skip("the Python of this machine has no marker of PEP 668")
    told = cli("fix", "--python", python, "--dry-run")
    assert told.status == 1
    assert told.out == ""
    assert told.err.startswith(
        f"error: {managed}: says that another tool manages the environment /usr\ntip: "
    )


# -- what cannot be fixed ---------------------------------------------------------------------------

_BACKEND = """\
import base64, hashlib, os, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "edit-1.0-py3-none-any.whl"
    files = {
        "edit.pth": os.path.abspath("src"),
        "edit-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: edit\\nVersion: 1.0\\n",
        "edit-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            rows.append("{},sha256={},{}\\n".format(path, digest, len(text)))
        archive.writestr("edit-1.0.dist-info/RECORD", "".join(rows) + "edit-1.0.dist-info/RECORD,,\\n")
    return name
"""


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_an_editable_installation(
    tool: str, environment: Path, tmp_path: Path, cli: Cli, request: pytest.FixtureRequest
) -> None:
    source = tmp_path / "source"
    (source / "src").mkdir(parents=True)
    (source / "backend.py").write_text(_BACKEND)
    (source / "pyproject.toml").write_text(
        '[project]\nname = "edit"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    words = ["install", "--no-deps", "--no-build-isolation", "--no-index"]
    if tool == "pip":
        well(pip(environment, *words, "--editable", source))
    else:
        uv: Uv = request.getfixturevalue("uv")
        well(uv(environment, *words, "--editable", source))
    site = lay(site_packages(environment))
    before = states(dist_info(site, "edit"))
    well_all = [cli(command, "--python", environment) for command in ("fix", "check", "verify", "undo")]
    assert [told.status for told in well_all] == [0, 0, 0, 0]
    note = f"note: edit 1.0 is an editable install: no extension module in {source} is misnamed"
    assert [told.out.splitlines()[-1] == note for told in well_all] == [True, True, True, False]
    (source / "src" / f"_one{WRONG}").write_bytes(MODULE)
    told = cli("fix", "--python", environment)
    assert told.status == 1
    assert told.out.splitlines() == [
        "2 extension modules in 2 projects: 1 fixed, 1 misnamed in source trees.",
        "edit 1.0: 1 extension module: 1 misnamed in source trees",
        f"  {source}/src/_one{WRONG}: misnamed: the target looks for _one{RIGHT}",
        f"  tip: build it again with the target interpreter, for example: pip install --editable {source}",
        "demo 1.0: 1 extension module: 1 fixed",
    ]
    assert speed(site) == SPEED["symlink"]
    assert [cli(command, "--python", environment).status for command in ("check", "verify")] == [1, 1]
    assert os.listdir(source / "src") == [f"_one{WRONG}"]
    assert states(dist_info(site, "edit")) == before
    assert cli("undo", "--python", environment).status == 0


@pytest.mark.parametrize("name", ["Old_Thing-1.0-py3.9.egg-info", "old.thing.egg-info", "old-thing.egg-link"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_installation_without_record_of_the_old_kind(
    tmp_path: Path, cli: Cli, name: str, kind: str
) -> None:
    site = lay(tmp_path / "site")
    path = site / name
    path.mkdir() if kind == "folder" else path.touch()
    told = cli("fix", "--path", site)
    assert told.status == 1
    assert told.out.splitlines()[1:3] == [
        f"old-thing: not looked at: {path} has no RECORD, so muslfix cannot tell which files belong to it",
        "  tip: install the project again with pip or uv",
    ]
    assert speed(site) == SPEED["symlink"]
    assert cli("fix", "--path", site, "demo").status == 0
    assert cli("fix", "--path", site, "Old.Thing").status == 1


def test_an_old_installation_beside_the_new_one_is_no_news(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (site / "demo.egg-info").mkdir()
    assert actions(fix_paths(site)) == {"demo": "fixed"}


def _without(site: Path) -> None:
    (dist_info(site) / "RECORD").unlink()


def _folder(site: Path) -> None:
    _without(site)
    (dist_info(site) / "RECORD").mkdir()


def _broken_link(site: Path) -> None:
    _without(site)
    (dist_info(site) / "RECORD").symlink_to("nowhere")


def _link_to_itself(site: Path) -> None:
    _without(site)
    (dist_info(site) / "RECORD").symlink_to("RECORD")


def _pipe(site: Path) -> None:
    _without(site)
    os.mkfifo(dist_info(site) / "RECORD")


def _no_folder(site: Path) -> None:
    shutil.rmtree(dist_info(site))
    (site / "demo-1.0.dist-info").touch()


def _damaged(text: str) -> Callable[[Path], None]:
    return lambda site: write_record(site, record_of(site) + text)


def _changed(site: Path) -> None:
    (site / "demo" / f"_speed{WRONG}").write_bytes(MODULE + b"changed")


def _untrue(old: str, new: str) -> Callable[[Path], None]:
    return lambda site: write_record(site, record_of(site).replace(old, new))


def _listed_already(site: Path) -> None:
    write_record(site, record_of(site) + row_of(f"demo/_speed{RIGHT}", b"gone"))


def _damaged_trace(site: Path) -> None:
    (dist_info(site) / "muslfix.json").write_text("[]")


NO_RECORD = (
    "{site}/demo-1.0.dist-info/RECORD: cannot be read ({}), so muslfix cannot tell which files belong to demo"
)
NO_HASH = "{site}/demo-1.0.dist-info/RECORD: has no usable hash for demo/_speed{wrong}"
DIFFERS = "{site}/demo/_speed{wrong}: is not the file that the RECORD of demo lists: its hash differs"
RECORD_OF_DEMO = "{site}/demo-1.0.dist-info/RECORD: "
PROBLEMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no RECORD": (_without, NO_RECORD.replace("{}", "No such file or directory")),
    "RECORD is a folder": (_folder, NO_RECORD.replace("{}", "not a regular file")),
    "RECORD is a broken link": (_broken_link, NO_RECORD.replace("{}", "No such file or directory")),
    "RECORD is a link to itself": (
        _link_to_itself,
        NO_RECORD.replace("{}", "Too many levels of symbolic links"),
    ),
    "RECORD is a pipe": (_pipe, NO_RECORD.replace("{}", "not a regular file")),
    "no folder": (_no_folder, NO_RECORD.replace("{}", "Not a directory")),
    "RECORD with a short row": (_damaged("a,b\n"), RECORD_OF_DEMO + "has 2 fields instead of 3 in line 6"),
    "RECORD with an open quote": (
        _damaged('"a,,\n'),
        RECORD_OF_DEMO + "is no valid CSV in line 6 (unexpected end of data)",
    ),
    "RECORD with a NUL": (_damaged("a\0,,\n"), RECORD_OF_DEMO + "has a NUL in line 6"),
    "another file": (_changed, DIFFERS),
    "another hash": (_untrue(hash_of(MODULE), hash_of(b"other")), DIFFERS),
    "a hash of another length": (_untrue(hash_of(MODULE), "sha256=YWI"), DIFFERS),
    "no hash": (_untrue(hash_of(MODULE), "sha256"), NO_HASH),
    "hash without a name": (_untrue(hash_of(MODULE), hash_of(MODULE)[6:]), NO_HASH),
    "hash of an unknown kind": (_untrue(hash_of(MODULE), "sha257=YWI"), NO_HASH),
    "hash without a length": (_untrue(hash_of(MODULE), "shake_128=YWI"), NO_HASH),
    "RECORD lists the right name": (
        _listed_already,
        "{site}/demo/_speed{right}: does not exist, but the RECORD of demo lists it",
    ),
    "damaged trace": (
        _damaged_trace,
        "{site}/demo-1.0.dist-info/muslfix.json: was not written by muslfix:"
        " the document is not a JSON object",
    ),
}


def test_a_module_that_is_too_large_to_hash(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be read; nothing is said about writing."""
    site = lay(tmp_path / "site")
    monkeypatch.setattr("muslfix.files.access.LARGEST_HASHED", 1)
    told = cli("fix", "--path", site)
    reason = "cannot be compared with RECORD (larger than 16 GiB, and no larger file is hashed)"
    assert told.status == 1
    assert f"demo 1.0: failed: {site}/demo/_speed{WRONG}: {reason}\n" in told.out


@pytest.mark.parametrize("kind", PROBLEMS)
def test_what_cannot_be_fixed_is_one_line_and_the_others_go_on(tmp_path: Path, cli: Cli, kind: str) -> None:
    harm, sentence = PROBLEMS[kind]
    site = lay(tmp_path / "site")
    lay(site, "after")
    lay(site, "before")
    harm(site)
    known = states(site / "demo"), states(site / "demo-1.0.dist-info")

    told = cli("fix", "--path", site)

    assert (told.status, told.err) == (1, "")
    said = sentence.format(site=site, wrong=WRONG, right=RIGHT)
    about = [line for line in told.out.splitlines() if line.startswith("demo")]
    assert about == [f"demo 1.0: failed: {said}"]
    assert (states(site / "demo"), states(site / "demo-1.0.dist-info")) == known
    assert (speed(site, "before"), speed(site, "after")) == (SPEED["symlink"], SPEED["symlink"])
    assert leftovers(site) == []
    foreseen = fix_paths(site, dry_run=True)
    assert problems(foreseen) == {"demo": said}


def test_a_row_without_hash_gives_one_without_hash(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    before = snapshot(site)
    write_record(site, record_of(site).replace(f"{hash_of(MODULE)},{len(MODULE)}", ","))
    text = record_of(site)
    assert actions(fix_paths(site)) == {"demo": "fixed"}
    assert f"demo/_speed{RIGHT},,\n" in record_of(site)
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert record_of(site) == text
    assert speed(site) == [f"_speed{WRONG}"]
    assert snapshot(site).keys() == before.keys()


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        pytest.param(FOREIGN, "other-libc", id="other libc"),
        pytest.param(b"no ELF file", "not-elf", id="text"),
        pytest.param(None, "missing", id="missing"),
        pytest.param(MODULE[:200], "not-elf", id="cut"),
    ],
)
def test_a_module_that_is_refused_does_not_stop_the_others(
    tmp_path: Path, cli: Cli, content: bytes | None, verdict: str
) -> None:
    site = tmp_path / "site"
    files = {**small_files(), f"demo/_other{WRONG}": content or b""}
    lay(site, files=files)
    lay(site, "good")
    if content is None:
        (site / "demo" / f"_other{WRONG}").unlink()
    told = cli("fix", "--path", site)
    assert (told.status, told.err) == (1, "")
    assert f"demo/_other{WRONG}: {verdict}: " in told.out
    names = [f"_other{WRONG}"] if content is not None else []
    assert speed(site) == [*names, *SPEED["symlink"]]
    assert speed(site, "good") == SPEED["symlink"]
    what = "missing" if content is None else "refused"
    assert f"demo 1.0: 2 extension modules: 1 fixed, 1 {what}" in told.out
    exact = states(site)
    again = cli("fix", "--path", site)
    assert again.status == 1
    assert states(site) == exact


def test_a_name_that_is_taken(tmp_path: Path, cli: Cli) -> None:
    site = lay(tmp_path / "site")
    (site / "demo" / f"_speed{RIGHT}").write_bytes(b"of somebody else")
    before = states(site)
    told = cli("fix", "--path", site)
    assert told.status == 1
    assert (
        f"demo/_speed{WRONG}: occupied: the name it needs, _speed{RIGHT}, is taken by another file"
        in told.out
    )
    assert states(site) == before


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "copy"])
def test_a_name_that_somebody_has_given_by_hand(tmp_path: Path, cli: Cli, kind: str) -> None:
    """``ln -s`` is the usual workaround: the target imports the module, and all is well."""
    site = lay(tmp_path / "site")
    old, new = site / "demo" / f"_speed{WRONG}", site / "demo" / f"_speed{RIGHT}"
    if kind == "symbolic link":
        new.symlink_to(old.name)
    elif kind == "hard link":
        os.link(old, new)
    else:
        shutil.copy(old, new)
    before = states(site)
    told = cli("fix", "--path", site, "--verbose")
    assert (told.status, told.err) == (0, "")
    assert f"demo/_speed{WRONG}: served: for this module the target imports _speed{RIGHT}" in told.out
    assert states(site) == before
    new.unlink()
    assert actions(fix_paths(site)) == {"demo": "fixed"}


def test_a_module_that_two_projects_list(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    lay(site, "twin", small_files("demo"))
    before = snapshot(site)
    report = fix_paths(site)
    assert report.is_well, lines(report)
    assert actions(report) == {"demo": "fixed", "twin": "unchanged"}
    assert speed(site) == SPEED["symlink"]
    assert actions(undo_paths(site)) == {"demo": "undone", "twin": "unchanged"}
    assert snapshot(site) == before


def test_a_library_that_is_only_named_like_a_module(tmp_path: Path, cli: Cli) -> None:
    """No import could start it, so it gets no name; a program can load it by ctypes, so it stops nothing."""
    site = lay(tmp_path / "site", files={f"demo/_speed{WRONG}": MODULE, f"demo/liba{WRONG}": MODULE})
    words = "--path", site, "--target-file", target_file(tmp_path)
    told = cli("fix", *words)
    assert (told.status, told.err) == (0, ""), told.out
    assert "1 fixed, 1 without an init function" in told.out.splitlines()[0]
    assert (
        f"liba{WRONG}: no-init: it has no function PyInit_liba, so no import of liba can load it" in told.out
    )
    assert {*os.listdir(site / "demo")} == {f"_speed{WRONG}", f"_speed{RIGHT}", f"liba{WRONG}"}
    again = [cli(command, *words) for command in ("fix", "check", "verify")]
    assert [done.status for done in again] == [0, 0, 0]
    assert "no-init" in again[1].out


@pytest.mark.parametrize("kind", ["folder", "broken link"])
def test_a_name_that_is_taken_by_something_odd(tmp_path: Path, kind: str) -> None:
    site = lay(tmp_path / "site")
    taken = site / "demo" / f"_speed{RIGHT}"
    taken.mkdir() if kind == "folder" else taken.symlink_to("nowhere")
    before = states(site)
    report = fix_paths(site)
    assert not report.is_well
    assert report.projects[0].modules[0].verdict == "occupied"
    assert states(site) == before


@pytest.mark.parametrize("name", ["~emo", "-emo", "d emo", "demo-", "dé"])
def test_folders_that_are_no_projects(tmp_path: Path, cli: Cli, name: str) -> None:
    """An interrupted pip leaves ``~emo-1.0.dist-info``, and ignores it."""
    site = lay(tmp_path / "site")
    shutil.copytree(dist_info(site), site / f"{name}-1.0.dist-info")
    (site / "demo" / f"_speed{WRONG}").write_bytes(MODULE)
    if name == "demo-":
        shutil.rmtree(site / f"{name}-1.0.dist-info")
        shutil.copytree(dist_info(site), site / ".dist-info")
    told = cli("fix", "--path", site)
    assert (told.status, told.out.count("demo 1.0: 1 extension module: 1 fixed")) == (0, 1)


# -- RECORD that lies about where files are ---------------------------------------------------------


def _outside_rows(site: Path, outside: Path) -> list[str]:
    return [
        f"../outside/_speed{WRONG}",
        f"demo/../../outside/_speed{WRONG}",
        str(outside / f"_speed{WRONG}"),
        f"link/_speed{WRONG}",
        f"demo/link/deep/_speed{WRONG}",
        f"file{WRONG}",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_rows_that_lead_outside_are_never_followed(tmp_path: Path, cli: Cli, mode: str) -> None:
    outside, site = tmp_path / "outside", lay(tmp_path / "site")
    (outside / "deep").mkdir(parents=True)
    for folder in (outside, outside / "deep"):
        (folder / f"_speed{WRONG}").write_bytes(MODULE)
    (site / "link").symlink_to(outside)
    (site / "demo" / "link").symlink_to("../../outside")
    rows = _outside_rows(site, outside)[:-1]
    write_record(site, record_of(site) + "".join(row_of(path, MODULE) for path in rows))
    before = states(outside)

    told = cli("fix", "--path", site, "--mode", mode)

    assert (told.status, told.err) == (0, "")
    assert "outside" not in told.out
    assert "link/" not in told.out
    assert speed(site) == SPEED[mode]
    assert states(outside) == before
    for path in rows:
        assert row_of(path, MODULE) in record_of(site)
    assert cli("undo", "--path", site).status == 0
    assert states(outside) == before


def test_a_folder_that_is_a_link_to_another_inside(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", files={f"real/_speed{WRONG}": MODULE, "demo/__init__.py": b""})
    (site / "demo" / "link").symlink_to("../real")
    write_record(site, record_of(site).replace("real/", "demo/link/"))
    before = snapshot(site)
    assert actions(fix_paths(site)) == {"demo": "fixed"}
    assert speed(site, "real") == SPEED["symlink"]
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == before


def test_a_site_folder_that_is_reached_by_a_link(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    (tmp_path / "link").symlink_to("site")
    report = fix_paths(tmp_path / "link", site)
    assert actions(report) == {"demo": "fixed"}
    assert len(report.projects) == 1


def test_a_module_that_is_a_pipe(tmp_path: Path) -> None:
    """Whoever opens one waits for ever."""
    site = lay(tmp_path / "site")
    module = site / "demo" / f"_speed{WRONG}"
    module.unlink()
    os.mkfifo(module)
    (decision,) = fix_paths(site).projects[0].modules
    assert decision.verdict == "not-elf"
    assert decision.sentence == "it cannot be read (not a regular file)"


# -- RECORD of every form ---------------------------------------------------------------------------

HASH = f"{hash_of(MODULE)},{len(MODULE)}"
OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"
OWN = "demo-1.0.dist-info/RECORD,,"
TRACE = "<the row of muslfix.json>"
# RECORD before, after a fix with links, after a fix by renaming.
FORMS: dict[str, tuple[str, str, str]] = {
    "LF": (
        f"{OLD},{HASH}\n{OWN}\n",
        f"{OLD},{HASH}\n{NEW},{HASH}\n{TRACE}\n{OWN}\n",
        f"{NEW},{HASH}\n{TRACE}\n{OWN}\n",
    ),
    "CRLF": (
        f"{OLD},{HASH}\r\n{OWN}\r\n",
        f"{OLD},{HASH}\r\n{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\r\n",
        f"{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\r\n",
    ),
    "CR": (
        f"{OLD},{HASH}\r{OWN}\r",
        f"{OLD},{HASH}\r{NEW},{HASH}\r{TRACE}\r{OWN}\r",
        f"{NEW},{HASH}\r{TRACE}\r{OWN}\r",
    ),
    "mixed": (
        f"a,,\r{OLD},{HASH}\r\n{OWN}\n",
        f"a,,\r{OLD},{HASH}\r\n{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\n",
        f"a,,\r{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\n",
    ),
    "no final newline": (
        f"{OLD},{HASH}\n{OWN}",
        f"{OLD},{HASH}\n{NEW},{HASH}\n{TRACE}\n{OWN}",
        f"{NEW},{HASH}\n{TRACE}\n{OWN}",
    ),
    "the module last, without newline": (
        f"{OWN}\r\n{OLD},{HASH}",
        f"{OWN}\r\n{OLD},{HASH}\r\n{NEW},{HASH}\r\n{TRACE}",
        f"{OWN}\r\n{NEW},{HASH}\r\n{TRACE}",
    ),
    "one row without newline": (
        f"{OLD},{HASH}",
        f"{OLD},{HASH}\n{NEW},{HASH}\n{TRACE}",
        f"{NEW},{HASH}\n{TRACE}",
    ),
    "own row first": (
        f"{OWN}\n{OLD},{HASH}\nz,,\n",
        f"{OWN}\n{OLD},{HASH}\n{NEW},{HASH}\nz,,\n{TRACE}\n",
        f"{OWN}\n{NEW},{HASH}\nz,,\n{TRACE}\n",
    ),
    "blank lines": (
        f"\n\n{OLD},{HASH}\n\r\n{OWN}\n\n\n",
        f"\n\n{OLD},{HASH}\n{NEW},{HASH}\n\r\n{TRACE}\r\n{OWN}\n\n\n",
        f"\n\n{NEW},{HASH}\n\r\n{TRACE}\r\n{OWN}\n\n\n",
    ),
    "quotes": (
        f'"{OLD}","{hash_of(MODULE)}","{len(MODULE)}"\n"a,""b""",,\n"{OWN[:-2]}",,\n',
        f'"{OLD}","{hash_of(MODULE)}","{len(MODULE)}"\n{NEW},{HASH}\n"a,""b""",,\n{TRACE}\n"{OWN[:-2]}",,\n',
        f'{NEW},{HASH}\n"a,""b""",,\n{TRACE}\n"{OWN[:-2]}",,\n',
    ),
    "quoted line ends": (
        f'"a\r\nb\n",,\r\n{OLD},{HASH}\r\n{OWN}\r\n',
        f'"a\r\nb\n",,\r\n{OLD},{HASH}\r\n{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\r\n',
        f'"a\r\nb\n",,\r\n{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\r\n',
    ),
    "bytes that are not UTF-8": (
        f"\udcff\udcfe,,\n{OLD},{HASH}\n{OWN}\n",
        f"\udcff\udcfe,,\n{OLD},{HASH}\n{NEW},{HASH}\n{TRACE}\n{OWN}\n",
        f"\udcff\udcfe,,\n{NEW},{HASH}\n{TRACE}\n{OWN}\n",
    ),
    "no row for RECORD": (
        f"{OLD},{HASH}\na,,\n",
        f"{OLD},{HASH}\n{NEW},{HASH}\na,,\n{TRACE}\n",
        f"{NEW},{HASH}\na,,\n{TRACE}\n",
    ),
    "the module twice": (
        f"{OLD},{HASH}\n{OLD},{HASH}\r\n{OWN}\n",
        f"{OLD},{HASH}\n{NEW},{HASH}\n{OLD},{HASH}\r\n{TRACE}\r\n{OWN}\n",
        f"{NEW},{HASH}\n{NEW},{HASH}\r\n{TRACE}\r\n{OWN}\n",
    ),
    "another hash": (
        f"{OLD},{hash_of(MODULE, 'sha512')},{len(MODULE)}\n{OWN}\n",
        f"{OLD},{hash_of(MODULE, 'sha512')},{len(MODULE)}\n{NEW},{hash_of(MODULE, 'sha512')},{len(MODULE)}\n"
        f"{TRACE}\n{OWN}\n",
        f"{NEW},{hash_of(MODULE, 'sha512')},{len(MODULE)}\n{TRACE}\n{OWN}\n",
    ),
    "padded hash": (
        f"{OLD},{hash_of(MODULE)}=,{len(MODULE)}\n{OWN}\n",
        f"{OLD},{hash_of(MODULE)}=,{len(MODULE)}\n{NEW},{hash_of(MODULE)}=,{len(MODULE)}\n{TRACE}\n{OWN}\n",
        f"{NEW},{hash_of(MODULE)}=,{len(MODULE)}\n{TRACE}\n{OWN}\n",
    ),
    "absolute rows and rows outside": (
        f"/etc/passwd,,\n../../../bin/demo,,\n{OLD},{HASH}\n{OWN}\n",
        f"/etc/passwd,,\n../../../bin/demo,,\n{OLD},{HASH}\n{NEW},{HASH}\n{TRACE}\n{OWN}\n",
        f"/etc/passwd,,\n../../../bin/demo,,\n{NEW},{HASH}\n{TRACE}\n{OWN}\n",
    ),
}


@pytest.mark.parametrize(
    ("form", "mode"), [*pairs([*FORMS], MODES[:3]), *((form, "rename") for form in FORMS)]
)
def test_record_of_every_form(tmp_path: Path, form: str, mode: str) -> None:
    before, linked, renamed = FORMS[form]
    site = lay(tmp_path / "site", record=lambda _: before.encode("utf-8", "surrogateescape"))
    tree = snapshot(site)

    assert actions(fix_paths(site, mode=mode)) == {"demo": "fixed"}

    expected = renamed if mode == "rename" else linked
    assert record_of(site) == expected.replace(TRACE, trace_row(site, line_end=""))
    assert speed(site) == SPEED[mode]
    exact = states(site)
    assert actions(fix_paths(site, mode=mode)) == {"demo": "unchanged"}
    assert states(site) == exact
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == tree


@pytest.mark.once
def test_record_with_100_000_rows(tmp_path: Path) -> None:
    rows = "".join(f"demo/data/{n}.txt,{hash_of(b'')},0\r\n" for n in range(100_000))
    site = lay(tmp_path / "site", line_end="\r\n", record=lambda text: rows + text)
    before = snapshot(site)
    text = record_of(site)
    assert actions(fix_paths(site)) == {"demo": "fixed"}
    assert record_of(site) == fixed_record(text, site, "symlink", "\r\n")
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == before


@pytest.mark.parametrize("mode", ["symlink", "rename"])
def test_a_project_with_many_modules(tmp_path: Path, mode: str) -> None:
    files = {f"demo/d{n}/m{WRONG}": MODULE for n in range(60)}
    site = lay(tmp_path / "site", files=files)
    before, text = snapshot(site), record_of(site)
    assert actions(fix_paths(site, mode=mode)) == {"demo": "fixed"}
    assert record_of(site) == fixed_record(text, site, mode, "\n")
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert snapshot(site) == before


@pytest.mark.parametrize("leads_to", ["inside", "outside"])
def test_record_that_is_a_symbolic_link(tmp_path: Path, leads_to: str) -> None:
    """What it leads to may belong to others: it is read, and never written to."""
    site = lay(tmp_path / "site")
    real = (tmp_path if leads_to == "outside" else dist_info(site)) / "real"
    (dist_info(site) / "RECORD").rename(real)
    (dist_info(site) / "RECORD").symlink_to(real)
    text, state = real.read_bytes(), real.stat()
    assert actions(fix_paths(site)) == {"demo": "fixed"}
    assert real.read_bytes() == text
    assert (real.stat().st_ino, real.stat().st_mtime_ns) == (state.st_ino, state.st_mtime_ns)
    assert not (dist_info(site) / "RECORD").is_symlink()
    assert record_of(site) == fixed_record(text.decode(), site, "symlink", "\n")
    assert actions(undo_paths(site)) == {"demo": "undone"}
    assert record_of(site).encode() == text


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o444])
def test_record_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    site = lay(tmp_path / "site")
    (dist_info(site) / "RECORD").chmod(mode)
    before = snapshot(site)
    fix_paths(site)
    assert (dist_info(site) / "RECORD").stat().st_mode & 0o7777 == mode
    undo_paths(site)
    assert snapshot(site) == before


def test_record_that_is_a_hard_link_is_never_written_to(tmp_path: Path) -> None:
    site = lay(tmp_path / "site")
    os.link(dist_info(site) / "RECORD", tmp_path / "twin")
    text = (tmp_path / "twin").read_bytes()
    fix_paths(site)
    assert (tmp_path / "twin").read_bytes() == text
    undo_paths(site)
    assert (tmp_path / "twin").read_bytes() == text


def test_usage_error_is_raised_by_the_function(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        fix([], running(), FixOptions(paths=(str(tmp_path / "absent"),)))
