"""How far the library is: a function that its caller may give, to be told of each step.

Nothing here shows anything; the caller that gives the function does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

#: Is told of each step: what is being worked on, in a few words; how many parts of it are done; how many
#: there are, or 0 where that is not known. It is called by one thread at a time, and must be quick.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """The :data:`Progress` of those who do not want to know."""


def counted(items: Iterable[_T], total: int, what: str, progress: Progress) -> Iterator[_T]:
    """The same items; it is told when each has been dealt with.

    :param total: how many there are
    :param what: what is being done with them

    >>> list(counted("ab", 2, "reading", lambda *step: print(step)))
    ('reading', 0, 2)
    ('reading', 1, 2)
    ('reading', 2, 2)
    ['a', 'b']
    """
    if total:
        progress(what, 0, total)
    for number, item in enumerate(items, 1):
        yield item
        progress(what, number, total)
