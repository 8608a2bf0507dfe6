"""Effects of tone: how bright, how steep, how much of each channel, regardless of where in the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from imagestore.imaging.engine.effects.lattice import Colors, Curve, bend, luma, recolor
from imagestore.imaging.engine.effects.surroundings import Surroundings

Values = NDArray[np.floating[Any]]

_SIGMOID = 10.0
"""How steep the curve of a sigmoid contrast of 100 is."""


def negate(picture: Image.Image, around: Surroundings) -> Image.Image:
    return ImageChops.invert(picture)


def grayscale(picture: Image.Image, around: Surroundings) -> Image.Image:
    return picture.convert("L").convert("RGB")


def blackwhite(picture: Image.Image, around: Surroundings, threshold: float) -> Image.Image:
    """Black up to `threshold` percent of brightness, white above it."""
    limit = threshold * 255 / 100
    table = [255 if value > limit or threshold == 0 else 0 for value in range(256)]
    return picture.convert("L").point(table).convert("RGB")


def brightness(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    return bend(picture, lambda values: values * (1 + level / 100))


def brightness_hsb(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    """Change the brightness of HSB alone: hue and saturation stay, where `brightness` may clip a channel."""
    factor = 1 + level / 100

    def scale(colors: Colors) -> Colors:
        highest = np.maximum(colors.max(axis=-1, keepdims=True), 1e-6)
        return np.asarray(colors * np.minimum(factor, 1 / highest))

    return recolor(picture, scale)


def contrast(picture: Image.Image, around: Surroundings, level: float, kind: str) -> Image.Image:
    return bend(picture, _sigmoid(level / 100) if kind == "sigmoid" else _linear(level / 100))


def _linear(level: float) -> Curve:
    return lambda values: (values - 0.5) * (1 + level) + 0.5


def _sigmoid(level: float) -> Curve:
    """An S that keeps black, middle and white, or for a negative level its inverse."""
    steepness = abs(level) * _SIGMOID
    if steepness < 0.01:
        return lambda values: values
    low, high = _logistic(np.array([0, 1], dtype=np.float32), steepness)
    if level > 0:
        return lambda values: (_logistic(values, steepness) - low) / (high - low)

    def invert(values: Values) -> Values:
        inside = values * (high - low) + low
        return np.asarray(0.5 - np.log(1 / inside - 1) / steepness, dtype=np.float32)

    return invert


def _logistic(values: Values, steepness: float) -> Values:
    return np.asarray(1 / (1 + np.exp(steepness * (0.5 - values))), dtype=np.float32)


def gamma(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    exponent = 1 / (1 + level / 100)
    return bend(picture, lambda values: values**exponent)


def red(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    return _channel(picture, 0, level)


def green(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    return _channel(picture, 1, level)


def blue(picture: Image.Image, around: Surroundings, level: float) -> Image.Image:
    return _channel(picture, 2, level)


def _channel(picture: Image.Image, index: int, level: float) -> Image.Image:
    curves: list[Curve] = [lambda values: values] * 3
    curves[index] = lambda values: values * (1 + level / 100)
    return bend(picture, *curves)


def fill_light(picture: Image.Image, around: Surroundings, blend: float, bias: float) -> Image.Image:
    """Lift what lies in the dark, and leave what is bright. `bias` moves the border between the two."""
    reach = 0.5 + bias / 250

    def lift(colors: Colors) -> Colors:
        bright = luma(colors)
        dark = np.clip(1 - bright / (2 * reach), 0, 1) ** 2
        lifted = bright ** (1 - 0.45 * dark)
        return np.asarray(colors + (colors * lifted / np.maximum(bright, 0.02) - colors) * (blend / 100))

    return recolor(picture, lift)
