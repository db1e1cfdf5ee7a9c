"""``muslfix verify``: compare the files of installed projects with RECORD. It changes nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from muslfix.errors import InvalidRecord, InvalidTarget, MuslfixError, spelling_errors, why
from muslfix.files.access import LARGEST_HASHED, configures_interpreter, hash_file, may_exist
from muslfix.progress import Progress, silent
from muslfix.projects.project import InstalledProject, scan_projects
from muslfix.record.rows import RecordRow
from muslfix.report.report import FileReport, ProjectReport, Report
from muslfix.targets.paths import PathMap, paths_of
from muslfix.targets.target import Target
from muslfix.transaction.bounds import environment_of
from muslfix.verbs.reports import report_installed, with_sources
from muslfix.verbs.selection import Selection
from muslfix.verbs.subjects import convert_options, projects_named

# Hashing lets other threads run.
_THREADS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class VerifyOptions:
    """What to verify.

    :param paths: directories with ``.dist-info`` directories; none: those of the target's own environment
    :param progress: called for each step
    """

    paths: tuple[str, ...] = ()
    progress: Progress = field(default=silent, compare=False, repr=False)

    def __post_init__(self) -> None:
        convert_options(self)


@spelling_errors()
def verify(projects: Sequence[str], target: Target, options: VerifyOptions | None = None) -> Report:
    """Report files that are missing, changed or not listed, and links that are broken or lead out.

    :param projects: names of projects; none: all projects
    :param target: the Python whose environment it is
    :param options: what to verify
    :raises MuslfixError: if the directories cannot be read
    """
    options = options or VerifyOptions()
    projects = projects_named("verify", projects)
    selection = Selection(projects, target, options.paths, progress=options.progress)
    paths = paths_of(target)
    own = () if options.paths or target.prefix is None else (paths.locate(target.prefix),)
    for site in selection.sites():
        listed = _listed_paths(scan_projects([site.directory]).values())
        view = _View(paths, site.directory, (site.directory, *own))
        work = partial(_verify, listed=listed, view=view, target=target)
        site.look("hashing files", work, threads=_THREADS)
    return selection.report("verify")


class _View:
    """Where the files of a site directory are, and where its links lead.

    :param paths: those of the target
    :param site: the site directory, which paths in RECORD are relative to
    :param roots: the directories that links may lead to
    """

    def __init__(self, paths: PathMap, site: str, roots: Sequence[str]) -> None:
        self.follow = paths.follow
        self._site = os.path.realpath(site)
        self._roots = tuple(os.path.realpath(root).rstrip("/") + "/" for root in roots)
        prefix = environment_of(self._site)
        self._prefix = None if prefix is None else f"{prefix}/"
        self._real: dict[str, str] = {}

    def locate(self, listed_as: str) -> str:
        """Where a file that RECORD lists is: links on the way to it are followed, a link at its end is not.

        :raises InvalidTarget: if they lead out of the tree of the target, or round in a circle
        """
        directory, name = os.path.split(os.path.join(self._site, listed_as))
        if directory not in self._real:
            self._real[directory] = self.follow(directory)
        return os.path.join(self._real[directory], name)

    def is_inside(self, path: str) -> bool:
        """Whether a path without links is in one of the directories."""
        return path.startswith(self._roots)

    def is_interpreters(self, path: str) -> bool:
        """Whether a path without links belongs to the interpreter, as far as the site directory tells."""
        return self._prefix is not None and (
            path.startswith(self._prefix) and configures_interpreter(path[len(self._prefix) :])
        )


def _verify(project: InstalledProject, listed: frozenset[str], view: _View, target: Target) -> ProjectReport:
    rows = project.record().rows
    findings = [finding for row in rows for finding in _verify_row(row, view)]
    findings += _unlisted(project, rows, listed)
    files = tuple(sorted(findings, key=lambda file: file.path))
    report = replace(report_installed(project, "differs" if files else "verified"), files=files)
    return with_sources(report, project, target)


def _verify_row(row: RecordRow, view: _View) -> Iterator[FileReport]:
    try:
        path = _find(row.path, view)
        is_link = os.path.islink(path)
        place = view.follow(path) if is_link else path
    except InvalidTarget as error:
        yield FileReport(row.path, "link-outside", f"it is reached by a link that {error.reason}")
        return
    if view.is_interpreters(path):
        yield FileReport(row.path, "not-its-own", "it belongs to the interpreter, so muslfix leaves it alone")
    if is_link:
        yield from _verify_link(place, row.path, view)
    elif not may_exist(path) and not row.path.endswith(".pyc"):  # Python compiles it again
        yield FileReport(row.path, "missing", "RECORD lists it, but it does not exist")
    difference = _difference(place, row) if may_exist(place) else None
    if difference is not None:
        yield FileReport(row.path, "changed", difference)


def _find(listed_as: str, view: _View) -> str:
    """Where a file is, which may be a link itself.

    ``pip install --target`` installs into ``lib/python`` of a temporary prefix and moves the files, but
    leaves RECORD as it was, which then says ``../../bin/x`` of what is in ``bin``:
    https://github.com/pypa/pip/blob/26.0/src/pip/_internal/commands/install.py (_handle_target_dir)
    """
    path = view.locate(listed_as)
    if listed_as.startswith("../../") and not os.path.lexists(path):
        moved = view.locate(listed_as[len("../../") :])
        return moved if os.path.lexists(moved) else path
    return path


def _verify_link(leads_to: str, listed_as: str, view: _View) -> Iterator[FileReport]:
    if not may_exist(leads_to):
        yield FileReport(listed_as, "link-broken", f"it is a link to {leads_to}, which does not exist")
    elif not view.is_inside(leads_to):
        yield FileReport(
            listed_as, "link-outside", f"it is a link to {leads_to}, which is not in the environment"
        )


def _difference(path: str, row: RecordRow) -> str | None:
    """How a file differs from its row, or ``None``."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return "it is not a file"
        size, limit = os.path.getsize(path), int(row.size or LARGEST_HASHED)
        if row.size and size != limit:
            return f"it has {size} bytes, but RECORD says {row.size}"
        problem = (
            f"it has {size} bytes, but muslfix reads no more than 16 GiB" if size > LARGEST_HASHED else None
        )
        if problem is None and row.has_hash and hash_file(path, row.algorithm or "") != row.digest:
            problem = f"its {row.algorithm} differs from the one in RECORD"
    except (InvalidRecord, ValueError):
        return "its row in RECORD cannot be read"
    except OSError as error:
        return f"it cannot be read ({why(error)})"
    return problem


