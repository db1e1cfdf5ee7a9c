"""The root file system of a real Alpine Linux: musl, busybox and apk-tools as they are installed out there.

Alpine's own archives are on no registry that the lab uses; a project on the package index ships a disk
image of it.
"""

from __future__ import annotations

import shutil
import zipfile

from . import layout
from .processes import LabError
from .steps import Bench, Step

IMAGE = ".qcow2"

LEFT_OUT = ("boot", "lib/modules", "lost+found")

DEBUGFS = "/sbin/debugfs"  # on no user's PATH


def steps() -> list[list[Step]]:
    """The stage that unpacks it; it needs the wheels."""
    (group,) = (group for group in layout.WHEELS if group.name == "alpine")
    return [[Step(layout.ALPINE_STEP, (*group.inputs(), repr((IMAGE, LEFT_OUT))), _unpack)]]


def _unpack(bench: Bench) -> None:
    found = layout.wheels(bench.lab, "alpine")
    if not found:
        raise LabError("the wheel with the image is not fetched: run the lab without --only")
    image, raw, new = bench.scratch / "image", bench.scratch / "raw", bench.scratch / "alpine"
    with zipfile.ZipFile(found[0]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(IMAGE))
        with archive.open(name) as content, image.open("wb") as file:
            shutil.copyfileobj(content, file)
    bench.run("qemu-img", "convert", "-O", "raw", image, raw)
    new.mkdir()
    bench.run(DEBUGFS, "-R", f"rdump / {new}", raw)
    if not (new / "etc" / "alpine-release").is_file():  # which debugfs does not tell by its exit status
        raise LabError("the image holds no Alpine Linux")
    for path in LEFT_OUT:
        shutil.rmtree(new / path, ignore_errors=True)
    bench.publish(new, layout.alpine(bench.lab))
