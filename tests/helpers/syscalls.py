"""Faults at the system call: strace lets a chosen call of a command fail, or ends the command there.

Unlike :mod:`faults`, which strikes where Python tells of what it does, this reaches each call that the kernel
gets: those of the C library and of threads too. A command is forked, strace takes hold of it, and only then
does it begin; so the calls are counted from its first one on.

A :class:`Scene` is a command and its tree, a :class:`Case` one call of it and what befalls that, and
:func:`strike` does it and says what is wrong afterwards, if anything is.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from checkout import FIXTURES
from environments import make_environment, site_packages
from faults import end, forked
from misnamed import MODULE, RIGHT, WRONG, fix_all, lay, make_demo, target_file, verify_all
from required import lacks
from trees import leftovers, snapshot

from muslfix.cli import main

Tree = dict[str, str]

_STATS = ("EIO", "EACCES", "ENOMEM")
_OPENS = ("EACCES", "EMFILE", "EIO", "ENOMEM", "EINTR")
_NAMES = ("EACCES", "EIO", "ENOSPC", "EROFS")
_SYNCS = ("EIO", "ENOSPC", "EINTR")

#: The calls that can fail, each with the errors that fit it.
ERRORS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("open", "openat"), _OPENS),
    **dict.fromkeys(("read", "pread64"), ("EIO", "EINTR")),
    **dict.fromkeys(("write", "pwrite64", "writev"), ("ENOSPC", "EIO", "EINTR")),
    **dict.fromkeys(("fsync", "fdatasync", "syncfs"), _SYNCS),
    **dict.fromkeys(("rename", "renameat", "renameat2"), _NAMES),
    **dict.fromkeys(("link", "linkat", "symlink", "symlinkat"), ("EPERM", *_NAMES)),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), ("EACCES", "EIO", "EBUSY", "EROFS")),
    **dict.fromkeys(("mkdir", "mkdirat"), _NAMES),
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat"), ("EPERM", "EIO")),
    **dict.fromkeys(("ftruncate", "fallocate"), ("EIO", "ENOSPC")),
    **dict.fromkeys(("copy_file_range", "sendfile"), ("EIO", "ENOSPC", "ENOMEM")),
    **dict.fromkeys(("stat", "lstat", "fstat", "newfstatat", "statx"), _STATS),
    **dict.fromkeys(("access", "faccessat", "faccessat2", "readlink", "readlinkat"), ("EIO", "EACCES")),
    **dict.fromkeys(("mmap", "mremap"), ("ENOMEM",)),
    **dict.fromkeys(("clone", "clone3", "fork", "vfork"), ("EAGAIN", "ENOMEM")),
    **dict.fromkeys(("dup", "dup2", "dup3", "pipe2", "eventfd2", "epoll_create1"), ("EMFILE",)),
    "close": ("EIO", "ENOSPC"),
    "fcntl": ("EMFILE",),
    "flock": ("EIO", "ENOLCK", "EINTR"),
    "getcwd": ("ENOENT", "ENOMEM"),
    "getdents64": ("EIO", "ENOMEM"),
    "lseek": ("EIO",),
    "setxattr": ("EIO",),
    "utimensat": ("EPERM",),
}
#: What is said of each error.
REASONS = {
    "EACCES": "permission denied|is not executable",
    "EAGAIN": "temporarily unavailable|thread",
    "EBUSY": "busy",
    "EINTR": "interrupted",
    "EIO": "input/output error|not seekable",  # the second is what Python makes of it
    "EMFILE": "too many (open )?files",
    "ENOENT": "does not exist",
    "ENOLCK": "no locks",
    "ENOMEM": "memory",
    "ENOSPC": "file system is full|no space left",
    "EPERM": "not permitted|permission denied",
    "EROFS": "read-only",
}
KILL = "SIGKILL"
#: The calls at which a command is killed: those that change what is on the disk.
DEADLY = frozenset(
    name
    for name in ERRORS
    if name.startswith(("rename", "link", "symlink", "unlink", "rmdir", "mkdir", "write", "pwrite", "fsync"))
) | {"fdatasync", "syncfs", "fchmod", "chmod", "ftruncate", "copy_file_range"}

#: So long may a command take that is traced, in seconds.
PATIENCE = 30.0
_HANGS, _BROKEN = 98, 99
_LAST = [0]  # the command that was started last
_SET_TRACER = 0x59616D61  # PR_SET_PTRACER

_CALL = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\(")
_TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
_WHEELS = FIXTURES / "wheels"
_OLD, _NEW = (_WHEELS / f"speedy-{n}.0-cp39-cp39-musllinux_1_1_x86_64.whl" for n in (1, 2))
_SPEEDY = _WHEELS / "speedy-1.0-cp39-cp39-musllinux_1_1_x86_64.whl"

_WITH_THE_PLACE = (".pyc", "bin/demo", "bin/demo-script", "/RECORD")

#: The commands: install, upgrade, the four modes of fix, undo of two, repair of two kinds.
SCENES = (
    "install", "install-compile", "upgrade", "fix-symlink", "fix-hardlink", "fix-copy", "fix-rename",
    "undo-symlink", "undo-rename", "repair-new", "repair-in-place",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One call of a command, and what befalls it.

    :param call: the name of the system call
    :param number: which of these, from 1 on, in the thread that makes it
    :param fault: the name of an error, or :data:`KILL`
    """

    call: str
    number: int
    fault: str

    def __str__(self) -> str:
        return f"{self.fault} at {self.call} {self.number}"

    @property
    def injected(self) -> str:
        """What strace is told."""
        what = "signal=KILL" if self.fault == KILL else f"error={self.fault}"
        return f"inject={self.call}:{what}:when={self.number}"


