"""Where the files of a wheel go: the layouts that pip knows, as values.

There are two views of each directory. On *this* machine the installer writes to it; the *target* will see it
under a path that differs when ``--root`` is given, and that is what scripts and bytecode must name.
"""

from __future__ import annotations

import os.path
from dataclasses import asdict, replace
from typing import NamedTuple

from muslfix.errors import UsageError
from muslfix.targets.paths import PathMap, paths_of
from muslfix.targets.target import Scheme, Target


class Layout(NamedTuple):
    """The directories of one installation.

    :param scheme: absolute paths on this machine
    :param seen: the same directories as the target will see them
    :param is_environment: whether this is the target's own environment, so that its marker of :pep:`668`
        counts and projects installed there are visible to it
    """

    scheme: Scheme
    seen: Scheme
    is_environment: bool = False

    @property
    def site_directories(self) -> tuple[str, ...]:
        """The directories that hold ``.dist-info`` directories, each once."""
        return tuple(dict.fromkeys((self.scheme.purelib, self.scheme.platlib)))


def layout_of(
    target: Target, *, folder: str | None = None, prefix: str | None = None, root: str | None = None
) -> Layout:
    """Choose the directories as pip does for ``--target``, ``--prefix`` and ``--root``.

    :param target: the Python that will import
    :param folder: ``--target``: one flat directory with modules and below it ``bin``, ``include``, …
    :param prefix: ``--prefix``: another prefix, laid out like the target's own
    :param root: ``--root``: everything below this directory, which the target will see as ``/``; links in it
        are followed inside of it only
    :raises UsageError: if the options contradict each other, or if without any of them the files would go
        to a target that cannot be run here, hence is not known to be on this machine
    :raises InvalidTarget: if links lead out of the tree that the target was read from
    """
    if folder is not None and (prefix is not None or root is not None):
        raise UsageError(None, "--target cannot be combined with --prefix or --root")
    if folder is not None:
        seen = _flat(os.path.abspath(folder))
    elif prefix is not None:
        seen = _below(os.path.abspath(prefix), target.prefix_scheme)
    else:
        seen = _own_directories(target, root)
    own = folder is None and prefix is None
    paths = paths_of(target, root) if own or root is not None else PathMap()
    places = {key: paths.locate(path) for key, path in asdict(seen).items()}
    return Layout(Scheme(**places), seen, is_environment=own and paths == paths_of(target))


def _own_directories(target: Target, root: str | None) -> Scheme:
    """The directories of the target's own environment, as it sees them."""
    if root is None and target.tree is None and not target.runs_here:
        raise UsageError(
            None,
            "the target cannot be run here, so its directories are not those of this machine",
            tip="say with --target, --prefix or --root where to put the files",
        )
    if target.scheme is None:
        raise UsageError(
            None,
            "the directories of the target are not known",
            tip="name the target's prefix, as in --prefix /usr/local",
        )
    return target.scheme


def for_project(layout: Layout, name: str) -> Layout:
    """The same layout with the directory of C headers that belongs to one project.

    :param name: the project's normalised name, as pip and uv take it
    """
    return layout._replace(
        scheme=replace(layout.scheme, headers=os.path.join(layout.scheme.headers, name)),
        seen=replace(layout.seen, headers=os.path.join(layout.seen.headers, name)),
    )


def _flat(directory: str) -> Scheme:
    return Scheme(
        purelib=directory,
        platlib=directory,
        headers=os.path.join(directory, "include"),
        scripts=os.path.join(directory, "bin"),
        data=directory,
    )


def _below(prefix: str, relative: Scheme) -> Scheme:
    paths = {key: os.path.normpath(os.path.join(prefix, path)) for key, path in asdict(relative).items()}
    return Scheme(**paths)
