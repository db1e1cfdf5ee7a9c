"""Interpreters that answer a probe to harm: one sentence, no traceback, no hang, nothing changed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from bad_files import assert_tells
from commands import Cli
from trees import states

import muslfix.targets._probe
from muslfix.errors import InterpreterError
from muslfix.targets.interpreter import probe_interpreter

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
        "is not JSON (a number of 5000 digits)",
    ),
    "long name": (says('{"implementation": "' + "p" * 9_999 + '"}'), "is ppp"),
    "a name twice": (says('{"version": 1, "version": 2}'), "is not JSON ('version' occurs twice"),
    "NaN": (says('{"version": NaN}'), "is not JSON (NaN is not a number"),
    "deep": (says('{"x": ' + "[" * 50_000 + "}"), "is not JSON (maximum recursion depth"),
    "deep and closed": (
        says('{"x": ' + "[" * 300 + "]" * 300 + "}"),
        "is not JSON (nested more than",
    ),
    "two objects on a line": (says("{} {}"), "is not JSON (Extra data"),
    "two objects on two lines": (f"{says('{}')}; {says('{}')}", "answered 2 times"),
    "half a character": (says('{"version": "\\ud800"}'), "is not JSON ("),
    "not UTF-8": (
        f'printf \'{MARK}{{"implementation": "\\377"}}\\n\'',
        "is \\udcff; muslfix serves CPython only",
    ),
    "UTF-16": (
        "printf '" + "".join(f"{c}\\000" for c in "muslfix") + "'",
        "is not a Python interpreter: it printed",
    ),
    "escapes": (says('{"implementation": "\\u001b[31m\\u009b\\u202e"}'), r"is \x1b[31m\x9b\u202e; muslfix"),
    "escapes on stderr": (
        "printf '\\033]0;x\\007\\302\\233 \\342\\200\\256' >&2; exit 1",
        "is not a working Python",
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
    "image of another kind": (says("{" + CPYTHON + ', "image": [[1]]}'), "image is [[1]], which is not text"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_of_a_probe(cli: Cli, tmp_path: Path, case: str) -> None:
    script, sentence = ANSWERS[case]
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "python").write_text("#!/bin/sh\n" + script.replace("@", str(tmp_path)) + "\n")
    (tmp_path / "python").chmod(0o755)
    before = states(tmp_path)
    result = cli("interpreter", "--python", tmp_path / "python")
    assert states(tmp_path) == before
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


def test_a_hanging_program_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\nprintf '%s' '{MARK}{{'\nexec sleep 600\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(InterpreterError, match=r"did not answer within 0\.5 seconds"):
        probe_interpreter(str(tmp_path / "python"), timeout=0.5)
