"""Several muslfix at once on one environment, as processes of their own; and one that is killed by chance."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.kills import run
from faults import end, forked, kill, start, struck
from misnamed import fix_all, lay, make_demo, running, target_file, verify_all
from trees import leftovers, snapshot
from wheelmaker import make_wheel

import muslfix.transaction.recovery
from muslfix.errors import DestinationError
from muslfix.targets.target import Target
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.transaction.transaction import Transaction
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions


def command(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "muslfix", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends(*processes: subprocess.Popen[str]) -> list[int]:
    """Their exit statuses."""
    told = [process.communicate(timeout=60)[0] for process in processes]
    assert "Traceback" not in "".join(told)
    return [process.returncode for process in processes]


def test_two_installs_of_one_wheel(tmp_path: Path) -> None:
    words: list[str | Path] = [
        "install",
        make_demo(tmp_path),
        "--target-file",
        target_file(tmp_path),
        "--target",
    ]
    assert ends(command(*words, tmp_path / "model")) == [0]
    assert ends(command(*words, tmp_path / "site"), command(*words, tmp_path / "site")) == [0, 0]
    assert snapshot(tmp_path / "site") == snapshot(tmp_path / "model")


def test_two_installs_of_two_versions(tmp_path: Path) -> None:
    common: list[str | Path] = ["--target-file", target_file(tmp_path), "--no-compile", "--target"]
    wheels = [make_demo(tmp_path, version=version) for version in ("1.0", "2.0")]
    models = []
    for number, order in enumerate((wheels, wheels[::-1])):
        for wheel in order:
            assert ends(command("install", wheel, *common, tmp_path / f"model-{number}")) == [0]
        models.append(snapshot(tmp_path / f"model-{number}"))
    site = tmp_path / "site"
    assert ends(*(command("install", wheel, *common, site) for wheel in wheels)) == [0, 0]
    assert snapshot(site) in models


def test_an_install_and_a_fix(tmp_path: Path) -> None:
    common: list[str | Path] = ["--target-file", target_file(tmp_path)]
    wheel = make_demo(tmp_path, "fresh")
    for name in ("model", "site"):
        for number in range(5):
            lay(tmp_path / name, f"demo{number}")
    model, site = tmp_path / "model", tmp_path / "site"
    fix_all(model)
    assert ends(command("install", wheel, *common, "--target", model)) == [0]
    install = command("install", wheel, *common, "--target", site)
    assert ends(install, command("fix", "--path", site, *common)) == [0, 0]
    assert snapshot(site) == snapshot(model)


def meet(site: Path, number: int, strike: Callable[[], None], come: Callable[[], int]) -> list[int]:
    """The exit statuses of a fix and of what comes while it is at work, and waits for its lock.

    :param number: the step before which the fix pauses until the other waits
    :param strike: what happens to it then
    """
    running()
    (held, hold), (waiting, wait) = os.pipe(), os.pipe()

    def first() -> int:
        def pause() -> None:
            os.write(hold, b"x")
            os.read(waiting, 1)
            strike()

        return 0 if struck(lambda: fix_all(site), number, pause)().is_well else 1

    def second() -> int:
        def tell(event: str, _: tuple[object, ...]) -> None:
            if event == "fcntl.flock":
                os.write(wait, b"x")

        os.read(held, 1)
        assert leftovers(site) != []
        sys.addaudithook(tell)
        return come()

    processes = [start(first), start(second)]
    statuses = [end(process) for process in processes]
    for pipe in (held, hold, waiting, wait):
        os.close(pipe)
    assert leftovers(site) == []
    return statuses


def test_one_waits_for_another_and_finds_its_lock_stale(tmp_path: Path) -> None:
    """The holder is killed while the other waits; its lock ends with it, and what it left is put right."""
    site = lay(tmp_path / "site")
    lay(site, "other")
    assert meet(site, 20, kill, lambda: 0 if fix_all(site).is_well else 1)[1] == 0
    assert verify_all(site).is_well


def test_a_live_transaction_is_not_taken_for_what_was_left(tmp_path: Path) -> None:
    """Whoever comes while it is at work waits for it, and finds nothing to put right."""
    site = lay(tmp_path / "site")
    assert meet(site, 10, lambda: None, lambda: 1 if recover_leftovers(str(site)) else 0) == [0, 0]
    assert verify_all(site).is_well


# -- purelib and platlib apart ----------------------------------------------------------------------


def apart(prefix: Path) -> tuple[Target, Path, Path]:
    """A target whose folders of modules are two, and these."""
    scheme = replace(running().prefix_scheme, purelib="lib/site-packages", platlib="lib64/site-packages")
    folders = prefix / scheme.purelib, prefix / scheme.platlib
    for folder in folders:
        folder.mkdir(parents=True)
    return replace(running(), prefix_scheme=scheme), *folders


def test_an_install_waits_for_a_fix_on_the_other_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muslfix.transaction.recovery, "PATIENCE", 0.1)
    prefix = tmp_path / "prefix"
    target, *folders = apart(prefix)
    wheel, options = make_demo(tmp_path), InstallOptions(prefix=str(prefix), compile=False)
    before = snapshot(prefix)
    for folder in folders:
        with Transaction(str(folder)):
            with pytest.raises(DestinationError, match="is being changed by another muslfix") as caught:
                install([str(wheel)], target, options)
            assert caught.value.path == str(folder)
    assert snapshot(prefix) == before
    assert install([str(wheel)], target, options).is_well


def test_an_install_puts_right_what_a_fix_has_left_in_the_other_folder(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    target, _, platlib = apart(prefix)
    site = lay(platlib, "other")
    before = snapshot(site)
    end(start(struck(lambda: fix_all(site), 8, kill)))
    assert leftovers(site) != []
    wheel = make_wheel(tmp_path / "pure-1.0-py3-none-any.whl", {"pure.py": b""})
    install([str(wheel)], target, InstallOptions(prefix=str(prefix), compile=False))
    assert leftovers(prefix) == []
    assert snapshot(site) == before


def test_two_that_lock_the_same_folders_lock_them_in_one_order(tmp_path: Path) -> None:
    """So neither waits for the other with what that waits for."""
    one, other, link, missing = (str(tmp_path / name) for name in ("one", "other", "link", "missing"))
    os.mkdir(one)
    os.mkdir(other)
    os.symlink(one, link)  # another name of it is no second lock

    def work() -> None:
        locked: list[int] = []

        def tell(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "fcntl.flock":
                locked.append(os.fstat(arguments[0]).st_ino)

        sys.addaudithook(tell)
        for anchor, *beside in ((one, link, other, missing), (other, link, one)):
            with Transaction(anchor, (), beside) as transaction:
                transaction.commit()
        assert len(locked) == 4
        assert locked[:2] == locked[2:]
        assert set(locked) == {os.stat(one).st_ino, os.stat(other).st_ino}

    assert forked(work) == 0
    assert sorted(os.listdir(tmp_path)) == ["link", "one", "other"]


# -- chance -----------------------------------------------------------------------------------------


@pytest.mark.once
def test_killed_at_random_instants() -> None:
    """A few of those of ``benchmarks/kills.py``, by SIGKILL from outside."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        counts = run(Path(folder), kills=4, files=600, seed=7)
    assert counts["after: old"] + counts["after: new"] == 4
