"""The situations of pip's own functional tests of wheels, against this command line.

Each is described by what pip's test of it says, with wheels made here; pip's texts and data are not.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import Cli, Result
from environments import make_environment, run_python, site_packages
from wheelmaker import DEFLATED, Member, make_wheel

NAME = "simple-0.1.0-py3-none-any.whl"
INFO = "simple-0.1.0.dist-info"
DATA = "simple-0.1.0.data"
CODE = b"def main(): print('hello')\n"
BIN = "../../../bin/"


class Environment:
    """A virtual environment, and muslfix's ``install`` into it.

    :param cli: the command line
    :param folder: where it is made
    """

    def __init__(self, cli: Cli, folder: Path) -> None:
        self._cli = cli
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.place = make_environment(folder / "environment")
        self.site = site_packages(self.place)

    def install(
        self, files: dict[str, bytes], *options: str, name: str = NAME, status: int = 0, **wrong: Any
    ) -> Result:
        """Install a wheel of these files."""
        wheel = make_wheel(self.wheels / name, files, **wrong)
        result = self._cli("install", wheel, "--python", self.place, *options)
        assert result.status == status, result
        return result

    def record(self, info: str = INFO) -> dict[str, tuple[str, str]]:
        """The rows of RECORD."""
        text = io.StringIO((self.site / info / "RECORD").read_text(), newline="")
        return {path: (digest, size) for path, digest, size in csv.reader(text)}

    def call(self, script: str) -> str:
        """What a script prints."""
        code = f"import runpy; runpy.run_path({str(self.place / 'bin' / script)!r}, run_name='__main__')"
        return run_python(self.place, f"try:\n    {code}\nexcept SystemExit:\n    pass\n")


@pytest.fixture
def environment(cli: Cli, tmp_path: Path) -> Environment:
    return Environment(cli, tmp_path)


@pytest.mark.parametrize(
    ("group", "entry", "script"),
    [
        ("console_scripts", "simple = simple:main", "simple"),
        ("console_scripts", "Simple = simple:main", "Simple"),
        ("console_scripts", "进入点 = simple:main", "进入点"),
        ("console_scripts", "simple = simple:main [extra]", "simple"),
        ("console_scripts", "simple=simple:main[one,two]", "simple"),
        ("gui_scripts", "simple = simple:main", "simple"),
    ],
)
def test_entry_points(environment: Environment, group: str, entry: str, script: str) -> None:
    """In capitals, in any script of the world, with extras, graphical."""
    text = f"[{group}]\n{entry}\n[other.group]\nx = not: a [script\n".encode()
    environment.install({"simple.py": CODE, f"{INFO}/entry_points.txt": text}, "--no-compile")
    assert environment.call(script) == "hello"
    assert os.access(environment.place / "bin" / script, os.X_OK)
    assert environment.record()[BIN + script][0].startswith("sha256=")
    assert not (environment.place / "bin" / f"{script}-3").exists()


def test_a_script_that_is_made_for_an_entry_point_replaces_the_one_in_the_wheel(
    environment: Environment,
) -> None:
    """As setuptools made them; other scripts come along."""
    scripts = {f"{DATA}/scripts/simple": b"#!python\nold", f"{DATA}/scripts/legacy": b"#!python\nprint(1)\n"}
    files = {"simple.py": CODE, **scripts}
    environment.install(files, "--no-compile", scripts={"simple": "simple:main"})
    assert environment.call("simple") == "hello"
    assert environment.call("legacy") == "1"


def test_scripts_get_the_interpreter_and_the_hash_of_that(environment: Environment) -> None:
    """RECORD has the hash of what is there, not of what was in the wheel, and one for data as well."""
    files = {f"{DATA}/scripts/run": b"#!pythonw -x\nprint(1)\n", f"{DATA}/data/share/x": b"data"}
    environment.install(files, executable=[f"{DATA}/scripts/run"])
    first, rest = (environment.place / "bin/run").read_bytes().split(b"\n", 1)
    assert first == b"#!" + os.fsencode(environment.place / "bin/python")
    assert rest == b"print(1)\n"
    assert (environment.place / "bin/run").stat().st_mode & 0o111 == 0o111
    rows = environment.record()
    assert int(rows[BIN + "run"][1]) == (environment.place / "bin/run").stat().st_size
    assert rows["../../../share/x"] == ("sha256=Om6weQ85rIfJTzhWst0sXREOaBFgImGpqSPTuyOtyLc", "4")
    assert (environment.place / "share/x").read_bytes() == b"data"


def test_headers_go_below_the_name_of_the_project(environment: Environment) -> None:
    environment.install({f"{DATA}/headers/simple.h": b"/* */"})
    (header,) = environment.place.glob("include/**/simple.h")
    assert header.parent.name == "simple"


def test_purelib_and_platlib_are_where_modules_are(environment: Environment) -> None:
    files = {f"{DATA}/purelib/pure.py": b"", f"{DATA}/platlib/plat.py": b""}
    environment.install(files, "--no-compile")
    assert run_python(environment.place, "import pure, plat; print(1)") == "1"


def test_nested_dist_info_is_data(environment: Environment) -> None:
    """Below the top it describes nothing."""
    files = {"simple/__init__.py": b"", "simple/vendored/x-1.0.dist-info/METADATA": b"Name: x\n"}
    environment.install(files, "--no-compile")
    assert (environment.site / "simple/vendored/x-1.0.dist-info/METADATA").is_file()


def test_what_is_not_needed_may_be_badly_encoded(environment: Environment) -> None:
    files = {f"{INFO}/AUTHORS.txt": b"\xff\xfe", f"{INFO}/top_level.txt": b"\xff", "simple.py": b""}
    environment.install(files, "--no-compile")
    assert (environment.site / INFO / "AUTHORS.txt").read_bytes() == b"\xff\xfe"


def test_metadata_in_any_script_of_the_world(environment: Environment) -> None:
    environment.install({"simple.py": b""}, metadata={"Author": "Zoë 李", "Summary": "π"})
    assert "Zoë 李" in (environment.site / INFO / "METADATA").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "wrong", "sentence"),
    [
        ({}, {"wheel": {"Wheel-Version": "99.0"}}, "has the wheel format version '99.0'"),
        ({}, {"omit": ["METADATA"]}, f"has no {INFO}/METADATA"),
        ({}, {"metadata": b"\xff"}, "METADATA that is not UTF-8"),
        ({}, {"dist_info": "unrelated-2.0.dist-info"}, "has a .dist-info directory of another project"),
        ({"more-1.0.dist-info/x": b""}, {}, "must have one .dist-info directory, but has more-1.0.dist-info"),
        ({f"{DATA}/hello.txt": b""}, {}, f"has '{DATA}/hello.txt', which is in none of the directories"),
        ({f"{DATA}/new/hello": b""}, {}, f"has '{DATA}/new/hello', which is in none of the directories"),
    ],
)
def test_what_pip_refuses_is_refused(
    environment: Environment, files: dict[str, bytes], wrong: dict[str, Any], sentence: str
) -> None:
    before = sorted(environment.place.rglob("*"))
    assert sentence in environment.install(files, status=1, **wrong).err
    assert sorted(environment.place.rglob("*")) == before


def test_bytecode_is_compiled_unless_it_is_unwanted(environment: Environment) -> None:
    """What cannot be compiled comes along without."""
    files = {"simple.py": CODE, "wrong.py": b"def (:\n"}
    environment.install(files, "--no-compile")
    assert not (environment.site / "__pycache__").exists()
    environment.install(files, "--force-reinstall")
    assert [path.name.split(".")[0] for path in (environment.site / "__pycache__").iterdir()] == ["simple"]
    assert f"__pycache__/simple.{sys.implementation.cache_tag}.pyc" in environment.record()


def test_an_upgrade_takes_the_old_version_away(environment: Environment) -> None:
    files = {"simple/old.py": b"", "simple/both.py": b"1", f"{DATA}/scripts/old": b""}
    environment.install(files, scripts={"gone": "simple:main"})
    result = environment.install(
        {"simple/new.py": b"", "simple/both.py": b"2"}, name="simple-0.2-py3-none-any.whl"
    )
    assert "0.1.0" in result.out
    found = {str(path.relative_to(environment.site)) for path in environment.site.rglob("*.py")}
    assert found == {"simple/new.py", "simple/both.py"}
    assert not (environment.site / INFO).exists()
    assert not {"old", "gone"} & set(os.listdir(environment.place / "bin"))


def test_below_a_root_the_paths_are_those_inside(environment: Environment, tmp_path: Path) -> None:
    environment.install({"simple.py": CODE, f"{DATA}/data/x": b""}, "--root", str(tmp_path / "root"))
    inside = tmp_path / "root" / environment.site.relative_to("/")
    assert (inside / "simple.py").is_file()
    assert not (environment.site / "simple.py").exists()


@pytest.mark.parametrize("option", ["--target", "--prefix"])
def test_elsewhere(environment: Environment, tmp_path: Path, option: str) -> None:
    """With data, scripts and modules."""
    files = {"simple.py": CODE, f"{DATA}/data/share/x": b"", f"{DATA}/scripts/run": b""}
    environment.install(files, option, str(tmp_path / "there"), "--no-compile")
    found = {path.name for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert {"simple.py", "x", "run"} <= found
    assert not (environment.site / "simple.py").exists()


def test_names_of_projects_with_dots_and_capitals(environment: Environment) -> None:
    """The file name is normalised, and what is inside is spelled as the author does."""
    environment.install(
        {"simple.py": b""},
        name="Simple.Dist-0.1-py2.py3-none-any.whl",
        metadata={"Name": "simple_dist"},
        dist_info="simple_dist-0.1.dist-info",
    )
    assert (environment.site / "simple_dist-0.1.dist-info/RECORD").is_file()


def test_empty_directories_and_a_wheel_without_files(environment: Environment) -> None:
    environment.install({}, extra=[Member("simple/", b"", DEFLATED, 0o40755)])
    assert f"{INFO}/RECORD" in environment.record()
