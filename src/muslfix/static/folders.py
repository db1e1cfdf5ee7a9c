"""Where a Python in a tree that cannot run has its folders of modules."""

from __future__ import annotations

from dataclasses import replace

from muslfix.cpython import folders_of, scheme_at
from muslfix.static.python import StaticPython
from muslfix.static.root import RootFiles
from muslfix.target import Scheme

# More than any of the modules has, in bytes.
_MAX_SOURCE = 1024 * 1024


def read_folders(files: RootFiles, python: StaticPython, flags: str) -> tuple[Scheme, Scheme]:
    """The folders of its own environment, and those below any prefix.

    Debian and Fedora have changed the first for what is installed into ``/usr``.

    :param flags: ``sys.abiflags``
    """
    version, platlibdir, prefix = python.version, python.platlibdir, python.environment or python.prefix
    usual = folders_of(version, flags, platlibdir=platlibdir)
    if python.environment is not None:
        headers = "include/site/python{}.{}".format(*version)
        usual = folders_of(version, flags, platlibdir=platlibdir, headers=headers)
    patched = _patched(files, python) if prefix == "/usr" else None
    if patched is None:
        return scheme_at(prefix, usual), usual
    modules = "dist-packages" if patched == "debian" else "site-packages"
    local = scheme_at("/usr/local", folders_of(version, flags, platlibdir=platlibdir, modules=modules))
    # From 3.10 on the headers stay in /usr.
    return replace(local, headers=f"/usr/{usual.headers}") if version >= (3, 10) else local, usual


def _patched(files: RootFiles, python: StaticPython) -> str | None:
    """Whose patch is in the modules that choose the folders: it names schemes that upstream does not have.

    Sources: debian/patches/sysconfig-debian-schemes.diff and distutils-install-layout.diff; patch 251 of
    Fedora.
    """
    for name in ("sysconfig.py", "sysconfig/__init__.py", "distutils/command/install.py"):
        text = files.read(f"{python.library}/{name}", _MAX_SOURCE) or b""
        if b"deb_system" in text:
            return "debian"
        if b"rpm_prefix" in text:
            return "fedora"
    return None
