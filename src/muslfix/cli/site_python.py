"""The Python that imports from a site directory: a module gets the name that this one looks for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from muslfix.cli.install_places import Place, Tie
from muslfix.cli.snapshots import Site
from muslfix.errors import InterpreterError, MuslfixError
from muslfix.targets.choice import programs_in
from muslfix.targets.environments import is_environment
from muslfix.targets.interpreter import probe_interpreter
from muslfix.targets.target import Target

_TIP = "run 'muslfix fix --python PYTHON --path {}' with the Python that will import from it"


def find_site_python(
    site: Site, places: Sequence[Place], environ: Mapping[str, str], *, is_changed: bool = True
) -> Target:
    """The Python that imports from a site directory.

    :param site: the directory
    :param places: those of the command, the nearest first
    :param environ: the environment variables
    :param is_changed: whether the command has changed it
    :raises InterpreterError: if it cannot be told, or does not answer
    """
    found: Iterable[Target] = map(probe_interpreter, _own(site))
    if not is_environment(site.prefix):  # else any other may be for another libc
        others = (
            map(probe_interpreter, _only_near(places))
            if site.version is None
            else filter(None, map(_probe, dict.fromkeys(_others(site.version, places, environ))))
        )
        found = chain(found, others)
    for target in found:
        if site.version in (None, _version_of(target)):
            return target
    python = f"Python {site.version}" if site.version else "Python"
    what = "was changed by the command, and" if is_changed else "was not looked at:"
    raise InterpreterError(
        site.directory,
        f"{what} muslfix cannot tell which {python} imports from it",
        _TIP.format(site.directory),
    )


def _version_of(target: Target) -> str:
    return "{}.{}".format(*target.version_info) + ("t" if "t" in target.abi_flags else "")


def _programs(prefix: str, version: str | None) -> Iterator[str]:
    """The interpreters of a prefix; that of the version first."""
    names = dict.fromkeys((f"python{version or '3'}", "python", "python3"))
    return programs_in(os.path.join(prefix, "bin"), names)


def _own(site: Site) -> Iterator[str]:
    """The interpreters that are at home in the prefix: ``~/.local/bin`` may link to others."""
    is_virtual = is_environment(site.prefix)
    for program in _programs(site.prefix, site.version):
        home = os.path.dirname(os.path.dirname(os.path.realpath(program)))
        if is_virtual or home == os.path.realpath(site.prefix):
            yield program


def _only_near(places: Sequence[Place]) -> Iterator[str]:
    """The interpreter nearest to the command, if there is only one that is so near."""
    for tie in (Tie.NAMED, Tie.RUN, Tie.CHOSEN):
        prefixes = {os.path.realpath(place.path): place.path for place in places if place.tie is tie}
        programs = [next(_programs(path, None), None) for path in prefixes.values()]
        found = [program for program in programs if program is not None]
        if found:
            yield from found if len(found) == 1 else ()
            return


def _others(version: str, places: Sequence[Place], environ: Mapping[str, str]) -> Iterator[str]:
    for place in places:
        yield from _programs(place.path, version)
    found = shutil.which(f"python{version}", path=environ.get("PATH", os.defpath))
    yield from filter(None, (found, sys.executable))


def _probe(program: str) -> Target | None:
    try:
        return probe_interpreter(program)
    except MuslfixError:  # a shim of pyenv, or a broken link
        return None
