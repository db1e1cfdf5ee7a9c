"""How ``muslfix install`` is called."""

from __future__ import annotations

from dataclasses import dataclass, field

from muslfix.progress import Progress, silent
from muslfix.verbs.subjects import convert_options
from muslfix.verdicts import Mode
from muslfix.wheels.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True)
class InstallOptions:
    """How to install.

    :param mode: how misnamed modules get their new name
    :param folder: pip's ``--target``: one flat directory
    :param prefix: another prefix
    :param root: a directory that the target will see as ``/``
    :param force_reinstall: install although the same version is there
    :param compile: let the target compile bytecode, where it runs here
    :param break_system_packages: install although another tool owns the environment (:pep:`668`)
    :param dry_run: only report what would be done
    :param limits: how large a wheel may become
    :param ignore_record: install wheels even if RECORD does not match their files; the installed RECORD does
    :param progress: is told of each step
    :param load_check: ask what the target's loader will do with each module
    :param strict: refuse a module that needs a missing library or symbol
    :param note_origin: say in ``direct_url.json`` where the wheels were; not of those that will be gone
    """

    mode: Mode = Mode.SYMLINK
    folder: str | None = None
    prefix: str | None = None
    root: str | None = None
    force_reinstall: bool = False
    compile: bool = True
    break_system_packages: bool = False
    dry_run: bool = False
    limits: Limits = DEFAULT_LIMITS
    ignore_record: bool = False
    progress: Progress = field(default=silent, compare=False, repr=False)
    load_check: bool = True
    strict: bool = False
    note_origin: bool = True

    def __post_init__(self) -> None:
        convert_options(self)
