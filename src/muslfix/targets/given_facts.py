"""Facts of a target that a person gives by name: ``--target-fact libc_version=1.2.5``.

Where no interpreter can be asked, a specification, build details, or the files of a root show most of the
facts. A given one stands for what they do not show, and must not contradict what they do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from muslfix.errors import InvalidTarget, UsageError

#: The facts that can be given, and what they are; the names are those of a target file.
FACTS = {
    "version": "the version in full, such as 3.10.14",
    "libc_version": "the version of its libc, such as 1.2.5",
    "platform": "linux- and what 'uname -m' says on it, such as linux-armv7l",
    "executable": "the path by which scripts call it",
    "prefix": "its sys.prefix, such as /usr/local",
}


def check_given(given: Mapping[str, str], allowed: Collection[str] = tuple(FACTS)) -> None:
    """Refuse a fact that cannot be given, or is empty.

    :param allowed: the names that make sense here
    :raises UsageError: if there is one
    """
    for name, value in given.items():
        if name not in allowed:
            raise UsageError(
                None,
                f"{name!r:.60} is not a fact that can be given",
                tip=f"these can be given: {', '.join(allowed)}",
            )
        if not value:
            raise UsageError(None, f"the fact {name} is given without a value")
        if name in ("executable", "prefix") and not value.startswith("/"):
            raise UsageError(None, f"the fact {name} is {value!r:.60}, which is not an absolute path")


def found_or_given(path: str | None, name: str, found: str | None, given: Mapping[str, str]) -> str | None:
    """A fact: what was found, else what was given.

    :param path: where it was looked for, for the error
    :param name: of the fact
    :raises InvalidTarget: if the two contradict each other
    """
    value = given.get(name)
    if found is not None and value is not None and found != value:
        raise InvalidTarget(path, f"says that {name} is {found}, which contradicts the given {value}")
    return value if found is None else found


def version_of(path: str | None, found: str, given: Mapping[str, str]) -> str:
    """The version: the one found may be without its third part, which then can be given.

    :param path: where it was found, for the error
    :raises InvalidTarget: if the two contradict each other
    """
    value = given.get("version", found)
    if value != found and not (found.count(".") == 1 and value.startswith(found + ".")):
        raise InvalidTarget(path, f"says that version is {found}, which contradicts the given {value}")
    return value
