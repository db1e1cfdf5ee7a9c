"""A few faults at the system call for each command; ``python tests/sweep`` tries all of them."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from pathlib import Path

import pytest
from checkout import ROOT
from syscalls import DEADLY, ERRORS, KILL, REASONS, SCENES, Case, Scene, cases, census, strike

#: So many cases of each command.
SAMPLE = 5
DEADLY_RENAMES = {(call, KILL) for call in DEADLY if call.startswith(("rename", "link"))}


def seed() -> str:
    """Another one for each state of the source: a failure comes again, and a change has other cases."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


@pytest.mark.once
@pytest.mark.parametrize("name", SCENES)
def test_a_call_fails(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK | os.X_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as folder:
        scene = Scene(name, Path(folder))
        all_cases = list(cases(census(scene)))
        kills = [case for case in all_cases if (case.call, case.fault) in DEADLY_RENAMES]
        chance = random.Random(seed() + name)
        chosen = [*chance.sample(all_cases, SAMPLE), chance.choice(kills)]
        wrong = [outcome for outcome in (strike(scene, case) for case in chosen) if outcome.wrong]
    assert not wrong, f"with the seed {seed()}"
    assert len(all_cases) > 100


def test_what_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is one that can say no."""
    scene = Scene("fix-rename", tmp_path)
    case = Case("rename", 1, "EIO")
    assert strike(scene, case).wrong == ""
    monkeypatch.setitem(REASONS, "EIO", "something else")
    assert strike(scene, case).wrong == "another reason"
    monkeypatch.setattr(scene, "after", scene.before)
    missed = strike(scene, Case("rename", 10_000, "EIO"))
    assert (missed.is_hit, missed.wrong) == (False, "done, it says, and it is not")


def test_each_call_has_errors_and_each_error_a_sentence() -> None:
    assert {error for errors in ERRORS.values() for error in errors} <= REASONS.keys()
    assert ERRORS.keys() >= DEADLY
