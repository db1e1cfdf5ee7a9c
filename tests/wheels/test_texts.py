"""METADATA, WHEEL and entry points that make parsers run out of stack, memory or time; each within limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from limits import within_limits
from wheelmaker import make_wheel

from muslfix.errors import InvalidWheel
from muslfix.wheels.texts import EntryPoint, Headers, entry_points_text, parse_entry_points, parse_tags
from muslfix.wheels.wheel import open_wheel

NAME = "demo-1.0-py3-none-any.whl"
ABOUT = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
FORMAT = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
SCRIPTS = "[console_scripts]\n"
ENTRY = SCRIPTS + "foo = a:b"

#: ``%(a)s`` means ten times the one before.
LAUGHS = SCRIPTS + "a0 = x\n" + "".join(f"a{n} = {f'%(a{n - 1})s' * 10}\n" for n in range(1, 8))

MANY = ".".join(f"a{n}" for n in range(400))
NESTED = "Content-Type: message/rfc822\n\n" * 3000
LONG = ABOUT + "\n" + "a\n" * 2_000_000
MULTIPART = 'Content-Type: multipart/mixed; boundary="x"\n\n' + "--x\n\n" * 200_000

#: What is in METADATA, WHEEL and entry_points.txt, and why that is refused; empty: it is not.
HOSTILE = {
    "METADATA of nested messages": (ABOUT + NESTED, FORMAT, "", ""),
    "METADATA of many messages": (ABOUT + MULTIPART, FORMAT, "", ""),
    "WHEEL of nested messages": (ABOUT, FORMAT + NESTED, "", ""),
    "a long description": (LONG, FORMAT, "", ""),
    "a long one with other line ends": (LONG.replace("\n", "\r"), FORMAT, "", ""),
    "a long line of spaces": (ABOUT + "Summary: " + " " * 2_000_000 + "x\n", FORMAT, "", ""),
    "many headers": (ABOUT + "A:\n" * 2_000_000, FORMAT, "", "has headers of more than"),
    "long headers": (ABOUT + "A: " + "x" * 5_000_000, FORMAT, "", "has headers of more than"),
    "many requirements": (
        ABOUT + "Requires-Dist: x\n" * 90_000, FORMAT, "",
        "has 90000 lines 'Requires-Dist', more than 10000, in its METADATA",
    ),
    "a long requirement": (
        ABOUT + "Requires-Dist: x" + " " * 300_000 + "!\n", FORMAT, "",
        "has a line 'Requires-Dist' of more than 4096 characters in its METADATA",
    ),
    "a long version": (
        ABOUT.replace("1.0", "1" * 5000), FORMAT, "",
        "has a line 'Version' of more than 4096 characters in its METADATA",
    ),
    "a long Requires-Python": (
        ABOUT + f"Requires-Python: >={'1' * 5000}\n", FORMAT, "",
        "has a line 'Requires-Python' of more than 4096 characters",
    ),
    "a product of tags": (
        ABOUT, FORMAT + f"Tag: {MANY}-{MANY}-{MANY}\n", "", "has a line 'Tag' of more than 4096 characters",
    ),
    "a smaller product of tags": (
        ABOUT, FORMAT + "Tag: " + "-".join(["x" + ".y" * 300] * 3) + "\n", "",
        "",
    ),
    "many tags": (ABOUT, FORMAT + "Tag: a-b-c\n" * 90_000, "", "has 90001 lines 'Tag', more than 10000"),
    "interpolation": (ABOUT, FORMAT, LAUGHS, "is not of the form name = module:function"),
    "spaces behind an entry": (ABOUT, FORMAT, ENTRY + " " * 300_000 + "!\n", "is not of the form"),
    "spaces in front of it": (ABOUT, FORMAT, SCRIPTS + "foo" + " " * 300_000 + "a:b\n", "parsing errors"),
    "exotic spaces": (ABOUT, FORMAT, ENTRY + " \u2003\t" * 90_000 + "!\n", "is not of the form"),
    "empty lines in it": (ABOUT, FORMAT, ENTRY + "\n" * 300_000 + "  !\n", "is not of the form"),
    "many scripts": (
        ABOUT, FORMAT, SCRIPTS + "".join(f"s{n} = a:b\n" for n in range(20_000)),
        "it has 20000 scripts, more than 10000",
    ),
    "long entry points": (ABOUT, FORMAT, "#" * 2_000_000, "it has more than 1048576 characters"),
}  # fmt: skip


def reason(path: Path) -> str:
    """Why a wheel is refused; empty if it is not."""
    try:
        with open_wheel(str(path)):
            return ""
    except InvalidWheel as error:
        return error.reason


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_texts_are_refused_within_limits(tmp_path: Path, case: str) -> None:
    metadata, wheel, scripts, sentence = HOSTILE[case]
    files = {"demo-1.0.dist-info/entry_points.txt": scripts.encode()} if scripts else {}
    path = make_wheel(tmp_path / NAME, files, metadata=metadata.encode(), wheel=wheel.encode())
    said = within_limits(lambda: reason(path))
    assert sentence in said
    assert bool(sentence) is bool(said)
    assert len(said) < 500


@pytest.mark.parametrize(
    "name", ["demo-" + "1" * 5000, "demo-1.0-py3-" + MANY, "-".join(["x" + ".y" * 300] * 5)]
)
def test_hostile_file_names_are_none_of_a_wheel(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}-none-any.whl"
    assert within_limits(lambda: reason(path)).startswith("is not a wheel file name: ")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_headers_end_at_the_first_empty_line(end: str) -> None:
    text = end.join(["Name: demo", "Tag: a", " b", "tag: c", "", "Name: other", ""])
    headers = Headers("x.whl", "WHEEL", text)
    assert headers.one("name") == "demo"
    assert [value.split() for value in headers.all("Tag")] == [["a", "b"], ["c"]]
    assert Headers("x.whl", "WHEEL", end + text).all("Name") == ()


def test_tags_are_those_of_all_lines() -> None:
    assert {str(tag) for tag in parse_tags("py2.py3-none-any", "cp39-abi3-linux_x86_64")} == {
        "py2-none-any", "py3-none-any", "cp39-abi3-linux_x86_64",
    }  # fmt: skip
    with pytest.raises(ValueError, match="is no compatibility tag"):
        parse_tags("any")


SOME = (EntryPoint("a b", "m.n", "f.g", "console"), EntryPoint("C", "m", "f", "gui"))


@pytest.mark.parametrize(
    "text",
    [
        entry_points_text(SOME),
        "[console_scripts]\na \t b=m.n : f.g [x, y] \n; no\n\n[gui_scripts]\nC = m:f\n[else]\nd = %(x)s\n",
        "  [console_scripts]\n  a b = m.n:f.g\n\n  [gui_scripts]\r\n  C=m:f\n",
        "[DEFAULT]\nd = m:f\n[console_scripts]\na b = m.n:f.g\n[gui_scripts]\nC = m:f[]\n",
    ],
)
def test_entry_points_are_those_of_the_two_groups(text: str) -> None:
    assert parse_entry_points(text) == SOME


@pytest.mark.parametrize(
    "value", ["", "m", "m:", ":f", "m:f [x", "m:f x", "m:f:g", "m:f]", "m n:f", "m:f\n  g"]
)
def test_what_is_no_entry_point(value: str) -> None:
    with pytest.raises(ValueError, match=r"'x' = .* is not of the form"):
        parse_entry_points(f"[gui_scripts]\nx = {value}\n")


@pytest.mark.parametrize("end", ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("before", ["[gui_scripts]", "[gui_scripts]\n# note", "[gui_scripts]\nx = m:f"])
def test_a_line_of_entry_points_ends_for_every_reader(before: str, end: str) -> None:
    with pytest.raises(ValueError, match="which ends a line for some readers only"):
        parse_entry_points(f"{before}{end}y = m:g\n")
