"""Edges: round corners and borders, both smooth."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from PIL import Image, ImageChops

from imagestore.core.transformation.model import Border
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import check_size

Radii = tuple[float, float, float, float] | Literal["max"]
"""From the top left corner clockwise, in pixels; "max" is an ellipse that fills the picture."""

SQUARE: Radii = (0, 0, 0, 0)

_BAND = 128
"""Rows at a time, where pixels are reckoned in floating point."""


def spread(radii: tuple[float, ...]) -> Radii:
    """One to four radii as one for each corner, in the way of CSS' border-radius."""
    first = radii[0]
    second = radii[1] if len(radii) > 1 else first
    third = radii[2] if len(radii) > 2 else first
    return first, second, third, radii[3] if len(radii) > 3 else second


def round_corners(picture: Picture, radii: Radii) -> Picture:
    """Transparent outside of its round corners. Radii that do not fit are made smaller, all in proportion."""
    mask = _mask(picture.width, picture.height, radii)
    return replace(picture, frames=[_masked(frame, mask) for frame in picture.frames])


def add_border(picture: Picture, border: Border, radii: Radii) -> Picture:
    """A border around the picture, which becomes so much larger; it follows the corners' `radii`.

    Raises InvalidTransformation where that is too large.
    """
    wide, color = border.width, border.color
    size = picture.width + 2 * wide, picture.height + 2 * wide
    check_size(*size, len(picture.frames))
    outer = radii if radii == "max" else tuple(each + wide if each else 0.0 for each in radii)
    whole = _mask(*size, outer)  # type: ignore[arg-type]
    hole = Image.new("L", size)
    hole.paste(_mask(picture.width, picture.height, radii), (wide, wide))
    ring = ImageChops.subtract(whole, hole)
    fill = (color.red, color.green, color.blue)
    faces = picture.faces and tuple(face.moved(wide, wide) for face in picture.faces)
    opaque = color.alpha == 255 and radii == SQUARE
    frames = []
    for frame in picture.frames:
        if opaque and frame.mode == "RGB":
            framed = Image.new("RGB", size, fill)
            framed.paste(frame, (wide, wide))
        else:
            framed = _joined(frame, ring.point(lambda value: value * color.alpha // 255), fill, wide)
        frames.append(framed)
    return replace(picture, frames=frames, faces=faces)


def _joined(frame: Image.Image, ring: Image.Image, fill: tuple[int, int, int], wide: int) -> Image.Image:
    """Ring and picture share no pixel but where each covers a part of it, so there they add up: in opacity,
    and in colour by their shares of that. In bands, which take little memory beside the pictures."""
    joined = Image.new("RGBA", ring.size)
    for top in range(0, ring.height, _BAND):
        bottom = min(top + _BAND, ring.height)
        inner = Image.new("RGBA", (ring.width, bottom - top))
        first, last = max(top - wide, 0), min(bottom - wide, frame.height)
        if first < last:
            part = frame.crop((0, first, frame.width, last))
            inner.paste(part.convert("RGBA"), (wide, max(wide - top, 0)))
        pixels = np.asarray(inner).astype(np.float32)
        edge = np.asarray(ring.crop((0, top, ring.width, bottom))).astype(np.float32)
        alpha = np.minimum(pixels[..., 3] + edge, 255)
        share = np.divide(pixels[..., 3], alpha, out=np.zeros_like(alpha), where=alpha > 0)[..., None]
        colors = pixels[..., :3] * share + np.array(fill, np.float32) * (1 - share)
        band = np.dstack([colors, alpha])
        joined.paste(Image.fromarray(np.rint(band).astype(np.uint8)), (0, top))
    return joined


def _masked(frame: Image.Image, mask: Image.Image) -> Image.Image:
    masked = frame.convert("RGBA") if frame.mode != "RGBA" else frame.copy()
    masked.putalpha(ImageChops.multiply(masked.getchannel("A"), mask) if frame.mode == "RGBA" else mask)
    return masked


def _mask(width: int, height: int, radii: Radii) -> Image.Image:
    """How much of each pixel lies inside of the round corners."""
    if radii == "max":
        return _ellipse(width, height)
    fitting = _fit(width, height, radii)
    mask = Image.new("L", (width, height), 255)
    for number, radius in enumerate(fitting):
        # The share of a corner that lies within `radius` of the circle's middle, by the pixel's own middle.
        side = int(np.ceil(radius))
        if side <= 0:
            continue
        away = radius - np.arange(side, dtype=np.float32) - 0.5
        distance = np.hypot(away[:, None].clip(0), away[None, :].clip(0))
        corner = np.rint(255 * (radius - distance + 0.5).clip(0, 1)).astype(np.uint8)
        right, bottom = number in (1, 2), number in (2, 3)
        corner = corner[:: -1 if bottom else 1, :: -1 if right else 1]
        mask.paste(
            Image.fromarray(np.ascontiguousarray(corner)),
            (width - side if right else 0, height - side if bottom else 0),
        )
    return mask


def _fit(width: int, height: int, radii: tuple[float, float, float, float]) -> tuple[float, ...]:
    """As CSS Backgrounds 3, 5.5 has it: one factor for all corners, so that no two of a side overlap."""
    top_left, top_right, bottom_right, bottom_left = radii
    sides = (
        (width, top_left + top_right),
        (height, top_right + bottom_right),
        (width, bottom_right + bottom_left),
        (height, bottom_left + top_left),
    )
    factor = min([1.0, *(length / both for length, both in sides if both > 0)])
    return tuple(each * factor for each in radii)


def _ellipse(width: int, height: int) -> Image.Image:
    across, down = width / 2, height / 2
    x = ((np.arange(width, dtype=np.float32) + 0.5 - across) / across)[None, :]
    mask = Image.new("L", (width, height))
    for top in range(0, height, _BAND):
        rows = np.arange(top, min(top + _BAND, height), dtype=np.float32)
        y = ((rows + 0.5 - down) / down)[:, None]
        level = x * x + y * y
        # The distance from the curve in pixels, to first order: the level over the length of its gradient.
        slope = 2 * np.sqrt((x / across) ** 2 + (y / down) ** 2) + 1e-6
        inside = (0.5 - (level - 1) / slope).clip(0, 1)
        mask.paste(Image.fromarray(np.rint(255 * inside).astype(np.uint8)), (0, top))
    return mask
