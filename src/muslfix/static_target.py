"""A target read from its files, where it cannot be run: a root file system, or the prefix of a Python.

Nothing in the tree is believed more than it shows. The suffixes and the version are compiled into the interpreter; its ELF
file names machine and loader; the loader holds the version of its libc. What the files do not show is asked for by name, and
pieces that contradict each other are refused.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from muslfix.build_details import BUILD_DETAILS, MAX_SIZE, BuildDetails, parse_build_details
from muslfix.cpus import cpu_named, cpu_of_apk, cpus_of
from muslfix.cpython import FewFacts, folders_of, scheme_at, target_of
from muslfix.elf import ElfFacts, Machine, read_elf
from muslfix.elf_strings import glibc_version_in, musl_version_in, python_versions_in, suffixes_in
from muslfix.errors import InvalidElf, InvalidTarget
from muslfix.given import FACTS, check_given, found_or_given, version_of
from muslfix.rootfs import RootFiles
from muslfix.static_names import Names, NamesEvidence, decide_names
from muslfix.static_python import StaticPython, choose_python, open_tree
from muslfix.suffix import ExtensionFilename, Libc, libc_of_loader
from muslfix.target import Scheme, Source, Target

_LIBPYTHON = re.compile(r"libpython3[0-9.]*[a-z]*\.so(\.[0-9.]+)?")
_PATCHLEVEL = re.compile(
    rb'^#define\s+PY_VERSION\s+"(3\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)\+?"', re.MULTILINE
)
_MAX_TEXT = 1024 * 1024

# A 64-bit kernel tells its own CPU to 32-bit programs too.
_ALSO_RUN = {("x86_64", "386"), ("aarch64", "arm")}


def read_target_root(
    folder: str, python: str | None = None, given: Mapping[str, str] | None = None
) -> Target:
    """Read a target from a root file system or a prefix.

    :param folder: on this machine; links in it are followed inside of it only
    :param python: which one, where there are several: a version such as ``3.11``, or the path of its program as the
        target sees it, which can be that of a virtual environment
    :param given: facts that the files do not tell, by the names of :data:`muslfix.given.FACTS`
    :raises InvalidTarget: if there is no such Python, its files contradict each other, or do not tell what must be known
    :raises UsageError: if what is given is no such fact
    """
    given = given or {}
    check_given(given)
    files, found = open_tree(folder, given.get("prefix"))
    chosen = choose_python(files, found, python)
    try:
        return _Reader(files, chosen, given).target()
    except InvalidTarget as error:
        raise InvalidTarget(error.path or folder, error.reason, error.tip) from error


class _Binary(NamedTuple):
    """The interpreter or its libpython: where it is, and what its bytes show."""

    path: str
    elf: ElfFacts
    suffixes: frozenset[str]
    versions: frozenset[str]


class _Linked(NamedTuple):
    """What an interpreter is linked to: machine, libc, the libc's version and the loader, as far as they show."""

    machine: Machine
    libc: Libc
    libc_version: str | None
    loader: str | None
    origin: str


