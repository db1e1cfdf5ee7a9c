"""The journal that is found in an environment: damaged, torn, somebody else's, or leading elsewhere."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from required import lacks
from trees import snapshot

from muslfix.errors import DestinationError
from muslfix.files.access import STAGING_PREFIX
from muslfix.transaction.journal import BELONGS_TO, JOURNAL, TAKEN_BACK, Journal, make_staging
from muslfix.transaction.leftovers import recover_leftovers
from muslfix.transaction.steps import DONE, Step
from muslfix.transaction.transaction import Transaction

NOBODY = 65534


class Tree:
    """An environment, what is beside it, and a staging folder that somebody has left.

    :param base: for all of it
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.prefix = base / "prefix"
        self.site = self.prefix / "lib" / "python3.9" / "site-packages"
        self.outside = base / "outside"
        self.staging = self.site / f"{STAGING_PREFIX}0123abcd"
        for folder in (self.site / "pkg", self.prefix / "bin", self.outside / "sub"):
            folder.mkdir(parents=True)
        make_staging(str(self.staging))
        (self.staging / "1").mkdir()
        for path in (self.site / "pkg" / "new.py", self.outside / "precious", self.staging / "1" / "old.py"):
            path.write_text(path.name)
        (self.site / "link").symlink_to(self.outside)
        (self.site / "inner").symlink_to("pkg")
        (self.staging / "link").symlink_to(self.outside)

    @property
    def journal(self) -> Path:
        return self.staging / JOURNAL

    def path(self, text: str) -> str:
        """A path: ``S/`` is the staging folder, ``E/`` the folder of modules, ``O/`` what is outside."""
        folders = {"S": self.staging, "E": self.site, "O": self.outside, "P": self.prefix}
        head, slash, tail = text.partition("/")
        return f"{folders[head]}/{tail}" if slash and head in folders else text

    def note(self, *steps: list[Any]) -> None:
        """Write a journal as a transaction does, but with any steps: ``[kind, mode, *paths]``."""
        values = [
            [*step[:2], *(self.path(p) if isinstance(p, str) else p for p in step[2:])] for step in steps
        ]
        self.write(line(values))

    def write(self, content: bytes) -> None:
        """Let the journal begin as a transaction begins it, then be this."""
        self.journal.unlink(missing_ok=True)
        Journal(str(self.staging), str(self.site)).close()
        with self.journal.open("ab") as file:
            file.write(content)

    def refused(self) -> DestinationError:
        """Why the journal is not followed; nothing is touched then."""
        before = seen(self.base)
        with pytest.raises(DestinationError) as caught:
            recover_leftovers(str(self.site))
        assert seen(self.base) == before
        assert "\n" not in str(caught.value)
        return caught.value


def seen(folder: Path) -> dict[str, tuple[int, bytes | str | None]]:
    """As ``snapshot``, but nothing is opened that is no file."""
    return {
        str(path): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in folder.rglob("*")
    }


def line(value: object) -> bytes:
    """A note."""
    text = json.dumps(value).encode()
    return hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# -- what is followed -------------------------------------------------------------------------------


def test_an_honest_journal_is_followed(tree: Tree) -> None:
    tree.note(
        ["mkdir", 0, "P/share"],
        ["rename", 0, "E/old.py", "S/1/old.py"],
        ["rename", 0, "S/1/new.py", "E/pkg/new.py"],
        ["rmdir", 0o700, "P/include"],
    )
    (tree.prefix / "share").mkdir()
    assert recover_leftovers(str(tree.site))
    assert sorted(os.listdir(tree.site)) == ["inner", "link", "old.py", "pkg"]
    assert os.listdir(tree.site / "pkg") == []
    assert sorted(os.listdir(tree.prefix)) == ["bin", "include", "lib"]
    assert (tree.prefix / "include").stat().st_mode & 0o777 == 0o700


def test_what_is_done_is_only_tidied_up(tree: Tree) -> None:
    with_journal = Journal(str(tree.staging), str(tree.site))
    with_journal.note([Step("rename", (str(tree.site / "old.py"), str(tree.staging / "1" / "old.py")))])
    with_journal.note([DONE], sync=True)
    with_journal.close()
    assert recover_leftovers(str(tree.site))
    assert sorted(os.listdir(tree.site)) == ["inner", "link", "pkg"]


