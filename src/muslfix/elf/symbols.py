"""The symbols that an ELF file needs, and those that it offers to others.

They are sets, since a large wheel refers to some ten thousand, and mostly all of them are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple


class Reference(NamedTuple):
    """A symbol that a relocation refers to and the file does not define.

    :param name: its name
    :param version: the version that it must have, or empty
    :param weak: whether it may be missing
    """

    name: str
    version: str = ""
    weak: bool = False

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


class References:
    """The undefined symbols of a file: those that must be defined, then those that may be missing.

    :param names: of those that must be defined, in the order of the symbol table
    :param versions: the version that each must have, or empty
    :param weak: the others
    """

    def __init__(
        self, names: Sequence[str] = (), versions: Sequence[str] = (), weak: Sequence[Reference] = ()
    ) -> None:
        self._names = names
        self._versions = versions
        self._weak = weak

    def __iter__(self) -> Iterator[Reference]:
        yield from map(Reference, self._names, self._versions)
        yield from self._weak

    @cached_property
    def needed(self) -> Mapping[str, frozenset[str]]:
        """The names that must be defined, by the version that they must have, or empty."""
        if not any(self._versions):
            return {"": frozenset(self._names)}
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, version in zip(self._names, self._versions):
            found[version].append(name)
        return {version: frozenset(names) for version, names in found.items()}


class Exports(NamedTuple):
    """The symbols that a file offers to others.

    :param names: those without a version or with a default version
    :param versioned: the names by their version; an empty one has those without a version in a file that has
        versions, and ``*`` what serves references without a version although it is not in ``names``
    :param has_versions: whether the file has versions at all
    :param versions: the versions that it defines
    :param hidden: further names that musl's loader finds, and glibc's does not
    """

    names: frozenset[str] = frozenset()
    versioned: Mapping[str, frozenset[str]] = {}
    has_versions: bool = False
    versions: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    @property
    def of_musl(self) -> frozenset[str]:
        """All that musl's loader finds."""
        return self.names | self.hidden if self.hidden else self.names

    def defining(self, version: str) -> tuple[frozenset[str], frozenset[str]]:
        """The names that it defines for references to a version, or without one if that is empty, in two."""
        found = self.versioned.get
        if not version or not self.has_versions:
            return self.names, found("*", frozenset())
        return found(version, frozenset()), found("", frozenset())

    def to_texts(self) -> list[str]:
        """The symbols as sorted texts, for a target file: ``name``, ``name@VERSION``, ``name@``, ``name@*``.

        ``@VERSION`` is a version that is defined.
        """
        versioned = (f"{name}@{version}" for version, names in self.versioned.items() for name in names)
        return sorted({*self.names, *versioned, *("@" + version for version in self.versions)})

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Exports:
        """What :meth:`to_texts` has written."""
        every = frozenset(texts)
        versions = frozenset(text[1:] for text in every if text.startswith("@"))
        names = frozenset(text for text in every if "@" not in text)
        versioned: dict[str, set[str]] = {}
        for text in every:
            name, at, version = text.rpartition("@")
            if at and name:
                versioned.setdefault(version, set()).add(name)
        has_versions = any(version != "*" for version in versioned)
        return cls(names, {key: frozenset(found) for key, found in versioned.items()}, has_versions, versions)
