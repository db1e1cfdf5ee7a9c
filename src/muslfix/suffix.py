"""The grammar of extension module file names.

CPython finds an extension module by its name alone: ``<module>`` followed by one of the suffixes in
:data:`importlib.machinery.EXTENSION_SUFFIXES`. A suffix is ``.<ABI part>[-<triplet>].so``:

=============================================== ========================= ====================
file name                                       ABI part                  triplet
=============================================== ========================= ====================
``m.cpython-39-x86_64-linux-gnu.so``            ``cpython-39``            ``x86_64-linux-gnu``
``m.cpython-310-arm-linux-musleabihf.so``       ``cpython-310``           ``arm-linux-musleabihf``
``m.cpython-36m-i386-linux-gnu.so``             ``cpython-36m``           ``i386-linux-gnu``
``m.cpython-37dm-x86_64-linux-gnu.so``          ``cpython-37dm``          ``x86_64-linux-gnu``
``m.cpython-313td-aarch64-linux-musl.so``       ``cpython-313td``         ``aarch64-linux-musl``
``m.cpython-38.so``                             ``cpython-38``
``m.cpython-312-darwin.so``                     ``cpython-312``           ``darwin``
``m.abi3.so``                                   ``abi3``
``m.abi3-x86_64-linux-gnu.so``                  ``abi3``                  ``x86_64-linux-gnu``
``m.abi3t.so``                                  ``abi3t``
``m.abi3t-x86_64-linux-musl.so``                ``abi3t``                 ``x86_64-linux-musl``
``m.so``                                        (empty)
``m.pypy310-pp73-x86_64-linux-gnu.so``          ``pypy310-pp73``          ``x86_64-linux-gnu``
``m.pypy3-71-x86_64-linux-gnu.so``              ``pypy3-71``              ``x86_64-linux-gnu``
``m.graalpy240-311-native-x86_64-linux.so``     ``graalpy240-311-native`` ``x86_64-linux``
``libfoo-1a2b.so.1``, ``foo.so.1``              no extension module
``libfoo-1a2b3c4d.so``, ``libfoo.1.so``         no extension module
``m.pyd``, ``m.py``, ``.so``                    no extension module
``pkg.libs/libfoo.so``                          no extension module
=============================================== ========================= ====================

Sources: ``Python/dynload_shlib.c`` and ``configure.ac`` of CPython, https://peps.python.org/pep-3149/,
python/cpython#122931 (a triplet behind ``abi3``), ``packaging/tags.py`` for PyPy and GraalPy.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Libc(str, Enum):
    """A C library, and the word for it in JSON."""

    GLIBC = "glibc"
    MUSL = "musl"

    def __str__(self) -> str:
        return self.value


#: How the part of a platform triplet behind "-linux-" is spelled, for one and the same CPU, by CPython
#: on glibc, by CPython 3.11 and 3.12 on musl, and by CPython 3.13 and later on musl. Going from one
#: column to another is no replacement of "gnu" by "musl": see MIPS. Sources: the platform triplet test in
#: CPython's configure.ac (to 3.12), Misc/platform_triplet.c (3.13).
SPELLINGS: tuple[tuple[str, str | None, str | None, str | None], ...] = (
    # CPU                  glibc           musl 3.11/3.12   musl 3.13 and later
    ("most",               "gnu",          "musl",          "musl"),
    ("x86_64 x32",         "gnux32",       "muslx32",       "muslx32"),
    ("arm soft-float",     "gnueabi",      "musleabi",      "musleabi"),
    ("arm hard-float",     "gnueabihf",    "musleabihf",    "musleabihf"),
    ("mips64 n64",         "gnuabi64",     "muslabi64",     "musl"),
    ("mips64 n32",         "gnuabin32",    "muslabin32",    "musln32"),
    ("mips soft o32",      "gnusf",        None,            "muslsf"),
    ("mips64 soft n32",    "gnuabin32sf",  None,            "musln32sf"),
    ("mips64 soft n64",    "gnuabi64sf",   None,            "muslsf"),
    ("powerpc SPE",        "gnuspe",       "muslspe",       "muslsf"),
    ("loongarch64 single", "gnuf32",       "muslf32",       "muslf32"),
    ("loongarch64 soft",   "gnusf",        "muslsf",        "muslsf"),
)  # fmt: skip

_LIBC_OF_SPELLING = {
    spelling: libc
    for _, gnu, *musls in SPELLINGS
    for libc, spellings in ((Libc.GLIBC, (gnu,)), (Libc.MUSL, musls))
    for spelling in spellings
    if spelling is not None
}

# The version and flags of one CPython, the stable ABIs, and the implementations that muslfix never touches.
_ABI_PART = r"cpython-3\d+[a-z]*|abi3t?|pypy3\d*-(?:pp)?\d+|graalpy\d*-\d+(?:-native)?"
_FILE_NAME = re.compile(
    rf"(?P<module>[^./]+)(?:\.(?P<abi>{_ABI_PART})(?:-(?P<triplet>[\w-]+))?)?\.so", re.ASCII
)


class ExtensionFilename(NamedTuple):
    """The base name of an extension module, taken apart.

    :param module: the module's own name, without its package: ``_psycopg``
    :param abi: the ABI part, ``cpython-39`` or ``abi3``; empty for a bare ``m.so``
    :param triplet: the platform triplet, ``x86_64-linux-gnu``, or ``None``

    >>> ExtensionFilename.parse("numpy/core/_simd.cpython-39-x86_64-linux-gnu.so")
    ExtensionFilename(module='_simd', abi='cpython-39', triplet='x86_64-linux-gnu')
    >>> str(_)
    '_simd.cpython-39-x86_64-linux-gnu.so'
    """

    module: str
    abi: str
    triplet: str | None = None

    @classmethod
    def parse(cls, path: str) -> ExtensionFilename | None:
        """Take the name of a file apart, or say by ``None`` that it names no extension module.

        :param path: a path with ``/`` between its parts, as in RECORD; the directories matter, since
            ``*.libs/`` holds shared libraries, never extension modules
        """
        if not path.endswith(".so"):
            return None
        *directories, name = path.split("/")
        if any(directory.endswith(".libs") for directory in directories):
            return None
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            return None
        module, abi, triplet = match.group("module", "abi", "triplet")
        # A bare libfoo-1a2b.so can be found by no import statement: it is a shared library. With an
        # ABI part the name leaves no doubt, and mypyc does name modules that are no identifiers.
        if abi is None and not module.isidentifier():
            return None
        return cls(module, abi or "", triplet)

    @classmethod
    def of_suffix(cls, suffix: str) -> ExtensionFilename | None:
        """Take a suffix of ``EXTENSION_SUFFIXES`` apart; the module is a stand-in.

        :param suffix: with its leading dot: ``.abi3.so``
        """
        return cls.parse("m" + suffix)

    @property
    def suffix(self) -> str:
        """What follows the module's name, with its leading dot: ``.abi3.so``."""
        parts = [part for part in (self.abi, self.triplet) if part]
        return (f".{'-'.join(parts)}" if parts else "") + ".so"

    @property
    def init_functions(self) -> tuple[str, str]:
        """The functions that start the module: CPython 3.15 and later take the second one first.

        Sources: https://peps.python.org/pep-0489/#export-hook-name, https://peps.python.org/pep-0793/

        >>> ExtensionFilename.parse("lančmít.so").init_functions
        ('PyInitU_lanmt_2sa6t', 'PyModExportU_lanmt_2sa6t')
        """
        if self.module.isascii():
            end = f"_{self.module}"
        else:  # the locale may have no letter for its bytes
            module = self.module.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
            end = "U_" + module.encode("punycode").decode("ascii").replace("-", "_")
        return f"PyInit{end}", f"PyModExport{end}"

    @property
    def spelled_libc(self) -> Libc | None:
        """The libc that the triplet spells, or ``None`` where it spells none that is known."""
        return None if self.triplet is None else libc_of_triplet(self.triplet)

    @property
    def is_for_linux(self) -> bool:
        """Whether the name can mean a Linux with glibc or musl: no triplet, or one that spells a libc.

        ``darwin``, ``x86_64-linux-android`` and the like are other platforms, whose files are left alone.
        """
        return self.triplet is None or self.spelled_libc is not None

    def __str__(self) -> str:
        return self.module + self.suffix


def libc_of_triplet(triplet: str) -> Libc | None:
    """The libc that a platform triplet spells, by the table :data:`SPELLINGS`.

    :param triplet: as in a SOABI: ``arm-linux-gnueabihf``

    >>> libc_of_triplet("arm-linux-musleabihf")
    <Libc.MUSL: 'musl'>
    >>> libc_of_triplet("x86_64-linux-android") is None
    True
    """
    cpu, _, spelling = triplet.rpartition("-linux-")
    return _LIBC_OF_SPELLING.get(spelling) if cpu else None


def libc_of_loader(path: str) -> Libc | None:
    """The libc that a dynamic loader belongs to, by its name; ``None`` where that is neither's.

    :param path: as in ``PT_INTERP``

    >>> libc_of_loader("/lib/ld-musl-armhf.so.1")
    <Libc.MUSL: 'musl'>
    """
    name = path.rpartition("/")[2]
    if name.startswith("ld-musl-"):
        return Libc.MUSL
    return Libc.GLIBC if name.startswith(("ld-linux", "ld64.so.")) or name == "ld.so.1" else None
