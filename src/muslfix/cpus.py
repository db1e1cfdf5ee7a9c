"""The CPUs that can be named: how platform, triplet and ELF header spell each of them.

Where all that is known of a target is a word (``armv7l``) or an ELF file, this table gives the rest. A CPU
that is not in it is served all the same, from a running interpreter or a target file.

Sources: ``configure.ac`` and ``Misc/platform_triplet.c`` of CPython for the triplets,
https://peps.python.org/pep-0600/ and https://peps.python.org/pep-0656/ for what platform tags call a CPU.
"""

from __future__ import annotations

from muslfix.elf import Machine
from muslfix.suffix import SPELLINGS, Libc
from muslfix.values import dataclass


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

# Some distributions have their own word for a CPU.
_OF_APK = {"x86": "i686", "armhf": "armv6l", "armv7": "armv7l"}


def cpu_named(name: str) -> Cpu | None:
    """The CPU of a name as in ``uname -m``, or ``None``."""
    return next((cpu for cpu in CPUS if cpu.name == name), None)


def cpus_of(machine: Machine) -> tuple[Cpu, ...]:
    """The CPUs that a machine can be: several on ARM, whose ELF header does not tell the version."""
    return tuple(cpu for cpu in CPUS if cpu.machine == machine)


def cpu_of_apk(text: str) -> Cpu | None:
    """The CPU that Alpine's ``/etc/apk/arch`` names."""
    word = text.strip()
    return cpu_named(_OF_APK.get(word, word))
