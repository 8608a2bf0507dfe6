"""Boxes, bounds and views: parts of pictures as numbers, before any pixel is touched."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from imagestore.core.errors import InvalidTransformation

MAX_SIDE = 16_384
MAX_PIXELS = 50_000_000
"""Over all frames of a picture, at any moment of a transformation."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in its pixels from the top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def center(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    def clipped(self, width: float, height: float) -> Box | None:
        """What of it lies on a picture of that size; None where that is nothing."""
        left, top = max(self.left, 0.0), max(self.top, 0.0)
        right, bottom = min(self.right, width), min(self.bottom, height)
        return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None

    def moved(self, x: float, y: float) -> Box:
        return Box(self.left + x, self.top + y, self.width, self.height)

    def shown(self, part: Box, size: tuple[int, int]) -> Box:
        """Where it lies once `part` of its picture is a picture of `size`. May reach out of that."""
        across, down = size[0] / part.width, size[1] / part.height
        return Box(
            (self.left - part.left) * across,
            (self.top - part.top) * down,
            self.width * across,
            self.height * down,
        )


def enclose(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them, of which there is one at least."""
    all_of_them = tuple(boxes)
    left, top = min(each.left for each in all_of_them), min(each.top for each in all_of_them)
    right, bottom = max(each.right for each in all_of_them), max(each.bottom for each in all_of_them)
    return Box(left, top, right - left, bottom - top)


def visible(boxes: tuple[Box, ...] | None, width: int, height: int) -> tuple[Box, ...] | None:
    """Those of them that lie on a picture of that size by more than half, cut to it."""
    if boxes is None:
        return None
    kept = ((each, each.clipped(width, height)) for each in boxes)
    return tuple(
        part for each, part in kept if part and 2 * part.width * part.height > each.width * each.height
    )


@dataclass(frozen=True, slots=True)
class Crop:
    """What a crop mode does: `box` of the picture becomes `size` and lies at `place` on a `canvas`."""

    box: Box
    size: tuple[int, int]
    canvas: tuple[int, int]
    place: tuple[int, int] = (0, 0)

    @property
    def pads(self) -> bool:
        return self.canvas != self.size


@dataclass(frozen=True, slots=True)
class View:
    """A part of a picture at a size, as one resample makes it."""

    box: Box
    size: tuple[int, int]

    @staticmethod
    def whole(width: int, height: int) -> View:
        return View(Box(0, 0, width, height), (width, height))

    @property
    def scale(self) -> float:
        """Pixels of the view for one of the picture, along the side where it has more."""
        return max(self.size[0] / self.box.width, self.size[1] / self.box.height)

    def turned(self, width: float, height: float, turn: int) -> View:
        """The same of a picture of that size, once that is turned as an orientation says."""
        return View(turned_box(self.box, width, height, turn), oriented_size(*self.size, turn))

    def cropped(self, crop: Crop) -> View | None:
        """This view with a crop of it on top, padding aside, as one view of the same picture.

        None where one resample would not do: what was made small and is enlarged then has lost its detail.
        """
        across, down = self.box.width / self.size[0], self.box.height / self.size[1]
        enlarges = crop.size[0] > crop.box.width + 0.5 or crop.size[1] > crop.box.height + 0.5
        if enlarges and (across > 1 or down > 1):
            return None
        part = Box(
            self.box.left + crop.box.left * across,
            self.box.top + crop.box.top * down,
            crop.box.width * across,
            crop.box.height * down,
        )
        return View(part, crop.size)


def side(length: float) -> int:
    """A side of so many pixels, rounded: half a pixel counts as one, and no side has none."""
    return max(1, math.floor(length + 0.5))


def largest_within(sides: tuple[float, float], aspect: float | None) -> tuple[float, float]:
    """The largest sides of that ratio on a picture of those sides."""
    if aspect is None:
        return sides
    width, height = min(sides[0], sides[1] * aspect), min(sides[1], sides[0] / aspect)
    return side(width), side(height)


def smallest_around(sides: tuple[float, float], aspect: float | None) -> tuple[float, float]:
    """The smallest sides of that ratio that a picture of those sides fits on."""
    if aspect is None:
        return sides
    return side(max(sides[0], sides[1] * aspect)), side(max(sides[1], sides[0] / aspect))


def check_size(width: int, height: int, frames: int = 1) -> None:
    """Raises InvalidTransformation for a picture that is larger than any that is made here."""
    if max(width, height) > MAX_SIDE or width * height * frames > MAX_PIXELS:
        what = f"{width} × {height} pixels" + (f" in {frames} frames" if frames > 1 else "")
        raise InvalidTransformation(
            f"The transformation makes a picture of {what}: ask for {MAX_SIDE} a side and "
            f"{MAX_PIXELS // 1_000_000} million over all frames at most."
        )


# ---- orientation: which way up a picture is stored (EXIF, tag 0x0112), and the boxes on it

UPRIGHT = 1
_SIDEWAYS = (5, 6, 7, 8)


def oriented_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """The sides of a picture turned from how it is stored to how it is seen, or back."""
    return (height, width) if orientation in _SIDEWAYS else (width, height)


def stored_box(box: Box, width: float, height: float, orientation: int) -> Box:
    """Where `box` of an upright picture of that size lies on the picture as it is stored."""
    right, bottom = width - box.right, height - box.bottom
    return {
        2: Box(right, box.top, box.width, box.height),
        3: Box(right, bottom, box.width, box.height),
        4: Box(box.left, bottom, box.width, box.height),
        5: Box(box.top, box.left, box.height, box.width),
        6: Box(box.top, right, box.height, box.width),
        7: Box(bottom, right, box.height, box.width),
        8: Box(bottom, box.left, box.height, box.width),
    }.get(orientation, box)


_RIGHT_TURNS: dict[float | str, int] = {0: 1, 90: 6, 180: 3, 270: 8, "hflip": 2, "vflip": 4}


def right_turn(turn: float | str) -> int | None:
    """The orientation that turns a picture by so many degrees clockwise, or mirrors it as `a_` names that;
    None where right angles do not suffice."""
    return _RIGHT_TURNS.get(turn if isinstance(turn, str) else turn % 360)


# As what each orientation does to a picture's corners, which are numbered clockwise from the top left.
_CORNERS = {
    1: (0, 1, 2, 3),
    2: (1, 0, 3, 2),
    3: (2, 3, 0, 1),
    4: (3, 2, 1, 0),
    5: (0, 3, 2, 1),
    6: (3, 0, 1, 2),
    7: (2, 1, 0, 3),
    8: (1, 2, 3, 0),
}
_BACK = {6: 8, 8: 6}


def combine(first: int, then: int) -> int:
    """The orientation that turns a picture as `first` does, and that as `then` does."""
    corners = tuple(_CORNERS[first][corner] for corner in _CORNERS[then])
    return next(each for each, seen in _CORNERS.items() if seen == corners)


def turned_box(box: Box, width: float, height: float, turn: int) -> Box:
    """Where `box` of a picture of that size lies once the picture is turned as that orientation says."""
    return stored_box(box, width, height, _BACK.get(turn, turn))
