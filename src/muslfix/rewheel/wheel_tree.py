"""The files of a wheel, as the planner asks for them: under the paths that they will have when installed."""

from __future__ import annotations

import io
import posixpath
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, cast

from muslfix.elf.dynamic import Image, read_image
from muslfix.errors import InvalidElf, told_as_sentences
from muslfix.loader.musl_floor import MuslFloor, find_floor
from muslfix.modules.candidates import plan_tree
from muslfix.modules.tree import names_by_folder
from muslfix.record import RecordRow
from muslfix.wheels.wheel import MemberStream

if TYPE_CHECKING:
    from muslfix.elf.facts import ElfFacts
    from muslfix.loader.check import LoadCheck
    from muslfix.loader.facts import LoadResult
    from muslfix.modules.plan import Plan
    from muslfix.targets.target import Target
    from muslfix.verdicts import Mode
    from muslfix.wheels.archive import Member
    from muslfix.wheels.wheel import Wheel

# A larger file is inflated to disk, so that memory stays bounded.
_IN_MEMORY = 16 * 1024 * 1024


class WheelTree:
    """A wheel as a :class:`~muslfix.modules.tree.Tree`: its files under their installed paths.

    :param wheel: the open wheel
    :param load_check: asks the target's loader; ``None``: it is not asked
    """

    def __init__(self, wheel: Wheel, load_check: LoadCheck | None = None) -> None:
        self.members = wheel.installed_modules()
        self._wheel = wheel
        self._loads = None if load_check is None else load_check.in_wheel(self.image)
        self._images: dict[str, Image | str] = {}

    def exists(self, path: str) -> bool:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return path in self.members

    def examine(self, path: str) -> ElfFacts | str:
        """See :class:`~muslfix.modules.tree.Tree`; read once, and verified then.

        :raises InvalidWheel: if it is damaged, or not the file that RECORD lists
        """
        image = self._image(path)
        return image if isinstance(image, str) else image.facts

    def image(self, path: str) -> Image | str | None:
        """All that is to be read in an ELF file, or the reason why it is none; ``None`` if there is no file.

        :raises InvalidWheel: as :meth:`examine`
        """
        return self._image(path) if path in self.members else None

    def _image(self, path: str) -> Image | str:
        if path not in self._images:
            self._images[path] = self._read(self.members[path])
        return self._images[path]

    def _read(self, member: Member) -> Image | str:
        row = self._wheel.facts.record.get(member.name) or RecordRow.listed(member.name)
        with told_as_sentences("the folder for temporary files"), ExitStack() as stack:
            whole = member.size <= _IN_MEMORY
            file = io.BytesIO() if whole else stack.enter_context(tempfile.TemporaryFile(prefix="muslfix-"))
            for chunk in MemberStream(self._wheel.archive, member, row).chunks():
                file.write(chunk)
            try:
                return read_image(cast("BinaryIO", file))
            except InvalidElf as error:
                return error.reason

    def load(self, path: str) -> LoadResult | None:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return None if self._loads is None else self._loads(path)

    def names_beside(self, path: str) -> Iterable[str]:
        """See :class:`~muslfix.modules.tree.Tree`."""
        return self._names.get(posixpath.dirname(path), ())

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return names_by_folder(self.members)

    def link_of(self, path: str) -> str | None:  # noqa: ARG002
        """See :class:`~muslfix.modules.tree.Tree`; a wheel cannot hold links."""
        return None

    def have_one_content(self, one: str, other: str) -> bool:
        """See :class:`~muslfix.modules.tree.Tree`."""
        pair = self.members[one], self.members[other]
        return len({self._wheel.archive.read(member) for member in pair}) == 1


def plan_wheel(wheel: Wheel, target: Target, mode: Mode, load_check: LoadCheck | None = None) -> Plan:
    """Plan for the files of a wheel as it is, reading the ELF file of each extension module.

    :param target: the Python that will import
    :param mode: how new names would be given
    :param load_check: asks the target's loader; ``None``: it is not asked
    :raises InvalidWheel: if a file that is read is damaged
    """
    tree = WheelTree(wheel, load_check)
    return plan_tree(tree.members, tree, target, mode, thorough=True)


def find_musl_floor(wheel: Wheel) -> MuslFloor:
    """Find the lowest musl on which the files of a wheel can load.

    :raises InvalidWheel: if a file that is read is damaged
    """
    tree = WheelTree(wheel)
    objects = (path for path in tree.members if path.endswith(".so") or ".so." in posixpath.basename(path))
    images = {path: tree.image(path) for path in objects}
    return find_floor(
        {path: image for path, image in images.items() if isinstance(image, Image)},
        (tag.platform for tag in wheel.facts.tags),
    )
