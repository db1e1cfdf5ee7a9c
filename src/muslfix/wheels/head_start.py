"""Other processes inflate what this one will install, while it imports, asks the target and judges.

Most of a cold start is importing Python modules, and most of a large wheel is zlib; neither needs the other.
All processes take files from one queue: the offset of an open file that they share. They are processes and
not threads, since small files need the interpreter as much as zlib.

A head start believes nothing, so it can begin before the wheel is judged: what it writes has no name
(``O_TMPFILE``: https://man7.org/linux/man-pages/man2/open.2.html). A file gets its name by a link, once the
archive and RECORD are known to agree; all others vanish with the process that has them open, whatever ends
that. Where there can be no head start, one process does all.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found,unused-ignore]  # the module signal takes longer
import gc
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice, takewhile
from typing import NamedTuple

from muslfix.errors import InvalidWheel
from muslfix.files.access import write_all, write_and_hash
from muslfix.parallel.forks import fork
from muslfix.parallel.interrupts import uninterrupted
from muslfix.wheels.archive import Archive, Member, fastest, open_archive
from muslfix.wheels.limits import Limits

# Compressed bytes; less is inflated in less time than another process takes to begin.
_WORTHWHILE = 256 * 1024

# More than three only wait for the disk.
_WORKERS = min(3, len(os.sched_getaffinity(0)) - 1)

# How many descriptors a worker uses at most, and how many are left free, here and there.
_MANY, _SPARE = 65536, 64

# The first of the descriptors: the queue, and a pipe.
_QUEUE, _IS_OVER, _FAR_END = range(3)

_NUMBER = 4  # bytes
_RESULT = struct.Struct("<IIQ32s")  # which item, its descriptor, its size, its SHA-256


class Item(NamedTuple):
    """One piece of the work.

    :param archive: an open archive
    :param member: a file in it; ``None``: hash the archive itself
    """

    archive: Archive
    member: Member | None

    @property
    def key(self) -> tuple[str, str]:
        """What it has alone: the path of the archive, and the name in it."""
        return self.archive.path, self.member.name if self.member else ""

    @property
    def effort(self) -> int:
        """About how many bytes are to be hashed."""
        if self.member is not None:
            return self.member.size
        return sum(member.compressed_size for member in self.archive.members.values())


class Inflated(NamedTuple):
    """A file that a worker has written, and that has no name yet.

    :param sha256: of its content
    :param size: in bytes
    :param directory: descriptor of the directory in ``/proc`` that has the worker's files
    :param descriptor: by which the worker has it open
    """

    sha256: bytes
    size: int
    directory: int
    descriptor: int


class _Worker(NamedTuple):
    """A process.

    :param pid: its number
    :param answers: the end of a pipe at which its results arrive
    """

    pid: int
    answers: int


@contextmanager
def open_head_start(paths: Sequence[str], destination: str, limits: Limits) -> Iterator[HeadStart | None]:
    """Open wheels and begin to inflate them, if it is possible and worthwhile.

    :param destination: the directory where they will probably go
    :param limits: how large each may become
    """
    with ExitStack() as stack:
        head_start = None
        # The one who judges says what is wrong, and needs the descriptors that are closed here then.
        with suppress(InvalidWheel, OSError, ValueError), ExitStack() as opening:
            if _WORKERS > 0 and sum(os.stat(path).st_size for path in paths) >= _WORTHWHILE:
                archives = [opening.enter_context(open_archive(path, limits)) for path in paths]
                directory = next(filter(os.path.isdir, _and_above(destination)))
                with uninterrupted():  # until it is sure that it will be closed
                    head_start = begin(archives, directory, destination)
                    if head_start is not None:
                        stack.enter_context(opening.pop_all())
                        stack.callback(head_start.close)
        yield head_start


def begin(archives: Sequence[Archive], directory: str, destination: str) -> HeadStart | None:
    """Begin to inflate archives, if it is possible and worthwhile.

    :param archives: open, and without two of one path
    :param directory: where the files without names are made
    :param destination: the directory that they are for; what they inherit in ``directory`` (a group, an
        access control list) is what they would inherit there
    """
    items = [
        Item(archive, member)
        for archive in archives
        for member in (None, *archive.members.values())
        if member is None or _is_for_site_packages(member.name)
    ]
    if _WORKERS < 1 or sum(item.effort for item in items if item.member is None) < _WORTHWHILE:
        return None
    try:
        return HeadStart(items, directory, destination)
    except OSError:  # no files without names here, no processes, no descriptors
        return None


class HeadStart:
    """Processes that inflate. Whoever begins it closes it.

    :param items: the work
    :param directory: where the files without names are made
    :param destination: the directory that they are for
    :raises OSError: if that is not possible there
    """

    def __init__(self, items: Iterable[Item], directory: str, destination: str) -> None:
        self.items = sorted(items, key=lambda item: -item.effort)
        self.archives: Mapping[str, Archive] = {item.archive.path: item.archive for item in self.items}
        self._directory = directory
        self._destination = os.path.realpath(destination)
        self._descriptors: list[int] = []
        self._workers: list[_Worker] = []
        try:
            queue = self._nameless()
            self._descriptors.append(queue)
            write_all(queue, b"".join(n.to_bytes(_NUMBER, "little") for n in range(len(self.items))))
            os.lseek(queue, 0, os.SEEK_SET)
            self._descriptors += os.pipe()  # nothing is written into it: it ends when this process does
            if max(self._descriptors) > os.sysconf("SC_OPEN_MAX") - _SPARE:
                raise OSError("the installation needs the few descriptors that are left")
            for _ in range(_WORKERS):
                self._begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes; files that have no name by now never get one."""
        with uninterrupted():
            for worker in self._workers:
                with suppress(ProcessLookupError, ChildProcessError):  # reaped by a caller that reaps all
                    os.kill(worker.pid, signal.SIGKILL)
                    os.waitpid(worker.pid, 0)
            while self._descriptors:
                os.close(self._descriptors.pop())
            self._workers.clear()

    def serves(self, directory: str) -> bool:
        """Whether the files are for a directory."""
        return os.path.realpath(directory) == self._destination

    def claims(self) -> Iterator[Item]:
        """Take items from the queue until it is empty; each goes to one process only."""
        return (self.items[number] for number in self._numbers())

    def _numbers(self) -> Iterator[int]:
        while number := os.read(self._descriptors[_QUEUE], _NUMBER):
            yield int.from_bytes(number, "little")

    def give_up(self) -> None:
        """Let nobody take items any more."""
        os.lseek(self._descriptors[_QUEUE], 0, os.SEEK_END)

    def results(self) -> dict[tuple[str, str], Inflated]:
        """What the others have done, by the key of the item; waits for what they have begun.

        Items that failed are left out: whoever does these again says why.
        """
        found = {}
        for worker in self._workers:
            with suppress(OSError, struct.error):  # it has been killed
                answers = _read_all(worker.answers)
                process = int.from_bytes(answers[:_NUMBER], "little")
                descriptors = os.open(f"/proc/{process}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._descriptors.append(descriptors)
                for number, descriptor, size, sha256 in _RESULT.iter_unpack(answers[_NUMBER:]):
                    found[self.items[number].key] = Inflated(sha256, size, descriptors, descriptor)
        return found

    def give_name(self, file: Inflated, place: str) -> bool:
        """Give a file its name.

        :param file: one of the results
        :param place: where nothing is yet
        :return: whether that was possible: the place can be on another file system
        """
        with suppress(OSError):
            # With a descriptor Python calls linkat, which follows the links in /proc.
            os.link(str(file.descriptor), place, src_dir_fd=file.directory, follow_symlinks=True)
            return True
        return False

    def _nameless(self, mode: int = 0o600) -> int:
        return os.open(self._directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode)

    def _has_usual_modes(self) -> bool:
        """Whether files without names get the modes that others get there.

        Before Linux 6.0 the umask is not applied to them on file systems without access control lists. Those
        that another list than the umask makes right go the plain way too.
        """
        umask = os.umask(0)
        os.umask(umask)
        descriptor = self._nameless(0o777)
        try:
            return os.fstat(descriptor).st_mode & 0o777 == 0o777 & ~umask
        finally:
            os.close(descriptor)

    def _begin(self) -> None:
        """Start a worker."""
        answers, far_end = os.pipe()
        self._descriptors.append(answers)
        try:
            with uninterrupted():
                worker = fork(partial(self._work, far_end, os.getpid()))
                self._workers.append(_Worker(worker, answers))
        finally:
            os.close(far_end)

    def _work(self, answers: int, parent: int) -> None:
        """Be a worker."""
        os.close(self._descriptors[_FAR_END])
        # What is garbage belongs to the parent: a finalizer that runs here too removes or closes twice.
        gc.disable()
        # In another PID namespace than that of /proc, its number there is not the one that fork has returned,
        # which would lead to the files of a stranger.
        process = int(os.readlink("/proc/self")).to_bytes(_NUMBER, "little")
        results = b"".join(self._inflate_all(parent))
        write_all(answers, process + results)
        os.close(answers)
        os.read(self._descriptors[_IS_OVER], 1)  # the files are there as long as this process is

    def _inflate_all(self, parent: int) -> Iterator[bytes]:
        """Do items as long as there are some, and descriptors; yield the result of each that succeeds."""
        if not self._has_usual_modes():
            return
        codec, room = fastest(), max(_most_descriptors() - _SPARE, 0)
        for number in islice(self._numbers(), room):
            archive, member = self.items[number]
            if os.getppid() != parent:
                return
            try:
                if member is None:
                    yield _RESULT.pack(number, 0, 0, bytes.fromhex(archive.sha256()))
                    continue
                descriptor = self._nameless(0o777 if member.executable else 0o666)
                chunks = takewhile(lambda _: os.getppid() == parent, archive.chunks(member, codec))
                sha256, size = write_and_hash(descriptor, chunks)
                yield _RESULT.pack(number, descriptor, size, sha256)
            except InvalidWheel:  # the one who judges does it again, and says so
                continue
            except OSError:  # the disk is full
                return


def _is_for_site_packages(name: str) -> bool:
    """Whether a member can go there; files in vain would take space that the others need."""
    data, _, path = name.partition("/")
    return not data.endswith(".data") or path.startswith(("purelib/", "platlib/"))


def _and_above(path: str) -> Iterator[str]:
    while True:
        yield path
        path = os.path.dirname(path)


def _read_all(pipe: int) -> bytes:
    return b"".join(iter(partial(os.read, pipe, 65536), b""))


def _most_descriptors() -> int:
    """How many files this process may have open, after it has asked for as many as it is allowed."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(hard, _MANY)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        return wanted
    return soft
