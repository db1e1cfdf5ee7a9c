"""``muslfix verify``: compare the files of installed projects with RECORD. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from muslfix.errors import InvalidRecord, InvalidTarget, MuslfixError, spelling_errors
from muslfix.files import hash_file
from muslfix.parallel.threads import Pool
from muslfix.progress import Progress, silent
from muslfix.projects.project import InstalledProject, normalize_name, scan_projects
from muslfix.record import RecordRow
from muslfix.report.report import FileReport, ProjectReport, Report
from muslfix.targets.paths import PathMap, paths_of
from muslfix.targets.target import Target
from muslfix.verbs.reports import report_failed, report_installed, reports_on_missing
from muslfix.verbs.selection import choose, site_directories

_WORKERS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class VerifyOptions:
    """What to verify.

    :param paths: folders with ``.dist-info`` folders; if none, those of the target's own environment
    :param progress: is told of each step
    """

    paths: tuple[str, ...] = ()
    progress: Progress = field(default=silent, compare=False, repr=False)


@spelling_errors()
def verify(projects: Sequence[str], target: Target, options: VerifyOptions | None = None) -> Report:
    """Say which files are missing, changed, not listed, or links that lead nowhere or out.

    :param projects: names of projects; none: all of them
    :param target: whose environment it is
    :param options: what
    :raises MuslfixError: if the folders cannot be read
    """
    options = options or VerifyOptions()
    keys = {normalize_name(name) for name in projects}
    reports: list[ProjectReport] = []
    for folder in site_directories(target, options.paths, break_system_packages=True):
        found, passed_over = choose(folder, keys, break_system_packages=True)
        listed = _listed_paths(scan_projects([folder]).values())
        paths = paths_of(target)
        own = () if options.paths or target.prefix is None else (paths.locate(target.prefix),)
        roots = (folder, *own)
        work = partial(_verify_project, listed=listed, view=_View(paths, folder, roots))
        verified = Pool(_WORKERS).map(work, found, what="hashing files", progress=options.progress)
        reports += [*passed_over, *verified]
    reports += reports_on_missing(keys, reports)
    return Report("verify", dry_run=False, projects=tuple(reports), source=target.source)


class _View:
    """Where the files of an environment are, and where links lead to.

    :param paths: those of the target
    :param site: its directory of modules, where paths in RECORD begin
    :param roots: the directories that its links should lead to
    """

    def __init__(self, paths: PathMap, site: str, roots: Sequence[str]) -> None:
        self.follow = paths.follow
        self._site = os.path.realpath(site)
        self._roots = tuple(os.path.realpath(root).rstrip("/") + "/" for root in roots)
        self._folders: dict[str, str] = {}

    def locate(self, listed_as: str) -> str:
        """Where a file that RECORD lists is, the links to its folder followed; itself it may be one.

        :raises InvalidTarget: if they lead out of the tree of the target, or round in a circle
        """
        folder, name = os.path.split(os.path.normpath(os.path.join(self._site, listed_as)))
        if folder not in self._folders:
            self._folders[folder] = self.follow(folder)
        return os.path.join(self._folders[folder], name)

    def is_inside(self, path: str) -> bool:
        """Whether a path without links is in one of the folders."""
        return path.startswith(self._roots)


def _verify_project(project: InstalledProject, listed: frozenset[str], view: _View) -> ProjectReport:
    try:
        rows = project.record().rows
    except MuslfixError as error:
        return report_failed(project, error)
    findings = [finding for row in rows for finding in _verify_row(row, view)]
    findings += _unlisted(project, rows, listed)
    files = tuple(sorted(findings, key=lambda file: file.path))
    return replace(report_installed(project, "differs" if files else "verified"), files=files)


def _verify_row(row: RecordRow, view: _View) -> Iterator[FileReport]:
    try:
        path = _find(row.path, view)
        is_link = os.path.islink(path)
        place = view.follow(path) if is_link else path
    except InvalidTarget as error:
        yield FileReport(row.path, "link-outside", f"it is reached by a link that {error.reason}")
        return
    if is_link:
        yield from _verify_link(place, row.path, view)
    elif not os.path.exists(path) and not row.path.endswith(".pyc"):  # bytecode is made again
        yield FileReport(row.path, "missing", "RECORD lists it, and it is not there")
    difference = _difference(place, row) if os.path.exists(place) else None
    if difference is not None:
        yield FileReport(row.path, "changed", difference)


def _find(listed_as: str, view: _View) -> str:
    """Where a file is; itself it may be a link.

    ``pip install --target`` moves what it has written and leaves RECORD as it was. It installs into
    ``lib/python`` of a temporary prefix, and RECORD says ``../../bin/x`` of what is then in ``bin``:
    https://github.com/pypa/pip/blob/26.0/src/pip/_internal/commands/install.py (_handle_target_dir)
    """
    path = view.locate(listed_as)
    if listed_as.startswith("../../") and not os.path.lexists(path):
        moved = view.locate(listed_as[len("../../") :])
        return moved if os.path.lexists(moved) else path
    return path


def _verify_link(leads_to: str, listed_as: str, view: _View) -> Iterator[FileReport]:
    if not os.path.exists(leads_to):
        yield FileReport(listed_as, "link-broken", f"it is a link to {leads_to}, which is not there")
    elif not view.is_inside(leads_to):
        yield FileReport(
            listed_as, "link-outside", f"it is a link to {leads_to}, which is not in the environment"
        )


def _difference(path: str, row: RecordRow) -> str | None:
    """What distinguishes a file from its row, or ``None``."""
    if not os.path.isfile(path):
        return "it is no file"
    try:
        if row.size and os.path.getsize(path) != int(row.size):
            return f"it has {os.path.getsize(path)} bytes, and RECORD says {row.size}"
        if row.has_hash and hash_file(path, row.algorithm or "") != row.digest:
            return f"its {row.algorithm} differs from the one in RECORD"
    except (InvalidRecord, ValueError):
        return "its row in RECORD cannot be understood"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None


def _unlisted(
    project: InstalledProject, rows: Iterable[RecordRow], listed: frozenset[str]
) -> Iterator[FileReport]:
    """Files in the project's own folders that no project lists; bytecode is no news."""
    tops = {row.path.partition("/")[0] for row in rows if "/" in row.path} - {"", ".", ".."}
    for top in tops:
        if os.path.islink(project.locate(top)):
            continue  # its files are where another tool has put them
        for folder, folders, names in os.walk(project.locate(top)):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in (*names, *links):
                path = os.path.join(folder, name)
                if path not in listed and not name.endswith(".pyc"):
                    relative = os.path.relpath(path, project.root)
                    yield FileReport(relative, "unlisted", "it is there, and no RECORD lists it")


def _listed_paths(projects: Iterable[InstalledProject]) -> frozenset[str]:
    """The files that any project lists: a folder can belong to several."""
    listed: set[str] = set()
    for project in projects:
        try:
            rows = project.record().rows
        except MuslfixError:
            continue
        listed.update(os.path.normpath(project.locate(row.path)) for row in rows)
    return frozenset(listed)
