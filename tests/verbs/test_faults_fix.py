"""``fix`` and ``undo`` when something goes wrong: killed, interrupted, out of space, not alone.

Nothing is faked: processes end at each of their steps on the file system, errors of the operating system come
at each of them, disks are full and read-only. What must hold after any of it: the tree is the old one or the
new one, or the next call makes it so; nothing is left; what Python imports was right at every instant.
"""

from __future__ import annotations

import csv
import ctypes
import errno
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import FrameType, ModuleType

import pytest
from environments import site_packages
from faults import (
    ERRORS,
    KILLED,
    Work,
    forked,
    kill,
    powerless,
    profiled,
    refuse,
    struck,
    struck_in_calls,
)
from misnamed import (
    MODES,
    MODULE,
    RIGHT,
    WRONG,
    actions,
    demo_files,
    fix_all,
    lay,
    pairs,
    running,
    served_by,
    speed,
    target_file,
    undo_all,
    verify_all,
)
from required import lacks
from trees import leftovers, snapshot, states

import muslfix
from muslfix.cli import fix, main, undo
from muslfix.cli import main as command_line
from muslfix.projects import in_place
from muslfix.report.report import Report
from muslfix.transaction import transaction
from muslfix.transaction.leftovers import recover_leftovers

#: What the commands load; it is loaded before they are forked, so that each finds it.
LOADED: tuple[ModuleType, ...] = (in_place, transaction, fix, undo)

PACKAGE = os.path.dirname(muslfix.__file__)

CASES = [("fix", "symlink"), ("fix", "copy"), ("fix", "rename"), ("undo", "symlink"), ("undo", "rename")]


