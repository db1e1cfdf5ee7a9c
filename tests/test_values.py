"""Dataclasses that are made in our way, held against those of the standard library."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from muslfix import values


@values.dataclass(frozen=True)
class Ours:
    """Fields of each kind."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()
    hidden: int = dataclasses.field(default=0, compare=False, repr=False)
    made: list[int] = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(frozen=True)
class Theirs:
    """The same."""

    first: int
    second: str = "two"
    third: tuple[int, ...] = ()
    hidden: int = dataclasses.field(default=0, compare=False, repr=False)
    made: list[int] = dataclasses.field(default_factory=list, compare=False)


ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, "2"), {}),
    ((1, "2", (3,), 4, [5]), {}),
    ((1,), {"hidden": 4}),
    ((), {"third": (3,), "first": 1}),
    ((1,), {"made": [5]}),
]
WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((), {"second": "2"}),
    ((1,), {"first": 1}),
    ((1,), {"fourth": 4}),
    ((1, "2", (3,), 4, [5], 6), {}),
]


@pytest.mark.parametrize(("given", "named"), ARGUMENTS)
def test_instances_hold_what_those_of_the_standard_library_hold(
    given: tuple[Any, ...], named: dict[str, Any]
) -> None:
    ours, theirs = Ours(*given, **named), Theirs(*given, **named)
    assert dataclasses.astuple(ours) == dataclasses.astuple(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert hash(ours) == hash(theirs)
    assert ours == Ours(*given, **named)
    assert ours != theirs  # type: ignore[comparison-overlap]
    assert pickle.loads(pickle.dumps(ours)) == ours
    assert dataclasses.replace(ours, first=7) == Ours(7, ours.second, ours.third)


@pytest.mark.parametrize(("given", "named"), WRONG)
def test_what_is_no_instance_there_is_none_here(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Theirs(*given, **named)
    with pytest.raises(TypeError):
        Ours(*given, **named)


def test_fields_that_are_not_compared_do_not_count() -> None:
    assert Ours(1, hidden=1, made=[1]) == Ours(1, hidden=2)
    assert hash(Ours(1, hidden=1)) == hash(Ours(1, hidden=2))
    assert Ours(1) != Ours(2)
    assert Ours(1).made is not Ours(1).made


def test_nothing_is_changed_afterwards() -> None:
    one = Ours(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="first"):
        one.first = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="first"):
        del one.first
    assert one.first == 1


def test_the_fields_are_known_to_who_asks() -> None:
    assert [field.name for field in dataclasses.fields(Ours)] == [f.name for f in dataclasses.fields(Theirs)]
