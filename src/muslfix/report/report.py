"""What was done or found, as values that hold sentences for a person, and as JSON.

The JSON form is described by ``report.schema.json`` in this package, and tests hold the two together.
The whole as text: :mod:`muslfix.report.text`, and for a person at a terminal :mod:`muslfix.cli.words`.
"""

from __future__ import annotations

import json
import os.path
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muslfix.loader.musl_floor import MuslFloor
    from muslfix.report.modules import ModuleReport
    from muslfix.targets.target import Source

#: The version of the JSON form.
FORMAT = 1

#: What can have been done with a project, and the words for it; ``{}`` is the previous version.
ACTIONS = {
    "installed": "installed",
    "replaced": "installed in place of {}",
    "kept": "kept: this version is installed already",
    "fixed": "fixed",
    "unchanged": "nothing to fix",
    "left-alone": "left alone",
    "skipped": "not looked at",
    "checked": "checked",
    "undone": "put back",
    "repaired": "repaired",
    "verified": "as RECORD says",
    "differs": "not as RECORD says",
    "failed": "failed",
}

#: What can be said of a file that is not about importing it.
FINDINGS = ("removed", "put-back", "missing", "changed", "unlisted", "link-broken", "link-outside")


@dataclass(frozen=True)
class FileReport:
    """What ``verify`` has found of one file, or ``undo`` has done to it.

    :param path: as RECORD spells it, or would
    :param finding: one of :data:`FINDINGS`
    :param sentence: what is wrong or was done, for a person
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
    :param version: its version
    :param source: path of the wheel; of an installed project its ``.dist-info`` folder
    :param location: the folder that holds its ``.dist-info``
    :param action: what was done, in a dry run what would be; see :data:`ACTIONS`
    :param previous: the version that was there before, or ``None``
    :param modules: its extension modules, by path
    :param files: what was found of, or done to, other files
    :param warnings: what is odd and no reason to stop, each a sentence
    :param problem: why nothing, or not all, was done; ``None`` if all is well
    :param tip: what the user can do about the problem, or ``None``
    :param output: path of the wheel that was written, or ``None``
    :param musl: the lowest musl for a wheel, where that was asked for
    """

    name: str
    version: str
    source: str
    location: str
    action: str
    previous: str | None
    modules: tuple[ModuleReport, ...] = ()
    files: tuple[FileReport, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str | None = None
    tip: str | None = None
    output: str | None = None
    musl: MuslFloor | None = None

    @property
    def changes(self) -> int:
        """How many modules were, or would be, given a new name."""
        return sum(module.new_path is not None for module in self.modules)

    @property
    def label(self) -> str:
        """Name and version, as far as there is one."""
        return self.name if self.version in ("?", "-") else f"{self.name} {self.version}"

    @property
    def is_well(self) -> bool:
        """Whether all of it was looked at, each module is in the target's reach, and nothing is amiss."""
        if self.action in ("skipped", "failed", "differs") or (self.musl is not None and not self.musl.keeps):
            return False
        return not any(module.refused for module in self.modules)


@dataclass(frozen=True)
class Report:
    """The result of one command.

    :param command: its name
    :param dry_run: whether nothing was changed
    :param projects: in the order of the call
    :param warnings: what is odd about the whole, each a sentence
    :param notes: what is good to know about the whole, each a sentence
    :param source: where the facts of the target come from, where that is known
    """

    command: str
    dry_run: bool
    projects: tuple[ProjectReport, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: Source | None = None

    @property
    def is_well(self) -> bool:
        """Whether all of its projects are."""
        return all(project.is_well for project in self.projects)

    @property
    def has_problems(self) -> bool:
        """Whether the loader has a problem with any module."""
        return any(module.problems for project in self.projects for module in project.modules)

    @property
    def changes(self) -> int:
        """How many modules were, or would be, given a new name."""
        return sum(project.changes for project in self.projects)

    def to_json(self) -> str:
        """The report as JSON text, of the form in ``report.schema.json``."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"


def report_lost_wheel(path: str, reason: str, tip: str | None = None) -> ProjectReport:
    """What is said of a wheel that could not be worked on.

    :param path: of the wheel
    :param reason: a sentence
    """
    return ProjectReport(os.path.basename(path), "?", path, "", "failed", None, problem=reason, tip=tip)