@dataclass(frozen=True)
class Scene:
    """A tree that a command changes, made anew for each attempt.

    :param folder: for the trees, and what the commands print
    :param command: ``fix`` or ``undo``
    :param mode: how names are given
    """

    folder: Path
    command: str
    mode: str

    @property
    def told(self) -> Path:
        """What the command has printed."""
        return self.folder / "told"

    def lay(self, name: object) -> Path:
        """The tree as it is before the command: one module with a ``.py`` beside it, and one without."""
        model = self.folder / "laid"
        if not model.exists():
            files = {f"demo/_speed{WRONG}": MODULE, "demo/_speed.py": b""}
            lay(model, files=files, line_end="\r\n")
            lay(model, "other", {f"other/_speed{WRONG}": MODULE})
            if self.command == "undo":
                assert fix_all(model, self.mode).is_well
        return shutil.copytree(model, self.folder / str(name), symlinks=True)

    def words(self, site: Path) -> list[str]:
        words = [
            self.command,
            "--target-file",
            str(self.folder / "target.json"),
            "--path",
            str(site),
            "--json",
        ]
        return [*words, "--mode", self.mode] if self.command == "fix" else words

    def work(self, site: Path) -> Callable[[], int]:
        """The command itself."""
        return lambda: main(self.words(site))

    def do(self, site: Path) -> Report:
        """The same without the words."""
        return fix_all(site, self.mode) if self.command == "fix" else undo_all(site)

    def done(self, site: Path) -> int:
        """The same with an exit status."""
        return 0 if self.do(site).is_well else 1

    def trees(self) -> tuple[dict[str, str], dict[str, str]]:
        """The old one and the new one."""
        site = self.lay("model")
        before = snapshot(site)
        assert forked(self.work(site), self.told) == 0, self.told.read_text()
        return before, snapshot(site)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder, in memory where that can be: a disk that is told to keep what it got takes long."""
    memory = Path("/dev/shm")
    folder = memory if os.access(memory, os.W_OK | os.X_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield Path(name)


@pytest.fixture
def scene(in_memory: Path, request: pytest.FixtureRequest) -> Scene:
    target_file(in_memory)
    return Scene(in_memory, *request.param)


def of_each(*cases: tuple[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scene", cases, indirect=True, ids="-".join)


LOADERS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))

#: What an import may find, whatever happens: the extension module, or what it found before the fix.
MAY_BE_FOUND: dict[str, set[str | None]] = {
    "demo": {f"_speed{RIGHT}", "_speed.py"},
    "other": {f"_speed{RIGHT}", None},
}


def what_python_finds(folder: Path) -> str | None:
    """The file of the module for an import right now."""
    spec = FileFinder(str(folder), *LOADERS).find_spec("_speed")
    return None if spec is None else os.path.basename(spec.origin or "")


def check_instant(site: Path) -> None:
    """What must hold at any instant: RECORD is whole and lists what is there; imports find the right file."""
    for name in ("demo", "other"):
        with (site / f"{name}-1.0.dist-info" / "RECORD").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {3}
        assert rows[-1][0] == f"{name}-1.0.dist-info/RECORD"
        for path, *_ in rows:
            assert (site / path).exists(), path
        assert what_python_finds(site / name) in MAY_BE_FOUND[name]


# -- killed -----------------------------------------------------------------------------------------


@of_each(*CASES)
@pytest.mark.once
def test_killed_before_any_step(scene: Scene) -> None:
    """Before each step on the file system, and before each write to an open file."""
    trees = scene.trees()
    kills = 0
    for strike_in in (struck, struck_in_calls):
        for number in itertools.count(1):
            site = scene.lay(f"{strike_in.__name__}-{number}")
            status = forked(strike_in(lambda: scene.done(site), number, kill), scene.told)  # noqa: B023
            assert status in (0, KILLED), scene.told.read_text()
            check_instant(site)

            recover_leftovers(str(site))

            at = f"killed before step {number} of {strike_in.__name__}"
            assert leftovers(site) == [], at
            assert snapshot(site) in trees, at
            assert scene.do(site).is_well, at
            assert snapshot(site) == trees[1], at
            assert leftovers(site) == [], at
            shutil.rmtree(site)
            if status == 0:
                break
            kills += 1
    print(f"{scene.command} {scene.mode}: killed {kills} times")
    assert kills > 50


@of_each(("fix", "copy"), ("undo", "rename"))
@pytest.mark.once
def test_the_power_is_cut_before_any_step(scene: Scene) -> None:
    """What was not synced is lost then, above all RECORD and the journal."""
    trees = scene.trees()
    cuts = 0
    for number in itertools.count(1):
        site = scene.lay(number)
        status = forked(powerless(lambda: scene.done(site), number, site), scene.told)  # noqa: B023
        assert status in (0, KILLED), scene.told.read_text()
        recover_leftovers(str(site))
        at = f"cut before step {number}"
        assert leftovers(site) == [], at
        assert snapshot(site) in trees, at
        assert verify_all(site).is_well, at
        shutil.rmtree(site)
        if status == 0:
            break
        cuts += 1
    print(f"{scene.command} {scene.mode}: cut {cuts} times")
    assert cuts > 20


@of_each(("fix", "rename"))
@pytest.mark.once
def test_killed_and_killed_again_while_that_is_put_right(scene: Scene) -> None:
    trees = scene.trees()
    for number in range(3, 27, 4):
        for second in itertools.count(1, 4):
            site = scene.lay(f"{number}-{second}")
            status = forked(struck(lambda: scene.done(site), number, kill), scene.told)  # noqa: B023
            assert status == KILLED, scene.told.read_text()
            status = forked(struck(lambda: recover_leftovers(str(site)) and 0, second, kill))  # noqa: B023
            assert status in (0, KILLED)
            check_instant(site)
            recover_leftovers(str(site))
            assert leftovers(site) == []
            assert snapshot(site) in trees, f"killed before step {number}, then before {second}"
            shutil.rmtree(site)
            if status == 0:
                break


@of_each(("fix", "copy"), ("undo", "rename"))
@pytest.mark.once
def test_killed_where_there_are_no_hard_links(scene: Scene) -> None:
    """There RECORD cannot be replaced at once, so for a moment there is none."""
    trees = scene.trees()
    for number in itertools.count(1):
        site = scene.lay(number)

        def work() -> int:
            refuse("os.link")
            return struck(lambda: scene.done(site), number, kill)()  # type: ignore[no-any-return] # noqa: B023

        status = forked(work, scene.told)
        assert status in (0, KILLED), scene.told.read_text()
        recover_leftovers(str(site))
        assert leftovers(site) == []
        assert snapshot(site) in trees, f"killed before step {number}"
        shutil.rmtree(site)
        if status == 0:
            break


@of_each(("fix", "copy"), ("fix", "rename"), ("undo", "rename"))
@pytest.mark.once
def test_killed_in_the_middle_of_a_write(scene: Scene) -> None:
    """A file can grow up to a limit; what is written beyond it is cut, and the process ends."""
    trees = scene.trees()
    ends = set()
    for limit in (*range(0, 700, 67), *range(700, 3500, 397), 1_000_000):
        site = scene.lay(limit)

        def work() -> int:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))  # noqa: B023
            return main(scene.words(site))  # noqa: B023

        ends.add(forked(work))
        check_instant(site)
        recover_leftovers(str(site))
        assert leftovers(site) == []
        assert snapshot(site) in trees, f"killed at {limit} bytes"
        shutil.rmtree(site)
    assert ends == {-signal.SIGXFSZ, 0}


def _in_the_verbs(frame: FrameType, _event: str, _function: object) -> bool:
    """Whether an event happens while a command is at work, not while it reads its words or prints."""
    return _is_at_work(frame.f_code.co_filename)


@cache
def _is_at_work(path: str) -> bool:
    return not os.path.relpath(path, PACKAGE).startswith(("..", "cli", "verbs/nothing_to_fix.py"))


def is_true(told: str, site: Path, *, changed: bool) -> bool:
    """Whether the sentence about an interrupt is."""
    sentence = "interrupted: nothing is left half done"
    if changed:
        sentence += f"; what was to change in {site} is changed"
    return [line for line in told.split("\n") if line.startswith("interrupted")] == [sentence]


def _kill_thread(thread: int, number: int) -> None:
    """Send a thread a signal, and go on when it has arrived."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    try:
        signal.pthread_kill(thread, number)
        os.read(reader, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


@pytest.mark.once
@of_each(("fix", "rename"), ("undo", "symlink"))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_again_and_again_while_another_thread_lives(scene: Scene, number: signal.Signals) -> None:
    """The other thread gets the signals: masks of the main thread keep none of them back."""
    trees = scene.trees()
    ends = []
    for step in itertools.count(1, 3):
        site = scene.lay(step)

        def work() -> int:
            idle = threading.Thread(target=threading.Event().wait, daemon=True)
            idle.start()
            strike = partial(_kill_thread, idle.ident or 0, number)
            status: int = struck(scene.work(site), step, strike, for_good=True)()  # noqa: B023
            return status

        status = forked(work, scene.told)
        ends.append(status)
        told = scene.told.read_text()
        assert "Traceback" not in told
        assert leftovers(site) == [], told
        assert snapshot(site) in trees, told
        if status == 130:
            assert is_true(told, site, changed=snapshot(site) == trees[1]), told
        shutil.rmtree(site)
        if status == 0:
            break
    assert ends.count(130) > 5
    assert set(ends) == {0, 130}


@pytest.mark.once
@of_each(("fix", "copy"), ("undo", "rename"))
def test_interrupted_at_some_instant(scene: Scene) -> None:
    """By signals that let a process tidy up; a fixed seed, so that a failure comes again."""
    trees = scene.trees()
    site, counted = scene.lay("count"), scene.folder / "counted"

    def count() -> int:
        seen = []

        def note(frame: FrameType, event: str, function: object) -> bool:
            if _in_the_verbs(frame, event, function):
                seen.append(event)
            return False

        status: int = profiled(scene.work(site), 0, kill, note)()
        counted.write_text(str(len(seen)))
        return status

    assert forked(count, scene.told) == 0
    total = int(counted.read_text())
    chance = random.Random(scene.command + scene.mode)
    ends = []
    for number in sorted(chance.sample(range(1, total), 40)):
        ending = chance.choice([signal.SIGTERM, signal.SIGINT])
        site = scene.lay(number)

        def interrupt() -> None:
            os.kill(os.getpid(), ending)  # noqa: B023

        status = forked(profiled(scene.work(site), number, interrupt, _in_the_verbs), scene.told)
        ends.append(status)
        at = f"{ending.name} at {number} of {total}: {scene.told.read_text()}"
        assert status in (0, 130), at
        if status == 130:
            assert is_true(scene.told.read_text(), site, changed=snapshot(site) == trees[1]), at
        assert leftovers(site) == [], at
        assert snapshot(site) in trees, at
        assert scene.do(site).is_well
        assert snapshot(site) == trees[1]
        shutil.rmtree(site)
    assert ends.count(130) > 20


# -- errors of the operating system -----------------------------------------------------------------


def told_as_a_sentence(told: str) -> bool:
    """Whether it says what is wrong, once and in a few words."""
    said = [line for line in told.splitlines() if line.startswith("error: ")]
    if told.startswith("{"):
        for project in json.loads(told)["projects"]:
            said += [project["problem"]] if project["problem"] else []
            said += [module["sentence"] for module in project["modules"] if module["refused"]]
    return "Traceback" not in told and len(said) == 1 and len(said[0]) < 400


@pytest.mark.parametrize(
    ("scene", "first", "reading"),
    [
        (("fix", "symlink"), 0, False),
        (("fix", "copy"), 1, False),
        (("fix", "rename"), 3, False),
        (("fix", "rename"), 4, True),
        (("undo", "rename"), 2, False),
        (("undo", "rename"), 3, True),
    ],
    indirect=["scene"],
)
@pytest.mark.once
def test_an_error_at_any_step(scene: Scene, first: int, reading: bool) -> None:
    """Once, at each step that changes a tree, or at each that reads it; the errors take turns."""
    trees = scene.trees()
    faults = 0
    for number in itertools.count(1):
        site, hit = scene.lay(number), scene.folder / f"{number}-hit"
        code = getattr(errno, ERRORS[(first + number) % len(ERRORS)])

        def fail() -> None:
            hit.touch()  # noqa: B023
            raise OSError(code, os.strerror(code))  # noqa: B023

        work = struck(scene.work(site), number, fail, reading=site if reading else None)
        status = forked(work, scene.told)
        told = scene.told.read_text()
        at = f"{errno.errorcode[code]} at step {number}: {told}"
        check_instant(site)
        if not hit.exists():
            assert status == 0
            break
        faults += 1
        if status == 0:
            # It has found another way, or was done and had only to tidy up.
            recover_leftovers(str(site))
            assert verify_all(site).is_well, at
            if scene.command == "fix":
                found = {what_python_finds(site / name) for name in ("demo", "other")}
                assert found == {f"_speed{RIGHT}"}, at
        else:
            assert status == 1, at
            assert told_as_a_sentence(told), at
            assert leftovers(site) == [], at
            # All goes back, or one project does while the other is changed.
            if "error: " in told:
                assert snapshot(site) == trees[0], at
            for name in ("demo", "other"):
                assert _part(site, name) in [_part_of(tree, name) for tree in trees], at
        assert scene.do(site).is_well, at
        assert leftovers(site) == []
        shutil.rmtree(site)
    print(f"{scene.command} {scene.mode}: failed {faults} times")
    assert faults > 10


def _part(site: Path, name: str) -> dict[str, str]:
    return _part_of(snapshot(site), name)


def _part_of(tree: dict[str, str], name: str) -> dict[str, str]:
    return {path: state for path, state in tree.items() if path.startswith((f"{name}/", f"{name}-"))}


@of_each(("fix", "symlink"), ("undo", "rename"))
@pytest.mark.once
def test_a_disk_that_fails_for_good(scene: Scene) -> None:
    """From some step on nothing can be changed any more, nor taken back; the next call does that."""
    trees = scene.trees()
    for number in itertools.count(1):
        site, hit = scene.lay(number), (scene.folder / f"{number}-hit").open("wb", buffering=0)

        def fail() -> None:
            hit.write(b"x")  # noqa: B023
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        with hit:
            status = forked(struck(scene.work(site), number, fail, for_good=True), scene.told)
            hits = os.stat(hit.fileno()).st_size
        if not hits:
            assert status == 0
            break
        at = f"failing from step {number} on: {scene.told.read_text()}"
        assert status in (0, 1), at
        assert "Traceback" not in at
        check_instant(site)
        recover_leftovers(str(site))
        assert leftovers(site) == []
        for name in ("demo", "other"):
            assert _part(site, name) in [_part_of(tree, name) for tree in trees], at
        assert scene.do(site).is_well
        assert snapshot(site) == trees[1]
        assert leftovers(site) == []
        shutil.rmtree(site)


# -- real disks -------------------------------------------------------------------------------------

_CLONE_NEWNS = 0x00020000
NOT_PERMITTED = 99


def mounted(folder: Path, options: str, work: Callable[[], int | None], told: Path) -> None:
    """Do something in a process that alone sees a small file system; skip where nobody may mount."""

    def work_in_namespace() -> int | None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNS) != 0:
            return NOT_PERMITTED
        for words in (
            ["mount", "--make-rprivate", "/"],
            ["mount", "-t", "tmpfs", "-o", options, "muslfix", str(folder)],
        ):
            if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode != 0:
                return NOT_PERMITTED
        return work()

    folder.mkdir()
    status = forked(work_in_namespace, told)
    if status == NOT_PERMITTED:
        lacks("this user must not mount a file system")
    assert status == 0, told.read_text()


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(path: Path, leave: int) -> None:
    """Fill a file system up to some free pages."""
    with path.open("wb", buffering=0) as file:
        free = os.statvfs(path.parent).f_bavail - leave
        for _ in range(max(free, 0)):
            file.write(bytes(4096))


