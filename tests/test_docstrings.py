"""What docstrings show is what happens."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import pkgutil
import sys

import pytest

import muslfix

MODULES = [module.name for module in pkgutil.walk_packages(muslfix.__path__, "muslfix.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_docstrings_show_what_happens(name: str) -> None:
    shown = doctest.testmod(importlib.import_module(name), extraglobs={"sys": sys, "hashlib": hashlib})
    assert shown.failed == 0


def test_the_package_docstring_shows_what_happens() -> None:
    shown = doctest.testmod(muslfix, extraglobs={"sys": sys})
    assert shown.attempted > 0
    assert shown.failed == 0
