"""What ``muslfix run`` does after the command: fix each place that it has changed, and say so of each."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from muslfix.cli.install_places import Place, Tie
from muslfix.cli.options import library_options, mode_words
from muslfix.cli.output import Output
from muslfix.cli.progress import show_progress
from muslfix.cli.site_python import find_site_python
from muslfix.cli.snapshots import (
    Site,
    Snapshot,
    find_changed,
    find_emptied,
    find_removed,
    find_unread,
    group_sites,
)
from muslfix.cli.targets import find_target, names_foreign_target
from muslfix.errors import MuslfixError, UsageError
from muslfix.report.lines import Line
from muslfix.report.looked_at import PlaceReport
from muslfix.report.report import Report
from muslfix.report.sentences import needs_attention
from muslfix.targets.schemes import layout_of
from muslfix.targets.target import Target
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.selection import site_directories

_NAME_IT = "name the environment with --python, or a directory of modules with --path"

_NOTHING_SO_FAR = "where muslfix has looked nothing new is installed"

#: Said of a command that was interrupted: nobody knows how far it has come.
INTERRUPTED = "the command was interrupted, so what it installs may be incomplete: run it again"


class FixPlaces:
    """The places of one command, and what is found and done there.

    :param options: those of ``fix``; with ``dry_run`` places are only looked at
    :param output: where it is said
    :param places: where the command may have installed something, the nearest first
    """

    def __init__(self, options: argparse.Namespace, output: Output, places: Sequence[Place]) -> None:
        self._options = options
        self._output = output
        self._places = places
        self._reports: list[Report] = []
        self._directories: list[str] = []
        self._noted: list[PlaceReport] = []
        self._notes: list[str] = []
        self._doubts: list[str] = []
        self._emptied: frozenset[str] = frozenset()
        self._is_well = True

    def fix(self, before: Snapshot, after: Snapshot, *, is_interrupted: bool = False) -> None:
        """Fix what has changed, or the place that the options name.

        :param before: the places before the command
        :param after: the same after it
        :param is_interrupted: whether the command was
        """
        changed, removed = find_changed(before, after), find_removed(before, after)
        self._emptied = find_emptied(before, after)
        if is_interrupted:
            so_far = "what it has changed is not fixed" if changed or removed else _NOTHING_SO_FAR
            self._notice(f"{INTERRUPTED}; {so_far}")
        if self._options.python or self._options.path or names_foreign_target(self._options):
            if changed or not self._options.dry_run:
                self._fix_named(changed)
            return
        for sites in group_sites(changed):
            self._fix_sites(sites)
        unread = () if self._options.dry_run else find_unread(before, after)
        for directory, _, reason in unread:
            self._doubt(f"{directory}: cannot be read ({reason}), so nothing was looked at there; {_NAME_IT}")
        if changed or removed:
            self._say_removed(removed)
        elif not self._options.dry_run:  # a command that failed has said so itself
            near = [site for site in after.sites.values() if site.tie is not Tie.WATCHED]
            if near or not unread:
                self._say_unchanged(near)

    def finish(self) -> int:
        """Print the JSON document, if it is asked for and there is anything to say in it.

        :return: the exit status
        """
        if self._options.json and (self._noted or not self._is_well):
            dry_run = all(report.dry_run for report in self._reports)
            reports = [_as_refused(each) if each.dry_run and not dry_run else each for each in self._reports]
            merged = Report(
                "run",
                dry_run,
                projects=tuple(chain.from_iterable(report.projects for report in reports)),
                warnings=tuple(chain.from_iterable(report.warnings for report in reports)),
                notes=tuple(chain(*(report.notes for report in reports), self._notes)),
                source=reports[0].source if len(reports) == 1 else None,
                places=tuple(self._noted),
                directories=tuple(self._directories),
                doubts=tuple(chain(*(report.doubts for report in reports), self._doubts)),
            )
            self._output.data(merged.to_json())
        return 0 if self._is_well else 1

    # -- the place that the options name ------------------------------------------------------------

    def _fix_named(self, changed: Iterable[Site]) -> None:
        options = self._options
        try:
            target = find_target(options)
            directories = site_directories(target, options.path, break_system_packages=True)
            self._fix(target, options.path, directories, state="named")
        except UsageError:
            raise
        except MuslfixError as error:
            self._fail(error, [options.python or "."], "named")
            return
        looked_at = {os.path.realpath(directory) for directory in directories}
        for site in changed:
            if os.path.realpath(site.directory) not in looked_at:
                self._doubt(
                    f"the command has changed {site.directory}, which --python and --path do not name,"
                    f" so it was not looked at; to fix it: {self._command_beside(site, target)}"
                )

    def _command_beside(self, site: Site, target: Target) -> str:
        """The command that fixes another place than the one that is named.

        :param target: what is named, which also imports from a directory that belongs to no environment
        """
        try:
            if site.version is not None:
                target = find_site_python(site, self._places, os.environ)
        except MuslfixError:
            return shlex.join(("muslfix", "fix", "--python", "PYTHON", "--path", site.directory))
        return self._command(target, [site.directory])

    # -- places that have changed -------------------------------------------------------------------

    def _fix_sites(self, sites: Sequence[Site]) -> None:
        """Fix the directories of one place."""
        directories = [site.directory for site in sites]
        try:
            target = find_site_python(sites[0], self._places, os.environ)
            self._tell("changed:", f"{' '.join(directories)} of {target.executable}")
            self._check_managed(target, directories)
            self._fix(target, directories, directories)
        except MuslfixError as error:
            self._fail(error, directories, "changed")

    def _check_managed(self, target: Target, directories: Sequence[str]) -> None:
        """Refuse to fix anything in directories that another tool manages (:pep:`668`).

        :raises EnvironmentRefused: if there is something to fix, after it has been said what
        """
        is_own = not set(layout_of(target).site_directories).isdisjoint(directories)
        if is_own and target.externally_managed and not self._options.break_system_packages:
            report = self._look(target, directories)
            if report.changes:
                self._say(report)
                site_directories(target, (), break_system_packages=False)

    def _fix(
        self, target: Target, paths: Sequence[str], directories: Sequence[str], state: str = "changed"
    ) -> None:
        report = self._run(target, paths)
        if state == "changed" and self._emptied.issuperset(directories):
            report = replace(report, doubts=())  # the last project was uninstalled
        self._say(report, target, paths, is_said=state == "changed")
        self._note(directories, target, state)

    def _look(self, target: Target, paths: Sequence[str]) -> Report:
        return self._run(target, paths, dry_run=True, break_system_packages=True)

    def _run(self, target: Target, paths: Sequence[str], **others: bool) -> Report:
        with show_progress(self._output) as progress:
            options = library_options(FixOptions, self._options, paths=paths, progress=progress, **others)
            return fix((), target, options)

    # -- nothing has changed ------------------------------------------------------------------------

    def _say_removed(self, sites: Iterable[Site]) -> None:
        for site in sites:
            self._tell("removed:", site.directory)
            self._note([site.directory], None, "removed")

    def _say_unchanged(self, sites: Sequence[Site]) -> None:
        """Say that there was nothing to install, or that it is not known where it has gone."""
        if not sites:
            self._doubt(
                "the command has installed nothing new in any environment that muslfix knows of, so nothing"
                f" was fixed, and it is not known where it has installed anything; {_NAME_IT}"
            )
            return
        groups = [group for group in group_sites(sites) if self._look_at_unchanged(group)]
        names = dict.fromkeys(site.prefix if not site.place.below else str(site.place) for site, *_ in groups)
        if names:
            self._notice(f"the command has installed nothing new in {', '.join(names)}")

    def _look_at_unchanged(self, sites: Sequence[Site]) -> bool:
        """Say it of an environment that was broken before and is still: no installer would mend it.

        :return: whether it could be looked at
        """
        first, directories = sites[0], [site.directory for site in sites]
        if first.place.below:  # there may be hundreds
            self._note(directories, None, "unchanged")
            return True
        try:
            target = find_site_python(first, self._places, os.environ, is_changed=False)
            # An environment without any project is not what the user has named.
            report = replace(self._look(target, directories), doubts=())
        except MuslfixError as error:
            self._fail(error, directories, "unchanged")
            return False
        if report.changes or needs_attention(report):
            self._say(report, target, directories, is_said=False)
            self._is_well &= not report.changes
        else:
            self._reports.append(report)
        self._note(directories, target, "unchanged")
        return True

    # -- what is said -------------------------------------------------------------------------------

    def _tell(self, head: str, text: str) -> None:
        if not self._options.json:
            self._output.tell([Line(text, head=head, kind="strong")])

    def _say(
        self, report: Report, target: Target | None = None, paths: Sequence[str] = (), *, is_said: bool = True
    ) -> None:
        """Print a report.

        :param target: the target of the command that fixes what was found, and its directories
        :param is_said: whether it was said where that is, unless quiet
        """
        report = replace(report, command="run")
        if not self._options.json:
            shown = replace(report, directories=()) if is_said and not self._output.quiet else report
            command = self._command(target, paths) if target and report.dry_run and report.changes else None
            self._output.report(shown, as_json=False, command=command)
        self._reports.append(report)
        self._is_well &= report.is_well

    def _command(self, target: Target, paths: Sequence[str]) -> str:
        """The command that fixes it."""
        words = ["muslfix", "fix", "--python", target.executable or "PYTHON", *mode_words(self._options)]
        own = site_directories(target, (), break_system_packages=True) if target.executable else ()
        if not set(paths) <= set(own):
            words += [word for path in paths for word in ("--path", path)]
        return shlex.join(words)

    def _fail(self, error: MuslfixError, directories: Sequence[str], state: str) -> None:
        self._output.error(error)
        self._note(directories, None, state, error)
        self._is_well = False

    def _doubt(self, sentence: str) -> None:
        self._output.doubt(sentence)
        self._doubts.append(sentence)
        self._is_well = False

    def _notice(self, sentence: str) -> None:
        """Print a note, quiet or not."""
        self._output.diagnostic(sentence, head="note:", kind="tip")
        self._notes.append(sentence)

    def _note(
        self, directories: Sequence[str], target: Target | None, state: str, error: MuslfixError | None = None
    ) -> None:
        interpreter = target.executable if target else None
        problem, tip = (str(error), error.tip) if error else (None, None)
        self._noted.append(PlaceReport(state, tuple(directories), interpreter, problem, tip))
        self._directories += directories if target else ()


def _as_refused(report: Report) -> Report:
    """What was only looked at because another tool manages it, beside what was fixed."""
    projects = (
        replace(
            project,
            action="left-alone",
            modules=tuple(replace(module, new_path=None, mode=None) for module in project.modules),
        )
        if project.changes
        else project
        for project in report.projects
    )
    return replace(report, projects=tuple(projects))