def _unlisted(
    project: InstalledProject, rows: Iterable[RecordRow], listed: frozenset[str]
) -> Iterator[FileReport]:
    """Files in the project's own directories that no project lists, without bytecode."""
    tops = {row.path.partition("/")[0] for row in rows if "/" in row.path} - {"", ".", ".."}
    for top in tops:
        if os.path.islink(project.locate(top)):
            continue  # its files belong to the tool that made the link
        unlisted: list[OSError] = []
        for directory, directories, names in os.walk(project.locate(top), onerror=unlisted.append):
            links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
            for name in (*names, *links):
                path = os.path.join(directory, name)
                if path not in listed and not name.endswith(".pyc"):
                    relative = os.path.relpath(path, project.root)
                    yield FileReport(relative, "unlisted", "no RECORD lists it")
        for error in unlisted:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # it is a file, or there is none
                relative = os.path.relpath(os.fsdecode(error.filename), project.root)
                yield FileReport(relative, "unlisted", f"its files cannot be listed ({why(error)})")


def _listed_paths(projects: Iterable[InstalledProject]) -> frozenset[str]:
    """The files that any project lists: several may share a directory."""
    listed: set[str] = set()
    for project in projects:
        try:
            rows = project.record().rows
        except MuslfixError:
            continue
        listed.update(os.path.normpath(project.locate(row.path)) for row in rows)
    return frozenset(listed)
