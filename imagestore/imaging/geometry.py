"""Boxes, and the arithmetic of sizes and crops: which part of a picture becomes how large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in its pixels from the top left corner."""

    left: float
    top: float
    width: float
    height: float
