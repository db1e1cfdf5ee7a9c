"""Words of a call that cannot be what the command works on, and the call that is probably meant.

muslfix works on wheel files and on installed projects. People who come from pip or uv also type requirements,
addresses, source archives and directories: each is refused with the command that does what they mean.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence

from muslfix.errors import UsageError
from muslfix.files.access import path_of, words_of
from muslfix.targets.target import Target
from muslfix.verdicts import Mode

_SOURCE_ARCHIVES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip")
_BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg")

# https://packaging.python.org/en/latest/specifications/name-normalization/ and, behind the name, what a
# requirement adds: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
_NAME = r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_REQUIREMENT = _NAME + r"\s*(?:\[[^]]*\])?\s*(?:[=<>!~@;(].*)?"


def wheels_to_install(
    wheels: Iterable[str | os.PathLike[str]], target: Target, folder: str | None = None
) -> list[str]:
    """The wheels that ``install`` was called for.

    :param wheels: paths of wheel files
    :param target: the Python that will import
    :param folder: the flat directory to install to, or ``None``
    :raises UsageError: if one is no wheel file; the tip is a command that installs all of them
    """
    words = words_of(wheels, "wheels")
    for word in words:
        if not _is_wheel(word):
            inside = _wheels_inside(word)
            no_build = ", and muslfix builds nothing" if os.path.isdir(word) and inside is None else ""
            raise UsageError(word, what_it_is(word) + no_build, inside or _by_pip(words, target, folder))
    return words


def wheels_to_repair(wheels: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The wheels that ``repair`` was called for.

    :param wheels: paths of wheel files
    :raises UsageError: if one is no wheel file
    """
    words = words_of(wheels, "wheels")
    for word in words:
        if not _is_wheel(word):
            tip = _wheels_inside(word) or _way_into("fix", word) or "'muslfix fix' fixes what is installed"
            raise UsageError(word, what_it_is(word), tip)
    return words


def projects_named(command: str, projects: Iterable[str]) -> list[str]:
    """The names of installed projects that a command was called for.

    :param command: its name, for the tip
    :param projects: names of projects
    :raises UsageError: if one cannot be such a name; the tip is the command that is probably meant
    """
    words = words_of(projects, "projects")
    if all(word.isidentifier() and word.isascii() for word in words):
        return words
    for word in words:
        if re.fullmatch(_NAME, word) and not word.endswith((".whl", *_SOURCE_ARCHIVES)):
            continue
        requirement = None if os.path.exists(word) else re.fullmatch(_REQUIREMENT, word)
        if requirement is not None and not _is_wheel(word):
            names = [found["name"] if (found := re.fullmatch(_REQUIREMENT, w)) else w for w in words]
            raise UsageError(
                word,
                f"{command} takes the name of an installed project, without version or extras",
                f"muslfix {command} {_shell(names)}",
            )
        reason = f"{what_it_is(word)}; {command} takes names of installed projects"
        raise UsageError(
            word, reason, _way_into(command, word) or f"name a project, or none: muslfix {command}"
        )
    return words


def convert_options(options: object) -> None:
    """Make ``str`` of the paths, and a :class:`~muslfix.verdicts.Mode` of the mode, of new options.

    :raises UsageError: if a value cannot be one
    """
    given = vars(options)
    if "paths" in given:
        given["paths"] = tuple(words_of(given["paths"], "paths"))
    for name in ("folder", "prefix", "root"):
        if given.get(name) is not None:
            given[name] = path_of(given[name], name)
    if "mode" in given:
        try:
            given["mode"] = Mode(given["mode"])
        except ValueError:
            modes = ", ".join(Mode)
            raise UsageError(None, f"mode is {given['mode']!r:.80}, but must be one of {modes}") from None


def _is_wheel(word: str) -> bool:
    return word.endswith(".whl") and "://" not in word


def what_it_is(word: str) -> str:
    """What is wrong with a word that is given as a wheel file."""
    is_file = os.path.isfile(word)
    reasons = {
        "is an address, and muslfix downloads nothing": "://" in word,
        "is a directory": os.path.isdir(word),
        "is a source archive, and muslfix builds nothing": word.endswith(_SOURCE_ARCHIVES),
        "is a list of requirements, and muslfix downloads nothing": _is_requirements_file(word),
        "is a wheel file": is_file and _is_wheel(word),
        "is an interpreter, which --python names": is_interpreter(word),
        "is not a wheel file": is_file,
        "does not exist": os.sep in word or word.endswith((".whl", ".so")),
        "is not a wheel file, and muslfix downloads nothing": True,
    }
    return next(reason for reason, applies in reasons.items() if applies)


def is_interpreter(word: str) -> bool:
    """Whether a file is, as its name says, an interpreter."""
    return re.fullmatch(r"python[\d.]*t?", os.path.basename(word)) is not None and os.path.isfile(word)


def _is_requirements_file(word: str) -> bool:
    return word.endswith((".txt", ".in")) and os.path.isfile(word)


def _wheels_inside(word: str) -> str | None:
    """The tip about a directory of wheels, or ``None``."""
    if not os.path.isdir(word) or not any(name.endswith(".whl") for name in _names_in(word)):
        return None
    return f"name the wheels in it: {_shell([os.path.join(word, '')])}*.whl"


def _way_into(command: str, word: str) -> str | None:
    """The command that works on a directory or a wheel, or ``None``."""
    if word.endswith(".whl"):
        wheel = _shell([word])
        return f"muslfix install {wheel}, or to write a new wheel: muslfix repair {wheel} -w DIR"
    names = _names_in(word)
    if "pyvenv.cfg" in names:
        return f"muslfix {command} --python {_shell([word])}"
    if any(name.endswith(".dist-info") for name in names):
        return f"muslfix {command} --path {_shell([word])}"
    return None


def _by_pip(words: Sequence[str], target: Target, folder: str | None) -> str:
    """The tip to let pip install, into the environment that was meant."""
    if any(os.path.isdir(word) and not set(_BUILD_FILES) & set(_names_in(word)) for word in words):
        return "give the path of a wheel file, or let pip download: muslfix run -- pip install NAME"
    where = [] if folder is None else ["--target", folder]
    subjects = [part for word in words for part in (["-r", word] if _is_requirements_file(word) else [word])]
    return let_pip_install([*where, *subjects], target)


def let_pip_install(words: Sequence[str], target: Target) -> str:
    """The tip to let pip install into the environment of a target.

    :param words: what is typed behind ``pip install``
    """
    if not target.runs_here:
        return "get its wheel first, for example with 'pip download', and give the path of that file"
    return f"muslfix run -- {_shell([*_installer(str(target.executable)), *words])}"


def _installer(python: str) -> list[str]:
    """The command that downloads and installs into the environment of an interpreter."""
    import shutil

    pip = shutil.which("pip")
    if pip is None and shutil.which("uv") is not None:
        return ["uv", "pip", "install", "--python", python]
    is_its_own = python == sys.executable or os.path.dirname(pip or "") == os.path.dirname(python)
    return ["pip", "install"] if is_its_own else ["pip", "--python", python, "install"]


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _shell(words: Sequence[str]) -> str:
    import shlex  # only errors need it

    return shlex.join(words)
