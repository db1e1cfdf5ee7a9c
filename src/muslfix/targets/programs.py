"""Run programs that may do anything, and explain in a sentence why one did not answer."""

from __future__ import annotations

import errno
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from muslfix.elf.facts import read_elf
from muslfix.errors import InterpreterError, InvalidElf, InvalidJson, why
from muslfix.files.untrusted_json import parse_json
from muslfix.targets._probe import MARK
from muslfix.targets.target import OLDEST, TARGET_FILE_TIP

_NAME_TIP = "name an interpreter with --python"

_ANSWER = rb"(?m)^" + MARK.encode() + rb"(\{.*\})$"

_ABOUT_THE_USER = frozenset({"PYTHONUSERBASE", "PYTHONNOUSERSITE"})

# Errors that say nothing of the file.
_OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO, errno.ENOSPC})

# Far more than any answer.
_MAX_OUTPUT = 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit status (negative: a signal), or why it was stopped by us."""

    status: int
    stdout: bytes
    stderr: bytes
    stopped: str | None = None


class Program:
    """A program that runs without input, in its own process group, while its caller does something else.

    Whoever starts it closes it.

    :raises OSError: if it cannot be started
    """

    def __init__(self, command: list[str]) -> None:
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )

    def close(self) -> None:
        """Stop it, if it has not ended."""
        with self._process:
            _kill(self._process)

    def outcome(self, timeout: float) -> Outcome:
        """Wait until it has ended, or has printed too much.

        :param timeout: seconds after its start at which it is stopped
        """
        process, stopped = self._process, None
        outputs = {stream: bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
        try:
            for stream, chunk in _chunks(process, outputs, self._begun + timeout):
                outputs[stream] += chunk
                if len(outputs[stream]) > _MAX_OUTPUT:
                    stopped = "printed more than 1 MiB instead of an answer, and was stopped"
                    break
        except subprocess.TimeoutExpired:
            stopped = f"did not answer within {timeout:g} seconds, and was stopped"
        finally:
            _kill(process)
        stdout, stderr = (bytes(output) for output in outputs.values())
        return Outcome(process.wait(), stdout, stderr, stopped)


class Question(Program):
    """A program that an interpreter runs, and that prints an answer.

    :param path: of the interpreter
    :param words: the program, as arguments
    :raises InterpreterError: if it cannot be run
    """

    def __init__(self, path: str, words: list[str]) -> None:
        self._path = path
        try:
            super().__init__([path, *words])
        except (OSError, ValueError) as error:
            raise why_not_started(path, error) from error

    def answer(self, timeout: float) -> dict[str, Any]:
        """Its answer, still unchecked.

        :param timeout: seconds after its start at which it is stopped
        :raises InterpreterError: if there is none
        """
        outcome = self.outcome(timeout)
        if outcome.stopped is not None:
            raise InterpreterError(self._path, outcome.stopped)
        answers = re.findall(_ANSWER, outcome.stdout)
        if outcome.status != 0 or not answers:
            raise why_no_answer(self._path, outcome)
        if len(answers) > 1:
            times = f"answered {len(answers)} times"
            raise InterpreterError(self._path, times, "it should run one Python, and once")
        try:
            # The answer is in the bytes of the file system, so that paths keep theirs.
            return dict(parse_json(os.fsdecode(answers[0])))  # the pattern lets only an object through
        except InvalidJson as error:
            raise InterpreterError(self._path, f"gave a damaged answer: it {error.reason}") from error


def _environment() -> dict[str, str]:
    """The environment variables, without those that could make an interpreter describe another.

    ``-I`` ignores most; ``_PYTHON_SYSCONFIGDATA_NAME`` and the like are read by ``sysconfig`` itself. Those
    that say where the user's own packages are stay.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _ABOUT_THE_USER or not name.lstrip("_").startswith("PYTHON")
    }


def _chunks(process: subprocess.Popen[bytes], streams: Any, deadline: float) -> Iterator[tuple[Any, bytes]]:
    """What a process prints, until it has ended.

    :param deadline: when it must have, by the monotonic clock
    :raises subprocess.TimeoutExpired: if it has not
    """
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            # A background process can keep the streams open after the process has ended.
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


