"""``muslfix run``: the command's terminal, signals and exit status, and the fix behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
from commands import Cli, Result, read_only
from environments import make_environment, make_prefix, site_packages
from faults import forked, heed_permissions
from misnamed import FOREIGN, RIGHT, WRONG, lay, make_demo, served_by, speed
from real_tools import environment_with_muslfix, muslfix_command, process_environment, run
from trees import snapshot

import muslfix
from muslfix.cli import main
from muslfix.cli.runner import _Relay

SCHEMA = json.loads((Path(muslfix.__file__).parent / "report.schema.json").read_text(encoding="utf-8"))
TRUE = ("--", "true")


@pytest.fixture
def site(environment: Path) -> Path:
    """A folder of modules with a misnamed project."""
    return lay(site_packages(environment))


NOTHING = "0 projects: nothing to fix.\n"


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


# -- the fix ----------------------------------------------------------------------------------------


def test_one_line_for_each_project_that_was_fixed(cli: Cli, environment: Path, site: Path) -> None:
    lay(site, "other")
    lay(site, "pure", {"pure.py": b""})
    done = cli("run", "--python", environment, *TRUE)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "2 extension modules in 3 projects: 2 fixed.",
        "demo 1.0: 1 extension module: 1 fixed",
        "other 1.0: 1 extension module: 1 fixed",
    ]
    again = cli("run", "--python", environment, *TRUE)
    assert (again.status, again.err) == (0, "")
    assert again.out == "2 extension modules in 3 projects: nothing to fix.\n"


def test_more_is_told_where_it_is_asked_for(cli: Cli, environment: Path, site: Path) -> None:
    lines = cli("run", "-v", "--python", environment, *TRUE).out.splitlines()
    assert lines[1] == "demo 1.0: 1 extension module: 1 fixed"
    assert lines[2].startswith(f"  demo/_speed{WRONG}: fixed: the target looks for _speed{RIGHT}")


def test_quiet(cli: Cli, environment: Path, site: Path) -> None:
    done = cli("run", "-q", "--python", environment, *TRUE)
    assert (done.status, done.out, done.err) == (0, "", "")
    assert len(speed(site)) == 2
    (site / "legacy.egg-info").mkdir()
    done = cli("run", "-q", "--python", environment, *TRUE)
    assert "legacy: not looked at: " in done.out
    unsure = cli("run", "-q", "--path", site, "--", "sh", "-c", "exit 3")
    assert (unsure.status, unsure.out, unsure.err) == (3, "", "")


def test_json(cli: Cli, environment: Path, site: Path) -> None:
    done = cli("run", "--json", "--python", environment, "--", "echo", "of the command")
    first, _, rest = done.out.partition("\n")
    report = json.loads(rest)
    jsonschema.validate(report, SCHEMA)
    assert (done.status, first) == (0, "of the command")
    assert [(project["name"], project["action"]) for project in report["projects"]] == [("demo", "fixed")]


def test_the_options_of_fix(cli: Cli, environment: Path, site: Path, tmp_path: Path) -> None:
    folder = lay(tmp_path / "lib", "inside")
    lay(folder, "owned", installer="apk")
    done = cli("run", "--python", environment, "--path", folder, "--mode", "rename", *TRUE)
    assert done.out.splitlines() == [
        "1 extension module in 2 projects: 1 fixed, 1 project left alone.",
        "inside 1.0: 1 extension module: 1 fixed",
        "owned 1.0: left alone: it belongs to the package manager apk",
        "  tip: change it with that, or use --break-system-packages if you accept the risk",
    ]
    assert speed(folder, "inside") == [f"_speed{RIGHT}"]
    done = cli("run", "--python", environment, "--path", folder, "--break-system-packages", *TRUE)
    assert "\nowned 1.0: 1 extension module: 1 fixed\n" in done.out
    assert speed(site) == [f"_speed{WRONG}"]


def test_a_target_file(cli: Cli, tmp_path: Path) -> None:
    """What is installed for another machine: ``pip install --target lib --platform …``."""
    folder = lay(tmp_path / "lib")
    (tmp_path / "target.json").write_text(cli("interpreter", "--json").out, encoding="utf-8")
    done = cli("run", "--target-file", tmp_path / "target.json", "--path", folder, *TRUE)
    assert (done.status, done.out.splitlines()[1:]) == (
        0,
        ["demo 1.0: 1 extension module: 1 fixed, 1 could not be checked for loading"],
    )


def test_what_was_not_looked_at_is_named(cli: Cli, environment: Path, site: Path) -> None:
    (site / "legacy-1.0.egg-info").mkdir()
    lay(site, "edit", {"edit.pth": b"/src\n", "edit-1.0.dist-info/direct_url.json": b""})
    (site / "edit-1.0.dist-info" / "direct_url.json").write_text('{"dir_info": {"editable": true}}')
    done = cli("run", "--python", environment, *TRUE)
    assert done.status == cli("fix", "--python", environment).status == 1
    assert re.fullmatch(
        r"1 extension module in 3 projects: 1 fixed, 2 projects not looked at\.\n"
        r"edit 1\.0: not looked at: it is an editable install.*\n  tip: .+\n"
        r"legacy: not looked at: .+ has no RECORD.*\n  tip: .+\n"
        r"demo 1\.0: 1 extension module: 1 fixed\n",
        done.out,
    )


def test_a_refused_module_fails_the_run(cli: Cli, environment: Path, site: Path) -> None:
    lay(site, "foreign", {f"foreign/_speed{WRONG}": FOREIGN})
    done = cli("run", "--python", environment, *TRUE)
    assert done.status == 1
    _, heading, refused, tip, fixed = done.out.splitlines()
    assert heading == "foreign 1.0: 1 extension module: 1 refused"
    assert refused.startswith(f"  foreign/_speed{WRONG}: other-libc: it is linked to ")
    assert tip.startswith("  tip: ")
    assert fixed == "demo 1.0: 1 extension module: 1 fixed"
    assert cli("run", "--python", environment, *TRUE).status == 1


def test_a_project_that_fails_fails_the_run(cli: Cli, environment: Path, site: Path) -> None:
    lay(site, "broken", record=lambda _text: '"unfinished, .so')
    done = cli("run", "--python", environment, *TRUE)
    assert done.status == 1
    _, failed, tip, fixed = done.out.splitlines()
    assert re.fullmatch(r"broken 1\.0: failed: .+RECORD: .+", failed)
    assert tip.startswith("  tip: ")
    assert fixed == "demo 1.0: 1 extension module: 1 fixed"


def test_an_interpreter_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    done = cli("run", "--python", tmp_path / "none", "--", "echo", "ran")
    assert (done.status, done.out) == (1, "ran\n")
    assert re.fullmatch(r"error: .+/none: does not exist\ntip: .+\n", done.err)


# -- the words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--"], ["-v"], ["--mode", "copy", "--"]])
def test_without_a_command_it_is_a_matter_of_usage(cli: Cli, words: list[str]) -> None:
    done = cli("run", *words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: no command is given\n")


@pytest.mark.parametrize(
    ("words", "got"),
    [
        (["--"], ["--mode", "x", "--", "-v", "--json", ""]),
        (["-q", "--"], ["--", "--"]),
        ([], ["-v", "--mode", "x", "a b", "*"]),
        (["--mode", "copy"], ["--mode", "x"]),
    ],
)
def test_the_command_gets_its_words_as_they_are(
    cli: Cli, environment: Path, words: list[str], got: list[str]
) -> None:
    code = "import sys; print(sys.argv[1:])"
    done = cli("run", "--python", environment, *words, sys.executable, "-c", code, *got)
    assert (done.status, done.out, done.err) == (0, f"{got}\n{'' if '-q' in words else NOTHING}", "")


def test_an_unknown_option_is_a_matter_of_usage(cli: Cli) -> None:
    assert cli("run", "--nonsense", *TRUE).status == 2


def test_a_dry_run_runs_nothing(cli: Cli, environment: Path, site: Path) -> None:
    before = snapshot(environment)
    words = ("run", "--dry-run", "--python", environment)
    done = cli(*words, "--", "rm", "-r", f"{environment}/a b")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"would run: rm -r '{environment}/a b'",
        f"would fix: the environment of {environment}/bin/python",
    ]
    done = cli(*words, "--json", "--path", "lib", "--", "pip", "install", "-t", "other", "x")
    report = json.loads(done.out)
    jsonschema.validate(report, SCHEMA)
    assert (done.status, report["dry_run"], report["projects"]) == (0, True, [])
    assert done.err.splitlines() == [
        "would run: pip install -t other x",
        f"would fix: lib of {environment}/bin/python",
    ]
    assert snapshot(environment) == before


# -- the places that the command changes ------------------------------------------------------------

PYTHON = "python{}.{}".format(*sys.version_info)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three environments: an active one, that of the project that is worked in, and another."""
    for name in ("active", "project/.venv", "other"):
        make_environment(tmp_path / name)
    lay(tmp_path / "demo")
    (tmp_path / "project" / "sub").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path / "project" / "sub")
    return tmp_path


