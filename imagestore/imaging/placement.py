"""Where a layer goes: the arithmetic of gravity, offsets, and the canvas that holds both pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Length, Step
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits

Size = tuple[int, int]
Point = tuple[int, int]

_LEFTWARD = ("north_east", "east", "south_east")
_UPWARD = ("south_east", "south", "south_west")
_FACES = ("face", "faces")


@dataclass(frozen=True, slots=True)
class Placing:
    """A canvas, and where the two pictures' top left corners are on it, or outside of it."""

    canvas: Size
    below: Point
    layer: Point


def regions(place: Step, faces: tuple[Box, ...] | None) -> tuple[Box | None, ...]:
    """The parts of the picture below that get a layer each; None is all of it.

    `g_face` is the largest face and `g_faces` every one. Where there is none, the layer goes where the
    gravity's second word says (`g_face:center`), and nowhere if there is no such word.
    """
    gravity = place.gravity
    if gravity is None or gravity.kind not in _FACES:
        return (None,)
    if faces:
        return faces if gravity.kind == "faces" else (max(faces, key=lambda box: box.width * box.height),)
    return (None,) if gravity.fallback else ()


def relate(step: Step, whole: Size, region: Box | None) -> Step:
    """A layer's own step, its fractions made pixels of the picture below (`fl_relative`) or of a region of it
    (`fl_region_relative`), where it asks for that."""
    if region is not None and "region_relative" in step.flags:
        width, height = region.width, region.height
    elif step.flags & {"relative", "region_relative"}:
        width, height = whole
    else:
        return step
    return replace(step, width=_absolute(step.width, width), height=_absolute(step.height, height))


def _absolute(length: Length | None, whole: float) -> Length | None:
    return Length(max(1, round(length.value * whole))) if length and length.relative else length


def put(below: Size, layer: Size, place: Step, region: Box | None, *, under: bool = False) -> Placing:
    """Where both go. An underlay stays, and the picture above it moves: gravity and offsets are of that one.

    Positive offsets lead away from the edge that the gravity names, else right and down. Fractions are of
    `below`. The canvas grows to hold both, unless `fl_no_overflow` keeps it as `below` is.
    """
    if under and region is None:
        moved = _corner(layer, below, place, None, below)
        offset = (-moved[0], -moved[1])
    else:
        offset = _corner(below, layer, place, region, below)
    if "no_overflow" in place.flags:
        return Placing(below, (0, 0), offset)
    left, top = min(0, offset[0]), min(0, offset[1])
    right = max(below[0], offset[0] + layer[0])
    bottom = max(below[1], offset[1] + layer[1])
    canvas = (right - left, bottom - top)
    check(canvas)
    return Placing(canvas, (-left, -top), (offset[0] - left, offset[1] - top))


def check(canvas: Size, frames: int = 1) -> None:
    limits = Limits()
    if max(canvas) > limits.side or canvas[0] * canvas[1] * frames > limits.pixels:
        times = f" in {frames} frames" if frames > 1 else ""
        raise InvalidTransformation(
            f"With its layer the picture would have {canvas[0]} x {canvas[1]} pixels{times}: at most "
            f"{limits.side} a side and {limits.pixels} in all are allowed. Make the layer or its offset "
            "smaller, or give it fl_no_overflow."
        )


def _corner(around: Size, inside: Size, place: Step, region: Box | None, whole: Size) -> Point:
    """The top left corner of `inside` within `around`."""
    kind = place.gravity.kind if place.gravity else "center"
    if kind in _FACES and region is None and place.gravity and place.gravity.fallback:
        kind = place.gravity.fallback
    x = round(place.x.pixels(whole[0])) if place.x else 0
    y = round(place.y.pixels(whole[1])) if place.y else 0
    if region is not None:
        left = math.floor(region.left + (region.width - inside[0]) / 2)
        top = math.floor(region.top + (region.height - inside[1]) / 2)
    elif kind == "xy_center":
        left, top = -(inside[0] // 2), -(inside[1] // 2)
    else:
        left = _along(kind, "west", "east", around[0] - inside[0])
        top = _along(kind, "north", "south", around[1] - inside[1])
    return left + (-x if kind in _LEFTWARD else x), top + (-y if kind in _UPWARD else y)


def _along(kind: str, first: str, last: str, room: int) -> int:
    if first in kind.split("_"):
        return 0
    return room if last in kind.split("_") else math.floor(room / 2)
