"""What leaves a tree is deleted in the end: where that cannot be, it does not leave, or it is said."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import mount_namespace
from misnamed import fix_all, lay, undo_all, verify_all, write_record
from required import lacks
from trees import leftovers, snapshot

import muslfix
from muslfix.errors import DestinationError
from muslfix.projects.project import scan_projects
from muslfix.staging.place import move_out
from muslfix.staging.replaced import owned_files
from muslfix.targets.schemes import Layout
from muslfix.targets.target import Scheme
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.transaction.transaction import Transaction

NOBODY = 65534

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def tree() -> Iterator[Path]:
    """A folder of another user; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "pkg")
        package.mkdir()
        (package / "a.py").write_text("")
        for path in (Path(folder), package, package / "a.py"):
            os.chown(path, NOBODY, NOBODY)
        yield Path(folder)


@only_root
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_what_another_user_has_put_there_does_not_leave(tree: Path, mode: int) -> None:
    """As the bytecode that root's Python has compiled. 1.0 moved it away, and could not delete it."""
    cache = tree / "pkg" / "__pycache__"
    cache.mkdir(mode=mode)
    (cache / "a.cpython-39.pyc").write_text("")
    before = snapshot(tree)
    refused = pytest.raises(DestinationError, match="cannot be deleted: the directory belongs to the user")
    with as_nobody(), Transaction(str(tree)) as transaction, refused as caught:
        transaction.move_out(str(tree / "pkg"))
    assert caught.value.path == str(cache)
    assert snapshot(tree) == before


@only_root
def test_an_empty_folder_of_another_user_can_be_deleted(tree: Path) -> None:
    (tree / "pkg" / "__pycache__").mkdir()
    with as_nobody(), Transaction(str(tree)) as transaction:
        transaction.move_out(str(tree / "pkg"))
        transaction.commit()
    assert list(tree.iterdir()) == []


@only_root
@pytest.mark.parametrize("name", ["", "a.py"])
def test_what_is_immutable_does_not_leave(tmp_path: Path, name: str) -> None:
    (tmp_path / "pkg" / "sub").mkdir(parents=True)
    (tmp_path / "pkg" / "sub" / "a.py").write_text("")
    path = tmp_path / "pkg" / "sub" / name
    descriptor = os.open(path, os.O_RDONLY)
    set_flags = 1 << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 2
    try:
        fcntl.ioctl(descriptor, set_flags, struct.pack("l", 0x10))
    except OSError:
        os.close(descriptor)
        lacks("this file system has no immutable files")
    try:
        refused = pytest.raises(DestinationError, match="cannot be deleted: it is immutable or append-only")
        with Transaction(str(tmp_path)) as transaction, refused:
            transaction.move_out(str(tmp_path / "pkg"))
    finally:
        fcntl.ioctl(descriptor, set_flags, struct.pack("l", 0))
        os.close(descriptor)
    assert leftovers(tmp_path) == []


@only_root
def test_what_cannot_be_deleted_after_all_is_named_until_it_is_gone(tree: Path) -> None:
    """1.0 said nothing at first, and then "cleaned up after an interrupted muslfix" each time."""
    with as_nobody():
        with Transaction(str(tree)) as transaction:
            transaction.move_out(str(tree / "pkg"))
            (staging,) = tree.glob(".muslfix-*")
            os.seteuid(0)
            kept = staging / "1" / "kept"
            kept.mkdir()
            (kept / "file").write_text("")
            os.seteuid(NOBODY)
            transaction.commit()
        assert transaction.remaining == (str(staging),)
        for _ in range(2):
            said = recover_leftovers(str(tree))
            assert said.startswith(f"{staging}: is no longer needed and cannot be removed;")


MOVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from muslfix.transaction.transaction import Transaction
tree = Path(sys.argv[1])
with Transaction(str(tree / "site"), [str(tree)]) as transaction:
    staged = Path(transaction.staging_directory(str(tree / "bin")), "x")
    staged.write_text("")
    transaction.move_out(str(tree / "site" / "pkg"))
    transaction.rename(str(staged), str(tree / "bin" / "x"))
    transaction.commit()
