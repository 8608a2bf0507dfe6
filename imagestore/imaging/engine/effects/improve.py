"""Effects that look at the picture first: better colour, contrast and brightness, as far as it needs them.

They look at a small copy, work out curves for the three channels on it, and then change the picture once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.imaging.engine.effects.lattice import Curve, bend, luma, mix, saturate
from imagestore.imaging.engine.effects.surroundings import Surroundings

Values = NDArray[np.floating[Any]]

_SAMPLE = 256
_MIDDLE = 0.46
"""How bright a well exposed picture is on average, of 1."""

_MOST_GAIN = 1.35
"""How much one channel is raised or lowered against a cast."""

_FAINTEST = 0.5
"""A range of brightness is stretched as if it were this wide at least: fog is meant to be narrower."""


def auto_contrast(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Stretch the picture's range of brightness to the whole one, the same for all channels."""
    return bend(picture, _mixed(_stretching(_small(picture)), blend))


def auto_color(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Take a cast out: what is nearly grey becomes grey; then the range is stretched."""
    return bend(picture, *(_mixed(curve, blend) for curve in _balancing(_small(picture))))


def auto_brightness(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Bring the average brightness to the middle by a gamma, so that black and white stay."""
    return bend(picture, _mixed(_exposing(_small(picture), 1.0), blend))


def improve(picture: Image.Image, around: Surroundings, mode: str, blend: float) -> Image.Image:
    """Contrast, brightness and a little colour; `indoor` takes the cast of lamps out and lifts more."""
    colors = _small(picture)
    indoor = mode == "indoor"
    curves = _balancing(colors) if indoor else (_stretching(colors),) * 3
    exposing = _exposing(_bent(colors, curves), 0.8 if indoor else 0.6)
    better = mix(
        bend(picture, *(_chain(curve, exposing) for curve in curves)), saturate(1.1 if indoor else 1.2)
    )
    return better if blend == 100 else Image.blend(picture, better, blend / 100)


def _small(picture: Image.Image) -> Values:
    """The picture's colours, at a size that makes looking at them cheap."""
    factor = max(1, math.ceil(max(picture.size) / _SAMPLE))
    return np.asarray(picture.reduce(factor), dtype=np.float32) / 255


def _bent(colors: Values, curves: tuple[Curve, ...]) -> Values:
    return np.stack([np.clip(curve(colors[..., index]), 0, 1) for index, curve in enumerate(curves)], axis=-1)


def _chain(first: Curve, second: Curve) -> Curve:
    return lambda values: second(np.clip(first(values), 0, 1))


def _mixed(curve: Curve, blend: float) -> Curve:
    return lambda values: values + (np.clip(curve(values), 0, 1) - values) * (blend / 100)


def _stretching(colors: Values) -> Curve:
    """The whole range for brightness, but for half a percent at each end."""
    low, high = (float(each) for each in np.percentile(luma(colors), (0.5, 99.5)))
    if high - low < _FAINTEST:
        lacking = (_FAINTEST - (high - low)) / 2
        low, high = max(0.0, low - lacking), min(1.0, high + lacking)
    return lambda values: (values - low) / (high - low)


def _balancing(colors: Values) -> tuple[Curve, ...]:
    """A cast taken out, as far as the palest colours tell one, and the range stretched."""
    high, low = colors.max(axis=-1), colors.min(axis=-1)
    # What is nearly grey was grey before the light fell on it; what glows has a colour of its own.
    pale = (1 - (high - low) / np.maximum(high, 0.05)) ** 4 * ((high > 0.15) & (low < 0.95))
    gains = [1.0, 1.0, 1.0]
    if pale.sum() > 0.02 * pale.size:
        means = (colors * pale[..., None]).sum(axis=(0, 1)) / pale.sum()
        gains = np.clip(means.mean() / np.maximum(means, 0.05), 1 / _MOST_GAIN, _MOST_GAIN).tolist()
    raising = tuple(_raising(gain) for gain in gains)
    stretching = _stretching(_bent(colors, raising))
    return tuple(_chain(curve, stretching) for curve in raising)


def _raising(gain: float) -> Curve:
    return lambda values: values * gain


def _exposing(colors: Values, share: float) -> Curve:
    mean = min(0.95, max(0.05, float(luma(colors).mean())))
    power = 1 + (min(1.8, max(0.5, math.log(_MIDDLE) / math.log(mean))) - 1) * share
    return lambda values: np.asarray(values**power)
