"""Interpreters for 32-bit ARM: cross-built on musl, and run by qemu one program at a time.

The cross compiler and qemu are the distribution's, unpacked and not installed. ``bin/python3.11`` is a script
that starts qemu, so that the machine's kernel need not know programs for ARM.
"""

from __future__ import annotations

import re
from pathlib import Path

from . import apt, layout, pythons, sources, toolchain, wheels
from .layout import ArmPython
from .processes import LabError
from .steps import Bench, Step

PACKAGES = ("gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross", "qemu-user-static")

LEFT_OUT = ("./usr/share/*", "./usr/bin/qemu-[!a]*", "./usr/libexec/*")

TOOLS = ("ar", "gcc", "ranlib", "readelf")

TOOL = """\
#!/bin/sh
LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu exec {root}/usr/bin/arm-linux-gnueabihf-${{0##*/}} "$@"
"""
"""What is linked to libraries of the same packages is given these, and nothing else is."""

STARTER = """\
#!/bin/sh
exec {qemu} -0 "$0" {program} "$@"
"""
"""The program sees the script's path as its own, and so finds the virtual environment that it is in."""

HOST = "--host=arm-linux-gnueabihf"

OPTIONS = ("--build=x86_64-linux-gnu", HOST, "--disable-ipv6")

ANSWERS = ("ac_cv_file__dev_ptmx=yes", "ac_cv_file__dev_ptc=no")
"""What ``configure`` would have to run the interpreter's machine for."""

CHECK = """\
import ctypes, hashlib, importlib.machinery, os, subprocess, sys, threading, zlib
assert importlib.machinery.EXTENSION_SUFFIXES[0] == sys.argv[1], importlib.machinery.EXTENSION_SUFFIXES
assert ctypes.CDLL(None).strlen(b"four") == 4
assert os.uname().machine == "armv7l"
"""


def stages() -> list[list[Step]]:
    """The steps in order; they need the sources and an interpreter of the same version."""
    how = repr((PACKAGES, LEFT_OUT, TOOLS, TOOL))
    archives = repr((sources.MUSLS[layout.MUSL], sources.ZLIB, sources.LIBFFI))
    built = (how, archives, toolchain.COMPILER, toolchain.FLAGS)
    options = (pythons.OPTIONS, pythons.FLAGS, pythons.LEFT_OUT, pythons.DISABLED, pythons.CONFIGURED)
    interpreters = repr((layout.ARM_PYTHONS, OPTIONS, ANSWERS, STARTER, options))
    return [
        [Step("arm-tools", (how,), _fetch), wheels.step(layout.ARM_WHEELS)],
        [Step("arm-toolchain", built, _build_toolchain)],
        [Step(layout.ARM_PYTHONS[0].step, (*built, interpreters), _build_pythons)],
    ]


def qemu(lab: Path) -> Path:
    """The program that runs programs for ARM."""
    return layout.arm(lab) / "debian" / "usr" / "bin" / "qemu-arm-static"


def tool(lab: Path, name: str) -> Path:
    """One of :data:`TOOLS`."""
    return layout.arm(lab) / "debian" / "cross" / name


def compiler(lab: Path) -> Path:
    """The C compiler that links to the musl for ARM."""
    return layout.arm(lab) / "toolchain" / "bin" / "cc"


def glibc_compiler(lab: Path) -> list[str]:
    """The words of a command that compiles C and links to the glibc for ARM."""
    return [str(tool(lab, "gcc")), f"--sysroot={layout.arm(lab) / 'debian'}"]


def _loader(lab: Path) -> Path:
    return layout.arm(lab) / "musl" / "lib" / "ld-musl-armhf.so.1"


def _tools(lab: Path) -> dict[str, str]:
    """The variables by which builds find the tools."""
    return {name.upper(): str(tool(lab, name)) for name in TOOLS if name != "gcc"}


