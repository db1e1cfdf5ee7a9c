"""Names that the locale cannot spell: each function of the library tells it as a sentence."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from elfmaker import make_elf
from misnamed import WRONG, lay, target_file
from trees import leftovers, snapshot
from wheelmaker import make_wheel

from muslfix.errors import UnspellableName, spelling_errors

# In a process of its own: the encoding is settled when Python starts.
_SCRIPT = """
import os, sys, muslfix
target = muslfix.read_target_file("target.json")
folder, wheel = os.path.abspath("site"), "brought-1.0-py3-none-any.whl"
house = muslfix.RepairOptions(folder=os.path.abspath("h\\xe4user"), copy_unchanged=True)
calls = {
    "install": lambda: muslfix.install([wheel], target, muslfix.InstallOptions(folder=folder)),
    "install there": lambda: muslfix.install([wheel], target, muslfix.InstallOptions(folder="\\xe4")),
    "install what": lambda: muslfix.install(["\\xe4-1.0-py3-none-any.whl"], target),
    "fix": lambda: muslfix.fix([], target, muslfix.FixOptions(paths=(folder,))),
    "fix there": lambda: muslfix.fix([], target, muslfix.FixOptions(paths=("\\xe4",))),
    "check": lambda: muslfix.check([], target, muslfix.CheckOptions(paths=(folder,))),
    "check what": lambda: muslfix.check(["\\xe4.whl", "\\xe4"], target),
    "undo there": lambda: muslfix.undo([], target, muslfix.UndoOptions(("\\xe4",))),
    "verify": lambda: muslfix.verify([], target, muslfix.VerifyOptions((folder,))),
    "repair": lambda: muslfix.repair([wheel, "\\xe4-1.0-py3-none-any.whl"], [target], house),
    "probe": lambda: muslfix.probe("/\\xe4"),
    "file": lambda: muslfix.read_target_file("\\xe4"),
    "root": lambda: muslfix.read_target_root("/\\xe4"),
}
for name, call in calls.items():
    try:
        report = call()
        problems = [project.problem or "" for project in report.projects]
        print(name, "report", *problems, sep="|")
    except muslfix.MuslfixError as error:
        print(name, type(error).__name__, ascii(str(error)), sep="|")
"""


def test_no_function_raises_anything_else(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", "letters", {f"letters/\xe4{WRONG}": make_elf(functions=["PyInitU_4ca"])})
    lay(site, "plain")
    make_wheel(tmp_path / "brought-1.0-py3-none-any.whl", {"brought/\xe4.py": b""})
    target_file(tmp_path)
    (tmp_path / "\xe4").mkdir()
    before = snapshot(tmp_path / "\xe4")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    told = {line.split("|")[0]: line.split("|")[1:] for line in done.stdout.decode().splitlines()}
    assert len(told) == 13
    for name in ("install", "install there", "repair"):
        assert told[name][0] == "UnspellableName", told
        assert "the locale's encoding" in told[name][1]
    assert told["fix"] == ["report", "", ""]  # RECORD is read in the bytes of the file system
    assert leftovers(tmp_path) == []
    assert snapshot(tmp_path / "\xe4") == before


def test_the_sentence() -> None:
    @spelling_errors()
    def work(name: str) -> bytes:
        """Do it."""
        return name.encode("latin-1")

    assert (work("\xe4"), work.__doc__, work.__name__) == (b"\xe4", "Do it.", "work")
    with pytest.raises(UnspellableName) as caught:
        work("\u20ac\n")
    error = caught.value
    assert str(error) == r"the locale's encoding, latin-1, cannot spell a file name: \u20ac\n"
    assert error.tip == "set the environment variable PYTHONUTF8=1"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
