"""Paths in a root file system, compared with what the kernel makes of them with RESOLVE_IN_ROOT."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from required import lacks

from muslfix.errors import InvalidTarget
from muslfix.targets.root_files import RootFiles
from muslfix.targets.target import TargetTree

_OPENAT2, _RESOLVE_IN_ROOT = 437, 0x10  # linux/openat2.h; the number is that of all CPUs

NAMES = ("a", "b", "c", "d")
NAME = st.sampled_from(NAMES)
PATHS = st.lists(st.sampled_from((*NAMES, "..", ".", "")), min_size=1, max_size=5).map("/".join)
LINKS = st.builds(lambda top, path: top + path, st.sampled_from(("", "/")), PATHS).filter(bool)


def kernel_path(root: Path, path: str) -> str | None:
    """The path that the kernel finds, with the top as its root; ``None`` where there is nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    top = os.open(root, os.O_PATH)
    how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_PATH, 0, _RESOLVE_IN_ROOT), 24)
    try:
        found = libc.syscall(_OPENAT2, top, os.fsencode(path) or b".", how, ctypes.c_size_t(24))
        if found < 0:
            if ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
                lacks("this kernel has no openat2")
            return None
        try:
            return os.readlink(f"/proc/self/fd/{found}")
        finally:
            os.close(found)
    finally:
        os.close(top)


@settings(max_examples=150, deadline=None)
@given(
    tree=st.dictionaries(
        st.lists(NAME, min_size=1, max_size=3).map(tuple), st.one_of(st.none(), LINKS), max_size=7
    ),
    path=PATHS,
)
@example(tree={("a", "b"): "/c", ("c",): None}, path="a/b")
@example(tree={("a", "b"): "/../c/../d", ("c", "a"): None, ("d",): None}, path="a/b")
@example(tree={("a", "b"): "../../../c", ("c",): None}, path="a/b")
@example(tree={("a",): "b", ("b",): "a"}, path="a")
def test_paths_are_those_of_the_kernel(tree: dict[tuple[str, ...], str | None], path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        for parts, link in sorted(tree.items()):
            place = root.joinpath(*parts)
            above = [root.joinpath(*parts[:n]) for n in range(1, len(parts))]
            if os.path.lexists(place) or any(parent.is_symlink() or parent.is_file() for parent in above):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if link is None:
                place.write_bytes(b"")
            else:
                place.symlink_to(link)
        expected = kernel_path(root, path)
        files = RootFiles(TargetTree(folder))
        try:
            found = files.locate("/" + path)
        except InvalidTarget:
            assert expected is None
            return
        # What is not there has a place too, for a file that will be written: inside, and behind no link.
        assert os.path.realpath(found) == found
        assert os.path.commonpath([found, str(root)]) == str(root)
        if expected is None:
            return
        assert found == expected
        assert files.is_file("/" + path) == os.path.isfile(expected)
        assert files.is_directory("/" + path) == os.path.isdir(expected)


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    """Between finding and opening somebody may change the tree."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root" / "file").symlink_to(tmp_path / "secret")
    files = RootFiles(TargetTree(str(tmp_path / "root")))
    with pytest.raises(OSError, match="symbolic"):
        os.close(files._walk(["file"]))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("secret")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "folder")
    with pytest.raises(OSError, match="directory"):
        os.close(files._walk(["folder", "file"]))


def test_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    files = RootFiles(TargetTree(str(tmp_path)))
    assert files.read("/file", 5) == b"12345"
    assert [files.read(path, 5) for path in ("/pipe", "/null", "/absent", "/", "/file/below")] == [None] * 5
    assert files.names("/") == ["file", "null", "pipe"]
    assert files.names("/file") == []
    with pytest.raises(InvalidTarget, match="larger than"):
        files.read("/file", 4)
    with pytest.raises(OSError, match="regular"), files.open("/pipe"):
        pass
    with pytest.raises(IsADirectoryError), files.open("/"):
        pass


def test_a_prefix_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("")
    (tmp_path / "link").symlink_to("/usr/local/inside")
    (tmp_path / "out").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("../inside")
    files = RootFiles(TargetTree(str(tmp_path), "/usr/local"))
    assert files.locate("/usr/local/link") == str(tmp_path / "inside")
    assert files.resolve("/usr/local/link") == "/usr/local/inside"
    assert not files.holds("/usr/locally")
    for path in ("/usr/local/out", "/usr/local/up", "/etc", "/usr/local/../local/inside"):
        with pytest.raises(InvalidTarget, match="leads out of"):
            files.locate(path)
