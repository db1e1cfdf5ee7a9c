"""The journal of a transaction: what it is about to do, on disk before it is done.

Each line is a note: the SHA-256 of the rest of the line, a space, and a JSON list of steps. A note is synced
before the first of its steps is done (:mod:`muslfix.transaction.transaction`), so none of the steps of a note
that a power cut has torn has happened: its end is missing, or reads as NUL bytes. The SHA-256 shows any other
damage.

A journal that is found may have been planted: a wheel can bring any file with any content, and so can an
archive of a whole environment. So the content proves nothing, and three things must be true that neither of
them can make so. The staging directory belongs to this user alone and has the sticky bit, which no installer
of wheels gives to a directory, and which it has from the start. The first line of the journal has the inode
numbers of the anchor, the staging directory and the journal itself, which no archive can foretell; devices
are not in it, since their numbers can change when the machine starts again. And each step must be one that a
transaction can do, within its :class:`~muslfix.transaction.bounds.Bounds`.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress

from muslfix.errors import DestinationError, why
from muslfix.files.access import is_there, open_regular, sync_file, write_all
from muslfix.transaction.bounds import Bounds
from muslfix.transaction.steps import KINDS, Step

JOURNAL = "journal"
#: Name of the journal once all its steps have been taken back.
TAKEN_BACK = "taken-back"
#: A file in a staging directory on another file system: names the staging directory that has the journal.
BELONGS_TO = "belongs-to"

# In bytes: ten thousand notes of a few paths each; the largest wheels need some hundred.
_LONGEST = 64 * 1024 * 1024
_STAGING_MODE = 0o700 | stat.S_ISVTX


def make_staging(path: str) -> None:
    """Make a staging directory, in such a way that it can be told from what a wheel brings.

    :raises OSError: if it cannot be made
    """
    os.mkdir(path, _STAGING_MODE)


def is_staging(path: str) -> bool:
    """Whether a directory is one that this user's muslfix has made to stage files in."""
    state = os.lstat(path)
    mode = stat.S_IMODE(state.st_mode) & ~stat.S_ISGID  # which it may inherit
    return stat.S_ISDIR(state.st_mode) and mode == _STAGING_MODE and state.st_uid == os.geteuid()


class Journal:
    """The journal that a transaction writes.

    :param staging: its staging directory
    :param anchor: the directory that holds it
    :raises OSError: if it cannot be created
    """

    def __init__(self, staging: str, anchor: str) -> None:
        # Unbuffered: what could not be written for lack of space must not be written later.
        self._file = open(os.path.join(staging, JOURNAL), "xb", buffering=0)  # noqa: SIM115
        try:
            write_all(self._file.fileno(), _line(_origin(anchor, staging, self._file.fileno())))
        except BaseException:
            self._file.close()
            raise

    def note(self, steps: Iterable[Step], *, sync: bool = False) -> None:
        """Note steps; after an error they are not noted.

        :param sync: return when they are on the disk
        :raises OSError: if they cannot be written
        """
        line = _line([[step.kind, step.mode, *step.paths] for step in steps])
        start = self._file.tell()
        try:
            while line:
                line = line[self._file.write(line) :]
            if sync:
                sync_file(self._file.fileno())
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise

    def close(self) -> None:
        """Close the file. What had to be on the disk is, so an error says nothing new."""
        with suppress(OSError):
            self._file.close()


def read_journal(staging: str, anchor: str, bounds: Bounds) -> list[Step]:
    """The steps that an interrupted transaction has noted.

    :param staging: its staging directory
    :param anchor: the directory that holds it
    :param bounds: where its steps may lead
    :raises DestinationError: if the journal cannot be trusted: not made here by this user, damaged, or
        leading elsewhere
    """
    _check_staging(staging)
    for name in (JOURNAL, TAKEN_BACK):
        path = os.path.join(staging, name)
        if is_there(path):
            content, origin = _read(path, staging, anchor)
            notes = _parse(path, content)
            if notes and notes[0] != origin:
                raise _distrusted(path, "was not written here by muslfix")
            return _check_steps(path, staging, notes[1:], bounds)
    _check_not_needed(staging)
    return []


def mark_as_part(directory: str, staging: str) -> None:
    """Note in a staging directory on another file system where its journal is.

    :param directory: the staging directory
    :param staging: the one with the journal
    :raises OSError: if the note cannot be written
    """
    with open(os.path.join(directory, BELONGS_TO), "xb", buffering=0) as file:
        file.write(os.fsencode(staging))


def _line(value: object) -> bytes:
    text = json.dumps(value).encode()
    return b"%s %s\n" % (_digest(text), text)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _origin(anchor: str, staging: str, journal: int) -> dict[str, int]:
    """What the first line of a journal says, see the module.

    :param journal: file descriptor of the journal
    """
    return {
        "anchor": os.stat(anchor).st_ino,
        "staging": os.stat(staging).st_ino,
        "journal": os.fstat(journal).st_ino,
    }


