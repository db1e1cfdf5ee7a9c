"""``build-details.json``: what an installation of Python 3.14 and later says of itself.

Specification: :pep:`739`, https://packaging.python.org/en/latest/specifications/build-details/. It tells no
libc, no ELF machine and nothing of environments; those stay to be found.
"""

from __future__ import annotations

import re
from typing import Any

from muslfix.errors import InvalidTarget
from muslfix.suffix import ExtensionFilename
from muslfix.untrusted import parse_json
from muslfix.values import dataclass

#: Name of the file, in the folder of the standard library.
BUILD_DETAILS = "build-details.json"

#: More than any has, in bytes.
MAX_SIZE = 256 * 1024

_LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}


@dataclass(frozen=True)
class BuildDetails:
    """What matters of it.

    :param version: in full: ``3.14.0``, ``3.15.0a1``
    :param abi_flags: ``sys.abiflags``
    :param platform: ``sysconfig.get_platform()``
    :param extension_suffixes: ``EXTENSION_SUFFIXES``; empty where the file does not have them, for they are
        optional
    :param base_interpreter: as the file has it, or ``None``
    """

    version: str
    abi_flags: str
    platform: str
    extension_suffixes: tuple[str, ...]
    base_interpreter: str | None


def parse_build_details(content: bytes) -> BuildDetails:
    """Read the file.

    :raises InvalidTarget: if it is no JSON, of another format, or a value is missing or of the wrong kind
    """
    try:
        data = parse_json(content.decode())
    except ValueError as error:
        raise InvalidTarget(None, f"is no JSON ({error})") from error
    schema = _value(data, "schema_version", str)
    if schema.partition(".")[0] != "1":
        raise InvalidTarget(
            None,
            f"has schema version {schema!r:.40}, and this muslfix reads version 1",
            "take a newer muslfix",
        )
    name = _value(data, "implementation.name", str)
    if name != "cpython":
        raise InvalidTarget(None, f"is of {name!r:.40}; muslfix serves CPython only")
    platform = _value(data, "platform", str)
    if re.fullmatch(r"[A-Za-z0-9_.-]+", platform) is None:
        raise InvalidTarget(None, f"has platform {platform!r:.80}, which is none")
    suffixes = _texts(data, "suffixes.extensions")
    for suffix in suffixes:
        if ExtensionFilename.of_suffix(suffix) is None:
            raise InvalidTarget(None, f"has {suffix!r:.80} in suffixes.extensions, which is no suffix")
    return BuildDetails(
        version=_version(data),
        abi_flags="".join(_texts(data, "abi.flags")),
        platform=platform,
        extension_suffixes=suffixes,
        base_interpreter=_optional(data, "base_interpreter", str),
    )


def _version(data: object) -> str:
    where = "language.version_info"
    numbers = [_value(data, f"{where}.{part}", int) for part in ("major", "minor", "micro")]
    level, serial = _value(data, f"{where}.releaselevel", str), _value(data, f"{where}.serial", int)
    if min(numbers) < 0 or max(numbers) > 999 or (level != "final" and level not in _LEVELS):
        raise InvalidTarget(None, f"has a {where} that is no version")
    version = ".".join(map(str, numbers))
    return version if level == "final" else f"{version}{_LEVELS[level]}{serial}"


def _texts(data: object, path: str) -> tuple[str, ...]:
    items = _optional(data, path, list) or []
    if not all(isinstance(item, str) for item in items):
        raise InvalidTarget(None, f"has {path} that is no list of texts")
    return tuple(items)


def _optional(data: object, path: str, kind: type) -> Any:
    """A value that need not be there; what is there must be of its kind."""
    for part in path.split("."):
        if not isinstance(data, dict):
            raise InvalidTarget(None, f"has no object around {path}")
        if part not in data:
            return None
        data = data[part]
    if not isinstance(data, kind) or isinstance(data, bool):
        raise InvalidTarget(None, f"has {path} {data!r:.80}, which is not of its kind")
    return data


def _value(data: object, path: str, kind: type) -> Any:
    value = _optional(data, path, kind)
    if value is None:
        raise InvalidTarget(None, f"has no {path}")
    return value
