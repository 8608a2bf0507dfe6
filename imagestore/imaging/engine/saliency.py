"""What a picture is about: the point that an automatic crop holds on to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.imaging.engine.effects import oklab

_SIDE = 96
"""The longer side of what is looked at: a subject is larger than one hundredth of the picture."""

_CENTER = 0.6
"""How much a point at the corner loses against one in the middle; photographers put subjects there."""

_FAINT = 0.01
"""A difference in OKLab that nobody sees."""

Map = NDArray[np.floating[Any]]


def find_focus(picture: Image.Image) -> tuple[float, float]:
    """The middle of what draws the eye, in the picture's pixels. Takes a few milliseconds, whatever its size.

    What stands out is what differs from the picture's own average and from its surroundings, in colour or
    brightness, and has detail. Where nothing does, it is the middle of the picture.
    """
    scale = max(1.0, max(picture.size) / _SIDE)
    size = (max(1, round(picture.width / scale)), max(1, round(picture.height / scale)))
    small = picture.convert("RGBA").resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    values = np.asarray(small, dtype=np.float32) / 255
    lab = oklab.from_srgb(values[..., :3])
    weight = _salience(lab) * values[..., 3] * _nearness(size)
    # Only what stands out counts: the many dull pixels would draw the point to the middle.
    weight = np.maximum(weight - np.quantile(weight, 0.8), 0)
    total = float(weight.sum())
    if total < 1e-4 * weight.size:
        return picture.width / 2, picture.height / 2
    peak = _densest(weight)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    near = weight * np.exp(
        -((columns - peak[0]) ** 2 + (rows - peak[1]) ** 2) / (2 * (0.22 * max(size)) ** 2)
    )
    share = near / near.sum()
    x, y = float((columns * share).sum()) + 0.5, float((rows * share).sum()) + 0.5
    return x * picture.width / size[0], y * picture.height / size[1]


def _salience(lab: Map) -> Map:
    """How far each pixel is from the average colour, and from what is around it; and how detailed it is."""
    overall = np.linalg.norm(lab - np.median(lab, axis=(0, 1)), axis=-1)
    around = np.linalg.norm(_blurred(lab, 1) - _blurred(lab, 11), axis=-1)
    detail = _blurred(np.abs(lab[..., :1] - _blurred(lab[..., :1], 1)), 2)[..., 0]
    return np.asarray(_even(overall) * 0.7 + _even(around) * 1.3 + _even(detail) + 0.9 * _skin(lab))


def _skin(lab: Map) -> Map:
    """How much like skin the colours are: its hue hardly varies between people, its lightness does."""
    chroma, hue = np.hypot(lab[..., 1], lab[..., 2]), np.arctan2(lab[..., 2], lab[..., 1])
    likeness = np.exp(-(((hue - 0.85) / 0.22) ** 2) - ((chroma - 0.075) / 0.03) ** 2)
    return _blurred((likeness * (lab[..., 0] > 0.35) * (lab[..., 0] < 0.92))[..., None], 1)[..., 0]


def _blurred(channels: Map, radius: int) -> Map:
    """The average of a square around each pixel, twice, which is nearly a Gaussian; edges go on outside."""
    for _ in range(2):
        for axis in (0, 1):
            padding = [(radius + 1, radius) if each == axis else (0, 0) for each in range(3)]
            sums = np.cumsum(np.pad(channels, padding, mode="edge"), axis=axis, dtype=np.float64)
            after, before = np.split(sums, [2 * radius + 1], axis=axis)[1], sums
            before = np.take(before, range(channels.shape[axis]), axis=axis)
            channels = (after - before) / (2 * radius + 1)
    return channels


def _even(values: Map) -> Map:
    """From 0 to 1, by the strongest few, so that what is measured differently counts alike."""
    strongest = float(np.quantile(values, 0.98))
    return np.asarray(np.clip(values / max(strongest, _FAINT), 0, 1))


def _nearness(size: tuple[int, int]) -> Map:
    across, down = (np.linspace(-1, 1, each) if each > 1 else np.zeros(1) for each in size)
    return np.asarray(1 - _CENTER * (across[None, :] ** 2 + down[:, None] ** 2) / 2)


def _densest(weight: Map) -> tuple[float, float]:
    """Where most of the weight is close together: one subject rather than the middle between two."""
    dense = _blurred(weight[..., None], max(1, max(weight.shape) // 10))[..., 0]
    row, column = divmod(int(dense.argmax()), weight.shape[1])
    return column, row
