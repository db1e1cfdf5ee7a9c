"""All or nothing on a directory tree: files are staged beside it, then moved by renames that can be undone.

A transaction belongs to one directory, its *anchor* (the ``site-packages`` of an environment). New files are
made in a staging directory below the anchor, so on the same file system, and moved by a series of renames.
Each one is noted in the journal in the staging directory before it is done, and can be taken back. So
whatever interrupts the transaction (an error, a signal, a kill, a power cut), the tree can be restored: by
:meth:`Transaction.__exit__`, or by the next transaction on the same anchor.

A power cut may lose what was not synced, so the transaction waits for the disk at two points. Before the
first step: for what is staged and the notes of the steps, by one ``syncfs`` (an ``fsync`` of each file takes
far longer: ``tests/benchmarks/syncs.py``); for later notes by an ``fsync`` of the journal. And where files
leave the tree, before they are deleted: for the tree, then for the note that all is done. Where none does, a
power cut soon after the end can still bring the old tree back. :meth:`Transaction.sync_early` shortens the
wait.

While it runs, the transaction holds a lock on the anchor, and on other directories that may be the anchor of
another transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from muslfix.errors import DestinationError, destination_errors
from muslfix.files import STAGING_PREFIX, sync_file_system
from muslfix.parallel.interrupts import CHANGED, uninterrupted
from muslfix.transaction.bounds import Bounds
from muslfix.transaction.directories import (
    check_deletable,
    discard,
    existing_directory,
    is_directory,
    mount_points,
    remove_directories,
)
from muslfix.transaction.journal import Journal, make_staging, mark_as_part
from muslfix.transaction.recovery import finish, lock_and_recover
from muslfix.transaction.steps import DONE, Step, cannot_move_whole, do, piece_by_piece, take_back

if TYPE_CHECKING:
    from typing_extensions import Self

    from muslfix.parallel.threads import Background


class Transaction:
    """A set of changes below a directory that happens as a whole or not at all.

    Use it as a context manager: leaving it without :meth:`commit` undoes everything::

        with Transaction(site) as transaction:
            staged = transaction.staging_directory(target)  # make files there
            transaction.rename(staged + "/new", target)
            transaction.commit()

    Steps are :meth:`rename`, :meth:`replace`, :meth:`move_out` and :meth:`make_directory`. :meth:`together`
    notes several steps at once; :meth:`part` takes back some of them, and lets the others stay.

    :param anchor: the directory it belongs to; created, with its parents, if it does not exist
    :param roots: other directories of the same environment, which an interrupted one may have changed
    :param beside: directories that are changed too and can be the anchor of others; locked if they exist
    :raises DestinationError: if the directory cannot be created, locked or written to, or cannot be recovered
        from an interrupted transaction
    """

    # The open ones: an interrupt can come before the first line of __exit__.
    _all_open: ClassVar[dict[Transaction, None]] = {}

    def __init__(self, anchor: str, roots: Sequence[str] = (), beside: Sequence[str] = ()) -> None:
        self.anchor = os.path.realpath(anchor)
        self._roots = tuple(roots)
        self._beside = tuple(map(os.path.realpath, beside))
        self._bounds = Bounds(self.anchor, roots)
        self._steps: list[Step] = []
        self._waiting: list[Step] | None = None
        self._mounts = mount_points()
        self._staging: dict[tuple[int, str], str] = {}
        #: Once it has ended: staging directories that could not be removed.
        self.remaining: tuple[str, ...] = ()
        self._counter = 0
        # Whether something staged may not be on the disk yet, and whether files leave the tree.
        self._is_unsynced = True
        self._takes_out = False
        self._failed_part: OSError | None = None
        self._early: list[Background[None]] = []

    def __enter__(self) -> Self:
        undo = ExitStack()
        try:
            self._open(undo)
            self._all_open[self] = None
        except BaseException:  # a signal too, whenever it comes
            self._all_open.pop(self, None)
            undo.close()
            raise
        return self

    def _open(self, undo: ExitStack) -> None:
        """Lock the anchor and begin the journal.

        :param undo: gets what undoes that
        """
        with destination_errors(self.anchor):
            made: list[str] = []
            undo.callback(remove_directories, made)
            self._locks, _ = lock_and_recover(self.anchor, self._beside, self._roots, made)
            undo.callback(self._locks.close)
            self._main = os.path.join(self.anchor, STAGING_PREFIX + os.urandom(4).hex())
            undo.callback(discard, self._main)
            make_staging(self._main)
            self._journal = Journal(self._main, self.anchor)
            undo.callback(self._journal.close)
            self._staging[self._file_system(self.anchor)] = self._main
            if made:
                self._note([Step("mkdir", (directory,)) for directory in made])

    def staging_directory(self, destination: str) -> str:
        """A new empty directory on the file system where ``destination`` is or will be.

        :param destination: absolute path of a file or directory
        :raises DestinationError: if it cannot be created
        """
        self._is_unsynced = True
        return self._new_directory(destination)

    def _new_directory(self, destination: str) -> str:
        with destination_errors(destination):
            home = os.path.realpath(existing_directory(destination))
            system = self._file_system(home)
            if system not in self._staging:
                directory = os.path.join(home, os.path.basename(self._main))
                self._note([Step("elsewhere", (directory,))], sync=True)
                make_staging(directory)
                mark_as_part(directory, self._main)
                self._staging[system] = directory
            self._counter += 1
            directory = os.path.join(self._staging[system], str(self._counter))
            os.mkdir(directory)
            return directory

    def _file_system(self, directory: str) -> tuple[int, str]:
        """What two directories have in common if files can be moved between them: device and mount."""
        mounts = (mount for mount in self._mounts if f"{directory}/".startswith(mount.rstrip("/") + "/"))
        return os.stat(directory).st_dev, next(mounts, "/")

    def sync_early(self) -> None:
        """Start to write what is staged to the disk, while the caller still computes."""
        from muslfix.parallel.threads import Background  # only large installations sync early

        self._early.append(Background(partial(_sync_file_systems, tuple(self._staging.values()))))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do the steps at the end, noted all at once, since each note waits for the disk.

        :raises DestinationError: at the end, if one of them fails
        """
        self._waiting = []
        try:
            yield
            steps, self._waiting = self._waiting, None
            self._do(*steps)
        finally:
            self._waiting = None

    def move_out(self, path: str) -> None:
        """Move a file, link or directory out of the tree; it is deleted when the transaction ends.

        :raises DestinationError: if that fails
        """
        place = self._place(path)
        if is_directory(place):
            check_deletable(place)
        aside = os.path.join(self._new_directory(os.path.dirname(place)), "out")
        self._takes_out = True
        self._do(Step("rename", (place, aside)))

    def rename(self, source: str, target: str) -> None:
        """Move a file, link or directory to a path that does not exist.

        :raises DestinationError: if that fails, or the path exists
        """
        self._do(Step("rename", (source, self._place(target))))

    def replace(self, source: str, target: str) -> None:
        """Replace a file atomically: a reader finds the old file or the new one.

        :param source: a file or link in a staging directory
        :param target: an existing file or link
        :raises DestinationError: if that fails
        """
        place = self._place(target)
        backup = os.path.join(self._new_directory(os.path.dirname(place)), "replaced")
        self._takes_out = True
        self._do(Step("replace", (source, place, backup)))

    @contextmanager
    def part(self) -> Iterator[None]:
        """Take the steps inside back if an exception leaves them; the steps before stay."""
        first = len(self._steps)
        try:
            yield
        except BaseException:
            try:
                for step in reversed(self._steps[first:]):
                    take_back(step)
            except OSError as error:
                self._failed_part = error  # so the transaction must not be committed
            raise

    def make_directory(self, path: str) -> None:
        """Create a directory in an existing one.

        :raises DestinationError: if that fails, or the path exists
        """
        place = self._bounds.real(path)
        self._do(Step("mkdir", (place if self._bounds.are_below(place) else self._place(path),)))

    def commit(self) -> None:
        """Make the changes final.

        :raises DestinationError: if that fails; then leaving the transaction undoes everything
        """
        with destination_errors(self.anchor), uninterrupted():
            if self._failed_part is not None:
                raise self._failed_part
            if self._takes_out:
                self._sync()
            self._note([DONE], sync=self._takes_out)
            CHANGED.append(self.anchor)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with uninterrupted():
            try:
                self._journal.close()
                for early in self._early:
                    early.wait()
                with _half_done(self.anchor), destination_errors(self.anchor):
                    finish(self._steps, self._main)
                self.remaining = tuple(filter(os.path.lexists, self._staging.values()))
            finally:
                self._locks.close()
                self._all_open.pop(self, None)

    @classmethod
    def end_all(cls) -> None:
        """End the transactions that an interrupt has kept from ending; for the handler of the interrupt."""
        for transaction in list(cls._all_open):
            transaction.__exit__(None, None, None)

    def _place(self, path: str) -> str:
        """Where a path really is.

        :raises DestinationError: if a journal that named it would not be followed
        """
        place = self._bounds.real(path)
        if self._bounds.hold(place):
            return place
        raise DestinationError(
            path,
            f"is really {place}, which is not in the environment around {self.anchor}, or its interpreter",
            tip="remove the link that leads there, or install the project again",
        )

    def _do(self, *steps: Step) -> None:
        if self._waiting is not None:
            self._waiting += steps
        elif steps:
            with destination_errors(steps[0].target):
                # One sync writes what is staged and the note about it.
                self._note(steps, sync=not self._is_unsynced)
                if self._is_unsynced:
                    self._sync()
                    self._is_unsynced = False
            for step in steps:
                with destination_errors(step.target):
                    self._do_one(step)

    def _do_one(self, step: Step) -> None:
        try:
            do(step)
        except OSError as error:
            if not cannot_move_whole(step, error):
                raise
            pieces = list(piece_by_piece(*step.paths))
            self._note(pieces, sync=True)
            for piece in pieces:
                do(piece)

    def _note(self, steps: Sequence[Step], *, sync: bool = False) -> None:
        self._journal.note(steps, sync=sync)
        self._steps += steps

    def _sync(self) -> None:
        for early in self._early:
            early.result()  # no later sync reports an error that it has met
        _sync_file_systems(self._staging.values())


def _sync_file_systems(directories: Iterable[str]) -> None:
    for directory in directories:
        sync_file_system(directory)


@contextmanager
def _half_done(anchor: str) -> Iterator[None]:
    """Say what is left where a step cannot be taken back."""
    try:
        yield
    except Exception as error:
        path, reason = anchor, f"cannot be put back ({type(error).__name__})"
        if isinstance(error, DestinationError):
            path, reason = error.path or anchor, error.reason
        raise DestinationError(
            path,
            f"{reason}, so the change of {anchor} is half done",
            tip="when that is mended, run muslfix there again: it first takes back what was begun",
        ) from error
