"""What the hooks of all tools share: the fix, and what they print about it.

A hook is a guest: it prints one line if something was fixed and nothing otherwise, and an error in it is only
a warning. Most of the time there is nothing to do, so it loads what fixes only when there may be something.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Callable
from typing import NamedTuple

from muslfix.errors import MuslfixError, harmless
from muslfix.verbs.settings import Settings, read_settings

# Of the terminal that the tool prints to, as far as that is known.
_ENCODING = locale.getpreferredencoding(False)


class Place(NamedTuple):
    """Where a tool has installed something.

    :param python: the interpreter of its environment
    :param pyproject: path of the ``pyproject.toml`` with the settings, which need not exist
    :param paths: the directories that hold the projects, if they are not the interpreter's own
    """

    python: str
    pyproject: str
    paths: tuple[str, ...] = ()


class Outcome(NamedTuple):
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
    line, strict = "", False
    problems: list[str] = []
    try:
        place = find()
        settings, _, wrong, unknown = read_settings(place.pyproject, os.environ)
        strict, problems = settings.strict, [*wrong, *unknown]
        if not settings.enabled:
            return Outcome()
        from muslfix.hooks.short_way import has_nothing_to_fix

        if not has_nothing_to_fix(place.python, place.paths):
            line, more = _fix(place, settings)
            problems += more
    except MuslfixError as error:
        problems = [f"{error} (tip: {error.tip})" if error.tip else str(error)]
    except Exception as error:  # noqa: BLE001 - the tool must go on, even if its version differs or we have a bug
        problems = [f"the hook of muslfix failed ({type(error).__name__}: {error})"]
    said = f"muslfix: {harmless(line, _ENCODING)}" if line else ""
    return Outcome(said, tuple(f"muslfix: {harmless(problem, _ENCODING)}" for problem in problems), strict)


def _fix(place: Place, settings: Settings) -> tuple[str, list[str]]:
    """Fix, and say what was done, and what is wrong."""
    from muslfix.report.sentences import fixed_in_one_line, problems_in
    from muslfix.targets.interpreter import probe_interpreter
    from muslfix.verbs.fix import FixOptions, fix

    options = FixOptions(
        mode=settings.mode,
        paths=tuple(path for path in place.paths if os.path.isdir(path)),
        break_system_packages=settings.break_system_packages,
        load_check=settings.load_check,
        strict=settings.strict,
    )
    if place.paths and not options.paths:
        return "", []  # nothing was ever installed there
    report = fix((), probe_interpreter(place.python), options)
    return fixed_in_one_line(report), list(problems_in(report))
