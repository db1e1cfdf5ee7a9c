"""The result of a command, as values and as JSON.

The JSON form is described by ``report.schema.json`` in this package, and tests hold the two together. A
command that fails has a report too, with a :class:`Failure`.
:mod:`muslfix.report.sentences` puts a report into words.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from os.path import basename, dirname, join
from typing import TYPE_CHECKING, Any

from muslfix.report.looked_at import LookedAt, PlaceReport
from muslfix.verdicts import Mode, Verdict

if TYPE_CHECKING:  # a wheel without extension modules is installed without what reads ELF files
    from muslfix.loader.facts import Problem
    from muslfix.loader.musl_floor import MuslFloor
    from muslfix.loader.time_t import TimeT
    from muslfix.targets.target import Source

#: The version of the JSON form.
FORMAT = 1

#: What was done with a project, and the words for it; ``{}`` is the previous version.
ACTIONS = {
    "installed": "installed",
    "replaced": "installed in place of {}",
    "kept": "kept: this version is already installed",
    "fixed": "fixed",
    "unchanged": "nothing to fix",
    "left-alone": "left alone",
    "skipped": "not looked at",
    "checked": "checked",
    "undone": "put back",
    "repaired": "repaired",
    "removed": "removed",
    "made": "made",
    "verified": "as RECORD says",
    "differs": "not as RECORD says",
    "failed": "failed",
}

#: What ``verify`` finds of files, and ``undo`` does to them.
FINDINGS = (
    "removed",
    "put-back",
    "missing",
    "changed",
    "unlisted",
    "link-broken",
    "link-outside",
    "not-its-own",
)

#: The words that describe a file: verdicts and findings.
WORDS = frozenset({*(verdict.value for verdict in Verdict), *FINDINGS})

# Fields that are no part of the JSON form.
_NOT_IN_JSON = frozenset({"was_slow", "choice"})

# Commands that compare files with RECORD, whether these are modules or not.
_COUNT_NO_MODULES = frozenset({"undo", "verify"})


@dataclass(frozen=True)
class ModuleReport:
    """What is said of one extension module.

    :param path: as RECORD spells it
    :param verdict: what it is to the target
    :param new_path: the path that the target imports, where it was given one
    :param mode: how it was given that path
    :param refused: whether the target cannot load the module, and nothing can be done about it
    :param sentence: what was wrong and what was done
    :param tip: what the user can do, or ``None``
    :param loads: whether the target's loader can load it; ``None`` where that is not known or was not checked
    :param problems: what goes wrong when it is loaded, the worst first
    :param not_known: what could not be checked about that, each a sentence
    :param was_slow: whether Python imports a ``.py`` in its place unless it is given a name
    :param is_library: whether it is no extension module but a shared library
    :param time_t: which of musl's two ``time_t`` it uses on a 32-bit CPU; ``None`` where it uses none, or
        that was not looked at
    """

    path: str
    verdict: Verdict
    new_path: str | None
    mode: Mode | None
    refused: bool
    sentence: str
    tip: str | None
    loads: bool | None = None
    problems: tuple[Problem, ...] = ()
    not_known: tuple[str, ...] = ()
    was_slow: bool = False
    is_library: bool = False
    time_t: TimeT | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether it should be looked at, although it stops nothing."""
        return bool(self.problems) or (self.tip is not None and not self.refused)

    def __str__(self) -> str:
        return f"{self.path}: {self.verdict}: {self.sentence}"


@dataclass(frozen=True)
class FileReport:
    """What ``verify`` found of one file, or ``undo`` did to it.

    :param path: as RECORD spells it, or would
    :param finding: one of :data:`FINDINGS`
    :param sentence: what is wrong, or what was done
    """

    path: str
    finding: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.finding}: {self.sentence}"


