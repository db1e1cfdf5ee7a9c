"""The Pythons in a tree that cannot run: where they are, which one is meant, and where its modules go."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from muslfix.errors import InvalidTarget
from muslfix.targets.build_details import BUILD_DETAILS
from muslfix.targets.cpython import directories_of, scheme_at
from muslfix.targets.root_files import RootFiles
from muslfix.targets.target import OLDEST, OLDEST_VERSION, Scheme, TargetTree

_LIBRARY = re.compile(r"python3\.(?P<minor>[0-9]{1,3})(?P<threads>t?)", re.ASCII)
_PROGRAM = re.compile(r"python3\.(?P<minor>[0-9]{1,3})(?P<flags>[a-z]*)", re.ASCII)
_WANTED_VERSION = re.compile(r"3\.[0-9]{1,3}t?", re.ASCII)

# More directories below /opt than any image has Pythons in.
_MAX_DIRECTORIES = 200

# More than any module of the standard library that chooses them has, in bytes.
_MAX_SOURCE = 1024 * 1024

_WHICH_TIP = "say which with --target-python: its version, or the path of its program as the target sees it"


@dataclass(frozen=True)
class StaticPython:
    """A Python in a tree; all paths are as the target sees them.

    :param prefix: that of the installation
    :param version: major and minor
    :param threads: ``t`` where the directory says that it is free-threaded, else empty
    :param library: the directory of its standard library
    :param platlibdir: ``lib`` or ``lib64``: where that is below the prefix
    :param program: what scripts call, or ``None`` where there is no program
    :param environment: prefix of the virtual environment that is meant, or ``None``
    """

    prefix: str
    version: tuple[int, int]
    threads: str
    library: str
    platlibdir: str
    program: str | None = None
    environment: str | None = None

    @property
    def label(self) -> str:
        """Version and place, for a person."""
        return f"{self.short} in {self.prefix}"

    @property
    def short(self) -> str:
        """``3.11``, or ``3.13t``."""
        return "{}.{}".format(*self.version) + self.threads


def open_tree(directory: str, prefix: str | None) -> tuple[RootFiles, tuple[StaticPython, ...]]:
    """The files below a directory, which is a root file system or else a prefix, and the Pythons in it.

    :param directory: on this machine
    :param prefix: the one that is meant, as the target sees it, or ``None``
    :raises InvalidTarget: if there is no such directory
    """
    files = RootFiles(TargetTree(os.path.abspath(directory)))
    found = _pythons_in(files, _usual_prefixes(files) if prefix is None else [prefix])
    if found:
        return files, found
    # A prefix lies where the target sees it, unless the caller says that it will be moved.
    below = RootFiles(TargetTree(os.path.abspath(directory), prefix or os.path.abspath(directory)))
    found = _pythons_in(below, [below.tree.seen])
    return (below, found) if found else (files, ())


def choose_in_root(files: RootFiles, found: tuple[StaticPython, ...], wanted: str | None) -> StaticPython:
    """The Python that is meant.

    :param found: those in the usual places
    :param wanted: a version or the path of a program, or ``None`` where there is but one
    :raises InvalidTarget: if there is none, or more than one
    """
    directory = files.tree.directory
    if wanted is not None and wanted.startswith("/"):
        return _python_of(files, wanted)
    if wanted is not None and _WANTED_VERSION.fullmatch(wanted) is None:
        raise InvalidTarget(
            wanted, "is neither a version such as 3.11 nor the path of a program in the tree", _WHICH_TIP
        )
    fitting = [python for python in found if wanted in (None, python.short)]
    if len(fitting) == 1:
        return _served(directory, fitting[0])
    if fitting:
        there = ", ".join(python.label for python in fitting)
        raise InvalidTarget(directory, f"holds {len(fitting)} Pythons: {there}", _WHICH_TIP)
    if files.is_file(os.path.join(files.tree.seen, "pyvenv.cfg")):
        raise InvalidTarget(
            directory,
            "is a virtual environment, and the Python that it belongs to is elsewhere",
            "name the root file system with --target-root and the environment's program with --target-python",
        )
    there = f" {wanted}; it has {', '.join(python.label for python in found)}" if found else ""
    raise InvalidTarget(
        directory,
        f"holds no Python{there or (f' {wanted}' if wanted else '')}",
        "name a root file system or a prefix, or the program in it with --target-python",
    )


def _served(directory: str, python: StaticPython) -> StaticPython:
    if python.version < OLDEST_VERSION:
        raise InvalidTarget(directory, f"holds Python {python.short}; {OLDEST}")
    return python


def _usual_prefixes(files: RootFiles) -> Iterator[str]:
    yield "/usr/local"
    yield "/usr"
    yield "/opt"
    names = [f"/opt/{name}" for name in files.names("/opt")]
    below = [f"{directory}/{name}" for directory in names for name in files.names(directory)]
    yield from (names + below)[:_MAX_DIRECTORIES]


def _pythons_in(files: RootFiles, prefixes: Iterable[str]) -> tuple[StaticPython, ...]:
    """The Pythons at some prefixes, each once though links can give it several paths."""
    found: dict[str, StaticPython] = {}
    for prefix in prefixes:
        for python in _pythons_at(files, prefix):
            found.setdefault(files.resolve(python.library), python)
    return tuple(found.values())


def _pythons_at(files: RootFiles, prefix: str) -> list[StaticPython]:
    found: list[StaticPython] = []
    for platlibdir in ("lib", "lib64"):
        for name in files.names(f"{prefix}/{platlibdir}"):
            match = _LIBRARY.fullmatch(name)
            library = f"{prefix.rstrip('/')}/{platlibdir}/{name}"
            if match is None or not _is_library(files, library):
                continue
            version = (3, int(match["minor"]))
            found.append(StaticPython(prefix, version, match["threads"], library, platlibdir))
    return [replace(python, program=_program_of(files, python, alone=len(found) == 1)) for python in found]


def _is_library(files: RootFiles, directory: str) -> bool:
    """Whether a directory is that of a standard library; one with ``site-packages`` alone is not."""
    names = files.names(directory)
    known = ("lib-dynload", "os.py", "os.pyc", BUILD_DETAILS)
    return any(name in known or name.startswith("_sysconfigdata_") for name in names)


def _program_of(files: RootFiles, python: StaticPython, *, alone: bool) -> str | None:
    """The path of the program; a name that does not say which Python it is, is that of the only one."""
    directory, short = f"{python.prefix.rstrip('/')}/bin", "python{}.{}".format(*python.version)
    names = [
        name
        for name in sorted(
            files.names(directory), key=lambda name: (short + python.threads not in name, len(name))
        )
        if name.startswith(short)
        and (python.version, python.threads) in _versions_of(files, f"{directory}/{name}")
    ]
    names += [short, "python3", "python"] if alone else []
    return next((f"{directory}/{name}" for name in names if files.is_file(f"{directory}/{name}")), None)


def _versions_of(files: RootFiles, program: str) -> set[tuple[tuple[int, int], str]]:
    """What the names of a program say: its version, and ``t`` where it is free-threaded.

    A file can have several: ``make install`` of a free-threaded build makes ``python3.13`` a hard link of
    ``python3.13t``.
    """
    directory, itself = os.path.split(program)
    found = set()
    for name in files.names(directory):
        match = _PROGRAM.fullmatch(name)
        if match and (name == itself or files.is_one_file(program, f"{directory}/{name}")):
            found.add(((3, int(match["minor"])), "t" if "t" in match["flags"] else ""))
    return {one for one in found if one[1]} or found


def _python_of(files: RootFiles, program: str) -> StaticPython:
    """The Python of a program that was named, which can be that of a virtual environment."""
    if not files.is_file(program):
        program = files.seen(program) or program
    if not files.holds(program) or not files.is_file(program):
        files.locate(program)  # says so if links are the reason
        raise InvalidTarget(program, f"is not a program in {files.tree.directory}", _WHICH_TIP)
    bin_directory, real = os.path.dirname(program), files.resolve(program)
    prefixes = [os.path.dirname(bin_directory), os.path.dirname(os.path.dirname(real))]
    environment = None
    config = _environment_config(files, bin_directory)
    if config is not None:
        environment = os.path.dirname(bin_directory)
        prefixes = [os.path.dirname(os.path.dirname(real)), *_home_prefix(config)]
    found = _pythons_in(files, prefixes)
    found = _those_of(found, _versions_of(files, real))
    if len(found) != 1:
        several = ", ".join(python.label for python in found)
        reason = f"can be that of several Pythons: {several}" if found else "belongs to no Python in the tree"
        raise InvalidTarget(program, reason, "name the program whose name has the version")
    python = replace(found[0], program=program, environment=environment)
    return _served(files.tree.directory, python)


def _those_of(
    found: tuple[StaticPython, ...], versions: Collection[tuple[tuple[int, int], str]]
) -> tuple[StaticPython, ...]:
    """The Pythons that a program can be that of, by what its names say; those that fit exactly, if any do.

    A copy of a file has lost its other names, so ``python3.13`` can be that of a free-threaded Python.
    """
    if not versions:
        return found
    exact = tuple(python for python in found if (python.version, python.threads) in versions)
    return exact or tuple(
        python for python in found if python.version in {version for version, _ in versions}
    )


def _environment_config(files: RootFiles, bin_directory: str) -> bytes | None:
    """The ``pyvenv.cfg`` of the environment that a program is in."""
    for directory in (bin_directory, os.path.dirname(bin_directory)):
        content = files.read(f"{directory}/pyvenv.cfg", 64 * 1024)
        if content is not None:
            return content
    return None


def _home_prefix(config: bytes) -> Iterator[str]:
    """The prefix by ``home`` in a ``pyvenv.cfg``; needed for a program that was copied."""
    for line in config.split(b"\n"):
        key, _, value = line.partition(b"=")
        home = os.fsdecode(value.strip())
        if key.strip().lower() == b"home" and home.startswith("/"):
            yield os.path.dirname(home.rstrip("/"))


def read_directories(files: RootFiles, python: StaticPython, flags: str) -> tuple[Scheme, Scheme]:
    """The directories of its own environment, and those below any prefix.

    Debian and Fedora have changed the first for what is installed into ``/usr``.

    :param flags: ``sys.abiflags``
    """
    version, platlibdir, prefix = python.version, python.platlibdir, python.environment or python.prefix
    usual = directories_of(version, flags, platlibdir=platlibdir)
    if python.environment is not None:
        headers = "include/site/python{}.{}".format(*version)
        usual = directories_of(version, flags, platlibdir=platlibdir, headers=headers)
    patched = _patched(files, python) if prefix == "/usr" else None
    if patched is None:
        return scheme_at(prefix, usual), usual
    modules = "dist-packages" if patched == "debian" else "site-packages"
    local = scheme_at("/usr/local", directories_of(version, flags, platlibdir=platlibdir, modules=modules))
    # From 3.10 on the headers stay in /usr.
    return replace(local, headers=f"/usr/{usual.headers}") if version >= (3, 10) else local, usual


def _patched(files: RootFiles, python: StaticPython) -> str | None:
    """Whose patch is in the modules that choose the directories: it adds schemes of its own.

    Sources: debian/patches/sysconfig-debian-schemes.diff and distutils-install-layout.diff; patch 251 of
    Fedora.
    """
    for name in ("sysconfig.py", "sysconfig/__init__.py", "distutils/command/install.py"):
        text = files.read(f"{python.library}/{name}", _MAX_SOURCE) or b""
        if b"deb_system" in text:
            return "debian"
        if b"rpm_prefix" in text:
            return "fedora"
    return None
