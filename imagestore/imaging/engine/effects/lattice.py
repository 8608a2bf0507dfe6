"""Functions of colours, carried out on pictures: by a lattice of samples, by curves, by a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Colors = NDArray[np.floating[Any]]
"""Any number of colours: the last axis is red, green and blue, from 0 to 1."""

Function = Callable[[Colors], Colors]
Curve = Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]
Matrix = Sequence[Sequence[float]]

LUMA = (0.299, 0.587, 0.114)
"""How bright each primary is (ITU-R BT.601), as Pillow's mode "L" has it."""

_SIZE = 33
_STRIP = 1 << 20


def recolor(picture: Image.Image, function: Function, size: int = _SIZE) -> Image.Image:
    """Send every colour of an RGB picture through `function`: see `lattice`."""
    return picture.filter(lattice(function, size))


def lattice(function: Function, size: int = _SIZE) -> ImageFilter.Color3DLUT:
    """A filter that sends colours through `function`, which is asked for `size` cubed of them only.

    Between them it is interpolated, so it is to be smooth; what it gives is clipped to 0 and 1.
    """
    axis = np.linspace(0, 1, size, dtype=np.float32)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    samples = np.stack([red, green, blue], axis=-1)
    table = np.clip(function(samples), 0, 1).astype(np.float32)
    return ImageFilter.Color3DLUT(size, table.reshape(-1))


def bend(picture: Image.Image, *curves: Curve) -> Image.Image:
    """Send each channel of an RGB picture through its curve, or all through the one that is given."""
    values = np.linspace(0, 1, 256, dtype=np.float32)
    chosen = curves * 3 if len(curves) == 1 else curves
    tables = [np.clip(curve(values) * 255 + 0.5, 0, 255).astype(np.uint8) for curve in chosen]
    return picture.point(np.concatenate(tables).tolist())


def mix(picture: Image.Image, matrix: Matrix) -> Image.Image:
    """Make each channel of an RGB picture a sum of all three: a matrix of three rows of three or four."""
    rows = [(*row, 0.0)[:4] for row in matrix]
    return picture.convert("RGB", tuple(value for row in rows for value in row))


def luma(colors: Colors) -> NDArray[np.floating[Any]]:
    """The brightness of each colour, with an axis of one in the place of its channels."""
    return (colors @ np.array(LUMA, dtype=np.float32))[..., None]


def saturate(amount: float) -> list[list[float]]:
    """The matrix that moves colours away from grey: 0 makes them grey, 1 leaves them."""
    return [
        [(1 - amount) * weight + (amount if row == column else 0) for column, weight in enumerate(LUMA)]
        for row in range(3)
    ]


def by_strips(picture: Image.Image, change: Callable[[Image.Image, int], Image.Image]) -> Image.Image:
    """Change a picture a few rows at a time, so that arithmetic in floats stays small.

    `change` gets a strip and the row at which it begins, and gives a strip of the same size.
    """
    rows = max(1, _STRIP // picture.width)
    result = None
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(picture.height, top + rows)))
        changed = change(strip, top)
        if result is None:
            result = Image.new(changed.mode, picture.size)
        result.paste(changed, (0, top))
    return picture if result is None else result


def split_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours as RGB, and the alpha channel where there is one."""
    if picture.mode != "RGBA":
        return picture, None
    return picture.convert("RGB"), picture.getchannel("A")


def join_alpha(colors: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is not None:
        colors.putalpha(alpha)
    return colors
