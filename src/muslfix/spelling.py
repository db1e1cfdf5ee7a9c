"""File names that the locale cannot spell.

Where ``LC_ALL=C`` or an old encoding rules, Python cannot give the operating system a name with other letters
and raises :exc:`UnicodeEncodeError`: https://docs.python.org/3/library/os.html#utf8-mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from muslfix.errors import UnspellableName


@contextmanager
def spelled_names() -> Iterator[None]:
    """Tell as a sentence that a name cannot be spelled; also a decorator, for all that a user calls.

    :raises UnspellableName: instead of :exc:`UnicodeEncodeError`
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise unspellable(error) from error


def unspellable(error: UnicodeEncodeError) -> UnspellableName:
    """The sentence for an error; of a path, the name in it that cannot be spelled."""
    before, behind = error.object[: error.start], error.object[error.start :]
    name = ascii(before.rpartition("/")[2] + behind.partition("/")[0])[1:-1]
    return UnspellableName(
        None,
        f"the locale's encoding, {error.encoding}, cannot spell a file name: {name:.200}",
        "set the environment variable PYTHONUTF8=1",
    )
