"""The wheel of the shim, and whether an installed project of its name is what such a wheel installs."""

from __future__ import annotations

import hashlib
import io
import os
import pkgutil
import posixpath
import zipfile
from collections.abc import Iterator, Mapping

from muslfix._version import __version__
from muslfix.errors import InvalidProject, why
from muslfix.files.access import read_regular
from muslfix.projects.in_place import check_listed
from muslfix.projects.project import InstalledProject
from muslfix.record.rows import RecordRow, text_of_rows
from muslfix.targets.with_shim import PACKAGE, PROJECT, PTH, START, SWITCH

#: The name of its ``.dist-info``, and of the wheel.
INFO = f"{PACKAGE}-{__version__}.dist-info"
WHEEL_NAME = f"{PACKAGE}-{__version__}-py3-none-any.whl"

_METADATA = f"""\
Metadata-Version: 2.1
Name: {PROJECT}
Version: {__version__}
Summary: Lets CPython on Linux import extension modules that are named for the other libc
License: MIT
Requires-Python: >=3.6
Description-Content-Type: text/plain

At start-up, {PTH} (from Python 3.15 on {START}) lets Python also find extension modules whose file names
differ from its own in the platform alone, if their ELF file shows that they fit. {SWITCH}=0 switches that off
for a process; uninstalling this project ends it.
"""

_WHEEL = f"""\
Wheel-Version: 1.0
Generator: muslfix {__version__}
Root-Is-Purelib: true
Tag: py3-none-any
"""

_SOURCES = ("__init__.py", "elf.py", "proof.py")

# The earliest that a zip archive can say: the same muslfix makes the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def shim_wheel() -> bytes:
    """The wheel of the shim."""
    files = _files()
    rows = [RecordRow.of(path, hashlib.sha256(data).digest(), len(data)) for path, data in files.items()]
    record = text_of_rows([*rows, RecordRow.listed(f"{INFO}/RECORD")]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in {**files, f"{INFO}/RECORD": record}.items():
            member = zipfile.ZipInfo(path, _DATE)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def _files() -> Mapping[str, bytes]:
    sources = {name: pkgutil.get_data("muslfix.targets.shim", name) or b"" for name in _SOURCES}
    return {
        **{f"{PACKAGE}/{name}": data for name, data in sources.items()},
        PTH: f"import {PACKAGE}; {PACKAGE}.start()\n".encode(),
        START: f"{PACKAGE}:start\n".encode(),
        f"{INFO}/METADATA": _METADATA.encode(),
        f"{INFO}/WHEEL": _WHEEL.encode(),
    }


def check_own(project: InstalledProject) -> None:
    """Refuse a project that has the name of the shim and other files.

    That of this version has the files of :func:`shim_wheel`. Of any other version RECORD must be true, and
    list nothing but files that have the names of the shim's.

    :raises InvalidProject: if it is another project, or damaged
    """
    reason = next(_differences(project), None)
    if reason is not None:
        raise InvalidProject(
            os.path.join(project.root, project.dist_info),
            f"has the name of {PROJECT} and is not what muslfix installs: {reason}",
            f"see what it is; to remove it: pip uninstall {PROJECT}",
        )


def _differences(project: InstalledProject) -> Iterator[str]:
    record = project.record()
    own = [row for row in record.rows if not row.path.startswith(f"{project.dist_info}/")]
    listed = {row.path for row in own if not row.path.endswith(".pyc")}
    for row in own:
        if not _is_name_of_shim(row.path):
            yield f"its RECORD lists {row.path}"
        elif row.path in listed:
            if not row.has_hash:
                yield f"its RECORD has no hash for {row.path}"
            check_listed(project, record, row.path)
    for path, data in _files().items() if project.version == __version__ else ():
        yield from _difference(project.locate(path), data)
    for directory, _, names in os.walk(project.locate(PACKAGE)):
        for name in names:
            path = os.path.relpath(os.path.join(directory, name), project.root)
            if path not in listed and not name.endswith(".pyc"):
                yield f"its RECORD does not list {path}"


def _is_name_of_shim(path: str) -> bool:
    is_inside = path.startswith(f"{PACKAGE}/") and posixpath.normpath(path) == path
    return is_inside or path in (PTH, START)


def _difference(path: str, data: bytes) -> Iterator[str]:
    try:
        is_same = read_regular(path, 1) == data
    except OSError as error:
        yield f"{path} cannot be read ({why(error)})"
    else:
        if not is_same:
            yield f"{path} is another file"
