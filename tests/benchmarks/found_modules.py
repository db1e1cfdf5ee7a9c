"""What the interpreters of the lab find of its wheels: ``python tests/benchmarks/found_modules.py``.

Prints a Markdown table: how many extension modules each interpreter finds before and after muslfix.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("", "helpers")]

from commands import muslfix  # noqa: E402 - after the path
from lab import layout  # noqa: E402
from lab_modules import Lab, count, environment_for, find, load, modules_in, pip, removed_at_end  # noqa: E402


def table(lab: Lab, folder: Path) -> Iterator[str]:
    """The lines of a Markdown table: what each interpreter finds, before and after muslfix.

    :param folder: for the environments
    """
    yield "| interpreter | modules | before: found | shadowed by `.py` | not found | after: found | loaded |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for python in layout.PYTHONS:
        wheels = lab.wheels(python.tag)
        modules = [module for wheel in wheels for module in modules_in(wheel)]
        with removed_at_end(folder / f"{python.name}-before") as environment:
            environment_for(python, lab, environment)
            installed = pip(lab, environment, "install", "--no-index", "--no-deps", "--no-compile", *wheels)
            assert installed.status == 0, installed.err
            before = count(find(environment, modules))
        with removed_at_end(folder / f"{python.name}-after") as environment:
            environment_for(python, lab, environment)
            installed = muslfix("install", "--no-compile", "--python", environment, *wheels)
            assert installed.status == 0, installed.err
            after = count(find(environment, modules))
            loaded = sum(len(modules_in(wheel)) for wheel in wheels if not load(environment, python, wheel))
        were = (before["found"], before["shadowed"], before["missing"])
        numbers = [str(number) for number in (len(modules), *were, after["found"], loaded)]
        yield f"| {python.name} | {' | '.join(numbers)} |"


def main() -> int:
    """Print the table."""
    folder = layout.lab_folder()
    lacking = layout.missing(folder)
    if lacking:
        sys.stderr.write("\n".join([*lacking, "Run 'python tests/lab' first."]) + "\n")
        return 1
    with tempfile.TemporaryDirectory() as environments:
        for line in table(Lab(folder), Path(environments)):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
