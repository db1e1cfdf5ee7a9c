"""What the hooks of all tools share: their settings, the fix, and the few sentences about it.

The settings stand in ``pyproject.toml`` of the project that the tool works on::

    [tool.muslfix]
    enabled = true                  # false: the hooks do nothing
    strict = false                  # true: what would be a warning fails the tool's command
    mode = "symlink"                # hardlink, copy, rename
    break-system-packages = false   # true: also where another tool manages the environment

A hook is a guest: it says one line where something was fixed and nothing otherwise, and whatever goes wrong
in it is a warning.
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

# In MiB. No pyproject.toml is nearly as long; what is longer was not written by a person.
_MAX_SETTINGS = 4

# What keys of very many parts may cost the parser of TOML, see _check_effort; a second or two.
_MAX_EFFORT = 50_000_000

# That of the terminal which the tool prints to, as far as it is known.
_ENCODING = locale.getpreferredencoding(False)

_SWITCHES = ("enabled", "strict", "break-system-packages")


@dataclass(frozen=True)
class Settings:
    """The table ``[tool.muslfix]``.

    :param enabled: whether the hooks do anything
    :param strict: whether a problem fails the tool's command
    :param mode: how misnamed modules get their new name
    :param break_system_packages: whether to change also what another tool owns
    """

    enabled: bool = True
    strict: bool = False
    mode: Mode = Mode.SYMLINK
    break_system_packages: bool = False


@dataclass(frozen=True)
class Place:
    """Where a tool has installed something.

    :param python: the interpreter of its environment
    :param pyproject: path of the ``pyproject.toml`` with the settings; it need not exist
    :param paths: the folders that hold the projects, where they are not the interpreter's own
    """

    python: str
    pyproject: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a hook has to say, in lines that do no harm to a terminal.

    :param line: what was fixed; empty if nothing was
    :param problems: what went wrong, each a sentence
    :param strict: whether problems fail the tool's command
    """

    line: str = ""
    problems: tuple[str, ...] = ()
    strict: bool = False

    @property
    def failure(self) -> str | None:
        """Why the tool's command is to fail, or ``None``."""
        return "; ".join(self.problems) if self.strict and self.problems else None


def fix_place(find: Callable[[], Place]) -> Outcome:
    """Fix what a tool has installed. Nothing that happens here stops the tool.

    :param find: asks the tool where it has installed; what that raises is a problem like any other
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
    except Exception as error:  # noqa: BLE001 - the tool must go on, also where its version differs or we have a bug
        line, problems = "", [f"the hook of muslfix has failed ({type(error).__name__}: {error})"]
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
    """Read the settings. Whatever the file holds, there is an answer.

    :param path: of a ``pyproject.toml``, which need not exist
    :return: the settings, with their default where there is nothing usable; and what is wrong, as sentences
    """
    try:
        content = read_regular(path, _MAX_SETTINGS)
        table = _table(_parse(content)) if b"muslfix" in content else {}
    except FileNotFoundError:
        return Settings(), []
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Settings(), [f"{path}: cannot be read, so the settings of muslfix are not known ({reason})"]
    except ModuleNotFoundError:
        return Settings(), [
            f"{path}: its settings of muslfix are not read: this Python needs tomli for it"
            " (tip: install muslfix with the extra of the tool, such as muslfix[tox])"
        ]
    settings, problems = _settings(table)
    return settings, [f"{path}: {problem}" for problem in problems]


def _parse(content: bytes) -> dict[str, Any]:
    try:
        import tomllib as toml  # new in Python 3.11
    except ModuleNotFoundError:
        import tomli as toml
    _check_effort(content)
    return dict(toml.loads(content.decode()))


def _check_effort(content: bytes) -> None:
    """Refuse keys that would keep the parser busy for minutes: ``a.a.a.a.a`` and so on for some kilobytes.

    Its work grows with the square of a key's parts, and with those of a table's name for each key in it.
    Newer versions of tomli have a limit of their own: https://github.com/hukkin/tomli/blob/master/CHANGELOG.md

    :raises ValueError: if there are such keys
    """
    dots = [(line.count(b"."), line.lstrip().startswith(b"[")) for line in content.split(b"\n")]
    longest_name = max(count for count, is_header in [*dots, (0, True)] if is_header)
    effort = sum(count * count + 20 * longest_name * (1 + count) for count, _ in dots)
    if effort > _MAX_EFFORT:
        raise ValueError("it has keys of too many parts")


def _table(document: dict[str, Any]) -> dict[str, Any]:
    tool = document.get("tool", {})
    table = tool.get("muslfix", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ValueError("tool.muslfix is no table")  # noqa: TRY004 - it is about a value, not about a call
    return table


def _settings(table: dict[str, Any]) -> tuple[Settings, list[str]]:
    """Take each value by itself: one that is wrong does not spoil the others."""
    settings, problems = Settings(), []
    for key, value in table.items():
        if key in _SWITCHES:
            if isinstance(value, bool):
                settings = _switched(settings, key, value)
            else:
                problems.append(f"tool.muslfix.{key} is {value!r:.40}, and must be true or false")
        elif key == "mode":
            if value in [mode.value for mode in Mode]:
                settings = replace(settings, mode=Mode(value))
            else:
                modes = ", ".join(Mode)
                problems.append(f"tool.muslfix.mode is {value!r:.40}, and must be one of {modes}")
        else:
            problems.append(f"tool.muslfix.{key:.40} is no setting of muslfix")
    return settings, problems


def _switched(settings: Settings, key: str, value: bool) -> Settings:
    changed: dict[str, Any] = {key.replace("-", "_"): value}
    return replace(settings, **changed)
