"""Whether a wheel is for a target, by the target's own facts: what runs the tests has no say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checkout import FIXTURES
from packaging.tags import Tag, parse_tag

from muslfix.errors import IncompatibleWheel
from muslfix.targets.compatibility import check_requires_python, check_tags, unmet_requirements
from muslfix.targets.interpreter import read_target_file
from muslfix.targets.target import Target


def target(name: str) -> Target:
    return read_target_file(str(FIXTURES / "targets" / f"{name}.json"))


MUSL = target("lab-cpython-3.9-musl-x86_64")
ARM = target("alpine-3.14-cpython-3.9-armv7")
DEBIAN = target("debian-12-cpython-3.11-x86_64")

FITS, NOT = True, False


@pytest.mark.parametrize(
    ("tags", "whom", "fits"),
    [
        ("py3-none-any", MUSL, FITS),
        ("py2.py3-none-any", MUSL, FITS),
        ("py2-none-any", MUSL, NOT),
        ("py39-none-any", MUSL, FITS),
        ("py310-none-any", MUSL, NOT),
        ("cp39-none-any", MUSL, FITS),
        ("cp39-cp39-musllinux_1_1_x86_64", MUSL, FITS),
        ("cp39-cp39-musllinux_1_2_x86_64", MUSL, FITS),
        ("cp39-cp39-musllinux_1_3_x86_64", MUSL, NOT),
        ("cp39-cp39-musllinux_2_0_x86_64", MUSL, NOT),
        ("cp39-cp39-linux_x86_64", MUSL, FITS),
        ("cp39-cp39-manylinux_2_17_x86_64.musllinux_1_1_x86_64", MUSL, FITS),
        ("cp39-cp39-manylinux_2_17_x86_64", MUSL, NOT),
        ("cp39-cp39-musllinux_1_1_aarch64", MUSL, NOT),
        ("cp36-abi3-musllinux_1_1_x86_64", MUSL, FITS),
        ("cp310-abi3-musllinux_1_1_x86_64", MUSL, NOT),
        ("cp38-cp38-musllinux_1_1_x86_64", MUSL, NOT),
        ("cp39-cp39d-musllinux_1_1_x86_64", MUSL, NOT),
        ("pp39-pypy39_pp73-musllinux_1_1_x86_64", MUSL, NOT),
        ("cp39-cp39-win_amd64", MUSL, NOT),
        ("cp39-cp39-musllinux_1_1_armv7l", ARM, FITS),
        ("cp39-cp39-musllinux_1_1_aarch64", ARM, NOT),
        ("cp311-cp311-manylinux2014_x86_64", DEBIAN, FITS),
        ("cp311-cp311-manylinux_2_99_x86_64", DEBIAN, NOT),
        ("cp311-cp311-musllinux_1_1_x86_64", DEBIAN, NOT),
    ],
    ids=str,
)
def test_tags(tags: str, whom: Target, fits: bool) -> None:
    if fits:
        check_tags("demo.whl", parse_tag(tags), whom)
        return
    with pytest.raises(IncompatibleWheel) as caught:
        check_tags("demo.whl", parse_tag(tags), whom)
    assert caught.value.path == "demo.whl"


@pytest.mark.parametrize(
    ("whom", "reason", "tip"),
    [
        (
            MUSL,
            "is for cp27-cp27mu-any, cp27-none-any, and the target is CPython 3.9.2 on linux-x86_64"
            " with musl 1.2.5",
            "look for a wheel with a tag such as cp39-cp39-musllinux_1_2_x86_64",
        ),
        (
            replace(DEBIAN, libc_version=None),
            "is for cp27-cp27mu-any, cp27-none-any, and the target is CPython 3.11.2 on linux-x86_64"
            " with glibc (version unknown)",
            "look for a wheel with a tag such as cp311-cp311-linux_x86_64",
        ),
    ],
    ids=["musl", "unknown version"],
)
def test_the_sentence_about_tags(whom: Target, reason: str, tip: str) -> None:
    with pytest.raises(IncompatibleWheel) as caught:
        check_tags("demo.whl", [Tag("cp27", "none", "any"), Tag("cp27", "cp27mu", "any")], whom)
    assert (caught.value.reason, caught.value.tip) == (reason, tip)


@pytest.mark.parametrize(
    ("specifier", "version", "fits"),
    [
        (None, "3.9.2", FITS),
        ("", "3.9.2", FITS),
        (">=3.9", "3.9.2", FITS),
        (">=3.9.3", "3.9.2", NOT),
        ("==3.9.*", "3.9.2", FITS),
        ("<3.9", "3.9.2", NOT),
        (">=3.6, !=3.9.2", "3.9.2", NOT),
        (">=3.15", "3.15.0a1", FITS),  # as for pip, a version that is being made counts as that version
        ("<3.15", "3.15.0rc2", NOT),
        (">=3.x", "3.9.2", FITS),  # what cannot be read is passed over, as by pip
    ],
)
def test_requires_python(specifier: str | None, version: str, fits: bool) -> None:
    whom = replace(MUSL, version=version)
    if fits:
        check_requires_python("demo.whl", specifier, whom)
        return
    with pytest.raises(IncompatibleWheel) as caught:
        check_requires_python("demo.whl", specifier, whom)
    assert str(caught.value) == f"demo.whl: requires Python {specifier}, and the target is Python {version}"


INSTALLED = {"six": "1.16.0", "old-style": "2004d-odd", "pre": "2.0b1", "zope-interface": "5"}


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ("six", None),
        ("SIX >=1.10", None),
        ("six[extra] (>=1.10)", None),
        ("six >=2", "requires six>=2; installed is 1.16.0"),
        ("Zope.Interface >=5", None),
        ("zope_interface <5", "requires zope_interface<5; installed is 5"),
        ("absent >=1,<2", "requires absent<2,>=1, which is not installed"),
        ("absent @ https://example.org/absent.whl", "requires absent, which is not installed"),
        ("six @ https://example.org/six.whl", None),
        ("pre >=2.0a1", None),
        ("pre", None),
        ("old-style", None),
        ("old-style >=1", "requires old-style>=1; installed is 2004d-odd"),
        ("absent; extra == 'tests'", None),
        ("absent; python_version < '3.10'", "requires absent, which is not installed"),
        ("absent; python_version >= '3.10'", None),
        ("absent; platform_machine == 'armv7l'", None),
        ("absent; sys_platform == 'win32'", None),
        ("absent; python_full_version == '3.9.2'", "requires absent, which is not installed"),
        ("six ==", "has a requirement that cannot be read: 'six =='"),
        ("absent; nonsense == '1'", "has a requirement that cannot be read: \"absent; nonsense == '1'\""),
        ("absent; python_version ~= 'x'", 'has a requirement that cannot be read: "absent; python_version'),
        ("", "has a requirement that cannot be read: ''"),
    ],
)
def test_requirements(requirement: str, sentence: str | None) -> None:
    found = unmet_requirements([requirement], INSTALLED, MUSL)
    if sentence is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(sentence)


def test_markers_are_those_of_the_target() -> None:
    line = "absent; platform_machine == 'armv7l'"
    assert unmet_requirements([line], {}, ARM) == ["requires absent, which is not installed"]
    assert unmet_requirements([line], {}, MUSL) == []


def test_all_requirements_are_looked_at() -> None:
    assert unmet_requirements(["a", "six", "b"], INSTALLED, MUSL) == [
        "requires a, which is not installed",
        "requires b, which is not installed",
    ]


def test_of_many_tags_and_requirements_the_first_are_named() -> None:
    tags = parse_tag(".".join(f"cp2{number}" for number in range(30)) + "-none-any")
    with pytest.raises(IncompatibleWheel, match="-none-any and 10 more, and the target is"):
        check_tags("x.whl", tags, MUSL)
    lines = unmet_requirements([f"x{number}" for number in range(5000)], {}, MUSL)
    assert len(lines) == 101
    assert lines[-1] == "has 4900 more requirements that are not met"


def test_a_requirement_nested_too_deeply_cannot_be_read() -> None:
    (line,) = unmet_requirements(["a; " + "(" * 4000 + "os_name == 'x'" + ")" * 4000], {}, MUSL)
    assert line.startswith('has a requirement that cannot be read: "a; ((((')
    assert len(line) < 250