def _fetch(bench: Bench) -> None:
    """Fetch the packages for the release that this machine has: its own C library must do for them."""
    about = Path("/etc/os-release").read_text(encoding="utf-8")
    release = re.search(r"^VERSION_CODENAME=(\w+)$", about, re.MULTILINE)
    if not release:
        raise LabError("/etc/os-release names no release of Debian")
    there = apt.Apt(bench, release[1])
    if not there.fetch(PACKAGES):
        raise LabError(f"the mirror lacks packages; the log is {bench.log}")
    root = bench.scratch / "debian"
    archives = [path for path in there.archives.glob("*.deb") if not path.name.startswith("libc6_")]
    apt.unpack(bench, archives, root, LEFT_OUT)
    final = layout.arm(bench.lab) / "debian"
    for name in TOOLS:
        path = root / tool(bench.lab, name).relative_to(final)
        path.parent.mkdir(exist_ok=True)
        path.write_text(TOOL.format(root=final), encoding="utf-8")
        path.chmod(0o755)
    bench.publish(root, final)
    bench.run(qemu(bench.lab), "--version")


def _build_toolchain(bench: Bench) -> None:
    lab, loader = bench.lab, _loader(bench.lab)
    options = ("--enable-wrapper=gcc", f"CROSS_COMPILE={tool(lab, 'gcc').parent}/")
    final = compiler(lab).parent.parent
    toolchain.build_musl(layout.MUSL, loader, f"{final / 'lib'}\n", bench, *options)

    include = layout.arm(lab) / "debian" / "usr" / "arm-linux-gnueabihf" / "include"
    headers = {name: (str(include / name),) for name in toolchain.KERNEL_HEADERS}
    prefix = bench.scratch / "toolchain"
    specs = loader.with_name("musl-gcc.specs")
    cc = toolchain.make_compiler(prefix, specs, loader, headers, str(tool(lab, "gcc")))
    toolchain.build_zlib(bench, cc, prefix, **_tools(lab))
    toolchain.build_libffi(bench, cc, prefix, HOST, **_tools(lab))
    bench.publish(prefix, final)


def _build_pythons(bench: Bench) -> None:
    version = layout.ARM_PYTHONS[0].version
    tree = sources.PYTHONS[version].unpack(bench, without=pythons.LEFT_OUT)
    (tree / "Modules" / "Setup.local").write_text(pythons.DISABLED, encoding="utf-8")
    _configure(bench, tree, version)
    for python in pythons.spell(layout.ARM_PYTHONS, bench.lab, tree):
        _install(python, bench, tree)


def _configure(bench: Bench, tree: Path, version: str) -> None:
    (native, *_) = (python for python in layout.PYTHONS if python.version == version)
    prefix = compiler(bench.lab).parent.parent
    bench.build(
        "./configure",
        f"--prefix={pythons.PREFIX}",
        f"--with-build-python={native.executable(bench.lab)}",
        *pythons.OPTIONS,
        *OPTIONS,
        *ANSWERS,
        cwd=tree,
        CC=str(compiler(bench.lab)),
        CPPFLAGS=f"-I{prefix / 'include'}",
        LDFLAGS=f"-L{_loader(bench.lab).parent} -L{prefix / 'lib'}",  # before glibc's, which setup.py adds
        **pythons.FLAGS,
        **_tools(bench.lab),
    )


def _install(python: ArmPython, bench: Bench, tree: Path) -> None:
    root, final = bench.scratch / python.name, python.prefix(bench.lab)
    bench.make(cwd=tree)
    bench.build("make", "install", f"DESTDIR={root}", cwd=tree)
    installed = root / final.relative_to("/")
    program = python.program(bench.lab)
    starter = installed / "bin" / program.stem
    starter.rename(starter.with_name(program.name))
    starter.write_text(STARTER.format(qemu=qemu(bench.lab), program=program), encoding="utf-8")
    starter.chmod(0o755)
    bench.publish(installed, final)
    bench.build(python.executable(bench.lab), "-I", "-B", "-c", CHECK, python.suffix, cwd=root)
