"""Effects that make parts of a picture transparent: a gradient from its edges, or its background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from imagestore.imaging.engine.effects import oklab
from imagestore.imaging.engine.effects.lattice import recolor
from imagestore.imaging.engine.effects.surroundings import Surroundings

_LINEAR = 20
"""The strength at which fading is even from the edge inwards."""

_SEARCH_SIDE = 400
_REACH = 0.006
"""How far in OKLab one percent of tolerance reaches."""


def gradient_fade(picture: Image.Image, around: Surroundings, strength: float, kind: str) -> Image.Image:
    """Fade from an edge: from the top by `y`, from the left by `x`, from the other side where negative.

    `symmetric` fades from the opposite edge as well. So does `symmetric_pad`, which means padding to be faded
    with the picture, as it is here in any case.
    """
    extent_x = 0.0 if around.x is None else min(max(around.x, -picture.width), picture.width)
    extent_y = 0.0 if around.y is None else min(max(around.y, -picture.height), picture.height)
    if around.x is None and around.y is None:
        extent_y = picture.height / 2
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)
    both = kind != "plain"
    across = _ramp(picture.width, extent_x, strength, both)[None, :]
    down = _ramp(picture.height, extent_y, strength, both)[:, None]
    for ramp in (across, down):
        line = Image.fromarray(np.rint(ramp * 255).astype(np.uint8))
        alpha = ImageChops.multiply(alpha, line.resize(picture.size, Image.Resampling.NEAREST))
    result = picture.convert("RGB")
    result.putalpha(alpha)
    return result


def _ramp(length: int, extent: float, strength: float, both: bool) -> NDArray[np.floating[Any]]:
    """How opaque each row or column is."""
    if abs(extent) < 0.5 or strength == 0:
        return np.ones(length, dtype=np.float32)
    inwards = np.arange(length, dtype=np.float32) + 0.5
    ramp = np.clip(inwards / abs(extent), 0, 1) ** (strength / _LINEAR)
    if both:
        return np.asarray(np.minimum(ramp, ramp[::-1]), dtype=np.float32)
    return np.asarray(ramp if extent > 0 else ramp[::-1], dtype=np.float32)


def make_transparent(picture: Image.Image, around: Surroundings, tolerance: float) -> Image.Image:
    """Make the background transparent: what resembles the edges of the picture, and is connected with them.

    A colour that is given is looked for instead of the edges' own.
    """
    colors = picture.convert("RGB")
    key = _edge_color(colors) if around.color is None else oklab.of(around.color)
    reach = tolerance * _REACH + 0.004

    def opacity(samples: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        distance = np.linalg.norm(oklab.from_srgb(samples) - key, axis=-1, keepdims=True)
        # Soft at the border of the tolerance, or every edge would be a staircase.
        return np.asarray(np.repeat(np.clip(distance / reach * 2 - 1, 0, 1), 3, axis=-1), dtype=np.float32)

    alpha = recolor(colors, opacity, 65).getchannel("R")
    alpha = ImageChops.lighter(alpha, ImageChops.invert(_reached(alpha)))
    if picture.mode == "RGBA":
        alpha = ImageChops.multiply(alpha, picture.getchannel("A"))
    colors.putalpha(alpha)
    return colors


def _edge_color(colors: Image.Image) -> NDArray[np.floating[Any]]:
    """The colour that most of the picture's four edges resemble."""
    small = np.asarray(colors.resize((64, 64), Image.Resampling.BOX), dtype=np.float32) / 255
    edge = oklab.from_srgb(np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]]))
    near = np.linalg.norm(edge[:, None] - edge[None], axis=-1) < 0.06
    return np.asarray(edge[near[near.sum(axis=1).argmax()]].mean(axis=0), dtype=np.float32)


def _reached(alpha: Image.Image) -> Image.Image:
    """White where a way of transparent pixels leads from the edge of the picture; found on a small copy."""
    scale = max(1, max(alpha.size) / _SEARCH_SIDE)
    size = (max(1, round(alpha.width / scale)), max(1, round(alpha.height / scale)))
    free = np.asarray(alpha.resize(size, Image.Resampling.BOX)) < 200
    reached = np.zeros_like(free)
    reached[[0, -1]], reached[:, [0, -1]] = free[[0, -1]], free[:, [0, -1]]
    count = -1
    while count != (count := int(reached.sum())):
        for rows, steps in ((reached, free), (reached[::-1], free[::-1]), (reached.T, free.T)):
            _sweep(rows, steps)
        _sweep(reached.T[::-1], free.T[::-1])
    mask = Image.fromarray(np.where(reached, 255, 0).astype(np.uint8))
    return mask.filter(ImageFilter.MaxFilter(3)).resize(alpha.size, Image.Resampling.BILINEAR)


def _sweep(reached: NDArray[np.bool_], free: NDArray[np.bool_]) -> None:
    """Carry what is reached from each row to the next, and on along it."""
    for row in range(1, len(reached)):
        reached[row] |= reached[row - 1] & free[row]
