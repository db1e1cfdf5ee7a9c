"""A wheel that needs no fixing, made of one that does: the plan for all of its targets, and the new archive.

A wheel holds no links, so a module gets its new name by being renamed, or as a copy beside the old one. All
that is not concerned is carried over as it stands, see :mod:`muslfix.rewheel.rezip`.

Specifications: https://packaging.python.org/en/latest/specifications/binary-distribution-format/,
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from muslfix.elf.dynamic import Image
from muslfix.elf.facts import ElfFacts
from muslfix.errors import InvalidProject, InvalidWheel
from muslfix.files import TRACE
from muslfix.loader.check import LoadCheck, Loads
from muslfix.loader.facts import LoadResult
from muslfix.modules.candidates import plan_tree
from muslfix.modules.plan import Decision, Plan
from muslfix.modules.tree import names_by_folder
from muslfix.projects.trace import Change, changes_from_json, record_after, trace_to_json
from muslfix.record import RecordRow
from muslfix.rewheel.newfile import new_file, write_pieces
from muslfix.rewheel.parts import parse_zip
from muslfix.rewheel.rezip import Edits, rezip
from muslfix.rewheel.wheel_tree import WheelTree
from muslfix.targets.target import Target
from muslfix.verdicts import Mode
from muslfix.wheels.archive import read_text
from muslfix.wheels.wheel import Wheel

_BUILD_LINE = re.compile(r"^Build:.*?(\r?\n|\Z)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class _TreeAfter:
    """A wheel's tree with names that are planned.

    :param tree: as it is
    :param sources: from each path to the one of the file as it is
    :param check: asks the target's loader; ``None``: it is not asked
    """

    tree: WheelTree
    sources: dict[str, str]
    check: LoadCheck | None = None

    def exists(self, path: str) -> bool:
        return path in self.sources

    def examine(self, path: str) -> ElfFacts | str:
        return self.tree.examine(self.sources[path])

    def image(self, path: str) -> Image | str | None:
        return self.tree.image(self.sources[path]) if path in self.sources else None

    def load(self, path: str) -> LoadResult | None:
        return None if self._loads is None else self._loads(path)

    @cached_property
    def _loads(self) -> Loads | None:
        return None if self.check is None else self.check.in_wheel(self.image)

    def names_beside(self, path: str) -> Iterable[str]:
        return self._names.get(posixpath.dirname(path), ())

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return names_by_folder(self.sources)

    def link_of(self, path: str) -> str | None:
        return self.tree.link_of(self.sources[path])

    def have_one_content(self, one: str, other: str) -> bool:
        return self.tree.have_one_content(self.sources[one], self.sources[other])


def plan_for_targets(
    wheel: Wheel, targets: Sequence[Target], mode: Mode, checks: Sequence[LoadCheck | None]
) -> list[Plan]:
    """Plan for each target, on the wheel as the plans before have left it.

    :param mode: ``RENAME`` or ``COPY``
    :param checks: for each target what asks its loader; ``None``: it is not asked
    :raises InvalidWheel: if a file that is read is damaged; or if what one target needs takes away what
        another one needs
    """
    tree = WheelTree(wheel)
    sources = {path: path for path in tree.members}
    plans = []
    for target, check in zip(targets, checks):
        plan = _plan(_TreeAfter(tree, dict(sources), check), target, mode)
        plans.append(plan)
        for decision in plan.changes:
            old, new = decision.candidate.path, decision.new_path or ""
            sources[new] = sources[old]
            if decision.mode is Mode.RENAME:
                del sources[old]
    if mode is Mode.RENAME and len(targets) > 1:
        after = [_TreeAfter(tree, sources, check) for check in checks]
        _check_kept(wheel.facts.path, after, targets, plans)
    return plans


def _plan(tree: _TreeAfter, target: Target, mode: Mode) -> Plan:
    """A plan in which a name that another file needs is kept by a copy, since there are no links."""
    plan = plan_tree(tree.sources, tree, target, mode, thorough=True)
    return Plan(
        tuple(replace(d, mode=Mode.COPY) if d.mode not in (None, Mode.RENAME) else d for d in plan.decisions)
    )


def _check_kept(
    path: str, trees: Sequence[_TreeAfter], targets: Sequence[Target], plans: Sequence[Plan]
) -> None:
    """Refuse to take from one target what it has, or was given, for the sake of another."""
    for tree, target, before in zip(trees, targets, plans):
        after = _plan(tree, target, Mode.RENAME)
        lost = [*after.changes, *after.refusals[len(before.refusals) :]]
        if lost:
            raise InvalidWheel(
                path,
                f"cannot be for all targets by renaming: they import {lost[0].candidate.module} by different"
                " names",
                tip="use --mode copy, or repair it for each target into a folder of its own",
            )


@dataclass(frozen=True)
class NewWheel:
    """What a new wheel shall be.

    :param plans: for its targets
    :param targets: for which it is
    :param build_tag: a new build tag, or ``None``
    """

    plans: tuple[Plan, ...]
    targets: tuple[Target, ...]
    build_tag: str | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Those that give a file a new name, of all targets."""
        return tuple(decision for plan in self.plans for decision in plan.changes)


