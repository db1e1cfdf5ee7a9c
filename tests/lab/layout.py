"""Where the lab keeps what, and what belongs into it: values and paths; nothing is built or started here.

The tests need only this module: :func:`lab_folder`, :data:`PYTHONS`, :func:`wheels`, :func:`missing`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

TRIPLETS = {"gnu": "x86_64-linux-gnu", "musl": "x86_64-linux-musl"}

MUSL = "1.2.5"
"""The musl that the interpreters run on."""

OLD_MUSL = "1.2.3"
"""The musl they are compiled for; it knows no relative relocations, so some wheels crash on it."""


def lab_folder() -> Path:
    """The lab's folder: ``$MUSLFIX_LAB``, else ``muslfix-lab`` in the user's cache folder."""
    if chosen := os.environ.get("MUSLFIX_LAB"):
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "muslfix-lab"


def base_python() -> Path:
    """The interpreter below any virtual environment that this one is in.

    What is kept must be made by it: up to 3.10 an environment that is made from an environment links into
    that one, and is gone with it.
    """
    return Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info))


def loader(lab: Path, musl: str = MUSL) -> Path:
    """The dynamic loader of one of the two musls, which is also its C library.

    To start a program on it by hand, name it by this absolute path: from it the loader derives
    where its path file is.
    """
    return lab / f"musl-{musl}" / "lib" / "ld-musl-x86_64.so.1"


@dataclass(frozen=True)
class LabPython:
    """One musl-linked CPython of the lab.

    :param name: its folder in the lab, such as ``39-gnu``
    :param version: its full version, such as ``3.9.2``
    :param spelling: the libc that the extension modules it imports have in their names, ``gnu`` or ``musl``
    """

    name: str
    version: str
    spelling: str

    @property
    def abi(self) -> str:
        """Its version and flags as its extension modules spell them, such as ``39`` or ``313t``."""
        return self.name.partition("-")[0]

    @property
    def is_free_threaded(self) -> bool:
        """Whether it was built with ``--disable-gil``."""
        return self.abi.endswith("t")

    @property
    def tag(self) -> str:
        """Its ABI tag, such as ``cp39`` or ``cp313t``: also the name of the group of wheels for it."""
        return "cp" + self.abi

    @property
    def triplet(self) -> str:
        """The platform triplet that it imports."""
        return TRIPLETS[self.spelling]

    @property
    def suffix(self) -> str:
        """The first of its ``EXTENSION_SUFFIXES``."""
        return f".cpython-{self.abi}-{self.triplet}.so"

    @property
    def step(self) -> str:
        """The name of the step that builds it, with the other spelling of its version."""
        return f"python-{self.version}" + "t" * self.is_free_threaded

    def prefix(self, lab: Path) -> Path:
        """Its ``sys.prefix``."""
        return lab / "pythons" / self.name

    def executable(self, lab: Path, musl: str = MUSL) -> Path:
        """The program to run, on the usual musl or on the old one; both share one prefix."""
        return self.prefix(lab) / "bin" / ("python3" if musl == MUSL else f"python3-musl-{musl}")


PYTHONS = (
    LabPython("39-gnu", "3.9.2", "gnu"),
    LabPython("39-musl", "3.9.2", "musl"),
    LabPython("311-musl", "3.11.2", "musl"),
    LabPython("311-gnu", "3.11.2", "gnu"),
)
"""Those that the large tests run on, with dozens of real wheels each."""

NEWER_PYTHONS = (
    LabPython("313-musl", "3.13.5", "musl"),
    LabPython("313-gnu", "3.13.5", "gnu"),
    LabPython("313t-musl", "3.13.5", "musl"),
)
"""Those that the matrix of names and a few real wheels are enough for."""

EVERY_PYTHON = (*PYTHONS, *NEWER_PYTHONS)


@dataclass(frozen=True)
class GlibcPython(LabPython):
    """A CPython for glibc, of the distribution's testing or unstable suite, whichever release that has."""

    @property
    def step(self) -> str:
        """The name of the step that fetches all of them."""
        return "glibc-pythons"

    def root(self, lab: Path) -> Path:
        """The root file system that it has with its C library."""
        return lab / "glibc" / self.version

    def prefix(self, lab: Path) -> Path:
        """Its ``sys.prefix``."""
        return self.root(lab) / "usr"

    def executable(self, lab: Path, musl: str = "") -> Path:
        """The program to run, on the C library of its own root."""
        return self.prefix(lab) / "bin" / f"python{self.version}"

    def why_absent(self, lab: Path) -> str | None:
        """Why a complete lab lacks it, or ``None`` if it is there."""
        try:
            return self.root(lab).with_name(f"{self.version}.absent").read_text(encoding="utf-8")
        except OSError:
            return None


