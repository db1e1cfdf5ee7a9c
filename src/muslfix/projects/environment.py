"""TODO docstring."""

from __future__ import annotations

import os
from contextlib import suppress

from muslfix.errors import EnvironmentRefused, MuslfixError
from muslfix.files import STAGING_PREFIX
from muslfix.projects.project import scan_projects
from muslfix.targets.paths import paths_of
from muslfix.targets.target import Target

# How many virtual environments may have been made of one another.
_NESTED = 8


def versions_beside(target: Target) -> dict[str, str]:
    """Versions, by normalised name, of what the target imports from outside of its own environment.

    That is what the Python of a distribution has from its package manager, and what a virtual environment
    made with ``--system-site-packages`` sees of its base: https://docs.python.org/3/library/venv.html
    """
    base = target.prefix
    if base and target.environment == "virtual environment":
        base = _base_seen_by(base, target)
    if not base:
        return {}
    names = ("python{}.{}".format(*target.version_info), "python3")  # Debian: lib/python3/dist-packages
    folders = [
        os.path.join(base, lib, name, kind)
        for lib in ("local/lib", "lib", "lib64")
        for name in names
        for kind in ("site-packages", "dist-packages")
    ]
    with suppress(MuslfixError):  # a folder that cannot be read costs a warning too many
        folders = [paths_of(target).locate(folder) for folder in folders]
        return {key: project.version for key, project in scan_projects(folders).items()}
    return {}


def _base_seen_by(environment: str, target: Target) -> str:
    """The prefix of the base of a virtual environment, if the environment sees it; else empty."""
    settings = _settings_of(environment, target)
    if settings.get("include-system-site-packages", "").lower() != "true":
        return ""
    # One that was made by the Python of another environment, before 3.11, names that as its home.
    for _ in range(_NESTED):
        base = os.path.dirname(settings.get("home", ""))
        settings = _settings_of(base, target) if base else {}
        if "home" not in settings:
            return base
    return ""


def _settings_of(environment: str, target: Target) -> dict[str, str]:
    """The content of its ``pyvenv.cfg``, the keys in small letters; empty if there is none."""
    try:
        with open(paths_of(target).locate(os.path.join(environment, "pyvenv.cfg")), encoding="utf-8") as file:
            pairs = [line.partition("=") for line in file]
    except (OSError, ValueError, MuslfixError):
        return {}
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def check_not_managed(target: Target, *, break_system_packages: bool) -> None:
    """Refuse an environment that carries the marker of :pep:`668`.

    :raises EnvironmentRefused: if it does, unless it is to be changed all the same
    """
    if target.externally_managed and not break_system_packages:
        raise EnvironmentRefused(
            target.externally_managed,
            f"says that another tool manages the environment {target.prefix}",
            tip="use a virtual environment, or --break-system-packages if you know what you risk",
        )


def recover_folder(folder: str) -> list[str]:
    """Put right what an interrupted muslfix has left in a folder; return what is to be said about it."""
    if not _has_leftovers(folder):
        return []
    from muslfix.transaction.transaction import Transaction

    with Transaction(folder) as transaction:
        count = transaction.recovered
    return [f"{folder}: what an interrupted muslfix has left was put right"] if count else []


def _has_leftovers(folder: str) -> bool:
    """Whether a change was interrupted there, or one is being made."""
    try:
        return any(name.startswith(STAGING_PREFIX) for name in os.listdir(folder))
    except OSError:
        return False
