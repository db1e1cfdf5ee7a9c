"""Repaired wheels before the tools that judge wheels, and repair on a real Dask cluster on loopback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Result
from real_tools import Tool, make_tool, process_environment, run, tool_environment

pytestmark = pytest.mark.network

WHEELS = FIXTURES / "wheels"
TARGET_FILE = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
TAGS = "cp39-cp39-musllinux_1_1_x86_64.whl"
REPAIRED = [f"speedy-1.0-{TAGS}", f"bundled-1.0-{TAGS}", "stable-2.0-cp36-abi3-musllinux_1_1_x86_64.whl"]


@pytest.mark.parametrize("mode", ["rename", "copy"])
def test_tools_that_judge_wheels_accept_repaired_ones(tmp_path: Path, mode: str) -> None:
    python = tool_environment("checkers") / "bin" / "python"
    words: list[str | Path] = [
        "repair",
        *(WHEELS / name for name in REPAIRED),
        "--target-file",
        TARGET_FILE,
        "--mode",
        mode,
    ]
    done = run([sys.executable, "-m", "muslfix", *words, "-w", tmp_path])
    assert done.status == 0, done.out + done.err
    wheels = [tmp_path / name for name in REPAIRED]
    for wheel in wheels:
        # Unpacking compares each file with RECORD. Two names with one content (W002) are what copy mode is;
        # the others are about folders such as auditwheel makes.
        judges: tuple[list[str | Path], ...] = (
            ["wheel", "unpack", "-d", tmp_path],
            ["check_wheel_contents", "--ignore", "W002,W004,W009"],
        )
        for check in judges:
            done = run([python, "-m", *check, wheel])
            assert done.status == 0, done.out + done.err
        shown = [run([python, "-m", "auditwheel", "show", path]) for path in (wheel, WHEELS / wheel.name)]
        assert shown[0] == shown[1]
        assert shown[0].status == 0, shown[0].err
    done = run([python, "-m", "twine", "check", *wheels])
    assert done.out.count("PASSED") == len(wheels), done.out + done.err


# -- Dask -------------------------------------------------------------------------------------------

#: Ends a worker right before or right after it gives a new wheel its name, if no other one has ended so.
DEADLY = """\
import os, sys
linked = []

def hook(event, arguments):
    if event == "os.link":
        linked.append(event)
    if linked and event == ("open" if {late} else "os.link"):
        try:
            os.mkdir({marker!r})
        except FileExistsError:
            return
        os._exit(9)

sys.addaudithook(hook)
"""


@dataclass
class Cluster:
    """A scheduler and workers, each a process of its own, on loopback.

    :param tool: Dask's environment, with muslfix in it
    :param folder: for what they write
    """

    tool: Tool
    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, program: str, *words: str | Path) -> subprocess.Popen[str]:
        python, module = self.tool.environment / "bin" / "python", f"distributed.cli.dask_{program}"
        process = subprocess.Popen(
            [python, "-m", module, "--host", "127.0.0.1", "--no-dashboard", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "scheduler" else subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env=process_environment(**self.tool.variables),
        )
        self.processes.append(process)
        return process

    def start_scheduler(self) -> None:
        scheduler = self.start("scheduler", "--port", "0")
        assert scheduler.stderr is not None
        for line in scheduler.stderr:
            if "Scheduler at:" in line:
                self.address = line.split()[-1]
                return
        pytest.fail("Dask's scheduler has not started")

    def start_workers(self, *words: str | Path) -> None:
        options = ["--no-nanny", "--nthreads", "1", "--local-directory", "scratch", *words]
        for _ in range(2):
            self.start("worker", self.address, *options)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def muslfix(self, *words: str | Path) -> Result:
        """Run muslfix as a user of the cluster does; paths are relative to the folder."""
        python = self.tool.environment / "bin" / "python"
        return run([python, "-m", "muslfix", *words], self.folder, **self.tool.variables)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    return make_tool("dask", tmp_path_factory.mktemp("dask"))


@pytest.fixture
def cluster(dask: Tool, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(dask, tmp_path)
    try:
        cluster.start_scheduler()
        yield cluster
    finally:
        cluster.end()


def some_wheels(folder: Path) -> list[str]:
    """Wheels of all kinds, and one that is cut off; their paths relative to the folder."""
    (folder / "in").mkdir()
    for wheel in sorted(WHEELS.glob("*.whl")):
        shutil.copy(wheel, folder / "in")
    (folder / "in" / f"cut-1.0-{TAGS}").write_bytes((WHEELS / REPAIRED[0]).read_bytes()[:-9])
    return sorted(f"in/{path.name}" for path in (folder / "in").iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def told(result: Result, folder: Path, name: str) -> str:
    """What was said, without the folders that differ."""
    return result.out.replace(str(folder) + "/", "").replace(name + "/", "").replace(" out", "")


def test_a_cluster_writes_what_one_machine_writes(cluster: Cluster, tmp_path: Path) -> None:
    wheels = some_wheels(tmp_path)
    cluster.start_workers()
    words: list[str | Path] = [*wheels, "--target-file", TARGET_FILE]
    on_cluster = ["--scheduler", cluster.address]

    here = cluster.muslfix("repair", *words, "--copy-unchanged", "-w", "here")
    there = cluster.muslfix("repair", *words, "--copy-unchanged", "-w", "there", *on_cluster)

    assert (here.status, there.status) == (1, 1), there.err
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert told(there, tmp_path, "there") == told(here, tmp_path, "here")
    assert "cut 1.0" not in there.out
    assert f"cut-1.0-{TAGS}: failed: " in there.out
    here, there = (cluster.muslfix("check", "-v", *words, *more) for more in ([], on_cluster))
    assert told(there, tmp_path, "") == told(here, tmp_path, "")
    assert there.status == 1


@pytest.mark.once
@pytest.mark.parametrize("late", [False, True], ids=["before the new wheel is there", "after that"])
def test_a_worker_that_is_killed(cluster: Cluster, tmp_path: Path, late: bool) -> None:
    wheels = some_wheels(tmp_path)
    marker = tmp_path / "killed"
    preload = tmp_path / "preload.py"
    preload.write_text(DEADLY.format(marker=str(marker), late=late))
    cluster.start_workers("--preload", preload)
    words: list[str | Path] = [*wheels, "--target-file", TARGET_FILE]
    there = cluster.muslfix("repair", *words, "-w", "there", "--scheduler", cluster.address)
    here = cluster.muslfix("repair", *words, "-w", "here")
    assert marker.exists()
    assert contents(tmp_path / "there") == contents(tmp_path / "here"), there.err
    assert told(there, tmp_path, "there") == told(here, tmp_path, "here")
    assert sorted(process.poll() or 0 for process in cluster.processes) == [0, 0, 9]


@pytest.mark.once
def test_no_scheduler(dask: Tool, tmp_path: Path) -> None:
    cluster = Cluster(dask, tmp_path)
    words: list[str | Path] = [
        "repair",
        WHEELS / REPAIRED[0],
        "--target-file",
        TARGET_FILE,
        "-w",
        "out",
        "--scheduler",
    ]
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        result = cluster.muslfix(*words, address)
        assert result.status == 1
        assert f"error: {address}: is no Dask scheduler that answers" in result.err
        assert "Traceback" not in result.err
