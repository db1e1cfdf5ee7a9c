"""JSON that somebody else may have written.

Python's parser accepts more than an honest file holds. The bounds here also keep error messages short, and
readers from running out of stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from muslfix.errors import InvalidJson

# Bounds that no file of muslfix comes near.
_MAX_DEPTH = 50
_MAX_DIGITS = 20
_MAX_ITEMS = 100_000

_TYPES = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}


def parse_json(content: str | bytes) -> Any:
    """Parse a JSON document.

    Beyond the grammar it must be unambiguous (no name twice in an object: parsers differ on which counts,
    https://www.rfc-editor.org/rfc/rfc8259#section-4), nested 50 levels deep at most, with whole numbers of
    20 digits at most, and its strings must be such as file names can be.

    :raises InvalidJson: if it is not; with what is wrong
    """
    try:
        value = json.loads(
            content if isinstance(content, str) else content.decode(),
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_constant=_refuse_constant,
        )
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError) as error:
        raise InvalidJson(None, f"is not JSON ({error})") from error
    return value


class JsonObject:
    """A JSON object of which nothing is known yet.

    :param value: as :func:`parse_json` returns it
    :param path: where it is in the document, with a dot at its end; empty for the document itself
    :raises InvalidJson: if it is not an object. All methods raise it if the value is missing or of another
        type: ``machine.bits is '64', which is not a whole number``
    """

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidJson(None, f"{path[:-1] or 'the document'} is not a JSON object")
        self._values: Mapping[str, Any] = value
        self.path = path

    def __contains__(self, name: str) -> bool:
        return name in self._values

    @property
    def names(self) -> list[str]:
        """The names in it, in their order."""
        return list(self._values)

    def value(self, name: str, kind: type = object) -> Any:
        """A value of the given type, or of any type if none is given."""
        if name not in self._values:
            raise InvalidJson(None, f"{self.path}{name} is missing")
        value = self._values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise InvalidJson(None, f"{self.path}{name} is {value!r:.80}, which is not {_TYPES[kind]}")
        return value

    def text(self, name: str) -> str:
        """A text."""
        text: str = self.value(name, str)
        return text

    def text_or_none(self, name: str) -> str | None:
        """A text or ``null``."""
        return None if self.value(name) is None else self.text(name)

    def optional_text(self, name: str) -> str | None:
        """A text, ``null``, or nothing."""
        return self.text_or_none(name) if name in self else None

    def whole(self, name: str) -> int:
        """A whole number."""
        number: int = self.value(name, int)
        return number

    def object(self, name: str) -> JsonObject:
        """An object, read in the same way as this one."""
        return type(self)(self.value(name, dict), f"{self.path}{name}.")

    def texts(self, name: str, at_most: int = _MAX_ITEMS) -> tuple[str, ...]:
        """A list of texts.

        :param at_most: the largest number of entries that is accepted
        """
        items = self._items(name, at_most)
        return tuple(items.text(index) for index in items.names)

    def objects(self, name: str) -> tuple[JsonObject, ...]:
        """A list of objects."""
        items = self._items(name, _MAX_ITEMS)
        return tuple(items.object(index) for index in items.names)

    def _items(self, name: str, at_most: int) -> JsonObject:
        """A list as an object whose names are the indexes."""
        items = self.value(name, list)
        if len(items) > at_most:
            raise InvalidJson(None, f"{self.path}{name} has {len(items)} entries, which is too many")
        return type(self)({str(index): item for index, item in enumerate(items)}, f"{self.path}{name}.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r:.80} occurs twice in one object")
        found[name] = value
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
