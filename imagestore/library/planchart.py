"""The picture of a plan: hits and bytes against the size of the cache, one line for each policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from imagestore.imaging.drawing import Drawing, Line, Words
from imagestore.library.planner import Plan, Row

WIDTH, HEIGHT = 980, 460
TITLES = {"expiry": "this service", "lru": "LRU", "lfu": "LFU (allkeys-lfu)", "optimum": "offline optimum"}
COLORS = {"expiry": "#0b6e4f", "lru": "#c1666b", "lfu": "#d4a017", "optimum": "#8a8a8a"}
_GRID, _AXIS, _WISH = "#e4e4e4", "#555555", "#4059ad"
_TOP, _BOTTOM, _PANEL, _LEFT, _GAP = 56.0, 390.0, 410.0, 56.0, 66.0


def chart(plan: Plan, size_text: Callable[[float], str]) -> Drawing:
    """Two panels side by side, hits and bytes, over a scale of sizes on which each step doubles."""
    shapes: list[Line | Words] = [
        Words(
            f"Hits by size of the cache: {plan.requests:,} requests for {plan.objects:,} objects, "
            f"{size_text(plan.footprint)}",
            (_LEFT, 24),
            size=15,
        )
    ]
    for number, (title, share) in enumerate((("of requests", _hits), ("of bytes", _bytes))):
        left = _LEFT + number * (_PANEL + _GAP)
        scale = _Scale(plan.rows, left)
        shapes += _frame(scale, f"Hit ratio {title}", size_text)
        if number == 0 and plan.wish.bytes is not None and scale.holds(plan.wish.bytes):
            shapes += _wished(scale, plan.wish.ratio, plan.wish.bytes, size_text)
        for policy, color in reversed(COLORS.items()):
            points = [scale.at(row.bytes, share(row, policy)) for row in plan.rows]
            shapes.append(Line(points, color, 2.6 if policy == "expiry" else 1.6))
    shapes += _legend()
    return Drawing(WIDTH, HEIGHT, "Hit ratio against the size of the cache", shapes)


def _hits(row: Row, policy: str) -> float:
    return row.ratios[policy].hits


def _bytes(row: Row, policy: str) -> float:
    return row.ratios[policy].bytes


class _Scale:
    """Where a size and a share are, in one panel."""

    def __init__(self, rows: Sequence[Row], left: float) -> None:
        self.left = left
        self.least = rows[0].bytes
        self.most = max(rows[-1].bytes, self.least * 2)

    def at(self, size: float, share: float) -> tuple[float, float]:
        along = math.log(size / self.least) / math.log(self.most / self.least)
        return self.left + along * _PANEL, _BOTTOM - share * (_BOTTOM - _TOP)

    def holds(self, size: float) -> bool:
        return self.least <= size <= self.most

    def ticks(self) -> Iterator[float]:
        """Round sizes, five or so."""
        decades = math.log10(self.most / self.least)
        steps = (1, 2, 5) if decades < 1.5 else (1, 3) if decades < 2.5 else (1,)
        for power in range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1):
            yield from (step * 10**power for step in steps if self.holds(step * 10**power))


def _frame(scale: _Scale, title: str, size_text: Callable[[float], str]) -> Iterator[Line | Words]:
    left, right = scale.left, scale.left + _PANEL
    yield Words(title, (left, _TOP - 10))
    for tenth in range(0, 11, 2):
        _, y = scale.at(scale.least, tenth / 10)
        yield Line([(left, y), (right, y)], _AXIS if tenth == 0 else _GRID)
        yield Words(f"{tenth * 10} %", (left - 8, y + 4), "end", size=12)
    for size in scale.ticks():
        x, _ = scale.at(size, 0)
        yield Line([(x, _TOP), (x, _BOTTOM)], _GRID)
        yield Words(size_text(size), (x, _BOTTOM + 18), "middle", size=12)
    yield Line([(left, _TOP), (left, _BOTTOM)], _AXIS)


def _wished(
    scale: _Scale, ratio: float, size: int, size_text: Callable[[float], str]
) -> Iterator[Line | Words]:
    x, y = scale.at(size, ratio)
    yield Line([(scale.left, y), (x, y), (x, _BOTTOM)], _WISH, 1.2)
    told = f"{ratio:.0%}: {size_text(size)}"
    yield Words(told, (x - 6, _BOTTOM - 8), "end", _WISH, 12)


def _legend() -> Iterator[Line | Words]:
    x = _LEFT
    for policy, color in COLORS.items():
        yield Line([(x, HEIGHT - 24), (x + 26, HEIGHT - 24)], color, 2.6 if policy == "expiry" else 1.6)
        yield Words(TITLES[policy], (x + 34, HEIGHT - 20))
        x += 74 + 6.6 * len(TITLES[policy])
