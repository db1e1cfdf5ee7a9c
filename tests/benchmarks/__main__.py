"""``python tests/benchmarks``: measure, print and write the tables; see ``--help``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if not __package__:  # run as a folder, whose modules then have no package: give them theirs
    sys.path[0] = str(HERE.parent)

sys.exit(importlib.import_module(f"{__package__ or HERE.name}.cli").main())
