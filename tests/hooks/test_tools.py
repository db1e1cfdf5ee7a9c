"""The hooks at work in the real PDM, Poetry and tox, with local wheels and no index."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import Cli, Result, read_only
from environments import make_environment, run_python, site_packages, well
from lab_modules import Lab
from misnamed import FOREIGN, RIGHT, WRONG, make_demo, quiet, served_by, speed
from real_tools import Tool, lines_of_muslfix, make_tool
from trees import leftovers, snapshot

pytestmark = pytest.mark.network

FIXED = "fixed demo 1.0 (2 extension modules)"


@dataclass
class Project:
    """A project that one of the tools works on, with an environment of its own.

    :param tool: the tool
    :param folder: the project's
    :param environment: where its dependencies go
    """

    tool: Tool
    folder: Path
    environment: Path

    @property
    def site(self) -> Path:
        return site_packages(self.environment)

    def call(self, *words: str, before: list[str] | None = None) -> Result:
        return self.tool(*words, folder=self.folder, before=before or [])

    def configure(self, *lines: str) -> None:
        """Write the settings of muslfix."""
        path = self.folder / "pyproject.toml"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        head = text.partition("[tool.muslfix]")[0]
        path.write_text("\n".join([head.rstrip(), "[tool.muslfix]", *lines, ""]), encoding="utf-8")

    def start(self, wheel: Path) -> None:
        """Make the project, whose only dependency is a wheel."""
        raise NotImplementedError

    def install(self, before: list[str] | None = None) -> Result:
        """Install what the project needs, or see that it is there."""
        raise NotImplementedError

    def remove(self) -> Result:
        """Remove the dependency."""
        raise NotImplementedError


class PdmProject(Project):
    """With a folder of wheels as its only index."""

    def start(self, wheel: Path) -> None:
        write_project(
            self.folder,
            f'dependencies = ["{name_of(wheel)}"]',
            "[[tool.pdm.source]]",
            'type = "find_links"',
            'name = "pypi"',
            f'url = "file://{wheel.parent}"',
            "verify_ssl = false",
            "[tool.pdm]",
            "distribution = false",
        )
        # Never let PDM choose: it would take the environment that runs the tests.
        note = f"{self.environment}/bin/python"
        (self.folder / ".pdm-python").write_text(note, encoding="utf-8")

    def install(self, before: list[str] | None = None) -> Result:
        return self.call("install", before=before)

    def remove(self) -> Result:
        return self.call("remove", "demo")


class PoetryProject(Project):
    """With a wheel as a dependency by path."""

    def start(self, wheel: Path) -> None:
        write_project(
            self.folder,
            f'dependencies = ["{name_of(wheel)} @ file://{wheel}"]',
            "[tool.poetry]",
            "package-mode = false",
        )

    def install(self, before: list[str] | None = None) -> Result:
        return self.call("install", before=before)

    def remove(self) -> Result:
        return self.call("remove", "demo")


class ToxProject(Project):
    """With a wheel among the ``deps`` of an environment."""

    def start(self, wheel: Path) -> None:
        text = f"""\
[tox]
skipsdist = true
[testenv]
deps =
    --no-index
    {wheel}
