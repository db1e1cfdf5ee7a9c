"""Bytecode, made by a real interpreter for another place than the one where its source lies."""

from __future__ import annotations

import ctypes
import marshal
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from faults import Work, forked
from running_threads import count_threads, threads_left

from muslfix.errors import InterpreterError
from muslfix.staging import bytecode
from muslfix.staging.bytecode import _SCRIPT, _WORTH_A_PROCESS, compile_sources


def written(folder: Path, name: str, content: str | bytes) -> tuple[str, str]:
    """A source file, and where the target will see it."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path), f"/seen/{name}"


def with_orphans(work: Work) -> Work:
    """The same work, done by another process; it ends when all have ended that were started, orphans too.

    https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
    """
    set_child_subreaper = 36

    def wait_for_all() -> int:
        assert ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0
        status = forked(work)
        with suppress(ChildProcessError):  # once there are none
            while True:
                os.wait()
        return abs(status)

    return wait_for_all


def test_each_file_has_its_bytecode_or_none(tmp_path: Path) -> None:
    sources = [
        written(tmp_path, "good.py", "def f():\n    return 1\n"),
        written(tmp_path, "template.py", "{{ this is no Python }}"),
        written(tmp_path, "empty.py", ""),
        written(tmp_path, "latin.py", b"# coding: latin-1\nx = '\xe4'\n"),
        written(tmp_path, "no_text.py", b"x = '\xe4'\n"),
        written(tmp_path, "nul.py", b"x = 1\0"),
        written(tmp_path, os.fsdecode(b"odd \xff name.py"), "x = 1\n"),
        written(tmp_path, "warns.py", "x = '\\d' is 'x'\n"),
        (str(tmp_path / "lost.py"), "/seen/lost.py"),
    ]
    (tmp_path / "lost.py").touch()
    sources_there = sources[:-1]
    made = compile_sources(sys.executable, sources_there)
    bad = {"template.py", "no_text.py", "nul.py"}
    for (path, seen), compiled in zip(sources_there, made):
        if os.path.basename(path) in bad:
            assert compiled is None
        else:
            assert compiled == cache_from_source(path)
            code = marshal.loads(Path(compiled).read_bytes()[16:])
            assert code.co_filename == seen
    assert set(os.listdir(tmp_path)) == {os.path.basename(path) for path, _ in sources} | {"__pycache__"}


#: Each level doubles what is compiled.
DEEP = "".join("  " * n + "try: a\n" + "  " * n + "finally:\n" for n in range(32)) + "  " * 32 + "b\n"


def test_a_file_that_takes_too_much_has_no_bytecode_and_the_others_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode, "_SECONDS", 1)
    monkeypatch.setattr(bytecode, "_MEMORY", 64 * 1024 * 1024)
    monkeypatch.setattr(bytecode, "_MEMORY_PER_BYTE", 0)
    texts = {"a.py": "x = 1\n", "deep.py": DEEP, "large.py": f"x = [{'1, ' * 900_000}]\n", "z.py": ""}
    sources = [written(tmp_path, name, text) for name, text in texts.items()]
    made = compile_sources(sys.executable, sources)
    assert [bool(path) for path in made] == [True, False, False, True]
    assert made[1:3] == [bytecode.TOO_MUCH] * 2
    assert set(os.listdir(tmp_path / "__pycache__")) == {os.path.basename(made[n] or "") for n in (0, 3)}


def test_what_a_killed_process_has_written_goes(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    others = ["a.b.cpython-311.pyc", "ab.cpython-311.pyc", "a.txt"]
    for name in (*others, "a.cpython-311.pyc", "a.cpython-311.pyc.1234"):
        (cache / name).touch()
    bytecode._remove_bytecode(str(tmp_path / "a.py"))
    assert set(os.listdir(cache)) == set(others)


def test_an_interpreter_that_takes_too_much_with_every_file(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\ncat >/dev/null\necho '[0]'\nkill -9 $$\n")
    path.chmod(0o755)
    with pytest.raises(InterpreterError, match="5 of them take too much memory or time"):
        compile_sources(str(path), [written(tmp_path, "a.py", "")])


def test_after_an_interrupt_nothing_is_compiled_any_more(tmp_path: Path) -> None:
    sources = [written(tmp_path, f"m{n}.py", "x = 1\n" * 40_000) for n in range(20)]
    before = count_threads()

    def interrupt() -> None:
        while not any(os.path.exists(cache_from_source(path)) for path, _ in sources):
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        compile_sources(sys.executable, sources)
    interrupting.join()
    assert threads_left(before) == 0
    made = [path for path, _ in sources if os.path.exists(cache_from_source(path))]
    assert 0 < len(made) < len(sources) / 2


def test_large_sources_are_shared_out_and_come_back_in_their_order(tmp_path: Path) -> None:
    body = "x = 1\n" * (_WORTH_A_PROCESS // 6)
    sources = [written(tmp_path, f"m{n}.py", "" if n % 3 == 2 else body[: n * 996 + 6]) for n in range(6)]
    sources += [written(tmp_path, f"large{n}.py", body) for n in range(3)]
    sources.insert(4, written(tmp_path, "bad.py", "this is no Python"))
    made = compile_sources(sys.executable, sources)
    assert made == [None if path.endswith("bad.py") else cache_from_source(path) for path, _ in sources]


@pytest.mark.parametrize(
    ("sizes", "cores", "expected"),
    [
        ([10], 4, 1),
        ([10, 20, 30], 4, 1),  # too little for a second process
        ([_WORTH_A_PROCESS, 10, 20], 4, 2),
        ([_WORTH_A_PROCESS] * 9, 2, 2),
        ([_WORTH_A_PROCESS * 9], 4, 1),
    ],
)
def test_how_many_processes_share_the_files(
    tmp_path: Path, sizes: list[int], cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    python, log = tmp_path / "python", tmp_path / "log"
    python.write_text(f'#!/bin/sh\necho started >> {log}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    sources = [written(tmp_path, f"m{n}.py", "#" * size) for n, size in enumerate(sizes)]
    made = compile_sources(str(python), sources)
    assert made == [cache_from_source(path) for path, _ in sources]
    assert log.read_text().count("started") == expected


def python_with(tmp_path: Path, program: str) -> str:
    """An interpreter that runs some lines before it compiles."""
    python = tmp_path / "python"
    lines = f'{program}\nimport sys\nsys.argv = ["-c", *sys.argv[-4:]]\nexec({_SCRIPT!r})\n'
    (tmp_path / "program.py").write_text(lines)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "program.py"} "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_each_file_is_compiled_once_by_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    log = tmp_path / "log"
    program = f"""\
