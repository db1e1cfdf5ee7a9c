"""Processes that inflate before a wheel is judged: what they hand over, and what they never leave behind."""

from __future__ import annotations

import itertools
import os
import random
import resource
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import forked, start
from required import lacks
from wheelmaker import make_wheel

from muslfix.errors import InvalidWheel
from muslfix.files.access import write_new_file
from muslfix.parallel.forks import fork
from muslfix.parallel.interrupts import SIGNALS
from muslfix.wheels import head_start
from muslfix.wheels.archive import Archive, open_archive
from muslfix.wheels.head_start import HeadStart, begin, open_head_start
from muslfix.wheels.limits import DEFAULT_LIMITS

_BYTES = random.Random(1).randbytes
LARGE = {f"demo/{number}.bin": _BYTES(60_000) for number in range(10)}
FILES = {**LARGE, "demo/tool": b"#!/bin/sh\n", "demo-1.0.data/data/share/demo": _BYTES(10)}
SITE = frozenset(name for name in FILES if ".data/" not in name)
TOOL = {"demo/tool": {"mode": 0o755}}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return make_wheel(folder / "demo-1.0-py3-none-any.whl", FILES, fields=TOOL)


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has."""
    monkeypatch.setattr(head_start, "_WORKERS", 2)


def well(work: Callable[[], object], tmp_path: Path) -> None:
    """Do something in a process of its own, which has one thread, and must end without children."""

    def and_look() -> int:
        os.closerange(3, 4096)  # what other tests have left open would count
        work()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        return 0

    output = tmp_path / "output"
    assert forked(and_look, output) == 0, output.read_text()


@contextmanager
def started(wheel: Path, folder: Path) -> Iterator[HeadStart]:
    folder.mkdir(exist_ok=True)
    with open_archive(str(wheel)) as archive:
        found = begin([archive], str(folder), str(folder))
        assert found is not None
        try:
            yield found
        finally:
            found.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_gets_its_name_with_the_content_the_mode_and_the_hash_of_the_plain_way(
    wheel: Path, tmp_path: Path
) -> None:
    def work() -> None:
        os.umask(0o027)
        with started(wheel, tmp_path / "site") as others:
            results = others.results()
            assert os.listdir(tmp_path / "site") == []
            names = {name for _, name in results}
            assert names > SITE
            assert not any(".data/" in name for name in names), "for another directory"
            for name in SITE:
                result = results[str(wheel), name]
                place, plain = tmp_path / "site" / name.replace("/", "-"), tmp_path / "plain"
                assert others.give_name(result, str(place))
                digest = write_new_file(str(plain), [FILES[name]], executable=name in TOOL)
                assert (result.sha256, result.size) == digest
                assert place.read_bytes() == FILES[name]
                assert place.stat().st_mode == plain.stat().st_mode
                assert place.stat().st_nlink == 1
                assert not others.give_name(result, str(place)), "something is there"
                plain.unlink()
            with open_archive(str(wheel)) as archive:
                assert results[str(wheel), ""].sha256.hex() == archive.sha256()
        assert len(os.listdir(tmp_path / "site")) == len(SITE), "all others have vanished"

    well(work, tmp_path)


def test_each_item_goes_to_one_process(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        with started(wheel, tmp_path / "site") as others:
            mine = [item.key for item in others.claims()]
            results = others.results()
            assert not results.keys() & set(mine)
            assert sorted([*results, *mine]) == sorted(item.key for item in others.items)

    well(work, tmp_path)


def test_nobody_takes_an_item_that_was_given_up(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        with started(wheel, tmp_path / "site") as others:
            others.give_up()
            assert list(others.claims()) == []

    well(work, tmp_path)


def test_it_serves_one_directory_by_whatever_name(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        with started(wheel, tmp_path / "site") as others:
            (tmp_path / "link").symlink_to("site")
            assert others.serves(str(tmp_path / "link"))
            assert not others.serves(str(tmp_path))

    well(work, tmp_path)


def test_a_damaged_member_is_left_to_whoever_judges(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    make_wheel(path, LARGE, fields={"demo/3.bin": {"crc": 1}, "demo/4.bin": {"size": 1}})

    def work() -> None:
        with started(path, tmp_path / "site") as others:
            names = {name for _, name in others.results()}
            assert names >= {*LARGE} - {"demo/3.bin", "demo/4.bin"}
            assert not names & {"demo/3.bin", "demo/4.bin"}

    well(work, tmp_path)


def test_workers_that_are_killed_take_their_files_with_them_and_nothing_else(
    wheel: Path, tmp_path: Path
) -> None:
    def work() -> None:
        with started(wheel, tmp_path / "site") as others:
            results = others.results()
            for worker in others._workers:
                os.kill(worker.pid, 9)
                os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
            assert not any(others.give_name(file, str(tmp_path / "name")) for file in results.values())
            assert others.results() == {}
        with started(wheel, tmp_path / "site") as others:
            for worker in others._workers:
                os.kill(worker.pid, 9)
                os.waitpid(worker.pid, 0)  # as a caller does that reaps all
            assert len(others.results()) <= len(others.items)
        assert os.listdir(tmp_path / "site") == []

    well(work, tmp_path)


def test_a_signal_that_all_processes_get_is_left_to_the_parent(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        with started(wheel, tmp_path / "site") as others:
            for number, worker in itertools.product(SIGNALS, others._workers):
                os.kill(worker.pid, number)
            assert {name for _, name in others.results()} > SITE

    well(work, tmp_path)


def test_workers_end_with_their_parent(wheel: Path, tmp_path: Path) -> None:
    ends, alive = os.pipe()

    def work() -> None:
        with started(wheel, tmp_path / "site"):
            os.kill(os.getpid(), 9)

    process = start(work)
    os.close(alive)
    assert os.waitpid(process, 0)[1] == 9
    assert select.select([ends], [], [], 60)[0], "a worker has it open still"
    assert os.read(ends, 1) == b""
    os.close(ends)
    assert os.listdir(tmp_path / "site") == []


def test_a_worker_stops_where_its_parent_is_gone(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        with open_archive(str(wheel)) as archive:
            others = alone(archive, tmp_path)
            assert list(others._inflate_all(parent=-1)) == []
            answers = [os.getppid(), -1, -1]
            os.getppid = lambda: answers.pop(0)
            (only,) = others._inflate_all(answers[0])
            assert head_start._RESULT.unpack(only)[2] == 0, "in the middle of a file too"
            others.close()

    well(work, tmp_path)


def alone(archive: Archive, folder: Path) -> HeadStart:
    """One whose only worker is to be this process."""
    head_start._WORKERS = 0
    return HeadStart(
        [head_start.Item(archive, member) for member in archive.members.values()], str(folder), str(folder)
    )


def test_a_worker_takes_as_many_files_as_it_may_open(wheel: Path, tmp_path: Path) -> None:
    def work(most: int, expected: int) -> None:
        with open_archive(str(wheel)) as archive:
            others = alone(archive, tmp_path)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            assert len(list(others._inflate_all(os.getppid()))) == expected
            others.close()

    well(lambda: work(40, 0), tmp_path)
    well(lambda: work(67, 3), tmp_path)


def test_a_worker_keeps_what_it_has_when_the_disk_is_full(wheel: Path, tmp_path: Path) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (59_000, 59_000))
        with open_archive(str(wheel)) as archive:
            others = alone(archive, tmp_path)
            others.items = sorted(others.items, key=lambda item: item.effort)
            done = [head_start._RESULT.unpack(one)[0] for one in others._inflate_all(os.getppid())]
            assert done
            assert all(others.items[number].effort < 59_000 for number in done)
            others.close()

    well(work, tmp_path)


def test_modes_that_are_not_the_umasks_go_the_plain_way(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    entries = b"".join(struct.pack("<HHI", tag, 7, 0xFFFFFFFF) for tag in (0x01, 0x04, 0x20))
    try:
        os.setxattr(site, "system.posix_acl_default", struct.pack("<I", 2) + entries)
    except OSError:
        lacks("no access control lists here")

    def work() -> None:
        os.umask(0o077)
        with started(wheel, site) as others:
            assert others.results() == {}
        os.umask(0)
        with started(wheel, site) as others:
            assert others.results()

    well(work, tmp_path)


def test_where_proc_is_of_other_processes_numbers_are_its_own(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from muslfix.wheels import head_start\n"
        "from muslfix.wheels.limits import DEFAULT_LIMITS\n"
        "head_start._WORKERS = 2\n"
        "with head_start.open_head_start(sys.argv[1:2], sys.argv[2], DEFAULT_LIMITS) as others:\n"
        "    for number, file in enumerate(others.results().values()):\n"
        "        others.give_name(file, f'{sys.argv[2]}/{number}')\n"
    )
    namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--"]
    if not _works([*namespace, "true"]):
        lacks("no PID namespaces here")
    site = tmp_path / "site"
    site.mkdir()
    command = [*namespace, sys.executable, "-c", code, str(wheel), str(site)]
    here = {**os.environ, "PYTHONPATH": str(Path(head_start.__file__).parents[2])}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=here)
    assert done.returncode == 0, done.stderr
    assert {path.read_bytes() for path in site.iterdir()} >= {FILES[name] for name in SITE}


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def test_where_there_can_be_none_there_is_none_and_nothing_is_left_open(wheel: Path, tmp_path: Path) -> None:
    small = make_wheel(tmp_path / "small-1.0-py3-none-any.whl", {"small.py": b""})
    junk = tmp_path / "junk-1.0-py3-none-any.whl"
    junk.write_bytes(b"?" * 300_000)

    def tried(*paths: Path, folder: Path = tmp_path) -> bool:
        with open_head_start([str(path) for path in paths], str(folder / "new"), DEFAULT_LIMITS) as others:
            assert others is not None or descriptors() == before[0]
            return others is not None

    before: list[int] = []

    def work() -> None:
        before.append(descriptors())
        assert tried(wheel)
        assert not tried(small)
        assert not tried(wheel, junk)
        assert not tried(wheel, tmp_path / "missing.whl")
        assert not tried(wheel, folder=Path("/proc"))
        with_thread(lambda: tried(wheel))
        with few_descriptors():
            assert not tried(wheel)
        head_start._WORKERS = 0
        assert not tried(wheel)
        assert descriptors() == before[0]

    well(work, tmp_path)


@contextmanager
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (65, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def with_thread(tried: Callable[[], bool]) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    assert not tried()
    end.set()
    thread.join()


def test_a_second_process_that_cannot_be_had_ends_the_first(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([True, False])

    def once(job: Callable[[], object]) -> int:
        if not next(calls):
            raise BlockingIOError
        return fork(job)

    monkeypatch.setattr(head_start, "fork", once)

    def work() -> None:
        with open_archive(str(wheel)) as archive:
            assert begin([archive], str(tmp_path), str(tmp_path)) is None

    well(work, tmp_path)


def test_an_archive_that_becomes_shorter_is_left_to_whoever_judges(wheel: Path, tmp_path: Path) -> None:
    path = tmp_path / wheel.name
    path.write_bytes(wheel.read_bytes())

    def work() -> None:
        with open_archive(str(path)) as archive:
            others = alone(archive, tmp_path)
            os.truncate(path, 1000)
            assert len(list(others._inflate_all(os.getppid()))) < len(LARGE)
            others.close()
            with pytest.raises(InvalidWheel):
                archive.read(archive.members["demo/9.bin"])

    well(work, tmp_path)
