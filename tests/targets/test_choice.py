"""Which Python is meant, with real virtual environments and interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from muslfix.errors import InterpreterError
from muslfix.targets.choice import choose_python, find_python, probe
from muslfix.targets.environments import RUNNING
from muslfix.targets.interpreter import probe_interpreter

VERSION = "{}.{}.{}".format(*sys.version_info)
SHORT = "{}.{}".format(*sys.version_info)


def make_venv(folder: Path) -> Path:
    """A virtual environment without pip, at a path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a ``pyproject.toml`` and a ``.venv``."""
    folder = tmp_path / "project"
    make_venv(folder / ".venv")
    (folder / "pyproject.toml").touch()
    (folder / "src" / "deep").mkdir(parents=True)
    return folder


def test_the_order(project: Path, tmp_path: Path) -> None:
    active, other = make_venv(tmp_path / "active"), make_venv(project / "other")
    beside = f"{project / '.venv'} (.venv)"
    environ = {"UV_PROJECT_ENVIRONMENT": "other", "VIRTUAL_ENV": str(active)}
    assert choose_python(None, environ, str(project / "src" / "deep")) == (
        str(other / "bin" / "python"), "UV_PROJECT_ENVIRONMENT", (f"{active} (VIRTUAL_ENV)", beside), (),
    )  # fmt: skip
    del environ["UV_PROJECT_ENVIRONMENT"]
    assert choose_python(None, environ, str(project)) == (
        str(active / "bin" / "python"),
        "VIRTUAL_ENV",
        (beside,),
        (),
    )
    assert choose_python(None, {"VIRTUAL_ENV": ""}, str(project / "src")) == (
        str(project / ".venv" / "bin" / "python"), ".venv", (), (),
    )  # fmt: skip
    assert choose_python(None, {}, str(tmp_path)) == (sys.executable, RUNNING, (), ())


def test_the_active_one_may_be_that_of_the_project(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    chosen = choose_python(None, {"VIRTUAL_ENV": str(link / ".venv")}, str(project))
    assert chosen.reason == "VIRTUAL_ENV"
    assert not chosen.passed_over


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "has no pyvenv.cfg"),
        (lambda path: (path / "bin").mkdir(parents=True), "has no pyvenv.cfg"),
        (Path.touch, "is not a directory"),
        (lambda path: path.symlink_to("gone"), "is a link to nothing"),
    ],
)
def test_one_that_cannot_be_used(project: Path, make: Callable[[Path], None], why: str) -> None:
    """Another Python takes its place, which must not be missed."""
    place = project / "src" / ".venv"
    make(place)
    chosen = choose_python(None, {}, str(project / "src"))
    passed_over = f"{place} (.venv, which {why})"
    assert chosen[1:3] == (".venv", (passed_over,))
    assert chosen.doubts == (
        f"{place} {why}, so it was passed over; create it again, or name the environment with --python",
    )
    (project / ".venv" / "pyvenv.cfg").unlink()
    chosen = choose_python(None, {}, str(project / "src"))
    assert (chosen.python, chosen.reason, len(chosen.doubts)) == (sys.executable, RUNNING, 2)
    # Where a variable decides, it would have been passed over anyhow.
    chosen = choose_python(None, {"VIRTUAL_ENV": sys.prefix}, str(project / "src"))
    assert chosen.passed_over[0] == passed_over
    assert not chosen.doubts


def test_one_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root
    (doubt,) = choose_python(None, {}, str(tmp_path)).doubts
    assert doubt.startswith(f"{tmp_path}/.venv cannot be read by this user, so it was passed over")


def test_that_of_conda(project: Path, tmp_path: Path) -> None:
    """It is not taken, but named where no other environment is meant."""
    chosen = choose_python(None, {"CONDA_PREFIX": "/conda"}, str(tmp_path))
    assert chosen == (sys.executable, RUNNING, ("/conda (CONDA_PREFIX)",), ())
    assert not choose_python(None, {"CONDA_PREFIX": "/conda"}, str(project)).passed_over
    assert not choose_python(None, {"CONDA_PREFIX": sys.prefix}, str(tmp_path)).passed_over


def test_one_whose_interpreter_is_gone_is_not_passed_over(project: Path) -> None:
    """It is the one that is meant; that it is broken is for the next step to say."""
    for name in ("python", "python3"):
        (project / ".venv" / "bin" / name).unlink(missing_ok=True)
    with pytest.raises(InterpreterError, match=r"\.venv: has no bin/python$") as caught:
        choose_python(None, {}, str(project))
    assert caught.value.tip == "create it again, or name an interpreter with --python"


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"])
def test_a_variable_that_names_nothing(project: Path, variable: str) -> None:
    with pytest.raises(InterpreterError) as caught:
        choose_python(None, {variable: "/nonexistent"}, str(project))
    assert str(caught.value) == (
        f"/nonexistent: is not a directory, so it holds no environment; {variable} names it"
    )
    assert caught.value.tip == f"unset {variable}, or name an interpreter with --python"


@pytest.mark.parametrize("name", [".venv", "./.venv", ".venv/", ".venv/bin/python"])
def test_a_path(project: Path, name: str) -> None:
    assert find_python(name, {"PATH": ""}, str(project)) == str(project / ".venv" / "bin" / "python")


def test_a_project_is_not_its_environment(project: Path) -> None:
    with pytest.raises(InterpreterError, match="has no bin/python") as caught:
        find_python(".", {}, str(project))
    assert str(caught.value.tip) == f"did you mean {project}/./.venv?".replace("/./", "/")


@pytest.mark.parametrize(
    "name",
    [VERSION, SHORT, f"python{SHORT}", f"cpython@{SHORT}", f"cpython-{SHORT}", "cp" + SHORT.replace(".", "")],
)
def test_a_version(project: Path, name: str) -> None:
    """The environment that is meant anyway comes first, then those on PATH."""
    path = os.path.dirname(os.path.realpath(sys.executable))
    assert find_python(name, {"PATH": path}, str(project)) == str(project / ".venv" / "bin" / "python")
    found = find_python(name, {"PATH": path}, "/")
    assert os.path.dirname(found) == path


def test_a_shim_that_serves_no_version_is_passed_over(tmp_path: Path) -> None:
    shims, real = tmp_path / "shims", tmp_path / "real"
    for folder, content in (
        (shims, f"#!/bin/sh\necho 'pyenv: python{SHORT}: command not found' >&2\nexit 127\n"),
        (real, f'#!/bin/sh\nexec {sys.executable} "$@"\n'),
    ):
        folder.mkdir()
        (folder / f"python{SHORT}").write_text(content)
        (folder / f"python{SHORT}").chmod(0o755)
    assert find_python(SHORT, {"PATH": f"{shims}:{real}"}, "/") == str(real / f"python{SHORT}")


def test_what_uv_and_pyenv_keep(tmp_path: Path) -> None:
    python = make_venv(tmp_path / "home/.pyenv/versions" / VERSION) / "bin" / "python"
    assert find_python(SHORT, {"PATH": "", "HOME": str(tmp_path / "home")}, "/") == str(
        python.with_name(f"python{SHORT}")
    )
    python = make_venv(tmp_path / "kept" / f"cpython-{VERSION}-linux-x86_64-musl") / "bin" / "python"
    environ = {"PATH": "", "HOME": str(tmp_path / "home"), "UV_PYTHON_INSTALL_DIR": str(tmp_path / "kept")}
    assert find_python(SHORT, environ, "/") == str(python.with_name(f"python{SHORT}"))


@pytest.mark.parametrize("name", ["3.99", f"{SHORT}.999", f"{SHORT}t"])
def test_a_version_that_is_not_there(project: Path, name: str) -> None:
    with pytest.raises(InterpreterError) as caught:
        find_python(name, {"PATH": "/nonexistent", "HOME": "/nonexistent"}, str(project))
    assert f"there is no Python {name}; looked at {project}/.venv/bin/python ({VERSION})" in str(caught.value)
    assert f"{project}/.venv/bin/python3" not in str(caught.value)


def test_a_version_that_is_too_old(tmp_path: Path) -> None:
    """It is not said to be missing: to install it would not help."""
    for name in ("2", "2.7", "2.7.18", "python2.7", "cpython@2.7", "cp27", "3.5", "cp35"):
        with pytest.raises(InterpreterError) as caught:
            find_python(name, {"PATH": "/nonexistent", "HOME": "/nonexistent"}, str(tmp_path))
        assert str(caught.value) == f"{name!r} is a version that muslfix does not support"
        assert caught.value.tip == "muslfix serves CPython 3.6 and later"


def test_a_name_that_is_nothing(project: Path) -> None:
    with pytest.raises(InterpreterError, match="'nosuch' was not found on PATH"):
        find_python("nosuch", {"PATH": "/usr/bin"}, str(project))


def test_the_environment_that_muslfix_is_in_keeps_its_interpreter(tmp_path: Path) -> None:
    """Another name of it, such as bin/python3, would have to be asked by a process."""
    assert choose_python(None, {"VIRTUAL_ENV": sys.prefix}, str(tmp_path)) == (
        sys.executable, "VIRTUAL_ENV", (), (),
    )  # fmt: skip


def test_a_python_that_does_not_know_its_own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Python is embedded in another program."""
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(InterpreterError, match="not known which Python runs muslfix") as caught:
        choose_python(None, {}, "/")
    assert caught.value.tip == "name one with --python"


