"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest
from checkout import build
from commands import Cli
from environments import make_environment
from hypothesis import settings
from lab import layout
from lab_modules import Lab
from required import lacks


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-once", action="store_true", help="leave out the tests that are marked 'once'")


def pytest_configure(config: pytest.Config) -> None:
    """Most examples of properties are tried where all tests run."""
    if config.getoption("--without-once"):
        settings.load_profile("few")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """``-m "not lab"`` is the inner loop: it leaves out what needs an index or qemu, too."""
    for item in items:
        if item.get_closest_marker("network") or item.get_closest_marker("arm"):
            item.add_marker("lab")
    if config.getoption("--without-once"):
        once = [item for item in items if item.get_closest_marker("once")]
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.get_closest_marker("once")]


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Python drops a trace function that fails, without a word; what runs later would count as never run."""
    if _measured() and not sys.gettrace():
        pytest.fail(f"since {item.nodeid} or one before, coverage is not told any more which lines run")


def pytest_sessionfinish() -> None:
    """A worker of pytest-xdist that takes long to end is killed: save what coverage knows before."""
    measured = _measured()
    if measured:
        measured.save()


def _measured() -> coverage.Coverage | None:
    return coverage.Coverage.current() if os.environ.get("COVERAGE_PROCESS_CONFIG") else None


# A slow machine is no fault of the code: no test has a deadline.
settings.register_profile("muslfix", deadline=None)
settings.register_profile("few", deadline=None, max_examples=25)
settings.load_profile("muslfix")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and nohup the end of the terminal.

    So would all that the tests start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _nowhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No environment is the one that is meant: neither a ``.venv`` of the checkout nor one that is active."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("nowhere"))
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "CONDA_PREFIX"):
        os.environ.pop(name, None)
    yield
    os.chdir(before)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run muslfix in this process: ``cli("install", wheel, "--python", python)``."""
    return Cli(capfd)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A new, empty virtual environment of the Python that runs the tests."""
    return make_environment(tmp_path / "environment")


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The musl interpreters and the real wheels; skips the test where they are not there."""
    folder = layout.lab_folder()
    return _complete(folder, layout.missing(folder), "python tests/lab", "MUSLFIX_REQUIRE_LAB")


@pytest.fixture(scope="session")
def arm() -> Lab:
    """The lab with the interpreters for 32-bit ARM; skips the test where they are not there."""
    folder = layout.lab_folder()
    lacking = layout.missing(folder) + layout.missing_arm(folder)
    return _complete(folder, lacking, "python tests/lab --arm", "MUSLFIX_REQUIRE_ARM")


def _complete(folder: Path, lacking: list[str], command: str, required: str) -> Lab:
    if lacking:
        lacks(f"the lab in {folder} is not complete ({lacking[0]}): run '{command}' to build it", required)
    return Lab(folder)


@pytest.fixture(scope="session")
def own_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of muslfix itself."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not depend on the shell they are started from."""
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.delenv(name, raising=False)