class Scene:
    """A command, and the tree that it changes: made anew for each case.

    :param name: one of :data:`SCENES`
    :param folder: for the trees
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._command, _, self._how = name.partition("-")
        self._target = target_file(folder)
        self._model = folder / "model"
        self._model.mkdir()
        self._demo = make_demo(folder)
        self._lay()
        tree = self.tree()
        self.before = self.look(tree)
        assert self.work(tree) == 0  # here, so that what it loads is loaded when it is forked
        self.after = self.look(tree)
        assert self.before != self.after
        shutil.rmtree(tree)

    def _lay(self) -> None:
        if self._command in ("fix", "undo"):
            files = {f"demo/_speed{WRONG}": MODULE, "demo/_speed.py": b""}
            lay(self._model, files=files)
            lay(self._model, "other", {f"other/_speed{WRONG}": MODULE})
        if self._command == "undo":
            assert fix_all(self._model, self._how).is_well
        if self._how == "compile":
            make_environment(self._model)
        if self._command == "upgrade":
            assert self._install(self._model, _OLD) == 0
        if self.name == "repair-in-place":
            shutil.copy(_SPEEDY, self._model)

    def tree(self) -> Path:
        """A new tree as it is before the command."""
        path = Path(tempfile.mkdtemp(dir=self.folder, prefix="tree-"))
        return shutil.copytree(self._model, path, symlinks=True, dirs_exist_ok=True)

    def look(self, tree: Path) -> Tree:
        """What is to be seen of a tree; in an environment not where it is, which bytecode and scripts say."""
        apart = _WITH_THE_PLACE if self._how == "compile" else ("\0",)
        return {path: "" if path.endswith(apart) else state for path, state in snapshot(tree).items()}

    def work(self, tree: Path) -> int:
        """The command itself."""
        if self._how == "compile":
            return main(["install", str(self._demo), "--python", str(tree / "bin" / "python")])
        if self._command in ("install", "upgrade"):
            return self._install(tree, _NEW)
        if self._command == "repair":
            where = [_SPEEDY, "-w", tree] if self._how == "new" else [tree / _SPEEDY.name, "--in-place"]
            return main(["repair", *map(str, where), "--target-file", str(_TARGET)])
        words = [self._command, "--path", str(tree), "--target-file", str(self._target)]
        return main([*words, "--mode", self._how] if self._command == "fix" else words)

    @staticmethod
    def _install(tree: Path, wheel: Path) -> int:
        return main(["install", str(wheel), "--target-file", str(_TARGET), "--target", str(tree)])

    def is_whole(self, found: Tree) -> bool:
        """Whether a tree is the old or the new one; of fix and undo, each project for itself."""
        if self._command not in ("fix", "undo"):
            return found in (self.before, self.after)
        return all(
            _of(found, name) in (_of(self.before, name), _of(self.after, name)) for name in ("demo", "other")
        )

    def is_as_wanted(self, tree: Path, found: Tree, told: str = "") -> bool:
        """Whether a tree is the new one, or as good: names may have come in another way.

        :param told: what was printed; where it speaks of bytecode, that may be missing
        """
        if found == self.after:
            return True
        if self._how == "compile" and "bytecode" in told:
            lacking = {path for path in self.after.keys() - found.keys() if "__pycache__" in path}
            return found == {path: state for path, state in self.after.items() if path not in lacking}
        if found.keys() != self.after.keys() or self._command not in ("fix", "install", "upgrade"):
            return False
        other = {path for path in found if found[path] != self.after[path]}
        site = site_packages(tree) if self._how == "compile" else tree
        names = (RIGHT, "_speed.cpython-39-x86_64-linux-musl.so", "/RECORD", "/muslfix.json")
        return all(path.endswith(names) for path in other) and verify_all(site).is_well


def _of(tree: Tree, name: str) -> Tree:
    return {path: state for path, state in tree.items() if path.startswith((f"{name}/", f"{name}-"))}


# -- one case ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    :param case: the case
    :param is_hit: whether the command came to that call
    :param status: its exit status, negative if a signal ended it
    :param wrong: what is wrong; empty if nothing is
    :param told: what it printed
    :param where: the call, as strace shows it
    """

    case: Case
    is_hit: bool
    status: int
    wrong: str
    told: str
    where: str


