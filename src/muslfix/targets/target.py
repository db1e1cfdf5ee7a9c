"""The target: the Python that will import what is installed.

A :class:`Target` is facts only. It does not matter here whether they came from a running interpreter
(:mod:`muslfix.targets.interpreter`), from a file that another machine wrote, or by hand: the planner and the
installer see no difference, so a glibc host can prepare an image for Alpine.

Sources: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/,
https://docs.python.org/3/library/importlib.html#importlib.machinery.EXTENSION_SUFFIXES
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from muslfix.elf.facts import Machine
from muslfix.suffix import ExtensionFilename, Libc

if TYPE_CHECKING:  # it takes longer than all of this module
    from packaging.tags import Tag

#: The version of the JSON form that :meth:`Target.to_json` writes.
FORMAT = 1

#: The oldest Python that is served, and what to tell an older one.
OLDEST_VERSION = (3, 6)
OLDEST = "muslfix serves CPython {}.{} and later".format(*OLDEST_VERSION)

#: What helps where a target can be asked only elsewhere.
TARGET_FILE_TIP = "write its facts where it runs, with 'muslfix interpreter --json', and give --target-file"

# See Target.usable_suffixes.
_FIRST_FREE_THREADED_STABLE_ABI = (3, 15)
_STABLE_ABI = (".abi3.", ".abi3-")

ENVIRONMENTS = ("virtual environment", "conda", "system")

# The glibc versions that have a name of their own in older tags (PEP 513, 571, 599).
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# The CPUs that manylinux is defined for, as compatibility tags spell them; 32-bit x86 and ARM are judged
# by the machine, since the tag does not tell x32 from i686, nor soft float from hard.
_MANYLINUX_CPUS = frozenset({"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"})


@dataclass(frozen=True)
class Scheme:
    """Where the parts of a wheel go; the keys of a wheel's ``.data`` directories.

    :param purelib: directory of pure modules
    :param platlib: directory of extension modules; often the same
    :param headers: directory below which each project has a directory of C headers
    :param scripts: directory of programs
    :param data: directory for all other data: the prefix of the environment

    Specification: https://docs.python.org/3/library/sysconfig.html#installation-paths
    """

    purelib: str
    platlib: str
    headers: str
    scripts: str
    data: str


class Choice(NamedTuple):
    """The Python that was chosen to work for.

    :param python: absolute path of the interpreter; it need not be there
    :param reason: why it was chosen: ``--python``, ``VIRTUAL_ENV``, ``.venv``, ...; ``None`` if the caller of
        the library named it
    :param passed_over: other environments that could have been meant: each a path, and the reason in brackets
    :param doubts: why another one may be meant, each a sentence
    """

    python: str
    reason: str | None = None
    passed_over: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where the facts of a target come from.

    :param kind: ``interpreter``, ``target-file``, ``build-details``, ``root`` or ``spec``
    :param sentence: which one, for a person: ``the interpreter /usr/bin/python3``
    :param choice: the interpreter, if it is one, and why it was chosen
    """

    kind: str
    sentence: str
    choice: Choice | None = None


class TargetTree(NamedTuple):
    """Where the files of a target that cannot run are on this machine.

    :param directory: an absolute path here
    :param seen: the path under which the target sees this directory: ``/`` for a root file system
    """

    directory: str
    seen: str = "/"


