"""All or nothing: whatever interrupts a change of a tree, the tree is the old one or the new one in the end.

Nothing is faked here: processes are killed for real, at each of their steps on the file system, of which an
audit hook (:func:`sys.addaudithook`) tells before it happens. File systems are real ones, mounted for a test.
"""

from __future__ import annotations

import _thread
import errno
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import mount_namespace
from faults import (
    KILLED,
    Work,
    end,
    fail,
    forked,
    heed_permissions,
    kill,
    powerless,
    start,
    struck,
    struck_in_calls,
)
from required import lacks
from trees import snapshot

import muslfix.transaction.recovery
import muslfix.transaction.syncing
from muslfix.cli import main
from muslfix.errors import DestinationError, destination_errors
from muslfix.files.access import STAGING_PREFIX
from muslfix.parallel.threads import Background
from muslfix.transaction.bounds import Bounds
from muslfix.transaction.journal import Journal, make_staging, read_journal
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.transaction.recovery import finish
from muslfix.transaction.steps import DONE, Step
from muslfix.transaction.transaction import Transaction

TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
WHEELS = FIXTURES / "wheels"
OLD, NEW = (WHEELS / f"speedy-{n}.0-cp39-cp39-musllinux_1_1_x86_64.whl" for n in (1, 2))
OTHER = WHEELS / "pure-1.0-py3-none-any.whl"

NOBODY = 65534

States = tuple[dict[str, str], dict[str, str]]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system in memory, where there is one: these tests sync a thousand files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may enter and write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


# -- a transaction of its own -----------------------------------------------------------------------

BEFORE = {
    "pkg/a.py": "old a",
    "pkg/keep.txt": "of somebody else",
    "gone/sub/b.py": "old b",
    "unmovable/sub/c.py": "old c",
    "unmovable/d.py": "old d",
    "mod.so": "old",
}


def _as_on_overlayfs(event: str, arguments: tuple[Any, ...]) -> None:
    """Folders of this name cannot be moved, as those of a lower layer."""
    if event == "os.rename" and str(arguments[0]).endswith("/unmovable") and os.path.isdir(arguments[0]):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), arguments[0])


sys.addaudithook(_as_on_overlayfs)


def make_tree(folder: Path) -> Path:
    for name, content in BEFORE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "unmovable" / "sub").chmod(0o750)
    return folder


def change_tree(folder: Path, *, commit: bool = True) -> None:
    """Steps of each kind, some on the same paths."""
    with Transaction(str(folder)) as transaction:
        staged = Path(transaction.staging_directory(str(folder / "pkg")))
        for name in ("a.py", "c.py", "module"):
            (staged / name).write_text("new " + name)
        transaction.move_out(str(folder / "pkg" / "a.py"))
        with transaction.together():
            transaction.move_out(str(folder / "gone" / "sub"))
            transaction.move_out(str(folder / "unmovable"))
        transaction.rename(str(staged / "a.py"), str(folder / "pkg" / "a.py"))
        transaction.make_directory(str(folder / "share"))
        transaction.make_directory(str(folder / "share" / "deep"))
        transaction.rename(str(staged / "c.py"), str(folder / "share" / "deep" / "c.py"))
        transaction.replace(str(staged / "module"), str(folder / "mod.so"))
        if commit:
            transaction.commit()


def put_right(folder: Path, *roots: Path) -> None:
    with Transaction(str(folder), [str(root) for root in roots]):
        pass


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    """The tree before and after."""
    tree = make_tree(tmp_path_factory.mktemp("states"))
    before = snapshot(tree)
    change_tree(tree)
    return before, snapshot(tree)


