"""The exceptions: one family, sentences, and values that survive a process boundary."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from pathlib import Path

import pytest

import muslfix
from muslfix import errors
from muslfix.errors import MuslfixError, RefusedModules


def leaves(kind: type[MuslfixError]) -> list[type[MuslfixError]]:
    return [leaf for child in kind.__subclasses__() for leaf in (leaves(child) or [child])]


FAMILY = [
    kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__module__ == errors.__name__
]
LEAVES = leaves(MuslfixError)
KINDS: list[type[MuslfixError]] = [MuslfixError, *LEAVES]
EACH_LEAF = pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)

EXAMPLES: list[MuslfixError] = [
    kind(path, "is not what it should be", tip)
    for kind in KINDS
    for path, tip in [(None, None), ("/a/b c\n", "do this"), ("\udcff", None)]
]
EXAMPLES.append(RefusedModules("m.whl", "has modules that cannot work", "do this", ("a", "b")))


def test_there_is_one_family() -> None:
    assert LEAVES
    assert {kind for kind in FAMILY if kind is not MuslfixError} == set(LEAVES)
    assert all(issubclass(kind, MuslfixError) for kind in FAMILY)
    assert MuslfixError.__bases__ == (Exception,)


def test_no_other_module_defines_an_exception_that_gets_out() -> None:
    """Private ones (``_Stop``) may steer a module; they never leave it."""
    for path in Path(muslfix.__file__).parent.rglob("*.py"):
        if path.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases = " ".join(ast.unparse(base) for base in node.bases)
                assert not re.search(r"Error|Exception|Invalid|Refused", bases), f"{path.name}: {node.name}"


@EACH_LEAF
def test_every_leaf_is_documented(kind: type[MuslfixError]) -> None:
    document = kind.__doc__
    assert document is not None
    assert document != MuslfixError.__doc__
    first_line = document.partition("\n")[0]
    assert re.fullmatch(r"[A-Z].{20,}\.", first_line)


@EACH_LEAF
def test_every_field_is_documented(kind: type[MuslfixError]) -> None:
    parameters = [name for name in inspect.signature(kind).parameters if name != "self"]
    documented = re.findall(r":param (\w+):", f"{MuslfixError.__doc__}{kind.__doc__}")
    assert set(parameters) <= set(documented)


@EACH_LEAF
def test_sentences(kind: type[MuslfixError]) -> None:
    assert str(kind(None, "is wrong")) == "is wrong"
    assert str(kind("a/b", "is wrong")) == "a/b: is wrong"
    assert str(kind("a/b", "is wrong", "do this")) == "a/b: is wrong"  # the tip is a line of its own


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: f"{type(error).__name__}-{error.path!a}")
def test_written_out(error: MuslfixError) -> None:
    """Its ``repr`` leaves nothing out: it is the call that makes the error."""
    again = eval(repr(error), vars(errors).copy())
    assert type(again) is type(error)
    assert vars(again) == vars(error)


@EACH_LEAF
def test_fields(kind: type[MuslfixError]) -> None:
    error = kind("a/b", "is wrong", tip="do this")
    assert (error.path, error.reason, error.tip) == ("a/b", "is wrong", "do this")
    assert kind(None, "is wrong").path is None
    assert kind(None, "is wrong").tip is None


def test_lines_of_refused_modules() -> None:
    assert RefusedModules("m.whl", "cannot work").lines == ()
    assert RefusedModules("m.whl", "cannot work", lines=("a: other-libc: x",)).lines == ("a: other-libc: x",)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: f"{type(error).__name__}-{error.path!a}")
def test_pickled_and_back(error: MuslfixError) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert again.args == error.args
        assert str(again) == str(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: f"{type(error).__name__}-{error.path!a}")
def test_copied(error: MuslfixError) -> None:
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert vars(again) == vars(error)