@of_each(("fix", "symlink"), ("undo", "rename"))
def test_a_read_only_tree(scene: Scene) -> None:
    disk = scene.folder / "disk"

    def work() -> int:
        site = scene.lay("disk/site")
        before = states(site)
        remount(disk, "ro")
        out = scene.folder / "out"
        for words in (scene.words(site), [*scene.words(site), "demo"]):
            assert forked(lambda: main(words), out) == 1  # noqa: B023
            said, _, document = out.read_text().partition("{")
            reason = "cannot be written: the file system is read-only"
            assert re.fullmatch(
                rf"error: {re.escape(str(site))}[^:]*: {reason}\n"
                rf"tip: make it writable.*{'muslfix shim --wheel DIR' if words[0] == 'fix' else ''}.*\n",
                said,
            )
            assert json.loads("{" + document)["error"]["reason"] == reason
            assert ".muslfix-" not in said + document
            assert states(site) == before
        assert forked(lambda: main([*scene.words(site), "--dry-run"]), out) == 0
        assert verify_all(site).is_well
        remount(disk, "rw")
        assert scene.do(site).is_well
        remount(disk, "ro")
        exact = states(site)
        assert scene.do(site).is_well  # nothing to do needs nothing
        assert verify_all(site).is_well
        assert states(site) == exact
        return 0

    mounted(disk, "size=1m", work, scene.told)