def test_what_is_committed_stays(tmp_path: Path, states: States) -> None:
    tree = make_tree(tmp_path)
    change_tree(tree)
    assert snapshot(tree) == states[1]
    found = {path: path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert {str(path.relative_to(tree)): content for path, content in found.items()} == {
        "pkg/a.py": "new a.py",
        "pkg/keep.txt": "of somebody else",
        "share/deep/c.py": "new c.py",
        "mod.so": "new module",
    }
    assert not (tree / "unmovable").exists()


def test_what_is_not_committed_is_taken_back(tmp_path: Path, states: States) -> None:
    tree = make_tree(tmp_path)
    change_tree(tree, commit=False)
    assert snapshot(tree) == states[0]


def test_after_an_error_all_is_taken_back(tmp_path: Path, states: States) -> None:
    def work() -> None:
        with Transaction(str(tree)) as transaction:
            transaction.move_out(str(tree / "pkg"))
            raise ZeroDivisionError

    tree = make_tree(tmp_path)
    with pytest.raises(ZeroDivisionError):
        work()
    assert snapshot(tree) == states[0]


def test_a_part_can_fail_alone(tmp_path: Path) -> None:
    """Its steps before the failure are taken back."""
    tree = make_tree(tmp_path)
    with Transaction(str(tree)) as transaction:
        parts = []
        for names in (["gone"], ["unmovable", "pkg", "absent"], ["mod.so"]):
            with transaction.collected() as steps:
                for name in names:
                    transaction.move_out(str(tree / name))
            parts.append(steps)
        assert sorted(os.listdir(tree))[1:] == ["gone", "mod.so", "pkg", "unmovable"]
        failures = transaction.do_each(parts)
        transaction.commit()
    assert [failure and failure.reason for failure in failures] == [
        None,
        "cannot be written (No such file or directory)",
        None,
    ]
    assert sorted(os.listdir(tree)) == ["pkg", "unmovable"]
    assert snapshot(tree) == {
        path: state
        for path, state in snapshot(make_tree(tmp_path / "model")).items()
        if path.startswith(("pkg", "unmovable"))
    }


def killed(work: Work, number: int, _: Path) -> Work:
    """The same work, killed right before its step of this number; called like :func:`powerless`."""
    return struck(work, number, kill)


@pytest.mark.once
def test_killed_at_any_write_or_sync(memory: Path, states: States) -> None:
    for number in itertools.count(1):
        tree = make_tree(memory / str(number))
        status = forked(struck_in_calls(lambda: change_tree(tree), number, kill))  # noqa: B023 - called at once
        assert status in (0, KILLED)
        put_right(tree)
        assert snapshot(tree) in states, f"killed at call {number}"
        if status == 0:
            break
    assert number > 10


@pytest.mark.parametrize(
    ("strike_in", "commit"),
    [(killed, True), (powerless, True), (powerless, False)],
    ids=["killed", "without power", "without power, taken back"],
)
@pytest.mark.once
def test_stopped_at_any_step_it_is_the_old_or_the_new_tree(
    memory: Path, states: States, strike_in: Callable[[Work, int, Path], Work], commit: bool
) -> None:
    """What was not synced is lost: the journal must not need it, and no name may stand for a lost file."""
    seen = []
    for number in itertools.count(1):
        tree = make_tree(memory / str(number))
        work = strike_in(lambda: change_tree(tree, commit=commit), number, tree)  # noqa: B023 - called at once
        status = forked(work)
        assert status in (0, KILLED)
        put_right(tree)
        assert snapshot(tree) in states[: 1 + commit], f"stopped at step {number}"
        seen.append(snapshot(tree) == states[1])
        if status == 0:
            break
    assert len(seen) > 20
    assert seen == sorted(seen)  # first the old one, from some step on the new one
    assert set(seen) == {False, commit}


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "taken back"])
@pytest.mark.once
def test_who_puts_it_right_can_be_killed_too(memory: Path, states: States, commit: bool) -> None:
    """Killed at some steps, then killed at a step of putting that right, then put right."""
    tree, status = memory / "tree", KILLED
    outcomes: list[bool] = []
    for number in itertools.count(1, 4):
        for second in itertools.count(1 + len(outcomes) % 3, 3):  # all of them, in turns
            make_tree(tree)
            status = forked(struck(lambda: change_tree(tree, commit=commit), number, kill))
            if status == 0:
                break
            again = forked(struck(lambda: put_right(tree), second, kill))
            put_right(tree)
            assert snapshot(tree) in states, f"killed at step {number}, then at {second}"
            outcomes.append(snapshot(tree) == states[1])
            shutil.rmtree(tree)
            if again == 0:
                break
        if status == 0:
            break
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, commit}


