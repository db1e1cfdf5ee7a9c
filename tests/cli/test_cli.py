"""The command line as such: help, streams, exit statuses. What the commands do has tests of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import NO_BYTECODE, Cli
from environments import make_environment
from misnamed import lay
from wheelmaker import make_wheel

import muslfix
from muslfix.cli.dispatch import _COMMANDS, run_command
from muslfix.cli.output import Output, printable
from muslfix.cli.targets import target_words
from muslfix.errors import MuslfixError
from muslfix.report.lines import Line
from muslfix.targets.interpreter import read_target_file

TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
DEBIAN = FIXTURES / "targets" / "debian-12-cpython-3.11-x86_64.json"
PYTHON = os.path.abspath(sys.executable)
PURE = FIXTURES / "wheels" / "pure-1.0-py3-none-any.whl"
NEEDS = FIXTURES / "wheels" / "needs-1.0-py3-none-any.whl"

COMMANDS = list(_COMMANDS)
NO_NAME = "is not a wheel file name: it must have 5 or 6 parts with dashes between them, but has {}"


# -- help -------------------------------------------------------------------------------------------


def test_version(cli: Cli) -> None:
    result = cli("-V")
    assert (result.status, result.out, result.err) == (0, f"muslfix {muslfix.__version__}\n", "")
    assert cli("--version") == result


def test_help_names_the_commands(cli: Cli) -> None:
    result = cli("--help")
    assert (result.status, result.err) == (0, "")
    assert {"install", "interpreter"} <= set(COMMANDS)
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", result.out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(cli: Cli, command: str) -> None:
    result = cli(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: muslfix {command} ")
    assert f"example:\n  muslfix {command} " in result.out or "examples:\n" in result.out
    assert re.match(r"  (python -m )?muslfix ", result.out.rstrip().split("\n")[-1]), "ends with an example"
    # Each option is explained, and no placeholder is left.
    assert "%(" not in result.out
    for line in re.findall(r"^  (-.+)$", result.out, re.MULTILINE):
        assert re.search(r"^-\S+( \S+)*(  .+)?$", line)


def test_without_a_command(cli: Cli) -> None:
    result = cli()
    assert (result.status, result.out) == (2, "")
    assert result.err == cli("--help").out
    examples = re.findall(r"^  (muslfix .+?)(?:   +\S.*)?$", result.err, re.MULTILINE)
    assert len(examples) == 3
    for line in examples:
        assert shlex.split(line)[1] in COMMANDS
    assert len(result.err.split("\n")) <= 40, "it fits on a screen"
    assert max(map(len, result.err.split("\n"))) <= 100


def test_a_word_that_is_no_command(cli: Cli) -> None:
    result = cli("fly")
    assert (result.status, result.out) == (2, "")
    assert "'fly' is not a command of muslfix" in result.err


@pytest.mark.parametrize(
    "words",
    [
        [PURE, "--target-file", TARGET, "--target", "{x}", NEEDS, "-q"],
        ["--target-file", TARGET, "--target", "{x}", PURE, "-q", NEEDS],
        ["-q", PURE, NEEDS, "--target", "{x}", "--target-file", TARGET],
        ["-q", "--target", "{x}", "--target-file", TARGET, "--", PURE, NEEDS],
    ],
    ids=["between", "around", "behind", "before two hyphens"],
)
def test_options_may_stand_anywhere(cli: Cli, tmp_path: Path, words: list[str | Path]) -> None:
    result = cli("install", *(str(word).format(x=tmp_path / "x") for word in words))
    assert (result.status, result.out, result.err) == (0, "", "")
    assert {path.name for path in (tmp_path / "x").glob("*.dist-info")} == {
        "pure-1.0.dist-info",
        "needs-1.0.dist-info",
    }


def test_a_file_name_that_looks_like_an_option(cli: Cli, tmp_path: Path) -> None:
    result = cli("install", "--target-file", TARGET, "--target", tmp_path / "x", "--", "-x.whl")
    assert (result.status, result.err.split("\n")[0]) == (1, f"error: -x.whl: {NO_NAME.format(2)}")


# -- interpreter ------------------------------------------------------------------------------------


def test_interpreter_shows_a_target(cli: Cli) -> None:
    result = cli("interpreter", "--target-file", TARGET)
    assert (result.status, result.err) == (0, "")
    story, facts = result.out.rstrip("\n").split("\n\n")
    assert story.split("\n")[0].startswith(
        "For 'import demo', CPython 3.9.2 looks in each directory for demo.cpython-39"
    )
    assert facts.split("\n") == [
        f"facts from: the target file {TARGET}",
        "interpreter: /opt/lab/39-musl/bin/python3",
        "version: CPython 3.9.2",
        "SOABI: cpython-39-x86_64-linux-musl",
        "imports: .cpython-39-x86_64-linux-musl.so .abi3.so .so",
        "libc: musl 1.2.5",
        "loader: /lib/ld-musl-x86_64.so.1",
        "machine: x86_64 64-bit little-endian",
        "environment: system at /opt/lab/39-musl",
        "modules: /opt/lab/39-musl/lib/python3.9/site-packages",
        "scripts: /opt/lab/39-musl/bin",
        *result.out.splitlines()[-2:],
    ]
    assert re.fullmatch(r"tags: cp39-cp39-linux_x86_64 and \d+ more", result.out.splitlines()[-2])
    assert result.out.splitlines()[-1].startswith("settings: mode = symlink, strict = false, ")
    tags = cli("interpreter", "--target-file", TARGET, "-v").out.partition("\n\n")[2].splitlines()[11:-1]
    assert tags[:2] == ["tag: cp39-cp39-linux_x86_64", "tag: cp39-cp39-musllinux_1_2_x86_64"]
    assert f"and {len(tags) - 1} more" in result.out


def test_interpreter_shows_what_is_not_known_and_what_is_special(cli: Cli, tmp_path: Path) -> None:
    facts = json.loads(DEBIAN.read_text())
    facts.update(executable=None, soabi=None, libc_version=None, loader=None)
    facts["scheme"]["platlib"] = "/usr/lib64/python"
    (tmp_path / "target.json").write_text(json.dumps(facts))
    lines = cli("interpreter", "--target-file", tmp_path / "target.json").out.splitlines()
    assert {
        "interpreter: unknown",
        "SOABI: unknown",
        "libc: glibc (version unknown)",
        "loader: unknown",
        "managed by another tool: /usr/lib/python3.11/EXTERNALLY-MANAGED",
        "extension modules: /usr/lib64/python",
    } <= set(lines)


def test_interpreter_writes_a_file_for_target_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("interpreter", "--target-file", TARGET, "--json").out == TARGET.read_text()
    (tmp_path / "target.json").write_text(cli("interpreter", "--python", PYTHON, "--json", "-q").out)
    assert read_target_file(str(tmp_path / "target.json")).executable == PYTHON


def test_the_active_environment_is_the_target(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"interpreter: {PYTHON}\n" in cli("interpreter").out
    environment = make_environment(tmp_path / "environment")
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    assert f"environment: virtual environment at {environment}\n" in cli("interpreter").out
    assert f"interpreter: {PYTHON}\n" in cli("interpreter", "--python", PYTHON).out


# -- how much is said -------------------------------------------------------------------------------


def test_quiet_and_verbose(cli: Cli, tmp_path: Path) -> None:
    needy = make_wheel(
        tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": b""}, metadata={"Requires-Dist": "absent"}
    )
    words = "install", needy, "--target-file", TARGET, "--target"
    normal = cli(*words, tmp_path / "a")
    assert normal.out == f"1 project: nothing to fix.\ndemo 1.0: installed\n{NO_BYTECODE}"
    assert normal.err == "warning: demo 1.0: requires absent, which is not installed\n"
    assert cli(*words, tmp_path / "b", "--verbose") == normal
    quiet = cli(*words, tmp_path / "c", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    data = cli(*words, tmp_path / "d", "--quiet", "--json")
    assert (data.status, data.err) == (0, "")
    assert json.loads(data.out)["projects"][0]["warnings"] == ["requires absent, which is not installed"]
    failed = cli("install", tmp_path / "absent-1.0-py3-none-any.whl", *words[2:], tmp_path / "e", "--quiet")
    assert (failed.status, failed.out) == (1, "")
    assert failed.err == f"error: {tmp_path}/absent-1.0-py3-none-any.whl: does not exist\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("ä 日本 \N{SNOWMAN}", "ä 日本 \N{SNOWMAN}"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("one\ntwo\rthree\ttab", r"one\ntwo\rthree\ttab"),
        ("\x00\x7f\x85\x9b", r"\x00\x7f\x85\x9b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("caf\udce9", r"caf\udce9"),
        ("\U000e0041", r"\U000e0041"),
        ("back\\slash", "back\\slash"),
    ],
    ids=ascii,
)
def test_what_a_name_holds_does_not_reach_the_terminal(line: str, shown: str) -> None:
    assert printable(line) == shown


def test_each_stream_gets_printable_lines_only(capfd: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.tell([Line("\x1b[31m", head="\x1b[36m", detail="\x1b[37m")])
    output.warning("\x1b[32m")
    output.error(MuslfixError("\x1b[33m", "\x1b[34m", "\x1b[35m"))
    output.flush()
    assert capfd.readouterr() == (
        "\\x1b[31m: \\x1b[36m: \\x1b[37m\n",
        "warning: \\x1b[32m\nerror: \\x1b[33m: \\x1b[34m\ntip: \\x1b[35m\n",
    )


def test_a_terminal_that_knows_no_more_than_ascii(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": b""}, metadata={"Name": "Demo"})
    odd = tmp_path / "ä"
    odd.mkdir()
    wheel = wheel.rename(odd / "broken-1.0-py3-none-any.whl")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "muslfix",
            "install",
            wheel,
            "--target-file",
            TARGET,
            "--target",
            tmp_path / "x",
        ],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: " + os.fsencode(tmp_path) + rb"/\xe4/broken-1.0")


# -- streams that fail ------------------------------------------------------------------------------

SHOW = ["interpreter", "-v", "--target-file", str(TARGET)]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "JSON"])
def test_a_reader_that_has_enough(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run_command([*SHOW, *options]) == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "JSON"])
def test_an_output_that_is_full(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run_command([*SHOW, *options]) == 1
    assert capfd.readouterr().err == ("error: standard output: cannot be written (No space left on device)\n")


def test_errors_that_nobody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert run_command(["install", str(PURE), "--target-file", str(TARGET)]) == 2
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_streams_that_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run_command(SHOW) == 0
    for name in ("stdout", "stderr"):
        getattr(sys, name).close()


FULL = "error: standard output: cannot be written (No space left on device)\n"


@pytest.mark.parametrize(
    ("redirection", "words", "status", "said"),
    [
        (">/dev/full", SHOW, 1, FULL),
        (">/dev/full", ["--version"], 1, FULL),
        (">/dev/full", ["help", "fix"], 1, FULL),
        ("2>/dev/full", ["install", "x.whl"], 1, ""),
        (">&-", SHOW, 0, ""),
        (">&-", ["install", "x.whl"], 1, f"error: x.whl: {NO_NAME.format(1)}\n"),
        ("2>&-", ["install", "x.whl"], 1, ""),
        (">&- 2>&-", SHOW, 0, ""),
    ],
)
def test_nothing_more_is_said_at_the_end_of_python(
    redirection: str, words: list[str], status: int, said: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m muslfix "$@" {redirection}', sys.executable, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.partition("tip: ")[0] == said


def _without_a_reader() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize(
    ("stdout", "said"), [(lambda: os.open("/dev/full", os.O_WRONLY), FULL), (_without_a_reader, "")]
)
def test_a_fix_with_nothing_to_do_that_cannot_say_so(
    stdout: Callable[[], int], said: str, tmp_path: Path
) -> None:
    """It takes a shorter way than other commands, and ends as they do."""
    lay(tmp_path, files={"demo/__init__.py": b""})
    opened = stdout()
    done = subprocess.run(
        [sys.executable, "-m", "muslfix", "fix", "--path", tmp_path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        stdout=opened,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(opened)
    assert (done.returncode, done.stderr) == (1, said)


# -- exit statuses ----------------------------------------------------------------------------------


def test_statuses_and_signals(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run_command(["interpreter", "--target-file", str(TARGET)]) == 0
    assert run_command(["install", "x.whl"]) == 1
    assert run_command(["install", str(PURE), "--target-file", str(TARGET)]) == 2
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """That a signal may come at any instant is shown in ``test_transaction``."""
    monkeypatch.setattr(
        "muslfix.targets.interpreter.read_target_file", lambda *_: signal.raise_signal(number)
    )
    before = signal.getsignal(number)
    result = cli("interpreter", "--target-file", TARGET)
    assert (result.status, result.out, result.err) == (130, "", "interrupted: nothing is left half done\n")
    assert signal.getsignal(number) is before


#: A process that is interrupted where a module is loaded, where it says so, and where it ends.
EARLY_PROGRAM = """
import atexit, os, signal, sys
strike = lambda: os.kill(os.getpid(), {number})
class Finder:
    def find_spec(self, name, *_):
        if name == "{module}":
            strike()