GLIBC_PYTHONS = (GlibcPython("314-glibc", "3.14", "gnu"), GlibcPython("315-glibc", "3.15", "gnu"))


@dataclass(frozen=True)
class ArmPython(LabPython):
    """A CPython for 32-bit ARM with hardware floating point, on musl; qemu runs it."""

    @property
    def triplet(self) -> str:
        """The platform triplet that it imports."""
        return ARM_TRIPLETS[self.spelling]

    @property
    def step(self) -> str:
        """The name of the step that builds them."""
        return "arm-python"

    def executable(self, lab: Path, musl: str = "") -> Path:
        """What to run: a script that starts qemu with the program."""
        return self.prefix(lab) / "bin" / "python3"

    def program(self, lab: Path) -> Path:
        """The ELF program, which this machine cannot run."""
        return self.prefix(lab) / "bin" / "python3.11.arm"


ARM_TRIPLETS = {"gnu": "arm-linux-gnueabihf", "musl": "arm-linux-musleabihf"}

ARM_PYTHONS = (ArmPython("311-gnu-arm", "3.11.2", "gnu"), ArmPython("311-musl-arm", "3.11.2", "musl"))
"""The first has the spelling that upstream's ``configure`` finds when it is cross-built."""


def arm(lab: Path) -> Path:
    """What the interpreters for ARM are built with: no part of the lab that has to be complete."""
    return lab / "arm"


ALPINE_STEP = "alpine"


def alpine(lab: Path) -> Path:
    """The root file system of a real Alpine Linux, without a Python; to be copied, never changed."""
    return lab / "alpine"


@dataclass(frozen=True)
class WheelGroup:
    """Wheels that one ``wheels-NAME.txt`` beside this module pins, and one folder of the lab holds.

    :param name: the folder's name
    :param version: the Python that they are for; empty: the one that runs this
    :param platform: ``musllinux`` or ``manylinux``; empty: this machine's
    :param cpu: as in compatibility tags
    :param listed: the name of the list, where several groups share one; empty: its own
    :param abi: the ABI tag, where it is not that of the version alone
    """

    name: str
    version: str = ""
    platform: str = ""
    cpu: str = field(default="x86_64", repr=False)
    listed: str = field(default="", repr=False)
    abi: str = field(default="", repr=False)

    @property
    def requirements(self) -> Path:
        """The list, in pip's format, each with its hash."""
        return Path(__file__).with_name(f"wheels-{self.listed or self.name}.txt")

    def folder(self, lab: Path) -> Path:
        """Where the wheels are."""
        return lab / "wheels" / self.name

    @property
    def step(self) -> str:
        """The name of the step that fetches them."""
        return f"wheels-{self.name}"

    def inputs(self) -> tuple[str, ...]:
        """What decides whether the fetched ones are still the right ones."""
        lines = self.requirements.read_text(encoding="utf-8").splitlines()
        return (repr(self), *(line for line in lines if line and not line.startswith("#")))


