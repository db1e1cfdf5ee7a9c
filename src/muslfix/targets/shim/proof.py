"""What the ELF file of a module proves, before it is loaded.

The questions are those of muslfix's planner, about the process that this is: the same machine, the same libc
or none, and an init function. They are asked only of modules that were found under an added name.
"""

import os
import sys

from .elf import NEEDED, RELRSZ, RPATH, RUNPATH, SHARED_OBJECT, SONAME, Elf, _Damaged, libc_of, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What musl exports up to 1.2.3. The loader of 1.2.4 is the first that knows relative relocations.
_EXPORTED_BEFORE_RELR = "fopen64"


def why_not(path: str, name: str) -> str:
    """Why the process that this is cannot load a module, as one sentence; empty if nothing is against it.

    :param path: of the file
    :param name: of the module
    """
    try:
        with open(path, "rb") as file:
            reason = _why_not(Elf(file), path, name.rpartition(".")[2])
    except _Damaged as error:
        reason = str(error)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    return f"{path} {reason}" if reason else ""


def _why_not(elf: Elf, path: str, name: str) -> str:
    machine, libc, loader = _process()
    if elf.kind != SHARED_OBJECT:
        return "is no shared object"
    if elf.machine != machine:
        return f"is for {words_of(elf.machine)}, and this Python runs on {words_of(machine)}"
    for other, clause in elf.evidence().items():
        if other != libc:
            return f"is linked to {other} ({clause}), and this Python runs on {libc}"
    symbols = _init_functions(name)
    if not any(part.defines(symbol) for _, part in _parts(elf, path, set()) for symbol in symbols):
        return f"has no function {' or '.join(symbols)}, so it is no module of that name"
    if libc == "musl" and _is_before_relr(loader):
        for culprit, part in _parts(elf, path, set()):
            if any(part.values(RELRSZ)):
                return f"would crash: {culprit} uses relative relocations (DT_RELR), new in musl 1.2.4"
    return ""


def _init_functions(name: str) -> "list[str]":
    """What Python calls to make a module: https://peps.python.org/pep-0489/, https://peps.python.org/pep-0793/."""
    try:
        ending = "_" + name.encode("ascii").decode()
    except UnicodeEncodeError:
        ending = "U_" + name.encode("punycode").decode().replace("-", "_")
    return [kind + ending for kind in ("PyInit", "PyModExport")[: 2 if sys.version_info >= (3, 15) else 1]]


_known = []  # type: list[tuple[tuple[int, int, bool, int], str, str]]


def _process() -> "tuple[tuple[int, int, bool, int], str, str]":
    """The machine, the libc and the loader of this process, found out once.

    The file that runs is the loader where that was called by hand, and tells its libc by its name.

    :raises _Damaged: if they cannot be told
    """
    for path in ("/proc/self/exe", sys.executable) if not _known else ():
        try:
            with open(path, "rb") as file:
                elf = Elf(file)
                loader = elf.interpreter or os.path.realpath(path)
                names = [os.path.basename(loader), *elf.strings(SONAME, NEEDED)]
        except (_Damaged, OSError):
            continue
        libcs = [libc_of(name) for name in names if libc_of(name)]
        if libcs:
            _known.append((elf.machine, libcs[0], loader))
            break
    if not _known:
        raise _Damaged("cannot be judged, since the libc of this Python is not known")
    return _known[0]


def _is_before_relr(loader: str) -> bool:
    try:
        with open(loader, "rb") as file:
            return Elf(file).defines(_EXPORTED_BEFORE_RELR)
    except (_Damaged, OSError):
        return False


def _parts(elf: Elf, path: str, seen: "set[str]") -> "Iterator[tuple[str, Elf]]":
    """A file, then the libraries where its run path leads; what cannot be read is left out."""
    yield path, elf
    directory = os.path.dirname(os.path.abspath(path))
    places = [place for text in elf.strings(RPATH, RUNPATH) for place in text.split(":") if place]
    for library in elf.strings(NEEDED):
        for place in places:
            found = os.path.join(place.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", directory), library)
            if found in seen or not os.path.isfile(found):
                continue
            seen.add(found)
            try:
                with open(found, "rb") as file:
                    yield from _parts(Elf(file), found, seen)
            except (_Damaged, OSError):
                continue


def triplet_here() -> str:
    """A platform triplet for this process; OpenWrt's Pythons up to 3.10 have none in their suffixes."""
    found = getattr(sys.implementation, "_multiarch", "")
    machine = os.uname().machine
    if found:
        return str(found)
    if machine in ("x86_64", "i686", "i586") and sys.maxsize < 2**32:
        return "i386-linux-gnu"
    if machine.startswith("arm"):
        return "arm-linux-gnueabi" + ("hf" if machine.startswith(("armv6", "armv7")) else "")
    return machine.replace("ppc", "powerpc") + "-linux-gnu"
