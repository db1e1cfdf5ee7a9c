"""Ask the target interpreter for its facts, or read them from a file.

An interpreter is asked once, by a script of the standard library (:mod:`muslfix._probe`), and its ELF
file is read here: what it is linked to stands in the ``PT_INTERP`` of the file that runs, and nowhere
else as surely. ``platform.libc_ver()`` is wrong on musl, a machine can have the loaders of both libcs,
and gcompat plays glibc.

Nothing else is run but the musl loader, which tells its version when it is called without arguments:
https://peps.python.org/pep-0656/.
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from muslfix._probe import MARK
from muslfix.elf import ElfFacts, read_elf
from muslfix.errors import InterpreterError, InvalidElf, InvalidTarget
from muslfix.suffix import Libc
from muslfix.target import FORMAT, OLDEST_VERSION, Target, target_from_facts

_TARGET_FILE_TIP = "write its facts where it runs, with 'muslfix interpreter --json', and give --target-file"

_NAME_TIP = "name an interpreter with --python"

# No answer is nearly as long. What prints more is no Python, or one with a very talkative wrapper.
_MAX_OUTPUT = 1024 * 1024
_LOADER_TIMEOUT = 5.0

_ANSWER = re.compile(rb"^" + MARK.encode() + rb"(\{.*\})$", re.MULTILINE)
_MUSL_LOADER = re.compile(r"ld-musl-.+")
_GLIBC_LOADER = re.compile(r"ld-linux.*|ld64\.so\..+|ld\.so\.1")
_MUSL_VERSION = re.compile(rb"\Amusl libc.*\s*^Version (\d+(?:\.\d+)+)", re.MULTILINE)
_GLIBC_VERSION = re.compile(r"glibc (\d+(?:\.\d+)+)")

_IMPLEMENTATIONS = {"pypy": "PyPy", "graalpy": "GraalPy"}


def find_interpreter(explicit: str | None, environ: Mapping[str, str]) -> str:
    """The path of the interpreter that is meant; a virtual environment's own path, links and all.

    :param explicit: what the user asked for: a path, a name on ``PATH``, or the folder of an
        environment; ``None`` means the active virtual environment if there is one, else the
        interpreter that runs muslfix
    :param environ: the environment variables
    :return: an absolute path
    :raises InterpreterError: if there is no such interpreter
    """
    if explicit is None:
        active = environ.get("VIRTUAL_ENV")
        if active:
            return _interpreter_in(active, tip="deactivate it, or name an interpreter with --python")
        if not sys.executable:
            raise InterpreterError(
                None, "it is not known which Python runs muslfix", "name one with --python"
            )
        return sys.executable
    if os.sep not in explicit:
        found = shutil.which(explicit, path=environ.get("PATH", os.defpath))
        if found is not None:
            return os.path.abspath(found)
        if not os.path.lexists(explicit):
            raise InterpreterError(explicit, "is no program on PATH", "name an interpreter, or give its path")
    if os.path.isdir(explicit):
        return _interpreter_in(explicit)
    return os.path.abspath(explicit)


def _interpreter_in(folder: str, tip: str | None = None) -> str:
    """The interpreter of a virtual environment, or of any other prefix."""
    for name in ("python", "python3"):
        path = os.path.join(os.path.abspath(folder), "bin", name)
        if os.path.lexists(path):
            return path
    reason = "has no bin/python" if os.path.isdir(folder) else "is no folder, so it holds no environment"
    raise InterpreterError(folder, reason, tip or "name the folder of a virtual environment, or a program")


def read_target_file(path: str) -> Target:
    """Read a target from the JSON file that ``muslfix interpreter --json`` wrote.

    :raises InvalidTarget: if it cannot be read, or its facts are incomplete or contradict each other
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_OUTPUT + 1)
    except OSError as error:
        raise InvalidTarget(path, f"cannot be read ({error.strerror})") from error
    if len(data) > _MAX_OUTPUT:
        raise InvalidTarget(path, "is larger than 1 MiB, so it is no target file")
    try:
        return Target.from_json(data.decode())
    except UnicodeDecodeError as error:
        raise InvalidTarget(path, f"is no JSON ({error})") from error
    except InvalidTarget as error:
        raise InvalidTarget(path, error.reason, error.tip) from error


def probe_interpreter(executable: str, *, timeout: float = 30) -> Target:
    """Run an interpreter and make a target of what it and its ELF file say.

    :param executable: path of a Python, or of a script that runs one
    :param timeout: seconds until it counts as hanging, and is killed with all that it started
    :raises InterpreterError: if it cannot be run, does not answer, or is none that muslfix serves
    """
    path = os.path.abspath(executable)
    answer = _ask(path, timeout)
    _check_identity(path, answer)
    program = _read_program(path, answer)
    try:
        target = target_from_facts(_facts_of(program, answer, timeout))
    except InvalidTarget as error:
        raise InterpreterError(path, f"gives facts that cannot be: {error.reason}", error.tip) from error
    return replace(target, runs_here=True)


