"""A drawing of lines and words, which becomes SVG here and PNG in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

FONT_SIZE = 13


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, in pixels from the upper left corner. `color` is `#rrggbb`."""

    points: Sequence[Point]
    color: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Words:
    """A text whose baseline begins at, is centred on or ends at a point."""

    text: str
    at: Point
    anchor: Anchor = "start"
    color: str = "#333333"
    size: float = FONT_SIZE


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn on white, in this order."""

    width: int
    height: int
    title: str
    shapes: Sequence[Line | Words]

    def svg(self) -> str:
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        fonts = "Liberation Sans, Helvetica, Arial, sans-serif"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{fonts}">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>',
            *(_svg_of(shape) for shape in self.shapes),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"


def _svg_of(shape: Line | Words) -> str:
    if isinstance(shape, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        return (
            f'<polyline points="{points}" fill="none" stroke="{shape.color}" '
            f'stroke-width="{shape.width:g}" stroke-linejoin="round"/>'
        )
    x, y = shape.at
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{shape.anchor}" fill="{shape.color}" '
        f'font-size="{shape.size:g}">{escape(shape.text)}</text>'
    )
