"""Whether a sound wheel is for this target: its tags and what it requires. It touches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from muslfix.errors import IncompatibleWheel
from muslfix.target import Target


def check_tags(path: str, tags: Iterable[Tag], target: Target) -> None:
    """Refuse a wheel whose compatibility tags the target does not have.

    :param path: of the wheel
    :param tags: of its file name
    :raises IncompatibleWheel: if none of them is the target's
    """
    own = target.tags()
    if set(tags).isdisjoint(own):
        best = next((tag for tag in own if tag.platform.startswith(("musl", "many"))), own[0])
        names = ", ".join(sorted(str(tag) for tag in tags))
        raise IncompatibleWheel(
            path,
            f"is for {names}, and the target is CPython {target.version} on {target.platform} with"
            f" {target.libc} {target.libc_version or '(version unknown)'}",
            tip=f"look for a wheel with a tag such as {best}",
        )


def check_requires_python(path: str, specifier: str | None, target: Target) -> None:
    """Refuse a wheel that does not want the target's version of Python.

    :param path: of the wheel
    :param specifier: its ``Requires-Python``, or ``None``; one that cannot be read is passed over, as by pip
    :raises IncompatibleWheel: if the target's version is not among those wanted
    """
    if specifier is None:
        return
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return
    # A pre-release of a version counts as that version, as for pip.
    if not wanted.contains(Version(target.version).base_version, prereleases=True):
        raise IncompatibleWheel(
            path, f"requires Python {specifier}, and the target is Python {target.version}"
        )


def unmet_requirements(
    requirements: Iterable[str], installed: Mapping[str, str], target: Target
) -> list[str]:
    """The requirements that what is installed does not meet, each as a sentence.

    :param requirements: ``Requires-Dist`` lines
    :param installed: versions by normalised project name
    :param target: whose environment the markers are evaluated in
    """
    return [
        sentence
        for text in requirements
        for sentence in [_unmet(text, installed, target)]
        if sentence is not None
    ]


def _unmet(text: str, installed: Mapping[str, str], target: Target) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement  # its import takes its time

    try:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not marker.evaluate({**dict(target.markers), "extra": ""}):
            return None
    except (InvalidRequirement, ValueError):
        return f"has a requirement that cannot be read: {text!r}"
    version = installed.get(canonicalize_name(requirement.name))
    if version is None:
        return f"requires {requirement.name}{requirement.specifier}, which is not installed"
    try:
        wanted = requirement.specifier
        met = not wanted or wanted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        met = False
    return None if met else f"requires {requirement.name}{requirement.specifier}; installed is {version}"