def installer(world: Path, *destinations: Path, end: str = "") -> Path:
    """A program whose words tell nothing: like ``make``, it knows by itself what to do."""
    path = world / "install.sh"
    copies = [f"mkdir -p '{to}' && cp -R '{world}/demo/.' '{to}'\n" for to in destinations]
    path.write_text("#!/bin/sh\n" + "".join(copies) + end)
    path.chmod(0o755)
    return path


def changed(result: Result) -> list[str]:
    """The places that are said to have changed."""
    return [line.partition(" ")[2] for line in result.out.splitlines() if line.startswith("changed: ")]


@pytest.mark.parametrize("name", ["active", "project/.venv"])
def test_what_has_changed_is_fixed_and_nothing_else(cli: Cli, world: Path, name: str) -> None:
    """The words do not tell, and each of the two would be a good guess."""
    sites = {each: site_packages(world / each) for each in ("active", "project/.venv", "other")}
    changed_site = sites.pop(name)
    for site in sites.values():
        lay(site, "before")
    done = cli("run", "--", installer(world, changed_site))
    assert (done.status, done.err) == (0, "")
    assert changed(done) == [f"{changed_site} of {world / name}/bin/{PYTHON}"]
    assert done.out.splitlines()[-1] == "demo 1.0: 1 extension module: 1 fixed"
    assert len(speed(changed_site)) == 2
    assert [len(speed(site, "before")) for site in sites.values()] == [1, 1]