import py_compile
compile = py_compile.compile
def logged(source, **more):
    with open({str(log)!r}, "a") as file:
        file.write(source + "\\n")
    return compile(source, **more)
py_compile.compile = logged
"""
    python = python_with(tmp_path, program)
    sources = [written(tmp_path, f"m{n}.py", "x = 1\n" * 10_000) for n in range(60)]
    compile_sources(python, sources)
    assert sorted(log.read_text().split()) == sorted(path for path, _ in sources)


def test_when_one_process_fails_the_others_take_no_more_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(2)))
    python, first = tmp_path / "python", tmp_path / "first"
    # One process waits until there is another, and fails while that one still starts.
    program = f"""\
if mkdir {first} 2>/dev/null; then read _ < {tmp_path}/taken; exit 3; fi
echo > {tmp_path}/taken
exec {sys.executable} "$@"
"""
    python.write_text(f"#!/bin/sh\n{program}")
    python.chmod(0o755)
    os.mkfifo(tmp_path / "taken")
    sources = [written(tmp_path, f"m{n}.py", "x = 1\n" * 40_000) for n in range(20)]
    with pytest.raises(InterpreterError, match="status 3"):
        compile_sources(str(python), sources)
    cache = tmp_path / "__pycache__"
    assert not cache.exists() or len(list(cache.iterdir())) < len(sources) / 2


def test_processes_end_with_the_one_that_has_started_them(tmp_path: Path) -> None:
    sources = [written(tmp_path, f"m{n}.py", "x = 1\n" * 40_000) for n in range(20)]

    def kill() -> None:
        while not any(os.path.exists(cache_from_source(path)) for path, _ in sources):
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        threading.Thread(target=kill).start()
        compile_sources(sys.executable, sources)

    assert forked(with_orphans(work)) == signal.SIGKILL
    made = [path for path, _ in sources if os.path.exists(cache_from_source(path))]
    assert 0 < len(made) < len(sources) / 2


def test_what_cannot_be_read_is_not_taken_for_what_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "directory.py").mkdir()
    odd = (str(tmp_path / "directory.py"), "/directory.py")
    made = compile_sources(sys.executable, [odd, written(tmp_path, "bad.py", "(")])
    assert made == [bytecode.KEPT_OFF, None]


def test_a_compiler_that_cannot_be_loaded_is_not_taken_for_that_either(tmp_path: Path) -> None:
    """Where a directory of the standard library cannot be seen, a module can lack what it always has."""
    python = python_with(tmp_path, "import py_compile, importlib.machinery\ndel importlib.machinery")
    made = compile_sources(python, [written(tmp_path, "a.py", "x = 1\n")])
    assert made == [bytecode.KEPT_OFF]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (None, "No such file or directory"),
        ("exit 3", "(it ended with exit status 3)"),
        ("echo no JSON", "Expecting value"),
        ("echo 5", "int object"),
        ("echo '[7,\"x\"]'", "files that it was not given"),
        ("echo '[7]'", "files that it was not given"),
        ("echo '[0,7]'", "expected str"),
        ("kill -9 $$", "(it ended with signal 9)"),
    ],
    ids=[
        "missing",
        "fails",
        "prints something else",
        "prints a number",
        "prints another file",
        "takes another file",
        "prints no path",
        "is killed",
    ],
)
def test_an_interpreter_that_fails(tmp_path: Path, program: str | None, reason: str) -> None:
    path = tmp_path / "python"
    if program is not None:
        path.write_text(f"#!/bin/sh\ncat >/dev/null\n{program}\n")
        path.chmod(0o755)
    with pytest.raises(InterpreterError) as caught:
        compile_sources(str(path), [written(tmp_path, "a.py", "")])
    assert caught.value.path == str(path)
    assert caught.value.reason.startswith("could not compile the modules (")
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason
    assert caught.value.tip == "install with --no-compile"
