"""What is known of CPython without asking one: its CPUs, its extension suffixes and its directories.

Where all that is known of a target is a word (``armv7l``) or an ELF file, the table of CPUs gives the rest. A
CPU that is not in it is served all the same, from a running interpreter or a target file.

Sources: ``configure.ac`` and ``Misc/platform_triplet.c`` of CPython (the triplets),
https://peps.python.org/pep-0600/ and https://peps.python.org/pep-0656/ (what platform tags call a CPU),
``Python/dynload_shlib.c`` (the suffixes and their order), ``Lib/sysconfig`` (the directories),
python/cpython#122931 (a triplet behind ``abi3``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from muslfix.elf.facts import Machine
from muslfix.errors import InvalidTarget
from muslfix.suffix import SPELLINGS, ExtensionFilename, Libc
from muslfix.targets.target import TARGET_FILE_TIP, Scheme

#: The newest Python whose suffixes are known here.
NEWEST_VERSION = (3, 15)


@dataclass(frozen=True)
class Cpu:
    """One CPU with its calling convention.

    :param name: as ``uname -m`` and compatibility tags spell it: ``i686``
    :param in_triplet: as platform triplets do: ``i386``
    :param machine: as the ELF header does
    :param spelling: its row in :data:`muslfix.suffix.SPELLINGS`
    """

    name: str
    in_triplet: str
    machine: Machine
    spelling: str = "most"

    def triplet(self, libc: Libc, version: tuple[int, int]) -> str:
        """The platform triplet with the spelling of a libc.

        :param libc: the one that is spelled, which need not be the one that is used
        :param version: of Python, which has changed its mind about a few of them

        >>> cpu_named("armv7l").triplet(Libc.MUSL, (3, 9))
        'arm-linux-musleabihf'
        """
        (row,) = [row for row in SPELLINGS if row[0] == self.spelling]
        _, gnu, older, newer = row
        spelled = gnu if libc is Libc.GLIBC else newer if version >= (3, 13) else older
        return f"{self.in_triplet}-linux-{spelled}"


_ARM_HARD = Machine("arm", 32, "little", "hard-float")
_ARM_SOFT = Machine("arm", 32, "little", "soft-float")

CPUS = (
    Cpu("x86_64", "x86_64", Machine("x86_64", 64, "little")),
    Cpu("i686", "i386", Machine("386", 32, "little")),
    Cpu("aarch64", "aarch64", Machine("aarch64", 64, "little")),
    Cpu("armv7l", "arm", _ARM_HARD, "arm hard-float"),
    Cpu("armv6l", "arm", _ARM_HARD, "arm hard-float"),
    Cpu("armv5tel", "arm", _ARM_SOFT, "arm soft-float"),
    Cpu("ppc64le", "powerpc64le", Machine("ppc64", 64, "little")),
    Cpu("ppc64", "powerpc64", Machine("ppc64", 64, "big")),
    Cpu("s390x", "s390x", Machine("s390", 64, "big")),
    Cpu("riscv64", "riscv64", Machine("riscv", 64, "little", "double-float")),
    Cpu("loongarch64", "loongarch64", Machine("loongarch", 64, "little", "double-float")),
    Cpu("mips64", "mips64", Machine("mips", 64, "big"), "mips64 n64"),
    Cpu("mips64el", "mips64el", Machine("mips", 64, "little"), "mips64 n64"),
)

# Machines that run the programs of others. A 64-bit kernel tells its own CPU to 32-bit programs too.
_ALSO_RUN = {("x86_64", "386"), ("aarch64", "arm")}

# Some distributions have their own word for a CPU.
_OF_APK = {"x86": "i686", "armhf": "armv6l", "armv7": "armv7l"}

#: What Docker, Debian and Alpine call CPUs. Not armhf, which is another one in each of the last two.
ALIASES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armv7": "armv7l",
    "i386": "i686",
    "ppc64el": "ppc64le",
    "x86": "i686",
}


def cpu_named(name: str) -> Cpu | None:
    """The CPU of a name as in ``uname -m``, or ``None``."""
    return next((cpu for cpu in CPUS if cpu.name == name), None)


def may_be_on(platform: str, machine: Machine) -> bool:
    """Whether a Python for a machine can be on a platform, ``linux-`` and what ``uname -m`` says."""
    cpu = cpu_named(platform.partition("-")[2])
    return cpu is None or cpu.machine == machine or (cpu.machine.name, machine.name) in _ALSO_RUN


def cpus_of(machine: Machine) -> tuple[Cpu, ...]:
    """The CPUs that a machine can be: several on ARM, whose ELF header does not tell the version."""
    return tuple(cpu for cpu in CPUS if cpu.machine == machine)


def cpu_of_apk(text: str) -> Cpu | None:
    """The CPU that Alpine's ``/etc/apk/arch`` names."""
    word = text.strip()
    return cpu_named(_OF_APK.get(word, word))


