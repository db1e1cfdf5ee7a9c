"""``repair`` when something goes wrong: killed, interrupted, out of space, on a file system that can do less.

After any of it there is the whole new wheel or none, the old one is what it was, and no other file is left.
"""

from __future__ import annotations

import errno
import itertools
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from faults import KILLED, forked, kill, refuse, struck, struck_in_calls

from muslfix.cli import main
from muslfix.errors import DestinationError, InvalidWheel, UsageError
from muslfix.parallel.executors import dask_executor, for_each
from muslfix.report.report import ProjectReport
from muslfix.rewheel import new_wheel
from muslfix.rewheel.new_file import write_whole_file
from muslfix.targets.interpreter import read_target_file
from muslfix.verbs.check import check
from muslfix.verbs.repair import RepairOptions, repair, repair_wheel

WHEELS = FIXTURES / "wheels"
TARGET_FILE = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
TARGET = read_target_file(str(TARGET_FILE))
MISNAMED = WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"
OLD = MISNAMED.read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be: a disk that is told to keep what it got takes most of the time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        dir=memory if os.access(memory, os.W_OK | os.X_OK) else tmp_path
    ) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The new wheel."""
    folder = tmp_path_factory.mktemp("new")
    assert repair([str(MISNAMED)], [TARGET], RepairOptions(str(folder))).is_well
    return (folder / MISNAMED.name).read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _can_less() -> None:
    """Let this process live on a file system that has no nameless files."""
    vars(os)["O_TMPFILE"] = os.O_DIRECTORY | os.O_WRONLY  # "is a directory", as an old kernel says


def _without_links() -> None:
    _can_less()
    refuse("os.link")


FILE_SYSTEMS: dict[str, Callable[[], None]] = {
    "all": lambda: None,
    "no nameless files": _can_less,
    "no links": _without_links,
}


def scene(folder: Path, where: str) -> tuple[Path, Callable[[], int], dict[str, bytes]]:
    """A folder, the work that writes a wheel into it, and what is in the folder before."""
    out = Path(tempfile.mkdtemp(dir=folder))
    if where != "new":
        shutil.copy(MISNAMED, out)
    wheel = out / MISNAMED.name if where == "in place" else MISNAMED
    options = RepairOptions(
        None if where == "in place" else str(out), in_place=where == "in place", force=where == "forced"
    )

    def work() -> int:
        return 0 if repair_wheel(str(wheel), [TARGET], options).is_well else 1

    return out, work, contents(out)


# -- killed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["new", "in place", "forced"])
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
@pytest.mark.once
def test_killed_before_any_step(folder: Path, where: str, file_system: str, new: bytes) -> None:
    kills, left = 0, 0
    for strike_in in (struck, struck_in_calls):
        for number in itertools.count(1):
            out, work, before = scene(folder, where)

            def limited() -> Any:
                FILE_SYSTEMS[file_system]()
                return strike_in(work, number, kill)()  # noqa: B023

            status = forked(limited, folder / "told")
            assert status in (0, KILLED), (folder / "told").read_text()
            after = contents(out)
            left += len(after.keys() - {MISNAMED.name})
            assert after.get(MISNAMED.name) in (before.get(MISNAMED.name), new), number
            # What the killed one had to give a name to, the next one takes away.
            assert work() == 0
            assert contents(out) == {MISNAMED.name: new}, number
            shutil.rmtree(out)
            if status == 0:
                break
            kills += 1
    print(f"{where}, {file_system}: killed {kills} times, {left} files left")
    assert kills > 5
    # A file without a name gets its own at once, or for one instant the one from which it is renamed.
    assert file_system != "all" or left <= (0 if where == "new" else 2)


@pytest.mark.once
def test_killed_in_the_middle_of_a_write(folder: Path, new: bytes) -> None:
    """A file can grow up to a limit; what is written beyond it is cut, and the process ends."""
    ends = set()
    for limit in (0, 1, 100, 2600, 4000, len(new) - 1, len(new)):
        out, work, _ = scene(folder, "new")

        def limited() -> int:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))  # noqa: B023
            return work()  # noqa: B023

        ends.add(forked(limited))
        assert contents(out) in ({}, {MISNAMED.name: new})
    assert ends == {-signal.SIGXFSZ, 0}


# -- errors of the operating system, and interruptions ----------------------------------------------


@pytest.mark.parametrize("where", ["new", "in place"])
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
@pytest.mark.once
def test_an_error_at_any_step(folder: Path, where: str, file_system: str, new: bytes) -> None:
    faults = 0
    for number in itertools.count(1):
        out, _, before = scene(folder, where)
        hit = folder / f"{number}-hit"
        code = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS][number % 4]
        wheel, place = MISNAMED, ["-w", str(out)]
        if where == "in place":
            wheel, place = out / MISNAMED.name, ["--in-place"]

        def fail() -> None:
            hit.touch()  # noqa: B023
            raise OSError(code, os.strerror(code))  # noqa: B023

        def work() -> Any:
            FILE_SYSTEMS[file_system]()
            words = ["repair", str(wheel), "--target-file", str(TARGET_FILE), *place]  # noqa: B023
            return struck(lambda: main(words), number, fail)()  # noqa: B023

        status = forked(work, folder / "told")
        told = (folder / "told").read_text()
        assert "Traceback" not in told, told
        if not hit.exists():
            assert status == 0
            break
        faults += 1
        after = contents(out)
        hidden = [name for name in list(after) if name.startswith(".") and after.pop(name) == new]
        assert after == before if status else after == {MISNAMED.name: new}, told
        assert not hidden or file_system != "all"  # what could not be removed
        assert status == 0 or ": failed: " in told or told.startswith("error: "), told
        shutil.rmtree(out)
    assert faults >= 2


@pytest.mark.parametrize("number", range(1, 8))
def test_interrupted(folder: Path, number: int, new: bytes) -> None:
    out, _, _ = scene(folder, "new")
    words = ["repair", str(MISNAMED), "--target-file", str(TARGET_FILE), "-w", str(out)]
    status = forked(
        struck_in_calls(lambda: main(words), number, lambda: os.kill(os.getpid(), signal.SIGINT)),
        folder / "told",
    )
    assert status in (0, 130), (folder / "told").read_text()
    assert contents(out) in ({}, {MISNAMED.name: new})


# -- files ------------------------------------------------------------------------------------------


def test_a_file_has_no_name_until_it_is_whole(folder: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ab"
        assert os.listdir(folder) == []
        yield b""
        yield b"c" * 3_000_000

    write_whole_file(str(folder / "new"), chunks(), overwrite=False)
    assert contents(folder) == {"new": b"ab" + b"c" * 3_000_000}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_a_power_cut_finds_the_whole_file_or_none(folder: Path, file_system: str, overwrite: bool) -> None:
    """The content is on the disk before it gets its name, and the name is there before anything is said."""

    def work() -> int:
        FILE_SYSTEMS[file_system]()
        steps: list[str] = []

        def note(_: object, event: str, function: Any) -> None:
            name = getattr(function, "__name__", "")
            if event == "c_call" and name in {"write", "fsync", "link", "rename"}:
                steps.append(name)

        sys.setprofile(note)
        write_whole_file(str(folder / "x"), [b"ab", b"cd"], overwrite=overwrite)
        sys.setprofile(None)
        print(steps)
        assert steps[:3] == ["write", "write", "fsync"]
        assert steps[-1] == "fsync"
        assert {*steps[3:-1]} <= {"link", "rename"}
        assert len(steps) > 4 - (file_system == "no links")
        return 0

    assert forked(work, folder / "told") == 0, (folder / "told").read_text()
    assert (folder / "x").read_bytes() == b"abcd"


LONG = bytes(2**20)


@pytest.mark.parametrize(
    "other", [b"", LONG, LONG + b"abc", LONG + b"abcdef", b"x" + LONG[1:] + b"abcd"], ids=len
)
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_a_file_of_that_name_stays_if_it_is_another(folder: Path, file_system: str, other: bytes) -> None:
    """Only the same content is as good, to the last byte."""
    (folder / "x").write_bytes(other)

    def work() -> int:
        FILE_SYSTEMS[file_system]()
        with pytest.raises(DestinationError, match="exists, and would be another file"):
            write_whole_file(str(folder / "x"), [LONG, b"ab", b"cd"], overwrite=False)
        assert contents(folder) == {"x": other}
        write_whole_file(str(folder / "x"), [other], overwrite=False)
        assert contents(folder) == {"x": other}
        write_whole_file(str(folder / "x"), [LONG, b"ab", b"cd"], overwrite=True)
        return 0 if contents(folder) == {"x": LONG + b"abcd"} else 1

    assert forked(work) == 0


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_has_the_name_and_is_no_file(folder: Path, overwrite: bool) -> None:
    """It is neither waited for nor replaced without being asked."""
    os.mkfifo(folder / "pipe")
    (folder / "directory").mkdir()
    for name in ("directory",) if overwrite else ("directory", "pipe"):
        with pytest.raises(DestinationError):
            write_whole_file(str(folder / name), [b"new"], overwrite=overwrite)
    assert sorted(os.listdir(folder)) == ["directory", "pipe"]
    assert (folder / "pipe").is_fifo()


def test_a_nameless_file_that_must_not_be_linked(folder: Path) -> None:
    """It cannot be renamed instead, and the sentence is about the link."""
    (folder / "out").mkdir()

    def work() -> None:
        refuse("os.link")
        for overwrite in (False, True):
            with pytest.raises(DestinationError, match="cannot be written: the operation is not permitted"):
                write_whole_file(str(folder / "out" / "new"), [b"ab"], overwrite=overwrite)

    assert forked(work, folder / "told") == 0, (folder / "told").read_text()
    assert contents(folder / "out") == {}


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_a_content_that_fails_leaves_nothing(folder: Path, file_system: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"ab"
        raise InvalidWheel("x.whl", "is damaged")

    def work() -> int:
        FILE_SYSTEMS[file_system]()
        for overwrite in (False, True):
            with pytest.raises(InvalidWheel, match="is damaged"):
                write_whole_file(str(out / "new"), chunks(), overwrite=overwrite)
        return len(os.listdir(out))

    out = folder / "out"
    out.mkdir()
    assert forked(work, folder / "told") == 0, (folder / "told").read_text()


def test_a_wheel_that_becomes_shorter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged, and then somebody has cut it."""
    wheel, out = folder / MISNAMED.name, folder / "out"
    out.mkdir()
    wheel.write_bytes(OLD)

    def cut_before_writing(path: str, chunks: Any, **options: Any) -> None:
        wheel.write_bytes(OLD[:1000])
        write_whole_file(path, chunks, **options)

    monkeypatch.setattr(new_wheel, "write_whole_file", cut_before_writing)
    report = repair_wheel(str(wheel), [TARGET], RepairOptions(str(out)))
    assert "became shorter while it was read" in str(report.problem)
    assert contents(out) == {}