def test_both_of_two_that_have_changed(cli: Cli, world: Path) -> None:
    sites = [site_packages(world / name) for name in ("active", "project/.venv")]
    done = cli("run", "--", installer(world, *sites))
    assert (done.status, len(changed(done))) == (0, 2)
    assert [len(speed(site)) for site in sites] == [2, 2]


def test_two_that_have_changed_are_one_json_document(cli: Cli, world: Path) -> None:
    sites = [site_packages(world / name) for name in ("active", "project/.venv")]
    done = cli("run", "--json", "--", installer(world, *sites))
    report = json.loads(done.out)
    jsonschema.validate(report, SCHEMA)
    assert [project["action"] for project in report["projects"]] == ["fixed", "fixed"]
    assert [(place["state"], place["directories"]) for place in report["places"]] == [
        ("changed", [str(site)]) for site in sites
    ]


def test_the_environment_may_be_made_by_the_command(cli: Cli, world: Path) -> None:
    site = site_packages(world / "other").relative_to(world / "other")
    script = world / "make.sh"
    script.write_text(f"mv '{world}/other' .venv && cp -R '{world}/demo/.' .venv/{site}\n")
    done = cli("run", "--", "sh", script)
    assert (done.status, len(changed(done)), done.err) == (0, 1, "")
    assert len(speed(world / "project" / "sub" / ".venv" / site)) == 2


def test_an_environment_that_is_named_may_be_made_by_the_command(cli: Cli, tmp_path: Path) -> None:
    code = f"import venv; venv.create({str(tmp_path / 'new')!r}, symlinks=True)"
    done = cli("run", "--python", tmp_path / "new", *python(code))
    assert (done.status, done.out, done.err) == (0, NOTHING, "")


