"""How the loader of a target is set up, by its files: directories, cache, the process of the interpreter."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping

from muslfix.elf.symbols import Exports
from muslfix.errors import InvalidTarget
from muslfix.loader.dlopen import start
from muslfix.loader.facts import LoadedFile, Started, System
from muslfix.loader.files import TargetFiles
from muslfix.loader.rules import split_path
from muslfix.suffix import Libc
from muslfix.targets.target import Target

# https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c, load_library
_MUSL_DIRECTORIES = ("/lib", "/usr/local/lib", "/usr/lib")

# https://sourceware.org/git/?p=glibc.git;a=blob;f=elf/cache.c: the new format, alone or behind the old one.
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER, _CACHE_ENTRY = struct.Struct("=20sII5I"), struct.Struct("=iIIIQ")
_MAX_CACHE_ENTRIES = 200_000

# The other libraries of glibc that a module may need.
_GLIBC_FAMILY = ("libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")

# What Debian calls the directories of a machine, by what glibc calls the machine in the name of its loader.
_MULTIARCH = {
    "x86-64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "riscv64-lp64d": "riscv64-linux-gnu",
    "loongarch-lp64d": "loongarch64-linux-gnu",
}


def system_of(target: Target, files: TargetFiles) -> System:
    """How the loader of a target is set up, as far as it is known.

    :param files: those of the target
    """
    system = System(
        libc=target.libc,
        version=_version(target.libc_version),
        machine=target.machine,
        loader=target.loader,
        directories=_musl_directories(target.loader, files)
        if target.libc is Libc.MUSL
        else _glibc_directories(target.loader),
        cache=read_cache(files) if target.libc is Libc.GLIBC else {},
    )
    stored = Started(exports={name: Exports.of_texts(texts) for name, texts in target.symbols})
    if target.program is None:
        return system._replace(started=stored)
    started = start(target.program, system, files)
    return system._replace(started=started if started.program else stored)


def exported_symbols(system: System, files: TargetFiles) -> dict[str, tuple[str, ...]]:
    """What the process of the interpreter and its libc export, by the name of the file, for a target file.

    :raises InvalidTarget: if the program or the libc of the target cannot be read
    """
    started = system.started
    found = {file.dynamic.soname or os.path.basename(file.path): file for file in started.libraries}
    if system.libc is Libc.MUSL and started.libc is not None:
        found["libc.so"] = started.libc
    elif "libc.so.6" in found:
        directory = os.path.dirname(found["libc.so.6"].path)
        beside = {name: files.open(f"{directory}/{name}") for name in _GLIBC_FAMILY if name not in found}
        found.update((name, file) for name, file in beside.items() if isinstance(file, LoadedFile))
    if started.program is None or not {"libc.so", "libc.so.6"} & found.keys():
        raise InvalidTarget(None, "the program and the libc of the target cannot be read from here")
    found["python"] = started.program
    return {name: tuple(file.dynamic.exports.to_texts()) for name, file in sorted(found.items())}


def _version(text: str | None) -> tuple[int, ...] | None:
    numbers = re.match(r"\d+(\.\d+)+", text or "")
    return tuple(map(int, numbers[0].split("."))) if numbers else None


def _musl_directories(loader: str | None, files: TargetFiles) -> tuple[str, ...]:
    """Those in the path file, whose place follows from the path of the loader."""
    name = re.search(r"ld-musl-(.+?)\.so\.1$", loader or "")
    if loader is None or name is None:
        return _MUSL_DIRECTORIES
    prefix = loader.rsplit("/", 2)[0] if loader.startswith("/") else ""
    try:
        content = files.read(f"{prefix}/etc/ld-musl-{name[1]}.path")
    except FileNotFoundError:
        return _MUSL_DIRECTORIES
    except OSError:
        return ()
    if content is None:
        return _MUSL_DIRECTORIES
    return tuple(split_path(os.fsdecode(content.split(b"\0")[0])))


def _glibc_directories(loader: str | None) -> tuple[str, ...]:
    """Those compiled in; a multiarch distribution has the directories of the machine first."""
    directories = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    multiarch = re.search(r"ld-linux-(.+?)\.so", loader or "")
    name = _MULTIARCH.get(multiarch[1]) if multiarch else None
    if name is not None:
        directories[:0] = [f"{directory}/{name}" for directory in ("/lib", "/usr/lib")]
    return tuple(directories)


def read_cache(files: TargetFiles) -> Mapping[str, tuple[str, ...]]:
    """The ``ld.so.cache`` of glibc: paths by the name of a library; empty if there is none.

    Of several the loader takes the best for the CPU, so all are given, in the order of the file.
    """
    try:
        content = files.read("/etc/ld.so.cache") or b""
    except OSError:
        return {}
    start = content.find(_CACHE_MAGIC)
    if start < 0 or len(content) < start + _CACHE_HEADER.size:
        return {}
    _, count, *_ = _CACHE_HEADER.unpack_from(content, start)
    found: dict[str, tuple[str, ...]] = {}
    first = start + _CACHE_HEADER.size
    there = min(count, _MAX_CACHE_ENTRIES, (len(content) - first) // _CACHE_ENTRY.size)
    entries = memoryview(content)[first : first + there * _CACHE_ENTRY.size]
    for _, key, value, _, _ in _CACHE_ENTRY.iter_unpack(entries):
        name, path = (_text(content, start + offset) for offset in (key, value))
        found[name] = (*found.get(name, ()), path)
    return found


def _text(content: bytes, at: int) -> str:
    end = content.find(b"\0", at)
    return os.fsdecode(content[at:end]) if end >= 0 else ""