def _check_staging(staging: str) -> None:
    if is_staging(staging):
        return
    owner = os.lstat(staging).st_uid
    if owner != os.geteuid():
        raise DestinationError(
            staging,
            f"belongs to the user with the number {owner}, so it is left alone",
            tip=f"let that user run muslfix, or {_how_to_go_on(staging)}",
        )
    raise DestinationError(
        staging,
        "was not made by this muslfix: a wheel can bring such a directory, a copy of an environment can have"
        " one, and muslfix 1.0 left one where it was interrupted; so it is left alone",
        tip=_how_to_go_on(staging),
    )


def _how_to_go_on(staging: str) -> str:
    """What helps whatever the directory is: after an interrupted change it may hold what is missing."""
    return f"see which projects have files in it, remove {staging}, and install these projects again"


def _check_not_needed(staging: str) -> None:
    """Refuse a staging directory of a transaction on another directory, which runs or was interrupted."""
    path = os.path.join(staging, BELONGS_TO)
    if is_there(path):
        home = os.fsdecode(_read(path, staging, staging)[0])
        if is_there(os.path.join(home, JOURNAL)):
            raise DestinationError(
                staging,
                f"belongs to a muslfix that is working on {os.path.dirname(home)}, or was interrupted there",
                tip="try again when it has finished, or run muslfix on that directory",
            )


def _read(path: str, staging: str, anchor: str) -> tuple[bytes, dict[str, int]]:
    """The content of a file of a staging directory, and what a journal there must say of its origin."""
    try:
        if os.path.islink(path):
            raise OSError(0, "it is a link")
        with open_regular(path) as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid():
                raise OSError(0, "it belongs to another user")
            if state.st_size > _LONGEST:
                raise OSError(0, "it is too long")
            return file.read(_LONGEST), _origin(anchor, staging, file.fileno())
    except OSError as error:
        raise _distrusted(path, f"cannot be read ({why(error)})") from error


def _parse(path: str, content: bytes) -> list[object]:
    """The values of a journal, one from each line."""
    notes: list[object] = []
    *lines, rest = content.split(b"\n")
    if lines and not rest.strip(b"\0") and b"\0" in lines[-1]:
        lines.pop()  # torn by a power cut, before any of its steps
    for number, line in enumerate(lines, 1):
        digest, _, text = line.partition(b" ")
        try:
            if digest != _digest(text):
                raise ValueError("its hash differs")
            notes.append(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(path, number) from error
    return notes


def _check_steps(path: str, staging: str, notes: Sequence[object], bounds: Bounds) -> list[Step]:
    """The steps of some notes.

    :raises DestinationError: if one is no step, or one that no transaction does
    """
    steps: list[Step] = []
    places = [staging]
    for number, note in enumerate(notes, 2):
        try:
            found = _steps(note)
        except (ValueError, TypeError) as error:
            raise _damaged(path, number) from error
        for step in found:
            if not _is_possible(step, places, bounds):
                raise _distrusted(path, f"leads elsewhere ({step.kind} {step.target})")
            if step.kind == "elsewhere":
                places += step.paths
        steps += found
    return steps


def _is_possible(step: Step, places: Sequence[str], bounds: Bounds) -> bool:
    """Whether a transaction can have done a step.

    :param places: its staging directories
    """
    inside = all(map(bounds.hold, step.paths))
    staged = [any(path.startswith(place + "/") for place in places) for path in step.paths]
    if step.kind == "elsewhere":
        return inside and os.path.basename(step.paths[0]) == os.path.basename(places[0])
    if step.kind == "mkdir":
        return inside or bounds.are_below(step.paths[0])
    if step.kind == "rename":
        return inside and staged[0] != staged[1]
    return inside and staged in ([True, False, True], [False], [])


def _steps(values: object) -> list[Step]:
    """:raises ValueError: if this is not a list of steps"""
    if isinstance(values, list):
        return [_step(value) for value in values]
    raise ValueError("no steps")


def _step(value: object) -> Step:
    """:raises ValueError: if this is not a step"""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("no step")
    kind, mode, *paths = value
    if not isinstance(kind, str) or KINDS.get(kind) != len(paths):
        raise ValueError("no step")
    if type(mode) is not int or not 0 <= mode <= 0o7777:
        raise ValueError("no mode")
    if not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise ValueError("no path")
    return Step(kind, tuple(paths), mode)


def _damaged(path: str, number: int) -> DestinationError:
    return _distrusted(path, f"is damaged in line {number}")


def _distrusted(path: str, reason: str) -> DestinationError:
    return DestinationError(
        path,
        f"{reason}, so the changes of an interrupted muslfix cannot be undone",
        tip=_how_to_go_on(os.path.dirname(path)),
    )