def test_a_directory_as_destination(cli: Cli, world: Path) -> None:
    """It is for the Python that the command names, or else for the one that tools would choose."""
    lib = world / "lib"
    done = cli("run", "--", installer(world, lib), "--python", world / "other", "--target", lib)
    assert changed(done) == [f"{lib} of {world}/other/bin/python3"]
    assert len(speed(lib)) == 2


def test_a_directory_that_may_be_for_any_of_two(cli: Cli, world: Path) -> None:
    """A guess could give the names of the other libc."""
    lib = world / "lib"
    done = cli("run", "-q", "--", installer(world, lib), "--target", lib)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines() == [
        f"error: {lib}: was changed by the command, and muslfix cannot tell which Python imports from it",
        f"tip: run 'muslfix fix --python PYTHON --path {lib}' with the Python that will import from it",
    ]
    assert len(speed(lib)) == 1
    words = done.err.splitlines()[1].split("'")[1].replace("PYTHON", str(world / "other")).split()
    assert cli(*words[1:]).status == 0
    assert len(speed(lib)) == 2


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_nothing_has_changed(cli: Cli, world: Path, quiet: list[str]) -> None:
    """As when ``uv sync`` is repeated. What is near to the command is named, with -q too."""
    done = cli("run", *quiet, "--", "true")
    assert (done.status, done.out) == (0, "")
    assert (
        done.err == f"note: the command has installed nothing new in {world}/active, {world}/project/.venv\n"
    )


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_nothing_has_changed_that_is_known(
    cli: Cli, world: Path, monkeypatch: pytest.MonkeyPatch, quiet: list[str]
) -> None:
    """Where no place is near to the command, nobody knows where to look."""
    monkeypatch.delenv("VIRTUAL_ENV")
    monkeypatch.chdir(world)
    done = cli("run", *quiet, "--", "true")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "warning: the command has installed nothing new in any environment that muslfix knows of, so nothing"
        " was fixed, and it is not known where it has installed anything; name the environment with --python,"
        " or a directory of modules with --path\n"
    )


def test_nothing_has_changed_in_a_broken_environment(cli: Cli, world: Path) -> None:
    """No installer would mend it, and that nothing has changed would sound like an all-clear."""
    lay(site_packages(world / "active"))
    for quiet in ([], ["-q"]):
        done = cli("run", *quiet, "--", "true")
        assert (done.status, done.err.startswith("note: the command has installed nothing new in ")) == (
            1,
            True,
        )
        assert done.out.splitlines()[0] == "1 extension module in 1 project: 1 misnamed."
        assert done.looked_at.startswith(str(site_packages(world / "active")))
        tip = done.out.splitlines()[-1]
        assert tip == f"To fix it: muslfix fix --python {world}/active/bin/{PYTHON}"
    assert cli(*tip.split()[4:]).status == 0
    done = cli("run", "-q", "--", "true")
    assert (done.status, done.out) == (0, "")


def _refused(site: Path) -> None:
    lay(site, "foreign", {f"foreign/_speed{WRONG}": FOREIGN})


def _without_record(site: Path) -> None:
    (site / "legacy-1.0.egg-info").mkdir()


def _unreadable_record(site: Path) -> None:
    lay(site, "broken", record=lambda _text: '"unfinished, .so')


def _built_for_another(site: Path) -> None:
    """An editable install in whose source tree a build has put a misnamed module."""
    source = site.parent / "source"
    lay(source, "inside")
    url = json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}}).encode()
    lay(site, "edit", {"edit.pth": f"{source}\n".encode(), "edit-1.0.dist-info/direct_url.json": url})


@pytest.mark.parametrize("spoil", [_refused, _without_record, _unreadable_record, _built_for_another])
def test_nothing_has_changed_where_something_else_is_wrong(
    cli: Cli, world: Path, spoil: Callable[[Path], None]
) -> None:
    """The answer is that of check, with its exit status."""
    site = site_packages(world / "active")
    spoil(site)
    for quiet in ([], ["-q"]):
        done = cli("run", *quiet, "--", "true")
        assert done.status == cli("check", "--python", world / "active").status == 1
        assert done.out.startswith(("1 ", "2 "))
        assert done.looked_at.startswith(str(site))