def test_what_is_asked_for_comes_first(project: Path) -> None:
    assert choose_python("/bin/sh", {"VIRTUAL_ENV": "/gone"}, str(project)) == ("/bin/sh", "--python", (), ())


def test_a_directory_comes_before_a_program_if_it_is_an_environment(project: Path) -> None:
    folder = str(project / ".venv" / "bin")
    (project / "python").mkdir()
    assert find_python("python", {"PATH": f"/nope:{folder}"}, str(project)) == folder + "/python"
    make_venv(project / "sh")
    assert find_python("sh", {"PATH": "/bin"}, str(project)) == str(project / "sh" / "bin" / "python")
    (project / "empty").mkdir()
    with pytest.raises(InterpreterError, match=r"empty: has no bin/python$"):
        find_python("empty", {"PATH": "/bin"}, str(project))


def test_an_environment_whose_base_is_gone_is_still_meant(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to("/gone/python3")
    assert find_python(str(tmp_path), {}, "/") == str(tmp_path / "bin" / "python")


def test_a_path_need_not_exist(project: Path) -> None:
    assert find_python("./nope", {}, str(project)) == str(project / "nope")


def test_a_shim_that_serves_no_version(tmp_path: Path) -> None:
    """The answer is the interpreter that pyenv has; its last line is about something else."""
    shim = tmp_path / "shims" / "python3.9"
    real = tmp_path / "versions" / "3.9.18" / "bin" / "python"
    for path in (shim, real):
        path.parent.mkdir(parents=True)
    real.touch()
    shim.write_text(
        "#!/bin/sh\nprintf 'pyenv: python3.9: command not found\n\nThe command exists in these Python"
        " versions:\n  3.9.18\n\nNote: See help\n' >&2\nexit 127\n"
    )
    shim.chmod(0o755)
    with pytest.raises(
        InterpreterError, match=r"runs no Python here: pyenv: python3\.9: command not"
    ) as caught:
        probe_interpreter(str(shim))
    assert caught.value.tip == f"name the interpreter itself: {real}"


@pytest.mark.parametrize("name", ["", "bin/python"], ids=["the directory", "its interpreter"])
def test_an_environment_without_its_pyvenv_cfg(tmp_path: Path, name: str) -> None:
    """Its Python imports from elsewhere, so the directory is none that can be named; the interpreter can."""
    environment = make_venv(tmp_path / "environment")
    (environment / "pyvenv.cfg").unlink()
    if name:
        assert probe(environment / name).prefix == sys.base_prefix
        return
    with pytest.raises(InterpreterError) as caught:
        probe(environment)
    assert str(caught.value.path) == str(environment)
    assert caught.value.reason == f"is no environment: the Python in it imports from {sys.base_prefix}"
    (tmp_path / "link").symlink_to(make_venv(tmp_path / "whole"))
    assert probe(tmp_path / "link").prefix is not None
