"""Frozen dataclasses that cost little to define.

:func:`dataclasses.dataclass` writes the methods of each class as source and compiles it: half a millisecond
for a class, and installing a small wheel defines thirty of them. Here all classes share the same code. Else
they are the same: :func:`dataclasses.replace`, ``asdict``, ``fields`` and :mod:`pickle` take them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass"]

Class = TypeVar("Class", bound="type[Any]")


def _frozen(*, frozen: bool) -> Callable[[Class], Class]:  # noqa: ARG001 - said where it is used, for readers
    """Make a class a dataclass whose instances never change."""
    return _complete


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _frozen


def _complete(cls: Class) -> Class:
    cls.__doc__ = cls.__doc__ or cls.__name__  # else the signature is looked up
    own = vars(cls).copy()
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    fields = dataclasses.fields(cls)
    compared = _values_of([field.name for field in fields if field.compare])
    shown = [field.name for field in fields if field.repr]

    def is_equal(self: Any, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def as_hash(self: Any) -> int:
        return hash(compared(self))

    def as_text(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({values})"

    methods = {"__init__": _initialiser(cls.__qualname__, fields), "__eq__": is_equal, "__repr__": as_text}
    for name, method in {**methods, "__setattr__": _refuse, "__delattr__": _refuse}.items():
        if name not in own:
            setattr(cls, name, method)
    if own.get("__hash__") is None:
        cls.__hash__ = as_hash  # type: ignore[assignment]
    return cls


def _values_of(names: list[str]) -> Callable[[Any], Any]:
    """What gets the values of some fields."""
    return attrgetter(*names) if names else lambda _: ()


def _initialiser(title: str, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    """The method that sets the fields, from values by position and by name."""
    names = tuple(field.name for field in fields)
    known = frozenset(names)
    defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    factories = [
        (field.name, field.default_factory)
        for field in fields
        if field.default_factory is not dataclasses.MISSING
    ]

    def initialise(self: Any, /, *values: object, **named: object) -> None:
        if len(values) == len(names) and not named:
            self.__dict__.update(zip(names, values))
            return
        if not values and named.keys() == known:
            self.__dict__.update(named)
            return
        given = {**dict(zip(names, values)), **named}
        if len(given) != len(values) + len(named) or not given.keys() <= known:
            raise TypeError(f"{title}() got a field that it does not have, or one twice")
        state = {**defaults, **given}
        state.update((name, make()) for name, make in factories if name not in state)
        if len(state) < len(names):
            missing = ", ".join(name for name in names if name not in state)
            raise TypeError(f"{title}() misses {missing}")
        self.__dict__.update(state)

    return initialise


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"{self.__class__.__qualname__}.{name} never changes")
