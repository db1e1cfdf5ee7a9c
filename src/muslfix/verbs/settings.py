"""The settings of a project: ``[tool.muslfix]`` in its ``pyproject.toml``, and variables of the environment.

The command line and the hooks of all tools read them here::

    [tool.muslfix]
    mode = "symlink"                # hardlink, copy, rename
    strict = false                  # true: also refuse modules that need a missing library or symbol; a hook
                                    # fails the tool's command
    load-check = true               # false: do not check whether modules can be loaded
    break-system-packages = false   # true: even if another tool manages the environment
    enabled = true                  # false: the hooks do nothing

A variable, ``MUSLFIX_LOAD_CHECK`` for ``load-check``, overrules the table, and an option the variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from muslfix.files.access import read_regular
from muslfix.verbs.nothing_to_fix import PREFIX, is_variable
from muslfix.verdicts import Mode

_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})

# In MiB. No pyproject.toml that people write is nearly as long.
_MAX_SETTINGS = 1

# The parts of a key, a.b.c: the limit of tomli 2.3. tomllib has none, and its work grows with their square:
# one key of 20 kB takes Python 3.13 20 seconds.
_MAX_PARTS = 1000


class Settings(NamedTuple):
    """The settings, by the names of the table with ``_`` for ``-``.

    :param mode: how misnamed modules get their new name
    :param strict: whether what the load check finds missing is refused, and a problem fails a tool's command
    :param load_check: whether the loader is asked
    :param break_system_packages: whether to change what another tool manages
    :param enabled: whether the hooks do anything
    """

    mode: Mode = Mode.SYMLINK
    strict: bool = False
    load_check: bool = True
    break_system_packages: bool = False
    enabled: bool = True


class Found(NamedTuple):
    """The settings, and what is to be said about them.

    :param settings: those that are given, and the default of each that is missing or wrong
    :param origins: where each comes from that is given, by its key: a path, or the name of a variable
    :param wrong: a sentence for each value that cannot be used
    :param unknown: a sentence for each key that is not a setting, and for a file that cannot be read
    """

    settings: Settings
    origins: dict[str, str]
    wrong: list[str]
    unknown: list[str]

    @property
    def problems(self) -> list[str]:
        """All sentences."""
        return [*self.wrong, *self.unknown]


def read_settings(pyproject: str | None, environ: Mapping[str, str]) -> Found:
    """Read the settings. Nothing in them is an error here.

    :param pyproject: path of a ``pyproject.toml``, which need not exist, or ``None``
    :param environ: the environment variables
    """
    found = Found(Settings(), {}, [], [])
    if pyproject is not None:
        table: dict[str, Any] = {}
        try:
            content = read_regular(pyproject, _MAX_SETTINGS)
            if b"muslfix" in content:
                table = _table(content)
        except FileNotFoundError:
            pass  # there are none
        except (OSError, ValueError, RecursionError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            found.unknown.append(
                f"{pyproject}: cannot be read, so the settings of muslfix are ignored ({reason})"
            )
        except ModuleNotFoundError:
            found.unknown.append(
                f"{pyproject}: the settings of muslfix are ignored: this Python needs tomli to read them"
                " (tip: install tomli beside muslfix)"
            )
        for key, value in table.items():
            found = _with(found, key, value, pyproject, f"{pyproject}: tool.muslfix.{key:.40}")
    for key, name, value in _variables(environ):
        found = _with(found, key, value, name, name)
    return found


def _with(found: Found, key: str, value: object, origin: str, name: str) -> Found:
    """The same with one more setting. A wrong one does not affect the others."""
    field = key.replace("-", "_")
    if key == "mode":
        if value not in [mode.value for mode in Mode]:
            found.wrong.append(f"{name} is {value!r:.40}, but must be one of {', '.join(Mode)}")
            return found
        value = Mode(value)
    elif "_" in key or field not in Settings._fields:
        found.unknown.append(f"{name} is not a setting of muslfix")
        return found
    elif not isinstance(value, bool):
        found.wrong.append(f"{name} is {value!r:.40}, but must be true or false")
        return found
    found.origins[key] = origin
    changed: dict[str, Any] = {field: value}
    return found._replace(settings=found.settings._replace(**changed))


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, object]]:
    """The variables: the key of the setting, the name, and the value."""
    for name in sorted(environ):
        if is_variable(name) and environ[name]:
            key, word = name[len(PREFIX) :].lower().replace("_", "-"), environ[name].lower()
            is_switch = key != "mode" and word in _TRUE | _FALSE
            yield key, name, word in _TRUE if is_switch else environ[name]


def _table(content: bytes) -> dict[str, Any]:
    """The table ``[tool.muslfix]`` of a file that mentions muslfix."""
    toml = _toml()
    if toml is None:
        if _may_have_settings(content):
            raise ModuleNotFoundError("tomli")
        return {}
    if max(line.count(b".") for line in content.split(b"\n")) > _MAX_PARTS:
        raise ValueError("a key has too many parts")
    tool = toml.loads(content.decode()).get("tool", {})
    table = tool.get("muslfix", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ValueError("tool.muslfix is not a table")  # noqa: TRY004 - it is about a value, not about a call
    return table


def _toml() -> ModuleType | None:
    """A parser of TOML, or ``None`` where there is none."""
    for name in ("tomllib", "tomli"):  # the first is new in Python 3.11
        with suppress(ModuleNotFoundError):
            return import_module(name)
    return None


def _may_have_settings(content: bytes) -> bool:
    """Whether muslfix is more than a requirement there: a Python without a TOML parser asks for one then."""
    return re.search(rb"\btool\b[\"']?\s*(?:\.\s*[\"']?muslfix\b|\])", content) is not None
