"""Files that were written to harm: target files, answers of probes, RECORD, ``muslfix.json``, settings.

Each case goes through the command line where there is one: a sentence, no traceback, no hang, nothing
changed. A file of 20 GiB is a hole, and takes no place.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from checkout import FIXTURES
from commands import Cli, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from misnamed import RIGHT, WRONG, lay, small_files, target_file, write_record
from trees import leftovers

import muslfix.targets._probe
from muslfix.cli.whereabouts import find_whereabouts
from muslfix.errors import IncompatibleWheel, InterpreterError, InvalidTarget
from muslfix.hooks.common import Settings, read_settings
from muslfix.targets.compatibility import check_requires_python, unmet_requirements
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.untrusted_facts import target_from_facts
from muslfix.untrusted import parse_json
from muslfix.verbs.nothing_to_fix import has_nothing_to_fix

PURE = FIXTURES / "wheels" / "pure-1.0-py3-none-any.whl"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
FACTS: dict[str, Any] = json.loads(TARGET.read_text())

#: Makes a file; what it returns is of no use.
Make = Callable[[Path], object]


def state(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that can be seen of a tree without opening what would keep the reader waiting."""
    found = {}
    for path in sorted(folder.rglob("*")):
        at = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(at.st_mode) and at.st_size < 10_000_000 else b""
        link = os.readlink(path) if path.is_symlink() else ""
        found[str(path)] = at.st_mode, at.st_ino, at.st_size, link, content
    return found


def assert_tells(result: Result) -> None:
    """No traceback, nothing that the terminal obeys, and no flood."""
    text = result.out + result.err
    assert "Traceback" not in text
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert len(text) < 20_000


def hole(path: Path) -> None:
    path.write_bytes(b"")
    os.truncate(path, 20 * 1024**3)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def text(content: str | bytes) -> Make:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return lambda path: path.write_bytes(data)


NO_FILE: dict[str, Make] = {
    "folder": Path.mkdir,
    "FIFO": os.mkfifo,
    "link to itself": loop,
    "endless device": device,
    "20 GiB": hole,
}

# What any JSON file may be; none of it is anything that muslfix reads.
BAD_JSON: dict[str, Make] = {
    **NO_FILE,
    "empty": text(""),
    "UTF-16": text('{"format": 1}'.encode("utf-16")),
    "UTF-8 with a mark": text(b'\xef\xbb\xbf{"format": 1}'),
    "no text": text(b"\xff\xfe\x00\x80" * 9),
    "NUL": text("\0" * 99),
    "deep list": text("[" * 100_000),
    "deep object": text('{"format":' * 100_000),
    "deep and closed": text('{"format": ' + "[" * 980 + "]" * 980 + "}"),
    "NaN": text('{"format": NaN}'),
    "infinity": text('{"format": -Infinity}'),
    "too large for a float": text('{"format": 1e999}'),
    "5000 digits": text('{"format": ' + "1" * 5_000 + "}"),
    "a million digits": text('{"format": ' + "1" * 1_000_000 + "}"),
    "a name twice": text('{"format": 1, "format": 1}'),
    "half a character": text('{"format": 1, "prefix": "\\ud800"}'),
    "a list": text("[1]"),
    "a number": text("1"),
    "true": text('{"format": true}'),
}


# -- target files -----------------------------------------------------------------------------------