def test_without_a_journal_nothing_has_happened(tree: Tree) -> None:
    assert recover_leftovers(str(tree.site))
    assert sorted(os.listdir(tree.site)) == ["inner", "link", "pkg"]
    assert (tree.outside / "precious").exists()


MOVE = ["rename", 0, "E/old.py", "S/1/old.py"]


@pytest.mark.parametrize(
    "tear",
    [
        lambda text: text[:-1],
        lambda text: text[:1],
        lambda text: text[:-20] + bytes(20),
        lambda text: bytes(len(text)),
        lambda text: bytes(len(text) - 1) + b"\n",
        lambda text: text[:-20] + bytes(19) + b"\n",
        lambda text: b"",
        lambda text: text[:-1] + bytes(4096),
    ],
    ids=["no end", "one byte", "zeros", "all zeros", "zeros, end", "hole", "nothing", "zeros beyond"],
)
@pytest.mark.parametrize("noted_before", [True, False])
def test_a_note_torn_by_a_power_cut_did_not_happen(
    tree: Tree, tear: Callable[[bytes], bytes], noted_before: bool
) -> None:
    tree.note(MOVE)
    first = tree.journal.read_bytes()
    if not noted_before:
        first = first.partition(b"\n")[0] + b"\n"
    with tree.journal.open("wb") as file:
        file.write(first + tear(line([["done", 0]])))
    assert recover_leftovers(str(tree.site))
    assert (tree.site / "old.py").exists() == noted_before


# -- what is not ------------------------------------------------------------------------------------

ESCAPES = {
    "absolute target": ["rename", 0, "S/1/new.py", "/etc/hostname"],
    "absolute source": ["rename", 0, "O/precious2", "S/1/old.py"],
    "with dots": ["rename", 0, "E/../../../../outside/x", "S/1/old.py"],
    "dots that stay inside": ["rename", 0, "E/pkg/../x", "S/1/old.py"],
    "not absolute": ["rename", 0, "x", "S/1/old.py"],
    "empty": ["rename", 0, "", "S/1/old.py"],
    "through a link that stays inside": ["rename", 0, "E/inner/x", "S/1/old.py"],
    "an interpreter": ["rename", 0, "P/bin/python", "S/1/old.py"],
    "an interpreter, to replace": ["replace", 0, "S/1/a", "P/bin/Python3.9", "S/1/b"],
    "what configures an interpreter": ["rename", 0, "S/1/a", "P/pyvenv.cfg"],
    "through a link of the tree": ["rename", 0, "E/link/sub/x", "S/1/old.py"],
    "through a link in staging": ["rename", 0, "E/x", "S/link/precious"],
    "out of staging by dots": ["rename", 0, "E/x", "S/../pkg/new.py"],
    "between two places of the tree": ["rename", 0, "E/x", "E/pkg/new.py"],
    "between two places of staging": ["rename", 0, "S/x", "S/1/old.py"],
    "the tree itself": ["rename", 0, "P", "S/1/old.py"],
    "replaced outside": ["replace", 0, "S/1/a", "O/precious", "S/1/old.py"],
    "backup outside": ["replace", 0, "S/1/a", "E/pkg/new.py", "O/precious"],
    "source outside": ["replace", 0, "O/a", "E/pkg/new.py", "S/1/old.py"],
    "folder removed outside": ["mkdir", 0, "O/sub"],
    "folder removed through a link": ["mkdir", 0, "E/link/sub"],
    "folder made outside": ["rmdir", 0o777, "O/new"],
    "mode changed outside": ["rmdir", 0o777, "O/sub"],
    "other staging outside": ["elsewhere", 0, "O/" + STAGING_PREFIX + "0123abcd"],
    "other staging of another name": ["elsewhere", 0, "E/pkg"],
    "other staging through a link": ["elsewhere", 0, "E/link/" + STAGING_PREFIX + "0123abcd"],
}


