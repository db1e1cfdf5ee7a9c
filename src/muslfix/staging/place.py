"""Putting a staged wheel in the place of what is there, and nothing else.

What goes is what the RECORD of the replaced project lists, as far as it lies in the folders of the layout
and no other project lists it too: a RECORD may lie. What comes must not meet a file of somebody else, unless
that has the same content.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple

from muslfix.errors import FileConflict, InvalidProject
from muslfix.files import hash_file
from muslfix.projects.project import InstalledProject, scan_projects
from muslfix.staging.tree import StagedFile, StagedWheel
from muslfix.targets.schemes import Layout
from muslfix.transaction.steps import missing_folders
from muslfix.transaction.transaction import Transaction
from muslfix.wheels.contents import INTERPRETER_NAME

# Patterns, compiled when something is replaced: most often nothing is.
_BYTECODE = r"(?P<stem>.+?)\.[^.]+-[0-9]+[^.]*(\.opt-[0-9])?\.pyc"
_ACTIVATION = r"(?i:activate(\..+|_this\.py)?)"
# What stands beside these is the standard library.
_BELOW_THE_LIBRARY = ("/site-packages", "/dist-packages")


def owned_files(project: InstalledProject, layout: Layout) -> list[str]:
    """The files of an installed project that are there, its bytecode included; absolute, links not followed.

    Rows of RECORD that lead out of the layout's folders, or to the interpreter itself, are passed over.

    :param layout: whose folders count
    :raises InvalidProject: if its RECORD is missing or damaged
    """
    roots = _roots(layout)
    own_info = os.path.join(os.path.realpath(project.root), project.dist_info)
    found: dict[str, None] = {}
    for row in project.record().rows:
        path = _really(os.path.join(project.root, row.path))
        folder = os.path.dirname(path)
        if _is_own(path, layout) or not _is_below(path, roots):
            continue
        if folder.endswith((".dist-info", ".egg-info")) and folder != own_info:
            continue  # of another project, whose own RECORD may be missing
        if os.path.lexists(path) and not os.path.isdir(path):
            found[path] = None
            found.update(dict.fromkeys(_bytecode_of(path)))
    return list(found)


def leaving_files(
    projects: Iterable[InstalledProject], staying: Iterable[InstalledProject], layout: Layout
) -> list[str]:
    """The files that go with some installed projects: theirs, but for those that another one lists too.

    :param projects: those that go
    :param staying: the others; one whose RECORD cannot be read has no say
    :param layout: whose folders count
    :raises InvalidProject: if the RECORD of one that goes is missing or damaged
    """
    going = dict.fromkeys(path for project in projects for path in owned_files(project, layout))
    names = {os.path.basename(path) for path in going}
    for project in staying if going else ():
        with suppress(InvalidProject):
            for row in project.record().rows:
                if os.path.basename(row.path) not in names:
                    continue
                path = _really(os.path.join(project.root, row.path))
                if path in going:
                    for shared in (path, *_bytecode_of(path)):
                        going.pop(shared, None)
    return list(going)


def move_out(transaction: Transaction, files: Iterable[str], layout: Layout) -> None:
    """Take files out of the tree, whole folders where nothing else is in them.

    :param files: absolute paths
    """
    with transaction.together():
        for path in _coarsest(files, _roots(layout)):
            transaction.move_out(path)


def check_conflicts(staged: list[StagedWheel], leaving: Iterable[str], layout: Layout) -> None:
    """Refuse to meet files of others; drop what is staged where the same content is there already.

    :param staged: the wheels that shall come
    :param leaving: absolute paths of files that go before that
    :raises FileConflict: if a file is in the way
    """
    going = set(leaving)
    coming: dict[str, StagedFile] = {}
    special = {os.path.realpath(folder) for folder in (layout.scheme.scripts, layout.scheme.data)}
    for wheel in staged:
        folders = _Folders(wheel, going)
        for file in list(wheel.files.values()):
            relative, _, name = file.relative.rpartition("/")
            folder, is_there = folders.find(wheel.destination(file.scheme), relative)
            path = os.path.join(folder, name)
            if folder in special and _is_interpreter(path, layout):
                raise FileConflict(
                    path, f"is a name of the interpreter, and would be replaced by {wheel.facts.name}"
                )
            twin = coming.setdefault(path, file)
            if twin is not file:
                _meet_twin(path, twin, file, wheel)
            elif is_there and os.path.lexists(path) and path not in going:
                _meet(path, file, wheel, layout)


def place(transaction: Transaction, staged: Iterable[StagedWheel]) -> None:
    """Move staged wheels to their destinations, by as few renames as the tree allows."""
    with transaction.together():
        coming: dict[str, str | None] = {}
        for wheel in staged:
            for path, folder in wheel.folders.items():
                destination = os.path.realpath(path)
                for missing in missing_folders(destination):
                    if not _is_coming(missing, coming):
                        coming[missing] = None
                        transaction.make_folder(missing)
                _place_folder(transaction, folder, destination, coming)


def _place_folder(
    transaction: Transaction, source: str, destination: str, coming: dict[str, str | None]
) -> None:
    """Move what is in a staged folder.

    :param coming: the folders that are about to be there, and where each is until then, if anywhere
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        target = os.path.join(destination, entry.name)
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and (os.path.isdir(target) or _is_coming(target, coming)):
            _place_folder(transaction, entry.path, os.path.realpath(target), coming)
        else:
            if target.endswith(".pyc") and os.path.lexists(target):
                transaction.move_out(target)
            if is_folder:
                coming[target] = entry.path
            transaction.rename(entry.path, target)


