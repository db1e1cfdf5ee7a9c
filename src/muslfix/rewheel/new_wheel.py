"""A wheel that needs no fixing, made of one that does: its RECORD, its trace, and the new file.

All that is not concerned is carried over as it is, see :mod:`muslfix.rewheel.new_zip`.

Specifications: https://packaging.python.org/en/latest/specifications/binary-distribution-format/,
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from muslfix.errors import InvalidProject, InvalidWheel
from muslfix.files.access import TRACE
from muslfix.modules.plan import Decision, Plan
from muslfix.projects.trace import Change, apply_changes, changes_from_json, trace_to_json
from muslfix.record.edit import RecordEdit
from muslfix.record.rows import RecordRow
from muslfix.rewheel.musl_tags import END, START, NewTags, with_new_tags
from muslfix.rewheel.new_file import write_whole_file
from muslfix.rewheel.new_zip import Edits, Piece, edit_zip
from muslfix.targets.target import Target
from muslfix.verdicts import Mode
from muslfix.wheels.archive import Archive, read_text
from muslfix.wheels.contents import SIGNATURES
from muslfix.wheels.wheel import Wheel

_BUILD_LINE = re.compile(rf"{START}Build:[^\r\n]*{END}", re.IGNORECASE)
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class NewWheel:
    """What a new wheel is to be.

    :param plans: for its targets
    :param targets: which it is for
    :param build_tag: a new build tag, or ``None``
    :param tags: new platform tags, or ``None``
    """

    plans: tuple[Plan, ...]
    targets: tuple[Target, ...]
    build_tag: str | None = None
    tags: NewTags | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions that give a file a new name, of all targets."""
        return tuple(decision for plan in self.plans for decision in plan.changes)


def file_name(path: str, build_tag: str | None, tags: NewTags | None = None) -> str:
    """The file name of a wheel, with another build tag and other platform tags if they are given.

    Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention

    >>> file_name("dist/demo-1.0-cp39-cp39-linux_armv7l.whl", "1musl")
    'demo-1.0-1musl-cp39-cp39-linux_armv7l.whl'
    """
    stem, extension = os.path.splitext(os.path.basename(path))
    parts = stem.split("-")
    if build_tag is not None:
        parts[2:-3] = [build_tag]
    if tags is not None and tags.platforms:
        parts[-1] = ".".join(tags.of(parts[-1].split(".")))
    return "-".join(parts) + extension


def dropped_signatures(wheel: Wheel) -> tuple[str, ...]:
    """The files that sign the old RECORD, and would not be true of the new one."""
    paths = (f"{wheel.facts.dist_info}/{name}" for name in SIGNATURES)
    return tuple(path for path in paths if path in wheel.archive.members)


def write_wheel(wheel: Wheel, new: NewWheel, path: str, *, overwrite: bool, in_place: bool = False) -> None:
    """Write the new wheel.

    :param path: of the new file
    :param overwrite: whether it may replace another file
    :param in_place: whether it replaces the wheel itself, whose permissions it then keeps
    :raises InvalidWheel: if the old one is damaged
    :raises DestinationError: if it cannot be written; then nothing is left
    """
    chunks = _chunks(wheel.archive, edit_zip(wheel.archive, _edits(wheel, new)))
    permissions = os.fstat(wheel.archive.descriptor).st_mode & 0o7777 if in_place else None
    write_whole_file(path, chunks, overwrite=overwrite, permissions=permissions)


def copy_wheel(wheel: Wheel, path: str, *, overwrite: bool) -> None:
    """Write the same wheel once more.

    :raises DestinationError: as :func:`write_wheel`
    """
    write_whole_file(path, _chunks(wheel.archive, edit_zip(wheel.archive, Edits())), overwrite=overwrite)


def _chunks(archive: Archive, pieces: Iterable[Piece]) -> Iterator[bytes]:
    """The bytes of a new archive, in pieces of bounded size.

    :param archive: the old one, of which ranges are read
    """
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            for start in range(piece.start, piece.stop, _CHUNK):
                yield archive.read_raw(range(start, min(start + _CHUNK, piece.stop)))


def _edits(wheel: Wheel, new: NewWheel) -> Edits:
    """What changes in the archive: names, RECORD, the trace, tags, signatures."""
    facts = wheel.facts
    record_path, trace_path = f"{facts.dist_info}/RECORD", f"{facts.dist_info}/{TRACE}"
    dropped = dropped_signatures(wheel)
    names, changes = _renamed_members(wheel, new.decisions)
    done = [Change(d.candidate.path, d.new_path or "", d.mode or Mode.COPY) for d in new.decisions]
    contents = {}
    if done:
        contents[trace_path] = trace_to_json((*_changes_before(wheel), *done), *new.targets)
    contents.update(_new_metadata(wheel, new))
    record = RecordEdit(facts.record)
    apply_changes(record, changes)
    for path in dropped:
        if record.get(path) is not None:
            record.remove(path)
    for path, text in contents.items():
        content = text.encode()
        record.add(RecordRow.of(path, hashlib.sha256(content).digest(), len(content)))
    contents[record_path] = record.finish().text
    return Edits(
        names={**names, **dict.fromkeys(dropped, ())},
        contents={path: text.encode() for path, text in contents.items()},
        model=record_path,
    )


def _new_metadata(wheel: Wheel, new: NewWheel) -> dict[str, str]:
    """``WHEEL`` by its path, if something in it changes."""
    path = f"{wheel.facts.dist_info}/WHEEL"
    old = text = read_text(wheel.archive, path)
    if new.build_tag is not None:
        text = _with_build_tag(text, new.build_tag)
    if new.tags is not None and new.tags.platforms:
        text = with_new_tags(text, new.tags)
    return {} if text == old else {path: text}


def _renamed_members(
    wheel: Wheel, decisions: Iterable[Decision]
) -> tuple[dict[str, tuple[str, ...]], list[Change]]:
    """The names that members get, and the same as changes of the wheel's RECORD, in their order."""
    origins = {path: member.name for path, member in wheel.installed_modules().items()}
    names: dict[str, tuple[str, ...]] = {}
    changes = []
    for decision in decisions:
        mode, new_path = decision.mode, decision.new_path
        if mode is None or new_path is None:
            continue
        member = origins[new_path] = origins[decision.candidate.path]
        old, new = (
            posixpath.join(posixpath.dirname(member), posixpath.basename(path))
            for path in (decision.candidate.path, new_path)
        )
        kept = [name for name in names.get(member, (member,)) if mode is Mode.COPY or name != old]
        names[member] = (*kept, new)
        changes.append(Change(old, new, mode))
    return names, changes


def _changes_before(wheel: Wheel) -> tuple[Change, ...]:
    """What muslfix changed in the wheel earlier."""
    path = f"{wheel.facts.dist_info}/{TRACE}"
    if path not in wheel.archive.members:
        return ()
    try:
        return changes_from_json(read_text(wheel.archive, path))
    except InvalidProject as error:
        raise InvalidWheel(wheel.facts.path, f"has a {path} that {error.reason}", error.tip) from error


def _with_build_tag(text: str, build_tag: str) -> str:
    """The content of ``WHEEL`` with another build tag; a new line goes to the end of the headers."""
    if _BUILD_LINE.search(text):
        return _BUILD_LINE.sub(rf"Build: {build_tag}\1", text, count=1)
    end = "\r\n" if "\r\n" in text else "\n"
    head = text.rstrip("\r\n")
    return f"{head}{end}Build: {build_tag}{text[len(head) :] or end}"
