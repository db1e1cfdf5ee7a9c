"""What a test needs and a machine may lack."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(reason: str, required: str = "MUSLFIX_REQUIRE_LAB") -> NoReturn:
    """Skip the test, aloud; in CI, which skips nothing for want of something, fail.

    :param reason: what is not there
    :param required: the environment variable by which CI says that it must be
    """
    if os.environ.get(required):
        pytest.fail(reason)
    pytest.skip(reason)