commands = python -c "print('the command runs')"
"""
        (self.folder / "tox.ini").write_text(text, encoding="utf-8")

    def install(self, before: list[str] | None = None) -> Result:
        return self.call("run", "-e", "py", before=before)

    def remove(self) -> Result:
        return self.call("exec", "-e", "py", "--", "python", "-m", "pip", "uninstall", "-y", "demo")


KINDS: dict[str, type[Project]] = {"pdm": PdmProject, "poetry": PoetryProject, "tox": ToxProject}
VARIABLES = {
    "pdm": {"PDM_CHECK_UPDATE": "0"},
    "poetry": {
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    },
    "tox": {},
}


def name_of(wheel: Path) -> str:
    return wheel.name.partition("-")[0]


def write_project(folder: Path, *lines: str) -> None:
    head = ["[project]", 'name = "work"', 'version = "1"', 'requires-python = ">=3.9"']
    (folder / "pyproject.toml").write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tool]:
    """The tools by name, each made when it is first asked for."""
    made: dict[str, Tool] = {}

    def get(name: str) -> Tool:
        if name not in made:
            tool = make_tool(name, tmp_path_factory.mktemp(name))
            tool.variables.update(VARIABLES[name])
            made[name] = tool
        return made[name]

    return get


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a project."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def begin(tool: Tool, folder: Path, wheel: Path) -> Project:
    """A project of a tool, with an empty environment but for tox, which makes its own."""
    is_tox = tool.name == "tox"
    environment = folder / ".tox" / "py" if is_tox else make_environment(folder / ".venv")
    project = KINDS[tool.name](tool, folder, environment)
    project.start(wheel)
    return project


@pytest.fixture(params=KINDS)
def project(
    request: pytest.FixtureRequest, tools: Callable[[str], Tool], folder: Path, tmp_path: Path
) -> Project:
    """A project of each tool that needs a misnamed one."""
    return begin(tools(request.param), folder, make_demo(tmp_path))


def only(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("project", [tool], indirect=True)


def without(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("project", [name for name in KINDS if name != tool], indirect=True)


def unfixed(project: Project) -> Project:
    """The project installed as it is without muslfix."""
    project.configure("enabled = false")
    assert lines_of_muslfix(well(project.install())) == []
    assert served_by(project.environment) == "_speed.py"
    return project


# -- the way it should go ---------------------------------------------------------------------------


def test_install_fix_again_and_remove(project: Project, cli: Cli) -> None:
    done = well(project.install())
    (said,) = lines_of_muslfix(done)
    if project.tool.name == "tox":
        assert done.out.index(said) < done.out.index("the command runs")
    assert said.removeprefix("py: ") == f"muslfix: {FIXED}"
    assert served_by(project.environment) == f"_speed{RIGHT}"
    assert speed(project.site) == [f"_speed{RIGHT} -> _speed{WRONG}", f"_speed{WRONG}"]

    before = snapshot(project.site)
    again = cli("fix", "--python", project.environment)
    assert (again.status, quiet(again.out)) == (0, True)
    assert cli("verify", "demo", "--python", project.environment).status == 0
    assert lines_of_muslfix(well(project.install())) == []
    assert {name: state for name, state in snapshot(project.site).items() if "__pycache__" not in name} == {
        name: state for name, state in before.items() if "__pycache__" not in name
    }

    assert lines_of_muslfix(well(project.remove())) == []
    assert [path for path in project.environment.rglob("*") if "demo" in path.name] == []
    assert leftovers(project.environment) == []


@only("poetry")
def test_undo(project: Project, cli: Cli) -> None:
    well(project.install())
    assert cli("undo", "--python", project.environment).status == 0
    assert speed(project.site) == [f"_speed{WRONG}"]
    project.configure("enabled = false")
    well(project.remove())
    assert [path for path in project.environment.rglob("*") if "demo" in path.name] == []


# -- settings ---------------------------------------------------------------------------------------


@only("pdm")
def test_switched_off(project: Project) -> None:
    unfixed(project)
    project.configure("enabled = true")
    assert len(lines_of_muslfix(well(project.install()))) == 1
    assert served_by(project.environment) == f"_speed{RIGHT}"


@only("tox")
def test_the_mode(project: Project) -> None:
    project.configure("mode = 'rename'")
    well(project.install())
    assert speed(project.site) == [f"_speed{RIGHT}"]


@pytest.mark.parametrize(
    ("project", "strict"), [("pdm", False), ("poetry", True), ("tox", True)], indirect=["project"]
)
def test_wrong_settings_are_a_warning_or_a_failure(project: Project, strict: bool) -> None:
    project.configure(f"strict = {str(strict).lower()}", "mode = '[red]<error>'")
    done = project.install()
    said = lines_of_muslfix(done)
    assert any(line.endswith(f"muslfix: {FIXED}") for line in said)
    path = project.folder / "pyproject.toml"
    assert any(
        f"muslfix: {path}: tool.muslfix.mode is '[red]<error>', but must be one of" in line for line in said
    )
    assert (done.status != 0) == strict
    assert served_by(project.environment) == f"_speed{RIGHT}"
    assert "Traceback" not in done.out + done.err


@only("tox")
def test_a_pyproject_that_is_none(project: Project) -> None:
    """tox does not mind, since its own settings are elsewhere; PDM and Poetry would not come that far."""
    path = project.folder / "pyproject.toml"
    path.write_text("[tool.muslfix\n", encoding="utf-8")
    warned, fixed = sorted(lines_of_muslfix(well(project.install())), key=lambda line: FIXED in line)
    assert f"warning: muslfix: {path}: cannot be read, so the settings of muslfix are ignored (" in warned
    assert FIXED in fixed


# -- what cannot be done ----------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
def test_a_refused_module_is_a_warning_or_a_failure(
    tools: Callable[[str], Tool], folder: Path, tmp_path: Path, strict: bool
) -> None:
    for name in KINDS:
        (folder / name).mkdir()
        wheel = make_demo(tmp_path, files={f"demo/_speed{WRONG}": FOREIGN, "demo/__init__.py": b""})
        project = begin(tools(name), folder / name, wheel)
        project.configure(f"strict = {str(strict).lower()}")
        for _ in range(2):
            done = project.install()
            (said,) = lines_of_muslfix(done)
            assert f"muslfix: demo 1.0: demo/_speed{WRONG}: other-libc: it is linked to " in said
            assert (done.status != 0) == strict
            assert not (strict and "warning" in said.lower()), "what fails the command is no warning"
            assert "Traceback" not in done.out + done.err
        assert speed(project.site) == [f"_speed{WRONG}"]


@pytest.mark.parametrize(
    ("project", "strict"), [("pdm", True), ("poetry", False), ("tox", True)], indirect=["project"]
)
def test_a_read_only_environment_is_a_warning_or_a_failure(project: Project, strict: bool) -> None:
    unfixed(project)
    project.configure(f"strict = {str(strict).lower()}")
    before = snapshot(project.site)
    done = project.install(before=list(map(str, read_only(project.site))))
    (said,) = lines_of_muslfix(done)
    assert re.search(r"muslfix: /.+: cannot be written: the file system is read-only", said)
    assert (done.status != 0) == strict
    assert "Traceback" not in done.out + done.err
    assert snapshot(project.site) == before


# -- the traps of each ------------------------------------------------------------------------------


@without("tox")
def test_a_dry_run_changes_nothing(project: Project) -> None:
    unfixed(project)
    project.configure("strict = true")
    before = snapshot(project.site)
    dry = [
        ["sync", "--dry-run"],
        ["install", "--dry-run"],
        ["update", "--dry-run"],
        ["remove", "--dry-run", "demo"],
    ]
    for words in dry:
        assert lines_of_muslfix(well(project.call(*words))) == []
    assert snapshot(project.site) == before


@only("pdm")
def test_pdm_adds_updates_and_skips(project: Project) -> None:
    assert lines_of_muslfix(well(project.call("install", "--skip", "post_install"))) == []
    assert served_by(project.environment) == "_speed.py"
    well(project.remove())
    assert len(lines_of_muslfix(well(project.call("add", "demo")))) == 1
    well(project.call("sync", "--reinstall"))
    assert served_by(project.environment) == f"_speed{RIGHT}"
    assert lines_of_muslfix(well(project.call("update"))) == []


@only("pdm")
@pytest.mark.parametrize("method", ["symlink", "hardlink"])
def test_pdm_with_its_install_cache(project: Project, method: str) -> None:
    """The cache, and by it other environments, stay as they are; PDM leaves RECORD without hashes there."""
    settings = f'[install]\ncache = true\ncache_method = "{method}"\n'
    (project.folder / "pdm.toml").write_text(settings, encoding="utf-8")
    unfixed(project)
    cache = Path(project.tool.variables["XDG_CACHE_HOME"]) / "pdm" / "packages"
    before = snapshot(cache)
    assert before
    project.configure("enabled = true")
    assert len(lines_of_muslfix(well(project.install()))) == 1
    assert served_by(project.environment) == f"_speed{RIGHT}"
    assert {name: state for name, state in snapshot(cache).items() if "__pycache__" not in name} == {
        name: state for name, state in before.items() if "__pycache__" not in name
    }
    well(project.remove())
    assert [path for path in project.environment.rglob("*") if "demo" in path.name] == []


@only("pdm")
def test_pdm_without_an_environment(project: Project) -> None:
    """PEP 582: the projects are in a folder of the project."""
    (project.folder / "pdm.toml").write_text("[python]\nuse_venv = false\n", encoding="utf-8")
    (project.folder / "__pypackages__").mkdir()
    before = snapshot(project.site)
    assert len(lines_of_muslfix(well(project.install()))) == 1
    (library,) = (project.folder / "__pypackages__").glob("*/lib")
    assert len(speed(library)) == 2
    assert snapshot(project.site) == before
    well(project.remove())
    assert list(library.iterdir()) == []


@only("poetry")
def test_poetry_adds_updates_and_goes_without(project: Project, tmp_path: Path) -> None:
    assert lines_of_muslfix(well(project.call("install", "--no-plugins"))) == []
    assert lines_of_muslfix(well(project.call("lock"))) == []
    assert served_by(project.environment) == "_speed.py"
    well(project.remove())
    wheel = str(make_demo(tmp_path))
    assert lines_of_muslfix(well(project.call("add", "--lock", wheel))) == []
    assert lines_of_muslfix(well(project.call("sync", "-q"))) == []
    assert served_by(project.environment) == f"_speed{RIGHT}"
    assert lines_of_muslfix(well(project.call("update"))) == []
    for words in (["about"], ["run", "python", "-c", ""], ["env", "info"], ["show"], ["check"]):
        assert lines_of_muslfix(well(project.call(*words))) == []


@only("poetry")
def test_poetry_fails_as_it_would_without_muslfix(project: Project) -> None:
    unfixed(project)
    project.configure("strict = true")
    done = project.call("add", "no-such-project-anywhere@file:///none.whl")
    assert done.status == 1
    assert lines_of_muslfix(done) == []
    assert served_by(project.environment) == "_speed.py"


@only("tox")
@pytest.mark.parametrize("words", [["run", "--notest", "-e", "py"], ["devenv", "-e", "py"]])
def test_tox_without_commands(project: Project, words: list[str]) -> None:
    if words[0] == "devenv":
        words = [*words, str(project.environment)]
    (said,) = lines_of_muslfix(well(project.call(*words)))
    assert said.endswith(f"muslfix: {FIXED}")
    assert served_by(project.environment) == f"_speed{RIGHT}"


@only("tox")
def test_tox_without_commands_has_no_way_to_fail(project: Project) -> None:
    """It is said all the same, and the next run fails."""
    project.configure("strict = true", "mode = 1")
    (said, fixed) = sorted(lines_of_muslfix(well(project.call("run", "--notest", "-e", "py"))), reverse=True)
    assert "tool.muslfix.mode is 1, but must be one of" in fixed + said
    assert FIXED in fixed + said
    assert project.install().status != 0


@only("tox")
def test_tox_makes_an_environment_again(project: Project) -> None:
    well(project.install())
    (said,) = lines_of_muslfix(well(project.call("run", "-r", "-e", "py")))
    assert said.endswith(f"muslfix: {FIXED}")


@only("tox")
def test_tox_in_parallel(project: Project) -> None:
    path = project.folder / "tox.ini"
    text = path.read_text(encoding="utf-8")
    names = ["a", "b", "c"]
    sections = "".join(f"[testenv:{name}]\n" for name in names)
    path.write_text(text + sections, encoding="utf-8")
    done = well(project.call("run-parallel", "--parallel-live", "-e", ",".join(names)))
    assert len(lines_of_muslfix(done)) == len(names)
    for name in names:
        assert served_by(project.folder / ".tox" / name) == f"_speed{RIGHT}"


@only("tox")
def test_tox_when_it_is_told_to_be_quiet_or_to_leave_us_out(project: Project) -> None:
    disabled = Tool("tox", project.tool.environment, {"TOX_DISABLED_EXTERNAL_PLUGINS": "muslfix"})
    assert lines_of_muslfix(well(disabled("run", "-e", "py", folder=project.folder))) == []
    assert served_by(project.environment) == "_speed.py"
    assert lines_of_muslfix(well(project.call("-qq", "run", "-e", "py"))) == []
    assert served_by(project.environment) == f"_speed{RIGHT}"


@only("tox")
def test_tox_with_an_environment_that_cannot_be_made(project: Project) -> None:
    """The hook says nothing about what tox has told already."""
    path = project.folder / "tox.ini"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[testenv]", "[testenv]\nbase_python = python2.1"), encoding="utf-8")
    for words in (["run", "-e", "py"], ["run", "--notest", "-e", "py"]):
        done = project.call(*words)
        assert lines_of_muslfix(done) == []
        assert "Traceback" not in done.out + done.err


# -- on musl ----------------------------------------------------------------------------------------


@pytest.mark.lab
@pytest.mark.parametrize("name", KINDS)
def test_real_wheels_on_a_musl_interpreter(
    name: str, tools: Callable[[str], Tool], lab: Lab, folder: Path, tmp_path: Path
) -> None:
    """markupsafe from PyPI names its module ``-musl`` for 3.11, and this interpreter looks for ``-gnu``."""
    source = lab.wheel("cp311", "markupsafe")
    wheel = tmp_path / source.name
    shutil.copy(source, wheel)
    python = lab.pythons["311-gnu"]
    if name == "tox":
        project = KINDS[name](tools(name), folder, folder / ".tox" / "py")
        project.start(wheel)
        path = folder / "tox.ini"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("[testenv]", f"[testenv]\nbase_python = {python}"), encoding="utf-8")
    else:
        project = KINDS[name](tools(name), folder, make_environment(folder / ".venv", python))
        project.start(wheel)
    (said,) = lines_of_muslfix(well(project.install()))
    assert re.search(r"muslfix: fixed markupsafe [0-9.]+ \(1 extension module\)$", said, re.IGNORECASE)
    code = "import markupsafe._speedups as m; print(m.__file__)"
    assert os.path.basename(run_python(project.environment, code)).endswith("-linux-gnu.so")
    assert lines_of_muslfix(well(project.install())) == []
