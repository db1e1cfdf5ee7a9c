"""What the manual says of Pythons and of errors, and the README of other tools: each row that can be run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from checkout import FIXTURES
from environments import find_uv, install_by_installer, pip, run_python, site_packages
from lab import layout
from lab_modules import Lab, environment_for, run_in
from lab_modules import pip as lab_pip
from misnamed import RIGHT, WRONG, make_demo, served_by
from pages import table

import muslfix
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Target
from muslfix.verbs.verify import verify

# -- which case am I? -------------------------------------------------------------------------------


def spelling(target: Target) -> str:
    """What the manual says that it looks for."""
    names = [ExtensionFilename.of_suffix(suffix) for suffix in target.extension_suffixes]
    triplets = [name.triplet for name in names if name is not None and name.triplet]
    if not triplets:
        return "no triplet at all"
    return " and ".join("`-musl`" if "-musl" in triplet else "`-gnu`" for triplet in triplets)


CASES = [
    (0, "docker-alpine-cpython-3.9-x86_64", 9),
    (1, "docker-alpine-cpython-3.11-x86_64", 11),
    (2, "uv-cpython-3.10-musl-x86_64", 10),
    (5, "uv-cpython-3.11-musl-x86_64-20251014", 11),
    (7, "alpine-3.15-cpython-3.9-x86_64-without-fallback", 9),
    (9, "yocto-cpython-3.11-x86_64", 11),
    (10, "openwrt-cpython-3.9-aarch64", 9),
]


@pytest.mark.parametrize(("row", "name", "minor"), CASES, ids=[name for _, name, _ in CASES])
def test_which_case(row: int, name: str, minor: int) -> None:
    """Each kind of row by a target of that kind; wheels from PyPI say what is said above the table."""
    _, version, looks_for, happens = table("docs/which-case.md", "The first wave: `-gnu` or `-musl`")[row]
    target = read_target_file(str(FIXTURES / "targets" / f"{name}.json"))
    assert target.libc is Libc.MUSL
    assert target.version_info == (3, minor)
    assert f"3.{minor}" in version or version in ("up to 3.10", "3.11 and later", "3.8 to 3.10")
    assert looks_for.startswith(spelling(target))
    wheels_say = "`-gnu`" if minor <= 10 else "`-musl`"
    assert ("**not found**" in happens) is (wheels_say not in spelling(target))


def test_the_last_row_is_a_wheel_of_maturin() -> None:
    """A cp311 wheel with ``-gnu`` inside, on a Python that says ``-musl``."""
    row = table("docs/which-case.md", "The first wave: `-gnu` or `-musl`")[-1]
    assert (row[2], "**not found**" in row[3]) == ("`-musl`", True)
    wheel = FIXTURES / "wheels" / "crossbuilt-1.0-cp311-cp311-musllinux_1_1_x86_64.whl"
    target = read_target_file(str(FIXTURES / "targets" / "docker-alpine-cpython-3.11-x86_64.json"))
    (project,) = muslfix.check([str(wheel)], target).projects
    assert [module.verdict for module in project.modules] == [muslfix.Verdict.MISNAMED]


# -- how it compares --------------------------------------------------------------------------------

ROWS = {row[0]: row[1:] for row in table("README.md", "How it compares")}
OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"


def is_fast(environment: Path) -> bool:
    """Whether an import takes the extension module, and not the ``.py`` beside it."""
    return served_by(environment).endswith(".so")


def is_true(environment: Path) -> bool:
    """Whether RECORD says what is on disk."""
    return verify(["demo"], muslfix.probe(str(environment / "bin" / "python"))).is_well


def install_wheel(by: str, wheel: Path, environment: Path, tmp_path: Path) -> None:
    if by == "pip":
        assert pip(environment, "install", "--no-deps", "--no-index", wheel).status == 0
    elif by == "uv":
        uv = find_uv(tmp_path)
        python = environment / "bin" / "python"
        words: list[str | Path] = ["pip", "install", "--offline", "--no-deps", "--python", python, wheel]
        subprocess.run([uv, *words], check=True, capture_output=True)
    elif by == "installer":
        install_by_installer(environment, wheel)
    else:
        muslfix.install([str(wheel)], muslfix.probe(str(environment / "bin" / "python")))


@pytest.mark.parametrize("by", ["muslfix", "pip", "uv", "installer"])
def test_installers(environment: Path, tmp_path: Path, by: str) -> None:
    row = ROWS["muslfix" if by == "muslfix" else "pip, uv, installer"]
    install_wheel(by, make_demo(tmp_path), environment, tmp_path)
    assert ("yes" if is_fast(environment) else "no") == row[0]
    assert ("yes" if is_true(environment) else "no") == row[1]


def test_a_hand_written_mv(environment: Path, tmp_path: Path) -> None:
    """It imports, RECORD is wrong, pip leaves the file, and then the import succeeds all the same."""
    row = next(cells for name, cells in ROWS.items() if name.startswith("`mv`"))
    install_wheel("pip", make_demo(tmp_path), environment, tmp_path)
    site = site_packages(environment)
    (site / OLD).rename(site / NEW)
    assert (row[0][:3], is_fast(environment)) == ("yes", True)
    assert (row[1], is_true(environment)) == ("no", False)
    assert pip(environment, "uninstall", "--yes", "demo").status == 0
    assert (site / NEW).exists()
    assert run_python(environment, "import demo; print(demo.__file__)") == "None"


def test_sitecustomize(environment: Path, tmp_path: Path) -> None:
    row = next(cells for name, cells in ROWS.items() if "`sitecustomize`" in name)
    install_wheel("pip", make_demo(tmp_path), environment, tmp_path)
    code = f"import importlib.machinery as m; m.EXTENSION_SUFFIXES.append({WRONG!r})"
    (site_packages(environment) / "sitecustomize.py").write_text(code)
    shown = run_python(
        environment, f"import importlib.machinery as m; print({WRONG!r} in m.EXTENSION_SUFFIXES)"
    )
    assert shown == "True"
    assert (row[0], is_fast(environment)) == ("no", False)


def test_patched_and_newer_interpreters() -> None:
    row = ROWS["a patched or newer interpreter"]
    assert row[0] == "for its own list"
    patched = read_target_file(str(FIXTURES / "targets" / "alpine-3.15-cpython-3.9-x86_64.json"))
    assert spelling(patched) == "`-musl` and `-gnu`"
    newer = read_target_file(str(FIXTURES / "targets" / "uv-cpython-3.10-musl-x86_64.json"))
    wheel = FIXTURES / "wheels" / "speedy-1.0-cp310-cp310-musllinux_1_1_x86_64.whl"
    (project,) = muslfix.check([str(wheel)], newer).projects
    assert [module.verdict for module in project.modules] == [muslfix.Verdict.MISNAMED]


# -- error messages ---------------------------------------------------------------------------------

#: What to import to see the message of a row, by its project.
IMPORTS = {
    "Pillow": "PIL.Image",
    "cryptography, cffi": "cryptography.fernet",
    "greenlet, SQLAlchemy": "greenlet",
    "kiwisolver, Matplotlib": "kiwisolver",
    "lxml": "lxml.etree",
    "numpy": "numpy",
    "psycopg": "psycopg",
    "ujson": "ujson",
}


@pytest.mark.lab
@pytest.mark.once
def test_the_error_messages_are_those_that_python_prints(lab: Lab, tmp_path: Path) -> None:
    """On the real Python that imports ``-musl``, with real wheels; after a fix they are gone."""
    python = next(python for python in layout.PYTHONS if python.name == "39-musl")
    environment = environment_for(python, lab, tmp_path / "environment")
    wheels = [wheel for wheel in lab.wheels("cp39") if not wheel.name.startswith("mypy")]
    assert lab_pip(lab, environment, "install", "--no-deps", "--no-index", *wheels).status == 0
    rows = {
        project: message.strip("`") for project, message in table("docs/faq.md", "I have this error message")
    }
    assert rows.keys() == IMPORTS.keys()
    for project, message in rows.items():
        failed = run_in(environment, "-c", f"import {IMPORTS[project]}")
        assert (failed.status, message.strip("`") in failed.err) == (1, True), failed.err
    muslfix.fix([], muslfix.probe(str(environment / "bin" / "python")))
    for name in IMPORTS.values():
        assert run_in(environment, "-c", f"import {name}").status == 0, name
