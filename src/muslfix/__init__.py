"""Make misnamed extension modules importable on musl and glibc Pythons.

The library offers what the commands do, as functions that return values and raise :class:`MuslfixError` only:

>>> import muslfix
>>> target = muslfix.probe(sys.executable)
>>> target.implementation
'cpython'
"""

from __future__ import annotations

from muslfix._version import __version__

TYPE_CHECKING = False  # typing is not worth its import here, see muslfix.quick
if TYPE_CHECKING:
    from muslfix.errors import MuslfixError
    from muslfix.interpreter import probe_interpreter as probe
    from muslfix.interpreter import read_target_file
    from muslfix.limits import Limits
    from muslfix.report import Report
    from muslfix.static.target import read_target_root
    from muslfix.target import Target
    from muslfix.target_spec import parse_target_spec
    from muslfix.terms import Mode, Verdict
    from muslfix.verbs.check import CheckOptions, check
    from muslfix.verbs.fix import FixOptions, fix
    from muslfix.verbs.install import InstallOptions, install
    from muslfix.verbs.repair import RepairOptions, repair
    from muslfix.verbs.undo import UndoOptions, undo
    from muslfix.verbs.verify import VerifyOptions, verify

__all__ = [
    "CheckOptions",
    "FixOptions",
    "InstallOptions",
    "Limits",
    "Mode",
    "MuslfixError",
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
    "FixOptions": ("verbs.fix", "FixOptions"),
    "InstallOptions": ("verbs.install", "InstallOptions"),
    "Limits": ("limits", "Limits"),
    "Mode": ("terms", "Mode"),
    "MuslfixError": ("errors", "MuslfixError"),
    "RepairOptions": ("verbs.repair", "RepairOptions"),
    "Report": ("report", "Report"),
    "Target": ("target", "Target"),
    "UndoOptions": ("verbs.undo", "UndoOptions"),
    "Verdict": ("terms", "Verdict"),
    "VerifyOptions": ("verbs.verify", "VerifyOptions"),
    "check": ("verbs.check", "check"),
    "fix": ("verbs.fix", "fix"),
    "install": ("verbs.install", "install"),
    "parse_target_spec": ("target_spec", "parse_target_spec"),
    "probe": ("interpreter", "probe_interpreter"),
    "read_target_file": ("interpreter", "read_target_file"),
    "read_target_root": ("static.target", "read_target_root"),
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
