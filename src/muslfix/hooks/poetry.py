"""The hook of Poetry, a plugin of the entry-point group ``poetry.application.plugin``.

It runs after ``install``, ``sync``, ``add``, ``update``, ``remove`` and the same commands of ``self`` if they
have changed something. ``poetry --no-plugins`` skips it.

https://python-poetry.org/docs/plugins/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from poetry.plugins.application_plugin import ApplicationPlugin
except ModuleNotFoundError:  # outside Poetry nothing uses the class
    ApplicationPlugin = object

if TYPE_CHECKING:
    from cleo.events.console_terminate_event import ConsoleTerminateEvent

    from muslfix.hooks.common import Place

# With these options a command of Poetry does not change the environment.
_WITHOUT_EFFECT = ("dry-run", "lock")


class MuslfixPlugin(ApplicationPlugin):  # type: ignore[misc]  # a type only where Poetry is
    """What Poetry loads when it starts."""

    def activate(self, application: Any) -> None:
        """Ask to be called at the end of each command."""
        from cleo.events.console_events import TERMINATE

        application.event_dispatcher.add_listener(TERMINATE, _after_command)


def _after_command(event: ConsoleTerminateEvent, _name: str, _dispatcher: Any) -> None:
    """Fix the environment of a command that may have installed something."""
    if not _installs(event):
        return
    from cleo.io.outputs.output import Type

    from muslfix.hooks.common import fix_place

    outcome = fix_place(lambda: _place(event.command))
    # Without styles, which a path may contain.
    if outcome.line:
        event.io.write_line(outcome.line, type=Type.RAW)
    word = "Error" if outcome.failure else "Warning"
    for problem in outcome.problems:
        event.io.write_error_line(f"{word}: {problem}", type=Type.RAW)
    if outcome.failure:
        event.set_exit_code(1)


def _installs(event: ConsoleTerminateEvent) -> bool:
    from poetry.console.commands.installer_command import InstallerCommand
    from poetry.console.commands.lock import LockCommand

    options = event.io.input.options
    return (
        event.exit_code == 0
        and isinstance(event.command, InstallerCommand)
        and not isinstance(event.command, LockCommand)
        and not any(options.get(option) for option in _WITHOUT_EFFECT)
    )


def _place(command: Any) -> Place:
    from muslfix.hooks.common import Place

    return Place(python=str(command.env.python), pyproject=str(command.poetry.pyproject_path))
