"""The musllinux tags that the files of a wheel deserve: those of the oldest musl on which they can load.

A build image decides on the tag of most wheels, not what is in them. A tag names a minor version of musl, so
what needs a later patch of it cannot be said. Specification: https://peps.python.org/pep-0656/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.tags import Tag

from muslfix.loader.musl_exports import NEWEST, OLDEST
from muslfix.loader.musl_floor import MuslFloor
from muslfix.rewheel.wheel_plan import find_musl_floor, is_shared_object
from muslfix.wheels.wheel import Wheel

_TAG = re.compile(r"musllinux_(\d{1,4})_(\d{1,4})_(\w+)")
#: What a line of ``WHEEL`` begins behind, and what it ends with: as for :mod:`email`, a CR does by itself.
START, END = r"(?:\A|(?<=[\r\n]))", r"(\r\n|\r|\n|\Z)"
_TAG_LINE = re.compile(rf"{START}(Tag:[^\r\n]*-)([^-\s]+)[ \t]*{END}", re.IGNORECASE)

# The oldest musl with a CPU that came later.
_OLDEST_WITH = {"loongarch64": (1, 2)}


@dataclass(frozen=True)
class NewTags:
    """Other platform tags for a wheel.

    :param platforms: the new one for each old one, in lower case; empty where they are right
    :param floor: what the wheel needs of musl, and what its new tags promise
    :param warning: why the right tag could not be given, a sentence, or ``None``
    """

    platforms: Mapping[str, str] = field(default_factory=dict)
    floor: MuslFloor | None = None
    warning: str | None = None

    def of(self, platforms: Iterable[str]) -> list[str]:
        """The new platform tags, each once."""
        return list(dict.fromkeys(self.platforms.get(name.lower(), name) for name in platforms))

    def all_of(self, tags: Iterable[Tag]) -> frozenset[Tag]:
        """The compatibility tags with the new platforms."""
        return frozenset(
            Tag(tag.interpreter, tag.abi, platform) for tag in tags for platform in self.of([tag.platform])
        )


def find_new_tags(wheel: Wheel) -> NewTags:
    """Find the tags that a wheel for musl should have.

    They become older only if everything that the wheel would bring into a process is accounted for.

    :raises InvalidWheel: if a file that is read is damaged
    """
    matches = {tag.platform: _TAG.fullmatch(tag.platform) for tag in wheel.facts.tags}
    versions = {name: (int(m[1]), int(m[2])) for name, m in matches.items() if m}
    if not versions:
        return NewTags()
    floor, promised = find_musl_floor(wheel), min(versions.values())
    if floor.lowest is None:
        return NewTags(warning=f"gets no other tag: it {floor}")
    needed = tuple(map(int, floor.lowest.split(".")))
    if floor.reasons:
        # A tag promises the first patch of its minor version; what needs a later one needs the next minor.
        minor = needed[:2] if needed <= (*needed[:2], 0) else (needed[0], needed[1] + 1)
        wanted = minor if minor <= promised else max(promised, min(minor, NEWEST[:2]))
    else:
        wanted = min(OLDEST[:2], promised)
    if wanted < promised and not _is_certain(wheel, floor):
        wanted = promised
    says_too_much = bool(floor.reasons) and needed > (*wanted, 0)
    warning = None
    if says_too_much:
        tag = "musllinux_{}_{}".format(*wanted)
        warning = f"needs musl {floor.lowest} ({floor.reasons[0]}), and no tag says more than {tag}"
    if wanted == promised:
        return NewTags(warning=warning)
    platforms = {
        name: "musllinux_{}_{}_{}".format(*max(wanted, _OLDEST_WITH.get(match[3], wanted)), match[3])
        for name, match in matches.items()
        if match
    }
    new = replace(floor, promised="{}.{}".format(*wanted), keeps=not says_too_much)
    return NewTags(platforms, None if says_too_much else new, warning)


def _is_certain(wheel: Wheel, floor: MuslFloor) -> bool:
    """Whether all that the wheel has for a loader was read, and needs nothing from outside but musl."""
    if floor.libraries or floor.not_known or not floor.files:
        return False
    return not any(_is_elf(wheel, name) for name in wheel.archive.members if not is_shared_object(name))


def _is_elf(wheel: Wheel, name: str) -> bool:
    """Whether a member is an ELF file, whatever its name: programs are linked to musl too."""
    chunk = next(iter(wheel.archive.chunks(wheel.archive.members[name])), b"")
    return chunk.startswith(b"\x7fELF")


def with_new_tags(text: str, tags: NewTags) -> str:
    """The content of ``WHEEL`` with other platform tags: in each ``Tag`` line, which then is there once.

    :param text: the old content
    """
    seen: set[str] = set()

    def change(match: re.Match[str]) -> str:
        line = match[1] + ".".join(tags.of(match[2].split(".")))
        is_new = line.lower() not in seen
        seen.add(line.lower())
        return line + match[3] if is_new else ""

    return _TAG_LINE.sub(change, text)
