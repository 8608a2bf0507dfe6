"""What an effect may know beyond its arguments: the parameters that stand beside it, and the faces."""

from __future__ import annotations

from dataclasses import dataclass

from imagestore.core.transformation.model import Color
from imagestore.imaging.geometry import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """`region` is what `x`, `y`, `w` and `h` mark where the effect takes a region. All lengths are pixels.

    `x` and `y` are offsets for effects that have a direction, None where nothing was said; `faces` are in the
    picture's own pixels.
    """

    color: Color | None = None
    region: Box | None = None
    x: float | None = None
    y: float | None = None
    faces: tuple[Box, ...] = ()