def with_facts(**changes: Any) -> Make:
    """A target file with other values; ``a__b`` is ``b`` in ``a``."""
    facts = json.loads(TARGET.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = facts
        for parent in parents:
            place = place[parent]
        place[last] = value
    return text(json.dumps(facts))


LONG = "x" * 100_000
BAD_TARGETS: dict[str, tuple[Make, str]] = {
    **{name: (make, "") for name, make in BAD_JSON.items()},
    "a fact twice": (
        text(TARGET.read_text().replace('"libc":', '"libc": "glibc", "libc":')),
        "'libc' stands twice",
    ),
    "long path": (with_facts(prefix="/" + LONG), "prefix has 100001 characters, which is too long"),
    "long suffix": (with_facts(extension_suffixes=["." + LONG + ".so"]), "extension_suffixes.0 has 100004"),
    "many suffixes": (with_facts(extension_suffixes=[".so"] * 9_999), "has 9999 entries, which is too many"),
    "long platform": (with_facts(platform="linux-" + "x" * 999), "which is no platform"),
    "platform with a space": (with_facts(platform="linux-x86 64"), "which is no platform"),
    "very late version": (with_facts(version="3.999"), "version is '3.999', which is no version"),
    "no version at the end": (with_facts(version="3.9.zz"), "version is '3.9.zz', which is no version"),
    "large libc": (with_facts(libc_version="1.99999"), "libc_version is '1.99999', which is no version"),
    "escape": (with_facts(prefix="/\x1b[31m"), r"prefix has control characters: '/\x1b[31m'"),
    "C1": (with_facts(environment="\x9b31m"), r"environment is '\x9b31m'"),
    "bidi": (with_facts(implementation="\u202e"), r"implementation is \u202e"),
    "surrogate": (with_facts(scheme__purelib="/\ud800"), "surrogates not allowed"),
    "a list for a text": (with_facts(loader=[["/"]]), "loader is [['/']], which is not of its kind"),
    "an object for a text": (
        with_facts(scheme__scripts={}),
        "scheme.scripts is {}, which is not of its kind",
    ),
    "a text for an object": (with_facts(markers="x"), "markers is 'x', which is not of its kind"),
    "not absolute": (with_facts(scheme__platlib="lib"), "which is no absolute path"),
    "leaves the prefix": (with_facts(prefix_scheme__data="../.."), "which leaves the prefix"),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_target_files(cli: Cli, tmp_path: Path, case: str) -> None:
    make, sentence = BAD_TARGETS[case]
    path = tmp_path / "target.json"
    make(path)
    before = state(tmp_path)
    result = cli("install", PURE, "--target-file", path, "--target", tmp_path / "folder")
    assert state(tmp_path) == before
    assert (result.status, result.out) == (1, "")
    assert_tells(result)
    assert result.err.startswith(f"error: {path}: ")
    assert sentence in result.err
    assert len(result.err.splitlines()) <= 2


def test_a_target_file_may_be_a_pipe_that_somebody_writes_to(cli: Cli, tmp_path: Path) -> None:
    """As a shell makes it: ``--target-file <(muslfix interpreter --json)``."""
    reader, writer = os.pipe()
    with subprocess.Popen(["cat", TARGET], stdout=writer):
        os.close(writer)
        result = cli("check", PURE, "--target-file", f"/dev/fd/{reader}")
    os.close(reader)
    assert (result.status, result.err) == (0, "")


HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    [
        "",
        "x",
        "/",
        "/x",
        "..",
        "\u202e",
        "\x9b",
        "é",
        "3.12",
        "linux-",
        "\udcff",
        "9" * 99,
        "<1",
        0,
        -1,
        2**70,
        1.5,
        None,
        True,
        [],
        {},
        [[]],
    ]
)
NAMES = [
    *FACTS,
    *(f"{name}__{inner}" for name in FACTS if isinstance(FACTS[name], dict) for inner in FACTS[name]),
]


@settings(deadline=None, max_examples=300)
@given(changes=st.dictionaries(st.sampled_from(NAMES), HOSTILE, min_size=1, max_size=3))
def test_a_target_that_is_accepted_can_be_used(changes: dict[str, Any]) -> None:
    facts = json.loads(TARGET.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = facts
        for parent in parents:
            place = place[parent]
        if isinstance(place, dict):
            place[last] = value
    try:
        target = target_from_facts(facts)
    except InvalidTarget as error:
        assert len(error.reason) < 6_000  # noqa: PT017
        return
    assert target.tags()
    assert target_from_facts(json.loads(target.to_json())) == target
    markers = [f"x; {name} >= '1'" for name in facts["markers"]]
    assert (
        unmet_requirements([*markers, *(text.replace(">=", "==") for text in markers)], {}, target)
        is not None
    )
    with suppress(IncompatibleWheel):
        check_requires_python("x.whl", ">=3", target)


# -- what a probe answers ---------------------------------------------------------------------------

MARK = muslfix.targets._probe.MARK
CPYTHON = '"implementation": "cpython", "version": "3.12.0"'


def says(answer: str) -> str:
    return f"printf '%s\\n' {shlex.quote(MARK + answer)}"


ANSWERS: dict[str, tuple[str, str]] = {
    "version of 5000 digits": (
        says('{"implementation": "cpython", "version": "' + "9" * 5_000 + '.1"}'),
        "does not tell",
    ),
    "old, and 5000 digits": (
        says('{"implementation": "cpython", "version": "2.7.' + "9" * 5_000 + '"}'),
        "is Python 2.7.999",
    ),
    "number of 5000 digits": (
        says('{"version": ' + "9" * 5_000 + "}"),
        "gave a damaged answer (a number of 5000 digits)",
    ),
    "long name": (says('{"implementation": "' + "p" * 9_999 + '"}'), "is ppp"),
    "a name twice": (says('{"version": 1, "version": 2}'), "gave a damaged answer ('version' stands twice"),
    "NaN": (says('{"version": NaN}'), "gave a damaged answer (NaN is no number"),
    "deep": (says('{"x": ' + "[" * 50_000 + "}"), "gave a damaged answer (maximum recursion depth"),
    "deep and closed": (
        says('{"x": ' + "[" * 300 + "]" * 300 + "}"),
        "gave a damaged answer (nested more than",
    ),
    "two objects on a line": (says("{} {}"), "gave a damaged answer (Extra data"),
    "two objects on two lines": (f"{says('{}')}; {says('{}')}", "answered 2 times"),
    "half a character": (says('{"version": "\\ud800"}'), "gave a damaged answer ("),
    "not UTF-8": (
        f'printf \'{MARK}{{"implementation": "\\377"}}\\n\'',
        "is \\udcff; muslfix serves CPython only",
    ),
    "UTF-16": ("printf '" + "".join(f"{c}\\000" for c in "muslfix") + "'", "is no Python: it printed"),
    "escapes": (says('{"implementation": "\\u001b[31m\\u009b\\u202e"}'), r"is \x1b[31m\x9b\u202e; muslfix"),
    "escapes on stderr": (
        "printf '\\033]0;x\\007\\302\\233 \\342\\200\\256' >&2; exit 1",
        "is no working Python",
    ),
    "image is a FIFO": (says("{" + CPYTHON + ', "image": "@/fifo"}'), "cannot be read (not a regular file)"),
    "image is a device": (
        says("{" + CPYTHON + ', "image": "/dev/zero"}'),
        "cannot be read (not a regular file)",
    ),
    "image is a folder": (says("{" + CPYTHON + ', "image": "/"}'), "cannot be read (not a regular file)"),
    "image with NUL": (
        says("{" + CPYTHON + ', "image": "/a\\u0000"}'),
        "cannot be read (embedded null byte)",
    ),
    "image with escapes": (
        says("{" + CPYTHON + ', "image": "/\\u001b[31m"}'),
        r"runs /\x1b[31m, which cannot",
    ),
    "image of 100 000 letters": (
        says("{" + CPYTHON + ', "image": "/' + "x" * 100_000 + '"}'),
        "cannot be read",
    ),
    "image of another kind": (says("{" + CPYTHON + ', "image": [[1]]}'), "does not tell which file it is"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_of_a_probe(cli: Cli, tmp_path: Path, case: str) -> None:
    script, sentence = ANSWERS[case]
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "python").write_text("#!/bin/sh\n" + script.replace("@", str(tmp_path)) + "\n")
    (tmp_path / "python").chmod(0o755)
    before = state(tmp_path)
    result = cli("interpreter", "--python", tmp_path / "python")
    assert state(tmp_path) == before
    assert (result.status, result.out) == (1, "")
    assert_tells(result)
    assert result.err.startswith(f"error: {tmp_path}/python: ")
    assert sentence in result.err


def test_a_loader_that_prints_to_keep_us_busy(tmp_path: Path) -> None:
    """A megabyte of blanks, in which a careless pattern would look for a version for hours."""
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text("#!/bin/sh\nprintf 'musl libc'; head -c 1000000 /dev/zero | tr '\\0' ' '\n")
    loader.write_text(loader.read_text().replace("printf", "exec >&2; printf"))
    loader.chmod(0o755)
    from elfmaker import make_elf

    (tmp_path / "image").write_bytes(make_elf(interpreter=str(loader)))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", Path(muslfix.targets._probe.__file__).read_text()],
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout.decode().strip()[len(MARK) :])
    (tmp_path / "answer").write_text(MARK + json.dumps({**answer, "image": str(tmp_path / "image")}) + "\n")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    python.chmod(0o755)
    assert probe_interpreter(str(python)).libc_version is None


# -- muslfix.json -----------------------------------------------------------------------------------

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
    before = state(site)
    fixes = [] if case in UNTRUE_TRACES else [["fix", "demo"]]
    for command in (["undo"], ["undo", "--dry-run"], *fixes, ["check"], ["verify"]):
        result = cli(*command, "--path", site, "--target-file", target)
        assert state(site) == before, command
        assert_tells(result)
        if command[0] in ("undo", "fix"):
            assert result.status == 1, command
            assert result.out.startswith("demo 1.0: "), command
    assert leftovers(tmp_path) == []


# -- RECORD -----------------------------------------------------------------------------------------


def record(change: Callable[[str], str | bytes]) -> Make:
    """Makes RECORD of the right one."""

    def make(path: Path) -> None:
        right = path.read_bytes().decode()
        path.unlink()
        write_record(path.parent.parent, change(right))

    return make


def instead(make: Make) -> Make:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


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
    before, before_outside = state(site), state(outside)
    for command in ("verify", "check", "undo", "fix"):
        result = cli(command, "--path", site, "--target-file", target)
        text_of = result.out + result.err
        assert "Traceback" not in text_of
        assert all(character.isprintable() for character in text_of.replace("\n", ""))
        assert state(outside) == before_outside, command
        if command != "fix" or not is_fit:
            assert state(site) == before, command
        if command == "fix":
            assert (site / f"demo/_speed{RIGHT}").is_symlink() == is_fit
            assert not is_fit or "demo 1.0: fixed" in result.out
            assert is_fit or result.out.startswith("demo 1.0: fixed: ") or "failed" in result.out
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(f"m{WRONG},,\n" + "x" * 3_000_000, id="long line without folder"),
        pytest.param(f"m{WRONG},,\n" + "x/" * 1_500_000, id="long line of folders"),
        pytest.param(f"m{WRONG},,\n" + "x.so" * 900_000, id="long line of endings"),
    ],
)
def test_the_quick_look_is_quick_whatever_record_holds(tmp_path: Path, record: str) -> None:
    site = lay(tmp_path / "site", record=lambda _: record)
    assert not has_nothing_to_fix(["fix", "--path", str(site)])


