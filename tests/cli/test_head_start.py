"""``install`` with other processes that inflate: the same trees, refusals and ends as without."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import forked
from trees import snapshot
from wheelmaker import BZIP2, make_wheel, record_hash

import muslfix
from muslfix.cli import install, main
from muslfix.staging import unpack
from muslfix.verbs.install_options import InstallOptions
from muslfix.wheels import head_start
from muslfix.wheels.head_start import HeadStart, Inflated, Item

Work = Callable[[], int]

_BYTES = random.Random(1).randbytes
NAME = "demo-1.0-py3-none-any.whl"
LARGE = {f"demo/{number}.bin": _BYTES(60_000 + number) for number in range(8)}
FILES = {
    **LARGE,
    "demo/__init__.py": b"",
    "demo/tool": b"#!/bin/sh\n",
    "demo/old.bin": _BYTES(1000),
    "demo/strong.bin": _BYTES(1000),
    "demo-1.0.data/platlib/demo/plat.bin": _BYTES(50_000),
    "demo-1.0.data/purelib/demo/0.bin": LARGE["demo/0.bin"],
    "demo-1.0.data/data/share/demo.bin": _BYTES(50_000),
    "demo-1.0.data/scripts/demo": b"#!python\nprint()\n",
}
FIELDS = {
    "demo/tool": {"mode": 0o755},
    "demo/old.bin": {"method": BZIP2},
    "demo-1.0.data/purelib/demo/0.bin": {"mode": 0o755},  # so the one file of the two is executable
}


def by_sha512(record: bytes) -> bytes:
    """RECORD, where one file has a hash that workers do not compute."""
    digest = record_hash(FILES["demo/strong.bin"], "sha512").encode()
    return re.sub(rb"(?m)^(demo/strong\.bin),sha256=[^,]*", rb"\1,sha512=" + digest, record)


def untrue(record: bytes) -> bytes:
    """RECORD with wrong hashes of two files."""
    for name in (b"demo/6.bin", b"demo/5.bin"):
        record = re.sub(rb"(?m)^(%s,sha256=)." % name, rb"\1_", record)
    return record


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(tmp_path_factory.mktemp("wheel") / NAME, FILES, fields=FIELDS, record=by_sha512)


@dataclass
class Run:
    """How an installation ended.

    :param named: how many files workers had inflated
    """

    status: int
    output: str
    tree: dict[str, str]
    named: int


def run(folder: Path, work: Work | None = None, *, workers: int = 2, wheel: Path | None = None) -> Run:
    """Install in a process of its own, of which no child may be left."""
    folder.mkdir()
    words = ["install", "--no-compile", "--python", sys.executable, "--target", str(folder / "site")]

    count = folder / "count"
    count.touch()

    def and_look() -> int:
        head_start._WORKERS = workers
        HeadStart.give_name = noting(HeadStart.give_name, count)  # type: ignore[assignment,method-assign]
        status = work() if work else main([*words, str(wheel)])
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        return 99

    status = forked(and_look, folder / "output")
    site = folder / "site"
    tree = snapshot(site) if site.is_dir() else {}
    return Run(status, (folder / "output").read_text().replace(str(folder), ""), tree, count.stat().st_size)


def noting(
    give_name: Callable[[HeadStart, Inflated, str], bool], count: Path
) -> Callable[[HeadStart, Inflated, str], bool]:
    def noted(self: HeadStart, file: Inflated, place: str) -> bool:
        with count.open("a") as stream:
            stream.write(".")
        return give_name(self, file, place)

    return noted


@pytest.fixture
def others_do_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave everything to the workers, which on a busy machine get only what is left over."""

    monkeypatch.setattr(HeadStart, "claims", lambda _: [])


def library(wheel: Path, folder: Path) -> Work:
    def work() -> int:
        muslfix.install(
            [wheel], muslfix.probe(sys.executable), InstallOptions(folder=str(folder), compile=False)
        )
        return 0

    return work


