"""The journal of a transaction: what it is about to do, on disk before it is done.

Each line is a note: the SHA-256 of the rest of the line, a space, and a JSON list of steps. A note is synced
before the first of its steps is done (:mod:`muslfix.transaction.transaction`), so none of the steps of a note
that a power cut has torn has happened: its end is missing, or reads as NUL bytes. The SHA-256 shows any other
damage.

A journal that is found may have been planted, so it is not trusted: the staging directory and the journal
must be ours alone, and each step must stay in the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence

from muslfix.errors import DestinationError
from muslfix.files import open_regular, sync_file
from muslfix.transaction.steps import KINDS, Step

JOURNAL = "journal"
#: Name of the journal once all its steps have been taken back.
TAKEN_BACK = "taken-back"
#: A file in a staging directory on another file system: names the staging directory that has the journal.
BELONGS_TO = "belongs-to"

# In bytes: ten thousand notes of a few paths each; the largest wheels need some hundred.
_LONGEST = 64 * 1024 * 1024
_SITE_DIRECTORY = r"(?P<prefix>.+)/lib[^/]*/(python[^/]*/)?(site|dist)-packages"


class Journal:
    """The journal that a transaction writes.

    :param staging: its staging directory
    :raises OSError: if it cannot be created
    """

    def __init__(self, staging: str) -> None:
        # Unbuffered: what could not be written for lack of space must not be written later.
        self._file = open(os.path.join(staging, JOURNAL), "xb", buffering=0)  # noqa: SIM115

    def note(self, steps: Iterable[Step], *, sync: bool = False) -> None:
        """Note steps; after an error they are not noted.

        :param sync: return when they are on the disk
        :raises OSError: if they cannot be written
        """
        text = json.dumps([[step.kind, step.mode, *step.paths] for step in steps]).encode()
        line, start = b"%s %s\n" % (_digest(text), text), self._file.tell()
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
        """Close the file."""
        self._file.close()


def read_journal(staging: str, anchor: str, roots: Sequence[str]) -> list[Step]:
    """The steps that an interrupted transaction has noted.

    :param staging: its staging directory
    :param anchor: the directory that holds it
    :param roots: other directories that its steps may lead to
    :raises DestinationError: if the journal cannot be trusted: of another user, damaged, or leading elsewhere
    """
    _check_owner(staging)
    for name in (JOURNAL, TAKEN_BACK):
        path = os.path.join(staging, name)
        if os.path.lexists(path):
            steps = _parse(path, _read(path))
            return _Guard(path, staging, anchor, roots).check(steps)
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


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _check_owner(staging: str) -> None:
    state = os.lstat(staging)
    if state.st_uid != os.geteuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DestinationError(
            staging,
            "was not created by a muslfix of this user, so it is left alone",
            tip="let its owner run muslfix, or check the environment and remove it",
        )


def _check_not_needed(staging: str) -> None:
    """Refuse a staging directory of a transaction on another directory, which runs or was interrupted."""
    path = os.path.join(staging, BELONGS_TO)
    if os.path.lexists(path):
        home = os.fsdecode(_read(path))
        if os.path.lexists(os.path.join(home, JOURNAL)):
            raise DestinationError(
                staging,
                f"belongs to a muslfix that is working on {os.path.dirname(home)}, or was interrupted there",
                tip="try again when it has finished, or run muslfix on that directory",
            )


def _read(path: str) -> bytes:
    try:
        if os.path.islink(path):
            raise OSError(0, "it is a link")
        with open_regular(path) as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.geteuid():
                raise OSError(0, "it belongs to another user")
            if state.st_size > _LONGEST:
                raise OSError(0, "it is too long")
            return file.read(_LONGEST)
    except OSError as error:
        raise _distrusted(path, f"cannot be read ({error.strerror})") from error


def _parse(path: str, content: bytes) -> list[Step]:
    steps: list[Step] = []
    *lines, rest = content.split(b"\n")
    if lines and not rest.strip(b"\0") and b"\0" in lines[-1]:
        lines.pop()  # torn by a power cut, before any of its steps
    for number, line in enumerate(lines, 1):
        digest, _, text = line.partition(b" ")
        try:
            if digest != _digest(text):
                raise ValueError("its hash differs")
            steps += _steps(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise _distrusted(path, f"is damaged in line {number}") from error
    return steps


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


def _distrusted(path: str, reason: str) -> DestinationError:
    return DestinationError(
        path,
        f"{reason}, so the changes of an interrupted muslfix cannot be undone",
        tip=f"check the environment and remove {os.path.dirname(path)}",
    )


class _Guard:
    """Checks that the steps of a journal are ones that a transaction can have done.

    :param journal: path of the journal
    :param staging: its directory
    :param anchor: the directory of the transaction
    :param roots: other directories of the same environment
    """

    def __init__(self, journal: str, staging: str, anchor: str, roots: Sequence[str]) -> None:
        self._journal = journal
        self._anchor = anchor
        self._roots = [os.path.realpath(root) for root in (anchor, *_environment_of(anchor), *roots)]
        self._staging = [os.path.realpath(staging)]
        self._name = os.path.basename(staging)
        self._directories: dict[str, str] = {}

    def check(self, steps: list[Step]) -> list[Step]:
        """The same steps.

        :raises DestinationError: if one leads out of the environment, or is not between it and staging
        """
        for step in steps:
            staged = [self._is_staged(path) for path in step.paths]
            if step.kind == "elsewhere":
                (path,) = step.paths
                well = self._is_inside(path) and os.path.basename(path) == self._name
                self._staging.append(self._real(path))
            elif step.kind == "mkdir":
                well = self._is_inside(step.paths[0]) or self._is_above(step.paths[0])
            elif step.kind == "rename":
                well = staged[0] != staged[1] and all(map(self._is_inside, step.paths))
            else:
                well = staged in ([True, False, True], [False], []) and all(map(self._is_inside, step.paths))
            if not well:
                raise _distrusted(self._journal, f"leads elsewhere ({step.kind} {step.target})")
        return steps

    def _is_staged(self, path: str) -> bool:
        return self._is_below(path, self._staging)

    def _is_inside(self, path: str) -> bool:
        return os.path.normpath(path) == path and self._is_below(path, self._roots)

    def _is_below(self, path: str, roots: Sequence[str]) -> bool:
        real = self._real(path)
        return any(real.startswith(root.rstrip("/") + "/") for root in roots)

    def _is_above(self, path: str) -> bool:
        """Whether it is one of the directories, or a parent of one; it is removed only if it is empty."""
        roots = (self._anchor, *self._roots)
        return os.path.normpath(path) == path and any(f"{root}/".startswith(f"{path}/") for root in roots)

    def _real(self, path: str) -> str:
        """The real path, without following a link at its end."""
        directory, name = os.path.split(path)
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory)
        return os.path.join(self._directories[directory], name)


def _environment_of(anchor: str) -> tuple[str, ...]:
    """The environment that a site directory belongs to, if its path shows that."""
    match = re.fullmatch(_SITE_DIRECTORY, os.path.realpath(anchor))
    return (match["prefix"],) if match else ()