@pytest.mark.parametrize("make", NO_FILE.values(), ids=NO_FILE)
def test_the_quick_look_leaves_what_is_no_record_to_others(tmp_path: Path, make: Make) -> None:
    site = lay(tmp_path / "site")
    instead(make)(site / "demo-1.0.dist-info" / "RECORD")
    assert not has_nothing_to_fix(["fix", "--path", str(site)])


@pytest.mark.parametrize("make", NO_FILE.values(), ids=NO_FILE)
@pytest.mark.parametrize("name", ["INSTALLER", "direct_url.json"])
def test_other_files_of_a_project(cli: Cli, tmp_path: Path, name: str, make: Make) -> None:
    site, target = lay(tmp_path / "site"), target_file(tmp_path)
    path = site / "demo-1.0.dist-info" / name
    path.unlink(missing_ok=True)
    make(path)
    before = state(site)
    for command in ("fix", "undo", "check", "verify"):
        result = cli(command, "demo", "--path", site, "--target-file", target)
        assert state(site) == before
        assert_tells(result)
        if name == "direct_url.json" or command in ("fix", "undo"):  # the others do not ask who is the owner
            assert result.status == 1
            assert result.out.startswith(f"demo 1.0: failed: {path}: cannot be read (")


# -- pyproject.toml, and what else a hook reads -----------------------------------------------------