def test_what_cannot_be_looked_at_is_not_taken_for_finished(tmp_path: Path, states: States) -> None:
    """Whoever cannot see the journal does not know that there is none; the next that can puts it right."""
    tree = make_tree(tmp_path / "tree")
    assert forked(struck(lambda: change_tree(tree), 15, kill)) == KILLED
    half_done = snapshot(tree)
    (staging,) = tree.glob(STAGING_PREFIX + "*")
    steps = read_journal(str(staging), str(tree), Bounds(str(tree)))
    assert steps
    assert DONE not in steps
    mode = staging.stat().st_mode
    staging.chmod(0)

    def work() -> None:
        heed_permissions()
        with pytest.raises(PermissionError):
            finish(steps, str(staging))

    assert forked(work, tmp_path / "told") == 0, (tmp_path / "told").read_text()
    staging.chmod(mode)
    assert snapshot(tree) == half_done
    put_right(tree)
    assert snapshot(tree) in states


def test_what_was_left_is_counted_and_nothing_else_is_touched(tmp_path: Path) -> None:
    (tmp_path / f"{STAGING_PREFIX}file").write_text("no folder")
    (tmp_path / f"{STAGING_PREFIX}link").symlink_to("other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "journal").write_text("no journal of ours")
    make_staging(str(tmp_path / f"{STAGING_PREFIX}x"))
    (tmp_path / f"{STAGING_PREFIX}x" / "1").mkdir()
    assert recover_leftovers(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [f"{STAGING_PREFIX}file", f"{STAGING_PREFIX}link", "other"]
    assert not recover_leftovers(str(tmp_path))


# -- folders that do not exist yet ------------------------------------------------------------------


def test_an_anchor_is_made_and_taken_back(tmp_path: Path) -> None:
    anchor = tmp_path / "a" / "b"
    put_right(anchor)
    assert os.listdir(tmp_path) == []
    with Transaction(str(anchor)) as transaction:
        transaction.commit()
    assert os.listdir(anchor) == []


def test_an_anchor_that_was_made_by_a_killed_one(tmp_path: Path) -> None:
    """Putting that right removes the very folder in which the next one is about to work."""
    anchor = tmp_path / "a" / "b"

    def work() -> None:
        with Transaction(str(anchor)) as transaction:
            transaction.make_directory(str(anchor / "c"))
            kill()

    assert forked(work) == KILLED
    with Transaction(str(anchor)) as transaction:
        transaction.commit()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/b"]


def test_recovering_removes_an_anchor_that_a_killed_one_has_created(tmp_path: Path) -> None:
    anchor = tmp_path / "a" / "b"

    def work() -> None:
        with Transaction(str(anchor)):
            kill()

    assert forked(work) == KILLED
    assert recover_leftovers(str(anchor))
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_has_put_into_a_new_folder_stays(tmp_path: Path) -> None:
    with Transaction(str(tmp_path)) as transaction:
        transaction.make_directory(str(tmp_path / "a"))
        transaction.make_directory(str(tmp_path / "a" / "b"))
        (tmp_path / "a" / "mine").write_text("")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["a", "a/mine"]


# -- the lock ---------------------------------------------------------------------------------------


def test_an_interrupt_before_the_first_line_of_its_end(tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    transaction = Transaction(str(tmp_path))
    transaction.__enter__()  # and the interrupt comes before __exit__ has done anything
    transaction.make_directory(str(tmp_path / "folder"))
    Transaction.end_all()
    assert snapshot(tmp_path) == before
    Transaction.end_all()  # nothing is open any more
    with Transaction(str(tmp_path)) as transaction:
        transaction.make_directory(str(tmp_path / "folder"))
        transaction.commit()
    Transaction.end_all()
    assert os.listdir(tmp_path) == ["folder"]


# -- syncing early ----------------------------------------------------------------------------------


def test_what_an_early_sync_has_met_ends_the_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [OSError(errno.EIO, os.strerror(errno.EIO))]

    def sync(_: str) -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(muslfix.transaction.syncing, "sync_file_system", sync)
    with Transaction(str(tmp_path)) as transaction:
        Path(transaction.staging_directory(str(tmp_path)), "new").touch()
        transaction.sync_early()
        with pytest.raises(DestinationError, match=r"cannot be written \(Input/output error\)"):
            transaction.make_directory(str(tmp_path / "folder"))
    assert errors == []
    assert os.listdir(tmp_path) == []


def test_staging_folders_go_only_when_an_early_sync_has_left_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end, seen = threading.Event(), threading.Event(), []

    def sync(folder: str) -> None:
        has_begun.set()
        may_end.wait(60)
        seen.append(os.path.isdir(folder))

    def wait_for_it(early: Background[None]) -> None:
        may_end.set()
        wait(early)

    wait = Background.wait
    monkeypatch.setattr(Background, "wait", wait_for_it)
    monkeypatch.setattr(muslfix.transaction.syncing, "sync_file_system", sync)
    with Transaction(str(tmp_path)) as transaction:
        transaction.sync_early()
        assert has_begun.wait(60)
    assert seen == [True]
    assert os.listdir(tmp_path) == []


def test_without_a_thread_there_is_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with Transaction(str(tmp_path)) as transaction:
        transaction.sync_early()
        transaction.make_directory(str(tmp_path / "folder"))
        transaction.commit()
    assert os.listdir(tmp_path) == ["folder"]


# -- several ----------------------------------------------------------------------------------------


def test_one_after_the_other(tmp_path: Path) -> None:
    """Processes count up a number; what one reads while another is at work would be lost."""
    (tmp_path / "number").write_text("0")

    def work() -> None:
        for _ in range(5):
            with Transaction(str(tmp_path)) as transaction:
                staged = Path(transaction.staging_directory(str(tmp_path)), "number")
                staged.write_text(str(int((tmp_path / "number").read_text()) + 1))
                transaction.replace(str(staged), str(tmp_path / "number"))
                transaction.commit()

    processes = [start(work) for _ in range(3)]
    assert [end(process) for process in processes] == [0, 0, 0]
    assert (tmp_path / "number").read_text() == "15"
    assert os.listdir(tmp_path) == ["number"]


def test_one_that_waits_for_a_folder_which_is_taken_back_makes_it_again(tmp_path: Path) -> None:
    anchor = tmp_path / "a" / "b"
    (locked, lock), (waited, wait) = os.pipe(), os.pipe()

    def work() -> None:
        tries = itertools.count(1)

        def tell_the_second_try(event: str, _: tuple[Any, ...]) -> None:
            if event == "fcntl.flock" and next(tries) == 2:
                os.write(wait, b"x")

        sys.addaudithook(tell_the_second_try)
        os.read(locked, 1)
        with Transaction(str(anchor)) as transaction:
            transaction.commit()

    process = start(work)
    with Transaction(str(anchor)):
        os.write(lock, b"x")
        os.read(waited, 1)
    assert end(process) == 0
    for pipe in (locked, lock, waited, wait):
        os.close(pipe)
    assert os.listdir(anchor) == []


def test_a_lock_that_is_held_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muslfix.transaction.recovery, "PATIENCE", 0.1)
    with Transaction(str(tmp_path)):
        with pytest.raises(DestinationError, match="is being changed by another muslfix") as caught:
            put_right(tmp_path)
        assert (caught.value.path, caught.value.tip) == (str(tmp_path), "try again when it has finished")
    put_right(tmp_path)


# -- errors -----------------------------------------------------------------------------------------


def test_nothing_is_put_over_what_is_there(tmp_path: Path, states: States) -> None:
    def work() -> None:
        with Transaction(str(tree)) as transaction:
            staged = Path(transaction.staging_directory(str(tree)), "x")
            staged.write_text("x")
            transaction.rename(str(staged), str(tree / "mod.so"))

    tree = make_tree(tmp_path)
    with pytest.raises(DestinationError, match="is in the way: it exists already") as caught:
        work()
    assert caught.value.path == str(tree / "mod.so")
    assert snapshot(tree) == states[0]


def test_what_is_not_there_cannot_be_moved(tmp_path: Path, states: States) -> None:
    def work() -> None:
        with Transaction(str(tree)) as transaction:
            transaction.move_out(str(tree / "absent"))

    tree = make_tree(tmp_path)
    with pytest.raises(DestinationError, match="No such file or directory"):
        work()
    assert snapshot(tree) == states[0]


def test_an_anchor_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for anchor, named in [("file", "file"), ("file/below", "file"), ("loop", "loop"), ("x" * 300, "x" * 300)]:
        with pytest.raises(DestinationError) as caught:
            put_right(tmp_path / anchor)
        assert caught.value.path == str(tmp_path / named)
    assert snapshot(tmp_path).keys() == {"file", "loop"}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EROFS, "cannot be written: the file system is read-only"),
        (errno.ENOSPC, "cannot be written: the file system is full"),
        (errno.EDQUOT, "cannot be written: the quota is used up"),
        (errno.EACCES, "cannot be written: permission denied"),
        (errno.EPERM, "cannot be written: the operation is not permitted"),
        (errno.EEXIST, "is in the way: it exists already"),
        (errno.ENOTDIR, "cannot be created: a part of its path is not a directory"),
        (errno.EIO, "cannot be written (Input/output error)"),
    ],
)
def test_errors_are_told_as_sentences(number: int, reason: str) -> None:
    text = os.strerror(number)
    for error, path in [
        (OSError(number, text), "/given"),
        (OSError(number, text, "/a"), "/a"),
        (OSError(number, text, "/a", None, "/b"), "/b"),
        (OSError(number, text, b"/a\xff"), "/a\udcff"),
        (OSError(number, text, "/a/.muslfix-0f53d6ae/1/out"), "/a"),
        (OSError(number, text, "/a/.demo-1.0.whl.muslfix-0f53d6ae"), "/a"),
    ]:
        with pytest.raises(DestinationError) as caught, destination_errors("/given"):
            raise error
        assert (caught.value.path, caught.value.reason) == (path, reason)