@dataclass(frozen=True)
class ProjectReport:
    """What is said of one project.

    :param name: as its metadata spells it
    :param version: its version; ``None`` if it is not known or there is none
    :param source: path of the wheel, or of the ``.dist-info`` directory of an installed project; ``None`` if
        there is neither
    :param location: the directory that holds its ``.dist-info``; ``None`` if it is not installed
    :param action: what was done, or would be in a dry run; see :data:`ACTIONS`
    :param previous: the version that was there before, or ``None``
    :param modules: its extension modules, by path
    :param files: what was found of other files, or done to them
    :param warnings: what is unusual but no reason to stop, each a sentence
    :param problem: why nothing, or not everything, was done; of ``check`` why ``install`` or ``fix`` would
        refuse it; ``None`` if all is well
    :param tip: what the user can do about the problem, or ``None``
    :param output: path of the wheel that was written, or ``None``
    :param musl: the lowest musl that a wheel needs, where that was asked for
    :param editable: the directory of the sources of an editable install, whose modules are among the others;
        ``None`` for any other
    """

    name: str
    version: str | None
    source: str | None
    location: str | None
    action: str
    previous: str | None = None
    modules: tuple[ModuleReport, ...] = ()
    files: tuple[FileReport, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str | None = None
    tip: str | None = None
    output: str | None = None
    musl: MuslFloor | None = None
    editable: str | None = None

    @property
    def is_found(self) -> bool:
        """Whether there is such a wheel or project, and not only a name that the user gave."""
        return self.source is not None

    @property
    def changes(self) -> int:
        """How many modules were, or would be, given a new name."""
        return sum(module.new_path is not None for module in self.modules)

    @property
    def module_count(self) -> int:
        """How many extension modules it has: one can have several files."""
        return len({module_of(module.path) for module in self.modules if not module.is_library})

    @property
    def label(self) -> str:
        """The name, with the version if there is one."""
        return self.name if self.version is None else f"{self.name} {self.version}"

    @property
    def is_well(self) -> bool:
        """Whether all of it was looked at, the target can load each module, and nothing is wrong."""
        if self.action == "checked" and self.problem is not None:
            return False
        if self.action in ("skipped", "failed", "differs"):
            return False
        if self.musl is not None and (self.musl.not_known or not self.musl.keeps):
            return False
        return not any(module.refused for module in self.modules)


@dataclass(frozen=True)
class Failure:
    """Why a command ended without a result.

    :param kind: the class of the library's exception, such as ``InvalidWheel``; ``Interrupted``;
        ``CommandFailed`` where the command behind ``muslfix run`` did
    :param path: the file, directory or program that it is about, or ``None``
    :param reason: what is wrong
    :param tip: what the user can do, or ``None``
    :param lines: one line for each refused file, ``path: verdict: sentence``
    """

    kind: str
    path: str | None
    reason: str
    tip: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The result of one command.

    :param command: its name; ``None`` if the command line names none
    :param dry_run: whether nothing was changed
    :param projects: in the order of the call
    :param warnings: what is unusual about the whole, each a sentence
    :param notes: what is good to know about the whole, each a sentence
    :param source: where the facts of the target come from, if known
    :param error: why there is no result; ``None`` if there is one
    :param places: what ``muslfix run`` has looked at, place by place; empty for other commands
    :param directories: the site directories that were looked at, or installed into
    :param doubts: why the wrong place may have been looked at, each a sentence
    """

    command: str | None
    dry_run: bool
    projects: tuple[ProjectReport, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: Source | None = None
    error: Failure | None = None
    places: tuple[PlaceReport, ...] = ()
    directories: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Add what is doubtful about the choice of the Python: it concerns every command."""
        if self.source is not None and self.source.choice is not None:
            doubts = dict.fromkeys((*self.source.choice.doubts, *self.doubts))
            object.__setattr__(self, "doubts", tuple(doubts))

    @property
    def looked_at(self) -> LookedAt | None:
        """What was looked at; ``None`` if the command has failed, or ``run`` has looked at nothing."""
        if self.error is not None or (self.command == "run" and not self.directories):
            return None
        choice = self.source.choice if self.source else None
        counted = self.command not in _COUNT_NO_MODULES
        return LookedAt(
            interpreter=choice.python if choice else None,
            chosen_by=choice.reason if choice else None,
            passed_over=choice.passed_over if choice else (),
            directories=self.directories,
            projects=sum(project.is_found for project in self.projects),
            modules=sum(project.module_count for project in self.projects) if counted else None,
        )

    @property
    def is_well(self) -> bool:
        """Whether there is a result, no doubt about it, and all projects are well."""
        well = all(project.is_well for project in self.projects)
        return self.error is None and not self.doubts and well

    @property
    def has_problems(self) -> bool:
        """Whether an import would fail: by the load check, or since it comes to a file for another ABI."""
        modules = (module for project in self.projects for module in project.modules)
        return any(module.is_doubtful and module.verdict is not Verdict.NO_INIT for module in modules)

    @property
    def changes(self) -> int:
        """How many modules were, or would be, given a new name."""
        return sum(project.changes for project in self.projects)

    def to_json(self) -> str:
        """The report as JSON text, of the form in ``report.schema.json``."""
        facts = asdict(self, dict_factory=_for_json)
        del facts["directories"]  # looked_at has them
        facts["looked_at"] = asdict(self.looked_at) if self.looked_at else None
        return json.dumps({"format": FORMAT, **facts}, indent=2) + "\n"


def _for_json(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name not in _NOT_IN_JSON}


def module_of(path: str) -> str:
    """The path of a module's file without its suffix, which all its files share."""
    return join(dirname(path), basename(path).partition(".")[0])