def file_name(path: str, build_tag: str | None) -> str:
    """The file name of a wheel, with another build tag if there is one to be.

    Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention

    >>> file_name("dist/demo-1.0-cp39-cp39-linux_armv7l.whl", "1musl")
    'demo-1.0-1musl-cp39-cp39-linux_armv7l.whl'
    """
    name = os.path.basename(path)
    if build_tag is None:
        return name
    parts = name.split("-")
    return "-".join([*parts[:2], build_tag, *parts[-3:]])


def dropped_signatures(wheel: Wheel) -> tuple[str, ...]:
    """The files that sign RECORD as it was, and would be untrue of a new one."""
    return tuple(path for path in wheel.facts.signatures if path in wheel.archive.members)


def write_wheel(wheel: Wheel, new: NewWheel, path: str, *, overwrite: bool, in_place: bool = False) -> None:
    """Write the new wheel.

    :param path: of the new file
    :param overwrite: whether it may replace another file
    :param in_place: whether it replaces the wheel itself, whose permissions it then keeps
    :raises InvalidWheel: if the old one is damaged
    :raises DestinationError: if it cannot be written; then nothing is left
    """
    _write(wheel, _edits(wheel, new), path, overwrite=overwrite, in_place=in_place)


def copy_wheel(wheel: Wheel, path: str, *, overwrite: bool) -> None:
    """Write the same wheel once more.

    :raises DestinationError: as :func:`write_wheel`
    """
    _write(wheel, None, path, overwrite=overwrite, in_place=False)


def _write(wheel: Wheel, edits: Edits | None, path: str, *, overwrite: bool, in_place: bool) -> None:
    source = wheel.archive.descriptor
    status = os.fstat(source)

    def read(start: int, stop: int) -> bytes:
        return os.pread(source, max(stop - start, 0), start)

    if edits is None:
        pieces: list[bytes | range] = [range(status.st_size)]
    else:
        pieces = rezip(parse_zip(wheel.facts.path, status.st_size, read), edits, read)
    permissions = status.st_mode & 0o7777 if in_place else None
    with new_file(path, overwrite=overwrite, permissions=permissions) as descriptor:
        write_pieces(descriptor, pieces, source)


def _edits(wheel: Wheel, new: NewWheel) -> Edits:
    """What of the archive shall be another: names, RECORD, what was done, the build tag, signatures."""
    facts, archive = wheel.facts, wheel.archive
    record_path, trace_path = f"{facts.dist_info}/RECORD", f"{facts.dist_info}/{TRACE}"
    dropped = dropped_signatures(wheel)
    names, changes = _renamed_members(wheel, new.decisions)
    done = [Change(d.candidate.path, d.new_path or "", d.mode or Mode.COPY) for d in new.decisions]
    contents = {trace_path: trace_to_json((*_changes_before(wheel), *done), *new.targets)}
    if new.build_tag is not None:
        path = f"{facts.dist_info}/WHEEL"
        contents[path] = _with_build_tag(read_text(archive, path), new.build_tag)
    record = record_after(facts.record, changes)
    for path in dropped:
        record = record.without_row(path) if record.get(path) else record
    for path, text in contents.items():
        content = text.encode()
        record = record.with_row_added(RecordRow.of(path, hashlib.sha256(content).digest(), len(content)))
    contents[record_path] = record.text
    return Edits(
        names={**names, **dict.fromkeys(dropped, ())},
        contents={path: text.encode() for path, text in contents.items()},
        model=record_path,
    )


def _renamed_members(
    wheel: Wheel, decisions: Iterable[Decision]
) -> tuple[dict[str, tuple[str, ...]], list[Change]]:
    """The names that members shall have, and the same as changes of the wheel's RECORD, in their order."""
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
    """What muslfix has changed in the wheel before."""
    path = f"{wheel.facts.dist_info}/{TRACE}"
    if path not in wheel.archive.members:
        return ()
    try:
        return changes_from_json(read_text(wheel.archive, path))
    except InvalidProject as error:
        raise InvalidWheel(wheel.facts.path, f"has a {path} that {error.reason}", error.tip) from error


def _with_build_tag(text: str, build_tag: str) -> str:
    """The content of ``WHEEL`` with another build tag; a new line stands at the end of the headers."""
    if _BUILD_LINE.search(text):
        return _BUILD_LINE.sub(rf"Build: {build_tag}\1", text, count=1)
    end = "\r\n" if "\r\n" in text else "\n"
    head = text.rstrip("\r\n")
    return f"{head}{end}Build: {build_tag}{text[len(head) :] or end}"