def strace() -> str:
    """The program; skips the test where there is none."""
    found = shutil.which("strace")
    return found or lacks("there is no strace on this machine")


def census(scene: Scene) -> Counter[str]:
    """How often a command makes each call that can fail, in the thread that makes it most often."""
    tree = scene.tree()
    status, log = _traced(scene, tree, "trace=all")
    shutil.rmtree(tree)
    assert status == 0, scene.folder.joinpath("told").read_text()
    counted = Counter(match.group("thread", "call") for match in map(_CALL.match, log.splitlines()) if match)
    highest: Counter[str] = Counter()
    for (_, call), count in counted.items():
        if call in ERRORS:
            highest[call] = max(highest[call], count)
    return highest


def cases(counted: Counter[str]) -> Iterator[Case]:
    """All cases of a command.

    :param counted: as :func:`census` returns it
    """
    for call, count in sorted(counted.items()):
        for number in range(1, count + 1):
            for fault in (*ERRORS[call], *([KILL] if call in DEADLY else [])):
                yield Case(call, number, fault)


def strike(scene: Scene, case: Case) -> Outcome:
    """Let a command do its work while a case befalls it, and look at what comes of it."""
    tree = scene.tree()
    status, log = _traced(scene, tree, f"trace={case.call}", case.injected)
    told = (scene.folder / "told").read_text(errors="replace")
    hits = [line for line in log.splitlines() if "(INJECTED)" in line or "+++ killed by SIGKILL" in line]
    wrong = _judge(scene, case, tree, status, told, hits)
    shutil.rmtree(tree, ignore_errors=True)
    return Outcome(case, bool(hits), status, wrong, told, " ".join(hits)[:300])