@pytest.mark.parametrize("at", ["lib", "bin"])
def test_nothing_has_changed_where_it_could_not_be_looked_at(
    cli: Cli, world: Path, tmp_path: Path, at: str
) -> None:
    """Its directories may not be read, or its Python is gone."""
    site = lay(site_packages(world / "active"))
    told = tmp_path / "told"

    def work() -> int:
        if at == "bin":
            for program in (world / "active" / "bin").glob("python*"):
                program.unlink()
        else:
            (world / "active" / "lib").chmod(0)
            heed_permissions()
        return main(["run", "-q", "--", "true"])

    assert forked(work, told) == 1
    (world / "active" / "lib").chmod(0o755)
    place, reason = (
        (f"warning: {world}/active/lib", "cannot be read (Permission denied), so nothing was looked at there")
        if at == "lib"
        else (f"error: {site}", "was not looked at: muslfix cannot tell which Python")
    )
    assert f"{place}: {reason}" in told.read_text()
    assert f"nothing new in {world}/project/.venv\n" in told.read_text()


def test_what_a_command_that_fails_has_changed_is_said(cli: Cli, world: Path) -> None:
    site = site_packages(world / "active")
    done = cli("run", "--", installer(world, site, end="exit 3\n"))
    assert (done.status, len(changed(done)), len(speed(site))) == (3, 1, 1)
    assert "\nTo fix it: muslfix fix --python " in done.out
    done = cli("run", "--json", "--", installer(world, site, end="exit 3\n"))
    report = json.loads(done.out)
    jsonschema.validate(report, SCHEMA)
    assert (done.status, report["dry_run"], len(report["projects"])) == (3, True, 1)
    done = cli("run", "-q", "--", installer(world, site, end="exit 3\n"))
    assert (done.status, done.looked_at.split()[0]) == (3, str(site))
    summary, *_, command = done.out.splitlines()
    assert summary == "1 extension module in 1 project: 1 misnamed."
    assert command == f"To fix it: muslfix fix --python {world}/active/bin/{PYTHON}"


@pytest.mark.parametrize(
    "end", ["kill -INT $$\n", "trap 'exit 9' TERM; while :; do kill -TERM $PPID; done\n"]
)
def test_what_a_command_that_is_interrupted_has_changed_is_said(cli: Cli, world: Path, end: str) -> None:
    """Nobody knows how far it has come."""
    site = site_packages(world / "active")
    run_again = "the command was interrupted, so what it installs may be incomplete: run it again"
    nothing = cli("run", "-q", "--", installer(world, end=end))
    assert nothing.err == f"note: {run_again}; where muslfix has looked nothing new is installed\n"
    done = cli("run", "--json", "--", installer(world, end=end))
    error = json.loads(done.out)["error"]
    assert (error["kind"], error["reason"]) == ("Interrupted", run_again)
    done = cli("run", "-q", "--", installer(world, site, end=end))
    assert done.status == nothing.status > 0
    assert done.err == f"note: {run_again}; what it has changed is not fixed\n"
    assert "\nTo fix it: muslfix fix --python " in done.out


@pytest.mark.parametrize("is_broken", [False, True])
def test_nothing_has_changed_in_json(cli: Cli, world: Path, is_broken: bool) -> None:
    """Nothing was fixed, and the document does not say so either."""
    site = site_packages(world / "active")
    lay(site, "demo", None if is_broken else {"pure.py": b""})
    done = cli("run", "--json", "--", "true")
    report = json.loads(done.out)
    jsonschema.validate(report, SCHEMA)
    assert (done.status, report["command"], report["dry_run"]) == (int(is_broken), "run", True)
    assert report["looked_at"]["projects"] == len(report["projects"]) == 1
    assert str(site) in report["looked_at"]["directories"]
    assert [f"note: {note}\n" for note in report["notes"]] == [done.err]
    assert {place["state"] for place in report["places"]} == {"unchanged"}


