"""What was measured, as a plot in SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from .measure import median
from .tables import Samples

_COLOURS = {
    "muslfix": "#1b6ca8",
    "muslfix[fast]": "#6fb1e0",
    "uv, cold, hard links": "#8e4585",
    "pip": "#c9a227",
    "python -m installer": "#6b8e23",
    "unzip -q": "#888888",
}
_LEFT, _BAR, _GAP, _WIDTH, _RIGHT = 150, 13, 26, 560, 60


def bars(results: Mapping[str, Samples], title: str, notes: Sequence[str]) -> str:
    """A group of bars for each wheel: seconds, shorter is better.

    :param notes: lines below it
    """
    longest = max(median(samples[name]) for samples in results.values() for name in _COLOURS)
    parts, y = [], 34
    for project, samples in results.items():
        parts.append(_text(8, y + _BAR * len(_COLOURS) / 2, project, "font-weight='bold'"))
        for name, colour in _COLOURS.items():
            value = median(samples[name])
            width = _WIDTH * value / longest
            parts.append(
                f"<rect x='{_LEFT}' y='{y}' width='{width:.1f}' height='{_BAR - 2}' fill='{colour}'/>"
            )
            parts.append(_text(_LEFT + width + 4, y + _BAR - 3, f"{value:.3f}", "font-size='10'"))
            y += _BAR
        y += _GAP
    x = 8
    for name, colour in _COLOURS.items():
        parts.append(f"<rect x='{x}' y='{y}' width='10' height='10' fill='{colour}'/>")
        parts.append(_text(x + 14, y + 9, name, "font-size='11'"))
        x += 30 + 7 * len(name)
    for note in notes:
        y += 18
        parts.append(_text(8, y + 12, note, "font-size='11'"))
    width, height = _LEFT + _WIDTH + _RIGHT, y + 24
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'"
        f" width='{width}' height='{height}' font-family='sans-serif' font-size='13' fill='#222222'>"
    )
    background = f"<rect width='{width}' height='{height}' fill='white'/>"
    return "\n".join([head, background, _text(8, 20, title), *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {more}>{escape(text)}</text>"
