"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .measure import Sample, median, ratio

#: The samples of each program, by its name.
Samples = Mapping[str, Sequence[Sample]]

MUSLFIX, FAST, UV = "muslfix", "muslfix[fast]", "uv, cold, hard links"
PIP, INSTALLER = "pip", "python -m installer"

#: How many times the time of uv muslfix may take, by project, and with ``muslfix[fast]``.
_TO_UV = {"six": 1.6, "numpy": 1.1, "scipy": 1.3, "sympy": 0.85, "botocore": 0.8}
_FAST_TO_UV = {"numpy": 0.95, "scipy": 1.05}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left."""
    lines = [list(head), ["---", *("---:" for _ in head[1:])], *map(list, rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _by_program(results: Mapping[str, Samples], cell: Callable[[Samples, str], str]) -> str:
    names = list(next(iter(results.values())))
    rows = [[name, *(cell(samples, name) for samples in results.values())] for name in names]
    return table(["", *results], rows)


def seconds(results: Mapping[str, Samples]) -> str:
    """Seconds on the clock, and the ratio to uv with a cold cache and hard links."""
    return _by_program(results, lambda s, name: f"{median(s[name]):.3f} ({ratio(s[name], s[UV]):.2f})")


def effort(results: Mapping[str, Samples]) -> str:
    """Seconds of processor time, and peak memory."""
    return _by_program(
        results,
        lambda s, name: f"{median(s[name], 'processor'):.3f} s, {median(s[name], 'memory'):.0f} MiB",
    )


def plain(results: Mapping[str, Samples]) -> str:
    """Seconds on the clock, and peak memory."""
    return _by_program(
        results, lambda s, name: f"{median(s[name]):.3f} s, {median(s[name], 'memory'):.0f} MiB"
    )


def bounds(without: Mapping[str, Samples], compiling: Mapping[str, Samples], fixed: Samples | None) -> str:
    """What is bounded, and whether it is kept."""
    rows = []

    def row(what: str, project: str, one: Sequence[Sample], other: Sequence[Sample], bound: float) -> None:
        found = ratio(one, other)
        effort = median(one, "processor") / median(other, "processor")
        kept = "yes" if found <= bound else "**no**"
        rows.append([f"{what}, {project}", f"{bound:.2f}", f"{found:.2f}", kept, f"{effort:.2f}"])

    for project, s in without.items():
        row("to uv", project, s[MUSLFIX], s[UV], _TO_UV[project])
        if project in _FAST_TO_UV:
            row("`muslfix[fast]` to uv", project, s[FAST], s[UV], _FAST_TO_UV[project])
        row("to `python -m installer`", project, s[MUSLFIX], s[INSTALLER], 1.3 if project == "six" else 0.6)
        row("to pip", project, s[MUSLFIX], s[PIP], 0.45)
    for project, s in compiling.items():
        row("with bytecode, to uv", project, s[MUSLFIX], s[UV], 1.05)
    if fixed is not None:
        misnamed, well = fixed.values()
        row("218 misnamed modules to none", "mypy", misnamed, well, 1.25)
    return table(["ratio", "bound", "measured", "kept", "of processor time"], rows)


def per_unit(results: Mapping[str, Samples], units: Mapping[str, int], start: float, unit: str) -> str:
    """What muslfix takes for each file or megabyte, beyond its start, and its memory.

    :param start: seconds that the smallest installation takes
    """
    rows = []
    for title, samples in results.items():
        s = samples[MUSLFIX]
        each = max(0.0, median(s) - start) / units[title]
        cells = [f"{median(samples[name]):.3f}" for name in samples]
        rows.append([title, *cells, f"{1e3 * each:.3f}", f"{median(s, 'memory'):.0f}"])
    names = [f"{name}, s" for name in next(iter(results.values()))]
    return table(["", *names, f"muslfix, ms per {unit} beyond its start", "muslfix, MiB"], rows)