def abi_part(version: tuple[int, int], flags: str) -> str:
    """The ABI part of a CPython's own extension modules: ``cpython-313t``."""
    return "cpython-{}{}{}".format(*version, flags)


def own_suffixes(suffixes: Iterable[str], version: tuple[int, int], flags: str) -> list[str]:
    """The suffixes that have a CPython's own ABI part, with any triplet."""
    names = ((suffix, ExtensionFilename.of_suffix(suffix)) for suffix in suffixes)
    return [suffix for suffix, name in names if name is not None and name.abi == abi_part(version, flags)]


def soabi_of(suffixes: Iterable[str], version: tuple[int, int], flags: str) -> str | None:
    """The ``SOABI`` of a CPython with these suffixes."""
    own = own_suffixes(suffixes, version, flags)
    return own[0][1 : -len(".so")] if own else None


def markers_of(version: str, platform: str) -> tuple[tuple[str, str], ...]:
    """The environment of :pep:`508` markers; what only a running kernel knows is empty.

    :param version: in full, or its first two parts
    :param platform: ``linux-`` and what ``uname -m`` says
    """
    return (
        ("implementation_name", "cpython"),
        ("implementation_version", version),
        ("os_name", "posix"),
        ("platform_machine", platform.partition("-")[2]),
        ("platform_python_implementation", "CPython"),
        ("platform_release", ""),
        ("platform_system", "Linux"),
        ("platform_version", ""),
        ("python_full_version", version),
        ("python_version", ".".join(version.split(".")[:2])),
        ("sys_platform", "linux"),
    )


def suffixes_of(version: tuple[int, int], flags: str, triplets: tuple[str, ...]) -> tuple[str, ...]:
    """The ``EXTENSION_SUFFIXES`` of a CPython, in their order.

    :param flags: ``sys.abiflags``
    :param triplets: those in its own suffixes; empty if they have none; two if one is a fallback
    :raises InvalidTarget: if the version is newer than what is known here

    >>> suffixes_of((3, 10), "", ("x86_64-linux-musl",))
    ('.cpython-310-x86_64-linux-musl.so', '.abi3.so', '.so')
    """
    if version > NEWEST_VERSION:
        raise InvalidTarget(
            None,
            "is Python {}.{}, and which names that imports is not known here".format(*version),
            tip=TARGET_FILE_TIP,
        )
    own = [abi_part(version, flags)]
    if "d" in flags and version >= (3, 8):
        own.append(abi_part(version, flags.replace("d", "")))
    names = [f"{abi}-{triplet}" for abi in own for triplet in triplets] or own
    stable = ["abi3"]
    if version >= (3, 15):
        stable = ["abi3t"] if "t" in flags else ["abi3", "abi3t"]
        stable = [f"{abi}{end}" for abi in stable for end in (*(f"-{t}" for t in triplets[:1]), "")]
    return (*(f".{name}.so" for name in (*names, *stable)), ".so")


def directories_of(
    version: tuple[int, int],
    flags: str,
    *,
    platlibdir: str = "lib",
    modules: str = "site-packages",
    headers: str | None = None,
) -> Scheme:
    """The directories below a prefix.

    :param platlibdir: ``sys.platlibdir``: ``lib``, or ``lib64`` where a distribution wants that
    :param modules: the last part of the directory of modules
    :param headers: relative to the prefix; ``None``: the usual one
    """
    short = "{}.{}".format(*version)
    threads = "t" if "t" in flags else ""
    return Scheme(
        purelib=f"lib/python{short}{threads}/{modules}",
        platlib=f"{platlibdir}/python{short}{threads}/{modules}",
        headers=headers or f"include/python{short}{flags}",
        scripts="bin",
        data="",
    )


def scheme_at(prefix: str, relative: Scheme) -> Scheme:
    """The directories at a prefix.

    :param prefix: absolute
    :param relative: as :func:`directories_of` gives them
    """
    root = prefix.rstrip("/")
    return Scheme(
        purelib=f"{root}/{relative.purelib}",
        platlib=f"{root}/{relative.platlib}",
        headers=f"{root}/{relative.headers}",
        scripts=f"{root}/{relative.scripts}",
        data=prefix,
    )
