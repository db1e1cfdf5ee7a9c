"""What the hooks of all tools share: their settings, the fix, and what they print about it.

The settings are in ``pyproject.toml`` of the project that the tool works on::

    [tool.muslfix]
    enabled = true                  # false: the hooks do nothing
    strict = false                  # true: a warning fails the tool's command
    mode = "symlink"                # hardlink, copy, rename
    break-system-packages = false   # true: even if another tool manages the environment

A hook is a guest: it prints one line if something was fixed and nothing otherwise, and an error in it is only
a warning.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from muslfix.errors import MuslfixError, harmless
from muslfix.files import read_regular
from muslfix.report.report import Report
from muslfix.report.sentences import fixed_in_one_line, problems_in
from muslfix.verdicts import Mode

# In MiB. No pyproject.toml that people write is nearly as long.
_MAX_SETTINGS = 1

# The parts of a key, a.b.c: the limit of tomli 2.3. tomllib has none, and its work grows with their square:
# one key of 20 kB takes Python 3.13 20 seconds.
_MAX_PARTS = 1000

# Of the terminal that the tool prints to, as far as that is known.
_ENCODING = locale.getpreferredencoding(False)

_SWITCHES = ("enabled", "strict", "break-system-packages")


@dataclass(frozen=True)
class Settings:
    """The table ``[tool.muslfix]``.

    :param enabled: whether the hooks do anything
    :param strict: whether a problem fails the tool's command
    :param mode: how misnamed modules get their new name
    :param break_system_packages: whether to change what another tool manages
    """

    enabled: bool = True
    strict: bool = False
    mode: Mode = Mode.SYMLINK
    break_system_packages: bool = False


@dataclass(frozen=True)
class Place:
    """Where a tool has installed something.

    :param python: the interpreter of its environment
    :param pyproject: path of the ``pyproject.toml`` with the settings, which need not exist
    :param paths: the directories that hold the projects, if they are not the interpreter's own
    """

    python: str
    pyproject: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a hook prints, in lines without control characters.

    :param line: what was fixed; empty if nothing was
    :param problems: what went wrong, each a sentence
    :param strict: whether problems fail the tool's command
    """

    line: str = ""
    problems: tuple[str, ...] = ()
    strict: bool = False

    @property
    def failure(self) -> str | None:
        """Why the tool's command must fail, or ``None``."""
        return "; ".join(self.problems) if self.strict and self.problems else None


def fix_place(find: Callable[[], Place]) -> Outcome:
    """Fix what a tool has installed. No error in here stops the tool.

    :param find: asks the tool where that is; an exception in it is a problem like any other
    """
    strict = False
    try:
        place = find()
        settings, problems = read_settings(place.pyproject)
        strict = settings.strict
        if not settings.enabled:
            return Outcome()
        report = _fix(place, settings)
        line, problems = fixed_in_one_line(report), [*problems, *problems_in(report)]
    except MuslfixError as error:
        line, problems = "", [f"{error} (tip: {error.tip})" if error.tip else str(error)]
    except Exception as error:  # noqa: BLE001 - the tool must go on, even if its version differs or we have a bug
        line, problems = "", [f"the hook of muslfix failed ({type(error).__name__}: {error})"]
    said = f"muslfix: {harmless(line, _ENCODING)}" if line else ""
    return Outcome(said, tuple(f"muslfix: {harmless(problem, _ENCODING)}" for problem in problems), strict)


def _fix(place: Place, settings: Settings) -> Report:
    from muslfix.targets.interpreter import probe_interpreter
    from muslfix.verbs.fix import FixOptions, fix

    options = FixOptions(
        mode=settings.mode,
        paths=tuple(path for path in place.paths if os.path.isdir(path)),
        break_system_packages=settings.break_system_packages,
    )
    if place.paths and not options.paths:
        return Report("fix", dry_run=False, projects=())  # nothing was ever installed there
    return fix((), probe_interpreter(place.python), options)


def read_settings(path: str) -> tuple[Settings, list[str]]:
    """Read the settings. No content of the file is an error.

    :param path: of a ``pyproject.toml``, which need not exist
    :return: the settings, with defaults for those that are missing or wrong, and a sentence for each problem
    """
    try:
        content = read_regular(path, _MAX_SETTINGS)
        table = _table(_parse(content)) if b"muslfix" in content else {}
    except FileNotFoundError:
        return Settings(), []
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Settings(), [f"{path}: cannot be read, so the settings of muslfix are ignored ({reason})"]
    except ModuleNotFoundError:
        return Settings(), [
            f"{path}: the settings of muslfix are ignored: this Python needs tomli to read them"
            " (tip: install muslfix with the extra of the tool, such as muslfix[tox])"
        ]
    settings, problems = _settings(table)
    return settings, [f"{path}: {problem}" for problem in problems]


def _parse(content: bytes) -> dict[str, Any]:
    try:
        import tomllib as toml  # new in Python 3.11
    except ModuleNotFoundError:
        import tomli as toml
    if max(line.count(b".") for line in content.split(b"\n")) > _MAX_PARTS:
        raise ValueError("a key has too many parts")
    return dict(toml.loads(content.decode()))


def _table(document: dict[str, Any]) -> dict[str, Any]:
    tool = document.get("tool", {})
    table = tool.get("muslfix", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ValueError("tool.muslfix is not a table")  # noqa: TRY004 - it is about a value, not about a call
    return table


def _settings(table: dict[str, Any]) -> tuple[Settings, list[str]]:
    """Read each value by itself: a wrong one does not affect the others."""
    settings, problems = Settings(), []
    for key, value in table.items():
        if key in _SWITCHES:
            if isinstance(value, bool):
                settings = _switched(settings, key, value)
            else:
                problems.append(f"tool.muslfix.{key} is {value!r:.40}, but must be true or false")
        elif key == "mode":
            if value in [mode.value for mode in Mode]:
                settings = replace(settings, mode=Mode(value))
            else:
                modes = ", ".join(Mode)
                problems.append(f"tool.muslfix.mode is {value!r:.40}, but must be one of {modes}")
        else:
            problems.append(f"tool.muslfix.{key:.40} is not a setting of muslfix")
    return settings, problems


def _switched(settings: Settings, key: str, value: bool) -> Settings:
    changed: dict[str, Any] = {key.replace("-", "_"): value}
    return replace(settings, **changed)
