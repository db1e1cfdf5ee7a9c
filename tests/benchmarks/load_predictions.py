"""The load check held against real loaders: ``python tests/benchmarks/load_predictions.py``.

Prints, for every interpreter of the lab, both musls, with and without ``libz.so.1``, how many modules of the
lab's wheels load, are refused and crash, as predicted and as they do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "helpers")]

from lab import layout  # noqa: E402 - after the path
from load_truth import CASES, DIES, LOADS, REFUSED, compare, unpack  # noqa: E402


def main() -> None:
    """Print the table."""
    lab = layout.lab_folder()
    sys.stdout.write("| interpreter | musl | libz.so.1 | modules | predicted: loads, refused, dies |")
    sys.stdout.write(" happened | differences |\n| --- | --- | --- | --- | --- | --- | --- |\n")
    with tempfile.TemporaryDirectory() as temporary:
        files = {tag: unpack(lab, tag, Path(temporary, tag)) for tag in ("cp39", "cp311")}
        for number, case in enumerate(CASES):
            python = case.executable(lab, Path(temporary, str(number)))
            rows = list(compare(python, files[case.python.tag]))
            predicted, happened = (Counter(row[side] for row in rows) for side in (0, 1))
            counts = [
                ", ".join(str(c[word]) for word in (LOADS, REFUSED, DIES)) for c in (predicted, happened)
            ]
            libz = "yes" if case.libz else "no"
            different = sum(row[0] != row[1] for row in rows)
            cells = [case.python.name, case.musl, libz, str(len(rows)), *counts, str(different)]
            sys.stdout.write(f"| {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main()