@pytest.mark.parametrize(
    ("scene", "limit"), pairs(CASES, ["size=256k", "size=1m,nr_inodes=64"]), indirect=["scene"]
)
@pytest.mark.once
def test_a_full_disk(scene: Scene, limit: str) -> None:
    disk = scene.folder / "disk"
    trees = scene.trees()

    def work() -> int:
        ends = set()
        for leave in range(20):
            site = scene.lay("disk/site")
            full = disk / "full"
            if "nr_inodes" in limit:
                full.mkdir()
                for number in range(os.statvfs(disk).f_ffree - leave):
                    (full / str(number)).touch()
            else:
                fill(full, leave)
            out = scene.folder / "out"
            status = forked(scene.work(site), out)
            ends.add(status)
            told = out.read_text()
            check_instant(site)
            assert leftovers(site) == []
            assert status in (0, 1), told
            if status == 0:
                assert snapshot(site) == trees[1]
            elif "error: " in told:
                assert told_as_a_sentence(told), told
                assert "the file system is full" in told
                assert snapshot(site) == trees[0]
            else:  # there was room for one project and not for the other
                assert "the file system is full" in told
                for name in ("demo", "other"):
                    assert _part(site, name) in [_part_of(tree, name) for tree in trees]
            shutil.rmtree(full) if full.is_dir() else full.unlink()
            assert scene.do(site).is_well
            assert snapshot(site) == trees[1]
            shutil.rmtree(site)
        assert ends == {0, 1}, ends
        return 0

    mounted(disk, limit, work, scene.told)


