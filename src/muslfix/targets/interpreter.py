"""Ask the target interpreter for its facts, or read them from a file.

An interpreter is asked once, by a script of the standard library (:mod:`muslfix.targets._probe`), and its ELF
file is read here: only the ``PT_INTERP`` of the file that runs is reliable about the libc.
``platform.libc_ver()`` is wrong on musl, a machine can have the loaders of both libcs, and gcompat poses as
glibc.

The only other program that is run is the musl loader, which prints its version when called without arguments
(https://peps.python.org/pep-0656/). One for another CPU is read instead.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from muslfix.elf.facts import ElfFacts, read_elf
from muslfix.errors import (
    InterpreterError,
    InvalidElf,
    InvalidJson,
    InvalidTarget,
    UsageError,
    spelling_errors,
    why,
)
from muslfix.files.access import open_regular, path_of
from muslfix.files.untrusted_json import JsonObject, parse_json
from muslfix.suffix import Libc, libc_of_loader
from muslfix.targets._probe import MARK, facts
from muslfix.targets.target import FORMAT, OLDEST, OLDEST_VERSION, Choice, Source, Target
from muslfix.targets.untrusted_facts import target_from_facts

if TYPE_CHECKING:
    from muslfix.targets.programs import Question

_MAX_TARGET_FILE = 1024 * 1024
_LOADER_TIMEOUT, _SHIM_TIMEOUT = 5.0, 30.0

# The version in an answer that is not checked yet.
_NUMBERS = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")

# Patterns are compiled where they are used: no run needs all of them.
_MUSL_VERSION = rb"(?m)\Amusl libc[^\n]*\n\s*?^Version (\d+(?:\.\d+)+)"
_OWN_SUFFIX = r"\.cpython-.*\.so"
_GLIBC_VERSION = r"glibc (\d+(?:\.\d+)+)"

# The working directory is no place to import from.
_ASK_FOR_SHIM = f"""\
import sys
sys.path[:] = filter(None, sys.path)
import _imp, importlib.machinery, json
known, own = importlib.machinery.EXTENSION_SUFFIXES, _imp.extension_suffixes()
file = getattr(sys.modules.get("muslfix_shim"), "__file__", None)
added = [suffix for suffix in known if suffix not in own] if file else []
print("\\n{MARK}" + json.dumps({{"file": file, "added": added}}))
"""

_IMPLEMENTATIONS = {"pypy": "PyPy", "graalpy": "GraalPy"}


@spelling_errors()
def read_target_file(path: str | os.PathLike[str], given: Mapping[str, str] | None = None) -> Target:
    """Read a target from the JSON file that ``muslfix interpreter --json`` wrote.

    :param path: of that file, or of a ``build-details.json`` (:pep:`739`)
    :param given: facts that the latter does not have: ``libc``, ``libc_version``, ``executable``, ``prefix``
    :raises InvalidTarget: if it cannot be read, or its facts are incomplete or contradict each other
    :raises UsageError: if a given fact is not one of these, or the file has them all
    """
    path, given = path_of(path, "path"), given or {}
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            data = file.read(_MAX_TARGET_FILE + 1)
    except (OSError, ValueError) as error:
        raise InvalidTarget(path, f"cannot be read ({why(error)})") from error
    if len(data) > _MAX_TARGET_FILE:
        raise InvalidTarget(path, "is larger than 1 MiB, so it is not a target file")
    try:
        facts = parse_json(data)
        if isinstance(facts, dict) and "schema_version" in facts and "format" not in facts:
            from muslfix.targets.build_details import target_of_build_details

            return target_of_build_details(JsonObject(facts), path, given)
        target = target_from_facts(facts)
    except (InvalidTarget, InvalidJson) as error:
        raise InvalidTarget(path, error.reason, error.tip) from error
    if given:
        raise UsageError(path, "states all facts of its target, so no others can be given")
    return replace(target, source=Source("target-file", f"the target file {path}"))


def _open_at_once(path: str, flags: int) -> int:
    """Open a file or a pipe, such as a shell's ``<(...)``, without waiting for a writer."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def probe_interpreter(executable: str, *, timeout: float = 30) -> Target:
    """Run an interpreter, and make a target of its answer and its ELF file.

    :param executable: path of a Python, or of a script that runs one
    :param timeout: seconds after which it is killed, with all processes that it started
    :raises InterpreterError: if it cannot be run, does not answer, or is not supported
    """
    with closing(Probe(executable, timeout=timeout)) as probe:
        return probe.target()


class Probe:
    """An interpreter that has been asked, and answers while its caller does something else.

    :param executable: path of a Python, or of a script that runs one
    :param timeout: seconds after which it is killed, with all processes that it started
    :raises InterpreterError: if it cannot be run
    """

    @spelling_errors()
    def __init__(self, executable: str, *, timeout: float = 30) -> None:
        self._path = os.path.abspath(executable)
        self._timeout = timeout
        self._question = None if _is_itself(self._path) else _ask_for_facts(self._path)

    def close(self) -> None:
        """Stop the interpreter, if it has not ended."""
        if self._question is not None:
            self._question.close()

    @spelling_errors()
    def target(self) -> Target:
        """A target of its answer and its ELF file.

        :raises InterpreterError: if it does not answer, or is not supported
        """
        path, timeout = self._path, self._timeout
        answered = facts() if self._question is None else self._question.answer(timeout)
        try:
            answer = JsonObject(answered)
            _check_identity(path, answer)
            program = _read_program(path, answer)
            target = target_from_facts({**answered, **_facts_about(program, answer, timeout)})
        except (InvalidTarget, InvalidJson) as error:
            raise InterpreterError(
                path, f"gives facts that cannot be true: {error.reason}", error.tip
            ) from error
        source = Source("interpreter", f"the interpreter {path}", Choice(path))
        return replace(target, runs_here=True, source=source)


