"""The target: the Python that will import what is installed.

A :class:`Target` is facts only. It does not matter here whether they came from a running interpreter
(:mod:`muslfix.interpreter`), from a file that another machine wrote, or by hand: the planner and the
installer see no difference, so a glibc host can prepare an image for Alpine.

Sources: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/,
https://docs.python.org/3/library/importlib.html#importlib.machinery.EXTENSION_SUFFIXES
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from muslfix.elf import Machine
from muslfix.errors import InvalidTarget
from muslfix.suffix import ExtensionFilename, Libc

if TYPE_CHECKING:
    from packaging.tags import Tag

#: The version of the JSON form that :meth:`Target.to_json` writes.
FORMAT = 1

OLDEST_VERSION = (3, 6)

ENVIRONMENTS = ("virtual environment", "conda", "system")

# The names of https://packaging.python.org/en/latest/specifications/dependency-specifiers/. All must be
# there: packaging takes a missing one from the Python that runs muslfix.
_MARKERS = (
    "implementation_name", "implementation_version", "os_name", "platform_machine", "platform_release",
    "platform_python_implementation", "platform_system", "platform_version", "python_full_version",
    "python_version", "sys_platform",
)  # fmt: skip

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9a-z]+)?")

# The glibc versions that have a name of their own in older tags (PEP 513, 571, 599).
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# The CPUs that manylinux is defined for, as compatibility tags spell them; 32-bit x86 and ARM are judged
# by the machine, since the tag does not tell x32 from i686, nor soft float from hard.
_MANYLINUX_CPUS = frozenset({"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"})


@dataclass(frozen=True)
class Scheme:
    """Where the parts of a wheel go; the keys of a wheel's ``.data`` folders.

    :param purelib: folder of pure modules
    :param platlib: folder of extension modules; often the same
    :param headers: folder below which each project has a folder of C headers
    :param scripts: folder of programs
    :param data: folder for all other data: the prefix of the environment

    Specification: https://docs.python.org/3/library/sysconfig.html#installation-paths
    """

    purelib: str
    platlib: str
    headers: str
    scripts: str
    data: str


@dataclass(frozen=True)
class Target:
    """Facts of one Python, as far as importing and installing go.

    :param implementation: ``sys.implementation.name``; muslfix serves ``cpython``
    :param version: ``major.minor.micro`` with any suffix: ``3.9.18``, ``3.15.0a1``
    :param abi_flags: ``sys.abiflags``: some of ``t``, ``d``, ``m``, mostly empty
    :param soabi: ``cpython-39-x86_64-linux-gnu``, or ``None`` where it is not known
    :param extension_suffixes: ``EXTENSION_SUFFIXES``, in its order, each with its leading dot
    :param platform: ``sysconfig.get_platform()``: ``linux-x86_64``
    :param libc: the libc that the interpreter is linked to
    :param libc_version: ``1.2.5``; ``None`` where it is not known
    :param machine: the machine of the interpreter's ELF file
    :param loader: path of its dynamic loader (``PT_INTERP``), or ``None``
    :param executable: path by which scripts call the interpreter, or ``None``
    :param prefix: ``sys.prefix``
    :param scheme: paths of its own environment
    :param prefix_scheme: the same for another prefix, each path relative to it
    :param environment: ``virtual environment``, ``conda`` or ``system``
    :param externally_managed: path of the :pep:`668` marker, or ``None``
    :param markers: the environment of :pep:`508` markers, as sorted pairs
    :param runs_here: whether ``executable`` can be started on this machine; not part of the JSON form
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
    prefix: str
    scheme: Scheme
    prefix_scheme: Scheme
    environment: str
    externally_managed: str | None
    markers: tuple[tuple[str, str], ...]
    runs_here: bool = field(default=False, compare=False)

    @property
    def version_info(self) -> tuple[int, int]:
        """Major and minor version: ``(3, 9)``."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    def suffix_for(self, abi: str) -> str | None:
        """The first suffix with this ABI part among those that the target imports.

        :param abi: ``cpython-39``, ``abi3``, or empty for the bare ``.so``
        :return: with its leading dot, or ``None`` where the target imports no such ABI part
        """
        for suffix in self.extension_suffixes:
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
        return [
            *tags.cpython_tags(version, abis, platforms),
            *tags.compatible_tags(version, interpreter, platforms),
        ]

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
        """The target as JSON text, for ``--target-file``; :meth:`from_json` reads it back."""
        facts = asdict(self)
        del facts["runs_here"]
        facts["markers"] = dict(self.markers)
        return json.dumps({"format": FORMAT, **facts}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Target:
        """Read and check what :meth:`to_json` wrote, or a person by hand.

        :raises InvalidTarget: if it is no JSON, of another format, or a fact is missing, of the wrong kind
            or contradicts another; the reason names the value
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidTarget(None, f"is no JSON ({error})") from error
        return target_from_facts(data)


