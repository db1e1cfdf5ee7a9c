"""What the hooks do and say: in this process, without the tools."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from environments import site_packages
from misnamed import FOREIGN, RIGHT, WRONG, lay, small_files, speed
from trees import snapshot

from muslfix.errors import InterpreterError
from muslfix.hooks.common import Outcome, Place, fix_place

pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")


@pytest.fixture
def site(environment: Path) -> Path:
    """A folder of modules with a misnamed project."""
    return lay(site_packages(environment))


@pytest.fixture
def place(environment: Path, tmp_path: Path) -> Place:
    return Place(str(environment / "bin" / "python"), str(tmp_path / "pyproject.toml"))


def write(place: Place, *lines: str) -> Path:
    path = Path(place.pyproject)
    path.write_text("\n".join(["[tool.muslfix]", *lines]), encoding="utf-8")
    return path


# -- the fix ----------------------------------------------------------------------------------------


def test_one_line_where_something_was_fixed_and_nothing_otherwise(place: Place, site: Path) -> None:
    assert fix_place(lambda: place) == Outcome("muslfix: fixed demo 1.0 (1 extension module)")
    assert speed(site) == [f"_speed{RIGHT} -> _speed{WRONG}", f"_speed{WRONG}"]
    assert fix_place(lambda: place) == Outcome()


def test_the_mode_is_heeded(place: Place, site: Path) -> None:
    write(place, "mode = 'rename'")
    assert fix_place(lambda: place).line
    assert speed(site) == [f"_speed{RIGHT}"]


def test_switched_off(place: Place, environment: Path, site: Path) -> None:
    write(place, "enabled = false", "mode = 'nonsense'")
    before = snapshot(environment)
    assert site.exists()
    assert fix_place(lambda: place) == Outcome()
    assert snapshot(environment) == before


def test_a_line_names_some_projects_and_counts_the_rest(place: Place, site: Path) -> None:
    for name in ("a", "b", "c"):
        lay(site, name)
    outcome = fix_place(lambda: place)
    assert outcome.line == "muslfix: fixed a 1.0, b 1.0, c 1.0 and demo 1.0 (4 extension modules)"
    for name in ("e", "f", "g", "h", "i"):
        lay(site, name)
    outcome = fix_place(lambda: place)
    assert outcome.line == "muslfix: fixed e 1.0, f 1.0, g 1.0 and 2 more projects (5 extension modules)"


def test_refused_modules_are_a_problem_each_time(place: Place, site: Path) -> None:
    lay(site, "foreign", {f"foreign/_speed{WRONG}": FOREIGN})
    first, second = fix_place(lambda: place), fix_place(lambda: place)
    (problem,) = first.problems
    assert problem.startswith(f"muslfix: foreign 1.0: foreign/_speed{WRONG}: other-libc: it is linked to ")
    assert first.line == "muslfix: fixed demo 1.0 (1 extension module)"
    assert second == Outcome("", first.problems)
    assert first.failure is None


def test_strict_makes_a_failure_of_problems_only(place: Place, site: Path) -> None:
    write(place, "strict = true")
    fixed = fix_place(lambda: place)
    assert (bool(fixed.line), fixed.failure) == (True, None)
    for name in ("x", "y"):
        lay(site, name, {f"{name}/_speed{WRONG}": FOREIGN})
    outcome = fix_place(lambda: place)
    assert outcome.failure == "; ".join(outcome.problems)
    assert len(outcome.problems) == 2


def test_what_nothing_can_be_done_about_is_not_told(place: Place, site: Path) -> None:
    lay(site, "editable", {"editable.pth": b"/src\n", "editable-1.0.dist-info/direct_url.json": b"{}"})
    (site / "editable-1.0.dist-info" / "direct_url.json").write_text('{"dir_info": {"editable": true}}')
    lay(site, "owned", small_files("owned"), installer="apk")
    (site / "legacy.egg-info").mkdir()
    assert fix_place(lambda: place) == Outcome("muslfix: fixed demo 1.0 (1 extension module)")
    assert fix_place(lambda: place) == Outcome()


def test_a_project_that_cannot_be_read_is_a_problem(place: Place, site: Path) -> None:
    lay(site, "broken", record=lambda _text: '"unfinished, .so')
    outcome = fix_place(lambda: place)
    (problem,) = outcome.problems
    assert re.fullmatch(r"muslfix: broken 1\.0: .+RECORD: .+ \(tip: [^\n]+\)", problem)
    assert outcome.line == "muslfix: fixed demo 1.0 (1 extension module)"


def test_folders_of_their_own(place: Place, tmp_path: Path) -> None:
    """With PEP 582 the projects are not where the interpreter looks."""
    folder = lay(tmp_path / "__pypackages__" / "lib")
    of_their_own = Place(place.python, place.pyproject, (str(folder),))
    assert fix_place(lambda: of_their_own).line == "muslfix: fixed demo 1.0 (1 extension module)"
    nowhere = Place("/no/python", place.pyproject, (str(tmp_path / "none"),))
    assert fix_place(lambda: nowhere) == Outcome()


@pytest.mark.parametrize("strict", [False, True])
def test_an_interpreter_that_is_gone_is_a_problem(place: Place, strict: bool) -> None:
    write(place, f"strict = {str(strict).lower()}")
    gone = Place("/no/such/python", place.pyproject)
    outcome = fix_place(lambda: gone)
    sentence = "muslfix: /no/such/python: does not exist (tip: name an interpreter with --python)"
    assert outcome == Outcome("", (sentence,), strict)
    assert outcome.failure == (sentence if strict else None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AttributeError("'Project' has no 'x'"), "failed (AttributeError: 'Project' has no 'x')"),
        (RecursionError("deep\x1b[31m"), r"failed (RecursionError: deep\x1b[31m)"),
        (InterpreterError("/p", "is odd"), "muslfix: /p: is odd"),
        (InterpreterError("/p\n", "is odd", "see"), r"muslfix: /p\n: is odd (tip: see)"),
    ],
)
def test_the_tool_goes_on_whatever_happens(error: Exception, sentence: str) -> None:
    def find() -> Place:
        raise error

    outcome = fix_place(find)
    assert (outcome.line, outcome.failure) == ("", None)
    assert outcome.problems[0].endswith(sentence)


def test_an_interrupt_gets_through() -> None:
    def find() -> Place:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fix_place(find)


def test_what_another_tool_owns_is_fixed_only_if_that_is_asked_for(place: Place, site: Path) -> None:
    lay(site, "of_conda", installer="conda")
    assert fix_place(lambda: place).line == "muslfix: fixed demo 1.0 (1 extension module)"
    write(place, "break-system-packages = true")
    assert fix_place(lambda: place).line == "muslfix: fixed of_conda 1.0 (1 extension module)"