def test_json_where_nothing_was_looked_at(cli: Cli, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV")
    monkeypatch.chdir(world)
    report = json.loads(cli("run", "--json", "--", "true").out)
    jsonschema.validate(report, SCHEMA)
    assert (report["looked_at"], len(report["doubts"])) == (None, 1)


def test_what_has_changed_beside_the_place_that_is_named(cli: Cli, world: Path) -> None:
    site = site_packages(world / "active")
    done = cli("run", "--python", world / "other", "--", installer(world, site))
    assert done.status == 1
    assert done.err == (
        f"warning: the command has changed {site}, which --python and --path do not name, so it was not"
        f" looked at; to fix it: muslfix fix --python {world}/active/bin/{PYTHON}\n"
    )
    assert cli("run", "--python", world / "active", "--", installer(world, site)).status == 0
    assert len(speed(site)) == 2
    lib = world / "lib"
    done = cli("run", "--python", world / "other", "--", installer(world, lib), "--target", lib)
    command = done.err.rstrip().partition("so it was not looked at; to fix it: ")[2]
    assert command == f"muslfix fix --python {world}/other/bin/python --path {lib}"
    assert cli(*command.split()[1:]).status == 0
    assert len(speed(lib)) == 2


def test_what_has_been_removed(cli: Cli, world: Path) -> None:
    site = site_packages(world / "project" / ".venv")
    script = world / "remove.sh"
    script.write_text(f"rm -r '{world}/project/.venv'\n")
    done = cli("run", "--", "sh", script)
    assert (done.status, done.out, done.err) == (0, f"removed: {site}\n", "")


def test_the_last_project_is_uninstalled(cli: Cli, world: Path) -> None:
    site = lay(site_packages(world / "active"))
    script = world / "uninstall.sh"
    script.write_text(f"rm -r '{site}/demo' '{site}/demo-1.0.dist-info'\n")
    done = cli("run", "--", "sh", script)
    assert (done.status, len(changed(done)), done.err) == (0, 1, "")


def test_a_change_in_what_another_tool_manages(cli: Cli, tmp_path: Path) -> None:
    """It is refused only where there is something to fix (PEP 668)."""
    prefix = make_prefix(tmp_path / "own")
    (library,) = prefix.glob("lib*/python3*")
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    site = lay(library / "site-packages", "pure", {"pure.py": b""})
    named = ("env", f"PYTHON={prefix}")
    done = cli("run", "--", *named, "touch", site / "pure-1.0.dist-info" / "RECORD")
    assert (done.status, len(changed(done)), done.err) == (0, 1, "")

    lay(tmp_path / "demo")
    done = cli("run", "-q", "--", *named, installer(tmp_path, site))
    assert (done.status, len(speed(site))) == (1, 1)
    assert f"error: {library}/EXTERNALLY-MANAGED: says that another tool manages" in done.err
    other = site_packages(make_environment(tmp_path / "other"))
    both = (*named, f"OTHER={tmp_path / 'other'}")
    done = cli("run", "--json", "--", *both, installer(tmp_path, site, other))
    report = json.loads(done.out)
    assert (done.status, report["dry_run"], len(speed(site)), len(speed(other))) == (1, False, 1, 2)
    actions = {project["location"]: project["action"] for project in report["projects"] if project["modules"]}
    assert actions == {str(site): "left-alone", str(other): "fixed"}
    given = [module["new_path"] for project in report["projects"] for module in project["modules"]]
    assert given.count(None) == 1
    assert cli("run", "--break-system-packages", "--", *named, installer(tmp_path, site)).status == 0
    assert len(speed(site)) == 2


def test_a_change_in_what_may_not_be_written(tmp_path: Path) -> None:
    """It is said, and the other environment is fixed all the same."""
    sites = [site_packages(make_environment(tmp_path / name)) for name in ("closed", "open")]
    lay(tmp_path / "demo")
    (tmp_path / "any").mkdir()
    end = f"mount --bind '{sites[0]}' '{sites[0]}' && mount -o remount,bind,ro '{sites[0]}'\n"
    named = ("env", f"A={tmp_path}/closed", f"B={tmp_path}/open")
    done = run(
        [
            *read_only(tmp_path / "any"),
            *muslfix_command(),
            "run",
            "--",
            *named,
            installer(tmp_path, *sites, end=end),
        ],
        tmp_path,
    )
    assert (done.status, len(changed(done))) == (1, 2)
    assert [len(speed(site)) for site in sites] == [1, 2]
    error, tip = done.err.splitlines()
    assert error.startswith(f"error: {sites[0]}")
    assert error.endswith("cannot be written: the file system is read-only")
    assert tip.startswith("tip: make it writable")


def test_the_python_of_an_environment_is_gone(cli: Cli, world: Path) -> None:
    """No other takes its place: it may be for the other libc."""
    for name in ("python", "python3", PYTHON):
        (world / "active" / "bin" / name).unlink(missing_ok=True)
    site = site_packages(world / "active")
    done = cli("run", "--", installer(world, site))
    assert (done.status, len(speed(site))) == (1, 1)
    assert done.err.startswith(
        f"error: {site}: was changed by the command, and muslfix cannot tell which Python"
    )


# -- how it ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [1, 2, 77, 255])
def test_the_exit_status_is_passed_on(cli: Cli, environment: Path, site: Path, status: int) -> None:
    before = snapshot(environment)
    done = cli("run", "--python", environment, *python(f"raise SystemExit({status})"))
    assert (done.status, done.out, done.err) == (status, "", "")
    assert snapshot(environment) == before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGINT"])
def test_a_command_that_is_killed(cli: Cli, name: str) -> None:
    number = getattr(signal, name)
    code = f"import os, signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), {int(number)})"
    assert cli("run", *python(code)).status == 128 + number


def test_a_command_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    for command, problem in (("no-such", "was not found on PATH"), (path, "does not exist")):
        done = cli("run", "--", command)
        assert (done.status, done.out) == (127, "")
        assert done.err == f"error: '{command}' {problem}\n"


def test_a_command_that_cannot_be_run(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for path, reason in ((tmp_path, "Permission denied"), (tmp_path / "text", "Permission denied")):
        done = cli("run", "--", path)
        assert (done.status, done.err) == (126, f"error: {path}: cannot be run ({reason})\n")
    (tmp_path / "text").chmod(0o755)
    done = cli("run", "--", tmp_path / "text")
    assert (done.status, done.err) == (126, f"error: {tmp_path}/text: cannot be run (Exec format error)\n")
    done = cli("run", "--", "a\0b")
    assert (done.status, done.err) == (126, "error: a\\x00b: cannot be run (embedded null byte)\n")


# -- signals ----------------------------------------------------------------------------------------

#: A command that waits for a signal after it has sent it to muslfix, as somebody outside would.
WAITS = """
import os, signal, sys
number, status = int(sys.argv[1]), sys.argv[2]
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
if status == "default":
    signal.signal(number, signal.SIG_DFL)
os.kill(os.getppid(), number)
if status == "default":
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    signal.pause()
signal.sigwait([number])
sys.exit(int(status))
"""


def spawn(*words: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``muslfix run`` in a session of its own, without a terminal."""
    return subprocess.run(
        [*muslfix_command(), "run", *words],
        check=False,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        env=process_environment(),
        preexec_fn=before,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_from_outside_is_passed_on(environment: Path, site: Path, number: signal.Signals) -> None:
    before = snapshot(environment)
    words = ["--python", str(environment), *python(WAITS), str(int(number))]
    assert spawn(*words, "5").returncode == 5
    assert spawn(*words, "default").returncode == 128 + number
    assert snapshot(environment) == before
    done = spawn(*words, "0")  # the command has finished its work all the same
    assert (done.returncode, done.stdout.split("\n")[2][:8]) == (0, "demo 1.0")


def test_a_signal_that_comes_before_the_command_has_started_reaches_it() -> None:
    relay = _Relay()
    relay.pass_on(signal.SIGTERM, None)
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        relay.attach(process)
        assert process.wait() == -signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    assert spawn(*python(code)).returncode == 0
    assert spawn(*python(code), before=ignore).returncode == 1


def test_the_handlers_are_ours_again_afterwards(cli: Cli) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    cli("run", *TRUE)
    cli("run", "--", "no-such-command")
    assert [signal.getsignal(number) for number in numbers] == before


# -- the terminal -----------------------------------------------------------------------------------


@contextmanager
def terminal(*words: str | os.PathLike[str]) -> Iterator[tuple[int, Callable[[], int]]]:
    """``muslfix run`` at a terminal of its own: what is typed and shown there, and its exit status."""
    command = [os.fspath(word) for word in (*muslfix_command(), "run", *words)]
    process, master = pty.fork()
    if process == 0:
        os.execve(command[0], command, process_environment())

    def status() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    try:
        yield master, status
    finally:
        os.close(master)


def read_until(master: int, text: str) -> str:
    """What is shown up to a text."""
    shown = ""
    while text not in shown:
        shown += os.read(master, 1024).decode()
    return shown.replace("\r\n", "\n")


def test_the_command_has_the_terminal(environment: Path, site: Path) -> None:
    code = """
import os, sys
print([os.isatty(number) for number in (0, 1, 2)], os.getpgrp() == os.tcgetpgrp(0))
os.set_terminal_size(0, (33, 44)) if hasattr(os, "set_terminal_size") else None
print("got", input("say: "))
"""
    with terminal("--python", environment, *python(code)) as (master, status):
        assert read_until(master, "say: ").startswith("[True, True, True] True\n")
        os.write(master, b"something\n")
        shown = read_until(master, "module: 1 fixed")
        assert "got something\n1 extension module in 1 project: 1 fixed.\nlooked at:" in shown
        assert status() == 0


@pytest.mark.parametrize(("key", "number"), [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_a_key_reaches_the_command_once_and_it_has_the_last_word(
    environment: Path, site: Path, key: bytes, number: signal.Signals
) -> None:
    code = f"""
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
print("ready", flush=True)
signal.sigwait([{int(number)}])
print("twice" if signal.sigtimedwait([{int(number)}], 0.2) else "once", flush=True)
sys.exit(int(input()))
"""
    for answer, expected in ((b"7\n", 7), (b"0\n", 0)):
        with terminal("--python", environment, *python(code)) as (master, status):
            read_until(master, "ready")
            os.write(master, key)
            assert "twice" not in read_until(master, "ce\r\n")
            os.write(master, answer)
            if expected == 0:
                read_until(master, "module: 1 fixed")
            assert status() == expected


def test_ctrl_c_ends_a_command_that_does_not_mind(environment: Path, site: Path) -> None:
    code = "import signal; signal.signal(2, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
    before = snapshot(environment)
    with terminal("--python", environment, *python(code)) as (master, status):
        read_until(master, "ready")
        os.write(master, b"\x03")
        assert "note: the command was interrupted" in read_until(master, "run it again")
        assert status() == 130
    assert snapshot(environment) == before


def test_open_files_are_passed_on(cli: Cli) -> None:
    """Below make, or in a shell with a file of its own, the command finds what it was given."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        assert cli("run", *python(f"import os; os.write({writer}, b'through')")).status == 0
        assert os.read(reader, 99) == b"through"
    finally:
        os.close(reader)
        os.close(writer)


def test_the_help_tells_the_exit_status(cli: Cli) -> None:
    shown = cli("run", "--help").out
    assert "usage: muslfix run [options] -- COMMAND..." in shown
    assert "127" in shown
    for line in re.findall(r"^  (.*muslfix run .+)$", shown, re.MULTILINE):
        assert shlex.split(line)


# -- in an image ------------------------------------------------------------------------------------


@pytest.mark.network
def test_the_line_of_a_dockerfile(tmp_path: Path) -> None:
    """``RUN python -m muslfix run -- pip install …``, with muslfix in the same environment."""
    environment = environment_with_muslfix(tmp_path / "opt")
    line = f"python -m muslfix run -- pip install --no-index --no-deps {make_demo(tmp_path)}"
    path = os.pathsep.join([str(environment / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", line],
        check=True,
        capture_output=True,
        text=True,
        env=process_environment(PATH=path),
        cwd="/",
    )
    assert done.stdout.splitlines()[-1].startswith("demo 1.0: 2 extension modules: 2 fixed")
    assert served_by(environment) == f"_speed{RIGHT}"
