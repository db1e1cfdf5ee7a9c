"""A target that cannot be run, read from its files: a root file system, or the prefix of a Python.

Nothing in the tree is believed more than it shows. The suffixes and the version are compiled into the
interpreter; its ELF file names machine and loader; the loader holds the version of its libc. What the files
do not show is asked for by name, and pieces that contradict each other are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidJson, InvalidTarget, spelling_errors
from muslfix.files.access import path_of
from muslfix.files.untrusted_json import JsonObject, parse_json
from muslfix.targets.build_details import BUILD_DETAILS, MAX_SIZE, BuildDetails, parse_build_details
from muslfix.targets.cpython import Cpu, cpu_of_apk, cpus_of, markers_of, may_be_on, soabi_of
from muslfix.targets.given_facts import FACTS, check_given, found_or_given, version_of
from muslfix.targets.root_binaries import Binary, Linked, check_module, read_binaries, read_linked
from muslfix.targets.root_files import RootFiles
from muslfix.targets.root_pythons import StaticPython, choose_in_root, open_tree, read_directories
from muslfix.targets.root_suffixes import Names, NamesEvidence, decide_names
from muslfix.targets.target import Source, Target
from muslfix.targets.untrusted_facts import check_target

_PATCHLEVEL = re.compile(
    rb'^#define\s+PY_VERSION\s+"(3\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?"', re.MULTILINE
)
_MAX_TEXT = 1024 * 1024


@spelling_errors()
def read_target_root(
    directory: str | os.PathLike[str],
    python: str | None = None,
    given: Mapping[str, str] | None = None,
) -> Target:
    """Read a target from a root file system or a prefix.

    :param directory: on this machine; links in it are followed only inside it
    :param python: which one, if there are several: a version such as ``3.11``, or the path of its program
        as the target sees it, which can be that of a virtual environment
    :param given: facts that the files do not show, by the names of
        :data:`muslfix.targets.given_facts.FACTS`
    :raises InvalidTarget: if there is no such Python, its files contradict each other, or do not tell what
        must be known
    :raises UsageError: if a given fact is not one of these
    """
    directory, given = path_of(directory, "directory"), given or {}
    check_given(given)
    files, found = open_tree(directory, given.get("prefix"))
    chosen = choose_in_root(files, found, python)
    try:
        return _Reader(files, chosen, given).target()
    except InvalidTarget as error:
        raise InvalidTarget(error.path or directory, error.reason, error.tip) from error


@dataclass(frozen=True)
class _Reader:
    """One reading of one Python."""

    files: RootFiles
    python: StaticPython
    given: Mapping[str, str]

    def target(self) -> Target:
        details, binaries = self._details(), list(read_binaries(self.files, self.python))
        names = decide_names(
            NamesEvidence(
                version=self.python.version,
                details=details,
                compiled=frozenset().union(*(binary.suffixes for binary in binaries)),
                dynload=tuple(self.files.names(f"{self.python.library}/lib-dynload")),
                library=tuple(self.files.names(self.python.library)),
            )
        )
        linked = read_linked(self.files, self.python, binaries)
        check_module(self.files, self.python, linked)
        scheme, relative = read_directories(self.files, self.python, names.abi_flags)
        version = self._version(details, binaries, names)
        platform = self._platform(details, linked.machine)
        target = Target(
            implementation="cpython",
            version=version,
            abi_flags=names.abi_flags,
            soabi=soabi_of(names.suffixes, self.python.version, names.abi_flags),
            extension_suffixes=names.suffixes,
            platform=platform,
            libc=linked.libc,
            libc_version=found_or_given(None, "libc_version", linked.libc_version, self.given),
            machine=linked.machine,
            loader=linked.loader,
            executable=self.given.get("executable", self.python.program),
            prefix=self.python.environment or self.python.prefix,
            scheme=scheme,
            prefix_scheme=relative,
            environment=self._environment(),
            externally_managed=self._marker(),
            markers=markers_of(version, platform),
            source=self._source(details, names, linked),
            tree=self.files.tree,
        )
        return check_target(target)

    def _details(self) -> BuildDetails | None:
        path = f"{self.python.library}/{BUILD_DETAILS}"
        content = self.files.read(path, MAX_SIZE)
        if content is None:
            return None
        try:
            return parse_build_details(JsonObject(parse_json(content)))
        except (InvalidTarget, InvalidJson) as error:
            raise InvalidTarget(self.files.locate(path), error.reason, error.tip) from error

    def _version(self, details: BuildDetails | None, binaries: list[Binary], names: Names) -> str:
        """The version in full, or its first two parts if the files show no more."""
        short = "{}.{}".format(*self.python.version)
        if details is not None:
            if not details.version.startswith(short + "."):
                raise InvalidTarget(
                    None,
                    f"contradicts itself: {BUILD_DETAILS} of Python {short} says version {details.version}",
                )
            return version_of(None, details.version, self.given)
        compiled = {v for binary in binaries for v in binary.versions if v.startswith(short + ".")}
        header = f"{self.python.prefix.rstrip('/')}/include/python{short}{names.abi_flags}/patchlevel.h"
        match = _PATCHLEVEL.search(self.files.read(header, _MAX_TEXT) or b"")
        if len(compiled) != 1 and match is not None and match[1].decode().startswith(short + "."):
            compiled = {match[1].decode()}
        return version_of(None, compiled.pop() if len(compiled) == 1 else short, self.given)

    def _platform(self, details: BuildDetails | None, machine: Machine) -> str:
        """``linux-`` and the CPU as ``uname`` spells it, which an ELF header does not always tell."""
        cpus = cpus_of(machine)
        apk = self._cpu_of_apk()
        found = f"linux-{cpus[0].name}" if len(cpus) == 1 else None
        if apk is not None and apk in cpus:
            found = f"linux-{apk.name}"
        if details is not None:
            found = details.platform
        platform = found_or_given(None, "platform", found, self.given)
        if platform is None:
            names = " or ".join(f"linux-{cpu.name}" for cpu in cpus) or "linux- and what 'uname -m' says"
            raise InvalidTarget(
                None,
                f"does not tell the platform of its machine, {machine}",
                f"give it with --target-fact platform=: {names}",
            )
        if not may_be_on(platform, machine):
            raise InvalidTarget(
                None, f"contradicts itself: its platform is {platform}, and its machine {machine}"
            )
        return platform

    def _cpu_of_apk(self) -> Cpu | None:
        """The CPU that Alpine's package manager installs for."""
        path = "/etc/apk/arch"
        content = self.files.read(path, 64) if self.files.holds(path) else None
        return None if content is None else cpu_of_apk(content.decode("ascii", "replace"))

    def _environment(self) -> str:
        if self.python.environment is not None:
            return "virtual environment"
        return "conda" if self.files.is_directory(f"{self.python.prefix}/conda-meta") else "system"

    def _marker(self) -> str | None:
        """The marker of :pep:`668`, which says nothing about virtual environments."""
        path = f"{self.python.library}/EXTERNALLY-MANAGED"
        return path if self.python.environment is None and self.files.is_file(path) else None

    def _source(self, details: BuildDetails | None, names: Names, linked: Linked) -> Source:
        kind = "root" if details is None else "build-details"
        version = (
            "" if linked.libc_version is None else f", {linked.libc} {linked.libc_version} by its loader"
        )
        by_name = ", ".join(name for name in FACTS if name in self.given and name != "prefix")
        said = f", {by_name} as given" if by_name else ""
        return Source(
            kind,
            f"the files of Python {self.python.label} below {self.files.tree.directory}: names by"
            f" {names.origin}, machine and libc by {linked.origin}{version}{said}",
        )
