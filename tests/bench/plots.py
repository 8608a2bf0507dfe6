"""Plots as SVG: bars for sides that are compared, lines for what is watched over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from tests.bench.results import figure

COLOURS = ("#1f5fa8", "#7fb2e5", "#e07b39", "#4d9a57", "#a35fb0", "#b8a02e", "#777777", "#c44e52", "#2b9c9c")
INK, FAINT = "#222222", "#dddddd"
WIDTH, MARGIN = 900, 16
LABELS, VALUES = 190, 70
"""Room for names at the left of bars, and for figures at their right."""

BAR, GAP = 15, 14
HEIGHT, LEGEND = 420, 190
Point = tuple[float, float]


def bars(title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Groups of horizontal bars, one bar a side, each with its figure; a side has one colour throughout."""
    sides = list(dict.fromkeys(side for group in groups.values() for side in group))
    most = max((value for group in groups.values() for value in group.values()), default=1.0)
    left, room = MARGIN + LABELS, WIDTH - 2 * MARGIN - LABELS - VALUES
    drawn, y = [_text(MARGIN, 30, f"{title}, {unit}", size=17, weight="bold")], 48
    for label, group in groups.items():
        y += GAP
        drawn.append(_text(MARGIN, y + 2, label, weight="bold"))
        y += 8
        for side, value in group.items():
            colour = COLOURS[sides.index(side) % len(COLOURS)]
            width = max(1.0, room * value / most)
            drawn.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{BAR - 3}" fill="{colour}"/>')
            drawn.append(_text(left - 8, y + 10, side, anchor="end"))
            drawn.append(_text(left + width + 6, y + 10, figure(value)))
            y += BAR
    return _svg(y + MARGIN, drawn)


def lines(title: str, unit: str, series: Mapping[str, Sequence[Point]]) -> str:
    """One line a series over seconds, from zero upwards, with a legend at the right."""
    longest = max((points[-1][0] for points in series.values() if points), default=1.0) or 1.0
    most = max((y for points in series.values() for _, y in points), default=1.0) or 1.0
    step, across = _step(most), _step(longest)
    top = step * math.ceil(most / step)
    left, upper, right, lower = MARGIN + 60, 56, WIDTH - MARGIN - LEGEND, HEIGHT - 44
    drawn = [_text(MARGIN, 30, f"{title}, {unit}", size=17, weight="bold")]

    def at(x: float, y: float) -> Point:
        return left + (right - left) * x / longest, lower - (lower - upper) * y / top

    for number in range(round(top / step) + 1):
        _, y = at(0, number * step)
        drawn.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        drawn.append(_text(left - 8, y + 4, figure(number * step), anchor="end"))
    for number in range(int(longest / across) + 1):
        x, _ = at(number * across, 0)
        drawn.append(_text(x, lower + 18, figure(number * across), anchor="middle"))
    drawn.append(_text((left + right) / 2, lower + 36, "seconds", anchor="middle"))
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        y = upper + 8 + 18 * number
        drawn.append(f'<rect x="{right + 16}" y="{y - 9}" width="14" height="10" fill="{colour}"/>')
        drawn.append(_text(right + 36, y, name))
    return _svg(HEIGHT, drawn)


def _step(most: float) -> float:
    """A round distance, of which four to ten reach `most`."""
    size = 10 ** math.floor(math.log10(most))
    return next(size * part for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if most / (size * part) <= 8)


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", weight: str = "normal"
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _svg(height: float, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}"'
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    font = 'font-family="system-ui, DejaVu Sans, sans-serif"'
    return "\n".join([f"{head} {font}>", ground, *drawn, "</svg>", ""])
