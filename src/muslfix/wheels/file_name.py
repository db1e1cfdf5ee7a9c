"""The file name of a wheel: the project, the version and the compatibility tags that it promises.

Specification: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from muslfix.errors import InvalidWheel
from muslfix.wheels.texts import parse_tags

_LONGEST_NAME = 255  # bytes, of a file
_TAG = re.compile(r"\w+(\.\w+)*")


def parse_wheel_path(path: str) -> tuple[str, Version, frozenset[Tag]]:
    """Take the file name of a wheel apart: normalised project name, version, compatibility tags.

    :raises InvalidWheel: if it is not a wheel file name
    """
    name = os.path.basename(path)
    try:
        if len(os.fsencode(name)) > _LONGEST_NAME:
            raise InvalidWheelFilename(name)
        tags_in_name = name.removesuffix(".whl").split("-")[-3:]
        parse_tags("-".join(tags_in_name))
        if not all(map(_TAG.fullmatch, tags_in_name)):  # packaging up to 24 takes any
            raise InvalidWheelFilename(name)
        key, version, _, tags = parse_wheel_filename(name)
    except ValueError as error:
        raise InvalidWheel(
            path,
            f"is not a wheel file name: {next(_faults(name))}",
            tip="a wheel is named project-version-python-abi-platform.whl, perhaps with a build tag that"
            " begins with a digit after the version",
        ) from error
    return key, version, tags


def _faults(name: str) -> Iterator[str]:
    """What keeps a file name from being that of a wheel, part by part."""
    if len(os.fsencode(name)) > _LONGEST_NAME:
        yield f"it has more than {_LONGEST_NAME} bytes"
    if not name.endswith(".whl"):
        yield "it does not end in .whl"
    project, *parts = name.removesuffix(".whl").split("-")
    if len(parts) not in (4, 5):
        yield f"it must have 5 or 6 parts with dashes between them, but has {len(parts) + 1}"
    else:
        version, *build, python, abi, platform = parts
        if version_of(version) is None:
            yield f"{version!a:.100} is not a version"
        if build and not re.match("[0-9]", build[0]):
            yield f"{build[0]!a:.100} is not a build tag, which begins with a digit"
        for kind, tag in (("a Python", python), ("an ABI", abi), ("a platform", platform)):
            if not _TAG.fullmatch(tag):
                yield f"{tag!a:.100} is not {kind} tag"
        try:
            parse_tags(f"{python}-{abi}-{platform}")
        except ValueError as error:
            yield f"its name {error}"
    yield f"{project!a:.100} is not the name of a project"


def version_of(text: str | None) -> Version | None:
    """The version that a text stands for, or ``None`` if it is none."""
    try:
        return Version(text or "")
    except ValueError:  # or a number that is too long for Python
        return None
