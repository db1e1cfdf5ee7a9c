"""The sources: upstream's archives, from the Debian mirror that this machine uses, pinned by hash.

Debian keeps them in its pool under names that do not change; a point release changes only the packaging
beside them. So neither an index nor a change to apt's configuration is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from .processes import LabError, output_of
from .steps import Bench, Step

APT_HELPER = "/usr/lib/apt/apt-helper"

APT_OPTIONS = ("-oAcquire::Retries=3", "-oAPT::Sandbox::User=root")  # apt's own user may not see the lab


@dataclass(frozen=True)
class Source:
    """An upstream archive.

    :param pool: its path on every Debian mirror
    :param sha256: its hash, which decides: the mirror need not be trusted
    """

    pool: str
    sha256: str

    @property
    def filename(self) -> str:
        """Its name in the pool, and in the lab."""
        return PurePosixPath(self.pool).name

    def archive(self, lab: Path) -> Path:
        """Where the lab keeps it."""
        return lab / "sources" / self.filename

    def unpack(self, bench: Bench, *, without: tuple[str, ...] = ()) -> Path:
        """Unpack it into a new folder of the step's scratch folder.

        :param without: patterns of members to leave out
        """
        tree = bench.scratch / self.filename.partition("_")[0]
        tree.mkdir()
        excluded = [f"--exclude={pattern}" for pattern in without]
        archive = self.archive(bench.lab)
        bench.build("tar", "-xf", archive, "--strip-components=1", *excluded, cwd=tree)
        return tree


PYTHONS = {
    "3.9.2": Source(
        "pool/main/p/python3.9/python3.9_3.9.2.orig.tar.xz",
        "3c2034c54f811448f516668dce09d24008a0716c3a794dd8639b5388cbde247d",
    ),
    "3.11.2": Source(
        "pool/main/p/python3.11/python3.11_3.11.2.orig.tar.gz",
        "2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
    ),
    "3.13.5": Source(
        "pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
        "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640",
    ),
}
MUSLS = {
    "1.2.3": Source(
        "pool/main/m/musl/musl_1.2.3.orig.tar.gz",
        "7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4",
    ),
    "1.2.5": Source(
        "pool/main/m/musl/musl_1.2.5.orig.tar.gz",
        "a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4",
    ),
}
LIBFFI = Source(
    "pool/main/libf/libffi/libffi_3.4.4.orig.tar.gz",
    "d66c56ad259a82cf2a9dfc408b32bf5da52371500b84745f7fb8b645712df676",
)
OPENSSL = Source(
    "pool/main/o/openssl/openssl_1.1.1w.orig.tar.gz",
    "cf3098950cb4d853ad95c0841f1f9c6d3dc102dccfcacd521d93925208b76ac8",
)
SQLITE = Source(
    "pool/main/s/sqlite3/sqlite3_3.34.1.orig.tar.xz",
    "082f583440c662cb484ae1c124ffe285b587bbb7837e095e693026e6df50334d",
)
ZLIB = Source(
    "pool/main/z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2",
    "71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1",
)


def steps() -> list[Step]:
    """The steps that fetch them."""
    every = (*PYTHONS.values(), *MUSLS.values(), LIBFFI, OPENSSL, SQLITE, ZLIB)
    return [Step(source.filename, (repr(source),), partial(_fetch, source)) for source in every]


def _fetch(source: Source, bench: Bench) -> None:
    archive = source.archive(bench.lab)
    if archive.is_file() and _sha256(archive) == source.sha256:
        return  # somebody put it there
    uri = f"{mirror()}/{source.pool}"
    new = bench.scratch / source.filename
    bench.run(APT_HELPER, *APT_OPTIONS, "download-file", uri, new, f"SHA256:{source.sha256}")
    if _sha256(new) != source.sha256:
        raise LabError(f"{source.filename} came with another hash; its log is {bench.log}")
    bench.publish(new, archive)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def mirror() -> str:
    """The Debian mirror: ``$MUSLFIX_LAB_MIRROR``, else the one that apt is configured with.

    :raises LabError: if there is none
    """
    if chosen := os.environ.get("MUSLFIX_LAB_MIRROR"):
        return chosen.rstrip("/")
    if shutil.which("apt-get"):
        wanted = ("--format", "$(REPO_URI)", "Created-By: Packages")
        for uri in output_of(["apt-get", "indextargets", *wanted]).split():
            place = urlsplit(uri)
            if place.scheme in {"http", "https"} and "debian" in place.path.split("/"):
                return uri.rstrip("/")
    raise LabError("apt is configured with no Debian mirror; name one in MUSLFIX_LAB_MIRROR")