@of_each(("fix", "hardlink"), ("fix", "rename"))
def test_a_tree_in_a_lower_layer_of_an_image(scene: Scene) -> None:
    """As in ``RUN muslfix fix`` of a Dockerfile; such a layer is read-only, and what changes is copied up."""
    disk = scene.folder / "disk"
    trees = scene.trees()

    def work() -> int:
        lower, upper, aside, merged = (disk / name for name in ("lower", "upper", "aside", "merged"))
        for folder in (lower, upper, aside, merged):
            folder.mkdir()
        scene.lay("disk/lower/site")
        layers = f"lowerdir={lower},upperdir={upper},workdir={aside}"
        words = ["mount", "-t", "overlay", "-o", layers, "overlay", str(merged)]
        if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            return NOT_PERMITTED
        before, site = states(lower), merged / "site"
        assert forked(scene.work(site), scene.folder / "out") == 0, (scene.folder / "out").read_text()
        assert snapshot(site) == trees[1]
        check_instant(site)
        assert verify_all(site).is_well
        assert undo_all(site).is_well
        assert snapshot(site) == trees[0]
        assert leftovers(site) == []
        assert states(lower) == before
        for number in (4, 9, 13, 18):
            assert forked(struck(scene.work(site), number, kill), scene.folder / "out") == KILLED
            recover_leftovers(str(site))
            assert snapshot(site) == trees[0]
            assert leftovers(site) == []
        return 0

    mounted(disk, "size=4m", work, scene.told)


