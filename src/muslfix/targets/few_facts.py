"""A target made of the few facts from which the others follow, some of them given by a person.

Where no interpreter can be asked, something else shows most of the facts: a specification, build details, or
the files of a root. What that does not show can be given by name: ``--target-fact libc_version=1.2.5``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidTarget, UsageError
from muslfix.suffix import Libc
from muslfix.targets.cpython import directories_of, own_suffixes
from muslfix.targets.target import Scheme, Source, Target, TargetTree
from muslfix.targets.untrusted_facts import check_target

#: The facts that can be given, and what they are; the names are those of a target file.
FACTS = {
    "version": "the version in full, such as 3.10.14",
    "libc_version": "the version of its libc, such as 1.2.5",
    "platform": "linux- and what 'uname -m' says on it, such as linux-armv7l",
    "executable": "the path by which scripts call it",
    "prefix": "its sys.prefix, such as /usr/local",
}


@dataclass(frozen=True)
class FewFacts:
    """What must be known of a CPython to make a :class:`~muslfix.targets.target.Target` of it.

    :param version: in full; ``3.10`` if the rest is unknown
    :param platform: ``linux-`` and what ``uname -m`` says
    """

    version: str
    abi_flags: str
    extension_suffixes: tuple[str, ...]
    platform: str
    libc: Libc
    machine: Machine
    source: Source
    libc_version: str | None = None
    loader: str | None = None
    executable: str | None = None
    prefix: str | None = None
    scheme: Scheme | None = None
    prefix_scheme: Scheme | None = None
    environment: str = "system"
    externally_managed: str | None = None
    tree: TargetTree | None = None


def target_of(facts: FewFacts) -> Target:
    """Make a target.

    :raises InvalidTarget: if the facts contradict each other
    """
    major, minor = facts.version.split(".")[:2]
    version = int(major), int(minor)
    own = own_suffixes(facts.extension_suffixes, version, facts.abi_flags)
    relative = facts.prefix_scheme or directories_of(version, facts.abi_flags)
    uname = facts.platform.partition("-")[2]
    target = Target(
        implementation="cpython",
        version=facts.version,
        abi_flags=facts.abi_flags,
        soabi=own[0][1 : -len(".so")] if own else None,
        extension_suffixes=facts.extension_suffixes,
        platform=facts.platform,
        libc=facts.libc,
        libc_version=facts.libc_version,
        machine=facts.machine,
        loader=facts.loader,
        executable=facts.executable,
        prefix=facts.prefix,
        scheme=facts.scheme,
        prefix_scheme=relative,
        environment=facts.environment,
        externally_managed=facts.externally_managed,
        markers=_markers(facts.version, f"{major}.{minor}", uname),
        source=facts.source,
        tree=facts.tree,
    )
    check_target(target)
    return target


def _markers(version: str, short: str, uname: str) -> tuple[tuple[str, str], ...]:
    """The environment of :pep:`508` markers; what only a running kernel knows is empty."""
    return (
        ("implementation_name", "cpython"),
        ("implementation_version", version),
        ("os_name", "posix"),
        ("platform_machine", uname),
        ("platform_python_implementation", "CPython"),
        ("platform_release", ""),
        ("platform_system", "Linux"),
        ("platform_version", ""),
        ("python_full_version", version),
        ("python_version", short),
        ("sys_platform", "linux"),
    )


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
