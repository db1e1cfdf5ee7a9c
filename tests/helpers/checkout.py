"""The checkout: where it is, its fixtures, and muslfix's own distributions built from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"


def build(kind: str, folder: Path, *, checkout: Path = FIXTURES.parent, epoch: int = 1_700_000_000) -> Path:
    """Build muslfix's own wheel or source archive, as pip and PyPI get it.

    :param kind: ``wheel`` or ``sdist``
    :param folder: where to
    :param checkout: what from
    :param epoch: what the time stamps in it are to be, see https://reproducible-builds.org/specs/source-date-epoch/
    """
    code = f"import sys, flit_core.buildapi as api; print(api.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        cwd=checkout,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / done.stdout.strip()