def test_what_another_one_is_writing_is_not_removed(folder: Path) -> None:
    """A name that is locked belongs to a process that is alive."""
    path, seen = str(folder / "x.whl"), []

    def first() -> Iterator[bytes]:
        yield b"first"
        write_whole_file(path, [b"second"], overwrite=True)
        seen.extend(sorted(os.listdir(folder)))

    def work() -> int:
        _can_less()
        write_whole_file(path, first(), overwrite=True)
        return 0 if len(seen) == 2 and seen[0].startswith(".x.whl.muslfix-") and seen[1] == "x.whl" else 1

    assert forked(work) == 0
    assert contents(folder) == {"x.whl": b"first"}
    (folder / ".x.whl.muslfix-0").write_bytes(b"left by one that was killed")
    (folder / ".y.whl.muslfix-0").write_bytes(b"of another file")
    write_whole_file(path, [b"third"], overwrite=True)
    assert sorted(os.listdir(folder)) == [".y.whl.muslfix-0", "x.whl"]


# -- many wheels ------------------------------------------------------------------------------------


def length(path: str) -> int:
    return os.stat(path).st_size


def deadly(name: str, path: str, again: bool = True) -> int:
    """Like :func:`length`, but one file kills its worker: always, or the first time."""
    marker = Path(path).with_suffix(".seen")
    if os.path.basename(path) == name and (again or not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return length(path)


def wrong(path: str) -> int:
    raise KeyError(path)


def lost(path: str, reason: str) -> str:
    return f"{os.path.basename(path)}: {reason}"


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    made = [tmp_path / f"{number}.txt" for number in range(9)]
    for number, path in enumerate(made):
        path.write_bytes(b"x" * number)
    return [str(path) for path in made]


def test_results_come_in_the_order_of_the_items(paths: list[str]) -> None:
    finished: list[Any] = []
    work: Callable[[str], Any] = length
    assert for_each(work, paths, lost, on_finished=finished.append) == list(range(9))
    assert sorted(map(int, finished)) == list(range(9))
    assert for_each(work, paths[:1], lost) == [0]
    assert for_each(work, [], lost) == []
    with ThreadPoolExecutor(3) as threads:
        assert for_each(work, paths, lost, executor=threads) == list(range(9))


def test_a_worker_that_is_killed_takes_only_its_own_item_with_it(paths: list[str]) -> None:
    work: Callable[[str], Any] = partial(deadly, "4.txt")
    expected = "4.txt: the process that worked on it was killed, or lost"
    assert for_each(work, paths, lost) == [0, 1, 2, 3, expected, 5, 6, 7, 8]
    once: Callable[[str], Any] = partial(deadly, "5.txt", again=False)
    assert for_each(once, paths, lost) == list(range(9))


def test_an_executor_of_somebody_else_that_breaks(paths: list[str]) -> None:
    work: Callable[[str], Any] = partial(deadly, "0.txt")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        results = for_each(work, paths, lost, executor=pool)
        assert results == [lost(path, "the process that worked on it was killed, or lost") for path in paths]
        assert for_each(work, paths[:2], lost, executor=pool) == results[:2]  # it does not take work any more
        with pytest.raises(BrokenProcessPool):
            pool.submit(length, paths[0])


def test_work_that_ends_by_an_exception(paths: list[str]) -> None:
    work: Callable[[str], Any] = wrong
    for result in for_each(work, paths[:2], lost):
        assert ": the work on it ended by KeyError: " in result


def test_a_process_with_threads_does_not_fork(paths: list[str]) -> None:
    """What it starts instead knows the modules of the library alone, so it gets a function of one."""
    work: Callable[[str], Any] = os.path.getsize
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(for_each, work, paths[:2], lost).result() == [0, 1]


class Here(Executor):
    """An executor of the simplest kind, which notes what it was given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def submit(self, fn: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        self.given.append(arguments)
        future: Future[Any] = Future()
        future.set_result(fn(*arguments, **options))
        return future


def test_any_executor_will_do(tmp_path: Path) -> None:
    wheels = [str(path) for path in sorted(WHEELS.glob("[ms]*.whl"))]
    here = Here()
    report = repair(wheels, [TARGET], RepairOptions(str(tmp_path / "here")), executor=here)
    assert here.given == [(wheel,) for wheel in wheels]
    own = repair(wheels, [TARGET], RepairOptions(str(tmp_path / "own")))
    assert contents(tmp_path / "here") == contents(tmp_path / "own")
    assert [p.action for p in own.projects] == [p.action for p in report.projects]
    assert check(wheels, TARGET, executor=here) == check(wheels, TARGET)
    assert len(here.given) == 2 * len(wheels)


def test_a_wheel_that_kills_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other wheels are repaired, it is reported, and nothing of it is left."""
    wheels = [str(path) for path in sorted(WHEELS.glob("speedy*x86_64.whl"))]

    def deadly_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from chunks
        os.kill(os.getpid(), signal.SIGKILL)

    def write(path: str, chunks: Iterable[bytes], **options: Any) -> None:
        is_deadly = os.path.basename(path) == MISNAMED.name
        write_whole_file(path, deadly_chunks(chunks) if is_deadly else chunks, **options)

    monkeypatch.setattr(new_wheel, "write_whole_file", write)
    report = repair(wheels, [TARGET], RepairOptions(str(tmp_path)))
    actions = {Path(project.source or "").name: project.action for project in report.projects}
    assert actions.pop(MISNAMED.name) == "failed"
    assert actions == {
        "speedy-1.0-cp310-cp310-musllinux_1_1_x86_64.whl": "left-alone",
        "speedy-1.0-cp311-cp311-musllinux_1_1_x86_64.whl": "left-alone",
        "speedy-2.0-cp39-cp39-musllinux_1_1_x86_64.whl": "repaired",
    }
    assert os.listdir(tmp_path) == ["speedy-2.0-cp39-cp39-musllinux_1_1_x86_64.whl"]
    assert isinstance(report.projects[0], ProjectReport)


def test_a_scheduler_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with (
        pytest.raises(UsageError, match="Dask's 'distributed' is needed"),
        dask_executor("tcp://127.0.0.1:1"),
    ):
        pass