def _ask(path: str, timeout: float) -> dict[str, Any]:
    """The answer of the probe, which may still say anything."""
    source = pkgutil.get_data("muslfix", "_probe.py") or b""
    try:
        outcome = _run([path, "-I", "-S", "-B", "-c", source.decode()], timeout)
    except (OSError, ValueError) as error:
        raise _why_not_started(path, error) from error
    if outcome.stopped is not None:
        raise InterpreterError(path, outcome.stopped)
    answers = _ANSWER.findall(outcome.stdout)
    if outcome.status != 0 or not answers:
        raise _why_no_answer(path, outcome)
    if len(answers) > 1:
        raise InterpreterError(path, f"answered {len(answers)} times", "it should run one Python, and once")
    try:
        # The answer is in the bytes of the file system, so that paths keep theirs.
        answer = json.loads(os.fsdecode(answers[0]))
    except (ValueError, RecursionError) as error:
        raise InterpreterError(path, f"gave a damaged answer ({error})") from error
    return dict(answer)  # the pattern lets nothing but an object through


def _check_identity(path: str, answer: dict[str, Any]) -> None:
    """Say what it is rather than which fact is missing: others answer no more than this."""
    implementation, version = str(answer.get("implementation")), str(answer.get("version"))
    if implementation != "cpython":
        name = _IMPLEMENTATIONS.get(implementation, implementation)
        raise InterpreterError(path, f"is {name}; muslfix serves CPython only")
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is not None and tuple(map(int, numbers.groups())) < OLDEST_VERSION:
        raise InterpreterError(path, f"is Python {version}; {_oldest()}")


def _oldest() -> str:
    return "muslfix serves CPython {}.{} and later".format(*OLDEST_VERSION)


@dataclass(frozen=True)
class _Program:
    """The ELF file of the interpreter.

    :param elf: its facts
    :param libc: the libc that its ``PT_INTERP`` names
    :param loader: the dynamic loader in effect: ``PT_INTERP``, or one that was called by hand, links resolved
    """

    elf: ElfFacts
    libc: Libc
    loader: str


def _read_program(path: str, answer: dict[str, Any]) -> _Program:
    """Read the ELF file of the interpreter: the first one, of those it may be, that needs a loader.

    The file that runs is not always ``sys.executable``: that can be a wrapper. And it is not always the
    interpreter: where somebody calls the loader by hand, the file that runs is the loader.
    """
    reason, called_by_hand = "does not tell which file it is", None
    for candidate in (answer.get("image"), answer.get("executable")):
        if not isinstance(candidate, str) or not candidate.startswith("/"):
            continue
        try:
            with open(candidate, "rb") as file:
                elf = read_elf(file)
        except (OSError, ValueError) as error:
            reason = f"runs {candidate}, which cannot be read ({error})"
        except InvalidElf as error:
            reason = f"runs {candidate}, which {error.reason}"
        else:
            if elf.interpreter is not None:
                return _Program(elf, _libc_of(path, elf.interpreter), called_by_hand or elf.interpreter)
            reason, called_by_hand = "is linked statically, so it can load no extension module", candidate
    raise InterpreterError(path, reason)


def _libc_of(path: str, loader: str) -> Libc:
    for libc, loaders in ((Libc.MUSL, _MUSL_LOADER), (Libc.GLIBC, _GLIBC_LOADER)):
        if loaders.fullmatch(os.path.basename(loader)):
            return libc
    raise InterpreterError(path, f"has the loader {loader}, which is neither musl's nor glibc's")


def _facts_of(program: _Program, answer: dict[str, Any], timeout: float) -> dict[str, Any]:
    """The facts in the shape that :func:`muslfix.target.target_from_facts` checks."""
    if program.libc is Libc.MUSL:
        libc_version = _musl_version(program.loader, min(timeout, _LOADER_TIMEOUT))
    else:
        libc_version = _glibc_version(answer)
    return {
        **answer,
        "format": FORMAT,
        "soabi": _soabi_of(answer),
        "libc": program.libc.value,
        "libc_version": libc_version,
        "machine": asdict(program.elf.machine),
        "loader": program.loader,
    }


def _soabi_of(answer: dict[str, Any]) -> str | None:
    """The SOABI, from what is imported: ``sysconfig`` can say another after cross compiling."""
    suffixes = answer.get("extension_suffixes")
    for suffix in suffixes if isinstance(suffixes, list) else ():
        if isinstance(suffix, str) and suffix.startswith(".cpython-") and suffix.endswith(".so"):
            return suffix[1 : -len(".so")]
    return None


def _glibc_version(answer: dict[str, Any]) -> str | None:
    match = _GLIBC_VERSION.match(str(answer.get("glibc_version")))
    return None if match is None else match.group(1)


def _musl_version(loader: str, timeout: float) -> str | None:
    """What musl's loader writes to stderr when it gets nothing to do.

    :return: ``None`` where it is missing, for another machine, or silent: that costs some wheel tags
    """
    try:
        outcome = _run([loader], timeout)
    except (OSError, ValueError):
        return None
    match = _MUSL_VERSION.search(outcome.stderr)
    return None if match is None else match.group(1).decode()


