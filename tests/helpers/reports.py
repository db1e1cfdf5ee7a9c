"""Reports to show: on modules that are fine, fixed, and in trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from muslfix.cli.terminal import Terminal
from muslfix.report.report import ModuleReport, ProjectReport, Report
from muslfix.report.sentences import tell
from muslfix.verdicts import Mode, Verdict


def module(path: str, **changes: Any) -> ModuleReport:
    """The report on a module that is fine, with other facts."""
    plain = ModuleReport(path, Verdict.IMPORTABLE, None, None, refused=False, sentence="fine", tip=None)
    return replace(plain, **changes)


FINE = module("fine.so")
FIXED = module("fixed.so", verdict=Verdict.MISNAMED, new_path="new.so", mode=Mode.COPY, sentence="fixed")
BAD = module("bad.so", verdict=Verdict.OTHER_LIBC, refused=True, sentence="bad", tip="do something")


def project(action: str = "installed", **facts: Any) -> ProjectReport:
    """The report on a project without modules, with other facts."""
    return replace(ProjectReport("Demo", "1.0", "/w/demo.whl", "/site", action, None), **facts)


def plain_text(report: Report, *, verbose: bool = False, quiet: bool = False) -> list[str]:
    """What the command prints of a report into a pipe."""
    pipe = Terminal(is_terminal=False, colours=False)
    return [row for line in tell(report, verbose=verbose, quiet=quiet) for row in pipe.rows(line)]
