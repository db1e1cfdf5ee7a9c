"""The command line. The only part of muslfix that prints or chooses an exit status."""

from muslfix.cli.main import main

__all__ = ["main"]