PARTS = ".".join(["a"] * 30_000)
BAD_SETTINGS: dict[str, Make] = {
    **NO_FILE,
    "a key of 30 000 parts": text(f"[tool.muslfix]\n{PARTS} = 1\n"),
    "keys of a table of 20 000 parts": text(
        f"[tool.muslfix]\n[{PARTS}]\n" + "".join(f"b{n} = 1\n" for n in range(20_000))
    ),
    "a million digits": text(f"[tool.muslfix]\nmode = {'1' * 1_000_000}\n"),
    "deep list": text("[tool]\nmuslfix = " + "[" * 50_000),
    "deep table": text("[tool]\nmuslfix = " + "{a=" * 50_000),
    "UTF-16": text("[tool.muslfix]".encode("utf-16") + b"muslfix"),
    "a key twice": text("[tool.muslfix]\nmode = 'copy'\nmode = 'copy'\n"),
    "a table twice": text("[tool.muslfix]\n[tool.muslfix]\n"),
    "escape": text("[tool.muslfix]\nmode = '\x1b[31m'\n"),
}


@pytest.mark.parametrize("make", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings_of_a_hook(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "pyproject.toml"
    make(path)
    before = state(tmp_path)
    settings_read, (problem,) = read_settings(str(path))
    assert state(tmp_path) == before
    assert settings_read == Settings()
    assert problem.startswith(f"{path}: cannot be read, so the settings of muslfix are not known (")
    assert len(problem) < 1_000


@pytest.mark.parametrize("make", [*NO_FILE.values(), text("\0"), text(b"\xff"), text("x" * 99)])
def test_the_note_of_pdm(tmp_path: Path, make: Make) -> None:
    make(tmp_path / ".pdm-python")
    assert find_whereabouts(["pdm", "install"], {}, str(tmp_path)).python is None


# -- JSON -------------------------------------------------------------------------------------------


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9) | WORDS


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4)
    )
)
def test_what_is_honest_is_read_as_it_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.text())
def test_no_text_does_harm(content: str) -> None:
    with suppress(ValueError):
        parse_json(content)


def test_depth() -> None:
    assert parse_json("[" * 50 + "]" * 50)
    with pytest.raises(ValueError, match="nested more than 50 levels deep"):
        parse_json("[" * 51 + "]" * 51)


def test_a_hanging_program_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\nprintf '%s' '{MARK}{{'\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(InterpreterError, match=r"did not answer within 0\.5 seconds"):
        probe_interpreter(str(tmp_path / "python"), timeout=0.5)
