"""Target files written to harm: one sentence, nothing changed; and one that is accepted can be used."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bad_files import BAD_JSON, Make, assert_tells, text
from checkout import FIXTURES
from commands import Cli
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import states

from muslfix.errors import IncompatibleWheel, InvalidTarget
from muslfix.targets.compatibility import check_requires_python, unmet_requirements
from muslfix.targets.untrusted_facts import target_from_facts

PURE = FIXTURES / "wheels" / "pure-1.0-py3-none-any.whl"
TARGET = FIXTURES / "targets" / "lab-cpython-3.9-musl-x86_64.json"
FACTS: dict[str, Any] = json.loads(TARGET.read_text())


def with_facts(**changes: Any) -> Make:
    """A target file with other values; ``a__b`` is ``b`` in ``a``."""
    facts = json.loads(TARGET.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = facts
        for parent in parents:
            place = place[parent]
        place[last] = value
    return text(json.dumps(facts))


LONG = "x" * 100_000
BAD_TARGETS: dict[str, tuple[Make, str]] = {
    **{name: (make, "") for name, make in BAD_JSON.items()},
    "a fact twice": (
        text(TARGET.read_text().replace('"libc":', '"libc": "glibc", "libc":')),
        "'libc' occurs twice",
    ),
    "long path": (with_facts(prefix="/" + LONG), "prefix has 100001 characters, which is too long"),
    "long suffix": (with_facts(extension_suffixes=["." + LONG + ".so"]), "extension_suffixes.0 has 100004"),
    "many suffixes": (with_facts(extension_suffixes=[".so"] * 9_999), "has 9999 entries, which is too many"),
    "long platform": (with_facts(platform="linux-" + "x" * 999), "which is not a platform"),
    "platform with a space": (with_facts(platform="linux-x86 64"), "which is not a platform"),
    "very late version": (with_facts(version="3.999"), "version is '3.999', which is not a version"),
    "no version at the end": (with_facts(version="3.9.zz"), "version is '3.9.zz', which is not a version"),
    "large libc": (with_facts(libc_version="1.99999"), "libc_version is '1.99999', which is not a version"),
    "escape": (with_facts(prefix="/\x1b[31m"), r"prefix has control characters: '/\x1b[31m'"),
    "C1": (with_facts(environment="\x9b31m"), r"environment is '\x9b31m'"),
    "bidi": (with_facts(implementation="\u202e"), r"implementation is \u202e"),
    "surrogate": (with_facts(scheme__purelib="/\ud800"), "surrogates not allowed"),
    "a list for a text": (with_facts(loader=[["/"]]), "loader is [['/']], which is not text"),
    "an object for a text": (
        with_facts(scheme__scripts={}),
        "scheme.scripts is {}, which is not text",
    ),
    "a text for an object": (with_facts(markers="x"), "markers is 'x', which is not an object"),
    "not absolute": (with_facts(scheme__platlib="lib"), "which is not an absolute path"),
    "leaves the prefix": (with_facts(prefix_scheme__data="../.."), "which leaves the prefix"),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_target_files(cli: Cli, tmp_path: Path, case: str) -> None:
    make, sentence = BAD_TARGETS[case]
    path = tmp_path / "target.json"
    make(path)
    before = states(tmp_path)
    result = cli("install", PURE, "--target-file", path, "--target", tmp_path / "folder")
    assert states(tmp_path) == before
    assert (result.status, result.out) == (1, "")
    assert_tells(result)
    assert result.err.startswith(f"error: {path}: ")
    assert sentence in result.err
    assert len(result.err.splitlines()) <= 2


def test_a_target_file_may_be_a_pipe_that_somebody_writes_to(cli: Cli, tmp_path: Path) -> None:
    """As a shell makes it: ``--target-file <(muslfix interpreter --json)``."""
    reader, writer = os.pipe()
    with subprocess.Popen(["cat", TARGET], stdout=writer):
        os.close(writer)
        result = cli("check", PURE, "--target-file", f"/dev/fd/{reader}")
    os.close(reader)
    assert (result.status, result.err) == (0, "")


HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    [
        "",
        "x",
        "/",
        "/x",
        "..",
        "\u202e",
        "\x9b",
        "é",
        "3.12",
        "linux-",
        "\udcff",
        "9" * 99,
        "<1",
        0,
        -1,
        2**70,
        1.5,
        None,
        True,
        [],
        {},
        [[]],
    ]
)
NAMES = [
    *FACTS,
    *(f"{name}__{inner}" for name in FACTS if isinstance(FACTS[name], dict) for inner in FACTS[name]),
]


@settings(deadline=None, max_examples=300)
@given(changes=st.dictionaries(st.sampled_from(NAMES), HOSTILE, min_size=1, max_size=3))
def test_a_target_that_is_accepted_can_be_used(changes: dict[str, Any]) -> None:
    facts = json.loads(TARGET.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = facts
        for parent in parents:
            place = place[parent]
        if isinstance(place, dict):
            place[last] = value
    try:
        target = target_from_facts(facts)
    except InvalidTarget as error:
        assert len(error.reason) < 6_000  # noqa: PT017
        return
    assert target.tags()
    assert target_from_facts(json.loads(target.to_json())) == target
    markers = [f"x; {name} >= '1'" for name in facts["markers"]]
    assert (
        unmet_requirements([*markers, *(text.replace(">=", "==") for text in markers)], {}, target)
        is not None
    )
    with suppress(IncompatibleWheel):
        check_requires_python("x.whl", ">=3", target)