@dataclass(frozen=True)
class Target:
    """The facts of one Python that matter for importing and installing.

    :param implementation: ``sys.implementation.name``; muslfix serves ``cpython``
    :param version: ``major.minor.micro`` with any suffix: ``3.9.18``, ``3.15.0a1``
    :param abi_flags: ``sys.abiflags``: some of ``t``, ``d``, ``m``, mostly empty
    :param soabi: ``cpython-39-x86_64-linux-gnu``, or ``None`` if unknown
    :param extension_suffixes: ``EXTENSION_SUFFIXES``, in its order, each with its leading dot
    :param platform: ``sysconfig.get_platform()``: ``linux-x86_64``
    :param libc: the libc that the interpreter is linked to
    :param libc_version: ``1.2.5``; ``None`` if unknown
    :param machine: the machine of the interpreter's ELF file
    :param loader: path of its dynamic loader (``PT_INTERP``), or ``None``
    :param executable: path by which scripts call the interpreter, or ``None``
    :param prefix: ``sys.prefix``, or ``None`` if unknown
    :param scheme: paths of its own environment, or ``None`` if unknown
    :param prefix_scheme: the same for another prefix, each path relative to it
    :param environment: ``virtual environment``, ``conda`` or ``system``
    :param externally_managed: path of the :pep:`668` marker, or ``None``
    :param markers: the environment of :pep:`508` markers, as sorted pairs
    :param program: path of the interpreter's ELF file, links resolved; ``None`` if unknown
    :param symbols: what the interpreter's process and its libc export, by the name of the file, as
        :meth:`muslfix.elf.symbols.Exports.to_texts` writes it; usually empty, since the files have it
    :param user_site: the user's own site directory, if it imports from it; ``None`` if not, or if unknown
    :param runs_here: whether ``executable`` can be started on this machine; not part of the JSON form
    :param source: where the facts come from; not part of the JSON form
    :param tree: where its files are on this machine, if it was read from them; not part of the JSON form
    """

    implementation: str
    version: str
    abi_flags: str
    soabi: str | None
    extension_suffixes: tuple[str, ...]
    platform: str
    libc: Libc
    libc_version: str | None
    machine: Machine
    loader: str | None
    executable: str | None
    prefix: str | None
    scheme: Scheme | None
    prefix_scheme: Scheme
    environment: str
    externally_managed: str | None
    markers: tuple[tuple[str, str], ...]
    program: str | None = None
    symbols: tuple[tuple[str, tuple[str, ...]], ...] = ()
    user_site: str | None = None
    runs_here: bool = field(default=False, compare=False)
    source: Source | None = field(default=None, compare=False)
    tree: TargetTree | None = field(default=None, compare=False)

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version: ``(3, 9)``."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def usable_suffixes(self) -> tuple[str, ...]:
        """The extension suffixes under which it can load a module that was built for them.

        Free-threaded CPython 3.13 and 3.14 list ``.abi3.so`` and cannot use it: the import ends in a
        SystemError (https://github.com/python/cpython/issues/120901). Their stable ABI, ``abi3t``, begins
        with 3.15.
        """
        if "t" not in self.abi_flags or self.version_info >= _FIRST_FREE_THREADED_STABLE_ABI:
            return self.extension_suffixes
        return tuple(suffix for suffix in self.extension_suffixes if not suffix.startswith(_STABLE_ABI))

    @property
    def kind(self) -> str:
        """What it is, for a person: ``CPython 3.11.2``, ``free-threaded CPython 3.13.5``."""
        flags = {"t": "free-threaded", "d": "debug"}
        words = [word for flag, word in flags.items() if flag in self.abi_flags]
        return " ".join([*words, "CPython", self.version])

    def how_to_give(self, fact: str, example: str) -> str:
        """How to say a fact that is not known: only some sources leave room for it.

        :param fact: its name
        :param example: a value
        """
        kind = "target-file" if self.source is None else self.source.kind
        if kind == "interpreter":
            return (
                f"write its facts with 'muslfix interpreter --json', set {fact} in them, such as {example},"
                " and give --target-file"
            )
        if kind == "target-file":
            return f"set {fact} in the target file, such as {example}"
        return f"add --target-fact {fact}={example}, for example"

    def suffix_for(self, abi: str) -> str | None:
        """The first suffix with this ABI part among those that the target can use.

        :param abi: ``cpython-39``, ``abi3``, or empty for the bare ``.so``
        :return: with its leading dot, or ``None`` where the target imports no such ABI part
        """
        for suffix in self.usable_suffixes:
            name = ExtensionFilename.of_suffix(suffix)
            if name is not None and name.abi == abi:
                return suffix
        return None

    def tags(self) -> list[Tag]:
        """The compatibility tags of wheels that fit the target, best first."""
        from packaging import tags

        version, platforms = self.version_info, list(self._platform_tags())
        interpreter = "cp{}{}".format(*version)
        abis = [interpreter + self.abi_flags]
        if "d" in self.abi_flags and version >= (3, 8):  # a debug build loads normal modules too
            abis.append(interpreter + self.abi_flags.replace("d", ""))
        own = list(tags.cpython_tags(version, abis, platforms))
        if "t" in self.abi_flags:  # packaging before 26.1 knows no abi3t: https://peps.python.org/pep-0803/
            minors = range(version[1], _FIRST_FREE_THREADED_STABLE_ABI[1] - 1, -1)
            own += [tags.Tag(f"cp3{minor}", "abi3t", name) for minor in minors for name in platforms]
        return list(dict.fromkeys([*own, *tags.compatible_tags(version, interpreter, platforms)]))

    def pure_tags(self) -> list[Tag]:
        """Those of the tags that name no platform, quicker than all."""
        from packaging import tags

        return list(tags.compatible_tags(self.version_info, "cp{}{}".format(*self.version_info), ["any"]))

    def _platform_tags(self) -> Iterator[str]:
        platform = self.platform.replace("-", "_").replace(".", "_")
        if self.machine.bits == 32:  # a 32-bit Python under a 64-bit kernel
            aliases = {"linux_x86_64": "linux_i686", "linux_aarch64": "linux_armv8l"}
            platform = aliases.get(platform, platform)
        cpu = platform[len("linux_") :]
        cpus = ["armv8l", "armv7l"] if cpu == "armv8l" else [cpu]
        for cpu in cpus:  # the order of packaging 26.3: what was built here comes first
            yield f"linux_{cpu}"
        for cpu in cpus:
            yield from self._libc_tags(cpu)

    def _libc_tags(self, cpu: str) -> Iterator[str]:
        """``musllinux_*`` (PEP 656) or ``manylinux_*`` (PEP 600) tags, newest libc first."""
        if self.libc_version is None:
            return
        major, minor = (int(part) for part in self.libc_version.split(".")[:2])
        if self.libc is Libc.MUSL:
            yield from (f"musllinux_{major}_{m}_{cpu}" for m in range(minor, -1, -1))
            return
        if not self._is_manylinux(cpu):
            return
        for m in range(minor, 4 if cpu in ("x86_64", "i686") else 16, -1):
            yield f"manylinux_{major}_{m}_{cpu}"
            if m in _LEGACY_MANYLINUX:
                yield f"{_LEGACY_MANYLINUX[m]}_{cpu}"

    def _is_manylinux(self, cpu: str) -> bool:
        """Whether manylinux tags are defined for the machine; ``armv8l`` is an ARM in 32-bit mode."""
        if cpu in ("armv7l", "armv8l"):
            return (self.machine.name, self.machine.convention) == ("arm", "hard-float")
        if cpu == "i686":
            return self.machine.name == "386"
        return cpu in _MANYLINUX_CPUS

    def to_json(self) -> str:
        """The target as JSON text, for ``--target-file``."""
        facts = asdict(self)
        for name in ("runs_here", "source", "tree"):
            del facts[name]
        facts["markers"] = dict(self.markers)
        facts["symbols"] = dict(self.symbols)
        for name in ("program", "symbols", "user_site"):  # which older target files do not have
            if not facts[name]:
                del facts[name]
        return json.dumps({"format": FORMAT, **facts}, indent=2) + "\n"