def test_the_tree_is_that_of_one_process(wheel: Path, tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", wheel=wheel, workers=0)
    assert (plain.status, plain.named) == (0, 0)
    together = run(tmp_path / "together", wheel=wheel)
    assert (together.status, together.output, together.tree) == (0, plain.output, plain.tree)


@pytest.mark.usefixtures("others_do_all")
def test_the_tree_is_that_of_one_process_where_workers_do_all(wheel: Path, tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", wheel=wheel, workers=0)
    alone = run(tmp_path / "alone", wheel=wheel)
    assert (alone.status, alone.output, alone.tree) == (0, plain.output, plain.tree)
    assert alone.named >= len(LARGE)
    called = run(tmp_path / "called", library(wheel, tmp_path / "called" / "site"))
    assert (called.status, called.tree) == (0, plain.tree), called.output
    assert called.named >= len(LARGE)


CLAIMS: dict[str, Callable[[HeadStart], Iterable[Item]]] = {
    "this process does all": lambda others: others.items,
    "all together": HeadStart.claims,
    "workers do all": lambda _: [],
}


@pytest.mark.parametrize("claims", CLAIMS)
def test_a_refusal_names_the_first_file_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claims: str
) -> None:
    monkeypatch.setattr(HeadStart, "claims", CLAIMS[claims])
    damaged = {**FIELDS, "demo/7.bin": {"crc": 1}, "demo/2.bin": {"crc": 2}}
    (tmp_path / "crc").mkdir()
    (tmp_path / "record").mkdir()
    wheels = {
        "demo/2.bin": make_wheel(tmp_path / "crc" / NAME, FILES, fields=damaged),
        "demo/5.bin": make_wheel(tmp_path / "record" / NAME, FILES, fields=FIELDS, record=untrue),
    }
    for name, wheel in wheels.items():
        plain = run(wheel.parent / "plain", wheel=wheel, workers=0)
        with_others = run(wheel.parent / "others", wheel=wheel)
        assert name in plain.output
        assert (plain.status, plain.tree) == (1, {})
        assert with_others == Run(1, plain.output, {}, with_others.named)


@pytest.mark.usefixtures("others_do_all")
def test_a_signal_leaves_nothing(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = HeadStart.results

    def interrupted(self: HeadStart) -> dict[tuple[str, str], Inflated]:
        os.kill(os.getpid(), signal.SIGTERM)
        return results(self)

    monkeypatch.setattr(HeadStart, "results", interrupted)
    ended = run(tmp_path / "run", wheel=wheel)
    assert (ended.status, ended.tree, ended.named) == (130, {}, 0), ended.output


def test_workers_that_are_killed_change_nothing(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(tmp_path / "plain", wheel=wheel, workers=0)
    claims, results = HeadStart.claims, HeadStart.results

    def kill(self: HeadStart) -> None:
        for worker in self._workers:
            os.kill(worker.pid, signal.SIGKILL)

    def at_first(self: HeadStart) -> object:
        kill(self)
        return claims(self)

    def at_last(self: HeadStart) -> dict[tuple[str, str], Inflated]:
        found = results(self)
        kill(self)
        return found

    monkeypatch.setattr(HeadStart, "claims", at_first)
    assert run(tmp_path / "first", wheel=wheel).tree == plain.tree
    monkeypatch.setattr(HeadStart, "claims", lambda _: [])
    monkeypatch.setattr(HeadStart, "results", at_last)
    last = run(tmp_path / "last", wheel=wheel)
    assert (last.status, last.tree) == (0, plain.tree), last.output


def test_one_for_another_directory_ends_before_the_right_one_begins(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def begin_without_children(*words: object) -> object:
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        return head_start.begin(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(unpack, "begin", begin_without_children)
    monkeypatch.setattr(install, "_site_packages", lambda _: str(tmp_path))
    words = ["install", "--no-compile", "--python", sys.executable, "--prefix", str(folder / "site")]
    done = run(folder, lambda: main([*words, str(wheel)]))
    assert done.status == 0, done.output
    assert any(path.endswith("demo/7.bin") for path in done.tree)


def test_nobody_waits_for_files_of_a_wheel_that_is_there(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "install",
        "--no-compile",
        "--python",
        sys.executable,
        "--target",
        str(tmp_path / "run" / "site"),
    ]

    def work() -> int:
        first = main([*words, str(wheel)])
        monkeypatch.setattr(HeadStart, "results", None)
        return first or main([*words, str(wheel)])

    done = run(tmp_path / "run", work)
    assert done.status == 0, done.output