FOREIGN = tuple(
    WheelGroup(f"foreign-{tag}-{cpu}", version, "musllinux", cpu, listed)
    for tag, version in {"cp310": "3.10.0", "cp311": "3.11.2"}.items()
    for cpu, listed in {
        "x86_64": "foreign",
        "aarch64": "foreign",
        "armv7l": "foreign",
        "ppc64le": "foreign",
        "s390x": "foreign",
        "i686": "foreign-i686",
        "riscv64": "foreign-riscv64",
    }.items()
)
"""Wheels for CPUs that the lab does not run: what their file names and ELF files say is all that matters."""

WHEELS = (
    WheelGroup("cp39", "3.9.2", "musllinux"),
    WheelGroup("cp311", "3.11.2", "musllinux"),
    WheelGroup("manylinux-cp39", "3.9.2", "manylinux"),
    WheelGroup("manylinux-cp311", "3.11.2", "manylinux"),
    WheelGroup("glibc", "3.11.2", "manylinux"),
    WheelGroup("runtime-cp39", "3.9.2", "musllinux"),
    WheelGroup("runtime-cp311", "3.11.2", "musllinux"),
    WheelGroup("pip", "3.9.2", "musllinux"),
    WheelGroup("pip-old", "3.9.2", "musllinux"),
    WheelGroup("cp313", "3.13.5", "musllinux"),
    WheelGroup("cp313t", "3.13.5", "musllinux", abi="cp313t"),
    WheelGroup("cp314", "3.14.0", "musllinux"),
    WheelGroup("cp315", "3.15.0", "musllinux"),
    WheelGroup("manylinux-cp314", "3.14.0", "manylinux"),
    WheelGroup("manylinux-cp315", "3.15.0", "manylinux"),
    WheelGroup("builders", "3.15.0", "manylinux"),
    WheelGroup("tools"),
    WheelGroup("tools-musl", "3.11.2", "musllinux", listed="tools"),
    WheelGroup("alpine"),
    *FOREIGN,
)

ARM_WHEELS = WheelGroup("arm", "3.11.2", "musllinux", "armv7l")
"""Wheels that the interpreters for ARM import; fetched with these."""


def wheels(lab: Path, group: str) -> list[Path]:
    """The wheels of a group, sorted by name.

    :param group: the name of one of :data:`WHEELS`
    :raises KeyError: if there is no group of that name
    """
    folders = {known.name: known.folder(lab) for known in (*WHEELS, ARM_WHEELS)}
    return sorted(folders[group].glob("*.whl"))


def missing(lab: Path) -> list[str]:
    """What the lab still lacks, one sentence each; empty if it is complete."""
    pythons = [
        f"The interpreter {python.name} is not built."
        for python in EVERY_PYTHON
        if not is_made(lab, python.step)
    ]
    groups = [
        f"The wheels of {group.requirements.name} are not fetched."
        for group in WHEELS
        if not is_made(lab, group.step, group.inputs())
    ]
    others = {
        GLIBC_PYTHONS[0].step: "The newest CPythons for glibc are not fetched.",
        ALPINE_STEP: "The root of Alpine Linux is not unpacked.",
    }
    return pythons + groups + [lack for step, lack in others.items() if not is_made(lab, step)]


def missing_arm(lab: Path) -> list[str]:
    """What the lab still lacks for ARM, as :func:`missing` says it."""
    steps = (ARM_PYTHONS[0].step, None), (ARM_WHEELS.step, ARM_WHEELS.inputs())
    return [f"The step {step} is not made." for step, inputs in steps if not is_made(lab, step, inputs)]


def stamp(lab: Path, step: str) -> Path:
    """The file that says of a finished step what it was made from."""
    return lab / "done" / step


def fingerprint(inputs: tuple[str, ...]) -> str:
    """What a stamp says: one value for all that a step is made from."""
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest() + "\n"


def is_made(lab: Path, step: str, inputs: tuple[str, ...] | None = None) -> bool:
    """Whether a step is finished and, if its inputs are given, was made from them."""
    try:
        made_from = stamp(lab, step).read_text(encoding="ascii")
    except OSError:
        return False
    return inputs is None or made_from == fingerprint(inputs)
