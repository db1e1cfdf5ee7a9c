"""``muslfix shim``: installed, described, removed, and written as a wheel."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import Cli
from environments import Uv, find_uv, make_environment, pip, run_python, site_packages, well
from misnamed import lay
from trees import snapshot

from muslfix import __version__
from muslfix.targets.with_shim import PTH, START
from muslfix.verbs.shim_wheel import shim_wheel

WHEEL = f"muslfix_shim-{__version__}-py3-none-any.whl"

# What an interpreter that is started as usual finds beside its own names.
ADDS = (
    "import _imp, importlib.machinery as m; print(len(m.EXTENSION_SUFFIXES) - len(_imp.extension_suffixes()))"
)


def test_it_is_installed_described_and_removed(cli: Cli, environment: Path) -> None:
    python = str(environment / "bin" / "python")
    before = snapshot(environment)

    assert cli("shim", "--status", "--python", python).status == 1
    would = cli("shim", "--dry-run", "--python", python)
    assert (would.status, snapshot(environment)) == (0, before)
    assert would.out.startswith(
        f"1 project: would be installed.\nmuslfix-shim {__version__}: would be installed"
    )

    done = cli("shim", "--python", python)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("1 project: installed.\n")
    assert int(run_python(environment, ADDS)) > 0
    assert cli("verify", "-v", "--python", python).status == 0
    assert not list(site_packages(environment).glob("*.dist-info/direct_url.json"))

    active = cli("shim", "--status", "--json", "--python", python)
    told = json.loads(active.out)
    assert (active.status, told["command"], told["doubts"]) == (0, "shim", [])
    assert told["notes"][0].startswith(
        f"active, from {site_packages(environment)}/muslfix_shim/__init__.py: "
    )
    for command in ("check", "interpreter"):
        said = cli(command, "--python", python)
        assert said.status == 0
        assert (
            f"muslfix-shim is active from {site_packages(environment)}: for 'import demo', this Python also"
            " looks for demo" in said.out
        )
    assert cli("shim", "--python", python).out.startswith(
        "1 project: kept: this version is already installed.\n"
    )

    assert cli("shim", "--remove", "--dry-run", "--python", python).out.startswith(
        "1 project: would be removed"
    )
    removed = cli("shim", "--remove", "--python", python)
    assert (removed.status, removed.out.split("\n")[0]) == (0, "1 project: removed.")
    assert snapshot(environment) == before
    nothing = cli("shim", "--remove", "--python", python)
    assert (nothing.status, nothing.out.split("\n")[0]) == (0, "muslfix-shim: nothing to remove.")
    status = cli("shim", "--status", "--python", python)
    assert (status.status, status.out) == (1, "muslfix-shim: not installed.\n")
    assert "muslfix-shim" not in cli("check", "--python", python).out


def test_the_variable_switches_it_off(cli: Cli, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = str(environment / "bin" / "python")
    assert cli("shim", "--python", python).status == 0
    monkeypatch.setenv("MUSLFIX_SHIM", "0")
    assert run_python(environment, ADDS) == "0"
    status = cli("shim", "--status", "--python", python)
    assert (status.status, status.out.split("\n")[0]) == (1, "1 project: not active.")
    assert status.err == "warning: muslfix-shim is not active: MUSLFIX_SHIM=0 switches it off\n"
    assert "MUSLFIX_SHIM=0 switches it off" in cli("check", "--python", python).out


def test_how_the_interpreter_is_started(cli: Cli, environment: Path) -> None:
    """Only -S keeps it away; and it imports nothing else."""
    python = environment / "bin" / "python"
    loaded = f"{ADDS}; import sys; print(*sorted(sys.modules))"

    def ask(*options: str) -> tuple[bool, set[str]]:
        done = subprocess.run([python, *options, "-c", loaded], check=True, capture_output=True, text=True)
        count, names = done.stdout.strip().split("\n")
        return int(count) > 0, set(names.split())

    _, usual = ask()
    # Any such file makes ``site`` itself import what reads it.
    others = {"other.pth": "import sys\n", "other.start": "os:getpid\n"}
    for name, text in others.items():
        (site_packages(environment) / name).write_text(text)
    _, with_others = ask()
    for name in others:
        (site_packages(environment) / name).unlink()
    assert cli("shim", "--python", python).status == 0
    for option in ("-I", "-E", "-B", "-s", "-O"):
        is_active, names = ask(option)
        assert is_active, option
        assert names - usual - with_others == {"muslfix_shim"}
    assert ask("-S")[0] is False


def test_the_wheel_is_made_once_and_is_the_same_everywhere(cli: Cli, tmp_path: Path) -> None:
    for folder in ("a", "b", "a"):
        made = cli("shim", "--wheel", tmp_path / folder)
        assert (made.status, made.err) == (0, "")
        assert made.out.endswith(f"made, written to {tmp_path / folder / WHEEL}\n")
    assert (tmp_path / "a" / WHEEL).read_bytes() == (tmp_path / "b" / WHEEL).read_bytes()
    assert cli("shim", "--wheel", tmp_path / "c", "--dry-run").status == 0
    assert not (tmp_path / "c").exists()
    with zipfile.ZipFile(tmp_path / "a" / WHEEL) as archive:
        assert archive.read(PTH) == b"import muslfix_shim; muslfix_shim.start()\n"
        assert archive.read(START) == b"muslfix_shim:start\n"
    (tmp_path / "a" / WHEEL).write_bytes(b"another file")
    refused = cli("shim", "--wheel", tmp_path / "a")
    assert (refused.status, (tmp_path / "a" / WHEEL).read_bytes()) == (1, b"another file")


def plant(
    site: Path, version: str, changed: Mapping[str, bytes | None], after: Mapping[str, bytes] | None = None
) -> None:
    """A project of its name, with a true RECORD.

    :param changed: contents of its files; ``None``: not this one
    :param after: what is written then, without a word in RECORD
    """
    with zipfile.ZipFile(io.BytesIO(shim_wheel())) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info" not in name}
    kept = {name: data for name, data in {**files, **changed}.items() if data is not None}
    lay(site, "muslfix_shim", kept, version=version)
    for name, data in (after or {}).items():
        (site / name).write_bytes(data)


class Foreign(NamedTuple):
    """A project of its name that is not its own, and what is said of that."""

    version: str
    changed: Mapping[str, bytes | None]
    after: Mapping[str, bytes]
    reason: str


_RECORD = "muslfix_shim-0.9.dist-info/RECORD"
FOREIGN = (
    Foreign(__version__, {"mine.py": b""}, {}, "its RECORD lists mine.py"),
    Foreign(
        __version__,
        {"muslfix_shim/__init__.py": b"evil = 1\n"},
        {},
        "/muslfix_shim/__init__.py is another file",
    ),
    Foreign(__version__, {PTH: None}, {}, f"/{PTH} cannot be read (No such file or directory)"),
    Foreign("0.9", {"muslfix_shim/../mine.py": b""}, {}, "its RECORD lists muslfix_shim/../mine.py"),
    Foreign("0.9", {}, {"muslfix_shim/notes": b""}, "its RECORD does not list muslfix_shim/notes"),
    Foreign(
        "0.9",
        {},
        {PTH: b""},
        "is not the file that the RECORD of muslfix_shim lists: its hash differs",
    ),
    Foreign("0.9", {}, {_RECORD: f"{PTH},,\n".encode()}, f"its RECORD has no hash for {PTH}"),
)


def test_a_project_of_its_name_is_left_alone(cli: Cli, environment: Path) -> None:
    python, site = environment / "bin" / "python", site_packages(environment)
    for version, changed, after, reason in FOREIGN:
        plant(site, version, changed, after)
        before = snapshot(environment)
        for words in ((), ("--status",), ("--remove",)):
            result = cli("shim", *words, "--python", python)
            assert (result.status, result.out, snapshot(environment)) == (1, "", before), reason
            assert reason in result.err
        for path in (*site.glob("muslfix*"), site / "mine.py"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_another_version_of_it_is_its_own(cli: Cli, environment: Path) -> None:
    site, words = site_packages(environment), ("--python", environment / "bin" / "python")
    before = snapshot(environment)
    plant(site, "0.9", {})
    assert cli("shim", *words).out.startswith("1 project: installed in place of 0.9.\n")
    assert cli("shim", "--remove", *words).status == 0
    plant(site, "0.9", {})
    assert cli("shim", "--remove", *words).status == 0
    assert snapshot(environment) == before


@pytest.mark.once
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_others_install_and_uninstall_it(cli: Cli, environment: Path, tmp_path: Path, tool: str) -> None:
    """What muslfix has installed, they uninstall; and the other way round. Nothing is left."""
    (site_packages(environment) / "kept.py").touch()  # pip removes an empty directory
    before = snapshot(environment)
    python = environment / "bin" / "python"
    uv = Uv(find_uv(tmp_path), tmp_path / "cache") if tool == "uv" else None

    def call(command: str, *words: str | os.PathLike[str]) -> set[str]:
        well(uv(environment, command, *words) if uv else pip(environment, command, *words))
        return {path for path in snapshot(environment) if path != ".lock"}

    assert cli("shim", "--python", python).status == 0
    assert int(run_python(environment, ADDS)) > 0
    assert call("uninstall", *([] if uv else ["--yes"]), "muslfix-shim") == before.keys()

    assert cli("shim", "--wheel", tmp_path).status == 0
    assert call("install", "--no-index", tmp_path / WHEEL) > before.keys()
    assert int(run_python(environment, ADDS)) > 0
    assert cli("shim", "--remove", "--python", python).status == 0
    assert {path for path in snapshot(environment) if path != ".lock"} == before.keys()


def test_what_cannot_be_done_is_said(cli: Cli, tmp_path: Path) -> None:
    spec = cli("shim", "--target-spec", "cp311-musl-x86_64")
    assert spec.status == 2
    assert "the target cannot be run here" in spec.err
    assert "--target-root, or write a wheel with --wheel" in spec.err
    assert cli("shim", "--wheel", "").status == 2
    assert cli("shim", "--wheel", tmp_path, "--remove").status == 2
    managed = make_environment(tmp_path / "environment")
    info = site_packages(managed) / f"muslfix_shim-{__version__}.dist-info"
    python = managed / "bin" / "python"
    assert cli("shim", "--python", python).status == 0
    (info / "INSTALLER").write_text("apk\n")
    refused = cli("shim", "--remove", "--python", python)
    assert (refused.status, info.is_dir()) == (1, True)
    assert "belongs to the package manager apk" in refused.err
    (info / "RECORD").unlink()
    assert cli("shim", "--remove", "--break-system-packages", "--python", python).status == 1


def test_fix_works_beside_it(cli: Cli, environment: Path) -> None:
    """The shim finds what is misnamed, and leaves alone what is right."""
    misnamed = pytest.importorskip("misnamed")
    python, site = environment / "bin" / "python", site_packages(environment)
    misnamed.lay(site, files=misnamed.demo_files())
    slow, wrong, right = "_speed.py", "_speed" + misnamed.WRONG, "_speed" + misnamed.RIGHT
    assert misnamed.served_by(environment) == slow
    assert cli("shim", "--python", python).status == 0
    assert misnamed.served_by(environment) == wrong

    checked = cli("check", "--python", python)
    assert checked.out.startswith("2 extension modules in 2 projects: 2 misnamed")
    assert "what is misnamed still gets a name by 'muslfix fix'" in checked.out
    assert cli("fix", "--python", python).status == 0
    assert misnamed.served_by(environment) == right
    assert cli("verify", "--python", python).status == 0
    assert cli("undo", "--python", python).status == 0
    assert misnamed.served_by(environment) == wrong

    (site / "demo" / wrong).write_bytes(misnamed.FOREIGN)  # which muslfix refuses, as the shim does
    assert misnamed.served_by(environment) == slow
    (site / "demo" / slow).unlink()
    done = subprocess.run([python, "-I", "-c", "import demo"], check=False, capture_output=True, text=True)
    said = f"ImportError: {site / 'demo' / wrong} is linked to {misnamed.OTHER_LIBC} (it needs "
    assert done.stderr.split("\n")[-2].startswith(said)
    assert done.stderr.split("\n")[-2].endswith(f"), and this Python runs on {misnamed.LIBC}")
