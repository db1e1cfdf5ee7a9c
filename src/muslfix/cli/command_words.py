"""What the words of any command name: programs, paths, variables. No tool's options are known here.

A word that turns out to name nothing costs one look at the disk; a rule about another program's command line
that has changed since costs a wrong answer. So every word counts, also those that ``sh -c`` gets as one::

    env X=1 pip install --target lib six      programs: env pip      paths: lib, six, ...    variables: X
    sh -c 'cd app && .venv/bin/pip install .'  programs: sh, .venv/bin/pip   paths: app, .venv/bin/pip, .
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from os.path import basename
from typing import NamedTuple

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*t?")
_PIP = re.compile(r"pip[0-9.]*")
_RUNS_MODULE = re.compile(r"-[A-Za-z]*m")
_VERSION = re.compile(r"(3\.\d{1,3})(?:\.\d{1,3})?(t?)")
_ASSIGNMENT = re.compile(r"(?s)([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

# Variables by which tools take an interpreter, a prefix or a directory of modules.
_NAMING = ("UV_PYTHON", "PIP_PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_PROJECT")

# A command line in a word in a word in a word; and how much of what is no command line is looked at.
_DEPTH, _LENGTH, _COUNT = 3, 20_000, 1000


class Named(NamedTuple):
    """What a command names.

    :param programs: the first word, and every word that may be a Python or a pip; a path or a bare name
    :param values: the words that may be paths, and whether an option or a variable gives them
    :param names: the base names of the words, by which tools are known; without what pip is to install
    :param environ: the environment variables, with those that the command sets
    """

    programs: tuple[str, ...]
    values: Mapping[str, bool]
    names: frozenset[str]
    environ: Mapping[str, str]


def read_command(command: Sequence[str], environ: Mapping[str, str]) -> Named:
    """Find out what a command names.

    :param command: its words; the first is the program
    :param environ: its environment variables
    """
    variables = dict(environ)
    programs: dict[str, None] = {command[0]: None}
    values: dict[str, bool] = {}
    words = [f"{name}={environ[name]}" for name in _NAMING if environ.get(name)]
    words += itertools.islice(_flat(command), _COUNT)
    seen_uv = False
    for before, word in zip(["", *words], words):
        set_here = _ASSIGNMENT.fullmatch(word)
        if set_here is not None:
            variables[set_here[1]] = _expand(set_here[2], variables)
        seen_uv = seen_uv or basename(word) == "uv"
        is_name = os.sep not in word and (seen_uv or _RUNS_MODULE.fullmatch(before))  # uv pip, -m pip
        for value, is_given in _values_of(word, before):
            path = _expand(value, variables)
            if is_python(path) or (is_pip(path) and not is_name):
                programs.setdefault(path)
            values[path] = values.get(path, False) or is_given
    names = itertools.takewhile(lambda word: not is_pip(word), words)
    return Named(tuple(programs), values, frozenset(map(basename, names)), variables)


def is_python(word: str) -> bool:
    """Whether a word can name an interpreter."""
    return _PYTHON.fullmatch(basename(word)) is not None


def is_pip(word: str) -> bool:
    """Whether a word can name pip."""
    return _PIP.fullmatch(basename(word)) is not None


def _flat(words: Sequence[str], depth: int = 0) -> Iterator[str]:
    """The words, and those in a word with spaces, as a shell would see them."""
    for word in words:
        if depth < _DEPTH and len(word) <= _LENGTH and re.search(r"\s", word):
            if depth == 0:
                yield word  # it may be a path with spaces after all
            yield from _flat(_split(word), depth + 1)
        else:
            yield word


def _split(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # an open quote: no shell would run it
        return text.split()


def _values_of(word: str, before: str) -> Iterator[tuple[str, bool]]:
    """The parts of a word that may be a path, and whether an option or a variable gives them."""
    name, equals, value = word.partition("=")
    version = _VERSION.fullmatch(value or word)
    if version is not None:  # --python 3.12, as uv takes it
        yield f"python{version[1]}{version[2]}", True
    if equals:
        yield value, True
    if not word.startswith("-"):
        yield word, before.startswith("-") and "=" not in before
    elif not name.startswith("--") and len(name) > 2:  # -tDIR
        yield word[2:], True


def _expand(text: str, variables: Mapping[str, str]) -> str:
    """The same with variables and the home directory in their places, which a shell does only in quotes."""
    if text == "~" or text.startswith("~/"):
        text = variables.get("HOME", "~") + text[1:]
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], match[0]), text)
