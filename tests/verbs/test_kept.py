"""``muslfix install`` of a version that is there already: kept if the target can import it, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Cli
from environments import Uv, find_uv, pip, site_packages, well
from misnamed import FOREIGN, RIGHT, WRONG, dist_info, lay, make_demo, served_by, small_files, speed
from trees import leftovers, snapshot

OLD, NEW = f"_speed{WRONG}", f"_speed{RIGHT}"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_demo(tmp_path)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_another_tool_has_installed_is_fixed(
    cli: Cli, environment: Path, tmp_path: Path, wheel: Path, tool: str
) -> None:
    words = ("install", "--no-deps", "--no-index", wheel)
    if tool == "pip":
        well(pip(environment, *words))
    else:
        well(Uv(find_uv(tmp_path), tmp_path / "cache")(environment, *words))
    done = cli("install", "--python", environment, wheel)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "2 extension modules in 1 project: 2 fixed (1 would have fallen back to slower pure Python).",
        "demo 1.0: 2 extension modules: 2 fixed (1 would have fallen back to slower pure Python)",
    ]
    assert served_by(environment).endswith(NEW)
    again = cli("install", "--python", environment, wheel)
    assert again.out.splitlines()[1:] == ["demo 1.0: kept: this version is already installed"]
    assert cli("verify", "--python", environment).status == 0
    assert cli("undo", "--python", environment, "demo").status == 0


def test_names_are_added_and_what_others_use_stays(cli: Cli, environment: Path, wheel: Path) -> None:
    """Several Pythons may share the directory; so the project is not installed again."""
    site = lay(site_packages(environment))
    before = snapshot(site / "demo")
    (project,) = json.loads(cli("install", "--json", "--python", environment, wheel).out)["projects"]
    assert (project["action"], project["previous"]) == ("fixed", "1.0")
    assert [(module["path"], module["new_path"]) for module in project["modules"]] == [
        (f"demo/{OLD}", f"demo/{NEW}")
    ]
    assert before.items() <= snapshot(site / "demo").items()
    assert (dist_info(site) / "INSTALLER").read_text() == "pip\n"


def test_a_dry_run_changes_nothing_and_says_so(cli: Cli, environment: Path, wheel: Path) -> None:
    site = lay(site_packages(environment))
    before = snapshot(environment)
    done = cli("install", "--dry-run", "-v", "--python", environment, wheel)
    assert done.status == 0
    assert done.out.splitlines() == [
        "1 extension module in 1 project: 1 misnamed.",
        "demo 1.0: 1 extension module: 1 misnamed",
        f"  demo/{OLD}: misnamed: the target looks for {NEW}, which would link to it",
    ]
    assert snapshot(environment) == before
    assert leftovers(site) == []


@pytest.mark.parametrize("kind", ["missing", "foreign", "foreign, right name", "changed"])
def test_what_a_name_cannot_mend_is_installed_again(
    cli: Cli, environment: Path, wheel: Path, kind: str
) -> None:
    files = small_files()
    if kind == "foreign":
        files[f"demo/{OLD}"] = FOREIGN
    elif kind == "foreign, right name":
        files = {"demo/__init__.py": b"", f"demo/{NEW}": FOREIGN}
    site = lay(site_packages(environment), files=files)
    if kind == "missing":
        (site / "demo" / OLD).unlink()
    elif kind == "changed":
        with (site / "demo" / OLD).open("ab") as file:
            file.write(b"more")
    done = cli("install", "--python", environment, wheel)
    assert (done.status, done.err) == (0, "")
    assert "demo 1.0: installed in place of 1.0, 2 extension modules: 2 fixed" in done.out
    assert done.out.splitlines()[-1] == (
        "note: demo was there in this version, with extension modules that the target cannot load"
    )
    assert speed(site) == [f"{NEW} -> {OLD}", OLD]
    assert cli("check", "--python", environment, "demo").status == 0


def test_a_wheel_that_is_foreign_itself_is_refused(cli: Cli, environment: Path, tmp_path: Path) -> None:
    """Before, it was kept where another tool had installed it, with exit status 0."""
    foreign = {"demo/__init__.py": b"", f"demo/{OLD}": FOREIGN}
    site = lay(site_packages(environment), files=foreign)
    before = snapshot(site)
    done = cli("install", "--python", environment, make_demo(tmp_path, files=foreign))
    assert done.status == 1
    assert f"demo/{OLD}: other-libc: " in done.err
    assert snapshot(site) == before


def test_all_or_nothing(cli: Cli, environment: Path, tmp_path: Path, wheel: Path) -> None:
    site = lay(site_packages(environment))
    before = snapshot(site)
    other = make_demo(tmp_path, "other", files={f"other/{OLD}": FOREIGN})
    assert cli("install", "--python", environment, wheel, other).status == 1
    assert snapshot(site) == before


def test_what_belongs_to_a_package_manager_is_not_touched(cli: Cli, environment: Path, wheel: Path) -> None:
    site = lay(site_packages(environment), installer="apk")
    before = snapshot(site)
    done = cli("install", "--python", environment, wheel)
    assert done.status == 1
    assert "belongs to the package manager apk" in done.err
    assert snapshot(site) == before
    assert cli("install", "--break-system-packages", "--python", environment, wheel).status == 0
    assert speed(site) == [f"{NEW} -> {OLD}", OLD]


def test_a_project_that_cannot_be_looked_at_is_named(cli: Cli, environment: Path, wheel: Path) -> None:
    site = lay(site_packages(environment))
    record = dist_info(site) / "RECORD"
    record.unlink()
    done = cli("install", "-q", "--python", environment, wheel)
    assert done.status == 1
    assert "1 project not looked at" in done.out
    assert f"demo 1.0: not looked at: it is there already, and {record}: cannot be read" in done.out