class Stream:
    encoding = "utf-8"
    def write(self, text):
        strike()
        os.write(2, text.encode())
    def flush(self):
        strike()
    def isatty(self):
        return False
import muslfix.cli
sys.meta_path.insert(0, Finder())
sys.stdout = sys.stderr = Stream()
sys.argv[1:] = ["fix", "-q", "x"] if "dispatch" in "{module}" else ["fix"]
atexit.register(strike)
sys.exit(muslfix.cli.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("module", ["muslfix.verbs.nothing_to_fix", "muslfix.cli.dispatch", "argparse"])
def test_interrupted_again_and_again_while_modules_are_loaded(module: str, number: signal.Signals) -> None:
    """There was a traceback, or SIGHUP ended it without a word."""
    program = f"import sys; sys.path[:0] = {sys.path!r}\n"
    program += EARLY_PROGRAM.format(module=module, number=int(number))
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted: nothing is left half done\n"


# -- other command lines ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        ({"python": None, "target_file": None, "mode": "copy"}, []),
        ({"python": "/opt/a b/python"}, ["--python", "/opt/a b/python"]),
        ({"python": None, "target_file": "x.json", "target": "folder"}, ["--target-file", "x.json"]),
        ({"target_fact": ["a=b", "c=d"]}, ["--target-fact", "a=b", "--target-fact", "c=d"]),
        ({"target_fact": []}, []),
    ],
)
def test_words_that_mean_the_same_target(given: dict[str, object], words: list[str]) -> None:
    assert target_words(Namespace(**given)) == words


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli(command, "--help").out.split("\n")
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if line.endswith("-")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fix", "--python", ""], "error: --python is empty"),
        (["fix", "--path", ""], "error: --path is empty"),
        (["fix", "--target", "x"], "use --path for a directory made by 'pip install --target'"),
        (
            ["check", "--musl", "x.whl", "--python", "x"],
            "checks wheels without a target, so --python has no effect",
        ),
        (
            ["check", "--musl", "x.whl", "--strict"],
            "checks wheels without a target, so --strict has no effect",
        ),
        (
            ["check", "--musl", "x.whl", "--mode", "copy"],
            "checks wheels without a target, so --mode has no effect",
        ),
    ],
)
def test_words_that_say_nothing(cli: Cli, words: list[str], said: str) -> None:
    result = cli(*words)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