def why_no_answer(path: str, outcome: Outcome) -> InterpreterError:
    """The error for a program that ran and did not answer."""
    if outcome.status < 0:
        return InterpreterError(path, f"crashed: it was ended by {_signal_name(-outcome.status)}")
    words = _line(outcome.stderr, -1) or _line(outcome.stdout, 0)
    if re.search(rb"[Uu]nknown option:? -I", outcome.stderr):
        return InterpreterError(path, f"is a Python older than 3.4; {OLDEST}")
    if outcome.status and MARK.encode() in outcome.stderr:  # it echoes the script, so it is not Python
        return InterpreterError(
            path, f"is not a Python interpreter: it ended with status {outcome.status}", _NAME_TIP
        )
    if outcome.status:
        if os.path.basename(os.path.dirname(path)) == "shims":
            return _why_no_version(path, outcome)
        said = f": {words}" if words else ""
        return InterpreterError(
            path, f"is not a working Python interpreter: it ended with status {outcome.status}{said}"
        )
    did = f"printed {words!r} instead of an answer" if words else "ended without an answer"
    return InterpreterError(path, f"is not a Python interpreter: it {did}")


def _why_no_version(path: str, outcome: Outcome) -> InterpreterError:
    """The error for a shim of pyenv whose version is not selected: pyenv names those that have the program.

    https://github.com/pyenv/pyenv/blob/master/libexec/pyenv-exec, and pyenv-which beside it.
    """
    versions = os.path.join(os.path.dirname(os.path.dirname(path)), "versions")
    words = outcome.stderr.decode("utf-8", "replace").split()
    programs = (os.path.join(versions, os.path.basename(word), "bin", "python") for word in words)
    found = [program for program in dict.fromkeys(programs) if os.path.isfile(program)]
    tip = f"name the interpreter itself: {' or '.join(found)}" if found else "name the interpreter itself"
    return InterpreterError(path, f"runs no Python here: {_line(outcome.stderr, 0)}", tip)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _line(output: bytes, number: int) -> str:
    """The first or last line that is not blank, made printable."""
    lines = output.decode("utf-8", "replace").split("\n")
    shown = ["".join(c if c.isprintable() else " " for c in line).strip() for line in lines]
    filled = [line[:200] for line in shown if line]
    return filled[number] if filled else ""


def why_not_started(path: str, error: OSError | ValueError) -> InterpreterError:
    """The error for a program that the system could not start, from what the file shows."""
    if os.path.isdir(path):
        return InterpreterError(path, "is a directory", "name the program in it")
    if not os.path.exists(path):
        if os.path.islink(path):
            return InterpreterError(path, f"is a link to {os.readlink(path)}, which does not exist")
        if isinstance(error, FileNotFoundError):
            return InterpreterError(path, "does not exist", _NAME_TIP)
    if isinstance(error, PermissionError):
        return InterpreterError(path, "is not executable", "give an interpreter that this user may run")
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        with suppress(OSError, ValueError):
            return _why_not_loaded(path)
    return InterpreterError(path, f"cannot be started ({why(error)})")


def _why_not_loaded(path: str) -> InterpreterError:
    """The error for an executable file that cannot be executed.

    :raises OSError: if it cannot be read
    """
    with open(path, "rb") as file:
        first = file.read(256)
        if first.startswith(b"#!"):
            program = _line(first[2:], 0)
            return InterpreterError(path, f"is a script for {program}, which cannot be started")
        if not first.startswith(b"\x7fELF"):
            return InterpreterError(path, "is not a program: neither an ELF file nor a script", _NAME_TIP)
        try:
            elf = read_elf(file)
        except InvalidElf as error:
            return InterpreterError(path, f"is not a program: it {error.reason}", _NAME_TIP)
    if elf.interpreter is not None and not os.path.exists(elf.interpreter):
        return InterpreterError(
            path, f"needs the loader {elf.interpreter}, which is not on this machine", TARGET_FILE_TIP
        )
    return InterpreterError(
        path, f"is a program for {elf.machine}, which this machine cannot run", TARGET_FILE_TIP
    )