def _is_itself(path: str) -> bool:
    """Whether it is the running interpreter, and no variable makes it describe another."""
    return path == sys.executable and not any(name.startswith("_PYTHON") for name in os.environ)


def loaded_shim(executable: str) -> tuple[str, tuple[str, ...]]:
    """Ask an interpreter, started as usual, for the shim (:mod:`muslfix.targets.shim`).

    :param executable: path of a supported Python
    :return: the file of the shim, empty where it is not loaded, and the suffixes that it has added
    :raises InterpreterError: if it does not answer
    """
    from muslfix.targets.programs import Question

    path = os.path.abspath(executable)
    try:
        with closing(Question(path, ["-B", "-c", _ASK_FOR_SHIM])) as question:
            answer = JsonObject(question.answer(_SHIM_TIMEOUT))
        return answer.optional_text("file") or "", answer.texts("added")
    except InvalidJson as error:
        raise InterpreterError(path, f"gave an answer that cannot be true: it {error.reason}") from error


def _ask_for_facts(path: str) -> Question:
    import pkgutil

    from muslfix.targets.programs import Question

    source = pkgutil.get_data("muslfix.targets", "_probe.py") or b""
    return Question(path, ["-I", "-S", "-B", "-c", source.decode()])


def _check_identity(path: str, answer: JsonObject) -> None:
    """Name an unsupported Python: it answers no more than this."""
    implementation = answer.text("implementation")
    if implementation != "cpython":
        name = _IMPLEMENTATIONS.get(implementation, implementation)
        raise InterpreterError(path, f"is {name:.80}; muslfix serves CPython only")
    version = answer.text("version")
    numbers = _NUMBERS.match(version)
    if numbers is not None and tuple(map(int, numbers.groups())) < OLDEST_VERSION:
        raise InterpreterError(path, f"is Python {version:.80}; {OLDEST}")


class _Program(NamedTuple):
    """The ELF file of the interpreter.

    :param path: where it is
    :param elf: its facts
    :param libc: the libc that its ``PT_INTERP`` names
    :param loader: the dynamic loader in effect: ``PT_INTERP``, or one that was called explicitly
    """

    path: str
    elf: ElfFacts
    libc: Libc
    loader: str


def _read_program(path: str, answer: JsonObject) -> _Program:
    """Read the ELF file of the interpreter: the first candidate that needs a loader.

    The file that runs is not always ``sys.executable``: that can be a wrapper. And it is not always the
    interpreter: if the loader was called explicitly, the file that runs is the loader.
    """
    reason, called_by_hand = "does not tell which file it is", None
    for candidate in (answer.optional_text("image"), answer.optional_text("executable")):
        if candidate is None or not candidate.startswith("/"):
            continue
        try:
            with open_regular(candidate) as file:
                elf = read_elf(file)
        except (OSError, ValueError) as error:
            reason = f"runs {candidate:.4096}, which cannot be read ({why(error)})"
        except InvalidElf as error:
            reason = f"runs {candidate:.4096}, which {error.reason}"
        else:
            if elf.interpreter is not None:
                program = os.path.realpath(candidate)
                return _Program(
                    program, elf, _libc_of(path, elf.interpreter), called_by_hand or elf.interpreter
                )
            reason, called_by_hand = "is linked statically, so it can load no extension module", candidate
    raise InterpreterError(path, reason)


def _libc_of(path: str, loader: str) -> Libc:
    libc = libc_of_loader(loader)
    if libc is None:
        raise InterpreterError(path, f"has the loader {loader}, which is neither musl's nor glibc's")
    return libc


def _facts_about(program: _Program, answer: JsonObject, timeout: float) -> dict[str, Any]:
    """The facts that the answer lacks, in the shape that :func:`target_from_facts` checks."""
    if program.libc is Libc.MUSL:
        libc_version = _musl_version(program.loader, min(timeout, _LOADER_TIMEOUT))
    else:
        version = re.match(_GLIBC_VERSION, answer.optional_text("glibc_version") or "")
        libc_version = None if version is None else version[1]
    # What is imported decides: sysconfig can say another SOABI after cross compiling.
    own = [suffix for suffix in answer.texts("extension_suffixes") if re.fullmatch(_OWN_SUFFIX, suffix)]
    return {
        "format": FORMAT,
        "soabi": own[0][1 : -len(".so")] if own else None,
        "libc": program.libc.value,
        "libc_version": libc_version,
        "machine": asdict(program.elf.machine),
        "loader": program.loader,
        "program": program.path,
    }


def _musl_version(loader: str, timeout: float) -> str | None:
    """The version that musl's loader writes to stderr when called without arguments, else the one in it.

    It is not executable, say, or for another CPU, where an emulator runs the interpreter.

    :return: ``None`` if it is missing, or has none: then some wheel tags are missing
    """
    from muslfix.targets.programs import Program

    try:
        with closing(Program([loader])) as program:
            match = re.search(_MUSL_VERSION, program.outcome(timeout).stderr)
    except (OSError, ValueError):
        match = None
    return _read_musl_version(loader) if match is None else match[1].decode()


def _read_musl_version(loader: str) -> str | None:
    from muslfix.targets.root_binaries import musl_version_in

    try:
        with open_regular(loader) as file:
            return musl_version_in(file)
    except (OSError, ValueError):  # a NUL in its name
        return None