def _judge(  # noqa: C901, PLR0911 - one answer for each thing that can be wrong
    scene: Scene, case: Case, tree: Path, status: int, told: str, hits: list[str]
) -> str:
    """What is wrong; empty if nothing is."""
    found = scene.look(tree)
    left = [str(path.relative_to(tree)) for path in leftovers(tree)]
    clean = (
        {path: state for path, state in found.items() if not path.startswith(tuple(left))} if left else found
    )
    killed = status == -9
    if "Traceback" in told or "bug of muslfix" in told:
        return "a traceback"
    if status not in (0, 1) and not (killed and hits):
        return "it hangs" if status == _HANGS else f"exit status {status}"
    if status == 0 and not scene.is_as_wanted(tree, clean, told):
        return "done, it says, and it is not"
    if status == 1 and not _hits_the_screen(hits):
        if not _is_sentence(told):
            return "no sentence"
        if not re.search(REASONS[case.fault], told, re.IGNORECASE) and not _hits_an_interpreter(hits):
            return "another reason"
    if not tree.is_dir():
        return "the directory itself is gone"
    if not killed and left and not re.search("half done|cannot be removed", told):
        return f"left without a word: {left}"
    if not killed and not left and status == 1 and not scene.is_whole(found):
        return "neither the old tree nor the new one"
    if killed or left:
        if forked(lambda: scene.work(tree), scene.folder / "again") != 0:
            return "the next run failed: " + (scene.folder / "again").read_text()
        if not scene.is_as_wanted(tree, scene.look(tree)) or leftovers(tree):
            return f"not whole after the next run: {sorted(scene.look(tree).items() ^ scene.after.items())}"
    return ""


def _is_sentence(told: str) -> bool:
    """Whether it says what is wrong in a few words."""
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    failed = [line for line in told.splitlines() if re.search(": failed: |: it cannot be read", line)]
    return len(errors) <= 1 and bool(errors or failed) and all(len(line) < 700 for line in errors + failed)


def _hits_the_screen(hits: list[str]) -> bool:
    return any(re.search(r" (write|fstat|lseek|ioctl)\([12][<,)]", line) for line in hits)


def _hits_an_interpreter(hits: list[str]) -> bool:
    """Whether it was another process that was struck, which may end in any way."""
    return any(not line.startswith(f"{_LAST[0]} ") for line in hits)


def _traced(scene: Scene, tree: Path, *expressions: str) -> tuple[int, str]:
    """Run a command under strace.

    :param expressions: for its option ``-e``
    :return: the exit status of the command, and what strace has noted
    """
    log = scene.folder / "log"
    with suppress(FileNotFoundError):
        log.unlink()
    ready, go = os.pipe(), os.pipe()
    process = _LAST[0] = _start(scene, tree, ready[1], go[0])
    os.read(ready[0], 1)
    words = [strace(), "-f", "-y", "-o", str(log), *(word for e in expressions for word in ("-e", e))]
    with subprocess.Popen([*words, "-p", str(process)], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        os.write(go[1], b"go")
        status = _end(process)
    for descriptor in (*ready, *go):
        os.close(descriptor)
    if "attached" not in said:
        lacks(f"strace must not trace here: {said.strip()}")
    return status, log.read_text(errors="replace")


def _start(scene: Scene, tree: Path, ready: int, go: int) -> int:
    """Fork the command, which says when it is ready and begins when there is something to read.

    :return: its number
    """
    process = os.fork()
    if process == 0:
        status = _BROKEN
        try:
            ctypes.CDLL(None).prctl(_SET_TRACER, ctypes.c_ulong(-1), 0, 0, 0)
            descriptor = os.open(scene.folder / "told", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            os.write(ready, b"!")
            select.select([go], [], [])  # no call that may be struck
            status = scene.work(tree)
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001 - the end of this process, not of the test
            with suppress(BaseException):
                traceback.print_exc()
        finally:
            os._exit(status)
    return process


def _end(process: int) -> int:
    """Wait for the end of a command; return its exit status, negative if a signal ended it."""
    descriptor = os.pidfd_open(process)
    try:
        ended, _, _ = select.select([descriptor], [], [], PATIENCE)
    finally:
        os.close(descriptor)
    if not ended:
        os.kill(process, signal.SIGKILL)
    status = end(process)
    return status if ended else _HANGS
