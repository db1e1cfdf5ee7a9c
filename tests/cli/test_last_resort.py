"""What nobody expects of a machine: one sentence, exit status 1, no traceback, nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import FIXTURES
from commands import Cli, Result
from limits import within_limits
from trees import snapshot
from wheelmaker import make_wheel

from muslfix.errors import DestinationError, last_resort, spelling_error
from muslfix.parallel.executors import for_each
from muslfix.projects.names import give_name
from muslfix.targets.programs import why_not_started
from muslfix.transaction.transaction import Transaction
from muslfix.verdicts import Mode

TARGET = str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json")

UNEXPECTED = [
    (MemoryError(), "there is not enough memory"),
    (RecursionError("maximum recursion depth exceeded"), "something that was read is nested too deeply"),
    (OSError(errno.EMFILE, "Too many open files", "/x"), "/x: too many files are open"),
    (OSError(errno.ENFILE, "Too many open files in system"), "too many files are open"),
    (OSError(errno.EIO, "Input/output error", b"/\xff"), "/\\udcff: cannot be used (Input/output error)"),
    (OSError(errno.ENOENT, "No such file or directory", "/x"), "/x: cannot be used (No such file"),
    (OSError("odd"), "cannot be used (odd)"),
    (ImportError("libz.so.1: cannot open"), "a module of Python cannot be loaded (libz.so.1: cannot open)"),
    (TypeError("a\nb\x1b"), "this is a bug of muslfix: TypeError in "),
]


@pytest.mark.parametrize(("error", "sentence"), UNEXPECTED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "JSON"])
def test_whatever_is_raised_is_one_sentence(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str, words: tuple[str, ...]
) -> None:
    def raise_it(*_: object) -> None:
        raise error

    monkeypatch.setattr("muslfix.targets.interpreter.read_target_file", raise_it)
    result = cli("interpreter", "--target-file", TARGET, *words)
    assert result.status == 1
    assert result.err.startswith(f"error: {sentence}")
    assert len(result.err.split("\n")) <= 3
    assert bool(result.out) is bool(words)


def test_a_bug_is_named_with_its_place() -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        reason = last_resort(error).reason
    assert reason.startswith(f"this is a bug of muslfix: KeyError in {__file__}, line ")


def run(program: str, *words: object, before: Callable[[], None] | None = None) -> Result:
    path = f"import sys; sys.path[:0] = {sys.path!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", path + program, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=before,
    )
    return Result(done.returncode, done.stdout, done.stderr)


MAIN = "import sys, muslfix.cli; sys.exit(muslfix.cli.main())"


def test_a_current_directory_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); {MAIN}"
    result = run(program, "fix", "--target-file", TARGET, "--path", ".")
    assert result.status in (1, 2)
    assert result.err.count("\n") <= 2
    gone.mkdir()
    result = run(program, "verify", "--target-file", TARGET, "--path", tmp_path, "--json")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("free", [0, 1, 2])
def test_no_files_are_left_to_load_modules(tmp_path: Path, free: int) -> None:
    (tmp_path / "demo-1.0.dist-info").mkdir()
    program = (
        "import os, resource, sys, muslfix.cli\n"
        f"top = os.dup(0)\nresource.setrlimit(resource.RLIMIT_NOFILE, (top + {free},) * 2)\n"
        "os.close(top)\n"
        "sys.exit(muslfix.cli.main())"
    )
    result = run(program, "check", "--target-file", TARGET, tmp_path)
    assert result.status == (0 if free else 1), result
    assert result.err.startswith("" if free else "error: ")


@pytest.mark.once
def test_no_memory_is_left(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    wheel = make_wheel(tmp_path / "big-1.0-py3-none-any.whl", {"big.py": os.urandom(3_000_000) * 2})
    before = snapshot(site)

    def work() -> object:
        from muslfix.cli import main

        return main(["install", str(wheel), "--target-file", TARGET, "--target", str(site)])

    for megabytes in (0, 1, 2, 4):
        status = within_limits(work, megabytes=megabytes)
        assert status in ("0", "1")  # how much is free within the process is its own affair
        if status == "0":
            break
        assert snapshot(site) == before


def _double(item: int) -> int:
    return 2 * item


def test_no_threads_are_left_to_watch_processes() -> None:
    before = threading.stack_size(1 << 46)
    try:
        assert for_each(_double, [1, 2, 3], lambda *_: -1) == [2, 4, 6]
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO])
def test_what_the_machine_lacks_is_not_said_of_the_interpreter(number: int) -> None:
    error = why_not_started(sys.executable, OSError(number, os.strerror(number)))
    assert error.reason == f"cannot be started ({os.strerror(number)})"


def test_what_cannot_be_put_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    transaction = Transaction(str(tmp_path))
    transaction.__enter__()
    transaction.make_directory(str(tmp_path / "a"))
    with monkeypatch.context() as patch:
        patch.setattr("muslfix.transaction.transaction.finish", fail)
        with pytest.raises(DestinationError) as caught:
            transaction.__exit__(None, None, None)
    assert (
        caught.value.reason == f"cannot be put back (MemoryError), so the change of {tmp_path} is half done"
    )
    with Transaction(str(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "gives_up"), [(errno.EIO, True), (errno.ENOSPC, True), (errno.EPERM, False)]
)
def test_only_where_links_are_refused_is_a_copy_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, gives_up: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    source, target = tmp_path / "a", str(tmp_path / "b")
    source.write_text("x")
    monkeypatch.setattr(os, "symlink", fail)
    monkeypatch.setattr(os, "link", fail)
    if number != errno.EPERM:
        with pytest.raises(OSError, match=os.strerror(number)):
            give_name(str(source), target, Mode.SYMLINK)
        assert os.listdir(tmp_path) == ["a"]
    else:
        assert give_name(str(source), target, Mode.SYMLINK) is Mode.COPY


def test_a_name_that_no_encoding_has_is_not_helped_by_another_encoding() -> None:
    error = spelling_error(UnicodeEncodeError("utf-8", "/a/x\udcff/b", 4, 5, "surrogates not allowed"))
    assert str(error) == "a file name is not valid utf-8: x\\udcff"
    assert error.tip == "give the file another name"
    error = spelling_error(UnicodeEncodeError("ascii", "/a/\xe4/b", 3, 4, "ordinal not in range(128)"))
    assert error.tip == "set the environment variable PYTHONUTF8=1"


def test_a_directory_that_cannot_be_listed_is_not_said_to_be_well(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo/sub/a.py": b""})
    site, scandir = tmp_path / "site", os.scandir
    assert cli("install", wheel, "--target-file", TARGET, "--target", site).status == 0
    words = ("--target-file", TARGET, "--path", site)
    assert cli("verify", *words).status == 0

    def fail(path: str) -> object:
        if str(path).endswith("sub"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    result = cli("verify", *words)
    assert result.status == 1
    assert "demo/sub" in result.out
    result = cli("check", site, "--target-file", TARGET)
    assert result.status == 1
    named = f"{site}/demo/sub (Input/output error)"
    reason = f"1 directory below it cannot be listed, so nothing was checked there: {named}"
    assert result.err == f"warning: {site}: {reason}\n"


def test_verify_and_install_follow_dots_behind_a_link_alike(cli: Cli, tmp_path: Path) -> None:
    """As the system does: to what is above the target of the link."""
    site, other = tmp_path / "site", tmp_path / "site" / "elsewhere" / "deep"
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {"demo.py": b"x = 1\n"})
    words = ("--target-file", TARGET)
    assert cli("install", wheel, *words, "--target", site).status == 0
    other.mkdir(parents=True)
    (site / "link").symlink_to(other)
    (site / "elsewhere" / "mine.py").write_bytes(b"x = 1\n")
    (site / "mine.py").write_bytes(b"of somebody else")
    record = site / "demo-1.0.dist-info" / "RECORD"
    row = next(line for line in record.read_text().split("\n") if line.startswith("demo.py,"))
    record.write_text(record.read_text() + row.replace("demo.py", "link/../mine.py") + "\n")
    assert cli("verify", *words, "--path", site).status == 0
    assert cli("install", wheel, *words, "--target", site, "--force-reinstall").status == 0
    assert (site / "mine.py").exists()
    assert not (site / "elsewhere" / "mine.py").exists()
