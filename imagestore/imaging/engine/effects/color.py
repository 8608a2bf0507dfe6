"""Effects of colour: which hue, how much of it, and colours laid over or put in place of others."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagestore.core.transformation.model import Color
from imagestore.imaging.engine.effects import oklab
from imagestore.imaging.engine.effects.lattice import Colors, luma, mix, recolor, saturate
from imagestore.imaging.engine.effects.surroundings import Surroundings

_GRAY = Color(128, 128, 128)
_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""The tone of CSS' `sepia()` (Filter Effects, section 12)."""

_FARTHEST = 0.5
"""How far from a colour, in OKLab, a tolerance of 100 reaches: twice as far as red is from grey."""


def sepia(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    share = level / 100
    matrix = [
        [share * value + (1 - share if row == column else 0) for column, value in enumerate(tones)]
        for row, tones in enumerate(_SEPIA)
    ]
    return mix(picture, matrix)


def saturation(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    return mix(picture, saturate(1 + level / 100))


def hue(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    """Turn every hue; 100 is half the circle, and so is -100."""
    shift = round(level / 200 * 256)
    turned = [(value + shift) % 256 for value in range(256)]
    keep = list(range(256))
    return picture.convert("HSV").point(turned + keep + keep).convert("RGB")


def vibrance(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    """Move colours away from grey, pale ones most and those that glow already hardly."""
    amount = level / 100

    def enliven(colors: Colors) -> Colors:
        high, low = colors.max(axis=-1, keepdims=True), colors.min(axis=-1, keepdims=True)
        vivid = (high - low) / np.maximum(high, 1e-6)
        bright = luma(colors)
        return bright + (colors - bright) * (1 + amount * (1 - vivid) * 1.5 if amount > 0 else 1 + amount)

    return recolor(picture, enliven)


def colorize(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Lay the colour over everything, as opaque as `strength` says."""
    color = around.color or _GRAY
    flat = Image.new("RGB", picture.size, (color.red, color.green, color.blue))
    return Image.blend(picture, flat, strength / 100)


def tint(picture: Image.Image, around: Surroundings, amount: float, *tints: Color | float) -> Image.Image:
    """Give each brightness a colour: `tints` are colours, each followed by its brightness in percent.

    Below the first one it fades to black, above the last one to white.
    """
    places = [float(each) / 100 for each in tints if not isinstance(each, Color)]
    rows = [[each.red, each.green, each.blue] for each in tints if isinstance(each, Color)]
    order = np.argsort(places, kind="stable")
    at = np.array([-1e-6, *(places[index] for index in order), 1 + 1e-6])
    ramp = np.array([[0, 0, 0], *(rows[index] for index in order), [255, 255, 255]]) / 255

    def tone(colors: Colors) -> Colors:
        bright = luma(colors)
        toned = np.concatenate([np.interp(bright, at, ramp[:, channel]) for channel in range(3)], axis=-1)
        return np.asarray(colors + (toned - colors) * (amount / 100), dtype=np.float32)

    return recolor(picture, tone)


def replace_color(
    picture: Image.Image, around: Surroundings, target: Color, tolerance: float, source: Color
) -> Image.Image:
    """Carry colours near `source` over to `target`, shade for shade: the nearer, the more of the way.

    Where the source is a colour and not a grey, its darker and brighter shades count as near.
    """
    wanted, given = oklab.of(target), oklab.of(source)
    reach = tolerance / 100 * _FARTHEST + 1e-3
    colorful = min(1.0, float(np.hypot(given[1], given[2])) / 0.1)
    weights = np.array([1 - 0.7 * colorful, 1, 1], dtype=np.float32)

    def replace(colors: Colors) -> Colors:
        lab = oklab.from_srgb(colors)
        distance = np.linalg.norm((lab - given) * weights, axis=-1, keepdims=True)
        near = np.clip((1 - distance / reach) / 0.4, 0, 1)
        near = near * near * (3 - 2 * near)
        moved = np.clip(oklab.to_srgb(lab + (wanted - given)), 0, 1)
        return np.asarray(colors + (moved - colors) * near, dtype=np.float32)

    return recolor(picture, replace)
