"""OKLab, in which equal steps look equal (Ottosson, "A perceptual color space for image processing")."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagestore.core.transformation.model import Color

Values = NDArray[np.floating[Any]]

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB = np.linalg.inv(_TO_LAB)
_FROM_CONES = np.linalg.inv(_TO_CONES)


def from_srgb(colors: Values) -> Values:
    """Lightness from 0 to 1, then two axes of colour; the input is sRGB from 0 to 1."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((np.maximum(colors, 0) + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T, dtype=np.float32)


def to_srgb(lab: Values) -> Values:
    """Not clipped: what sRGB cannot show lies below 0 or above 1."""
    linear = (lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T
    curved = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, curved), dtype=np.float32)


def of(color: Color) -> Values:
    return from_srgb(np.array([color.red, color.green, color.blue], dtype=np.float32) / 255)