def test_an_error_without_a_number_is_told_too() -> None:
    with (
        pytest.raises(DestinationError, match=r"^/given: cannot be written \(odd\)$"),
        destination_errors("/given"),
    ):
        raise OSError("odd")


def test_what_cannot_be_removed_at_the_end_is_no_failure(open_folder: Path) -> None:
    """The files that were replaced may lie in folders that their owner made read-only."""
    tree = open_folder / "tree"

    user = os.geteuid()
    if user == 0:  # root may remove everything
        os.seteuid(NOBODY)
    try:
        sub = tree / "old" / "sub"
        sub.mkdir(parents=True)
        (sub / "file").write_text("old")
        (sub / "link").symlink_to("/")
        sub.chmod(0o500)
        with Transaction(str(tree)) as transaction:
            transaction.move_out(str(tree / "old"))
            transaction.commit()
    finally:
        os.seteuid(user)
    assert os.listdir(tree) == []


def test_a_step_that_cannot_be_noted_is_not_done(tmp_path: Path, states: States) -> None:
    """The journal meets a limit in the middle of a line; what comes after must not be mixed up with that."""
    tree = make_tree(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Transaction(str(tree)) as transaction:
        transaction.move_out(str(tree / "gone"))
        (journal,) = tree.glob(f"{STAGING_PREFIX}*/journal")
        noted = journal.read_text()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(noted) + 10, limits[1]))
        try:
            with pytest.raises(DestinationError, match="File too large"):
                transaction.move_out(str(tree / "pkg"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert journal.read_text() == noted
        transaction.move_out(str(tree / "mod.so"))
        assert len(journal.read_text().splitlines()) == 3
    assert snapshot(tree) == states[0]


@pytest.mark.parametrize("commit", [True, False], ids=["committed", "taken back"])
def test_a_replacement_where_there_are_no_hard_links(
    tmp_path: Path, states: States, monkeypatch: pytest.MonkeyPatch, commit: bool
) -> None:
    """As on vfat. Such a file system takes root to have, so the call is replaced."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    tree = make_tree(tmp_path)
    change_tree(tree, commit=commit)
    assert snapshot(tree) == states[commit]


def test_a_replacement_that_was_only_half_done(tmp_path: Path) -> None:
    """Where there are no hard links, the old file is away for a moment."""
    staging = tmp_path / f"{STAGING_PREFIX}x"
    make_staging(str(staging))
    (staging / "new").write_text("new")
    (staging / "backup").write_text("old")
    journal = Journal(str(staging), str(tmp_path))
    journal.note([Step("replace", (str(staging / "new"), str(tmp_path / "file"), str(staging / "backup")))])
    journal.close()
    put_right(tmp_path)
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


# -- file systems -----------------------------------------------------------------------------------


@pytest.mark.once
def test_files_for_another_file_system_are_staged_there(tmp_path: Path, memory: Path) -> None:
    if os.stat(tmp_path).st_dev == os.stat(memory).st_dev:
        lacks("this machine has no file system in memory")
    (memory / "old").write_text("old")
    before = snapshot(memory)

    def work(*, commit: bool = False) -> None:
        with Transaction(str(tmp_path), [str(memory)]) as transaction:
            transaction.make_directory(str(memory / "new"))
            transaction.make_directory(str(memory / "new" / "sub"))
            staged = Path(transaction.staging_directory(str(memory / "new" / "sub" / "file")), "x")
            here = Path(transaction.staging_directory(str(tmp_path / "file")))
            assert os.stat(staged.parent).st_dev == os.stat(memory).st_dev
            assert os.stat(here).st_dev == os.stat(tmp_path).st_dev
            staged.write_text("new")
            transaction.move_out(str(memory / "old"))
            transaction.rename(str(staged), str(memory / "new" / "sub" / "file"))
            if commit:
                transaction.commit()

    for number in itertools.count(1):
        status = forked(struck(work, number, kill))
        put_right(tmp_path, memory)
        assert (snapshot(memory), snapshot(tmp_path)) == (before, {}), f"killed at step {number}"
        if status == 0:
            break
    work(commit=True)
    assert (list(snapshot(memory)), snapshot(tmp_path)) == (["new", "new/sub", "new/sub/file"], {})


def in_namespace(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python code where it may mount file systems; skip the test where that is not allowed."""
    done = subprocess.run(
        [*mount_namespace(), sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT_MOUNT:
        lacks(f"this machine does not let users mount it: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done


CANNOT_MOUNT = 77
MOUNT = f"""
import contextlib, io, itertools, os, subprocess, sys
from pathlib import Path
from trees import snapshot
from muslfix.cli import main
from muslfix.transaction.transaction import Transaction

def mount(*words):
    if subprocess.run(["mount", *words]).returncode:
        sys.exit({CANNOT_MOUNT})
"""

IN_FOLDERS_OF_AN_IMAGE = f"""
{MOUNT}
base = Path(sys.argv[1])
for name in ("lower/tree/pkg/sub", "upper", "work", "merged"):
    (base / name).mkdir(parents=True)
(base / "lower/tree/pkg/a").write_text("old")
(base / "lower/tree/pkg/sub/b").write_text("old")
(base / "lower/tree/pkg/link").symlink_to("sub")
layers = f"lowerdir={{base}}/lower,upperdir={{base}}/upper,workdir={{base}}/work,userxattr"
mount("-t", "overlay", "overlay", "-o", layers, base / "merged")
tree = base / "merged/tree"
with contextlib.suppress(OSError):
    os.rename(tree / "pkg", tree / "other")
    sys.exit("this overlayfs moves folders, so this test shows nothing")
before = snapshot(tree)
for commit in (False, True):
    with Transaction(str(tree)) as transaction:
        transaction.move_out(str(tree / "pkg"))
        assert not (tree / "pkg").exists()
        if commit:
            transaction.commit()
    assert snapshot(tree) == ({{}} if commit else before), snapshot(tree)
"""


def test_folders_of_an_image_are_moved_file_by_file(tmp_path: Path) -> None:
    """In a container, what the image has brought lies in a lower layer of overlayfs: EXDEV."""
    in_namespace(IN_FOLDERS_OF_AN_IMAGE, tmp_path)


# -- a whole installation ---------------------------------------------------------------------------


def install(folder: Path, wheel: Path) -> int:
    return main(["install", "-q", str(wheel), "--target-file", str(TARGET), "--target", str(folder)])


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, States]:
    """A folder with the old version and another project, and its states before and after the new one."""
    base = tmp_path_factory.mktemp("installed")
    assert install(base / "tree", OLD) == install(base / "tree", OTHER) == 0
    (base / "tree" / "speedy" / "mine.txt").write_text("of somebody else")
    shutil.copytree(base / "tree", base / "saved", symlinks=True)
    assert install(base / "tree", NEW) == 0
    states = snapshot(base / "saved"), snapshot(base / "tree")
    assert states[0] != states[1]
    return base / "saved", states


@pytest.mark.once
@pytest.mark.parametrize("strike_in", [killed, powerless], ids=["killed", "without power"])
def test_an_upgrade_stopped_at_any_step(
    memory: Path, installed: tuple[Path, States], strike_in: Callable[[Work, int, Path], Work]
) -> None:
    """Stopped anywhere, the next muslfix, whatever it is asked, makes the old or the new version of it."""
    saved, states = installed
    tree = memory / "tree"
    seen = []
    for number in itertools.count(1):
        shutil.copytree(saved, tree, symlinks=True)
        status = forked(strike_in(lambda: install(tree, NEW), number, tree))
        assert status in (0, KILLED)
        assert install(tree, OTHER) == 0  # is there already: so this changes nothing itself
        assert snapshot(tree) in states, f"stopped at step {number}"
        seen.append(snapshot(tree) == states[1])
        shutil.rmtree(tree)
        if status == 0:
            break
    assert len(seen) > 40
    assert seen == sorted(seen)
    assert set(seen) == {False, True}


@pytest.mark.once
def test_the_power_is_cut_at_any_step_of_a_new_installation(memory: Path) -> None:
    whole, tree = memory / "whole", memory / "a" / "b"
    assert install(whole, NEW) == 0
    for number in itertools.count(1):
        tree.parent.mkdir()
        status = forked(powerless(lambda: install(tree, NEW), number, tree.parent))
        assert status in (0, KILLED)
        assert install(tree, NEW) == 0
        assert snapshot(tree) == snapshot(whole), f"cut at step {number}"
        shutil.rmtree(tree.parent)
        if status == 0:
            break


@pytest.mark.once
def test_an_installation_into_a_new_folder_killed_at_any_step(memory: Path) -> None:
    whole, tree = memory / "whole", memory / "a" / "b"
    assert install(whole, NEW) == 0
    for number in itertools.count(1):
        status = forked(struck(lambda: install(tree, NEW), number, kill))
        assert status in (0, KILLED)
        assert install(tree, NEW) == 0
        assert snapshot(tree) == snapshot(whole), f"killed at step {number}"
        shutil.rmtree(tree.parent)
        if status == 0:
            break


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "stride"), [(signal.SIGTERM, 3), (signal.SIGINT, 9)], ids=["SIGTERM", "SIGINT"]
)
def test_an_upgrade_ended_by_a_signal(
    memory: Path,
    installed: tuple[Path, States],
    number: signal.Signals,
    stride: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A signal that can be heard: all is tidy at once, without a next muslfix."""
    saved, states = installed
    tree = memory / "tree"
    seen = []
    for step in itertools.count(1, stride):
        shutil.copytree(saved, tree, symlinks=True)
        status = forked(struck(lambda: install(tree, NEW), step, lambda: signal.raise_signal(number)))
        said = capfd.readouterr()
        assert snapshot(tree) in states, f"signalled at step {step}"
        seen.append(snapshot(tree) == states[1])
        shutil.rmtree(tree)
        if status == 0:
            break
        sentence = "interrupted: nothing is left half done"
        if seen[-1]:
            sentence += f"; what was to change in {tree} is changed"
        assert (status, said.out, said.err) == (130, "", sentence + "\n")
    assert seen == sorted(seen)
    assert set(seen) == {False, True}


@pytest.mark.parametrize(("strike_in", "first"), [(struck, 3), (struck_in_calls, 1)])
@pytest.mark.once
def test_an_upgrade_that_fails_at_any_step(
    memory: Path,
    installed: tuple[Path, States],
    capfd: pytest.CaptureFixture[str],
    strike_in: Callable[..., Work],
    first: int,
) -> None:
    """The file system refuses one step: the old version is back, or it could be done without that step."""
    saved, states = installed
    tree, hit = memory / "tree", memory / "hit"
    refused = 0
    for number in itertools.count(1):
        shutil.copytree(saved, tree, symlinks=True)

        def strike() -> None:
            hit.touch()
            fail(first + number)()  # noqa: B023 - called at once

        status = forked(strike_in(lambda: install(tree, NEW), number, strike))
        said = capfd.readouterr().err
        after = snapshot(tree)
        shutil.rmtree(tree)
        if not hit.exists():
            break
        hit.unlink()
        if status == 1:
            assert after == states[0], f"failed at step {number}: {said}"
            assert re.fullmatch(r"error: /\S+: cannot be written[^\n]+\n(tip: .*\n)?", said), said
            refused += 1
        else:
            assert (status, said) == (0, "")
            # A link was made in another way, or what was replaced could not be removed at once.
            assert {name for name in after if STAGING_PREFIX not in name} == states[1].keys()
    print(f"failed {number - 1} times, of which {refused} were told")
    assert refused > 10


ON_A_DISK_THAT_FILLS_UP = f"""
{MOUNT}
base, wheel, other, target = Path(sys.argv[1]), *sys.argv[2:]
mount("-t", "tmpfs", "-o", "size=4M", "none", base)
tree = base / "tree"

def install(wheel):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        status = main(["install", "-q", wheel, "--target-file", target, "--target", str(tree)])
    return status, said.getvalue()

assert install(other) == (0, "")
before, outcomes = snapshot(tree), []
disk = os.statvfs(base)
ballast = os.open(base / "ballast", os.O_CREAT | os.O_RDWR)
os.posix_fallocate(ballast, 0, disk.f_bavail * disk.f_frsize)
for pages in range(200):
    os.ftruncate(ballast, (disk.f_bavail - pages) * disk.f_frsize)
    status, said = install(wheel)
    outcomes.append(status)
    if status == 0:
        break
    assert snapshot(tree) == before, (pages, said, snapshot(tree).keys() - before.keys())
    assert said.startswith("error: ") and said.count("\\n") == 2 and "the file system is full" in said, said
assert outcomes[-1] == 0 and len(outcomes) > 10, outcomes
"""


@pytest.mark.once
def test_a_disk_that_is_full_sooner_or_later(tmp_path: Path) -> None:
    """With any number of free pages from none to enough: all, or nothing and one sentence."""
    in_namespace(ON_A_DISK_THAT_FILLS_UP, tmp_path, NEW, OTHER, TARGET)
