"""The whole sweep: every call of every command that can fail, with every error that fits, and kills."""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from syscalls import SCENES, Outcome, Scene, cases, census, strike


def main() -> int:
    """Run the command.

    :return: the exit status: 1 if anything was wrong
    """
    parser = argparse.ArgumentParser(prog="python tests/sweep", description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; by default all")
    parser.add_argument("--call", action="append", help="only this system call; can be repeated")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th case")
    parser.add_argument("--census", action="store_true", help="count the calls only")
    parser.add_argument("-j", type=int, default=os.cpu_count(), help="so many scenes at once")
    options = parser.parse_args()
    start, total, wrong = time.monotonic(), 0, 0
    # The short ones last, so that all workers are busy until the end.
    scenes = options.scenes or SCENES
    if options.census:
        for name in scenes:
            with tempfile.TemporaryDirectory(dir=_memory()) as folder:
                with redirect_stdout(io.StringIO()):
                    scene = Scene(name, Path(folder))
                counted = census(scene)
                print(name, len(list(cases(counted))), "cases:", dict(counted.most_common()))
        return 0
    with ProcessPoolExecutor(options.j) as pool:
        for name, outcomes in zip(
            scenes, pool.map(partial(sweep, calls=options.call, every=options.every), scenes)
        ):
            hits = [outcome for outcome in outcomes if outcome.is_hit]
            bad = [outcome for outcome in hits if outcome.wrong]
            ends = Counter("killed" if outcome.status < 0 else str(outcome.status) for outcome in hits)
            print(f"{name}: {len(hits)} cases, {len(bad)} wrong; exit status: {dict(ends)}", flush=True)
            for outcome in bad:
                print(f"  {outcome.case}: {outcome.wrong}\n    {outcome.where}")
                print(
                    "".join(f"    | {line[:300]}\n" for line in outcome.told.splitlines()[-12:]), flush=True
                )
            total, wrong = total + len(hits), wrong + len(bad)
    print(f"{total} cases, {wrong} wrong, in {time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


def sweep(name: str, calls: list[str] | None, every: int) -> list[Outcome]:
    """All cases of one scene.

    :param calls: only of these system calls
    :param every: and only each of this number
    """
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        with redirect_stdout(io.StringIO()):
            scene = Scene(name, Path(folder))
        chosen = [case for case in cases(census(scene)) if not calls or case.call in calls]
        return [strike(scene, case) for case in chosen[::every]]


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    sys.exit(main())
