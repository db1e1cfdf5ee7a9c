"""All or nothing on a directory tree: files are staged beside it, then moved by renames that can be undone.

A transaction belongs to one directory, its *anchor* (the ``site-packages`` of an environment). New files are
made in a staging directory below the anchor, so on the same file system, and moved by a series of renames.
Each one is noted in the journal in the staging directory before it is done, and can be taken back. So
whatever interrupts the transaction (an error, a signal, a kill, a power cut), the tree can be restored: by
:meth:`Transaction.__exit__`, or by the next transaction on the same anchor.

A power cut may lose what was not synced, so the transaction waits for the disk before the first step, and
where files leave the tree before they are deleted: see :mod:`muslfix.transaction.syncing`. Where none does, a
power cut soon after the end can still bring the old tree back.

While it runs, the transaction holds a lock on the anchor, and on other directories that may be the anchor of
another transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from muslfix.errors import DestinationError, destination_errors
from muslfix.files.access import STAGING_PREFIX
from muslfix.parallel.interrupts import CHANGED, uninterrupted
from muslfix.transaction.bounds import Bounds
from muslfix.transaction.directories import check_deletable, discard, is_directory, remove_directories
from muslfix.transaction.journal import Journal, make_staging
from muslfix.transaction.recovery import finish, half_done, lock_and_recover
from muslfix.transaction.staging import Staging
from muslfix.transaction.steps import DONE, Step, cannot_move_whole, do, piece_by_piece, take_back
from muslfix.transaction.syncing import sync_changed, sync_file_systems, sync_staged

if TYPE_CHECKING:
    from typing_extensions import Self

    from muslfix.parallel.threads import Background


class Transaction:
    """A set of changes below a directory that happens as a whole or not at all.

    Use it as a context manager: leaving it without :meth:`commit` undoes everything::

        with Transaction(site) as transaction:
            staged = transaction.staging_place(target)  # make a file there
            transaction.rename(staged, target)
            transaction.commit()

    Steps are :meth:`rename`, :meth:`replace`, :meth:`move_out` and :meth:`make_directory`. :meth:`together`
    notes several steps at once. :meth:`do_each` does parts that were :meth:`collected`, each completely or
    not at all.

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
        #: Once it has ended: staging directories that could not be removed.
        self.remaining: tuple[str, ...] = ()
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
            self._staging = Staging(self._main, self._announce)
            if made:
                self._note([Step("mkdir", (directory,)) for directory in made])

    def staging_directory(self, destination: str) -> str:
        """A new empty directory on the file system where ``destination`` is or will be.

        :param destination: absolute path of a file or directory
        :raises DestinationError: if it cannot be created
        """
        directory = self.staging_place(destination)
        with destination_errors(destination):
            os.mkdir(directory)
        return directory

    def staging_place(self, destination: str) -> str:
        """The same for a single file: a path where nothing is yet.

        :raises DestinationError: if there can be no staging directory on that file system
        """
        self._is_unsynced = True
        with destination_errors(destination):
            return self._staging.new_place(destination)

    def _announce(self, directory: str) -> None:
        self._note([Step("elsewhere", (directory,))], sync=True)

    def sync_early(self) -> None:
        """Start to write what is staged to the disk, while the caller still computes."""
        from muslfix.parallel.threads import Background  # only large installations sync early

        self._early.append(Background(partial(sync_file_systems, self._staging.directories)))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do the steps at the end, noted all at once, since each note waits for the disk.

        :raises DestinationError: at the end, if one of them fails
        """
        with self.collected() as steps:
            yield
        self._do(*steps)

    @contextmanager
    def collected(self) -> Iterator[list[Step]]:
        """Collect the steps inside instead of doing them. After an exception nothing is to be taken back."""
        before, self._waiting = self._waiting, []
        try:
            yield self._waiting
        finally:
            self._waiting = before

    def do_each(self, parts: Sequence[Sequence[Step]]) -> list[DestinationError | None]:
        """Do steps that were :meth:`collected`, all noted and synced at once.

        :param parts: each is done as a whole or not at all, and one that fails does not stop the others
        :return: for each part why it has failed
        :raises DestinationError: if they cannot be noted; then none is done
        """
        self._note_and_sync([step for steps in parts for step in steps])
        return [self._do_part(steps) for steps in parts]

    def _do_part(self, steps: Sequence[Step]) -> DestinationError | None:
        first = len(self._steps)
        try:
            self._do_all(steps)
        except DestinationError as error:
            try:
                take_back([*steps, *self._steps[first:]])
            except OSError as failure:
                self._failed_part = failure  # so the transaction must not be committed
            return error
        return None

    def move_out(self, path: str) -> None:
        """Move a file, link or directory out of the tree; it is deleted when the transaction ends.

        :raises DestinationError: if that fails
        """
        place = self._bounds.place(path)
        if is_directory(place):
            check_deletable(place)
        self._do(Step("rename", (place, self._place_aside(place))))

    def rename(self, source: str, target: str) -> None:
        """Move a file, link or directory to a path that does not exist.

        :raises DestinationError: if that fails, or the path exists
        """
        self._do(Step("rename", (source, self._bounds.place(target))))

    def replace(self, source: str, target: str) -> None:
        """Replace a file atomically: a reader finds the old file or the new one.

        :param source: a file or link in a staging directory
        :param target: an existing file or link
        :raises DestinationError: if that fails
        """
        place = self._bounds.place(target)
        self._do(Step("replace", (source, place, self._place_aside(place))))

    def _place_aside(self, place: str) -> str:
        """Where something that leaves the tree stays until the end."""
        self._takes_out = True
        with destination_errors(place):
            return self._staging.new_place(os.path.dirname(place))

    def make_directory(self, path: str) -> None:
        """Create a directory in an existing one.

        :raises DestinationError: if that fails, or the path exists
        """
        place = self._bounds.real(path)
        self._do(Step("mkdir", (place if self._bounds.are_below(place) else self._bounds.place(path),)))

    def commit(self) -> None:
        """Make the changes final.

        :raises DestinationError: if that fails; then leaving the transaction undoes everything
        """
        with destination_errors(self.anchor), uninterrupted():
            if self._failed_part is not None:
                raise self._failed_part
            if self._takes_out:
                sync_changed(self._steps, self._staging.directories)
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
                with half_done(self.anchor), destination_errors(self.anchor):
                    finish(self._steps, self._main)
                self.remaining = tuple(filter(os.path.lexists, self._staging.directories))
            finally:
                self._locks.close()
                self._all_open.pop(self, None)

    @classmethod
    def end_all(cls) -> None:
        """End the transactions that an interrupt has kept from ending; for the handler of the interrupt."""
        for transaction in list(cls._all_open):
            transaction.__exit__(None, None, None)

    def _do(self, *steps: Step) -> None:
        if self._waiting is not None:
            self._waiting += steps
        else:
            self._note_and_sync(steps)
            self._do_all(steps)

    def _note_and_sync(self, steps: Sequence[Step]) -> None:
        """Note steps that are about to be done; what is staged for them is synced with the note."""
        if not steps:
            return
        with destination_errors(steps[0].target):
            self._note(steps, sync=not self._is_unsynced)
            if self._is_unsynced:
                for early in self._early:
                    early.result()  # no later sync reports an error that it has met
                sync_staged(self._staging.directories, are_many=bool(self._early))
                self._early.clear()
                self._is_unsynced = False

    def _do_all(self, steps: Sequence[Step]) -> None:
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
