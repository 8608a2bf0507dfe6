"""Effects of colour: which hue, how much of it, and colours laid over or put in place of others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.core.transformation.model import Color
from imagestore.imaging.engine.effects import oklab
from imagestore.imaging.engine.effects.lattice import Colors, by_strips, luma, mix, recolor, saturate
from imagestore.imaging.engine.effects.surroundings import Surroundings

_GRAY = Color(128, 128, 128)
_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""The tone of CSS' `sepia()` (Filter Effects, section 12)."""

_FARTHEST = 0.3
"""How far from a colour, in OKLab, a tolerance of 100 reaches: a little farther than red is from grey."""

_HUES = 24

_SHORT_OF_GRAY = 0.8
"""How much of the way from a colour to grey a tolerance of 50 reaches at most."""


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
    return by_strips(
        picture, lambda strip, _: strip.convert("HSV").point(turned + keep + keep).convert("RGB")
    )


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
    result = picture.copy()
    mask = Image.new("L", picture.size, round(strength * 2.55))
    result.paste((color.red, color.green, color.blue), (0, 0), mask)
    return result


def tint(
    picture: Image.Image, around: Surroundings, amount: float, *tints: Color | float | str
) -> Image.Image:
    """Give each brightness a colour: `tints` are colours, each followed by its brightness in percent.

    Below the first one it fades to black, above the last one to white. With the word `equalize` at the end
    the picture's brightnesses are spread evenly before, so that each colour gets its share.
    """
    places = [float(each) / 100 for each in tints if isinstance(each, int | float)]
    rows = [[each.red, each.green, each.blue] for each in tints if isinstance(each, Color)]
    order = np.argsort(places, kind="stable")
    at = np.array([-1e-6, *(places[index] for index in order), 1 + 1e-6])
    ramp = np.array([[0, 0, 0], *(rows[index] for index in order), [255, 255, 255]]) / 255

    levels = _ranks(picture) if "equalize" in tints else np.linspace(0, 1, 256)

    def tone(colors: Colors) -> Colors:
        bright = np.interp(luma(colors), np.linspace(0, 1, 256), levels)
        toned = np.concatenate([np.interp(bright, at, ramp[:, channel]) for channel in range(3)], axis=-1)
        return np.asarray(colors + (toned - colors) * (amount / 100), dtype=np.float32)

    return recolor(picture, tone)


def _ranks(picture: Image.Image) -> np.ndarray:
    """For each of 256 brightnesses the share of the picture that is darker."""
    counts = np.array(picture.convert("L").histogram(), dtype=np.float64)
    return np.asarray((np.cumsum(counts) - counts / 2) / counts.sum())


def replace_color(
    picture: Image.Image, around: Surroundings, target: Color, tolerance: float, source: Color | str
) -> Image.Image:
    """Carry colours near `source` over to `target`, shade for shade: the nearer, the more of the way.

    `auto` is the colour that glows most in the picture. Where the source is a colour and not a grey, its
    darker and brighter shades count as near.
    """
    wanted = oklab.of(target)
    given = oklab.of(source) if isinstance(source, Color) else _prominent(picture)
    chroma = float(np.hypot(given[1], given[2]))
    colorful = min(1.0, chroma / 0.1)
    farthest = _FARTHEST * (1 - colorful) + min(_FARTHEST, 2 * _SHORT_OF_GRAY * chroma) * colorful
    reach = tolerance / 100 * farthest + 1e-3
    weights = np.array([1 - 0.7 * colorful, 1, 1], dtype=np.float32)

    def replace(colors: Colors) -> Colors:
        lab = oklab.from_srgb(colors)
        distance = np.linalg.norm((lab - given) * weights, axis=-1, keepdims=True)
        near = np.clip((1 - distance / reach) / 0.4, 0, 1)
        near = near * near * (3 - 2 * near)
        moved = np.clip(oklab.to_srgb(lab + (wanted - given)), 0, 1)
        return np.asarray(colors + (moved - colors) * near, dtype=np.float32)

    return recolor(picture, replace)


def _prominent(picture: Image.Image) -> NDArray[np.floating[Any]]:
    """The average of the hue that is there most and most saturated, in OKLab."""
    small = picture.resize((64, 64), Image.Resampling.BOX, reducing_gap=2.0)
    lab = oklab.from_srgb(np.asarray(small, dtype=np.float32).reshape(-1, 3) / 255)
    weight = np.hypot(lab[:, 1], lab[:, 2]) ** 2 + 1e-9
    sector = np.floor((np.arctan2(lab[:, 2], lab[:, 1]) / (2 * np.pi) % 1) * _HUES).astype(int) % _HUES
    share = np.bincount(sector, weight, minlength=_HUES)
    # A hue on the border between two sectors counts in both.
    middle = int((share + 0.5 * (np.roll(share, 1) + np.roll(share, -1))).argmax())
    near = np.isin(sector, [(middle + step) % _HUES for step in (-1, 0, 1)])
    return np.asarray((lab[near] * weight[near, None]).sum(axis=0) / weight[near].sum())
