"""The project's checks. ``nox`` alone runs most of them; ``nox -s lint`` runs one.

Left out are ``arm``, ``compare`` and ``sweep``, which take long.

The tests that need real musl interpreters are skipped, aloud, until ``python tests/lab`` has built these.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))

PROJECT = nox.project.load_toml("pyproject.toml")
COVERAGE_AT_LEAST = "97"
# A worker for each core. Each begins with tests that are neighbours, so that most of what these share is made
# once; when it has none left it takes some from the other, for a few files take much longer than the rest.
PARALLEL = ("--numprocesses=auto", "--dist=worksteal")


def works(python: str) -> bool:
    """Whether a Python is there; a shim of that name may be all there is."""
    try:
        return subprocess.run([f"python{python}", "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


# The ends of what is supported. A machine that has neither tests with its own Python; CI must have both.
ENDS = ["3.9", "3.13"]
PYTHONS = ENDS if "CI" in os.environ else list(filter(works, ENDS)) or ["{}.{}".format(*sys.version_info)]


def install(session: nox.Session) -> None:
    """Install muslfix as its users get it, and what the tests need.

    On the oldest supported Python with the lowest version of each dependency; some tools for newer ones need
    more than that.
    """
    lowest = [re.sub(r">=([^,; ]+)[^;]*", r"==\1", line) for line in PROJECT["project"]["dependencies"]]
    constraints = lowest if session.python == ENDS[0] else []
    session.install(".", *nox.project.dependency_groups(PROJECT, "test"), *constraints)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install(".", "nox", *nox.project.dependency_groups(PROJECT, "lint", "test"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests but those of the session ``arm``.

    The oldest Python also runs those that are marked ``once``, and notes which lines are run: without the
    lab, whose programs would all take a quarter longer.
    """
    install(session)
    if session.python != PYTHONS[0]:
        session.run("pytest", "--without-once", "-m", "not arm", *PARALLEL, *session.posargs)
    elif session.posargs:
        session.run("pytest", "-m", "not arm", *PARALLEL, *session.posargs)
    else:
        session.run("coverage", "run", "-m", "pytest", "-m", "not lab", *PARALLEL)
        session.run("pytest", "-m", "lab and not arm", *PARALLEL)


@nox.session(default=False)
def arm(session: nox.Session) -> None:
    """Build the interpreters for 32-bit ARM where they are missing, and run their tests."""
    install(session)
    session.run("python", "tests/lab", "--arm")
    session.run("pytest", "-m", "arm", *PARALLEL, *session.posargs, env={"MUSLFIX_REQUIRE_ARM": "1"})


@nox.session(default=False)
def compare(session: nox.Session) -> None:
    """Compare muslfix with pip and uv on 400 real wheels, which it downloads: needs the package index."""
    session.install("-e", ".", "pip", "uv")
    cache = Path(session.cache_dir, "compared-wheels").absolute()
    session.run("python", "tests/benchmarks/compare.py", str(cache), *session.posargs)


@nox.session(default=False)
def sweep(session: nox.Session) -> None:
    """Let each system call of each command fail, and kill the command at each that changes something."""
    install(session)
    session.run("python", "tests/sweep", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the manual with the API reference, without a warning."""
    session.install(".", *nox.project.dependency_groups(PROJECT, "docs"))
    built = Path(session.create_tmp(), "manual")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-q", "-E", "-d", f"{built}-doctrees", "docs", str(built)
    )
    session.log(f"the manual is in {built}")


@nox.session
def coverage(session: nox.Session) -> None:
    """Hold the lines that the tests have run against the gate."""
    session.install(*nox.project.dependency_groups(PROJECT, "test"))
    session.run("coverage", "combine")
    session.run("coverage", "report", f"--fail-under={COVERAGE_AT_LEAST}")