@dataclass(frozen=True)
class _Outcome:
    """How a program ended: its exit status (negative: a signal), or why it was stopped by us."""

    status: int
    stdout: bytes
    stderr: bytes
    stopped: str | None = None


def _run(command: list[str], timeout: float) -> _Outcome:
    """Run a program with nothing to read, in a process group of its own, for a bounded time and output.

    :raises OSError: if it cannot be started
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    ) as process:
        outputs = {stream: bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
        stopped: str | None = None
        try:
            for stream, chunk in _chunks(process, outputs, timeout):
                outputs[stream] += chunk
                if len(outputs[stream]) > _MAX_OUTPUT:
                    stopped = "printed more than 1 MiB instead of an answer, and was stopped"
                    break
        except subprocess.TimeoutExpired:
            stopped = f"did not answer within {timeout:g} seconds, and was stopped"
        finally:
            _kill(process)
        stdout, stderr = (bytes(output) for output in outputs.values())
    return _Outcome(process.returncode, stdout, stderr, stopped)


def _environment() -> dict[str, str]:
    """The environment variables, without those that could make an interpreter tell of another.

    ``-I`` ignores most; ``_PYTHON_SYSCONFIGDATA_NAME`` and the like are read by ``sysconfig`` itself.
    """
    return {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("PYTHON")}


def _chunks(process: subprocess.Popen[bytes], streams: Any, timeout: float) -> Iterator[tuple[Any, bytes]]:
    """What a process prints, until it has ended.

    :raises subprocess.TimeoutExpired: if it has not ended in time
    """
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout)
            # Something in the background can hold the streams open when the process itself has ended.
            ended = process.poll() is not None
            ready = selector.select(min(left, 0.1))
            if ended and not ready:
                return
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if chunk:
                    yield key.fileobj, chunk
                else:
                    selector.unregister(key.fileobj)
    process.wait(timeout=max(0.0, deadline - time.monotonic()))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that has not ended, and its group with it."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _why_no_answer(path: str, outcome: _Outcome) -> InterpreterError:
    """The sentence for a program that ran and did not answer."""
    if outcome.status < 0:
        return InterpreterError(path, f"crashed: it was ended by {_signal_name(-outcome.status)}")
    words = _line(outcome.stderr, -1) or _line(outcome.stdout, 0)
    if re.search(rb"[Uu]nknown option:? -I", outcome.stderr):
        return InterpreterError(path, f"is a Python older than 3.4; {_oldest()}")
    if outcome.status:
        said = f": {words}" if words else ""
        return InterpreterError(path, f"is no working Python: it ended with status {outcome.status}{said}")
    if words:
        return InterpreterError(path, f"is no Python: it printed {words!r} instead of an answer")
    return InterpreterError(path, "is no Python: it ended without an answer")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _line(output: bytes, number: int) -> str:
    """The first or last line that is not blank, fit to be shown in a sentence."""
    lines = output.decode("utf-8", "replace").split("\n")
    shown = ["".join(c if c.isprintable() else " " for c in line).strip() for line in lines]
    filled = [line[:200] for line in shown if line]
    return filled[number] if filled else ""


def _why_not_started(path: str, error: OSError | ValueError) -> InterpreterError:
    """The sentence for a program that the system did not start, from what is there to see."""
    if os.path.isdir(path):
        return InterpreterError(path, "is a folder", "give the program in it")
    if not os.path.exists(path):
        if os.path.islink(path):
            return InterpreterError(path, f"is a link to {os.readlink(path)}, which does not exist")
        if isinstance(error, FileNotFoundError):
            return InterpreterError(path, "does not exist", _NAME_TIP)
    if isinstance(error, PermissionError):
        return InterpreterError(path, "is not executable", "give an interpreter that this user may run")
    try:
        return _why_not_loaded(path)
    except (OSError, ValueError):
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return InterpreterError(path, f"cannot be started ({why})")


def _why_not_loaded(path: str) -> InterpreterError:
    """The sentence for a file that is there, may be executed, and still cannot be.

    :raises OSError: if it cannot be read
    """
    with open(path, "rb") as file:
        first = file.read(256)
        if first.startswith(b"#!"):
            program = _line(first[2:], 0)
            return InterpreterError(path, f"is a script for {program}, which cannot be started")
        if not first.startswith(b"\x7fELF"):
            return InterpreterError(path, "is no program: neither an ELF file nor a script", _NAME_TIP)
        try:
            elf = read_elf(file)
        except InvalidElf as error:
            return InterpreterError(path, f"is no program: it {error.reason}", _NAME_TIP)
    if elf.interpreter is not None and not os.path.exists(elf.interpreter):
        return InterpreterError(
            path, f"needs the loader {elf.interpreter}, which is not on this machine", _TARGET_FILE_TIP
        )
    return InterpreterError(
        path, f"is a program for {elf.machine}, which this machine cannot run", _TARGET_FILE_TIP
    )
