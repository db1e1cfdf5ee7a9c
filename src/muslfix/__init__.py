"""Make misnamed extension modules importable on musl and glibc Pythons.

The library offers what the commands do, as functions that return values and raise :class:`MuslfixError` only:

>>> import muslfix
>>> target = muslfix.probe(sys.executable)
>>> target.implementation
'cpython'
"""

from __future__ import annotations

from muslfix._version import __version__

TYPE_CHECKING = False  # typing is not worth its import here, see muslfix.verbs.nothing_to_fix
if TYPE_CHECKING:
    from muslfix.errors import MuslfixError
    from muslfix.report.report import FileReport, ModuleReport, ProjectReport, Report
    from muslfix.targets.choice import probe
    from muslfix.targets.interpreter import read_target_file
    from muslfix.targets.root import read_target_root
    from muslfix.targets.spec import parse_target_spec
    from muslfix.targets.target import Target
    from muslfix.verbs.check import CheckOptions, check
    from muslfix.verbs.fix import FixOptions, fix
    from muslfix.verbs.install import install
    from muslfix.verbs.install_options import InstallOptions
    from muslfix.verbs.repair import RepairOptions, repair
    from muslfix.verbs.undo import UndoOptions, undo
    from muslfix.verbs.verify import VerifyOptions, verify
    from muslfix.verdicts import Mode, Verdict
    from muslfix.wheels.limits import Limits

__all__ = [
    "CheckOptions",
    "FileReport",
    "FixOptions",
    "InstallOptions",
    "Limits",
    "Mode",
    "ModuleReport",
    "MuslfixError",
    "ProjectReport",
    "RepairOptions",
    "Report",
    "Target",
    "UndoOptions",
    "Verdict",
    "VerifyOptions",
    "__version__",
    "check",
    "fix",
    "install",
    "parse_target_spec",
    "probe",
    "read_target_file",
    "read_target_root",
    "repair",
    "undo",
    "verify",
]

# Where each name comes from. It is imported when it is first used: a command should not pay for what the
# other commands need.
_HOMES = {
    "CheckOptions": ("verbs.check", "CheckOptions"),
    "FileReport": ("report.report", "FileReport"),
    "FixOptions": ("verbs.fix", "FixOptions"),
    "InstallOptions": ("verbs.install_options", "InstallOptions"),
    "Limits": ("wheels.limits", "Limits"),
    "Mode": ("verdicts", "Mode"),
    "ModuleReport": ("report.report", "ModuleReport"),
    "MuslfixError": ("errors", "MuslfixError"),
    "ProjectReport": ("report.report", "ProjectReport"),
    "RepairOptions": ("verbs.repair", "RepairOptions"),
    "Report": ("report.report", "Report"),
    "Target": ("targets.target", "Target"),
    "UndoOptions": ("verbs.undo", "UndoOptions"),
    "Verdict": ("verdicts", "Verdict"),
    "VerifyOptions": ("verbs.verify", "VerifyOptions"),
    "check": ("verbs.check", "check"),
    "fix": ("verbs.fix", "fix"),
    "install": ("verbs.install", "install"),
    "parse_target_spec": ("targets.spec", "parse_target_spec"),
    "probe": ("targets.choice", "probe"),
    "read_target_file": ("targets.interpreter", "read_target_file"),
    "read_target_root": ("targets.root", "read_target_root"),
    "repair": ("verbs.repair", "repair"),
    "undo": ("verbs.undo", "undo"),
    "verify": ("verbs.verify", "verify"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(f"muslfix.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
