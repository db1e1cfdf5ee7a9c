"""Make misnamed extension modules importable on musl and glibc Pythons.

The library offers what the commands do, as functions that return values and raise :class:`MuslfixError` only:

>>> import muslfix
>>> target = muslfix.probe(sys.executable)
>>> target.implementation
'cpython'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from muslfix._version import __version__

if TYPE_CHECKING:
    from muslfix.errors import MuslfixError
    from muslfix.interpreter import probe_interpreter as probe
    from muslfix.interpreter import read_target_file
    from muslfix.plan import Mode, Verdict
    from muslfix.report import Report
    from muslfix.target import Target
    from muslfix.verbs.install import InstallOptions, install


__all__ = [
    "InstallOptions",
    "Mode",
    "MuslfixError",
    "Report",
    "Target",
    "Verdict",
    "__version__",
    "install",
    "probe",
    "read_target_file",
]

# Where each name comes from. It is imported when it is first used: a command should not pay for what the
# other commands need.
_HOMES = {
    "InstallOptions": ("verbs.install", "InstallOptions"),
    "Mode": ("plan", "Mode"),
    "MuslfixError": ("errors", "MuslfixError"),
    "Report": ("report", "Report"),
    "Target": ("target", "Target"),
    "Verdict": ("plan", "Verdict"),
    "install": ("verbs.install", "install"),
    "probe": ("interpreter", "probe_interpreter"),
    "read_target_file": ("interpreter", "read_target_file"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"muslfix.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
