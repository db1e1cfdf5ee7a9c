"""The binaries of a Python in a tree that cannot run: program, libpython, loader, one of its modules.

CPython's list of suffixes is a table of C strings (``_PyImport_DynLoadFiletab``), and so are its version and
musl's. They are in the bytes of the file, each between two NULs; a running Python prints the same ones. Only
a file that is known for what it is may be searched: in any other, such a string means nothing.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from muslfix.elf.facts import ElfFacts, Machine, read_elf
from muslfix.errors import InvalidElf, InvalidTarget
from muslfix.suffix import ExtensionFilename, Libc, libc_of_loader
from muslfix.targets.root_files import RootFiles
from muslfix.targets.root_pythons import StaticPython

_LIBPYTHON = re.compile(r"libpython3[0-9.]*[a-z]*\.so(\.[0-9.]+)?")

_CHUNK = 1024 * 1024
# Longer than any of the strings: what one chunk cuts through, the next one has whole.
_OVERLAP = 512

_SUFFIX = re.compile(rb"(?<=\0)\.(?:cpython-3[\w-]+|abi3t?(?:-[\w-]+)?)\.so(?=\0)")
_PYTHON_VERSION = re.compile(rb"(?<=\0)3\.[0-9]{1,3}\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?(?=\+?\0)")
_MUSL_NAME = re.compile(rb"(?<=\0)musl libc \(")
_MUSL_VERSION = re.compile(rb"(?<=\0)1\.[0-9]{1,3}\.[0-9]{1,3}(?=(?:-git-[\w-]+)?\0)")
_GLIBC_VERSION = re.compile(rb"(?:GNU C Library|ld\.so) \([^\0\n]{0,200}\) [a-z ]*version ([0-9]+\.[0-9]+)")


class Binary(NamedTuple):
    """The interpreter or its libpython.

    :param path: as the target sees it
    :param elf: what its headers show
    :param suffixes: those compiled in
    :param versions: what looks like the version of a Python in it
    """

    path: str
    elf: ElfFacts
    suffixes: frozenset[str]
    versions: frozenset[str]


class Linked(NamedTuple):
    """What an interpreter is linked to, as far as the files show.

    :param machine: of its ELF file
    :param libc: by its loader, else by what it needs
    :param libc_version: as in the loader, or ``None``
    :param loader: ``PT_INTERP``, or ``None``
    :param origin: the evidence that decided, in words
    """

    machine: Machine
    libc: Libc
    libc_version: str | None
    loader: str | None
    origin: str


def read_binaries(files: RootFiles, python: StaticPython) -> Iterator[Binary]:
    """The program, if it is an ELF file, and the libpython that it needs; without a program any libpython."""
    program = None if python.program is None else _read_binary(files, python.program)
    needed = None
    if program is not None:
        yield program
        needed = [name for name in program.elf.needed if _LIBPYTHON.fullmatch(name)]
    for directory in _library_directories(files, python):
        for name in files.names(directory) if needed is None else needed:
            if needed is None and not _is_own_library(python, name):
                continue
            library = _read_binary(files, f"{directory}/{name}")
            if library is not None and (program is None or library.elf.machine == program.elf.machine):
                yield library
                return


def _library_directories(files: RootFiles, python: StaticPython) -> Iterator[str]:
    prefix = python.prefix.rstrip("/")
    yield from (f"{prefix}/lib", f"{prefix}/lib64", "/usr/lib", "/usr/lib64", "/lib")
    for name in files.names("/usr/lib"):
        if "-linux-" in name:
            yield f"/usr/lib/{name}"


def _is_own_library(python: StaticPython, name: str) -> bool:
    short = re.escape("{}.{}".format(*python.version))
    return re.fullmatch(rf"libpython{short}[a-z]*\.so(\.[0-9.]+)?", name) is not None


def _read_binary(files: RootFiles, path: str) -> Binary | None:
    """An ELF file with its strings, or ``None`` where there is none: a wrapper, a damaged file."""
    if not files.holds(path) or not files.is_file(path):
        return None
    try:
        with files.open(path) as file:
            return Binary(path, read_elf(file), suffixes_in(file), python_versions_in(file))
    except (OSError, InvalidElf):
        return None


def read_linked(files: RootFiles, python: StaticPython, binaries: list[Binary]) -> Linked:
    """Machine, libc and loader, by the program; by libpython if the program is not an ELF file."""
    for binary in binaries:
        loader = binary.elf.interpreter
        if loader is not None and binary.path == python.program:
            libc = libc_of_loader(loader)
            if libc is None:
                raise InvalidTarget(
                    files.locate(binary.path),
                    f"has the loader {loader}, which is neither musl's nor glibc's",
                )
            version = _libc_version(files, libc, loader)
            return Linked(binary.elf.machine, libc, version, loader, f"PT_INTERP of {binary.path}")
        if loader is None and binary.path == python.program and not binary.elf.needed:
            raise InvalidTarget(
                files.locate(binary.path), "is linked statically, so it can load no extension module"
            )
        if len(binary.elf.libcs) == 1:
            (libc,) = binary.elf.libcs
            return Linked(binary.elf.machine, libc, None, None, f"what {binary.path} needs")
    where = python.program or f"the program of Python {python.label}"
    raise InvalidTarget(
        None,
        f"does not tell machine and libc: {where} is not a readable ELF file, and there is no libpython",
        "name the program with --target-python, or give --target-file",
    )


def _libc_version(files: RootFiles, libc: Libc, loader: str) -> str | None:
    """The version in the loader that the tree holds, of glibc also in the libc beside it."""
    try:
        real = files.resolve(loader)
        if libc is Libc.MUSL:
            with files.open(real) as file:
                return musl_version_in(file)
        for path in (real, os.path.join(os.path.dirname(real), "libc.so.6")):
            with files.open(path) as file:
                version = glibc_version_in(file)
            if version is not None:
                return version
    except (OSError, InvalidTarget):  # it is not in the tree
        return None
    return None


def check_module(files: RootFiles, python: StaticPython, linked: Linked) -> None:
    """Compare the interpreter with one of the modules that it was built with."""
    directory = f"{python.library}/lib-dynload"
    for name in files.names(directory):
        parsed = ExtensionFilename.parse(name)
        if parsed is None or not parsed.abi.startswith("cpython-"):
            continue
        try:
            with files.open(f"{directory}/{name}") as file:
                elf = read_elf(file)
        except (OSError, InvalidElf):
            continue
        if elf.machine != linked.machine or not elf.libcs <= {linked.libc}:
            libcs = " and ".join(sorted(elf.libcs)) or "no libc"
            raise InvalidTarget(
                None,
                f"contradicts itself: the interpreter is for {linked.machine} and {linked.libc}, and its"
                f" module {name} for {elf.machine} and {libcs}",
                "see which of the two was copied from elsewhere",
            )
        return


def suffixes_in(stream: BinaryIO) -> frozenset[str]:
    """The suffixes that an interpreter has compiled in, but for the bare ``.so``, in no order."""
    found = {match[0].decode() for match in _find(stream, _SUFFIX)}
    return frozenset(suffix for suffix in found if ExtensionFilename.of_suffix(suffix) is not None)


def python_versions_in(stream: BinaryIO) -> frozenset[str]:
    """What looks like a full version of Python; what else is linked in can have such strings too."""
    return frozenset(match[0].decode() for match in _find(stream, _PYTHON_VERSION))


def musl_version_in(stream: BinaryIO) -> str | None:
    """The version of musl, from its loader; ``None`` where that is no musl, or it is not sure."""
    if next(_find(stream, _MUSL_NAME), None) is None:
        return None
    found = {match[0].decode() for match in _find(stream, _MUSL_VERSION)}
    return found.pop() if len(found) == 1 else None


def glibc_version_in(stream: BinaryIO) -> str | None:
    """The version of glibc, from its loader (2.33 and later) or its libc; ``None`` where it is not sure."""
    found = {match[1].decode() for match in _find(stream, _GLIBC_VERSION)}
    return found.pop() if len(found) == 1 else None


def _find(stream: BinaryIO, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """The matches in a file of any size; those at a border are found twice."""
    stream.seek(0)
    kept = b""
    while chunk := stream.read(_CHUNK):
        yield from pattern.finditer(kept + chunk)
        kept = (kept + chunk)[-_OVERLAP:]
