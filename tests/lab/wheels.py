"""The wheels: real ones of the index that pip is configured with, each pinned by its hash."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from functools import partial
from pathlib import Path

from . import layout
from .layout import WheelGroup
from .steps import Bench, Step

OLDEST_PIP = 22

PLATFORMS = {
    "musllinux": ("musllinux_1_2", "musllinux_1_1"),
    "manylinux": ("manylinux_2_28", "manylinux_2_17", "manylinux2014"),
}

OTHER_ABIS = ("abi3", "abi3t", "none")


def pip_steps(lab: Path) -> list[Step]:
    """The step that makes an environment with a pip of the lab, if there is need of one."""
    if _pip_at_hand_will_do() or all(step.is_made(lab) for step in steps()):
        return []
    pinned = _group("pip").requirements.read_text(encoding="utf-8")
    return [Step("pip-environment", (sys.version, sys.base_prefix, pinned), _make_environment)]


def steps() -> list[Step]:
    """The steps that fetch the groups of wheels; they need pip."""
    return [step(group) for group in layout.WHEELS]


def step(group: WheelGroup) -> Step:
    """The step that fetches one group."""
    return Step(group.step, group.inputs(), partial(_fetch, group))


def _fetch(group: WheelGroup, bench: Bench) -> None:
    new = bench.scratch / group.name
    bench.run(
        *_pip(bench.lab),
        "download",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        *_target(group),
        f"--requirement={group.requirements}",
        f"--dest={new}",
    )
    bench.publish(new, group.folder(bench.lab))


def _target(group: WheelGroup) -> list[str]:
    """Tell pip for which interpreter the wheels are, if not for its own."""
    if not group.version:
        return []
    tag = group.abi or "cp" + "".join(group.version.split(".")[:2])
    platforms = [f"--platform={platform}_{group.cpu}" for platform in PLATFORMS[group.platform]]
    interpreter = [f"--python-version={group.version}", "--implementation=cp"]
    return [*platforms, *interpreter, *(f"--abi={abi}" for abi in (tag, *OTHER_ABIS))]


def _pip(lab: Path) -> tuple[str, ...]:
    own = sys.executable if _pip_at_hand_will_do() else str(_environment(lab) / "bin" / "python")
    return (own, "-m", "pip")


def _pip_at_hand_will_do() -> bool:
    if importlib.util.find_spec("pip") is None:
        return False
    return int(importlib.metadata.version("pip").partition(".")[0]) >= OLDEST_PIP


def _make_environment(bench: Bench) -> None:
    new = bench.scratch / "pip"
    bench.run(layout.base_python(), "-m", "venv", new)
    pinned = f"--requirement={_group('pip').requirements}"
    bench.run(new / "bin" / "python", "-m", "pip", "install", "--require-hashes", pinned)
    bench.publish(new, _environment(bench.lab))


def _environment(lab: Path) -> Path:
    return lab / "pip"


def _group(name: str) -> WheelGroup:
    return next(group for group in layout.WHEELS if group.name == name)
