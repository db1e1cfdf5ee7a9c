"""Targets made of untrusted facts: the answer of a probe, a target file, JSON written by hand.

Each fact must be present, of its type, and fit the others; an error names the bad value by its path.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidJson, InvalidTarget
from muslfix.files.untrusted_json import JsonObject
from muslfix.suffix import ExtensionFilename, Libc
from muslfix.targets.target import ENVIRONMENTS, FORMAT, OLDEST, OLDEST_VERSION, Scheme, Target

# The names of https://packaging.python.org/en/latest/specifications/dependency-specifiers/. All must be
# there: packaging takes a missing one from the Python that runs muslfix.
_MARKERS = (
    "implementation_name", "implementation_version", "os_name", "platform_machine", "platform_release",
    "platform_python_implementation", "platform_system", "platform_version", "python_full_version",
    "python_version", "sys_platform",
)  # fmt: skip

# Compatibility tags are made for each version up to this one, so it is bounded.
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}(\.[0-9]{1,9}((a|b|c|rc)[0-9]{1,9})?)?")
_PLATFORM = re.compile(r"linux-[A-Za-z0-9_.-]{1,64}")

# In characters; no path of Linux is longer (PATH_MAX).
_MAX_TEXT = 4_096
_MAX_SYMBOLS = 50_000
_MAX_SUFFIXES = 100


def target_from_facts(data: object) -> Target:
    """Make a target from untrusted data of the shape that :meth:`Target.to_json` writes.

    :param data: what a JSON parser returned
    :raises InvalidTarget: if it is of another format, or a fact is missing, of the wrong type or contradicts
        another; the reason names the value
    """
    try:
        return check_target(_read(_Facts(data)))
    except InvalidJson as error:
        raise InvalidTarget(None, error.reason) from error


def _read(facts: _Facts) -> Target:
    found = facts.whole("format")
    if found != FORMAT:
        raise InvalidTarget(
            None,
            f"has format {found}, and this muslfix reads format {FORMAT}",
            tip="write it again with 'muslfix interpreter --json' of this version",
        )
    machine, markers = facts.object("machine"), facts.object("markers")
    symbols = facts.object("symbols") if "symbols" in facts else _Facts({})
    return Target(
        implementation=facts.text("implementation"),
        version=facts.text("version"),
        abi_flags=facts.text("abi_flags"),
        soabi=facts.text_or_none("soabi"),
        extension_suffixes=facts.texts("extension_suffixes", _MAX_SUFFIXES),
        platform=facts.text("platform"),
        libc=_libc(facts.text("libc")),
        libc_version=facts.text_or_none("libc_version"),
        machine=Machine(
            name=machine.text("name"),
            bits=machine.whole("bits"),
            byte_order=machine.text("byte_order"),
            convention=machine.text("convention"),
        ),
        loader=facts.text_or_none("loader"),
        executable=facts.text_or_none("executable"),
        prefix=facts.text_or_none("prefix"),
        scheme=None if facts.value("scheme") is None else _scheme(facts.object("scheme")),
        prefix_scheme=_scheme(facts.object("prefix_scheme")),
        environment=facts.text("environment"),
        externally_managed=facts.text_or_none("externally_managed"),
        markers=tuple((name, markers.text(name)) for name in sorted(markers.names)),
        program=facts.optional_text("program"),
        user_site=facts.optional_text("user_site"),
        symbols=tuple((name, symbols.texts(name, _MAX_SYMBOLS)) for name in sorted(symbols.names)),
    )


class _Facts(JsonObject):
    """The facts of a target: its texts are single lines."""

    def text(self, name: str) -> str:
        text = super().text(name)
        if len(text) > _MAX_TEXT:
            raise InvalidJson(None, f"{self.path}{name} has {len(text)} characters, which is too long")
        if any(ord(character) < 32 for character in text):
            raise InvalidJson(None, f"{self.path}{name} has control characters: {text!r:.80}")
        return text


def _libc(text: str) -> Libc:
    try:
        return Libc(text)
    except ValueError:
        raise InvalidTarget(None, f"libc is {text!r}; it can be glibc or musl") from None


def _scheme(paths: JsonObject) -> Scheme:
    return Scheme(**{key.name: paths.text(key.name) for key in fields(Scheme)})


def check_target(target: Target) -> Target:
    """Refuse facts that cannot all be true.

    :return: the target itself
    :raises InvalidTarget: by the first that is wrong
    """
    if target.implementation != "cpython":
        raise InvalidTarget(None, f"implementation is {target.implementation}; muslfix serves CPython only")
    if _VERSION.fullmatch(target.version) is None:
        raise InvalidTarget(None, f"version is {target.version!r}, which is not a version")
    if target.version_info < OLDEST_VERSION:
        raise InvalidTarget(None, f"version is {target.version}; {OLDEST}")
    if not target.platform.startswith("linux-"):
        raise InvalidTarget(None, f"platform is {target.platform}; muslfix serves Linux only")
    if _PLATFORM.fullmatch(target.platform) is None:
        raise InvalidTarget(None, f"platform is {target.platform!r:.80}, which is not a platform")
    if target.machine.bits not in (32, 64) or target.machine.byte_order not in ("little", "big"):
        raise InvalidTarget(None, f"machine is {target.machine}, which is not a machine")
    if target.environment not in ENVIRONMENTS:
        raise InvalidTarget(
            None, f"environment is {target.environment!r}; it can be one of {', '.join(ENVIRONMENTS)}"
        )
    _check_markers(target)
    _check_suffixes(target)
    _check_libc_version(target)
    _check_paths(target)
    return target


def _check_markers(target: Target) -> None:
    markers = dict(target.markers)
    for name in _MARKERS:
        if name not in markers:
            raise InvalidTarget(None, f"markers.{name} is missing")
    if markers["python_version"] != "{}.{}".format(*target.version_info):
        raise InvalidTarget(
            None, f"markers.python_version is {markers['python_version']}, and version is {target.version}"
        )


def _check_suffixes(target: Target) -> None:
    if not target.extension_suffixes:
        raise InvalidTarget(None, "extension_suffixes is empty: this Python can import no extension module")
    for suffix in target.extension_suffixes:
        if ExtensionFilename.of_suffix(suffix) is None:
            raise InvalidTarget(None, f"extension_suffixes has {suffix!r}, which is not a suffix")
    own = "cpython-{}{}{}".format(*target.version_info, target.abi_flags)
    if target.suffix_for(own) is None:
        raise InvalidTarget(
            None, f"extension_suffixes has no suffix for {own}, the ABI of version {target.version}"
        )
    if target.soabi is not None and f".{target.soabi}.so" not in target.extension_suffixes:
        raise InvalidTarget(None, f"soabi is {target.soabi}, which is not in extension_suffixes")


def _check_libc_version(target: Target) -> None:
    if target.libc_version is not None:
        parts = target.libc_version.split(".")
        if len(parts) < 2 or not all(part.isdecimal() and len(part) < 4 for part in parts[:2]):
            raise InvalidTarget(None, f"libc_version is {target.libc_version!r}, which is not a version")


def _check_paths(target: Target) -> None:
    scheme = {} if target.scheme is None else asdict(target.scheme)
    paths = {f"scheme.{name}": path for name, path in scheme.items()}
    for name, path in {
        "prefix": target.prefix,
        "executable": target.executable,
        "program": target.program,
        "user_site": target.user_site,
        **paths,
    }.items():
        if path is not None and not path.startswith("/"):
            raise InvalidTarget(None, f"{name} is {path!r}, which is not an absolute path")
        if path is not None and any(ord(character) < 32 for character in path):
            raise InvalidTarget(None, f"{name} has control characters: {path!r:.80}")
    for name, path in asdict(target.prefix_scheme).items():
        if path.startswith("/") or ".." in path.split("/"):
            raise InvalidTarget(None, f"prefix_scheme.{name} is {path!r}, which leaves the prefix")
