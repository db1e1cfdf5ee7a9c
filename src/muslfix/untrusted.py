"""JSON that anybody may have written: what Python's parser lets pass and no honest file holds is refused.

The bounds keep whatever is said about a value short, and whoever looks at it from running out of stack.
"""

from __future__ import annotations

import json
from typing import Any

# Bounds that no file of muslfix comes near.
_MAX_DEPTH = 50
_MAX_DIGITS = 20


def parse_json(text: str) -> Any:
    """The value that a JSON text stands for.

    Beyond the grammar it must be unambiguous (no name twice in an object: parsers differ on which counts,
    https://www.rfc-editor.org/rfc/rfc8259#section-4), nested 50 levels deep at most, with whole numbers of
    20 digits at most, and its strings must be such as file names can be.

    :raises ValueError: if it is not; with what is wrong
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole_number, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise ValueError(str(error)) from error
    _check_depth(value)
    json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r:.80} stands twice in one object")
        found[name] = value
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


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
