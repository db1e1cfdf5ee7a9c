"""Steps: each makes one thing in a scratch folder, renames it into place, and is stamped when it is done."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import layout, processes
from .processes import LabError

PARALLEL_STEPS = 2
"""Much of a build is ``configure``, which keeps one core busy: two at a time."""


@dataclass(frozen=True)
class Bench:
    """Where a step works.

    :param lab: the lab's folder
    :param scratch: an empty folder for this step alone, on the lab's file system; goes with the step
    :param log: where the output of its commands goes
    """

    lab: Path
    scratch: Path
    log: Path

    def run(
        self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Run a command to its end.

        :param env: the whole environment; without it, that of the lab itself
        :raises LabError: if it cannot be started or fails
        """
        processes.run([str(word) for word in command], self.log, cwd=cwd or self.scratch, env=env)

    def build(self, *command: str | Path, cwd: Path, **variables: str) -> None:
        """Run a command of a build: with few variables, so that the same comes out everywhere.

        :raises LabError: if it cannot be started or fails
        """
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.run(*command, cwd=cwd, env={**kept, "LC_ALL": "C", **variables})

    def make(self, *targets: str, cwd: Path) -> None:
        """Run ``make`` on all cores.

        :raises LabError: if it fails
        """
        self.build("make", f"-j{os.cpu_count() or 1}", *targets, cwd=cwd)

    def publish(self, new: Path, final: Path) -> None:
        """Move a finished file or folder to its place, where an older one gives way to it."""
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.is_dir() and not final.is_symlink():
            final.rename(Path(tempfile.mkdtemp(dir=self.scratch)) / final.name)
        new.replace(final)


@dataclass(frozen=True)
class Step:
    """Something to make.

    :param name: its name in messages, stamps and logs
    :param inputs: what it is made from: with other inputs it is made again
    :param work: makes it
    """

    name: str
    inputs: tuple[str, ...]
    work: Callable[[Bench], None]

    def is_made(self, lab: Path) -> bool:
        """Whether there is nothing to do."""
        return layout.is_made(lab, self.name, self.inputs)


def say(text: str) -> None:
    """Tell the user how it goes."""
    sys.stderr.write(f"lab: {text}\n")
    sys.stderr.flush()


def perform(lab: Path, steps: Sequence[Step]) -> None:
    """Make what is not yet made of some steps that do not need each other.

    :raises LabError: if one of them fails; the others are stopped
    """
    pool = ThreadPoolExecutor(PARALLEL_STEPS)
    try:
        waiting = [pool.submit(_make, lab, step) for step in steps if not step.is_made(lab)]
        for finished in as_completed(waiting):
            finished.result()
    except BaseException:
        processes.stop_all()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _make(lab: Path, step: Step) -> None:
    started = time.monotonic()
    log = lab / "logs" / f"{step.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with _scratch_folder(lab, step.name) as scratch:
        bench = Bench(lab, scratch, log)
        try:
            step.work(bench)
        except (LabError, OSError) as error:
            raise LabError(f"{step.name}: {error}") from error
        new_stamp = scratch / "stamp"
        new_stamp.write_text(layout.fingerprint(step.inputs), encoding="ascii")
        bench.publish(new_stamp, layout.stamp(lab, step.name))
    say(f"{step.name}: {time.monotonic() - started:.1f} s")


@contextmanager
def _scratch_folder(lab: Path, name: str) -> Iterator[Path]:
    parent = lab / "build"
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def alone(lab: Path) -> Iterator[None]:
    """Wait until no other process works on the lab; then clear away what a killed one left."""
    lab.mkdir(parents=True, exist_ok=True)
    with (lab / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process works on the lab; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(lab / "build", ignore_errors=True)
        yield
