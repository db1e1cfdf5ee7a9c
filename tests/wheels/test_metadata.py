"""Wheels: what is odd and accepted, what is refused, and what ``installer`` is given of it.

That refusals reach the user as one sentence, with nothing changed, is shown in ``test_bad_wheels``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installer.sources import WheelSource
from wheelmaker import STORED, Member, make_wheel, record_hash

from muslfix.errors import InvalidWheel
from muslfix.wheels.archive import _CHUNK, _WHOLE
from muslfix.wheels.metadata import WheelFacts
from muslfix.wheels.wheel import MemberStream, Wheel, open_wheel

NAME = "demo-1.0-py3-none-any.whl"
CODE = b"answer = 42\n"


def facts_of(path: Path) -> WheelFacts:
    with open_wheel(str(path)) as wheel:
        return wheel.facts


def refusal(path: Path) -> str:
    with pytest.raises(InvalidWheel) as caught, open_wheel(str(path)):
        pass
    assert caught.value.path == str(path)
    return caught.value.reason


def contents(path: Path) -> dict[str, bytes]:
    with open_wheel(str(path)) as wheel:
        return {row[0]: stream.read() for row, stream, _ in wheel.get_contents()}


# -- what is accepted ------------------------------------------------------------------------------


def test_facts_of_a_plain_wheel(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path / "Demo_Project-1.0.post1-1build-cp39.cp310-abi3-musllinux_1_1_x86_64.whl",
        {"demo.py": CODE},
        metadata={
            "Name": "Demo.Project",
            "Requires-Python": ">=3.6",
            "Requires-Dist": ["six", "attrs >=1; extra == 'x'"],
        },
        dist_info="Demo_Project-1.0.post1.dist-info",
        wheel={"Root-Is-Purelib": "false"},
    )
    facts = facts_of(path)
    assert (facts.path, facts.key, facts.name) == (str(path), "demo-project", "Demo.Project")
    assert facts.has_version("1.0-1")
    assert not facts.has_version("1.0")
    assert not facts.has_version("no version")
    assert sorted(map(str, facts.tags)) == [
        "cp310-abi3-musllinux_1_1_x86_64",
        "cp39-abi3-musllinux_1_1_x86_64",
    ]
    assert facts.dist_info == "Demo_Project-1.0.post1.dist-info"
    assert facts.data == "Demo_Project-1.0.post1.data"
    assert facts.requires_python == ">=3.6"
    assert facts.requirements == ("six", "attrs >=1; extra == 'x'")
    assert not facts.root_is_purelib
    assert facts.warnings == ()


def test_a_wheel_need_not_require_anything(tmp_path: Path) -> None:
    facts = facts_of(make_wheel(tmp_path / NAME, {"demo.py": CODE}))
    assert (facts.requires_python, facts.requirements, facts.root_is_purelib) == (None, (), True)


@pytest.mark.parametrize(
    "dist_info",
    ["Demo-1.0.dist-info", "demo-1.0.0.dist-info", "DEMO-1.dist-info"],
)
def test_folders_may_spell_project_and_version_in_other_ways(tmp_path: Path, dist_info: str) -> None:
    data = dist_info.replace(".dist-info", ".data").replace("1", "01")
    files = {f"{data}/purelib/demo.py": CODE, "other-1.0.data/note.txt": b"a folder like any other"}
    facts = facts_of(make_wheel(tmp_path / NAME, files, dist_info=dist_info))
    assert (facts.dist_info, facts.data) == (dist_info, data)


def test_old_tools_wrote_an_underscore_for_a_dash_in_versions(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path / "demo-1.0_1-py3-none-any.whl",
        {"demo.py": CODE},
        metadata={"Version": "1.0-1"},
        dist_info="demo-1.0_1.dist-info",
    )
    with pytest.raises(InvalidWheel, match="is not a wheel file name"), open_wheel(str(path)):
        pass
    path = path.rename(tmp_path / "demo-1.0.post1-py3-none-any.whl")
    assert facts_of(path).dist_info == "demo-1.0_1.dist-info"


def padded(text: bytes) -> bytes:
    return text.replace(record_hash(CODE).encode(), record_hash(CODE).encode() + b"=")


def with_algorithm(name: str) -> Callable[[bytes], bytes]:
    old, new = f"sha256={record_hash(CODE)}", f"{name}={record_hash(CODE, name.lower())}"
    return lambda text: text.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    "record",
    [
        padded,
        with_algorithm("sha384"),
        with_algorithm("sha512"),
        with_algorithm("SHA256"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: b"\n" + text + b"\n",
        lambda text: text.replace(b"demo.py", b'"demo.py"'),
        lambda text: text.replace(f",{len(CODE)}\n".encode(), b",\n"),
        lambda text: text.replace(b"RECORD,,", b"RECORD,nonsense,x"),
        lambda text: text + b"demo-1.0.dist-info/RECORD.jws,,\n",
    ],
    ids=[
        "padded hash",
        "sha384",
        "sha512",
        "capitals",
        "CRLF",
        "no last line end",
        "blank lines",
        "quoted",
        "no size",
        "hash of itself",
        "signature listed",
    ],
)
def test_a_record_may_be_written_in_several_ways(tmp_path: Path, record: Any) -> None:
    path = make_wheel(
        tmp_path / NAME,
        {"demo.py": CODE},
        record=record,
        extra=[Member("demo-1.0.dist-info/RECORD.jws", b"{}"), Member("demo-1.0.dist-info/", mode=0o40755)],
    )
    assert contents(path)["demo.py"] == CODE


@pytest.mark.parametrize(
    ("text", "root_is_purelib", "warnings"),
    [
        (b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n", True, ()),
        (b"Wheel-Version: 0.1\nRoot-Is-Purelib: True\n", True, ()),
        (b"Wheel-Version: 1.0\n", False, ()),
        (
            b"Wheel-Version: 1.9\nRoot-Is-Purelib: false\n",
            False,
            ("has the wheel format version 1.9, which is newer than this muslfix",),
        ),
    ],
    ids=["1.0", "0.1", "no root", "1.9"],
)
def test_versions_of_the_format(
    tmp_path: Path, text: bytes, root_is_purelib: bool, warnings: tuple[str, ...]
) -> None:
    facts = facts_of(make_wheel(tmp_path / NAME, {"demo.py": CODE}, wheel=text))
    assert (facts.root_is_purelib, facts.warnings) == (root_is_purelib, warnings)


@pytest.mark.parametrize(
    "name", ["demo", "c++filt", "my tool", "ä", "...", "-x", "python-config", "python3x", "pypy_tool", "a;b"]
)
def test_scripts_may_have_any_name_that_is_a_file_name(tmp_path: Path, name: str) -> None:
    facts_of(make_wheel(tmp_path / NAME, {"demo.py": CODE}, scripts={name: "demo.sub:Class.main [extra]"}))


def test_other_groups_of_entry_points_are_none_of_our_business(tmp_path: Path) -> None:
    text = b"[pytest11]\npython = what is this?\n../x = y\n[gui_scripts]\ndemo = demo:main\n"
    facts_of(make_wheel(tmp_path / NAME, {"demo.py": CODE, "demo-1.0.dist-info/entry_points.txt": text}))


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "scripts", "sentence"),
    [
        ({"demo-1.0.data/purelib": CODE}, {}, "'demo-1.0.data/purelib', which is in none of the directories"),
        ({"demo-1.0.data": CODE}, {}, "'demo-1.0.data', which is in none of the directories purelib"),
        ({"demo-1.0.data/libs/x": CODE}, {}, "which is in none of the directories purelib, platlib, headers"),
        ({"demo-1.0.data/scripts/x": CODE, "Demo-1.data/scripts/x": CODE}, {}, "must not have two .data"),
        (
            {"demo-1.0.dataX/x": CODE},
            {},
            "'demo-1.0.dataX/x', which looks like its .data directory but is not",
        ),
        ({"demo-1.0.database": CODE}, {}, "'demo-1.0.database', which looks like its .data directory"),
        (
            {"demo-1.0.data/platlib/x-1.dist-info/RECORD": CODE},
            {},
            "has 'demo-1.0.data/platlib/x-1.dist-info/RECORD', which would describe a project beside",
        ),
        ({"demo-1.0.data/data/.muslfix-x/y": CODE}, {}, "a name that muslfix reserves for itself"),
        ({".muslfix-x/journal": CODE}, {}, "'.muslfix-x/journal', a name that muslfix reserves for itself"),
        ({}, {"demo": "demo.main"}, "'demo' = 'demo.main' is not of the form name = module:function"),
        ({}, {"demo": "demo:"}, "'demo' = 'demo:' is not of the form name = module:function"),
        ({}, {"demo": "de mo:main"}, "'demo' = 'de mo:main' is not of the form"),
        ({}, {"demo": "demo:main.."}, "'demo' = 'demo:main..' is not of the form"),
        ({}, {"demo": ".:main"}, "'demo' = '.:main' is not of the form"),
        ({}, {"demo": "demo:1"}, "'demo' = 'demo:1' is not of the form"),
        ({}, {"demo": "%(x)s:main"}, "has a damaged entry_points.txt: 'demo' = '%(x)s:main' is not"),
        ({}, {"../demo": "demo:main"}, "has an entry point with a bad name: '../demo'"),
        ({}, {"/demo": "demo:main"}, "has an entry point with a bad name: '/demo'"),
        ({}, {"..": "demo:main"}, "has an entry point with a bad name: '..'"),
        ({}, {".": "demo:main"}, "has an entry point with a bad name: '.'"),
        ({}, {"\x1b[31m": "demo:main"}, r"has an entry point with a bad name: '\x1b[31m'"),
        ({"demo-1.0.data/scripts/python": CODE}, {}, "has 'bin/python', which belongs to the interpreter"),
        *(
            ({}, {name: "demo:main"}, f"has 'bin/{name}', which belongs to the interpreter")
            for name in ("python3", "Python3.11", "python3.13t", "pythonw", "pypy3.10")
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(map(repr, value)),
)
def test_files_and_scripts_that_would_be_something_else(
    tmp_path: Path, files: dict[str, bytes], scripts: dict[str, str], sentence: str
) -> None:
    assert sentence in refusal(make_wheel(tmp_path / NAME, files, scripts=scripts))


@pytest.mark.parametrize(
    "text",
    [b"[console_scripts]\nx\n", b"x = y:z\n", b"[console_scripts]\nx = y:z\nx = a:b\n", b"\xff"],
    ids=["no value", "no group", "twice", "no UTF-8"],
)
def test_damaged_entry_points(tmp_path: Path, text: bytes) -> None:
    reason = refusal(make_wheel(tmp_path / NAME, {"demo-1.0.dist-info/entry_points.txt": text}))
    assert "entry_points.txt" in reason
    assert "\n" not in reason


# -- what installer is given -----------------------------------------------------------------------

FILES = {"demo.py": CODE, "demo/__init__.py": b"", "demo-1.0.data/scripts/x": b"#!python\n"}


@pytest.fixture
def wheel_path(tmp_path: Path) -> Path:
    info = "demo-1.0.dist-info"
    return make_wheel(
        tmp_path / NAME,
        {
            **FILES,
            "__pycache__/demo.cpython-39.pyc": b"not what demo.py says",
            "demo/__pycache__/x": b"",
            "demo/__pycache__x": b"only a name like that",
            f"{info}/INSTALLER": b"pip\n",
            f"{info}/REQUESTED": b"",
            f"{info}/direct_url.json": b"{",
            f"{info}/muslfix.json": b"{}",
            f"{info}/licenses/INSTALLER": b"A licence.\n",
        },
        executable=["demo-1.0.data/scripts/x"],
        extra=[Member(f"{info}/RECORD.jws"), Member(f"{info}/RECORD.p7s")],
    )


def test_it_is_a_wheel_source(wheel_path: Path) -> None:
    with open_wheel(str(wheel_path)) as wheel:
        assert isinstance(wheel, WheelSource)
        assert (wheel.distribution, wheel.version) == ("demo", "1.0")
        assert (wheel.dist_info_dir, wheel.data_dir) == ("demo-1.0.dist-info", "demo-1.0.data")
        assert "licenses/INSTALLER" in wheel.dist_info_filenames
        assert "demo.py" not in wheel.dist_info_filenames
        assert wheel.read_dist_info("METADATA").startswith("Metadata-Version: 2.1\n")
        with pytest.raises(InvalidWheel, match=r"has no demo-1.0.dist-info/PKG-INFO"):
            wheel.read_dist_info("PKG-INFO")


def test_what_is_not_to_be_installed_is_left_out(wheel_path: Path) -> None:
    info = "demo-1.0.dist-info"
    assert contents(wheel_path).keys() == {
        *FILES,
        "demo/__pycache__x",
        f"{info}/licenses/INSTALLER",
        f"{info}/METADATA",
        f"{info}/WHEEL",
    }


def test_contents_and_their_mode(wheel_path: Path) -> None:
    with open_wheel(str(wheel_path)) as wheel:
        given = [(row[0], stream.read(), executable) for row, stream, executable in wheel.get_contents()]
    for name, content in FILES.items():
        assert (name, content, name.endswith("/x")) in given


def stream_of(wheel: Wheel, name: str) -> MemberStream:
    (stream,) = [stream for row, stream, _ in wheel.get_contents() if row[0] == name]
    assert isinstance(stream, MemberStream)
    return stream


@pytest.mark.parametrize("method", [STORED, 8], ids=["stored", "deflated"])
def test_large_files_are_streamed(tmp_path: Path, method: int) -> None:
    content = hashlib.sha256(b"").digest() * ((_WHOLE + 2 * _CHUNK) // 32)
    path = make_wheel(tmp_path / NAME, {"large": content}, method=method)
    with open_wheel(str(path)) as wheel:
        stream = stream_of(wheel, "large")
        assert stream.readable()
        assert stream.read(10) == content[:10]
        assert stream.readall() == content[10:]
        assert max(map(len, stream_of(wheel, "large").chunks())) <= _CHUNK


def test_a_file_that_is_not_the_one_in_record_is_noticed_at_its_end(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path / NAME,
        {"demo.py": CODE, "fine.py": b"fine"},
        record=lambda text: text.replace(record_hash(CODE).encode(), record_hash(b"other").encode()),
    )
    with open_wheel(str(path)) as wheel:
        assert stream_of(wheel, "fine.py").read() == b"fine"
        with pytest.raises(InvalidWheel, match=r"has a 'demo.py' that is not the one in RECORD"):
            stream_of(wheel, "demo.py").read()


def test_a_wheel_that_is_not_named_like_one_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidWheel, match="is not a wheel file name") as caught:
        facts_of(tmp_path / "demo.zip")
    assert caught.value.tip is not None
    assert caught.value.tip.startswith("a wheel is named project-version-python-abi-platform.whl")


def test_a_pattern_that_no_file_matches(tmp_path: Path) -> None:
    with pytest.raises(InvalidWheel, match="does not exist") as caught:
        facts_of(tmp_path / "*.whl")
    assert caught.value.tip == "no file matches it, so the shell has left it as it is"


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("sitecustomize.py", True),
        ("usercustomize/__init__.py", True),
        ("demo-1.0.data/purelib/sitecustomize.cpython-39-x86_64-linux-gnu.so", True),
        ("pkg/sitecustomize.py", False),
        ("sitecustomize_tools.py", False),
        ("demo-1.0.data/data/share/sitecustomize.py", False),
        ("demo-1.0.data/data/lib/python3.9/site-packages/usercustomize.py", True),
        ("demo-1.0.data/data/local/lib64/python3.9/dist-packages/sitecustomize/__init__.py", True),
        ("demo-1.0.data/data/lib/python3.9/site-packages/pkg/sitecustomize.py", False),
    ],
)
def test_what_runs_at_startup_is_named(tmp_path: Path, name: str, warned: bool) -> None:
    path = make_wheel(tmp_path / "demo-1.0-py3-none-any.whl", {name: b""})
    with open_wheel(str(path)) as opened:
        warnings = opened.facts.warnings
    assert warnings == ((f"has {name!r}, which every Python there runs at startup",) if warned else ())
