"""The environment that projects are installed in: who manages it, and what it sees of others."""

from __future__ import annotations

import os
from contextlib import suppress

from muslfix.errors import EnvironmentRefused, MuslfixError
from muslfix.projects.project import scan_projects
from muslfix.targets.paths import paths_of
from muslfix.targets.target import Target

# How deep virtual environments may be nested.
_NESTED = 8


def check_not_managed(target: Target, *, break_system_packages: bool) -> None:
    """Refuse an environment that has the marker of :pep:`668`.

    :param break_system_packages: take it nevertheless
    :raises EnvironmentRefused: if another tool manages the environment
    """
    if target.externally_managed and not break_system_packages:
        raise EnvironmentRefused(
            target.externally_managed,
            f"says that another tool manages the environment {target.prefix}",
            tip="use a virtual environment, or --break-system-packages if you accept the risk",
        )


def versions_beside(target: Target) -> dict[str, str]:
    """Versions, by normalised name, of what the target imports from outside its own environment.

    That is what a package manager has installed for the distribution's Python, and what a virtual environment
    created with ``--system-site-packages`` sees of its base: https://docs.python.org/3/library/venv.html
    """
    base = target.prefix
    if base and target.environment == "virtual environment":
        base = _base_seen_by(base, target)
    if not base:
        return {}
    names = ("python{}.{}".format(*target.version_info), "python3")  # Debian: lib/python3/dist-packages
    directories = [
        os.path.join(base, lib, name, kind)
        for lib in ("local/lib", "lib", "lib64")
        for name in names
        for kind in ("site-packages", "dist-packages")
    ]
    with suppress(MuslfixError):  # at worst there is a warning too many
        directories = [paths_of(target).locate(directory) for directory in directories]
        return {key: project.version for key, project in scan_projects(directories).items()}
    return {}


def _base_seen_by(environment: str, target: Target) -> str:
    """The prefix of the base of a virtual environment, if the environment sees its packages; else empty."""
    settings = _settings_of(environment, target)
    if settings.get("include-system-site-packages", "").lower() != "true":
        return ""
    # Before 3.11, one that was created by the Python of another environment has that as its home.
    for _ in range(_NESTED):
        base = os.path.dirname(settings.get("home", ""))
        settings = _settings_of(base, target) if base else {}
        if "home" not in settings:
            return base
    return ""


def _settings_of(environment: str, target: Target) -> dict[str, str]:
    """The content of its ``pyvenv.cfg``, with lower-case keys; empty if there is none."""
    try:
        with open(paths_of(target).locate(os.path.join(environment, "pyvenv.cfg")), encoding="utf-8") as file:
            pairs = [line.partition("=") for line in file]
    except (OSError, ValueError, MuslfixError):
        return {}
    return {key.strip().lower(): value.strip() for key, _, value in pairs}