"""


@pytest.mark.parametrize(
    ("mounted", "sentence"),
    [("site", ""), ("bin", ""), ("site/pkg/data", "cannot be deleted: a file system is mounted there")],
)
def test_a_folder_mounted_from_the_same_device(tmp_path: Path, mounted: str, sentence: str) -> None:
    """1.0 failed with "Invalid cross-device link", or left the mount point behind."""
    for name in ("source", "bin", "site/pkg/data"):
        (tmp_path / name).mkdir(parents=True)
    if mounted == "site":
        (tmp_path / "source" / "pkg").mkdir()
    script = 'mount --bind "$1" "$2"; "$3" -c "$4" "$5" "$6"'
    words = (tmp_path / "source", tmp_path / mounted, sys.executable, MOVE, tmp_path)
    command = [*mount_namespace("sh", "-ec"), script, "sh", *words, Path(muslfix.__file__).parents[1]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode == 0) == (sentence == ""), done.stderr
    assert sentence in done.stderr
    assert (tmp_path / "bin" / "x").exists() == (mounted == "site")
    assert (tmp_path / "source" / "x").exists() == (mounted == "bin")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("content", [[], ["other.cpython-39.pyc"]], ids=["empty", "of others"])
def test_an_empty_place_for_bytecode_goes_with_its_package(tmp_path: Path, content: list[str]) -> None:
    """1.0 left it, and ``import demo`` of a project that was gone succeeded."""
    site = lay(tmp_path / "site")
    cache = site / "demo" / "__pycache__"
    cache.mkdir()
    for name in content:
        (cache / name).write_text("")
    folders = {name: str(tmp_path / name) for name in ("headers", "scripts", "data")}
    scheme = Scheme(purelib=str(site), platlib=str(site), **folders)
    layout = Layout(scheme, scheme)
    with Transaction(str(site)) as transaction:
        move_out(transaction, owned_files(scan_projects([str(site)])["demo"], layout), layout)
        transaction.commit()
    assert [str(path.relative_to(site)) for path in site.rglob("*")] == (
        ["demo", "demo/__pycache__", f"demo/__pycache__/{content[0]}"] if content else []
    )


@only_root
@pytest.mark.parametrize("verb", [fix_all, undo_all])
def test_owner_and_mode_of_record_stay(tmp_path: Path, verb: object) -> None:
    """1.0 let RECORD belong to root, where root fixed the environment of a user."""
    site = lay(tmp_path / "site")
    if verb is undo_all:
        fix_all(site)
    (record,) = site.glob("*.dist-info/RECORD")
    record.chmod(0o640)
    os.chown(record, NOBODY, 12345)
    assert verb(site).is_well  # type: ignore[operator]
    state = record.stat()
    assert (state.st_mode & 0o7777, state.st_uid, state.st_gid) == (0o640, NOBODY, 12345)
    for trace in site.glob("*.dist-info/muslfix.json"):
        assert trace.stat().st_uid == NOBODY


@pytest.mark.parametrize("size", ["", str(17 * 1024**3)], ids=["no size in RECORD", "that size"])
def test_verify_reads_no_more_than_it_may(tmp_path: Path, size: str) -> None:
    """As ``/proc/kcore``, a file of as many bytes as there are addresses."""
    hole = tmp_path / "site" / "demo" / "hole"
    site = lay(tmp_path / "site")
    with hole.open("wb") as file:
        file.truncate(17 * 1024**3)
    (record,) = site.glob("*.dist-info/RECORD")
    write_record(site, record.read_text() + f"demo/hole,sha256={'A' * 43},{size}\n")
    (found,) = verify_all(site).projects[0].files
    assert (found.finding, found.sentence) == (
        "changed",
        f"it has {17 * 1024**3} bytes, but muslfix reads no more than 16 GiB",
    )