def _is_coming(path: str, coming: dict[str, str | None]) -> bool:
    """Whether a folder will be there, being one of those that come, or in one."""
    above = path
    while above not in coming and above != "/":
        above = os.path.dirname(above)
    place = coming.get(above)
    if place is None:
        return path in coming
    return os.path.isdir(os.path.join(place, os.path.relpath(path, above)))


class _Folders:
    """The folders that the files of a wheel will come to, each looked at once.

    :param wheel: the staged wheel
    :param going: absolute paths of files that go before it comes
    """

    def __init__(self, wheel: StagedWheel, going: Collection[str]) -> None:
        self._wheel = wheel
        self._going = going
        self._roots = _roots(wheel.layout)
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def find(self, destination: str, relative: str) -> tuple[str, bool]:
        """Refuse to need a folder where something else is, which stays, or to be led out by a link.

        :param relative: path of the folder below the destination
        :return: its path without links, and whether it is there: in one that is new nothing is in the way
        """
        key = destination, relative
        if key not in self._known:
            above, _, name = relative.rpartition("/")
            if relative and not self.find(destination, above)[1]:
                self._known[key] = os.path.join(self._known[destination, above][0], name), False
            else:
                self._known[key] = self._look_at(os.path.realpath(os.path.join(destination, relative)))
        return self._known[key]

    def _look_at(self, folder: str) -> tuple[str, bool]:
        name, above = self._wheel.facts.name, folder
        while not os.path.isdir(above):
            if os.path.lexists(above) and above not in self._going:
                raise FileConflict(above, f"is in the way of {name}, which needs a folder there")
            above = os.path.dirname(above)
        if not _is_below(os.path.join(folder, ""), self._roots):
            raise FileConflict(folder, f"is reached through a link, and would receive files of {name}")
        return folder, above == folder


def _meet_twin(path: str, twin: StagedFile, file: StagedFile, wheel: StagedWheel) -> None:
    """Two wheels bring the same file: one of them does."""
    if twin.row.hash != file.row.hash:
        raise FileConflict(path, f"is in two of the wheels with different content, one is {wheel.facts.path}")
    os.unlink(wheel.locate(file.row.path))


def _meet(path: str, file: StagedFile, wheel: StagedWheel, layout: Layout) -> None:
    """A file that shall come meets one that stays: the same content is shared, as by pip."""
    if _is_cache(file):
        return  # the target itself may have written it
    staged = wheel.locate(file.row.path)
    if os.path.isfile(path) and not os.path.islink(path) and hash_file(path) == hash_file(staged):
        os.unlink(staged)
        return
    raise FileConflict(
        path,
        f"is in the way of {wheel.facts.name}: it belongs to {_owner(path, layout)}, and its content differs",
        tip="uninstall that first, or move the file away",
    )


def _is_cache(file: StagedFile) -> bool:
    return "__pycache__" in file.relative.split("/") and file.relative.endswith(".pyc")


def _owner(path: str, layout: Layout) -> str:
    for project in scan_projects(layout.site_folders).values():
        with suppress(InvalidProject):
            if path in owned_files(project, layout):
                return f"{project.name} {project.version}"
    return "no installed project"


def _is_interpreter(path: str, layout: Layout) -> bool:
    """Whether a path is that of an interpreter, or of what makes an environment one, there or not."""
    folder, name = os.path.split(path)
    if INTERPRETER_NAME.fullmatch(name):
        return folder == os.path.realpath(layout.scheme.scripts)
    return name == "pyvenv.cfg" and folder == os.path.realpath(layout.scheme.data)


def _is_own(path: str, layout: Layout) -> bool:
    """Whether a file belongs to the environment itself, whatever a RECORD claims."""
    folder, name = os.path.split(path)
    if folder == os.path.realpath(layout.scheme.scripts) and re.fullmatch(_ACTIVATION, name):
        return True
    sites = [os.path.realpath(site) for site in layout.site_folders]
    libraries = [os.path.dirname(site) for site in sites if site.endswith(_BELOW_THE_LIBRARY)]
    return _is_interpreter(path, layout) or (_is_below(path, libraries) and not _is_below(path, sites))


def _really(path: str) -> str:
    """Where a path is, with no link on the way; itself it is not followed."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)


def _roots(layout: Layout) -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.realpath(folder) for folder in astuple(layout.scheme)))


def _is_below(path: str, roots: Iterable[str]) -> bool:
    return any(path.startswith(root.rstrip("/") + "/") for root in roots)


def _bytecode_of(path: str) -> Iterator[str]:
    """The bytecode of a module, whichever interpreter and optimisation level it is for."""
    folder, name = os.path.split(path)
    cache = os.path.join(folder, "__pycache__")
    if name.endswith(".py") and os.path.isdir(cache) and not os.path.islink(cache):
        for other in os.listdir(cache):
            match = re.fullmatch(_BYTECODE, other)
            if match is not None and match["stem"] == name[: -len(".py")]:
                yield os.path.join(cache, other)


def _coarsest(files: Iterable[str], roots: Iterable[str]) -> list[str]:
    """The same files, named by whole folders where all that is in a folder is among them."""
    names: dict[str, set[str]] = {}
    for path in files:
        names.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for folder in sorted(names, key=lambda folder: folder.count("/"), reverse=True):
        _fold(folder, names, roots)
    return [os.path.join(folder, name) for folder in sorted(names) for name in sorted(names[folder])]


def _fold(folder: str, names: dict[str, set[str]], roots: Iterable[str]) -> None:
    """Replace a folder's names by the folder itself, and go on with its parent."""
    while folder in names and folder not in roots and set(os.listdir(folder)) <= names[folder]:
        del names[folder]
        parent, name = os.path.split(folder)
        names.setdefault(parent, set()).add(name)
        folder = parent
