"""Libraries that inflate faster: taken where they are there, never needed, and never believed."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from checkout import FIXTURES
from trees import snapshot
from wheelmaker import DEFLATED, STORED, make_wheel

import muslfix
from muslfix.errors import InvalidWheel
from muslfix.staging import unpack
from muslfix.targets.interpreter import read_target_file
from muslfix.wheels import archive
from muslfix.wheels.archive import STANDARD, fastest

TARGET = read_target_file(str(FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"))
NAMES = ("isal", "zlib_ng")

#: What can be found under the name of such a library. Each is a module of its own on the path.
GOOD = """
from zlib import crc32
import zlib
error = type("Error", (Exception,), {})
used = []
def decompressobj(wbits):
    used.append(wbits)
    return zlib.decompressobj(wbits)
"""
FAILS = GOOD + "def decompressobj(wbits): raise error('no')\n"
FAILS_LATE = (
    GOOD
    + """
class decompressobj:
    def __init__(self, wbits): self.real, self.count = zlib.decompressobj(wbits), 0
    def __getattr__(self, name): return getattr(self.real, name)
    def decompress(self, data, limit):
        self.count += 1
        if self.count == 3: raise error('after some megabytes')
        return self.real.decompress(data, limit)
"""
)
LIES = (
    GOOD
    + """
class decompressobj:
    def __init__(self, wbits): self.real = zlib.decompressobj(wbits)
    def __getattr__(self, name): return getattr(self.real, name)
    def decompress(self, data, limit): return bytes(len(self.real.decompress(data, limit)))
crc = 0
def crc32(data, value=0): return value
"""
)
HALF = "def crc32(data, value): return 0\n"
BROKEN = "raise RuntimeError('compiled for another machine')\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes ``isal.isal_zlib`` what a test wants it to be; the others are not there."""

    def forget() -> None:
        fastest.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
            del sys.modules[name]

    def install(source: str) -> None:
        for name in NAMES:
            (tmp_path / "path" / name).mkdir(parents=True)
            (tmp_path / "path" / name / "__init__.py").touch()
        (tmp_path / "path" / "isal" / "isal_zlib.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path / "path"))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        forget()

    forget()
    yield install
    forget()


def test_without_any_it_is_the_library_of_python(library: Callable[[str], None]) -> None:
    library("")
    assert fastest() is STANDARD


@pytest.mark.parametrize("source", [HALF, BROKEN, "import nothing_of_that_name"])
def test_one_that_cannot_be_used_is_passed_over(library: Callable[[str], None], source: str) -> None:
    library(source)
    assert fastest() is STANDARD


def test_one_that_is_there_is_used(library: Callable[[str], None], tmp_path: Path) -> None:
    library(GOOD)
    assert fastest() is sys.modules["isal.isal_zlib"]
    install(tmp_path, "new", large_files())
    assert set(sys.modules["isal.isal_zlib"].used) == {-zlib.MAX_WBITS}


def large_files() -> dict[str, bytes]:
    chance = b"".join(zlib.crc32(b"%d" % n).to_bytes(4, "big") for n in range(200_000))
    return {
        "demo/large.bin": chance * 7,
        "demo/middle.bin": chance[:400_000],
        "demo/empty.py": b"",
        "demo-1.0.data/scripts/run": b"#!python\n" + chance[:1_000],
    }


def install(folder: Path, name: str, files: dict[str, bytes], method: int = DEFLATED) -> dict[str, str]:
    wheel = folder / "demo-1.0-py3-none-any.whl"
    if not wheel.exists():
        make_wheel(wheel, files, method=method)
    prefix = folder / name / "prefix"
    muslfix.install([str(wheel)], TARGET, muslfix.InstallOptions(prefix=str(prefix)))
    return {path: state for path, state in snapshot(prefix).items() if "direct_url" not in path}


@pytest.mark.parametrize("method", [STORED, DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("source", [GOOD, FAILS, FAILS_LATE], ids=["good", "fails", "fails late"])
def test_the_tree_is_the_same(
    library: Callable[[str], None], tmp_path: Path, source: str, method: int
) -> None:
    expected = install(tmp_path, "one", large_files(), method)
    library(source)
    assert fastest() is not STANDARD
    assert install(tmp_path, "two", large_files(), method) == expected


def test_one_that_gives_other_bytes_is_found_out(library: Callable[[str], None], tmp_path: Path) -> None:
    """RECORD's hash is not computed by it."""
    expected = install(tmp_path, "one", large_files())
    library(LIES)
    assert install(tmp_path, "two", large_files()) == expected


def test_a_damaged_wheel_is_refused_in_the_same_words(library: Callable[[str], None], tmp_path: Path) -> None:
    files = large_files()
    wheel = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", files, fields={"demo/middle.bin": {"crc": 1}})
    sentences = []
    for source in (None, GOOD):
        if source is not None:
            library(source)
        with pytest.raises(InvalidWheel) as caught:
            muslfix.install([str(wheel)], TARGET, muslfix.InstallOptions(prefix=str(tmp_path / "prefix")))
        sentences.append(str(caught.value))
        assert not (tmp_path / "prefix").exists()
    assert sentences[0] == sentences[1]
    assert "demo/middle.bin is damaged: its CRC-32 is wrong" in sentences[0]


def test_a_small_wheel_does_without(
    library: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(GOOD)
    monkeypatch.setattr(unpack, "fastest", lambda: pytest.fail("it takes longer to load than it saves"))
    install(tmp_path, "new", {"demo.py": b"x" * 1_000})


@pytest.mark.parametrize("name", archive._FASTER)
def test_the_real_ones(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(name)
    expected = install(tmp_path, "one", large_files())
    monkeypatch.setattr(unpack, "fastest", lambda: import_module(name))
    assert install(tmp_path, "two", large_files()) == expected
