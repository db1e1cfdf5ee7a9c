"""Root file systems made by hand: the few files of a Python that are read, around a real ELF program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from checkout import FIXTURES

from muslfix.suffix import Libc
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Target

ELF = FIXTURES / "elf"

#: The program in ``fixtures/elf`` for a libc and a machine.
PROGRAMS = {
    (Libc.MUSL, "x86_64"): "x86_64-musl-program",
    (Libc.MUSL, "aarch64"): "aarch64-musl-program",
    (Libc.MUSL, "arm"): "arm-hard-musl-program",
    (Libc.GLIBC, "x86_64"): "x86_64-glibc-program",
}

_APK = {"linux-armv7l": "armv7", "linux-aarch64": "aarch64", "linux-x86_64": "x86_64"}


def known_target(name: str) -> Target:
    """A target of ``fixtures/targets``."""
    return read_target_file(str(FIXTURES / "targets" / f"{name}.json"))


def write(path: Path, content: bytes | str = b"") -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def strings(*texts: str) -> bytes:
    """C strings, each between two NULs, as a compiler leaves them."""
    return b"\0" + b"".join(text.encode() + b"\0" for text in texts)


def make_root(folder: Path, target: Target, *, compiled: bool = True, details: bool = False) -> Path:
    """A root file system with a Python that is what a target says.

    :param folder: gets the files
    :param compiled: whether suffixes and version are in the program; else only in file names
    :param details: whether there is a ``build-details.json``
    """
    assert target.scheme is not None
    assert target.executable is not None
    program = (ELF / PROGRAMS[target.libc, target.machine.name]).read_bytes()
    if compiled:
        program += strings(*target.extension_suffixes[:-1], target.version, "3.2.0")
    write(folder / target.executable[1:], program).chmod(0o755)
    library = library_of(folder, target)
    write(library / "os.py")
    write(library / f"lib-dynload/_csv{target.extension_suffixes[0]}", b"")
    if details:
        write(library / "build-details.json", json.dumps(details_of(target)))
    if target.externally_managed:
        write(folder / target.externally_managed[1:], "[externally-managed]\n")
        write(library / "sysconfig.py", "'deb_system': {}")
    write(folder / "etc/apk/arch", _APK[target.platform] + "\n")
    if target.loader is not None:
        write(folder / target.loader[1:], loader_of(target))
    return folder


def library_of(folder: Path, target: Target) -> Path:
    """The folder of its standard library."""
    threads = "t" if "t" in target.abi_flags else ""
    return folder / f"{target.prefix}/lib/python{'{}.{}'.format(*target.version_info)}{threads}".lstrip("/")


def loader_of(target: Target) -> bytes:
    """What of a loader is read."""
    if target.libc is Libc.MUSL:
        return strings("musl libc (cpu)\nVersion %s\n", str(target.libc_version), "127.0.0.1")
    return strings(
        f"ld.so (Debian GLIBC {target.libc_version}-9) stable release version {target.libc_version}."
    )


def details_of(target: Target) -> dict[str, Any]:
    """A ``build-details.json`` of :pep:`739`."""
    major, minor, micro = (int(part) for part in target.version.split("."))
    info = {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0}
    return {
        "schema_version": "1.0",
        "base_prefix": target.prefix,
        "base_interpreter": target.executable,
        "platform": target.platform,
        "language": {"version": f"{major}.{minor}", "version_info": info},
        "implementation": {"name": "cpython", "version": info, "hexversion": 0, "cache_tag": ""},
        "abi": {"flags": list(target.abi_flags), "extension_suffix": target.extension_suffixes[0]},
        "suffixes": {"source": [".py"], "extensions": list(target.extension_suffixes)},
    }


def comparable(target: Target) -> dict[str, Any]:
    """The facts that files can show: all but what only a running kernel knows."""
    facts: dict[str, Any] = json.loads(target.to_json())
    facts.pop("program", None)  # is found where it is needed
    facts.pop("user_site", None)  # depends on who runs the interpreter
    for name in ("platform_release", "platform_version"):
        facts["markers"][name] = ""
    return facts
