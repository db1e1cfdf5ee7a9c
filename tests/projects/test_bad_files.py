"""Installed projects whose ``muslfix.json``, RECORD or other files were written to harm."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bad_files import BAD_JSON, NO_FILE, Make, assert_tells, instead, text
from commands import Cli
from misnamed import RIGHT, WRONG, lay, small_files, target_file, write_record
from trees import leftovers, states

# -- muslfix.json -------------------------------------------------------------------------------------
LONG = "x" * 100_000

GOOD = {"old": f"demo/_speed{WRONG}", "new": f"demo/_speed{RIGHT}", "mode": "symlink"}


def trace(*changes: object) -> Make:
    return text(json.dumps({"format": 1, "changes": changes}))


BAD_TRACES: dict[str, Make] = {
    **BAD_JSON,
    "no change": trace(1),
    "changes are a text": text('{"format": 1, "changes": "x"}'),
    "changes are an object": text('{"format": 1, "changes": {"a": 1}}'),
    "a key twice": text('{"format": 1, "changes": [], "changes": []}'),
    "absolute": trace({**GOOD, "old": "/etc/passwd"}),
    "up": trace({**GOOD, "new": f"../_speed{RIGHT}"}),
    "up within": trace({**GOOD, "new": f"demo/../../_speed{RIGHT}"}),
    "NUL in it": trace({**GOOD, "old": f"demo/_sp\0eed{WRONG}"}),
    "no module": trace({**GOOD, "old": "demo/__init__.py", "new": "demo/x.py"}),
    "itself": trace({**GOOD, "new": GOOD["old"]}),
    "unknown mode": trace({**GOOD, "mode": "burn"}),
    "long": trace({**GOOD, "old": LONG}),
}

# Those that could be true by their form: only undo holds them against the files.
UNTRUE_TRACES: dict[str, Make] = {
    "a change twice": trace(GOOD, GOOD),
    "escape in it": trace({**GOOD, "old": f"demo/\x1b[31m{WRONG}", "new": f"demo/\x1b[31m{RIGHT}"}),
    "not there": trace({**GOOD, "old": f"demo/x{WRONG}", "new": f"demo/x{RIGHT}"}),
    "two rows for one": trace({**GOOD, "mode": "rename", "row": "a,,\nb,,\n"}),
}


@pytest.mark.parametrize("case", [*BAD_TRACES, *UNTRUE_TRACES])
def test_traces(cli: Cli, tmp_path: Path, case: str) -> None:
    site = lay(tmp_path / "site")
    target = target_file(tmp_path)
    {**BAD_TRACES, **UNTRUE_TRACES}[case](site / "demo-1.0.dist-info" / "muslfix.json")
    before = states(site, times=False)
    fixes = [] if case in UNTRUE_TRACES else [["fix", "demo"]]
    for command in (["undo"], ["undo", "--dry-run"], *fixes, ["check"], ["verify"]):
        result = cli(*command, "--path", site, "--target-file", target)
        assert states(site, times=False) == before, command
        assert_tells(result)
        if command[0] in ("undo", "fix"):
            assert result.status == 1, command
            assert "\ndemo 1.0: failed: " in result.out, command
    assert leftovers(tmp_path) == []


# -- RECORD -------------------------------------------------------------------------------------------


def record(change: Callable[[str], str | bytes]) -> Make:
    """Makes RECORD of the right one."""

    def make(path: Path) -> None:
        right = path.read_bytes().decode()
        path.unlink()
        write_record(path.parent.parent, change(right))

    return make


def adding(row: str) -> Make:
    return record(lambda right: right + row)


#: What RECORD is, and whether the rest of it is still fit to be worked with.
BAD_RECORDS: dict[str, tuple[Make, bool]] = {
    **{name: (instead(make), False) for name, make in NO_FILE.items()},
    "NUL": (adding("a\0b,,\n"), False),
    "open quote": (adding('"a,,\n'), False),
    "text behind a quote": (adding('"a"b,,\n'), False),
    "a field of 200 KB": (adding("x" * 200_000 + ",,\n"), False),
    "an open quote before 2 MB": (record(lambda right: '"' + right + "x,,\n" * 500_000), False),
    "one field": (adding("a\n"), False),
    "four fields": (adding("a,,,\n"), False),
    "no path": (adding(",,\n"), False),
    "a line of 5 MB": (adding("x" * 5_000_000), False),
    "a path of 5000 letters": (adding("x" * 5_000 + ".so,,\n"), True),
    "a path of 9000 folders": (adding("x/" * 9_000 + f"m{WRONG},,\n"), True),
    "absolute": (adding(f"@/outside/m{WRONG},,\n"), True),
    "up": (adding(f"../outside/m{WRONG},,\n"), True),
    "up, within": (adding(f"demo/../../outside/m{WRONG},,\n"), True),
    "through a link": (adding(f"demo/link/m{WRONG},,\n"), True),
    "lone CRs": (record(lambda right: right.replace("\n", "\r")), True),
    "not UTF-8": (record(lambda right: right.encode() + b"\xff.py,,\n"), True),
    "escapes": (adding('"\x1b]0;x\x07\x9b31m\u202e.py",,\n'), True),
    "a line feed in a name": (adding('"demo/a\nwarning: b.py",,\n'), True),
    "sizes that are none": (adding("a,,-1\nb,,1e9\nc,,٣\nd,," + "9" * 5_000 + "\n"), True),
    "a hash that is none": (adding("a,sha256=%,\nb,=,\nc,shake_128=YQ,\nd,\x1b=YQ,\n"), True),
    "through a file": (adding(f"demo/__init__.py/m{WRONG},,\n"), True),
    "a folder": (adding(f"demo/sub{WRONG},,\n"), True),
    "a FIFO": (adding(f"demo/fifo{WRONG},,\n"), True),
    "20 000 rows": (adding("".join(f"x{n}.py,,\n" for n in range(20_000))), True),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_records(cli: Cli, tmp_path: Path, case: str) -> None:
    make, is_fit = BAD_RECORDS[case]
    site, outside, target = lay(tmp_path / "site"), tmp_path / "outside", target_file(tmp_path)
    outside.mkdir()
    (outside / f"m{WRONG}").write_bytes(small_files()[f"demo/_speed{WRONG}"])
    (site / "demo" / "link").symlink_to(outside)
    (site / f"demo/sub{WRONG}").mkdir()
    os.mkfifo(site / f"demo/fifo{WRONG}")
    path = site / "demo-1.0.dist-info" / "RECORD"
    make(path)
    if path.is_file() and path.stat().st_size < 10_000_000:
        path.write_bytes(path.read_bytes().replace(b"@", os.fsencode(tmp_path)))
    before, before_outside = states(site, times=False), states(outside, times=False)
    for command in ("verify", "check", "undo", "fix"):
        result = cli(command, "--path", site, "--target-file", target)
        text_of = result.out + result.err
        assert "Traceback" not in text_of
        assert all(character.isprintable() for character in text_of.replace("\n", ""))
        assert states(outside, times=False) == before_outside, command
        if command != "fix" or not is_fit:
            assert states(site, times=False) == before, command
        if command == "fix":
            assert (site / f"demo/_speed{RIGHT}").is_symlink() == is_fit
            assert not is_fit or re.search(r"\ndemo 1\.0: \d extension modules?: 1 fixed", result.out)
            assert is_fit or "failed" in result.out
    assert leftovers(tmp_path) == []


# The commands that need a file of a project: to change it, its owner; to look at it, where its modules are.
_READERS = {"INSTALLER": ("fix", "undo"), "direct_url.json": ("fix", "check", "verify")}


@pytest.mark.parametrize("make", NO_FILE.values(), ids=NO_FILE)
@pytest.mark.parametrize("name", _READERS)
def test_other_files_of_a_project(cli: Cli, tmp_path: Path, name: str, make: Make) -> None:
    site, target = lay(tmp_path / "site"), target_file(tmp_path)
    path = site / "demo-1.0.dist-info" / name
    path.unlink(missing_ok=True)
    make(path)
    before = states(site, times=False)
    for command in ("fix", "undo", "check", "verify"):
        result = cli(command, "demo", "--path", site, "--target-file", target)
        assert states(site, times=False) == before
        assert_tells(result)
        if command in _READERS[name]:
            assert result.status == 1
            assert f"\ndemo 1.0: failed: {path}: cannot be read (" in result.out


@pytest.mark.parametrize(
    ("name", "check", "verify"),
    [
        (
            "demo-1.0.dist-info/RECORD",
            "RECORD: cannot be read (Permission denied)",
            "cannot be read (Permission",
        ),
        ("demo", "not-elf", "its files cannot be listed (Permission denied)"),
        (f"demo/_speed{WRONG}", "not-elf", "it cannot be read (Permission denied)"),
    ],
)
def test_what_this_user_must_not_read(cli: Cli, name: str, check: str, verify: str) -> None:
    """It is not called missing or damaged, and another installation is no way out."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own directories are closed to others
        os.chmod(folder, 0o755)
        site, target = lay(Path(folder) / "site"), target_file(Path(folder))
        (site / name).chmod(0)
        said = {}
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            for command in ("check", "verify"):
                said[command] = cli(command, "--path", site, "--target-file", target)
        finally:
            os.seteuid(os.getuid())
            (site / name).chmod(0o755)
    assert [result.status for result in said.values()] == [1, 1]
    assert check in said["check"].out
    assert "tip: run muslfix as a user who may read it" in said["check"].out
    assert verify in said["verify"].out
    for result in said.values():
        assert "missing" not in result.out
        assert "again" not in result.out
        assert "damaged" not in result.out
