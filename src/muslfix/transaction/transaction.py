"""All or nothing on a tree: stage beside it, then move by renames that a journal can take back.

A transaction belongs to one folder, its *anchor* (the ``site-packages`` of an environment). New files are
made in a staging folder below the anchor, so on the same file system; the commit is a series of renames. Each
one is written to the journal in the staging folder before it happens, and each is its own inverse, so
whatever interrupts the commit (an error, a signal, a kill, a power cut) the tree can be put back: by
:meth:`Transaction.__exit__`, or by the next transaction on the same anchor.

A power cut may take what was not synced, so the disk is waited for at two points. Before the first step: for
what is staged and the notes of the steps, by one ``syncfs`` (an ``fsync`` of each file takes far longer:
``tests/benchmarks/syncs.py``); for later notes by an ``fsync`` of the journal. And where files leave the
tree, before these are deleted: for the tree, then for the note that all is done. Where none does, a power cut
soon after the end can still bring the old tree back. :meth:`Transaction.sync_early` shortens the wait.

While it runs the transaction holds a lock on the anchor folder itself, for a lock file would be left behind,
and on other folders that somebody may take for an anchor.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from muslfix.errors import told_as_sentences
from muslfix.files import STAGING_PREFIX, sync_file_system
from muslfix.transaction.journal import Journal, mark_as_part
from muslfix.transaction.locking import uninterrupted
from muslfix.transaction.recovery import finish, lock_and_recover
from muslfix.transaction.steps import (
    DONE,
    Step,
    cannot_move_whole,
    discard,
    do,
    existing_folder,
    piece_by_piece,
    remove_folders,
    take_back,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from muslfix.parallel import Meanwhile


class Transaction:
    """A set of changes below a folder that happens as a whole or not at all.

    Use it as a context manager: leaving it without :meth:`commit` undoes everything.

    :param anchor: the folder it belongs to; made, with its parents, where it does not exist
    :param roots: other folders of the same environment, which an interrupted one may have changed
    :param beside: folders that can be the anchor of others and are worked on too; locked if they are there
    :raises DestinationError: if the folder cannot be made, locked or written to, or what an interrupted one
        has left in it cannot be put right
    """

    # Those that are open: an interrupt can come before the first line of __exit__.
    _all_open: ClassVar[dict[Transaction, None]] = {}

    def __init__(self, anchor: str, roots: Sequence[str] = (), beside: Sequence[str] = ()) -> None:
        self.anchor = os.path.abspath(anchor)
        self._roots = tuple(roots)
        self._beside = tuple(beside)
        self._steps: list[Step] = []
        self._waiting: list[Step] | None = None
        self._staging: dict[int, str] = {}
        self._counter = 0
        # Whether something was staged that need not be on the disk yet, and whether files leave the tree.
        self._is_unsynced = True
        self._takes_out = False
        self._lasting: OSError | None = None
        self._early: list[Meanwhile[None]] = []

    def __enter__(self) -> Self:
        undo = ExitStack()
        try:
            self._open(undo)
        except BaseException:  # a signal too, whenever it comes
            undo.close()
            raise
        self._all_open[self] = None
        return self

    def _open(self, undo: ExitStack) -> None:
        """Lock the anchor and begin the journal.

        :param undo: gets what takes that back
        """
        with told_as_sentences(self.anchor):
            made: list[str] = []
            undo.callback(remove_folders, made)
            self._locks, self.recovered = lock_and_recover(self.anchor, self._beside, self._roots, made)
            undo.callback(self._locks.close)
            self._main = os.path.join(self.anchor, STAGING_PREFIX + os.urandom(4).hex())
            undo.callback(discard, self._main)
            os.mkdir(self._main, 0o700)
            self._journal = Journal(self._main)
            undo.callback(self._journal.close)
            self._staging[os.stat(self.anchor).st_dev] = self._main
            if made:
                self._note([Step("mkdir", (folder,)) for folder in made])

    def staging_folder(self, destination: str) -> str:
        """A new empty folder on the file system where ``destination`` is or will be.

        :param destination: absolute path of a file or folder
        :raises DestinationError: if it cannot be made
        """
        self._is_unsynced = True
        return self._new_folder(destination)

    def _new_folder(self, destination: str) -> str:
        with told_as_sentences(destination):
            home = existing_folder(destination)
            device = os.stat(home).st_dev
            if device not in self._staging:
                folder = os.path.join(home, os.path.basename(self._main))
                self._note([Step("elsewhere", (folder,))], sync=True)
                os.mkdir(folder, 0o700)
                mark_as_part(folder, self._main)
                self._staging[device] = folder
            self._counter += 1
            folder = os.path.join(self._staging[device], str(self._counter))
            os.mkdir(folder)
            return folder

    def sync_early(self) -> None:
        """Begin to bring what is staged to its disk, while there is still something to compute."""
        from muslfix.parallel import Meanwhile  # only large installations sync early

        self._early.append(Meanwhile(partial(_sync_file_systems, tuple(self._staging.values()))))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let steps wait until the end and be noted at once, since each note waits for the disk.

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
        """Take a file, link or folder out of the tree, until the commit is final."""
        aside = os.path.join(self._new_folder(os.path.dirname(path)), "out")
        self._takes_out = True
        self._do(Step("rename", (path, aside)))

    def rename(self, source: str, target: str) -> None:
        """Move a file, link or folder to a path that does not exist.

        :raises DestinationError: if that fails, or the path exists
        """
        self._do(Step("rename", (source, target)))

    def replace(self, source: str, target: str) -> None:
        """Put a file in the place of another at once: whoever opens the target sees one or the other.

        :param source: a file or link in a staging folder
        :param target: a file or link that exists
        """
        backup = os.path.join(self._new_folder(os.path.dirname(target)), "replaced")
        self._takes_out = True
        self._do(Step("replace", (source, target, backup)))

    @contextmanager
    def part(self) -> Iterator[None]:
        """Some steps that happen as a whole or not at all, while those before them stay."""
        first = len(self._steps)
        try:
            yield
        except BaseException:
            try:
                for step in reversed(self._steps[first:]):
                    take_back(step)
            except OSError as error:
                self._lasting = error  # half of it is done, so the whole cannot be
            raise

    def make_folder(self, path: str) -> None:
        """Make a folder whose parent is there.

        :raises DestinationError: if that fails, or the path exists
        """
        self._do(Step("mkdir", (path,)))

    def commit(self) -> None:
        """Make the changes final. After this nothing is taken back."""
        with told_as_sentences(self.anchor), uninterrupted():
            if self._lasting is not None:
                raise self._lasting
            if self._takes_out:
                self._sync()
            self._note([DONE], sync=self._takes_out)

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
                with told_as_sentences(self.anchor):
                    finish(self._steps, self._main)
            finally:
                self._locks.close()
                self._all_open.pop(self, None)

    @classmethod
    def end_all(cls) -> None:
        """End those that an interrupt has kept from it; for whoever handles the interrupt."""
        for transaction in list(cls._all_open):
            transaction.__exit__(None, None, None)

    def _do(self, *steps: Step) -> None:
        if self._waiting is not None:
            self._waiting += steps
        elif steps:
            with told_as_sentences(steps[0].target):
                # One sync takes what is staged and the note about it.
                self._note(steps, sync=not self._is_unsynced)
                if self._is_unsynced:
                    self._sync()
                    self._is_unsynced = False
            for step in steps:
                with told_as_sentences(step.target):
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
            early()  # of what it has met no later sync would tell
        _sync_file_systems(self._staging.values())


def _sync_file_systems(folders: Iterable[str]) -> None:
    for folder in folders:
        sync_file_system(folder)