@dataclass(frozen=True)
class _Reader:
    """One reading of one Python."""

    files: RootFiles
    python: StaticPython
    given: Mapping[str, str]

    def target(self) -> Target:
        details, binaries = self._details(), list(self._binaries())
        names = decide_names(
            NamesEvidence(
                version=self.python.version,
                details=details,
                compiled=frozenset().union(*(binary.suffixes for binary in binaries)),
                dynload=tuple(self.files.names(f"{self.python.library}/lib-dynload")),
                library=tuple(self.files.names(self.python.library)),
            )
        )
        linked = self._linked(binaries)
        self._check_module(linked)
        facts = FewFacts(
            version=self._version(details, binaries, names),
            abi_flags=names.abi_flags,
            extension_suffixes=names.suffixes,
            platform=self._platform(details, linked.machine),
            libc=linked.libc,
            libc_version=found_or_given(None, "libc_version", linked.libc_version, self.given),
            machine=linked.machine,
            loader=linked.loader,
            executable=self.given.get("executable", self.python.program),
            prefix=self.python.environment or self.python.prefix,
            environment=self._environment(),
            externally_managed=self._marker(),
            source=self._source(details, names, linked),
            tree=self.files.tree,
        )
        return target_of(self._with_folders(facts))

    def _details(self) -> BuildDetails | None:
        path = f"{self.python.library}/{BUILD_DETAILS}"
        content = self.files.read(path, MAX_SIZE)
        if content is None:
            return None
        try:
            return parse_build_details(content)
        except InvalidTarget as error:
            raise InvalidTarget(self.files.locate(path), error.reason, error.tip) from error

    def _binaries(self) -> Iterator[_Binary]:
        """The program, if it is an ELF file, and the libpython that it needs; without a program any libpython."""
        program = None if self.python.program is None else self._read_binary(self.python.program)
        needed = None
        if program is not None:
            yield program
            needed = [name for name in program.elf.needed if _LIBPYTHON.fullmatch(name)]
        for folder in self._library_folders():
            for name in self.files.names(folder) if needed is None else needed:
                if needed is None and not self._is_own_library(name):
                    continue
                library = self._read_binary(f"{folder}/{name}")
                if library is not None and (program is None or library.elf.machine == program.elf.machine):
                    yield library
                    return

    def _library_folders(self) -> Iterator[str]:
        prefix = self.python.prefix.rstrip("/")
        yield from (f"{prefix}/lib", f"{prefix}/lib64", "/usr/lib", "/usr/lib64", "/lib")
        for name in self.files.names("/usr/lib"):
            if "-linux-" in name:
                yield f"/usr/lib/{name}"

    def _is_own_library(self, name: str) -> bool:
        short = re.escape("{}.{}".format(*self.python.version))
        return re.fullmatch(rf"libpython{short}[a-z]*\.so(\.[0-9.]+)?", name) is not None

    def _read_binary(self, path: str) -> _Binary | None:
        """An ELF file with its strings, or ``None`` where there is none: a wrapper, a damaged file."""
        if not self.files.holds(path) or not self.files.is_file(path):
            return None
        try:
            with self.files.open(path) as file:
                return _Binary(path, read_elf(file), suffixes_in(file), python_versions_in(file))
        except (OSError, InvalidElf):
            return None

    def _linked(self, binaries: list[_Binary]) -> _Linked:
        """Machine, libc and loader, by the program; by libpython where the program is none."""
        for binary in binaries:
            loader = binary.elf.interpreter
            if loader is not None and binary.path == self.python.program:
                libc = libc_of_loader(loader)
                if libc is None:
                    raise InvalidTarget(
                        self.files.locate(binary.path),
                        f"has the loader {loader}, which is neither musl's nor glibc's",
                    )
                version = self._libc_version(libc, loader)
                return _Linked(binary.elf.machine, libc, version, loader, f"PT_INTERP of {binary.path}")
            if loader is None and binary.path == self.python.program and not binary.elf.needed:
                raise InvalidTarget(
                    self.files.locate(binary.path), "is linked statically, so it can load no extension module"
                )
            if len(binary.elf.libcs) == 1:
                (libc,) = binary.elf.libcs
                return _Linked(binary.elf.machine, libc, None, None, f"what {binary.path} needs")
        where = self.python.program or f"the program of Python {self.python.label}"
        raise InvalidTarget(
            None,
            f"does not tell machine and libc: {where} is no ELF file that can be read, and there is no libpython",
            "name the program with --target-python, or give --target-file",
        )

    def _libc_version(self, libc: Libc, loader: str) -> str | None:
        """The version in the loader that the tree holds, of glibc also in the libc beside it."""
        try:
            real = self.files.seen(loader)
            if libc is Libc.MUSL:
                with self.files.open(real) as file:
                    return musl_version_in(file)
            for path in (real, os.path.join(os.path.dirname(real), "libc.so.6")):
                with self.files.open(path) as file:
                    version = glibc_version_in(file)
                if version is not None:
                    return version
        except (OSError, InvalidTarget):  # it is not in the tree
            return None
        return None

    def _check_module(self, linked: _Linked) -> None:
        """Compare the interpreter with one of the modules that it was built with."""
        folder = f"{self.python.library}/lib-dynload"
        for name in self.files.names(folder):
            parsed = ExtensionFilename.parse(name)
            if parsed is None or not parsed.abi.startswith("cpython-"):
                continue
            try:
                with self.files.open(f"{folder}/{name}") as file:
                    elf = read_elf(file)
            except (OSError, InvalidElf):
                continue
            if elf.machine != linked.machine or not elf.libcs <= {linked.libc}:
                libcs = " and ".join(sorted(elf.libcs)) or "no libc"
                raise InvalidTarget(
                    None,
                    f"contradicts itself: the interpreter is for {linked.machine} and {linked.libc}, and its module {name}"
                    f" for {elf.machine} and {libcs}",
                    "see which of the two was copied from elsewhere",
                )
            return

    def _version(self, details: BuildDetails | None, binaries: list[_Binary], names: Names) -> str:
        """The version in full, or its first two parts where the files do not show more."""
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
        apk = (
            cpu_of_apk((self.files.read("/etc/apk/arch", 64) or b"").decode("ascii", "replace"))
            if (self.files.holds("/etc/apk/arch"))
            else None
        )
        found = f"linux-{cpus[0].name}" if len(cpus) == 1 else None
        if apk in cpus and apk is not None:
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
        named = cpu_named(platform.partition("-")[2])
        if named is not None and named.machine != machine:
            if (named.machine.name, machine.name) not in _ALSO_RUN:
                raise InvalidTarget(
                    None, f"contradicts itself: its platform is {platform}, and its machine {machine}"
                )
        return platform

    def _environment(self) -> str:
        if self.python.environment is not None:
            return "virtual environment"
        return "conda" if self.files.is_folder(f"{self.python.prefix}/conda-meta") else "system"

    def _marker(self) -> str | None:
        """The marker of :pep:`668`, which says nothing about virtual environments."""
        path = f"{self.python.library}/EXTERNALLY-MANAGED"
        return path if self.python.environment is None and self.files.is_file(path) else None

    def _with_folders(self, facts: FewFacts) -> FewFacts:
        """The folders, which Debian and Fedora have changed for what is installed into ``/usr``."""
        version, flags, platlibdir = self.python.version, facts.abi_flags, self.python.platlibdir
        usual = folders_of(version, flags, platlibdir=platlibdir)
        if self.python.environment is not None:
            headers = "include/site/python{}.{}".format(*version)
            usual = folders_of(version, flags, platlibdir=platlibdir, headers=headers)
        scheme = scheme_at(facts.prefix or "/", usual)
        patched = self._patched() if facts.prefix == "/usr" else None
        if patched is not None:
            modules = "dist-packages" if patched == "debian" else "site-packages"
            local = folders_of(version, flags, platlibdir=platlibdir, modules=modules)
            scheme = self._with_headers(scheme_at("/usr/local", local), usual)
        return replace(facts, scheme=scheme, prefix_scheme=usual)

    def _with_headers(self, scheme: Scheme, usual: Scheme) -> Scheme:
        """From 3.10 on the headers stay in ``/usr``."""
        return replace(scheme, headers=f"/usr/{usual.headers}") if self.python.version >= (3, 10) else scheme

    def _patched(self) -> str | None:
        """Whose patch is in the modules that choose the folders: names of schemes that upstream does not have.

        Sources: debian/patches/sysconfig-debian-schemes.diff, and patch 251 of Fedora's python3.
        """
        library = self.python.library
        for name in ("sysconfig.py", "sysconfig/__init__.py", "distutils/command/install.py"):
            text = self.files.read(f"{library}/{name}", _MAX_TEXT) or b""
            if b"deb_system" in text:
                return "debian"
            if b"rpm_prefix" in text:
                return "fedora"
        return None

    def _source(self, details: BuildDetails | None, names: Names, linked: _Linked) -> Source:
        kind = "root" if details is None else "build-details"
        version = (
            "" if linked.libc_version is None else f", {linked.libc} {linked.libc_version} by its loader"
        )
        by_name = ", ".join(name for name in FACTS if name in self.given and name != "prefix")
        said = f", {by_name} as given" if by_name else ""
        return Source(
            kind,
            f"the files of Python {self.python.label} below {self.files.tree.folder}: names by {names.origin},"
            f" machine and libc by {linked.origin}{version}{said}",
        )
