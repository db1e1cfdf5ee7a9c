"""Whether a sound wheel is for this target: its tags and what it requires. It touches nothing.

The parsers of :mod:`packaging` are loaded where they are needed: most wheels are small, and for a small one
loading modules is most of the work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from muslfix.errors import IncompatibleWheel
from muslfix.suffix import Libc
from muslfix.targets.target import Target

# No version of Python has had as many releases; asked where it is not known which of them the target is.
_MAX_MICRO = 50

# So many tags and requirements are named in a message; a wheel can have thousands.
_MOST_TAGS = 20
_MOST_UNMET = 100


def check_tags(path: str, tags: Collection[Tag], target: Target) -> None:
    """Refuse a wheel whose compatibility tags the target does not have.

    :param path: of the wheel
    :param tags: of its file name
    :raises IncompatibleWheel: if none of them is the target's
    """
    if not set(tags).isdisjoint(target.pure_tags()):
        return
    own = target.tags()
    if set(tags).isdisjoint(own):
        unknown = target.libc_version is None and _may_fit(tags, own, target)
        best = next((tag for tag in own if tag.platform.startswith(("musl", "many"))), own[0])
        names = ", ".join(sorted(str(tag) for tag in tags)[:_MOST_TAGS])
        names += f" and {len(tags) - _MOST_TAGS} more" if len(tags) > _MOST_TAGS else ""
        raise IncompatibleWheel(
            path,
            f"is for {names}, and the target is CPython {target.version} on {target.platform} with"
            f" {target.libc} {target.libc_version or '(version unknown)'}",
            tip=target.how_to_give("libc_version", "1.2.5" if target.libc is Libc.MUSL else "2.36")
            if unknown
            else f"look for a wheel with a tag such as {best}",
            is_certain=not unknown,
        )


def _may_fit(tags: Iterable[Tag], own: Iterable[Tag], target: Target) -> bool:
    """Whether one of the tags would be the target's if its libc were new enough."""
    family = "musllinux_" if target.libc is Libc.MUSL else "manylinux"
    pairs = {(tag.interpreter, tag.abi) for tag in own}
    return any(tag.platform.startswith(family) and (tag.interpreter, tag.abi) in pairs for tag in tags)


def check_requires_python(path: str, specifier: str | None, target: Target) -> None:
    """Refuse a wheel that does not want the target's version of Python.

    :param path: of the wheel
    :param specifier: its ``Requires-Python``, or ``None``; one that cannot be read is passed over, as by pip
    :raises IncompatibleWheel: if the target's version is not among those wanted, or is not known well enough
    """
    if specifier is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return
    # A pre-release of a version counts as that version, as for pip.
    version = Version(target.version).base_version
    possible = [version] if version.count(".") > 1 else [f"{version}.{micro}" for micro in range(_MAX_MICRO)]
    answers = {wanted.contains(version, prereleases=True) for version in possible}
    if len(answers) > 1:
        raise IncompatibleWheel(
            path,
            f"requires Python {specifier}, and the target is only known to be Python {target.version}",
            tip=target.how_to_give("version", f"{target.version}.1"),
            is_certain=False,
        )
    if answers == {False}:
        raise IncompatibleWheel(
            path, f"requires Python {specifier}, and the target is Python {target.version}"
        )


def unmet_requirements(
    requirements: Iterable[str], installed: Mapping[str, str], target: Target
) -> list[str]:
    """The requirements that what is installed does not meet, each as a sentence; of very many the first.

    :param requirements: ``Requires-Dist`` lines
    :param installed: versions by normalised project name
    :param target: whose environment the markers are evaluated in
    """
    unmet = [
        sentence
        for text in requirements
        for sentence in [_unmet(text, installed, target)]
        if sentence is not None
    ]
    rest = len(unmet) - _MOST_UNMET
    return unmet if rest <= 0 else [*unmet[:_MOST_UNMET], f"has {rest} more requirements that are not met"]


def _unmet(text: str, installed: Mapping[str, str], target: Target) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not marker.evaluate({**dict(target.markers), "extra": ""}):
            return None
    except (InvalidRequirement, ValueError, RecursionError):
        return f"has a requirement that cannot be read: {text!r:.200}"
    version = installed.get(canonicalize_name(requirement.name))
    if version is None:
        return f"requires {requirement.name}{requirement.specifier}, which is not installed"
    try:
        wanted = requirement.specifier
        met = not wanted or wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        met = False
    return None if met else f"requires {requirement.name}{requirement.specifier}; installed is {version}"
