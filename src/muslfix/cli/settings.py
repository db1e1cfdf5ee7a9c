"""The settings of the project and of the environment, taken for the options that were not given."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

from muslfix.cli.output import Output
from muslfix.errors import UsageError
from muslfix.targets.environments import find_pyproject
from muslfix.verbs.settings import Found, Settings, read_settings

# The options that are settings too. None of them has a default of its own.
_OPTIONS = ("mode", "strict", "load_check", "break_system_packages")


def complete_options(options: argparse.Namespace, output: Output) -> None:
    """Give the options that were not given the values of the settings.

    :raises UsageError: if a setting cannot be used
    """
    lacking = [name for name in _OPTIONS if getattr(options, name, ...) is None]
    # The musl that a wheel needs is nobody's choice.
    settings = Settings() if not lacking or getattr(options, "musl", False) else own_settings(output).settings
    for name in lacking:
        setattr(options, name, getattr(settings, name))


def own_settings(output: Output) -> Found:
    """The settings for the working directory. What is no setting is a warning.

    :raises UsageError: if a setting cannot be used
    """
    pyproject = None
    with suppress(OSError):  # the working directory has been removed
        pyproject = find_pyproject(os.getcwd())
    found = read_settings(pyproject, os.environ)
    for sentence in found.unknown:
        output.doubt(sentence)  # with -q too: perhaps it was to refuse something
        output.about_settings.append(sentence)
    if found.wrong:
        raise UsageError(None, found.wrong[0], "correct or remove it")
    return found


def describe_settings(found: Found) -> str:
    """All settings on one line, and where each comes from that is given."""
    parts = []
    for field, value in found.settings._asdict().items():
        key = field.replace("_", "-")
        origin = f" ({found.origins[key]})" if key in found.origins else ""
        parts.append(f"{key} = {str(value).lower()}{origin}")
    return ", ".join(parts)
