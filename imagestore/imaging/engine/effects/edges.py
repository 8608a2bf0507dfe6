"""Effects along the edge of what is opaque: shadows and outlines, which may make the canvas grow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from imagestore.core.transformation.model import Color
from imagestore.imaging.engine.effects.blur import soften
from imagestore.imaging.engine.effects.surroundings import Surroundings

_GRAY = Color(128, 128, 128)
_BLACK = Color(0, 0, 0)

_SHADOW_REACH = 0.02
"""How far a shadow falls where nobody says it, as a share of the longer side."""

_LONGEST_SHADOW = 1000
_STRIP = 1 << 20
_GROWN_PIXELS = 1_500_000
_GROWN_RADIUS = 12
"""Outlines are drawn on no more pixels than these, and no wider, then enlarged: their contour is smooth."""


def shadow(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Put a soft shadow below the picture, `x` and `y` away from it; the canvas grows as far as it falls."""
    usual = max(1, round(max(picture.size) * _SHADOW_REACH))
    shift_x, shift_y = (_bounded(usual if each is None else each) for each in (around.x, around.y))
    radius = max(1.0, max(abs(shift_x), abs(shift_y)) / 2, usual / 3)
    spread = math.ceil(radius * 2.5)
    left, right = max(0, spread - shift_x), max(0, spread + shift_x)
    top, bottom = max(0, spread - shift_y), max(0, spread + shift_y)
    cast = Image.new("L", (picture.width + left + right, picture.height + top + bottom))
    cast.paste(_alpha(picture), (left + shift_x, top + shift_y))
    cast = soften(cast, radius).point([round(value * strength / 100) for value in range(256)])
    result = _flat(around.color or _GRAY, cast)
    _lay_over(result, picture, left, top)
    return result


def _bounded(offset: float) -> int:
    return round(min(max(offset, -_LONGEST_SHADOW), _LONGEST_SHADOW))


def outline(
    picture: Image.Image, around: Surroundings, mode: str, width: float, softness: float
) -> Image.Image:
    """Draw a line of `width` along the edge of what is opaque.

    `outer` is outside of it, `inner` inside; `fill` and `inner_fill` colour all that the line encloses too.
    """
    color, radius = around.color or _BLACK, softness / 100
    if mode in ("inner", "inner_fill"):
        return _line_inside(picture, color, width, radius, fill=mode == "inner_fill")
    margin = round(width) + math.ceil(radius * 2.5) + 1
    wide = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin))
    wide.paste(_alpha(picture), (margin, margin))
    result = _flat(color, soften(_grow(wide, width), radius))
    if mode == "outer":
        _lay_over(result, picture, margin, margin)
    return result


def _line_inside(
    picture: Image.Image, color: Color, width: float, radius: float, *, fill: bool
) -> Image.Image:
    alpha = _alpha(picture)
    if fill:
        return _flat(color, soften(alpha, radius) if radius else alpha)
    margin = round(width) + 1
    outside = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin), 255)
    outside.paste(ImageChops.invert(alpha), (margin, margin))
    rim = soften(_grow(outside, width), radius)
    result = picture.convert("RGB")
    line = rim.crop((margin, margin, margin + picture.width, margin + picture.height))
    result.paste((color.red, color.green, color.blue), (0, 0), line)
    result.putalpha(alpha)
    return result


def _grow(alpha: Image.Image, width: float) -> Image.Image:
    """Make opaque what is within `width` of what is opaque; round at corners, smooth at its edge."""
    shrink = max(1.0, math.sqrt(alpha.width * alpha.height / _GROWN_PIXELS), width / _GROWN_RADIUS)
    # Whole pixels at the size at which it is drawn: so the line is as wide as it is to be.
    radius = max(1, int(width / shrink))
    factor = max(1.0, width / radius)
    if factor == 1:
        return soften(_widest(alpha, radius), 0.4)
    size = (max(1, round(alpha.width / factor)), max(1, round(alpha.height / factor)))
    small = _widest(alpha.resize(size, Image.Resampling.BOX, reducing_gap=2.0), radius)
    # Softened, the steps of the small contour are one line; steeper around its middle, it is sharp again.
    grown = soften(small, 1.2).resize(alpha.size, Image.Resampling.BICUBIC)
    steep = [min(255, max(0, round((value - 128) * factor * 2.5 + 128))) for value in range(256)]
    return ImageChops.lighter(grown.point(steep), alpha)


def _widest(alpha: Image.Image, radius: int) -> Image.Image:
    """The highest value within a disk of `radius`: of each row that it spans, the highest along its width."""
    values = np.asarray(alpha)
    padded = np.pad(values, radius)
    halves = {dy: int(math.sqrt((radius + 0.3) ** 2 - dy * dy)) for dy in range(radius + 1)}
    result = np.zeros_like(values)
    for half in sorted(set(halves.values())):
        row = _highest_along(padded, half, radius)
        for dy in (each for each in range(-radius, radius + 1) if halves[abs(each)] == half):
            np.maximum(result, row[radius + dy : radius + dy + values.shape[0]], out=result)
    return Image.fromarray(result)


def _highest_along(padded: NDArray[np.uint8], half: int, radius: int) -> NDArray[np.uint8]:
    width = padded.shape[1] - 2 * radius
    highest = padded[:, radius : radius + width].copy()
    for dx in range(1, half + 1):
        np.maximum(highest, padded[:, radius - dx : radius - dx + width], out=highest)
        np.maximum(highest, padded[:, radius + dx : radius + dx + width], out=highest)
    return highest


def _alpha(picture: Image.Image) -> Image.Image:
    return picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)


def _lay_over(below: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    """Put the picture on `below`, a few rows at a time: Pillow makes several copies of what it composes."""
    rows = max(1, _STRIP // picture.width)
    for row in range(0, picture.height, rows):
        strip = picture.crop((0, row, picture.width, min(picture.height, row + rows)))
        below.alpha_composite(strip.convert("RGBA"), (left, top + row))


def _flat(color: Color, alpha: Image.Image) -> Image.Image:
    result = Image.new("RGB", alpha.size, (color.red, color.green, color.blue))
    result.putalpha(alpha)
    return result