def test_a_site_folder_that_must_not_be_written_to(tmp_path: Path) -> None:
    """By somebody else than root, who may write anywhere."""
    if os.geteuid() != 0:
        lacks("only root can become somebody else")
    told, target = tmp_path / "told", target_file(tmp_path).read_bytes()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        os.chmod(folder, 0o755)
        site = lay(Path(folder) / "site")
        (Path(folder) / "target.json").write_bytes(target)
        before = states(site)

        def work() -> int:
            os.setgid(65534)
            os.setuid(65534)
            return main(["fix", "--target-file", f"{folder}/target.json", "--path", str(site)])

        assert forked(work, told) == 1
        error, tip = told.read_text().splitlines()
        assert error == f"error: {site}: cannot be written: permission denied"
        assert tip.startswith("tip: run muslfix as a user who may write there")
        assert states(site) == before


# -- not alone --------------------------------------------------------------------------------------


def started(words: list[str], out: Path) -> subprocess.Popen[bytes]:
    with out.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "muslfix", *words], stdout=file, stderr=file)


@pytest.mark.parametrize("mode", ["symlink", "rename"])
def test_two_at_once(tmp_path: Path, mode: str) -> None:
    target_file(tmp_path)
    site, model = tmp_path / "site", tmp_path / "model"
    for folder in (site, model):
        for number in range(12):
            lay(folder, f"demo{number}")
    assert fix_all(model, mode).is_well
    words = ["fix", "--path", str(site), "--mode", mode, "--target-file", str(tmp_path / "target.json")]
    processes = [started(words, tmp_path / f"told-{number}") for number in range(4)]
    ends = [process.wait(timeout=60) for process in processes]
    told = [(tmp_path / f"told-{number}").read_text() for number in range(4)]
    assert ends == [0, 0, 0, 0], told
    assert snapshot(site) == snapshot(model)
    assert leftovers(site) == []


def test_fix_and_undo_at_once(tmp_path: Path) -> None:
    target_file(tmp_path)
    site, fixed = tmp_path / "site", tmp_path / "fixed"
    for folder in (site, fixed):
        for number in range(6):
            lay(folder, f"demo{number}")
    trees = [snapshot(site)]
    for mode in ("symlink", "rename"):
        fix_all(fixed, mode)
        trees.append(snapshot(fixed))
        undo_all(fixed)
    common = ["--path", str(site), "--target-file", str(tmp_path / "target.json")]
    commands = [["fix"], ["undo"], ["fix", "--mode", "rename"], ["undo"], ["fix"]]
    processes = [
        started([*words, *common], tmp_path / f"told-{number}") for number, words in enumerate(commands)
    ]
    ends = [process.wait(timeout=60) for process in processes]
    told = [(tmp_path / f"told-{number}").read_text() for number in range(len(commands))]
    assert ends == [0] * len(commands), told
    assert leftovers(site) == []
    assert verify_all(site).is_well
    for number in range(6):
        assert _part(site, f"demo{number}") in [_part_of(tree, f"demo{number}") for tree in trees]