@pytest.mark.parametrize("step", ESCAPES.values(), ids=ESCAPES)
def test_a_step_that_leads_out(tree: Tree, step: list[Any]) -> None:
    tree.note(["rename", 0, "S/1/new.py", "E/pkg/new.py"], step)
    (tree.outside / (STAGING_PREFIX + "0123abcd")).mkdir()
    error = tree.refused()
    assert error.path == str(tree.journal)
    assert error.reason.startswith(f"leads elsewhere ({step[0]} ")
    assert error.reason.endswith("so the changes of an interrupted muslfix cannot be undone")
    assert error.tip is not None
    assert f"remove {tree.staging}, and install these projects again" in error.tip


@pytest.mark.parametrize(
    "value",
    [
        {}, 0, None, "x", [[]], [["rename"]], [["rename", 0]], [["rename", 0, "S/a"]], [["done", 0, "E/x"]],
        [["chmod", 0, "E/x"]], [["rename", "0", "E/x", "S/x"]], [["rename", True, "E/x", "S/x"]],
        [["rmdir", -1, "E/x"]], [["rmdir", 0o10000, "E/x"]], [["rename", 0, 1, 2]], [["rename", 0, None, []]],
        [[["rename"], 0, "E/x", "S/x"]], [["rename", 0, "E/x\0", "S/x"]], [{"kind": "done"}], [None],
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_is_no_step(tree: Tree, value: object) -> None:
    tree.write(line(value))
    error = tree.refused()
    assert (error.path, error.reason) == (
        str(tree.journal),
        "is damaged in line 2, so the changes of an interrupted muslfix cannot be undone",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"no note\n",
        line([["done", 0]])[1:],
        line([["done", 0]]).replace(b"done", b"Done"),
        b"0" * 64 + b" []\n",
        hashlib.sha256(b"[" * 100_000).hexdigest().encode() + b" " + b"[" * 100_000 + b"\n",
        hashlib.sha256(b"\xff").hexdigest().encode() + b" \xff\n",
    ],
    ids=["empty", "text", "cut", "changed", "no hash", "deep", "no UTF-8"],
)
def test_damage_that_no_power_cut_does(tree: Tree, content: bytes) -> None:
    for before, after in itertools.product((b"", line([])), repeat=2):
        tree.write(before + content + after)
        assert "is damaged in line" in tree.refused().reason


def test_zeros_before_a_good_note(tree: Tree) -> None:
    tree.write(bytes(100) + b"\n" + line([]))
    assert "is damaged in line 2" in tree.refused().reason


@pytest.mark.parametrize("name", [JOURNAL, TAKEN_BACK, BELONGS_TO])
def test_what_is_no_file(tree: Tree, name: str) -> None:
    path = tree.staging / name
    (tree.outside / "journal").write_bytes(line([["done", 0]]))

    for target in (str(tree.outside / "journal"), "nowhere"):
        path.symlink_to(target)
        assert "cannot be read" in tree.refused().reason
        path.unlink()
    os.mkfifo(path)
    assert "cannot be read" in tree.refused().reason
    path.unlink()
    path.mkdir()
    assert "cannot be read" in tree.refused().reason


def test_a_journal_that_is_too_long(tree: Tree) -> None:
    with tree.journal.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    before = sorted(os.listdir(tree.site))
    with pytest.raises(DestinationError, match=r"cannot be read \(it is too long\)"):
        recover_leftovers(str(tree.site))
    assert sorted(os.listdir(tree.site)) == before


def test_one_that_is_not_trusted_keeps_the_others_from_being_followed(tree: Tree) -> None:
    tree.note(["rename", 0, "O/x", "S/1/old.py"])
    for name in ("00", "ff"):
        staging = tree.site / (STAGING_PREFIX + name)
        make_staging(str(staging))
        (staging / "old").write_text("")
        journal = Journal(str(staging), str(tree.site))
        journal.note([Step("rename", (str(tree.site / "new"), str(staging / "old")))])
        journal.close()
    tree.refused()


def test_a_link_in_the_place_of_a_staging_folder(tree: Tree) -> None:
    tree.staging.rename(tree.outside / "staging")
    tree.staging.symlink_to(tree.outside / "staging")
    before = snapshot(tree.base)
    assert not recover_leftovers(str(tree.site))
    assert snapshot(tree.base) == before


# -- somebody else's --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1755, 0o1720, 0o1702, 0o1777, 0o4700])
def test_a_staging_folder_that_no_transaction_has_made(tree: Tree, mode: int) -> None:
    """The first two are what installers make of a wheel's folder, by the umask, and what 1.0 made."""
    tree.note(MOVE)
    tree.staging.chmod(mode)
    error = tree.refused()
    assert error.path == str(tree.staging)
    assert error.reason.startswith("was not made by this muslfix: a wheel can bring such a directory")


def test_a_staging_folder_that_inherits_its_group(tree: Tree) -> None:
    tree.note(MOVE)
    tree.staging.chmod(0o3700)
    assert recover_leftovers(str(tree.site))


def forged(tree: Tree, **changes: int) -> bytes:
    """A journal with other inode numbers in its first line."""
    first = json.loads(tree.journal.read_bytes().partition(b"\n")[0].partition(b" ")[2])
    return line({**first, **changes}) + line([["done", 0]])


@pytest.mark.parametrize(
    "content",
    [
        lambda tree: line([["done", 0]]),
        lambda tree: line({}) + line([["done", 0]]),
        *(lambda tree, name=name: forged(tree, **{name: 1}) for name in ("anchor", "staging", "journal")),
        lambda tree: forged(tree, more=1),
    ],
    ids=["of 1.0", "empty", "other anchor", "other staging folder", "other journal", "more"],
)
@pytest.mark.parametrize("name", [JOURNAL, TAKEN_BACK])
def test_a_journal_that_was_written_elsewhere(
    tree: Tree, content: Callable[[Tree], bytes], name: str
) -> None:
    tree.note(MOVE)
    tree.journal.write_bytes(content(tree))
    tree.journal.rename(tree.staging / name)
    error = tree.refused()
    assert error.path == str(tree.staging / name)
    assert error.reason.startswith("was not written here by muslfix")


@pytest.mark.parametrize("what", ["tree", "staging folder", "journal"])
def test_a_copy_is_not_followed(tree: Tree, what: str) -> None:
    """As of an archive of the environment: it has all that was there, but other inodes."""
    tree.note(MOVE)
    original = {"tree": tree.site, "staging folder": tree.staging, "journal": tree.journal}[what]
    away = original.rename(tree.base / "away")
    if what == "journal":
        shutil.copy2(away, original)
    else:
        shutil.copytree(away, original, symlinks=True)
    assert tree.refused().reason.startswith("was not written here by muslfix")


@pytest.mark.parametrize("name", ["staging", "journal"])
def test_what_is_of_another_user(tree: Tree, name: str) -> None:
    if os.geteuid() != 0:
        lacks("only root can give files away")
    tree.note(MOVE)
    os.chown(getattr(tree, name), NOBODY, NOBODY)
    reason = tree.refused().reason
    assert reason.startswith(
        {
            "staging": f"belongs to the user with the number {NOBODY}, so",
            "journal": "cannot be read (it belongs",
        }[name]
    )


# -- a transaction that is at work on another folder ------------------------------------------------


def test_what_another_folders_transaction_has_here_stays(tmp_path: Path) -> None:
    """Files for another file system are staged there; who works there must not take that for left over."""
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        lacks("this machine has no second file system")
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        with Transaction(str(tmp_path), [other]) as transaction:
            staged = Path(transaction.staging_directory(f"{other}/file"), "x")
            staged.write_text("new")
            with pytest.raises(DestinationError) as caught:
                recover_leftovers(other)
            assert (
                caught.value.reason
                == f"belongs to a muslfix that is working on {tmp_path}, or was interrupted there"
            )
            transaction.rename(str(staged), f"{other}/file")
            transaction.commit()
        assert os.listdir(other) == ["file"]
        assert not recover_leftovers(other)
        # When the one with the journal is gone, nobody will come for it.
        lost = Path(other, STAGING_PREFIX + "lost")
        make_staging(str(lost))
        (lost / BELONGS_TO).write_text(str(tmp_path / "gone"))
        assert recover_leftovers(other)
        assert os.listdir(other) == ["file"]
