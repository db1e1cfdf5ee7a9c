"""The hook of PDM, a plugin of the entry-point group ``pdm``.

It runs after PDM has installed, updated or removed something (``install``, ``sync``, ``add``, ``update``,
``remove``). ``pdm install --skip post_install`` skips it.

https://pdm-project.org/en/stable/dev/write/ and https://pdm-project.org/en/stable/usage/hooks/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muslfix.hooks.common import Place


def plugin(_core: Any) -> None:
    """What PDM calls when it starts."""
    from pdm.signals import post_install

    post_install.connect(_after_install, weak=False)


def _after_install(project: Any, *, dry_run: bool = False, **_more: Any) -> None:
    """Fix the environment of a project. The signal is sent even if nothing was changed."""
    if dry_run:
        return
    from muslfix.hooks.common import fix_place

    outcome = fix_place(lambda: _place(project))
    # Without markup, which a path may contain, and on one line, however long.
    plainly = {"markup": False, "highlight": False, "soft_wrap": True, "verbosity": 0}
    if outcome.line:
        project.core.ui.echo(outcome.line, **plainly)
    if outcome.failure:
        raise _failure(outcome.failure)
    for problem in outcome.problems:
        project.core.ui.echo(f"WARNING: {problem}", err=True, **plainly)


def _place(project: Any) -> Place:
    from muslfix.hooks.common import Place

    environment = project.environment
    # With PEP 582 the projects are in __pypackages__, where the interpreter does not look.
    paths = environment.get_paths() if environment.is_local else {}
    return Place(
        python=str(environment.interpreter.executable),
        pyproject=os.path.join(project.root, "pyproject.toml"),
        paths=tuple(dict.fromkeys(paths[key] for key in ("purelib", "platlib") if key in paths)),
    )


def _failure(sentence: str) -> Exception:
    """The exception that PDM prints as a sentence, with exit status 1."""
    from pdm.exceptions import PdmUsageError
    from rich.markup import escape

    return PdmUsageError(escape(sentence))  # type: ignore[no-any-return]
