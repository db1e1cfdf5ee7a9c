"""What is to be renamed in a wheel, planned without unpacking it: for one target, or for several at once.

A wheel holds no links, so a module gets its new name by being renamed, or by a copy beside the old one.
"""

from __future__ import annotations

import io
import posixpath
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO, cast

from muslfix.elf.dynamic import Image
from muslfix.elf.facts import ElfFacts
from muslfix.errors import InvalidWheel, destination_errors
from muslfix.loader.check import LoadCheck, Loads
from muslfix.loader.facts import LoadResult
from muslfix.loader.files import image_of
from muslfix.loader.musl_floor import MuslFloor, find_floor
from muslfix.modules.candidates import plan_tree, with_foreign
from muslfix.modules.plan import Plan
from muslfix.modules.tree import names_by_directory
from muslfix.targets.target import Target
from muslfix.verdicts import Mode
from muslfix.wheels.archive import Member
from muslfix.wheels.wheel import Wheel

# A larger file is inflated to disk, so that memory stays bounded.
_IN_MEMORY = 16 * 1024 * 1024


@dataclass(frozen=True)
class WheelTree:
    """A wheel as a :class:`~muslfix.modules.tree.Tree`: its files under the paths they have when installed.

    :param wheel: the open wheel
    :param members: what the wheel has under each path, or will have
    :param load_check: asks the target's loader; ``None``: it is not asked
    :param images: what was read already, by the name of the member
    """

    wheel: Wheel
    members: Mapping[str, Member]
    load_check: LoadCheck | None = None
    images: dict[str, Image | str] = field(default_factory=dict)

    @classmethod
    def of(cls, wheel: Wheel, load_check: LoadCheck | None = None) -> WheelTree:
        """The tree of a wheel as it is."""
        return cls(wheel, wheel.installed_modules(), load_check)

    def exists(self, path: str) -> bool:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return path in self.members

    def examine(self, path: str) -> ElfFacts | str:
        """See :class:`~muslfix.modules.tree.Tree`; read once, and verified then.

        :raises InvalidWheel: if it is damaged, or not the file that RECORD lists
        """
        image = self._image(self.members[path])
        return image if isinstance(image, str) else image.facts

    def image(self, path: str) -> Image | str | None:
        """All that is to be read in an ELF file, or why it is none; ``None`` if there is no file.

        :raises InvalidWheel: as :meth:`examine`
        """
        return self._image(self.members[path]) if path in self.members else None

    def _image(self, member: Member) -> Image | str:
        if member.name not in self.images:
            self.images[member.name] = self._read(member)
        return self.images[member.name]

    def _read(self, member: Member) -> Image | str:
        with destination_errors("the directory for temporary files"), ExitStack() as stack:
            whole = member.size <= _IN_MEMORY
            file = io.BytesIO() if whole else stack.enter_context(tempfile.TemporaryFile(prefix="muslfix-"))
            for chunk in self.wheel.stream(member).chunks():
                file.write(chunk)
            return image_of(cast("BinaryIO", file))

    def load(self, path: str) -> LoadResult | None:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return None if self._loads is None else self._loads(path)

    @cached_property
    def _loads(self) -> Loads | None:
        return None if self.load_check is None else self.load_check.in_wheel(self.image)

    def names_beside(self, path: str) -> Iterable[str]:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return self._names.get(posixpath.dirname(path), ())

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return names_by_directory(self.members)

    def link_of(self, path: str) -> str | None:  # noqa: ARG002
        """See :class:`~muslfix.modules.tree.Tree`; a wheel cannot hold links."""
        return None

    def have_one_content(self, one: str, other: str) -> bool:
        """See :class:`~muslfix.modules.tree.Tree`."""
        pair = self.members[one], self.members[other]
        return len({self.wheel.archive.read(member) for member in pair}) == 1


def plan_wheel(wheel: Wheel, target: Target, mode: Mode, load_check: LoadCheck | None = None) -> Plan:
    """Plan for the files of a wheel as it is, reading each extension module and shared library.

    :param target: the Python that will import
    :param mode: how new names would be given
    :param load_check: asks the target's loader; ``None``: it is not asked
    :raises InvalidWheel: if a file that is read is damaged
    """
    tree = WheelTree.of(wheel, load_check)
    planned = plan_tree(tree.members, tree, target, mode, thorough=True)
    return with_foreign(planned, tree.members, tree, target)


def plan_for_targets(
    wheel: Wheel, targets: Sequence[Target], mode: Mode, checks: Sequence[LoadCheck | None]
) -> list[Plan]:
    """Plan for each target, on the wheel as the plans before have left it.

    :param mode: ``RENAME`` or ``COPY``
    :param checks: for each target what asks its loader; ``None``: it is not asked
    :raises InvalidWheel: if a file that is read is damaged; or if what one target needs takes away what
        another one needs
    """
    tree = WheelTree.of(wheel)
    plans = []
    for target, check in zip(targets, checks):
        plan = _plan_without_links(replace(tree, load_check=check), target, mode)
        plans.append(plan)
        members = dict(tree.members)
        for decision in plan.changes:
            old, new = decision.candidate.path, decision.new_path or ""
            members[new] = members[old]
            if decision.mode is Mode.RENAME:
                del members[old]
        tree = replace(tree, members=members)
    if mode is Mode.RENAME and len(targets) > 1:
        after = [replace(tree, load_check=check) for check in checks]
        _check_kept(wheel.facts.path, after, targets, plans)
    return plans


def _plan_without_links(tree: WheelTree, target: Target, mode: Mode) -> Plan:
    """A plan in which a name that another file needs is kept by a copy, since there are no links."""
    plan = plan_tree(tree.members, tree, target, mode, thorough=True)
    return Plan(
        tuple(replace(d, mode=Mode.COPY) if d.mode not in (None, Mode.RENAME) else d for d in plan.decisions)
    )


def _check_kept(
    path: str, trees: Sequence[WheelTree], targets: Sequence[Target], plans: Sequence[Plan]
) -> None:
    """Refuse to take from one target what it has, or was given, for the sake of another."""
    for tree, target, before in zip(trees, targets, plans):
        after = _plan_without_links(tree, target, Mode.RENAME)
        lost = [*after.changes, *after.refusals[len(before.refusals) :]]
        if lost:
            raise InvalidWheel(
                path,
                f"cannot be for all targets by renaming: they import {lost[0].candidate.module} by different"
                " names",
                tip="use --mode copy, or repair it for each target into a directory of its own",
            )


def is_shared_object(path: str) -> bool:
    """Whether a file is named like an extension module or a shared library."""
    return path.endswith(".so") or ".so." in posixpath.basename(path)


def find_musl_floor(wheel: Wheel) -> MuslFloor:
    """Find the lowest musl on which the files of a wheel can load.

    :raises InvalidWheel: if a file that is read is damaged
    """
    tree = WheelTree(wheel, {**wheel.archive.members, **wheel.installed_modules()})
    objects = filter(is_shared_object, tree.members)
    images = {path: image for path in objects if (image := tree.image(path)) is not None}
    return find_floor(images, (tag.platform for tag in wheel.facts.tags))
