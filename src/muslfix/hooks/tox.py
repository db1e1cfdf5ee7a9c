"""The hook of tox, a plugin of the entry-point group ``tox``.

It runs when an environment is complete and its commands are about to run, or at the end with ``tox --notest``
and ``tox devenv``, which run no commands. ``TOX_DISABLED_EXTERNAL_PLUGINS=muslfix`` disables it.

https://tox.wiki/en/latest/plugins.html
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from muslfix.hooks.common import Place

_LOG = logging.getLogger(__name__)  # tox prints warnings like its own steps


def _hook(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Mark a function that tox calls by its name. Outside tox nothing uses the mark."""
    try:
        from tox.plugin import impl
    except ModuleNotFoundError:
        return function
    marked: Callable[[Any], None] = impl(function)
    return marked


@_hook
def tox_before_run_commands(tox_env: Any) -> None:
    """Fix an environment before it is used."""
    failure = _fix(tox_env)
    if failure:
        from tox.tox_env.errors import Fail

        raise Fail(failure)


@_hook
def tox_env_teardown(tox_env: Any) -> None:
    """Fix an environment that was created but not used. Nothing can fail here; its next use will."""
    if _was_only_made(tox_env):
        failure = _fix(tox_env)
        if failure:
            _LOG.error("%s", failure)


def _was_only_made(tox_env: Any) -> bool:
    from tox.tox_env.runner import RunToxEnv

    return (
        isinstance(tox_env, RunToxEnv)
        and bool(getattr(tox_env.options, "no_test", False))
        and os.path.exists(os.path.join(tox_env.env_dir, "pyvenv.cfg"))
    )


def _fix(tox_env: Any) -> str | None:
    """Fix an environment and print what was done.

    :return: why the command must fail, or ``None``
    """
    if not hasattr(tox_env, "env_python"):
        return None  # an environment of another plugin, without a Python
    from muslfix.hooks.common import fix_place

    outcome = fix_place(lambda: _place(tox_env))
    if outcome.line:
        _LOG.warning("%s", outcome.line)
    if outcome.failure is None:
        for problem in outcome.problems:
            _LOG.warning("warning: %s", problem)
    return outcome.failure


def _place(tox_env: Any) -> Place:
    from muslfix.hooks.common import Place

    root = str(tox_env.core["tox_root"])
    return Place(python=str(tox_env.env_python()), pyproject=os.path.join(root, "pyproject.toml"))
