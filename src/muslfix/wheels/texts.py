"""The texts of a ``.dist-info`` parsed within limits: the headers of METADATA and WHEEL, and entry points.

The standard library's parsers do what a text asks them to: nested messages take the stack, interpolation
multiplies text, runs of white space take time that grows with their square. Nothing of that is needed here,
and every list has a limit far above what wheels on PyPI have.

Specifications: https://packaging.python.org/en/latest/specifications/core-metadata/,
https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
from configparser import Error, RawConfigParser
from email.parser import HeaderParser
from keyword import iskeyword
from typing import NamedTuple, NoReturn

from packaging.tags import Tag, parse_tag

from muslfix.errors import InvalidWheel

# The headers end at the first empty line; what follows is the description.
_END_OF_HEADERS = re.compile(r"(?:\A|\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
# Characters, since old METADATA has its description in a header; and lines.
_LONGEST_HEADERS = 4 * 1024 * 1024
_MOST_LINES = 100_000
# Of one header that is used, in characters, and how often it may occur. Python refuses numbers of more than
# 4300 digits, which versions may hold.
_LONGEST_VALUE = 4096
_MOST_VALUES = 10_000
# Compatibility tags; one line can stand for thousands: a.b-c.d-e.f.
_MOST_TAGS = 10_000

# In characters: 1000 scripts have some 40 000.
_LONGEST_ENTRY_POINTS = 1024 * 1024
_BLANKS = re.compile(r"[^\S\n]+")
# What ends a line for importlib.metadata (str.splitlines), and not for configparser: behind it can stand a
# script that only one of them sees.
_ODD_LINE_ENDS = re.compile("\r(?!\n)|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SECTIONS = {"console_scripts": "console", "gui_scripts": "gui"}


class Headers:
    """The headers of METADATA or WHEEL. All methods raise :exc:`InvalidWheel` for what is too much.

    :param path: of the wheel, for the error
    :param file: name of the file
    :param text: the whole file; only its headers are parsed, whatever they say of the content
    :raises InvalidWheel: if there are too many
    """

    def __init__(self, path: str, file: str, text: str) -> None:
        self.path = path
        self._file = file
        end = _END_OF_HEADERS.search(text)
        block = text if end is None else text[: end.start()]
        if len(block) > _LONGEST_HEADERS or block.count("\n") + block.count("\r") > _MOST_LINES:
            limit = f"{_LONGEST_HEADERS} characters or {_MOST_LINES} lines"
            raise InvalidWheel(path, f"has headers of more than {limit} in its {file}")
        self._message = HeaderParser().parsestr(block)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of a header, in their order."""
        values = tuple(str(value).strip() for value in self._message.get_all(name, []))
        if len(values) > _MOST_VALUES:
            self._refuse(f"{len(values)} lines {name!r}, more than {_MOST_VALUES},")
        if any(len(value) > _LONGEST_VALUE for value in values):
            self._refuse(f"a line {name!r} of more than {_LONGEST_VALUE} characters")
        return values

    def one(self, name: str) -> str | None:
        """The value of a header that may occur once: of two, one reader takes the first, another the last."""
        values = self.all(name)
        if len(values) > 1:
            self._refuse(f"{len(values)} lines {name!r}")
        return values[0] if values else None

    def _refuse(self, what: str) -> NoReturn:
        raise InvalidWheel(self.path, f"has {what} in its {self._file}")


def parse_tags(*lines: str) -> frozenset[Tag]:
    """The compatibility tags that some sets of tags stand for.

    :param lines: each as in a file name: ``cp39.cp310-abi3-any``
    :raises ValueError: if one is no set of tags, or they stand for too many; a sentence without its subject
    """
    count = 0
    for line in lines:
        product = 1
        for part in line.split("-"):
            product *= part.count(".") + 1
        count += product
    if count > _MOST_TAGS:
        raise ValueError(f"stands for {count} compatibility tags, more than {_MOST_TAGS}")
    try:
        return frozenset(tag for line in lines for tag in parse_tag(line))
    except ValueError:
        raise ValueError("is no compatibility tag") from None


class EntryPoint(NamedTuple):
    """A script that an installer makes.

    :param name: of the script
    :param module: the module to import
    :param function: what to call in it; dots between its parts
    :param kind: ``console`` or ``gui``
    """

    name: str
    module: str
    function: str
    kind: str

    @property
    def keyword(self) -> str | None:
        """A keyword of Python in it, with which every installer makes a script that cannot run."""
        return next(filter(iskeyword, f"{self.module}.{self.function}".split(".")), None)


def parse_entry_points(text: str) -> tuple[EntryPoint, ...]:
    """The scripts that an ``entry_points.txt`` asks for.

    :raises ValueError: if it is damaged or too long
    """
    if len(text) > _LONGEST_ENTRY_POINTS:
        raise ValueError(f"it has more than {_LONGEST_ENTRY_POINTS} characters")
    if (odd := _ODD_LINE_ENDS.search(text)) is not None:
        raise ValueError(f"it has {odd[0]!a}, which ends a line for some readers only")
    # No more than one blank in a row, and no empty line: the expressions of configparser try all ways to
    # share a row of them.
    lines = (_BLANKS.sub(" ", line) for line in text.split("\n"))
    parser = RawConfigParser(delimiters=("=",), default_section="", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string("\n".join(line for line in lines if line.strip()))
    except Error as error:
        raise ValueError(" ".join(str(error).split())) from error
    found = [
        (name, value, kind)
        for section, kind in _SECTIONS.items()
        if parser.has_section(section)
        for name, value in parser.items(section)
    ]
    if len(found) > _MOST_VALUES:
        raise ValueError(f"it has {len(found)} scripts, more than {_MOST_VALUES}")
    return tuple(_entry_point(*one) for one in found)


def _entry_point(name: str, value: str, kind: str) -> EntryPoint:
    target, bracket, extras = value.partition("[")
    module, _, function = (part.strip() for part in target.partition(":"))
    if (bracket and not extras.rstrip().endswith("]")) or not all(map(_is_dotted, (module, function))):
        raise ValueError(f"{name!a:.100} = {value!a:.100} is not of the form name = module:function")
    return EntryPoint(name, module, function, kind)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def entry_points_text(scripts: tuple[EntryPoint, ...]) -> str:
    """An ``entry_points.txt`` that asks for these scripts and nothing else."""
    lines = []
    for section, kind in _SECTIONS.items():
        lines.append(f"[{section}]\n")
        lines += [f"{one.name} = {one.module}:{one.function}\n" for one in scripts if one.kind == kind]
    return "".join(lines)
