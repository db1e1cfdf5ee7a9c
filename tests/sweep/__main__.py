"""``python tests/sweep``: let each system call of each command fail; see ``--help``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if not __package__:  # run as a folder, whose modules then have no package: give them theirs
    sys.path[:1] = [str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parents[1] / "fixtures")]

sys.exit(importlib.import_module(f"{__package__ or HERE.name}.cli").main())