def target_from_facts(data: object) -> Target:
    """Make a target from untrusted data of the shape that :meth:`Target.to_json` writes.

    :param data: what a JSON parser returned
    :raises InvalidTarget: as :meth:`Target.from_json`
    """
    facts = _Facts(data, "")
    if facts.value("format", int) != FORMAT:
        raise InvalidTarget(
            None,
            f"has format {data['format']}, and this muslfix reads format {FORMAT}",  # type: ignore[index]
            tip="write it again with 'muslfix interpreter --json' of this version",
        )
    machine, markers = facts.facts("machine"), facts.facts("markers")
    target = Target(
        implementation=facts.text("implementation"),
        version=facts.text("version"),
        abi_flags=facts.text("abi_flags"),
        soabi=facts.text_or_none("soabi"),
        extension_suffixes=facts.texts("extension_suffixes"),
        platform=facts.text("platform"),
        libc=facts.libc("libc"),
        libc_version=facts.text_or_none("libc_version"),
        machine=Machine(
            name=machine.text("name"),
            bits=machine.value("bits", int),
            byte_order=machine.text("byte_order"),
            convention=machine.text("convention"),
        ),
        loader=facts.text_or_none("loader"),
        executable=facts.text_or_none("executable"),
        prefix=facts.text("prefix"),
        scheme=facts.scheme("scheme"),
        prefix_scheme=facts.scheme("prefix_scheme"),
        environment=facts.text("environment"),
        externally_managed=facts.text_or_none("externally_managed"),
        markers=tuple(sorted((name, markers.text(name)) for name in markers.names)),
    )
    _check(target)
    return target


class _Facts:
    """An untrusted JSON object, read with the kind that each value must have."""

    def __init__(self, data: object, path: str) -> None:
        if not isinstance(data, dict):
            raise InvalidTarget(None, f"{path or 'the whole'} is no JSON object")
        self._data: Mapping[str, Any] = data
        self._path = path

    @property
    def names(self) -> list[str]:
        return sorted(self._data)

    def value(self, name: str, kind: type) -> Any:
        if name not in self._data:
            raise InvalidTarget(None, f"{self._path}{name} is missing")
        value = self._data[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidTarget(None, f"{self._path}{name} is {value!r:.80}, which is not of its kind")
        return value

    def text(self, name: str) -> str:
        text: str = self.value(name, str)
        if any(ord(character) < 32 for character in text):
            raise InvalidTarget(None, f"{self._path}{name} has control characters: {text!r:.80}")
        return text

    def text_or_none(self, name: str) -> str | None:
        return None if self._data.get(name, "") is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        items = self.value(name, list)
        numbered = _Facts({str(n): item for n, item in enumerate(items)}, f"{self._path}{name}.")
        return tuple(numbered.text(str(n)) for n in range(len(items)))

    def facts(self, name: str) -> _Facts:
        return _Facts(self.value(name, dict), f"{self._path}{name}.")

    def libc(self, name: str) -> Libc:
        text = self.text(name)
        try:
            return Libc(text)
        except ValueError:
            raise InvalidTarget(None, f"{self._path}{name} is {text!r}; it can be glibc or musl") from None

    def scheme(self, name: str) -> Scheme:
        paths = self.facts(name)
        return Scheme(**{key.name: paths.text(key.name) for key in fields(Scheme)})


def _check(target: Target) -> None:
    """Refuse facts that cannot all be true, by the first that is wrong."""
    if target.implementation != "cpython":
        raise InvalidTarget(None, f"implementation is {target.implementation}; muslfix serves CPython only")
    if _VERSION.fullmatch(target.version) is None:
        raise InvalidTarget(None, f"version is {target.version!r}, which is no version")
    if target.version_info < OLDEST_VERSION:
        oldest = "{}.{}".format(*OLDEST_VERSION)
        raise InvalidTarget(None, f"version is {target.version}; muslfix serves CPython {oldest} and later")
    if not target.platform.startswith("linux-"):
        raise InvalidTarget(None, f"platform is {target.platform}; muslfix serves Linux only")
    if target.machine.bits not in (32, 64) or target.machine.byte_order not in ("little", "big"):
        raise InvalidTarget(None, f"machine is {target.machine}, which no machine is")
    if target.environment not in ENVIRONMENTS:
        raise InvalidTarget(
            None, f"environment is {target.environment!r}; it can be one of {', '.join(ENVIRONMENTS)}"
        )
    _check_markers(target)
    _check_suffixes(target)
    _check_libc_version(target)
    _check_paths(target)


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
            raise InvalidTarget(None, f"extension_suffixes has {suffix!r}, which is no suffix")
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
            raise InvalidTarget(None, f"libc_version is {target.libc_version!r}, which is no version")


def _check_paths(target: Target) -> None:
    paths = {f"scheme.{name}": path for name, path in asdict(target.scheme).items()}
    for name, path in {"prefix": target.prefix, "executable": target.executable, **paths}.items():
        if path is not None and not path.startswith("/"):
            raise InvalidTarget(None, f"{name} is {path!r}, which is no absolute path")
    for name, path in asdict(target.prefix_scheme).items():
        if path.startswith("/") or ".." in path.split("/"):
            raise InvalidTarget(None, f"prefix_scheme.{name} is {path!r}, which leaves the prefix")