def looks_half_way(first: Work, pause_at: int, second: Work, until: str) -> Work:
    """The second of two works, which comes to a file when the first is half-way.

    The first is let go on where the second waits for it, or has ended.

    :param first: returns a report, like the second
    :param pause_at: the step before which it pauses
    :param until: how the name of the file ends
    """
    go, gone = os.pipe(), os.pipe()

    def do_first() -> int:
        def pause() -> None:
            os.write(gone[1], b"half-way")
            os.read(go[0], 1)

        report: Report = struck(first, pause_at, pause)()
        os.write(gone[1], b"done")
        return 0 if report.is_well else 1

    def do_second() -> int:
        children: list[int] = []

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and str(arguments[0]).endswith(until) and not children:
                children.append(os.fork())
                if children[0] == 0:
                    os._exit(do_first())
                os.read(gone[0], 8)
            if event == "fcntl.flock" and children:
                os.write(go[1], b"go on")

        sys.addaudithook(hook)
        report = second()
        os.write(go[1], b"go on")
        _, status = os.waitpid(children[0], 0)
        sys.stdout.write(report.to_json())
        return 0 if report.is_well and status == 0 else 1

    return do_second


@pytest.mark.once
@pytest.mark.parametrize(
    ("first", "second", "until"),
    [
        ("fix rename", "fix rename", "RECORD"),
        ("fix symlink", "fix symlink", ".so"),
        ("fix symlink", "undo", "muslfix.json"),
        ("undo", "undo", "RECORD"),
        ("undo", "verify", "RECORD"),
    ],
)
def test_one_that_looks_while_another_is_half_way(
    in_memory: Path, first: str, second: str, until: str
) -> None:
    """It sees a new name before RECORD lists it, or none of the two; that is no fault of the project."""
    verbs: dict[str, Callable[[Path], Report]] = {
        "fix rename": lambda site: fix_all(site, "rename"),
        "fix symlink": fix_all,
        "undo": undo_all,
        "verify": verify_all,
    }
    running()
    for pause_at in range(2, 40, 3):
        site = lay(in_memory / str(pause_at))
        if first == "undo":
            fix_all(site)
        told, works = in_memory / "told", [partial(verbs[name], site) for name in (first, second)]
        status = forked(looks_half_way(works[0], pause_at, works[1], until), told)
        assert status == 0, f"half-way at {pause_at}: {told.read_text()}"
        if first == second != "undo":
            assert len(speed(site)) == (1 if "rename" in first else 2)
        assert leftovers(site) == []
        assert verify_all(site).is_well


@pytest.mark.once
def test_a_reader_meanwhile(environment: Path, tmp_path: Path) -> None:
    """While names come and go an import finds the right file, and a Python of the old name finds its own."""
    site = lay(site_packages(environment), files=demo_files())
    wanted, stop = tmp_path / "wanted", tmp_path / "stop"

    def read() -> int:
        seen = set()
        while not stop.exists():
            seen.add(what_python_finds(site / "demo"))
            assert (site / "demo" / f"_speed{WRONG}").exists() or not wanted.exists()
        assert seen <= MAY_BE_FOUND["demo"], seen
        assert len(seen) == 2, seen
        return 0

    told = tmp_path / "told"
    running()
    reader = os.fork()
    if reader == 0:
        os._exit(forked(read, told))
    try:
        wanted.touch()  # with links the old name is there all the time
        for mode in (*MODES[:-1], *MODES[:-1]):
            assert actions(fix_all(site, mode)) == {"demo": "fixed"}
            assert served_by(environment) == f"_speed{RIGHT}"
            assert actions(undo_all(site)) == {"demo": "undone"}
            assert served_by(environment) == "_speed.py"
        wanted.unlink()
        for _ in range(5):
            assert actions(fix_all(site, "rename")) == {"demo": "fixed"}
            assert actions(undo_all(site)) == {"demo": "undone"}
    finally:
        stop.touch()
        _, status = os.waitpid(reader, 0)
    assert status == 0, told.read_text()
    assert command_line is main
